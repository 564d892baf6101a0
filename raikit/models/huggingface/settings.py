"""Settings of ``kind: huggingface``, and the folder that they name, looked through before any library reads it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from raikit.errors import ModelError
from raikit.models.folder import (
    CONFIG,
    WEIGHTS,
    read_json_mapping,
    refuse_other_file,
    validate_weights,
)

INDEX = "model.safetensors.index.json"
_PICKLES = ("pytorch_model.bin", "pytorch_model.bin.index.json")
_ADAPTER = "adapter_config.json"


class HuggingFaceSpec(BaseModel):
    """Settings of ``kind: huggingface``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: str = "huggingface"
    path: str | None = Field(None, description="A folder that `save_pretrained` wrote, with its tokenizer or processor.")
    hub: str | None = Field(None, description="A model of a hub instead of a folder; needs `revision` and `allow_download`.")
    revision: str | None = Field(None, pattern=r"^[0-9a-f]{40}$", description="The commit of the hub's model, 40 digits.")
    allow_download: bool = Field(False, description="Open a connection to the hub; without it none is ever opened.")
    base: str | None = Field(
        None,
        description="The folder of the pretrained model that this one was fine-tuned from: for adapters, and what private training "
        "starts from.",
    )
    labels: Mapping[str, Any] = Field(
        default_factory=dict, description="The data's label for each label of the model, where they are written differently."
    )
    prompts: Mapping[str, str] = Field(
        default_factory=dict, description="Zero-shot: the text for each class, such as `{cat: a photo of a cat}`."
    )
    max_length: int | None = Field(
        None, ge=1, le=1 << 20, description="Tokens after which a text is cut; absent: the model's limit."
    )
    allow_pickle: bool = Field(False, description="Read pytorch_model.bin; only tensors are read from it.")
    trust_remote_code: bool = Field(False, description="Run the code that the folder brings; it runs in a process of its own.")

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.path is None) == (self.hub is None):
            raise ValueError("give either `path`, a folder, or `hub`, a name with `revision` and `allow_download: true`")
        if self.hub is not None and not (self.allow_download and self.revision):
            raise ValueError("`hub` needs `allow_download: true` and `revision`, the commit that is to be read")
        return self

    @property
    def where(self) -> str:
        """The folder, or the name on the hub."""
        return self.path or str(self.hub)

    @property
    def reading(self) -> dict[str, Any]:
        """Keyword arguments of every ``from_pretrained``."""
        return {
            "local_files_only": not self.allow_download,
            "trust_remote_code": self.trust_remote_code,
            **({"revision": self.revision} if self.hub else {}),
        }


def validate_folder(spec: HuggingFaceSpec) -> None:
    """Look through the files of a local folder.

    Raises
    ------
    ModelError
        If it is no such folder, if a file is no regular one or malformed, or asks for code or files that nobody allowed.
    """
    if spec.path is None:
        return
    folder = Path(spec.path)
    if not (folder / CONFIG).exists():
        if (folder / _ADAPTER).exists():
            raise ModelError(
                f"model.load.path: {folder} holds an adapter; merge it into its model (`merge_and_unload`) and save that."
            )
        raise ModelError(f"model.load.path: {folder} holds no model of transformers (there is no {CONFIG} in it).")
    for file in sorted(path for path in folder.iterdir() if not path.is_dir()):
        refuse_other_file(file, "a model")
    for file in folder.glob("*.json"):
        if not spec.trust_remote_code and "auto_map" in read_json_mapping(file, lists=True):
            raise ModelError(
                f"{file}: 'auto_map' asks for code that the folder brings; if you trust it say `trust_remote_code: true`."
            )
    if read_json_mapping(folder / CONFIG).get("quantization_config"):
        raise ModelError(f"{folder / CONFIG}: a quantised model cannot be audited; save it in float32 or bfloat16.")
    _validate_weights(folder, spec)


def _validate_weights(folder: Path, spec: HuggingFaceSpec) -> None:
    if (folder / WEIGHTS).exists():
        return validate_weights(folder / WEIGHTS, one_type=False)
    if (folder / INDEX).exists():
        for part in sorted(set(read_json_mapping(folder / INDEX).get("weight_map", {}).values())):
            if Path(part).name != part or not (folder / part).exists():
                raise ModelError(f"{folder / INDEX}: there is no file {part} in the folder.")
            validate_weights(folder / part, one_type=False)
        return None
    if pickled := [name for name in _PICKLES if (folder / name).exists()]:
        if spec.allow_pickle:
            return None
        raise ModelError(
            f"model.load.path: {folder} has weights as {pickled[0]}, a pickle; save them with `safe_serialization=True`, or say "
            "`allow_pickle: true`."
        )
    raise ModelError(f"model.load.path: {folder} holds no weights (there is no {WEIGHTS} in it).")
