"""Small encoders, one for each modality, trained from scratch. Each makes one token of shape (n, width) of an input.

Every layer is one whose per-sample gradients Opacus knows (no BatchNorm, no bare parameter), and none looks for "is
exactly zero": a missing input is all zeros and goes the same way as any other, so that the network is continuous
there and an attribution from the zero baseline adds up.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor, nn

# The first normalisation of an encoder sees a nearly constant picture when the input is faint. A generous epsilon keeps
# the step from "nothing" to "something" a slope that Integrated Gradients can follow, rather than a cliff.
_EPSILON = 1e-2


class Encoder(nn.Module):
    """`embed` turns a prepared tensor into what attributions are taken on; calling it turns that into a token."""

    def embed(self, prepared: Tensor) -> Tensor:
        return prepared


class TextEncoder(Encoder):
    """Hashed words, embedded; then the strongest answer of each three-word detector."""

    def __init__(self, vocabulary: int, width: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, width // 2, padding_idx=0)
        self.detectors = nn.Conv1d(width // 2, width, kernel_size=3, padding=1)
        self.activation = nn.GELU()
        self.out = nn.Linear(width, width)

    def embed(self, prepared: Tensor) -> Tensor:
        embedded: Tensor = self.embedding(prepared)
        return embedded

    def forward(self, embedded: Tensor) -> Tensor:
        found = self.activation(self.detectors(embedded.transpose(1, 2)))
        token: Tensor = self.out(found.amax(dim=2))
        return token


class GridEncoder(Encoder):
    """A picture or a spectrogram: a patch stem (four times faster than strided convolutions), then convolutions.

    Dropout before the last layer is what makes it carry over to pictures and voices that it has not met.
    """

    def __init__(self, channels: int, size: tuple[int, int], width: int, dropout: float) -> None:
        super().__init__()
        half, full = width // 2, width
        self.layers = nn.Sequential(
            # A convolution of 4 × 4 pixels by steps of 4, written as what it is: several times faster with one channel.
            nn.PixelUnshuffle(4), nn.Conv2d(16 * channels, half, kernel_size=1), nn.GELU(), _norm(half),
            nn.Conv2d(half, full, kernel_size=3, stride=2, padding=1), nn.GELU(), _norm(full),
            nn.Conv2d(full, full, kernel_size=3, stride=2, padding=1), nn.GELU(), _norm(full),
            nn.Flatten(), nn.Dropout(dropout),
        )
        height, breadth = (math.ceil(side // 4 / 4) for side in size)
        self.out = nn.Linear(full * height * breadth, width)

    def forward(self, grid: Tensor) -> Tensor:
        token: Tensor = self.out(self.layers(grid))
        return token


class TableEncoder(Encoder):
    """Standardised numbers and one-hot labels through one hidden layer."""

    def __init__(self, columns: int, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(columns, width), nn.GELU(), nn.Linear(width, width))

    def forward(self, columns: Tensor) -> Tensor:
        token: Tensor = self.layers(columns)
        return token


def _norm(channels: int) -> nn.GroupNorm:
    return nn.GroupNorm(4, channels, eps=_EPSILON)


def build(source: Mapping[str, Any], config: Any) -> Encoder:
    """The encoder for one entry of `FusionConfig.sources`."""
    makers: dict[str, Callable[[], Encoder]] = {
        "text": lambda: TextEncoder(config.vocabulary, config.width),
        "image": lambda: GridEncoder(3, (config.image_size, config.image_size), config.width, config.dropout),
        "audio": lambda: GridEncoder(1, (config.mels, config.frames), config.width, config.dropout),
        "tabular": lambda: TableEncoder(int(source["columns"]), config.width),
    }
    return makers[source["modality"]]()
