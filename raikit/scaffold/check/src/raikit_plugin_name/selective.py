"""Error rate of confident decisions: selective prediction."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import raikit
from pydantic import Field
from raikit.format import confidence, percent


class SelectiveRisk(raikit.Check):
    """Error rate of the decisions that the model is confident of.

    A case is accepted if the score of the decision reaches the threshold. Coverage is
    the share of accepted cases; selective risk is the share of accepted cases that
    were decided wrongly. If the scores are informative, the risk falls as coverage
    falls.

    References
    ----------
    .. [1] El-Yaniv and Wiener, "On the Foundations of Noise-free Selective
       Classification", JMLR 2010.
    """

    name = "plugin_name.selective_risk"
    pillar = "plugin_name"
    requires = raikit.Requires(
        columns={"target", "prediction", "score"},
        capabilities={"scores"},
        tasks={"binary", "multiclass"},
    )
    produces: ClassVar = [
        "plugin_name.coverage",
        "plugin_name.selective_risk",
    ]

    class Options(raikit.CheckOptions):
        """Options under the name of the check in audit.yaml."""

        threshold: float = Field(
            0.8,
            ge=0,
            le=1,
            description="Lowest score at which a decision is accepted.",
        )
        points: int = Field(
            10,
            ge=2,
            le=100,
            description="Number of points of the curve, evenly spaced in coverage.",
        )

    def run(self, ctx: raikit.CheckContext) -> raikit.CheckResult:
        """Measure coverage and risk; the rules in audit.yaml judge them."""
        cases = ctx.arrays()
        if cases.weight is not None:
            cases = cases.take(cases.weight > 0)
        score = decision_scores(cases)
        accepted = score >= self.options.threshold
        coverage = share("coverage", accepted, cases, ctx, direction="higher")
        risk = selective_risk(cases.take(accepted), ctx, direction="lower")
        curve = risk_by_coverage(cases, score, ctx, self.options.points)
        return raikit.CheckResult(
            metrics=[coverage, risk],
            findings=self.findings(coverage, risk),
            tables=[table(curve, ctx.confidence)],
            figures=[figure(curve, ctx)],
        )

    def findings(
        self, coverage: raikit.Metric, risk: raikit.Metric
    ) -> list[raikit.Finding]:
        """Say how often confident decisions are wrong; the report words the numbers.

        The headline says who or what does what, in at most 12 words without a number.
        The line of evidence is composed from the first metric in `metrics`. A finding
        about a gap gives `measure`, `worse` and `better` instead of a headline.
        """
        accepted = f"Decisions with a score of at least {self.options.threshold:g}."
        if risk.value is None:
            headline, kind = "No decision reaches the threshold", "undecided"
        elif risk.low is not None and risk.low > 0.5:
            headline, kind = "Most confident decisions are wrong", "worth_knowing"
        else:
            headline, kind = "Some confident decisions are wrong", "worth_knowing"
        return [
            raikit.Finding(
                headline=headline,
                kind=kind,
                facts=[("Confident", accepted), ("Coverage", percent(coverage.value))],
                metrics=[self.address(risk), self.address(coverage)],
                figures=["risk_by_coverage"],
            )
        ]


def decision_scores(cases: raikit.Arrays) -> np.ndarray:
    """Return the score of each decision, shape (n,): of the class that was "
    "predicted."""
    return cases.scores[np.arange(len(cases)), cases.prediction]


def selective_risk(
    cases: raikit.Arrays, ctx: raikit.CheckContext, **fields: Any
) -> raikit.Metric:
    """Measure the share of wrong decisions among accepted cases."""
    wrong = cases.prediction != cases.truth
    return share("selective_risk", wrong, cases, ctx, **fields)


