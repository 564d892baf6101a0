"""The open inference protocol (KServe v2, as Triton, MLServer and TorchServe speak it): tensors as JSON."""

from __future__ import annotations

import base64
import io
import math
import wave
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import numpy as np
import pandas as pd

from raikit.errors import ModelError, listed
from raikit.models.endpoint.client import Client
from raikit.models.endpoint.settings import EndpointSpec
from raikit.models.outputs import OutputReader, look_like_probabilities

if TYPE_CHECKING:
    from raikit.data.batch import Audio, Batch
    from raikit.data.dataset import Dataset

Tensor = dict[str, Any]  # name, shape, datatype and data, as the protocol has them


class KServe:
    """Numbers for each case from ``/v2/models/NAME/infer``.

    A table of numbers is one FP32 tensor of shape (n, c), under the name of the input. A table with texts is one tensor for each
    column. Texts, PNG and WAV files are BYTES, shape (n, 1), the files in base64; a missing one is empty.
    """

    def __init__(self, settings: EndpointSpec, data: Dataset, client: Client) -> None:
        if unknown := [name for name in settings.inputs if name not in data.inputs]:
            raise ModelError(f"model.load.inputs: the data have no input {unknown[0]!r}; they have {listed(data.inputs)}.")
        self._settings, self._client = settings, client
        self._sources = {name: item.modality for name, item in data.inputs.items()}
        self._reader = OutputReader(data, "endpoint", settings.outputs, settings.classes)
        self.per_request, self.has_scores, self.depends_on = settings.batch_size, True, ()

    # --- requests ---------------------------------------------------------------------------------------------

    def requests(self, batch: Batch) -> list[list[Tensor]]:
        """Return the tensors of each case."""
        columns = [self._tensors(name, batch) for name in self._sources]
        return [[{**tensor, "shape": [1, *tensor["shape"][1:]], "data": tensor["data"][row]} for part in columns for tensor in part]
                for row in range(len(batch))]  # fmt: skip

    def _tensors(self, name: str, batch: Batch) -> list[Tensor]:
        """Return the tensors of an input, whose data have one list for each case."""
        modality, values = self._sources[name], batch.inputs[name]
        tensor = self._settings.inputs.get(name, name)
        if modality == "tabular":
            return self._table(tensor, values, batch)
        if modality == "text":
            return [_bytes(tensor, ["" if value is None else str(value) for value in values])]
        encode = _png if modality == "image" else _wav
        files = ["" if value is None else base64.b64encode(encode(value)).decode() for value in values]
        return [{**_bytes(tensor, files), "parameters": {"content_type": "base64"}}]

    def _table(self, name: str, frame: pd.DataFrame, batch: Batch) -> list[Tensor]:
        texts = {str(column): not pd.api.types.is_numeric_dtype(frame[column]) for column in frame}
        columns = {
            column: _strings(frame[column]) if is_text else self._numbers(frame[column], batch) for column, is_text in texts.items()
        }
        if any(texts.values()):
            return [_bytes(column, columns[column]) if texts[column] else _floats(column, [columns[column]]) for column in columns]
        return [_floats(name, list(columns.values()))]

    def _numbers(self, column: pd.Series[Any], batch: Batch) -> list[float]:
        numbers = column.to_numpy(dtype=np.float64, na_value=np.nan).astype(np.float32)
        if self._settings.missing is not None:
            numbers = np.where(np.isnan(numbers), np.float32(self._settings.missing), numbers)
        if (bad := np.flatnonzero(~np.isfinite(numbers))).size:
            raise ModelError(
                f"model.load: the column {column.name!r} has no finite number for the case with id {batch.ids[int(bad[0])]!r}, and "
                "JSON can write no other; `model.load.missing` says what stands for a missing one."
            )
        return [float(number) for number in numbers]

    # --- answers ----------------------------------------------------------------------------------------------

    def ask(self, requests: Sequence[list[Tensor]], ids: Sequence[Any]) -> list[list[float]]:
        """Return the numbers of each case, in the order of the endpoint's outputs."""
        body: dict[str, Any] = {"inputs": [_joined([request[at] for request in requests]) for at in range(len(requests[0]))]}
        if self._settings.output is not None:
            body["outputs"] = [{"name": self._settings.output}]
        answer = self._client.post(f"/v2/models/{quote(self._settings.name, safe='')}/infer", body)
        values = self._reader.columns(_array(self._output(answer)), ids)
        return [[float(number) for number in row] for row in values]

    def _output(self, answer: dict[str, Any]) -> Tensor:
        outputs = answer.get("outputs")
        if not isinstance(outputs, list) or not outputs or not all(isinstance(output, dict) for output in outputs):
            raise ModelError("the endpoint's answer has no `outputs` as KServe v2 has them.")
        wanted = self._settings.output
        fitting = [item for item in outputs if (item.get("datatype") != "BYTES" if wanted is None else item.get("name") == wanted)]
        if len(fitting) != 1:
            names = listed([str(output.get("name")) for output in outputs])
            raise ModelError(f"the endpoint returned the outputs {names}; say in `model.load.output` which has the scores.")
        output: Tensor = fitting[0]
        return output

    def valid(self, answer: Any) -> bool:
        """Return whether a kept answer is one."""
        return isinstance(answer, list) and all(type(number) in (int, float) and math.isfinite(number) for number in answer)

    def scores(self, answers: Sequence[list[float]], ids: Sequence[Any]) -> np.ndarray:
        """Return the probabilities of the classes, shape (n, k), or the predicted values, shape (n, 1)."""
        values = self._reader.columns(_rows(answers), ids)
        if not self._reader.is_decided:
            if values.shape[1] == 1:
                raise ModelError(
                    "the endpoint returns one number for each case; say what with `model.load.outputs: logits` or `probabilities`."
                )
            self._reader.take_as("probabilities" if look_like_probabilities(values) else "logits")
        return self._reader.scores(values, ids)

    def notes(self) -> list[str]:
        """Tell how outputs were taken."""
        return self._reader.notes()


