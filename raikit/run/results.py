"""What a check returns: metrics, findings, tables, figures and artifacts. This is schema version 1 of the record.

All of it is data: serialisable, validated on creation, and sufficient to draw a report without the plugin that created
it. Readers ignore unknown fields.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from raikit import address
from raikit.format import MOST_HEADLINE_WORDS

if TYPE_CHECKING:  # Loading a plugin must not load pandas.
    import pandas as pd

SCHEMA_VERSION = "1"
_ROUNDING = 1e-12  # Of the width of an interval: a smaller number is 0.
_IN_ITS_UNIT = {"value", "low", "high", "minimum_detectable", "judged_low", "judged_high"}

Severity = Literal["fail", "warn", "note"]
FindingKind = Literal["undecided", "worth_knowing", "fine", "method"]
Direction = Literal["lower", "higher"]
CheckStatus = Literal["ok", "skipped", "error", "not_loaded", "deselected", "missing"]


def plain(value: Any) -> Any:
    """Convert a value for JSON: NumPy and pandas scalars to Python's, NaN, infinities and NaT to None, others to text."""
    if value is None or isinstance(value, str | bool | int):
        return value
    if hasattr(value, "item") and getattr(value, "shape", ()) == ():
        value = value.item()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, str | bool | int):
        return value
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, Sequence | set | frozenset):
        return [plain(item) for item in value]
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    written = str(value)
    return None if written in {"NaT", "<NA>"} else written


Number = Annotated[float | None, BeforeValidator(plain)]
Count = Annotated[int | None, BeforeValidator(plain)]
Value = Annotated[str | int | float | bool | None, BeforeValidator(plain)]


class RecordModel(BaseModel):
    """Base class of everything in the record."""

    model_config = ConfigDict(extra="ignore", allow_inf_nan=False)


