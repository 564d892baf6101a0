import re
import sys
from pathlib import Path

import pytest

from raikit.cli import main
from raikit.testing.contract.isolated import IsolatedConformance

GOOD = '''
import raikit
from pydantic import Field

class Rows(raikit.Check):
    """Counts rows.

    All of them.
    """
    name = "mine.rows"
    pillar = "rowing"
    requires = raikit.Requires(columns={"target"}, min_rows=3)
    produces = ["mine.rows"]
    class Options(raikit.CheckOptions):
        times: int | None = Field(1, ge=1, le=9, description="How often each is counted.")
    def run(self, ctx):
        return raikit.CheckResult(metrics=[raikit.Metric.exact("rows", ctx.predictions.size())])
'''
PLUGIN = (
    '"""Rows, counted."""\n' + GOOD + """
raikit_api = 1

@raikit.hookimpl
def raikit_checks():
    return [Rows]

def write(record, folder):
    "Write ``rows.txt``."
    return []

@raikit.hookimpl
def raikit_report_formats():
    return {"rows": write}
"""
)


@pytest.fixture
def mine(install):
    install("raikit-mine", {"mine": "mine_plugin"}, {"mine_plugin": PLUGIN})


@pytest.fixture
def said(capsys):
    """Run a command: ``said("plugins", "list", code=0)`` gives what it printed."""

    def said(*arguments, code=0):
        assert main(["plugins", *map(str, arguments)]) == code
        out = capsys.readouterr()
        return out.out if code < 2 else out.err

    return said


def test_listing_loaded_plugins_says_version_hooks_checks_and_what_is_wrong(mine, write_distribution, said, tmp_path):
    write_distribution(tmp_path / "site", "raikit-bad", {"bad": "no_such_module"}, version="2.0")
    lines = said("list", "--load").splitlines()
    at = next(place for place, line in enumerate(lines) if line.startswith("mine "))
    assert lines[at].split() == ["mine", "raikit-mine", "1.0", "1", "ok", "raikit_checks,", "raikit_report_formats"]
    assert lines[at + 1] == "    mine.rows (quick)"
    at = next(place for place, line in enumerate(lines) if line.startswith("bad "))
    assert lines[at].split() == ["bad", "raikit-bad", "2.0", "-", "error"]
    assert "No module named 'no_such_module'" in lines[at + 1]


@pytest.mark.parametrize("name", ["mine.rows", "rowing", "mine", "raikit-mine"])
def test_a_check_is_described_by_its_name_its_pillar_and_its_plugin(mine, said, name):
    out = said("info", name)
    assert "mine.rows  (raikit-mine 1.0, rowing, quick)" in out
    assert "All of them." in out
    assert "needs     columns: target, at least 3 cases" in out
    assert "measures  mine.rows" in out
    assert "option    times: int | None = 1" in out
    assert "How often each is counted. (≥\N{NO-BREAK SPACE}1, ≤\N{NO-BREAK SPACE}9)" in out
    of_plugin = name in ("mine", "raikit-mine")
    assert ("Rows, counted." in out) == of_plugin
    assert ("format    rows  Write ``rows.txt``." in out) == of_plugin
    assert ("hooks     raikit_checks, raikit_report_formats" in out) == of_plugin


