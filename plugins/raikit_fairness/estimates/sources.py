"""Cells from what a notebook holds: arrays, or a Parquet or CSV file that DuckDB counts out of core."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import raikit
from raikit_fairness.estimates.case_counts import (
    Cells,
    Coded,
    coded_clusters,
    coded_column,
    crossed,
    features_of,
    ranks_of,
)

if TYPE_CHECKING:
    import pandas as pd

    from raikit_fairness.estimates.case_counts import FloatArray, IntArray

_DENSE = 1 << 22  # combinations up to which cells are counted in one table
_EXACT_ROWS = 10_000_000  # scores of more rows are counted in bins
_BINS = 1_000


@dataclass(frozen=True)
class Scope:
    """What is compared.

    Parameters
    ----------
    sensitive, control, clusters : sequence of str
    intersections, max_groups : int
    """

    sensitive: Sequence[str]
    control: Sequence[str]
    clusters: Sequence[str]
    intersections: int
    max_groups: int


@dataclass(frozen=True)
class Source:
    """Truth, prediction and groups, counted.

    Parameters
    ----------
    task : str
    classes : list
        Binary: negative, positive.
    positive : object
    cells : Cells
    rows : Cells or None
        With scores.
    note : str
        How far binned scores may be off; empty if they are exact.
    """

    task: str
    classes: list[Any]
    positive: Any
    cells: Cells
    rows: Cells | None
    note: str = ""


# --- arrays -----------------------------------------------------------------------------------------------------


def from_arrays(
    frame: pd.DataFrame, columns: Mapping[str, pd.Series[Any]], scores: FloatArray | None, scope: Scope, positive: Any,
    threshold: float,
) -> Source:
    """Count rows that are in memory.

    Parameters
    ----------
    frame : DataFrame
        ``truth``, ``prediction`` (absent: by `threshold` from the scores), ``weight`` (absent: 1).
    columns : mapping of str to Series
        Sensitive, control and cluster columns.
    scores : ndarray, shape (n,) or (n, k), or None
    """
    import numpy as np

    task, classes = task_of(frame, positive)
    scores = _of_classes(scores, task, classes)
    weight = frame["weight"].to_numpy(dtype=float) if "weight" in frame else np.ones(len(frame))
    _refuse_weights(weight)
    truth, prediction = _positions(frame, task, classes, scores, threshold)
    coded = {name: coded_column(columns[name]) for name in (*scope.sensitive, *scope.control)}
    clusters, names = coded_clusters_of(columns, scope.clusters)
    weighted = "weight" in frame
    rows = task == "regression" or bool(clusters)
    everyone = None
    if rows or scores is not None:
        everyone = _rows(truth, prediction, weight, clusters, names, weighted, coded, scope, scores)
    if rows:
        assert everyone is not None
        return Source(task, classes, classes[-1] if classes else None, everyone, everyone if scores is not None else None)
    counted = _count(truth, prediction, weight if weighted else None, coded, len(classes), scope)
    return Source(task, classes, classes[-1], counted, everyone)


def _of_classes(scores: FloatArray | None, task: str, classes: list[Any]) -> FloatArray | None:
    """Probabilities of the positive class, or of every class: checked, in the order of `classes`."""
    import numpy as np

    if scores is None:
        return None
    if task == "regression":
        raise raikit.ConfigError("scores: a numeric target has none; give its predictions as y_pred.")
    if (bad := np.argwhere(~np.isfinite(scores))).size:
        raise raikit.DataError(f"scores: row {int(bad[0][0])} is no number.")
    if (bad := np.argwhere((scores < 0) | (scores > 1))).size:
        raise raikit.DataError(f"scores: row {int(bad[0][0])} is no probability; rescale them to 0 … 1.")
    if task == "binary" and scores.ndim == 1:
        return scores
    if scores.ndim != 2 or scores.shape[1] != len(classes):
        shape = "one column" if scores.ndim == 1 else f"{scores.shape[1]} columns"
        raise raikit.DataError(f"scores have {shape}; the {len(classes)} classes need one each, in sorted order.")
    # columns stand in the order of the sorted labels; of two classes the positive one may be the first of them
    return scores[:, _sorted(classes).index(classes[1])] if task == "binary" else scores


def _sorted(labels: Collection[Any]) -> list[Any]:
    return sorted(labels, key=lambda value: (str(type(value)), value))


def task_of(frame: pd.DataFrame, positive: Any) -> tuple[str, list[Any]]:
    """Read the task off the truth as an audit does: two values, text or at most 20 integers, other numbers."""
    import pandas as pd

    truth = frame["truth"]
    if truth.isna().any():
        raise raikit.DataError(f"y_true: row {int(truth.isna().to_numpy().argmax())} is missing.")
    if "prediction" in frame and frame["prediction"].isna().any():
        raise raikit.DataError(f"y_pred: row {int(frame['prediction'].isna().to_numpy().argmax())} is missing.")
    seen = set(pd.unique(truth))
    integral = pd.api.types.is_integer_dtype(truth) or pd.api.types.is_bool_dtype(truth) or all(
        float(value).is_integer() for value in seen if isinstance(value, float))
    if pd.api.types.is_numeric_dtype(truth) and not (integral and len(seen) <= 20) and len(seen) > 2:
        return "regression", []
    if "prediction" in frame:
        said = set(pd.unique(frame["prediction"]))
        if len(said - seen) > 20:
            raise raikit.DataError(
                f"y_pred holds {len(said):,} values where y_true has {len(seen)} labels; give probabilities as scores.")
        seen |= said
    labels = _sorted(seen)
    if seen <= {0, 1}:
        labels = [0, 1]
    if len(labels) > 2:
        return "multiclass", labels
    return "binary", _ordered(labels, positive)


def _ordered(labels: list[Any], positive: Any) -> list[Any]:
    """Negative, then positive."""
    if positive is None:
        if labels != [0, 1]:
            raise raikit.ConfigError(f"positive: name the positive class; the labels are {', '.join(map(repr, labels))}.")
        return labels
    if positive not in labels:
        raise raikit.ConfigError(f"positive: {positive!r} is none of the labels {', '.join(map(repr, labels))}.")
    others = [label for label in labels if label != positive]
    return [*(others or [f"not {positive}"]), positive]


def _refuse_weights(weight: FloatArray) -> None:
    import numpy as np

    if not np.isfinite(weight).all():
        raise raikit.DataError(f"sample_weight: row {int((~np.isfinite(weight)).argmax())} is no number.")
    if (weight < 0).any():
        raise raikit.DataError(f"sample_weight: row {int((weight < 0).argmax())} is negative.")
    if not weight.any():
        raise raikit.DataError("sample_weight: every weight is zero.")


def _positions(
    frame: pd.DataFrame, task: str, classes: list[Any], scores: FloatArray | None, threshold: float
) -> tuple[Any, Any]:
    import numpy as np

    if task == "regression":
        if "prediction" not in frame:
            raise raikit.ConfigError("y_pred: a numeric target needs predictions.")
        return frame["truth"].to_numpy(dtype=float), frame["prediction"].to_numpy(dtype=float)
    truth = _coded(frame["truth"], classes)
    if "prediction" in frame:
        return truth, _coded(frame["prediction"], classes)
    if scores is None:
        raise raikit.ConfigError("y_pred: give predictions or scores.")
    prediction = (scores >= threshold).astype(np.int64) if scores.ndim == 1 else scores.argmax(axis=1)
    return truth, prediction


def _coded(values: pd.Series[Any], classes: list[Any]) -> IntArray:
    import numpy as np
    import pandas as pd

    if classes == [0, 1]:
        return np.asarray((values == 1).to_numpy(dtype=bool), dtype=np.int64)
    return np.asarray(pd.Index(classes).get_indexer(pd.Index(values)), dtype=np.int64)


def coded_clusters_of(columns: Mapping[str, pd.Series[Any]], names: Sequence[str]) -> tuple[list[IntArray], list[str]]:
    """Integers for cluster columns, -1 for a row that shares none."""
    import pandas as pd

    return coded_clusters(pd.DataFrame({name: columns[name] for name in names}), names) if names else ([], [])


def _rows(
    truth: Any, prediction: Any, weight: FloatArray, clusters: list[IntArray], names: list[str], weighted: bool,
    coded: dict[str, Coded], scope: Scope, scores: FloatArray | None,
) -> Cells:
    import numpy as np

    return Cells(truth, prediction, np.ones(len(truth), dtype=np.int64), weight, weight**2, clusters, names, weighted,
                 *_features(coded, scope), scores, ranks_of(scores))


def _features(coded: dict[str, Coded], scope: Scope) -> tuple[list[Any], Any]:
    held = [coded[name] for name in scope.control]
    compared = {name: coded[name] for name in scope.sensitive}
    control = crossed(tuple(scope.control), held, scope.max_groups) if held else None
    return features_of(compared, scope.intersections, scope.max_groups), control


def _count(
    truth: IntArray, prediction: IntArray, weight: FloatArray | None, coded: dict[str, Coded], classes: int, scope: Scope
) -> Cells:
    """Count the combinations of groups, truth and prediction in one pass each for rows and for weights."""
    import numpy as np

    sizes = [len(names) for _, names in coded.values()]
    if float(np.prod([float(part) for part in sizes])) * classes**2 >= 2.0**62:  # too many to number: rows are the cells
        ones = np.ones(len(truth))
        w = ones if weight is None else weight
        return Cells(truth, prediction, ones.astype(np.int64), w, w**2, [], [], weight is not None, *_features(coded, scope))
    code = np.zeros(len(truth), dtype=np.int64)
    for (codes, _), size in zip(coded.values(), sizes, strict=True):
        code *= size
        code += codes
    code *= classes
    code += truth
    code *= classes
    code += prediction
    size = int(np.prod([float(part) for part in sizes])) * classes**2
    if size <= _DENSE:
        cells = np.arange(size)
    else:
        cells, code = np.unique(code, return_inverse=True)
        size = len(cells)
    n = np.bincount(code, minlength=size)
    there = np.flatnonzero(n)
    w = n.astype(float) if weight is None else np.bincount(code, weight, minlength=size)
    w2 = w if weight is None else np.bincount(code, weight**2, minlength=size)
    rest, said = np.divmod(cells[there], classes)
    rest, true = np.divmod(rest, classes)
    small: dict[str, Coded] = {}
    for name, size in reversed(list(zip(coded, sizes, strict=True))):
        rest, at = np.divmod(rest, size)
        small[name] = at, coded[name][1]
    features = _features({name: small[name] for name in coded}, scope)
    return Cells(true, said, n[there], w[there], w2[there], [], [], weight is not None, *features)


# --- a file -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Columns:
    """Columns of a file.

    Parameters
    ----------
    target, prediction, weight, score : str or None
    threshold : float
        Without predictions: the score from which on a row is predicted positive.
    """

    target: str
    prediction: str | None
    score: str | None
    weight: str | None
    threshold: float


def from_file(path: Path, columns: Columns, scope: Scope, positive: Any) -> Source:
    """Count a file's rows with DuckDB; only distinct combinations come into memory, and rows if scores are exact."""

    table = _Table(path)
    table.refuse_unknown([*scope.sensitive, *scope.control, *scope.clusters,
                          *(name for name in (columns.target, columns.prediction, columns.score, columns.weight) if name)])
    by = list(dict.fromkeys([*scope.sensitive, *scope.control, *scope.clusters]))
    said = _quoted(columns.prediction) if columns.prediction else f"CAST({_quoted(str(columns.score))} >= ? AS INTEGER)"
    values = [] if columns.prediction else [columns.threshold]
    frame = table.cells(by, {"truth": _quoted(columns.target), "prediction": said}, columns.weight, values)
    for name, column in (("truth", columns.target), ("prediction", columns.prediction or columns.score)):
        if frame[name].isna().any():
            raise raikit.DataError(f"{path.name}: a row has no {column!r}.")
    task, classes = task_of(frame, positive)
    if task == "regression":
        raise raikit.ConfigError(f"{path.name}: {columns.target!r} is a numeric target; read its columns and give arrays.")
    cells = _cells_of(frame, classes, columns, scope)
    if columns.score is None or task != "binary":
        return Source(task, classes, classes[-1], cells, None)
    binned = int(cells.n.sum()) > _EXACT_ROWS
    score = _quoted(columns.score)
    place = f"least(CAST(floor({score} * {_BINS}) AS INTEGER), {_BINS - 1})" if binned else score
    wanted = {"truth": _quoted(columns.target), "prediction": said, "place": place}
    more = {"score": f"avg({score})"}
    scored = table.cells(by, wanted, columns.weight, values, more)
    score_of = scored["score"]
    if not ((score_of >= 0) & (score_of <= 1)).all():
        raise raikit.DataError(f"{path.name}: {columns.score!r} holds what is no probability (0 … 1).")
    rows = _cells_of(scored, classes, columns, scope, scored["score"].to_numpy(dtype=float))
    note = f"{_BINS:,} score bins, areas off by at most {_most_off(rows):.1g}" if binned else ""
    return Source(task, classes, classes[-1], cells, rows, note)


