"""What the record keeps of each group, so that a later run can be compared without these cases."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

import raikit
from raikit_fairness import measures
from raikit_fairness.estimates.features import Feature
from raikit_fairness.estimates.group_estimates import Estimates, Uncertainty

_LOWER_IS_BETTER = {measure.name for measure in measures.EVERY if measure.direction == "lower"}


def gap_ingredients(name: str, estimates: Estimates, feature: Feature, groups: Sequence[int]) -> raikit.Ingredients:
    """Return the estimates of some groups, with their covariances where groups share clusters."""
    uncertainty = estimates.uncertainty()
    parts = []
    for place, group in enumerate(groups):
        preceding = list(groups[:place])
        shared = np.zeros(0) if uncertainty.covariance is None else uncertainty.covariance[group, preceding]
        parts.append(_ingredient(
            estimates, uncertainty, group, group=feature.name(group), covariance=shared.tolist() if shared.any() else [],
        ))  # fmt: skip
    return raikit.Ingredients(name=name, higher_is_better=higher_is_better(name), estimates=parts)


def value_ingredients(
    name: str, estimates: Estimates, uncertainty: Uncertainty, group: int
) -> list[raikit.Ingredients]:
    """Return the estimate of one group, for its own metric."""
    part = _ingredient(estimates, uncertainty, group)
    return [raikit.Ingredients(higher_is_better=higher_is_better(name), estimates=[part])]


def higher_is_better(name: str) -> bool:
    """Return the direction of a measure; of a neutral one, such as the selection rate, the group with less is behind."""
    return name not in _LOWER_IS_BETTER


def _ingredient(estimates: Estimates, uncertainty: Uncertainty, at: int, **fields: object) -> raikit.Ingredient:
    return raikit.Ingredient.model_validate({
        "value": float(estimates.value[at]), "variance": max(float(uncertainty.variance[at]), 0.0), "df": float(uncertainty.df[at]),
        "n": int(estimates.n[at]), "bins": estimates.bins(at), **fields,
    })  # fmt: skip
