"""The membership attack on the audited model: whom it is tried on, and what it finds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

import raikit
from raikit import stats
from raikit.arrays import FloatArray, class_positions, cluster_codes, score_columns
from raikit.format import percent
from raikit_privacy.estimates import membership
from raikit_privacy.estimates.arguments import as_argument
from raikit_privacy.estimates.features import SensitiveFeature, cases_seen_in_training, features_of
from raikit_privacy.estimates.membership import Losses

_AREA = "attack AUC"


@dataclass(frozen=True)
class AttackedCases:
    """Members and non-members with the losses of the audited model.

    Parameters
    ----------
    losses : Losses
    features : list of SensitiveFeature
    target : SensitiveFeature or None
        Classes as groups, for the comparison of members with non-members; None for regression.
    split : str
        The non-members'.
    kind : str
        What the loss is, in words.
    cluster_names : list of str
        Columns behind the clusters of `losses`.
    copies : int
        Non-members that have the same cells as a member in the columns of the inputs, at least.
    """

    losses: Losses
    features: list[SensitiveFeature]
    target: SensitiveFeature | None
    split: str
    kind: str
    cluster_names: list[str]
    copies: int = 0

    @classmethod
    def read(cls, ctx: raikit.CheckContext, split: str) -> AttackedCases:
        """Read the training split and the split of the non-members."""
        scores = score_columns(ctx.task, ctx.classes, ctx.predictions.columns)
        columns = list(dict.fromkeys(["target", "prediction", *scores, *ctx.sensitive, *ctx.cluster]))
        parts = [ctx.predictions.frame(columns, part) for part in ("train", split)]
        frame = pd.concat(parts, ignore_index=True)
        member = np.arange(len(frame)) < len(parts[0])
        loss, kind = _losses(frame, scores, ctx)
        target = None if ctx.task == "regression" else features_of(frame, ["target"])[0]
        clusters, names = cluster_codes(frame, ctx.cluster)
        return cls(Losses(member, loss, clusters), features_of(frame, ctx.sensitive), target, split, kind, names,
                   cases_seen_in_training(ctx, split))

    def with_a_member(self) -> list[tuple[str, int]]:
        """Return for each cluster column how many non-members share a cluster with a member, where any do."""
        member = self.losses.member
        shared = [(name, int(np.isin(codes[~member], np.unique(codes[member & (codes >= 0)])).sum()))
                  for name, codes in zip(self.cluster_names, self.losses.clusters, strict=True)]
        return [(name, cases) for name, cases in shared if cases]

    def distances(self) -> list[tuple[str, float]]:
        """Return how far members and non-members differ in each column, the largest distance first."""
        compared = [*([self.target] if self.target is not None else []), *self.features]
        distances = [(feature.column, membership.total_variation(feature, self.losses.member)) for feature in compared]
        return sorted(distances, key=lambda item: -item[1])


def _losses(frame: pd.DataFrame, scores: Sequence[str], ctx: raikit.CheckContext) -> tuple[FloatArray, str]:
    """Return the loss of each case, and what it is in words."""
    if ctx.task == "regression":
        return (frame["target"].to_numpy(dtype=float) - frame["prediction"].to_numpy(dtype=float)) ** 2, "squared error"
    truth = class_positions(frame["target"], ctx.classes)
    if not scores:
        wrong = truth != class_positions(frame["prediction"], ctx.classes)
        return wrong.astype(float), "error (right or wrong; there are no scores)"
    if ctx.task == "binary":
        return membership.binary_cross_entropy(frame["score"].to_numpy(dtype=float), truth == 1), "cross-entropy"
    return membership.cross_entropy(frame[list(scores)].to_numpy(dtype=float), truth), "cross-entropy"


@dataclass(frozen=True)
class AttackResult:
    """Metrics of the attack.

    Parameters
    ----------
    cases : AttackedCases
    area : Metric
    rates : list of Metric
        True positive rate at each false positive rate.
    advantage : Metric
    groups : list of Metric
        Areas of the groups of every feature.
    level : float
    address : callable
        Returns the address of a metric.
    """

    cases: AttackedCases
    area: raikit.Metric
    rates: list[raikit.Metric]
    advantage: raikit.Metric
    groups: list[raikit.Metric]
    level: float
    address: Callable[[raikit.Metric], str]

    @property
    def metrics(self) -> list[raikit.Metric]:
        """All metrics, those of everyone first."""
        return [self.area, *self.rates, self.advantage, *self.groups]


def attack(
    ctx: raikit.CheckContext, cases: AttackedCases, false_positive_rates: Sequence[float], min_group: int,
    address: Callable[[raikit.Metric], str],
) -> AttackResult:
    """Try the attack on everyone, and on each group of the sensitive columns.

    Parameters
    ----------
    ctx : CheckContext
    cases : AttackedCases
    false_positive_rates : sequence of float
    min_group : int
        Fewest members and fewest non-members of a group that is measured by itself.
    address : callable
        Returns the address of a metric.
    """
    level = ctx.confidence
    area = _area(cases.losses, level, level)
    return AttackResult(
        cases=cases, area=area,
        rates=[_true_positive_rate(cases.losses, fpr, level, area.condition) for fpr in false_positive_rates],
        advantage=_advantage(cases.losses, level, ctx.rng, area.condition),
        groups=[metric for feature in cases.features for metric in _group_areas(cases.losses, feature, min_group, level)],
        level=level, address=address,
    )


def _area(losses: Losses, own_level: float, level: float, **fields: Any) -> raikit.Metric:
    """Return an area; where members surely have the higher loss, a small one is no sign that they are hard to recognise."""
    area = membership.area(losses, own_level)
    condition = "" if area.high >= 0.5 else (
        f"nobody takes a high loss for the sign of a training case (that attack tells {percent(1 - area.value)} of pairs apart)")
    return _metric("membership_auc", area, len(losses), level, condition=condition, title=_AREA, **fields)


def _true_positive_rate(losses: Losses, fpr: float, level: float, condition: str) -> raikit.Metric:
    rate = membership.true_positive_rate_at(losses, fpr, level)
    fields: dict[str, Any] = {"args": {"fpr": as_argument(fpr)}, "direction": "lower", "unit": "rate", "condition": condition,
                              "title": f"training cases recognised at {percent(fpr)} false positives"}
    if rate.value is None:
        return raikit.Metric.undefined("membership_tpr_at_fpr", rate.reason, **fields)
    return raikit.Metric(
        "membership_tpr_at_fpr", rate.value, low=rate.low, high=rate.high, n=losses.members, level=level,
        n_clusters=rate.n_clusters, method=rate.method, flags=list(rate.flags), **fields,
    )


def _advantage(losses: Losses, level: float, rng: np.random.Generator, condition: str) -> raikit.Metric:
    try:
        interval = membership.advantage(losses, level, rng)
    except ValueError as problem:
        return raikit.Metric.undefined("membership_advantage", str(problem), direction="lower", unit="points")
    return _metric("membership_advantage", interval, len(losses), level, unit="points", condition=condition)


def _group_areas(losses: Losses, feature: SensitiveFeature, min_group: int, level: float) -> list[raikit.Metric]:
    """Return the area of each group against its own non-members, simultaneous over the feature's groups (Sidak)."""
    parts = [losses.take(feature.code == index) for index in range(feature.k)]
    large = [min(part.members, part.non_members) >= min_group for part in parts]
    level_of_each = level ** (1 / max(sum(large), 1))
    suffix = f", Sidak over {sum(large)} groups" if sum(large) > 1 else ""
    metrics = []
    for index, part in enumerate(parts):
        fields: dict[str, Any] = {"over": [feature.column], "group": {feature.column: feature.groups[index]}}
        if large[index]:
            metrics.append(_area(part, level_of_each, level, suffix=suffix, simultaneous=True, **fields))
        else:
            reason = f"{part.members:,} members and {part.non_members:,} non-members; {min_group} of each are needed"
            metrics.append(raikit.Metric.undefined("membership_auc", reason, direction="lower", **fields))
    return metrics


def _metric(
    name: str, interval: stats.Interval, n: int, level: float, *, unit: str | None = None, suffix: str = "", **fields: Any
) -> raikit.Metric:
    return raikit.Metric(
        name, interval.value, low=min(interval.low, interval.value), high=max(interval.high, interval.value), n=n,
        method=interval.method + suffix, n_clusters=interval.n_clusters, flags=list(interval.flags), level=level,
        direction="lower", unit=unit, **fields,
    )


def undefined_metrics(false_positive_rates: Sequence[float], reason: str) -> list[raikit.Metric]:
    """Return the metrics of an attack that cannot be tried, with the reason."""
    return [
        raikit.Metric.undefined("membership_auc", reason, direction="lower"),
        *(raikit.Metric.undefined("membership_tpr_at_fpr", reason, args={"fpr": as_argument(fpr)}, direction="lower")
          for fpr in false_positive_rates),
        raikit.Metric.undefined("membership_advantage", reason, direction="lower"),
    ]
