"""The page as people meet it: in a browser, at three widths, in both themes, on paper, silent and complete."""

from __future__ import annotations

import re
import time

import pytest
from headless import OVERFLOW, chromium
from pydantic import BaseModel
from report_record import HOSTILE, metric

from raikit.run.record import CheckRecord, Gate, Record, Rule
from raikit.run.results import Figure
from raikit_reports import write_html

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(chromium() is None, reason="no Chromium or Chrome on PATH"),
]

SCROLL_THROUGH = """(async () => {
  for (const fold of document.querySelectorAll("details.gallery")) fold.open = true;
  for (const chart of document.querySelectorAll(".chart")) {
    chart.scrollIntoView();
    for (let tick = 0; tick < 100 && !chart.dataset.live; tick += 1) await new Promise((done) => setTimeout(done, 50));
  }
  return [...document.querySelectorAll(".chart")].map((chart) => chart.dataset.live);
})()"""


def attacked(node, attacks):
    """Return a record as data in which each text of people is an attack as well; a text is always replaced by the same one."""
    if isinstance(node, dict):
        return {key: value if key in FIXED else attacked(value, attacks) for key, value in node.items()}
    if isinstance(node, list):
        return [attacked(value, attacks) for value in node]
    return f"{node} {attacks[hash(node) % len(attacks)]}" if isinstance(node, str) and node else node


def assign_texts(model, attacks):
    """Replace the texts of a record in place, past the validation that a hostile author would not run."""
    for name, field in type(model).model_fields.items():
        if name in FIXED:
            continue
        value = getattr(model, name)
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, BaseModel):
                assign_texts(item, attacks)
        if field.annotation in (str, str | None) or isinstance(value, dict) or (isinstance(value, list) and value and isinstance(value[0], str)):
            object.__setattr__(model, name, attacked(value, attacks))


FIXED = {"status", "verdict", "severity", "kind", "type", "direction", "unit", "task", "format", "process", "config", "bound", "spec", "data_url",
         "image", "media_type", "started", "level", "method_kind", "seconds", "split"}  # fmt: skip
ATTACKS = [
    *(text for text in HOSTILE if text and len(text) < 100), "<img src=http://attack.invalid/i onerror=attack()>", "<svg onload=attack()>",
    "javascript:attack()", "<a href=javascript:attack()>x</a>", "<iframe src=http://attack.invalid></iframe>", "url(http://attack.invalid/u)",
    "<style>@import 'http://attack.invalid/s';</style>", "</script><script>attack()</script>", "' onfocus='attack()' autofocus='",
]  # fmt: skip
TOUCH = """(async () => {
  window.attack = () => { window.ran = true; };
  window.alert = window.attack;
  const kinds = ["pointerover", "mouseover", "mouseenter", "mousemove", "focus", "pointerdown", "mousedown", "mouseup", "click"];
  let touched = 0;
  for (const node of document.querySelectorAll("body *")) {
    for (const kind of kinds) node.dispatchEvent(new MouseEvent(kind, {bubbles: true, cancelable: true, view: window}));
    if ((touched += 1) % 500 === 0) await new Promise((done) => setTimeout(done, 0));
  }
  await new Promise((done) => setTimeout(done, 300));
  return [touched, window.ran === true, location.protocol, document.querySelectorAll("img[src^=http], iframe, [onerror], [onload]").length];
})()"""


def test_hostile_texts_in_every_field_run_and_request_nothing(browser, record, tmp_path):
    hostile = record.model_copy(deep=True)
    assign_texts(hostile, ATTACKS)
    written = write_html(hostile, tmp_path)[0]
    assert written.read_text("utf-8").count("attack()") > 50  # which attack a text becomes differs from run to run
    browser.open(written)
    browser.run(SCROLL_THROUGH)
    touched, ran, protocol, made = browser.run(TOUCH)
    assert touched > 1000
    assert (ran, protocol, made) == (False, "file:", 0)
    browser.run("localStorage.clear()")  # the theme was clicked too, and pages of files share what they keep


@pytest.fixture(autouse=True)
def silence(browser):
    browser.messages.clear()
    browser.requests.clear()
    yield
    assert browser.messages == []
    assert [url for url in browser.requests if not url.startswith(("file:", "data:"))] == []


