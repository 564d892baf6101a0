"""One decision, drawn: each input with what in it pulled towards the decision and what pulled against it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

import raikit
from raikit_explain.report import pictures
from raikit_explain.report.canvas import SMALL, TEXT, WIDTH, Canvas, shortened, width_of
from raikit_explain.words import signed

if TYPE_CHECKING:
    from raikit_explain.estimates.explanation import Shown

Array = npt.NDArray[Any]
_LEFT = 94.0  # where inputs begin; their names stand before
_ROOM = WIDTH - _LEFT
_PICTURE = 150.0
_STRETCHES = 8
_WORDS = 48
_COLUMNS = 6
_GRID = 8


@dataclass(frozen=True)
class Piece:
    """One input of the row: where it is drawn, what it is, and what each part of it did."""

    name: str
    top: float
    raw: Any
    encoded: Array
    attribution: Array
    batch: raikit.Batch
    model: raikit.Model


@dataclass
class Drawing:
    """What is being drawn: the canvas, how far down it is filled, and the numbers it shows."""

    strongest: float
    canvas: Canvas = field(default_factory=Canvas)
    y: float = 0.0
    numbers: list[dict[str, Any]] = field(default_factory=list)

    def note(self, name: str, part: str, value: float) -> None:
        self.numbers.append({"input": name, "part": part, "towards": round(float(value), 4)})


def figure(
    number: int, row: Mapping[str, Any], shown: Shown, model: raikit.Model, *, unit: str, change: float, error: float,
    tolerance: float,
) -> raikit.Figure:
    """Draw one row.

    Parameters
    ----------
    row : mapping
        ``id``, ``kind``, ``prediction``, ``target`` and ``sure`` of the row.
    unit : str
        Of the attributions.
    change, error : float
        What the attributions should add up to, and the share of it by which they do not.
    """
    totals = {name: float(values.sum(dtype=np.float64)) for name, values in shown.attributions.items()}
    drawing = Drawing(max([abs(total) for total in totals.values()] + [1e-9]))
    for name, total in totals.items():
        _input(drawing, name, total, shown, model)
    title, decision = _title(row, bool(model.classes))
    against = "an empty row" if len(totals) > 1 else "an empty input"
    doubt = "" if error <= tolerance else f" The parts miss {100 * error:.0f} % of the change: read with care."
    return raikit.Figure(
        id=f"example-{number}", title=title,
        subtitle=f"Row {row['id']}. {decision} In {unit}, together {signed(change)} against {against}. "
                 f"Filled or solid: towards the decision; dashed: against it.{doubt}",
        alt=_alt(title, totals, unit), spec=drawing.canvas.spec(round(drawing.y)), data=drawing.numbers,
    )


def _title(row: Mapping[str, Any], classes: bool) -> tuple[str, str]:
    kind = row["kind"]
    if not classes:
        return f"{kind}: {row['prediction']:.4g} predicted, {row['target']:.4g} is true", ""
    right = "which is right" if row["right"] else f"truth is {row['target']}"
    return f"{kind}: decided {row['prediction']}, {right}", f"Probability of the decision {row['sure']:.2f}."


def _alt(title: str, totals: Mapping[str, float], unit: str) -> str:
    ranked = sorted(totals.items(), key=lambda item: -abs(item[1]))
    parts = ", ".join(f"{name} {signed(total)}" for name, total in ranked)
    return f"{title}. What each input adds towards the decision, in {unit}: {parts}."


def _input(drawing: Drawing, name: str, total: float, shown: Shown, model: raikit.Model) -> None:
    """One input under the other: its name and total on the left, its parts on the right."""
    top = drawing.y
    encoded, attribution = shown.encoded[name], shown.attributions[name]
    canvas = drawing.canvas
    canvas.text(0, top + 10, shortened(name, _LEFT - 8), weight=600)
    drawing.note(name, "all of it", total)
    if not np.any(encoded):
        canvas.text(_LEFT, top + 10, "not there", colour="var(--ink-2)")
        drawing.y = top + 34
        return
    canvas.text(0, top + 28, signed(total))
    drawing.y = top + 34
    modality = model.modalities.get(name, "tabular")
    piece = Piece(name, top, shown.batch.inputs.get(name), encoded, attribution, shown.batch, model)
    bottom = {"image": _picture, "text": _text, "audio": _sound, "tabular": _table}[modality](drawing, piece)
    drawing.y = max(drawing.y, bottom) + 14


def _picture(drawing: Drawing, piece: Piece) -> float:
    plane, top = pictures.plane(piece.attribution), piece.top
    if plane is None or piece.raw is None or piece.raw[0] is None:
        return _undrawn(drawing, top)
    grid = pictures.cells(plane, _GRID, _GRID)
    file, aspect = pictures.faded(piece.raw[0], grid)
    width, height = (_PICTURE, _PICTURE * aspect) if aspect <= 1 else (_PICTURE / aspect, _PICTURE)
    drawing.canvas.box(_LEFT - 0.5, top - 0.5, width + 1, height + 1, fill="var(--line)")
    drawing.canvas.image(_LEFT, top, width, height, file, "image/jpeg")
    _frames(drawing, piece.name, grid, (_LEFT, top, width, height), "#15191e")  # ink on the picture's own white
    return top + height


def _frames(drawing: Drawing, name: str, grid: pictures.Grid, place: tuple[float, float, float, float], ink: str,
            upside_down: bool = False) -> None:
    """Frame the strongest cells and list them."""
    x, y, width, height = place
    framed = pictures.strongest(grid)
    for row, column in zip(*np.nonzero(framed), strict=True):
        drawing.note(name, f"cell in row {row + 1}, column {column + 1} of {grid.shape[0]} × {grid.shape[1]}",
                     grid[row, column])
    flip = np.flipud if upside_down else np.asarray
    for edge in pictures.outline(flip(grid), flip(framed)):
        drawing.canvas.line(x + edge.x * width, y + edge.y * height, x + edge.x2 * width, y + edge.y2 * height,
                            colour=ink, thick=1.6, dashed=edge.against)


def _text(drawing: Drawing, piece: Piece) -> float:
    """Words in order, toned by their weight, the number under each."""
    weights = piece.attribution.reshape(len(piece.attribution), -1).sum(axis=1)
    words = _words(piece)
    x, y = _LEFT, piece.top
    for word, value in zip(words[:_WORDS], weights, strict=False):
        drawing.note(piece.name, word, float(value))
        written, number = shortened(word, _ROOM - 14), signed(float(value))
        width = max(width_of(written), width_of(number, SMALL)) + 12
        if x + width > WIDTH and x > _LEFT:
            x, y = _LEFT, y + 42
        fill, ink = _tone(float(value), drawing.strongest)
        drawing.canvas.box(x, y, width, 38, fill=fill, dashed=fill is None and value < 0, radius=3)
        drawing.canvas.text(x + width / 2, y + 12, written, align="center", colour=ink)
        drawing.canvas.text(x + width / 2, y + 28, number, align="center", colour=ink, size=SMALL)
        x += width + 4
    if len(words) > _WORDS:
        drawing.canvas.text(_LEFT, y + 50, f"and {len(words) - _WORDS} more", colour="var(--ink-2)")
        y += 20
    return y + 38


def _tone(value: float, strongest: float) -> tuple[str | None, str]:
    """Fill and ink of a word: the stronger the tone, the more it pulled; none if it pulled against, or hardly."""
    share = value / strongest
    if share >= 0.3:
        return "var(--q5)", "var(--paper)"
    if share >= 0.1:
        return "var(--q2)", "var(--ink)"
    return ("var(--q1)", "var(--ink)") if share >= 0.02 else (None, "var(--ink)")


def _words(piece: Piece) -> list[str]:
    """What stands at each place of the encoding; numbered if the model does not say."""
    tokens = getattr(piece.model, "tokens", None)
    if callable(tokens):
        return [str(word) for word in tokens(piece.batch)[piece.name][0]]
    filled = int(np.max(np.flatnonzero(piece.encoded.reshape(len(piece.encoded), -1).any(axis=1)), initial=-1)) + 1
    return [f"token {position + 1}" for position in range(filled)]


def _sound(drawing: Drawing, piece: Piece) -> float:
    """The spectrogram (or the wave), and below it how much each stretch of time pulled."""
    encoded, attribution = piece.encoded.astype(np.float64), piece.attribution.astype(np.float64)
    if encoded.ndim == 3:  # channels of a spectrogram
        encoded, attribution = encoded.sum(axis=0), attribution.sum(axis=0)
    place = (_LEFT, piece.top, _ROOM, 64.0)
    if encoded.ndim == 1:
        _wave(drawing, piece.top, place[3], encoded)
        attribution = attribution[None, :]
    elif encoded.ndim == 2:
        grid = pictures.cells(attribution, 5, 2 * _STRETCHES)
        file = pictures.spectrogram(encoded, grid, (128, 2 * int(_ROOM)))
        drawing.canvas.image(*place, file, "image/png")
        _frames(drawing, piece.name, grid, place, "var(--ink)", upside_down=True)
    else:
        return _undrawn(drawing, piece.top)
    along = pictures.cells(attribution.sum(axis=0)[None, :], 1, _STRETCHES)[0]
    return _stretches(drawing, piece.name, piece.top + place[3] + 4, along)


def _wave(drawing: Drawing, top: float, height: float, samples: Array) -> None:
    """Highest and lowest sample of every two units of width."""
    parts = np.array_split(samples, int(_ROOM // 2))
    loudest = float(np.abs(samples).max()) or 1.0
    for index, part in enumerate(part for part in parts if len(part)):
        low, high = (0.5 - 0.5 * float(end) / loudest for end in (part.max(), part.min()))
        drawing.canvas.line(_LEFT + 2 * index, top + height * low, _LEFT + 2 * index, top + height * high,
                            colour="var(--q4)")


def _stretches(drawing: Drawing, name: str, top: float, values: Array) -> float:
    """Bars up for towards, dashed bars down for against, the number under each."""
    tallest = 26.0
    unit = tallest / max(float(np.abs(values).max()), 1e-12)
    above = float(np.clip(values.max(), 0, None)) * unit
    below = float(np.clip(-values.min(), 0, None)) * unit
    zero, step = top + above, _ROOM / len(values)
    for index, value in enumerate(values):
        drawing.note(name, f"stretch {index + 1} of {len(values)}", float(value))
        x, size = _LEFT + index * step + 3, abs(float(value)) * unit
        if value >= 0:
            drawing.canvas.box(x, zero - size, step - 6, size, fill="var(--q5)")
        else:
            drawing.canvas.box(x, zero, step - 6, size, dashed=True)
        drawing.canvas.text(_LEFT + (index + 0.5) * step, zero + below + 12, signed(float(value)), align="center",
                            size=SMALL, colour="var(--ink-2)")
    drawing.canvas.line(_LEFT, zero, WIDTH, zero, colour="var(--rule)")
    return zero + below + 18


def _table(drawing: Drawing, piece: Piece) -> float:
    """The columns that pulled most: bars to the right towards, dashed bars to the left against."""
    values, top = piece.attribution.reshape(-1), piece.top
    labels = _labels(piece, len(values))
    order = [index for index in np.argsort(-np.abs(values), kind="stable") if abs(values[index]) > 1e-9]
    for index in order:
        drawing.note(piece.name, labels[index], float(values[index]))
    middle, half = 312.0, 44.0
    kept = order[:_COLUMNS]
    unit = half / max(abs(float(values[kept[0]])), 1e-12) if kept else 0.0
    for place, index in enumerate(kept):
        y, value = top + 22 * place, float(values[index])
        drawing.canvas.text(_LEFT, y + 10, shortened(labels[index], middle - half - _LEFT - 8))
        size = abs(value) * unit
        if value >= 0:
            drawing.canvas.box(middle, y + 3, size, 14, fill="var(--q5)")
        else:
            drawing.canvas.box(middle - size, y + 3, size, 14, dashed=True)
        drawing.canvas.text(WIDTH, y + 10, signed(value), align="right", size=SMALL)
    if kept:
        drawing.canvas.line(middle, top, middle, top + 22 * len(kept), colour="var(--rule)")
    if len(order) > len(kept):
        drawing.canvas.text(_LEFT, top + 22 * len(kept) + 10, f"and {len(order) - len(kept)} weaker",
                            colour="var(--ink-2)", size=SMALL)
    return top + 22 * (len(kept) + (len(order) > len(kept)))


def _labels(piece: Piece, count: int) -> list[str]:
    """Names of the encoded columns, with the row's value where a column is one of the table's own."""
    columns, raw = getattr(piece.model, "columns", None), piece.raw
    names = [str(label) for label in columns(piece.name)] if callable(columns) else []
    if len(names) != count:
        names = [str(label) for label in raw.columns] if raw is not None and len(raw.columns) == count else []
    if not names:
        return [f"column {index + 1}" for index in range(count)]
    if raw is None:
        return names
    return [f"{label} {_value(raw[label].iloc[0])}" if label in raw else label for label in names]


def _value(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float | np.floating) else str(value)


def _undrawn(drawing: Drawing, top: float) -> float:
    drawing.canvas.text(_LEFT, top + 10, "the model's encoding of it cannot be drawn", colour="var(--ink-2)", size=TEXT)
    return top + 20
