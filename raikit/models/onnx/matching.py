"""Which input of the data fills which input of a graph, and which output is read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from raikit.errors import ModelError, listed, nearest
from raikit.models.onnx.feeds import ConstantFeed, Feed, GraphInput, PictureFeed, SoundFeed, TableFeed, TextFeed
from raikit.models.onnx.settings import OnnxSpec

if TYPE_CHECKING:
    from raikit.data.dataset import Dataset

_NAMES = ("logits", "probabilities", "output_probability", "scores")  # of outputs, the likeliest first


def match_inputs(graph: Sequence[GraphInput], data: Dataset, settings: OnnxSpec) -> dict[str, Feed]:
    """Return what fills each input of a graph: an input of the data, a column of a table, or a number.

    Raises
    ------
    ModelError
        If an input of the graph or of the data has no partner, or one that does not fit.
    """
    by_name = {item.name: item for item in graph}
    _refuse_unknown([*settings.inputs, *settings.constants], by_name)
    columns = {
        str(column): name for name, item in data.inputs.items() if item.modality == "tabular" for column in item.columns
    }
    feeds: dict[str, Feed] = {}
    filled: set[str] = set()  # inputs and columns of the data
    for item in graph:
        source = settings.inputs.get(item.name, item.name)
        if item.name in settings.constants:
            feeds[item.name] = ConstantFeed(item, settings.constants[item.name])
        elif source in data.inputs:
            feeds[item.name] = _whole(item, source, data, settings)
            filled.add(source)
        elif source in columns:
            feeds[item.name] = TableFeed(item, columns[source], [source], settings.missing)
            filled.add(source)
    left = [item for item in graph if item.name not in feeds]
    unused = [name for name, item in data.inputs.items() if not _is_filled(name, item, filled)]
    if len(left) == len(unused) == 1 and not filled and left[0].name not in settings.inputs:  # one of each: by order
        return {**feeds, left[0].name: _whole(left[0], unused[0], data, settings)}
    _refuse_unmatched(left, unused, data)
    return feeds


def _is_filled(name: str, item: Any, filled: set[str]) -> bool:
    return name in filled or (item.modality == "tabular" and all(str(column) in filled for column in item.columns))


def _refuse_unknown(names: Sequence[str], graph: Mapping[str, Any]) -> None:
    if unknown := [name for name in names if name not in graph]:
        raise ModelError(
            f"model.load: the graph has no input {unknown[0]!r}; it has {listed(graph)}.{nearest(unknown[0], graph)}"
        )


def _refuse_unmatched(left: Sequence[GraphInput], unused: Sequence[str], data: Dataset) -> None:
    if left:
        raise ModelError(
            f"model.load: the graph's input {left[0].name!r} is neither an input nor a column of the data ({listed(data.inputs)}); "
            "`model.load.inputs` says which is meant, and `model.load.constants` gives a fixed number."
        )
    if unused:
        raise ModelError(
            f"model.load: the graph reads no input {unused[0]!r} of the data, or not all of its columns; leave them out of "
            "data.inputs, or say in `model.load.inputs` what they fill."
        )


def _whole(item: GraphInput, name: str, data: Dataset, settings: OnnxSpec) -> Feed:
    """Return what fills an input of a graph with a whole input of the data."""
    source = data.inputs[name]
    if source.modality == "tabular":
        return TableFeed(item, name, [str(column) for column in source.columns], settings.missing)
    if source.modality == "text":
        return TextFeed(item, name)
    if source.modality == "image":
        return PictureFeed(item, name, settings.picture)
    return SoundFeed(item, name, settings.sample_rate)


def choose_output(outputs: Sequence[Any], data: Dataset, settings: OnnxSpec) -> Any:
    """Return the output that holds the scores.

    Raises
    ------
    ModelError
        If it cannot be told which, or there is none of numbers.
    """
    names = [output.name for output in outputs]
    if settings.output is not None:
        if settings.output not in names:
            raise ModelError(
                f"model.load.output: the graph has no output {settings.output!r}; it has {listed(names)}."
                f"{nearest(settings.output, names)}"
            )
        return outputs[names.index(settings.output)]
    fitting = [output for output in outputs if output.type.startswith(("seq(map(", "tensor(float", "tensor(double"))]
    if len(fitting) > 1:
        named = [output for name in _NAMES for output in fitting if output.name == name]
        fitting = named[:1] or [output for output in fitting if _may_be_scores(output, data)]
    if len(fitting) != 1:
        raise ModelError(f"model.load: the graph has the outputs {listed(names)}; say in `model.load.output` which has the scores.")
    return fitting[0]


def _may_be_scores(output: Any, data: Dataset) -> bool:
    """Return whether an output's shape is that of one number for each class, or of one number in all."""
    widths = {max(len(data.classes), 1), *([1] if data.task == "binary" else [])}
    if len(output.shape) > 2:
        return False
    return output.shape[1] in widths if len(output.shape) == 2 else 1 in widths
