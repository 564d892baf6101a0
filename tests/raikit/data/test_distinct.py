import pandas as pd
import pytest

from raikit.data.distinct import count_rows
from raikit.data.scan import TableScan


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_names_that_differ_only_in_case_are_counted_apart(tmp_path, suffix):
    table = pd.DataFrame({"Y": [0, 1, 1, 0, 1], "y": [1, 1, 0, 0, 0]})
    path = tmp_path / f"t.{suffix}"
    table.to_csv(path, index=False) if suffix == "csv" else table.to_parquet(path)
    counted = count_rows(TableScan(path, ["Y", "y"]))
    assert counted.frame().assign(n=counted.counts).to_numpy().tolist() == [[0, 1, 1], [1, 1, 1], [1, 0, 2], [0, 0, 1]]
    assert count_rows(TableScan(path, ["y"])).frame()["y"].tolist() == [1, 0]
