"""Low-rank adapters in a folder of peft, put into the model that they were trained for: added to its weights, or kept beside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from raikit.errors import ModelError, listed, raised
from raikit.models.extras import import_extra
from raikit.models.folder import read_json_mapping, validate_weights

ADAPTER, _WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
_KINDS = {"LORA": "LoraConfig", "ADALORA": "AdaLoraConfig"}
_KNOWN = ("r", "lora_alpha", "lora_dropout", "fan_in_fan_out", "bias", "use_rslora", "target_modules", "modules_to_save")
_OF_ADALORA = ("init_r", "target_r", "tinit", "tfinal", "deltaT", "beta1", "beta2", "orth_reg_weight", "total_step", "rank_pattern")
# What only training needs, or only says where the base was.
_IGNORED = frozenset({"task_type", "peft_type", "auto_mapping", "peft_version", "base_model_name_or_path", "revision",
                      "inference_mode", "init_lora_weights", "megatron_core", "qalora_group_size", *_OF_ADALORA})  # fmt: skip
_MOST_RANK = 1024


def refuse_adapter(folder: Path) -> None:
    """Raise if adapters ask for more than low ranks beside named layers, or are a pickle."""
    _settings(folder)
    if not (folder / _WEIGHTS).exists():
        raise ModelError(f"model.load.path: {folder} holds no weights of adapters (there is no {_WEIGHTS} in it).")
    validate_weights(folder / _WEIGHTS, one_type=False)


def with_adapter(net: Any, folder: Path, undetermined: Sequence[str], *, keep: bool) -> Any:
    """Return a network with the adapters of a folder: added to its weights, or with `keep` beside them.

    Parameters
    ----------
    net : PreTrainedModel
    folder : Path
    undetermined : sequence of str
        Weights that the base does not have, such as those of the head; the adapters must bring them.
    keep : bool

    Raises
    ------
    ModelError
        If the adapters do not fit the network, or leave a weight undetermined.
    """
    peft, tensors = import_extra("peft", "adapters"), import_extra("safetensors.torch", "adapters")
    kind, settings = _settings(folder)
    try:
        adapted = peft.get_peft_model(net, getattr(peft, _KINDS[kind])(**settings))
        brought = tensors.load_file(folder / _WEIGHTS)
        unknown = peft.set_peft_model_state_dict(adapted, brought).unexpected_keys
    except Exception as error:
        raise ModelError(f"model.load.path: the adapters in {folder} do not fit their base: {raised(error)}.") from None
    lacking = [name for name in undetermined if not any(key.endswith(name) for key in brought)]
    if unknown or lacking:
        what = f"nothing of the base for {listed(unknown)}" if unknown else f"no weights of {listed(lacking)}"
        raise ModelError(f"model.load.path: the adapters in {folder} do not fit their base: there is {what}.")
    return (adapted if keep else adapted.merge_and_unload()).requires_grad_(True)


def without_adapter(net: Any) -> Any:
    """Return the network of transformers, which adapters may be kept beside."""
    return net.get_base_model() if has_adapter(net) else net


def has_adapter(net: Any) -> bool:
    """Return whether adapters are kept beside a network."""
    return hasattr(net, "get_base_model")


def _settings(folder: Path) -> tuple[str, dict[str, Any]]:
    """Return the kind of adapters, and the settings that matter for scores."""
    file = folder / ADAPTER
    content = read_json_mapping(file)
    kind = content.get("peft_type")
    if kind not in _KINDS:
        raise ModelError(f"{file}: raikit reads adapters of LoRA and AdaLoRA, not {str(kind)[:40]}; merge them into their model.")
    if unread := [key for key, value in content.items() if key not in (*_KNOWN, *_IGNORED) and value]:
        raise ModelError(f"{file}: raikit does not read {listed(sorted(unread))}; merge the adapters into their model.")
    names = _KNOWN if kind == "LORA" else (*_KNOWN, *_OF_ADALORA)
    settings = {name: content[name] for name in names if content.get(name) is not None}
    _refuse_values(file, settings)
    if kind == "LORA" and content.get("rank_pattern"):
        raise ModelError(f"{file}: raikit does not read rank_pattern; merge the adapters into their model.")
    return kind, settings


def _refuse_values(file: Path, settings: Mapping[str, Any]) -> None:
    """Raise if a rank is no rank, or names are no names: peft takes a text for a pattern, which may take for ever to match."""
    ranks = [settings.get(name, 1) for name in ("r", "init_r", "target_r")]
    if not all(type(rank) is int and 1 <= rank <= _MOST_RANK for rank in ranks):
        raise ModelError(f"{file}: ranks must be whole numbers from 1 to {_MOST_RANK}.")
    for name in ("target_modules", "modules_to_save"):
        value = settings.get(name, [])
        named = isinstance(value, list) and all(isinstance(one, str) and one.replace(".", "_").isidentifier() for one in value)
        if not named and value != "all-linear":
            raise ModelError(f"{file}: {name} must be a list of the names of layers.")
    pattern = settings.get("rank_pattern", {})
    if not isinstance(pattern, dict) or not all(key.replace(".", "_").isidentifier() for key in pattern):
        raise ModelError(f"{file}: rank_pattern must name layers.")
