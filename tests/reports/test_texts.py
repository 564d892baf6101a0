"""Whatever stands in a record can be written into HTML, CSS, a script and an attribute, and does nothing there."""

from __future__ import annotations

import json
import re
import unicodedata

from hypothesis import given
from hypothesis import strategies as st
from report_record import HOSTILE

from raikit_reports import texts

anything = st.one_of(st.text(st.characters()), st.sampled_from(HOSTILE))


@given(anything)
def test_a_clean_text_can_be_encoded_and_turns_nothing_round(text):
    written = texts.clean(text)
    written.encode()
    assert not any(
        unicodedata.bidirectional(char) in {"RLO", "LRO", "RLE", "LRE", "PDF", "RLI", "LRI", "FSI", "PDI"}
        for char in written
    )
    assert "\x00" not in written


@given(anything)
def test_said_text_holds_no_markup_but_ours(text):
    said = str(texts.Texts().say(text))
    for ours in ("<bdi>", "</bdi>", "<code>", "</code>", '<span class="quiet">', "</span>", "</a>"):
        said = said.replace(ours, "")
    said = re.sub(r'<a class="more" href="#text-\d+">', "", said)
    assert not re.search(r"[<>\"']", said)


@given(anything)
def test_an_address_stays_itself_between_its_breaks(text):
    written = str(texts.breakable(text)).replace("<wbr>", "")
    assert re.fullmatch(r"<bdi>[^<>]*</bdi>", written, re.DOTALL)


@given(anything)
def test_a_css_string_cannot_end_itself_or_its_style(text):
    written = texts.css_string(text)
    assert re.fullmatch(r'"(?:[A-Za-z0-9 .-]|\\[0-9a-f]+ )*"', written)


@given(st.recursive(anything, lambda inner: st.lists(inner) | st.dictionaries(anything, inner), max_leaves=8))
def test_json_in_a_script_cannot_end_the_script(value):
    written = str(texts.script_json(value))
    assert json.loads(written) == value
    assert not set("<>&") & set(written)


def test_a_long_text_is_cut_and_kept_whole():
    kept = texts.Texts()
    first, second = kept.say("x" * 5000), kept.say("x" * 5000)
    assert first == second
    assert "all 5000 characters" in first
    assert kept.whole == ["x" * 5000]


def test_an_empty_text_says_so():
    assert "(empty)" in texts.Texts().say("  ")
