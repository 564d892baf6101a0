"""How the positions of an encoded input map back to what a person knows: words, parts of a picture, seconds, columns.

`raikit.Model.positions` returns one of these for each case, so that reports draw attributions without a model's internals.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

WHOLE = (0.0, 0.0, 1.0, 1.0)


@dataclass(frozen=True)
class Tokens:
    """A text whose first encoded axis holds tokens.

    Attributes
    ----------
    text : sequence of str
        Each token as a person reads it; positions beyond them are padding.
    spans : sequence of (int, int) or None
        Characters of the text that each token covers, from the first to behind the last; None for one that covers none, such
        as a start token. Empty if they are not known.
    """

    text: Sequence[str]
    spans: Sequence[tuple[int, int] | None] = ()


@dataclass(frozen=True)
class Pixels:
    """A picture, encoded with the shape (channels, height, width).

    Attributes
    ----------
    crop : (float, float, float, float)
        Left, top, right and bottom edge of the part of the picture that is encoded, as shares of its width and height.
    patch : int, optional
        Side of the patches that the model reads, in encoded pixels.
    """

    crop: tuple[float, float, float, float] = WHOLE
    patch: int | None = None


@dataclass(frozen=True)
class Waveform:
    """A sound, encoded with the shape (t,).

    Attributes
    ----------
    rate : int
        Samples a second.
    """

    rate: int


@dataclass(frozen=True)
class Spectrogram:
    """A sound as a spectrogram; its last two encoded axes are frequency and time, or time and frequency.

    Attributes
    ----------
    seconds : float
        From one frame to the next.
    hertz : sequence of float
        Centre of each frequency band.
    time_first : bool
        Whether time is the first of the two axes.
    """

    seconds: float
    hertz: Sequence[float] = field(default=())
    time_first: bool = False


@dataclass(frozen=True)
class EncodedColumns:
    """A table row, encoded with the shape (c,).

    Attributes
    ----------
    names : sequence of str, length c
    """

    names: Sequence[str]


Positions = Tokens | Pixels | Waveform | Spectrogram | EncodedColumns
