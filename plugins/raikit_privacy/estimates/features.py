"""Groups of sensitive columns, and clusters as units of sampling."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

import raikit
from raikit.arrays import IntArray, group_codes
from raikit.format import count, group_text


@dataclass(frozen=True)
class SensitiveFeature:
    """The groups of one sensitive column.

    Parameters
    ----------
    column : str
    groups : list of str or None
        Sorted as text, the missing group (None) last.
    code : ndarray of int, shape (n,)
        Position of each case's group.
    """

    column: str
    groups: list[str | None]
    code: IntArray

    @property
    def k(self) -> int:
        """Number of groups."""
        return len(self.groups)

    def address(self, index: int) -> str:
        """Return a group as an address has it: ``sex=F``."""
        group = self.groups[index]
        return f"{self.column}={'null' if group is None else group}"

    def text(self, index: int) -> str:
        """Return a group as sentences have it: ``sex: F``."""
        return group_text([self.column], {self.column: self.groups[index]})


def features_of(frame: pd.DataFrame, columns: Sequence[str]) -> list[SensitiveFeature]:
    """Return the groups of each sensitive column."""
    coded = [(column, group_codes(frame[column])) for column in columns]
    return [SensitiveFeature(column, groups.names, groups.codes) for column, groups in coded]


def sampling_units(clusters: Sequence[IntArray], n: int) -> IntArray:
    """Code the finest clustering; a case without a cluster is a unit of its own.

    Parameters
    ----------
    clusters : sequence of ndarray of int, each of shape (n,)
        Negative codes share no cluster.
    n : int

    Returns
    -------
    ndarray of int, shape (n,)
    """
    if not clusters:
        return np.arange(n)
    codes = max(clusters, key=lambda column: int(column.max(initial=-1))).copy()
    alone = codes < 0
    codes[alone] = codes.max(initial=-1) + 1 + np.arange(int(alone.sum()))
    return codes


def largest_clusters(ctx: raikit.CheckContext, split: str) -> dict[str, int]:
    """Count the cases of the largest cluster of each cluster column in a split."""
    counts: dict[str, int] = {}
    for column in ctx.cluster:
        cells = ctx.predictions.cells([column], split=split).dropna(subset=[column])
        counts[column] = int(cells.iloc[:, -1].max()) if len(cells) else 0
    return counts


def cases_of_one_file(ctx: raikit.CheckContext, split: str) -> dict[str, int]:
    """Count the cases of the file that most cases share, by column of pictures and sounds."""
    assert ctx.data is not None
    columns = [item.columns[0] for item in ctx.data.inputs.values() if item.modality in {"image", "audio"}]
    return {column: int(ctx.data.frame([column], split)[column].value_counts().max() or 0)
            for column in dict.fromkeys(columns) if ctx.data.frame([column], split)[column].notna().any()}


def shared_cases(ctx: raikit.CheckContext, split: str) -> list[str]:
    """Return who or what is in several cases, as clauses with the highest number: clusters and files."""
    largest, files = largest_clusters(ctx, split), cases_of_one_file(ctx, split)
    return [*(f"one {column} appears in up to {count(n)}" for column, n in largest.items() if n > 1),
            *(f"one file of {column} appears in up to {count(n)}" for column, n in files.items() if n > 1)]


def most_copies(ctx: raikit.CheckContext, split: str) -> int:
    """Count the cases of a split that have the same inputs, where most have."""
    assert ctx.data is not None
    columns = list(dict.fromkeys(column for item in ctx.data.inputs.values() for column in item.columns))
    try:
        return int(ctx.data.frame(columns, split).value_counts(dropna=False).iloc[0])
    except TypeError:  # cells that cannot be compared
        return 1


def cases_seen_in_training(ctx: raikit.CheckContext, split: str) -> int:
    """Count the cases of a split that have the same inputs as a training case; 0 without a dataset."""
    if ctx.data is None:
        return 0
    columns = list(dict.fromkeys(column for item in ctx.data.inputs.values() for column in item.columns))
    if not columns:
        return 0
    trained, others = (ctx.data.frame(columns, part).map(str) for part in ("train", split))
    hashes = [pd.util.hash_pandas_object(frame, index=False).to_numpy() for frame in (trained, others)]
    return int(np.isin(hashes[1], hashes[0]).sum())