class Metric(RecordModel):
    """A number with its uncertainty, or the reason why there is none.

    Parameters
    ----------
    name : str
        Name without its prefix: ``selection_rate``. The harness composes `id` from the check's prefix and the parts below.
    value : float or None
        None (or NaN) means undefined and needs a `reason`.
    low, high : float
        Ends of the interval at `level` (by default the run's). Both equal the value if it is not an estimate: `Metric.exact`.
    n : int
        Cases behind the value: for a rate, its denominator.
    counts : str, optional
        What one of `n` is called if it is no case: ``entity``.
    method : str
        How the interval was obtained, fit for a table cell: ``Clopper-Pearson``.
    args : mapping
        Arguments of the address, in parentheses.
    over : sequence of str, optional
        Columns of the address, in brackets.
    group : mapping, optional
        Fixed values of columns in `over`; None is the missing group.
    direction : {"lower", "higher"}, optional
        Which way is better; None for signed and descriptive quantities.
    unit : str, optional
        ``rate`` (a share between 0 and 1, shown in percent), ``points`` (a difference of rates), ``ratio``, or the
        target's own unit.
    profile : sequence of (float, float), optional
        For a largest difference of rates: successes and trials of each judged group. The gate simulates from them how
        many cases would decide a rule.
    ingredients : sequence of Ingredients, optional
        What a later run on other cases is compared with, one entry per part of the metric. Without them two runs on different
        cases are compared by their intervals alone, which finds large changes only.
    pair : sequence of str, optional
        For a gap or ratio: the groups with the lowest and the highest value, in words.
    compares : str, optional
        For a gap or ratio: the name of the metric, measured for each group under the same prefix, in which its groups differ.
    title : str, optional
        What people call the metric inside a sentence, arguments included and groups not: ``share of the decision, picture``.
        Absent: name and arguments in words.
    limits : sequence of Limits, optional
        The interval measured at further levels, which the gate may need (`raikit.Levels.measure` fills it in).
    excluded : sequence of str, optional
        Groups or classes in which the quantity is not defined, so that `value` says nothing about them.
    excluded_reason : str, optional
        Why it is not defined there: ``no case has target 1``.
    promised : float, optional
        What was proved to bound the quantity from above, whatever the data. If the whole interval is above it, the proof is
        contradicted, and the gate fails without a rule.
    condition : str, optional
        What the value takes for granted and nobody could check, or what it says nothing about, as a clause after "provided
        that". A rule that it passes names the condition, and so does a warning of the gate.

    Raises
    ------
    ValueError
        If a value has no interval, `n` or `method`, if an undefined one has no reason, if `low` is above `high`,
        or if the value lies outside the interval.

    Examples
    --------
    >>> Metric("selection_rate", 0.4, low=0.3, high=0.5, n=96, method="Clopper-Pearson").value
    0.4
    """

    id: str | None = None
    name: str
    value: Number = None
    low: Number = None
    high: Number = None
    level: Number = None
    n: Count = None
    n_clusters: Count = None
    counts: str = ""
    method: str | None = None
    args: dict[str, Value] = Field(default_factory=dict)
    over: list[str] | None = None
    group: dict[str, Value] | None = None
    direction: Direction | None = None
    unit: str | None = None
    simultaneous: bool = False
    reason: str | None = None
    flags: list[str] = Field(default_factory=list)
    p_value: Number = None
    p_adjusted: Number = None
    adjustment: str | None = None
    minimum_detectable: Number = None
    effective_n: Number = None
    excluded: list[str] = Field(default_factory=list)
    excluded_reason: str = ""
    condition: str = ""
    promised: Number = None
    subject: str = "model"
    judged: JudgedOver | None = None
    limits: list[Limits] = Field(default_factory=list)
    profile: list[tuple[float, float]] | None = None
    ingredients: list[Ingredients] = Field(default_factory=list)
    pair: list[str] = Field(default_factory=list)
    compares: str = ""
    title: str = ""

    def __init__(self, name: str = "", value: Any = None, **fields: Any) -> None:
        super().__init__(name=name, value=value, **fields)

    @model_validator(mode="after")
    def _validate_interval(self) -> Self:
        if self.value is None:
            if not self.reason:
                raise ValueError(f"metric {self.name!r}: an undefined value needs reason='…'")
            self.low = self.high = None
            return self
        if self.level is not None and not 0 < self.level < 1:
            raise ValueError(f"metric {self.name!r}: level {self.level} is not between 0 and 1")
        if self.n is not None and self.n < 0:
            raise ValueError(f"metric {self.name!r}: n is {self.n}; a number of cases cannot be negative")
        if self.profile is not None:
            possible = all(n > 0 and 0 <= x <= n * (1 + 1e-9) for x, n in self.profile)  # sums of weights have rounding errors
            if len(self.profile) < 2 or not possible:
                raise ValueError(f"metric {self.name!r}: profile is (successes, trials) of two groups or more")
        lacking = [field for field in ("low", "high", "n", "method") if getattr(self, field) is None]
        if lacking:
            raise ValueError(
                f"metric {self.name!r}: a value needs {', '.join(lacking)}; if it is not an estimate, use "
                "Metric.exact(name, value); if no interval is valid, give the widest one and flags=['unreliable']"
            )
        assert self.low is not None and self.high is not None
        if self.low > self.high:
            raise ValueError(f"metric {self.name!r}: low {self.low} is above high {self.high}")
        nearest = min(max(self.value, self.low), self.high)
        if not math.isclose(self.value, nearest, rel_tol=1e-9, abs_tol=1e-12):  # rounding may move an end past the value
            raise ValueError(f"metric {self.name!r}: the value {self.value} is outside {self.low} … {self.high}")
        self.low, self.high = min(self.low, self.value), max(self.high, self.value)
        self._remove_rounding_errors()
        return self

    def _remove_rounding_errors(self) -> None:
        """Set to 0 what is nothing beside the interval: exact limits end at 1e-148, differences of equal rates at 1e-17."""
        assert self.low is not None and self.high is not None
        nothing = _ROUNDING * (self.high - self.low)
        parts: list[RecordModel] = [self, *self.limits] if self.judged is None else [self, self.judged, *self.limits]
        for part in parts:
            for name in _IN_ITS_UNIT & part.__class__.model_fields.keys():
                number = getattr(part, name)
                if number is not None and 0 < abs(number) < nothing:
                    setattr(part, name, 0.0)

    @classmethod
    def exact(cls, name: str, value: float, *, n: int = 1, **fields: Any) -> Metric:
        """Create a metric that is not an estimate: a count, an epsilon, a number of parameters."""
        return cls(name, value, low=value, high=value, n=n, method="exact", **fields)

    @classmethod
    def undefined(cls, name: str, reason: str, **fields: Any) -> Metric:
        """Create a metric without a value, with the reason."""
        return cls(name, None, reason=reason, **fields)

    def address(self, prefix: str) -> str:
        """Compose the metric's address from a prefix and its own parts."""
        return address.format(f"{prefix}.{self.name}", args=self.args, over=self.over or (), group=self.group or None)


