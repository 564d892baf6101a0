"""Several labels become pairs of a case and a label, with the cases as clusters."""

from __future__ import annotations

import pandas as pd
import pytest

from raikit.data.multilabel import PREDICTED
from raikit.data.parts import LABEL
from raikit.errors import ConfigError, DataError
from raikit.models.table import PredictionsSpec, open_table

COLUMNS = pd.DataFrame({"toxic": [1, 0, 0], "insult": [1, 0, 1], "p1": [0.9, 0.2, 0.6], "p2": [0.8, 0.1, 0.3], "sex": ["f", "m", "f"]})
LISTS = pd.DataFrame({"has": [["insult", "toxic"], [], ["insult"]], "got": [["toxic"], ["insult"], ["insult"]], "key": ["a", "b", "c"]})


def predictions(opened, frame, spec, **roles):
    settings = PredictionsSpec(**spec)
    data = opened(frame, extra_columns=settings.columns, predicted=settings.classes, **roles)
    return data, open_table(spec, data).predict(data)


def test_each_column_of_the_target_is_a_label(opened):
    spec = {"scores": {"toxic": "p1", "insult": "p2"}}
    data, table = predictions(opened, COLUMNS, spec, target=["toxic", "insult"], sensitive=["sex"])
    assert (data.task, data.classes, data.positive, data.cluster) == ("binary", [0, 1], 1, ["case"])
    assert table["id"].tolist() == ["0:toxic", "0:insult", "1:toxic", "1:insult", "2:toxic", "2:insult"]
    assert table[LABEL].tolist() == ["toxic", "insult"] * 3
    assert table["target"].tolist() == [1, 1, 0, 0, 0, 1]
    assert table["score"].tolist() == [0.9, 0.8, 0.2, 0.1, 0.6, 0.3]
    assert table["prediction"].tolist() == [1, 1, 0, 0, 1, 0]
    assert table["sex"].tolist() == ["f", "f", "m", "m", "f", "f"]


def test_a_column_of_lists_holds_the_labels(opened):
    data, table = predictions(opened, LISTS, {"prediction": "got"}, target="has", task="multilabel", id="key")
    assert data.parts.names == ("insult", "toxic")
    assert table["target"].tolist() == [1, 1, 0, 0, 1, 0]
    assert table["prediction"].tolist() == [0, 1, 1, 0, 1, 0]
    assert table["key"].tolist() == ["a", "a", "b", "b", "c", "c"]
    assert data.extra_columns == [PREDICTED]


def test_decisions_may_have_a_column_for_each_label(opened):
    frame = COLUMNS.assign(d1=[True, False, True], d2=[0, 0, 1])
    _, table = predictions(opened, frame, {"prediction": {"insult": "d2", "toxic": "d1"}}, target=["toxic", "insult"])
    assert table["prediction"].tolist() == [1, 0, 0, 0, 1, 1]


def test_declared_labels_may_have_no_case(opened):
    data, _ = predictions(
        opened, LISTS, {"prediction": "got"}, target="has", task="multilabel", classes=["toxic", "insult", "threat"]
    )
    assert data.parts.names == ("toxic", "insult", "threat")
    assert data.size("test") == 9


@pytest.mark.parametrize(
    ("frame", "spec", "roles", "kind", "says"),
    [
        (COLUMNS.assign(toxic=[1, 2, 0]), {"scores": {"toxic": "p1", "insult": "p2"}}, {"target": ["toxic", "insult"]}, DataError,
         "row 2: toxic is neither 0 nor 1"),
        (COLUMNS, {"scores": {"toxic": "p1"}}, {"target": ["toxic", "insult"]}, ConfigError,
         r"model\.load\.scores: 'insult' is missing; the labels are insult, toxic"),
        (COLUMNS, {"score": "p1"}, {"target": ["toxic", "insult"]}, ConfigError, "give `scores`, a mapping of label to column"),
        (COLUMNS, {"score": "p1"}, {"target": ["toxic", "toxic"]}, ConfigError, "a label is named twice"),
        (COLUMNS, {"score": "p1"}, {"target": ["toxic", "insult"], "task": "binary"}, ConfigError, "binary has one target column"),
        (COLUMNS, {"score": "p1"}, {"target": ["toxic", "insult"], "positive": 1}, ConfigError, "having a label is positive"),
        (LISTS, {"prediction": "got"}, {"target": "has", "task": "multilabel", "classes": ["toxic", "x"]}, DataError,
         "row 1: has has 'insult', which is not in data.classes"),
        (LISTS.assign(has=[["toxic"], ["insult", None], []]), {"prediction": "got"}, {"target": "has", "task": "multilabel"}, DataError,
         "row 2: an item of has is missing or no name"),
        (LISTS.assign(has="toxic"), {"prediction": "got"}, {"target": "has", "task": "multilabel"}, DataError,
         "row 1: has holds no list"),
        (COLUMNS, {"prediction": {"a": "p1"}}, {"target": "toxic", "positive": 1}, DataError, "only several labels"),
    ],
)  # fmt: skip
def test_what_names_no_labels_is_refused(opened, frame, spec, roles, kind, says):
    with pytest.raises(kind, match=says):
        predictions(opened, frame, spec, **roles)


def test_words_stand_for_zero_and_one_unless_labels_are_called_so(opened):
    data, _ = predictions(opened, COLUMNS, {"scores": {"toxic": "p1", "insult": "p2"}}, target=["toxic", "insult"])
    assert [data.labels.of_class(label) for label in data.classes] == ["label absent", "label present"]
    own = {"has": {"values": {"0": "no", "1": "yes"}}}
    data, _ = predictions(opened, LISTS, {"prediction": "got"}, target="has", task="multilabel", id="key", labels=own)
    assert data.labels.of_class(1) == "yes"
    ones = LISTS.assign(has=[["1"], [], ["2"]], got=[["1"], ["2"], []])
    data, _ = predictions(opened, ones, {"prediction": "got"}, target="has", task="multilabel", id="key")
    assert data.labels.of_class("1") == "1"
