"""Required checks: a check that the policy names must have run, in a suitable version."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion

from raikit.gate.rules import describe_status
from raikit.run.record import CheckRecord, Rule

if TYPE_CHECKING:
    from raikit.config.schema import RequiredConfig


def judge_required(required: RequiredConfig, checks: Sequence[CheckRecord]) -> Rule:
    """Judge whether a required check, or a check of a required pillar, has run in a suitable version."""
    rule = Rule(
        id=f"required {required.check}",
        sentence=f"Required check: {required.check}",
        metric=required.check,
        pattern=required.check,
        kind="required",
        check=required.check,
        status="missing",
    )
    candidates = [check for check in checks if required.check in (check.name, check.pillar)]
    completed = [check for check in candidates if check.status == "ok"]
    if not candidates:
        rule.reason = "no installed plugin provides it"
    elif not completed:
        rule.reason = "; ".join(f"{check.name} {describe_status(check)}" for check in candidates)
    else:
        first = completed[0]
        if _fits(first.plugin_version, required.version):
            rule.status, rule.reason = "pass", f"ran ({first.plugin} {first.plugin_version})"
        else:
            rule.reason = f"version {first.plugin_version} of {first.plugin} does not fit {required.version}"
    return rule


def _fits(version: str, required: str | None) -> bool:
    """Return whether a version is among those that are required; what a changed record calls a version is among none."""
    try:
        return not required or SpecifierSet(required).contains(version, prereleases=True)
    except (InvalidSpecifier, InvalidVersion):
        return False
