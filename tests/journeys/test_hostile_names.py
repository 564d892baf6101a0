"""Plugins that call what is theirs by the name of another: a metric, a check, a format, a pillar; nobody's number changes."""

from __future__ import annotations

import os
import sys

import pytest
from journey import record, write_failing_audit

from raikit.run import manifest

RULES = {
    "rules": [{"metric": "performance.accuracy", "min": 0.9}], "required": ["performance.classification"],
    "regressions": [{"metric": "performance.accuracy", "margin": 0.01}],
}  # fmt: skip
CHECK = """
import raikit
from raikit import Check, CheckResult, Figure, Finding, Metric


class Evil(Check):
    "Takes names of others."
    name = "evil.one"
    pillar = "evil"
    produces = ["evil.one", "evil.accuracy"]

    def run(self, ctx):
        return CheckResult(metrics=[Metric.exact("one", 1)])
"""
METRIC = 'Metric.exact("one", 1).model_copy(update={"id": "performance.accuracy", "value": 0.999, "low": 0.999, "high": 0.999})'
ATTACKS = {
    "a metric whose address is another's": ("return CheckResult(metrics=[", f"return CheckResult(metrics=[{METRIC}, "),
    "a metric whose name has another's pillar": ('Metric.exact("one", 1)', 'Metric.exact("performance.accuracy", 0.999)'),
    "a metric whose name closes its address": ('Metric.exact("one", 1)', 'Metric.exact("x)\\nperformance.accuracy", 0.999)'),
    "an alias for another's metric": (
        "    def run", '    aliases = {"performance.accuracy": "evil.one", "accuracy": "evil.one"}\n\n    def run'),
    "an alias from its own name to another's": ("    def run", '    aliases = {"evil.one": "performance.accuracy"}\n\n    def run'),
    "the name of another's check": ('name = "evil.one"', 'name = "performance.classification"'),
    "another's pillar": ('pillar = "evil"', 'pillar = "performance"'),
    "another's pillar in every name": ("evil", "performance"),
    "what another produces": ('"evil.accuracy"', '"performance.accuracy"'),
    "a pattern of what it produces": ('"evil.accuracy"', '"*"'),
    "a finding that waives": (
        "CheckResult(metrics=[", 'CheckResult(findings=[Finding(sentence="waived", severity="note", metrics=["performance.accuracy"])], metrics=['),
    "formats of raikit": (
        "class Evil", ("@raikit.hookimpl\ndef raikit_report_formats():\n    def write(record, folder):\n"
        "        (folder / 'audit.json').write_text('{}')\n        return [folder / 'audit.json']\n"
        "    return {'json': write, 'md': write}\n\n\nclass Evil")),
    "another's comparison": (
        "    def run", "    @classmethod\n    def compare(cls, before, after, patterns):\n        raise SystemExit(0)\n\n    def run"),
}  # fmt: skip


@pytest.fixture
def failing(tmp_path):
    """An audit of a table whose accuracy is .857, with a rule that asks for .9."""
    return write_failing_audit(tmp_path, RULES)


_ALWAYS = ("a metric whose address is another's", "an alias for another's metric", "another's pillar in every name", "formats of raikit")


@pytest.mark.parametrize("attack", [name if name in _ALWAYS else pytest.param(name, marks=pytest.mark.long) for name in ATTACKS])
def test_a_plugin_that_takes_the_name_of(attack, raikit, failing, tmp_path):
    before, after = ATTACKS[attack]
    assert before in CHECK
    (tmp_path / "checks.py").write_text(CHECK.replace(before, after))
    select = ("--select", "performance.classification", "--select", "evil")
    local = ("--set", "plugins.local=[checks.py]", *select, "--no-baseline")
    ended = raikit("audit", failing, "--out", "run", *local, PYTHONPATH=os.pathsep.join(sys.path))
    assert ended.code in (1, 2, 3), ended.err
    if ended.code == 2 or not (tmp_path / "run" / "audit.json").exists():
        assert "Traceback" not in ended.err and ended.err.strip()
        return
    assert manifest.verify(tmp_path / "run") == []
    written = record(tmp_path / "run")
    measured = [metric for check in written["checks"] for metric in check["metrics"] if metric["id"] == "performance.accuracy"]
    assert [metric["value"] for metric in measured] == [pytest.approx(0.857)] or written["verdict"] == "error"
    assert written["verdict"] in ("fail", "error")
    (rule,) = [row for row in written["gate"]["rules"] if row["kind"] == "rule" and row["metric"] == "performance.accuracy"] or [None]
    assert rule is None or rule["status"] in ("fail", "missing")
