"""An Arrow batch becomes an Arrow batch of scores: those of the audit, whatever the sizes of batches, in any process."""

import os
import pickle
import subprocess
import sys

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet as pq
import pytest
import yaml
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skops.io import dump

import raikit
from raikit.errors import ConfigError, DataError

ROWS = 300


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return an audit of a regression on numbers, some of which are missing, beside its table."""
    folder, rng = tmp_path_factory.mktemp("scorer"), np.random.default_rng(0)
    table = pd.DataFrame({"case": [f"c{row}" for row in range(ROWS)], "age": rng.integers(18, 90, ROWS).astype(float),
                          "income": rng.integers(0, 9000, ROWS), "sex": rng.choice(["F", "M"], ROWS)})  # fmt: skip
    table.loc[::7, "age"] = np.nan
    table["paid"] = np.where(table["income"] + rng.normal(0, 500, ROWS) > 4000, "yes", "no")
    table.to_csv(folder / "loans.csv", index=False)
    pipeline = make_pipeline(SimpleImputer(), StandardScaler(), LogisticRegression())
    dump(pipeline.fit(table[["age", "income"]], table["paid"]), folder / "model.skops")
    config = {
        "name": "loans",
        "data": {"path": "loans.csv", "id": "case", "target": "paid", "positive": "yes", "sensitive": ["sex"],
                 "inputs": {"facts": {"modality": "tabular", "columns": ["age", "income"]}}},
        "model": {"load": {"kind": "sklearn", "path": "model.skops", "trusted": ["numpy.dtype"]}, "batch_size": 32},
        "checks": {"performance.classification": {}},
    }  # fmt: skip
    (folder / "audit.yaml").write_text(yaml.safe_dump(config))
    return folder


@pytest.fixture(scope="module")
def scorer(folder):
    return raikit.open_scorer(folder / "audit.yaml")


@pytest.fixture(scope="module")
def table(folder):
    """Return the same rows as Arrow holds them, whole numbers with gaps among them."""
    frame = pd.read_csv(folder / "loans.csv")
    return pa.table({**{name: frame[name].tolist() for name in ("case", "income", "sex")},
                     "age": pa.array([None if np.isnan(age) else int(age) for age in frame["age"]], pa.int32())})  # fmt: skip


def assert_alike(one, other):
    """Scores agree but for rounding: libraries of linear algebra add in another order where rows are fewer."""
    pd.testing.assert_frame_equal(one.to_pandas(), other.to_pandas(), rtol=1e-12, atol=1e-15)


def batches(table, size):
    return table.to_batches(max_chunksize=size)


def test_scores_are_those_of_the_audit(folder, scorer, table, capsys):
    from raikit.cli import main

    assert main(["audit", str(folder / "audit.yaml"), "--out", str(folder / "run")]) == 0
    audited = pd.read_parquet(folder / "run" / "predictions.parquet")
    scored = scorer(table).to_pandas()
    assert scored.columns.tolist() == ["id", "prediction", "score"]
    pd.testing.assert_frame_equal(scored, audited[scored.columns], check_dtype=False, check_exact=True)


@pytest.mark.parametrize("size", [1, 2, 7, 31, 32, 33, ROWS])
def test_scores_do_not_depend_on_the_size_of_batches(scorer, table, size):
    scored = pa.Table.from_batches([scorer(batch) for batch in batches(table, size)])
    assert_alike(scored, scorer(table))
    assert scored.schema.equals(scorer.schema)


def test_an_empty_batch_has_no_scores(scorer, table):
    assert scorer(table.slice(0, 0)).equals(pa.Table.from_batches([], scorer.schema))


def test_another_process_opens_the_same_scorer_from_a_pickle(scorer, table):
    pickled = pickle.dumps(scorer)
    assert len(pickled) < 1000
    assert pickle.loads(pickled)(table).equals(scorer(table))


def test_columns_that_are_absent_or_of_another_type_are_named(scorer, table):
    with pytest.raises(DataError, match=r"no single column 'income'\. Did you mean 'incom'"):
        scorer(table.rename_columns(["case", "incom", "sex", "age"]))
    with pytest.raises(DataError, match="the column 'income' of the batch holds text"):
        scorer(table.set_column(1, "income", pa.array(["much"] * ROWS)))


def test_an_interrupted_stream_goes_on_behind_its_last_finished_part(scorer, table, tmp_path):
    def killed(after):
        for number, batch in enumerate(batches(table, 50)):
            if number == after:
                raise KeyboardInterrupt
            yield batch

    with pytest.raises(KeyboardInterrupt):
        scorer.write_parts(killed(3), tmp_path)
    left = {file: file.stat().st_mtime_ns for file in tmp_path.iterdir()}
    assert len(left) == 3
    (tmp_path / "part-000001.arrow").write_bytes(b"half")  # damaged, so it is made again
    assert scorer.write_parts(batches(table, 50), tmp_path) == ROWS
    kept = {file.name for file, time in left.items() if file.stat().st_mtime_ns == time}
    assert kept == {"part-000000.arrow", "part-000002.arrow"}
    assert_alike(pa.dataset.dataset(tmp_path, format="arrow").to_table(), scorer(table))


def test_parts_of_other_rows_are_not_kept(scorer, table, tmp_path):
    scorer.write_parts(batches(table, 50), tmp_path)
    changed = table.set_column(1, "income", pa.array([0] * ROWS))
    scorer.write_parts(batches(changed.slice(0, 100), 50), tmp_path)
    assert_alike(pa.dataset.dataset(tmp_path, format="arrow").to_table(), scorer(changed.slice(0, 100)))


def test_a_table_of_predictions_and_a_model_that_nobody_trained_are_refused(folder, tmp_path):
    config = yaml.safe_load((folder / "audit.yaml").read_text()) | {"model": {"train": {"kind": "fusion"}}}
    (folder / "train.yaml").write_text(yaml.safe_dump(config))
    with pytest.raises(ConfigError, match="give `run`"):
        raikit.open_scorer(folder / "train.yaml")
    config["model"] = {"load": {"kind": "predictions", "prediction": "paid"}}
    (folder / "table.yaml").write_text(yaml.safe_dump(config))
    with pytest.raises(ConfigError, match="only a model can score other rows"):
        raikit.open_scorer(folder / "table.yaml")


MODULE = """from sklearn.dummy import DummyRegressor

