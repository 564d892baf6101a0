"""Train, validation and test: read from a column, or drawn with whole clusters so that nothing leaks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from raikit.config.schema import SplitConfig
from raikit.config.types import Error
from raikit.data.cells import RowNames, shown
from raikit.errors import DataError, listed
from raikit.format import as_given

TRAIN, VALIDATION, TEST = ORDER = ("train", "validation", "test")
SPELLINGS = {name: name for name in ORDER} | {"val": VALIDATION, "valid": VALIDATION, "dev": VALIDATION}
_DEFAULT_VALIDATION = 0.1
_DRAWS = 20
_MANY_UNITS = 10_000  # beyond this, one draw is as good as another

Codes = np.ndarray  # int64, shape (n,)


@dataclass(frozen=True)
class SplitDesign:
    """The purpose of the splits, and what a random split respects.

    Attributes
    ----------
    trains : bool
        Whether a model is trained. Then there must be train cases, and some are set aside for validation.
    only_test : bool
        Whether the table holds the predictions, so that only test cases matter.
    strata : ndarray of int64, shape (n,)
        Every split should have about the same proportion of each stratum.
    clusters : mapping of column to Series of text
        Whole clusters of one column go to the same split.
    seed : int
    """

    trains: bool
    only_test: bool
    strata: Codes
    clusters: Mapping[str, pd.Series[Any]]
    seed: int


def assign_splits(
    config: SplitConfig | None, table: pd.DataFrame, rows: RowNames, design: SplitDesign, error: Error
) -> tuple[np.ndarray, list[str]]:
    """Return the split of each case, and notes for the record.

    Returns
    -------
    ndarray of str, shape (n,)
        ``train``, ``validation`` or ``test``.
    list of str
        Sentences for the record.

    Raises
    ------
    ConfigError
        If a split is needed and none is configured, if the split column holds an unknown name, or if a split that is
        needed is empty.
    DataError
        If a row has no split; the row is named.
    """
    column = config.column if config else None
    notes: list[str] = []
    if column is not None:
        split = _read_splits(table[column], rows, error)
    elif config is None or config.test is None or design.only_test:
        if design.trains:
            raise error(
                ("data", "split"),
                "a model must be tested on cases that it was not trained on; name a split column, or write "
                "{validation: 0.1, test: 0.2}.",
            )
        if config is not None:
            notes.append("The table holds the predictions, so no split was drawn: all cases are audited.")
        split = np.full(len(table), TEST, dtype=object)
    else:
        split = np.full(len(table), TRAIN, dtype=object)
        split[_draw_cases(split == TRAIN, config.test, design, config, 0)] = TEST
    if share := _validation_share(config, split, design):
        split[_draw_cases(split == TRAIN, share, design, config, 1)] = VALIDATION
        notes += _validation_notes(config, split, design)
    if column is None and TRAIN in split and len(design.clusters) > 1:
        separated, *others = _separated_column_first(config, list(design.clusters))
        notes.append(
            f"All cases of one {separated} are in the same split; cases of one {' or '.join(others)} may be in several "
            "splits."
        )
    for name in (TRAIN, TEST) if design.trains else (TEST,):
        if name not in split:
            raise error(("data", "split"), f"no row of {rows.file} is in the {name} split.")
    return split, notes


def _read_splits(values: pd.Series[Any], rows: RowNames, error: Error) -> np.ndarray:
    codes, distinct = pd.factorize(values)
    if (codes < 0).any():
        raise DataError(f"{rows.at(int((codes < 0).argmax()))}: data.split ({values.name}) is missing.")
    names = [SPELLINGS.get(str(value).strip().lower()) for value in distinct]
    if unknown := [shown(value) for value, name in zip(distinct, names, strict=True) if name is None]:
        raise error(
            ("data", "split"),
            f"{values.name!r} holds {listed(unknown, 5)}; valid names are train, validation (or val, valid, dev) and "
            "test.",
        )
    return np.array(names, dtype=object)[codes]


def _validation_share(config: SplitConfig | None, split: np.ndarray, design: SplitDesign) -> float:
    """Return the share of the train cases that becomes validation; 0 if there is a validation split or none is needed."""
    if design.only_test or VALIDATION in split or TRAIN not in split:
        return 0.0
    configured: float | None = config.validation if config else None
    if configured is None:
        return _DEFAULT_VALIDATION if design.trains else 0.0
    # With a fraction for test, both are shares of all cases; with a split column it is a share of the train cases.
    return min(1.0, configured / (1 - config.test)) if config and config.test else float(configured)


def _validation_notes(config: SplitConfig | None, split: np.ndarray, design: SplitDesign) -> list[str]:
    if VALIDATION not in split:
        return ["All train cases belong to one cluster, so no validation split could be made."]
    if config and config.validation is not None:
        return []
    clusters = _separated_column_first(config, list(design.clusters))
    return [
        f"No validation split was configured, so about {as_given(_DEFAULT_VALIDATION * 100)}% of the train cases were set aside"
        + (f", all cases of one {clusters[0]} together." if clusters else ".")
    ]


def _separated_column_first(config: SplitConfig | None, clusters: Sequence[str]) -> list[str]:
    """Return the cluster columns, first the one whose clusters are never divided between splits."""
    first = config.by if config and config.by else (clusters[0] if clusters else None)
    return [name for name in clusters if name == first] + [name for name in clusters if name != first]


def _draw_cases(
    candidates: np.ndarray, fraction: float, design: SplitDesign, config: SplitConfig | None, stage: int
) -> np.ndarray:
    """Return the positions of about `fraction` of the candidates (a mask), whole clusters together."""
    positions = np.flatnonzero(candidates)
    order = _separated_column_first(config, list(design.clusters))
    units = _unit_codes(design.clusters[order[0]].iloc[positions]) if order else np.arange(len(positions))
    rng = np.random.default_rng([design.seed, 7001, stage])
    selected: np.ndarray = positions[draw_units(units, design.strata[positions], fraction, rng)]
    return selected


def _unit_codes(cluster: pd.Series[Any]) -> Codes:
    """Return the unit of each case, numbered from 0; a case without a cluster is a unit of its own."""
    codes, known = pd.factorize(cluster)
    missing = codes < 0
    alone = len(known) + np.cumsum(missing) - 1
    return np.asarray(pd.factorize(np.where(missing, alone, codes))[0], dtype=np.int64)


def draw_units(units: Codes, strata: Codes, fraction: float, rng: np.random.Generator) -> np.ndarray:
    """Draw about a fraction of the cases, in whole units and with about the same proportion of each stratum.

    Parameters
    ----------
    units : ndarray of int64, shape (n,)
        Unit of each case, numbered from 0 without gaps.
    strata : ndarray of int64, shape (n,)
    fraction : float, in (0, 1)

    Returns
    -------
    ndarray of bool, shape (n,)
        At least one unit is drawn and one is left; a single unit is left.

    Notes
    -----
    This is systematic sampling. Units are sorted by mean stratum and size, with ties in random order. From a random
    start, every 1/fraction-th unit is drawn, so that single cases are within one of the fraction in each stratum. Where
    units differ in size, the best of 20 draws is kept, judged by how far the counts of the strata are from the fraction.
    A unit much larger than the fraction is not drawn while there are others.
    """
    sizes = np.bincount(units)
    mean = np.bincount(units, weights=strata) / sizes
    small = np.flatnonzero(sizes <= max(1.0, 1.5 * fraction * len(units)))
    if len(sizes) < 2:
        return np.zeros(len(units), dtype=bool)
    if not len(small):
        small = np.array([int(sizes.argmin())])
    # Units that are too large are never drawn, so the others are drawn more often.
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


def stratify(numbers: np.ndarray, classes: int) -> Codes:
    """Return the stratum of each case: its class, or the tenth of the distribution that its number is in."""
    if classes:
        return numbers.astype(np.int64)
    tenths = np.quantile(numbers, np.arange(1, 10) / 10)
    return np.searchsorted(tenths, numbers, side="right").astype(np.int64)


def describe_overlap(split: np.ndarray, clusters: Mapping[str, pd.Series[Any]]) -> dict[str, str]:
    """Say for each cluster column how many of its values occur in both train and test, if any do.

    Examples
    --------
    >>> describe_overlap(np.array(["train", "test", "test"]), {"speaker": pd.Series(["a", "a", "b"])})
    {'speaker': '1 of 2 values are in both train and test'}
    """
    overlap = {}
    for name, values in clusters.items():
        train, test = (set(values[split == part].dropna().unique()) for part in (TRAIN, TEST))
        if both := train & test:
            overlap[name] = f"{len(both):,} of {len(train | test):,} values are in both train and test"
    return overlap
