"""The audited split, looked at once: counts of cells of alike rows; rows only where scores are asked about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
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

Coded = tuple["IntArray", list[str | None]]


@dataclass(frozen=True)
class Feature:
    """One sensitive feature or an intersection of several, with the groups that occur.

    Parameters
    ----------
    columns : tuple of str
    groups : list of tuple of str or None
        Values in the order of `columns`; None is missing.
    code : ndarray of int, shape (m,)
        Group of each cell or row; -1 belongs to none.
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

    @cached_property
    def members(self) -> list[IntArray]:
        """Positions of the cells or rows of each group."""
        import numpy as np

        if self.k <= 2:
            return [np.flatnonzero(self.code == at) for at in range(self.k)]
        order = np.argsort(self.code, kind="stable")
        starts = np.searchsorted(self.code[order], np.arange(self.k + 1))
        return [order[starts[at] : starts[at + 1]] for at in range(self.k)]

    def within(self, rows: BoolArray) -> Feature:
        """The same feature among some of the cells, with the groups that occur there."""
        import numpy as np

        there, code = np.unique(self.code[rows], return_inverse=True)
        return Feature(self.columns, [self.groups[at] for at in there.tolist()], code.reshape(-1).astype(np.int64))

    def group(self, at: int) -> dict[str, str | None]:
        """The group as an address has it."""
        return dict(zip(self.columns, self.groups[at], strict=True))

    def name(self, at: int) -> str:
        """The group as people read it: ``sex=F, race missing``; a value that could be misread stands in quotes."""
        return ", ".join(f"{column} missing" if value is None else f"{column}={_legible(value)}" for column, value in
                         zip(self.columns, self.groups[at], strict=True))


def _legible(value: str) -> str:
    odd = not value or value != value.strip() or ("," in value and value[0] not in "[(") or "=" in value
    return f"“{value}”" if odd else value


@dataclass(frozen=True)
class Cells:
    """Truth and prediction of m cells of alike rows, or of m single rows.

    Parameters
    ----------
    truth, prediction : ndarray, shape (m,)
        Positions in the classes; the numbers themselves for regression.
    n : ndarray of int, shape (m,)
        Rows of each cell.
    w, w2 : ndarray, shape (m,)
        Sums of weights and of their squares.
    clusters : list of ndarray of int, each shape (m,)
        At most two; -1: the rows share no cluster with another.
    cluster_names : list of str
    weighted : bool
    features : list of Feature
    control : Feature or None
        What groups are compared within.
    scores : ndarray, shape (m,) or (m, k), or None
        Of the positive class, or of every class.
    ranks : ndarray of int, as `scores`
        Ordered as the scores are, ties equal: sorting is done once for all groups.
    """

    truth: Any
    prediction: Any
    n: IntArray
    w: FloatArray
    w2: FloatArray
    clusters: list[IntArray]
    cluster_names: list[str]
    weighted: bool
    features: list[Feature] = field(default_factory=list)
    control: Feature | None = None
    scores: FloatArray | None = None
    ranks: IntArray | None = None

    def __len__(self) -> int:
        return len(self.n)

    def given(self, at: int) -> Cells:
        """The cells of one control group, with the features among them."""
        assert self.control is not None
        rows = self.control.code == at
        return replace(self.part(rows), features=[feature.within(rows) for feature in self.features])

    def part(self, rows: IntArray | BoolArray) -> Cells:
        """Some of the cells, without features."""
        return replace(
            self, truth=self.truth[rows], prediction=self.prediction[rows], n=self.n[rows], w=self.w[rows],
            w2=self.w2[rows], clusters=[codes[rows] for codes in self.clusters], features=[], control=None,
            scores=None if self.scores is None else self.scores[rows],
            ranks=None if self.ranks is None else self.ranks[rows],
        )


def count_cells(ctx: raikit.CheckContext, intersections: int, max_groups: int, control: Sequence[str] = ()) -> Cells:
    """Count the audited split, out of core, and code its groups. Regression has rows: no two errors are alike.

    Parameters
    ----------
    ctx : CheckContext
    intersections : int
        Most sensitive columns in one intersection.
    max_groups : int
    control : sequence of str
        Sensitive columns that groups are compared within, and not over.

    Raises
    ------
    DataError
        If a feature or intersection has more groups than that, with its name.
    """
    import numpy as np

    if ctx.task == "regression":
        return read_rows(ctx, intersections, max_groups, control)
    columns = list(dict.fromkeys([*ctx.sensitive, "target", "prediction", *ctx.cluster]))
    frame = ctx.predictions.cells(columns, weight=ctx.weight)
    # by position: a sensitive column may be called n
    counts = [frame.iloc[:, at].to_numpy() for at in range(len(columns), frame.shape[1])]
    n = counts[0].astype(np.int64)
    w, w2 = (part.astype(float) for part in (counts[1:] if ctx.weight else (n, n)))
    return _cells(ctx, frame, (n, w, w2), intersections, max_groups, control)


