"""Counted cells are what pandas counts, whatever the columns are called."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raikit.errors import DataError, LimitError, RunError
from raikit.run.predictions import Predictions


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    path = tmp_path_factory.mktemp("predictions") / "predictions.parquet"

    def write(frame):
        frame.to_parquet(path)
        return Predictions(path)

    return write


DAMAGED = Path(__file__).parents[1] / "data" / "damaged" / "size-statistics.parquet"
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


def test_predictions_whose_footer_contradicts_itself_are_refused_at_once(tmp_path):
    """A filter of Arrow's waits for ever on such a file, if it is on the damaged column."""
    path = tmp_path / "predictions.parquet"
    path.write_bytes(DAMAGED.read_bytes().replace(b"score", b"split"))
    predictions, refused = Predictions(path), []
    for column in predictions.columns:
        try:
            predictions.frame([column], "0.5")
        except RunError as error:
            refused.append(str(error))
    assert refused and all("no predictions of raikit" in said for said in refused)


def test_text_that_a_small_file_repeats_never_fills_the_memory(tmp_path, monkeypatch):
    path = tmp_path / "predictions.parquet"
    pd.DataFrame({"split": ["test"] * 3_000 + ["train"], "id": ["a" * 100_000] * 3_000 + ["b"], "score": 0.5}).to_parquet(path)
    monkeypatch.setenv("RAIKIT_MAX_MEGABYTES", "100")
    with pytest.raises(LimitError, match=r"predictions.parquet has 300 megabytes of text, more than the 100"):
        Predictions(path).frame(["id"])
    assert len(Predictions(path).frame(["score"])) == 3_000 and len(Predictions(path).frame(["id"], "train")) == 1


def test_groups_of_rows_are_read_in_order(tmp_path):
    frame = pd.DataFrame({"split": ["test", "train"] * 50, "id": [f"c{at}" for at in range(100)], "score": range(100)})
    frame.to_parquet(tmp_path / "predictions.parquet", row_group_size=7, index=False)
    predictions = Predictions(tmp_path / "predictions.parquet")
    assert list(predictions.frame(["score"])["score"]) == list(range(0, 100, 2))
    assert list(predictions.frame(["id", "split"], "train")["id"]) == [f"c{at}" for at in range(1, 100, 2)]
    assert predictions.frame(split="*").equals(frame)
