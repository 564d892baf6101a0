"""How much there is to judge: a few thousand rules with ``*`` can each match every metric of an audit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from raikit.address import Pattern
from raikit.errors import LimitError
from raikit.limits import in_force, remedy

if TYPE_CHECKING:
    from raikit.config.schema import GateConfig
    from raikit.run.record import CheckRecord


def refuse_many_outcomes(policy: GateConfig, checks: Sequence[CheckRecord]) -> None:
    """Raise an error if the rules and regressions of a policy match more metrics than are judged.

    Each has its rule in the record and its row in the reports, which would grow to gigabytes.

    Parameters
    ----------
    policy : GateConfig
    checks : sequence of CheckRecord

    Raises
    ------
    LimitError
        Names the section and the limit.
    """
    measured = [str(metric.id) for check in checks for metric in check.metrics if metric.id]
    for key, sections in (("rules", policy.rules), ("regressions", policy.regressions)):
        found = sum(sum(map(Pattern(section.metric).matches, measured)) for section in sections)
        if found > (most := max(in_force().outcomes, len(measured))):  # one pattern may match all of them
            raise LimitError(
                f"gate.{key}: {len(sections):,} {key} match {found:,} metrics in all, more than the {most:,} that are judged; "
                f"name fewer by *, or {remedy('outcomes')}."
            )
