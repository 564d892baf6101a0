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


class FusionConfig(PretrainedConfig):  # type: ignore[no-untyped-call]
    """Shape of a `FusionNet`.

    Parameters
    ----------
    sources : sequence of mapping
        One for each input, in order: ``{"name": "photo", "modality": "image"}``; a tabular one also has the number of
        encoded ``columns``.
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
        self.encoders = nn.ModuleList(encoders.build(source, config) for source in config.sources)
        self.fusion = Fusion(len(config.sources), config.width)
        self.head = nn.Linear(2 * config.width, config.outputs)
        self.post_init()  # type: ignore[no-untyped-call]

    def by_name(self) -> list[tuple[str, encoders.Encoder]]:
        """Return the name and the encoder of each input, in order."""
        names = [source["name"] for source in self.config.sources]
        return list(zip(names, cast("list[encoders.Encoder]", list(self.encoders)), strict=True))

    def forward(self, /, **prepared: Tensor) -> Tensor:
        """Compute logits, shape (n, outputs); in training, with modality dropout."""
        encoded = self.embed(prepared)
        return self.classify(self.hide(encoded) if self.training else encoded)

    def embed(self, prepared: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Replace words by their embeddings; pixels, spectrograms and columns stay."""
        return {name: encoder.embed(prepared[name]) for name, encoder in self.by_name()}

    def hide(self, encoded: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Apply modality dropout: hide each input of each case at random, as if it were missing."""
        probability = self.config.modality_dropout
        if not probability:
            return dict(encoded)
        return {name: tensor * torch.empty(len(tensor), *[1] * (tensor.ndim - 1)).bernoulli_(1 - probability)
                for name, tensor in encoded.items()}

    def fuse(self, encoded: Mapping[str, Tensor]) -> Tensor:
        """Compute the embedding of each case, shape (n, 2 * width), on which the head decides."""
        fused: Tensor = self.fusion([encoder(encoded[name]) for name, encoder in self.by_name()])
        return fused

    def classify(self, encoded: Mapping[str, Tensor]) -> Tensor:
        """Compute logits, shape (n, outputs), from embedded inputs."""
        logits: Tensor = self.head(self.fuse(encoded))
        return logits

    def _init_weights(self, module: nn.Module) -> None:
        # The default of transformers has a small deviation, with which such shallow convolutions do not train.
        if callable(reset := getattr(module, "reset_parameters", None)):
            reset()


AutoConfig.register(FusionConfig.model_type, FusionConfig, exist_ok=True)
AutoModel.register(FusionConfig, FusionNet, exist_ok=True)
