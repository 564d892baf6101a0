"""Small encoders, one for each modality, trained from scratch. Each turns an input into a token of shape (n, width).

Opacus knows the per-sample gradients of every layer (there is no BatchNorm and no bare parameter). No layer treats an
input of exactly zero differently. A missing input is all zeros, so the network is continuous there, and an attribution
from the zero baseline adds up.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor, nn

from raikit.models.encoded import Encoded

# A faint input is nearly constant at the first normalisation of an encoder. A large epsilon makes the change from
# nothing to a faint input a slope that Integrated Gradients can follow, not a step.
_EPSILON = 1e-2


class Encoder(nn.Module):
    """An encoder of one input: `embed` computes what attributions refer to, a call turns that into a token.

    Parameters
    ----------
    name : str
        Of the input.
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name

    def embed(self, prepared: Tensor) -> Tensor:
        """Compute the tensor that attributions refer to; by default the prepared tensor itself."""
        return prepared

    def read(self, prepared: Mapping[str, Tensor]) -> Tensor:
        """Compute the token from prepared tensors, shape (n, width)."""
        token: Tensor = self(self.embed(prepared[self.name]))
        return token

    def encode(self, prepared: Mapping[str, Tensor]) -> Encoded:
        """Return what attributions refer to; zero is an absent input."""
        return Encoded({self.name: self.embed(prepared[self.name])})

    def restore(self, encoded: Mapping[str, Tensor]) -> Tensor:
        """Compute the token from what `encode` returned, with the same or other values."""
        token: Tensor = self(encoded[self.name])
        return token

    def hide(self, prepared: Mapping[str, Tensor], kept: Tensor) -> dict[str, Tensor]:
        """Return the tensors of this input, absent in the cases that are not `kept`, shape (n,)."""
        tensor = prepared[self.name]
        return {self.name: tensor * kept.to(tensor).view(-1, *[1] * (tensor.ndim - 1))}


class TextEncoder(Encoder):
    """Embedded hashed words, then the maximum of each three-word detector over the text."""

    def __init__(self, name: str, vocabulary: int, width: int) -> None:
        super().__init__(name)
        self.embedding = nn.Embedding(vocabulary, width // 2, padding_idx=0)
        self.detectors = nn.Conv1d(width // 2, width, kernel_size=3, padding=1)
        self.activation = nn.GELU()
        self.out = nn.Linear(width, width)

    def embed(self, prepared: Tensor) -> Tensor:
        """Look up the embeddings of words, shape (n, words, width / 2)."""
        embedded: Tensor = self.embedding(prepared)
        return embedded

    def forward(self, embedded: Tensor) -> Tensor:
        """Compute the token, shape (n, width)."""
        detected = self.activation(self.detectors(embedded.transpose(1, 2)))
        token: Tensor = self.out(detected.amax(dim=2))
        return token


class GridEncoder(Encoder):
    """Patches of a picture or a spectrogram, then convolutions; four times faster than strided convolutions alone.

    Dropout before the last layer makes it generalise to new pictures and voices.
    """

    def __init__(self, name: str, channels: int, size: tuple[int, int], width: int, dropout: float) -> None:
        super().__init__(name)
        half, full = width // 2, width
        self.layers = nn.Sequential(
            # Equal to a convolution of 4 × 4 pixels with stride 4, and several times faster with one channel.
            nn.PixelUnshuffle(4), nn.Conv2d(16 * channels, half, kernel_size=1), nn.GELU(), _norm(half),
            nn.Conv2d(half, full, kernel_size=3, stride=2, padding=1), nn.GELU(), _norm(full),
            nn.Conv2d(full, full, kernel_size=3, stride=2, padding=1), nn.GELU(), _norm(full),
            nn.Flatten(), nn.Dropout(dropout),
        )
        height, breadth = (math.ceil(side // 4 / 4) for side in size)
        self.out = nn.Linear(full * height * breadth, width)

    def forward(self, grid: Tensor) -> Tensor:
        """Compute the token, shape (n, width)."""
        token: Tensor = self.out(self.layers(grid))
        return token


class TableEncoder(Encoder):
    """One hidden layer over standardised numbers and one-hot labels."""

    def __init__(self, name: str, columns: int, width: int) -> None:
        super().__init__(name)
        self.layers = nn.Sequential(nn.Linear(columns, width), nn.GELU(), nn.Linear(width, width))

    def forward(self, columns: Tensor) -> Tensor:
        """Compute the token, shape (n, width)."""
        token: Tensor = self.layers(columns)
        return token


def _norm(channels: int) -> nn.GroupNorm:
    return nn.GroupNorm(4, channels, eps=_EPSILON)


def build(source: Mapping[str, Any], config: Any) -> Encoder:
    """Build the encoder for one entry of `FusionConfig.sources` that has none of its own."""
    name = source["name"]
    makers: dict[str, Callable[[], Encoder]] = {
        "text": lambda: TextEncoder(name, config.vocabulary, config.width),
        "image": lambda: GridEncoder(name, 3, (config.image_size, config.image_size), config.width, config.dropout),
        "audio": lambda: GridEncoder(name, 1, (config.mels, config.frames), config.width, config.dropout),
        "tabular": lambda: TableEncoder(name, int(source["columns"]), config.width),
    }
    return makers[source["modality"]]()