def read_rows(ctx: raikit.CheckContext, intersections: int, max_groups: int, control: Sequence[str] = ()) -> Cells:
    """Read the rows of the audited split with their scores, coded as `count_cells` does."""
    import numpy as np

    wanted = [*ctx.sensitive, "target", "prediction", *ctx.cluster, *([ctx.weight] if ctx.weight else []), *score_columns(ctx)]
    frame = ctx.predictions.frame(list(dict.fromkeys(wanted)))
    n = np.ones(len(frame), dtype=np.int64)
    w = frame[ctx.weight].to_numpy(dtype=float) if ctx.weight else np.ones(len(frame))
    return _cells(ctx, frame, (n, w, w**2), intersections, max_groups, control)


def score_columns(ctx: raikit.CheckContext) -> list[str]:
    """Columns of probabilities, in the order of the classes; empty if they are not there."""
    if ctx.task == "regression":
        return []
    columns = ["score"] if ctx.task == "binary" else [f"score.{label}" for label in ctx.classes]
    return columns if set(columns) <= set(ctx.predictions.columns) else []


def _cells(
    ctx: raikit.CheckContext, frame: pd.DataFrame, counts: tuple[IntArray, FloatArray, FloatArray], intersections: int,
    max_groups: int, control: Sequence[str],
) -> Cells:
    numeric = ctx.task == "regression"
    truth, prediction = (
        frame[column].to_numpy(dtype=float) if numeric else positions(frame[column], ctx.classes)
        for column in ("target", "prediction")
    )
    clusters, names = coded_clusters(frame, ctx.cluster)
    coded = {column: coded_column(frame[column]) for column in ctx.sensitive}
    held = [coded.pop(column) for column in control]
    columns = [column for column in score_columns(ctx) if column in frame]
    scores = frame[columns].to_numpy(dtype=float) if columns else None
    if scores is not None and ctx.task == "binary":
        scores = scores[:, 0]
    return Cells(truth, prediction, *counts, clusters, names, ctx.weight is not None,
                 features_of(coded, intersections, max_groups),
                 crossed(tuple(control), held, max_groups) if held else None, scores, ranks_of(scores))


def ranks_of(scores: FloatArray | None) -> IntArray | None:
    """Dense ranks of scores, column by column."""
    import numpy as np

    if scores is None:
        return None
    if scores.ndim == 1:
        return np.asarray(np.unique(scores, return_inverse=True)[1], dtype=np.int64).reshape(-1)
    return np.column_stack([np.unique(column, return_inverse=True)[1] for column in scores.T]).astype(np.int64)


def positions(values: pd.Series[Any], classes: Sequence[Any]) -> IntArray:
    """Position of each label among the classes.

    Raises
    ------
    DataError
        If there is a label that is none of them.
    """
    import numpy as np
    import pandas as pd

    found = pd.Index(list(classes)).get_indexer(pd.Index(values))
    if (found < 0).any():
        stray = values.iloc[int(np.flatnonzero(found < 0)[0])]
        raise raikit.DataError(f"{stray!r} in column {values.name!r} is none of the classes {list(classes)!r}.")
    return np.asarray(found, dtype=np.int64)


def coded_clusters(frame: pd.DataFrame, columns: Sequence[str]) -> tuple[list[IntArray], list[str]]:
    """Integers for clusters, -1 for a row that shares none. Of more than two columns the coarsest two."""
    import pandas as pd

    coded = [(pd.factorize(frame[column])[0].astype("int64"), column) for column in columns]
    if len(coded) > 2:
        coded = sorted(coded, key=lambda item: int(item[0].max(initial=-1)))[:2]
    return [codes for codes, _ in coded], [name for _, name in coded]


def coded_column(values: pd.Series[Any]) -> Coded:
    """Number the groups of one column, sorted as text, the missing one last."""
    import numpy as np
    import pandas as pd

    codes, known = pd.factorize(values)
    order = sorted(range(len(known)), key=lambda at: str(known[at]))
    rank = np.empty(len(known) + 1, dtype=np.int64)
    rank[order] = np.arange(len(known))
    rank[-1] = len(known)  # factorize says -1 for missing
    names: list[str | None] = [str(known[at]) for at in order]
    return rank[codes], names + [None] * bool((codes < 0).any())


def features_of(coded: Mapping[str, Coded], intersections: int, max_groups: int) -> list[Feature]:
    """Every single feature, then every intersection of two, of three …

    Raises
    ------
    DataError
        If one has more than `max_groups` groups.
    """
    chosen = [columns for size in range(1, intersections + 1) for columns in combinations(coded, size)]
    return [crossed(columns, [coded[column] for column in columns], max_groups) for columns in chosen]


def crossed(columns: tuple[str, ...], parts: Sequence[Coded], max_groups: int) -> Feature:
    """The groups that occur when columns are crossed."""
    import numpy as np

    size = int(np.prod([float(len(names)) for _, names in parts]))
    if size >= 1 << 62:
        raise raikit.DataError(f"{' and '.join(columns)} cannot be crossed: that would be over 10^18 groups.")
    code = np.zeros(len(parts[0][0]), dtype=np.int64)
    for codes, names in parts:
        code = code * len(names) + codes
    if size <= 1 << 20:
        there = np.bincount(code, minlength=size) > 0
        found, code = np.flatnonzero(there), (np.cumsum(there) - 1)[code]
    else:
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
