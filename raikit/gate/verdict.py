"""The verdict: all rules, regressions, waivers and required checks judged together. It knows no pillar."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING

from raikit.gate.exit_code import CRASHED, FAILED, INSUFFICIENT, NOTHING_RAN, exit_code
from raikit.gate.required import judge_required
from raikit.gate.rules import judge_rule, scale_warnings
from raikit.gate.waivers import apply_waivers
from raikit.run.record import CheckRecord, Gate, PluginRecord, Rule, Verdict

if TYPE_CHECKING:
    from raikit.config.schema import GateConfig

_VERDICTS: dict[int, Verdict] = {FAILED: "fail", CRASHED: "error", INSUFFICIENT: "inconclusive", NOTHING_RAN: "error"}


def judge(
    policy: GateConfig,
    checks: Sequence[CheckRecord],
    plugins: Sequence[PluginRecord] = (),
    audited: int = 0,
    regressions: Sequence[Rule] = (),
    today: date | None = None,
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
    regressions : sequence of Rule
        The judged regressions (`raikit.gate.regressions.judge`).
    today : date, optional
        The date on which waivers are applied; by default today.

    Returns
    -------
    Gate
        One rule per configured rule and matched address, the verdict and the exit code.
    """
    rules = [judged for rule in policy.rules for judged in judge_rule(rule, checks, audited, policy.decide_on)]
    warnings = [*scale_warnings(rules), *_allowed_crashes(policy, checks)]
    rules += regressions
    if policy.decide_on == "estimate" and rules:
        warnings.append("decided on estimates, as the policy asks: by chance some rules fail and some pass")
    warnings += apply_waivers(rules, policy.waivers, today or date.today())
    if any(rule.status == "missing" and rule.severity == "warn" for rule in regressions):
        warnings.append("regressions were not judged: there is no baseline yet")
    rules += [judge_required(required, checks) for required in policy.required]
    code = exit_code(policy, rules, checks, plugins)
    return Gate(verdict=_verdict(code, policy, rules, warnings), rules=rules, warnings=warnings, exit_code=code)


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
