"""The check ``privacy.membership_inference``: does a row's loss tell that the model was trained on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import Field, field_validator

import raikit
from raikit_privacy.estimates.features import clusters_of, features_of, positions, score_columns
from raikit_privacy.words import number

if TYPE_CHECKING:
    import pandas as pd

    from raikit_privacy.estimates.features import Feature, FloatArray
    from raikit_privacy.estimates.membership import Losses

NonMembers = Literal["validation", "test"]


class MembershipInference(raikit.Check):
    """Tries to tell train rows from other rows by the audited model's loss, which is lower where it remembers.

    The loss-threshold attack, the weakest that anyone with labels and scores can mount: what it finds is a lower bound on
    what is betrayed, and finding nothing proves nothing. Non-members are validation rows unless the options say otherwise,
    because test rows may come from other people than train rows, and an attack that tells populations apart measures no
    memory.

    References
    ----------
    .. [1] Yeom et al., "Privacy Risk in Machine Learning: Analyzing the Connection to Overfitting", CSF 2018.
    .. [2] Carlini et al., "Membership Inference Attacks From First Principles", IEEE S&P 2022.
    """

    name = "privacy.membership_inference"
    pillar = "privacy"
    cost = "quick"
    requires = raikit.Requires(columns={"target", "prediction"}, tasks={"binary", "multiclass", "regression"}, splits={"train"})
    produces = ("privacy.membership_auc", "privacy.membership_tpr_at_fpr", "privacy.membership_advantage")

    class Options(raikit.CheckOptions):
        """Whom the attack is tried on."""

        non_members: Literal["auto", "validation", "test"] = Field(
            "auto", description="Split that was not trained on. auto: validation, and test only where there is none."
        )
        false_positive_rates: tuple[float, ...] = Field(
            (0.01,), description="False positive rates at which the true positive rate is given."
        )
        min_group: int = Field(30, ge=2, description="Fewest members and fewest non-members of a group to be measured by itself.")

        @field_validator("false_positive_rates")
        @classmethod
        def _are_rates(cls, values: tuple[float, ...]) -> tuple[float, ...]:
            if len(set(values)) != len(values) or not all(0 < value < 1 for value in values):
                raise ValueError("each must lie between 0 and 1, and none may stand twice")
            return values

    def run(self, ctx: raikit.CheckContext) -> raikit.CheckResult:
        from raikit_privacy.estimates import membership
        from raikit_privacy.report import figures

        chosen = self._non_members(ctx)
        if isinstance(chosen, str) and chosen not in ("validation", "test"):
            return self._impossible(chosen)
        rows = Attacked.read(ctx, chosen)
        area = self._area(rows, ctx)
        rates = [self._rate(rows, fpr, ctx) for fpr in self.options.false_positive_rates]
        advantage = self._advantage(rows, ctx)
        groups = [metric for feature in rows.features for metric in self._groups(rows, feature, ctx)]
        drawn = [figures.roc(*membership.roc(rows.losses), area), figures.area_by_group(groups, ctx.confidence)]
        return raikit.CheckResult(
            metrics=[area, *rates, advantage, *groups], figures=[figure for figure in drawn if figure is not None],
            findings=self._findings(rows, area, rates, groups, ctx), tables=[rows.table()],
        )

    def _non_members(self, ctx: raikit.CheckContext) -> str:
        """The split of the non-members, or the reason why there is none."""
        asked = self.options.non_members
        for split in ("validation", "test") if asked == "auto" else (asked,):
            if ctx.predictions.size(split):
                return split
        return f"there are no rows that were not trained on in {'validation or test' if asked == 'auto' else asked}"

    def _impossible(self, reason: str) -> raikit.CheckResult:
        fields: dict[str, Any] = {"direction": "lower"}
        return raikit.CheckResult(metrics=[
            raikit.Metric.undefined("membership_auc", reason, **fields),
            *(raikit.Metric.undefined("membership_tpr_at_fpr", reason, args={"fpr": number(fpr)}, **fields)
              for fpr in self.options.false_positive_rates),
            raikit.Metric.undefined("membership_advantage", reason, **fields),
        ])

    def _area(self, rows: Attacked, ctx: raikit.CheckContext) -> raikit.Metric:
        from raikit_privacy.estimates.membership import area

        return _of_interval("membership_auc", area(rows.losses, ctx.confidence), len(rows.losses.loss), ctx.confidence)

    def _rate(self, rows: Attacked, fpr: float, ctx: raikit.CheckContext) -> raikit.Metric:
        from raikit_privacy.estimates.membership import true_positives_at

        found = true_positives_at(rows.losses, fpr, ctx.confidence)
        fields: dict[str, Any] = {"args": {"fpr": number(fpr)}, "direction": "lower", "unit": "rate"}
        if found.value is None:
            return raikit.Metric.undefined("membership_tpr_at_fpr", found.reason, **fields)
        return raikit.Metric(
            "membership_tpr_at_fpr", found.value, low=found.low, high=found.high, n=rows.losses.members, level=ctx.confidence,
            n_clusters=found.n_clusters, method=found.method, flags=list(found.flags), **fields,
        )

    def _advantage(self, rows: Attacked, ctx: raikit.CheckContext) -> raikit.Metric:
        from raikit_privacy.estimates.membership import advantage

        try:
            found = advantage(rows.losses, ctx.confidence, ctx.rng)
        except ValueError as problem:
            return raikit.Metric.undefined("membership_advantage", str(problem), direction="lower", unit="points")
        return _of_interval("membership_advantage", found, len(rows.losses.loss), ctx.confidence, unit="points")

    def _groups(self, rows: Attacked, feature: Feature, ctx: raikit.CheckContext) -> list[raikit.Metric]:
        """The area of each group against its own non-members, all groups of a feature at once (Sidak)."""
        from raikit_privacy.estimates.membership import area

        parts = [rows.losses.of(feature.code == index) for index in range(feature.k)]
        enough = [min(part.members, part.others) >= self.options.min_group for part in parts]
        level = ctx.confidence ** (1 / max(sum(enough), 1))
        found = []
        for index, part in enumerate(parts):
            fields: dict[str, Any] = {"over": [feature.column], "group": {feature.column: feature.groups[index]}}
            if not enough[index]:
                found.append(raikit.Metric.undefined(
                    "membership_auc", f"{part.members:,} members and {part.others:,} non-members; it takes "
                    f"{self.options.min_group} of each", direction="lower", **fields))
                continue
            found.append(_of_interval(
                "membership_auc", area(part, level), len(part.loss), ctx.confidence, simultaneous=True,
                suffix=f", Sidak over {sum(enough)} groups" if sum(enough) > 1 else "", **fields))
        return found

    def _findings(
        self, rows: Attacked, area: raikit.Metric, rates: list[raikit.Metric], groups: list[raikit.Metric],
        ctx: raikit.CheckContext,
    ) -> list[raikit.Finding]:
        from raikit_privacy.report import membership as exposure

        said = [exposure.area_finding(self, rows, area, ctx), *(exposure.rate_finding(self, rows, rate, ctx) for rate in rates)]
        return [*said, *exposure.group_findings(self, area, groups, ctx), *exposure.caveats(rows, ctx)]


@dataclass(frozen=True)
class Attacked:
    """Members and non-members with the losses of the audited model.

    Parameters
    ----------
    losses : Losses
    features : list of Feature
    target : Feature or None
        Classes as groups, for the comparison of members with non-members; None for regression.
    split : str
        The non-members'.
    kind : str
        What the loss is, in words.
    """

    losses: Losses
    features: list[Feature]
    target: Feature | None
    split: str
    kind: str

    @classmethod
    def read(cls, ctx: raikit.CheckContext, split: str) -> Attacked:
        """Read both splits; what is not needed is not read."""
        import pandas as pd

        from raikit_privacy.estimates.membership import Losses

        scores = [] if ctx.task == "regression" else score_columns(ctx)
        columns = list(dict.fromkeys(["target", "prediction", *scores, *ctx.sensitive, *ctx.cluster]))
        parts = [ctx.predictions.frame(columns, part) for part in ("train", split)]
        frame = pd.concat(parts, ignore_index=True)
        member = np.arange(len(frame)) < len(parts[0])
        loss, kind = _losses(frame, scores, ctx)
        target = None if ctx.task == "regression" else features_of(frame[["target"]], ["target"])[0]
        return cls(Losses(member, loss, clusters_of(frame, ctx.cluster)), features_of(frame, ctx.sensitive), target, split, kind)

    def distances(self) -> list[tuple[str, float]]:
        """How far members and non-members differ in each column, the farthest first."""
        from raikit_privacy.estimates.membership import distances

        compared = [*([self.target] if self.target is not None else []), *self.features]
        return sorted(((f.column, distances(f, self.losses.member)) for f in compared), key=lambda item: -item[1])

    def table(self) -> raikit.Table:
        """Whether non-members look like members."""
        return raikit.Table(
            id="population", title="How much members and non-members differ",
            columns=[raikit.Column(name="column", title="Column"),
                     raikit.Column(name="distance", title="Share of rows that would have to differ", format="percent")],
            rows=[[column, distance] for column, distance in self.distances()],
            note=f"{self.losses.members:,} members (train) and {self.losses.others:,} non-members ({self.split}). "
                 "Total variation distance of the groups' shares; with few rows it is above 0 by chance.",
        )


def _losses(frame: pd.DataFrame, scores: list[str], ctx: raikit.CheckContext) -> tuple[FloatArray, str]:
    from raikit_privacy.estimates.membership import binary_cross_entropy, cross_entropy

    if ctx.task == "regression":
        return (frame["target"].to_numpy(dtype=float) - frame["prediction"].to_numpy(dtype=float)) ** 2, "squared error"
    truth = positions(frame["target"], ctx.classes)
    if not scores:
        return (truth != positions(frame["prediction"], ctx.classes)).astype(float), "error (right or wrong; there are no scores)"
    if ctx.task == "binary":
        return binary_cross_entropy(frame["score"].to_numpy(dtype=float), truth == 1), "cross-entropy"
    return cross_entropy(frame[scores].to_numpy(dtype=float), truth), "cross-entropy"


def _of_interval(
    name: str, found: Any, n: int, level: float, *, unit: str | None = None, suffix: str = "", **fields: Any
) -> raikit.Metric:
    return raikit.Metric(
        name, found.value, low=min(found.low, found.value), high=max(found.high, found.value), n=n, method=found.method + suffix,
        n_clusters=found.n_clusters, flags=list(found.flags), level=level, direction="lower", unit=unit, **fields,
    )
