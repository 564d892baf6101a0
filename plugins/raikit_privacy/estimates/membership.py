"""Membership inference by a threshold on the loss, which tends to be lower for cases that a model was trained on.

Members are training cases, non-members cases of the same population that were not trained on. Functions here take
arrays and know neither model nor dataset.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtri, stdtrit

from raikit import stats
from raikit.arrays import BoolArray, FloatArray, IntArray
from raikit.format import percent
from raikit_privacy.estimates.features import SensitiveFeature, sampling_units

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

MIN_FALSE_POSITIVES = 3  # with fewer expected ones, a rate at that false positive rate has no meaning


@dataclass(frozen=True)
class Losses:
    """Losses of members and non-members.

    Parameters
    ----------
    member : ndarray of bool, shape (n,)
    loss : ndarray, shape (n,)
    clusters : sequence of ndarray of int, each shape (n,)
        At most two columns; a case with a negative code shares no cluster.
    """

    member: BoolArray
    loss: FloatArray
    clusters: Sequence[IntArray] = ()

    def __len__(self) -> int:
        return len(self.loss)

    def take(self, cases: BoolArray) -> Losses:
        """Return the cases at a mask."""
        return Losses(self.member[cases], self.loss[cases], [column[cases] for column in self.clusters])

    @property
    def members(self) -> int:
        """Number of members."""
        return int(self.member.sum())

    @property
    def non_members(self) -> int:
        """Number of non-members."""
        return int((~self.member).sum())


def cross_entropy(scores: ArrayLike, truth: IntArray) -> FloatArray:
    """Compute minus the log of the true class's probability, shape (n,), from probabilities of shape (n, k)."""
    probability = np.asarray(scores, dtype=float)
    return np.asarray(-np.log(np.maximum(probability[np.arange(len(truth)), truth], 1e-300)))


def binary_cross_entropy(score: ArrayLike, positive: BoolArray) -> FloatArray:
    """Compute the cross-entropy from the positive class's probability, without rounding where that is close to 1."""
    p = np.asarray(score, dtype=float)
    with np.errstate(divide="ignore"):
        return np.asarray(np.minimum(-np.where(positive, np.log(p), np.log1p(-p)), 690.0))


def area(losses: Losses, level: float) -> stats.Interval:
    """Compute the chance that a member has a lower loss than a non-member, with DeLong's interval, cluster-robust.

    Ties count as half. This is the area under the ROC curve.

    Raises
    ------
    ValueError
        Without members or without non-members.
    """
    return stats.auc_interval(losses.member.astype(int), -losses.loss, clusters=losses.clusters, level=level)


def roc(losses: Losses) -> tuple[FloatArray, FloatArray]:
    """Compute false and true positive rates of all thresholds of the loss, from (0, 0) to (1, 1)."""
    edges = np.unique(losses.loss)
    inside, outside = np.sort(losses.loss[losses.member]), np.sort(losses.loss[~losses.member])
    true = np.searchsorted(inside, edges, side="right") / len(inside)
    false = np.searchsorted(outside, edges, side="right") / len(outside)
    return np.concatenate([[0.0], false]), np.concatenate([[0.0], true])


@dataclass(frozen=True)
class TruePositiveRate:
    """A true positive rate at a given false positive rate, or the reason why it is undefined."""

    value: float | None
    low: float = 0.0
    high: float = 1.0
    method: str = ""
    reason: str = ""
    n_clusters: int | None = None
    flags: tuple[str, ...] = ()


def true_positive_rate_at(losses: Losses, fpr: float, level: float) -> TruePositiveRate:
    """Compute the true positive rate of the largest threshold with a false positive rate of at most `fpr` [1]_.

    Notes
    -----
    Two things are uncertain: which threshold has that false positive rate, and how many members lie below it. Exact
    order-statistic limits of the threshold and exact limits of the rate at either of them share the error evenly
    (Bonferroni), so that the interval holds its level for any distribution of the losses. With clusters, all counts are
    divided by a design effect: the largest of those at false positive rates of `fpr`, 5% and 25%, because only a handful
    of cases lie below the threshold of `fpr` itself.

    References
    ----------
    .. [1] Carlini et al., "Membership Inference Attacks From First Principles", IEEE S&P 2022: an attack that is right
       on average may be harmless, one that is sure of a few cases is not; hence the low false positive rate.
    """
    outside = np.sort(losses.loss[~losses.member])
    m, n = losses.non_members, losses.members
    if not n or m * fpr < MIN_FALSE_POSITIVES:
        needed = int(np.ceil(MIN_FALSE_POSITIVES / fpr))
        return TruePositiveRate(None, reason=f"a false positive rate of {percent(fpr)} cannot be estimated from {m:,} "
                                             f"non-members; about {needed:,} are needed")
    members = losses.take(losses.member)
    value = float(np.mean(members.loss < _at(outside, int(np.floor(fpr * m + 1e-9)))))
    tail = (1 - level) / 4
    low_threshold, high_threshold = _threshold_limits(losses.take(~losses.member), outside, fpr, tail)
    low, few, method = _share_below(members, low_threshold, strict=True, level=1 - 2 * tail)
    high, *_ = _share_below(members, high_threshold, strict=False, level=1 - 2 * tail)
    clusters = min((_cluster_count(column) for column in losses.clusters), default=None)
    flags = ("few_clusters",) if few else ()
    return TruePositiveRate(value, min(low[0], value), max(high[1], value), f"exact threshold limits, {method}", "",
                            clusters, flags)


