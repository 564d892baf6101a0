"""Weights of train cases that make group and target independent (reweighing)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from raikit.data.dataset import Dataset

FloatArray = npt.NDArray[np.float64]


def reweighing(data: Dataset, columns: Sequence[str]) -> FloatArray:
    """Compute the weight ``P(g) P(y) / P(g, y)`` of every train case, with group g over all `columns` and target y.

    Parameters
    ----------
    data : Dataset
        Its target must have classes. Probabilities use `data.weight`, if there is one.
    columns : sequence of str
        Among ``data.sensitive``, crossed; a missing value is a group.

    Returns
    -------
    ndarray, shape (train cases,)
        In the order of ``data.batches("train", …)``, as `raikit.fit` takes them for `row_weight`. Their mean, weighted by
        `data.weight`, is 1 if every group has every class.

    References
    ----------
    .. [1] Kamiran and Calders, "Data preprocessing techniques for classification without discrimination", Knowledge
       and Information Systems 2012, section 5.2.
    """
    cases = data.roles.iloc[data.positions("train")]
    # By default, groupby would drop missing values.
    group = cases.groupby(list(columns), dropna=False, sort=False).ngroup().to_numpy()
    weight = cases[data.weight].to_numpy(dtype=float) if data.weight else None
    return independence_weights(group, cases.groupby("target", sort=False).ngroup().to_numpy(), weight)


def independence_weights(
    group: npt.ArrayLike, target: npt.ArrayLike, weight: npt.ArrayLike | None = None
) -> FloatArray:
    """Compute ``P(g) P(y) / P(g, y)`` of each case.

    Examples
    --------
    >>> independence_weights([0, 0, 0, 1], [1, 1, 0, 0]).tolist()
    [0.75, 0.75, 1.5, 0.5]
    """
    g, y = (np.unique(np.asarray(values), return_inverse=True)[1] for values in (group, target))
    w = np.ones(len(g)) if weight is None else np.asarray(weight, dtype=float)
    joint = np.zeros((int(g.max(initial=0)) + 1, int(y.max(initial=0)) + 1))
    np.add.at(joint, (g, y), w)
    joint /= joint.sum()
    expected = np.outer(joint.sum(axis=1), joint.sum(axis=0))
    # Cases of a cell without weight do not count, so any value does for them.
    return np.asarray(np.divide(expected, joint, out=np.ones_like(joint), where=joint > 0)[g, y])