class JudgedOver(RecordModel):
    """The same quantity over the groups that are large enough to be judged, if it differs from `Metric.value`."""

    value: Number
    low: Number
    high: Number
    left_out: list[str] = Field(default_factory=list)
    pair: list[str] = Field(default_factory=list)
    compares: str = ""
    reason: str = ""


class Limits(RecordModel):
    """The ends of a metric's interval at another level than `Metric.level`, measured there and never rescaled.

    Parameters
    ----------
    level : float
        Two-sided: each end misses with probability ``(1 - level) / 2``.
    low, high : float or None
        None (or infinite) where the data do not bound that side at this level.
    judged_low, judged_high : float, optional
        The same of `Metric.judged`, where it has a value.
    """

    level: float = Field(gt=0, lt=1)
    low: Number
    high: Number
    judged_low: Number = None
    judged_high: Number = None


class Ingredients(RecordModel):
    """Estimates behind a metric, from which it is compared between runs: one for a single value, one per group for a gap.

    Parameters
    ----------
    name : str
        The quantity that groups are compared in, such as ``precision``; empty for a single value.
    higher_is_better : bool
        Direction of the estimates, which for a gap is not that of the metric.
    estimates : sequence of Ingredient
    """

    name: str = ""
    higher_is_better: bool
    estimates: list[Ingredient]


class Ingredient(RecordModel):
    """One estimate with its uncertainty.

    Parameters
    ----------
    group : str
        The group in words; empty for a single value.
    value, variance : float
        The variance respects clusters and weights.
    df : float
        Degrees of freedom of the variance. Below 3 nothing can be decided.
    n : int
        Cases that the estimate rests on.
    covariance : sequence of float, optional
        With each of the preceding estimates, where groups share clusters.
    bins : sequence of (float, float, float), optional
        Of a calibration error, which is biased: signed error, variance and weight of each bin.
    """

    group: str = ""
    value: float
    variance: float = Field(ge=0)
    df: float = Field(ge=0)
    n: int = Field(ge=0)
    covariance: list[float] = Field(default_factory=list)
    bins: list[tuple[float, float, float]] = Field(default_factory=list)


class Side(RecordModel):
    """One end of a gap: a group with its own number.

    Parameters
    ----------
    group : mapping of str to value
        By column; None is the missing group.
    value, low, high : float or None
        Of the finding's measure in this group, with its interval.
    n : int or None
        Cases behind the value: for a rate, its denominator.
    clusters : mapping of str to int
        Number of clusters by column, where cases are not independent.
    """

    group: dict[str, Value]
    value: Number = None
    low: Number = None
    high: Number = None
    n: Count = None
    clusters: dict[str, int] = Field(default_factory=dict)


class Finding(RecordModel):
    """Something that a person should know, as data: `raikit.statements` words it for every format.

    Fill the fields of a gap (`measure`, `worse`, `better`, `value`, `low`, `high`), or give a `headline`. A rule about the first
    metric takes the finding's facts and has its own numbers.

    Parameters
    ----------
    sentence : str
        The whole statement with its numbers, which stands in the fold; may be empty beside other fields.
    severity : {"fail", "warn", "note"}
    kind : {"undecided", "worth_knowing", "fine", "method"} or None
        ``fine``: no problem is shown, and `evidence` names what would have been detected. ``method``: how a check works, which
        stands in a fold. None follows from `severity`: ``worth_knowing``, or ``method`` for a note.
    headline : str
        At most 12 words, present tense, without a number: who is harmed by what.
    evidence : str
        One line of at most 25 words with the numbers; absent: composed from the first metric or the sides.
    facts : list of (str, str)
        Further rows of the fold: a label and a text.
    measure : str
        Name of the metric in which the sides differ.
    worse, better : Side or None
        The groups that are served worst and best.
    ratio : sequence of 3 float, optional
        Worse over better, with both ends of its interval.
    what, who, certainty : str
        What is measured, for whom, how certain.
    metrics : list of str
        Addresses (`Check.address` composes them), first that of the number in the headline.
    figures : list of str
        Ids of figures of the same check.
    value, low, high : float, optional
        The number of the finding with its interval, if it is not that of the first metric: a gap over fewer groups.
        `high` is None for a lower limit.
    scope : str
        What that number is about, as a label: ``over groups with at least 30 cases``.

    Raises
    ------
    ValueError
        If there is neither a sentence, nor a headline, nor both sides; if the headline has more than 12 words; if one side is
        given without the other.
    """

    sentence: str = ""
    severity: Severity = "note"
    kind: FindingKind | None = None
    headline: str = ""
    evidence: str = ""
    facts: list[tuple[str, str]] = Field(default_factory=list)
    measure: str = ""
    worse: Side | None = None
    better: Side | None = None
    ratio: tuple[float, float, float] | None = None
    what: str = ""
    who: str = ""
    certainty: str = ""
    metrics: list[str] = Field(default_factory=list)
    figures: list[str] = Field(default_factory=list)
    group: dict[str, Value] | None = None
    value: Number = None
    low: Number = None
    high: Number = None
    scope: str = ""

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if (self.worse is None) != (self.better is None):
            raise ValueError("a finding about a gap names both sides: worse and better")
        if not (self.sentence or self.headline or self.worse):
            raise ValueError("a finding needs a headline, a sentence, or both sides of a gap")
        if len(self.headline.split()) > MOST_HEADLINE_WORDS:
            raise ValueError(f"the headline {self.headline!r} has more than {MOST_HEADLINE_WORDS} words")
        return self


