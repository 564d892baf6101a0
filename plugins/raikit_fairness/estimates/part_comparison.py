"""What got worse since the baseline for one label of several, or for one type of entity: the cases of each are compared alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

import raikit
from raikit.arrays import IntArray
from raikit.data.entities import NO_ENTITY, matched_entities
from raikit_fairness.estimates.run_comparison import compare_matched
from raikit_fairness.settings import IntervalSettings


@dataclass(frozen=True)
class _Part:
    """The cases of one label or type in both runs, and what their record would say of them."""

    matched: raikit.MatchedCases
    changed: Mapping[str, Any]


_Parts = Callable[[raikit.MatchedCases, raikit.Measurements], Callable[[str], _Part]]


def compare_labels(
    candidate: raikit.RunView, baseline: raikit.RunView, margins: raikit.Margins, settings: IntervalSettings
) -> list[raikit.Comparison]:
    """Compare disparities of labels; baseline files, which have no cases, are left to the harness."""
    return _compare(candidate, baseline, margins, settings, "label", _labels)


def compare_entities(
    candidate: raikit.RunView, baseline: raikit.RunView, margins: raikit.Margins, settings: IntervalSettings
) -> list[raikit.Comparison]:
    """Compare disparities of types of entities; baseline files, which have no cases, are left to the harness."""
    return _compare(candidate, baseline, margins, settings, "entity", _entities)


def _compare(
    candidate: raikit.RunView, baseline: raikit.RunView, margins: raikit.Margins, settings: IntervalSettings, argument: str,
    parts: _Parts,
) -> list[raikit.Comparison]:  # fmt: skip
    named: dict[str, dict[str, raikit.Metric]] = {}
    for _, metric in candidate.record.metrics():
        if str(metric.id) in margins.of and argument in metric.args:
            named.setdefault(str(metric.args[argument]), {})[str(metric.id)] = metric
    if not named or baseline.is_file:
        return []
    part_of, compared = parts(raikit.match_rows(candidate, baseline, margins), candidate.record), []
    for name, metrics in named.items():
        part = part_of(name)
        clusters = [column for column in candidate.record.data.cluster if _is_shared(column, part.matched)]
        data = candidate.record.data.model_copy(update={"cluster": clusters, **part.changed})
        measured = candidate.record.model_copy(update={"data": data})
        own = {address: _of_class(metric, argument) for address, metric in metrics.items()}
        compared += compare_matched(own, part.matched, measured, margins, settings, seed=0)
    return compared


def _of_class(metric: raikit.Metric, argument: str) -> raikit.Metric:
    """Return a metric of a type of entity as that of a class; a label's is that of the positive class, which has no name."""
    args = {name: value for name, value in metric.args.items() if name != argument}
    if argument == "entity":
        args["class"] = metric.args[argument]
    return metric.model_copy(update={"args": args})


def _is_shared(column: str, matched: raikit.MatchedCases) -> bool:
    """Return whether cases of a run share values of a cluster column; else it says nothing."""
    return any(frame[column].nunique() < len(frame) for frame in (matched.baseline, matched.candidate))


def _labels(matched: raikit.MatchedCases, measured: raikit.Measurements) -> Callable[[str], _Part]:
    def part_of(name: str) -> _Part:
        frames, units = [], []
        for frame, unit in zip((matched.baseline, matched.candidate), matched.units, strict=True):
            has = (frame["target.label"].astype(str) == name).to_numpy()
            frames.append(frame[has].reset_index(drop=True))
            units.append(unit[has])
        return _Part(_again(matched, frames, units), {})

    return part_of


def _entities(matched: raikit.MatchedCases, measured: raikit.Measurements) -> Callable[[str], _Part]:
    frames, units, types = matched_entities((matched.baseline, matched.candidate), matched.units)
    part = _Part(_again(matched, frames, units), {"task": "multiclass", "classes": [*types, NO_ENTITY]})
    return lambda _: part


def _again(matched: raikit.MatchedCases, frames: Sequence[pd.DataFrame], units: Sequence[IntArray]) -> raikit.MatchedCases:
    """Return other cases of the same runs."""
    shared = len(np.intersect1d(units[0], units[1])) if matched.shared else 0
    return raikit.MatchedCases(frames[0], frames[1], (units[0], units[1]), shared, matched.note)
