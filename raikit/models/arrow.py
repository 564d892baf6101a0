"""From an Arrow batch to an Arrow batch of scores: all that an engine has to call (Ray Data, Spark, a loop)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from functools import cached_property
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import pyarrow as pa

from raikit.data.arrow_rows import ArrowRows
from raikit.data.cache import MediaCache
from raikit.data.folders import media_folder
from raikit.errors import DataError
from raikit.files import is_plain_file
from raikit.models.decisions import decide, is_score
from raikit.models.score_files import ID, write_arrow
from raikit.models.scoring import BATCH, BatchScorer, scoring_order

if TYPE_CHECKING:
    from raikit.data.dataset import Dataset
    from raikit.models.base import Model

_Reopening = tuple[Callable[..., "Scorer"], tuple[Any, ...]]
Rows = TypeVar("Rows", pa.RecordBatch, pa.Table)
_INPUT = b"raikit.input"  # what a part was made of


class Scorer:
    """A function from an Arrow batch to an Arrow batch of its scores, by the path on which an audit scores its cases.

    A score depends on its row alone, so rows may come in batches of any size. Each batch is read in parts of `batch_size`
    rows. In pickles there is no model: another process opens the configuration again.

    Parameters
    ----------
    model : Model
    data : Dataset
        The audit's own, which knows the inputs, the classes and the types of columns.
    batch_size : int
        Rows that go through the model together.
    identity : str
        What tells the model from others, so that its parts are not taken for those of another one.
    reopen : tuple of callable and arguments
        What makes the same scorer in another process.
    """

    def __init__(self, model: Model, data: Dataset, batch_size: int = BATCH, *, identity: str, reopen: _Reopening) -> None:
        self._model, self._data, self._batch_size, self._identity, self._reopen = model, data, batch_size, identity, reopen
        self._scorer = BatchScorer(model, data, batch_size)
        self._media = MediaCache(media_folder(data.path))

    def __reduce__(self) -> _Reopening:
        return self._reopen

    @cached_property
    def schema(self) -> pa.Schema:
        """The columns of every answer: ``id`` if ``data.id`` names one, ``prediction``, and ``score`` or one for each class."""
        first = np.eye(max(len(self._data.classes), 1))
        columns = self._columns(self._data.roles["id"].tolist()[:1] * len(first), first)
        return pa.schema([(name, column.type) for name, column in columns.items()])

    def __call__(self, batch: Rows) -> Rows:
        """Return the scores of an Arrow batch or table, a row for each of its rows, in their order.

        Raises
        ------
        DataError
            If a column is absent, or a picture or sound cannot be read; names it.
        ModelError
            If the model raises, or gives NaN or no probabilities; names the row's id.
        """
        rows = ArrowRows.of(batch, self._data, self._media)
        order = scoring_order(len(rows.ids), rows.rows.lengths(np.arange(len(rows.ids))), self._batch_size)
        scored: list[np.ndarray] = [self._scorer.scores(batch) for batch in rows.batches(self._batch_size, order)]
        scores = np.concatenate([np.empty((0, max(len(self._data.classes), 1))), *scored])[np.argsort(order)]
        columns = self._columns(rows.ids, scores)
        try:
            arrays = [columns[field.name].cast(field.type) for field in self.schema]
        except pa.ArrowInvalid:
            kind = self.schema.field(ID).type
            raise DataError(f"the ids of the batch are not of type {kind}, as those of the audit's table are.") from None
        return type(batch).from_arrays(arrays, schema=self.schema)

    def _columns(self, ids: list[Any], scores: np.ndarray) -> dict[str, pa.Array]:
        decided = decide(scores, self._data.task, self._data.classes)
        kept = {name: column for name, column in decided.items() if "scores" in self._model.capabilities or not is_score(name)}
        return {name: pa.array(column) for name, column in (({ID: ids} if self._data.config.id else {}) | kept).items()}

    def write_parts(self, batches: Iterable[pa.RecordBatch], folder: Path) -> int:
        """Score a stream of batches into a folder of Arrow files, one for each batch, and return the number of rows.

        A stream that was interrupted goes on behind its last finished part: a part that was made of the same rows by the same
        model is kept. Only one batch is in memory at a time. ``pyarrow.dataset.dataset(folder, format="arrow")`` reads them.

        Parameters
        ----------
        batches : iterable of RecordBatch
            In the same order and of the same sizes each time.
        folder : Path

        Raises
        ------
        DataError, ModelError
            As a call does.
        """
        folder.mkdir(parents=True, exist_ok=True)
        files, rows = (folder / f"part-{number:06}.arrow" for number in count()), 0
        used = set()
        for batch, file in zip(batches, files):  # noqa: B905 - there is always a further name
            made_of = self._fingerprint(batch)
            if not _is_made_of(file, made_of):
                write_arrow(file, pa.Table.from_batches([self(batch)]).replace_schema_metadata({_INPUT: made_of}))
            used.add(file)
            rows += batch.num_rows
        for left in set(folder.glob("part-*.arrow")) - used:
            left.unlink()
        return rows

    def _fingerprint(self, batch: pa.RecordBatch) -> bytes:
        """Return a hash of the rows of a batch and of what scores them."""
        digest = hashlib.sha256(self._identity.encode())
        digest.update(batch.schema.serialize())
        digest.update(batch.serialize())
        return digest.hexdigest().encode()


def _is_made_of(file: Path, made_of: bytes) -> bool:
    """Return whether a part is whole, and was made of these rows."""
    if not is_plain_file(file):
        return False
    try:
        with pa.OSFile(str(file)) as opened:
            return (pa.ipc.open_file(opened).schema.metadata or {}).get(_INPUT) == made_of
    except (OSError, pa.ArrowException):
        return False
