"""A pretrained body of transformers as the encoder of one input of a fusion model."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor, nn

from raikit.config.training import EncoderSettings
from raikit.errors import ModelError
from raikit.models.base import PreparedTensor
from raikit.models.batches import with_inputs
from raikit.models.encoded import Encoded
from raikit.models.encoders import Encoder
from raikit.models.folder import CONFIG, WEIGHTS, validate_weights
from raikit.models.huggingface.contents import refuse_files, refuse_nested, refuse_settings
from raikit.models.huggingface.loader import build_readers, read
from raikit.models.huggingface.network import changed_output, groups, replaced_output
from raikit.models.huggingface.quiet import offline, quiet
from raikit.models.huggingface.readers import FIXED, HIDDEN, Reader
from raikit.models.huggingface.settings import HuggingFaceSpec, validate_folder
from raikit.models.huggingface.size import refuse_larger
from raikit.models.huggingface.towers import has_towers, tower_of, without_projection

if TYPE_CHECKING:
    from raikit.data.batch import Batch
    from raikit.models.positions import Positions

_READS = {"text": ("input_ids",), "image": ("pixel_values",), "audio": ("input_values", "input_features")}
_RATES = {"frozen": 1.0, "lora": 5e-4, "full": 5e-5}
STATES, ABSENT = "states", "absent"  # of a frozen body: what it makes of inputs, and of their baselines
_ADAPTER, _WRAPPED = "lora_", ".base_layer"  # in the names of what peft adds, and of the weights beside which it adds them


class PretrainedEncoder(Encoder):
    """A body of transformers, the mean of its last states, and a linear layer that turns it into a token.

    Parameters
    ----------
    source : mapping
        An entry of `FusionConfig.sources`; ``encoder`` is what `describe_encoder` returned.
    width : int
        Length of the token.
    """

    reader: Reader  # set by `attach`, because a tokenizer or processor is no part of a network's configuration

    def __init__(self, source: Mapping[str, Any], width: int) -> None:
        super().__init__(source["name"])
        self.settings, self.modality = dict(source["encoder"]), source["modality"]
        self.net, self.config = _body(self.settings["config"], self.modality)
        size = _hidden_size(self.net.config)
        # States of pretrained bodies have scales of their own.
        self.norm = nn.LayerNorm(size, elementwise_affine=False)
        self.out = nn.Linear(size, width)

    @property
    def is_frozen(self) -> bool:
        """Whether training leaves the body as it is."""
        return bool(self.settings["method"] == "frozen")

    @property
    def is_trained_whole(self) -> bool:
        """Whether training changes the pretrained weights."""
        return bool(self.settings["method"] == "full")

    def adapt(self) -> None:
        """Freeze what is not trained, and add the adapters that are; the weights must have been drawn before."""
        if self.is_trained_whole:
            return
        self.net.requires_grad_(False)
        if self.settings["method"] == "lora":
            _add_adapters(self.net, self.settings)

    def train(self, mode: bool = True) -> PretrainedEncoder:
        """Set the mode; a frozen body stays in evaluation, so that it draws and learns nothing."""
        super().train(mode)
        if self.is_frozen:
            self.net.train(False)
        return self

    # --- weights ------------------------------------------------------------------------------------------------

    def pretrained_state(self) -> dict[str, Tensor]:
        """Return the weights of the body without adapters, by the names that transformers gives them."""
        return {key.replace(_WRAPPED, ""): tensor for key, tensor in self.net.state_dict().items() if _ADAPTER not in key}

    def load_pretrained(self, state: Mapping[str, Tensor]) -> None:
        """Copy the weights of a body into this one; adapters stay as they are.

        Raises
        ------
        ModelError
            If the body has other weights.
        """
        own = self.pretrained_state()
        if own.keys() != state.keys() or any(tensor.shape != state[key].shape for key, tensor in own.items()):
            raise ModelError(f"the encoder of {self.name!r} has other weights than its folder; name the one it was trained from.")
        with torch.no_grad():
            for key, tensor in own.items():
                tensor.copy_(state[key])

    # --- from raw inputs to a token -------------------------------------------------------------------------------

    @property
    def tensors(self) -> dict[str, PreparedTensor]:
        """The tensors of `prepare`, and those of `states`."""
        own = {self._key(name): PreparedTensor(self.name, of.padding) for name, of in self.reader.tensors.items()}
        return own | ({self._key(name): PreparedTensor(self.name) for name in (STATES, ABSENT)} if self.is_frozen else {})

    def prepare(self, batch: Batch) -> dict[str, Tensor]:
        """Convert the raw inputs to the tensors of the body; an input that the batch lacks is missing in every case."""
        return self._named(self.reader.prepare(with_inputs(batch, [self.name])))

    def positions(self, batch: Batch) -> list[Positions]:
        """Return how encoded positions map back, for each case."""
        return self.reader.positions(with_inputs(batch, [self.name]))[self.name]

    def states(self, prepared: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return what a frozen body makes of inputs and of their baselines: all that training needs of the tensors of `prepare`."""
        absent = self.hide(prepared, torch.zeros(len(next(iter(prepared.values())))))
        with torch.no_grad():
            return self._named({STATES: self._states(self._own(prepared), None), ABSENT: self._states(self._own(absent), None)})

    def read(self, prepared: Mapping[str, Tensor]) -> Tensor:
        """Compute the token from the tensors of `prepare`, or from `states`, shape (n, width)."""
        states = prepared.get(self._key(STATES))
        return self._token(states if states is not None else self._states(self._own(prepared), None))

    def encode(self, prepared: Mapping[str, Tensor]) -> Encoded:
        """Return token embeddings, pixels, samples or a spectrogram, with their context and baseline."""
        part = self.reader.encode(self._own(prepared), lambda ids: self.net.get_input_embeddings()(ids))
        return Encoded(part.inputs, self._named(part.context), part.baselines)

    def restore(self, encoded: Mapping[str, Tensor]) -> Tensor:
        """Compute the token from what `encode` returned, with the same or other values.

        Raises
        ------
        TypeError
            If it has lost its context.
        """
        if not isinstance(encoded, Encoded):
            raise TypeError("the encoded inputs lack their context; change them with `Encoded.with_inputs`")
        own = Encoded({self.name: encoded[self.name]}, self._own(encoded.context))
        return self._token(self._states(*self.reader.restore(own)))

    def hide(self, prepared: Mapping[str, Tensor], kept: Tensor) -> dict[str, Tensor]:
        """Replace the input of the cases that are not `kept`, shape (n,), by its baseline."""
        if (states := prepared.get(self._key(STATES))) is not None:
            stays = kept.to(states.device).bool()[:, None]
            return self._named({STATES: torch.where(stays, states, prepared[self._key(ABSENT)])})
        own = self._own(prepared)
        return self._named({**own, **self.reader.hide(own, kept)})

    def _token(self, states: Tensor) -> Tensor:
        token: Tensor = self.out(self.norm(states))
        return token

    def _states(self, tensors: Mapping[str, Tensor], embeddings: Tensor | None) -> Tensor:
        """Return the mean of the body's last states, shape (n, d)."""
        tensors = dict(tensors)
        with self._embedded(tensors.pop(HIDDEN, None), embeddings):
            rows, parts = zip(*((rows, self._pooled(part)) for rows, part in groups(tensors)), strict=True)
        return parts[0] if len(parts) == 1 else torch.cat(parts)[torch.cat(rows).argsort()]

    def _embedded(self, hidden: Tensor | None, embeddings: Tensor | None) -> contextlib.AbstractContextManager[None]:
        """Return a context in which hidden tokens have the embedding of padding, or all those of `embeddings`."""
        if embeddings is not None:
            return replaced_output(self.net.get_input_embeddings(), embeddings)
        if hidden is None:
            return contextlib.nullcontext()
        layer, at = self.net.get_input_embeddings(), hidden[..., None]
        padding = layer.weight[int(self.reader.tensors["input_ids"].padding)].detach()
        return changed_output(layer, lambda computed: torch.where(at, padding, computed))

    def _pooled(self, tensors: dict[str, Tensor]) -> Tensor:
        """Return the mean of the last states over the positions that are no padding, shape (n, d)."""
        states: Tensor = self.net(**tensors).last_hidden_state
        if states.ndim == 4:  # of convolutions: channels first
            return states.flatten(2).mean(dim=2)
        mask = tensors.get("attention_mask")
        if mask is not None and mask.shape[1] != states.shape[1]:  # samples of a sound, which have become fewer frames
            mask = self.net._get_feature_vector_attention_mask(states.shape[1], mask)
        if mask is None:
            return states.mean(dim=1)
        weight = mask[..., None].to(states.dtype)
        return (states * weight).sum(dim=1) / weight.sum(dim=1).clamp(min=1)

    def _key(self, name: str) -> str:
        return f"{self.name}:{name}"

    def _named(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {self._key(name): tensor for name, tensor in tensors.items()}

    def _own(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        names = (*self.reader.tensors, FIXED, HIDDEN)
        return {name: tensors[key] for name in names if (key := self._key(name)) in tensors}


# --- the folder --------------------------------------------------------------------------------------------------


class Pretrained(NamedTuple):
    """A body that was read from its folder, and the configuration from which `PretrainedEncoder` builds it again."""

    net: Any
    reader: Reader
    config: Any


def read_pretrained(name: str, modality: str, settings: EncoderSettings, where: str) -> Pretrained:
    """Read the body in the folder that an encoder of the input `name` names; `where` is the key of the configuration.

    Raises
    ------
    ModelError
        If the folder cannot be read, or its model reads other inputs.
    """
    spec = HuggingFaceSpec(path=settings.path, max_length=settings.max_length)
    try:
        weights = validate_folder(spec)
        with quiet(), offline():
            config = read("AutoConfig", spec)
            if weights is not None:
                refuse_larger("AutoModel", config, weights)
            whole, loading = read("AutoModel", spec, config=config, dtype="float32", output_loading_info=True)
            if missing := sorted(key for key in loading["missing_keys"] if not key.startswith("pooler.")):
                raise ModelError(f"model.load: {settings.path} lacks weights of its body, such as {missing[0]}.")
            tower = tower_of(whole, modality)
            net = _encoder_of(tower)
            _refuse_other_input(net, modality, Path(settings.path).name)
            reader = build_readers(spec, net, {name: modality})[0]
            _refuse_other_tensors(net, reader, modality, Path(settings.path).name)
            return Pretrained(net, reader, (net if tower is whole else whole).config)
    except ModelError as error:
        raise ModelError(f"{where}: {str(error).removeprefix('model.load.path: ').removeprefix('model.load: ')}") from None


def read_state(encoder: PretrainedEncoder, folder: str) -> dict[str, Tensor]:
    """Return the weights of the folder that an encoder comes from."""
    settings = EncoderSettings(path=folder, max_length=encoder.settings["max_length"])
    where = f"the encoder of {encoder.name!r}"
    state: dict[str, Tensor] = read_pretrained(encoder.name, encoder.modality, settings, where).net.state_dict()
    return state


def refuse_encoders(sources: Sequence[Mapping[str, Any]], folder: Path) -> None:
    """Look through what a saved fusion model says of its pretrained encoders, before any of them is built.

    Raises
    ------
    ModelError
        If it is no such description, or asks for code, other files or more parts than there are weights.
    """
    for source in sources:
        if "encoder" not in source:
            continue
        known, file = source["encoder"], folder / CONFIG
        if not isinstance(known, dict) or not isinstance(known.get("config"), dict) or known.get("method") not in _RATES:
            raise ModelError(f"{file}: the encoder of an input must have a configuration and a method.")
        if not all(isinstance(known.get(key), int | float) and 0 < known[key] <= 1e6 for key in ("rank", "alpha", "rate_share")):
            raise ModelError(f"{file}: rank, alpha and rate_share of an encoder must be positive numbers.")
        refuse_nested(file, known, validate_weights(folder / WEIGHTS, one_type=False).tensors)


def attach(encoder: PretrainedEncoder, folder: Path) -> None:
    """Read the tokenizer or processor that a fusion model was saved with.

    Raises
    ------
    ModelError
        If it cannot be read, or asks for code or other files.
    """
    if folder.is_symlink() or not folder.is_dir():
        raise ModelError(f"{folder.parent} lacks the folder {folder.name}, which holds what reads the input {encoder.name!r}.")
    refuse_files(folder)
    refuse_settings(folder, tensors=len(encoder.net.state_dict()), code=False)
    with quiet(), offline():
        spec = HuggingFaceSpec(path=str(folder), max_length=encoder.settings["max_length"])
        encoder.reader = build_readers(spec, encoder.net, {encoder.name: encoder.modality})[0]


def describe_encoder(settings: EncoderSettings, pretrained: Pretrained, learning_rate: float) -> dict[str, Any]:
    """Return what `FusionConfig.sources` holds of an encoder: all that its network is built from."""
    rate = settings.learning_rate or _RATES[settings.method]
    return {
        "name": Path(settings.path).name, "method": settings.method, "rank": settings.rank, "alpha": settings.alpha,
        "max_length": settings.max_length, "rate_share": rate / learning_rate if settings.method != "frozen" else 1.0,
        "config": pretrained.config.to_dict(),
    }  # fmt: skip


def _body(config: Mapping[str, Any], modality: str) -> tuple[Any, Any]:
    """Build a body from its configuration, with weights that are drawn, and return it with its configuration.

    Of a network with several towers only the one that is read is laid out in memory.
    """
    from transformers import AutoConfig, AutoModel

    with quiet():
        known = AutoConfig.for_model(**config)
        known.apply_spec_augment = False  # it would draw from NumPy's global generator
        if has_towers(known):
            with torch.device("meta"):
                tower = tower_of(AutoModel.from_config(known), modality)  # type: ignore[no-untyped-call]
            return _encoder_of(type(tower)(tower.config)), known
        net = _encoder_of(AutoModel.from_config(known))  # type: ignore[no-untyped-call]
        return net, net.config


def _encoder_of(net: Any) -> Any:
    """Return the encoder of a network, without the layer that some have behind it for a token that no pretraining decides on."""
    if getattr(net.config, "is_encoder_decoder", False):
        net = net.get_encoder()
    if isinstance(pooler := getattr(net, "pooler", None), nn.Module) and any(True for _ in pooler.parameters()):
        net.pooler = None
    return without_projection(net)


def _hidden_size(config: Any) -> int:
    """Return the number of channels of a body's last states."""
    sizes = getattr(config, "hidden_sizes", None)
    for size in (getattr(config, "hidden_size", None), sizes[-1] if sizes else None, getattr(config, "d_model", None)):
        if isinstance(size, int):
            return size
    raise ModelError(f"a body of kind {str(config.model_type)[:40]!r} does not say how many channels its states have.")


def _refuse_other_input(net: Any, modality: str, folder: str) -> None:
    accepted = inspect.signature(net.forward).parameters
    kinds = [kind for kind, names in _READS.items() if any(name in accepted for name in names)]
    if kinds != [modality]:
        read_by = " and ".join(kinds) or "other inputs"
        raise ModelError(f"the model in {folder} reads {read_by}, not {modality}; an encoder reads the input that it is named for.")


def _refuse_other_tensors(net: Any, reader: Reader, modality: str, folder: str) -> None:
    """Raise if a body needs tensors that no reader makes, such as the shapes of pictures of any size, or hides its embeddings."""
    for name, parameter in inspect.signature(net.forward).parameters.items():
        is_variadic = parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
        if parameter.default is parameter.empty and not is_variadic and name not in reader.tensors:
            raise ModelError(f"the model in {folder} needs {name!r}, which raikit does not make of an input; name another.")
    if modality == "text":
        try:
            net.get_input_embeddings()
        except NotImplementedError:
            raise ModelError(f"the model in {folder} does not say which layer embeds its tokens; name another.") from None


def _add_adapters(net: Any, settings: Mapping[str, Any]) -> None:
    from raikit.models.extras import import_extra

    peft = import_extra("peft", "the method lora", "model.train.encoders")
    layers = [name for name, part in net.named_modules() if isinstance(part, nn.Linear) or type(part).__name__ == "Conv1D"]
    if not layers:
        raise ModelError(f"a body of kind {net.config.model_type!r} has no linear layers for adapters; use method full or frozen.")
    config = peft.LoraConfig(r=settings["rank"], lora_alpha=settings["alpha"], target_modules=layers)
    peft.inject_adapter_in_model(config, net)
