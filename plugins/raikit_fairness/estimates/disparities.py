"""How far groups are apart: gaps, ratios, equalized odds, each group against the rest."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import raikit
from raikit_fairness.estimates.group_estimates import Correction, Counted, Estimates, Settings
from raikit_fairness.measures import ODDS, Measure

if TYPE_CHECKING:
    from raikit.stats import Contrasts, Gap
    from raikit_fairness.estimates.case_counts import BoolArray, Feature
    from raikit_fairness.estimates.group_estimates import Draws
    from raikit_fairness.estimates.rates import Odds

    Found = Callable[[list[BoolArray]], Gap]


@dataclass(frozen=True)
class Disparity:
    """A disparity with what a sentence about it needs.

    Parameters
    ----------
    metric : Metric
        As recorded.
    feature : Feature
    gap : Gap or None
        Over the groups large enough to be judged; None if fewer than two are.
    worst, best : int
        Groups of `feature` with the lowest and highest value among those.
    """

    metric: raikit.Metric
    feature: Feature
    gap: Gap | None = None
    worst: int = -1
    best: int = -1


@dataclass(frozen=True)
class Asked:
    """Which disparity of which measure.

    Parameters
    ----------
    name : str
    kind : {"difference", "ratio"}
    strata : sequence of Estimates
        One, or the two of equalized odds.
    labels : sequence of str
        What a stratum is called in reasons.
    found : callable
        From the groups to keep in each stratum to a `Gap`.
    """

    name: str
    kind: str
    strata: Sequence[Estimates]
    labels: Sequence[str]
    found: Found
    unit: str | None
    directed: bool


class Compared:
    """Gaps and ratios of one feature, each found once: equalized odds looks again at those of its two rates."""

    def __init__(self, settings: Settings, draws: Draws) -> None:
        self.settings, self.draws = settings, draws
        self._known: dict[tuple[str, int, bytes, float], Gap] = {}

    def gap(self, found: Estimates, keep: BoolArray) -> Gap:
        """Largest difference over the groups in `keep`."""
        key = "gap", id(found), keep.tobytes(), self.settings.level
        if key not in self._known:
            self._known[key] = found.gap(keep, self.settings, self.draws)
        return self._known[key]

    def ratio(self, found: Estimates, keep: BoolArray, settings: Settings | None = None) -> Gap:
        """Smallest over largest of the groups in `keep`."""
        settings = settings or self.settings
        key = "ratio", id(found), keep.tobytes(), settings.level
        if key not in self._known:
            # both ask whether all groups are alike, and the gap's p-value is the better one: rows are exchanged, not logs
            self._known[key] = found.ratio(keep, settings, self.draws, self.gap(found, keep).p_value)
        return self._known[key]


def of_measure(
    measure: Measure, found: Estimates, feature: Feature, args: dict[str, Any], compared: Compared
) -> list[Disparity]:
    """Difference and ratio of one measure, as far as they have names of their own."""
    asked = []
    unit = "points" if measure.unit == "rate" else measure.unit
    if measure.difference:
        asked.append(Asked(measure.difference, "difference", [found], [measure.name],
                           lambda keep: compared.gap(found, keep[0]), unit, measure.about_model))
    if measure.ratio:
        asked.append(Asked(measure.ratio, "ratio", [found], [measure.name],
                           lambda keep: compared.ratio(found, keep[0]), "ratio", measure.about_model))
    return [measured(one, feature, {**measure.args, **args}, compared.settings) for one in asked]


def of_odds(odds: Odds, feature: Feature, args: dict[str, Any], compared: Compared) -> list[Disparity]:
    """Equalized odds: the larger difference, the smaller ratio, of true and of false positive rates."""
    strata, labels = [odds.tpr, odds.fpr], ["true_positive_rate", "false_positive_rate"]
    asked = [
        Asked(ODDS[0], "difference", strata, labels, lambda keep: _odds_gap(odds, keep, compared), "points", True),
        Asked(ODDS[1], "ratio", strata, labels, lambda keep: _odds_ratio(odds, keep, compared), "ratio", True),
    ]
    return [measured(one, feature, args, compared.settings) for one in asked]


def _odds_gap(odds: Odds, keep: list[BoolArray], compared: Compared) -> Gap:
    from dataclasses import replace

    import numpy as np

    from raikit import stats

    settings, rng = compared.settings, compared.draws.rng(odds.tpr.key, "odds")
    both = np.concatenate(keep)
    if isinstance(odds.tpr, Counted) and isinstance(odds.fpr, Counted):
        sides = list(zip((odds.tpr, odds.fpr), keep, strict=True))
        strata = [found.counts(kept) for found, kept in sides]
        # either rate's own p-value, doubled for there being two: they have been found already
        p = min(1.0, 2 * min(compared.gap(found, kept).p_value or 0.0 for found, kept in sides))
        return stats.odds_gap(strata, settings.level, settings.draws, rng=rng, normals=compared.draws.normals(both), p_value=p)
    which = np.repeat([0, 1], [int(kept.sum()) for kept in keep])
    gap = stats.clustered_odds_gap(odds.joint.subset(both), which, settings.level, settings.draws, rng=rng)
    first = int(keep[0].sum()) * gap.stratum
    return replace(gap, worst=gap.worst - first, best=gap.best - first)


def _odds_ratio(odds: Odds, keep: list[BoolArray], compared: Compared) -> Gap:
    """Smaller of the two ratios.

    Notes
    -----
    Below, the smaller of the lower ends: only the ratio that truly is the smaller must be covered. Above, either could
    look small by chance, so each upper end is taken at half of the error (Bonferroni, valid under any dependence).
    """
    from dataclasses import replace

    import numpy as np

    strict = replace(compared.settings, level=1 - (1 - compared.settings.level) / 2)
    sides = list(zip((odds.tpr, odds.fpr), keep, strict=True))
    plain = [compared.ratio(found, kept) for found, kept in sides]
    above = [compared.ratio(found, kept, strict) for found, kept in sides]
    smaller = int(np.argmin([ratio.value for ratio in plain]))
    return replace(
        plain[smaller], low=min(ratio.low for ratio in plain), high=min(ratio.high for ratio in above), stratum=smaller,
        p_value=min(1.0, 2 * min(ratio.p_value or 0.0 for ratio in plain)),
        minimum_detectable=min(ratio.minimum_detectable or 0.0 for ratio in above),
        method=f"{plain[smaller].method}, Bonferroni over both rates",
    )


def measured(asked: Asked, feature: Feature, args: dict[str, Any], settings: Settings) -> Disparity:
    """Measure one disparity over every group in which it is defined and, where that differs, over the large ones."""
    place: dict[str, Any] = {
        "args": args, "over": list(feature.columns), "unit": asked.unit,
        "direction": ({"difference": "lower", "ratio": "higher"}[asked.kind] if asked.directed else None),
        "excluded": _excluded(asked, feature),
    }
    every = [stratum.defined for stratum in asked.strata]
    reason = _undefined(asked, feature, every)
    if reason:
        return Disparity(raikit.Metric.undefined(asked.name, reason, **place), feature)
    large = [stratum.judged(settings) for stratum in asked.strata]
    gap = asked.found(every)
    whole = all((a == b).all() for a, b in zip(every, large, strict=True))
    judged = gap if whole else None
    if not whole and not _undefined(asked, feature, large):
        judged = asked.found(large)
    metric = raikit.Metric(
        asked.name, gap.value, low=min(gap.low, gap.value), high=max(gap.high, gap.value), level=settings.level,
        n=int(sum(stratum.n[kept].sum() for stratum, kept in zip(asked.strata, every, strict=True))),
        method=gap.method, simultaneous=True, p_value=gap.p_value, flags=_flags(asked, judged, large, settings),
        minimum_detectable=(judged or gap).minimum_detectable, n_clusters=_clusters(asked.strata),
        judged=None if whole else _judged(judged, every, large, feature, settings),
        profile=_profile(asked, judged, large), **place,
    )
    if judged is None:
        return Disparity(metric, feature)
    kept = _positions(large[judged.stratum] if len(large) > 1 else large[0])
    return Disparity(metric, feature, judged, kept[judged.worst], kept[judged.best])


def _profile(asked: Asked, judged: Gap | None, large: Sequence[BoolArray]) -> list[tuple[float, float]] | None:
    """Successes and trials of the judged groups; of equalized odds those of the rate whose gap is the larger."""
    if judged is None or asked.kind != "difference":
        return None
    stratum = judged.stratum if len(asked.strata) > 1 else 0
    found = asked.strata[stratum]
    if not isinstance(found, Counted):
        return None
    events, trials = found.counts(large[stratum])
    return [(float(x), float(n)) for x, n in zip(events, trials, strict=True)]


def _positions(mask: BoolArray) -> list[int]:
    return [int(at) for at in mask.nonzero()[0]]


def _excluded(asked: Asked, feature: Feature) -> list[str]:
    gone = [at for stratum in asked.strata for at in _positions(~stratum.defined)]
    return [feature.name(at) for at in dict.fromkeys(gone)]


def _undefined(asked: Asked, feature: Feature, masks: Sequence[BoolArray]) -> str:
    """Why there is no such disparity over these groups; empty if there is one."""
    import numpy as np

    if feature.k < 2:
        return f"{feature.title} has one group only"
    for label, stratum, mask in zip(asked.labels, asked.strata, masks, strict=True):
        words = label.replace("_", " ")
        if mask.sum() < 2:
            gone = [feature.name(at) for at in _positions(~stratum.defined)]
            named = ", ".join(gone[:5]) + (f" and {len(gone) - 5} more" if len(gone) > 5 else "")
            where = f" (not in {named})" if gone else ""
            return f"the {words} is defined in fewer than two groups{where}"
        if asked.kind == "ratio" and not np.any(stratum.value[mask] > 0):
            return f"the {words} is 0 in every group, so the ratio is 0 / 0"
    return ""


def _flags(asked: Asked, judged: Gap | None, large: Sequence[BoolArray], settings: Settings) -> list[str]:
    """``few_clusters`` if clusters are why fewer than two groups can be judged: then no interval here decides."""
    if judged is not None:
        return []
    enough = [
        stratum.defined & (stratum.support >= settings.min_group) for stratum in asked.strata
    ]
    blamed = any(rows.sum() >= 2 > kept.sum() for rows, kept in zip(enough, large, strict=True))
    still = any((stratum.intervals(settings.level).unreliable & stratum.defined).any() for stratum in asked.strata)
    few = any(stratum.few_clusters.any() for stratum in asked.strata)
    return ["few_clusters"] * (blamed or few) + ["unreliable"] * still


def _clusters(strata: Sequence[Estimates]) -> int | None:
    """Fewest clusters that any group rests on."""
    found = [int(stratum.n_clusters[stratum.defined].min()) for stratum in strata if stratum.n_clusters is not None]
    return min(found, default=None)


def _judged(
    judged: Gap | None, every: Sequence[BoolArray], large: Sequence[BoolArray], feature: Feature, settings: Settings
) -> dict[str, Any]:
    small = [at for all_of, kept in zip(every, large, strict=True) for at in _positions(all_of & ~kept)]
    left_out = [feature.name(at) for at in dict.fromkeys(small)]
    if judged is None:
        reason = f"fewer than two groups have {settings.min_group} rows in the denominator and enough clusters"
        return {"value": None, "low": None, "high": None, "left_out": left_out, "reason": reason}
    return {
        "value": judged.value, "low": min(judged.low, judged.value), "high": max(judged.high, judged.value),
        "left_out": left_out, "reason": f"Under {settings.min_group} rows in the denominator, or too few clusters",
    }


def against_rest(
    measure: Measure, found: Estimates, feature: Feature, args: dict[str, Any], compared: Compared
) -> list[raikit.Metric]:
    """Each group minus all others together, intervals simultaneous over the groups."""
    if not measure.rest or found.defined.sum() < 2:
        return []
    result = found.versus_rest(found.defined, compared.settings, compared.draws)
    return _contrasts(measure, found, feature, {**args, "to": "rest"}, _positions(found.defined), result, compared.settings)


def against_reference(
    measure: Measure, found: Estimates, feature: Feature, args: dict[str, Any], reference: int, settings: Settings
) -> list[raikit.Metric]:
    """Each group minus a named one, intervals simultaneous over the groups."""
    groups = [at for at in _positions(found.defined) if at != reference]
    if not measure.rest or not groups or not found.defined[reference]:
        return []
    result = found.versus(reference, found.defined, settings)
    to = ", ".join("missing" if value is None else value for value in feature.groups[reference])
    return _contrasts(measure, found, feature, {**args, "to": to}, groups, result, settings)


def _contrasts(
    measure: Measure, found: Estimates, feature: Feature, args: dict[str, Any], groups: Sequence[int], result: Contrasts,
    settings: Settings,
) -> list[raikit.Metric]:
    limits = found.intervals(settings.level)
    metrics = []
    for row, at in enumerate(groups):
        flags = [flag for flag, raised in (
            ("small_group", found.support[at] < settings.min_group), ("few_clusters", found.few_clusters[at]),
            ("unreliable", limits.unreliable[at])) if raised]
        value, p = float(result.value[row]), float(result.p_value[row])
        tested = p == p
        metrics.append(raikit.Metric(
            f"{measure.name}_difference", value, low=min(float(result.low[row]), value),
            high=max(float(result.high[row]), value), level=settings.level, n=int(found.n[at]),
            n_clusters=None if found.n_clusters is None else int(found.n_clusters[at]), method=result.method,
            simultaneous=True, p_value=p if tested else None, p_adjusted=float(result.p_adjusted[row]) if tested else None,
            adjustment=f"Holm over {len(groups)} groups" if tested else None, flags=flags, over=list(feature.columns),
            group=feature.group(at), args={**measure.args, **args}, unit="points" if measure.unit == "rate" else measure.unit,
        ))
    return metrics


def adjust(disparities: Sequence[Disparity], correction: Correction) -> None:
    """Correct p-values over all features and intersections of the same quantity; written into the metrics."""
    from raikit import stats

    ways = {"holm": ("Holm", stats.holm), "benjamini-hochberg": ("Benjamini-Hochberg", stats.benjamini_hochberg)}
    name, adjusted = ways[correction]

    families: dict[tuple[str, str], list[raikit.Metric]] = {}
    for disparity in disparities:
        metric = disparity.metric
        if metric.p_value is not None:
            families.setdefault((metric.name, repr(sorted(metric.args.items()))), []).append(metric)
    for family in families.values():
        for metric, p in zip(family, adjusted([metric.p_value or 0.0 for metric in family]), strict=True):
            metric.p_adjusted = float(p)
            metric.adjustment = f"{name} over {len(family)} features and intersections"
