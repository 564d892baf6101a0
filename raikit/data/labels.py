"""Labels of a class, however they are written: 1, 1.0 and "1" are one, and so are True, "True" and "TRUE"."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

from raikit.address import text
from raikit.config.schema import DataConfig
from raikit.config.types import Error, Task
from raikit.data.cells import as_label, shown
from raikit.data.spellings import find_lookalikes
from raikit.errors import listed

_TRUTH = {"false": False, "0": False, "0.0": False, "true": True, "1": True, "1.0": True}


def truth_value(label: Any) -> bool | None:
    """Return the truth value that a label writes: True, 1, "1" or "true" in any case; None if it is another label.

    Examples
    --------
    >>> truth_value(1), truth_value("False"), truth_value("yes")
    (True, False, None)
    """
    return _TRUTH.get(text(as_label(label)).lower())


def truth_pair(labels: Sequence[Any]) -> tuple[Any, Any] | None:
    """Return the labels that mean false and true if two labels do; None for any others.

    Examples
    --------
    >>> truth_pair(["True", "False"]), truth_pair([1, 0]), truth_pair(["no", "yes"])
    (('False', 'True'), (0, 1), None)
    """
    meant = {truth_value(label): label for label in labels}
    return (meant[False], meant[True]) if len(labels) == 2 and set(meant) == {False, True} else None


class ClassNames:
    """What each class may be called in a table, a model or a configuration.

    Parameters
    ----------
    classes : iterable
        The labels of the data.

    Examples
    --------
    >>> names = ClassNames([0, 1])
    >>> names.find(True), names.find("1.0"), names.find("yes", "none of them")
    (1, 1, 'none of them')
    """

    def __init__(self, classes: Iterable[Any]) -> None:
        self.classes = list(classes)
        self._known = {text(as_label(label)): label for label in self.classes}
        self._pair: dict[bool | None, Any] = dict(zip((False, True), truth_pair(self.classes) or (), strict=False))

    def find(self, value: Any, default: Any = None) -> Any:
        """Return the class that `value` names, else `default`."""
        name = text(as_label(value))
        if name in self._known:
            return self._known[name]
        if self._pair:
            return self._pair.get(truth_value(value), default)
        found = self._known.get(_number_text(name), default)
        return default if isinstance(found, str) else found  # Among texts, "07" is not "7".


def other_spelling(classes: Sequence[Any], predicted: Sequence[Any]) -> str | None:
    """Say how predictions write the classes otherwise than the truth does, as half a sentence; None if they do not.

    Parameters
    ----------
    classes : sequence
        Labels of the truth.
    predicted : sequence
        Different labels that are predicted.

    Returns
    -------
    str or None
        A label that looks like a class but is none (``'yes '``), or two whole numbers that are not the two of the truth (0 and 1
        for -1 and 1). Either would be counted as a class that no case has, and every case of it as an error.

    Examples
    --------
    >>> other_spelling(["no", "yes"], ["no", "Yes"])
    "the truth holds 'yes' and the predictions hold 'Yes'"
    >>> other_spelling([-1, 1], [0, 1])
    'the truth holds -1 and 1, and the predictions hold 0 and 1'
    >>> other_spelling(["a", "b"], ["a", "b", "c"]) is None
    True
    """
    names, nothing = ClassNames(classes), object()
    unknown = [label for label in predicted if names.find(label, nothing) is nothing]
    for first, second in find_lookalikes([*classes, *unknown]):
        if first in classes and second in unknown:
            return f"the truth holds {first!r} and the predictions hold {second!r}"
    codes = all(isinstance(label, int) for label in (*classes, *predicted))
    if unknown and codes and len(classes) == len(predicted) == 2:
        held = [" and ".join(shown(label) for label in sorted(labels, key=text)) for labels in (classes, predicted)]
        return f"the truth holds {held[0]}, and the predictions hold {held[1]}"
    return None


def favourable_class(config: DataConfig, task: Task, classes: Sequence[Any], error: Error) -> Any:
    """Return the class that ``data.favourable`` names, None if it names none.

    Raises
    ------
    ConfigError
        If it is no class, or the target is not binary.
    """
    if config.favourable is None:
        return None
    if task != "binary":
        raise error(("data", "favourable"), f"only one of two decisions is the favourable one; the task is {task}.")
    label = ClassNames(classes).find(config.favourable)
    if label is None:
        names = listed((text(label) for label in classes), 10)
        raise error(("data", "favourable"), f"{shown(config.favourable)} is not among the classes {names}.")
    return label


def _number_text(value: str) -> str:
    """Write a number that stands in a text as an address does: "1.0" is "1"; empty if it is none."""
    try:
        number = float(value)
    except ValueError:
        return ""
    return text(number) if math.isfinite(number) else ""
