"""What the first screen says in short."""

from __future__ import annotations

import pytest
from report_record import make_record

from raikit.run.record import CheckRecord
from raikit_reports.page import layout


@pytest.mark.parametrize(
    ("text", "short"),
    [
        ("Real people: drawings only. Hair changes with tone.", "Real people: drawings only"),
        ("Voices: one synthesiser, as is said: twice.", "Voices: one synthesiser, as is said"),
        ("The colour of clothes codes gender here: so it is.", "The colour of clothes codes gender here"),
        ("No more. And so on.", "No more"),
    ],
)
def test_a_limit_is_short_by_its_label_or_its_first_clause(text, short):
    record = make_record()
    record.data.limits, record.summary.not_measured = [text], []
    assert short in [line for _, line in layout.build(record).gaps]


@pytest.mark.parametrize(
    ("names", "more", "line"),
    [
        (["speaker_sex: female", "speaker_sex: male"], 0, "Too few: female, male (speaker_sex)"),
        (["race: Asian, sex: missing"], 0, "Too few: Asian, missing"),
        (["a: b"] * 3, 9, "Too few: 12 groups"),
    ],
)
def test_few_groups_are_named_and_many_are_counted(names, more, line):
    assert layout._few("Too few, or worse", names, more) == line


def test_a_check_left_out_says_so_in_short():
    record = make_record()
    record.data.limits, record.summary.not_measured, record.plugins = [], [], []
    record.checks = [
        CheckRecord(name="a.left", pillar="a", plugin="raikit", plugin_version="1", status="deselected", reason="not named by --select"),
        CheckRecord(name="a.slow", pillar="a", plugin="raikit", plugin_version="1", status="skipped", reason="slow, not requested"),
    ]
    assert [line for _, line in layout.build(record).gaps] == ["Slow: slow, not requested", "Left: not requested"]


def test_what_the_data_say_of_inputs_is_not_said_twice():
    record = make_record()
    record.model = {"kind": "x", "capabilities": ["scores"], "inputs": {each.name: each.modality for each in record.data.inputs}}
    page = layout.build(record)
    assert (page.model_brief, page.model_more) == ([("Kind", "x")], [("Capabilities", "scores")])
