"""Pictures and spectrograms in which cells with strong attributions keep their colours and the rest fades."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from raikit.arrays import BoolArray

Grid = npt.NDArray[np.float64]
_MAX_FRAMED = 10
_INK = (73, 84, 97)  # readable on white and on black


@dataclass(frozen=True)
class Edge:
    """A side of a framed cell, in parts of the picture from 0 to 1; dashed if `against` the decision."""

    x: float
    y: float
    x2: float
    y2: float
    against: bool


def plane(attribution: npt.NDArray[Any]) -> Grid | None:
    """Return attributions of a picture or spectrogram as a plane, summed over channels; None if they form no plane.

    A sequence of square length (patch embeddings, with or without a leading class token) is laid out as a square.
    """
    values = np.asarray(attribution, dtype=np.float64)
    if values.ndim == 3:
        return np.asarray(values.sum(axis=0))
    if values.ndim != 2:
        return None
    tokens = values.sum(axis=1)
    for skipped in (0, 1):
        side = round((len(tokens) - skipped) ** 0.5)
        if side > 1 and side * side == len(tokens) - skipped:
            return np.asarray(tokens[skipped:].reshape(side, side))
    return None


def cells(values: Grid, rows: int, columns: int) -> Grid:
    """Sum over a grid of cells; the sums add up to the sum of `values`."""
    rows, columns = min(rows, values.shape[0]), min(columns, values.shape[1])
    down = np.linspace(0, values.shape[0], rows + 1).round().astype(int)[:-1]
    across = np.linspace(0, values.shape[1], columns + 1).round().astype(int)[:-1]
    return np.asarray(np.add.reduceat(np.add.reduceat(values, down, axis=0), across, axis=1))


def strongest(grid: Grid) -> BoolArray:
    """Return the fewest cells that hold half of all attribution, at most ten."""
    size = np.abs(grid).ravel()
    framed = np.zeros(size.shape, dtype=bool)
    if size.sum() > 0:
        order = np.argsort(-size, kind="stable")
        enough = int(np.searchsorted(np.cumsum(size[order]), size.sum() / 2)) + 1
        framed[order[: min(enough, _MAX_FRAMED)]] = True
    return framed.reshape(grid.shape)


def outline(grid: Grid, framed: BoolArray) -> list[Edge]:
    """Return frames around cells; neighbours of equal sign share one frame."""
    rows, columns = grid.shape
    kind = np.pad(np.where(framed, np.where(grid < 0, -1, 1), 0), 1)
    edges = []
    for row, column in zip(*np.nonzero(framed), strict=True):
        own = kind[row + 1, column + 1]
        top, left = row / rows, column / columns
        bottom, right = (row + 1) / rows, (column + 1) / columns
        sides = {(-1, 0): (left, top, right, top), (1, 0): (left, bottom, right, bottom),
                 (0, -1): (left, top, left, bottom), (0, 1): (right, top, right, bottom)}
        edges += [Edge(*side, against=bool(own < 0)) for (down, across), side in sides.items()
                  if kind[row + 1 + down, column + 1 + across] != own]
    return edges


def strength(grid: Grid, shape: tuple[int, int]) -> npt.NDArray[np.float32]:
    """Return the strength of attribution at each pixel, from 0 to 1, interpolated between cells."""
    size = np.abs(grid)
    top = np.quantile(size, 0.9) or size.max() or 1.0
    level = np.sqrt(np.clip(size / top, 0, 1)).astype(np.float32)
    return np.asarray(Image.fromarray(level).resize((shape[1], shape[0]), Image.Resampling.BICUBIC)).clip(0, 1)


def cropped(picture: npt.NDArray[np.uint8], crop: tuple[float, float, float, float]) -> npt.NDArray[np.uint8]:
    """Return the part of a picture between edges (left, top, right, bottom) that are shares of its width and height."""
    height, width = picture.shape[:2]
    left, top, right, bottom = crop
    first_row, first_column = round(top * height), round(left * width)
    rows = slice(first_row, max(round(bottom * height), first_row + 1))
    return picture[rows, first_column : max(round(right * width), first_column + 1)]


def faded(picture: npt.NDArray[np.uint8], grid: Grid, longest: int = 300) -> tuple[bytes, float]:
    """Return a JPEG in which cells with strong attributions keep their colours and the rest turns pale grey.

    Returns
    -------
    bytes, float
        The file, and height over width.
    """
    height, width = picture.shape[:2]
    scale = longest / max(height, width)
    size = (max(round(width * scale), 1), max(round(height * scale), 1))
    pixels = np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BICUBIC), dtype=np.float32)
    grey = pixels.mean(axis=2, keepdims=True)
    pale = 255 - 0.22 * (255 - grey)
    keep = strength(grid, pixels.shape[:2])[:, :, None]
    mixed = (keep * pixels + (1 - keep) * pale).clip(0, 255).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(mixed).save(file, "JPEG", quality=88, subsampling=0)
    return file.getvalue(), size[1] / size[0]


def spectrogram(levels: Grid, grid: Grid, shape: tuple[int, int]) -> bytes:
    """Return a PNG of one colour: loud is opaque, weak attributions are faint; low frequencies are at the bottom."""
    low, high = float(levels.min()), float(levels.max())
    loud = ((levels - low) / (high - low or 1.0)).astype(np.float32)
    loud = np.asarray(Image.fromarray(loud).resize((shape[1], shape[0]), Image.Resampling.BILINEAR)).clip(0, 1)
    alpha = loud * (0.3 + 0.7 * strength(grid, shape))
    pixels = np.empty((*shape, 4), dtype=np.uint8)
    pixels[..., :3] = _INK
    pixels[..., 3] = np.rint(255 * alpha[::-1])
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", optimize=True)
    return file.getvalue()
