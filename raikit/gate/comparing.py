"""Compare one metric of two runs from their records alone: by stored ingredients, else by the two intervals.

Checks compare cases (`Check.compare`). This is for what they do not compare: runs without common cases, baseline files, and
checks that cannot compare at all.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from raikit.errors import listed
from raikit.format import case_noun
from raikit.gate.intervals import ONE_TRAINING, OPEN_ENDS
from raikit.run.results import Comparison, Ingredients, Metric
from raikit.stats.constants import LEAST_DF

if TYPE_CHECKING:
    from raikit.run.margins import Margin
    from raikit.stats import BinErrors, EstimatedChange, RunEstimates

_WEAK = "only the two intervals are known, so losses stay undecided unless they are large"


def compare_records(new: Metric, old: Metric, margin: Margin, error: float) -> Comparison:
    """Test whether a metric became worse by more than a margin.

    Parameters
    ----------
    new, old : Metric
        Of the candidate and of the baseline, both with a value.
    margin : Margin
    error : float
        Of the reported interval, half of it at either end.

    Returns
    -------
    Comparison
        Without a p-value, and with a reason, if nothing can be tested.
    """
    if ONE_TRAINING in (*new.flags, *old.flags):
        return _undecided(new, margin.margin, "it is of one training in either run, and how much trainings differ is not known")
    if new.ingredients and len(new.ingredients) == len(old.ingredients):
        return _compare_ingredients(new, old, margin, error).within_tails(new, old)
    if few := {"few_clusters", "few_events", "unreliable", *OPEN_ENDS} & {*new.flags, *old.flags}:
        return _undecided(new, margin.margin, f"too little to decide: {listed(sorted(few))}")
    return compare_intervals(new, old, margin.margin, error)


# --- from ingredients -------------------------------------------------------------------------------------------


def _compare_ingredients(new: Metric, old: Metric, margin: Margin, error: float) -> Comparison:
    """Test every part of a metric (the two rates of equalized odds), Bonferroni over the parts."""
    from raikit.stats.changes import joint_change

    parts = len(new.ingredients)
    tested: list[EstimatedChange] = []
    compared: list[list[str]] = []
    for before, after in zip(old.ingredients, new.ingredients, strict=True):
        groups = [group for group in _decidable(after) if group in _decidable(before)]
        if len(groups) < (2 if after.name else 1):
            return _undecided(new, margin.margin, _too_few(before, after))
        tested.append(_test(before, after, groups, margin, 1 - error / parts / 2))
        compared.append(groups)
    change, at = joint_change(tested)
    return Comparison(
        metric=str(new.id), value=change.value, low=change.low, high=change.high, p_value=change.p_value,
        margin=margin.margin, n=new.n, loser=change.name_loser(compared[at]) if margin.test == "moved" else None,
        method=change.method, minimum_detectable=change.minimum_detectable,
    )  # fmt: skip


def _decidable(part: Ingredients) -> list[str]:
    return [each.group for each in part.estimates if each.df >= LEAST_DF]


def _too_few(before: Ingredients, after: Ingredients) -> str:
    if all(each.df >= LEAST_DF for part in (before, after) for each in part.estimates):
        return "fewer than two groups are recorded in both runs: the others are too small, or suppressed in the baseline file"
    return f"too few clusters or {case_noun()} to decide: four are needed, and fewer must not dominate"


def _undecided(new: Metric, margin: float, reason: str) -> Comparison:
    """Return a comparison that neither passes nor fails."""
    return Comparison.undecided(str(new.id), margin, reason, n=new.n, method="not tested")


def _test(before: Ingredients, after: Ingredients, groups: Sequence[str], margin: Margin, level: float) -> EstimatedChange:
    from raikit import stats
    from raikit.stats.changes import metric_change

    if all(each.bins for part in (before, after) for each in part.estimates):
        return stats.calibration_change(_bin_errors(before, groups), _bin_errors(after, groups), margin.margin, level=level)
    return metric_change(
        _estimates(before, groups), _estimates(after, groups), margin.margin, moved=margin.test == "moved",
        higher_is_better=after.higher_is_better, level=level,
    )  # fmt: skip


def _estimates(part: Ingredients, groups: Sequence[str]) -> RunEstimates:
    import numpy as np

    from raikit.stats import RunEstimates

    covariance = np.diag([each.variance for each in part.estimates])
    for row, each in enumerate(part.estimates):
        covariance[row, : len(each.covariance)] = covariance[: len(each.covariance), row] = each.covariance
    place = {each.group: row for row, each in enumerate(part.estimates)}
    kept = [place[group] for group in groups]
    value, df = (np.array([getattr(part.estimates[row], name) for row in kept]) for name in ("value", "df"))
    return RunEstimates(value, covariance[np.ix_(kept, kept)], df)


def _bin_errors(part: Ingredients, groups: Sequence[str]) -> list[BinErrors]:
    import numpy as np

    from raikit.stats import BinErrors

    runs = []
    for each in (each for group in groups for each in part.estimates if each.group == group):
        error, variance, weight = np.array(each.bins).T
        runs.append(BinErrors(error, variance, weight, each.df))
    return runs


# --- from intervals ---------------------------------------------------------------------------------------------


def compare_intervals(new: Metric, old: Metric, margin: float, error: float) -> Comparison:
    """Compare two runs by the two intervals of a metric alone: a loss is shown only where they are apart.

    Where an error below that of the intervals is asked for, they have to be further apart: each side is taken as wide as its
    wider half and normal, and both may be in error together (Bonferroni).
    """
    from scipy.special import ndtr, ndtri

    (a, a_low, a_high), (b, b_low, b_high) = _ends(old, new.direction), _ends(new, new.direction)
    value, level = b - a, min(new.level or 0.95, old.level or 0.95)
    reach = max(b - b_low, b_high - b) + max(a - a_low, a_high - a)
    one = float(ndtri((1 + level) / 2))
    widened = -float(ndtri(error / 4)) / one
    beyond = widened * reach if widened > 1 + 1e-9 else 0.0
    low, high = min(b_low - a_high, value - beyond), max(b_high - a_low, value + beyond)
    p = 1.0
    if b_low - a_high > margin:
        widths = max((value - margin) / reach, 1.0) if reach > 0 else math.inf
        p = min(2 * float(ndtr(-widths * one)), 1 - level)
    return Comparison(
        metric=str(new.id), value=value, low=low, high=high, p_value=p, margin=margin, n=new.n,
        method="both intervals", reason=None if low > margin or high <= margin else _WEAK,
    )  # fmt: skip


def _ends(metric: Metric, direction: str | None) -> tuple[float, float, float]:
    """Return value and ends with the sign at which larger is worse."""
    value, low, high = float(metric.value or 0.0), float(metric.low or 0.0), float(metric.high or 0.0)
    return (-value, -high, -low) if direction == "higher" else (value, low, high)
