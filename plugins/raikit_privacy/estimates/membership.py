"""The loss-threshold attack: rows that a model was trained on tend to have a lower loss. How well does that tell them?

Members are train rows, non-members rows of the same population that were not trained on. Functions here take arrays
and know neither model nor dataset.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from raikit import stats
from raikit_privacy.estimates.features import Feature, finest

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from raikit_privacy.estimates.features import BoolArray, FloatArray, IntArray

LEAST_FALSE_POSITIVES = 3  # below so many expected ones, a rate at that false positive rate has no meaning


@dataclass(frozen=True)
class Losses:
    """Losses of members and non-members.

    Parameters
    ----------
    member : ndarray of bool, shape (n,)
    loss : ndarray, shape (n,)
    clusters : sequence of ndarray of int, each shape (n,)
        At most two columns; negative: the row shares none.
    """

    member: BoolArray
    loss: FloatArray
    clusters: Sequence[IntArray] = ()

    def of(self, rows: BoolArray) -> Losses:
        """Some of the rows."""
        return Losses(self.member[rows], self.loss[rows], [column[rows] for column in self.clusters])

    @property
    def members(self) -> int:
        return int(self.member.sum())

    @property
    def others(self) -> int:
        return int((~self.member).sum())


def cross_entropy(scores: ArrayLike, truth: IntArray) -> FloatArray:
    """Minus the log of the true class's probability, shape (n,); probabilities of shape (n, k)."""
    probability = np.asarray(scores, dtype=float)
    return np.asarray(-np.log(np.maximum(probability[np.arange(len(truth)), truth], 1e-300)))


def binary_cross_entropy(score: ArrayLike, positive: BoolArray) -> FloatArray:
    """The same of the positive class's probability; keeps its digits where that is close to 1."""
    p = np.asarray(score, dtype=float)
    with np.errstate(divide="ignore"):
        return np.asarray(np.minimum(-np.where(positive, np.log(p), np.log1p(-p)), 690.0))


def area(losses: Losses, level: float) -> stats.Interval:
    """Chance that a member has a lower loss than a non-member, ties half: DeLong's interval, cluster-robust.

    Raises
    ------
    ValueError
        Without members or without non-members.
    """
    return stats.auc_interval(losses.member.astype(int), -losses.loss, clusters=losses.clusters, level=level)


def roc(losses: Losses) -> tuple[FloatArray, FloatArray]:
    """False and true positive rates of "a loss below t is a member's", for every t, from (0, 0) to (1, 1)."""
    edges = np.unique(losses.loss)
    inside, outside = np.sort(losses.loss[losses.member]), np.sort(losses.loss[~losses.member])
    true = np.searchsorted(inside, edges, side="right") / len(inside)
    false = np.searchsorted(outside, edges, side="right") / len(outside)
    return np.concatenate([[0.0], false]), np.concatenate([[0.0], true])


@dataclass(frozen=True)
class Rate:
    """A true positive rate at a false positive rate, or the reason why there is none."""

    value: float | None
    low: float = 0.0
    high: float = 1.0
    method: str = ""
    reason: str = ""
    n_clusters: int | None = None
    flags: tuple[str, ...] = ()


def true_positives_at(losses: Losses, fpr: float, level: float) -> Rate:
    """True positive rate of the largest threshold whose share of false positives is at most `fpr` [1]_.

    Notes
    -----
    Two things are uncertain: which threshold has that false positive rate, and how many members lie below it. Exact
    order-statistic limits of the threshold and exact limits of the rate at either of them share the error evenly
    (Bonferroni), so that the interval holds its level for any distribution of the losses. With clusters all counts are
    divided by a design effect: the largest of those at false positive rates of `fpr`, 5 % and 25 %, because at `fpr` itself
    a handful of rows would have to tell it.

    References
    ----------
    .. [1] Carlini et al., "Membership Inference Attacks From First Principles", IEEE S&P 2022: an attack that is right
       on average may be harmless, one that is sure of a few is not; hence the low false positive rate.
    """
    outside = np.sort(losses.loss[~losses.member])
    m, n = losses.others, losses.members
    if not n or m * fpr < LEAST_FALSE_POSITIVES:
        needed = int(np.ceil(LEAST_FALSE_POSITIVES / fpr))
        return Rate(None, reason=f"a false positive rate of {fpr:.3g} cannot be read from {m:,} non-members; it takes about "
                                 f"{needed:,}")
    members = losses.of(losses.member)
    value = float(np.mean(members.loss < _at(outside, int(np.floor(fpr * m + 1e-9)))))
    tail = (1 - level) / 4
    low_threshold, high_threshold = _threshold_limits(losses.of(~losses.member), outside, fpr, tail)
    low, few, method = _share_below(members, low_threshold, strict=True, level=1 - 2 * tail)
    high, *_ = _share_below(members, high_threshold, strict=False, level=1 - 2 * tail)
    clusters = min((_named(column) for column in losses.clusters), default=None)
    flags = ("few_clusters",) if few else ()
    return Rate(value, min(low[0], value), max(high[1], value), f"exact threshold limits, {method}", "", clusters, flags)


def _at(ordered: FloatArray, position: int) -> float:
    """The loss at a position, counted from 0; past the end there is no limit."""
    return float(ordered[position]) if position < len(ordered) else float("inf")


