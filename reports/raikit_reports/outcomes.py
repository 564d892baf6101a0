"""What a rule or a crash means to a machine, which knows only red, yellow and green.

The gate has the last word: what it did not count (a broken rule of severity `warn`, an undecided one, a crash that
`gate.allow_errors` lets pass) must not turn a build red that `raikit` let pass with exit code 0.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import raikit
from raikit import format as fmt
from raikit_reports.rules import RuleRow, rule_rows, whom
from raikit_reports.texts import flat, sentence

# "fail" and "crash" are red; "open" (undecided) and "warn" ask for a person; "accepted" is undecided under
# `on_inconclusive: pass`.
Outcome = Literal["fail", "crash", "warn", "open", "accepted", "waived", "pass"]

LOST_PLUGIN = ("error", "incompatible", "ambiguous")


@dataclass(frozen=True)
class Policy:
    """The part of the policy that says what stops a build."""

    on_inconclusive: str = "warn"
    allow_errors: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Told:
    """A rule with its words, what it means to a machine, and whom it concerns."""

    row: RuleRow
    outcome: Outcome
    who: str

    @property
    def measured(self) -> str:
        """``Measured 16.0 pp (11.3 to 20.7), at most 10 pp``; empty where nothing was measured."""
        if self.row.rule.value is None:
            return ""
        interval = f" ({self.row.interval})" if self.row.interval not in ("", "–") else ""
        return f"Measured {self.row.measured}{interval}" + (f", {self.row.limit}" if self.row.limit else "")

    @property
    def place(self) -> str:
        """Whom it concerns, as a sentence."""
        return sentence(self.who if self.who.startswith("Over ") else f"Who: {self.who}") if self.who else ""

    def facts(self) -> list[str]:
        """Everything that a reader needs to believe it, one fact an item."""
        row = self.row
        said = [
            f"{self.measured}." if self.measured else "",
            f"{row.against[:1].upper()}{row.against[1:]}." if row.against else "",
            row.decision,
            row.needed,
            row.waiver,
            self.place,
            f"From {row.rows}." if row.rows else "",
        ]
        return [fact for fact in said if fact]


@dataclass(frozen=True)
class Crash:
    """A check that crashed or a plugin that could not be loaded; `allowed` if the policy lets it pass."""

    name: str
    kind: Literal["check", "plugin"]
    sentence: str
    traceback: str = ""
    allowed: bool = False


def policy_of(record: raikit.Record) -> Policy:
    """Read the policy out of the record's configuration; where that cannot be read, out of what the gate did."""
    try:
        gate = json.loads(record.provenance.config)["gate"]
        return Policy(str(gate.get("on_inconclusive", "warn")), frozenset(map(str, gate.get("allow_errors", ()))))
    except (ValueError, TypeError, KeyError, AttributeError):
        broken = any(rule.status == "fail" and rule.severity == "fail" for rule in record.gate.rules)
        guess = {1: "warn" if broken else "fail", 4: "stop"}.get(record.gate.exit_code, "warn")
        return Policy(guess)


def of_rule(rule: raikit.Rule, policy: Policy) -> Outcome:
    """What one rule means under a policy."""
    if rule.status == "pass" or rule.status == "waived":
        return rule.status
    if rule.severity == "warn":
        return "open" if rule.status == "inconclusive" else "warn"
    if rule.status == "inconclusive":
        stops: dict[str, Outcome] = {"fail": "fail", "stop": "fail", "pass": "accepted"}
        return stops.get(policy.on_inconclusive, "open")
    return "fail" if rule.status == "fail" else "crash"


def told(record: raikit.Record) -> list[Told]:
    """All rules, worst first."""
    policy, places = policy_of(record), whom(record)
    return [
        Told(row, of_rule(row.rule, policy), row.rule.loser or places.get(row.rule.metric, ""))
        for row in rule_rows(record)
    ]


def in_policy_order(record: raikit.Record) -> list[Told]:
    """All rules as the policy has them: an order that no measurement changes."""
    order = {id(rule): place for place, rule in enumerate(record.gate.rules)}
    return sorted(told(record), key=lambda item: order[id(item.row.rule)])


def crashes(record: raikit.Record) -> Iterator[Crash]:
    """Checks that crashed and plugins that were lost."""
    allowed = policy_of(record).allow_errors
    for check in record.checks:
        if check.status == "error":
            sentence = f"The check {check.name} crashed: {check.reason or 'no reason was recorded'}"
            yield Crash(check.name, "check", sentence, check.traceback or "", check.name in allowed)
    for plugin in record.plugins:
        if plugin.status in LOST_PLUGIN:
            why = plugin.reason or plugin.status
            yield Crash(plugin.name, "plugin", f"The plugin {plugin.name} of {plugin.distribution} is lost: {why}")


def line(parts: list[str], limit: int = 1000) -> str:
    """Facts as one line."""
    return flat(" ".join(parts), limit)


def confidence(record: raikit.Record) -> str:
    """How sure the verdict is, for a reader who sees nothing else."""
    return (
        f"Intervals are at {fmt.confidence(record.confidence)} unless a rule says otherwise. A rule is broken only if its "
        "whole interval is beyond the limit, it holds only if all of it keeps to the limit; else it is inconclusive. "
        "A regression is proven by its p-value, corrected for the number of regressions."
    )
