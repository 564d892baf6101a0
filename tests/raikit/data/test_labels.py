"""A label means one class however it is written, and nothing else."""

import numpy as np
import pandas as pd
import pytest

from raikit.data.labels import ClassNames, truth_pair
from raikit.errors import ConfigError


@pytest.mark.parametrize("value", [1, 1.0, np.int64(1), np.float32(1), True, np.True_, "1", "1.0", "true", "True", "TRUE"])
@pytest.mark.parametrize("classes", [[0, 1], [False, True], ["False", "True"], ["FALSE", "TRUE"], ["false", "true"], ["0", "1"]])
def test_truth_values_and_0_and_1_are_one_pair(classes, value):
    assert ClassNames(classes).find(value) is classes[1]
    assert truth_pair(classes[::-1]) == tuple(classes)


@pytest.mark.parametrize(
    ("classes", "value"),
    [([1, 2, 3], "true"), ([1, 2, 3], True), (["no", "yes"], 1), (["a", "b"], "A"), ([0, 1], "yes"), ([0, 1], 2),
     (["007", "7"], "07"), ([0, 1], None), ([0, 1], "nan"), ([0, 1, 2], "")],
)
def test_other_labels_are_not_guessed(classes, value):
    assert ClassNames(classes).find(value, "nothing") == "nothing"


@pytest.mark.parametrize("value", ["2", "2.0", 2.0, np.int8(2)])
def test_text_of_a_number_is_the_number(value):
    assert ClassNames([1, 2, 3]).find(value) == 2


@pytest.mark.parametrize("labels", [["no", "yes"], [1, 2], [True], ["True", "TRUE"], [0, "0"], [0, 1, 2]])
def test_no_other_two_labels_are_a_pair(labels):
    assert truth_pair(labels) is None


@pytest.mark.parametrize(("favourable", "label"), [(None, None), ("1", 1), (False, 0)])
def test_the_favourable_decision_is_a_class_however_it_is_written(opened, favourable, label):
    frame = pd.DataFrame({"y": [0, 1, 1, 0], "g": ["a", "b", "a", "b"]})
    data = opened(frame, sensitive=["g"], favourable=favourable)
    assert data.favourable == label
    assert data.describe().favourable == label


@pytest.mark.parametrize(
    ("values", "favourable", "says"),
    [
        ([0, 1, 1, 0], "yes", r"data\.favourable: 'yes' is not among the classes 0, 1"),
        (["a", "b", "c", "a"], "a", r"data\.favourable: only one of two decisions is the favourable one; the task is multiclass"),
    ],
)
def test_a_favourable_decision_that_cannot_be_one_is_named(opened, values, favourable, says):
    with pytest.raises(ConfigError, match=says):
        opened(pd.DataFrame({"y": values, "g": ["a", "b", "a", "b"]}), sensitive=["g"], favourable=favourable)
