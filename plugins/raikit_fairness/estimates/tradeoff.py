"""What another way to decide would buy: gaps before and after on the same test rows, fairness gained, accuracy lost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import raikit
from raikit_fairness import measures
from raikit_fairness.estimates import paired_changes as paired
from raikit_fairness.estimates.disparities import Compared, Disparity, of_measure, of_odds
from raikit_fairness.estimates.group_estimates import Clustered, Draws, Settings
from raikit_fairness.estimates.rates import Odds

if TYPE_CHECKING:
    from raikit_fairness.estimates.case_counts import BoolArray, Cells, Feature, FloatArray
    from raikit_fairness.estimates.paired_changes import Change


@dataclass(frozen=True)
class Criterion:
    """What is to be alike in groups; `strata` are the rows that its rates are taken over."""

    name: str
    words: str
    strata: tuple[str, ...]


# Fairlearn's names of constraints
CRITERIA = {
    one.name: one for one in (
        Criterion("demographic_parity", "selection rate", ("all",)),
        Criterion("true_positive_rate_parity", "true positive rate", ("positive",)),
        Criterion("equalized_odds", "true or false positive rate", ("positive", "negative")),
    )
}
STRATA: dict[str, tuple[str, Callable[[BoolArray], BoolArray]]] = {
    "all": ("selection rate", lambda positive: positive | True),
    "positive": ("true positive rate", lambda positive: positive),
    "negative": ("false positive rate", lambda positive: ~positive),
}


@dataclass(frozen=True)
class Pair:
    """Two groups, by their positions in the feature, and the rate in which they were furthest apart on validation rows.

    Parameters
    ----------
    higher, lower : int
    stratum : {"all", "positive", "negative"}
    """

    higher: int
    lower: int
    stratum: str


@dataclass(frozen=True)
class Decided:
    """Rows with two decisions about each.

    Parameters
    ----------
    cells : Cells
        Single rows; the audited decisions are its predictions.
    positive : int
    before, after : ndarray, shape (m,)
        Decision about each row, or the probability of the positive one.
    """

    cells: Cells
    positive: int
    before: FloatArray
    after: FloatArray

    @property
    def truth(self) -> BoolArray:
        """Which rows are truly positive."""
        truth: BoolArray = self.cells.truth == self.positive
        return truth

    def right(self, decided: FloatArray) -> FloatArray:
        """Chance that each row is decided right."""
        import numpy as np

        return np.where(self.truth, decided, 1 - decided)


@dataclass(frozen=True)
class Trade:
    """One feature and criterion: what the second way to decide buys, and what it costs.

    Parameters
    ----------
    feature : Feature
        Groups that take part; the rows of others have the code -1.
    before, after : Disparity
    gain : Change or None
        None, with `reason`, where no pair of groups could be fixed.
    cost : Change
        Accuracy lost, over the rows that take part.
    accuracy : (Change, Change)
        Before and after.
    by_group : list of Change
        Accuracy lost in each group.
    unfit : dict of str to str
        Groups that take no part, with the reason.
    """

    feature: Feature
    criterion: Criterion
    before: Disparity
    after: Disparity
    pair: Pair | None
    gain: Change | None
    cost: Change
    accuracy: tuple[Change, Change]
    by_group: list[Change]
    unfit: dict[str, str]
    reason: str = ""


def trade(
    rows: Decided, feature: Feature, criterion: Criterion, pair: Pair | None, settings: Settings, draws: Draws,
    unfit: dict[str, str] | None = None,
) -> Trade:
    """Compare the two ways to decide in the groups of a feature."""
    import numpy as np

    here = feature.code >= 0
    lost = rows.right(rows.before) - rows.right(rows.after)
    gain, reason = _gain(rows, feature, pair, settings.level)
    before, after = (gap(rows, feature, criterion, decided, settings, draws) for decided in (rows.before, rows.after))
    return Trade(
        feature, criterion, before, after, pair, gain, paired.mean_change(rows.cells, lost, here, settings.level),
        (_accuracy(rows, rows.before, here, settings.level), _accuracy(rows, rows.after, here, settings.level)),
        paired.group_changes(rows.cells, lost, np.asarray(feature.code), feature.k, settings.level), unfit or {}, reason,
    )


def gap(
    rows: Decided, feature: Feature, criterion: Criterion, decided: FloatArray, settings: Settings, draws: Draws
) -> Disparity:
    """The largest difference over groups in what the criterion wants alike; a rate is a mean of chances."""
    compared = Compared(settings, draws)
    if criterion.name == "equalized_odds":
        return of_odds(_odds(rows, feature, decided), feature, {}, compared)[0]
    measure = measures.SELECTION_RATE if criterion.name == "demographic_parity" else measures.TPR
    found = _rate(rows, feature, decided, STRATA[criterion.strata[0]][1](rows.truth), criterion.name)
    return of_measure(measure, found, feature, {}, compared)[0]


def furthest(rows: Decided, feature: Feature, criterion: Criterion, decided: FloatArray, min_group: int) -> Pair | None:
    """The two groups that are furthest apart among those with `min_group` rows, of all if fewer than two have them."""
    import numpy as np

    found: list[tuple[float, Pair]] = []
    for stratum in criterion.strata:
        inside = STRATA[stratum][1](rows.truth)
        rate = _rate(rows, feature, decided, inside, stratum)
        large = rate.defined & (rate.n >= min_group)
        kept = np.flatnonzero(large if large.sum() > 1 else rate.defined)
        if len(kept) > 1:
            value = rate.value[kept]
            higher, lower = int(kept[np.argmax(value)]), int(kept[np.argmin(value)])
            if higher != lower:
                found.append((float(value.max() - value.min()), Pair(higher, lower, stratum)))
    return max(found, key=lambda item: item[0])[1] if found else None


def _gain(rows: Decided, feature: Feature, pair: Pair | None, level: float) -> tuple[Change | None, str]:
    if pair is None:
        return None, "no two groups of validation rows differ, so no pair could be fixed in advance"
    inside = STRATA[pair.stratum][1](rows.truth)
    sides = feature.code == pair.higher, feature.code == pair.lower
    for at, side in zip((pair.higher, pair.lower), sides, strict=True):
        if not (rows.cells.w[side & inside] > 0).any():
            return None, f"no test row of {feature.name(at)} is in the denominator of the {STRATA[pair.stratum][0]}"
    return paired.gap_change(rows.cells, rows.before, rows.after, inside, sides, level), ""


def _accuracy(rows: Decided, decided: FloatArray, here: BoolArray, level: float) -> Change:
    """Accuracy, or its expectation, with exact limits at the effective number of rows."""
    import numpy as np

    from raikit import stats

    cells = rows.cells
    cov = stats.rate_covariance(rows.right(decided), np.ones(len(cells)), np.where(here, 0, -1), cells.clusters, cells.w, 1,
                                scale="proportion")
    found = stats.clustered_rate_interval(cov, level)
    return paired.Change(float(found.value[0]), float(found.low[0]), float(found.high[0]), int(cells.n[here].sum()),
                         int(cov.n_clusters[0]) if cov.ways else None, found.method.strip(),
                         bool(cov.ways and cov.few_clusters[0]))


def _rate(rows: Decided, feature: Feature, decided: FloatArray, inside: BoolArray, key: str) -> Clustered:
    import numpy as np

    from raikit import stats

    cells = rows.cells
    cov = stats.rate_covariance(decided * inside, inside, feature.code, cells.clusters, cells.w, feature.k, scale="proportion")
    there = inside & (feature.code >= 0)
    n = np.bincount(feature.code[there], cells.n[there], minlength=feature.k).astype(np.int64)
    total = float(cells.w[there].sum())
    overall = float(cells.w[there] @ decided[there]) / total if total > 0 else float("nan")
    return Clustered(cov, n, overall, key=key)


def _odds(rows: Decided, feature: Feature, decided: FloatArray) -> Odds:
    import numpy as np

    from raikit import stats

    cells, k = rows.cells, feature.k
    code = np.where(feature.code < 0, -1, feature.code + k * ~rows.truth)
    joint = stats.rate_covariance(decided, np.ones(len(cells)), code, cells.clusters, cells.w, 2 * k, scale="proportion")
    sides = []
    for stratum, at in (("positive", range(k)), ("negative", range(k, 2 * k))):
        one = _rate(rows, feature, decided, STRATA[stratum][1](rows.truth), f"odds {stratum}")
        sides.append(replace(one, cov=joint.subset(list(at))))
    return Odds(sides[0], sides[1], joint)


def gaps_of(one: Trade, names: tuple[str, str], settings: Settings, subject: str) -> list[raikit.Metric]:
    """The gap after and the gain of one trade, named by what was done (``mitigated``, ``mitigation``)."""
    place: dict[str, Any] = {"args": {"constraint": one.criterion.name}, "over": list(one.feature.columns), "subject": subject}
    after = one.after.metric.model_copy(update={
        "name": f"{names[0]}_difference", "excluded": [*one.after.metric.excluded, *one.unfit], **place})
    if one.gain is None:
        gain = raikit.Metric.undefined(f"{names[1]}_gain", one.reason, direction="higher", unit="points", **place)
    else:
        gain = _metric(f"{names[1]}_gain", one.gain, "higher", "points", settings, place)
    return [after, gain]


def costs_of(one: Trade, names: tuple[str, str], settings: Settings, place: dict[str, Any]) -> list[raikit.Metric]:
    """Accuracy after, and accuracy lost."""
    return [_metric(f"{names[0]}_accuracy", one.accuracy[1], "higher", "rate", settings, place),
            _metric(f"{names[1]}_cost", one.cost, "lower", "points", settings, place)]


def costs_by_group(one: Trade, names: tuple[str, str], settings: Settings, place: dict[str, Any]) -> list[raikit.Metric]:
    """Accuracy lost in each group, intervals simultaneous over groups."""
    found = []
    for at, change in enumerate(one.by_group):
        here = {**place, "over": list(one.feature.columns), "group": one.feature.group(at)}
        if not change.n or change.value != change.value:
            found.append(raikit.Metric.undefined(f"{names[1]}_cost", "no test rows", direction="lower", **here))
            continue
        small = ["small_group"] if change.n < settings.min_group else []
        found.append(_metric(f"{names[1]}_cost", change, "lower", "points", settings, here, small, len(one.by_group) > 1))
    return found


def _metric(
    name: str, change: Change, direction: Any, unit: str, settings: Settings, place: dict[str, Any], flags: Sequence[str] = (),
    simultaneous: bool = False,
) -> raikit.Metric:
    return raikit.Metric(
        name, change.value, low=min(change.low, change.value), high=max(change.high, change.value), level=settings.level,
        n=change.n, n_clusters=change.n_clusters, method=change.method, direction=direction, unit=unit,
        flags=[*flags, *(["few_clusters"] if change.few_clusters else [])], simultaneous=simultaneous, **place,
    )
