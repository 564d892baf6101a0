"""The keys of audit.yaml, validated by pydantic; their descriptions are the documentation and the editors' schema."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from raikit.config.types import Modality
from raikit.process.children import TIMEOUT


class Section(BaseModel):
    """A mapping in audit.yaml: unknown keys are errors, and so are numbers that compare with nothing (nan, inf)."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


Names = Annotated[list[str], BeforeValidator(_as_list)]


class InputConfig(Section):
    """One input of the model: a column of text, media paths or bytes, or several table columns."""

    modality: Modality = Field(description="text, image, audio or tabular")
    column: str | None = Field(None, description="The column that holds it; absent: the input's own name.")
    columns: list[str] | None = Field(None, min_length=1, description="tabular: its columns.")

    @model_validator(mode="after")
    def _columns_are_for_tables(self) -> Self:
        if self.modality == "tabular" and self.columns is None and self.column is None:
            raise ValueError("a tabular input needs `columns`")
        if self.modality != "tabular" and self.columns is not None:
            raise ValueError(f"`columns` is for tabular inputs; {self.modality} takes `column`")
        return self


class SensitiveConfig(Section):
    """A sensitive feature; numeric ones are binned."""

    column: str
    bins: list[float] | None = Field(None, min_length=1, description="Inner edges: [25, 40] gives three bins.")
    quantiles: int | None = Field(None, ge=2, le=100, description="That many bins of equal size.")

    @model_validator(mode="after")
    def _one_way_of_binning(self) -> Self:
        if self.bins and self.quantiles:
            raise ValueError("give `bins` or `quantiles`, not both")
        if self.bins and any(a >= b for a, b in zip(self.bins, self.bins[1:], strict=False)):
            raise ValueError(f"`bins` must rise, not {self.bins}")
        return self


class SplitConfig(Section):
    """Where train, validation and test come from: a column, or fractions drawn whole clusters together."""

    column: str | None = None
    validation: float | None = Field(None, ge=0, lt=1)
    test: float | None = Field(None, gt=0, lt=1)
    by: str | None = Field(None, description="Of several cluster columns, the one that is kept apart.")

    @model_validator(mode="after")
    def _column_or_fractions(self) -> Self:
        if self.column is not None and self.test is not None:
            raise ValueError("give the split's `column` or the fraction `test`, not both")
        if self.column is None and self.test is None:
            raise ValueError("give the split's column, or fractions such as {validation: 0.1, test: 0.2}")
        if (self.validation or 0) + (self.test or 0) >= 1:
            raise ValueError("`validation` and `test` leave no rows to train on")
        return self


def _split(value: Any) -> Any:
    return {"column": value} if isinstance(value, str) else value


def _sensitive(value: Any) -> Any:
    if isinstance(value, str):
        value = [value]
    if isinstance(value, list):
        return [{"column": item} if isinstance(item, str) else item for item in value]
    return value


class DataConfig(Section):
    """The table and the roles of its columns."""

    path: str = Field(description="CSV, Parquet or JSON Lines; relative to audit.yaml.")
    id: str | None = Field(None, description="A column of unique ids; absent: row numbers.")
    inputs: dict[str, InputConfig] = Field(default_factory=dict, description="What the model sees.")
    target: Annotated[str | list[str], Field(description="The column to predict.")]
    positive: str | int | float | bool | None = Field(None, description="The positive class of a binary target.")
    task: Literal["binary", "multiclass", "multilabel", "regression"] | None = Field(
        None, description="Guessed from the target, printed and recorded if absent."
    )
    sensitive: Annotated[list[SensitiveConfig], BeforeValidator(_sensitive)] = Field(
        default_factory=list, description="Columns that define the groups."
    )
    cluster: Names = Field(default_factory=list, description="Rows that share a value are not independent.")
    weight: str | None = Field(None, description="Sampling weights; their scale changes nothing.")
    keep: Names = Field(
        default_factory=list, description="Further columns that are read, for checks that look at them: ctx.data.frame([…])."
    )
    split: Annotated[SplitConfig | None, BeforeValidator(_split)] = Field(
        None, description="A column holding train, validation and test, or fractions."
    )
    on_bad_media: Literal["fail", "skip"] = Field("fail", description="What an unreadable picture or sound does.")
    max_groups: int = Field(500, ge=2, description="Above this many groups the audit stops with the feature's name.")
    limits: Names = Field(default_factory=list, description="What this data cannot speak of; printed in the report.")
    credits: Names = Field(default_factory=list, description="Sources and licences; printed in the report.")

    @model_validator(mode="after")
    def _columns_named_once(self) -> Self:
        names = [feature.column for feature in self.sensitive]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"`sensitive` names {twice[0]!r} twice")
        if self.split and self.split.by and self.split.by not in self.cluster:
            raise ValueError(f"`split.by` is {self.split.by!r}, which is not among the cluster columns")
        return self


class LoadConfig(BaseModel):
    """A model that exists; what else the loader of this kind takes stands beside `kind`."""

    model_config = ConfigDict(extra="allow", frozen=True)

    kind: str = Field(description="fusion, torch, sklearn, predictions, or what a plugin brings")


class TrainConfig(BaseModel):
    """A model that raikit trains; its settings stand beside `kind`."""

    model_config = ConfigDict(extra="allow", frozen=True)

    kind: Literal["fusion"] = "fusion"


