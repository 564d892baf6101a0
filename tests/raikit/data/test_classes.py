"""Classes without a case: declared, or known to predictions, scores and models."""

import re

import numpy as np
import pytest

from raikit.data.classes import PredictedClasses, further_classes
from raikit.errors import ConfigError, DataError

LABELS = ["a", "b", "d"]


@pytest.fixture
def cases(table):
    """A target with the classes a, b and d."""
    return lambda **columns: table(42, y=np.array(LABELS)[np.arange(42) % 3], **columns)


def test_declared_classes_stand_in_their_order_and_need_no_case(opened, cases):
    data = opened(cases(), classes=["d", "c", "b", "a"])
    assert (data.task, data.classes, data.notes) == ("multiclass", ["d", "c", "b", "a"], [])
    numbers = next(iter(data.batches("test", 3))).target
    assert [data.classes[number] for number in numbers] == LABELS


@pytest.mark.parametrize(
    ("y", "classes", "written"),
    [
        ([1, 2], [3, 2, 1], [3, 2, 1]),
        ([1, 2], ["3", "2", "1"], [3, 2, 1]),
        (["1", "2"], [1, 2, 3], ["1", "2", "3"]),
        ([True, True], [0, 1], [False, True]),
        ([0, 1], ["False", "True"], [0, 1]),
        (["True", "True"], [False, True], ["false", "True"]),
    ],
)
def test_declared_classes_are_written_as_the_cases_have_them(opened, table, y, classes, written):
    data = opened(table(40, y=y * 20), classes=classes)
    assert data.classes == written
    assert [type(label) for label in data.classes] == [type(label) for label in written]
    assert data.roles["target"].tolist() == y * 20


def test_declared_classes_decide_the_task(opened, table):
    assert opened(table(y=np.arange(40) % 2 + 1), classes=[1, 2], positive=2).task == "binary"
    assert opened(table(y=np.arange(40) % 2), classes=[0, 1, 2]).task == "multiclass"
    assert opened(table(y=np.arange(40) + 0.0), classes=list(range(40))).task == "multiclass"


@pytest.mark.parametrize(
    ("roles", "raised", "says"),
    [
        ({"classes": ["a", "b"]}, DataError, r"row 3 \(id 2\): data\.target \(y\) is 'd', which is not among data\.classes \(a, b\)"),
        ({"classes": ["a"]}, ConfigError, "data.classes: name at least two classes, each once, not a"),
        ({"classes": ["a", "b", "d", "a"]}, ConfigError, "each once, not a, a, b, d"),
        ({"classes": ["a", "b", "d"], "task": "binary"}, ConfigError, "the task is binary, but the target 'y' has 3 values"),
        ({"classes": ["a", "b", "d"], "task": "regression"}, ConfigError, "a regression has no classes"),
        ({"classes": ["a", "b", "d"], "positive": "a"}, ConfigError, "only a binary target has a positive class"),
    ],
)
def test_a_declaration_that_does_not_fit_is_refused(opened, cases, roles, raised, says):
    with pytest.raises(raised, match=says):
        opened(cases(), **roles)


def test_the_positive_class_is_declared_last(opened, table):
    y = np.where(np.arange(40) % 2, "yes", "no")
    assert opened(table(y=y), classes=["no", "yes"], positive="yes").classes == ["no", "yes"]
    with pytest.raises(ConfigError, match=r"the positive class is the last of two: write `classes: \[no, yes\]`"):
        opened(table(y=y), classes=["yes", "no"], positive="yes")


def test_a_split_of_one_class_is_refused_unless_the_other_is_declared(opened, table):
    with pytest.raises(DataError, match=r"only one class, 1; two or more are needed, and data\.classes declares those"):
        opened(table(y=1))
    data = opened(table(y=1), classes=[0, 1])
    assert (data.task, data.classes, data.positive) == ("binary", [0, 1], 1)


# --- known to the predictions -------------------------------------------------------------------------------------


