"""Whether a score of 0.8 comes true eight times in ten."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

import raikit
from raikit_performance.rows import Rows, rows_of
from raikit_performance.shares import Shares, min_clusters, shares
from raikit_performance.words import percent

if TYPE_CHECKING:
    import numpy as np

    from raikit_performance.rows import BoolArray, FloatArray, IntArray



class Calibration(raikit.Check):
    """Reliability curve and expected calibration error.

    Binary: the score of the positive class against how often it is true. Multiclass: the largest score against how
    often that class is true (confidence calibration). Bins hold equally many rows. The plain error is above 0 even for
    a calibrated model, because it adds up absolute deviations; its lower end takes that away, and `method` says how
    much a calibrated model would show.
    """

    name = "performance.calibration"
    pillar = "performance"
    requires = raikit.Requires(columns={"target", "score"}, capabilities={"scores"}, tasks={"binary", "multiclass"})
    produces: ClassVar[Sequence[str]] = ["performance.expected_calibration_error"]

    class Options(raikit.CheckOptions):
        bins: int = Field(10, ge=2, le=100, description="Bins of the reliability curve, equally many rows in each.")

    def run(self, ctx: raikit.CheckContext) -> raikit.CheckResult:
        rows = rows_of(ctx)
        if rows.scores is None:
            raise ValueError("no probability for every class: calibration needs them all")
        curve = reliability(rows, self.options.bins)
        error = calibration_error(curve, rows, ctx.rng)
        return raikit.CheckResult(metrics=[error], findings=self._finding(error, curve, ctx), tables=[_table(curve)],
                                  figures=[_figure(curve, error, ctx)])

    def _finding(self, error: raikit.Metric, curve: Curve, ctx: raikit.CheckContext) -> list[raikit.Finding]:
        value, low, high = error.value or 0.0, error.low or 0.0, error.high or 0.0
        certainty = f"{(error.level or 0.95) * 100:g} % interval {low * 100:.1f} to {high * 100:.1f} points"
        if low <= 0:
            sentence = (f"Scores agree with how often they come true, as far as {error.n:,} rows can tell (expected "
                        f"calibration error {value * 100:.1f} points; {certainty}).")
        else:
            at = curve.farthest
            sentence = (f"Scores are off by {value * 100:.1f} points on average ({certainty}; {error.n:,} rows); "
                        f"most where they average {percent(curve.score[at])} and {percent(curve.rate.value[at])} come "
                        f"true ({curve.rate.n[at]:,} rows).")
        return [raikit.Finding(sentence=sentence, what="Distance of scores to how often they come true", who="all rows",
                               certainty=certainty, metrics=[self.address(error)], figures=["reliability"])]


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
        Part of all rows (of the weight).
    bin : ndarray of int, shape (n,)
    came_true, scores : ndarray, shape (n,)
    """

    low: FloatArray
    high: FloatArray
    score: FloatArray
    rate: Shares
    share: FloatArray
    bin: IntArray
    came_true: BoolArray
    scores: FloatArray

    @property
    def farthest(self) -> int:
        """The bin whose interval is farthest from its mean score."""
        import numpy as np

        return int(np.argmax(np.maximum(self.rate.low - self.score, self.score - self.rate.high)))


def reliability(rows: Rows, bins: int) -> Curve:
    """Sort rows into `bins` bins of equal number (fewer where scores are tied) and measure each."""
    import numpy as np

    from raikit import stats

    assert rows.scores is not None
    if len(rows.classes) == 2:
        score, hit = rows.scores[:, 1], rows.truth == 1
    else:
        top = rows.scores.argmax(axis=1)
        score, hit = rows.scores[np.arange(rows.n), top], rows.truth == top
    place = stats.equal_bins(score, bins)
    k = int(place.max()) + 1
    w = np.ones(rows.n) if rows.weight is None else rows.weight
    total = np.bincount(place, w, minlength=k)
    if (total <= 0).any():  # bins without weight say nothing
        place = np.where(total[place] > 0, (np.cumsum(total > 0) - 1)[place], -1)
        total = total[total > 0]
        k = len(total)
    inside = place >= 0
    mean = np.bincount(place[inside], (w * score)[inside], minlength=k) / total
    low, high = np.full(k, np.inf), np.full(k, -np.inf)
    np.minimum.at(low, place[inside], score[inside])
    np.maximum.at(high, place[inside], score[inside])
    return Curve(low, high, mean, shares(hit, place, k, rows), total / total.sum(), place, hit, score)


def calibration_error(curve: Curve, rows: Rows, rng: np.random.Generator) -> raikit.Metric:
    """Expected calibration error: mean absolute distance of a bin's mean score to how often it came true."""
    from raikit import stats

    found = stats.calibration_error(curve.came_true, curve.scores, curve.bin, rows.weight, rows.clusters, rng=rng)
    low, high = found.limits((1 - rows.level) / 2)
    n_clusters = min_clusters(rows)
    return raikit.Metric(
        "expected_calibration_error", found.value, low=low, high=high, level=rows.level, n=rows.n, n_clusters=n_clusters,
        method=f"{found.bins} bins of equal size, not debiased (a calibrated model would show "
               f"{float(found.spread.mean()):.3f}), lower end free of that bias"
               + (f", cluster t (df {found.df})" if rows.clusters else ""),
        flags=["few_clusters"] if n_clusters is not None and n_clusters < stats.MIN_CLUSTERS else [],
        direction="lower", unit="points",
    )


def _records(curve: Curve) -> list[dict[str, Any]]:
    return [
        {"score": float(curve.score[at]), "from": float(curve.low[at]), "to": float(curve.high[at]),
         "rate": float(curve.rate.value[at]), "low": float(curve.rate.low[at]), "high": float(curve.rate.high[at]),
         "rows": int(curve.rate.n[at])}
        for at in range(len(curve.share))
    ]


def _table(curve: Curve) -> raikit.Table:
    columns = [
        raikit.Column(name="from", title="Scores from", format="number"),
        raikit.Column(name="to", title="to", format="number"),
        raikit.Column(name="score", title="Mean score", format="percent"),
        raikit.Column(name="rate", title="Came true", format="percent"),
        raikit.Column(name="low", title="low", format="percent"),
        raikit.Column(name="high", title="high", format="percent"),
        raikit.Column(name="rows", title="Rows", format="integer"),
    ]
    body = [[record[column.name] for column in columns] for record in _records(curve)]
    return raikit.Table(id="reliability", title="Scores and how often they came true", columns=columns, rows=body,
                        note=f"{curve.rate.method}; each bin by itself.")


def _figure(curve: Curve, error: raikit.Metric, ctx: raikit.CheckContext) -> raikit.Figure:
    axis = {"format": ".0%", "tickCount": 5}
    x = {"field": "score", "type": "quantitative", "title": "mean score of the bin", "axis": axis,
         "scale": {"domain": [0, 1]}}
    y = {"field": "rate", "type": "quantitative", "title": "came true", "axis": axis, "scale": {"domain": [0, 1]}}
    spec = {
        "height": 300,
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
    records = _records(curve)
    ends = " and ".join(f"{row['score'] * 100:.0f} percent came true {row['rate'] * 100:.0f} percent of the time"
                        for row in (records[0], records[-1]))
    what = f"Score of {ctx.positive}" if len(ctx.classes) == 2 else "Largest score"
    return raikit.Figure(
        id="reliability", title="Scores and how often they come true", spec=spec, data=records,
        subtitle=f"{what}; {(error.level or 0.95) * 100:g} % intervals of each bin; on the dashed line they agree",
        alt=f"Reliability curve of {len(records)} bins: scores about {ends}.",
    )
