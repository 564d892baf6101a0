"""The network that raikit trains, a Hugging Face model: an encoder for each input, pairwise fusion, one head."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any, cast

import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, PretrainedConfig, PreTrainedModel

from raikit.models import encoders
from raikit.models.encoded import Encoded
from raikit.models.huggingface.encoder import PretrainedEncoder


class FusionConfig(PretrainedConfig):  # type: ignore[no-untyped-call]
    """Shape of a `FusionNet`.

    Parameters
    ----------
    sources : sequence of mapping
        One for each input, in order: ``{"name": "photo", "modality": "image"}``; a tabular one also has the number of
        encoded ``columns``, one with a pretrained encoder what `describe_encoder` says of its ``encoder``.
    outputs : int
        Number of logits: the number of classes, or 1 for regression.
    width : int
        Length of the token that represents an input.
    modality_dropout : float
        Probability that an input of a case is hidden in training.
    dropout : float
        Share of the features of pictures and sounds that is dropped in training.
    image_size, words, vocabulary, sample_rate, mels, frames, hop : int
        Sizes of the features of `raikit.models.features`.
    """

    model_type = "raikit-fusion"

    def __init__(
        self,
        sources: Sequence[Mapping[str, Any]] = (),
        outputs: int = 2,
        width: int = 64,
        modality_dropout: float = 0.02,
        dropout: float = 0.3,
        image_size: int = 48,
        words: int = 32,
        vocabulary: int = 4096,
        sample_rate: int = 22_050,
        mels: int = 40,
        frames: int = 64,
        hop: int = 384,
        **kwargs: Any,
    ) -> None:
        self.sources = [dict(source) for source in sources]
        self.outputs = outputs
        self.width = width
        self.modality_dropout = modality_dropout
        self.dropout = dropout
        self.image_size = image_size
        self.words = words
        self.vocabulary = vocabulary
        self.sample_rate = sample_rate
        self.mels = mels
        self.frames = frames
        self.hop = hop
        super().__init__(**kwargs)


_HEADS = 8  # parts of a token that are compared separately


class Fusion(nn.Module):
    """One hidden layer over the tokens and the agreement of every two of them.

    Agreement is the inner product of two tokens, part by part, like the heads of attention. It lets the network learn
    that two inputs match. From a sum of tokens, later layers would have to learn every pair separately.
    """

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(inputs))
        self.pairs = list(combinations(range(inputs), 2))
        self.scale = math.sqrt(_HEADS / width)
        self.hidden = nn.Linear(width * inputs + _HEADS * len(self.pairs), 2 * width)
        self.activation = nn.GELU()

    def forward(self, tokens: Sequence[Tensor]) -> Tensor:
        """Compute the embedding of each case, shape (n, 2 * width)."""
        normed = [norm(token) for norm, token in zip(self.norms, tokens, strict=True)]
        agreement = [(normed[i] * normed[j]).unflatten(1, (_HEADS, -1)).sum(dim=2) * self.scale for i, j in self.pairs]
        fused: Tensor = self.activation(self.hidden(torch.cat([*normed, *agreement], dim=1)))
        return fused


class FusionNet(PreTrainedModel):  # type: ignore[no-untyped-call]
    """The network from the tensors of `FusionModel.prepare`, by input name, to logits.

    ``net(**prepared)`` is ``net.classify(net.embed(prepared))``; attributions refer to what `embed` returns.
    """

    config: FusionConfig
    config_class = FusionConfig
    base_model_prefix = "fusion_net"
    main_input_name = "inputs"

    def __init__(self, config: FusionConfig) -> None:
        super().__init__(config)
        # A list, not a mapping: users choose input names, and some are not valid module names ("a.b", "keys").
        self.encoders = nn.ModuleList(_encoder(source, config) for source in config.sources)
        self.fusion = Fusion(len(config.sources), config.width)
        self.head = nn.Linear(2 * config.width, config.outputs)
        self.post_init()  # type: ignore[no-untyped-call]
        for encoder in self.pretrained:  # after weights were drawn: adapters begin with weights of their own kind
            encoder.adapt()

    @property
    def pretrained(self) -> list[PretrainedEncoder]:
        """The encoders that were pretrained elsewhere."""
        return [encoder for encoder in self.parts if isinstance(encoder, PretrainedEncoder)]

    @property
    def parts(self) -> list[encoders.Encoder]:
        """The encoder of each input, in order."""
        return cast("list[encoders.Encoder]", list(self.encoders))

    @property
    def rate_shares(self) -> dict[str, float]:
        """The share of the learning rate of parameters whose names begin so: pretrained weights change more slowly."""
        return {f"encoders.{at}.net.": source["encoder"]["rate_share"]
                for at, source in enumerate(self.config.sources) if "encoder" in source}

    def forward(self, /, **prepared: Tensor) -> Tensor:
        """Compute logits, shape (n, outputs); in training, with modality dropout."""
        return self.logits(self.hide(prepared) if self.training else prepared)

    def logits(self, prepared: Mapping[str, Tensor]) -> Tensor:
        """Compute logits from prepared tensors, shape (n, outputs)."""
        logits: Tensor = self.head(self.represent(prepared))
        return logits

    def represent(self, prepared: Mapping[str, Tensor]) -> Tensor:
        """Compute the embedding of each case from prepared tensors, shape (n, 2 * width)."""
        represented: Tensor = self.fusion([encoder.read(prepared) for encoder in self.parts])
        return represented

    def embed(self, prepared: Mapping[str, Tensor]) -> Encoded:
        """Replace words and tokens by their embeddings; pixels, sounds and columns stay."""
        parts = [encoder.encode(prepared) for encoder in self.parts]
        return Encoded(*({key: value for part in parts for key, value in getattr(part, of).items()}
                         for of in ("inputs", "context", "baselines")))

    def hide(self, prepared: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Apply modality dropout: hide each input of each case at random, as if it were missing."""
        probability = self.config.modality_dropout
        if not probability:
            return dict(prepared)
        cases = len(next(iter(prepared.values())))
        hidden = [encoder.hide(prepared, torch.empty(cases).bernoulli_(1 - probability)) for encoder in self.parts]
        return {key: tensor for tensors in hidden for key, tensor in tensors.items()}

    def fuse(self, encoded: Mapping[str, Tensor]) -> Tensor:
        """Compute the embedding of each case, shape (n, 2 * width), on which the head decides."""
        fused: Tensor = self.fusion([encoder.restore(encoded) for encoder in self.parts])
        return fused

    def classify(self, encoded: Mapping[str, Tensor]) -> Tensor:
        """Compute logits, shape (n, outputs), from embedded inputs."""
        logits: Tensor = self.head(self.fuse(encoded))
        return logits

    def _init_weights(self, module: nn.Module) -> None:
        # The default of transformers has a small deviation, with which such shallow convolutions do not train.
        if callable(reset := getattr(module, "reset_parameters", None)):
            reset()


def _encoder(source: Mapping[str, Any], config: FusionConfig) -> encoders.Encoder:
    return PretrainedEncoder(source, config.width) if "encoder" in source else encoders.build(source, config)


AutoConfig.register(FusionConfig.model_type, FusionConfig, exist_ok=True)
AutoModel.register(FusionConfig, FusionNet, exist_ok=True)