def build(data):
    return DummyRegressor(strategy="constant", constant={}).fit([[0, 0]], [0])
"""
_PROGRAM = """import pathlib, sys
import pyarrow.parquet, raikit
config, rows, parts = sys.argv[1:]
raikit.open_scorer(config).write_parts(pyarrow.parquet.read_table(rows).to_batches(), pathlib.Path(parts))
"""


def _written(config, table, parts):
    """Return the scores that another process writes into parts."""
    run = [sys.executable, "-c", _PROGRAM]
    pq.write_table(table, parts.parent / "rows.parquet")
    subprocess.run([*run, str(config), str(parts.parent / "rows.parquet"), str(parts)], check=True, timeout=120)
    return set(pa.dataset.dataset(parts, format="arrow").to_table()["prediction"].to_pylist())


def test_parts_of_a_function_that_was_changed_are_not_kept(folder, table, tmp_path):
    config = yaml.safe_load((folder / "audit.yaml").read_text())
    config["data"] |= {"target": "income", "positive": None, "path": str(folder / "loans.csv")}
    config["data"]["inputs"]["facts"]["columns"] = ["age"]
    config["model"] = {"load": {"kind": "sklearn", "path": "own_model:build"}}
    (tmp_path / "audit.yaml").write_text(yaml.safe_dump(config))
    found = []
    for constant in (1, 25):
        (tmp_path / "own_model.py").write_text(MODULE.format(constant))
        found.append(_written(tmp_path / "audit.yaml", table, tmp_path / "parts"))
    assert found == [{1.0}, {25.0}]


def test_a_pipe_in_the_place_of_a_part_is_replaced(scorer, table, tmp_path):
    os.mkfifo(tmp_path / "part-000000.arrow")
    assert scorer.write_parts(batches(table, 50), tmp_path) == ROWS
    assert_alike(pa.dataset.dataset(tmp_path, format="arrow").to_table(), scorer(table))
