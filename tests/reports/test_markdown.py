"""The short report: true to the record, and inert wherever Markdown is rendered."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_record import HOSTILE, make_record

from raikit_reports.markdown import escape, render


@given(st.one_of(st.text(), st.sampled_from(HOSTILE)))
def test_no_text_breaks_its_cell_its_line_or_into_html(text):
    written = escape(text)
    assert not re.search(r"[<>|`\n]", written)
    assert not re.search(r"(?<!\\)[\[\]*_]", written.replace("\\\\", ""))
    assert not re.match(r"[-+=#]|\d+[.)](\s|$)", written)
    assert not re.search(r"(?i)https?://|www\.", written)
    written.encode()


def test_the_table_has_one_row_for_each_rule(record):
    rows = [line for line in render(record).splitlines() if line.startswith("| ")]
    assert len(rows) == 1 + len(record.gate.rules)
    assert {line.count("|") for line in rows} == {6}


def test_verdict_sentences_findings_and_gaps_are_there(record):
    text = render(record)
    assert text.startswith("# May triage-model 2.1.0 be released?\n\n**🛑 No. Two of ten rules are broken.**")
    for part in (
        "## Rules broken\n\n- 🛑 **",
        "## Worth knowing",
        "Waived by head of triage until 31 January 2027",
        "Crashed: Noise and distortion",
        "## What would change",
    ):
        assert part in text


def test_it_fits_a_pull_request_comment():
    record = make_record()
    record.gate.rules *= 100
    record.checks[1].findings *= 500
    record.data.notes = ["The first 800 words of a text were read."] * 500
    text = render(record)
    assert len(text.encode()) < 64_000
    assert "more rules are in report.html" in text


def test_what_the_data_and_the_model_note_is_there():
    record = make_record()
    record.data.notes = ["The model is not kept <b>here</b>.", "3 texts were cut."]
    text = render(record)
    assert "## Notes on the data and the model\n\n- The model is not kept" in text and "\n- 3 texts were cut" in text
    assert "<b>" not in text


@pytest.mark.parametrize("text", ["::error::x", "\n::stop-commands::x", " ::add-mask::x", "\r\n::warning file=a::b", "##[error]x"])
def test_a_report_that_is_shown_in_a_log_holds_no_command_of_a_workflow(text):
    record = make_record()
    record.summary.answer, record.summary.question, record.summary.sentences = text, text, [text]
    record.gate.warnings, record.name = [text], text
    assert not [line for line in render(record).splitlines() if line.lstrip().startswith(("::", "##["))]
