"""How much one column says about another: the same under other names, or a target that leaks into an input."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from raikit.address import text
from raikit.data.cells import as_label
from raikit.data.guess.profile import Profile

_SAMPLE = 20_000  # rows that are looked at; enough for two digits
_MAX_BINS = 32
_CASES_PER_BIN = 10
_FEW, _ROWS_PER_VALUE = 20, 20
_MIN_EXPECTED, _FEW_OTHERS = 10, 0.2
# Honest single columns of tables about people reach an AUC of 0.8; what is known only afterwards begins near 0.85.
_SURE = {"AUC": 0.95, "R²": 0.95}
_POSSIBLE = {"AUC": 0.85, "R²": 0.9}
_SEED = 0


@dataclass(frozen=True)
class Leak:
    """How nearly a column alone determines the target, measured on rows that the rule was not made from.

    Attributes
    ----------
    measure : {"AUC", "R²"}
        Area under the ROC curve (several classes: the mean of each against the rest, by size); of numbers, the share of
        the variance of their ranks.
    value : float
    """

    measure: str
    value: float

    @property
    def is_sure(self) -> bool:
        """Whether the column tells so much that it is almost surely another form of the outcome."""
        return self.value >= _SURE[self.measure]

    @property
    def is_possible(self) -> bool:
        """Whether the column tells so much that it may be known only after the outcome."""
        return self.value >= _POSSIBLE[self.measure]

    def __str__(self) -> str:
        return f"{self.measure} {self.value:.2f}"


def measure_leak(column: pd.Series[Any], target: pd.Series[Any], regression: bool) -> Leak:
    """Measure how well one column predicts the target, by the mean of the target in each of its bins or categories.

    A missing cell is a category, because values that exist only after an outcome give it away.

    Parameters
    ----------
    column, target : Series, shape (n,)
        Rows without a target are left out.
    regression : bool
        Whether the target is a number.
    """
    rows = np.flatnonzero(target.notna().to_numpy())
    rows = np.random.default_rng(_SEED).permutation(rows)[:_SAMPLE]
    half = len(rows) // 2
    codes = _bin_codes(column.iloc[rows], min(_MAX_BINS, max(2, half // _CASES_PER_BIN)))
    truth = _truth(target.iloc[rows], regression)
    halves = [(slice(None, half), slice(half, None)), (slice(half, None), slice(None, half))]
    measured = [_score(codes[fit], truth[fit], codes[test], truth[test], regression) for fit, test in halves]
    return Leak("R²" if regression else "AUC", float(np.mean(measured)))


def presence_tells(column: pd.Series[Any], target: pd.Series[Any]) -> str | None:
    """Return, in words, how far the presence of a value alone decides a class; None if it does not, or nothing is missing.

    The date of a second arrest exists only after one, though it is missing for many who were arrested again. So few
    cases of other classes must have a value, or lack one: at most a fifth of those expected, of at least ten.
    """
    present = column.notna()
    for side, where in ((present, "present"), (~present, "missing")):
        share = target[side].value_counts(normalize=True)
        if not len(share) or side.all():
            continue
        expected = float((target[target.notna()] != share.index[0]).mean()) * int(side.sum())
        if expected >= _MIN_EXPECTED and (1 - float(share.iloc[0])) * int(side.sum()) <= _FEW_OTHERS * expected:
            return f"where it is {where}, {share.iloc[0]:.0%} are {text(as_label(share.index[0]))}"
    return None


def _truth(target: pd.Series[Any], regression: bool) -> np.ndarray:
    """Return ranks between 0 and 1 in one column, or one 0/1 column for each class."""
    if regression:
        return target.rank(pct=True).to_numpy(dtype=np.float64)[:, None]
    codes, classes = pd.factorize(target)
    return np.eye(len(classes))[codes]


def _bin_codes(column: pd.Series[Any], bins: int) -> np.ndarray:
    """Return the bin or category of each cell; 0 is a missing one."""
    if pd.api.types.is_numeric_dtype(column) and column.nunique() > bins:
        numbers = column.to_numpy(dtype=np.float64, na_value=np.nan)
        edges = np.unique(np.nanquantile(numbers, np.arange(1, bins) / bins))
        # Both sides are closed in turn, so that a value that many rows share has a bin of its own.
        codes = np.searchsorted(edges, numbers, "left") + np.searchsorted(edges, numbers, "right") + 1
        return np.where(np.isnan(numbers), 0, codes)
    codes, _ = pd.factorize(column)
    return np.asarray(codes) + 1


def _score(codes: np.ndarray, truth: np.ndarray, test_codes: np.ndarray, test: np.ndarray, regression: bool) -> float:
    """Predict each test case by the mean truth of its bin, drawn towards the mean of all, and score the predictions."""
    size = int(max(codes.max(initial=0), test_codes.max(initial=0))) + 1
    count = np.bincount(codes, minlength=size)
    prior = truth.mean(axis=0)
    scores = []
    for k in range(truth.shape[1]):
        total = np.bincount(codes, weights=truth[:, k], minlength=size)
        predicted = ((total + prior[k]) / (count + 1))[test_codes]
        scores.append(_r2(test[:, k], predicted) if regression else auc(test[:, k] == 1, predicted))
    share = np.ones(1) if regression else test.mean(axis=0)
    return float(np.average(scores, weights=share)) if share.sum() else 0.5


def auc(positive: np.ndarray, score: np.ndarray) -> float:
    """Compute the area under the ROC curve; 0.5 without cases of one of the classes."""
    ones = int(positive.sum())
    zeros = len(positive) - ones
    if not ones or not zeros:
        return 0.5
    ranks = pd.Series(score).rank().to_numpy()
    return float((ranks[positive].sum() - ones * (ones + 1) / 2) / (ones * zeros))


def _r2(truth: np.ndarray, predicted: np.ndarray) -> float:
    spread = float(((truth - truth.mean()) ** 2).sum())
    return 1 - float(((truth - predicted) ** 2).sum()) / spread if spread else 0.0


def signatures(table: pd.DataFrame, profiles: Mapping[str, Profile]) -> dict[str, Hashable]:
    """Return, for each column that may say the same as another one, what such columns have in common.

    Two columns say the same if their values correspond one to one, such as a code and its description, and the same cells
    are missing. Numbers with many values, which would correspond by chance, must be equal.
    """
    alike = Counter((about.distinct, about.missing) for about in profiles.values())
    return {
        name: _signature(table[name], about)
        for name, about in profiles.items()
        if about.distinct > 1 and alike[about.distinct, about.missing] > 1
    }


def _signature(values: pd.Series[Any], about: Profile) -> Hashable:
    if about.distinct > max(_FEW, about.rows // _ROWS_PER_VALUE):
        cells = pd.util.hash_pandas_object(values, index=False).to_numpy()
    else:
        # Values are counted in the order of their appearance, so columns that correspond have the same codes.
        cells = np.asarray(pd.factorize(values)[0], dtype=np.int64)
    return hashlib.sha256(cells.tobytes()).digest()


def find_same(column: str, shared: Mapping[str, Hashable], others: Iterable[str]) -> str | None:
    """Return the first other column that says the same as `column`, by their signatures, or None."""
    if column not in shared:
        return None
    return next((other for other in others if other != column and shared.get(other) == shared[column]), None)


def is_coarser(fine: pd.Series[Any], coarse: pd.Series[Any]) -> bool:
    """Whether each value of `fine` belongs to one value of `coarse`: ages and their ranges."""
    both = pd.DataFrame({"fine": pd.factorize(fine)[0], "coarse": pd.factorize(coarse)[0]})
    both = both[(both >= 0).all(axis=1)]
    return bool(len(both)) and int(both.drop_duplicates()["fine"].duplicated().sum()) == 0
