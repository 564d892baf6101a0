"""The keys of audit.yaml, validated by pydantic; their descriptions are part of the schema that editors use."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    field_serializer,
    field_validator,
    model_validator,
)

from raikit.address import text
from raikit.config.labels import Labels, Unit, UnitConfig, Words
from raikit.config.trackers import TrackersConfig
from raikit.config.types import LEAST_ERROR, MOST_CONFIDENCE, DeclaredTask, Modality, NumbersToComputeWith, is_legible
from raikit.process.children import TIMEOUT
from raikit.remote import public_address

REGRESSION_ERROR = 0.05


class ConfigSection(NumbersToComputeWith):
    """A mapping in audit.yaml; unknown keys are errors, and so are NaN and infinite numbers."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _as_tokens(value: Any) -> Any:
    tokens = value if isinstance(value, list) else [value]
    if None in tokens:
        raise ValueError('YAML reads this as no value; put it in quotation marks, as in ["NULL"]')
    return [text(token) if isinstance(token, int | float) else token for token in tokens]


Tokens = Annotated[list[str], BeforeValidator(_as_tokens)]  # numbers are compared as text
Names = Annotated[list[str], BeforeValidator(_as_list)]  # one name may be written without brackets


class InputConfig(ConfigSection):
    """One input of the model: a column of text, a column of media (paths or bytes), or several tabular columns."""

    modality: Modality = Field(description="text, image, audio or tabular")
    column: str | None = Field(None, description="The column that holds it; default: the name of the input.")
    columns: list[str] | None = Field(None, min_length=1, description="tabular: the columns.")

    @model_validator(mode="after")
    def _columns_are_for_tables(self) -> Self:
        if self.modality == "tabular" and self.columns is None and self.column is None:
            raise ValueError("a tabular input needs `columns`")
        if self.modality != "tabular" and self.columns is not None:
            raise ValueError(f"`columns` is for tabular inputs; use `column` for {self.modality}")
        return self


class SensitiveConfig(ConfigSection):
    """A sensitive feature; many different numbers must be binned."""

    column: str
    bins: list[float] | None = Field(None, min_length=1, description="Inner edges: [25, 40] gives three bins.")
    quantiles: int | None = Field(None, ge=2, le=100, description="Number of bins, of about equally many cases.")

    @model_validator(mode="after")
    def _bins_or_quantiles(self) -> Self:
        if self.bins and self.quantiles:
            raise ValueError("give `bins` or `quantiles`, not both")
        if self.bins and any(a >= b for a, b in zip(self.bins, self.bins[1:], strict=False)):
            raise ValueError(f"`bins` must be in ascending order, not {self.bins}")
        return self


class SplitConfig(ConfigSection):
    """The train, validation and test splits: a column, or fractions that are drawn with whole clusters."""

    column: str | None = None
    validation: float | None = Field(None, ge=0, lt=1)
    test: float | None = Field(None, gt=0, lt=1)
    by: str | None = Field(None, description="The cluster column whose clusters stay whole; default: the first.")

    @model_validator(mode="after")
    def _column_or_fractions(self) -> Self:
        if self.column is not None and self.test is not None:
            raise ValueError("give the split's `column` or the fraction `test`, not both")
        if self.column is None and self.test is None:
            raise ValueError("give the split column, or fractions such as {validation: 0.1, test: 0.2}")
        if (self.validation or 0) + (self.test or 0) >= 1:
            raise ValueError("`validation` and `test` leave no cases to train on")
        return self


def _as_split(value: Any) -> Any:
    return {"column": value} if isinstance(value, str) else value


def _as_features(value: Any) -> Any:
    value = _as_list(value)
    if isinstance(value, list):
        return [{"column": item} if isinstance(item, str) else item for item in value]
    return value


MissingGroup = Literal["compare", "show", "leave_out"]


