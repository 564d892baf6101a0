"""What the files of a folder of transformers may not say: no code, no other files, no sizes beyond the weights.

transformers acts on keys of its JSON files wherever they stand, so they are looked for at every depth.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from raikit.console import clean
from raikit.errors import LimitError, ModelError
from raikit.limits import check_bytes
from raikit.models.folder import read_json_mapping, refuse_other_file

_SETTINGS, _TOKENIZER = re.compile(r"(^|_)config(\.[^/]*)?\.json$"), "tokenizer.json"
_TEMPLATES = "additional_chat_templates"
_TEXTS = (".json", ".jinja", ".txt", ".model", ".bpe", ".vocab", ".tiktoken")
_LABELS = ("id2label", "label2id", "added_tokens_decoder", "task_specific_params")  # their keys are texts of the model's author
# Keys with which transformers, or a library behind it, reads other files of the machine or of a hub.
_ELSEWHERE = frozenset({
    "configuration_files", "fast_tokenizer_files", "repo_path", "class_info_file", "model_args", "model_file", "mecab_option",
    "sudachi_config_path", "sudachi_resource_dir",
})  # fmt: skip
_KERNELS = frozenset({"attn_implementation", "_attn_implementation", "experts_implementation", "_experts_implementation"})
_REPEATED = re.compile(r"^(num|n)_\w*(layer|block|expert|stage|group|label)s?$|layers$|^depths$")
_MOST_REPEATED, _MOST_LABELS = 1_000, 100_000
_MOST_PIXELS = 2_048  # in height or width, as for fusion models
_MOST_NUMBER = 1 << 24
_LARGEST = {
    "sampling_rate": 192_000, "chunk_length": 3_600, "feature_size": 1_024, "num_mel_bins": 1_024, "n_fft": 65_536,
    "max_length": 65_536, "hop_length": 65_536, "fft_window_size": 65_536, "max_length_s": 600, "num_frames": 4_096,
    "max_num_patches": 65_536, "max_patches": 65_536,
}  # fmt: skip
_SIZES = (
    "size", "crop_size", "pad_size", "shortest_edge", "longest_edge", "height", "width", "size_divisor", "max_height", "max_width",
)  # fmt: skip
_CLASSES = {  # what a class that a setting names must be: transformers looks it up among everything that it has
    "tokenizer_class": re.compile(r"^(?!Auto)\w*(Tokenizer\w*|Backend)$"),
    "image_processor_type": re.compile(r"^(?!Auto)\w*(ImageProcessor\w*|FeatureExtractor)$"),
    "feature_extractor_type": re.compile(r"^(?!Auto)\w*(ImageProcessor\w*|FeatureExtractor)$"),
}
_STEPS = ("normalizer", "pre_tokenizer", "post_processor", "decoder")
_MOST_GROWTH = 1_000  # times that a text may become longer before it is cut into tokens
_MOST_STEPS = 2_000  # values that describe them; those of a usual tokenizer are less than a hundred

Leaf = tuple[str, Any]


def refuse_settings(folder: Path, *, tensors: int, code: bool) -> None:
    """Look through the settings in a folder of transformers, whose files `refuse_files` has seen.

    Parameters
    ----------
    folder : Path
    tensors : int
        How many its weights have: a network has no more layers.
    code : bool
        Whether the configuration allows code that the folder brings.

    Raises
    ------
    ModelError
        If a file asks for code, other files, or more memory and time than its weights need.
    """
    for file in sorted(folder.glob("*.json")):
        if _SETTINGS.search(file.name):
            leaves = list(_leaves(read_json_mapping(file, lists=True)))
            _refuse_keys(file, leaves, code)
            if file.name.startswith("config."):
                _refuse_repeats(file, leaves, max(tensors, _MOST_REPEATED))
            elif "processor" in file.name:
                _refuse_sizes(file, leaves)
    if (folder / _TOKENIZER).exists():
        _refuse_growth(folder / _TOKENIZER, read_json_mapping(folder / _TOKENIZER))


def refuse_nested(file: Path, content: Mapping[str, Any], tensors: int) -> None:
    """Look through the configuration of a body that stands in that of another network; see `refuse_settings`.

    Raises
    ------
    ModelError
        If it asks for code, other files, or more parts than there are weights.
    """
    leaves = list(_leaves(content))
    _refuse_keys(file, leaves, code=False)
    _refuse_repeats(file, leaves, max(tensors, _MOST_REPEATED))


def refuse_files(folder: Path) -> None:
    """Raise if a file of a folder is no regular one, or one that is read whole is too large.

    Raises
    ------
    ModelError
        Names the file.
    """
    templates = folder / _TEMPLATES
    if templates.is_symlink():
        raise ModelError(f"{folder} does not hold a model: {_TEMPLATES} is a link.")
    for file in sorted([*(path for path in folder.iterdir() if not path.is_dir()), *templates.glob("*")]):
        refuse_other_file(file, "a model")
        if file.suffix in _TEXTS:
            try:
                check_bytes(file.name, file.stat().st_size)
            except LimitError as error:
                raise ModelError(f"{folder}: {error}") from None


def _leaves(content: Any, key: str = "") -> Iterator[Leaf]:
    """Yield each value with the key under which it stands; those of a list stand under the key of the list."""
    if isinstance(content, Mapping):
        yield key, content
        for name, value in content.items():
            if name not in _LABELS:
                yield from _leaves(value, name)
    elif isinstance(content, list):
        yield key, content
        for value in content:
            yield from _leaves(value, key)
    else:
        yield key, content


def _refuse_keys(file: Path, leaves: list[Leaf], code: bool) -> None:
    for key, value in leaves:
        if key == "auto_map" and not code:
            raise ModelError(
                f"{file}: 'auto_map' asks for code that the folder brings; if you trust it say `trust_remote_code: true`."
            )
        if key == "quantization_config" and value:
            raise ModelError(f"{file}: a quantised model cannot be audited; save it in float32 or bfloat16.")
        if _leads_elsewhere(key, value):
            raise ModelError(
                f"{file}: {_shown(key)!r} asks for code or files that the folder does not hold; remove it, or save the model again."
            )


def _leads_elsewhere(key: str, value: Any) -> bool:
    if not value:
        return False
    if key in _KERNELS:
        return isinstance(value, str) and "/" in value  # a kernel of a hub
    if key in _CLASSES:
        return not isinstance(value, str) or not _CLASSES[key].search(value)
    if key == "architecture":
        return isinstance(value, str) and ":" in value  # timm's `hf-hub:` and `local-dir:`
    named_file = key.endswith("_file") and key != "special_tokens_map_file"  # of which transformers opens only that of the folder
    return key in _ELSEWHERE or (named_file and isinstance(value, str) and Path(value).name != value)


def _refuse_repeats(file: Path, leaves: list[Leaf], most: int) -> None:
    """Raise if a network would have more parts than its weights have tensors, whose building alone takes forever."""
    for key, value in leaves:
        limit = _MOST_LABELS if key == "num_labels" else most
        if _REPEATED.search(key) and _is_number(value) and value > limit:
            raise ModelError(f"{file}: {_shown(key)} is {value:,}, more than the {limit:,} that the weights can fill.")


def _refuse_sizes(file: Path, leaves: list[Leaf]) -> None:
    """Raise if a picture or sound would be made larger than any network reads."""
    for key, value in leaves:
        if isinstance(value, bool) and key in _LARGEST:  # some extractors count with it, and fail with all samples in their words
            raise ModelError(f"{file}: {key} must be a number.")
        most = _MOST_PIXELS if key in _SIZES else _LARGEST.get(key, _MOST_NUMBER)
        if _is_number(value) and value > most:
            raise ModelError(f"{file}: {key} must be at most {most:,}.")


def _refuse_growth(file: Path, content: Mapping[str, Any]) -> None:
    """Raise if the steps of a tokenizer, one after another, would make a text many times as long."""
    growth, steps = 1.0, list(_leaves({key: content.get(key) for key in _STEPS}))
    for _, step in steps:
        growth *= _growth(step) if isinstance(step, Mapping) else 1.0
        if growth > _MOST_GROWTH:
            raise ModelError(f"{file}: what it replaces or adds makes a text more than {_MOST_GROWTH:,} times as long.")
    if len(steps) > _MOST_STEPS:
        raise ModelError(f"{file}: its steps hold {len(steps):,} values, more than the {_MOST_STEPS:,} that are read.")


def _growth(step: Mapping[str, Any]) -> float:
    """Return how many times as long a step makes a text at most; a regular expression may match between all characters."""
    pattern, written = step.get("pattern"), _length(step.get("content")) + _length(step.get("prepend"))
    literal = _length(pattern.get("String")) if isinstance(pattern, Mapping) else 0
    return max(1.0, written / literal) if literal else 1.0 + written


def _length(value: Any) -> int:
    return len(value) if isinstance(value, str) else 0


def _shown(key: str) -> str:
    """Return a key of the folder's author as it may stand in a sentence."""
    return clean(" ".join(key[:60].split()))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
