"""``pytest --raikit audit.yaml``, each in a pytest of its own: what a developer reads and what a build server counts."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import yaml

import raikit
from raikit.format import confidence_interval, measure

pytest_plugins = ["pytester"]
pytestmark = pytest.mark.long

CRASHES = '''
import raikit

class Crashes(raikit.Check):
    """Divides by nothing."""
    name, pillar = "crash.now", "crash"
    def run(self, ctx):
        return raikit.CheckResult(metrics=[raikit.Metric.exact("x", 1 / 0)])
'''
ACCURATE = {"metric": "performance.accuracy", "min": 0.5}
UNFAIR = {"metric": "fairness.equal_opportunity_difference[sex]", "max": 0.1}
OPEN = {"metric": "performance.precision(class=1)", "min": 0.95}
LATE = {"metric": "performance.recall(class=1)", "min": 0.99}
WAIVER = {"metric": "performance.recall(class=1)", "reason": "a fix is under way", "who": "Ada", "until": "2999-12-31"}


@pytest.fixture
def project(pytester):
    """An audit.yaml with these rules; women are missed more often than men."""

    def project(*rules, checks=("performance.classification", "fairness.groups"), local="", **gate):
        rng = np.random.default_rng(0)
        sex, y = rng.choice(["F", "M"], 600), rng.integers(0, 2, 600)
        p = np.clip(0.2 + 0.6 * y + rng.normal(0, 0.15, 600) - 0.35 * ((sex == "F") & (y == 1)), 0, 1)
        pd.DataFrame({"sex": sex, "y": y, "p": p.round(4)}).to_csv(pytester.path / "people.csv", index=False)
        config = {
            "name": "people",
            "data": {"path": "people.csv", "target": "y", "sensitive": ["sex"]},
            "model": {"load": {"kind": "predictions", "score": "p"}},
            "checks": {name: {} for name in checks},
            "gate": {"rules": list(rules), **gate},
            "formats": ["json"],
        }
        if local:
            (pytester.path / "checks.py").write_text(local)
            config["plugins"] = {"local": ["checks.py"]}
        (pytester.path / "audit.yaml").write_text(yaml.safe_dump(config))
        return pytester

    return project


def test_every_rule_is_a_test_and_says_what_the_gate_said(project):
    pytester = project(ACCURATE, UNFAIR, OPEN, LATE, waivers=[WAIVER])
    pytester.makepyfile("def test_of_ones_own(): pass")
    ran = pytester.runpytest_subprocess("--raikit", "audit.yaml", "--raikit-out", "run", "-v")
    ran.assert_outcomes(passed=2, failed=1, skipped=2)
    run = raikit.load_run(pytester.path / "run")
    broken, late = (run.rules.query("status == @status").iloc[0] for status in ("fail", "waived"))
    assert ran.ret == 1
    text = ran.stdout.str()
    shown = measure(broken.value, broken.low, broken.high, broken.unit)
    ends = confidence_interval(broken.low, broken.high, broken.unit, level=broken.level, value=broken.value)
    assert f"{shown} ({ends}): " in text and broken.reason in text and broken.sentence in text
    assert "Traceback" not in text and "pytest_plugin.py" not in text
    assert "  undecided  " in text and "  - Precision, class 1: about " in text
    assert late.reason.startswith(waived := "waived until 2999-12-31 by Ada: a fix is under way") and waived in text
    assert run.record.summary.lede in text and "Rules: 1 broken, 1 undecided, 1 waived, 1 holds." in text
    assert run.record.summary.answer in text and str(pytester.path / "run" / "audit.json") in text
    assert "[1/2] performance.classification" in ran.stderr.str()


def test_one_rule_is_chosen_by_name_and_an_audit_alone_by_its_file(project):
    pytester = project(ACCURATE, UNFAIR)
    pytester.makepyfile("def test_of_ones_own(): assert False")
    ran = pytester.runpytest_subprocess("--raikit", "audit.yaml", "audit.yaml", "-k", "accuracy")
    ran.assert_outcomes(passed=1, deselected=1)
    assert ran.ret == 0


@pytest.mark.parametrize("policy", ["fail", "stop"])
def test_what_is_undecided_fails_if_the_policy_stops_on_it(project, policy):
    ran = project(OPEN, on_inconclusive=policy).runpytest_subprocess("--raikit", "audit.yaml")
    ran.assert_outcomes(failed=1)
    ran.stdout.fnmatch_lines(["inconclusive: 97.2% (95% CI 94.1 to 99.0%): * contains the limit 0.95*"])


def test_a_crashed_check_and_a_rule_that_it_leaves_unmeasured_fail(project):
    rules = [ACCURATE, {"metric": "crash.x", "max": 2}]
    pytester = project(*rules, checks=["performance.classification", "crash"], local=CRASHES, required=["crash.now"])
    ran = pytester.runpytest_subprocess("--raikit", "audit.yaml")
    ran.assert_outcomes(passed=1, failed=3)
    ran.stdout.fnmatch_lines(["*no measurement: crash.now crashed*", "*crash.now crashed: ZeroDivisionError*"])


def test_a_warning_is_no_failure_and_without_rules_the_audit_itself_is_the_test(project):
    ran = project(UNFAIR | {"severity": "warn"}).runpytest_subprocess("--raikit", "audit.yaml", "-rs")
    ran.assert_outcomes(skipped=1)
    ran.stdout.fnmatch_lines(["*audit.yaml: warning only: *above 0.1"])
    ran = project().runpytest_subprocess("--raikit", "audit.yaml")
    ran.assert_outcomes(passed=1)
    assert ran.ret == 0


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--raikit", "audit.yaml"], "ERROR: raikit: audit.yaml, line *performance.acuracy*Did you mean*"),
        (["--raikit", "absent.yaml"], "ERROR: raikit: *absent.yaml*"),
        (["--raikit", "audit.yaml", "--raikit-baseline", "absent"], "ERROR: *"),
        (["--raikit-out", "run"], "ERROR: --raikit-out needs --raikit audit.yaml."),
        (
            ["--raikit", "audit.yaml", "--raikit-baseline", "a", "--raikit-no-baseline"],
            "ERROR: use either --raikit-baseline or --raikit-no-baseline, not both.",
        ),
    ],
)
def test_what_cannot_be_audited_is_one_sentence(project, options, sentence):
    ran = project({"metric": "performance.acuracy", "min": 0.5}).runpytest_subprocess(*options)
    assert ran.ret == pytest.ExitCode.USAGE_ERROR
    said = [line for line in (*ran.outlines, *ran.errlines) if line.startswith("ERROR")]
    assert len(said) == 1
    assert "Traceback" not in ran.stdout.str() + ran.stderr.str()
    pytest.LineMatcher(said).fnmatch_lines([sentence])


def test_a_regression_against_a_baseline_is_a_test(project):
    pytester = project(ACCURATE, regressions=[{"metric": "performance.accuracy", "margin": 0.02}])
    ran = pytester.runpytest_subprocess("--raikit", "audit.yaml", "--raikit-no-baseline", "--raikit-out", "before")
    ran.assert_outcomes(passed=1, skipped=1)
    ran = pytester.runpytest_subprocess("--raikit", "audit.yaml", "--raikit-baseline", "before", "--raikit-out", "after")
    ran.assert_outcomes(passed=2)
    table = pd.read_csv(pytester.path / "people.csv")
    table["p"] = np.where(np.arange(600) % 3 == 0, 1 - table["p"], table["p"])
    table.to_csv(pytester.path / "people.csv", index=False)
    ran = pytester.runpytest_subprocess("--raikit", "audit.yaml", "--raikit-baseline", "before")
    ran.assert_outcomes(passed=1, failed=1)


def test_with_xdist_the_audit_runs_once_and_its_tests_are_spread(project):
    pytester = project(ACCURATE, UNFAIR, OPEN, UNFAIR)
    ran = pytester.runpytest_subprocess("--raikit", "audit.yaml", "-n", "2", "-p", "xdist")
    ran.assert_outcomes(passed=1, failed=2, skipped=1)
    assert len(list((pytester.path / "runs").iterdir())) == 1
    assert ran.stderr.str().count("[1/2]") == 1
    assert "#2" in ran.stdout.str()  # a rule that stands there twice


def test_the_fixture_gives_a_run_to_assert_on(project):
    pytester = project(UNFAIR)
    pytester.makepyfile(
        """
        import pytest, raikit

        def test_numbers(audit, tmp_path):
            run = audit("audit.yaml")
            assert run.record.find("performance.accuracy").low > 0.5
            assert run.record.verdict == "fail" and set(run.rules["status"]) == {"fail"}
            again = audit("audit.yaml", baseline=run.folder, sets=["seed=3"], out=tmp_path / "run")
            assert again.folder == tmp_path / "run" and again.record.provenance.seed == 3

        def test_errors(audit):
            with pytest.raises(raikit.ConfigError, match="intersection"):
                audit("audit.yaml", sets=["checks.fairness.intersection=3"])
        """
    )
    pytester.runpytest_subprocess().assert_outcomes(passed=2)
    assert not (pytester.path / "runs").exists()


def test_nothing_is_imported_for_those_who_do_not_ask():
    heavy = {"numpy", "pandas", "torch", "pydantic", "raikit.audit.conductor", "raikit.errors"}
    code = f"import sys, raikit.pytest_plugin; print(sorted({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "[]\n"


@pytest.mark.parametrize("change", ["shutil.rmtree('run')", "pathlib.Path('run/audit.json').write_text('{')"])
def test_a_run_that_a_test_destroys_is_one_sentence_in_the_summary(project, change):
    pytester = project(ACCURATE)
    pytester.makepyfile(f"import pathlib, shutil\ndef test_of_ones_own(): {change}")
    ran = pytester.runpytest_subprocess("--raikit", "audit.yaml", "--raikit-out", "run")
    printed = ran.stdout.str() + ran.stderr.str()
    assert "Traceback" not in printed and "INTERNALERROR" not in printed
    assert "raikit: " in printed.split("= raikit =")[-1]


def test_no_line_of_the_summary_begins_with_what_a_path_says(project):
    pytester = project(ACCURATE)
    ran = pytester.runpytest_subprocess("--raikit", "audit.yaml", "--raikit-out", "run\n::error::x")
    assert not any(line.startswith("::") for line in (ran.stdout.str() + ran.stderr.str()).splitlines())