class DataConfig(ConfigSection):
    """The table and the roles of its columns."""

    path: str = Field(
        description="A table, or the log of another evaluation tool; relative to audit.yaml, or with a scheme (s3://…) for fsspec."
    )
    id: str | None = Field(None, description="A column of unique ids; default: row numbers.")
    inputs: dict[str, InputConfig] = Field(default_factory=dict, description="The inputs of the model, by name.")
    target: str | list[str] | None = Field(
        None,
        description="The column to predict, or one for each label or annotator; absent: decisions whose truth is unknown "
        "(model.load.kind: predictions).",
    )
    classes: list[str | int | float | bool] | None = Field(
        None, description="The labels, in the order of a model's scores; default: those of the target, sorted."
    )
    positive: str | int | float | bool | None = Field(None, description="The positive class of a binary target.")
    favourable: str | int | float | bool | None = Field(
        None, description="The decision of a binary target that is good for the person it is about; absent: not known."
    )
    task: DeclaredTask | None = Field(None, description="Default: inferred from the target, printed and recorded.")
    sequence: str | None = Field(
        None, description="Token classification with one token a row: the column that says which text it belongs to."
    )
    sensitive: Annotated[list[SensitiveConfig], BeforeValidator(_as_features)] = Field(
        default_factory=list, description="Columns whose groups are compared."
    )
    reference: dict[str, str | int | float | bool] = Field(
        default_factory=dict, description="The group of a sensitive column that the others are compared with: {race: White}."
    )
    unit: Unit = Field(
        UnitConfig(one="case", many="cases"), description="What a case is called: applicant, or {one: person, many: people}."
    )
    labels: dict[str, Labels] = Field(
        default_factory=dict, description="Words for the codes of groups and classes, by column: {sex: {F: Women, M: Men}}."
    )
    denominators: dict[Literal["positives", "negatives"], Words] = Field(
        default_factory=dict, description="What the cases of a rate are called: {positives: people who reoffended}."
    )
    harms: dict[str, Words] = Field(
        default_factory=dict, description="What a measure says of a case, after its group: {false_negative_rate: are missed}."
    )
    cluster: Names = Field(default_factory=list, description="Cases with the same value are not independent: patient.")
    weight: str | None = Field(None, description="A column of sampling weights; their scale does not matter.")
    keep: Names = Field(
        default_factory=list, description="Further columns to read, for checks that use them: ctx.data.frame([…])."
    )
    split: Annotated[SplitConfig | None, BeforeValidator(_as_split)] = Field(
        None, description="A column that holds train, validation and test, or fractions."
    )
    missing: Tokens = Field(
        default_factory=list, description="Cells that mean a missing value, beside blank ones: [NA, -999]."
    )
    decimal: Literal[".", ","] = Field(".", description="The decimal mark of numbers in CSV.")
    as_text: Names = Field(default_factory=list, description="Columns that stay text although their cells look like numbers.")
    on_bad_media: Literal["fail", "skip"] = Field("fail", description="What to do with unreadable media.")
    missing_group: MissingGroup | dict[str, MissingGroup] = Field(
        "compare", description="Whether a missing value of a sensitive column is a group that is compared, only shown, or "
        "left out; for all columns, or by column: {voice: show}.",
    )  # fmt: skip
    max_groups: int = Field(500, ge=2, description="The audit stops if a feature has more groups than this.")
    max_rows: int | None = Field(None, ge=1, description="The audit stops if a table has more rows (1,000,000,000).")
    max_columns: int | None = Field(None, ge=1, description="The audit stops if a table has more columns (10,000).")
    max_megabytes: int | None = Field(
        None, ge=1, description="The audit stops if a file, what it unpacks to, or the cells that are read of it take more (2,000)."
    )
    max_depth: int | None = Field(
        None, ge=1, le=500, description="The audit stops if lists and mappings in JSON are nested more deeply (100)."
    )
    limits: Names = Field(default_factory=list, description="What these data cannot show; printed in the report.")
    credits: Names = Field(default_factory=list, description="Sources and licences; printed in the report.")

    @field_serializer("path")
    def _without_credentials(self, path: str) -> str:
        return public_address(path)

    @model_validator(mode="after")
    def _columns_named_once(self) -> Self:
        names = [feature.column for feature in self.sensitive]
        if duplicates := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"`sensitive` names {duplicates[0]!r} twice")
        if self.split and self.split.by and self.split.by not in self.cluster:
            raise ValueError(f"`split.by` is {self.split.by!r}, which is not among the cluster columns")
        return self


