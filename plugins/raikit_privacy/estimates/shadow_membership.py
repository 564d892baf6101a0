"""What attacks with shadow models recognise: every attack on everyone, and the declared one on each group."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

import raikit
from raikit.arrays import FloatArray
from raikit.format import count, percent
from raikit_privacy.estimates import membership, shadow_attacks
from raikit_privacy.estimates.arguments import as_argument
from raikit_privacy.estimates.attack import AttackedCases
from raikit_privacy.estimates.features import SensitiveFeature
from raikit_privacy.estimates.membership import Losses
from raikit_privacy.estimates.shadow_attacks import Signals
from raikit_privacy.estimates.shadow_models import AttackedPool, ShadowModels

Attack = Literal["bavaria", "rmia", "lira", "lira_offline", "calibrated", "quantile", "entropy", "loss"]

NAMES: dict[Attack, str] = {
    "bavaria": "BaVarIA", "rmia": "RMIA", "lira": "LiRA", "lira_offline": "LiRA, offline", "calibrated": "calibrated loss",
    "quantile": "quantile regression", "entropy": "entropy", "loss": "loss",
}
_ONE_MODEL = ("quantile", "entropy", "loss")


@dataclass(frozen=True)
class ShadowResult:
    """The attacks, with their metrics.

    Parameters
    ----------
    cases : AttackedCases
        Members and non-members; their losses are those of the audited model.
    models : int
    scores : dict of str to ndarray
        Score of each case by attack, the declared one first; higher for members.
    impossible : list of Metric
        Those of attacks that these cases do not allow, with the reason.
    areas : dict of str to Metric
        Area under the ROC curve by attack, simultaneous over the attacks.
    rates : dict of str to list of Metric
        True positive rates by attack, in the order of the false positive rates, simultaneous over the attacks.
    groups : list of Metric
        Areas and rates of the declared attack in each group, simultaneous over the groups of a feature.
    level : float
    address : callable
        Returns the address of a metric.
    """

    cases: AttackedCases
    models: int
    scores: dict[Attack, FloatArray]
    impossible: list[raikit.Metric]
    areas: dict[Attack, raikit.Metric]
    rates: dict[Attack, list[raikit.Metric]]
    groups: list[raikit.Metric]
    level: float
    address: Callable[[raikit.Metric], str]

    @property
    def declared(self) -> Attack:
        """The attack that groups are examined with, chosen before any score was seen."""
        return next(iter(self.scores))

    @property
    def strongest(self) -> Attack:
        """The attack whose area is surely the largest; intervals are simultaneous, so that it may be chosen afterwards."""
        return max(self.areas, key=lambda attack: self.areas[attack].low or 0.0)

    @property
    def metrics(self) -> list[raikit.Metric]:
        """All metrics, those of the declared attack first."""
        return [*(metric for attack in self.scores for metric in (self.areas[attack], *self.rates[attack])),
                *self.impossible, *self.groups]

    def losses(self, attack: Attack) -> Losses:
        """Return minus the scores of an attack, as `raikit_privacy.estimates.membership` takes them."""
        return replace(self.cases.losses, loss=-self.scores[attack])


def score_cases(
    ctx: raikit.CheckContext, cases: AttackedCases, pool: AttackedPool, shadows: ShadowModels, attacks: Sequence[Attack]
) -> dict[Attack, FloatArray | str]:
    """Train the shadow models and compute the score of each case by each attack.

    Returns
    -------
    dict of str to ndarray or str
        In place of scores, the reason why an attack cannot be tried on these cases.
    """
    assert ctx.data is not None and ctx.model is not None
    audited = pool.scores(ctx.data, ctx.model)
    signals = shadows.signals(audited)
    scores: dict[Attack, FloatArray | str] = {}
    for attack in attacks:
        try:
            scores[attack] = _score(ctx, attack, cases, audited, signals)
        except shadow_attacks.TooFewCasesError as problem:
            scores[attack] = str(problem)
    return scores


def _score(
    ctx: raikit.CheckContext, attack: Attack, cases: AttackedCases, audited: FloatArray, signals: Signals
) -> FloatArray:
    if attack == "entropy":
        return shadow_attacks.entropy_attack(audited)
    if attack == "loss":
        return shadow_attacks.loss_attack(signals.audited)
    if attack == "quantile":
        return shadow_attacks.quantile_attack(signals.audited, _features(cases), cases.losses.member, ctx.rng)
    with_shadows: dict[Attack, Callable[[Signals], FloatArray]] = {
        "bavaria": shadow_attacks.bavaria, "rmia": shadow_attacks.rmia, "lira": shadow_attacks.lira,
        "lira_offline": shadow_attacks.lira_offline, "calibrated": shadow_attacks.calibrated_attack,
    }
    return with_shadows[attack](signals)


def _features(cases: AttackedCases) -> FloatArray:
    """Return what is known of a case without the model: its class and its groups, as codes."""
    columns = [feature.code for feature in ([cases.target] if cases.target else []) + cases.features]
    return np.column_stack(columns).astype(float) if columns else np.zeros((len(cases.losses), 1))


def measure(
    ctx: raikit.CheckContext, cases: AttackedCases, models: int, outcomes: dict[Attack, FloatArray | str],
    false_positive_rates: Sequence[float], min_group: int, address: Callable[[raikit.Metric], str],
) -> ShadowResult:
    """Measure what each attack recognises.

    Notes
    -----
    Intervals are simultaneous over the attacks (Bonferroni), because the strongest is named. Groups are examined with the first
    attack alone, whose choice depends on no score; their intervals are simultaneous over the groups of a feature.
    """
    level = ctx.confidence
    scores = {attack: score for attack, score in outcomes.items() if not isinstance(score, str)}
    impossible = [metric for attack, reason in outcomes.items() if isinstance(reason, str)
                  for metric in undefined_metrics([attack], false_positive_rates, reason)]
    of_each = 1 - (1 - level) / len(scores)
    suffix = f", Bonferroni over {len(scores)} attacks" if len(scores) > 1 else ""
    areas, rates = {}, {}
    for attack, score in scores.items():
        losses = replace(cases.losses, loss=-score)
        common: dict[str, Any] = {"attack": attack, "level": level, "own_level": of_each, "suffix": suffix,
                                  "simultaneous": len(scores) > 1}
        areas[attack] = _area(losses, **common)
        rates[attack] = [_rate(losses, fpr, **common) for fpr in false_positive_rates]
    first = next(iter(scores))  # attacks with shadow models are always possible, and the loss too
    losses = replace(cases.losses, loss=-scores[first])
    groups = [metric for feature in cases.features
              for metric in _group_metrics(losses, feature, first, false_positive_rates, min_group, level)]
    return ShadowResult(cases, models, scores, impossible, areas, rates, groups, level, address)


def _area(losses: Losses, *, attack: Attack, level: float, own_level: float, suffix: str, **fields: Any) -> raikit.Metric:
    area = membership.area(losses, own_level)
    return raikit.Metric(
        "shadow_auc", area.value, low=min(area.low, area.value), high=max(area.high, area.value), n=len(losses), level=level,
        method=area.method + suffix, n_clusters=area.n_clusters, flags=list(area.flags), args={"attack": attack},
        direction="lower", title=f"AUC of {NAMES[attack]}", **fields)


def _rate(
    losses: Losses, fpr: float, *, attack: Attack, level: float, own_level: float, suffix: str, **fields: Any
) -> raikit.Metric:
    rate = membership.true_positive_rate_at(losses, fpr, own_level)
    fields |= {"args": {"attack": attack, "fpr": as_argument(fpr)}, "direction": "lower", "unit": "rate",
               "title": f"training cases that {NAMES[attack]} recognises at {percent(fpr)} false positives"}
    if rate.value is None:
        return raikit.Metric.undefined("shadow_tpr_at_fpr", rate.reason, **fields)
    return raikit.Metric(
        "shadow_tpr_at_fpr", rate.value, low=rate.low, high=rate.high, n=losses.members, level=level,
        n_clusters=rate.n_clusters, method=rate.method + suffix, flags=list(rate.flags), **fields)


def _group_metrics(
    losses: Losses, feature: SensitiveFeature, attack: Attack, false_positive_rates: Sequence[float], min_group: int, level: float
) -> list[raikit.Metric]:
    """Return area and rates of each group against its own non-members."""
    parts = [losses.take(feature.code == index) for index in range(feature.k)]
    large = [min(part.members, part.non_members) >= min_group for part in parts]
    groups = max(sum(large), 1)
    common: dict[str, Any] = {"attack": attack, "level": level, "own_level": 1 - (1 - level) / groups, "simultaneous": groups > 1,
                              "suffix": f", Bonferroni over {groups} groups" if groups > 1 else "", "over": [feature.column]}
    metrics = []
    for index, part in enumerate(parts):
        group = {feature.column: feature.groups[index]}
        if large[index]:
            metrics += [_area(part, group=group, **common),
                        *(_rate(part, fpr, group=group, **common) for fpr in false_positive_rates)]
            continue
        reason = f"{count(part.members)} members and {count(part.non_members)} non-members; {min_group} of each are needed"
        metrics.append(raikit.Metric.undefined(
            "shadow_auc", reason, args={"attack": attack}, over=[feature.column], group=group, direction="lower"))
    return metrics


def undefined_metrics(attacks: Sequence[Attack], false_positive_rates: Sequence[float], reason: str) -> list[raikit.Metric]:
    """Return the metrics of attacks that cannot be tried, with the reason."""
    return [
        metric for attack in attacks for metric in (
            raikit.Metric.undefined("shadow_auc", reason, args={"attack": attack}, direction="lower"),
            *(raikit.Metric.undefined("shadow_tpr_at_fpr", reason, args={"attack": attack, "fpr": as_argument(fpr)},
                                      direction="lower") for fpr in false_positive_rates))
    ]
