"""How much worse each metric became, from the cases of both runs: those that both have count as the same.

What is compared without cases (a baseline file, a calibration error) the harness compares from the ingredients in the records.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

import raikit
from raikit import stats
from raikit.arrays import IntArray, arrays_from_frame
from raikit.format import case_noun
from raikit.stats.constants import LEAST_DF
from raikit_performance.influences import COMPARABLE, Influence, influence_of, value_estimate


def compare(candidate: raikit.RunView, baseline: raikit.RunView, margins: raikit.Margins) -> list[raikit.Comparison]:
    """Compare metrics on the cases of both runs; baseline files, which have none, are left to the harness."""
    metrics = [
        metric for _, metric in candidate.record.metrics()
        if str(metric.id) in margins.of and metric.direction is not None and metric.name in COMPARABLE
    ]  # fmt: skip
    if not metrics or baseline.is_file:
        return []
    matched = raikit.match_rows(candidate, baseline, margins)
    designs = [_both_runs(matched, candidate.record)]
    if matched.shared and not matched.same_cases:
        designs.append(_both_runs(matched.only_shared(), candidate.record))
    compared = []
    for metric in metrics:
        comparison, old = _compare_metric(metric, designs, margins), baseline.record.find(str(metric.id))
        if comparison is not None:
            compared.append(comparison if matched.same_cases or old is None else comparison.within_tails(metric, old))
    return compared


@dataclass(frozen=True)
class _BothRuns:
    """Cases of the baseline and of the candidate, coded alike."""

    matched: raikit.MatchedCases
    arrays: tuple[raikit.Arrays, raikit.Arrays]


def _both_runs(matched: raikit.MatchedCases, measured: raikit.Measurements) -> _BothRuns:
    first, data = len(matched.baseline), measured.data
    both = pd.concat([matched.baseline, matched.candidate], ignore_index=True)
    arrays = arrays_from_frame(both, data.task, data.classes, cluster=data.cluster, weight=data.weight)
    return _BothRuns(matched, (arrays.take(np.arange(first)), arrays.take(np.arange(first, len(both)))))


def _compare_metric(
    metric: raikit.Metric, designs: list[_BothRuns], margins: raikit.Margins
) -> raikit.Comparison | None:  # fmt: skip
    """Test one metric by the design with the smaller variance: all cases, or the shared ones alone."""
    losses = [(runs, loss) for runs in designs if (loss := _loss(metric, runs)) is not None]
    if not losses:
        return None
    runs, loss = min(losses, key=lambda each: float(each[1].covariance[0, 0]))
    address, margin, n = str(metric.id), margins.of[str(metric.id)].margin, len(runs.arrays[1])
    note = runs.matched.note or None
    if loss.df[0] < LEAST_DF:
        few = f"too few clusters, or {case_noun()} that differ, to decide: four are needed"
        return raikit.Comparison.undecided(address, margin, few, paired=True, n=n)
    change = stats.estimate_change(
        loss, loss, margin, higher_is_better=metric.direction == "higher", level=1 - margins.error / 2, loss=loss
    )
    return raikit.Comparison(
        metric=address, value=change.value, low=change.low, high=change.high, p_value=change.p_value, margin=margin,
        paired=runs.matched.shared > 0, n=n, reason=note, minimum_detectable=change.minimum_detectable,
        method=f"difference of both runs, {change.method}",
    )  # fmt: skip


def _loss(metric: raikit.Metric, runs: _BothRuns) -> stats.RunEstimates | None:
    """Return how much the metric changed, with its variance; None where it is undefined in a run."""
    influences = [influence_of(metric, cases) for cases in runs.arrays]
    if influences[0] is None or influences[1] is None:
        return None
    pairs = list(zip(influences, runs.arrays, runs.matched.units, strict=True))
    estimates = [value_estimate(influence, cases) for influence, cases, _ in pairs if influence is not None]
    parts = [_case_influences(influence, cases, unit) for influence, cases, unit in pairs if influence is not None]
    return stats.shared_loss(estimates[0], estimates[1], parts[0], parts[1])


def _case_influences(influence: Influence, cases: raikit.Arrays, unit: IntArray) -> stats.CaseInfluences:
    return stats.CaseInfluences(influence.of_entry, np.zeros(len(cases), dtype=np.int64), unit, cases.clusters)