def _at(ordered: FloatArray, position: int) -> float:
    """Return the loss at a position, counted from 0; infinity past the end."""
    return float(ordered[position]) if position < len(ordered) else float("inf")


def _threshold_limits(outside: Losses, ordered: FloatArray, fpr: float, tail: float) -> tuple[float, float]:
    """Return limits of the threshold with false positive rate `fpr`; each limit errs with probability `tail`."""
    m = len(ordered)
    effect = max(_design_effect(outside, _at(ordered, int(share * m)), tail) for share in (fpr, 0.05, 0.25))
    enough = int(fpr * m + 10 * np.sqrt(fpr * m * effect) + 50 * effect)  # more false positives are surely too many
    lower, upper = stats.clopper_pearson(np.arange(min(m, enough) + 1) / effect, m / effect, 1 - 2 * tail)
    surely_less, surely_more = np.flatnonzero(upper <= fpr), np.flatnonzero(lower >= fpr)
    low = _at(ordered, int(surely_less[-1])) if len(surely_less) else float("-inf")
    high = float(ordered[int(surely_more[0]) - 1]) if len(surely_more) else float("inf")
    return low, high


def _design_effect(cases: Losses, threshold: float, tail: float) -> float:
    """Estimate how many clustered cases are worth one independent case, inflated for its own uncertainty; at least 1."""
    if not cases.clusters:
        return 1.0
    below = (cases.loss < threshold).astype(float)
    cov = stats.rate_covariance(below, np.ones(len(below)), np.zeros(len(below), dtype=np.int64), cases.clusters, groups=1,
                                proportion=True)
    rate, variance = float(cov.rates[0]), float(cov.M[0, 0])
    effect = variance * len(below) / (rate * (1 - rate)) if 0 < rate < 1 else 1.0
    return max(effect, 1.0) * float(stdtrit(cov.df[0], tail) / ndtri(tail)) ** 2


def _share_below(
    cases: Losses, threshold: float, *, strict: bool, level: float
) -> tuple[tuple[float, float], bool, str]:
    """Return limits of the share of losses below a threshold, whether clusters are few, and the method."""
    below = cases.loss < threshold if strict else cases.loss <= threshold
    cov = stats.rate_covariance(below.astype(float), np.ones(len(below)), np.zeros(len(below), dtype=np.int64),
                                cases.clusters, groups=1, proportion=True)
    rate = stats.clustered_rate_interval(cov, level)
    few = bool(cov.ways and cov.few_clusters[0])
    return (float(rate.low[0]), float(rate.high[0])), few, rate.method.strip()


def _cluster_count(column: IntArray) -> int:
    return len(np.unique(column[column >= 0])) + int(np.sum(column < 0))


def advantage(losses: Losses, level: float, rng: np.random.Generator) -> stats.Interval:
    """Compute the true minus the false positive rate at a threshold of the members' mean loss [1]_.

    Notes
    -----
    The threshold must not come from the cases that it is applied to. Whole clusters fall into two halves at random, and each
    half is judged by the mean of the other. MOVER on exact limits; with clusters, t limits of the difference, whose variance
    allows for clusters that hold members and non-members.

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
    flagged = np.zeros(len(losses), dtype=bool)
    for side in (False, True):
        learned_from = losses.member & (half != side)
        if not learned_from.any():
            raise ValueError("there are too few clusters of members to learn a threshold from one half of them")
        flagged[half == side] = losses.loss[half == side] <= losses.loss[learned_from].mean()
    cov = stats.rate_covariance(flagged.astype(float), np.ones(len(flagged)), losses.member.astype(np.int64),
                                losses.clusters, groups=2, proportion=True).subset([1, 0])
    difference = stats.clustered_difference(cov, level)
    low, high = max(float(difference.low[0]), -1.0), min(float(difference.high[0]), 1.0)
    few = ("few_clusters",) if cov.ways and cov.few_clusters.any() else ()
    clusters = int(cov.n_clusters.min()) if cov.ways else None
    return stats.Interval(float(difference.value[0]), low, high, difference.method.strip(), len(flagged), clusters, few)


def _halves(losses: Losses, rng: np.random.Generator) -> BoolArray:
    """Draw half of the clusters at random, independently of the losses; true for the cases of that half."""
    codes = sampling_units(losses.clusters, len(losses))
    labels, place = np.unique(codes, return_inverse=True)
    chosen = np.zeros(len(labels), dtype=bool)
    chosen[rng.permutation(len(labels))[: len(labels) // 2]] = True
    return np.asarray(chosen[place])


def total_variation(feature: SensitiveFeature, member: BoolArray) -> float:
    """Compute the total variation distance between the groups of members and of non-members, from 0 to 1."""
    shares = [np.bincount(feature.code[side], minlength=feature.k) / max(int(side.sum()), 1) for side in (member, ~member)]
    return float(np.abs(shares[0] - shares[1]).sum() / 2)
