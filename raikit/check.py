"""The contract of a check: its name, its requirements and options, and the context that it gets.

A check may import what ``docs/reference/public.md`` lists: the names of `raikit`, and `raikit.stats`, `raikit.arrays`,
`raikit.format`, `raikit.address` and `raikit.testing`. Anything else of raikit may change in any version.
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, ValidationInfo, field_validator

from raikit.config.types import refuse_absurd, refuse_flag
from raikit.errors import PluginError
from raikit.naming import DisplayNames
from raikit.run.levels import Levels
from raikit.run.results import CheckResult, Comparison, Metric

if TYPE_CHECKING:
    import numpy as np

    from raikit.arrays import Arrays
    from raikit.config.types import Task
    from raikit.data.dataset import Dataset
    from raikit.models.base import Model
    from raikit.run.predictions import Predictions
    from raikit.run.reader import RunView


class CheckOptions(BaseModel):
    """Base of a check's options. Describe every field: the description is its documentation."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @field_validator("*", mode="before")
    @classmethod
    def _no_flag_for_a_number(cls, value: Any, info: ValidationInfo) -> Any:
        return refuse_flag(cls, info.field_name, value)

    @field_validator("*")
    @classmethod
    def _not_absurd(cls, value: Any) -> Any:
        return refuse_absurd(value)


@dataclass(frozen=True)
class Requires:
    """What a check needs to run. What is missing becomes the reason why the check is skipped.

    Parameters
    ----------
    columns : set of {"target", "sensitive", "cluster", "weight", "score", "prediction"}
        Roles of the predictions table. ``target.token``, ``target.label`` and ``target.answers`` are there with `data.task`
        ``token_classification``, ``multilabel`` and ``answers``.
    capabilities : set of {"labels", "scores", "gradients", "embeddings", "trainable"}
        What the model must be able to do. A table of predictions has ``labels`` and, with a score, ``scores``.
    modalities : set of {"text", "image", "audio", "tabular"}
        Each must be among the inputs.
    tasks : set of str
        Tasks it can measure; empty for any.
    splits : set of str
        Splits that must hold rows.
    min_rows : int
        Fewest cases in the audited split.
    model : bool
        Whether the check has the model score cases of its own, so that a table of predictions does not suffice. Any model will
        do; with `capabilities` other than ``labels`` and ``scores`` a model is required anyway.

    Raises
    ------
    PluginError
        If one of the sets is a string, or `model` is neither True nor False.
    """

    columns: frozenset[str] | set[str] = frozenset()
    capabilities: frozenset[str] | set[str] = frozenset()
    modalities: frozenset[str] | set[str] = frozenset()
    tasks: frozenset[str] | set[str] = frozenset()
    splits: frozenset[str] | set[str] = frozenset()
    min_rows: int = 1
    model: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.model, bool):
            raise PluginError(f"Requires.model must be True or False, not {self.model!r}. Its duties stand in `capabilities`.")
        for name in ("columns", "capabilities", "modalities", "tasks", "splits"):
            value = getattr(self, name)
            if isinstance(value, str):  # as a set, a string would be its letters
                raise PluginError(f"Requires.{name} must be a set such as {{{value!r}}}, not the string {value!r}.")
            object.__setattr__(self, name, frozenset(value))


