"""Columns of the predictions as arrays: clusters, and the groups of each sensitive feature."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    import raikit

    FloatArray = NDArray[np.float64]
    IntArray = NDArray[np.int64]
    BoolArray = NDArray[np.bool_]


@dataclass(frozen=True)
class Feature:
    """The groups of one sensitive column.

    Parameters
    ----------
    column : str
    groups : list of str or None
        Sorted as text, the missing group (None) last.
    code : ndarray of int, shape (n,)
        Position of each row's group.
    """

    column: str
    groups: list[str | None]
    code: IntArray

    @property
    def k(self) -> int:
        """Number of groups."""
        return len(self.groups)

    def name(self, index: int) -> str:
        """Write a group as an address does: ``sex=F``."""
        group = self.groups[index]
        return f"{self.column}={'null' if group is None else group}"

    def of(self, rows: BoolArray | IntArray) -> Feature:
        """The same feature of some rows."""
        return Feature(self.column, self.groups, self.code[rows])


def features_of(frame: pd.DataFrame, columns: Sequence[str]) -> list[Feature]:
    """Each sensitive column's groups."""
    import pandas as pd

    found = []
    for column in columns:
        values = frame[column]
        present = sorted(values.dropna().astype(str).unique())
        code = pd.Categorical(values.astype("object").where(values.isna(), values.astype(str)), present).codes.astype("int64")
        missing = code < 0
        groups: list[str | None] = [*present, *([None] if missing.any() else [])]
        code[missing] = len(present)
        found.append(Feature(column, groups, code))
    return found


def clusters_of(frame: pd.DataFrame, columns: Sequence[str]) -> list[IntArray]:
    """Integers for clusters, -1 for a row that shares none. Of more than two columns the coarsest two."""
    import pandas as pd

    coded = [pd.factorize(frame[column])[0].astype("int64") for column in columns]
    return sorted(coded, key=lambda codes: int(codes.max(initial=-1)))[:2] if len(coded) > 2 else coded


def finest(clusters: Sequence[IntArray], rows: int) -> IntArray:
    """The finest clustering, rows that share none as clusters of their own: what samples and halves are made of."""
    import numpy as np

    if not clusters:
        return np.arange(rows)
    codes = max(clusters, key=lambda column: int(column.max(initial=-1))).copy()
    alone = codes < 0
    codes[alone] = codes.max(initial=-1) + 1 + np.arange(int(alone.sum()))
    return codes


def largest_clusters(ctx: raikit.CheckContext, split: str) -> dict[str, int]:
    """For each cluster column, the most rows of the split that one cluster has."""
    counts: dict[str, int] = {}
    for column in ctx.cluster:
        cells = ctx.predictions.cells([column], split=split).dropna(subset=[column])
        counts[column] = int(cells.iloc[:, -1].max()) if len(cells) else 0
    return counts


def score_columns(ctx: raikit.CheckContext) -> list[str]:
    """Columns of probabilities, in the order of the classes; empty if they are not there."""
    columns = ["score"] if ctx.task == "binary" else [f"score.{label}" for label in ctx.classes]
    return columns if set(columns) <= set(ctx.predictions.columns) else []


def positions(values: Any, classes: Sequence[Any]) -> IntArray:
    """Position of each label among the classes.

    Raises
    ------
    DataError
        If there is a label that is no class.
    """
    import numpy as np
    import pandas as pd

    import raikit

    found = pd.Index(list(classes)).get_indexer(pd.Index(values))
    if (found < 0).any():
        raise raikit.DataError(f"{values.iloc[int(np.flatnonzero(found < 0)[0])]!r} in column {values.name!r} is none of "
                               f"the classes {list(classes)!r}.")
    return np.asarray(found, dtype=np.int64)
