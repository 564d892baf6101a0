"""The comment of a pull request: found again by its marker, true, inert, and short."""

from __future__ import annotations

import re

import pytest
from hostile import TEXTS, records
from hypothesis import HealthCheck, given, settings
from report_record import make_record

from raikit_reports import comment

GENTLE = settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


@given(TEXTS)
def test_the_marker_is_one_comment_and_one_line(name):
    text = comment.marker(name)
    assert re.fullmatch(r"<!-- raikit:[^<>\r\n]* -->", text)
    assert text.count("-->") == 1
    text.encode()


def test_two_models_have_two_markers():
    assert comment.marker("a/b") != comment.marker("a_b") != comment.marker("a b")


@given(records())
@GENTLE
def test_nothing_in_a_record_becomes_a_command(record):
    text = comment.render(record)
    text.encode()
    first, *rest = text.splitlines()
    assert first == comment.marker(record.name)
    body = "\n".join(rest)
    assert not re.search(r"[<>`]", body)
    assert not re.search(r"(?i)https?://|www\.", body)
    assert not re.search(r"(?<!\\)\[", body.replace("\\\\", ""))


def test_it_says_what_regressed_by_how_much_and_how_sure(record):
    text = comment.render(record, "a/report.html")
    assert text.splitlines()[2] == "**🛑 triage-model 2.1.0: No. Two of ten rules are broken.**"
    worse = next(line for line in text.splitlines() if "is worse than in the baseline" in line)
    for part in ("worse by 6.1 pp, 95% CI 2.8 to 9.4", "The metric went from 7.8 pp to 13.9 pp, on the same cases", "Night shift", "n = 4,191"):
        assert part in worse
    assert text.index("Worse than the baseline") < text.index("**Broken**") < text.index("**Not decided**")
    assert "🛑 2 fail · ⚠️ 1 warn · ❔ 1 inconclusive" in text
    assert "How sure: Confidence intervals have level 95" in text
    assert text.endswith("Report: a/report.html\n")


def test_the_loser_of_a_regression_is_named():
    record = make_record()
    record.gate.rules[1].loser = "ward = night shift"
    assert "For whom: ward = night shift." in comment.render(record)


def test_rules_that_hold_are_only_counted(record):
    text = comment.render(record)
    assert "4 pass" in text and "Balanced accuracy" not in text


def test_a_thousand_broken_rules_stay_a_comment():
    record = make_record()
    for rule in record.gate.rules:
        rule.sentence = "<" * 500
        rule.reason = "&" * 500
    record.gate.rules *= 300
    record.checks *= 300
    text = comment.render(record)
    assert len(text) < comment.LONGEST
    assert re.search(r"\d+ more are in the report", text)
    assert "Report: " in text


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://ci.example.org/runs/7/report.html?x=1#top", "<https://ci.example.org/runs/7/report.html?x=1#top>"),
        ("https://ci.example.org/a>b\n](c", "<https://ci.example.org/a%3Eb%20]%28c>"),
        ("javascript:alert(1)", "run/report.html"),
        ("", "run/report.html"),
    ],
)
def test_the_link_is_an_address_or_a_file(url, shown, tmp_path, monkeypatch):
    (tmp_path / "run").mkdir()
    monkeypatch.setenv("RAIKIT_REPORT_URL", url)
    (path,) = comment.write(make_record(), tmp_path / "run")
    assert path.read_text(encoding="utf-8").endswith(f"Report: {shown}\n")


def test_it_names_the_report_that_is_there(tmp_path):
    (tmp_path / "report.md").touch()
    assert comment.link(tmp_path).endswith("/report.md")