class Column(RecordModel):
    """A column of a table: its heading and the format of its cells."""

    name: str
    title: str
    format: Literal["text", "integer", "number", "percent", "p"] = "text"


class Table(RecordModel):
    """Rows of scalars under typed columns.

    Examples
    --------
    >>> Table(id="t", title="Rows", columns=[Column(name="n", title="Rows", format="integer")], rows=[[3]]).rows
    [[3]]
    """

    id: str
    title: str
    columns: list[Column]
    rows: list[list[Value]]
    note: str = ""

    @model_validator(mode="after")
    def _validate_rows(self) -> Self:
        for number, row in enumerate(self.rows, 1):
            if len(row) != len(self.columns):
                raise ValueError(f"table {self.id!r}: row {number} has {len(row)} cells, not {len(self.columns)}")
        return self

    @classmethod
    def from_frame(
        cls,
        id: str,
        title: str,
        frame: pd.DataFrame,
        formats: Mapping[str, str] | None = None,
        titles: Mapping[str, str] | None = None,
        note: str = "",
    ) -> Table:
        """Create a table from a data frame without its index; `formats` and `titles` are keyed by column."""
        formats, titles = formats or {}, titles or {}
        columns = [
            Column.model_validate(
                {
                    "name": str(name),
                    "title": titles.get(name, str(name).replace("_", " ")),
                    "format": formats.get(name, "text"),
                }
            )
            for name in frame.columns
        ]
        rows = [[plain(cell) for cell in row] for row in frame.itertuples(index=False, name=None)]
        return cls(id=id, title=title, columns=columns, rows=rows, note=note)


class Figure(RecordModel):
    """A Vega-Lite spec with its data, or an image.

    Parameters
    ----------
    id, title : str
        `id` is unique within the check.
    alt : str
        What the figure shows, for people who cannot see it; required.
    spec : dict, optional
        Vega-Lite 6 without ``data``: the report adds `data` as ``{"values": data}`` named ``table``. Colours by role:
        ``var(--ink)``, ``var(--ink-2)``, ``var(--rule)``, ``var(--q1)`` … ``var(--q5)`` (a quantity's ramp).
    data : list of dict
        Rows drawn by the spec and listed under "Show numbers".
    image : str, optional
        ``data:image/png;base64,…`` (`Figure.png`).
    """

    id: str
    title: str
    subtitle: str = ""
    alt: str = Field(min_length=1)
    spec: dict[str, Any] | None = None
    data: Annotated[list[dict[str, Any]], BeforeValidator(plain)] = Field(default_factory=list)
    image: str | None = Field(None, pattern=r"^data:image/(png|jpeg);base64,[A-Za-z0-9+/=]+$")

    @model_validator(mode="after")
    def _validate_content(self) -> Self:
        if (self.spec is None) == (self.image is None):
            raise ValueError(f"figure {self.id!r}: give a Vega-Lite spec or an image, and not both")
        return self

    @classmethod
    def png(cls, id: str, title: str, alt: str, image: bytes, **fields: Any) -> Figure:
        """Create a figure from the bytes of a PNG file."""
        return cls(
            id=id, title=title, alt=alt, image="data:image/png;base64," + base64.b64encode(image).decode(), **fields
        )


