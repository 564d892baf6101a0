"""Scored cases in predictions.parquet: written once, read by column or counted by DuckDB, larger than memory if need be.

`raikit.models.scoring` makes the scores.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from raikit.errors import DataError, LimitError, RunError, TooManyCases, nearest
from raikit.files import atomic
from raikit.limits import check_regular, most_bytes, refuse
from raikit.process.database import open_database

if TYPE_CHECKING:
    import pyarrow as pa

MOST_CASES = 50_000_000  # of a split that are read one by one
_LONG_ID = 100  # bytes of text of a case that no limit is about
# Columns of predictions.parquet that do not come from the user's table; `score.CLASS`, `target.L`, `prediction.L` follow them.
RESERVED = ("id", "split", "target", "prediction", "score")


def write_predictions(predictions: pd.DataFrame, path: Path) -> None:
    """Write the cases of every split, in the columns that `Predictions` reads, under a temporary name first."""
    with atomic(path) as temporary:
        predictions.to_parquet(temporary, index=False)


def write_parts(parts: Iterable[pa.Table], path: Path) -> None:
    """Write the same file a part at a time, for cases that are more than memory holds."""
    import pyarrow.parquet as pq

    with atomic(path) as temporary, ExitStack() as stack:
        writer = None
        for part in parts:
            writer = writer or stack.enter_context(pq.ParquetWriter(temporary, part.schema))
            writer.write_table(part)


class Predictions:
    """Cases of every split with target, prediction, score and the sensitive, cluster and weight columns.

    Parameters
    ----------
    path : Path
        ``predictions.parquet``: ``id``, ``split``, ``target``, ``prediction``; ``score`` (binary: the probability of
        the positive class) or ``score.CLASS`` (multiclass); then the sensitive columns (text, null is missing), the
        cluster columns (text) and the weight.
    split : str
        The audited split; the default of every method.
    """

    def __init__(self, path: Path, split: str = "test") -> None:
        self.path, self.split = path, split
        self._counted: dict[tuple[str, str | None], int] = {}

    @cached_property
    def columns(self) -> list[str]:
        """Names of all columns."""
        import pyarrow.parquet as pq

        with self._errors():
            return list(pq.read_schema(self.path).names)

    @cached_property
    def _sizes(self) -> dict[str, int]:
        counted = self._sql("SELECT CAST(split AS VARCHAR) AS split, count(*) AS n FROM rows GROUP BY ALL")
        return dict(zip(counted["split"], counted["n"].astype(int), strict=True))

    def size(self, split: str | None = None) -> int:
        """Return the number of cases in a split."""
        return self._sizes.get(split or self.split, 0)

    @property
    def splits(self) -> list[str]:
        """Splits that have cases."""
        return sorted(self._sizes)

    def frame(self, columns: Sequence[str] | None = None, split: str | None = None) -> pd.DataFrame:
        """Read columns of one split into a new frame, in the order of the file.

        Parameters
        ----------
        columns : sequence of str, optional
            By default all.
        split : str, optional
            By default the audited one; ``"*"`` reads all, with the column ``split``.

        Raises
        ------
        DataError
            If a column does not exist; the message suggests the nearest name.
        TooManyCases
            If there are more than `MOST_CASES`, which fit into no usual memory.
        """
        wanted = list(columns) if columns is not None else self.columns
        self._check(wanted)
        size = sum(self._sizes.values()) if split == "*" else self.size(split)
        if size > MOST_CASES:
            raise TooManyCases(size, MOST_CASES)
        chosen = None if split == "*" else split or self.split
        self._check_text(wanted, chosen, size)
        with self._errors():
            frame: pd.DataFrame = self._read(wanted, chosen).to_pandas()
            return frame[wanted]

    def _read(self, wanted: list[str], split: str | None) -> pa.Table:
        """Read columns of a split, None for all, a group of rows at a time: Arrow's filter hangs on some damaged files."""
        import pyarrow as pa
        import pyarrow.compute as pc
        import pyarrow.parquet as pq

        file = pq.ParquetFile(self.path)
        parts = []
        for group in range(file.num_row_groups):
            part = file.read_row_group(group, columns=list(dict.fromkeys([*wanted, "split"])))
            parts.append((part if split is None else part.filter(pc.equal(part.column("split"), split))).select(wanted))
        return pa.concat_tables(parts) if parts else file.schema_arrow.empty_table().select(wanted)

    def _check_text(self, wanted: Sequence[str], split: str | None, cases: int) -> None:
        """Raise if text is larger than memory may be: a small file can say once what each of its cases repeats."""
        import pyarrow.parquet as pq

        with self._errors():
            schema = pq.read_schema(self.path)
        size = sum(self._text_bytes(name, split) for name in wanted if re.search("string|binary", str(schema.field(name).type)))
        if size > most_bytes() + _LONG_ID * cases:
            raise refuse(self.path.name, "megabytes", size // 1_000_000, "megabytes of text")

    def _text_bytes(self, name: str, split: str | None) -> int:
        """Return the bytes of the text of a column, which are counted once."""
        if (name, split) not in self._counted:
            where = "" if split is None else "WHERE split = $split"
            query = f"SELECT coalesce(sum(strlen({_quoted(name)}::VARCHAR)), 0) AS n FROM rows {where}"  # noqa: S608
            self._counted[name, split] = int(self._sql(query, None if split is None else {"split": split})["n"].iloc[0])
        return self._counted[name, split]

    def cells(self, by: Sequence[str], split: str | None = None, weight: str | None = None) -> pd.DataFrame:
        """Count the cases of every combination of `by`, out of core.

        Parameters
        ----------
        by : sequence of str
            Columns: sensitive features, clusters, ``target``, ``prediction``.
        weight : str, optional
            Column of sampling weights.

        Returns
        -------
        DataFrame
            The columns of `by`, then ``n`` (number of cases) and, with `weight`, ``w`` (sum of weights) and ``w2`` (sum of
            squared weights); sorted by `by`, nulls last. If a column of `by` has such a name, underscores are appended
            to the name of the count: the counts are always the last columns.
        """
        self._check([*by, *([weight] if weight else [])])
        names = ", ".join(_quoted(column) for column in by)
        n, w, w2 = (_unlike(name, by) for name in ("n", "w", "w2"))
        sums = f", sum({_quoted(weight)}) AS {w}, sum({_quoted(weight)} * {_quoted(weight)}) AS {w2}" if weight else ""
        where = "" if split == "*" else "WHERE split = $split"
        # The names are quoted and have been checked against the columns; values are passed as parameters.
        query = f"SELECT {names}, count(*) AS {n}{sums} FROM rows {where} GROUP BY {names} ORDER BY {names} NULLS LAST"  # noqa: S608
        return self._sql(query, None if split == "*" else {"split": split or self.split})

    def _sql(self, query: str, parameters: dict[str, Any] | None = None) -> pd.DataFrame:
        with self._errors(), open_database() as connection:
            connection.from_parquet(str(self.path)).create_view("rows")
            frame: pd.DataFrame = connection.execute(query, parameters).df()
        return frame

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Turn what the readers of a file raise into one sentence; a run that was changed may hold anything under its name."""
        import duckdb
        import pyarrow as pa

        try:
            check_regular(self.path)
            yield
        except (LimitError, MemoryError, duckdb.OutOfMemoryException):
            raise
        except (OSError, pa.ArrowException, duckdb.Error, KeyError, UnicodeError):
            raise RunError(f"{self.path}: there are no predictions of raikit here, or they were changed.") from None

    def _check(self, wanted: Sequence[str]) -> None:
        for column in wanted:
            if column not in self.columns:
                hint = nearest(column, self.columns)
                raise DataError(
                    f"predictions have no column {column!r}.{hint} Columns there: {', '.join(self.columns)}."
                )


def _unlike(name: str, taken: Sequence[str]) -> str:
    """Append underscores to `name` until no column has it (DuckDB ignores case)."""
    lowered = {column.lower() for column in taken}
    while name in lowered:
        name += "_"
    return name


def _quoted(identifier: str) -> str:
    return '"' + identifier.replace('"', '""') + '"'
