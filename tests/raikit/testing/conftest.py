"""A check that keeps the contract, to be made worse in one way at a time."""

from __future__ import annotations

import pytest
from pydantic import Field

from raikit import Check, CheckOptions, CheckResult, Comparison, Figure, Finding, Metric, Requires, stats

SPEC = {"mark": "bar", "encoding": {"x": {"field": "rate", "type": "quantitative"}}}


class Rates(Check):
    """The share of right answers in every group.

    With exact intervals.
    """

    name = "mine.rates"
    pillar = "mine"
    requires = Requires(columns={"target", "prediction"})
    produces = ("mine.rate", "mine.noise")

    class Options(CheckOptions):
        """What is counted."""

        tolerance: float = Field(0.5, ge=0, description="How far off a number may be to be right.")

    def run(self, ctx):
        frame = ctx.predictions.frame(["target", "prediction", *ctx.sensitive, *ctx.cluster])
        if ctx.task == "regression":
            right = (frame["target"] - frame["prediction"]).abs() <= self.options.tolerance
        else:
            right = frame["target"] == frame["prediction"]
        clusters = [frame[column].factorize()[0] for column in ctx.cluster]
        metrics = [self.rate(right, clusters, ctx)]
        for column in ctx.sensitive:
            for group, rows in right.groupby(frame[column].astype(object).where(frame[column].notna(), None), dropna=False):
                named = None if group != group else group
                metrics.append(self.rate(rows, [codes[rows.index] for codes in clusters], ctx, over=[column], group={column: named}))
        noise = Metric.exact("noise", float(ctx.rng.random()))
        return CheckResult(
            metrics=[*metrics, noise],
            findings=[Finding(headline="Cases are counted", kind="method", sentence="It was counted.", metrics=[self.address(metrics[0])])],
            figures=[Figure(id="rates", title="Rates", alt="Rates.", spec=SPEC, data=[{"rate": metrics[0].value}])],
        )

    def rate(self, right, clusters, ctx, **place):
        place |= {"n": len(right), "unit": "rate", "direction": "higher"}
        if ctx.cluster:
            found = stats.mean_interval(right, None, clusters, ctx.confidence, (0, 1))
            return Metric("rate", **(vars(found) | place))
        low, high = stats.clopper_pearson(int(right.sum()), len(right), ctx.confidence)
        return Metric("rate", float(right.mean()), low=low, high=high, method="Clopper-Pearson", **place)

    def compare(self, candidate, baseline, margins):
        return [
            Comparison(metric=address, value=before.value - now.value, low=-1, high=1, p_value=None, reason="Too few runs.")
            for address in margins.of
            if (now := candidate.record.find(address)) and (before := baseline.record.find(address))
        ]


@pytest.fixture
def good():
    """The check that keeps the contract."""
    return Rates


@pytest.fixture
def worse():
    """The same, made worse: ``worse(produces=())``; ``run`` may call ``Rates.run(self, ctx)``."""

    def worse(**attributes):
        attributes = {"__doc__": Rates.__doc__, "__module__": __name__, **attributes}
        return type("Worse", (Rates,), attributes)

    return worse
