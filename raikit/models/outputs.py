"""From what a model returns, logits or probabilities, to scores: what is not said is seen from the first cases."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from raikit.errors import ModelError
from raikit.models.class_positions import class_positions
from raikit.models.probabilities import ROUNDING, SUM_TOLERANCE, clip_rounding, first_improbable

if TYPE_CHECKING:
    from raikit.data.dataset import Dataset

PROBE = 64  # cases that are looked at
SAY_WHICH = "say which with `model.load.outputs: logits` or `probabilities`"

OutputKind = Literal["logits", "probabilities"]
_Floats = npt.NDArray[np.float64]


def as_numbers(values: Any) -> _Floats:
    """Return scores as float64.

    Raises
    ------
    ModelError
        If they are complex, whose imaginary parts NumPy would drop, or masked, where it would show what the mask hides.
    """
    if np.ma.is_masked(values):
        raise ModelError("the model returned masked scores; give a number for each case.")
    if np.iscomplexobj(values):
        raise ModelError("the model returned complex numbers; give real ones.")
    return np.asarray(values, dtype=np.float64)


def look_like_probabilities(values: npt.NDArray[Any]) -> bool:
    """Return whether outputs can be probabilities: all within 0 … 1, several columns adding up to 1.

    Parameters
    ----------
    values : ndarray, shape (n, k)

    Examples
    --------
    >>> look_like_probabilities(np.array([[0.2, 0.8]])), look_like_probabilities(np.array([[0.2, 0.7]]))
    (True, False)
    """
    values = np.asarray(values, dtype=np.float64)
    if not values.size or not ((values >= -ROUNDING) & (values <= 1 + ROUNDING)).all():
        return False
    return values.shape[1] == 1 or bool((np.abs(values.sum(axis=1) - 1) <= SUM_TOLERANCE).all())


def taken_as_probabilities(what: str) -> str:
    """Return the note for the record on outputs that were taken as probabilities; `what` has them, such as "module"."""
    return (
        f"The {what}'s outputs lie within 0 and 1, so they were taken as probabilities and not as logits; if they are logits, "
        "say `model.load.outputs: logits`."
    )


def check_probabilities(scores: _Floats, ids: Sequence[Any], what: str, declared: bool) -> _Floats:
    """Return probabilities without float32 rounding.

    Raises
    ------
    ModelError
        If those of a case are none, unlike those of the first cases; names the case.
    """
    scores = clip_rounding(scores)
    if (bad := first_improbable(scores)) is not None:
        row, digits = bad
        problem = f"{digits} for the case with id {ids[row]!r}"
    elif (sums := np.flatnonzero(np.abs(scores.sum(axis=1) - 1) > SUM_TOLERANCE)).size:
        problem = f"scores that add up to {scores[sums[0]].sum():.9g} for the case with id {ids[sums[0]]!r}"
    else:
        return scores
    seen = "is said to return" if declared else "returned"
    raise ModelError(f"the {what} {seen} probabilities, but {problem} is none; {SAY_WHICH}.")


class OutputReader:
    """Scores from the numbers that a graph or an endpoint returns.

    Parameters
    ----------
    data : Dataset
    what : str
        What returns them, for a sentence: ``"graph"``.
    declared : {"logits", "probabilities"} or None
        None: `look_at` says which.
    labels : sequence or None
        Of the columns; None: they are in the order of the data's classes.
    """

    def __init__(self, data: Dataset, what: str, declared: OutputKind | None, labels: Sequence[Any] | None = None) -> None:
        self.task, self._what, self._declared = data.task, what, declared
        self._taken: OutputKind | None = declared
        self._order = class_positions(labels, data, f"of the {what}") if labels and data.task != "regression" else None
        self.classes = data.classes

    @property
    def is_decided(self) -> bool:
        """Whether it is known what the outputs are."""
        return self._taken is not None or self.task == "regression"

    def take_as(self, kind: OutputKind) -> None:
        """Take all outputs as those of the first cases were."""
        self._taken = kind

    def columns(self, values: npt.NDArray[Any], ids: Sequence[Any]) -> _Floats:
        """Return outputs with one row for each case and one column for each class, or one.

        Raises
        ------
        ModelError
            If they have another shape, are no numbers, or are NaN or infinite; names the case.
        """
        try:
            values = as_numbers(values)
        except (TypeError, ValueError, OverflowError):
            raise ModelError(f"the {self._what} returned something else than numbers.") from None
        shape = values.shape
        while values.ndim > 2 and values.shape[-1] == 1:
            values = values[..., 0]
        values = values[:, None] if values.ndim == 1 else values
        allowed = {1} if self.task == "regression" else {len(self.classes), *([1] if self.task == "binary" else [])}
        if values.ndim != 2 or len(values) != len(ids) or values.shape[1] not in allowed:
            wanted = "one number" if self.task == "regression" else f"{len(self.classes)} numbers, one for each class,"
            hint = "" if self.task == "regression" else " `model.load.output` names another output."
            raise ModelError(
                f"the {self._what} returned numbers of shape {shape} for {len(ids)} cases; expected {wanted} for each case.{hint}"
            )
        if (bad := np.flatnonzero(~np.isfinite(values).all(axis=1))).size:
            raise ModelError(f"the {self._what} returned a number that is NaN or infinite for the case with id {ids[bad[0]]!r}.")
        return values

    def scores(self, values: npt.NDArray[Any], ids: Sequence[Any]) -> _Floats:
        """Return probabilities of the classes, shape (n, k), or the predicted values, shape (n, 1).

        Raises
        ------
        ModelError
            If the outputs have another shape, are no numbers, or are no probabilities as those of the first cases were.
        """
        values = self.columns(values, ids)
        if self.task == "regression":
            return values
        likely = self._taken == "probabilities"
        if values.shape[1] == 1:
            values = np.concatenate([1 - values if likely else np.zeros_like(values), values], axis=1)
        elif self._order is not None:
            values = values[:, self._order]
        if likely:
            return check_probabilities(values, ids, self._what, self._declared is not None)
        powers = np.exp(values - values.max(axis=1, keepdims=True))
        softmax: _Floats = powers / powers.sum(axis=1, keepdims=True)
        return softmax

    def notes(self) -> list[str]:
        """Tell that the outputs were taken as probabilities, if nobody said it."""
        seen = self._declared is None and self._taken == "probabilities" and self.task != "regression"
        return [taken_as_probabilities(self._what)] if seen else []
