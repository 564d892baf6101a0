"""Promise and measurement, kept apart, with the model that each is about."""

from __future__ import annotations

from collections.abc import Sequence

import raikit
from raikit.format import percent
from raikit_privacy.estimates import membership
from raikit_privacy.estimates.attack import AttackedCases
from raikit_privacy.estimates.training_report import TrainingReport
from raikit_privacy.report.wording import at_most, numbers, percent_at_most
from raikit_privacy.words import plain

_AUDITED = "Audited model"
_NOTHING = "Nothing: no private training of it is known"


def no_promise_finding() -> raikit.Finding:
    """Say that nothing is promised about the audited model: an attack that finds little is no guarantee."""
    return raikit.Finding(
        kind="worth_knowing", headline="The audited model carries no known privacy guarantee",
        evidence="ε: none; the model is not known to be trained privately",
        facts=[("About", "The audited model, promised."),
               ("Guarantee", "Only training with differential privacy bounds what every attack can find.")],
        what="guarantee of the audited model", certainty="by construction",
    )


def measured_row(area: raikit.Metric) -> list[str]:
    """Return what an attack on the audited model found."""
    return [_AUDITED, "measured", f"An attack by the loss has an AUC of {numbers(area)}; guessing has 0.5"]


def audited_table(area: raikit.Metric) -> raikit.Table:
    """Return what is measured and what is promised about the audited model."""
    return _table([measured_row(area), [_AUDITED, "promised", _NOTHING]])


def promises_table(ctx: raikit.CheckContext, reports: Sequence[TrainingReport]) -> raikit.Table:
    """Return what is measured and what is promised about the audited model and each private copy."""
    return _table([_attack_row(ctx), [_AUDITED, "promised", _NOTHING], *(row for report in reports for row in _copy_rows(report))])


def _table(rows: list[list[str]]) -> raikit.Table:
    titles = (("model", "Model"), ("kind", "Promised or measured"), ("what", "What"))
    return raikit.Table(
        id="promises", title="Promised and measured", rows=[list(row) for row in rows],
        columns=[raikit.Column(name=name, title=title) for name, title in titles],
        note="A promise bounds every attack. A measurement is what one attack found, which is a lower bound.",
    )


def _attack_row(ctx: raikit.CheckContext) -> list[str]:
    """Return what the attack of ``privacy.membership_inference`` finds with its defaults, on the audited model."""
    split = next((split for split in ("validation", "test") if ctx.predictions.size(split)), None)
    if split is None:
        return [_AUDITED, "measured", "Not attacked: there are no cases that it was not trained on"]
    area = membership.area(AttackedCases.read(ctx, split).losses, ctx.confidence)
    low, high = min(area.low, area.value), max(area.high, area.value)
    return measured_row(raikit.Metric("membership_auc", area.value, low=low, high=high, level=ctx.confidence, n=1,
                                      method=area.method))


def _copy_rows(report: TrainingReport) -> list[list[str]]:
    """Return the promise of a private copy, and that nobody attacked it."""
    model = f"Private copy, ε = {report.target:g}"
    condition = " Conditions: see its finding." if report.condition else ""
    promise = (f"ε = {at_most(report.outcome.epsilon)} at δ = {plain(report.outcome.budget.delta)}. At {percent(0.01)} false "
               f"positives, no attack recognises a training case with a probability above "
               f"{percent_at_most(report.bound.value or 0.0)}.{condition}")
    return [[model, "promised", promise], [model, "measured", "Not attacked"]]