def _most_off(rows: Cells) -> float:
    """Half of the pairs of a positive and a negative that share a bin: as far as an area can be off."""
    import numpy as np

    assert rows.scores is not None
    place = np.minimum((rows.scores * _BINS).astype(np.int64), _BINS - 1)
    positive, negative = (np.bincount(place, rows.w * side, minlength=_BINS) for side in (rows.truth == 1, rows.truth != 1))
    return float(positive @ negative / (2 * positive.sum() * negative.sum()))


def _cells_of(
    frame: pd.DataFrame, classes: list[Any], columns: Columns, scope: Scope, scores: FloatArray | None = None
) -> Cells:
    import numpy as np

    n = frame["n"].to_numpy(dtype=np.int64)
    w, w2 = (frame[name].to_numpy(dtype=float) if columns.weight else n.astype(float) for name in ("w", "w2"))
    _refuse_weights(w)
    if columns.weight and (frame["least"] < 0).any():
        raise raikit.DataError(f"{columns.weight!r} holds a negative weight.")
    if columns.weight and frame["absent"].any():
        raise raikit.DataError(f"{columns.weight!r} holds rows without a weight.")
    by = [name for name in frame if name.startswith("by.")]
    coded = {name[3:]: coded_column(frame[name]) for name in by if name[3:] in (*scope.sensitive, *scope.control)}
    clusters, kept = coded_clusters(frame, [f"by.{name}" for name in scope.clusters])
    return Cells(_coded(frame["truth"], classes), _coded(frame["prediction"], classes), n, w, w2, clusters,
                 [name.removeprefix("by.") for name in kept], columns.weight is not None, *_features(coded, scope), scores,
                 ranks_of(scores))