def test_a_file_of_checks_is_described_by_its_path(said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("checks.py").write_text(GOOD)
    out = said("info", "checks.py")
    assert out.startswith("checks.py  (a file of checks)\nchecks    mine.rows\n\nmine.rows  (local, rowing, quick)\nCounts rows.")
    assert said("info", tmp_path / "checks.py").startswith(f"{tmp_path / 'checks.py'}  (a file of checks)")
    assert "there is no file 'nowhere.py'" in said("info", "nowhere.py", code=2)
    Path("checks.py").write_text("1 / 0")
    assert "import failed: ZeroDivisionError" in said("info", "checks.py")


def test_checks_are_tried_on_the_data_of_a_configuration(said, tmp_path):
    path, config = tmp_path / "checks.py", tmp_path / "audit.yaml"
    path.write_text(GOOD.replace('{"target"}', '{"opened"}').replace(
        "        return", "        [hour[:2] for hour in ctx.data.frame(['opened'])['opened']]\n        return"))
    assert "TypeError: 'int' object is not subscriptable" in said("check", path)
    rows = "".join(f"{number},{number % 2},{number % 24:02}:15,0.5\n" for number in range(60))
    (tmp_path / "cases.csv").write_text(f"id,late,opened,score\n{rows}")
    config.write_text(
        "name: hours\ndata: {path: cases.csv, id: id, target: late, keep: [opened]}\n"
        "model: {load: {kind: predictions, score: score}}\n"
    )
    out = said("check", path, "--data", config)
    assert re.search(r"runs +mine.rows +ok +on the author's data, binary data, ", out)
    config.write_text(config.read_text().replace("cases.csv", "no.csv"))
    assert "no.csv" in said("check", path, "--data", config, code=2)
    assert "nowhere.yaml" in said("check", path, "--data", "nowhere.yaml", code=2)


def test_an_unknown_name_is_an_error_with_the_nearest(said):
    assert "Did you mean 'fairness.groups'" in said("info", "fairness.group", code=2)
    assert "Did you mean 'fairness'" in said("check", "fairnes", code=2)
    assert "there is no file 'nowhere.py'" in said("check", "nowhere.py", code=2)


def test_the_contract_is_checked_from_outside_with_a_table_and_an_exit_code(said, tmp_path):
    path = tmp_path / "checks.py"
    path.write_text(GOOD)
    out = said("check", path)
    assert out.splitlines()[0].split() == ["rule", "check", "status", "reason"]
    assert "deterministic   mine.rows  ok" in out
    assert "30 rules tested: 26 hold, 0 broken, 4 not applicable." in out
    path.write_text(GOOD.replace('produces = ["mine.rows"]', "produces = []"))
    out = said("check", path, code=1)
    assert "produces        mine.rows  failed          `produces` is empty; write produces" in out
    assert "1 broken" in out


def test_the_rules_are_said_in_a_sentence_each(said):
    out = said("check", "--rules")
    assert "a check:\n" in out
    assert "  deterministic   Give the same result under the same seed.\n" in out
    assert "a model loader:\n  keys " in out
    assert "Name a file of checks" in said("check", code=2)


def test_a_plugin_that_cannot_be_imported_is_a_broken_rule(said, install):
    install("raikit-bad", {"bad": "bad_plugin"}, {"bad_plugin": "1 / 0"})
    assert "ZeroDivisionError" in said("check", "bad", code=1)


@pytest.mark.parametrize(
    ("where", "what", "row"),
    [
        ("import raikit\n", "import os, raikit\nos._exit(0)\n", "checks.py  failed          it ended the whole process with exit code 0"),
        ("    def run(self, ctx):\n", "    def run(self, ctx):\n        import os; os._exit(0)\n", "mine.rows  failed          it ended the whole"),
        ("    def run(self, ctx):\n", "    def run(self, ctx):\n        import os; os.kill(os.getpid(), 11)\n", "killed the whole process (SIGSEGV)"),
    ],
)  # fmt: skip
def test_a_plugin_that_ends_the_process_has_broken_the_rule_that_was_tried(said, tmp_path, where, what, row):
    path = tmp_path / "checks.py"
    path.write_text(GOOD.replace(where, what))
    assert row in said("check", path, code=1)


def test_a_plugin_that_hangs_as_it_is_imported_has_broken_the_rule_that_was_tried(tmp_path):
    path = tmp_path / "checks.py"
    path.write_text("import time\ntime.sleep(600)\n")
    (found,) = IsolatedConformance(str(path), seconds=5)
    assert (found.rule, found.status) == ("loads", "failed")
    assert found.reason == "it took more than 5 seconds (checks.py, line 2, in <module>); --timeout raises the limit"


@pytest.mark.parametrize(
    ("what", "says"),
    [
        ("import time; time.sleep(600)", "it took more than 10 seconds (checks.py, line 34, in run)"),
        ("import os; os._exit(3)", "it ended the whole process with exit code 3"),
    ],
)
def test_a_check_that_hangs_or_exits_costs_its_own_rows_and_the_others_are_tried(tmp_path, what, says):
    path = tmp_path / "checks.py"
    bad = GOOD.replace('name = "mine.rows"', 'name = "mine.lost"').replace("ctx):", f"ctx):\n        {what}")
    good = GOOD.replace('name = "mine.rows"', 'name = "mine.others"')
    path.write_text(GOOD + bad.replace("Rows", "Lost") + good.replace("Rows", "Others"))
    found = list(IsolatedConformance(str(path), seconds=10))
    (failed,) = [one for one in found if one.status == "failed"]
    assert (failed.check, failed.rule) == ("mine.lost", "runs")
    assert says in failed.reason
    after = [one for one in found if one.check == "mine.lost"][-1]
    assert (after.status, after.reason) == ("not applicable", "not tried: see runs")
    of_each = {name: [(one.rule, one.status) for one in found if one.check == name] for name in ("mine.rows", "mine.others")}
    assert of_each["mine.rows"] == of_each["mine.others"]
    assert [one.rule for one in found if one.check == "mine.lost"] == [rule for rule, _ in of_each["mine.rows"]]
    assert [one.check for one in found][-1] == "mine.others"


def test_the_folder_of_a_package_is_checked_without_installing_it(said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    source = tmp_path / "raikit-fresh" / "src"
    source.mkdir(parents=True)
    (source / "fresh_checks.py").write_text(
        GOOD + "\n\nraikit_api = 1\n\n\n@raikit.hookimpl\ndef raikit_checks():\n    return [Rows]\n"
    )
    (source.parent / "pyproject.toml").write_text('[project.entry-points.raikit]\nfresh = "fresh_checks"\n')
    for name in ("raikit-fresh", "./raikit-fresh", source.parent):
        assert re.search(r"deterministic +mine.rows +ok", said("check", name)), name
    assert "fresh_checks" not in sys.modules
    assert "has no pyproject.toml and no __init__.py" in said("check", "raikit-fresh/src", code=2)
