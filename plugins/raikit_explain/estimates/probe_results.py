"""Metrics of probes: how many decisions change, and by how much scores move."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

import raikit
from raikit import stats
from raikit.arrays import cluster_codes
from raikit.format import case_noun, column_text
from raikit_explain.estimates.measures import metric_of
from raikit_explain.estimates.opposites import Opposite
from raikit_explain.estimates.probes import FEWEST, Outcome, effect, flip_rate
from raikit_explain.names import input_name


@dataclass(frozen=True)
class Probe:
    """One respect in which cases were changed.

    Attributes
    ----------
    kind : {"term", "column", "replacement"}
    args : mapping
        Arguments of its metrics' addresses.
    outcome : Outcome
    """

    kind: Literal["term", "column", "replacement"]
    args: dict[str, Any]
    outcome: Outcome

    @property
    def name(self) -> str:
        """What was changed, in words."""
        if self.kind == "column":
            return column_text(str(self.args["column"]))
        return str(self.args["terms"]) if self.kind == "term" else input_name(str(self.args["input"]))

    @property
    def nothing(self) -> str:
        """Why nothing was measured, if the cases are too few."""
        return f"fewer than {FEWEST} {case_noun()} have one of the terms" if self.kind == "term" else (
            f"fewer than {FEWEST} {case_noun()} could be changed")


def metrics(probes: Sequence[Probe], level: float, regression: bool) -> list[raikit.Metric]:
    """Compute the metrics of all probes."""
    return [metric for probe in probes for metric in _of(probe, level, regression)]


def _of(probe: Probe, level: float, regression: bool) -> list[raikit.Metric]:
    found = []
    if not regression:
        name = {"term": "term_flip_rate", "column": "column_flip_rate", "replacement": "replacement_flip_rate"}[probe.kind]
        title = {"term": f"decisions that change with {probe.name}", "column": f"decisions that change with {probe.name}",
                 "replacement": f"decisions that change with another {probe.name}"}[probe.kind]
        found.append(flip_rate(name, probe.outcome, level, among=probe.kind != "replacement", nothing=probe.nothing,
                               args=probe.args, title=title))
    if probe.kind != "replacement":
        name, key = ("term_swap_effect", "to") if probe.kind == "term" else ("column_effect", "to")
        first = probe.outcome.names[0]
        found += [effect(name, probe.outcome, version, level, regression=regression, nothing=probe.nothing,
                         args={**probe.args, key: to}, title=f"change of the score with {probe.name} {to} instead of {first}")
                  for version, to in enumerate(probe.outcome.names) if version]
    return found


def distance(ctx: raikit.CheckContext, nearest: Sequence[Opposite], level: float) -> raikit.Metric:
    """Compute the mean distance of cases from their nearest opposite."""
    values = np.array([one.distance for one in nearest])
    if not len(values):
        return raikit.Metric.undefined(
            "opposite_distance", f"no {case_noun(1)} has an opposite, or the inputs are pictures or sounds, which have no distance")
    cases = pd.DataFrame([one.case for one in nearest])
    clusters, _ = cluster_codes(cases, ctx.cluster)
    weight = cases[ctx.weight].to_numpy(dtype=float) if ctx.weight else None
    if weight is not None and not weight.any():
        return raikit.Metric.undefined("opposite_distance", f"the drawn {case_noun()} have no weight")
    return metric_of("opposite_distance", stats.mean_interval(values, weight, clusters, level, (0.0, 1.0)), len(values), "",
                     title=f"distance to the nearest {case_noun(1)} with another decision", unit="rate",
                     way=f"mean over random {case_noun()} of Gower's distance")