@pytest.mark.parametrize("width", [360, 768, 1440, 2560])
def test_no_width_scrolls_sideways(browser, file, width):
    browser.open(file, width)
    assert browser.run(OVERFLOW) == 0


@pytest.mark.parametrize("width", [360, 720, 768, 900, 1090, 1200, 1440])
def test_a_decision_has_room_for_a_few_words_in_a_line(browser, file, width):
    browser.open(file, width)
    cells = "[...document.querySelectorAll('#rules .rule')].map((row) => row.lastElementChild.clientWidth)"
    assert min(browser.run(cells)) >= 200


@pytest.mark.parametrize("width", [360, 720, 900, 1440])
def test_the_first_screen_has_room_for_a_few_words_in_a_line_without_rules(browser, record, tmp_path, width):
    gaps = [CheckRecord(name=f"a.check_{number}", pillar="a", plugin="raikit", status="skipped", reason="slow") for number in range(3)]
    without = record.model_copy(update={"gate": Gate(verdict="pass", rules=[]), "verdict": "pass", "checks": gaps})
    browser.open(write_html(without, tmp_path)[0], width)
    assert browser.run("document.querySelector('.hero').classList.contains('alone')")
    widths = browser.run("[...document.querySelectorAll('.hero > *')].map((part) => part.clientWidth)")
    assert len(widths) >= 2 and min(widths) >= 250


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_figures_come_alive_one_by_one_and_are_never_blank(browser, file, dark):
    browser.open(file, dark=dark)
    drawn = "document.querySelectorAll('.chart:not(.later)"
    assert browser.run(f"{drawn} svg').length") == browser.run(f"{drawn}').length") > 3
    assert set(browser.run(SCROLL_THROUGH)) == {"yes"}
    assert browser.run("[...document.querySelectorAll('.chart svg')].every((svg) => svg.getBBox().width > 100)")


def test_without_scripts_the_drawings_stand_and_everything_can_be_read(browser, file):
    browser.send("Emulation.setScriptExecutionDisabled", value=True)
    try:
        browser.open(file)
        assert browser.run("document.querySelectorAll('.chart svg text').length") > 20
        assert browser.run("document.querySelector('h1').innerText").startswith("May triage-model")
    finally:
        browser.send("Emulation.setScriptExecutionDisabled", value=False)


def test_a_mark_shows_its_numbers(browser, file):
    browser.open(file)
    browser.run(SCROLL_THROUGH)
    place = browser.run(
        """(() => { const chart = document.querySelector("#fairness .figs .chart");
        chart.scrollIntoView({behavior: "instant", block: "center"});
        const box = chart.querySelector(".mark-symbol path").getBoundingClientRect();
        return [box.x + box.width / 2, box.y + box.height / 2]; })()"""
    )
    browser.send("Input.dispatchMouseEvent", type="mouseMoved", x=place[0], y=place[1])
    time.sleep(0.3)
    assert "dark" in browser.run("document.getElementById('tip').innerText")


def test_the_theme_can_be_chosen_and_the_numbers_searched(browser, file):
    browser.open(file)
    paper = "getComputedStyle(document.body).backgroundColor"
    assert browser.run(paper) == "rgb(255, 255, 255)"
    browser.run("document.getElementById('theme-dark').click()")
    assert browser.run(paper) == "rgb(18, 21, 24)"
    shown = browser.run(
        """(async () => { const part = document.querySelector("#fairness details.all"); part.open = true;
        await new Promise((done) => setTimeout(done, 100));
        const field = part.querySelector("input");
        field.value = "true positive dark";
        field.dispatchEvent(new Event("input"));
        return [...part.querySelectorAll("tbody tr")].filter((row) => !row.hidden).length; })()"""
    )
    assert 0 < shown < 5
    browser.run("document.getElementById('theme-auto').click()")


EXPLORE = """(async () => { const fold = document.querySelector("details.explore");
  fold.open = true;
  await new Promise((done) => setTimeout(done, 100));
  const [groups, measure, reference] = fold.querySelectorAll("select"), slide = fold.querySelector("input[type=range]");
  const seen = () => [fold.querySelector("[role=status]").textContent, ...[...fold.querySelectorAll("tbody tr")].map((row) => row.innerText)];
  const first = seen();
  reference.value = "b";
  reference.dispatchEvent(new Event("input", {bubbles: true}));
  const other = seen();
  slide.value = 0;
  slide.dispatchEvent(new Event("input", {bubbles: true}));
  return [first, other, seen(), slide.getAttribute("aria-valuetext")]; })()"""


