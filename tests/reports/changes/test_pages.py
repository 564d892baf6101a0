"""The pages of comparisons and histories as text: one file, nothing loaded, only ours executed, hostile texts stay text."""

from __future__ import annotations

import base64
import csv
import hashlib
import html
import io
import json
import re

import pytest
from change_records import comparison, history
from headless import Browser, chromium
from hostile import records
from hypothesis import given, settings
from report_record import HOSTILE

import raikit_reports
from raikit.run.across import Point, RunComparison, RunHistory, Series
from raikit.run.record import Rule
from raikit_reports.changes import comparing, over_time, trend

SEX = "fairness.false_negative_rate[sex={}]"


def seen(page):
    """Return the text of a page outside scripts and styles."""
    return " ".join(html.unescape(re.sub(r"<[^>]*>", "", re.sub(r"(?s)<(script|style).*?</\1>", "", page))).split())


def test_the_first_screen_of_a_comparison_counts_and_names_the_runs():
    page = comparing.render(comparison())
    text = seen(page)
    assert "1 metric got worse, 1 got better." in text
    assert "Cases with sex: F are missed more often than before: 10.0% before, 20.0% now." in text
    assert "1 worse 1 better 1 cannot be told" in text
    for known in ("id1", "id2", "1 January 2026", "2 January 2026", "The data differ. All metrics are compared on the same cases.",
                  "Each of the 3 intervals stands alone: about one in twenty misses by chance."):  # fmt: skip
        assert known in text, known


def test_each_change_has_its_evidence_and_is_drawn_on_its_side_of_0():
    compared = comparison()
    assert "20.0% after; worse by 10.0 pp, 95% CI 6.0 to 14.0; n = 400, the same cases" in seen(comparing.render(compared))
    worse, better, open_ = (comparing.draw(change, {"points": 0.14}) for change in comparing.changes(compared))
    middle = comparing.WIDTH / 2
    assert worse.low > middle and better.high < middle and open_.low < middle < open_.high


def test_all_metrics_are_data_of_the_page_and_only_the_first_stand_in_groups():
    page = comparing.render(comparison(many=30))
    data = json.loads(re.search(r'(?s)id="numbers">(.*?)</script>', page)[1])
    assert len(data["rows"]) == 90 and {len(row["t"]) for row in data["rows"]} == {len(data["heads"])}
    assert {len(row["c"]) for row in data["rows"]} == {len(data["csv"])}
    assert page.count("c-change v-worse") == comparing.MOST


def test_a_history_draws_each_run_and_says_the_same_in_a_table():
    page = over_time.render(history())
    text = seen(page)
    assert "No. The newest run broke a limit." in text
    assert "breaks its limit from 3 January 2026, 10:00 UTC; before, it could not be decided." in text
    assert "30.0% 28.0 to 32.0% 400 Broken" in re.sub(" +", " ", re.sub("</?t[dhr][^>]*>", " ", page))
    assert page.count('<g class="v-') == 3
    assert "other data than before" in text


def test_a_pass_by_policy_is_no_yes():
    assert "Not decided in the newest run." in seen(over_time.render(history(statuses=("pass", "inconclusive"))))


def test_a_run_without_a_value_breaks_the_line_and_limits_stand_on_the_axis():
    points = [Point(f"r{day}", f"2026-01-0{day}", value, value, value, 9, "pass") for day, value in ((1, 0.1), (2, None), (3, 0.2), (4, 0.2))]
    limit = Rule(id="l", sentence="s", metric="m", limit=0.5, bound="max", status="pass")
    drawn = trend.draw(Series("m", points, [limit]), "rate")
    assert drawn.line.count("M") == 2 and len(drawn.marks) == 3
    assert min(y for y, _ in drawn.ticks) <= drawn.limits[0][0] < drawn.marks[0].y


@pytest.mark.parametrize(("low", "high"), [(2.7e-70, 2.7e-70), (0.0, 0.0), (0.1, 0.1 + 1e-17), (-1e6, 1e6), (0.5, 0.5000001), (1e-20, 1e-19)])
def test_an_axis_encloses_any_range(low, high):
    ticks = trend.nice_ticks(low, high)
    assert ticks[0] <= low <= high <= ticks[-1] and ticks[0] < ticks[-1] and len(ticks) <= 12


