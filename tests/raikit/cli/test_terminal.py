"""What a person sees at the end of an audit, and the options of every command."""

import re

import numpy as np
import pandas as pd
import pytest
import yaml

from raikit.cli import CRASHED, commands, main
from raikit.run.reader import load_run
from raikit.run.screen import MOST_FINDINGS, MOST_RULES

RULES = [
    {"metric": "performance.accuracy", "min": 0.5},
    {"metric": "fairness.equal_opportunity_difference[sex]", "max": 0.1},
    {"metric": "performance.precision(class=1)", "min": 0.96},
    {"metric": "performance.recall(class=1)", "min": 0.99},
]
WAIVER = {"metric": "performance.recall(class=1)", "reason": "a fix is under way", "who": "Ada", "until": "2999-12-31"}


@pytest.fixture
def audit_yaml(tmp_path):
    """Women are missed more often than men; four rules are broken, undecided, waived and kept."""

    def audit_yaml(sex=("F", "M"), name="people", **gate):
        rng = np.random.default_rng(0)
        female, y = rng.random(600) < 0.5, rng.integers(0, 2, 600)
        p = np.clip(0.2 + 0.6 * y + rng.normal(0, 0.15, 600) - 0.35 * (female & (y == 1)), 0, 1).round(4)
        pd.DataFrame({"sex": np.where(female, *sex), "y": y, "p": p}).to_csv(tmp_path / "people.csv", index=False)
        config = {
            "name": name, "data": {"path": "people.csv", "target": "y", "sensitive": ["sex"]},
            "model": {"load": {"kind": "predictions", "score": "p"}},
            "checks": {"performance.classification": {}, "fairness.groups": {"draws": 1000}}, "formats": ["json", "md"],
            "gate": {"rules": RULES, "waivers": [WAIVER], **gate},
        }  # fmt: skip
        (tmp_path / "audit.yaml").write_text(yaml.safe_dump(config))
        return str(tmp_path / "audit.yaml")

    return audit_yaml


@pytest.fixture
def run(audit_yaml, tmp_path, capsys):
    """The folder of an audit that has run; what it printed is forgotten."""
    assert main(["audit", audit_yaml(), "--out", str(tmp_path / "run"), "--quiet"]) == 1
    capsys.readouterr()
    return str(tmp_path / "run")


def test_the_last_screen_has_verdict_rules_that_do_not_hold_changes_counts_and_paths(audit_yaml, tmp_path, capsys):
    folder = tmp_path / "run"
    assert main(["audit", audit_yaml(), "--out", str(folder)]) == 1
    record = load_run(folder).record
    lines = capsys.readouterr().out.splitlines()
    assert lines[:3] == ["", f"{record.summary.question} {record.summary.answer}", record.summary.lede]
    broken = next(number for number, line in enumerate(lines) if line.startswith("  broken"))
    assert lines[broken] == "  broken        Cases with sex: F are missed more often than sex: M"
    assert re.fullmatch(r" {16}False negative rate [\d.]+% vs [\d.]+%; gap [\d.]+ pp, [\d.]+% CI .*; limit 10 pp; n = .*",
                        lines[broken + 1])  # fmt: skip
    assert any(line.startswith("  undecided     ") for line in lines)
    assert any(line.endswith("waived until 2999-12-31 by Ada: a fix is under way") for line in lines)
    assert not any("Accuracy keeps its limit" in line for line in lines), "what holds is counted"
    for change in record.summary.what_would_change:
        assert f"  - {change}" in lines
    assert "Rules: 1 broken, 1 undecided, 1 waived, 1 holds." in "\n".join(lines)
    assert lines[-2:] == [f"Report: {folder / 'audit.json'}", f"        {folder / 'report.md'}"]
    assert "\x1b" not in "\n".join(lines)


def test_a_waived_rule_is_not_said_to_hold(run, capsys):
    main(["gate", run])
    assert "  waived        Recall, class 1 is below its limit" in capsys.readouterr().out


def test_many_rules_and_findings_are_cut_and_the_rest_is_counted(audit_yaml, tmp_path, capsys):
    rules = [{"metric": "fairness.equal_opportunity_difference[sex]", "max": 0.1 + number / 1000} for number in range(MOST_RULES + 3)]
    main(["audit", audit_yaml(rules=rules, waivers=[]), "--out", str(tmp_path / "run")])
    lines = capsys.readouterr().out.splitlines()
    assert sum(line.startswith("  broken") for line in lines) == MOST_RULES
    assert "  … and 3 more in the report" in lines
    findings = lines[lines.index("Findings that no rule covers") + 1 :] if "Findings that no rule covers" in lines else []
    assert sum(line.startswith("  - ") for line in findings[: 2 * MOST_FINDINGS]) <= MOST_FINDINGS


