"""Scores as Arrow files: whole, from a model's process, and in parts, with which an interrupted scoring goes on."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from raikit.files import atomic, is_plain_file

if TYPE_CHECKING:
    import pyarrow as pa

ID = "id"
_SCORE = "score.{}"
_SECONDS = 10.0  # between two parts: a killed run loses no more than these


def write_score_file(path: Path, ids: Sequence[Any], scores: np.ndarray) -> None:
    """Write the scores of some cases, shape (n, k), with their ids."""
    import pyarrow as pa

    columns = {ID: pa.array(ids), **{_SCORE.format(index): pa.array(column) for index, column in enumerate(scores.T)}}
    write_arrow(path, pa.table(columns))


def write_arrow(path: Path, table: pa.Table) -> None:
    """Write an Arrow file, under a temporary name first."""
    import pyarrow as pa

    with atomic(path) as temporary, pa.OSFile(str(temporary), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table)


def read_score_file(content: bytes) -> tuple[list[Any], np.ndarray]:
    """Read the ids and the scores, shape (n, k), of a file's content.

    Raises
    ------
    pyarrow.ArrowException, KeyError, ValueError, TypeError
        If it is no such file.
    """
    import pyarrow as pa

    table = pa.ipc.open_file(pa.py_buffer(content)).read_all()
    ids = table.column(ID).to_pylist()
    columns = [table.column(_SCORE.format(index)).to_numpy() for index in range(table.num_columns - 1)]
    return ids, np.stack([np.asarray(column, dtype=np.float64) for column in columns], axis=1)


class ScoredParts:
    """Scores that are written every few seconds while a model scores, in the order of the cases.

    Parameters
    ----------
    folder : Path or None
        None keeps them in memory alone.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._files = 0
        self._written = time.monotonic()
        self.ids: list[Any] = []
        self._scores: list[np.ndarray] = []
        self._pending = 0  # of the newest batches, those that no file holds yet

    def restore(self, expected: Sequence[Any]) -> int:
        """Read the parts that an interrupted scoring has left, and return how many cases they hold.

        Parts are taken up to the first that is not whole, or whose ids are not those of `expected`, the cases in order.
        """
        files = sorted(self._folder.glob("part-*.arrow")) if self._folder is not None and self._folder.is_dir() else []
        for file in files:
            try:
                if not is_plain_file(file):  # a pipe never ends
                    break
                ids, scores = read_score_file(file.read_bytes())
            except Exception:  # a damaged part is scored again, whatever a library raises for it
                break
            if ids != list(expected[len(self.ids) : len(self.ids) + len(ids)]):
                break
            self.ids.extend(ids)
            self._scores.append(scores)
            self._files += 1
        for left in files[self._files :]:
            left.unlink()
        return len(self.ids)

    def add(self, ids: Sequence[Any], scores: np.ndarray) -> None:
        """Add the scores of a batch, and write a part if the last one is old enough."""
        self.ids.extend(ids)
        self._scores.append(scores)
        self._pending += 1
        if self._folder is not None and time.monotonic() - self._written >= _SECONDS:
            whole = np.concatenate(self._scores[-self._pending :])
            write_score_file(self._folder / f"part-{self._files:06}.arrow", self.ids[-len(whole) :], whole)
            self._files, self._pending, self._written = self._files + 1, 0, time.monotonic()

    def scores(self, classes: int) -> np.ndarray:
        """Return the scores of all cases, shape (n, k)."""
        return np.concatenate(self._scores) if self._scores else np.empty((0, classes))
