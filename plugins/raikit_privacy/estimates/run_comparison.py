"""Compare private trainings of two runs: an epsilon is larger or smaller than another at one delta only."""

from __future__ import annotations

import math

import raikit
from raikit_privacy.words import plain


def compare_epsilons(candidate: raikit.RunView, baseline: raikit.RunView, margins: raikit.Margins) -> list[raikit.Comparison]:
    """Return no decision for each epsilon that fell while its delta rose, or the other way round.

    A training satisfies a whole curve of (epsilon, delta): another delta alone gives it another epsilon. Where both moved one
    way, or delta is the same, the records decide.

    Parameters
    ----------
    candidate, baseline : RunView
    margins : Margins
    """
    now, before = ({str(metric.id): metric for _, metric in run.record.metrics()} for run in (candidate, baseline))
    undecided = []
    for address, margin in margins.of.items():
        if now[address].name != "epsilon":
            continue
        at = address.replace(".epsilon(", ".delta(")
        epsilons, deltas = ([run[name].value if name in run else None for run in (before, now)] for name in (address, at))
        if reason := _reason(_values(epsilons), _values(deltas)):
            undecided.append(raikit.Comparison.undecided(address, margin.margin, reason, n=now[address].n, method="not tested"))
    return undecided


def _values(values: list[float | None]) -> tuple[float, float] | None:
    before, after = values
    return None if before is None or after is None else (before, after)


def _reason(epsilons: tuple[float, float] | None, deltas: tuple[float, float] | None) -> str:
    """Say why two epsilons cannot be compared; empty if they can."""
    if deltas is None or epsilons is None:
        return "δ is not known in both runs, and an ε has a meaning at its δ only"
    (before, after), (epsilon_before, epsilon_after) = deltas, epsilons
    if math.isclose(before, after, rel_tol=1e-6) or (before < after) == (epsilon_before < epsilon_after):
        return ""
    return (f"δ was {plain(before)} and is {plain(after)}, and an ε has a meaning at its δ only; "
            "set `delta` to one value in both runs")
