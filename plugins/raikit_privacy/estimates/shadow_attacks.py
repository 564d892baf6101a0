"""Membership attacks that compare the audited model with models that were trained alike, on cases that the attacker chose.

Such models are called shadow models. Each case is in the training of some of them and not in that of others, so that the
attacker knows how confident a model is in a case that it has seen, and in one that it has not. Functions here take arrays,
know neither model nor dataset, and return one score for each case: higher for cases that seem to be members. Scores may be
infinite, never NaN.

The signal of all of them is the log odds of the true class: it is nearly normal over trainings [1]_, and tells apart
probabilities that are close to 1.

References
----------
.. [1] Carlini, Chien, Nasr, Song, Terzis and Tramèr, "Membership Inference Attacks From First Principles", IEEE S&P 2022.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import digamma, gammaln, log_expit, polygamma

from raikit.arrays import BoolArray, FloatArray, IntArray

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

MANY_SHADOWS = 64  # from which a variance of each case is estimated; with fewer, one for all is better [1]
_TINY = 1e-300
_LEAST_SHARE = 1e-3  # of the variance of all cases, below which that of one case is rounding
_NO_SPREAD = 1e4  # shape of a prior whose variances are all alike
_ITERATIONS = 50


class TooFewCasesError(ValueError):
    """An attack that cannot be tried on so few cases."""


@dataclass(frozen=True)
class Signals:
    """Signals of the audited model and of shadow models for the same cases.

    Parameters
    ----------
    audited : ndarray, shape (n,)
    shadow : ndarray, shape (models, n)
    inside : ndarray of bool, shape (models, n)
        Whether each case was in the training of each shadow model.

    Raises
    ------
    ValueError
        If shapes differ, a signal is not finite, or a case is in the training of all shadow models or of none.
    """

    audited: FloatArray
    shadow: FloatArray
    inside: BoolArray

    def __post_init__(self) -> None:
        if self.shadow.shape != self.inside.shape or self.shadow.shape[1:] != self.audited.shape:
            raise ValueError(f"signals of shape {self.audited.shape} and {self.shadow.shape}, and membership of shape "
                             f"{self.inside.shape}, do not belong together")
        if not (np.isfinite(self.audited).all() and np.isfinite(self.shadow).all()):
            raise ValueError("a signal is NaN or infinite")
        models = len(self.shadow)
        among = self.inside.sum(axis=0)
        if ((among == 0) | (among == models)).any():
            raise ValueError("each case must be in the training of some shadow models and not of others")

    @property
    def models(self) -> int:
        """Number of shadow models."""
        return len(self.shadow)

    def take(self, models: int) -> Signals:
        """Return the signals with the first shadow models only."""
        return Signals(self.audited, self.shadow[:models], self.inside[:models])


def log_odds(scores: ArrayLike, truth: IntArray) -> FloatArray:
    """Compute the log odds of the true class, shape (n,), from probabilities of shape (n, k).

    The probability of the other classes is summed, not subtracted from 1, so that confident predictions stay apart. Log odds lie
    between about -690 and 690.
    """
    probability = np.asarray(scores, dtype=float)
    at = np.arange(len(truth))
    own = probability[at, truth]
    others = probability.copy()
    others[at, truth] = 0.0
    return np.asarray(np.log(np.maximum(own, _TINY)) - np.log(np.maximum(others.sum(axis=1), _TINY)))


def balanced_halves(cases: int, models: int, rng: np.random.Generator) -> BoolArray:
    """Draw for each shadow model which cases it is trained on: each case is in half of the models, rounded down.

    Returns
    -------
    ndarray of bool, shape (models, cases)

    Raises
    ------
    ValueError
        With fewer than two models.
    """
    if models < 2:
        raise ValueError("two shadow models are needed at least: one that has seen a case and one that has not")
    return np.asarray(rng.random((models, cases)).argsort(axis=0).argsort(axis=0) < models // 2)


# --- attacks on one model ---------------------------------------------------------------------------------------------


def loss_attack(signal: FloatArray) -> FloatArray:
    """Return the signal itself: the attack by a threshold of the loss [1]_.

    References
    ----------
    .. [1] Yeom et al., "Privacy Risk in Machine Learning: Analyzing the Connection to Overfitting", CSF 2018.
    """
    return signal


def entropy_attack(scores: ArrayLike) -> FloatArray:
    """Return minus the entropy of the prediction [1]_, from probabilities of shape (n, k); it needs no target.

    References
    ----------
    .. [1] Salem et al., "ML-Leaks: Model and Data Independent Membership Inference Attacks", NDSS 2019.
    """
    probability = np.asarray(scores, dtype=float)
    return np.asarray((probability * np.log(np.maximum(probability, _TINY))).sum(axis=1))


def quantile_attack(
    signal: FloatArray, features: FloatArray, member: BoolArray, rng: np.random.Generator, folds: int = 2
) -> FloatArray:
    """Compare the signal with quantiles that are predicted from features of a case, learnt from non-members [1]_.

    Parameters
    ----------
    signal : ndarray, shape (n,)
    features : ndarray, shape (n, d)
        What is known of a case whether or not it was trained on, such as its class. NaN is a missing value.
    member : ndarray of bool, shape (n,)
    rng : numpy.random.Generator
        Divides the cases into folds.
    folds : int
        Quantiles of each fold are learnt from non-members of the others, for its members too. Otherwise non-members would be
        recognised by having been learnt from.

    Returns
    -------
    ndarray, shape (n,)
        Distance from the predicted median, in units of that from the median to the 90% quantile.

    Raises
    ------
    TooFewCasesError
        With fewer than ten non-members in each fold.

    References
    ----------
    .. [1] Bertran, Tang, Kearns, Morgenstern, Roth and Wu, "Scalable Membership Inference Attacks via Quantile Regression",
       NeurIPS 2023.
    """
    from sklearn.ensemble import HistGradientBoostingRegressor

    if (~member).sum() < 10 * folds:
        raise TooFewCasesError(f"{int((~member).sum())} non-members; {10 * folds} are needed to learn quantiles from")
    fold = np.empty(len(signal), dtype=np.int64)
    for side in (member, ~member):
        fold[side] = rng.permutation(int(side.sum())) % folds
    score = np.empty(len(signal))
    for number in range(folds):
        learnt, judged = ~member & (fold != number), fold == number
        median, high = (
            HistGradientBoostingRegressor(loss="quantile", quantile=quantile, max_iter=50, max_leaf_nodes=8, random_state=0)
            .fit(features[learnt], signal[learnt]).predict(features[judged])
            for quantile in (0.5, 0.9)
        )
        least = 0.05 * float(np.std(signal[learnt])) + _TINY  # predicted quantiles may cross
        score[judged] = (signal[judged] - median) / np.maximum(high - median, least)
    return score


# --- attacks with shadow models ---------------------------------------------------------------------------------------


def calibrated_attack(signals: Signals) -> FloatArray:
    """Return how much lower the loss is than the mean loss of models that have not seen the case [1]_.

    References
    ----------
    .. [1] Watson, Guo, Cormode and Sablayrolles, "On the Importance of Difficulty Calibration in Membership Inference Attacks",
       ICLR 2022.
    """
    return np.asarray(log_expit(signals.audited) - _mean(log_expit(signals.shadow), ~signals.inside))


def lira(signals: Signals) -> FloatArray:
    """Compute the log likelihood ratio of two normal distributions of the signal: seen and not seen (LiRA, online [1]_).

    Notes
    -----
    With fewer than `MANY_SHADOWS` models, one variance of seen and one of unseen cases hold for all cases. They are pooled from
    deviations from each case's own mean.

    References
    ----------
    .. [1] Carlini et al., "Membership Inference Attacks From First Principles", IEEE S&P 2022, algorithm 1.
    """
    scores = []
    for side in (signals.inside, ~signals.inside):
        variance = _variance(signals, side)
        scores.append(-((signals.audited - _mean(signals.shadow, side)) ** 2 / variance + np.log(variance)) / 2)
    return np.asarray(scores[0] - scores[1])


def lira_offline(signals: Signals) -> FloatArray:
    """Return how unusual the signal is among models that have not seen the case, in standard deviations (LiRA, offline [1]_).

    An attacker needs no model that was trained on the case itself.

    References
    ----------
    .. [1] Carlini et al., "Membership Inference Attacks From First Principles", IEEE S&P 2022, section 6.
    """
    outside = ~signals.inside
    return np.asarray((signals.audited - _mean(signals.shadow, outside)) / np.sqrt(_variance(signals, outside)))


def rmia(signals: Signals) -> FloatArray:
    """Compute the log of the true class's probability over its mean among shadow models (RMIA, online [1]_).

    Notes
    -----
    RMIA counts in how many cases of a population this ratio is smaller than that of the case by a factor. For one population
    that is a monotone function of the ratio [2]_, so the ratio gives the same ranks with fewer ties, and needs no population.
    Models that have seen the case and models that have not weigh the same.

    References
    ----------
    .. [1] Zarifzadeh, Liu and Shokri, "Low-Cost High-Power Membership Inference Attacks", ICML 2024.
    .. [2] Brännvall, "Exponential-Family Membership Inference: From LiRA and RMIA to BaVarIA", 2026.
    """
    probability = np.exp(log_expit(signals.shadow))
    expected = (_mean(probability, signals.inside) + _mean(probability, ~signals.inside)) / 2
    return np.asarray(log_expit(signals.audited) - np.log(np.maximum(expected, _TINY)))


def bavaria(signals: Signals) -> FloatArray:
    """Compute the log ratio of two predictive Student-t densities of the signal: seen and not seen (BaVarIA-t [1]_).

    Notes
    -----
    Mean and variance of a case have a normal-inverse-gamma prior, one for seen and one for unseen. The priors are fitted to all
    cases (empirical Bayes): the spread of variances by the moments of their logarithms [2]_, that of means by the variance of
    means over cases. Few models leave a case near the prior, many let it speak for itself.

    References
    ----------
    .. [1] Brännvall, "Exponential-Family Membership Inference: From LiRA and RMIA to BaVarIA", 2026.
    .. [2] Smyth, "Linear Models and Empirical Bayes Methods for Assessing Differential Expression", Statistical Applications in
       Genetics and Molecular Biology 2004, section 6.2.
    """
    seen, unseen = (_predictive(signals, side) for side in (signals.inside, ~signals.inside))
    return seen - unseen


def _predictive(signals: Signals, side: BoolArray) -> FloatArray:
    """Return the log density of the audited signal under the posterior predictive of one side, shape (n,)."""
    n = side.sum(axis=0).astype(float)
    mean, squares = _mean(signals.shadow, side), _squares(signals.shadow, side)
    shape, scale = _variance_prior(squares, n - 1)
    within = scale / max(shape - 1, 0.5) if shape < _NO_SPREAD else scale / shape
    centre = float(mean.mean())
    between = max(float(mean.var()) - within * float((1 / n).mean()), 1e-12 * within)
    weight = min(within / between, 1e6)  # of the prior mean, in models
    posterior_shape = shape + n / 2
    posterior_scale = scale + squares / 2 + weight * n * (mean - centre) ** 2 / (2 * (weight + n))
    place = (weight * centre + n * mean) / (weight + n)
    spread = posterior_scale * (weight + n + 1) / (posterior_shape * (weight + n))
    df = 2 * posterior_shape
    constant = gammaln((df + 1) / 2) - gammaln(df / 2) - np.log(df * spread) / 2
    return np.asarray(constant - (df + 1) / 2 * np.log1p((signals.audited - place) ** 2 / (df * spread)))


def _variance_prior(squares: FloatArray, df: FloatArray) -> tuple[float, float]:
    """Fit shape and scale of an inverse-gamma prior to sums of squares with their degrees of freedom.

    Without degrees of freedom nothing is known of variances: all are 1, which changes no rank.
    """
    known = df > 0
    if known.sum() < 2:
        return _NO_SPREAD, _NO_SPREAD
    df, variance = df[known], squares[known] / df[known]
    variance = np.maximum(variance, max(_LEAST_SHARE * float(np.average(variance, weights=df)), _TINY))
    logs = np.log(variance) - digamma(df / 2) + np.log(df / 2)
    excess = float(logs.var(ddof=1)) - float(polygamma(1, df / 2).mean())
    shape = _inverse_trigamma(excess) if excess > 0 else _NO_SPREAD
    shape = min(max(shape, 1.5), _NO_SPREAD)
    return shape, shape * math.exp(float(logs.mean()) + float(digamma(shape)) - math.log(shape))


def _inverse_trigamma(value: float) -> float:
    """Return where the trigamma function has a value, by Newton's method on its reciprocal, which is convex."""
    x = 0.5 + 1 / value
    for _ in range(_ITERATIONS):
        trigamma = float(polygamma(1, x))
        step = trigamma * (1 - trigamma / value) / float(polygamma(2, x))
        x += step
        if abs(step) < 1e-9 * x:
            break
    return x


def _mean(values: FloatArray, among: BoolArray) -> FloatArray:
    """Return the mean over some of the models, of each case."""
    return np.asarray(np.where(among, values, 0.0).sum(axis=0) / among.sum(axis=0))


def _squares(values: FloatArray, among: BoolArray) -> FloatArray:
    """Return the sum of squared deviations from the mean over some of the models, of each case."""
    return np.asarray((np.where(among, values - _mean(values, among), 0.0) ** 2).sum(axis=0))


def _variance(signals: Signals, side: BoolArray) -> FloatArray:
    """Return the variance of the signal of each case; with few models, the one that is pooled over all cases."""
    squares, df = _squares(signals.shadow, side), side.sum(axis=0) - 1
    if not df.sum():  # one model on each side: a common variance of both, whose size changes no rank
        return np.ones(len(df))
    pooled = max(float(squares.sum() / df.sum()), _TINY)
    if signals.models < MANY_SHADOWS or df.min() < 1:
        return np.full(len(df), pooled)
    return np.asarray(np.maximum(squares / df, _LEAST_SHARE * pooled))