class Artifact(RecordModel):
    """A file that a check adds to the run; `path` is relative to `CheckContext.workdir`."""

    path: str
    title: str = ""
    media_type: str = "application/octet-stream"


class CheckResult(RecordModel):
    """Everything that a check returns."""

    metrics: list[Metric] = Field(default_factory=list)
    findings: list[Finding] = Field(default_factory=list)
    tables: list[Table] = Field(default_factory=list)
    figures: list[Figure] = Field(default_factory=list)
    artifacts: list[Artifact] = Field(default_factory=list)


class Comparison(RecordModel):
    """How much worse one metric is in a candidate than in a baseline.

    Parameters
    ----------
    metric : str
        The address of the metric.
    value, low, high : float
        How much worse, in the metric's unit: positive is worse. The interval is two-sided at the level ``1 - margins.error``
        of the `Margins` that `compare` was given. The gate compares again with a smaller error where many rules are judged
        together, so that the interval in a report is the one that decided: `low` is above `margin` if and only if `p_value`
        is below half of that error.
    p_value : float or None
        One-sided, of the hypothesis that the metric is worse by at most `margin`.
    paired : bool
        Whether the same cases were compared.
    loser : str or None
        The group that became worse off, in words.
    minimum_detectable : float or None
        Smallest worsening that would have been detected with 80% power.
    reason : str or None
        A note for the report, or why there is no comparison (then `p_value` is None).
    """

    metric: str
    value: Number
    low: Number
    high: Number
    p_value: Number
    margin: float = 0.0
    paired: bool = False
    method: str = ""
    n: Count = None
    loser: str | None = None
    minimum_detectable: Number = None
    reason: str | None = None

    @classmethod
    def undecided(cls, metric: str, margin: float, reason: str, **fields: Any) -> Comparison:
        """Create a comparison that neither passes nor fails, with the reason."""
        return cls(metric=metric, value=None, low=None, high=None, p_value=1.0, margin=margin, reason=reason, **fields)

    def within_tails(self, new: Metric, old: Metric) -> Comparison:
        """Return what can be decided of two runs on different cases, where an end of either metric's interval is open.

        A baseline whose worse end is open may have been as bad as the candidate, so no loss is decided. A candidate whose
        worse end is open may be far worse than it looks, so it has no upper limit; a loss is still decided, because the
        other end holds with any tail.
        """
        worse = "open_low" if new.direction == "higher" else "open_high"
        if worse in old.flags:
            why = "the baseline's tail is too heavy, or its clusters too few, to decide: it may have been worse than it looked"
            return Comparison.undecided(self.metric, self.margin, why, n=self.n, method="not tested")
        if worse in new.flags:
            why = "the candidate's tail is too heavy, or its clusters too few, for an upper limit of the loss"
            reason = f"{self.reason}; {why}" if self.reason else why
            return self.model_copy(update={"low": None, "high": None, "reason": reason})
        return self

    def within_bounds(self, metric: Metric, test: str) -> Comparison:
        """Return the comparison without values that no change of rates can have: t limits do not know that rates end at 0 and 1.

        A rate, or the largest difference of rates, changes by 1 at most; a difference of two groups by 2, and so does what one
        group loses against another (`test` is ``moved``).
        """
        if metric.unit not in ("rate", "points"):
            return self
        most = 1.0 if metric.unit == "rate" or (metric.group is None and test == "gap") else 2.0
        ends = {"low": self.low, "high": self.high, "minimum_detectable": self.minimum_detectable}
        cut = {name: min(max(end, -most), most) for name, end in ends.items() if end is not None}
        return self.model_copy(update=cut) if any(cut[name] != ends[name] for name in cut) else self

    @model_validator(mode="after")
    def _validate_p_value(self) -> Self:
        if self.p_value is not None:
            clipped = min(max(self.p_value, 0.0), 1.0)
            if abs(clipped - self.p_value) > 1e-9:  # more than the rounding error of a sum
                raise ValueError(f"comparison of {self.metric}: p_value {self.p_value} is not between 0 and 1")
            self.p_value = clipped
        return self


Metric.model_rebuild()
