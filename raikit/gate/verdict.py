"""The verdict: all rules, regressions, waivers and required checks judged together. It knows no pillar."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING

from raikit.gate.exit_code import CRASHED, FAILED, INSUFFICIENT, NOTHING_RAN, exit_code
from raikit.gate.family import Claim, decide_alone, decide_together
from raikit.gate.promises import judge_promises
from raikit.gate.regressions import NO_BASELINE, Regressions
from raikit.gate.required import judge_required
from raikit.gate.rule_claim import RuleClaim, unchecked_condition, undefined_groups
from raikit.gate.rules import direction_warnings, match_rule, scale_warnings
from raikit.gate.waivers import apply_waivers
from raikit.run.record import CheckRecord, Gate, PluginRecord, Rule, RuleFamily, Verdict

if TYPE_CHECKING:
    from raikit.config.schema import GateConfig

_VERDICTS: dict[int, Verdict] = {FAILED: "fail", CRASHED: "error", INSUFFICIENT: "inconclusive", NOTHING_RAN: "error"}


def judge(
    policy: GateConfig,
    checks: Sequence[CheckRecord],
    plugins: Sequence[PluginRecord] = (),
    audited: int = 0,
    regressions: Regressions | None = None,
    today: date | None = None,
    confidence: float = 0.95,
) -> Gate:
    """Judge the measurements of an audit by its policy.

    Parameters
    ----------
    policy : GateConfig
    checks : sequence of CheckRecord
    plugins : sequence of PluginRecord
        Those that failed to load count as crashes.
    audited : int
        Number of audited cases, from which the number of cases that would decide a rule is computed.
    regressions : Regressions, optional
        What a comparison with the baseline found (`raikit.gate.regressions.compare`).
    today : date, optional
        The date on which waivers are applied; by default today.
    confidence : float
        The level of the run.

    Returns
    -------
    Gate
        One rule per configured rule and matched address, the verdict and the exit code.
    """
    compared = regressions or Regressions()
    rules, claims = _match_rules(policy, checks, audited, confidence)
    family = _decide(policy, claims, compared, confidence)
    warnings = [
        *scale_warnings(rules), *direction_warnings(rules, checks), *_silent_rules(rules, checks, compared),
        *_conditional_passes([*rules, *compared.rules], checks),
        *_allowed_crashes(policy, checks), *compared.warnings,
    ]  # fmt: skip
    rules += compared.rules
    if policy.decide_on == "estimate" and rules:
        warnings.append("decided on estimates, as the policy asks: by chance some rules fail and some pass")
    warnings += apply_waivers(rules, policy.waivers, today or date.today())
    rules += judge_promises(checks)  # no waiver lets a false promise pass
    if any(rule.reason == NO_BASELINE for rule in compared.rules):
        warnings.append("regressions were not judged: there is no baseline yet")
    rules += [judge_required(required, checks) for required in policy.required]
    code = exit_code(policy, rules, checks, plugins)
    return Gate(
        verdict=_verdict(code, policy, rules, warnings), rules=rules, warnings=warnings, exit_code=code, family=family
    )


def _match_rules(
    policy: GateConfig, checks: Sequence[CheckRecord], audited: int, confidence: float
) -> tuple[list[Rule], list[RuleClaim]]:
    matched = [match_rule(rule, checks, audited, policy.decide_on, confidence) for rule in policy.rules]
    return [rule for rules, _ in matched for rule in rules], [claim for _, claims in matched for claim in claims]


def _decide(
    policy: GateConfig, claims: Sequence[RuleClaim], compared: Regressions, confidence: float
) -> RuleFamily | None:
    """Decide all claims in place; return the family of those that can fail the build.

    What only warns has no part in it: it must not make proof harder for what fails a build.
    """
    error = policy.family_error(confidence)
    if policy.error_rate == "rule":
        decide_alone(claims)
        decide_together(compared.claims, error)
        return None
    everything: list[Claim] = [*claims, *compared.claims]
    family = decide_together([claim for claim in everything if claim.rule.severity == "fail"], error)
    if family is not None:  # with few rules, the run's own level is the stricter one
        family.level = max(family.level, confidence)
    decide_alone([claim for claim in claims if claim.rule.severity == "warn"])
    decide_together([claim for claim in compared.claims if claim.rule.severity == "warn"], error)
    return family


def _silent_rules(rules: Sequence[Rule], checks: Sequence[CheckRecord], compared: Regressions) -> list[str]:
    """Warn of groups in which a judged metric is not defined or was not compared: its rule says nothing about them."""
    undefined = {
        str(metric.id): undefined
        for check in checks for metric in check.metrics
        if metric.value is not None and (undefined := undefined_groups(metric))
    }  # fmt: skip
    warnings = [f"{rule.metric}: {undefined[rule.metric]}" for rule in rules if rule.metric in undefined]
    warnings += [f"{claim.rule.metric}: {claim.left_out.reason}" for claim in compared.claims if claim.left_out.reason]
    return list(dict.fromkeys(warnings))


def _conditional_passes(rules: Sequence[Rule], checks: Sequence[CheckRecord]) -> list[str]:
    """Warn of rules that hold only if something is so that nobody could check."""
    metrics = {str(metric.id): metric for check in checks for metric in check.metrics if metric.condition}
    return list(dict.fromkeys(
        f"{rule.metric}: the rule holds {unchecked_condition(metrics[rule.metric], rule)}"
        for rule in rules if rule.metric in metrics and rule.status == "pass"
    ))


def _allowed_crashes(policy: GateConfig, checks: Sequence[CheckRecord]) -> list[str]:
    return [
        f"{check.name} crashed; gate.allow_errors lets that pass"
        for check in checks
        if check.status == "error" and check.name in policy.allow_errors
    ]


def _verdict(code: int, policy: GateConfig, rules: Sequence[Rule], warnings: Sequence[str]) -> Verdict:
    if code in _VERDICTS:
        return _VERDICTS[code]
    broken = any(rule.status in ("fail", "missing") for rule in rules)
    undecided = policy.on_inconclusive != "pass" and any(rule.status == "inconclusive" for rule in rules)
    return "warn" if broken or undecided or warnings else "pass"


def with_crashed_formats(gate: Gate, crashed: Mapping[str, str]) -> Gate:
    """Return the gate of a run some of whose reports could not be written: it does not pass, and its warnings say why.

    Parameters
    ----------
    gate : Gate
    crashed : mapping of str to str
        A sentence for each report format that crashed.
    """
    gate = gate.model_copy(update={"warnings": [*gate.warnings, *crashed.values()]})
    if gate.exit_code == FAILED:
        return gate
    return gate.model_copy(update={"exit_code": CRASHED, "verdict": _VERDICTS[CRASHED]})
