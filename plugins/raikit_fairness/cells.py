"""The audited split, looked at once: counts of cells where rows are independent, else the rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

import raikit

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    FloatArray = NDArray[np.float64]
    IntArray = NDArray[np.int64]
    BoolArray = NDArray[np.bool_]


@dataclass(frozen=True)
class Feature:
    """One sensitive feature or an intersection of several, with the groups that occur.

    Parameters
    ----------
    columns : tuple of str
    groups : list of tuple of str or None
        Values in the order of `columns`; None is missing.
    code : ndarray of int, shape (m,)
        Group of each cell or row.
    """

    columns: tuple[str, ...]
    groups: list[tuple[str | None, ...]]
    code: IntArray

    @property
    def k(self) -> int:
        """Number of groups."""
        return len(self.groups)

    @property
    def title(self) -> str:
        """``sex`` or ``sex and race``."""
        return " and ".join(self.columns)

    def group(self, at: int) -> dict[str, str | None]:
        """The group as an address has it."""
        return dict(zip(self.columns, self.groups[at], strict=True))

    def name(self, at: int) -> str:
        """The group as people read it: ``sex=F, race missing``."""
        return ", ".join(f"{column} missing" if value is None else f"{column}={value}" for column, value in
                         zip(self.columns, self.groups[at], strict=True))


@dataclass(frozen=True)
class Cells:
    """Truth and prediction of m cells of alike rows, or of m single rows.

    Parameters
    ----------
    truth, prediction : ndarray, shape (m,)
        Positions in `classes`; the numbers themselves for regression.
    n : ndarray of int, shape (m,)
        Rows of each cell.
    w, w2 : ndarray, shape (m,)
        Sums of weights and of their squares.
    clusters : list of ndarray of int, each shape (m,)
        At most two; with any, cells are rows.
    cluster_names : list of str
    weighted : bool
    features : list of Feature
    """

    truth: Any
    prediction: Any
    n: IntArray
    w: FloatArray
    w2: FloatArray
    clusters: list[IntArray]
    cluster_names: list[str]
    weighted: bool
    features: list[Feature]


def count_cells(ctx: raikit.CheckContext, intersections: int, max_groups: int) -> Cells:
    """Read the audited split once and code its groups.

    Parameters
    ----------
    ctx : CheckContext
    intersections : int
        Most sensitive columns in one intersection.
    max_groups : int

    Raises
    ------
    DataError
        If a feature or intersection has more groups than that, with its name.
    """
    import numpy as np

    counted = not ctx.cluster and ctx.task != "regression"
    columns = [*ctx.sensitive, "target", "prediction"]
    if counted:
        frame = ctx.predictions.cells(columns, weight=ctx.weight)
        # by position: a sensitive column may be called n
        counts = [frame.iloc[:, at].to_numpy() for at in range(len(columns), frame.shape[1])]
        n = counts[0].astype(np.int64)
        w, w2 = (part.astype(float) for part in (counts[1:] if ctx.weight else (n, n)))
    else:
        more = [*ctx.cluster, *([ctx.weight] if ctx.weight else [])]
        frame = ctx.predictions.frame(list(dict.fromkeys([*columns, *more])))
        n = np.ones(len(frame), dtype=np.int64)
        w = frame[ctx.weight].to_numpy(dtype=float) if ctx.weight else np.ones(len(frame))
        w2 = w**2
    numeric = ctx.task == "regression"
    truth, prediction = (
        frame[column].to_numpy(dtype=float) if numeric else _positions(frame[column], ctx.classes)
        for column in ("target", "prediction")
    )
    clusters, names = _clusters(frame, ctx.cluster)
    features = _features(frame, ctx.sensitive, intersections, max_groups)
    return Cells(truth, prediction, n, w, w2, clusters, names, ctx.weight is not None, features)


def _positions(values: pd.Series[Any], classes: Sequence[Any]) -> IntArray:
    import numpy as np
    import pandas as pd

    found = pd.Index(list(classes)).get_indexer(pd.Index(values))
    if (found < 0).any():
        stray = values.iloc[int(np.flatnonzero(found < 0)[0])]
        raise raikit.DataError(f"{stray!r} in column {values.name!r} is none of the classes {list(classes)!r}.")
    return np.asarray(found, dtype=np.int64)


def _clusters(frame: pd.DataFrame, columns: Sequence[str]) -> tuple[list[IntArray], list[str]]:
    """Integers for clusters, -1 for a row that shares none. Of more than two columns the coarsest two."""
    import pandas as pd

    coded = [(pd.factorize(frame[column])[0].astype("int64"), column) for column in columns]
    if len(coded) > 2:
        coded = sorted(coded, key=lambda item: int(item[0].max(initial=-1)))[:2]
    return [codes for codes, _ in coded], [name for _, name in coded]


def _features(frame: pd.DataFrame, sensitive: Sequence[str], intersections: int, max_groups: int) -> list[Feature]:
    """Every single feature, then every intersection of two, of three …"""
    single = {column: _coded(frame[column]) for column in sensitive}
    chosen = [columns for size in range(1, intersections + 1) for columns in combinations(sensitive, size)]
    return [_crossed(columns, [single[column] for column in columns], max_groups) for columns in chosen]


def _coded(values: pd.Series[Any]) -> tuple[IntArray, list[str | None]]:
    """Groups sorted as text, the missing one last."""
    import numpy as np
    import pandas as pd

    codes, known = pd.factorize(values)
    order = sorted(range(len(known)), key=lambda at: str(known[at]))
    rank = np.empty(len(known) + 1, dtype=np.int64)
    rank[order] = np.arange(len(known))
    rank[-1] = len(known)  # factorize says -1 for missing
    names: list[str | None] = [str(known[at]) for at in order]
    return rank[codes], names + [None] * bool((codes < 0).any())


def _crossed(columns: tuple[str, ...], parts: list[tuple[IntArray, list[str | None]]], max_groups: int) -> Feature:
    import numpy as np

    code = np.zeros(len(parts[0][0]), dtype=np.int64)
    for codes, names in parts:
        code = code * len(names) + codes
    found, code = np.unique(code, return_inverse=True)
    if len(found) > max_groups:
        raise raikit.DataError(f"{' and '.join(columns)} has {len(found)} groups, over the {max_groups} of max_groups: "
                               "bin its values, or lower intersections.")
    groups = []
    for number in found.tolist():
        values: list[str | None] = []
        for _, names in reversed(parts):
            number, at = divmod(number, len(names))
            values.insert(0, names[at])
        groups.append(tuple(values))
    return Feature(columns, groups, code.reshape(-1).astype(np.int64))