class ModelConfig(Section):
    """Train a model, or load one."""

    train: TrainConfig | None = None
    load: LoadConfig | None = None

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if (self.train is None) == (self.load is None):
            raise ValueError("give either `train: {kind: fusion}` or `load: {kind: …}`")
        return self

    @property
    def is_table(self) -> bool:
        """Whether the table holds the predictions, so that there is no model to ask."""
        return self.load is not None and self.load.kind == "predictions"


class RuleConfig(Section):
    """A limit that a metric's whole interval must keep."""

    metric: str = Field(description="An address or a pattern with *.")
    max: float | None = None
    min: float | None = None
    severity: Literal["fail", "warn"] = "fail"
    id: str | None = Field(None, description="A stable name; absent: the pattern and its bound.")
    reason: str = Field("", description="Why the limit is what it is; printed in the report.")
    confidence: float | None = Field(
        None, gt=0.5, lt=1, description="Level of this rule's interval; absent: that of the measurement."
    )

    @model_validator(mode="after")
    def _one_bound(self) -> Self:
        if (self.max is None) == (self.min is None):
            raise ValueError("a rule has either `max` or `min`; write two rules for both")
        return self


class RegressionConfig(Section):
    """A metric that must not get worse than in the baseline by more than a margin."""

    metric: str = Field(description="An address or a pattern with *.")
    margin: float = Field(0.0, ge=0, description="What may be lost: 0.02 for two points of a rate.")
    test: Literal["moved", "gap"] = Field(
        "moved",
        description="Of disparities: whether some group lost more than the margin and is behind, or whether the gap grew.",
    )
    severity: Literal["fail", "warn"] = "fail"
    id: str | None = Field(None, description="A stable name; absent: the pattern and its margin.")
    reason: str = Field("", description="Why the margin is what it is; printed in the report.")


class WaiverConfig(Section):
    """A rule that somebody lets be broken until a day."""

    metric: str = Field(description="An address or a pattern with *.")
    reason: str = Field(min_length=1)
    who: str = Field(min_length=1)
    until: date = Field(description="The last day on which it holds: 2026-12-31.")


class RequiredConfig(Section):
    """A check that must have run."""

    check: str
    version: str | None = Field(None, description="A version specifier of its distribution: '>=0.1'.")


def _required(value: Any) -> Any:
    value = _as_list(value)
    if isinstance(value, list):
        return [{"check": item} if isinstance(item, str) else item for item in value]
    return value


class GateConfig(Section):
    """The policy."""

    policy: str | None = Field(None, description="A YAML file that holds this section, instead of the other keys.")
    rules: list[RuleConfig] = Field(default_factory=list)
    regressions: list[RegressionConfig] = Field(default_factory=list)
    waivers: list[WaiverConfig] = Field(default_factory=list)
    required: Annotated[list[RequiredConfig], BeforeValidator(_required)] = Field(default_factory=list)
    allow_errors: Names = Field(default_factory=list, description="Checks whose crash is only a warning.")
    on_inconclusive: Literal["pass", "warn", "fail", "stop"] = "warn"
    decide_on: Literal["interval", "estimate"] = Field(
        "interval", description="estimate: decide on the number alone, which fails and passes by chance."
    )
    regression_error: float = Field(
        0.05, gt=0, lt=0.5, description="Chance that any of the regressions fails where nothing got worse (Holm)."
    )
    if_rows_differ: Literal["overlap", "refuse", "unpaired"] = Field(
        "overlap", description="Where candidate and baseline hold different rows: compare those of both, refuse, or unpaired."
    )

    @model_validator(mode="after")
    def _policy_alone(self) -> Self:
        others = self.model_fields_set - {"policy"}
        if self.policy is not None and others:
            raise ValueError(f"`policy` names the file that holds this section; take {sorted(others)[0]!r} out or into it")
        return self


class PluginsConfig(Section):
    """Which plugins take part."""

    local: Names = Field(default_factory=list, description="Python files with unpackaged checks.")
    disable: Names = Field(default_factory=list, description="Entry points or distributions that are not loaded.")
    replaces: dict[str, str] = Field(default_factory=dict, description="First part of metric ids: distribution.")
    use: dict[str, str] = Field(default_factory=dict, description="Entry-point name: distribution, where two share it.")
    timeout: float = Field(TIMEOUT, gt=0, description="Seconds that a check of another distribution may take.")


class AuditConfig(Section):
    """audit.yaml."""

    name: str = Field(min_length=1, max_length=200, description="What the model is called.")
    data: DataConfig
    model: ModelConfig
    checks: dict[str, bool | dict[str, Any] | Any] | None = Field(
        None, description="Names of pillars or checks with their options; absent: every applicable quick one."
    )
    gate: GateConfig = GateConfig()
    plugins: PluginsConfig = PluginsConfig()
    confidence: float = Field(0.95, gt=0.5, lt=1, description="Level of the intervals.")
    seed: int = Field(0, ge=0, le=2**32 - 1)
    threads: int | None = Field(
        None, ge=1, description="Threads of torch; absent: 1, which is fastest for small models."
    )
    formats: Names = Field(default_factory=lambda: ["html", "json", "md"])
    owner: dict[str, str] = Field(default_factory=dict)
    intended_use: str = ""
