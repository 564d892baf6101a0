"""A table that is larger than memory is counted; its audit says what that of the same table in memory says."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import yaml

from raikit.audit.conductor import audit
from raikit.audit.plan import Request
from raikit.console import Console
from raikit.data import counted, scan
from raikit.errors import ConfigError, DataError, RaikitError
from raikit.run.predictions import Predictions
from raikit_performance import mistakes

CHANGING = {"seconds", "run_id", "started", "command", "config", "config_path", "fingerprint", "source", "name"}
GATE = {"rules": [
    {"metric": "performance.accuracy", "min": 0.6}, {"metric": "fairness.equalized_odds_difference[sex]", "max": 0.2},
    {"metric": "fairness.selection_rate[sex=F]", "min": 0.1},
]}  # fmt: skip


def people(rows=4000, seed=0):
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 2, rows)
    return pd.DataFrame({
        "y": np.where(truth == 1, "yes", "no"),
        "yhat": np.where(rng.random(rows) < 0.8, truth, 1 - truth),
        "sex": rng.choice(["F", "M", None], rows, p=[0.5, 0.45, 0.05]),
        "age": rng.integers(18, 80, rows),
        "part": rng.choice(["test", "train"], rows, p=[0.8, 0.2]),
    })  # fmt: skip


def write(frame, folder, suffix):
    path = folder / f"cases.{suffix}"
    if suffix == "parquet":
        frame.to_parquet(path, index=False, row_group_size=1000)
    elif suffix == "csv":
        frame.to_csv(path, index=False)
    else:
        path = folder / "cases"
        for number, part in enumerate((frame[:1500], frame[1500:1501], frame[1501:])):
            (path / f"year={number}").mkdir(parents=True, exist_ok=True)
            part.to_parquet(path / f"year={number}" / "part.parquet", index=False)
    return path


def configure(folder, table, *, prediction=None, gate=GATE, **data):
    data = {
        "path": table.name, "target": "y", "positive": "yes", "split": "part",
        "sensitive": ["sex", {"column": "age", "bins": [30, 60]}], **data,
    }  # fmt: skip
    settings = {
        "name": "large", "data": data, "gate": gate,
        "model": {"load": {"kind": "predictions", "prediction": "yhat", **(prediction or {})}},
    }  # fmt: skip
    (folder / "audit.yaml").write_text(yaml.safe_dump(settings))
    return folder / "audit.yaml"


def run(config, out, **more):
    return audit(Request(config, out=out, formats=["json"], **more), Console(quiet=True))


def content(value):
    """Return a record without what differs between two runs of one audit."""
    if isinstance(value, dict):
        return {key: content(item) for key, item in value.items() if key not in CHANGING}
    return [content(item) for item in value] if isinstance(value, list) else value


@pytest.fixture
def labelled():
    frame = people()
    frame["yhat"] = frame["yhat"].map({0: "no", 1: "yes"})
    frame.loc[frame["part"] == "train", "yhat"] = None  # nobody predicted them, so they are left out
    return frame


@pytest.mark.parametrize("suffix", ["csv", "parquet", "folder"])
def test_a_counted_audit_has_the_record_and_predictions_of_one_in_memory(tmp_path, monkeypatch, labelled, suffix):
    config = configure(tmp_path, write(labelled, tmp_path, suffix))
    whole = run(config, tmp_path / "whole")
    monkeypatch.setattr(counted, "MOST_READ", 1000)
    monkeypatch.setattr(scan, "_BATCH", 700)
    counted_run = run(config, tmp_path / "counted")
    records = [json.loads(outcome.record.model_dump_json()) for outcome in (whole, counted_run)]
    assert content(records[0]) == content(records[1])
    assert counted_run.record.data.fingerprint == whole.record.data.fingerprint
    frames = [Predictions(outcome.folder / "predictions.parquet").frame(split="*") for outcome in (whole, counted_run)]
    pd.testing.assert_frame_equal(*frames)


def test_no_case_is_read(tmp_path, monkeypatch, labelled):
    config = configure(tmp_path, write(labelled, tmp_path, "parquet"))
    monkeypatch.setattr(counted, "MOST_READ", 1000)
    for module in ("raikit.data.dataset", "raikit.data.tables"):
        monkeypatch.setattr(f"{module}.read_table", lambda *args, **kwargs: pytest.fail("the table was read whole"))
    monkeypatch.setattr(mistakes, "_MOST_CASES", 1000)
    monkeypatch.setattr(Predictions, "frame", lambda *args, **kwargs: pytest.fail("cases were read"))
    outcome = run(config, tmp_path / "run")
    status = {check.name: check.status for check in outcome.record.checks}
    assert status["performance.classification"] == status["fairness.groups"] == status["performance.confusion_matrix"] == "ok"
    assert outcome.record.data.splits == {"test": int((labelled["part"] == "test").sum())}


def test_decisions_without_truth_are_counted_too(tmp_path, monkeypatch, labelled):
    config = configure(tmp_path, write(labelled, tmp_path, "parquet"), target=None, gate={})
    whole = run(config, tmp_path / "whole").record
    monkeypatch.setattr(counted, "MOST_READ", 1000)
    assert content(json.loads(run(config, tmp_path / "run").record.model_dump_json())) == content(
        json.loads(whole.model_dump_json())
    )


@pytest.mark.parametrize(
    ("change", "role"),
    [({"y": None}, "y"), ({"yhat": None}, "yhat"), ({"yhat": "perhaps"}, "yhat"), ({"part": "later"}, "part")],
)
def test_an_error_names_the_row_that_one_in_memory_names(tmp_path, monkeypatch, labelled, change, role):
    for column, value in change.items():
        row = labelled.index[(labelled["part"] == "test") & (labelled.index > 2500)][3]
        labelled.loc[row, column] = value
    config = configure(tmp_path, write(labelled, tmp_path, "csv"))
    messages = []
    for most in (10_000, 1000):
        monkeypatch.setattr(counted, "MOST_READ", most)
        with pytest.raises(RaikitError) as raised:
            run(config, tmp_path / f"run-{most}")
        messages.append(str(raised.value))
    assert messages[0] == messages[1]
    assert role in messages[0]


@pytest.mark.parametrize(
    ("keys", "named"),
    [({"weight": "age", "sensitive": ["sex"]}, "data.weight needs"), ({"cluster": ["age"], "sensitive": ["sex"]}, "data.cluster"),
     ({"id": "number"}, "data.id"), ({"keep": ["number"]}, "data.keep")],
)  # fmt: skip
def test_what_needs_every_case_is_refused_above_a_stated_number(tmp_path, monkeypatch, labelled, keys, named):
    labelled["number"] = np.arange(len(labelled))
    config = configure(tmp_path, write(labelled, tmp_path, "parquet"), gate={}, **keys)
    monkeypatch.setattr(counted, "MOST_READ", 1000)
    run(config, tmp_path / "read")  # more than are counted, but not more than memory holds
    monkeypatch.setattr(counted, "MOST_IN_MEMORY", 2000)
    with pytest.raises(ConfigError, match=rf"cases.parquet has 4,000 rows\. More than 2,000 are only counted, and {named}"):
        run(config, tmp_path / "refused")


def test_a_check_that_needs_cases_is_skipped_with_a_sentence(tmp_path, monkeypatch, labelled):
    config = configure(tmp_path, write(labelled, tmp_path, "parquet"), gate={})
    monkeypatch.setattr(counted, "MOST_READ", 1000)
    monkeypatch.setattr("raikit.run.predictions.MOST_CASES", 1000)
    (tmp_path / "mine.py").write_text(
        "import raikit\n\n\nclass Mine(raikit.Check):\n    name = 'mine.rows'\n    pillar = 'mine'\n\n"
        "    def run(self, ctx):\n        ctx.predictions.frame()\n        return raikit.CheckResult()\n\n\n"
        "class Other(raikit.Check):\n    name = 'mine.table'\n    pillar = 'mine'\n\n"
        "    def run(self, ctx):\n        ctx.data.frame()\n        return raikit.CheckResult()\n"
    )
    settings = yaml.safe_load(config.read_text()) | {"plugins": {"local": ["mine.py"]}}
    config.write_text(yaml.safe_dump(settings))
    checks = {check.name: check for check in run(config, tmp_path / "run", isolation="none").record.checks}
    for name in ("mine.rows", "mine.table"):
        assert checks[name].status == "skipped", checks[name].reason
        assert "needs every case" in checks[name].reason
        assert "sample" in checks[name].help


def test_too_many_different_rows_are_not_counted(tmp_path, monkeypatch, labelled):
    monkeypatch.setattr(counted, "MOST_READ", 1000)
    monkeypatch.setattr("raikit.data.distinct._MOST", 5)
    config = configure(tmp_path, write(labelled, tmp_path, "parquet"), gate={})
    assert run(config, tmp_path / "read").record.data.splits
    monkeypatch.setattr(counted, "MOST_IN_MEMORY", 2000)
    with pytest.raises(ConfigError, match="its columns hold too many different rows"):
        run(config, tmp_path / "refused")


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_damaged_table_is_one_sentence(tmp_path, monkeypatch, labelled, suffix):
    path = write(labelled, tmp_path, suffix)
    monkeypatch.setattr(counted, "MOST_READ", 1000)
    if suffix == "csv":
        path.write_text(path.read_text() + "one,two\n")
    else:
        content = bytearray(path.read_bytes())
        content[200:5000] = bytes(4800)
        path.write_bytes(bytes(content))
    with pytest.raises(DataError, match=r"cases\.csv, line 4002: 2 cells" if suffix == "csv" else r"cases\.parquet"):
        run(configure(tmp_path, path), tmp_path / "run")


def test_a_table_that_a_model_would_have_to_score_is_refused_too(tmp_path, monkeypatch, labelled):
    config = configure(tmp_path, write(labelled, tmp_path, "csv"), gate={}, inputs={"age": {"modality": "tabular", "columns": ["age"]}})
    settings = yaml.safe_load(config.read_text())
    settings["data"]["sensitive"] = ["sex"]
    config.write_text(yaml.safe_dump(settings | {"model": {"train": {"kind": "fusion"}}}))
    monkeypatch.setattr(counted, "MOST_IN_MEMORY", 2000)
    with pytest.raises(ConfigError, match=r"cases\.csv has about 4,001 rows\. More than 2,000 are only counted, and a model needs"):
        run(config, tmp_path / "refused")
