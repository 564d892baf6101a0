"""What a folder that `save_pretrained` wrote says of its model, for ``raikit init``; no weights are read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from raikit.data.guess import ModelFacts
from raikit.errors import DataError, ModelError
from raikit.models.folder import CONFIG, read_json_mapping
from raikit.remote import is_remote

_READS: dict[str, tuple[str, ...]] = {  # by the end of the architecture's name
    "ForTokenClassification": ("text",),
    "ForSequenceClassification": ("text",),
    "ForImageClassification": ("image",),
    "ForAudioClassification": ("audio",),
    "ViltForQuestionAnswering": ("image", "text"),
    "CLIPModel": ("image",),
    "VisionTextDualEncoderModel": ("image",),
}
_WITHOUT_NAMES = re.compile(r"LABEL_\d+")


def read_model_folder(folder: Path) -> ModelFacts:
    """Read which inputs a model has, its labels and its task.

    Raises
    ------
    ModelError
        If the folder has no configuration, or the architecture is none that can be audited.
    """
    if not (folder / CONFIG).is_file():
        raise ModelError(f"--model: {folder} holds no model of transformers (there is no {CONFIG} in it).")
    config = read_json_mapping(folder / CONFIG)
    architectures = config.get("architectures")
    architecture = str(architectures[0]) if isinstance(architectures, list) and architectures else "a model without a head"
    reads = next((reads for end, reads in _READS.items() if architecture.endswith(end)), None)
    if reads is None:
        raise ModelError(
            f"--model: {folder} holds {architecture[:60]}; raikit init knows those of the classes {', '.join(_READS)} alone. "
            "Write the configuration by hand if raikit can load it."
        )
    if architecture.endswith("ForSequenceClassification") and not (folder / "tokenizer_config.json").exists():
        reads = ("audio",)  # wav2vec2 and its like have no class of their own
    return ModelFacts(reads, _labels(config), _task(architecture, config))


def refuse_model_folder(data: Path | str) -> None:
    """Raise if the table is the folder of a model.

    Raises
    ------
    DataError
        Says how to name both.
    """
    if is_remote(data) or not (Path(data) / CONFIG).is_file():
        return
    if "architectures" in read_json_mapping(Path(data) / CONFIG, lists=True):
        raise DataError(f"{data} is the folder of a model, not a table; name both: raikit init TABLE --model {data}")


def _labels(config: Mapping[str, Any]) -> tuple[str, ...]:
    names = config.get("id2label")
    labels = tuple(map(str, names.values())) if isinstance(names, dict) else ()
    return () if all(_WITHOUT_NAMES.fullmatch(label) for label in labels) else labels


def _task(architecture: str, config: Mapping[str, Any]) -> str | None:
    if architecture.endswith("ForTokenClassification"):
        return "token_classification"
    return "multilabel" if config.get("problem_type") == "multi_label_classification" else None
