"""The folder of a saved fusion model, looked through before any library reads it."""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

from raikit.errors import LimitError, ModelError
from raikit.limits import Limits, read_json, remedy

CONFIG, SIDE_FILE, WEIGHTS = "config.json", "raikit.json", "model.safetensors"
SEARCH = "search.json"  # the trials of the search that chose the model's settings, if there was one
_ADAPTER = "adapter_config.json"
_MOST_HEADER = 100_000_000  # bytes, as safetensors has it
_KIND = "raikit-fusion"
_TYPE = "F32"  # raikit saves no other
_BYTES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U8": 1, "BOOL": 1}
# Keys with which transformers would read other files or load other code.
_FOREIGN = ("auto_map", "trust_remote_code", "quantization_config", "custom_pipelines", "adapter_config", "attn_implementation",
            "_attn_implementation", "_attn_implementation_internal", "base_model_name_or_path")  # fmt: skip
_SIZES = {
    "outputs": 100_000, "width": 8192, "image_size": 2048, "words": 65_536, "vocabulary": 1 << 24, "sample_rate": 768_000,
    "mels": 1024, "frames": 16_384, "hop": 65_536,
}  # fmt: skip
_MOST_INPUTS = 64
_MODALITIES = ("text", "image", "audio", "tabular")


def read_side_file(folder: Path) -> dict[str, Any]:
    """Validate the three files of a saved model, and return the one beside its weights.

    Raises
    ------
    ModelError
        If a file is missing, no regular file of the folder or too large, if the configuration is another model's or asks for code
        or files of others, or if the weights do not lie within their file.
    """
    for name in (CONFIG, SIDE_FILE, WEIGHTS):
        refuse_other_file(folder / name, "a fusion model saved by raikit")
    if os.path.lexists(folder / _ADAPTER):
        raise ModelError(f"{folder / _ADAPTER}: raikit saves no adapters, and this one may lead to other files; remove it.")
    config = read_json_mapping(folder / CONFIG)
    _validate_config(config, folder / CONFIG)
    has_bodies = any("encoder" in source for source in config["sources"])  # whose libraries count batches in whole numbers
    validate_weights(folder / WEIGHTS, one_type=not has_bodies)
    side = read_json_mapping(folder / SIDE_FILE)
    if not isinstance(side.get("classes"), list) or not isinstance(side.get("preprocessing"), dict):
        raise ModelError(f"{folder / SIDE_FILE}: it holds no classes and preprocessing of a model that raikit saved.")
    return side


def refuse_special_file(path: Path, key: str) -> None:
    """Raise if a file that a configuration names is a pipe or a device, of which reading might never end.

    Raises
    ------
    ModelError
        Names the key.
    """
    if path.exists() and not path.is_file():
        raise ModelError(f"{key}: {path.name} is no regular file.")


def refuse_other_file(path: Path, what_it_should_hold: str) -> None:
    """Raise if a path is no regular file: a pipe would block, a device would never end, a link may lead out of the folder."""
    if path.is_symlink() or not path.is_file():
        what = "a link" if path.is_symlink() else "no regular file" if path.exists() else "missing"
        raise ModelError(f"{path.parent} does not hold {what_it_should_hold}: {path.name} is {what}.")


def read_json_mapping(path: Path, *, lists: bool = False) -> dict[str, Any]:
    """Read a JSON file that holds a mapping; with `lists`, any other value counts as an empty one.

    Raises
    ------
    ModelError
        If it cannot be read.
    """
    try:
        content = read_json(path)
    except LimitError as error:
        raise ModelError(f"{path.parent}: {error}") from None
    except (ValueError, OSError) as error:
        raise ModelError(f"{path}: it cannot be read as JSON ({type(error).__name__}).") from None
    if not isinstance(content, dict):
        if lists:
            return {}
        raise ModelError(f"{path}: it holds no mapping.")
    return content


def _validate_config(config: Mapping[str, Any], path: Path) -> None:
    if config.get("model_type") != _KIND:
        kind = str(config.get("model_type"))[:40]
        raise ModelError(f"{path}: model_type is {kind!r}, not {_KIND!r}; `kind: torch` loads other models.")
    if foreign := [key for key in _FOREIGN if config.get(key) not in (None, False)]:
        raise ModelError(f"{path}: {foreign[0]!r} asks for code or files that raikit has not saved; save the model again.")
    for key, most in _SIZES.items():
        size = config.get(key)
        if size is not None and (type(size) is not int or not 1 <= size <= most):
            raise ModelError(f"{path}: {key} must be a whole number from 1 to {most:,}.")
    if config.get("dtype", "float32") not in (None, "float32"):
        raise ModelError(f"{path}: dtype must be float32.")
    sources = config.get("sources")
    if not isinstance(sources, list) or not 1 <= len(sources) <= _MOST_INPUTS or not all(map(_is_source, sources)):
        raise ModelError(f"{path}: sources must be 1 to {_MOST_INPUTS} inputs, each with a name and a modality.")


def _is_source(source: Any) -> bool:
    return isinstance(source, dict) and isinstance(source.get("name"), str) and source.get("modality") in _MODALITIES


class Weights(NamedTuple):
    """How many tensors there are, and how many numbers they hold."""

    tensors: int
    numbers: int


def validate_weights(path: Path, *, one_type: bool = True) -> Weights:
    """Read the header of a safetensors file: its types and that each tensor lies within the file, with the bytes of its shape.

    Raises
    ------
    ModelError
        If the file is too large, its header is malformed or, with `one_type`, it names a type in which raikit does not save.
    """
    size, most = path.stat().st_size, Limits.of_environment().weights_megabytes * 1_000_000
    if size > most:
        raise ModelError(f"{path}: it has {size:,} bytes, more than the {most:,} that are read; {remedy('weights_megabytes')}.")
    try:
        with path.open("rb") as stream:
            (length,) = struct.unpack("<Q", stream.read(8))
            if length > min(_MOST_HEADER, size - 8):
                raise ValueError(f"its header says that it is {length:,} bytes long")
            header = json.loads(stream.read(length))
        tensors = [tensor for name, tensor in header.items() if name != "__metadata__"]
        for tensor in tensors:
            _validate_tensor(tensor, size - 8 - length, one_type)
        return Weights(len(tensors), sum(prod(tensor["shape"]) for tensor in tensors))
    except (ValueError, OSError, KeyError, TypeError, AttributeError, RecursionError, struct.error) as error:
        why = str(error) if type(error) is ValueError else "its header is malformed"
        raise ModelError(f"{path}: these are no weights that can be read; {why}.") from None


def _validate_tensor(tensor: Mapping[str, Any], room: int, one_type: bool) -> None:
    if one_type and tensor["dtype"] != _TYPE:
        raise ValueError("a tensor has another type than F32")
    start, end = tensor["data_offsets"]
    size = _BYTES.get(tensor["dtype"])
    if not 0 <= start <= end <= room or (size is not None and end - start != size * prod(tensor["shape"])):
        raise ValueError("a tensor does not lie within the file")
