"""A source of cells from a table of any size, which DuckDB counts out of core."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import raikit
from raikit.arrays import FloatArray, cluster_codes
from raikit.data.cell_types import CellFormat
from raikit.data.scan import TableScan
from raikit.models.probabilities import are_decisions, clip_rounding, first_improbable
from raikit.process.database import open_database
from raikit_fairness.estimates.case_counts import Cells, dense_ranks
from raikit_fairness.estimates.group_columns import cluster_notes, coded_groups
from raikit_fairness.estimates.labels import plain_labels, same_labels
from raikit_fairness.estimates.sources import GroupingColumns, Source, check_weights, infer_task, label_positions

_EXACT_CASES = 10_000_000  # scores of more cases are counted in bins
_BINS = 1_000
_KEY = "by."  # begins the names of grouping columns in a table of counts


@dataclass(frozen=True)
class FileColumns:
    """Columns of a file, by role.

    Parameters
    ----------
    target : str
    prediction, score, weight : str or None
    threshold : float
        Without predictions: a case with this score or a higher one is predicted positive.
    written : CellFormat
        How the cells of a text table are written.
    """

    target: str
    prediction: str | None
    score: str | None
    weight: str | None
    threshold: float
    written: CellFormat = field(default_factory=CellFormat)


def source_from_file(path: Path, columns: FileColumns, grouping: GroupingColumns, positive: Any) -> Source:
    """Count the cases of a file. Only distinct combinations come into memory; with exact scores, the scores too.

    Raises
    ------
    DataError
        If there is no such file or column, a case has no label, or a score or weight is invalid.
    ConfigError
        If the target is numeric, or the positive class is not named.
    """
    grouped = [*grouping.sensitive, *grouping.control, *grouping.clusters]
    by = list(dict.fromkeys(grouped))
    roles = (columns.target, columns.prediction, columns.score, columns.weight)
    table = _CaseTable(TableScan(path, [*by, *(name for name in roles if name)], columns.written))
    if columns.prediction:
        prediction, parameters = table.column(columns.prediction), []
    else:
        prediction, parameters = f"CAST({table.number(str(columns.score))} >= ? AS INTEGER)", [columns.threshold]
    expressions = {"truth": table.column(columns.target), "prediction": prediction}
    frame = _alike(table.count(by, expressions, columns.weight, parameters), columns)
    for name, column in (("truth", columns.target), ("prediction", columns.prediction or columns.score)):
        if frame[name].isna().any():
            raise raikit.DataError(f"{path.name}: a row has no {column!r}.")
    task, classes = infer_task(frame, positive)
    if task == "regression":
        raise raikit.ConfigError(
            f"{path.name}: {columns.target!r} is a numeric target; read its columns and give arrays."
        )
    cells = _cells(frame, classes, columns, grouping)
    alike = cluster_notes({name: frame[_KEY + name] for name in grouping.clusters}, grouping.clusters)
    del frame  # Cases with scores need that memory.
    if columns.score is None or task != "binary":
        return Source(task, classes, classes[-1], cells, None, cluster_notes=alike)
    binned = int(cells.n.sum()) > _EXACT_CASES
    scored = _scored_cells(table, by, expressions, columns, parameters, classes, grouping, binned)
    note = f"{_BINS:,} score bins, areas off by at most {_largest_area_error(scored):.1g}" if binned else ""
    return Source(task, classes, classes[-1], cells, scored, note, alike)


def _scored_cells(
    table: _CaseTable, by: Sequence[str], expressions: Mapping[str, str], columns: FileColumns, parameters: Sequence[Any],
    classes: list[Any], grouping: GroupingColumns, binned: bool,
) -> Cells:  # fmt: skip
    """Count the cells of equal scores, or of one bin of scores."""
    score = table.number(str(columns.score))
    if binned:
        place = {"place": f"least(CAST(floor({score} * {_BINS}) AS INTEGER), {_BINS - 1})"}
        average = {"score": f"avg({score})"}
    else:
        place, average = {"score": f"CAST({score} AS DOUBLE)"}, {}
    # In ascending order of the scores, cells need not be sorted, and so copied, again.
    counted = table.count(by, {**expressions, **place}, columns.weight, parameters, average, first=next(iter(place)))
    frame = _alike(counted, columns)
    return _cells(frame, classes, columns, grouping, _probabilities(frame["score"], f"{table.name}: {columns.score!r}"))


def _alike(frame: pd.DataFrame, columns: FileColumns) -> pd.DataFrame:
    """Return counts in which truth and prediction write the same label alike."""
    if columns.prediction is None or frame[["truth", "prediction"]].isna().any(axis=None):
        return frame
    named = frame["truth"].rename(columns.target), frame["prediction"].rename(columns.prediction)
    truth, prediction = same_labels(*map(plain_labels, named))
    return frame.assign(truth=truth, prediction=prediction)


def _probabilities(scores: pd.Series[Any], name: str) -> FloatArray:
    """Return scores, rounded into 0 … 1 where they miss it by a rounding error.

    Raises
    ------
    DataError
        If one is missing or no probability, or if all are decisions.
    """
    values = scores.to_numpy(dtype=float, na_value=np.nan)
    if not np.isfinite(values).all():
        raise raikit.DataError(f"{name} has cells that are missing or no number.")
    values = clip_rounding(values)
    if (wrong := first_improbable(values)) is not None:
        raise raikit.DataError(f"{name} holds {wrong[1]}, which is no probability; rescale them to 0 … 1.")
    if are_decisions(values):
        raise raikit.DataError(f"{name} holds only 0 and 1: these are decisions; name them as the prediction, and no scores.")
    return values


def _largest_area_error(cells: Cells) -> float:
    """Return half of the share of pairs of a positive and a negative case that share a bin: an area's largest error."""
    assert cells.scores is not None
    place = np.minimum((cells.scores * _BINS).astype(np.int64), _BINS - 1)
    positive, negative = (
        np.bincount(place, cells.w * side, minlength=_BINS) for side in (cells.truth == 1, cells.truth != 1)
    )
    return float(positive @ negative / (2 * positive.sum() * negative.sum()))


