"""A graph of ONNX as a raikit model."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from raikit.errors import ModelError, raised
from raikit.models.base import Model
from raikit.models.batches import first_batch
from raikit.models.extras import import_extra
from raikit.models.onnx.feeds import Array, GraphInput, SoundFeed
from raikit.models.onnx.file import GraphFile, read_graph
from raikit.models.onnx.matching import choose_output, match_inputs
from raikit.models.onnx.settings import OnnxSpec
from raikit.models.outputs import PROBE, OutputReader, look_like_probabilities
from raikit.process.memory import MemoryLimit, lacked_memory

if TYPE_CHECKING:
    from raikit.data.batch import Batch
    from raikit.data.dataset import Dataset


def load_onnx(spec: Mapping[str, Any], data: Dataset) -> OnnxModel:
    """Open an .onnx file with onnxruntime.

    Parameters
    ----------
    spec : mapping
        See `OnnxSpec`.
    data : Dataset

    Raises
    ------
    ModelError
        If the file cannot be read, needs operators of its own, or does not fit the inputs or the classes of the data.
    """
    settings = OnnxSpec.model_validate(dict(spec))
    path = Path(settings.path)
    runtime = import_extra("onnxruntime", "an .onnx file")
    import_extra("onnx", "an .onnx file")  # before the limit, so that the graph has all of it
    memory = GraphMemory(settings.max_megabytes)
    with memory.limited(f"{path.name} while it is opened"):
        file = read_graph(path)
        session = _session(runtime, path)
    return OnnxModel(session, file, data, settings, memory)


class GraphMemory:
    """The memory that a graph may take: a few bytes of a file can ask for a tensor of any size.

    Parameters
    ----------
    megabytes : int
        Beyond what the process has when the graph is opened.
    """

    def __init__(self, megabytes: int) -> None:
        self._megabytes, self._limit = megabytes, MemoryLimit(megabytes * 1_000_000)

    @contextlib.contextmanager
    def limited(self, what: str) -> Iterator[None]:
        """Limit the memory within the ``with`` block, and raise `ModelError` if it does not suffice for `what`."""
        try:
            with self._limit():
                yield
        except Exception as error:
            if not lacked_memory(error):
                raise
            raise ModelError(
                f"model.load: {self._megabytes:,} megabytes of memory do not suffice for {what}; `max_megabytes` allows more."
            ) from None


def _session(runtime: Any, path: Path) -> Any:
    options = runtime.SessionOptions()
    options.log_severity_level = 4  # what fails is an error of raikit, not a line on stderr
    options.intra_op_num_threads = int(os.environ.get("OMP_NUM_THREADS") or 1)
    try:
        session = runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"], enable_fallback=0)
        for argument in (*session.get_inputs(), *session.get_outputs()):
            _ = argument.name, argument.type, argument.shape  # decoded here: their bytes may be no text
    except Exception as error:
        if lacked_memory(error):
            raise
        raise ModelError(f"model.load.path: onnxruntime cannot open {path.name} ({raised(error)}).") from None
    return session


class OnnxModel(Model):
    """A graph, run on the CPU by onnxruntime with its own operators.

    Parameters
    ----------
    session : onnxruntime.InferenceSession
    file : GraphFile
    data : Dataset
    settings : OnnxSpec
    memory : GraphMemory
    """

    kind = "onnx"
    capabilities = frozenset({"labels", "scores"})

    def __init__(self, session: Any, file: GraphFile, data: Dataset, settings: OnnxSpec, memory: GraphMemory) -> None:
        self._session, self._file, self._memory = session, file, memory
        self.modalities = {name: item.modality for name, item in data.inputs.items()}
        graph = [GraphInput.of(argument) for argument in session.get_inputs()]
        self._feeds = match_inputs(graph, data, settings)
        fixed = {item.shape[0] for item in graph if item.shape and item.name not in settings.constants} - {None}
        self._rows = min((size for size in fixed if size is not None), default=None)
        self._output = choose_output(session.get_outputs(), data, settings).name
        self._labels: Sequence[Any] | None = None
        first = first_batch(data, PROBE)
        values = None if first is None else self._run(first)
        self._reader = OutputReader(data, "graph", settings.outputs, settings.classes or self._labels)
        self.classes = data.classes
        if values is not None and first is not None and not self._reader.is_decided:
            self._take(self._reader.columns(values, first.ids))

    def _take(self, values: Array) -> None:
        """Decide from the outputs of the first cases whether they are probabilities."""
        likely = look_like_probabilities(values)
        if not likely and self._file.is_classifier(self._output):
            raise ModelError(
                f"model.load: the graph's output {self._output!r} is a classifier's and holds no probabilities; say "
                "`outputs: logits` if their softmax is meant."
            )
        linear = values.shape[1] == 1 and self._file.is_linear(self._output)
        self._reader.take_as("probabilities" if likely and not linear else "logits")

    def scores(self, batch: Batch) -> np.ndarray:
        """Compute the probabilities of the classes, shape (n, k), or the predicted values, shape (n, 1)."""
        return self._reader.scores(self._run(batch), batch.ids)

    def _run(self, batch: Batch) -> Array:
        """Return the output for each case; cases that differ in size, or more than the graph takes, are run apart."""
        keys = list(zip(*(feed.keys(batch) for feed in self._feeds.values()), strict=True))
        groups: dict[Any, list[int]] = {}
        for row, key in enumerate(keys):
            groups.setdefault(key, []).append(row)
        parts, order = [], []
        for rows in groups.values():
            step = self._rows or len(rows)
            for start in range(0, len(rows), step):
                chunk = rows[start : start + step]
                full = chunk + chunk[-1:] * ((self._rows or len(chunk)) - len(chunk))  # a graph of fixed size is filled up
                parts.append(self._call(batch.take(full))[: len(chunk)])
                order.extend(chunk)
        try:
            joined = np.concatenate(parts)
        except ValueError:
            raise ModelError("the graph returned outputs of another shape for cases of another size.") from None
        return joined[np.argsort(order)]

    def _call(self, batch: Batch) -> Array:
        feeds = {name: feed.tensor(batch) for name, feed in self._feeds.items()}
        try:
            with self._memory.limited(f"the graph and {len(batch):,} cases"):
                (value,) = self._session.run([self._output], feeds)
        except ModelError:
            raise
        except Exception as error:
            raise ModelError(
                f"onnxruntime could not run the graph for the cases from id {batch.ids[0]!r} on ({raised(error)})."
            ) from None
        value = self._read_maps(value) if isinstance(value, list) else np.asarray(value)
        if value.ndim == 0 or len(value) != len(batch):
            raise ModelError(
                f"the graph returned an output of shape {value.shape} for {len(batch)} cases; its first axis must be the cases."
            )
        return value

    def _read_maps(self, maps: list[Any]) -> Array:
        """Return the numbers of maps of label to probability, as sklearn-onnx writes them (ZipMap)."""
        if not maps or not all(isinstance(item, dict) for item in maps):
            raise ModelError(f"model.load: the graph's output {self._output!r} is a sequence; `model.load.output` names another.")
        self._labels = self._labels or list(maps[0])
        return np.array([[item[label] for label in self._labels] for item in maps])

    def describe(self) -> dict[str, Any]:
        """Return facts for the record."""
        external = {"external": self._file.external} if self._file.external else {}
        return {**super().describe(), "inputs": list(self._feeds), "output": self._output, **external}

    def notes(self) -> list[str]:
        """Tell how outputs were taken, and which sounds were cut."""
        cut = {case for feed in self._feeds.values() if isinstance(feed, SoundFeed) for case in feed.cut}
        sounds = [f"The graph takes shorter sounds: those of {len(cut):,} cases were cut."] if cut else []
        return [*self._reader.notes(), *sounds]
