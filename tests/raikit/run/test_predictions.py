"""Counted cells are what pandas counts, whatever the columns are called."""

from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raikit.errors import DataError
from raikit.run.predictions import Predictions


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    path = tmp_path_factory.mktemp("predictions") / "predictions.parquet"

    def write(frame):
        frame.to_parquet(path)
        return Predictions(path)

    return write


NAMES = st.sampled_from(["n", "N", "w", "w2", "n_", "sex", "target", '"', "a b", "select"])


@settings(max_examples=60, deadline=None)
@given(
    names=st.lists(NAMES, min_size=1, max_size=3, unique_by=str.lower),
    rows=st.lists(st.tuples(*[st.sampled_from(["x", "y", None])] * 3, st.integers(1, 4)), min_size=1, max_size=20),
)
def test_cells_are_the_counts_of_pandas(written, names, rows):
    frame = pd.DataFrame([row[: len(names)] for row in rows], columns=names, dtype="str")
    frame = frame.assign(split="test", weight=[float(row[3]) for row in rows])
    cells = written(frame).cells(names, weight="weight")
    expected = frame.groupby(names, dropna=False, sort=True)["weight"].agg(["size", "sum", lambda w: (w**2).sum()])
    assert list(cells.columns[: len(names)]) == names
    found = {
        tuple(None if pd.isna(value) else value for value in row[: len(names)]): row[len(names) :]
        for row in cells.itertuples(index=False, name=None)
    }
    keys = [key if isinstance(key, tuple) else (key,) for key in expected.index]
    wanted = {
        tuple(None if pd.isna(value) else value for value in key): tuple(row)
        for key, row in zip(keys, expected.to_numpy().tolist(), strict=True)
    }
    assert found == wanted


def test_a_column_that_is_not_there_is_named_with_the_nearest(written):
    predictions = written(pd.DataFrame({"split": ["test"], "sex": ["F"]}))
    with pytest.raises(DataError, match="no column 'sxe'.*'sex'"):
        predictions.cells(["sxe"])


def test_a_split_that_is_no_text_is_no_split_of_an_audit(written):
    predictions = written(pd.DataFrame({"split": [["test"], ["a", "b"]], "n": [1, 2]}))
    assert predictions.size("test") == 0 and len(predictions.splits) == 2
