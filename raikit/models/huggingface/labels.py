"""The model's classes beside those of the data: matched by name, never by place."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from raikit.address import text
from raikit.data.labels import ClassNames
from raikit.errors import ModelError, listed
from raikit.limits import in_force, refuse
from raikit.models.class_positions import class_positions

if TYPE_CHECKING:
    from raikit.data.dataset import Dataset

_UNKNOWN = object()
_PLACEHOLDER = re.compile(r"LABEL_(\d+)")


def class_order(id2label: Mapping[int, str], labels: Mapping[str, Any], data: Dataset) -> list[int]:
    """Return the model's output of each class of the data, which may get further classes from the model.

    Parameters
    ----------
    id2label : mapping of int to str
        The model's labels by output.
    labels : mapping of str to label
        The data's label for each of them that is written differently (``model.load.labels``).
    data : Dataset

    Raises
    ------
    LimitError
        If it has more labels than are read.
    ModelError
        If a class of the data has no output, or the model has no labels but ``LABEL_0`` and the data's are no numbers from 0 on.
    """
    if len(id2label) > in_force().classes:
        raise refuse("model.load: the model", "classes", len(id2label), "labels")
    if unknown := [label for label in labels if label not in id2label.values()]:
        raise ModelError(f"model.load.labels: the model has no label {unknown[0]!r}; it has {listed(list(id2label.values()))}.")
    own = [_meant(str(id2label[index]), index, labels, data) for index in range(len(id2label))]
    names = ClassNames(data.classes)
    found = [names.find(label, _UNKNOWN) for label in own]
    if missing := [label for label in data.classes if label not in found]:
        raise ModelError(
            f"model.load: the model has no output for the class {text(missing[0])}; its labels are "
            f"{listed(list(id2label.values()))}. `model.load.labels` can say which of them is meant."
        )
    return class_positions(own, data, "of the model", "labels")


def label_order(id2label: Mapping[int, str], labels: Mapping[str, Any], names: Sequence[str]) -> list[int]:
    """Return the model's output of each of several labels; outputs that are no label of the data are left out.

    Parameters
    ----------
    id2label, labels
        As in `class_order`.
    names : sequence of str
        The labels of the data.

    Raises
    ------
    ModelError
        If a label has no output, or two.
    """
    if unknown := [label for label in labels if label not in id2label.values()]:
        raise ModelError(f"model.load.labels: the model has no label {unknown[0]!r}; it has {listed(list(id2label.values()))}.")
    own = [text(labels.get(str(id2label[index]), id2label[index])) for index in range(len(id2label))]
    for name in names:
        if own.count(name) != 1:
            many = f"{own.count(name)} outputs" if name in own else "no output"
            raise ModelError(
                f"model.load: the model has {many} for the label {name!r}; its labels are {listed(list(id2label.values()))}. "
                "`model.load.labels` can say which of them is meant."
            )
    return [own.index(name) for name in names]


def _meant(label: str, index: int, labels: Mapping[str, Any], data: Dataset) -> Any:
    """Return the label of the data that an output of the model stands for."""
    if label in labels:
        return labels[label]
    if not _PLACEHOLDER.fullmatch(label):
        return label
    if set(map(str, data.classes)) <= {str(number) for number in range(len(data.classes))}:
        return data.classes[index] if index < len(data.classes) else label
    raise ModelError(
        f"model.load: the model calls its outputs {label!r} and so on, which names no class of the data ({listed(data.classes)}); "
        f"say which is which, as in `labels: {{{label}: {text(data.classes[0])}, …}}`."
    )
