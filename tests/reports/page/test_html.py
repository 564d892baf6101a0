"""The page as text: one file, nothing loaded, nothing executed but ours, everything in the record shown."""

from __future__ import annotations

import base64
import gzip
import hashlib
import html
import json
import re
from html.parser import HTMLParser

import pytest
from hostile import records
from hypothesis import given, settings
from markupsafe import Markup
from report_record import HOSTILE, make_record, metric

from raikit.run.labelled import in_words
from raikit.run.record import CheckRecord, Gate, Record, Rule
from raikit.run.results import CheckResult, Figure, Finding, JudgedOver, Side
from raikit.run.statements import KINDS, statements
from raikit_reports import markdown
from raikit_reports.page import layout
from raikit_reports.page.html import TEMPLATES, _strong, render

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


def data_of(reader: Reader, name: str):
    """Return the data that the page holds for its script."""
    return json.loads(next(content for _, start, content in reader.raw if start.get("id") == name))


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
    found = {digest(content) for _, start, content in reader.raw if start.get("type") not in ("application/json", "text/plain")}
    (packed,) = (content for _, start, content in reader.raw if start.get("id") == "vega")
    found.add(digest(gzip.decompress(base64.b64decode(packed)).decode()))
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
    shown = " ".join([*reader.text, *data_of(reader, "numbers")["texts"]])
    assert "{{ 7*7 }}" in shown and "name: 49" not in shown
    for text in (
        "<script>alert(1)</script>",
        "]]></style></script><!--",
        "{{ 7*7 }}{% raw %}",
        "قسم الأشعة",
        "👩🏿‍🚒 firefighter",
    ):
        assert text in shown, text
    assert "\u202e" not in page
    assert "long " * 2000 in shown


def test_a_text_that_is_cut_stands_whole_at_the_end(record):
    whole = "long " * 2000
    read = Reader(render(record.model_copy(update={"intended_use": whole})))
    assert whole in "".join(read.text)
    assert ("a", "href", "#text-1") in read.attributes


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
        "Broken",
        "Warning",
        "Not measured",
        "Waived",
        "Holds",
        "Worth knowing",
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
    order = [KINDS.index(row.statement.kind) for row in layout.build(record).rules]
    assert order == sorted(order)


def test_foreign_and_local_checks_stand_apart_and_say_whose_they_are(record):
    view = layout.build(record)
    assert [section.title for section in view.pillars] == ["Performance", "Fairness", "Explanations", "Privacy"]
    assert [section.title for section in view.others] == ["raikit-acme", "Checks of this repository"]
    assert "raikit-acme 0.3.1" in view.others[0].origin


def test_figures_are_drawn_described_and_listed(page, record):
    figures = [figure for check in record.checks for figure in check.figures]
    assert len(re.findall(r'<figure id="fig-', page)) == len(figures)
    for figure in figures:
        assert figure.alt[:30].split('"')[0] in html.unescape(page)
    assert "This figure could not be drawn" in page


def test_a_page_without_figures_carries_no_runtime():
    assert len(render(Record(name="small", verdict="pass", gate=Gate(verdict="pass")))) < 60_000


def test_thousands_of_metrics_are_all_there_and_none_is_drawn():
    record = make_record()
    record.checks[1].metrics += [
        metric("fairness", "selection_rate", 0.3, 0.05, 300, over=["a"], group={"a": f"g{number}"})
        for number in range(5000)
    ]
    read = Reader(render(record))
    assert len(data_of(read, "numbers")["rows"]["fairness"]) == len(record.checks[1].metrics) > 5000
    assert read.attributes.count(("td", "class", "r")) < 50  # rows are made by the reader's browser, when opened


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


GROUPS = {"West": 0.21, "South": 0.14, "North": 0.03}


def compared(**finding):
    """Return a record whose rule about a gap over regions is broken, with the groups that it compares."""
    rates = [
        metric("fairness", "false_negative_rate", value, 0.02, 900, over=["region"], group={"region": name}, direction="lower")
        for name, value in GROUPS.items()
    ]
    gap = metric("fairness", "false_negative_rate_difference", 0.18, 0.05, 2700, over=["region"], unit="points", method="max-t",
                 pair=["region: North", "region: West"], compares="false_negative_rate")  # fmt: skip
    rule = Rule(id="r", sentence="s", metric=gap.id, check="fairness.groups", limit=0.1, bound="max", status="fail", value=0.18, low=0.13,
                high=0.23, n=2700, unit="points")  # fmt: skip
    check = CheckRecord(name="fairness.groups", pillar="fairness", plugin="raikit", status="ok", metrics=[*rates, gap],
                        findings=[Finding(sentence="In full it is.", severity="fail", metrics=[gap.id], **finding)])  # fmt: skip
    return Record(name="m", verdict="fail", checks=[check], gate=Gate(verdict="fail", rules=[rule]))


