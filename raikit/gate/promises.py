"""Promises: a measurement that contradicts what was proved fails the gate, whatever the policy says."""

from __future__ import annotations

from collections.abc import Sequence

from raikit.format import as_given
from raikit.run.record import CheckRecord, Rule


def judge_promises(checks: Sequence[CheckRecord]) -> list[Rule]:
    """Return a broken rule for each metric whose whole interval is above what was proved (`Metric.promised`)."""
    return [
        Rule(
            id=f"promise :: {metric.id}",
            sentence=f"{metric.id} is at most {as_given(float(f'{metric.promised:.6g}'))}",
            metric=str(metric.id), pattern=str(metric.id), limit=metric.promised, bound="max", value=metric.value, low=metric.low,
            high=metric.high, level=metric.level, n=metric.n, n_clusters=metric.n_clusters, counts=metric.counts, unit=metric.unit,
            check=check.name, status="fail", reason="THE MEASUREMENT CONTRADICTS WHAT WAS PROVED",
        )
        for check in checks
        for metric in check.metrics
        if metric.promised is not None and metric.low is not None and metric.low > metric.promised
    ]
