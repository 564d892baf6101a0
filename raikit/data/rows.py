"""Rows of a table as a model gets them: texts, columns, and media that are decoded when they are needed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from raikit.data.cache import MediaCache
from raikit.data.media import MediaError
from raikit.data.media_columns import SKIP_HINT
from raikit.data.roles import Input
from raikit.errors import DataError


@dataclass(frozen=True)
class InputRows:
    """The columns of a model's inputs, and how their media are found.

    Attributes
    ----------
    table : DataFrame
        Media as paths or bytes.
    inputs : mapping of str to Input
    media : MediaCache
    where : callable
        Names the row at a position for a message.
    is_tokens : bool
        A text is the list of its tokens.
    """

    table: pd.DataFrame
    inputs: Mapping[str, Input]
    media: MediaCache
    where: Callable[[int], str]
    is_tokens: bool = False

    @cached_property
    def _tables(self) -> dict[str, pd.DataFrame]:
        """The columns of each tabular input; selecting them for every batch would copy the whole table each time."""
        tabular = [item for item in self.inputs.values() if item.modality == "tabular"]
        return {item.name: self.table[list(item.columns)] for item in tabular}

    def read(self, rows: np.ndarray) -> dict[str, Any]:
        """Return the values of each input for the rows at these positions, as `Batch.inputs` has them.

        Raises
        ------
        DataError
            If a picture or sound cannot be decoded; names the row and the column.
        """
        return {item.name: self._values(item, rows) for item in self.inputs.values()}

    def _values(self, item: Input, rows: np.ndarray) -> Any:
        if item.modality == "tabular":
            return self._tables[item.name].iloc[rows].reset_index(drop=True)
        cells = self.table[item.columns[0]].iloc[rows]
        present = zip(cells.tolist(), cells.isna().tolist(), rows.tolist(), strict=True)
        if item.modality == "text":
            return [None if missing else cell if self.is_tokens else str(cell) for cell, missing, _ in present]
        return [None if missing else self._decoded(item, cell, row) for cell, missing, row in present]

    def _decoded(self, item: Input, cell: Any, row: int) -> Any:
        try:
            return self.media.get(item.modality, cell)
        except MediaError as problem:
            raise DataError(f"{self.where(row)}: {item.columns[0]}: {problem}; {SKIP_HINT}.") from None

    def lengths(self, rows: np.ndarray) -> np.ndarray | None:
        """Return the number of characters of all texts of each row; None without an input of text."""
        texts = [item.columns[0] for item in self.inputs.values() if item.modality == "text"]
        if not texts:
            return None
        cells = (self.table[column].iloc[rows] for column in texts)
        lengths = [one.astype("string").str.len().to_numpy(dtype=np.float64, na_value=0.0) for one in cells]
        together: np.ndarray = np.stack(lengths).sum(axis=0)
        return together
