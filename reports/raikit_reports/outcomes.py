"""What a rule or a crash means to a build server, which knows only red, yellow and green.

The gate decides: what it did not count (a broken rule of severity `warn`, an undecided rule, a crash in
`gate.allow_errors`) must not turn a build red that `raikit` let pass with exit code 0.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import raikit
from raikit import format as fmt
from raikit_reports.rules import RuleRow, rule_rows
from raikit_reports.texts import flat, sentence

# "fail" and "crash" are red; "open" (undecided) and "warn" need a person; "accepted" is undecided under
# `on_inconclusive: pass`.
Outcome = Literal["fail", "crash", "warn", "open", "accepted", "waived", "pass"]

LOST_PLUGIN = ("error", "incompatible", "ambiguous")


@dataclass(frozen=True)
class Policy:
    """The part of the policy that decides what stops a build."""

    on_inconclusive: str = "warn"
    allow_errors: frozenset[str] = frozenset()


@dataclass(frozen=True)
class RuleOutcome:
    """A rule, what is said of it, and its meaning for a build server."""

    row: RuleRow
    outcome: Outcome
    statement: raikit.Statement

    @property
    def headline(self) -> str:
        """What happened, as a sentence."""
        return sentence(self.statement.headline)

    @property
    def evidence(self) -> str:
        """The numbers in one line, as a sentence; empty if nothing was measured."""
        return sentence(self.statement.evidence) if self.row.rule.value is not None else ""

    def _why(self) -> str:
        """Return why it is sure or undecided, without the interval that the evidence has already."""
        interval, separator, rest = re.split(r"([,;]) ", f"{self.statement.sure_detail}, ", maxsplit=1)[:3]
        return rest.removesuffix(", ") if separator and rest and interval in self.statement.evidence else self.statement.sure_detail

    def facts(self) -> list[str]:
        """Return what supports the outcome, each as a sentence: numbers, how sure, what is needed, whom it concerns."""
        row, statement = self.row, self.statement
        facts = [
            self.evidence,
            sentence(row.against),
            sentence(f"{statement.sure}: {self._why()}") if statement.sure_detail else row.decision,
            row.needed,
            f"It says nothing about {fmt.joined(row.rule.not_judged)}." if row.rule.not_judged else "",
            row.waiver,
            row.written,
            row.beside,
            sentence(f"For whom: {statement.whom}") if statement.whom else "",
        ]
        return [fact for fact in facts if fact]


@dataclass(frozen=True)
class Crash:
    """A check that crashed or a plugin that could not be loaded; `allowed` if the policy tolerates it."""

    name: str
    kind: Literal["check", "plugin"]
    sentence: str
    traceback: str = ""
    allowed: bool = False


def policy_of(record: raikit.Record) -> Policy:
    """Read the policy from the record's configuration; if it cannot be read, infer it from the exit code."""
    try:
        gate = json.loads(record.provenance.config)["gate"]
        return Policy(str(gate.get("on_inconclusive", "warn")), frozenset(map(str, gate.get("allow_errors", ()))))
    except (ValueError, TypeError, KeyError, AttributeError):
        broken = any(rule.status == "fail" and rule.severity == "fail" for rule in record.gate.rules)
        guess = {1: "warn" if broken else "fail", 4: "stop"}.get(record.gate.exit_code, "warn")
        return Policy(guess)


def of_rule(rule: raikit.Rule, policy: Policy) -> Outcome:
    """Return what a rule means under a policy."""
    if rule.status == "pass" or rule.status == "waived":
        return rule.status
    if rule.severity == "warn":
        return "open" if rule.status == "inconclusive" else "warn"
    if rule.status == "inconclusive":
        stops: dict[str, Outcome] = {"fail": "fail", "stop": "fail", "pass": "accepted"}
        return stops.get(policy.on_inconclusive, "open")
    return "fail" if rule.status == "fail" else "crash"


def rule_outcomes(record: raikit.Record) -> list[RuleOutcome]:
    """Return the outcomes of all rules, worst first."""
    policy = policy_of(record)
    said = {id(statement.rule): statement for statement in raikit.statements(record) if statement.rule is not None}
    return [RuleOutcome(row, of_rule(row.rule, policy), said[id(row.rule)]) for row in rule_rows(record)]


def in_policy_order(record: raikit.Record) -> list[RuleOutcome]:
    """Return the outcomes in the order of the policy, which does not depend on measurements."""
    order = {id(rule): place for place, rule in enumerate(record.gate.rules)}
    return sorted(rule_outcomes(record), key=lambda item: order[id(item.row.rule)])


def crashes(record: raikit.Record) -> Iterator[Crash]:
    """Yield the checks that crashed and the plugins that could not be loaded."""
    allowed = policy_of(record).allow_errors
    for check in record.checks:
        if check.status == "error":
            sentence = f"The check {check.name} crashed: {check.reason or 'no reason was recorded'}"
            yield Crash(check.name, "check", sentence, check.traceback or "", check.name in allowed)
    for plugin in record.plugins:
        if plugin.status in LOST_PLUGIN:
            why = plugin.reason or plugin.status
            yield Crash(plugin.name, "plugin", f"The plugin {plugin.name} of {plugin.distribution} could not be loaded: {why}")


def one_line(parts: list[str], limit: int = 1000) -> str:
    """Join facts in one line."""
    return flat(" ".join(parts), limit)


def certainty_note(record: raikit.Record) -> str:
    """Explain how sure the verdict is, for readers who see nothing else."""
    text = (
        f"Confidence intervals have level {fmt.confidence(record.confidence)} unless another one is named. A rule is broken if its "
        "whole interval is beyond the limit, and holds if the whole interval is within it. Otherwise it is inconclusive."
    )
    return f"{text} {family_note(record)}".strip()


def family_note(record: raikit.Record) -> str:
    """Say how many rules are judged together and at which level; empty if none can fail by chance."""
    return record.gate.family.describe() if record.gate.family is not None else ""
