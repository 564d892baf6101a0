"""The page as people meet it: in a browser, at three widths, in both themes, on paper, silent and complete."""

from __future__ import annotations

import time

import pytest
from headless import Browser, chromium
from pydantic import BaseModel
from report_record import HOSTILE

from raikit_reports import write_html

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(chromium() is None, reason="no Chromium or Chrome on PATH"),
]

SCROLL_THROUGH = """(async () => {
  for (const chart of document.querySelectorAll(".chart")) {
    chart.scrollIntoView();
    for (let tick = 0; tick < 100 && !chart.dataset.live; tick += 1) await new Promise((done) => setTimeout(done, 50));
  }
  return [...document.querySelectorAll(".chart")].map((chart) => chart.dataset.live);
})()"""
OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


@pytest.fixture(scope="module")
def browser():
    with Browser(str(chromium())) as running:
        yield running


@pytest.fixture(scope="module")
def file(record, tmp_path_factory):
    return write_html(record, tmp_path_factory.mktemp("report"))[0]


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
    assert written.read_text("utf-8").count("attack()") > 100
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
    cells = "[...document.querySelectorAll('#policy .rule')].map((row) => row.lastElementChild.clientWidth)"
    assert min(browser.run(cells)) >= 200


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_figures_come_alive_one_by_one_and_are_never_blank(browser, file, dark):
    browser.open(file, dark=dark)
    assert browser.run("document.querySelectorAll('.chart svg').length") == browser.run(
        "document.querySelectorAll('.chart').length"
    )
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
        """(() => { const chart = document.querySelector("#fairness .chart");
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
        """(() => { const part = document.querySelector("#fairness details.all"); part.open = true;
        const field = part.querySelector("input");
        field.value = "true positive dark";
        field.dispatchEvent(new Event("input"));
        return [...part.querySelectorAll("tbody tr")].filter((row) => !row.hidden).length; })()"""
    )
    assert 0 < shown < 5
    browser.run("document.getElementById('theme-auto').click()")


def test_a_link_unfolds_what_it_leads_to(browser, file):
    browser.open(file)
    browser.run("location.hash = '#text-1'")
    time.sleep(0.2)
    assert browser.run("document.getElementById('texts').open")


def test_it_prints(browser, file, tmp_path):
    browser.open(file)
    browser.pdf(tmp_path / "report.pdf")
    assert (tmp_path / "report.pdf").stat().st_size > 50_000
