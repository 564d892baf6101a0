"""The page as text: one file, nothing loaded, nothing executed but ours, everything in the record shown."""

from __future__ import annotations

import base64
import hashlib
import html
import re
from html.parser import HTMLParser

import pytest
from hostile import records
from hypothesis import given, settings
from report_record import HOSTILE, make_record, metric

from raikit.run.labelled import in_words
from raikit.run.record import CheckRecord, Gate, Record, Rule
from raikit.run.results import CheckResult, Finding
from raikit_reports import markdown
from raikit_reports.page import layout
from raikit_reports.page.html import TEMPLATES, render

VOID = {"meta", "link", "br", "img", "input", "wbr", "hr"}


class Reader(HTMLParser):
    """Checks that tags close, and collects attributes, ids, raw scripts and styles, and text."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.raw: list[tuple[str, dict[str, str | None], str]] = []
        self.text: list[str] = []
        self.problems: list[str] = []
        self._start: dict[str, str | None] = {}
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        self._start = dict(attrs)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_endtag(self, tag):
        if tag in VOID:
            return
        if not self.open or self.open[-1] != tag:
            self.problems.append(f"</{tag}> closes {self.open[-3:]} at {self.getpos()}")
        else:
            self.open.pop()

    def handle_data(self, data):
        if self.open and self.open[-1] in ("script", "style"):
            self.raw.append((self.open[-1], self._start, data))
        else:
            self.text.append(data)


@pytest.fixture(scope="module")
def reader(page: str) -> Reader:
    return Reader(page)


def digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def test_every_tag_is_closed_where_it_was_opened(reader):
    assert reader.problems == []
    assert reader.open == []


def test_no_id_stands_twice_and_every_link_arrives(reader):
    ids = [value for _, name, value in reader.attributes if name == "id"]
    assert len(ids) == len(set(ids))
    inside = [
        value[1:] for _, name, value in reader.attributes if name in ("href", "popovertarget") and value.startswith("#")
    ]
    assert set(inside) <= set(ids)


def test_the_policy_names_exactly_the_scripts_and_styles_that_are_there(page, reader):
    policy = html.unescape(re.search(r'Content-Security-Policy" content="([^"]+)"', page)[1])
    assert "unsafe" not in policy
    assert policy.startswith("default-src 'none'; img-src data:;")
    data = {"application/json"}
    found = {digest(content) for _, start, content in reader.raw if start.get("type") not in data}
    assert found == set(re.findall(r"sha256-[A-Za-z0-9+/=]+", policy))


def test_nothing_is_loaded_and_nothing_is_inline(reader):
    for tag, name, value in reader.attributes:
        assert not name.startswith("on"), (tag, name, value)
        assert name != "style", (tag, value)
        if name in ("src", "href", "xlink:href", "action", "srcset", "poster", "data"):
            assert value.startswith(("#", "data:image/png", "data:image/jpeg")), (tag, name, value)
        if "url(" in value:
            assert re.fullmatch(r"url\(#[\w.-]+\)", value), (tag, name, value)


def test_the_styles_and_script_ask_for_nothing():
    for name in ("report.css", "report.js"):
        text = (TEMPLATES / name).read_text()
        assert "url(" not in text
        assert "@import" not in text
        assert not re.search(r"https?://|fetch\(|XMLHttpRequest|eval\(|innerHTML", text)


def test_hostile_strings_are_shown_and_do_nothing(page, reader):
    assert "<script>alert" not in page
    assert "49" not in "".join(text for text in reader.text if "7*7" in text)
    shown = " ".join(reader.text)
    for text in (
        "<script>alert(1)</script>",
        "]]></style></script><!--",
        "{{ 7*7 }}{% raw %}",
        "قسم الأشعة",
        "👩🏿‍🚒 firefighter",
        "(empty)",
    ):
        assert text in shown, text
    assert "\u202e" not in page
    assert "long " * 2000 in shown  # whole, folded at the end


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_a_hostile_name_gives_a_sound_page(text):
    bare = Record(
        name=text,
        verdict="pass",
        gate=Gate(verdict="pass"),
        intended_use=text,
        owner={text: text},
        model={text: [text]},
    )
    written = render(bare)
    written.encode()
    read = Reader(written)
    assert (read.problems, read.open) == ([], [])
    assert "<script>alert" not in written


@given(records())
@settings(max_examples=25)
def test_a_record_of_hostile_labels_warnings_and_checks_gives_a_sound_page(record):
    with in_words(record) as readable:
        written, brief = render(readable), markdown.render(readable)
    written.encode()
    read = Reader(written)
    assert (read.problems, read.open) == ([], [])
    assert "<script>alert" not in written + brief
    assert not any(name.startswith("on") or value.startswith("javascript:") for _, name, value in read.attributes)


def test_a_unit_that_is_no_character_is_replaced():
    record = make_record()
    record.gate.rules[0].unit = "\ud800"
    render(record).encode()


def test_the_same_record_gives_the_same_page(page):
    assert render(make_record()) == page


def test_every_status_has_its_word(reader):
    shown = " ".join(reader.text)
    for word in (
        "Fail",
        "Warn",
        "Inconclusive",
        "Not measured",
        "Waived",
        "Pass",
        "Note",
        "Crashed",
        "Skipped",
        "Not loaded",
        "Left out",
        "Missing",
        "Incompatible",
        "Sure",
        "Undecided",
    ):
        assert word in shown, word


def test_rules_stand_worst_first(record):
    ranks = [row.verdict.rank for row in layout.build(record).rules]
    assert ranks == sorted(ranks)


def test_addresses_in_sentences_are_put_in_words_in_one_pass_for_all_rules(record, monkeypatch):
    """Each of thousands of sentences was searched for the address of each of thousands of rules."""
    named = []
    monkeypatch.setattr(layout, "label", lambda metric: named.append(metric.id) or "Its name")
    judged = record.gate.rules * 50
    many = record.model_copy(update={"gate": record.gate.model_copy(update={"rules": judged})})
    names = layout._Names(many)
    assert sorted(named) == sorted({rule.metric for rule in judged} & {metric.id for _, metric in record.metrics()})
    assert names.put_into(f"{named[0]} and {named[1]} must fall") == "Its name and Its name must fall"


def test_foreign_and_local_checks_stand_apart_and_say_whose_they_are(record):
    view = layout.build(record)
    assert [section.title for section in view.pillars] == ["Performance", "Fairness", "Explanations", "Privacy"]
    assert [section.title for section in view.others] == ["raikit-acme", "Checks of this repository"]
    assert "raikit-acme 0.3.1" in view.others[0].origin


def test_figures_are_drawn_described_and_listed(page, record):
    figures = [figure for check in record.checks for figure in check.figures]
    assert page.count("<figure ") == len(figures)
    for figure in figures:
        assert figure.alt[:30].split('"')[0] in html.unescape(page)
    assert "This figure could not be drawn" in page


def test_a_page_without_figures_carries_no_runtime():
    assert len(render(Record(name="small", verdict="pass", gate=Gate(verdict="pass")))) < 60_000


def test_thousands_of_metrics_are_cut_and_the_rest_is_named():
    record = make_record()
    record.checks[1].metrics += [
        metric("fairness", "selection_rate", 0.3, 0.05, 300, over=["a"], group={"a": f"g{number}"})
        for number in range(5000)
    ]
    text = render(record)
    assert "audit.json holds the rest" in text
    assert len(text) < 3_000_000


def test_a_usual_report_is_small(page):
    assert len(page.encode()) < 3_000_000


def test_a_result_of_nothing_is_shown_too(record):
    check = record.checks[0].model_copy(update=CheckResult().model_dump())
    assert "Performance" in render(Record(name="n", verdict="pass", gate=Gate(verdict="pass"), checks=[check]))


def luminance(colour: str) -> float:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_every_colour_that_says_something_can_be_seen(theme):
    tokens = {
        name: (light, dark)
        for name, light, dark in re.findall(
            r"--([\w-]+): light-dark\((#\w{6}), (#\w{6})\)", (TEMPLATES / "report.css").read_text()
        )
    }
    colour = {name: pair[theme] for name, pair in tokens.items()}
    for name in ("ink", "ink-2", "fail", "open", "waived", "pass", "none"):
        for ground in ("paper", "wash", "q1"):
            assert contrast(colour[name], colour[ground]) >= 4.5, (name, ground)
    assert contrast(colour["rule"], colour["paper"]) >= 3
    for step, text in (("q1", "ink"), ("q2", "ink"), ("q4", "paper"), ("q5", "paper")):
        assert contrast(colour[text], colour[step]) >= 4.5, step


def test_what_a_finding_rests_on_is_told_of_the_number_that_stands_beside_it():
    rate = metric("a", "rate", 0.2, 0.05, 659, unit="rate", method="Clopper-Pearson")
    gap = metric("a", "gap", 0.146, 0.06, 3970, unit="points", method="max-t")
    rule = Rule(id="r", sentence="s", metric=gap.id, limit=0.1, bound="max", status="fail", value=0.146, low=0.086, high=0.206)

    def card(finding):
        check = CheckRecord(name="a.b", pillar="a", plugin="x", status="ok", metrics=[rate, gap], findings=[finding])
        record = Record(name="m", verdict="fail", checks=[check], gate=Gate(verdict="fail", rules=[rule]))
        text = " ".join(" ".join(Reader(render(record)).text).split())
        return text[text.index("It is.") :].split("All numbers")[0]

    covered = card(Finding(sentence="It is.", severity="fail", metrics=[gap.id, rate.id]))
    assert "max-t" in covered and "3,970" in covered
    assert "Clopper-Pearson" not in covered
    assert "another number" not in covered
    beside = card(Finding(sentence="It is.", severity="fail", metrics=[rate.id, gap.id]))
    assert "Clopper-Pearson" in beside
    assert "A rule is on another number: s; measured: 14.6 pp (8.6 to 20.6)." in beside
    partial = card(Finding(sentence="It is.", severity="fail", metrics=[gap.id], value=0.05, low=0.01, high=0.12,
                           scope="over groups with at least 30 cases"))
    assert "5.0 pp over groups with at least 30 cases" in partial
    assert "measured over all groups: 14.6 pp (8.6 to 20.6)." in partial


def test_what_a_check_printed_stands_with_how_it_was_measured():
    measured = metric("a", "rate", 0.2, 0.05, 659)
    check = CheckRecord(name="a.b", pillar="a", plugin="x", status="ok", metrics=[measured], output="<b>loud</b>\nand more")
    page = render(Record(name="m", verdict="pass", checks=[check], gate=Gate(verdict="pass")))
    assert "What it printed:" in page and "&lt;b&gt;loud&lt;/b&gt;\nand more" in page
    silent = check.model_copy(update={"output": " \n"})
    assert "What it printed" not in render(Record(name="m", verdict="pass", checks=[silent], gate=Gate(verdict="pass")))
