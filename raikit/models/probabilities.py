"""What counts as a probability: rounding is forgiven, logits are not, and decisions are no probabilities."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

ROUNDING = 1e-6  # float32 sums of probabilities miss 1 by a few of its steps of 1.2e-7
SUM_TOLERANCE = 1e-3  # scores in tables are often rounded to three decimals

_Floats = npt.NDArray[np.float64]


def clip_rounding(scores: _Floats) -> _Floats:
    """Return scores with 0 or 1 in place of those that miss it by float32 rounding; all others stay as they are.

    Parameters
    ----------
    scores : ndarray of float64, any shape

    Examples
    --------
    >>> clip_rounding(np.array([-1e-7, 0.5, 1.0000001, 1.01])).tolist()
    [0.0, 0.5, 1.0, 1.01]
    """
    if scores.size and scores.min() >= 0 and scores.max() <= 1:  # nearly always, and without a copy
        return scores
    clipped = np.clip(scores, 0.0, 1.0)
    return np.where(np.abs(clipped - scores) <= ROUNDING, clipped, scores)


def first_improbable(scores: _Floats) -> tuple[int, str] | None:
    """Return the row of the first score outside 0 … 1 and its digits; None if all are probabilities.

    Parameters
    ----------
    scores : ndarray of float64, shape (n,) or (n, k)
        Finite numbers.

    Examples
    --------
    >>> first_improbable(np.array([0.5, 1.00002]))
    (1, '1.00002')
    """
    outside = (scores < 0) | (scores > 1)
    if not outside.any():
        return None
    place = tuple(np.argwhere(outside)[0])
    return int(place[0]), f"{scores[place]:.9g}"


def first_incomplete(scores: _Floats) -> int | None:
    """Return the first row whose probabilities do not add up to 1; None if all do, as far as they are rounded.

    Parameters
    ----------
    scores : ndarray of float64, shape (n, k)
        If every one is rounded to two or three decimals, k of them may miss 1 by k halves of the last one.

    Examples
    --------
    >>> first_incomplete(np.array([[0.333, 0.333, 0.333]])), first_incomplete(np.array([[0.3331, 0.3332, 0.323]]))
    (None, 0)
    """
    tolerance = SUM_TOLERANCE
    for digits in (3, 2):
        if (np.abs(scores - scores.round(digits)) <= ROUNDING).all():
            tolerance = max(tolerance, 0.5 * scores.shape[1] * 10.0**-digits)
    wrong = np.flatnonzero(np.abs(scores.sum(axis=1) - 1) > tolerance + ROUNDING)
    return int(wrong[0]) if wrong.size else None


def are_decisions(scores: _Floats) -> bool:
    """Return whether every score is 0 or 1: a decision, which ranks no case above another that is decided alike.

    Examples
    --------
    >>> are_decisions(np.array([0.0, 1.0, 1.0])), are_decisions(np.array([0.0, 0.9, 1.0]))
    (True, False)
    """
    return bool(((scores == 0) | (scores == 1)).all())
