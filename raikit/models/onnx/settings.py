"""Settings of ``kind: onnx``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import ConfigDict, Field

from raikit.config.types import NumbersToComputeWith
from raikit.models.outputs import OutputKind


class PictureSpec(NumbersToComputeWith):
    """How pixels from 0 to 255 become the numbers of a graph: ``(pixel * scale - mean) / std``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    layout: Literal["NCHW", "NHWC"] | None = Field(None, description="Order of the axes; absent: seen from the channels.")
    size: tuple[int, int] | None = Field(None, description="Height and width; absent: those of the graph, else of each picture.")
    scale: float = Field(1 / 255, gt=0, description="What each pixel is multiplied by; 1/255 gives numbers from 0 to 1.")
    mean: tuple[float, ...] = Field((0.0,), min_length=1, max_length=3, description="Taken away from each channel after scaling.")
    std: tuple[float, ...] = Field((1.0,), min_length=1, max_length=3, description="Each channel is then divided by it.")
    channels: Literal["rgb", "bgr"] = "rgb"


class OnnxSpec(NumbersToComputeWith):
    """Settings of ``kind: onnx``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: str = "onnx"
    path: str = Field(description="An .onnx file; tensors outside it lie in its folder.")
    inputs: Mapping[str, str] = Field(
        default_factory=dict, description="The input or column of the data for each input of the graph that is named differently."
    )
    constants: Mapping[str, float] = Field(default_factory=dict, description="The number that fills an input which no data have.")
    output: str | None = Field(None, description="The output to read where the graph has several.")
    outputs: OutputKind | None = Field(None, description="What the output holds; absent: seen from the first cases.")
    classes: tuple[Any, ...] | None = Field(None, description="The classes in the order of the outputs; absent: the data's order.")
    missing: float | None = Field(None, description="What stands for a missing number; absent: NaN.")
    picture: PictureSpec = Field(default_factory=lambda: PictureSpec.model_validate({}))
    sample_rate: int | None = Field(None, ge=1, le=768_000, description="Hz to which sounds are resampled; absent: they stay.")
    max_megabytes: int = Field(4_000, ge=1, le=10**9, description="Memory that the graph may take, while it is opened and run.")