def text_of(record) -> str:
    return " ".join(" ".join(Reader(render(record)).text).split())


def test_the_first_screen_answers_what_for_whom_how_sure_and_what_would_change_it():
    shown = text_of(compared()).split("Which rule says so?")[0]
    for text in ("Region gap : 18.0 pp", "Region: West", "Sure", "13.0 to 23.0, all above 10", "What was not checked?",
                 "Region gap: upper end of its", "21.0% of positive cases are missed"):  # fmt: skip
        assert text.replace(" :", ":") in shown.replace(" :", ":"), text


def test_the_first_screen_draws_the_groups_of_the_broken_rule_the_worst_first():
    page = render(compared())
    drawn = page[page.index('class="chart1"') : page.index("</figure>")]
    assert re.findall(r'<g class="(\w*)"[^>]*><text[^>]*>(\w+)', drawn) == [("fail", "West"), ("", "South"), ("", "North")]
    assert "limit: 10 pp above North" in drawn and 'class="lim"' in drawn


def test_a_group_too_small_to_be_judged_is_drawn_last_and_dashed_and_is_no_end_of_the_gap():
    record = compared()
    gap = record.checks[0].metrics[-1]
    small = metric("fairness", "false_negative_rate", 0.9, 0.09, 3, over=["region"], group={"region": "East"}, direction="lower")
    record.checks[0].metrics.insert(0, small)
    gap.judged = JudgedOver(value=gap.value, low=gap.low, high=gap.high, left_out=["region: East"], pair=gap.pair,
                            compares=gap.compares, reason="Under 30 cases in the denominator")  # fmt: skip
    gap.value, gap.pair = 0.87, ["region: North", "region: East"]
    page = render(record)
    drawn = page[page.index('class="chart1"') : page.index("</figure>")]
    assert re.findall(r'<g class="([\w ]*)"[^>]*><text[^>]*>(\w+)', drawn) == [
        ("fail", "West"), ("", "South"), ("", "North"), ("unjudged", "East")]
    assert "dashed: not judged, too few" in drawn and "limit: 10 pp above North" in drawn
    assert "Region: West" in text_of(record).split("Which rule says so?")[0]


def test_the_limit_of_a_ratio_has_its_words():
    record = compared()
    gap = record.checks[0].metrics[-1]
    gap.unit, gap.value, gap.low, gap.high = "ratio", 0.14, 0.1, 0.2
    record.gate.rules[0] = record.gate.rules[0].model_copy(
        update={"limit": 0.8, "bound": "min", "unit": "ratio", "value": 0.14, "low": 0.1, "high": 0.2}
    )
    page = render(record)
    assert "limit: North ÷ 0.8" in page[page.index('class="chart1"') : page.index("</figure>")]


def test_the_groups_of_a_broken_rule_come_first_in_the_chart_of_all_columns():
    record = compared()
    record.checks[0].metrics[:0] = [
        metric("fairness", "false_negative_rate", value, 0.02, 900, over=["age"], group={"age": name}, direction="lower")
        for name, value in {"old": 0.5, "young": 0.4}.items()
    ]
    (section,) = layout.build(record).pillars
    assert re.findall(r'class="tick b">(\w+)', section.charts[0].svg) == ["Region", "Age"]


def test_a_heading_with_nothing_open_below_it_is_folded_with_it():
    record = compared()
    record.checks[0].findings.append(Finding(severity="note", kind="undecided", headline="Nobody can tell", evidence="n = 9"))
    page = render(record)
    assert "<summary><h3>Cannot be decided" in page and page.count("<h3>Cannot be decided") == 1
    assert "Cannot be decided 1, no rule depends on it" in text_of(record)


def test_what_is_fine_is_open_only_where_a_rule_depends_on_it():
    record = compared()
    kept = Rule(id="kept", sentence="s", metric=record.checks[0].metrics[0].id, check="fairness.groups", limit=0.5, bound="max", status="pass",
                value=0.03, low=0.01, high=0.05, n=900, unit="rate")  # fmt: skip
    record.gate.rules.append(kept)
    record.checks[0].findings.append(Finding(severity="note", kind="fine", headline="No gap is shown", evidence="gap 1 pp"))
    (section,) = layout.build(record).pillars
    assert [block.statement.rule for block in section.fine.shown] == [kept]
    assert [block.statement.headline for block in section.fine.folded] == ["No gap is shown"]
    assert "Checked and fine 1 of 2" in text_of(record)
    record.gate.rules.remove(kept)
    assert "<summary><h3>Checked and fine" in render(record) and "No gap is shown" in text_of(record)
    assert "Checked and fine 1, no rule depends on it" in text_of(record)


