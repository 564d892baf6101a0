"""Settings of ``kind: huggingface``, and the folder that they name, looked through before any library reads it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from raikit.errors import ModelError
from raikit.models.folder import CONFIG, WEIGHTS, Weights, read_json_mapping, validate_weights
from raikit.models.huggingface.adapter import ADAPTER, refuse_adapter
from raikit.models.huggingface.contents import refuse_files, refuse_settings

INDEX = "model.safetensors.index.json"
_PICKLES = ("pytorch_model.bin", "pytorch_model.bin.index.json")
_PROCESSORS = ("tokenizer_config.json", "preprocessor_config.json", "processor_config.json")


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
    adapter: Literal["merged", "kept"] = Field(
        "merged", description="Where `path` holds adapters of LoRA: add them to the weights of `base`, or keep them beside."
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
    def has_adapter(self) -> bool:
        """Whether the folder holds adapters beside a model that lies elsewhere."""
        return self.path is not None and (Path(self.path) / ADAPTER).exists()

    def place_of(self, *files: str) -> HuggingFaceSpec:
        """Return the settings with the folder that has one of the files: of adapters their own, else that of their base."""
        if not self.has_adapter or any((Path(str(self.path)) / file).exists() for file in files):
            return self
        return self.model_copy(update={"path": self.base})

    @property
    def processors(self) -> HuggingFaceSpec:
        """The settings with the folder of the tokenizer or processor."""
        return self.place_of(*_PROCESSORS)

    @property
    def reading(self) -> dict[str, Any]:
        """Keyword arguments of every ``from_pretrained``."""
        return {
            "local_files_only": not self.allow_download,
            "trust_remote_code": self.trust_remote_code,
            **({"revision": self.revision} if self.hub else {}),
        }


def validate_folder(spec: HuggingFaceSpec) -> Weights | None:
    """Look through the files of a local folder, and return how much its weights hold; None if that cannot be seen.

    Raises
    ------
    ModelError
        If it is no such folder, if a file is no regular one or malformed, or asks for code, files or memory that nobody allowed.
    """
    if spec.path is None:
        return None
    folder = Path(spec.path)
    if (folder / ADAPTER).exists():
        return _validate_adapter(folder, spec)
    if not (folder / CONFIG).exists():
        raise ModelError(f"model.load.path: {folder} holds no model of transformers (there is no {CONFIG} in it).")
    refuse_files(folder)
    weights = _validate_weights(folder, spec)
    refuse_settings(folder, tensors=weights.tensors if weights else 0, code=spec.trust_remote_code)
    return weights


def _validate_adapter(folder: Path, spec: HuggingFaceSpec) -> Weights | None:
    """Look through the folder of adapters, then that of their base, whose weights are counted."""
    if (folder / WEIGHTS).exists() or (folder / INDEX).exists():
        raise ModelError(f"model.load.path: {folder} holds an adapter beside a model ({ADAPTER} and weights); remove one of them.")
    if spec.base is None:
        raise ModelError(f"model.load.path: {folder} holds adapters ({ADAPTER}); `model.load.base` must name their model's folder.")
    refuse_files(folder)
    refuse_adapter(folder)
    weights = validate_folder(spec.model_copy(update={"path": spec.base, "base": None}))
    refuse_settings(folder, tensors=weights.tensors if weights else 0, code=spec.trust_remote_code)
    return weights


def _validate_weights(folder: Path, spec: HuggingFaceSpec) -> Weights | None:
    if shards := sorted(folder.glob("shard-*.safetensors")):
        raise ModelError(f"{shards[0]}: weights of a distributed training are not read; save the model with `save_pretrained`.")
    if (folder / WEIGHTS).exists():
        return validate_weights(folder / WEIGHTS, one_type=False)
    if (folder / INDEX).exists():
        return Weights(*map(sum, zip(*(validate_weights(part, one_type=False) for part in _parts(folder)), strict=True)))
    if pickled := [name for name in _PICKLES if (folder / name).exists()]:
        if spec.allow_pickle:
            return None
        raise ModelError(
            f"model.load.path: {folder} has weights as {pickled[0]}, a pickle; save them with `safe_serialization=True`, or say "
            "`allow_pickle: true`."
        )
    raise ModelError(f"model.load.path: {folder} holds no weights (there is no {WEIGHTS} in it).")


def _parts(folder: Path) -> list[Path]:
    """Return the files among which an index divides the weights."""
    named = read_json_mapping(folder / INDEX).get("weight_map")
    names = list(named.values()) if isinstance(named, dict) else []
    if not names or not all(isinstance(name, str) for name in names):
        raise ModelError(f"{folder / INDEX}: weight_map must name a file for each weight.")
    for name in sorted(set(names)):
        if Path(name).name != name or not (folder / name).is_file():
            raise ModelError(f"{folder / INDEX}: there is no file {name[:100]!r} in the folder.")
    return [folder / name for name in sorted(set(names))]
