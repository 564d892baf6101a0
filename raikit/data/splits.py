"""Train, validation and test: from a column, or drawn whole clusters together so that nothing leaks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from raikit.errors import DataError, listed

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from raikit.config.schema import SplitConfig

ORDER = ("train", "validation", "test")
_NAMES = {
    "train": "train",
    "training": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "dev": "validation",
    "test": "test",
    "testing": "test",
}
_DEFAULT_VALIDATION = 0.1


def assign(
    config: SplitConfig | None,
    column: pd.Series | None,
    target: pd.Series,
    units: pd.Series | None,
    *,
    trains: bool,
    stratify: bool,
    rng: np.random.Generator,
    file: str,
) -> np.ndarray:
    """The split of each row.

    Parameters
    ----------
    config : SplitConfig or None
        None: all rows are ``test``, which only does when nothing is trained.
    column : Series or None
        The split column, if there is one.
    units : Series or None
        What is kept together: the cluster that ``split.by`` names, or the only one. None: rows.
    trains : bool
        Whether a model is trained, which needs rows of train and, for early stopping, of validation.
    stratify : bool
        Keep the shares of the classes alike.

    Raises
    ------
    DataError
        An unknown split name, or a split that is needed and empty.
    """
    import numpy as np

    if column is not None:
        split = _named(column, file)
    elif config is not None and config.test is not None:
        split = np.full(len(target), "train", dtype=object)
        split[draw(units, target if stratify else None, config.test, rng, np.arange(len(target)))] = "test"
    elif trains:
        raise DataError(
            "data.split: to train a model, name a split column or fractions such as {validation: 0.1, test: 0.2}."
        )
    else:
        return np.full(len(target), "test", dtype=object)
    share = _DEFAULT_VALIDATION if config is None or config.validation is None else config.validation
    if trains and share and (split == "train").any() and not (split == "validation").any():
        # the fraction is of all rows, so of what is left for train it is more
        rest = np.flatnonzero(split == "train")
        fraction = share if column is not None or config is None else share / (1 - (config.test or 0))
        split[draw(units, target if stratify else None, fraction, rng, rest)] = "validation"
    for name in ("train", "test") if trains else ("test",):
        if not (split == name).any():
            raise DataError(f"data.split: there are no rows in the split {name!r} of {file}.")
    return split


def _named(column: pd.Series, file: str) -> np.ndarray:
    import numpy as np
    import pandas as pd

    codes, distinct = pd.factorize(column)
    names = [_NAMES.get(str(value).strip().lower()) for value in distinct]
    if None in names:
        unknown = [value for value, name in zip(distinct, names, strict=True) if name is None]
        raise DataError(f"data.split ({column.name}): {listed(unknown, 5)} is no split; use train, validation, test.")
    if (codes < 0).any():
        raise DataError(f"{file}, row {int((codes < 0).argmax()) + 1}: data.split ({column.name}) is missing.")
    return np.array(names, dtype=object)[codes]


def draw(
    units: pd.Series | None, target: pd.Series | None, fraction: float, rng: np.random.Generator, rows: np.ndarray
) -> np.ndarray:
    """Positions among `rows` of a random part, whole units together, stratified by the units' most frequent class.

    Within each stratum units are shuffled and taken until the stratum's share of rows is reached, so that the part is as
    near to the fraction as whole units allow, and never empty.
    """
    import numpy as np
    import pandas as pd

    unit = np.arange(len(rows)) if units is None else _units(units.iloc[rows])
    sizes = np.bincount(unit)
    stratum = np.zeros(len(sizes), dtype=np.int64)
    if target is not None:
        codes, classes = pd.factorize(target.iloc[rows])
        counts = np.bincount(unit * len(classes) + codes, minlength=len(sizes) * len(classes)).reshape(len(sizes), -1)
        stratum = counts.argmax(axis=1)
    taken = np.zeros(len(sizes), dtype=bool)
    for name in np.unique(stratum):
        members = rng.permutation(np.flatnonzero(stratum == name))
        before = np.cumsum(sizes[members]) - sizes[members]
        # a unit is taken if more than half of it lies below the share
        taken[members[before + sizes[members] / 2 <= fraction * sizes[members].sum()]] = True
    if not taken.any():
        taken[rng.integers(len(sizes))] = True
    return rows[taken[unit]]


def _units(units: pd.Series) -> np.ndarray:
    """Numbers of units from 0; a row without one is a unit of its own."""
    import numpy as np
    import pandas as pd

    codes, distinct = pd.factorize(units)
    alone = np.flatnonzero(codes < 0)
    codes[alone] = len(distinct) + np.arange(len(alone))
    return codes


def overlap(split: np.ndarray, clusters: pd.DataFrame) -> dict[str, str]:
    """For each cluster column, how many of its values have rows both in train or validation and in test."""
    told = {}
    for name in clusters.columns:
        test = set(clusters.loc[split == "test", name].dropna())
        other = set(clusters.loc[split != "test", name].dropna())
        both = test & other
        if test and other:
            told[name] = (
                f"{len(both):,} of the {len(test):,} values in test are in train or validation too" if both else "none"
            )
    return told
