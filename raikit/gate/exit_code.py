"""The exit code of an audit, decided from its rules, checks and plugins.

A report format that crashes later makes it 3 (`raikit.gate.verdict.with_crashed_formats`). `raikit.cli` ends with 2 on errors
of the user, with 3 on a bug of raikit, and with 130 when interrupted.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from raikit.run.record import CheckRecord, PluginRecord, Rule, failed_plugins

if TYPE_CHECKING:
    from raikit.config.schema import GateConfig

PASSED, FAILED, CRASHED, INSUFFICIENT, NOTHING_RAN = 0, 1, 3, 4, 5


def exit_code(
    policy: GateConfig, rules: Sequence[Rule], checks: Sequence[CheckRecord], plugins: Iterable[PluginRecord]
) -> int:
    """Return the exit code: the first of 1, 3, 4 and 5 that applies, else 0."""

    def any_is(status: str) -> bool:
        return any(rule.status == status and rule.severity == "fail" for rule in rules)

    crashed = any(check.status == "error" and check.name not in policy.allow_errors for check in checks)
    if any_is("fail") or (policy.on_inconclusive == "fail" and any_is("inconclusive")):
        return FAILED
    if crashed or any_is("missing") or any(failed_plugins(plugins)):
        return CRASHED
    if policy.on_inconclusive == "stop" and any_is("inconclusive"):
        return INSUFFICIENT
    if not any(check.status in ("ok", "error") for check in checks):
        return NOTHING_RAN
    return PASSED
