import pandas as pd
import pytest

from raikit import Check, CheckResult, Requires
from raikit.audit.requirements import needs_model, unmet_requirement
from raikit.testing import table_context


def check(**needs):
    run = {"run": lambda self, ctx: CheckResult()}
    return type("It", (Check,), {"name": "mine.it", "pillar": "mine", "requires": Requires(**needs), **run})


@pytest.fixture
def predictions_of_two(tmp_path):
    return table_context(pd.DataFrame({"target": [0, 1], "prediction": [0, 1]}), folder=tmp_path)


@pytest.mark.parametrize(
    ("needs", "reason", "help"),
    [
        ({"columns": {"sensitive"}}, "the data has no sensitive", "name a column as data.sensitive"),
        ({"columns": {"opened"}}, "no column 'opened' was read", "if the table has it, data.keep: [opened] lets checks read it"),
        ({"capabilities": {"gradients"}}, "the model does not provide gradients", "a model with that capability"),
        ({"modalities": {"image"}}, "the model has no image input", "an input with modality: image"),
        ({"tasks": {"regression"}}, "it measures regression targets; this one is binary", "nothing: it does not apply"),
        ({"splits": {"train"}}, "there are no cases in the split 'train'", "cases of train in data.split"),
        ({"model": True}, "it has the model score cases, and a table of predictions cannot", "a model: `model.load` of another kind"),
        ({"min_rows": 1200}, "it needs 1,200 cases; there are 2", "1,198 more cases"),
    ],
)
def test_the_first_unmet_requirement_says_what_would_help(predictions_of_two, needs, reason, help):
    unmet = unmet_requirement(check(**needs), predictions_of_two, frozenset({"labels"}))
    assert unmet.reason == reason
    assert unmet.help.startswith(help)


def test_a_model_in_a_process_of_its_own_is_a_model(predictions_of_two):
    assert unmet_requirement(check(model=True), predictions_of_two, frozenset({"labels"}), model_elsewhere=True) is None


def test_a_check_that_scores_cases_runs_where_the_model_is():
    assert needs_model(check(model=True))
    assert not needs_model(check(capabilities={"labels"}))


def test_a_check_whose_requirements_are_met_runs(predictions_of_two):
    needs = check(columns={"target"}, capabilities={"labels"}, tasks={"binary"}, min_rows=2)
    assert unmet_requirement(needs, predictions_of_two, frozenset({"labels"})) is None
