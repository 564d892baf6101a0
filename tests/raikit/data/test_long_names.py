"""A text is no name of a class, a group or a column: drawing it takes minutes, and messages would quote it."""

from __future__ import annotations

import pandas as pd
import pytest

from raikit.data.conll_file import read_conll
from raikit.data.tables import column_names, read_table
from raikit.errors import ConfigError, LimitError, RaikitError
from raikit.models.table import PredictionsSpec

LONG = "L" * 20_000


@pytest.mark.parametrize(
    ("frame", "roles", "what"),
    [
        ({"y": ["a", "b", LONG], "p": ["a"] * 3}, {}, "the target 'y'"),
        ({"y": ["a", "b", "a"], "p": ["a", "b", LONG]}, {}, "the target 'y'"),
        ({"y": ["a", "b", "c"], "p": ["a"] * 3, "sex": ["F", "M", LONG]}, {"sensitive": ["sex"]}, "the sensitive column 'sex'"),
        ({"y": [["a"], ["b"], [LONG]], "p": [["a"]] * 3}, {"task": "multilabel"}, "the target"),
        ({"y": ["O O", "B-A O", f"B-{LONG} O"], "p": ["O O"] * 3}, {"task": "token_classification"}, "the target 'y'"),
        ({"p": ["a", "b", LONG]}, {"target": None}, "the column 'p'"),
    ],
)
def test_classes_and_groups_have_names(opened, frame, roles, what):
    settings = PredictionsSpec(prediction="p")
    with pytest.raises(LimitError, match=rf"^{what} has 20,00\d characters in one of its labels.*RAIKIT_MAX_LABEL_CHARACTERS"):
        opened(pd.DataFrame(frame), **{"target": "y", **roles}, extra_columns=settings.columns, predicted=settings.classes)


def test_columns_have_names(tmp_path):
    (tmp_path / "a.csv").write_text(f"a,{LONG}\n1,2\n")
    with pytest.raises(LimitError, match=r"^a\.csv has 20,000 characters in the name of a column"):
        column_names(tmp_path / "a.csv")


def test_labels_are_as_many_as_classes(opened):
    settings = PredictionsSpec(prediction="p")
    frame = pd.DataFrame({"y": [[f"l{at}" for at in range(1001)], ["l0"]], "p": [["l0"]] * 2})
    with pytest.raises(ConfigError, match=r"there are 1,001 labels, more than 1,000; set RAIKIT_MAX_CLASSES"):
        opened(frame, target="y", task="multilabel", extra_columns=settings.columns, predicted=settings.classes)


def test_a_message_quotes_the_beginning_of_a_cell(tmp_path):
    (tmp_path / "a.csv").write_text("y,p\n" + "1,1\n0,0\n" * 40 + f"{LONG},1\n")
    with pytest.raises(RaikitError) as caught:
        read_table(tmp_path / "a.csv")
    assert "column 'y' holds numbers" in str(caught.value)
    assert "L" * 61 not in str(caught.value)


def test_a_line_of_conll_is_read_within_the_limits(tmp_path, monkeypatch):
    path = tmp_path / "a.conll"
    path.write_text("a b\n" + "c " * 20_000 + "\n")
    with pytest.raises(RaikitError, match=r"line 2: it has 10001 columns"):  # no more are counted
        read_conll(path)
    monkeypatch.setenv("RAIKIT_MAX_ROW_MEGABYTES", "1")
    path.write_text("a b\n" + "c" * (1 << 21) + " d\n")
    with pytest.raises(LimitError, match=r"line 2 has more than the 1 megabytes.*RAIKIT_MAX_ROW_MEGABYTES"):
        read_conll(path)
