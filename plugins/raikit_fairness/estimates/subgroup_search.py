"""The search over all combinations of features: which groups are worse than the rest, and that none is by more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

import raikit
from raikit import stats
from raikit.format import case_noun
from raikit.stats import Certificate, FlaggedGroups, Subgroups
from raikit_fairness.estimates.case_counts import Cells
from raikit_fairness.estimates.group_estimates import Draws
from raikit_fairness.estimates.subgroups import Candidates, Harm, candidate_rates, find_candidates

_UNDEFINED = (("groups_flagged", "lower"), ("groups_certified", "higher"), ("worst_group_excess", "lower"))


@dataclass(frozen=True)
class SearchSettings:
    """What is searched, and how.

    Parameters
    ----------
    harm : Harm
    positive : str
        Label of the positive class.
    depth : int
        Most features in one group.
    tolerance : float
        A group is flagged if it is worse than the rest by more than this.
    fdr : float
        Expected share of wrongly flagged among the flagged groups.
    dependence : {"positive", "any"}
    level : float
        Confidence level of the certificate.
    min_group : int
        Groups with fewer cases are counted, not searched.
    max_searched : int
    draws : int
    """

    harm: Harm
    positive: str
    depth: int
    tolerance: float
    fdr: float
    dependence: Literal["positive", "any"]
    level: float
    min_group: int
    max_searched: int
    draws: int

    @property
    def verb(self) -> str:
        """Return what happens to cases, to follow them in a sentence."""
        return self.harm.verb.replace("{positive}", self.positive)

    @property
    def title(self) -> str:
        """Return the same as a heading."""
        return self.harm.title.replace("{positive}", self.positive)


@dataclass(frozen=True)
class SearchResult:
    """Result of the search by one measure.

    Parameters
    ----------
    settings : SearchSettings
    cells : Cells
        Of the cases that the harm can happen to.
    candidates : Candidates
        The groups that were searched.
    groups : Subgroups or None
    flagged : FlaggedGroups or None
    certificate : Certificate or None
        None, as the two before, if there was no group to search.
    few_clusters : int
        Groups that were left out because they, or their rests, have too few clusters.
    """

    settings: SearchSettings
    cells: Cells
    candidates: Candidates
    groups: Subgroups | None = None
    flagged: FlaggedGroups | None = None
    certificate: Certificate | None = None
    few_clusters: int = 0

    @property
    def left_out(self) -> int:
        """Return the number of groups that were too small to be searched."""
        return self.candidates.small + self.few_clusters

    @property
    def certified(self) -> int:
        """Return how many groups are, all at once, no worse than all cases by more than the tolerance."""
        return 0 if self.certificate is None else int((self.certificate.high <= self.settings.tolerance).sum())


def search_subgroups(cells: Cells, positive: int, settings: SearchSettings, seed: int) -> SearchResult:
    """Search the groups of all combinations of features for one harm.

    Parameters
    ----------
    cells : Cells
        With the single sensitive features.
    positive : int
        Position of the positive class; -1 for several classes.
    settings : SearchSettings
    seed : int
    """
    harm = settings.harm
    exposed = harm.exposed(cells, positive)
    part = cells.take(exposed)
    features = [feature.within(exposed) for feature in cells.features]
    candidates = find_candidates(part, features, settings.depth, settings.min_group, settings.max_searched)
    if not len(candidates):
        return SearchResult(settings, part, candidates)
    groups = candidate_rates(candidates, part, harm.happens(part, positive))
    few = groups.few_clusters
    if few.any():
        groups = groups.subset(~few)
        enough = [group for group, dropped in zip(candidates.groups, few, strict=True) if not dropped]
        candidates = replace(candidates, groups=enough, members=candidates.members[~few])
    if not len(candidates):
        return SearchResult(settings, part, candidates, few_clusters=int(few.sum()))
    rng = Draws(seed, (), settings.draws).rng("search", harm.measure)
    flagged = stats.worse_than_rest(groups, settings.tolerance, settings.fdr, settings.dependence)
    certificate = stats.certificate(groups, settings.level, settings.draws, rng=rng)
    return SearchResult(settings, part, candidates, groups, flagged, certificate, int(few.sum()))


def search_metrics(result: SearchResult) -> list[raikit.Metric]:
    """Return how many groups were searched, flagged and certified, and the excess of the worst one."""
    args, n = {"measure": result.settings.harm.measure}, int(result.cells.n.sum())
    count: dict[str, Any] = {"n": n, "unit": "groups", "args": args}
    metrics = [
        raikit.Metric.exact("groups_searched", len(result.candidates), **count),
        raikit.Metric.exact("groups_not_searched", result.left_out, **count),
    ]
    if result.groups is None or result.flagged is None or result.certificate is None:
        clusters = " and enough clusters" * bool(result.cells.clusters)
        reason = f"no group has {result.settings.min_group} {case_noun()}{clusters}"
        return metrics + [
            raikit.Metric.undefined(name, reason, n=n, args=args, direction=direction) for name, direction in _UNDEFINED
        ]
    certificate = result.certificate
    worst = certificate.worst
    effective, worst_n = float(result.groups.n_effective[worst]), int(result.groups.n_rows[worst])
    return [
        *metrics,
        raikit.Metric.exact("groups_flagged", int(result.flagged.flagged.sum()), direction="lower", **count),
        raikit.Metric.exact("groups_certified", result.certified, direction="higher", **count),
        raikit.Metric(
            "worst_group_excess", float(certificate.value[worst]), low=certificate.floor, high=certificate.bound,
            level=result.settings.level, n=worst_n, method=certificate.method, args=args, direction="lower",
            unit="points", simultaneous=True,
            effective_n=effective if abs(effective - worst_n) > 1e-6 * worst_n else None,
            n_clusters=int(result.groups.n_clusters[worst]) if result.cells.clusters else None,
        ),
    ]  # fmt: skip


def flagged_by_lower_limit(result: SearchResult) -> list[int]:
    """Return the flagged groups by the lower limit of the difference, the largest first."""
    assert result.flagged is not None
    flagged = np.flatnonzero(result.flagged.flagged)
    ranked: list[int] = flagged[np.argsort(-result.flagged.low[flagged], kind="stable")].tolist()
    return ranked


def distinct_flagged(result: SearchResult) -> list[int]:
    """Return the flagged groups, the clearest first, without those that largely overlap with one before.

    Two groups overlap if they share more than half of the smaller one's cases. A group that holds a worse group looks worse
    for its sake, and of the parts of a worse group the smallest look worst by chance. So groups are ranked by their distance
    to the tolerance in units of their own uncertainty, and one stands for those it overlaps with.
    """
    assert result.flagged is not None
    flagged = result.flagged
    clarity = (flagged.value - result.settings.tolerance) / (flagged.value - flagged.low)
    ranked = sorted(flagged_by_lower_limit(result), key=lambda group: -float(clarity[group]))
    shared = _shared_cases(result, ranked)
    chosen: list[int] = []
    for row in range(len(ranked)):
        if all(shared[row, other] <= min(shared[row, row], shared[other, other]) / 2 for other in chosen):
            chosen.append(row)
    return [ranked[row] for row in chosen]


def containing_groups(result: SearchResult) -> dict[int, int | None]:
    """Return, for each flagged group, the largest flagged group that holds all of its cases."""
    assert result.groups is not None
    flagged, n = flagged_by_lower_limit(result), result.groups.n_rows
    shared = _shared_cases(result, flagged)
    containing: dict[int, int | None] = {}
    for row, group in enumerate(flagged):
        wider = [
            other
            for column, other in enumerate(flagged)
            if other != group and shared[row, column] >= shared[row, row] - 0.5
        ]
        containing[group] = max(wider, key=lambda other: int(n[other])) if wider else None
    return containing


def _shared_cases(result: SearchResult, flagged: Sequence[int]) -> Any:
    """Return the cases that two flagged groups share, shape (flagged, flagged); on the diagonal their sizes."""
    members = result.candidates.members[list(flagged)].astype(float)
    n = np.bincount(result.candidates.cell, result.cells.n, minlength=members.shape[1])
    return (members * n) @ members.T


def cluster_counts(result: SearchResult, group: int) -> list[tuple[str, int]]:
    """Return a group's number of clusters by column; cases that share a cluster with no other are not counted."""
    inside = result.candidates.members[group][result.candidates.cell]
    columns = zip(result.cells.cluster_names, result.cells.clusters, strict=True)
    return [(column, len(np.unique(codes[inside & (codes >= 0)]))) for column, codes in columns]