def test_a_figure_leads_that_a_finding_is_about_and_what_was_decided_leads_first():
    def finding(kind, figure):
        return Finding(severity="note", kind=kind, headline=f"About {figure}", evidence="n = 9", figures=[figure])

    names = ["case", "open", "fine", "known"]
    check = CheckRecord(name="a.b", pillar="a", plugin="raikit", status="ok", findings=[finding("undecided", "open"), finding("fine", "fine")],
                        figures=[Figure(id=name, title=name, alt="It says.", data=[{"a": 1}], spec={"mark": "point"}) for name in names])  # fmt: skip
    record = Record(name="m", verdict="pass", checks=[check], gate=Gate(verdict="pass", rules=[]))

    def leading():
        (section,) = layout.build(record).pillars
        return [view.figure.id for view in section.figures]

    assert leading() == ["fine", "open"]
    check.findings.append(finding("worth_knowing", "known"))
    assert leading() == ["known", "fine"]
    check.findings.clear()
    assert leading() == ["case", "open"]


def test_a_page_words_nothing_that_the_statements_do_not_say():
    record = compared()
    shown = text_of(record)
    for one in statements(record):
        for text in (one.headline, one.evidence, one.subject, one.whom, one.sure_detail, one.change, *(fact for _, fact in one.facts)):
            plain = re.sub(r"\W", "", text)
            assert plain in re.sub(r"\W", "", shown), text


def test_at_most_five_findings_of_a_section_are_open_and_the_rest_is_counted():
    record = compared()
    record.checks[0].findings += [
        Finding(severity="warn", kind="worth_knowing", headline=f"Headline {number}", evidence="n = 9") for number in range(7)
    ]
    (section,) = layout.build(record).pillars
    assert [(group.title, len(group.shown), len(group.folded)) for group in section.groups] == [("Rules broken", 1, 0), ("Worth knowing", 3, 4)]
    assert "4 more" in text_of(record)


def test_the_groups_of_a_finding_are_drawn_from_their_numbers_and_its_figure_is_folded():
    sides = {"measure": "false_negative_rate", "worse": Side(group={"region": "West"}, value=0.21), "better": Side(group={"region": "North"}, value=0.03)}
    record = compared(figures=["f"], **sides)
    record.checks[0].figures = [Figure(id="f", title="t", alt="It says.", data=[{"a": 1}], spec={"mark": "point"})]
    (section,) = layout.build(record).pillars
    assert [chart.title for chart in section.charts] == ["False negative rate, by region"]
    assert (section.figures, [view.figure.id for view in section.folded]) == ([], ["f"])


def test_what_does_not_apply_is_not_what_was_not_run():
    checks = [
        CheckRecord(name="a.slow", pillar="a", plugin="raikit", status="skipped", reason="slow", help="name it"),
        CheckRecord(name="a.other", pillar="a", plugin="raikit", status="skipped", reason="it needs a score", help="nothing: it does not apply"),
    ]
    shown = text_of(Record(name="m", verdict="pass", checks=checks, gate=Gate(verdict="pass")))
    not_run, apart = shown.split("Not run")[1].split("Does not apply")
    assert "Slow" in not_run and "Other" not in not_run
    assert "Other" in apart.split("Beyond the reach")[0]


def test_a_term_is_explained_once_a_section_and_only_if_it_is_used():
    page = render(compared())
    rules = page[page.index('id="rules"') : page.index('id="fairness"')]
    assert rules.count('popovertarget="g-fnr"') == 1
    assert 'id="g-fnr"' in page and 'id="g-mia"' not in page


def test_what_a_check_printed_stands_with_how_it_was_measured():
    measured = metric("a", "rate", 0.2, 0.05, 659)
    check = CheckRecord(name="a.b", pillar="a", plugin="x", status="ok", metrics=[measured], output="<b>loud</b>\nand more")
    page = render(Record(name="m", verdict="pass", checks=[check], gate=Gate(verdict="pass")))
    assert "What it printed:" in page and "&lt;b&gt;loud&lt;/b&gt;\nand more" in page
    silent = check.model_copy(update={"output": " \n"})
    assert "What it printed" not in render(Record(name="m", verdict="pass", checks=[silent], gate=Gate(verdict="pass")))


def test_the_values_of_an_evidence_line_are_bold_and_no_level_limit_or_tag_is():
    marked = _strong(Markup("False rate 19.8% vs 2.3%; gap 17.5 pp, 95% CI 12.5 to 21.2; limit 90%"))
    assert marked == "False rate <b>19.8%</b> vs <b>2.3%</b>; gap 17.5 pp, 95% CI 12.5 to 21.2; limit 90%"
    assert _strong(Markup('<button id="5%">95% CI</button> 0.5%')) == '<button id="5%">95% CI</button> <b>0.5%</b>'
