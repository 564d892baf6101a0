import pandas as pd
import pytest

from raikit.audit.conductor import audit
from raikit.audit.opening import describe_model, score_cases
from raikit.audit.plan import Request
from raikit.console import Console
from raikit.isolation.parent import Children
from raikit.run.directory import PREDICTIONS, RunDirectory


class Source:
    """Predictions of nobody, counted."""

    capabilities = frozenset({"labels"})

    @property
    def is_model(self):
        return self.model is not None

    def __init__(self, model=None):
        self.model, self.calls = model, 0

    def describe(self):
        return {"kind": "mine"}

    def predict(self, data, progress, parts=None):
        self.calls += 1
        return pd.DataFrame({"prediction": [0, 1, 1]})


@pytest.fixture
def run(tmp_path):
    run = RunDirectory(tmp_path / "run")
    run.open()
    yield run
    run.close()


@pytest.mark.parametrize(("model", "cases"), [(object(), 3), (None, 0)])
def test_cases_are_scored_once_and_only_those_of_a_model_are_counted(run, model, cases):
    source = Source(model)
    assert score_cases(source, None, run, Console(quiet=True)) == cases
    run.close()
    resumed = RunDirectory(run.folder, resume=True)
    assert score_cases(source, None, resumed, Console(quiet=True)) == cases
    assert source.calls == 1
    assert len(pd.read_parquet(run.folder / PREDICTIONS)) == 3


def test_scores_that_an_interruption_left_uncounted_are_made_again(run):
    (run.folder / PREDICTIONS).write_bytes(b"half")
    assert score_cases(Source(object()), None, run, Console(quiet=True)) == 3
    assert len(pd.read_parquet(run.folder / PREDICTIONS)) == 3


def test_scores_that_were_taken_out_of_an_interrupted_run_are_made_again(run):
    assert score_cases(Source(object()), None, run, Console(quiet=True)) == 3
    run.close()
    (run.folder / PREDICTIONS).unlink()
    assert score_cases(Source(object()), None, RunDirectory(run.folder, resume=True), Console(quiet=True)) == 3
    assert len(pd.read_parquet(run.folder / PREDICTIONS)) == 3


def test_scores_that_another_process_has_put_into_a_new_run_are_made_again(run):
    (run.work / "scored.json").write_text('{"cases": 0}')
    (run.folder / PREDICTIONS).write_bytes(b"forged")
    assert score_cases(Source(object()), None, run, Console(quiet=True)) == 3
    assert len(pd.read_parquet(run.folder / PREDICTIONS)) == 3


def test_a_model_that_this_run_has_trained_is_described_with_its_history(run):
    assert describe_model(Source(), run, True) == {"kind": "mine"}
    (run.folder / "model").mkdir()
    (run.folder / "model" / "history.json").write_text('{"epochs": [1]}')
    assert describe_model(Source(), run, True) == {"kind": "mine", "history": {"epochs": [1]}}
    assert describe_model(Source(), run, False) == {"kind": "mine"}


@pytest.mark.parametrize(
    ("kind", "keys", "loads"),
    [
        ("torch", "path: 'network:build'", ["raikit.isolation.subject", "raikit.models.torch_module"]),
        ("sklearn", "path: 'network:build'", ["raikit.isolation.subject", "raikit.models.sklearn_estimator"]),
        ("onnx", "path: m.onnx", ["raikit.isolation.subject", "raikit.models.onnx.model"]),
        ("fusion", "path: model", None),
        ("predictions", "prediction: y", None),
    ],
)
def test_the_process_of_a_model_with_code_of_its_own_loads_before_the_data_are_read(tmp_path, monkeypatch, kind, keys, loads):
    (tmp_path / "cases.csv").write_text("a,y\n1,0\n2,1\n")
    (tmp_path / "audit.yaml").write_text(
        f"name: t\ndata: {{path: cases.csv, target: y, inputs: {{t: {{modality: tabular, columns: [a]}}}}}}\n"
        f"model: {{load: {{kind: {kind}, {keys}}}}}\n"
    )
    started = []
    monkeypatch.setattr(Children, "start_model", lambda self, *modules: started.append(list(modules)))
    monkeypatch.setattr("raikit.audit.conductor.open_data", lambda plan: started.append("data") or 1 / 0)
    with pytest.raises(ZeroDivisionError):
        audit(Request(tmp_path / "audit.yaml", out=tmp_path / "run"), Console())
    assert started == ["data"] if loads is None else [loads, "data"]
