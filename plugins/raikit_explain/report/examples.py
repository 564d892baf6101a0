"""One decision as a figure: each input with its parts that count towards the decision and against it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

import raikit
from raikit.format import capitalised, case_noun, class_text, column_text, number, percent, scalar, value_text
from raikit.models.positions import WHOLE, EncodedColumns, Pixels, Positions, Spectrogram, Tokens
from raikit_explain.estimates.explanation import ExampleInputs
from raikit_explain.estimates.verdict import NOT_CONVERGED, Word
from raikit_explain.names import input_name
from raikit_explain.report import pictures
from raikit_explain.report.canvas import SMALL, TEXT, WIDTH, Canvas, shortened, width_of

Array = npt.NDArray[Any]
_LEFT = 94.0  # where inputs begin, right of their names
_ROOM = WIDTH - _LEFT
_PICTURE = 150.0
_STRETCHES = 8
_WORDS = 48
_LEAST_SHOWN = -0.005  # what is nearer to zero is written as 0.00, and is neither for nor against
_COLUMNS = 6
_GRID = 8


@dataclass(frozen=True)
class Piece:
    """One input of the case: where it is drawn, its value, the attributions of its parts, and what the parts are."""

    name: str
    top: float
    raw: Any
    encoded: Array
    attribution: Array
    positions: Positions | None


@dataclass
class ExampleDrawing:
    """A figure in progress: the canvas, how far down it is filled, and the numbers it shows."""

    strongest: float
    canvas: Canvas = field(default_factory=Canvas)
    y: float = 0.0
    numbers: list[dict[str, Any]] = field(default_factory=list)

    def note(self, name: str, part: str, value: float) -> None:
        """Add a number to the data of the figure."""
        self.numbers.append({"input": input_name(name), "part": part, "towards": round(float(value), 4)})


def figure(
    position: int, case: Mapping[str, Any], inputs: ExampleInputs, model: raikit.Model, *, unit: str, change: float,
    error: float, converged: bool, word: Word,
) -> raikit.Figure:
    """Draw one case.

    Parameters
    ----------
    position : int
        Of the example, from 1.
    case : mapping
        ``id``, ``kind``, ``prediction``, ``target``, ``right`` and ``sure`` of the case.
    inputs : ExampleInputs
    model : Model
    unit : str
        Of the attributions.
    change, error : float
        What the attributions should add up to, and the share of it by which they miss it.
    converged : bool
        Whether the integral is known as precisely as was asked; the figure says so if it is not.
    word : str
        Verdict on the explanation of this case.
    """
    totals = {name: float(values.sum(dtype=np.float64)) for name, values in inputs.attributions.items()}
    drawing = ExampleDrawing(max([abs(total) for total in totals.values()] + [1e-9]))
    for name, total in totals.items():
        _draw_input(drawing, name, total, inputs, model)
    title, decision = _title(case, bool(model.classes))
    baseline = "no inputs at all" if len(totals) > 1 else "an empty input"
    earned = word if converged else NOT_CONVERGED
    return raikit.Figure(
        id=f"example-{position}", title=title,
        subtitle=f"{capitalised(case_noun(1))} {case['id']}. {decision}In {unit}, together {_signed(change)} compared with "
                 f"{baseline}. "
                 f"Filled or solid: towards the decision; dashed: against it. Explanation: {_verdict(earned, error)}.",
        alt=_alt(title, totals, unit), spec=drawing.canvas.spec(round(drawing.y)), data=drawing.numbers,
    )


def _verdict(word: Word, error: float) -> str:
    """Write the word of a case; where the integral has not converged, with what its parts miss."""
    return f"{word} (its parts miss {percent(error)} of the change)" if word == NOT_CONVERGED else word


def _signed(value: float) -> str:
    """Write an attribution with its sign: two decimals, one from 10 on, none from 100 on."""
    size = abs(value)
    return number(value, 2 if size < 9.995 else 1 if size < 99.95 else 0, signed=True)


def _title(case: Mapping[str, Any], classes: bool) -> tuple[str, str]:
    """Return the title, and a sentence on the decision."""
    kind = case["kind"]
    if not classes:
        predicted, true = (scalar(float(case[column])) for column in ("prediction", "target"))
        return f"{kind}: {predicted} predicted, {true} is true", ""
    verdict = "which is right" if case["right"] else f"truth is {class_text(case['target'])}"
    title = f"{kind}: decided {class_text(case['prediction'])}, {verdict}"
    return title, f"Probability of the decision {percent(float(case['sure']))}. "


def _alt(title: str, totals: Mapping[str, float], unit: str) -> str:
    ranked = sorted(totals.items(), key=lambda item: -abs(item[1]))
    parts = ", ".join(f"{input_name(name)} {_signed(total)}" for name, total in ranked)
    return f"{title}. Contribution of each input towards the decision, in {unit}: {parts}."


def _draw_input(drawing: ExampleDrawing, name: str, total: float, inputs: ExampleInputs, model: raikit.Model) -> None:
    """Draw an input below the previous one: its name and total on the left, its parts on the right."""
    top = drawing.y
    encoded, attribution = inputs.encoded[name], inputs.attributions[name]
    canvas = drawing.canvas
    canvas.text(0, top + 10, shortened(input_name(name), _LEFT - 8), weight=600)
    drawing.note(name, "all of it", total)
    if not inputs.present[name]:
        canvas.text(_LEFT, top + 10, "missing", colour="var(--ink-2)")
        drawing.y = top + 34
        return
    canvas.text(0, top + 28, _signed(total))
    drawing.y = top + 34
    modality = model.modalities.get(name, "tabular")
    piece = Piece(name, top, inputs.batch.inputs.get(name), encoded, attribution, inputs.positions.get(name))
    bottom = {"image": _draw_image, "text": _draw_text, "audio": _draw_sound, "tabular": _draw_columns}[modality](drawing, piece)
    drawing.y = max(drawing.y, bottom) + 14


def _draw_image(drawing: ExampleDrawing, piece: Piece) -> float:
    """Draw the picture, faded where it hardly matters, with frames around its strongest cells."""
    plane, top = pictures.plane(piece.attribution), piece.top
    if plane is None or piece.raw is None or piece.raw[0] is None:
        return _draw_nothing(drawing, top)
    grid = pictures.cells(plane, _GRID, _GRID)
    crop = piece.positions.crop if isinstance(piece.positions, Pixels) else WHOLE
    file, aspect = pictures.faded(pictures.cropped(piece.raw[0], crop), grid)
    width, height = (_PICTURE, _PICTURE * aspect) if aspect <= 1 else (_PICTURE / aspect, _PICTURE)
    drawing.canvas.box(_LEFT - 0.5, top - 0.5, width + 1, height + 1, fill="var(--line)")
    drawing.canvas.image(_LEFT, top, width, height, file, "image/jpeg")
    _draw_frames(drawing, piece.name, grid, (_LEFT, top, width, height), "#15191e")  # ink on the picture's own white
    return top + height


def _draw_frames(drawing: ExampleDrawing, name: str, grid: pictures.Grid, place: tuple[float, float, float, float], ink: str,
            upside_down: bool = False) -> None:
    """Frame the strongest cells and note their attributions."""
    x, y, width, height = place
    framed = pictures.strongest(grid)
    for row, column in zip(*np.nonzero(framed), strict=True):
        drawing.note(name, f"cell in row {row + 1}, column {column + 1} of {grid.shape[0]} × {grid.shape[1]}",
                     grid[row, column])
    flip = np.flipud if upside_down else np.asarray
    for edge in pictures.outline(flip(grid), flip(framed)):
        drawing.canvas.line(x + edge.x * width, y + edge.y * height, x + edge.x2 * width, y + edge.y2 * height,
                            colour=ink, thick=1.6, dashed=edge.against)


def _draw_text(drawing: ExampleDrawing, piece: Piece) -> float:
    """Draw the words in order, shaded by attribution, with the number under each."""
    weights = piece.attribution.reshape(len(piece.attribution), -1).sum(axis=1)
    # A start or padding token has no text of its own, and stands for nothing that a person could read.
    words = [(word, value) for word, value in zip(_words(piece), weights, strict=False) if word]
    x, y = _LEFT, piece.top
    for word, value in words[:_WORDS]:
        drawing.note(piece.name, word, float(value))
        label, value_text = shortened(word, _ROOM - 14), _signed(float(value))
        width = max(width_of(label), width_of(value_text, SMALL)) + 12
        if x + width > WIDTH and x > _LEFT:
            x, y = _LEFT, y + 42
        fill, ink = _tone(float(value), drawing.strongest)
        drawing.canvas.box(x, y, width, 38, fill=fill, dashed=fill is None and value <= _LEAST_SHOWN, radius=3)
        drawing.canvas.text(x + width / 2, y + 12, label, align="center", colour=ink)
        drawing.canvas.text(x + width / 2, y + 28, value_text, align="center", colour=ink, size=SMALL)
        x += width + 4
    if len(words) > _WORDS:
        drawing.canvas.text(_LEFT, y + 50, f"and {len(words) - _WORDS} more", colour="var(--ink-2)")
        y += 20
    return y + 38


def _tone(value: float, strongest: float) -> tuple[str | None, str]:
    """Return fill and ink of a word: darker for stronger attributions, no fill for weak and negative ones."""
    share = value / strongest
    if share >= 0.3:
        return "var(--q5)", "var(--paper)"
    if share >= 0.1:
        return "var(--q2)", "var(--ink)"
    return ("var(--q1)", "var(--ink)") if share >= 0.02 else (None, "var(--ink)")


def _words(piece: Piece) -> list[str]:
    """Return the words of the encoding; numbered tokens if the model does not give them."""
    if isinstance(piece.positions, Tokens):
        return [str(word) for word in piece.positions.text]
    filled = int(np.max(np.flatnonzero(piece.encoded.reshape(len(piece.encoded), -1).any(axis=1)), initial=-1)) + 1
    return [f"token {position + 1}" for position in range(filled)]


def _draw_sound(drawing: ExampleDrawing, piece: Piece) -> float:
    """Draw the spectrogram (or the wave), and below it the attribution of each stretch of time."""
    encoded, attribution = piece.encoded.astype(np.float64), piece.attribution.astype(np.float64)
    if encoded.ndim == 3:  # channels of a spectrogram
        encoded, attribution = encoded.sum(axis=0), attribution.sum(axis=0)
    if isinstance(piece.positions, Spectrogram) and piece.positions.time_first:
        encoded, attribution = encoded.T, attribution.T
    place = (_LEFT, piece.top, _ROOM, 64.0)
    if encoded.ndim == 1:
        _draw_wave(drawing, piece.top, place[3], encoded)
        attribution = attribution[None, :]
    elif encoded.ndim == 2:
        grid = pictures.cells(attribution, 5, 2 * _STRETCHES)
        file = pictures.spectrogram(encoded, grid, (128, 2 * int(_ROOM)))
        drawing.canvas.image(*place, file, "image/png")
        _draw_frames(drawing, piece.name, grid, place, "var(--ink)", upside_down=True)
    else:
        return _draw_nothing(drawing, piece.top)
    along = pictures.cells(attribution.sum(axis=0)[None, :], 1, _STRETCHES)[0]
    return _draw_stretches(drawing, piece.name, piece.top + place[3] + 4, along)


def _draw_wave(drawing: ExampleDrawing, top: float, height: float, samples: Array) -> None:
    """Draw the highest and the lowest sample of every two units of width."""
    parts = np.array_split(samples, int(_ROOM // 2))
    loudest = float(np.abs(samples).max()) or 1.0
    for index, part in enumerate(part for part in parts if len(part)):
        low, high = (0.5 - 0.5 * float(end) / loudest for end in (part.max(), part.min()))
        drawing.canvas.line(_LEFT + 2 * index, top + height * low, _LEFT + 2 * index, top + height * high,
                            colour="var(--q4)")


def _draw_stretches(drawing: ExampleDrawing, name: str, top: float, values: Array) -> float:
    """Draw bars: up for towards, dashed and down for against, with the number under each."""
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
        drawing.canvas.text(_LEFT + (index + 0.5) * step, zero + below + 12, _signed(float(value)), align="center",
                            size=SMALL, colour="var(--ink-2)")
    drawing.canvas.line(_LEFT, zero, WIDTH, zero, colour="var(--rule)")
    return zero + below + 18


def _draw_columns(drawing: ExampleDrawing, piece: Piece) -> float:
    """Draw the strongest columns: bars to the right for towards, dashed bars to the left for against."""
    values, top = piece.attribution.reshape(-1), piece.top
    labels = _labels(piece, len(values))
    order = [index for index in np.argsort(-np.abs(values), kind="stable") if abs(values[index]) > 1e-9]
    for index in order:
        drawing.note(piece.name, labels[index], float(values[index]))
    middle, half = 312.0, 44.0
    strongest = order[:_COLUMNS]
    unit = half / max(abs(float(values[strongest[0]])), 1e-12) if strongest else 0.0
    for place, index in enumerate(strongest):
        y, value = top + 22 * place, float(values[index])
        drawing.canvas.text(_LEFT, y + 10, shortened(labels[index], middle - half - _LEFT - 8))
        size = abs(value) * unit
        if value >= 0:
            drawing.canvas.box(middle, y + 3, size, 14, fill="var(--q5)")
        else:
            drawing.canvas.box(middle - size, y + 3, size, 14, dashed=True)
        drawing.canvas.text(WIDTH, y + 10, _signed(value), align="right", size=SMALL)
    if strongest:
        drawing.canvas.line(middle, top, middle, top + 22 * len(strongest), colour="var(--rule)")
    if len(order) > len(strongest):
        drawing.canvas.text(_LEFT, top + 22 * len(strongest) + 10, f"and {len(order) - len(strongest)} weaker",
                            colour="var(--ink-2)", size=SMALL)
    return top + 22 * (len(strongest) + (len(order) > len(strongest)))


def _labels(piece: Piece, count: int) -> list[str]:
    """Return the names of the encoded columns, with the value where a column is one of the table's own."""
    raw = piece.raw
    names = [str(label) for label in piece.positions.names] if isinstance(piece.positions, EncodedColumns) else []
    if len(names) != count:
        names = [str(label) for label in raw.columns] if raw is not None and len(raw.columns) == count else []
    if not names:
        return [f"column {index + 1}" for index in range(count)]
    if raw is None:
        return names
    return [_with_value(label, raw[label].iloc[0]) if label in raw else _one_of(label, raw.columns) for label in names]


def _one_of(label: str, columns: Sequence[str]) -> str:
    """Write the name of an encoded column that stands for one value of a column: ``kind=other`` as ``kind: other``."""
    column, _, value = label.partition("=")
    return f"{column_text(column)}: {value_text(column, value)}" if value and column in columns else label


def _with_value(column: str, value: Any) -> str:
    """Write a column with the value of the case; a label of the value comes before its digits."""
    code = value.item() if isinstance(value, np.generic) else value
    label = str(value) if code is None else value_text(column, code)
    is_number = isinstance(code, float) and label == str(code)
    return f"{column_text(column)} {f'{code:.4g}' if is_number else label}"


def _draw_nothing(drawing: ExampleDrawing, top: float) -> float:
    """Say that the input cannot be drawn."""
    drawing.canvas.text(_LEFT, top + 10, "the model's encoding cannot be drawn", colour="var(--ink-2)", size=TEXT)
    return top + 20