def share(
    name: str,
    events: np.ndarray,
    cases: raikit.Arrays,
    ctx: raikit.CheckContext,
    **fields: Any,
) -> raikit.Metric:
    """Measure the share of cases with an event, with its confidence interval.

    The interval is exact for independent cases that count alike, else a t interval
    over clusters, with weights.
    """
    if not len(cases):
        return raikit.Metric.undefined(name, "no decision is that confident", **fields)
    fields = {"unit": "rate", "n": len(cases), **fields}
    if not cases.clusters and cases.weight is None:
        hits = int(events.sum())
        low, high = raikit.stats.clopper_pearson(hits, len(cases), ctx.confidence)
        fields |= {"low": low, "high": high, "method": "Clopper-Pearson"}
        return raikit.Metric(name, hits / len(cases), **fields)
    interval = raikit.stats.mean_interval(
        events, cases.weight, cases.clusters, ctx.confidence, bounds=(0, 1)
    )
    return raikit.Metric(name, **(vars(interval) | fields))


def risk_by_coverage(
    cases: raikit.Arrays, score: np.ndarray, ctx: raikit.CheckContext, points: int
) -> list[dict[str, Any]]:
    """Measure the risk of ever fewer cases, those with the lowest scores left out."""
    curve = []
    for step in range(points):
        threshold = float(np.quantile(score, step / points))
        accepted = score >= threshold
        risk = selective_risk(cases.take(accepted), ctx)
        curve.append(
            {
                "threshold": threshold,
                "coverage": float(accepted.mean()),
                "cases": risk.n,
                "risk": risk.value,
                "low": risk.low,
                "high": risk.high,
            }
        )
    return curve


def table(curve: list[dict[str, Any]], level: float) -> raikit.Table:
    """Return the curve as a table."""
    columns = [
        raikit.Column(name="threshold", title="Score from", format="number"),
        raikit.Column(name="coverage", title="Coverage", format="percent"),
        raikit.Column(name="cases", title="Cases", format="integer"),
        raikit.Column(name="risk", title="Selective risk", format="percent"),
        raikit.Column(name="low", title="Low", format="percent"),
        raikit.Column(name="high", title="High", format="percent"),
    ]
    return raikit.Table(
        id="risk_by_coverage",
        title="Risk at each coverage",
        columns=columns,
        rows=[[point[column.name] for column in columns] for point in curve],
        note=f"{confidence(level)} confidence intervals, unadjusted.",
    )


def figure(curve: list[dict[str, Any]], ctx: raikit.CheckContext) -> raikit.Figure:
    """Draw the curve; the colours are named by their role in the report."""
    axis = {"format": "%", "tickCount": 5}
    x = {
        "field": "coverage",
        "type": "quantitative",
        "title": "coverage: share of cases accepted",
        "axis": axis,
        "scale": {"domain": [0, 1]},
    }
    y = {
        "field": "risk",
        "type": "quantitative",
        "title": "risk: share of accepted cases decided wrongly",
        "axis": axis,
    }
    band = {"x": x, "y": {**y, "field": "low"}, "y2": {"field": "high"}}
    spec = {
        "height": 260,
        "layer": [
            {"mark": {"type": "area", "fill": "var(--q2)"}, "encoding": band},
            {
                "mark": {"type": "line", "stroke": "var(--ink)", "point": False},
                "encoding": {"x": x, "y": y},
            },
            {
                "mark": {"type": "point", "filled": True, "fill": "var(--ink)"},
                "encoding": {"x": x, "y": y},
            },
        ],
    }
    all_cases, most_confident = curve[0], curve[-1]
    return raikit.Figure(
        id="risk_by_coverage",
        title="Error rate when only the most confident decisions count",
        subtitle=f"{confidence(ctx.confidence)} confidence intervals, unadjusted",
        alt=(
            f"Risk by coverage: {percent(all_cases['risk'])} at "
            f"{percent(all_cases['coverage'])}, {percent(most_confident['risk'])} at "
            f"{percent(most_confident['coverage'])}."
        ),
        spec=spec,
        data=curve,
    )
