"""The gap or ratio of rates that data of this size would have shown with 80% power.

One group differs from all others, which have the common rate. A rate away from the common one has another variance, and a group
with few events another shape: with no event in 40 cases, the variance at the common rate promises three times too much. So each
alternative is tried: the estimates are put where they are exceeded with 80% probability, and the limits of the interval are
computed there.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.special import ndtr

from raikit.stats._types import BoolArray, FloatArray
from raikit.stats.constants import POWER_QUANTILE, TINY
from raikit.stats.families import Family
from raikit.stats.mover import difference_limits, ratio_limits
from raikit.stats.rates import limits_at

_STEPS = 128  # Sizes of a difference that are tried, each a few percent larger than the last.
_Limits = tuple[FloatArray, FloatArray, FloatArray]  # a rate with its limits


def detectable_gap(p: FloatArray, n: FloatArray, family: Family, se: FloatArray, critical: FloatArray) -> float:
    """Return the smallest gap that is detected with 80% power, whichever group differs; 1 if no smaller one is.

    Parameters
    ----------
    p, n : ndarray, shape (k,)
        Common rate of each group's stratum, between 0 and 1, and number of cases.
    family : Family
    se, critical : ndarray, shape (c,)
        Standard error of each contrast under the common rate, and its critical value.
    """

    def of_group(rate: float, numbers: tuple[float, float], limit: float, start: float) -> float:
        d = np.geomspace(max(min(start, 1.0) / 4, 1e-7), 1.0, _STEPS)
        up = _first(d[d <= 1 - rate], lambda by: _shown(rate + by, rate, numbers, limit, _is_apart), 1 - rate)
        down = _first(d[d <= rate], lambda by: _shown(rate - by, rate, numbers, limit, _is_apart), rate)
        return 1.0 if up >= 1 - rate and down >= rate else max(up, down)

    return max(of_group(*one) for one in _least_favourable(p, n, family, se, critical))


def detectable_ratio(p: FloatArray, n: FloatArray, family: Family, se: FloatArray, critical: FloatArray) -> float:
    """Return the largest ratio (below 1) that is detected with 80% power, whichever group differs; 0 if none is.

    `se` is that of the logarithm; the other parameters are those of `detectable_gap`.
    """

    def of_group(rate: float, numbers: tuple[float, float], limit: float, start: float) -> float:
        far = -np.geomspace(max(start / 4, 1e-7), max(start * 8, 10.0), _STEPS)  # logarithms of ratios
        down = _first(far, lambda by: _shown(rate * np.exp(by), rate, numbers, limit, _is_below), -np.inf)
        possible = far[far >= np.log(rate)]
        up = _first(possible, lambda by: _shown(rate * np.exp(-by), rate, numbers, limit, _is_below), float(np.log(rate)))
        return float(np.exp(min(up, down)))

    return min(of_group(*one) for one in _least_favourable(p, n, family, se, critical))


def _first(sizes: FloatArray, is_shown: Callable[[FloatArray], BoolArray], otherwise: float) -> float:
    """Return the size after the last that is not shown; `otherwise` if there is none."""
    hidden = np.flatnonzero(~is_shown(sizes))
    after = int(hidden[-1]) + 1 if len(hidden) else 0
    return float(sizes[after]) if after < len(sizes) else otherwise


def _shown(
    rate: FloatArray, common: float, numbers: tuple[float, float], critical: float,
    is_apart: Callable[[_Limits, _Limits], BoolArray],
) -> BoolArray:  # fmt: skip
    """Return at which rates of one group its contrast is shown where estimates are as near as with 20% probability."""
    rate = np.clip(rate, 0.0, 1.0)
    own, other = rate * (1 - rate) / numbers[0], common * (1 - common) / numbers[1]
    nearer = np.sign(rate - common) * POWER_QUANTILE / np.sqrt(np.maximum(own + other, TINY))
    seen = np.clip(rate - nearer * own, 0.0, 1.0), np.clip(common + nearer * other, 0.0, 1.0)
    tail = float(ndtr(-critical))
    first, second = ((x, *limits_at(x * n, n, tail)) for x, n in zip(seen, numbers, strict=True))
    return np.asarray(is_apart(first, second) & ((seen[0] > seen[1]) == (rate > common)))


def _is_apart(first: _Limits, second: _Limits) -> BoolArray:
    low, high = difference_limits(*first, *second)
    return np.asarray((low > 0) | (high < 0))


def _is_below(first: _Limits, second: _Limits) -> BoolArray:
    with np.errstate(divide="ignore", invalid="ignore"):
        low, high = ratio_limits(*first, *second)
    return np.asarray((low > 1) | (high < 1))


def _least_favourable(
    p: FloatArray, n: FloatArray, family: Family, se: FloatArray, critical: FloatArray
) -> list[tuple[float, tuple[float, float], float, float]]:
    """Return for each stratum the group that is hardest to tell apart, by its most precise contrast.

    Each is (common rate, cases of both sides, critical value, difference that a normal approximation would detect).
    """
    sizes, found = np.append(n, family.others @ n if len(family.rest_of) else np.empty(0)), []
    needed = (critical + POWER_QUANTILE) * se
    smallest = np.full(len(sizes), np.inf)
    np.minimum.at(smallest, family.plus, needed)
    for stratum in np.unique(family.strata):
        group = max(np.flatnonzero(family.strata == stratum).tolist(), key=lambda at: float(smallest[at]))
        at = int(np.flatnonzero((family.plus == group) & (needed == smallest[group]))[0])
        numbers = float(sizes[group]), float(sizes[family.minus[at]])
        found.append((float(p[group]), numbers, float(critical[at]), float(needed[at])))
    return found
