"""Whether scores are calibrated: of the cases with a score of 0.8, eight in ten should come true."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import raikit
from raikit import stats
from raikit.arrays import BoolArray, FloatArray, IntArray
from raikit.format import capitalised, case_noun, class_text, confidence, headline, percent, points, sample_size
from raikit_performance.shares import Shares, estimate_shares, min_clusters

_LOW = 1 / 3  # Scores below are called low, those above two thirds high.
_LARGE_ERROR = 0.10  # An average difference that is surely smaller, and not shown to be above 0, is no problem.


@dataclass(frozen=True)
class Curve:
    """Bins in the order of the score.

    Parameters
    ----------
    low, high : ndarray, shape (b,)
        Smallest and largest score.
    score : ndarray, shape (b,)
        Mean score.
    rate : Shares
        How often it came true.
    share : ndarray, shape (b,)
        Part of all cases (of the weight).
    bin : ndarray of int, shape (n,)
    came_true, scores : ndarray, shape (n,)
    every : Shares
        As `rate`, with intervals that hold for all bins at once.
    """

    low: FloatArray
    high: FloatArray
    score: FloatArray
    rate: Shares
    share: FloatArray
    bin: IntArray
    came_true: BoolArray
    scores: FloatArray
    every: Shares

    @property
    def farthest(self) -> int:
        """The bin whose interval is farthest from its mean score."""
        return int(np.argmax(self._distance(self.rate)))

    @property
    def surely_off(self) -> bool:
        """Whether the farthest bin surely differs from its mean score, though it was picked from all."""
        at = self.farthest
        few = self.every.few_clusters[at] or self.every.few_events[at]
        return bool(self._distance(self.every)[at] > 0 and not few)

    def _distance(self, rate: Shares) -> FloatArray:
        return np.maximum(rate.low - self.score, self.score - rate.high)


def reliability_curve(cases: raikit.Arrays, bins: int, level: float) -> Curve:
    """Sort cases into `bins` bins of equal number (fewer where scores are tied) and measure each."""
    score, hit = _score_and_hit(cases)
    bin_of_case = stats.equal_bins(score, bins)
    k = int(bin_of_case.max()) + 1
    w = np.ones(len(cases)) if cases.weight is None else cases.weight
    total = np.bincount(bin_of_case, w, minlength=k)
    if (total <= 0).any():  # a bin without weight has no estimate
        bin_of_case = np.where(total[bin_of_case] > 0, (np.cumsum(total > 0) - 1)[bin_of_case], -1)
        total = total[total > 0]
        k = len(total)
    inside = bin_of_case >= 0
    mean = np.bincount(bin_of_case[inside], (w * score)[inside], minlength=k) / total
    low, high = np.full(k, np.inf), np.full(k, -np.inf)
    np.minimum.at(low, bin_of_case[inside], score[inside])
    np.maximum.at(high, bin_of_case[inside], score[inside])
    rates = estimate_shares(hit, bin_of_case, k, cases)
    return Curve(low, high, mean, rates.at(level), total / total.sum(), bin_of_case, hit, score, rates.at(1 - (1 - level) / k))


def _score_and_hit(cases: raikit.Arrays) -> tuple[FloatArray, BoolArray]:
    """Return the score that is examined (the positive class's, or the largest) and whether that class is true."""
    assert cases.scores is not None
    if len(cases.classes) == 2:
        return cases.scores[:, 1], cases.truth == 1
    top = cases.scores.argmax(axis=1)
    return cases.scores[np.arange(len(cases)), top], cases.truth == top


def calibration_error(curve: Curve, cases: raikit.Arrays, level: float, rng: np.random.Generator) -> raikit.Metric:
    """Compute the expected calibration error: the mean absolute difference of a bin's mean score and its rate."""
    error = stats.calibration_error(curve.came_true, curve.scores, curve.bin, cases.weight, cases.clusters, rng=rng)
    low, high = error.limits((1 - level) / 2)
    n_clusters = min_clusters(cases)
    return raikit.Metric(
        "expected_calibration_error", error.value, low=low, high=high, level=level, n=len(cases), n_clusters=n_clusters,
        method=f"{error.bins} bins of equal size, not debiased (a calibrated model would show "
               f"{float(error.spread.mean()):.3f}), limits free of that bias"
               + (f", cluster t (df {error.df:.3g})" if cases.clusters else ""),
        flags=["few_clusters"] if error.few_clusters else [], direction="lower", unit="points",
        ingredients=[_ingredients(error, cases)],
    )


def _ingredients(error: stats.CalibrationError, cases: raikit.Arrays) -> raikit.Ingredients:
    """Return the errors of the bins, from which the calibration error is compared with that of another run."""
    df = 0.0 if error.few_clusters else error.df
    bins = raikit.Ingredient(value=error.value, variance=error.se**2, df=df, n=len(cases), bins=error.bin_errors)
    return raikit.Ingredients(higher_is_better=False, estimates=[bins])


def calibration_finding(
    error: raikit.Metric, curve: Curve, classes: Sequence[Any], address: Callable[[raikit.Metric], str]
) -> raikit.Finding:
    """Say whether scores are how often they come true, and where they differ most, if that is certain."""
    at = curve.farthest
    share, rate, size = (percent(float(curve.score[at])), percent(float(curve.rate.value[at])), sample_size(int(curve.rate.n[at])))
    of = "the positive class" if len(classes) == 2 else "the predicted class"
    facts = [("Scores", f"The probability of {of}, in groups of equally many {case_noun()}."), ("Method", str(error.method))]
    common: dict[str, Any] = {"what": "calibration error", "who": f"all {case_noun()}", "metrics": [address(error)],
                              "figures": ["reliability"]}
    if "few_clusters" not in error.flags and (error.low or 0.0) > 0:
        farthest = ("Largest difference", f"Where scores average {share}, {rate} come true ({size}).")
        return raikit.Finding(kind="worth_knowing", headline=_difference(curve, classes),
                              facts=[farthest, *facts], **common)
    if "few_clusters" not in error.flags and (error.high or 1.0) <= _LARGE_ERROR:
        excluded = ("Excluded", f"An average difference above {points(error.high or 0.0)}.")
        return raikit.Finding(kind="fine", headline="Scores are not shown to differ from how often they come true",
                              facts=[excluded, *facts], **common)
    return raikit.Finding(kind="undecided", headline="Scores may differ much from how often they come true", facts=facts, **common)


def _difference(curve: Curve, classes: Sequence[Any]) -> str:
    """Say where and in which direction scores differ most, if that is sure for a bin that was picked from all."""
    at, plain = curve.farthest, "Scores differ from how often they come true"
    if not curve.surely_off:
        return plain
    score = float(curve.score[at])
    which = "Low scores" if score < _LOW else "High scores" if score > 1 - _LOW else "Scores in the middle"
    verb = "understate" if score < float(curve.rate.value[at]) else "overstate"
    if len(classes) != 2:
        return f"{which} {verb} how often predictions are right"
    return headline(f"{which} {verb} the chance of “{class_text(classes[-1])}”", f"{which} {verb} the chance of the class", plain)


def _records(curve: Curve) -> list[dict[str, Any]]:
    return [
        {"score": float(curve.score[at]), "from": float(curve.low[at]), "to": float(curve.high[at]),
         "rate": float(curve.rate.value[at]), "low": float(curve.rate.low[at]), "high": float(curve.rate.high[at]),
         "rows": int(curve.rate.n[at])}
        for at in range(len(curve.share))
    ]


def reliability_table(curve: Curve) -> raikit.Table:
    """Return one row per bin."""
    columns = [
        raikit.Column(name="from", title="Scores from", format="number"),
        raikit.Column(name="to", title="to", format="number"),
        raikit.Column(name="score", title="Mean score", format="percent"),
        raikit.Column(name="rate", title="Came true", format="percent"),
        raikit.Column(name="low", title="low", format="percent"),
        raikit.Column(name="high", title="high", format="percent"),
        raikit.Column(name="rows", title=capitalised(case_noun()), format="integer"),
    ]
    body = [[record[column.name] for column in columns] for record in _records(curve)]
    return raikit.Table(id="reliability", title="Scores and how often they come true", columns=columns, rows=body,
                        note=f"{capitalised(str(curve.rate.method))}; intervals hold for each bin by itself.")


def reliability_figure(curve: Curve, error: raikit.Metric, classes: Sequence[Any]) -> raikit.Figure:
    """Draw the mean score of each bin against how often it came true, beside the diagonal of perfect calibration."""
    records = _records(curve)
    ends = " and ".join(f"{percent(record['score'])} came true {percent(record['rate'])} of the time"
                        for record in (records[0], records[-1]))
    score = f"Score of {class_text(classes[-1])}" if len(classes) == 2 else "Largest score"
    level = confidence(error.level or 0.95)
    return raikit.Figure(
        id="reliability", title="Scores and how often they come true", spec=_reliability_spec(), data=records,
        subtitle=f"{score}; {level} CI of each bin; on the dashed line, scores equal how often they come true",
        alt=f"Reliability curve of {len(records)} bins: scores about {ends}.",
    )


def _reliability_spec() -> dict[str, Any]:
    axis = {"format": ".0%", "tickCount": 5}
    x = {"field": "score", "type": "quantitative", "title": "mean score of the bin", "axis": axis,
         "scale": {"domain": [0, 1]}}
    y = {"field": "rate", "type": "quantitative", "title": "came true", "axis": axis, "scale": {"domain": [0, 1]}}
    return {
        "height": 250,
        "layer": [
            {"mark": {"type": "rule", "strokeDash": [4, 4], "stroke": "var(--rule)", "strokeWidth": 1.5},
             "encoding": {"x": {"datum": 0, "type": "quantitative"}, "y": {"datum": 0, "type": "quantitative"},
                          "x2": {"datum": 1}, "y2": {"datum": 1}}},
            {"mark": {"type": "rule", "stroke": "var(--ink)"},
             "encoding": {"x": x, "y": {**y, "field": "low"}, "y2": {"field": "high"}}},
            {"mark": {"type": "point", "filled": True, "fill": "var(--ink)", "size": 50, "opacity": 1},
             "encoding": {"x": x, "y": y}},
        ],
    }
