"""Terms are explained where a section uses them first, in one sentence, and texts stay texts."""

from __future__ import annotations

import pytest
from report_record import HOSTILE

from raikit.naming import DisplayNames, using
from raikit_reports.page.glossary import Glossary, terms


def test_the_first_use_in_a_section_is_a_button_and_later_ones_are_text():
    glossary = Glossary(terms(1))
    first = glossary.mark("False negative rate 19.8% vs 2.3%; gap 17.5 pp, 95% CI 12.5 to 21.2")
    assert [f'popovertarget="g-{name}"' in first for name in ("fnr", "pp", "ci", "acc")] == [True, True, True, False]
    assert "<button" not in glossary.mark("false negative rate, 95% CI")
    glossary.section()
    assert "<button" in glossary.mark("false negative rate")
    assert [term.id for term in glossary.used()] == ["fnr", "ci", "pp"]


def test_a_part_of_a_word_is_no_term():
    assert "<button" not in Glossary(terms(None)).mark("an app, thresholding and cross-accuracy")


def test_each_term_has_one_sentence_of_at_most_25_words():
    with using(DisplayNames(unit=("person", "people"), denominators={"positives": "people who reoffended"}, classes={"1": "high risk"})):
        known = terms(1)
    for term in known:
        assert term.meaning.endswith(".") and ". " not in term.meaning
        assert len(term.meaning.split()) <= 25, term.title
    assert "Of all people who reoffended, the share labelled “high risk”." in [term.meaning for term in known]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_a_hostile_text_stays_a_text(text):
    marked = Glossary(terms(text)).mark(f"{text} accuracy {text}")
    assert "<script" not in marked and marked.count("<") == 2
