"""The labels of a model's outputs beside the classes of the data: matched by what they mean, never by their place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from raikit.address import text
from raikit.data.cells import as_label
from raikit.data.labels import ClassNames
from raikit.errors import ModelError

if TYPE_CHECKING:
    from raikit.data.dataset import Dataset

_UNKNOWN = object()


def class_positions(labels: Sequence[Any], data: Dataset, owner: str, key: str = "classes") -> list[int]:
    """Return which of a model's outputs belongs to each class of the data, which may get further classes from the model.

    Parameters
    ----------
    labels : sequence
        Of the outputs, in their order.
    data : Dataset
    owner : str
        Whose labels they are, for a sentence: ``"of the estimator"``.
    key : str
        The setting of ``model.load`` that says what they mean in the data.

    Raises
    ------
    ModelError
        If they are not the classes of the data.
    """
    data.add_classes(list(labels))
    names = ClassNames(data.classes)
    own = [names.find(label, _UNKNOWN) for label in labels]
    if _UNKNOWN in own or len(own) != len(data.classes) or len(set(map(text, own))) != len(own):
        raise ModelError(
            f"model.load: the classes {owner} are {', '.join(text(as_label(label)) for label in labels)}; those of the data are "
            f"{', '.join(map(text, data.classes))}. `model.load.{key}` says which is which, and data.classes can declare classes."
        )
    return [own.index(label) for label in data.classes]
