"""Decisions whose truth is unknown: their classes come from the table of predictions alone."""

import pandas as pd
import pytest

from raikit.data.classes import PredictedClasses
from raikit.errors import ConfigError


@pytest.fixture
def decided(opened):
    """Open a table of decisions without a target."""

    def decided(values, *, scored=(), **roles):
        frame = pd.DataFrame({"g": ["a", "b"] * (len(values) // 2), "yhat": values})
        predicted = PredictedClasses("yhat", scored)
        return opened(frame, target=None, extra_columns=["yhat"], predicted=predicted, sensitive=["g"], **roles)

    return decided


@pytest.mark.parametrize(
    ("values", "roles", "task", "classes"),
    [
        ([0, 1, 1, 0], {}, "binary", [0, 1]),
        ([True, False, True, True], {}, "binary", [False, True]),
        (["yes", "no", "no", "no"], {"positive": "yes"}, "binary", ["no", "yes"]),
        (["ok", "no", "no", "no"], {"positive": "no"}, "binary", ["ok", "no"]),
        (["ok", "no", "no", "no"], {"favourable": "ok"}, "binary", ["no", "ok"]),
        (["ok", "no", "no", "no"], {"favourable": "ok", "positive": "no"}, "binary", ["ok", "no"]),
        ([0, 1, 1, 0], {"favourable": 0}, "binary", [0, 1]),
        (["ok", "ok", "ok", "ok"], {"classes": ["no", "ok"], "positive": "ok"}, "binary", ["no", "ok"]),
        (["a", "b", "c", "a"], {}, "multiclass", ["a", "b", "c"]),
        (["a", "b", "b", "a"], {"scored": ["a", "b", "c"]}, "multiclass", ["a", "b", "c"]),
        ([1, 2, 2, 1], {"scored": ["1", "2", "3"]}, "multiclass", [1, 2, 3]),
    ],
)
def test_classes_and_task_follow_from_the_decisions(decided, values, roles, task, classes):
    data = decided(values, **roles)
    assert (data.task, data.classes) == (task, classes)
    assert data.positive == (classes[1] if task == "binary" else None)
    assert "target" not in data.roles
    assert data.describe().target is None
    assert data.notes[0].startswith("The data has no target")


def test_a_score_alone_is_that_of_1(opened):
    frame = pd.DataFrame({"g": ["a", "b"], "p": [0.2, 0.7]})
    data = opened(frame, target=None, extra_columns=["p"], predicted=PredictedClasses(), sensitive=["g"])
    assert (data.task, data.classes, data.positive) == ("binary", [0, 1], 1)


@pytest.mark.parametrize(
    ("values", "roles", "says"),
    [
        (["ok", "no"], {}, r"data\.positive: the decisions are 'no' or 'ok'; name the one that counts as selected"),
        (["ok", "no"], {"positive": "yes"}, r"data\.positive: 'yes' is none of the decisions no, ok"),
        (["ok", "ok"], {}, r"model\.load\.prediction: 'yhat' holds only 'ok'; name every decision"),
        ([0.25, 0.5, 0.75, 1.5], {}, r"data\.target: numeric predictions are compared with the truth"),
        ([0, 1], {"task": "regression"}, r"data\.target: numeric predictions are compared with the truth"),
        (["a", "b", "c", "a"], {"task": "binary"}, r"data\.task: the task is binary, but there are 3 decisions \(a, b, c\)"),
    ],
)
def test_what_cannot_be_decided_is_asked_for(decided, values, roles, says):
    with pytest.raises(ConfigError, match=says):
        decided(values, **roles)


def test_a_model_needs_a_target(opened):
    with pytest.raises(ConfigError, match=r"data\.target: name the column to predict"):
        opened(pd.DataFrame({"x": [1, 2]}), target=None, needs_inputs=True)
