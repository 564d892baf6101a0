"""Train, validation and test: from a column, or drawn whole clusters together so that nothing leaks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from raikit.config.schema import SplitConfig
from raikit.data.roles import Error
from raikit.data.tables import Rows, shown
from raikit.errors import DataError, listed

TRAIN, VALIDATION, TEST = ORDER = ("train", "validation", "test")
SPELLINGS = {name: name for name in ORDER} | {"val": VALIDATION, "valid": VALIDATION, "dev": VALIDATION}
_DEFAULT_VALIDATION = 0.1
_DRAWS = 20
_MANY_UNITS = 10_000  # so many that one draw is as good as another

Codes = np.ndarray  # int64, shape (n,)


@dataclass(frozen=True)
class Plan:
    """What the rows are wanted for, and what the drawing goes by.

    Attributes
    ----------
    trains : bool
        Whether a model is trained: then there must be rows to train on, and some are kept for validation.
    only_test : bool
        Whether the predictions stand in the table: then only test rows are of interest.
    strata : ndarray of int64, shape (n,)
        Rows of one number should be alike in every part.
    clusters : mapping of name to Series of text
    """

    trains: bool
    only_test: bool
    strata: Codes
    clusters: Mapping[str, pd.Series[Any]]
    seed: int


def assign(
    config: SplitConfig | None, table: pd.DataFrame, rows: Rows, plan: Plan, error: Error
) -> tuple[np.ndarray, list[str]]:
    """The split of each row, and what there is to say about it.

    Returns
    -------
    ndarray of str, shape (n,)
        ``train``, ``validation`` or ``test``.
    list of str
        Sentences for the record.

    Raises
    ------
    ConfigError
        No split is named where one is needed, a name in the split column is unknown, or a needed split has no rows.
    DataError
        A row without a split; it is named.
    """
    column = config.column if config else None
    notes: list[str] = []
    if column is not None:
        split = _named(table[column], rows, error)
    elif config is None or config.test is None or plan.only_test:
        if plan.trains:
            raise error(
                ("data", "split"),
                "a model that is trained is judged on rows that it has not seen: name a "
                "split column, or say {validation: 0.1, test: 0.2}.",
            )
        if config is not None:
            notes.append("The table holds the predictions, so nothing was drawn: every row is audited.")
        split = np.full(len(table), TEST, dtype=object)
    else:
        split = np.full(len(table), TRAIN, dtype=object)
        split[_drawn(split == TRAIN, config.test, plan, config, 0)] = TEST
    if share := _validation_share(config, split, plan):
        split[_drawn(split == TRAIN, share, plan, config, 1)] = VALIDATION
        notes += _of_validation(config, split, plan)
    if column is None and TRAIN in split and len(plan.clusters) > 1:
        kept, *others = _kept_apart_first(config, list(plan.clusters))
        notes.append(
            f"Splits were drawn so that all rows of one {kept} are in one of them; rows of one "
            f"{' or '.join(others)} may be in several."
        )
    for name in (TRAIN, TEST) if plan.trains else (TEST,):
        if name not in split:
            raise error(("data", "split"), f"no row of {rows.file} is in the split {name!r}.")
    return split, notes


def _named(values: pd.Series[Any], rows: Rows, error: Error) -> np.ndarray:
    codes, distinct = pd.factorize(values)
    if (codes < 0).any():
        raise DataError(f"{rows.at(int((codes < 0).argmax()))}: data.split ({values.name}) is missing.")
    names = [SPELLINGS.get(str(value).strip().lower()) for value in distinct]
    if unknown := [shown(value) for value, name in zip(distinct, names, strict=True) if name is None]:
        raise error(
            ("data", "split"),
            f"{values.name!r} holds {listed(unknown, 5)}; a split is called "
            "train, validation (or val, valid, dev) or test.",
        )
    return np.array(names, dtype=object)[codes]


def _validation_share(config: SplitConfig | None, split: np.ndarray, plan: Plan) -> float:
    """How much of train becomes validation: nothing if there is some already, or if nobody needs it."""
    if plan.only_test or VALIDATION in split or TRAIN not in split:
        return 0.0
    asked: float | None = config.validation if config else None
    if asked is None:
        return _DEFAULT_VALIDATION if plan.trains else 0.0
    # beside a fraction for test both are of all rows; beside a column it can only be of train
    return min(1.0, asked / (1 - config.test)) if config and config.test else float(asked)


def _of_validation(config: SplitConfig | None, split: np.ndarray, plan: Plan) -> list[str]:
    if VALIDATION not in split:
        return ["All rows to train on belong to one cluster, so none could be kept for validation."]
    if config and config.validation is not None:
        return []
    whole = _kept_apart_first(config, list(plan.clusters))
    return [
        f"No validation rows were named, so about {_DEFAULT_VALIDATION:.0%} of train was taken for it"
        + (f", each {whole[0]} whole." if whole else ".")
    ]


def _kept_apart_first(config: SplitConfig | None, clusters: Sequence[str]) -> list[str]:
    """The cluster columns, the one that is kept apart first."""
    first = config.by if config and config.by else (clusters[0] if clusters else None)
    return [name for name in clusters if name == first] + [name for name in clusters if name != first]


def _drawn(among: np.ndarray, fraction: float, plan: Plan, config: SplitConfig | None, stage: int) -> np.ndarray:
    """Positions of about `fraction` of the rows in `among`, whole clusters together."""
    positions = np.flatnonzero(among)
    order = _kept_apart_first(config, list(plan.clusters))
    units = _units(plan.clusters[order[0]].iloc[positions]) if order else np.arange(len(positions))
    rng = np.random.default_rng([plan.seed, 7001, stage])
    drawn: np.ndarray = positions[draw(units, plan.strata[positions], fraction, rng)]
    return drawn


def _units(cluster: pd.Series[Any]) -> Codes:
    """Numbers of what is kept together; a row without a cluster stands alone."""
    codes, known = pd.factorize(cluster)
    missing = codes < 0
    alone = len(known) + np.cumsum(missing) - 1
    return np.asarray(pd.factorize(np.where(missing, alone, codes))[0], dtype=np.int64)


def draw(units: Codes, strata: Codes, fraction: float, rng: np.random.Generator) -> np.ndarray:
    """Draw about a fraction of the rows, whole units together, each stratum in about the same proportion.

    Parameters
    ----------
    units : ndarray of int64, shape (n,)
        Rows of one number stay together; numbered from 0 without gaps.
    strata : ndarray of int64, shape (n,)
    fraction : float, in (0, 1)

    Returns
    -------
    ndarray of bool, shape (n,)
        At least one unit is drawn and one is left, unless there is only one, which is left.

    Notes
    -----
    Systematic sampling: units are put in order of their mean stratum and size, ties at random, and every 1/fraction-th
    is drawn from a random start, so that single rows are within one of the fraction in each stratum. Where a few
    thousand units differ in size, the best of 20 draws is kept, by how far the counts of the strata are from the
    fraction. A unit that is much larger than what is wanted is not drawn while there are others.
    """
    sizes = np.bincount(units)
    mean = np.bincount(units, weights=strata) / sizes
    small = np.flatnonzero(sizes <= max(1.0, 1.5 * fraction * len(units)))
    if len(sizes) < 2:
        return np.zeros(len(units), dtype=bool)
    if not len(small):
        small = np.array([int(sizes.argmin())])
    # what the units that are too large leave to the others
    rate = min(1.0, fraction * len(units) / sizes[small].sum())
    want = fraction * np.bincount(strata)
    best, least = np.zeros(len(units), dtype=bool), np.inf
    for _ in range(1 if sizes.max() == 1 or len(small) > _MANY_UNITS else _DRAWS):
        order = small[np.lexsort((rng.random(len(small)), sizes[small], mean[small]))]
        at = np.floor((np.arange(len(order) + 1)) * rate + rng.random())
        taken = np.zeros(len(sizes), dtype=bool)
        taken[order[np.diff(at) > 0]] = True
        if not taken.any():
            taken[rng.choice(small)] = True
        if taken.all():
            taken[rng.integers(len(sizes))] = False
        chosen = taken[units]
        off = float(np.abs(np.bincount(strata[chosen], minlength=len(want)) - want).sum())
        if off < least:
            best, least = chosen, off
    return best


def strata_of(numbers: np.ndarray, classes: int) -> Codes:
    """What a draw is stratified by: the class, the combination of labels, or the tenth that a number is in."""
    if numbers.ndim == 2:
        return np.asarray(np.unique(numbers, axis=0, return_inverse=True)[1], dtype=np.int64).reshape(-1)
    if classes:
        return numbers.astype(np.int64)
    tenths = np.quantile(numbers, np.arange(1, 10) / 10)
    return np.searchsorted(tenths, numbers, side="right").astype(np.int64)


def overlap(split: np.ndarray, clusters: Mapping[str, pd.Series[Any]]) -> dict[str, str]:
    """For each cluster column that is not apart, how many of its values have rows both in train and in test.

    Examples
    --------
    >>> overlap(np.array(["train", "test", "test"]), {"speaker": pd.Series(["a", "a", "b"])})
    {'speaker': '1 of 2 values are in both train and test'}
    """
    said = {}
    for name, values in clusters.items():
        train, test = (set(values[split == part].dropna().unique()) for part in (TRAIN, TEST))
        if both := train & test:
            said[name] = f"{len(both):,} of {len(train | test):,} values are in both train and test"
    return said
