"""What GitHub is told: one line a command, ten of a kind, and a summary that is never too long to be shown."""

from __future__ import annotations

import re
from urllib.parse import unquote

import pytest
from hostile import TEXTS, records
from hypothesis import HealthCheck, given, settings
from report_record import make_record

import raikit_reports
from raikit_reports import github
from raikit_reports.texts import clean, flat

GENTLE = settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
COMMAND = re.compile(r"::(error|warning) title=([^:,\r\n]*)::([^\r\n]*)")


@given(TEXTS, TEXTS)
def test_a_command_is_one_line_and_gives_back_its_texts(title, text):
    found = COMMAND.fullmatch(github.command("error", title, text))
    assert unquote(found[2]) == flat(title, 200)
    assert unquote(found[3]) == clean(text)
    assert not re.search("%(?!25|0D|0A|3A|2C)", found[0])


@given(records())
@GENTLE
def test_annotations_are_at_most_ten_of_a_kind_and_agree_with_the_exit_code(record):
    lines = github.commands(record)
    found = [COMMAND.fullmatch(line) for line in lines]
    assert all(found)
    kinds = [match[1] for match in found]
    assert max(kinds.count("error"), kinds.count("warning")) <= 10
    assert ("error" in kinds) == (record.gate.exit_code != 0)


def test_the_tenth_says_how_many_more():
    record = make_record()
    record.gate.rules *= 10
    lines = github.commands(record)
    for kind, many in (("error", 32), ("warning", 21)):
        mine = [line for line in lines if line.startswith(f"::{kind} ")]
        assert len(mine) == 10
        assert f"title={many - 9} more::" in mine[-1]


def test_each_kind_of_trouble_has_its_annotation(record):
    text = "\n".join(github.commands(record))
    for part in (
        "::error title=Fail%3A Skin tone gap is over its limit::Skin tone gap 16.0 pp, 95%25 CI 11.3 to 20.7; limit 10 pp",
        "::error title=Not measured%3A robustness.mean_corruption_error was not measured",
        "::error title=Crashed%3A robustness.corruptions::",
        "::warning title=Inconclusive%3A The gap by skin tone × sex may be over its limit",
        "About 24,000 cases in all would decide.",
    ):
        assert part in text
    assert "Balanced accuracy" not in text  # it holds


# --- the summary ----------------------------------------------------------------------------------------------------


def test_the_table_comes_before_any_prose(record):
    lines = github.summary(record).splitlines()
    assert lines[0] == "### 🛑 triage-model 2.1.0: No. Two of ten rules are broken."
    assert lines[2].startswith("| Verdict | Rule |")
    assert len([line for line in lines if line.startswith("| ")]) == 1 + len(record.gate.rules)
    assert "## Worth knowing" in lines


@pytest.mark.parametrize("budget", [300, 700, 1500, 2500, 6000, 10**6])
def test_it_is_cut_between_rows_and_says_so(record, budget):
    text = github.summary(record, budget)
    assert len(text.encode()) <= budget
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert {line.count("|") for line in rows} <= {6}
    shown = max(len(rows) - 2, 0)
    left = re.search(r"^(\d+) more rules did not fit here", text, re.MULTILINE)
    assert shown + (int(left[1]) if left else 0) == len(record.gate.rules)
    assert ("did not fit" in text) == (text != github.summary(record))


def test_thousands_of_rules_stay_below_a_mebibyte():
    record = make_record()
    record.gate.rules *= 1000
    text = github.summary(record)
    assert 900_000 < len(text.encode()) < 1024 * 1024


def test_what_another_step_wrote_counts(record, tmp_path):
    place = tmp_path / "summary.md"
    place.write_text("x" * (github.SUMMARY_BYTES - 1500))
    github.append_summary(record, place)
    assert place.stat().st_size <= github.SUMMARY_BYTES
    assert "more rules did not fit here" in place.read_text(encoding="utf-8")


@given(records())
@GENTLE
def test_a_hostile_record_keeps_its_table(record):
    text = github.summary(record)
    text.encode()
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert len(rows) == (2 + len(record.gate.rules) if record.gate.rules else 0)
    assert {line.count("|") for line in rows} <= {6}


# --- the hook -------------------------------------------------------------------------------------------------------


def test_commands_reach_stdout_and_the_summary_its_file(record, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    raikit_reports.raikit_run_finished(record, tmp_path)
    raikit_reports.raikit_run_finished(record, tmp_path)  # a second audit in one step
    captured = capsys.readouterr()
    assert captured.out.count("::error title=Fail%3A Skin tone gap is over its limit") == 2
    assert captured.err == ""
    assert (tmp_path / "summary.md").read_text(encoding="utf-8").count("| Verdict | Rule |") == 2


def test_elsewhere_nothing_is_said_or_written(record, tmp_path, monkeypatch, capsys):
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    monkeypatch.chdir(tmp_path)
    raikit_reports.raikit_run_finished(record, tmp_path)
    assert capsys.readouterr().out == ""
    assert list(tmp_path.iterdir()) == []


def test_a_stdout_that_knows_only_ascii_is_enough(record, monkeypatch):
    import io
    import sys

    narrow = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", narrow)
    github.publish(record, {"GITHUB_ACTIONS": "true"})
    assert narrow.buffer.getvalue().startswith(b"::error title=")
