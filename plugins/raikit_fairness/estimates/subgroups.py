"""Every group that sensitive features and their combinations make up, and what may happen to a group's rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

import raikit
from raikit_fairness.estimates.case_counts import crossed

if TYPE_CHECKING:
    from raikit.stats import Subgroups
    from raikit_fairness.estimates.case_counts import BoolArray, Cells, Feature, IntArray

_ANY_NUMBER = 1 << 60


@dataclass(frozen=True)
class Harm:
    """Something bad that a model does to rows, of which a group may get more than others.

    Parameters
    ----------
    measure : str
        The metric that it is told by.
    doing : str
        To follow the rows: ``are missed``.
    title : str
    among : {"all", "positive", "negative", "selected"}
        Rows that it can happen to.
    happens : {"wrong", "selected", "not selected"}
    """

    measure: str
    doing: str
    title: str
    among: str = "all"
    happens: str = "wrong"

    def rows(self, cells: Cells, positive: int) -> BoolArray:
        """Rows with a weight that it can happen to."""
        among: dict[str, Any] = {"all": cells.n > 0, "positive": cells.truth == positive,
                                 "negative": cells.truth != positive, "selected": cells.prediction == positive}
        found: BoolArray = among[self.among] & (cells.w > 0)
        return found

    def event(self, cells: Cells, positive: int) -> BoolArray:
        """Rows that it happens to."""
        if self.happens == "wrong":
            wrong: BoolArray = cells.truth != cells.prediction
            return wrong
        selected: BoolArray = cells.prediction == positive
        return selected if self.happens == "selected" else ~selected


HARMS = {
    harm.measure: harm for harm in (
        Harm("accuracy", "are predicted wrong", "Predicted wrong"),
        Harm("false_negative_rate", "are missed", "Missed", "positive"),
        Harm("false_positive_rate", "are wrongly called “{positive}”", "Wrongly called “{positive}”", "negative"),
        Harm("selection_rate", "are not predicted “{positive}”", "Not predicted “{positive}”", happens="not selected"),
        Harm("precision", "are “{positive}” by mistake", "“{positive}” by mistake", "selected"),
    )
}


@dataclass(frozen=True)
class Candidates:
    """Groups to look at, over base cells: rows alike in every sensitive feature.

    Parameters
    ----------
    groups : list of (Feature, int)
        An intersection, coded over base cells, and which of its groups. No two have the same rows.
    members : ndarray of bool, shape (N, m)
    cell : ndarray of int
        Base cell of each entry of the cells.
    small : int
        Groups that were left out because they have too few rows.
    repeated : int
        Groups that were left out because one of fewer features has the same rows.
    depth : int
        Most features in one group that was looked at.
    beyond : int
        How many groups of one more feature there would have been, if those were over the limit; else 0.
    """

    groups: list[tuple[Feature, int]]
    members: BoolArray
    cell: IntArray
    small: int
    repeated: int
    depth: int
    beyond: int = 0

    def __len__(self) -> int:
        return len(self.groups)

    def name(self, at: int) -> str:
        """The group as people read it."""
        feature, number = self.groups[at]
        return feature.name(number)

    def group(self, at: int) -> dict[str, str | None]:
        """The group as an address has it."""
        feature, number = self.groups[at]
        return feature.group(number)


def candidates(cells: Cells, features: Sequence[Feature], depth: int, min_group: int, most: int) -> Candidates:
    """Find the groups of up to `depth` features with enough rows and a rest to compare them with.

    Parameters
    ----------
    cells : Cells
        Only of rows that count.
    features : sequence of Feature
        The single features, coded over `cells`.
    depth : int
    min_group : int
        Fewest rows.
    most : int
        Most groups: combinations that would go beyond are left out as a whole, with their number.

    Raises
    ------
    DataError
        If the features alone go beyond.
    """
    import numpy as np

    cell, parts = _base_cells(features, len(cells))
    rows = np.bincount(cell, cells.n).astype(np.int64)
    found: dict[bytes, tuple[Feature, int]] = {}
    small = repeated = 0
    for size in range(1, min(depth, len(features)) + 1):
        crossings = [crossed(tuple(features[at].columns[0] for at in chosen), [parts[at] for at in chosen], _ANY_NUMBER)
                     for chosen in combinations(range(len(features)), size)]
        enough = [_large(feature, rows, min_group) for feature in crossings]
        new = sum(len(kept) for kept, _ in enough)
        if len(found) + new > most:
            if size == 1:
                raise raikit.DataError(f"{new:,} groups of single features have {min_group} rows, over the {most:,} of "
                                       "max_searched: bin their values, or raise max_searched.")
            return _candidates(found, cell, len(rows), small, repeated, size - 1, new)
        for feature, (kept, few) in zip(crossings, enough, strict=True):
            small += few
            for at in kept:
                if found.setdefault(_key(feature, at), (feature, at)) != (feature, at):
                    repeated += 1
    return _candidates(found, cell, len(rows), small, repeated, min(depth, len(features)))


def _base_cells(features: Sequence[Feature], size: int) -> tuple[IntArray, list[tuple[IntArray, list[str | None]]]]:
    """Number the combinations of all features that occur, and say which value of each feature they have."""
    import numpy as np

    cell = np.zeros(size, dtype=np.int64)
    for feature in features:
        cell = np.unique(cell * feature.k + feature.code, return_inverse=True)[1].reshape(-1).astype(np.int64)
    first = np.unique(cell, return_index=True)[1]
    return cell, [(feature.code[first], [group[0] for group in feature.groups]) for feature in features]


def _large(feature: Feature, rows: IntArray, min_group: int) -> tuple[list[int], int]:
    """Groups with enough rows that are not all rows, and how many have too few."""
    import numpy as np

    n = np.bincount(feature.code, rows, minlength=feature.k)
    return np.flatnonzero((n >= min_group) & (n < rows.sum())).tolist(), int(np.sum(n < min_group))


def _key(feature: Feature, at: int) -> bytes:
    import numpy as np

    return np.packbits(feature.code == at).tobytes()


def _candidates(
    found: dict[bytes, tuple[Feature, int]], cell: IntArray, m: int, small: int, repeated: int, depth: int, beyond: int = 0
) -> Candidates:
    import numpy as np

    bits = np.frombuffer(b"".join(found), dtype=np.uint8).reshape(len(found), (m + 7) // 8)
    members = np.unpackbits(bits, axis=1, count=m).astype(bool)
    return Candidates(list(found.values()), members, cell, small, repeated, depth, beyond)


def rates_of(found: Candidates, cells: Cells, event: BoolArray) -> Subgroups:
    """Rates of the candidates and of their rests."""
    from raikit import stats

    return stats.subgroup_rates(
        event, found.cell, found.members, cells.clusters, cells.w, squares=cells.w2, counts=cells.n)