class LoadConfig(BaseModel):
    """An existing model; the settings of its loader are written beside `kind`."""

    model_config = ConfigDict(extra="allow", frozen=True)

    kind: str = Field(description="huggingface, torch, sklearn, onnx, http, fusion, predictions, or a loader of a plugin")


class TrainConfig(BaseModel):
    """A model that raikit trains; its settings are written beside `kind`."""

    model_config = ConfigDict(extra="allow", frozen=True)

    kind: Literal["fusion", "huggingface"] = "fusion"


class ModelConfig(ConfigSection):
    """The model: trained by raikit, or loaded."""

    train: TrainConfig | None = None
    load: LoadConfig | None = None
    device: Literal["auto", "cpu", "cuda", "mps"] = Field(
        "auto", description="Where a network computes; auto: on CUDA or MPS if the machine has it, else on the CPU."
    )
    precision: Literal["float32", "bf16"] = Field("float32", description="Numbers in which a network computes.")
    batch_size: int = Field(
        256, ge=1, le=1 << 20, description="Cases that go through a model together; halved where memory does not suffice."
    )
    compile: bool = Field(False, description="Compile a network with torch.compile, which takes minutes and pays for many cases.")
    deterministic: bool = Field(False, description="Use only operations of torch that give the same result each time.")
    timeout: float = Field(
        3600.0, gt=0,
        description="Seconds that a model with code of its own, or of ONNX, may take to open, and then for each batch of cases.",
    )

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if (self.train is None) == (self.load is None):
            raise ValueError("give either `train: {kind: fusion}` or `load: {kind: …}`")
        return self

    @property
    def is_table(self) -> bool:
        """Whether the table holds the predictions, so that no model is loaded."""
        return self.load is not None and self.load.kind == "predictions"


class MetricSection(ConfigSection):
    """A section about the metrics that an address or a pattern names."""

    metric: str = Field(description="An address or a pattern with *, by the metric's id or another name of it.")
    _written: str | None = PrivateAttr(None)

    @property
    def written(self) -> str | None:
        """The name that the file has for `metric`, if it is another one."""
        return self._written

    def resolved(self, metric: str) -> Self:
        """Return the same section about a metric's id, which keeps the name that was written."""
        if metric == self.metric:
            return self
        section = self.model_copy(update={"metric": metric})
        section._written = self._written or self.metric
        return section


class RuleConfig(MetricSection):
    """A limit that the whole confidence interval of a metric must keep."""

    max: float | None = None
    min: float | None = None
    severity: Literal["fail", "warn"] = "fail"
    id: str | None = Field(None, description="A stable name; default: the pattern and its bound.")
    reason: str = Field("", description="Why the limit is what it is; printed in the report.")
    confidence: float | None = Field(
        None, gt=0.5, le=MOST_CONFIDENCE, description="Confidence level of this rule; default: that of the measurement."
    )

    @model_validator(mode="after")
    def _one_bound(self) -> Self:
        if (self.max is None) == (self.min is None):
            raise ValueError("a rule has either `max` or `min`; write two rules to have both")
        return self


class RegressionConfig(MetricSection):
    """A metric that must not get worse than in the baseline by more than a margin."""

    margin: float = Field(0.0, ge=0, description="The loss that is acceptable: 0.02 is 2 percentage points of a rate.")
    test: Literal["moved", "gap"] = Field(
        "moved",
        description="moved: whether a group that is behind lost more than the margin; gap: whether the gap grew.",
    )
    severity: Literal["fail", "warn"] = "fail"
    id: str | None = Field(None, description="A stable name; default: the pattern and its margin.")
    reason: str = Field("", description="Why the margin is what it is; printed in the report.")


class WaiverConfig(MetricSection):
    """An exception to a rule until a date, with the person responsible."""

    reason: str = Field(min_length=1)
    who: str = Field(min_length=1)
    until: date = Field(description="The last day of the exception: 2026-12-31.")

    @field_validator("reason", "who")
    @classmethod
    def _can_be_read(cls, value: str) -> str:
        if not is_legible(value):
            raise ValueError("must say something: it has no letter and no digit")
        return value