@pytest.mark.parametrize("place", [0, 1, 2])
def test_quiet_leaves_the_verdict_and_paths_wherever_it_stands(audit_yaml, tmp_path, capsys, place):
    arguments = ["audit", audit_yaml(), "--out", str(tmp_path / "run")]
    arguments.insert(place, "--quiet")
    assert main(arguments) == 1
    out, err = capsys.readouterr()
    assert err == ""
    assert out.splitlines() == [
        "May the model “people” be released? No. One of four rules is broken.",
        f"Report: {tmp_path / 'run' / 'audit.json'}", f"        {tmp_path / 'run' / 'report.md'}",
    ]  # fmt: skip


def test_verbose_adds_plan_seconds_rules_that_hold_and_how_each_is_known(audit_yaml, tmp_path, capsys):
    assert main(["audit", audit_yaml(), "--out", str(tmp_path / "run"), "--verbose"]) == 1
    out, err = capsys.readouterr()
    assert "  performance.classification: will run (quick)" in err and re.search(r"^        [\d.]+ m?s$", err, re.MULTILINE)
    assert "  holds         Accuracy keeps its limit" in out
    assert "Rule: fairness.equal_opportunity_difference[sex] is at most 0.1" in out
    assert "Method: " in out


def test_gate_ends_with_the_same_screen(run, capsys):
    assert main(["gate", run]) == 1
    out = capsys.readouterr().out
    assert "  broken        Cases with sex: F are missed more often than sex: M" in out
    assert out.splitlines()[-1] == f"Verdict: {run}/gate.json"
    assert main(["gate", run, "--quiet"]) == 1
    assert len(capsys.readouterr().out.splitlines()) == 2


def test_on_a_terminal_checks_have_a_bar_and_leave_a_line_and_the_screen_is_coloured(audit_yaml, tmp_path, terminal):
    config = audit_yaml()
    shown = terminal(lambda: main(["audit", config, "--out", str(tmp_path / "run")]))
    assert re.search(r"\[2/2\] fairness\.groups .*\d/\d+  0:00:\d\d", shown)
    assert re.search(r"  \[1/2\] performance\.classification: [\d.]+ s\n", shown)
    assert "\x1b[1;31m  broken\x1b[0m        Cases with sex: F" in shown
    plain = terminal(lambda: main(["gate", str(tmp_path / "run"), "--no-color"]))
    assert "\x1b" not in plain and "  broken        Cases with sex: F" in plain
    assert all(len(line) <= 80 for line in plain.splitlines() if not line.startswith(("Verdict: ", "warning: ")))


HOSTILE = "x\n::error::y ##[error]z\x1b[2J"


@pytest.mark.parametrize("options", [[], ["--verbose"], ["--quiet"]])
def test_hostile_names_and_groups_stay_one_line_and_no_command(audit_yaml, tmp_path, capsys, options):
    waiver = {**WAIVER, "who": HOSTILE, "reason": HOSTILE}
    config = audit_yaml(sex=(HOSTILE.replace("\x1b", ""), "M"), name="a ##[error]b", waivers=[waiver])
    assert main(["audit", config, "--out", str(tmp_path / "run"), *options]) == 1
    out, err = capsys.readouterr()
    assert not any(line.strip().startswith("::") or "##[" in line or "\x1b" in line for line in (out + err).splitlines())
    assert not any(line.startswith(("error", "y ")) for line in (out + err).splitlines())


def test_an_unexpected_error_is_one_sentence_and_its_traceback_needs_debug(audit_yaml, monkeypatch, capsys):
    def fails(request):
        raise KeyError("the cell of somebody")

    monkeypatch.setattr(commands, "audit", fails)
    assert main(["audit", audit_yaml()]) == CRASHED
    out, err = capsys.readouterr()
    assert (out, len(err.splitlines())) == ("", 1)
    assert re.fullmatch(r"raikit itself failed \(KeyError at test_terminal\.py:\d+\); this is a bug in raikit, please report it\. "
                        r"Add --debug for the traceback\.\n", err)  # fmt: skip
    assert main(["audit", "--debug", audit_yaml()]) == CRASHED
    err = capsys.readouterr().err
    assert "| Traceback" in err and "the cell of somebody" in err and "Add --debug" not in err


def test_an_error_of_raikit_brings_its_traceback_with_debug_alone(tmp_path, capsys):
    absent = str(tmp_path / "absent.yaml")
    assert main(["audit", absent]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert main(["audit", absent, "--debug"]) == 2
    assert "| Traceback" in capsys.readouterr().err


def test_quiet_and_verbose_exclude_each_other(capsys):
    assert main(["audit", "audit.yaml", "--quiet", "--verbose"]) == 2
    assert "Use either --quiet or --verbose, not both." in capsys.readouterr().err


def test_the_help_of_a_command_names_the_options_of_every_command(capsys):
    assert main(["audit", "--help"]) == 0
    shown = capsys.readouterr().out
    assert all(option in shown for option in ("Options of every command", "--quiet", "--verbose", "--no-color", "--debug"))


def test_what_follows_two_dashes_is_no_option(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["audit", "--", "--quiet"]) == 2
    assert "--quiet" in capsys.readouterr().err


def test_a_null_character_in_an_argument_is_one_sentence(capsys):
    assert main(["verify", "a\x00b"]) == 2
    assert capsys.readouterr().err == "raikit: an argument holds a null character.\n"
