"""Tables are read in batches: files and folders of CSV and Parquet, in the types of the whole."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from raikit.data import scan
from raikit.data.distinct import count_rows
from raikit.data.scan import TableScan
from raikit.data.tables import read_table
from raikit.errors import DataError
from raikit_fairness import assess


def people(rows=900):
    rng = np.random.default_rng(0)
    return pd.DataFrame({
        "sex": rng.choice(["F", "M", None], rows), "code": rng.choice(["007", "7", "12"], rows),
        "ratio": rng.choice([0.0, -0.0, 1.5, np.nan], rows), "flag": rng.choice([True, False], rows),
        "y": rng.integers(0, 2, rows), "yhat": rng.integers(0, 2, rows),
    })  # fmt: skip


def write(frame, folder, suffix):
    """Write three parts, the last without the column `flag`."""
    for number, part in enumerate((frame[:300], frame[300:301], frame[301:].drop(columns="flag"))):
        place = folder / "table" / f"year={2020 + number}"
        place.mkdir(parents=True)
        if suffix == "parquet":
            part.to_parquet(place / "part.parquet", index=False)
        else:
            part.to_csv(place / f"part.{suffix}", index=False)
    return folder / "table"


@pytest.mark.parametrize("suffix", ["csv", "csv.gz", "parquet"])
def test_a_folder_is_counted_without_being_read_whole(tmp_path, monkeypatch, suffix):
    path = write(people(), tmp_path, suffix)
    whole = read_table(path)
    arguments = {"target": "y", "prediction": "yhat", "sensitive_features": ["sex", "code", "flag", "year"]}
    expected = assess(whole.y, whole.yhat, sensitive_features=whole[arguments["sensitive_features"]]).by_group
    monkeypatch.setattr(scan, "read_cells", lambda *args: pytest.fail("the table was read whole"))
    pd.testing.assert_frame_equal(assess(path, **arguments).by_group, expected)


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_distinct_rows_and_their_places_rebuild_the_table(tmp_path, monkeypatch, suffix):
    monkeypatch.setattr(scan, "_BATCH", 100)
    path = write(people(), tmp_path, suffix)
    whole = read_table(path)
    for most in (1 << 22, 1):  # found in a table of all combinations, and by searching
        monkeypatch.setattr("raikit.data.distinct._LARGEST_TABLE", most)
        found = count_rows(TableScan(path, list(whole.columns)))
        assert found is not None
        places = np.concatenate(list(found.positions()))
        pd.testing.assert_frame_equal(found.frame().iloc[places].reset_index(drop=True), whole)
        assert found.counts.tolist() == np.bincount(places).tolist()
        assert found.first.tolist() == [int((places == at).argmax()) for at in range(len(found.first))]
        assert list(found.first) == sorted(found.first)


def test_a_table_that_changes_between_two_readings_is_noticed(tmp_path):
    frame = people()
    frame.to_csv(tmp_path / "a.csv", index=False)
    found = count_rows(TableScan(tmp_path / "a.csv", ["sex", "y"]))
    assert found is not None
    frame.replace({"F": "X"}).to_csv(tmp_path / "a.csv", index=False)
    with pytest.raises(DataError, match=r"a\.csv has changed while it was read"):
        list(found.positions())


def test_parts_of_different_types_are_one_sentence(tmp_path):
    for number, values in enumerate(([1, 2], [[1], [2]])):
        pd.DataFrame({"y": [0, 1], "yhat": [0, 1], "g": values}).to_parquet(tmp_path / f"{number}.parquet")
    with pytest.raises(DataError, match="a column has another type in one part of the table than in another"):
        assess(tmp_path, target="y", prediction="yhat", sensitive_features="g")


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_damaged_part_is_named(tmp_path, suffix):
    path = write(people(), tmp_path, suffix)
    part = path / "year=2022" / f"part.{suffix}"
    part.write_bytes(part.read_bytes()[:-1] + b"\n1,2\n" if suffix == "csv" else part.read_bytes()[:-30])
    with pytest.raises(DataError, match=r"part\.csv, line 601: 2 cells" if suffix == "csv" else r"(part|table)"):
        assess(path, target="y", prediction="yhat", sensitive_features="sex")


def test_rows_are_counted_without_reading_cells(tmp_path):
    frame = people()
    frame.to_parquet(tmp_path / "a.parquet")
    frame.to_csv(tmp_path / "a.csv.gz", index=False)
    frame.to_json(tmp_path / "a.jsonl", orient="records", lines=True)
    assert [TableScan(tmp_path / name, ["y"]).rows for name in ("a.parquet", "a.csv.gz", "a.jsonl")] == [900, 901, 0]


@pytest.mark.parametrize("name", ["t.feather", "t.parquet", "parts"])
def test_durations_are_groups_in_every_format(tmp_path, name):
    import pyarrow as pa
    from pyarrow import feather, parquet

    waits = pa.array(np.arange(40) % 2 * 86_400_000_000_000 + 7, pa.duration("ns"))  # 7 ns are lost in an engine's intervals
    table = pa.table({"y": np.arange(40) % 2, "p": np.arange(40) % 3 % 2, "wait": waits})
    path = tmp_path / name
    if name == "parts":
        path.mkdir()
        parquet.write_table(table.slice(0, 20), path / "a.parquet")
        parquet.write_table(table.slice(20), path / "b.parquet")
    else:
        (feather.write_feather if name.endswith("feather") else parquet.write_table)(table, path)
    of_file, in_memory = (assess(each, target="y", prediction="p", sensitive_features="wait") for each in (path, table))
    assert sorted(set(of_file.by_group["group"])) == sorted(set(in_memory.by_group["group"]))
    assert of_file.by_group["group"].nunique() == 2
