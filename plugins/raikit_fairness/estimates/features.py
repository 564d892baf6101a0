"""Sensitive features and their intersections, coded as integers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations
from types import MappingProxyType
from typing import Any

import numpy as np

import raikit
from raikit.arrays import BoolArray, Groups, IntArray
from raikit.format import columns_text, group_label, stored_group

_LARGEST_CODE = 1 << 62  # a product of group counts beyond it does not fit into int64
_LARGEST_TABLE = 1 << 20  # up to so many combinations, a table of counts is faster than sorting


@dataclass(frozen=True)
class Feature:
    """One sensitive feature, or an intersection of several, with the groups that occur.

    Parameters
    ----------
    columns : tuple of str
    groups : list of tuple of str or None
        Values in the order of `columns`; None is missing.
    code : ndarray of int, shape (m,)
        Group of each cell or case; -1 belongs to none.
    only_shown : frozenset of str
        Columns whose missing group has metrics of its own and is compared with no other (``data.missing_group: show``).
    """

    columns: tuple[str, ...]
    groups: list[tuple[str | None, ...]]
    code: IntArray
    only_shown: frozenset[str] = frozenset()

    @property
    def k(self) -> int:
        """Return the number of groups."""
        return len(self.groups)

    def sums(self, values: Any) -> Any:
        """Return the sum of values of cells or cases in each group; those of no group count nowhere."""
        sums = np.bincount(self.code + 1, values, minlength=self.k + 1)[1:]
        return sums.astype(np.asarray(values).dtype, copy=False)

    @cached_property
    def compared(self) -> BoolArray:
        """Return which groups are compared with others, shape (k,)."""
        shown = [any(value is None and column in self.only_shown for column, value in zip(self.columns, group, strict=True))
                 for group in self.groups]  # fmt: skip
        return ~np.array(shown, dtype=bool)

    def of_compared(self) -> Feature:
        """Return the feature without the groups that are only shown: their cases belong to none."""
        if self.compared.all():
            return self
        return replace(self.renumbered([group for group, kept in zip(self.groups, self.compared, strict=True) if kept]),
                       only_shown=frozenset())  # fmt: skip

    @property
    def key(self) -> str:
        """Return the columns as the data has them, such as ``sex and race``."""
        return " and ".join(self.columns)

    @property
    def title(self) -> str:
        """Return the columns as people read them, in the words of ``data.labels``."""
        return columns_text(self.columns)

    @cached_property
    def members(self) -> list[IntArray]:
        """Return the positions of the cells or cases of each group."""
        if self.k <= 2:
            return [np.flatnonzero(self.code == group) for group in range(self.k)]
        order = np.argsort(self.code, kind="stable")
        starts = np.searchsorted(self.code[order], np.arange(self.k + 1))
        return [order[starts[group] : starts[group + 1]] for group in range(self.k)]

    def within(self, cells: BoolArray) -> Feature:
        """Return the same feature among some of the cells, with the groups that occur there."""
        present, code = np.unique(self.code[cells], return_inverse=True)
        outside = int(present[:1].sum() == -1)  # the first of the sorted codes, if a case belongs to no group
        groups = [self.groups[group] for group in present[outside:].tolist()]
        return replace(self, groups=groups, code=code.reshape(-1).astype(np.int64) - outside)

    def renumbered(self, groups: list[tuple[str | None, ...]]) -> Feature:
        """Return the same feature with other groups, in their order; a cell of a group that is not among them gets -1."""
        position = {group: index for index, group in enumerate(groups)}
        code = np.array([*(position.get(group, -1) for group in self.groups), -1], dtype=np.int64)[self.code]
        return replace(self, groups=groups, code=code)

    def group(self, group: int) -> dict[str, str | None]:
        """Return a group as an address has it."""
        return dict(zip(self.columns, self.groups[group], strict=True))

    def name(self, group: int) -> str:
        """Return a group as a record names it, such as ``sex: F, race: missing``."""
        return stored_group(self.group(group))

    def label(self, group: int) -> str:
        """Return a group as people read it, in the words of ``data.labels``: ``Women, race: missing``."""
        return group_label(self.group(group))

    def in_words(self, name: str) -> str:
        """Return the group that a record calls `name` as people read it; another text is returned as it is."""
        return self._labels.get(name, name)

    @cached_property
    def _labels(self) -> dict[str, str]:
        return {self.name(group): self.label(group) for group in range(self.k)}

    def condition(self, group: int) -> str:
        """Return the group as the value of `given` in a metric address, such as ``dept=A``."""
        parts = zip(self.columns, self.groups[group], strict=True)
        return ", ".join(f"{column} missing" if value is None else f"{column}={_quoted(value)}" for column, value in parts)


def _quoted(value: str) -> str:
    """Put a value in quotation marks if it could be misread; a bin such as ``[20, 30)`` needs none."""
    ambiguous = not value or value != value.strip() or ("," in value and value[0] not in "[(") or "=" in value
    return f"“{value}”" if ambiguous else value


def build_features(
    coded: Mapping[str, Groups], intersections: int, max_groups: int, missing: Mapping[str, str] = MappingProxyType({})
) -> list[Feature]:
    """Return every single feature, then every intersection of two, of three and so on that has at most `max_groups` groups.

    Parameters
    ----------
    coded : mapping of column to Groups
    intersections : int
        Most columns in one intersection.
    max_groups : int
    missing : mapping of column to {"show", "leave_out"}
        What the missing group of a column is; of other columns it is compared as every group.

    Raises
    ------
    DataError
        If a single feature has more than `max_groups` groups.
    """
    coded = {column: without_missing(groups) if missing.get(column) == "leave_out" else groups for column, groups in coded.items()}
    features = [cross((column,), [groups], max_groups) for column, groups in coded.items()]
    for columns in _crossings(coded, intersections):
        try:
            features.append(cross(columns, [coded[column] for column in columns], max_groups))
        except TooManyGroups:
            continue  # `describe_left_out` says so
    shown = {column for column, choice in missing.items() if choice == "show"}
    return [replace(feature, only_shown=frozenset(shown.intersection(feature.columns))) for feature in features]


def without_missing(groups: Groups) -> Groups:
    """Return the groups without the missing one, which is the last: its cases belong to none."""
    if None not in groups.names:
        return groups
    last = len(groups.names) - 1
    return Groups(np.where(groups.codes == last, -1, groups.codes), groups.names[:-1])


def describe_left_out(features: Sequence[Feature], intersections: int, max_groups: int) -> list[str]:
    """Say which intersections `build_features` left out, in sentences."""
    columns = [feature.columns[0] for feature in features if len(feature.columns) == 1]
    built = {feature.columns for feature in features}
    return [
        f"{' and '.join(crossing)} are not crossed, because more than {max_groups:,} groups would occur; bin their values, or "
        "raise max_groups."
        for crossing in _crossings(columns, intersections)
        if crossing not in built
    ]


def _crossings(columns: Iterable[str], intersections: int) -> list[tuple[str, ...]]:
    names = list(columns)
    return [crossing for size in range(2, intersections + 1) for crossing in combinations(names, size)]


class TooManyGroups(raikit.DataError):
    """A feature with more groups than the limit."""


def cross(columns: tuple[str, ...], parts: Sequence[Groups], max_groups: int) -> Feature:
    """Cross columns and return the feature of the groups that occur.

    Raises
    ------
    TooManyGroups
        If more than `max_groups` groups occur, or the possible combinations cannot be numbered.
    """
    size = int(np.prod([float(len(part.names)) for part in parts]))
    if size >= _LARGEST_CODE:
        raise TooManyGroups(f"{' and '.join(columns)} cannot be crossed: that would be over 10^18 groups.")
    code = np.zeros(len(parts[0].codes), dtype=np.int64)
    for part in parts:
        code = code * len(part.names) + part.codes
    inside = np.logical_and.reduce([part.codes >= 0 for part in parts])
    if not inside.all():
        numbers, place = np.unique(code[inside], return_inverse=True)
        code = np.full(len(code), -1, dtype=np.int64)
        code[inside] = place.reshape(-1)
    elif size <= _LARGEST_TABLE:
        occurs = np.bincount(code, minlength=size) > 0
        numbers, code = np.flatnonzero(occurs), (np.cumsum(occurs) - 1)[code]
    else:
        numbers, code = np.unique(code, return_inverse=True)
    if len(numbers) > max_groups:
        raise TooManyGroups(
            f"{' and '.join(columns)} has {len(numbers)} groups, over the {max_groups} of max_groups: "
            "bin its values, lower intersections, or raise max_groups."
        )
    groups = [_values(number, parts) for number in numbers.tolist()]
    return Feature(columns, groups, code.reshape(-1).astype(np.int64))


def _values(number: int, parts: Sequence[Groups]) -> tuple[str | None, ...]:
    """Return the value of each column behind the number of a combination."""
    values: list[str | None] = []
    for part in reversed(parts):
        number, position = divmod(number, len(part.names))
        values.insert(0, part.names[position])
    return tuple(values)