@dataclass(frozen=True)
class CheckContext:
    """What a check may read of an audit.

    Attributes
    ----------
    data : Dataset
        ``.batches(split, size)`` and ``.frame(columns, split)``. None only in a test that gave none.
    predictions : Predictions
        Scored cases: columns on demand, and counts of cells by DuckDB. `arrays` reads them as NumPy arrays.
    model : Model or None
        None with ``kind: predictions``.
    classes : list
        Class labels in the order of the scores; empty for regression.
    positive : label or None
        The positive class of a binary target.
    sensitive, cluster : tuple of str
        Columns of the predictions with that role, in the order of the configuration.
    weight : str or None
    max_groups : int
        ``data.max_groups``: the most groups that one feature may have.
    favourable : label or None
        ``data.favourable``: the class of a binary target that is good for the person it is about, if that is known.
    reference : mapping of str to str
        ``data.reference``: the group that others are compared with, for each sensitive column that has one.
    missing_group : mapping of str to {"show", "leave_out"}
        ``data.missing_group``: sensitive columns whose missing group is not compared with others. Where it is shown it has
        metrics of its own; where it is left out it has none.
    labels : DisplayNames
        ``data.unit`` and ``data.labels``. While a check runs, `raikit.format` writes cases, columns, groups and classes in these
        words, so that a check needs them only for texts that it composes otherwise.
    rng : numpy.random.Generator
        Seeded by the run's seed and the check's name, so that order, selection and resume change no number.
    workdir : Path
        A folder of this check alone. It survives ``--resume``, and its artifacts are copied to the run.
    levels : Levels
        The further levels at which the gate may need intervals: ``ctx.levels.measure(metric, lambda level: (low, high))``.
    progress : callable
        ``progress(done, total)``.
    redact : bool
        Whether the run must hold no inputs and no single case (``redact: true``): return no texts, pictures or cells of cases.
        Ids and clusters are hashes already.
    """

    task: Task
    predictions: Predictions
    data: Dataset | None
    model: Model | None
    classes: Sequence[Any]
    positive: Any
    sensitive: tuple[str, ...]
    cluster: tuple[str, ...]
    weight: str | None
    seed: int
    workdir: Path
    confidence: float = 0.95
    progress: Callable[[int, int], None] = lambda done, total: None
    log: logging.Logger = field(default_factory=lambda: logging.getLogger("raikit.check"))
    levels: Levels = field(default_factory=Levels)
    max_groups: int = 500
    reference: Mapping[str, str] = field(default_factory=dict)
    favourable: Any = None
    missing_group: Mapping[str, str] = field(default_factory=dict)
    labels: DisplayNames = field(default_factory=DisplayNames)
    redact: bool = False

    def arrays(self, split: str | None = None, *, sensitive: bool = False, counted: bool = False) -> Arrays:
        """Read the scored cases of a split as arrays: truth, prediction, scores, weight and clusters.

        Parameters
        ----------
        split : str, optional
            Absent: the audited split.
        sensitive : bool
            Whether to read the groups of the sensitive columns too.
        counted : bool
            Whether entries may be cells of alike cases, with `Arrays.counts`. They are, and no case is read into memory, where
            the predictions have classes but no scores, weights or clusters, and no groups are read.

        Raises
        ------
        DataError
            If a label is not among the classes.
        """
        from raikit.arrays import count_arrays, read_arrays, score_columns

        scored = score_columns(self.task, self.classes, self.predictions.columns)
        if counted and self.classes and not (scored or self.weight or self.cluster or sensitive):
            return count_arrays(self.predictions, self.task, self.classes, split)

        return read_arrays(
            self.predictions,
            self.task,
            self.classes,
            sensitive=self.sensitive if sensitive else (),
            cluster=self.cluster,
            weight=self.weight,
            split=split,
        )

    @property
    def rng(self) -> np.random.Generator:
        """Return a new generator that starts at this check's seed."""
        import numpy as np

        return np.random.default_rng(self.seed)

    @property
    def trainer(self) -> Callable[..., Any]:
        """Return `raikit.fit`, the training loop, for fine-tuning and shadow models."""
        from raikit.models.trainer import fit

        return fit


class Check(ABC):
    """One examination of a model: subclass it, name it, and return a `CheckResult` from `run`.

    The first part of `name` owns the metric ids: a check called ``fairness.groups`` emits ``fairness.*``.

    Attributes
    ----------
    name : str
        Dotted, unique in a run.
    pillar : str
        A plain string; a plugin may use its own.
    cost : {"quick", "slow"}
        Slow checks run only when asked for by name or with ``--all``.
    requires : Requires
    produces : list of str
        Address patterns of the metrics that `run` may return, so that a typing mistake in a rule is found before data
        is read. Columns in brackets are sensitive ones; a check with other columns declares ``mine.rate[*]``.
    aliases : mapping of str to str
        Other names of these metrics, each with the name that `run` returns: ``{"mine.recall": "mine.true_positive_rate"}``.
        Rules, waivers and ``raikit compare`` accept them; the record holds the metric's own name. Arguments may be part of
        either name, and a ``*`` stands for a value that both share: ``{"mine.tpr(pos_label=*)": "mine.recall(class=*)"}``.
        ``{"mine.specificity": "1 - mine.false_positive_rate"}`` is no other name: a rule on it is refused, and the message says
        what to write instead.
    """

    name: ClassVar[str]
    pillar: ClassVar[str]
    cost: ClassVar[Literal["quick", "slow"]] = "quick"
    requires: ClassVar[Requires] = Requires()
    produces: ClassVar[Sequence[str]] = ()
    aliases: ClassVar[Mapping[str, str]] = MappingProxyType({})

    class Options(CheckOptions):
        """The options of this check; none by default."""

    def __init__(self, options: CheckOptions | None = None) -> None:
        self.options: Any = options if options is not None else self.Options()

    @abstractmethod
    def run(self, ctx: CheckContext) -> CheckResult:
        """Examine the model. An exception is recorded as this check's error, and the audit goes on."""

    def address(self, metric: Metric) -> str:
        """Return the id that `metric` will have in the record, for findings that rest on it."""
        return metric.address(self.prefix())

    @classmethod
    def prefix(cls) -> str:
        """Return the first part of the check's name, with which its metric ids begin."""
        return cls.name.split(".", 1)[0]

    compare: Callable[[RunView, RunView, Any], list[Comparison]] | None = None