def test_a_class_that_is_only_predicted_is_one_and_a_note_says_so(opened, cases):
    frame = cases(yhat=np.array(["a", "c", "d"])[np.arange(42) % 3])
    data = opened(frame, extra_columns=["yhat"], predicted=PredictedClasses("yhat"))
    assert data.classes == ["a", "b", "c", "d"]
    assert data.notes[0] == "No case has the class c, which is predicted or scored; its recall is undefined."
    assert data.roles["target"].tolist() == frame["y"].tolist()


def test_a_class_that_is_only_scored_is_one(opened, cases):
    assert opened(cases(), predicted=PredictedClasses(None, ("a", "b", "c", "d"))).classes == ["a", "b", "c", "d"]


def test_two_labels_with_a_third_among_the_predictions_are_several_classes(opened, table):
    frame = table(y=np.where(np.arange(40) % 2, "a", "b"), yhat=np.array(["a", "b", "c", "a"])[np.arange(40) % 4])
    data = opened(frame, extra_columns=["yhat"], predicted=PredictedClasses("yhat"))
    assert (data.task, data.classes) == ("multiclass", ["a", "b", "c"])


@pytest.mark.parametrize(
    ("y", "roles"), [([0, 1], {}), (["True", "False"], {}), (["a", "b"], {"positive": "a"}), ([1, 2], {"task": "binary", "positive": 1})]
)
def test_a_binary_target_gets_no_third_class_from_a_prediction(opened, table, y, roles):
    frame = table(y=y * 20, yhat=[7, 8] * 20)
    assert len(opened(frame, extra_columns=["yhat"], predicted=PredictedClasses("yhat"), **roles).classes) == 2


@pytest.mark.parametrize(
    ("classes", "labels", "further"),
    [
        (["a", "b"], ["b", "c", "c", 7, None], ["c"]),
        ([1, 2], [2.0, "3", "4.5", 0.5, "x", float("nan"), 5.0], [3, 5]),
        ([False, True], [2, "maybe"], []),
        (["a", "b"], [f"text {number}" for number in range(21)], []),
        ([0, 1], ["True", "0", False], []),
    ],
)
def test_only_what_could_be_a_label_is_a_further_class(classes, labels, further):
    assert further_classes(classes, labels) == further


# --- known to a model ---------------------------------------------------------------------------------------------


def test_a_model_adds_classes_and_the_numbers_of_the_cases_follow(opened, cases):
    data = opened(cases())
    data.add_classes(["a", "b", "c", "d"])
    assert data.classes == ["a", "b", "c", "d"]
    assert next(iter(data.batches("test", 3))).target.tolist() == [0, 1, 3]
    assert data.describe().notes == ["No case has the class c, which is known to the model; its recall is undefined."]


def test_a_model_adds_nothing_to_declared_or_binary_classes(opened, cases, table):
    declared = opened(cases(), classes=["a", "b", "d"])
    declared.add_classes(["c"])
    binary = opened(table())
    binary.add_classes([2])
    assert (declared.classes, binary.classes) == (["a", "b", "d"], [0, 1])


@pytest.mark.parametrize(
    ("y", "yhat", "says"),
    [
        ([-1, 1], [0, 1], "the truth holds -1 and 1, and the predictions hold 0 and 1; write both alike"),
        ([1, 2], [0, 1], "the truth holds 1 and 2, and the predictions hold 0 and 1"),
        (["no", "yes"], ["no", "Yes"], "the truth holds 'yes' and the predictions hold 'Yes'"),
        (["no", "yes "], ["no", "yes"], "the truth holds 'yes ' and the predictions hold 'yes'"),
        (["a", "b", "c"], ["a", "b\u200b", "c"], "the truth holds 'b' and the predictions hold"),
    ],
)
def test_predictions_that_write_a_label_otherwise_are_refused(opened, table, y, yhat, says):
    frame = table(y=(y * 20)[:40], yhat=(yhat * 20)[:40])
    with pytest.raises(ConfigError, match=re.escape(says)):
        opened(frame, extra_columns=["yhat"], predicted=PredictedClasses("yhat"))
    assert opened(frame, extra_columns=["yhat"], predicted=PredictedClasses("yhat"), classes=sorted({*y, *yhat})).classes
