"""The classes of a target: those that its cases have, declared ones, and those that only the model or its predictions know."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd

from raikit.address import text
from raikit.config.schema import DataConfig
from raikit.config.types import Error
from raikit.data.cells import RowNames, as_label, shown
from raikit.data.labels import ClassNames, truth_value
from raikit.errors import DataError, listed

_MOST_FURTHER = 20  # more labels that no case has are no classes, but a column of something else
_UNKNOWN = object()


@dataclass(frozen=True)
class PredictedClasses:
    """What a table of predictions says about classes.

    Attributes
    ----------
    column : str or None
        The column of decisions.
    scored : sequence of str
        Classes that have a column of scores.
    by_label : mapping
        Columns of the ``prediction`` and of the ``score``, by label where there are several; by "" where there is one.
    """

    column: str | None = None
    scored: Sequence[str] = ()
    by_label: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @property
    def columns(self) -> dict[str, Mapping[str, str]]:
        """Columns of the ``prediction`` and of the ``score``, by label."""
        return {key: self.by_label.get(key, {}) for key in ("prediction", "score")}

    def labels(self, table: pd.DataFrame) -> list[Any]:
        """Return the labels that are predicted or scored; none if the decisions hold far too many to be classes."""
        return self.decisions(table) + list(self.scored)

    def decisions(self, table: pd.DataFrame) -> list[Any]:
        """Return the different labels that are predicted."""
        predicted = list(table[self.column].dropna().unique()) if self.column in table else []
        return [as_label(label) for label in predicted]


def further_classes(classes: Sequence[Any], labels: Iterable[Any], *, limited: bool = True) -> list[Any]:
    """Return the labels that are none of the classes but could be: text beside text, whole numbers beside numbers.

    Many of them are no classes, unless they are not `limited`.

    Examples
    --------
    >>> further_classes(["a", "b"], ["b", "c", 7]), further_classes([1, 2], [2.0, "3", 0.5])
    (['c'], [3])
    """
    known, further = ClassNames(classes), []
    for label in labels:
        label = _of_the_same_kind(label, classes[0])
        if label is not _UNKNOWN and known.find(label, _UNKNOWN) is _UNKNOWN and label not in further:
            further.append(label)
    return sorted(further) if len(further) <= _MOST_FURTHER or not limited else []


def _of_the_same_kind(label: Any, like: Any) -> Any:
    """Return a label as text or as a whole number, as the others are; ``_UNKNOWN`` if it is neither."""
    if isinstance(like, str):
        return label if isinstance(label, str) else _UNKNOWN
    if isinstance(label, str):
        return int(label) if label.strip().lstrip("-").isdecimal() else _UNKNOWN
    label = as_label(label)
    whole = isinstance(label, Real) and not isinstance(label, bool) and float(label).is_integer()
    return label if whole and not isinstance(like, bool) else _UNKNOWN


def absence_note(classes: Sequence[Any], how: str) -> str:
    """Return a sentence for the record about classes that no case has.

    Examples
    --------
    >>> absence_note(["c"], "predicted")
    'No case has the class c, which is predicted; its recall is undefined.'
    """
    names, several = listed(text(label) for label in classes), len(classes) > 1
    noun, verb = ("classes", "are") if several else ("class", "is")
    return f"No case has the {noun} {names}, which {verb} {how}; {'their' if several else 'its'} recall is undefined."


def declared_classes(
    labels: Sequence[Any], codes: np.ndarray, column: str, config: DataConfig, rows: RowNames, error: Error
) -> list[Any]:
    """Return the declared classes in their order, written as the cases have them.

    Parameters
    ----------
    labels : sequence
        Those of the cases.
    codes : ndarray of int64, shape (n,)
        Position of each case's label in `labels`.
    column : str
        Of the target.
    config : DataConfig
    rows : RowNames
    error : callable

    Raises
    ------
    ConfigError
        If there are fewer than two classes, one is declared twice, or they are not of the kind of the target.
    DataError
        If a case has another label; names the row.
    """
    declared = list(config.classes or ())
    names = [text(as_label(label)) for label in declared]
    if len(set(names)) < max(len(names), 2):
        raise error(("data", "classes"), f"name at least two classes, each once, not {listed(names)}.")
    known, written = ClassNames(declared), {}
    for position, label in enumerate(labels):
        meant = known.find(label, _UNKNOWN)
        if meant is _UNKNOWN:
            raise DataError(
                f"{rows.at(int((codes == position).argmax()))}: data.target ({column}) is {shown(label)}, which is not among "
                f"data.classes ({listed(names)})."
            )
        written[text(as_label(meant))] = label
    classes = [written.get(name, _written_like(label, labels[0])) for name, label in zip(names, declared, strict=True)]
    if _UNKNOWN in classes:
        odd = names[classes.index(_UNKNOWN)]
        raise error(("data", "classes"), f"{odd} cannot be a label of {column!r}, which holds {text(labels[0])} and the like.")
    return classes


def _written_like(label: Any, like: Any) -> Any:
    """Return a label that no case has as those of the cases are written."""
    if isinstance(like, str):
        return text(as_label(label))
    if isinstance(like, bool):
        return _UNKNOWN if truth_value(label) is None else truth_value(label)
    return _of_the_same_kind(label, like)