def _cells(
    frame: pd.DataFrame, classes: list[Any], columns: FileColumns, grouping: GroupingColumns,
    scores: FloatArray | None = None,
) -> Cells:  # fmt: skip
    n = frame["n"].to_numpy(dtype=np.int64)
    w, w2 = (frame[name].to_numpy(dtype=float) if columns.weight else n.astype(float) for name in ("w", "w2"))
    check_weights(w)
    if not np.isfinite(w2).all() or ((w > 0) & (w2 == 0)).any():
        raise raikit.DataError(f"{columns.weight!r} holds weights too large or too small to be squared; rescale them.")
    if columns.weight and (frame["least"] < 0).any():
        raise raikit.DataError(f"{columns.weight!r} holds a negative weight.")
    if columns.weight and frame["absent"].any():
        raise raikit.DataError(f"{columns.weight!r} holds rows without a weight.")
    names = (*grouping.sensitive, *grouping.control)
    coded = {name: coded_groups(frame[_KEY + name], name) for name in dict.fromkeys(names)}
    clusters, cluster_names = cluster_codes(frame, [_KEY + name for name in grouping.clusters])
    return Cells(
        label_positions(frame["truth"], classes), label_positions(frame["prediction"], classes), n, w, w2, clusters,
        [name.removeprefix(_KEY) for name in cluster_names], columns.weight is not None, *grouping.features(coded),
        scores, dense_ranks(scores),
    )  # fmt: skip


class _CaseTable:
    """A table that DuckDB counts."""

    def __init__(self, scan: TableScan) -> None:
        self._scan = scan
        # DuckDB takes names that differ only in case for one.
        alike = len({name.lower() for name in scan.all_columns}) < len(scan.all_columns)
        self._read_by_engine = scan.is_parquet and not alike
        self._names = {name: f"c{number}" if alike else name for number, name in enumerate(scan.columns)}
        self._connection = open_database()

    @property
    def name(self) -> str:
        """Return the name of the file."""
        return self._scan.path.name

    def column(self, name: str) -> str:
        """Return the expression of a column."""
        return _quoted(self._names[name])

    def number(self, column: str) -> str:
        """Return the expression of a column of numbers; NULL where a cell is missing or no number."""
        if not self._scan.is_text:
            return f"TRY_CAST({self.column(column)} AS DOUBLE)"
        cell = f"trim({self.column(column)})"
        point = f"replace({cell}, ',', '.')" if self._scan.written.decimal == "," else cell
        return f"TRY_CAST({point} AS DOUBLE)"

    def count(
        self,
        by: Sequence[str],
        expressions: Mapping[str, str],
        weight: str | None,
        parameters: Sequence[Any],
        aggregates: Mapping[str, str] | None = None,
        first: str | None = None,
    ) -> pd.DataFrame:
        """Count the combinations of columns and named expressions, with sums of weights if there are any.

        They are in the order of the columns and expressions; the one named `first` comes before the others.
        """
        keys = {f"{_KEY}{name}": self.column(name) for name in by} | dict(expressions)
        sums = {"n": "count(*)", **(aggregates or {})}
        if weight:
            w = self.number(weight)
            sums |= {"w": f"sum({w})", "w2": f"sum({w} * {w})", "least": f"min({w})", "absent": f"count(*) - count({w})"}
        selected = ", ".join(f"{expression} AS k{number}" for number, expression in enumerate([*keys.values(), *sums.values()]))
        order = ", ".join(str(1 + list(keys).index(name)) for name in sorted(keys, key=lambda name: name != first))
        with self._scan.errors(), self._one_sentence():
            # Names are quoted identifiers of columns that were just checked; values travel as parameters.
            query = f"SELECT {selected} FROM {self._rows()} GROUP BY {order} ORDER BY {order}"  # noqa: S608
            counted = self._connection.sql(query, params=list(parameters)).to_arrow_table()
        if not counted.num_rows:
            raise raikit.DataError(f"{self.name} has no rows.")
        counted = counted.rename_columns([*keys, *sums])
        columns = {self.column(name): name for name in self._scan.columns}
        written = {name: columns[expression] for name, expression in keys.items() if expression in columns}
        return self._scan.typed(counted, written)

    def _rows(self) -> str:
        """Return the rows as a query names them: read by DuckDB itself if it can, else batch by batch."""
        import pyarrow as pa

        if self._read_by_engine:
            path = str(self._scan.path).replace("'", "''")
            return f"read_parquet('{path}')"
        batches = self._scan.batches()
        schema = pa.schema([(self._names[field.name], field.type) for field in batches.schema])
        renamed = (pa.RecordBatch.from_arrays(batch.columns, schema=schema) for batch in batches)
        self._connection.register("cases", pa.RecordBatchReader.from_batches(schema, renamed))
        return "cases"

    @contextmanager
    def _one_sentence(self) -> Iterator[None]:
        """Turn an error of DuckDB, which may quote rows, into a sentence."""
        import duckdb

        try:
            yield
        except duckdb.Error:
            with self._scan.errors():
                for _ in self._scan.batches():  # It may be the file; then this says where.
                    pass
            raise raikit.DataError(f"{self.name} cannot be counted: a column has a type that cannot be compared.") from None


def _quoted(identifier: str) -> str:
    return '"' + identifier.replace('"', '""') + '"'
