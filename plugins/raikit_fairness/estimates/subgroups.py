"""Every group that sensitive features and their combinations make up, and the harms that may befall its cases."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

import raikit
from raikit import stats
from raikit.arrays import BoolArray, Groups, IntArray
from raikit.format import case_noun
from raikit.stats import Subgroups
from raikit_fairness.estimates.case_counts import Cells
from raikit_fairness.estimates.features import Feature, cross

_NO_LIMIT = 1 << 60


@dataclass(frozen=True)
class Harm:
    """Something bad that a model does to cases, of which a group may get more than others.

    Parameters
    ----------
    measure : str
        Metric that measures it.
    verb : str
        What happens to cases, to follow them in a sentence: ``are missed``.
    title : str
    among : {"all", "positive", "negative", "selected"}
        Cases that it can happen to.
    event : {"wrong", "selected", "not selected"}
    """

    measure: str
    verb: str
    title: str
    among: str = "all"
    event: str = "wrong"

    def exposed(self, cells: Cells, positive: int) -> BoolArray:
        """Return the cells with a weight that it can happen to."""
        among: dict[str, BoolArray] = {
            "all": cells.n > 0,
            "positive": cells.truth == positive,
            "negative": cells.truth != positive,
            "selected": cells.prediction == positive,
        }
        return among[self.among] & (cells.w > 0)

    def happens(self, cells: Cells, positive: int) -> BoolArray:
        """Return the cells that it happens to."""
        if self.event == "wrong":
            wrong: BoolArray = cells.truth != cells.prediction
            return wrong
        selected: BoolArray = cells.prediction == positive
        return selected if self.event == "selected" else ~selected


HARMS = {
    harm.measure: harm
    for harm in (
        Harm("accuracy", "are predicted wrong", "Predicted wrong"),
        Harm("false_negative_rate", "are missed", "Missed", "positive"),
        Harm(
            "false_positive_rate", "are wrongly labelled “{positive}”", "Wrongly labelled “{positive}”", "negative"
        ),
        Harm("selection_rate", "are not labelled “{positive}”", "Not labelled “{positive}”", event="not selected"),
        Harm("precision", "are “{positive}” by mistake", "“{positive}” by mistake", "selected"),
    )
}  # fmt: skip


_SELECTED = Harm("selection_rate", "are labelled “{positive}”", "Labelled “{positive}”", event="selected")


def harm_by(measure: str, favourable: bool | None) -> Harm:
    """Return the harm that a metric measures; being selected is one itself if it is known not to be favourable."""
    return _SELECTED if measure == _SELECTED.measure and favourable is False else HARMS[measure]


@dataclass(frozen=True)
class Candidates:
    """Groups to search, over base cells: cases alike in every sensitive feature.

    Parameters
    ----------
    groups : list of (Feature, int)
        An intersection, coded over base cells, and which of its groups. No two have the same cases.
    members : ndarray of bool, shape (N, m)
        Base cells of each group.
    cell : ndarray of int
        Base cell of each entry of the cells.
    small : int
        Groups that were left out because they have too few cases.
    repeated : int
        Groups that were left out because one of fewer features has the same cases.
    depth : int
        Most features in one group that was searched.
    beyond : int
        Number of groups of one more feature, if those were over the limit; else 0.
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

    def label(self, index: int) -> str:
        """Return a group as people read it."""
        feature, group = self.groups[index]
        return feature.label(group)

    def group(self, index: int) -> dict[str, str | None]:
        """Return a group as an address has it."""
        feature, group = self.groups[index]
        return feature.group(group)


def find_candidates(
    cells: Cells, features: Sequence[Feature], depth: int, min_group: int, max_searched: int
) -> Candidates:
    """Return the groups of up to `depth` features with enough cases and a rest to compare them with.

    Parameters
    ----------
    cells : Cells
        Only of cases that count.
    features : sequence of Feature
        The single features, coded over `cells`.
    depth : int
    min_group : int
        Fewest cases.
    max_searched : int
        Most groups. Combinations that would exceed it are left out as a whole, with their number.

    Raises
    ------
    DataError
        If the features alone exceed `max_searched`.
    """
    cell, parts = _base_cells(features, len(cells))
    n = np.bincount(cell, cells.n).astype(np.int64)
    groups: dict[bytes, tuple[Feature, int]] = {}
    small = repeated = 0
    for size in range(1, min(depth, len(features)) + 1):
        crossings = [
            cross(tuple(features[index].columns[0] for index in chosen), [parts[index] for index in chosen], _NO_LIMIT)
            for chosen in combinations(range(len(features)), size)
        ]
        large = [_large_groups(feature, n, min_group) for feature in crossings]
        added = sum(len(kept) for kept, _ in large)
        if len(groups) + added > max_searched:
            if size == 1:
                raise raikit.DataError(
                    f"{added:,} groups of single features have {min_group} {case_noun()}, over the {max_searched:,} of "
                    "max_searched: bin their values, or raise max_searched."
                )
            return _candidates(groups, cell, len(n), small, repeated, size - 1, added)
        for feature, (kept, too_small) in zip(crossings, large, strict=True):
            small += too_small
            for group in kept:
                if groups.setdefault(_key(feature, group), (feature, group)) != (feature, group):
                    repeated += 1
    return _candidates(groups, cell, len(n), small, repeated, min(depth, len(features)))


def _base_cells(features: Sequence[Feature], size: int) -> tuple[IntArray, list[Groups]]:
    """Return the number of each cell's combination of all features, and each combination's group in every feature."""
    cell = np.zeros(size, dtype=np.int64)
    for feature in features:
        cell = np.unique(cell * (feature.k + 1) + feature.code, return_inverse=True)[1].reshape(-1).astype(np.int64)
    first = np.unique(cell, return_index=True)[1]
    return cell, [Groups(feature.code[first], [group[0] for group in feature.groups]) for feature in features]


def _large_groups(feature: Feature, n: IntArray, min_group: int) -> tuple[list[int], int]:
    """Return the groups with enough cases that are not all cases, and the number of groups with too few."""
    sizes = feature.sums(n)
    return np.flatnonzero((sizes >= min_group) & (sizes < n.sum())).tolist(), int(np.sum(sizes < min_group))


def _key(feature: Feature, group: int) -> bytes:
    return np.packbits(feature.code == group).tobytes()


def _candidates(
    groups: dict[bytes, tuple[Feature, int]], cell: IntArray, m: int, small: int, repeated: int, depth: int,
    beyond: int = 0,
) -> Candidates:  # fmt: skip
    bits = np.frombuffer(b"".join(groups), dtype=np.uint8).reshape(len(groups), (m + 7) // 8)
    members = np.unpackbits(bits, axis=1, count=m).astype(bool)
    return Candidates(list(groups.values()), members, cell, small, repeated, depth, beyond)


def candidate_rates(candidates: Candidates, cells: Cells, event: BoolArray) -> Subgroups:
    """Estimate the rates of the candidates and of their rests."""
    return stats.subgroup_rates(
        event, candidates.cell, candidates.members, cells.clusters, cells.w, squares=cells.w2, counts=cells.n
    )
