"""Settings of ``model.train``, by kind; imports no torch, so that `raikit schema` stays quick."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from raikit.config.schema import ConfigSection, Names

_LARGEST, _MOST_STEPS = 2**53, 1_000_000


class SearchRange(ConfigSection):
    """Numbers among which a search chooses; whole ones if both ends and the step are."""

    low: int | float
    high: int | float
    step: int | float | None = Field(None, gt=0, description="Distance between the numbers that are tried.")
    log: bool = Field(False, description="Whether orders of magnitude are tried alike.")

    @model_validator(mode="after")
    def _is_a_range(self) -> Self:
        if not self.low < self.high:
            raise ValueError(f"`low` must be less than `high`, and {self.low} is not less than {self.high}")
        if self.log and (self.low <= 0 or self.step is not None):
            raise ValueError("with `log: true`, `low` must be above 0 and there is no `step`")
        if max(abs(self.low), abs(self.high)) > _LARGEST:
            raise ValueError("numbers beyond 2^53 are not searched, because differences of 1 are lost there")
        if self.step is not None and (self.high - self.low) / self.step > _MOST_STEPS:
            raise ValueError(f"`step` divides the range into more than {_MOST_STEPS:,} numbers")
        return self

    @property
    def ends(self) -> tuple[int | float, ...]:
        """The least and the greatest number."""
        return self.low, self.high


class SearchLimit(ConfigSection):
    """A bound that the value of a metric on the validation cases must keep."""

    metric: str = Field(description="The address of a metric, such as fairness.selection_rate_difference(to=rest)[sex=F].")
    max: float | None = None
    min: float | None = None

    @model_validator(mode="after")
    def _one_bound(self) -> Self:
        if (self.max is None) == (self.min is None):
            raise ValueError("give either `max` or `min`")
        return self

    def excess(self, value: float) -> float:
        """Return by how much a value breaks the bound; 0 or less if it keeps it."""
        return value - self.max if self.max is not None else (self.min or 0.0) - value


Choice = str | int | float | bool | None


class SearchSettings(ConfigSection):
    """A search for settings of training, by trials that are compared on the validation cases."""

    trials: int = Field(20, ge=1, le=10_000, description="Models that are trained.")
    ranges: Mapping[str, SearchRange | Annotated[list[Choice], Field(min_length=1)]] = Field(
        min_length=1, description="For each setting of `train` a range or a list of values; an encoder's: `encoders.note.rank`."
    )
    minimise: str | None = Field(None, description="The address of the metric that is to be low; absent: the validation loss.")
    maximise: str | None = Field(None, description="The address of the metric that is to be high.")
    limits: list[SearchLimit] = Field(default_factory=list, description="Bounds for the chosen trial on the validation cases.")

    @model_validator(mode="after")
    def _one_aim(self) -> Self:
        if self.minimise is not None and self.maximise is not None:
            raise ValueError("give either `minimise` or `maximise`")
        return self

    @property
    def objective(self) -> str | None:
        """The address of the metric that trials are compared by; None for the validation loss."""
        return self.maximise or self.minimise

    @property
    def metrics(self) -> list[str]:
        """The addresses that are measured for each trial."""
        return list(dict.fromkeys([*([self.objective] if self.objective else []), *(limit.metric for limit in self.limits)]))

    def values_of(self, key: str) -> Sequence[Choice]:
        """Return what is tried of a list, and the ends of a range."""
        tried = self.ranges[key]
        return tried.ends if isinstance(tried, SearchRange) else tried


def with_values(settings: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings of training with other values, by dotted keys, and without the search.

    Raises
    ------
    KeyError
        If a dotted key leads through something that is not there.
    """
    changed: dict[str, Any] = copy.deepcopy({key: value for key, value in settings.items() if key != "search"})
    for key, value in values.items():
        *parents, last = key.split(".")
        section = changed
        for parent in parents:
            section = section[parent]
            if not isinstance(section, dict):
                raise KeyError(parent)
        section[last] = value
    return changed


_SEARCH = Field(None, description="Search for settings by trials on the validation cases.")


class EncoderSettings(ConfigSection):
    """A pretrained encoder of transformers that reads one input of a fusion model."""

    path: str = Field(description="The folder of the pretrained model, with its tokenizer, image processor or feature extractor.")
    method: Literal["frozen", "lora", "full"] = Field(
        "frozen", description="What is trained of it: nothing, low-rank adapters, or all weights."
    )
    learning_rate: float | None = Field(
        None, gt=0, description="Peak of the schedule for what is trained of it; absent: 5e-4 for lora, 5e-5 for full."
    )
    rank: int = Field(8, ge=1, le=1024, description="Rank of adapters.")
    alpha: float = Field(16, gt=0, description="Scale of adapters, divided by their rank.")
    max_length: int | None = Field(None, ge=1, le=1 << 20, description="Tokens after which a text is cut.")


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
    encoders: Mapping[str, EncoderSettings] = Field(
        default_factory=dict, description="A pretrained encoder for each input that does not use the built-in one."
    )
    search: SearchSettings | None = _SEARCH
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


class HuggingFaceTraining(ConfigSection):
    """Settings of the fine-tuning of a pretrained model of transformers."""

    base: str = Field(description="The folder of the pretrained model, with its tokenizer or processor.")
    method: Literal["full", "head", "lora", "adalora"] = Field(
        "full", description="What is trained: all weights, the new head, or low-rank adapters and the head."
    )
    epochs: int = Field(3, ge=1, le=10_000, description="Passes over the training cases.")
    batch_size: int = Field(16, ge=1, description="Cases per step.")
    accumulation: int = Field(1, ge=1, description="Steps whose gradients are added up before the weights change.")
    learning_rate: float | None = Field(
        None, gt=0, description="Peak of the linear schedule; absent: 5e-5 for full, 1e-3 for head and adalora, 5e-4 for lora."
    )
    warmup: float = Field(0.1, ge=0, lt=1, description="Share of the steps in which the learning rate rises.")
    weight_decay: float = Field(0.01, ge=0, description="Weight decay of AdamW.")
    patience: int | None = Field(
        None, ge=1, description="Stop after this many epochs without a better validation loss, and keep the best weights."
    )
    rank: int = Field(8, ge=1, le=1024, description="Rank of adapters.")
    alpha: float = Field(16, gt=0, description="Scale of adapters, divided by their rank.")
    dropout: float = Field(0.1, ge=0, lt=1, description="Dropout within adapters.")
    adapter: Literal["merged", "kept"] = Field(
        "merged", description="Whether the adapters are saved within the weights, or beside those of `base`, which is then needed."
    )
    max_length: int | None = Field(None, ge=1, le=1 << 20, description="Tokens after which a text is cut.")
    precision: Literal["float32", "bf16"] = Field("float32", description="Numbers in which is trained.")
    tensorboard: str | None = Field(None, description="A folder for the curves of the training, which TensorBoard draws.")
    search: SearchSettings | None = _SEARCH

    @model_validator(mode="after")
    def _keeps_adapters(self) -> Self:
        if self.adapter == "kept" and self.method not in ("lora", "adalora"):
            raise ValueError("`adapter: kept` needs adapters: method: lora or adalora")
        return self


TRAININGS: dict[str, type[ConfigSection]] = {"fusion": FusionTraining, "huggingface": HuggingFaceTraining}
