from __future__ import annotations

from pathlib import Path

import pytest

from raikit.config.load import load
from raikit.config.questions import refuse_questions
from raikit.config.yamlfile import Document
from raikit.errors import ConfigError

BASE = """\
name: m
data:
  path: a.csv
  target: y
  positive: 1
model:
  load: {kind: predictions, score: p}
"""


@pytest.fixture
def write(tmp_path):
    def write(old="", new=""):
        (tmp_path / "audit.yaml").write_text(BASE.replace(old, new), encoding="utf-8")
        return tmp_path / "audit.yaml"

    return write


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (
            "target: y",
            'target: "?"      # one of approve or reject.',
            'audit.yaml, line 4: data.target is an open question; in place of "?" write one of approve or reject.',
        ),
        ("target: y", "target: '?'", 'line 4: data.target is an open question; in place of "?" write the answer.'),
        (
            "score: p}",
            'score: "?"}   # p or q',
            'line 7: model.load.score is an open question; in place of "?" write p or q.',
        ),
        (
            "score: p}",
            'prediction: "?", score: p}   # p or q',
            'line 7: model.load.prediction is an open question; in place of "?" write p or q.',
        ),
        ("path: a.csv", 'path: a.csv\n  sensitive: ["?"] # sex', 'data.sensitive, item 1 is an open question; in place of "?" write sex.'),
    ],
)
def test_an_open_question_stops_the_audit_and_names_what_its_line_proposes(write, old, new, says):
    with pytest.raises(ConfigError) as error:
        load(write(old, new))
    assert says in str(error.value)


def test_further_questions_are_named_with_the_first(write):
    path = write("  target: y\n  positive: 1", '  target: "?" # a or b\n  positive: "?"')
    with pytest.raises(ConfigError, match=r'line 4: data\.target .* data\.positive waits for an answer, too\.'):
        load(path)


def test_a_setting_answers_a_question(write):
    path = write("target: y", 'target: "?"      # approve or reject')
    assert load(path, ["data.target=approve"]).audit.data.target == "approve"


def test_without_a_question_nothing_is_refused(write):
    assert load(write("name: m", 'name: "Why?"')).audit.name == "Why?"


@pytest.mark.parametrize("cells", [{"missing": ["NA", "?"]}, {"missing": "?"}, {"labels": {"sex": {"x": "?"}}}])
def test_a_question_mark_in_cells_is_none(cells):
    refuse_questions(Document(Path("audit.yaml"), {"data": {"target": "y", **cells}}))
