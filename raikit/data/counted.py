"""The data of an audit that is larger than memory: decisions of which each different row is read once, and counted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
import pandas as pd

from raikit.config.schema import DataConfig
from raikit.config.types import Error
from raikit.data.assembly import Alike, Purpose, assemble
from raikit.data.batch import Batch
from raikit.data.classes import PredictedClasses
from raikit.data.dataset import Dataset
from raikit.data.distinct import DistinctRows, count_rows
from raikit.data.folders import is_scannable
from raikit.data.roles import cell_format, resolve_columns
from raikit.data.scan import TableScan
from raikit.data.splits import ORDER
from raikit.data.tables import column_names
from raikit.errors import TooManyCases, listed

if TYPE_CHECKING:
    import pyarrow as pa

MOST_READ = 10_000_000  # rows; decisions in a table of more are counted
MOST_IN_MEMORY = 50_000_000  # rows; a table of more must be counted


@dataclass
class CountedDataset(Dataset):
    """Decisions in a table that is not kept in memory. `table` and `roles` hold each different row once.

    Whatever needs single cases raises `TooManyCases`.

    Attributes
    ----------
    counts : ndarray of int64
        Cases that each row of `roles` stands for.
    """

    counts: np.ndarray = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    _distinct: DistinctRows | None = field(default=None, repr=False)
    _kept: np.ndarray = field(default_factory=lambda: np.empty(0, dtype=np.int64), repr=False)

    @cached_property
    def splits(self) -> dict[str, int]:
        """Number of cases of each split that has any, in the order train, validation, test."""
        split = self.roles["split"].to_numpy()
        sizes = {name: int(self.counts[split == name].sum()) for name in ORDER}
        return {name: size for name, size in sizes.items() if size}

    def expand(self, predictions: pd.DataFrame) -> Iterator[pa.Table]:
        """Yield the rows of ``predictions.parquet`` in the order of the table.

        Parameters
        ----------
        predictions : DataFrame
            Those of the different rows, with the columns of ``predictions.parquet``.
        """
        import pyarrow as pa

        assert self._distinct is not None
        rows = pa.Table.from_pandas(predictions, preserve_index=False)
        place = np.full(len(self._distinct.counts), -1)
        place[self._kept] = np.arange(len(self._kept))
        start, at = 0, rows.column_names.index("id")
        for positions in self._distinct.positions():
            kept = place[positions]
            inside = np.flatnonzero(kept >= 0)
            part = rows.take(kept[inside])
            yield part.set_column(at, rows.schema.field(at), pa.array(start + inside, rows.schema.field(at).type))
            start += len(positions)

    def positions(self, split: str | None = None) -> np.ndarray:
        """Raise: there are no single cases."""
        self._refuse()

    def frame(self, columns: Sequence[str] | None = None, split: str | None = None) -> pd.DataFrame:
        """Raise: there are no single cases."""
        self._refuse()

    def batches(self, split: str, size: int, indices: Sequence[int] | np.ndarray | None = None) -> Iterator[Batch]:
        """Raise: there are no single cases."""
        self._refuse()

    def row(self, id: Any) -> Batch:
        """Raise: there are no single cases."""
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise TooManyCases(sum(self.splits.values()), MOST_READ)


def open_counted(
    config: DataConfig, path: Path, *, error: Error, predicted: PredictedClasses, extra_columns: Sequence[str], seed: int
) -> CountedDataset | None:
    """Count a table of decisions that has more rows than `MOST_READ`, in bounded memory.

    Returns
    -------
    CountedDataset or None
        None if the table is smaller, or must be read whole.

    Raises
    ------
    ConfigError, DataError
        As `Dataset.open`; also if the table is too large to be read whole.
    """
    if not is_scannable(path):
        return None
    columns = resolve_columns(config, extra_columns, column_names(path), path.name, error)
    scan = TableScan(path, columns, cell_format(config))
    if scan.rows <= MOST_READ:
        return None
    needed = _columns_of_cases(config, predicted, extra_columns)
    distinct = None if needed else count_rows(scan)
    if distinct is None:
        _refuse_to_read(scan, needed, error)
        return None
    purpose = Purpose(needs_inputs=False, predictions=list(extra_columns), predicted=predicted)
    alike = Alike(distinct.counts, distinct.first)
    cases = assemble(distinct.frame(), config, path, purpose, seed=seed, error=error, alike=alike)
    data = CountedDataset._from_cases(cases, config, path, purpose)
    data.counts, data._distinct, data._kept = distinct.counts[cases.rows], distinct, cases.rows
    data._rows = distinct.first[cases.rows]
    return data


def refuse_large(path: Path, error: Error) -> None:
    """Raise if a table has more rows than `MOST_IN_MEMORY` and a model is to score them."""
    if is_scannable(path):
        _refuse_to_read(TableScan(path, []), ["a model"], error)


def _columns_of_cases(config: DataConfig, predicted: PredictedClasses, extra: Sequence[str]) -> list[str]:
    """Return the keys of a configuration that need every case by itself, rather than how many are alike."""
    quantiles = any(feature.quantiles for feature in config.sensitive)
    present = {
        "data.id": config.id, "data.inputs": config.inputs, "data.cluster": config.cluster, "data.weight": config.weight,
        "data.keep": config.keep, "data.sensitive (quantiles)": quantiles,
        f"data.task ({config.task})": config.task not in (None, "binary", "multiclass"),
        "data.target (several columns)": isinstance(config.target, list),
        "model.load (scores)": list(extra) != [predicted.column],
    }  # fmt: skip
    return [key for key, value in present.items() if value]


def _refuse_to_read(scan: TableScan, needed: Sequence[str], error: Error) -> None:
    """Raise if a table that cannot be counted is too large to be read whole."""
    if scan.rows <= MOST_IN_MEMORY:
        return
    why = f"{listed(needed)} need{'s' * (len(needed) == 1)} every case" if needed else "its columns hold too many different rows"
    raise error(
        ("data", "path"),
        f"{scan.path.name} has {'about ' * scan.is_text}{scan.rows:,} rows. More than {MOST_IN_MEMORY:,} are only counted, "
        f"and {why}; audit a sample, or decisions alone (model.load.prediction).",
    )