def rates_at_thresholds():
    rows = [
        {"measure": "selection rate", "threshold": step / 10, "selected": 1 - step / 10, "side": side, "group": group, "value": value,
         "low": value - 0.05, "high": value + 0.05}
        for step in (2, 5)
        for side, group, value in (("rate by group", "a", step / 10), ("rate by group", "b", step / 20), ("largest gap", "all groups", step / 20))
    ]  # fmt: skip
    return Figure(id="thresholds", title="By group", alt="It says.", data=rows, spec={"mark": "point"})


def test_another_threshold_and_reference_group_move_the_rates(browser, record, tmp_path):
    changed = record.model_copy(deep=True)
    changed.checks[1].figures.append(rates_at_thresholds())
    browser.open(write_html(changed, tmp_path)[0])
    first, other, moved, spoken = browser.run(EXPLORE)
    assert first[0] == "Threshold 0.5, 50.0% of all decided positive. Largest gap in selection rate: 25.0 pp, CI 20.0 to 30.0."
    assert [re.split(r"\s*\t\s*", row) for row in first[1:]] == [["a", "50.0%", "45.0 to 55.0", "+0.0 pp"], ["b", "25.0%", "20.0 to 30.0", "\u221225.0 pp"]]
    assert [row.split("\t")[-1] for row in other[1:]] == ["+25.0 pp", "+0.0 pp"]
    assert [re.split(r"\s*\t\s*", row)[1] for row in moved[1:]] == ["20.0%", "10.0%"]
    assert spoken == "0.2, 80.0% of all decided positive"


COSTS = """(async () => { const fold = document.querySelector("details.explore");
  fold.open = true;
  await new Promise((done) => setTimeout(done, 100));
  const [miss, alarm] = fold.querySelectorAll("input[type=number]");
  const seen = () => [...fold.querySelectorAll("tbody tr")].map((row) => [row.children[0].innerText, row.lastElementChild.innerText]);
  const first = seen();
  miss.value = 10;
  miss.dispatchEvent(new Event("input", {bubbles: true}));
  return [first, seen(), fold.querySelector("[role=status]").textContent, fold.querySelector("thead tr").lastElementChild.textContent]; })()"""


def test_the_costs_of_both_errors_move_what_a_threshold_costs_each_group(browser, record, tmp_path):
    rates = {"a": (0.8, 0.1, 0.5), "b": (0.6, 0.2, 0.25)}  # found, invented, and the share that is positive
    figure = rates_at_thresholds()
    figure.data = [
        {"measure": measure, "threshold": 0.5, "selected": 0.4, "side": "rate by group", "group": group, "value": rates[group][place],
         "low": 0.0, "high": 1.0, "n": 200, "positive": rates[group][2]}
        for place, measure in enumerate(("true positive rate", "false positive rate"))
        for group in rates
    ]  # fmt: skip
    changed = record.model_copy(deep=True)
    changed.checks[1].figures.append(figure)
    browser.open(write_html(changed, tmp_path)[0])
    first, dear, said, head = browser.run(COSTS)
    # 100 cases of a: 50 positive, 10 of them missed, and 5 false alarms; of b: 25 positive, 10 missed, and 15 false alarms.
    assert first == [["a", "15.0"], ["b", "25.0"]]
    assert dear == [["a", "105.0"], ["b", "115.0"]]
    assert said.endswith("Errors cost 115.0 in 100 cases of b, 105.0 of a.")
    assert head == "Cost in 100 cases"


MARK = """(async () => { const section = document.querySelector("#fairness");
  const select = section.querySelector(".mark select");
  const dim = () => [...section.querySelectorAll("[data-group]")].filter((node) => !node.classList.contains("dim")).map((node) => node.dataset.group);
  select.value = "sex: F";
  select.dispatchEvent(new Event("input", {bubbles: true}));
  const chosen = dim();
  const other = [...section.querySelectorAll("[data-group]")].find((node) => node.dataset.group === "sex: M");
  other.dispatchEvent(new PointerEvent("pointerenter"));
  const pointed = dim();
  other.dispatchEvent(new PointerEvent("pointerleave"));
  return [chosen, pointed, dim()]; })()"""


