"""Settings of ``model.train: {kind: fusion, …}``; imports no torch, so that `raikit schema` stays quick."""

from __future__ import annotations

from pydantic import Field

from raikit.config.schema import ConfigSection, Names


class FusionTraining(ConfigSection):
    """Settings of the fusion model and its training, with defaults that suit small data."""

    epochs: int = Field(10, ge=1, le=10_000, description="Passes over the training cases.")
    batch_size: int = Field(64, ge=1, description="Cases per step.")
    learning_rate: float = Field(4e-3, gt=0, description="Peak of the one-cycle schedule.")
    weight_decay: float = Field(0.05, ge=0, description="Weight decay of AdamW.")
    patience: int | None = Field(
        None, ge=1, description="Stop after this many epochs without a better validation loss, and keep the best weights. "
        "Default: every epoch runs and the last weights are kept."
    )
    reweight: Names = Field(
        default_factory=list, description="Sensitive columns (crossed) that the target is made independent of: training "
        "cases are weighted by P(group) P(target) / P(group, target) (Kamiran and Calders 2012)."
    )
    width: int = Field(64, ge=8, le=1024, multiple_of=8, description="Length of the token that represents an input.")
    modality_dropout: float = Field(
        0.02, ge=0, lt=1, description="Probability that an input of a training case is hidden, as if it were missing."
    )
    dropout: float = Field(0.3, ge=0, lt=1, description="Share of an encoder's features that is dropped in training.")
    image_size: int = Field(48, ge=16, le=512, multiple_of=4, description="Pictures are resized to this many pixels.")
    words: int = Field(32, ge=1, le=4096, description="Words of a text that are read; the rest is cut off.")
    vocabulary: int = Field(4096, ge=2, le=1_000_000, description="Number of buckets that words are hashed into.")
    sample_rate: int = Field(22_050, ge=4_000, le=96_000, description="Sounds are resampled to this rate in Hz.")
    frames: int = Field(64, ge=8, le=4096, multiple_of=8, description="Frames of the spectrogram; the rest is cut off.")
    hop: int = Field(384, ge=16, le=8192, description="Samples from one frame to the next.")
