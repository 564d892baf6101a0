"""What matters inside inputs: the shares of words, columns, regions of pictures and bands of sounds in each decision."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from raikit.arrays import BoolArray, FloatArray, IntArray
from raikit.models.positions import EncodedColumns, Positions, Spectrogram, Tokens

Part = tuple[str, str]
"""Input and part, in words: ``("note", "refund")``, ``("image", "top left")``."""

_DOWN, _ACROSS = ("top", "middle", "bottom"), ("left", "centre", "right")
_BANDS = ("low frequencies", "middle frequencies", "high frequencies")
_STRETCHES = ("beginning", "middle", "end")


def parts_of_case(
    attributions: Mapping[str, npt.NDArray[np.float32]], modalities: Mapping[str, str], positions: Mapping[str, Positions],
) -> dict[Part, float]:
    """Sum the attributions of one case over the parts that people have words for.

    Parameters
    ----------
    attributions : mapping of input name to ndarray
        In the shapes of the encoded inputs, without the axis of cases.
    modalities : mapping of input name to modality
    positions : mapping of input name to Positions

    Returns
    -------
    mapping of (input, part) to float
        Encoded columns that stand for one column of a table are added; so is a word that occurs twice. Pictures and spectrograms
        have thirds. Inputs without such parts are left out.
    """
    sums: defaultdict[Part, float] = defaultdict(float)
    for name, values in attributions.items():
        for part, value in _parts(np.asarray(values, dtype=np.float64), modalities.get(name), positions.get(name)):
            sums[name, part] += value
    return dict(sums)


def _parts(values: FloatArray, modality: str | None, positions: Positions | None) -> list[tuple[str, float]]:
    if isinstance(positions, EncodedColumns) and len(positions.names) == values.size:
        return [(str(label).partition("=")[0], float(value)) for label, value in zip(positions.names, values.ravel(), strict=True)]
    if isinstance(positions, Tokens):
        weights = values.reshape(len(values), -1).sum(axis=1)
        return [(str(word).lower(), float(value)) for word, value in zip(positions.text, weights, strict=False) if word]
    if modality == "image" and values.ndim == 3 and min(values.shape[1:]) >= 3:
        return _regions(values.sum(axis=0))
    if modality == "audio" and values.ndim in (2, 3) and min(values.shape[-2:]) >= 3:
        plane = values.reshape(-1, *values.shape[-2:]).sum(axis=0)
        by_frequency = plane.sum(axis=0 if isinstance(positions, Spectrogram) and positions.time_first else 1)
        return _thirds(by_frequency, _BANDS)
    if modality == "audio" and values.ndim == 1 and len(values) >= 3:
        return _thirds(values, _STRETCHES)
    return []


def _regions(plane: FloatArray) -> list[tuple[str, float]]:
    """Sum over a grid of three by three.

    Examples
    --------
    >>> _regions(np.eye(3))[0], _regions(np.eye(3))[1], _regions(np.eye(3))[4]
    (('top left', 1.0), ('top', 0.0), ('centre', 1.0))
    """
    found = []
    for down, rows in zip(_DOWN, np.array_split(plane, 3, axis=0), strict=True):
        for across, cells in zip(_ACROSS, np.array_split(rows, 3, axis=1), strict=True):
            words = [word for word in (down, across) if word not in ("middle", "centre")]
            found.append((" ".join(words) or "centre", float(cells.sum())))
    return found


def _thirds(values: FloatArray, names: Sequence[str]) -> list[tuple[str, float]]:
    return [(name, float(part.sum())) for name, part in zip(names, np.array_split(values, 3), strict=True)]


@dataclass(frozen=True)
class PartShares:
    """Shares of the parts in n decisions.

    Attributes
    ----------
    parts : list of (str, str)
        Those that occur, the largest mean share first.
    shares : ndarray, shape (n, parts)
        Absolute value over the sum of all parts' absolute values in the case; 0 for a part that the case does not have, NaN in a
        case without any attribution.
    has : ndarray of bool, shape (n, parts)
        Which parts the cases have.
    """

    parts: list[Part]
    shares: FloatArray
    has: BoolArray

    @property
    def cases(self) -> IntArray:
        """Number of cases that have each part, shape (parts,)."""
        return np.asarray(self.has.sum(axis=0))

    def on(self, protected: Collection[str]) -> FloatArray | None:
        """Return the share of each case that falls on protected words or columns, shape (n,); None if no case has one."""
        at = self._at(protected)
        return np.asarray(self.shares[:, at].sum(axis=1)) if at else None

    def if_alike(self, protected: Collection[str]) -> float:
        """Return the mean share that would fall on protected words or columns if all parts of a case had the same share."""
        return float(np.mean(self.has[:, self._at(protected)].sum(axis=1) / np.maximum(self.has.sum(axis=1), 1)))

    def _at(self, protected: Collection[str]) -> list[int]:
        wanted = {word.lower() for word in protected}
        return [place for place, (_, part) in enumerate(self.parts) if part.lower() in wanted]


def part_shares(cases: Sequence[Mapping[Part, float]]) -> PartShares:
    """Compute the shares of all parts from what `parts_of_case` returned for each case."""
    places = {part: place for place, part in enumerate(dict.fromkeys(part for case in cases for part in case))}
    size = np.zeros((len(cases), len(places)))
    has = np.zeros(size.shape, dtype=bool)
    for row, case in enumerate(cases):
        for part, value in case.items():
            size[row, places[part]], has[row, places[part]] = abs(value), True
    whole = size.sum(axis=1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        shares = np.where(whole > 1e-9, size / whole, np.nan)
    mean = np.nan_to_num(shares).sum(axis=0)
    order = np.argsort(-mean, kind="stable")
    names = list(places)
    return PartShares([names[place] for place in order], shares[:, order], has[:, order])
