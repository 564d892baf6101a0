"""How much worse each metric became, from the cases of both runs: those that both have count as the same.

What is compared without cases (a baseline file, a calibration error) the harness compares from the ingredients in the records.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

import raikit
from raikit import stats
from raikit.arrays import BoolArray, IntArray, arrays_from_frame
from raikit.format import case_noun
from raikit.stats.constants import LEAST_DF
from raikit_performance.influences import COMPARABLE, Influence, influence_of, value_estimate


@dataclass(frozen=True)
class Side:
    """Cases of one run of two.

    Parameters
    ----------
    cases : Arrays
        Coded as those of the other run.
    unit : ndarray of int64, shape (n,)
        The same number in both runs is the same case.
    present : ndarray of bool, shape (n,)
        False for what only the other run holds, such as an entity that it alone predicts: nothing here rests on it.
    """

    cases: raikit.Arrays
    unit: IntArray
    present: BoolArray


Sides = Callable[[raikit.MatchedCases, raikit.Measurements], tuple[Side, Side]]  # of the baseline and of the candidate


def coded_alike(matched: raikit.MatchedCases, measured: raikit.Measurements) -> tuple[Side, Side]:
    """Return the cases of both runs as they are."""
    first, data = len(matched.baseline), measured.data
    both = pd.concat([matched.baseline, matched.candidate], ignore_index=True)
    arrays = arrays_from_frame(both, data.task, data.classes, cluster=data.cluster, weight=data.weight)
    old, new = arrays.take(np.arange(first)), arrays.take(np.arange(first, len(both)))
    present = [np.ones(len(cases), dtype=bool) for cases in (old, new)]
    return Side(old, matched.units[0], present[0]), Side(new, matched.units[1], present[1])


def compare(
    candidate: raikit.RunView, baseline: raikit.RunView, margins: raikit.Margins, sides: Sides = coded_alike
) -> list[raikit.Comparison]:
    """Compare metrics on the cases of both runs; baseline files, which have none, are left to the harness."""
    metrics = [
        metric for _, metric in candidate.record.metrics()
        if str(metric.id) in margins.of and metric.direction is not None and metric.name in COMPARABLE
    ]  # fmt: skip
    if not metrics or baseline.is_file:
        return []
    matched = raikit.match_rows(candidate, baseline, margins)
    compared = []
    for metric, comparison in zip(metrics, compare_matched(metrics, matched, candidate.record, margins, sides), strict=True):
        old = baseline.record.find(str(metric.id))
        if comparison is not None:
            compared.append(comparison if matched.same_cases or old is None else comparison.within_tails(metric, old))
    return compared


def compare_matched(
    metrics: Sequence[raikit.Metric], matched: raikit.MatchedCases, measured: raikit.Measurements, margins: raikit.Margins,
    sides: Sides = coded_alike,
) -> list[raikit.Comparison | None]:  # fmt: skip
    """Compare metrics on cases that are matched; None for one that is undefined in a run."""
    both = [matched, *([matched.only_shared()] if matched.shared and not matched.same_cases else [])]
    designs = [_BothRuns(each, sides(each, measured)) for each in both]
    return [_compare_metric(metric, designs, margins) for metric in metrics]


@dataclass(frozen=True)
class _BothRuns:
    """Cases of the baseline and of the candidate."""

    matched: raikit.MatchedCases
    sides: tuple[Side, Side]


def _compare_metric(
    metric: raikit.Metric, designs: list[_BothRuns], margins: raikit.Margins
) -> raikit.Comparison | None:  # fmt: skip
    """Test one metric by the design with the smaller variance: all cases, or the shared ones alone."""
    losses = [(runs, loss) for runs in designs if (loss := _loss(metric, runs)) is not None]
    if not losses:
        return None
    runs, loss = min(losses, key=lambda each: float(each[1].covariance[0, 0]))
    address, margin, n = str(metric.id), margins.of[str(metric.id)].margin, int(runs.sides[1].present.sum())
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
    found = [(side, cases, influence_of(metric, cases)) for side in runs.sides for cases in (side.cases.take(side.present),)]
    pairs = [(side, cases, influence) for side, cases, influence in found if influence is not None]
    if len(pairs) < len(found):
        return None
    estimates = [value_estimate(influence, cases) for _, cases, influence in pairs]
    parts = [_case_influences(influence, side) for side, _, influence in pairs]
    return stats.shared_loss(estimates[0], estimates[1], parts[0], parts[1])


def _case_influences(influence: Influence, side: Side) -> stats.CaseInfluences:
    n = len(side.cases)
    of_case = np.zeros(n)
    of_case[side.present] = influence.of_entry
    return stats.CaseInfluences(of_case, np.zeros(n, dtype=np.int64), side.unit, side.cases.clusters)
