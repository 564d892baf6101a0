"""Zero-shot classification: a model of pictures and texts decides between the texts that stand for the classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from raikit.address import text
from raikit.data.labels import ClassNames
from raikit.errors import ModelError

_UNKNOWN = object()


def prompt_tensors(
    prompts: Mapping[str, str], classes: Sequence[Any], tokenizer: Any, config: Any, accepted: frozenset[str]
) -> dict[str, Tensor]:
    """Return the token ids and masks of the text of each class, in the order of the classes.

    Texts of SigLIP are padded to the length that it was trained on, because the last position stands for its text.

    Raises
    ------
    ModelError
        If a class has no text, or a text no class.
    """
    names, texts = ClassNames(classes), dict[Any, str]()
    for label, prompt in prompts.items():
        known = names.find(label, _UNKNOWN)
        if known is _UNKNOWN:
            raise ModelError(f"model.load.prompts: {label!r} is no class of the data; data.classes can declare it.")
        texts[known] = prompt
    if missing := [label for label in classes if label not in texts]:
        example = f"{{{text(missing[0])}: a photo of {text(missing[0])}}}"
        raise ModelError(f"model.load.prompts: the class {text(missing[0])} has no text; give one for each class, as in {example}.")
    of_one_length = {"padding": "max_length", "max_length": _longest(config, tokenizer)} if "siglip" in config.model_type else {}
    written = [texts[label] for label in classes]
    tokens = tokenizer(written, return_tensors="pt", **({"padding": True, "truncation": True} | of_one_length))
    return {name: tensor for name, tensor in tokens.items() if name in accepted}


def _longest(config: Any, tokenizer: Any) -> int:
    return int(min(tokenizer.model_max_length, config.text_config.max_position_embeddings))
