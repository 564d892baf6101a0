import pandas as pd
import pytest

from raikit.audit.opening import describe_model, score_cases
from raikit.console import Console
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

    def predict(self, data, progress):
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