def _threshold_limits(outside: Losses, ordered: FloatArray, fpr: float, tail: float) -> tuple[float, float]:
    """Losses between which the threshold of false positive rate `fpr` lies; each end errs with probability `tail`."""
    m = len(ordered)
    effect = max(_design_effect(outside, _at(ordered, int(share * m)), tail) for share in (fpr, 0.05, 0.25))
    enough = int(fpr * m + 10 * np.sqrt(fpr * m * effect) + 50 * effect)  # more false positives are surely too many
    lower, upper = stats.clopper_pearson(np.arange(min(m, enough) + 1) / effect, m / effect, 1 - 2 * tail)
    surely_less, surely_more = np.flatnonzero(upper <= fpr), np.flatnonzero(lower >= fpr)
    low = _at(ordered, int(surely_less[-1])) if len(surely_less) else float("-inf")
    high = float(ordered[int(surely_more[0]) - 1]) if len(surely_more) else float("inf")
    return low, high


def _design_effect(rows: Losses, threshold: float, tail: float) -> float:
    """How many clustered rows tell as much as one independent row, with the price of estimating that; at least 1."""
    from scipy.special import ndtri, stdtrit

    if not rows.clusters:
        return 1.0
    below = (rows.loss < threshold).astype(float)
    cov = stats.rate_covariance(below, np.ones(len(below)), np.zeros(len(below), dtype=np.int64), rows.clusters, groups=1,
                                proportion=True)
    rate, variance = float(cov.rates[0]), float(cov.M[0, 0])
    effect = variance * len(below) / (rate * (1 - rate)) if 0 < rate < 1 else 1.0
    df = max(int(cov.n_clusters[0]) - 1, 1)
    return max(effect, 1.0) * float(stdtrit(df, tail) / ndtri(tail)) ** 2


def _share_below(rows: Losses, threshold: float, *, strict: bool, level: float) -> tuple[tuple[float, float], bool, str]:
    below = rows.loss < threshold if strict else rows.loss <= threshold
    cov = stats.rate_covariance(below.astype(float), np.ones(len(below)), np.zeros(len(below), dtype=np.int64),
                                rows.clusters, groups=1, proportion=True)
    found = stats.clustered_rate_interval(cov, level)
    few = bool(cov.ways and cov.few_clusters[0])
    return (float(found.low[0]), float(found.high[0])), few, found.method.strip()


def _named(column: IntArray) -> int:
    return len(np.unique(column[column >= 0]))


def advantage(losses: Losses, level: float, rng: np.random.Generator) -> stats.Interval:
    """True minus false positive rate of "a loss of at most the members' mean is a member's" [1]_.

    Notes
    -----
    The mean is an attacker's knowledge, so it must not come from the rows that it is tried on: whole clusters fall into two
    halves at random, and each half is judged by the mean of the other. MOVER on exact limits at the effective sample
    sizes, joined by the correlation that clusters with members and non-members give.

    References
    ----------
    .. [1] Yeom, Giacomelli, Fredrikson and Jha, "Privacy Risk in Machine Learning: Analyzing the Connection to
       Overfitting", CSF 2018, adversary 2 and definition 4.

    Raises
    ------
    ValueError
        If one half has no members.
    """
    half = _halves(losses, rng)
    accused = np.zeros(len(losses.loss), dtype=bool)
    for side in (False, True):
        known = losses.member & (half != side)
        if not known.any():
            raise ValueError("there are too few clusters of members to learn a threshold from one half of them")
        accused[half == side] = losses.loss[half == side] <= losses.loss[known].mean()
    cov = stats.rate_covariance(accused.astype(float), np.ones(len(accused)), losses.member.astype(np.int64),
                                losses.clusters, groups=2, proportion=True)
    found = stats.clustered_rate_interval(cov, level)
    own = float(np.sqrt(cov.M[0, 0] * cov.M[1, 1]))
    low, high = stats.difference_limits(
        found.value[1], found.low[1], found.high[1], found.value[0], found.low[0], found.high[0],
        float(np.clip(cov.M[0, 1] / own, -1, 1)) if own else 0.0,
    )
    few = ("few_clusters",) if cov.ways and cov.few_clusters.any() else ()
    clusters = int(cov.n_clusters.min()) if cov.ways else None
    return stats.Interval(float(found.value[1] - found.value[0]), float(low), float(high),
                          f"MOVER, {found.method.strip()}", len(accused), clusters, few)


def _halves(losses: Losses, rng: np.random.Generator) -> BoolArray:
    """Half of the clusters each, drawn without a look at the losses."""
    codes = finest(losses.clusters, len(losses.loss))
    labels, place = np.unique(codes, return_inverse=True)
    chosen = np.zeros(len(labels), dtype=bool)
    chosen[rng.permutation(len(labels))[: len(labels) // 2]] = True
    return np.asarray(chosen[place])


def distances(first: Feature, member: BoolArray) -> float:
    """Total variation between the groups of members and of non-members: the share of rows that would have to differ."""
    shares = [np.bincount(first.code[side], minlength=first.k) / max(int(side.sum()), 1) for side in (member, ~member)]
    return float(np.abs(shares[0] - shares[1]).sum() / 2)
