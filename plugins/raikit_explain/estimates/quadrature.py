"""Nested rules of quadrature on [0, 1], so that a finer estimate of an integral reuses every evaluation of a coarser one."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from raikit.arrays import FloatArray


@dataclass(frozen=True)
class Level:
    """What one level adds.

    Attributes
    ----------
    steps : int
        Intervals of the rule.
    nodes : ndarray, shape (k,)
        Nodes that no coarser level has.
    """

    steps: int
    nodes: FloatArray


@dataclass(frozen=True)
class Rule:
    """Levels from coarse to fine.

    Attributes
    ----------
    levels : tuple of Level
    weights : tuple of ndarray, shapes (number of levels, k)
        ``weights[a][b]`` weighs the new nodes of level `a` in the estimate of level `b`; 0 where `b` is coarser.
    """

    levels: tuple[Level, ...]
    weights: tuple[FloatArray, ...]


@cache
def nested_rule(most_steps: int) -> Rule:
    """Return Fejér's second rule [1]_ with 4, 8, 16, … intervals, as far as `most_steps` allows.

    Its nodes lie inside the interval: a gradient at the baseline itself, where norms and roots have none, is never needed. A
    level with ``s`` intervals has ``s - 1`` nodes and is exact for polynomials of degree ``s - 1``.

    References
    ----------
    .. [1] Waldvogel, "Fast construction of the Fejér and Clenshaw-Curtis quadrature rules", BIT 46, 2006.

    Examples
    --------
    >>> [level.steps for level in nested_rule(16).levels], [len(level.nodes) for level in nested_rule(16).levels]
    ([4, 8, 16], [3, 4, 8])
    """
    steps = [4 << power for power in range(12) if 4 << power <= max(most_steps, 4)]
    numbers = [np.arange(1, 4) if index == 0 else np.arange(1, of, 2) for index, of in enumerate(steps)]
    levels = tuple(Level(of, 0.5 * (1 - np.cos(np.pi * own / of))) for of, own in zip(steps, numbers, strict=True))
    weights = []
    for a, own in enumerate(numbers):
        weights.append(np.stack([_fejer(of)[own * (of // steps[a]) - 1] if of >= steps[a] else np.zeros(len(own))
                                 for of in steps]))
    return Rule(levels, tuple(weights))


def _fejer(steps: int) -> FloatArray:
    """Return the weights of Fejér's second rule on [0, 1], shape (steps - 1,)."""
    angles = np.pi * np.arange(1, steps) / steps
    odd = np.arange(1, steps, 2)
    return np.asarray(2 / steps * np.sin(angles) * (np.sin(np.outer(angles, odd)) / odd).sum(axis=1))
