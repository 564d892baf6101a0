"""Rates of a baseline and a candidate side by side: the ground on which `noninferiority` and `gap_growth` test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from raikit.stats._types import BoolArray, FloatArray, IntArray
from raikit.stats.covariance_result import CovarianceResult, cluster_prefix, effective_number
from raikit.stats.families import Family, pairs_and_rests
from raikit.stats.maxt import Errors
from raikit.stats.quantiles import as_normal, as_t
from raikit.stats.validation import TOO_FEW_GROUPS, comparable

EXCEEDANCES = 800
"""Exceedances after which a p-value of a gate is known well enough: twice as many as for one that is only shown."""

SELECTION_SHARE = 0.1
"""Share of the level that the first step spends on finding contrasts that surely do not matter."""

NOT_TESTED = "not tested: too few clusters in every pair"


@dataclass(frozen=True)
class WorseningResult:
    """Result of `worsening_test` or `gap_increase_test`.

    Parameters
    ----------
    value : float
        `worsening_test`: how much the loser lost against the other side since the baseline, positive if it got worse.
        `gap_increase_test`: gap of the candidate minus gap of the baseline.
    low : float
        One-sided lower limit of the largest loss of a group that is behind, at the test's level, simultaneous over all
        contrasts. It exceeds the margin if and only if the test rejects at that level.
    high : float
        One-sided upper limit of the largest loss of a group that may be behind, at the test's level, pointwise.
    p_value : float, in [0, 1]
        Smallest alpha at which the test rejects. It can be adjusted by Holm together with other tests.
    loser, against : int
        Groups of the contrast whose loss has the largest lower limit; `against` is -1 for the pooled rest.
    minimum_detectable : float
        Smallest worsening that these data would have shown with 80% power.
    method : str
    stratum : int
        The stratum of the two groups.
    """

    value: float
    low: float
    high: float
    p_value: float
    loser: int
    against: int
    minimum_detectable: float
    method: str
    stratum: int = 0


@dataclass(frozen=True)
class ContrastEstimates:
    """Estimates of a family's contrasts, of one quantity.

    Parameters
    ----------
    value, se : ndarray, shape (c,)
        Standard errors are never 0.
    df : float or ndarray, shape (c,)
        Degrees of freedom of the standard errors; infinite for independent cases.
    """

    value: FloatArray
    se: FloatArray
    df: FloatArray | float

    def z(self, bound: float = 0.0) -> FloatArray:
        """Return the t ratios of "at most `bound`", as normal values of equal tail probability.

        A contrast with few degrees of freedom then widens no other.
        """
        return as_normal((self.value - bound) / self.se, self.df)

    def reach(self, critical: ArrayLike) -> FloatArray:
        """Return how far `critical` normal standard errors reach."""
        return np.asarray(as_t(critical, self.df) * self.se)


@dataclass(frozen=True)
class ErrorDraws:
    """Joint draws of the errors of the candidate's rates and of their differences to the baseline's."""

    candidate: Errors
    difference: Errors


@dataclass(frozen=True)
class TwoModels:
    """Rates of k groups under two models, oriented so that larger is worse.

    Parameters
    ----------
    cov : CovarianceResult
        Of 2k rates: the baseline's, then the candidate's.
    strata : ndarray of int, shape (k,)
    sign : ndarray, shape (k,)
        -1 where a higher rate is better, else 1.
    groups : ndarray of int, shape (k,)
        Position of each group in the caller's arrays.
    """

    cov: CovarianceResult
    strata: IntArray
    sign: FloatArray
    groups: IntArray

    @classmethod
    def of(
        cls, cov: CovarianceResult, strata: ArrayLike | None, higher_is_better: bool | Sequence[bool]
    ) -> TwoModels:
        """Validate the arguments of a test and orient the rates.

        Raises
        ------
        ValueError
            If a rate is undefined, a stratum has fewer than two groups, or lengths do not match.
        """
        k = len(cov.rates) // 2
        if np.any(np.isnan(cov.rates)):
            raise ValueError("a group without cases in the denominator has no rate: leave it out of both models")
        stratum = np.zeros(k, dtype=np.int64) if strata is None else np.asarray(strata).astype(np.int64)
        if stratum.shape != (k,) or len(cov.rates) % 2:
            raise ValueError("strata must have one entry per group, and the covariance two rates per group")
        labels, position, sizes = np.unique(stratum, return_inverse=True, return_counts=True)
        if not k or sizes.min() < 2:
            raise ValueError(TOO_FEW_GROUPS)
        better = [higher_is_better] * len(labels) if isinstance(higher_is_better, bool) else list(higher_is_better)
        if len(better) != len(labels):
            raise ValueError(f"{len(labels)} strata need {len(labels)} directions, not {len(better)}")
        return cls(cov, stratum, np.where(np.asarray(better)[position], -1.0, 1.0), np.arange(k))

    @property
    def k(self) -> int:
        """Number of groups."""
        return len(self.strata)

    @property
    def df(self) -> float:
        """Degrees of freedom that all groups have; infinite for independent cases of equal weight."""
        return self.cov.common_df if self._has_df else np.inf

    @property
    def _has_df(self) -> bool:
        equal = self.cov.effective_clusters >= (1 - 1e-9) * self.cov.n_clusters
        return bool(self.cov.ways or not equal.all())

    @property
    def deciding(self) -> BoolArray:
        """Groups with enough clusters to decide, in strata that have two of them."""
        few = self.cov.few_clusters
        return comparable(~(few[: self.k] | few[self.k :]), self.strata)

    @property
    def bounded(self) -> bool:
        """Whether a loss has an upper limit: in no group can cases that would show one weigh more than any that was seen."""
        return not self.cov.few_events.any()

    def subset(self, keep: BoolArray) -> TwoModels:
        """Keep some of the groups."""
        if keep.all():
            return self
        return TwoModels(self.cov.subset(np.tile(keep, 2)), self.strata[keep], self.sign[keep], self.groups[keep])

    @property
    def family(self) -> Family:
        """Each group against each other group and the rest.

        The rest is pooled by the candidate's sizes under both models, so that a change of sizes is no loss.
        """
        full = pairs_and_rests(self.cov.sizes[self.k :], self.strata)
        group = full.plus < self.k
        return replace(full, plus=full.plus[group], minus=full.minus[group])

    @property
    def joint(self) -> FloatArray:
        """Covariance of the oriented rates, shape (2k, 2k)."""
        sign = np.tile(self.sign, 2)
        return np.asarray(self.cov.M * np.outer(sign, sign))

    @property
    def oriented(self) -> tuple[FloatArray, FloatArray]:
        """Oriented rates of the baseline and of the candidate."""
        return self.sign * self.cov.rates[: self.k], self.sign * self.cov.rates[self.k :]

    @property
    def loss(self) -> ContrastEstimates:
        """How much more each contrast's first side got worse than its second, since the baseline."""
        k, M = self.k, self.joint
        a, b = self.oriented
        return self._contrasts(b - a, M[:k, :k] + M[k:, k:] - M[:k, k:] - M[k:, :k])

    @property
    def deficit(self) -> ContrastEstimates:
        """How far each contrast's first side is behind its second in the candidate."""
        return self._contrasts(self.oriented[1], self.joint[self.k :, self.k :])

    def _contrasts(self, values: FloatArray, covariance: FloatArray) -> ContrastEstimates:
        family, extended = self.family, self.family.extend(values)
        se = family.standard_errors(family.extend_covariance(covariance))
        # A difference can have no variance at all (means that all moved alike). Rounding is then its only error.
        least = 1e-9 * float(np.max(np.abs(self.cov.rates))) + 1e-12
        return ContrastEstimates(extended[family.plus] - extended[family.minus], np.maximum(se, least), self._contrast_df)

    @property
    def _contrast_df(self) -> FloatArray | float:
        """Degrees of freedom of each contrast: the fewest of its two sides under either model."""
        if not self._has_df:
            return np.inf
        family, k = self.family, self.k
        units = [
            effective_number(np.diag(family.extend_covariance(self.cov.concentration[part, part])))
            for part in (slice(0, k), slice(k, 2 * k))
        ]
        fewest = np.maximum(np.min(units, axis=0) - 1, 1.0)
        return np.asarray(np.minimum(fewest[family.plus], fewest[family.minus]))

    def errors(self, draws: int, rng: np.random.Generator) -> ErrorDraws:
        """Draw normal errors of both models jointly."""
        both = Errors.gaussian(self.joint, draws, rng).base
        return ErrorDraws(Errors(both[self.k :]), Errors(both[self.k :] - both[: self.k]))

    def group_of(self, quantity: int) -> int:
        """Return the caller's position of a quantity of the family; -1 for a pooled rest."""
        return int(self.groups[quantity]) if quantity < self.k else -1

    def stratum_of(self, quantity: int) -> int:
        """Return the stratum of a quantity of the family."""
        return int(self.strata[quantity if quantity < self.k else self.family.rest_of[quantity - self.k]])

    def clipped(self, value: float) -> float:
        """Return a limit cut to [-2, 2], the range of a difference of differences of proportions."""
        return float(np.clip(value, -2.0, 2.0)) if self.cov.proportion else float(value)

    def method(self, procedure: str) -> str:
        """Return the method's name as a record has it."""
        paired = "paired" if np.any(self.cov.M[: self.k, self.k :]) else "unpaired"
        draws = f", t (df from {self.df:.3g})" if self.cov.ways else ""
        return f"{paired} {cluster_prefix(self.cov.ways)}{procedure}{draws}"