PAGES = {"comparison": lambda text: comparing.render(comparison(text)), "history": lambda text: over_time.render(history(text))}


@pytest.mark.parametrize("render", PAGES.values(), ids=PAGES)
@pytest.mark.parametrize("text", [text for text in HOSTILE if text], ids=range(len([text for text in HOSTILE if text])))
def test_hostile_texts_stay_text(render, text):
    page = render(text)
    page.encode()
    assert page.count("<script") == page.count("</script>") and page.count("<style") == page.count("</style>") == 1
    assert "<script>alert" not in page and ' onmouseover="alert' not in page
    assert "\u202e" not in page


@pytest.mark.parametrize("render", PAGES.values(), ids=PAGES)
def test_the_policy_allows_our_style_and_script_by_hash_and_nothing_else(render):
    page = render("")
    policy = html.unescape(re.search(r'Content-Security-Policy" content="([^"]*)"', page)[1])
    style, script = re.search(r"(?s)<style>(.*?)</style>", page)[1], re.search(r"(?s)<script>(.*?)</script>", page)[1]
    for content in (style, script):
        assert base64.b64encode(hashlib.sha256(content.encode()).digest()).decode() in policy
    assert policy.startswith("default-src 'none'") and "unsafe" not in policy
    assert not re.search(r'(src|href)="(?!#)', page) and ' style="' not in page


@given(records(), records())
@settings(max_examples=10, deadline=None)
def test_any_two_records_can_be_compared_and_followed(before, after):
    compared = RunComparison(baseline=before, candidate=after, gate=after.gate)
    points = [Point(record.name, record.provenance.started, rule.value, rule.low, rule.high, 1, rule.status)
              for record in (before, after) for rule in record.gate.rules[:1]]  # fmt: skip
    series = [Series("m", points, after.gate.rules)] if len(points) == 2 else []
    for page in (comparing.render(compared), over_time.render(RunHistory(names=["a", "b"], records=[before, after], series=series))):
        page.encode()
        assert page.count("<script") == page.count("</script>")


def test_the_plugin_writes_them_by_the_ending_of_the_file(tmp_path):
    write = raikit_reports.raikit_comparison_formats()["html"]
    write(comparison(), tmp_path / "c.html")
    write(history(), tmp_path / "h.html")
    assert "What changed" in (tmp_path / "c.html").read_text() and "History" in (tmp_path / "h.html").read_text()


@pytest.mark.long
@pytest.mark.skipif(chromium() is None, reason="no Chromium or Chrome on PATH")
def test_in_a_browser_the_table_is_built_when_opened_sorts_filters_and_saves(tmp_path):
    with Browser(str(chromium())) as browser:
        for name, render in PAGES.items():
            for text in ("", "=1+1 <img src=http://attack.invalid onerror=alert(1)>"):
                file = tmp_path / "p.html"
                file.write_text(render(text), encoding="utf-8")
                for width in (360, 1440):
                    browser.open(file, width)
                    assert browser.run("document.documentElement.scrollWidth - document.documentElement.clientWidth") == 0, (name, width)
        file.write_text(comparing.render(comparison("=x", many=60)), encoding="utf-8")
        browser.open(file)
        assert browser.run("document.querySelectorAll('#table tr').length") == 0
        browser.run("document.querySelector('details.all').open = true")
        browser.run("new Promise((done) => setTimeout(done, 200))")
        assert browser.run("document.querySelectorAll('#table tbody tr').length") == 100
        browser.run("document.querySelectorAll('#table th button')[5].click()")
        assert browser.run("document.querySelector('#table tbody td').textContent") == "Worse"
        browser.run("""(() => { const field = document.querySelector('#table input'); field.value = 'sex: m better';
                    field.dispatchEvent(new Event('input')); })()""")
        assert browser.run("document.querySelector('#table [role=status]').textContent") == "60 of 180 metrics"
        saved = browser.run("""(async () => { let kept; URL.createObjectURL = (blob) => { kept = blob; return "#"; };
                            document.querySelector('#table .c-tools button').click(); return await kept.text(); })()""")
        rows = list(csv.reader(io.StringIO(saved)))
        assert len(rows) == 61 and rows[0][0] == "verdict" and rows[1][5] == "-0.05"
        assert browser.messages == [] and all(url.startswith(("file:", "blob:")) for url in browser.requests)
