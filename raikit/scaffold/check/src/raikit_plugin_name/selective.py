"""How often a model is wrong where it is sure: selective prediction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import raikit
from pydantic import Field

if TYPE_CHECKING:
    import pandas as pd


class SelectiveRisk(raikit.Check):
    """How often the model is wrong on the rows that it is sure of.

    A row is accepted if the score of what was decided reaches the threshold. Coverage
    is the share of rows that are accepted; the selective risk is the share of accepted
    rows that were decided wrongly. A model whose scores mean something is wrong less
    often the fewer rows it has to decide.

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
        """What audit.yaml may say under the name of the check."""

        threshold: float = Field(
            0.8,
            ge=0,
            le=1,
            description="Score of the decision from which a row counts.",
        )
        points: int = Field(
            10,
            ge=2,
            le=100,
            description="Points of the curve, evenly spread in coverage.",
        )

    def run(self, ctx: raikit.CheckContext) -> raikit.CheckResult:
        """Measure; what it means for a release is for the rules in audit.yaml."""
        rows = decisions(ctx)
        accepted = rows["score"] >= self.options.threshold
        sure = rows[accepted]
        coverage = share("coverage", accepted, rows, ctx, direction="higher")
        risk = share("selective_risk", sure["wrong"], sure, ctx, direction="lower")
        curve = risk_by_coverage(rows, ctx, self.options.points)
        return raikit.CheckResult(
            metrics=[coverage, risk],
            findings=self.findings(coverage, risk),
            tables=[table(curve)],
            figures=[figure(curve, ctx)],
        )

    def findings(
        self, coverage: raikit.Metric, risk: raikit.Metric
    ) -> list[raikit.Finding]:
        """One sentence: who, how much, how sure, from how much data."""
        score = f"a score of at least {self.options.threshold:g}"
        if risk.value is None:
            sentence = f"No decision has {score}: the model is never that sure."
        else:
            sentence = (
                f"Decisions with {score} are wrong in {risk.value:.1%} of rows "
                f"(interval {risk.low:.1%} to {risk.high:.1%}; {risk.n:,} rows, "
                f"{coverage.value:.1%} of all)."
            )
        addresses = [self.address(risk), self.address(coverage)]
        return [
            raikit.Finding(
                sentence=sentence, metrics=addresses, figures=["risk_by_coverage"]
            )
        ]


def decisions(ctx: raikit.CheckContext) -> pd.DataFrame:
    """Read the audited rows, with the score of what was decided and whether it is wrong.

    Returns
    -------
    DataFrame
        ``score`` (float), ``wrong`` (bool), then the cluster columns and the weight.
    """
    import numpy as np
    import pandas as pd

    roles = [*ctx.cluster, *([ctx.weight] if ctx.weight else [])]
    binary = ctx.task == "binary"
    scores = ["score"] if binary else [f"score.{label}" for label in ctx.classes]
    rows = ctx.predictions.frame(["target", "prediction", *scores, *roles])
    table = rows[scores].to_numpy()
    if binary:  # of two classes only the positive one has a column
        table = np.hstack([1 - table, table])
    decided = pd.Index(list(ctx.classes)).get_indexer(rows["prediction"])
    rows = rows[roles].assign(
        score=table[np.arange(len(rows)), decided],
        wrong=rows["prediction"] != rows["target"],
    )
    return rows[rows[ctx.weight] > 0] if ctx.weight else rows


def share(
    name: str,
    events: pd.Series,
    rows: pd.DataFrame,
    ctx: raikit.CheckContext,
    **fields: Any,
) -> raikit.Metric:
    """Measure the share of rows with an event, with an interval that holds its level.

    Exact for rows that are independent and count alike; else a t interval over the
    clusters that `audit.yaml` names, with its weights.
    """
    import pandas as pd

    if rows.empty:
        return raikit.Metric.undefined(name, "no decision is that sure", **fields)
    fields = {"unit": "rate", "n": len(rows), **fields}
    if not ctx.cluster and not ctx.weight:
        hits = int(events.sum())
        low, high = raikit.stats.clopper_pearson(hits, len(rows), ctx.confidence)
        fields |= {"low": low, "high": high, "method": "Clopper-Pearson"}
        return raikit.Metric(name, hits / len(rows), **fields)
    clusters = [pd.factorize(rows[column])[0] for column in ctx.cluster[:2]]
    weight = rows[ctx.weight] if ctx.weight else None
    found = raikit.stats.mean_interval(
        events, weight, clusters, level=ctx.confidence, bounds=(0, 1)
    )
    return raikit.Metric(name, **(vars(found) | fields))


def risk_by_coverage(
    rows: pd.DataFrame, ctx: raikit.CheckContext, points: int
) -> list[dict[str, Any]]:
    """Accept fewer and fewer rows, the surest last, and measure the risk of the rest."""
    curve = []
    for at in range(points):
        threshold = rows["score"].quantile(at / points)
        sure = rows[rows["score"] >= threshold]
        risk = share("selective_risk", sure["wrong"], sure, ctx)
        curve.append(
            {
                "threshold": float(threshold),
                "coverage": len(sure) / len(rows),
                "rows": len(sure),
                "risk": risk.value,
                "low": risk.low,
                "high": risk.high,
            }
        )
    return curve


def table(curve: list[dict[str, Any]]) -> raikit.Table:
    """The curve in numbers."""
    columns = [
        raikit.Column(name="threshold", title="Score from", format="number"),
        raikit.Column(name="coverage", title="Coverage", format="percent"),
        raikit.Column(name="rows", title="Rows", format="integer"),
        raikit.Column(name="risk", title="Selective risk", format="percent"),
        raikit.Column(name="low", title="low", format="percent"),
        raikit.Column(name="high", title="high", format="percent"),
    ]
    return raikit.Table(
        id="risk_by_coverage",
        title="Risk at each coverage",
        columns=columns,
        rows=[[point[column.name] for column in columns] for point in curve],
        note="Each interval by itself.",
    )


def figure(curve: list[dict[str, Any]], ctx: raikit.CheckContext) -> raikit.Figure:
    """Draw the curve: a Vega-Lite spec, with colours by their role in the report."""
    axis = {"format": "%", "tickCount": 5}
    x = {
        "field": "coverage",
        "type": "quantitative",
        "title": "coverage: rows that are accepted",
        "axis": axis,
        "scale": {"domain": [0, 1]},
    }
    y = {
        "field": "risk",
        "type": "quantitative",
        "title": "risk: accepted rows that are wrong",
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
    every, surest = curve[0], curve[-1]
    return raikit.Figure(
        id="risk_by_coverage",
        title="The fewer rows it has to decide, the less often it is wrong?",
        subtitle=f"{ctx.confidence:.0%} intervals, each by itself",
        alt=(
            f"Risk by coverage: {every['risk']:.1%} at {every['coverage']:.0%}, "
            f"{surest['risk']:.1%} at {surest['coverage']:.0%}."
        ),
        spec=spec,
        data=curve,
    )
