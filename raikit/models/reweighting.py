"""Weights of train rows under which group and target are independent (reweighing)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from raikit.data.dataset import Dataset

FloatArray = npt.NDArray[np.float64]


def reweighing(data: Dataset, columns: Sequence[str]) -> FloatArray:
    """Weight every train row by ``P(g) P(y) / P(g, y)``, g its group over all of `columns` and y its target.

    Parameters
    ----------
    data : Dataset
        Its target has classes. Shares are taken with `data.weight`, if there is one.
    columns : sequence of str
        Of ``data.sensitive``, crossed; a missing value is a group.

    Returns
    -------
    ndarray, shape (train rows,)
        In the order of ``data.batches("train", …)``, to be multiplied with `data.weight`: what `raikit.fit` takes as
        `row_weight`. Their mean (with `data.weight`) is 1 if every group has every class.

    References
    ----------
    .. [1] Kamiran and Calders, "Data preprocessing techniques for classification without discrimination", Knowledge
       and Information Systems 2012, section 5.2.
    """
    rows = data.roles.iloc[data.positions("train")]  # binned, and no media need be decoded
    # a plain groupby would drop missing values
    group = rows.groupby(list(columns), dropna=False, sort=False).ngroup().to_numpy()
    weight = rows[data.weight].to_numpy(dtype=float) if data.weight else None
    return independent(group, rows.groupby("target", sort=False).ngroup().to_numpy(), weight)


def independent(group: npt.ArrayLike, target: npt.ArrayLike, weight: npt.ArrayLike | None = None) -> FloatArray:
    """``P(g) P(y) / P(g, y)`` of each row.

    Examples
    --------
    >>> independent([0, 0, 0, 1], [1, 1, 0, 0]).tolist()
    [0.75, 0.75, 1.5, 0.5]
    """
    g, y = (np.unique(np.asarray(values), return_inverse=True)[1] for values in (group, target))
    w = np.ones(len(g)) if weight is None else np.asarray(weight, dtype=float)
    joint = np.zeros((int(g.max(initial=0)) + 1, int(y.max(initial=0)) + 1))
    np.add.at(joint, (g, y), w)
    joint /= joint.sum()
    expected = np.outer(joint.sum(axis=1), joint.sum(axis=0))
    # a cell of rows that all have weight 0 teaches nothing, whatever stands here
    return np.asarray(np.divide(expected, joint, out=np.ones_like(joint), where=joint > 0)[g, y])

