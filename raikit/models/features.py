"""Arrays of one size from raw inputs, by fixed rules: nothing here is fitted on data.

In each array zero means no signal: no word, mid-grey, silence. A missing input is all zeros, which is therefore the
natural baseline of an attribution.
"""

from __future__ import annotations

import functools
import re
import unicodedata
import zlib
from collections.abc import Sequence
from math import gcd
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from raikit.data.batch import Audio

Floats = npt.NDArray[np.float32]

# One word, or one character of a script without spaces between words.
_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]|[^\W_]+(?:['’][^\W_]+)*")
_FFT = 512
_DYNAMIC_RANGE = 60.0  # in dB; this far below the loudest point, a spectrogram is silent


def split_words(text: str | None, limit: int) -> list[str]:
    """Return the first `limit` words in lower case, as the model reads them.

    Examples
    --------
    >>> split_words("Künstler(in) — it’s me", 8)
    ['künstler', 'in', 'it’s', 'me']
    """
    if not text:
        return []
    return _WORD.findall(unicodedata.normalize("NFKC", text).lower())[:limit]


def word_ids(texts: Sequence[str | None], limit: int, buckets: int) -> npt.NDArray[np.int64]:
    """Hash words into buckets 1 … `buckets` - 1, the same on every machine; 0 pads.

    Returns
    -------
    ndarray, shape (n, limit)
    """
    ids = np.zeros((len(texts), limit), dtype=np.int64)
    for row, text in enumerate(texts):
        for position, word in enumerate(split_words(text, limit)):
            ids[row, position] = 1 + zlib.crc32(word.encode()) % (buckets - 1)
    return ids


def pixels(images: Sequence[npt.NDArray[np.uint8] | None], size: int) -> Floats:
    """Resize pictures to `size` × `size`, with values from -1 (black) to 1 (white); a missing one is 0.

    Returns
    -------
    ndarray, shape (n, 3, size, size)
    """
    from PIL import Image

    out = np.zeros((len(images), 3, size, size), dtype=np.float32)
    for row, image in enumerate(images):
        if image is None:
            continue
        if image.shape[:2] != (size, size):
            image = np.asarray(Image.fromarray(image).resize((size, size), Image.Resampling.BILINEAR, reducing_gap=3.0))
        out[row] = image.transpose(2, 0, 1)
        out[row] = out[row] / 127.5 - 1
    return out


def spectrograms(sounds: Sequence[Audio | None], rate: int, mels: int, frames: int, hop: int) -> Floats:
    """Compute log-mel spectrograms from 0 (silent) to 3 (the loudest point of the clip); a missing sound is 0.

    Each clip is scaled to its own loudest point, so the level of a recording does not matter.

    Returns
    -------
    ndarray, shape (n, 1, mels, frames)
    """
    out = np.zeros((len(sounds), 1, mels, frames), dtype=np.float32)
    window, filters = _analysis(rate, mels)
    starts = np.arange(frames) * hop
    for row, sound in enumerate(sounds):
        if sound is None:
            continue
        samples = resample(sound, rate)[: starts[-1] + _FFT]
        # Frames are centred, so that the first one includes the onset.
        padded = np.zeros(starts[-1] + _FFT, dtype=np.float32)
        centred = samples[: len(padded) - _FFT // 2]
        padded[_FFT // 2 : _FFT // 2 + len(centred)] = centred
        framed = np.lib.stride_tricks.sliding_window_view(padded, _FFT)[starts]
        power = np.abs(np.fft.rfft(framed * window, axis=1)).astype(np.float32) ** 2
        out[row, 0] = _log_level(filters @ power.T)
    return out


def resample(sound: Audio, rate: int) -> Floats:
    """Return the samples at a rate in Hz."""
    if sound.rate == rate or len(sound.samples) == 0:
        return sound.samples
    from scipy.signal import resample_poly

    common = gcd(int(sound.rate), rate)
    resampled: Floats = resample_poly(sound.samples, rate // common, int(sound.rate) // common).astype(np.float32)
    return resampled


def _log_level(energy: Floats) -> Floats:
    peak = float(energy.max(initial=0.0))
    if peak <= 1e-10:  # digital silence has no level to scale to
        return np.zeros_like(energy)
    decibels = 10 * np.log10(np.maximum(energy / peak, 10 ** (-_DYNAMIC_RANGE / 10)))
    levels: Floats = ((decibels + _DYNAMIC_RANGE) / 20).astype(np.float32)
    return levels


def band_centres(rate: int, mels: int) -> list[float]:
    """Return the centre of each mel band in hertz, from low to high."""
    return [float(centre) for centre in _band_edges(rate, mels)[1:-1]]


def _band_edges(rate: int, mels: int) -> npt.NDArray[np.float64]:
    """Return the edges of bands that are equally spaced in mel, shape (mels + 2,)."""
    top = 2595 * np.log10(1 + rate / 2 / 700)
    edges: npt.NDArray[np.float64] = 700 * (10 ** (np.linspace(0, top, mels + 2) / 2595) - 1)
    return edges


@functools.cache
def _analysis(rate: int, mels: int) -> tuple[Floats, Floats]:
    """Return the window, and triangular filters that are equally spaced in mel, shape (mels, bins)."""
    window = np.hanning(_FFT + 1)[:-1].astype(np.float32)
    bins = np.fft.rfftfreq(_FFT, 1 / rate)
    edges = _band_edges(rate, mels)
    # Low filters can be narrower than one bin; widen them so that none is empty.
    width = np.maximum(np.diff(edges), bins[1])
    centres = edges[1:-1, None]
    rising = 1 - (centres - bins) / width[:-1, None]
    falling = 1 - (bins - centres) / width[1:, None]
    return window, np.clip(np.minimum(rising, falling), 0, None).astype(np.float32)