def two_measures_by_sex():
    """Return a record with two broken rules about the same two groups, so that both are drawn."""
    metrics, rules = [], []
    for name in ("false_negative_rate", "false_positive_rate"):
        metrics += [metric("fairness", name, value, 0.02, 900, over=["sex"], group={"sex": sex}, direction="lower")
                    for sex, value in (("F", 0.3), ("M", 0.1))]  # fmt: skip
        gap = metric("fairness", f"{name}_difference", 0.2, 0.05, 1800, over=["sex"], unit="points", method="max-t",
                     pair=["sex: F", "sex: M"], compares=name)  # fmt: skip
        metrics.append(gap)
        rules.append(Rule(id=name, sentence="s", metric=gap.id, check="fairness.groups", limit=0.1, bound="max", status="fail", value=0.2,
                          low=0.15, high=0.25, n=1800, unit="points"))  # fmt: skip
    check = CheckRecord(name="fairness.groups", pillar="fairness", plugin="raikit", status="ok", metrics=metrics)
    return Record(name="m", verdict="fail", checks=[check], gate=Gate(verdict="fail", rules=rules))


def test_a_group_is_marked_in_all_figures_by_pointer_and_by_keyboard(browser, tmp_path):
    browser.open(write_html(two_measures_by_sex(), tmp_path)[0])
    chosen, pointed, left = browser.run(MARK)
    assert chosen == left == ["sex: F"] * 2
    assert pointed == ["sex: M"] * 2


def test_numbers_are_built_when_opened_sorted_and_saved(browser, file):
    browser.open(file)
    assert browser.run("document.querySelectorAll('details.all tr').length") == 0
    saved = browser.run(
        """(async () => { const part = document.querySelector("#fairness details.all");
        part.open = true;
        await new Promise((done) => setTimeout(done, 100));
        const value = [...part.querySelectorAll("thead button")].find((button) => button.textContent === "Value");
        value.click();
        const rising = [...part.querySelectorAll("tbody tr")].map((row) => row.children[2].textContent);
        const blobs = [];
        URL.createObjectURL = (blob) => { blobs.push(blob); return "#"; };
        [...part.querySelectorAll("button")].find((button) => button.textContent === "Save as CSV").click();
        return [rising, await blobs[0].text(), value.parentElement.getAttribute("aria-sort")]; })()"""
    )
    rising, text, sort = saved
    numbers = [float(value.rstrip("% p")) for value in rising if value.endswith("%")]
    assert numbers == sorted(numbers) and sort == "ascending"
    lines = text.splitlines()
    assert lines[0].lstrip("\ufeff") == "measure,group,value,low,high,n,unit,notes,address"
    assert len(lines) > 20


def test_a_term_is_explained_without_a_script(browser, file):
    browser.send("Emulation.setScriptExecutionDisabled", value=True)
    try:
        browser.open(file)
        browser.run("document.querySelector('.t').click()")
        assert browser.run("document.querySelectorAll('.gl:popover-open').length") == 1
    finally:
        browser.send("Emulation.setScriptExecutionDisabled", value=False)


def test_a_link_unfolds_what_it_leads_to(browser, record, tmp_path):
    browser.open(write_html(record.model_copy(update={"intended_use": "long " * 2000}), tmp_path)[0])
    browser.run("location.hash = '#text-1'")
    time.sleep(0.2)
    assert browser.run("document.getElementById('texts').open")


def test_it_prints(browser, file, tmp_path):
    browser.open(file)
    browser.pdf(tmp_path / "report.pdf")
    pages = len(re.findall(rb"/Type\s*/Page\b", (tmp_path / "report.pdf").read_bytes()))
    assert 5 <= pages <= 12


def test_the_first_screen_and_the_whole_page_are_short(browser, file):
    browser.open(file)
    assert browser.run("Math.max(...[...document.querySelectorAll('.hero > *')].map((part) => part.getBoundingClientRect().bottom))") <= 900
    assert browser.run("document.documentElement.scrollHeight") <= 9000