class RequiredConfig(ConfigSection):
    """A check that must have run."""

    check: str
    version: str | None = Field(None, description="A version specifier for its distribution: '>=0.1'.")


def _required(value: Any) -> Any:
    value = _as_list(value)
    if isinstance(value, list):
        return [{"check": item} if isinstance(item, str) else item for item in value]
    return value


class GateConfig(ConfigSection):
    """The policy: rules, regressions, waivers and required checks."""

    policy: str | None = Field(None, description="A YAML file that holds this section, instead of the other keys.")
    rules: list[RuleConfig] = Field(default_factory=list)
    regressions: list[RegressionConfig] = Field(default_factory=list)
    waivers: list[WaiverConfig] = Field(default_factory=list)
    required: Annotated[list[RequiredConfig], BeforeValidator(_required)] = Field(default_factory=list)
    allow_errors: Names = Field(default_factory=list, description="Checks that may crash with only a warning.")
    on_inconclusive: Literal["pass", "warn", "fail", "stop"] = "warn"
    decide_on: Literal["interval", "estimate"] = Field(
        "interval", description="estimate: decide on the value alone, so that chance decides close cases."
    )
    error_rate: Literal["build", "rule"] = Field(
        "build", description="build: all rules and regressions that can fail the build share one error probability (Holm); "
                             "rule: each rule has its own, and regressions share one."
    )
    regression_error: float | None = Field(
        None, ge=LEAST_ERROR, lt=0.5, description="Nominal bound on the probability that a build fails although nothing is broken; "
                                        "default: 1 - confidence, and 0.05 for regressions with error_rate: rule."
    )
    if_rows_differ: Literal["overlap", "refuse", "unpaired"] = Field(
        "overlap", description="If the cases differ from the baseline's: compare the common ones, refuse, or compare unpaired."
    )

    def family_error(self, confidence: float) -> float:
        """Return the error probability that a family of rules or regressions shares, for a run at this confidence."""
        if self.regression_error is not None:
            return self.regression_error
        return round(1 - confidence, 12) if self.error_rate == "build" else REGRESSION_ERROR

    @model_validator(mode="after")
    def _policy_alone(self) -> Self:
        others = self.model_fields_set - {"policy"}
        if self.policy is not None and others:
            raise ValueError(f"`policy` names the file that holds this section; move {sorted(others)[0]!r} to that file")
        return self


class PluginsConfig(ConfigSection):
    """Which plugins are used."""

    local: Names = Field(default_factory=list, description="Python files with checks that are not packaged.")
    disable: Names = Field(default_factory=list, description="Entry points or distributions that must not be loaded.")
    replaces: dict[str, str] = Field(default_factory=dict, description="The distribution that owns a first part of metric names.")
    use: dict[str, str] = Field(default_factory=dict, description="The distribution to use for a shared entry-point name.")
    timeout: float = Field(TIMEOUT, gt=0, description="Seconds that a check of another distribution may run.")


class AuditConfig(ConfigSection):
    """audit.yaml."""

    name: str = Field(min_length=1, max_length=200, description="Name of the model.")
    data: DataConfig
    model: ModelConfig
    checks: dict[str, bool | dict[str, Any] | Any] | None = Field(
        None, description="Pillars or checks with their options; default: every applicable quick check."
    )
    gate: GateConfig = GateConfig()
    plugins: PluginsConfig = PluginsConfig()
    confidence: float = Field(0.95, gt=0.5, le=MOST_CONFIDENCE, description="Confidence level of the intervals.")
    seed: int = Field(0, ge=0, le=2**32 - 1)
    threads: int | None = Field(
        None, ge=1, description="Threads of torch; default: 1, which is fastest for small models."
    )
    redact: bool = Field(
        False, description="Leave inputs and single cases out of the run, and replace ids and clusters by salted hashes."
    )
    formats: Names = Field(default_factory=lambda: ["html", "json", "md"])
    trackers: TrackersConfig = Field(
        TrackersConfig(), description="Where the finished audit is logged: mlflow, tensorboard, wandb."
    )
    owner: dict[str, str] = Field(default_factory=dict)
    intended_use: str = ""
