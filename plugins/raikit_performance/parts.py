"""Entities of texts and labels of cases as things that are found or missed: those of one run, and those of two runs matched."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

import raikit
from raikit.arrays import IntArray, arrays_from_frame
from raikit.data.entities import NO_ENTITY, matched_entities
from raikit_performance.answers import agreement, as_numbers
from raikit_performance.compare import Side, coded_alike

NO_LABEL = "\u2205"  # stands where a case does not have a label; no label is called so


def label_frame(frame: pd.DataFrame, positive: Any) -> tuple[pd.DataFrame, list[str]]:
    """Return pairs of a case and a label, and the labels: ``target`` and ``prediction`` hold the label, or `NO_LABEL`."""
    label = frame["target.label"]
    sides = {side: label.where(frame[side] == positive, NO_LABEL) for side in ("target", "prediction")}
    return frame.assign(**sides), list(pd.unique(label))


def label_sides(matched: raikit.MatchedCases, measured: raikit.Measurements) -> tuple[Side, Side]:
    """Return the labels of the cases of both runs; a pair of a case and a label is the same in both."""
    data = measured.data
    frames = [label_frame(frame, data.positive) for frame in (matched.baseline, matched.candidate)]
    names = list(dict.fromkeys(name for _, names in frames for name in names))
    return _sides([frame for frame, _ in frames], [*names, NO_LABEL], matched.units, measured)


def entity_sides(matched: raikit.MatchedCases, measured: raikit.Measurements) -> tuple[Side, Side]:
    """Return the entities of the texts of both runs; one with the same first and last token is the same in both."""
    frames, units, types = matched_entities((matched.baseline, matched.candidate), matched.units)
    return _sides(frames, [*types, NO_ENTITY], units, measured)


def _sides(
    frames: Sequence[pd.DataFrame], classes: Sequence[str], units: Sequence[IntArray], measured: raikit.Measurements
) -> tuple[Side, Side]:
    nothing, data = len(classes) - 1, measured.data
    both = pd.concat(list(frames), ignore_index=True)
    cases = arrays_from_frame(both, "multiclass", classes, cluster=data.cluster, weight=data.weight)
    present = (cases.truth != nothing) | (cases.prediction != nothing)
    first, end = np.arange(len(frames[0])), np.arange(len(frames[0]), len(both))
    return Side(cases.take(first), units[0], present[first]), Side(cases.take(end), units[1], present[end])


def answer_sides(matched: raikit.MatchedCases, measured: raikit.Measurements) -> tuple[Side, Side]:
    """Return the cases of both runs, with how far the annotators agree with the answers."""
    frames = (matched.baseline, matched.candidate)
    accuracy = [agreement(frame["prediction"].tolist(), frame["target.answers"].tolist()) for frame in frames]
    old, new = coded_alike(matched, measured)
    return (
        Side(as_numbers(accuracy[0], old.cases), old.unit, old.present),
        Side(as_numbers(accuracy[1], new.cases), new.unit, new.present),
    )