class _Table:
    """A Parquet or CSV file as DuckDB sees it."""

    def __init__(self, path: Path) -> None:
        import duckdb

        if not path.is_file():
            raise raikit.DataError(f"{path}: no such file.")
        self.path = path
        self._connection = duckdb.connect(config={"threads": "2"})
        read = "read_csv" if path.suffix.lower() in (".csv", ".tsv", ".txt") else "read_parquet"
        try:
            self._rows = self._connection.sql(f"SELECT * FROM {read}(?)", params=[str(path)])  # noqa: S608
        except duckdb.Error:
            raise raikit.DataError(f"{path.name} is no Parquet or CSV file.") from None
        self._connection.register("cases", self._rows)

    def refuse_unknown(self, columns: Sequence[str]) -> None:
        known = list(self._rows.columns)
        for column in columns:
            if column not in known:
                raise raikit.DataError(f"no column {column!r} in {self.path.name}; columns there: {', '.join(known)}.")

    def cells(
        self, by: Sequence[str], named: Mapping[str, str], weight: str | None, values: Sequence[Any],
        more: Mapping[str, str] | None = None,
    ) -> pd.DataFrame:
        """Count the combinations of `by` (as text) and of named expressions; sums of weights where there are any."""
        keys = {f"by.{name}": f"CAST({_quoted(name)} AS VARCHAR)" for name in by} | dict(named)
        sums = {"n": "count(*)", **(more or {})}
        if weight:
            w = _quoted(weight)
            sums |= {"w": f"sum({w})", "w2": f"sum({w} * {w})", "least": f"min({w})", "absent": f"count(*) - count({w})"}
        chosen = ", ".join(f"{expression} AS {_quoted(name)}" for name, expression in {**keys, **sums}.items())
        order = ", ".join(str(at + 1) for at in range(len(keys)))
        # names are quoted identifiers of columns that were just checked; values travel as parameters
        query = f"SELECT {chosen} FROM cases GROUP BY {order} ORDER BY {order}"  # noqa: S608
        found: pd.DataFrame = self._connection.execute(query, list(values)).df()
        return found


def _quoted(identifier: str) -> str:
    return '"' + identifier.replace('"', '""') + '"'