def _rows(answers: Sequence[list[float]]) -> np.ndarray:
    try:
        return np.array(answers, dtype=np.float64)
    except ValueError:
        raise ModelError("the endpoint returned different numbers of outputs for different cases.") from None


def _joined(tensors: Sequence[Tensor]) -> Tensor:
    """Return the tensors of single cases as one."""
    data = [item for tensor in tensors for item in tensor["data"]]
    return {**tensors[0], "shape": [len(tensors), *tensors[0]["shape"][1:]], "data": data}


def _strings(column: pd.Series[Any]) -> list[str]:
    return ["" if pd.isna(value) else str(value) for value in column]


def _bytes(name: str, values: Sequence[Any]) -> Tensor:
    return {"name": name, "shape": [len(values), 1], "datatype": "BYTES", "data": [[value] for value in values]}


def _floats(name: str, columns: Sequence[Any]) -> Tensor:
    rows = [list(row) for row in zip(*columns, strict=True)]
    return {"name": name, "shape": [len(rows), len(columns)], "datatype": "FP32", "data": rows}


def _array(output: Tensor) -> np.ndarray:
    """Return the numbers of an output in its shape.

    Raises
    ------
    ModelError
        If they are none, or are not as many as its shape says.
    """
    try:
        values = np.asarray(output.get("data"))
    except (ValueError, TypeError, OverflowError, RecursionError):
        values = np.empty(0, dtype=object)
    if values.dtype.kind not in "fiu":
        raise ModelError("the endpoint returned an output whose data are no numbers.")
    shape = output.get("shape")
    if not isinstance(shape, list) or not all(type(size) is int and size >= 0 for size in shape) or math.prod(shape) != values.size:
        raise ModelError(f"the endpoint returned {values.size:,} numbers, which do not fill the shape that it names.")
    try:
        return values.reshape(shape)
    except ValueError:
        raise ModelError("the endpoint returned an output of a shape that no array has.") from None


def _png(picture: np.ndarray) -> bytes:
    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, format="PNG")
    return stream.getvalue()


def _wav(sound: Audio) -> bytes:
    """Return a WAV file of 16 bits."""
    stream = io.BytesIO()
    with wave.open(stream, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(int(sound.rate))
        file.writeframes((np.clip(sound.samples, -1, 1) * 32767).round().astype("<i2").tobytes())
    return stream.getvalue()
