"""Run a check on many data sets: the scenarios, and what the check did in each."""

from __future__ import annotations

import inspect
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from raikit.audit.requirements import capabilities_of, needs_model
from raikit.check import Check, CheckContext
from raikit.config.types import Task
from raikit.errors import RaikitError
from raikit.process import state as process_state
from raikit.run.results import CheckResult, Metric
from raikit.testing.contract import shared_inputs
from raikit.testing.contract.rule import NotApplicable
from raikit.testing.data import DatasetSpec
from raikit.testing.models import model as train_model
from raikit.testing.run import (
    context,
    data_requirements,
    execute,
    own_columns,
    suitable_model,
)

if TYPE_CHECKING:
    from raikit.data.dataset import Dataset
    from raikit.models.base import Model
    from raikit.run.record import CheckRecord

SEED = 7
_AUDITED: tuple[Task, ...] = ("binary", "multiclass", "regression")
_OTHER_INPUTS = (("text",), ("image",), ("audio",), ("audio", "image", "tabular", "text"))
_FRAME = re.compile(r'File "([^"]+)", line (\d+), in (\S+)')
_NOT_RETURNED = object()


@dataclass(frozen=True)
class Scenario:
    """Data that a check is tried on.

    Attributes
    ----------
    name : str
        In words that can follow "on".
    changes : mapping
        Fields of `raikit.testing.data.DatasetSpec` that differ from plain data that meet the check's requirements.
    edit : callable, optional
        Changes the table before its columns get their roles.
    bare : bool
        The data hold nothing that the check does not require.
    constant : bool
        The predictions are the same for every case.
    data : Dataset, optional
        Data of the plugin's author; if absent, data are generated.
    """

    name: str
    changes: Mapping[str, Any] = field(default_factory=dict)
    edit: Callable[[pd.DataFrame], pd.DataFrame] | None = None
    bare: bool = False
    constant: bool = False
    data: Dataset | None = None


@dataclass
class Trial:
    """One run of a check in a scenario: its record, what `run` returned, and its side effects.

    Attributes
    ----------
    returned : object
        What `run` returned, before it was validated.
    has_clusters : bool
        Whether cases share clusters.
    entered : bool
        Whether `run` was called, so that the requirements are met.
    changed_state : list of str
        Parts of the process's global state that the check changed.
    changed_inputs : list of str
        Parts of the predictions, the data and the model that the check changed.
    home : Path or None
        The folder of the check's own code.
    files : mapping of str to bytes
        Content of the artifacts, by path.
    """

    scenario: Scenario
    record: CheckRecord
    returned: Any = _NOT_RETURNED
    has_clusters: bool = False
    entered: bool = False
    changed_state: list[str] = field(default_factory=list)
    changed_inputs: list[str] = field(default_factory=list)
    home: Path | None = None
    files: Mapping[str, bytes] = field(default_factory=dict)

    @property
    def has_returned(self) -> bool:
        """Whether `run` returned."""
        return self.returned is not _NOT_RETURNED

    @property
    def result(self) -> CheckResult | None:
        """The result; None if `run` returned something else."""
        return self.returned if isinstance(self.returned, CheckResult) else None

    @property
    def outcome(self) -> dict[str, Any]:
        """Everything that must be the same when the check runs again."""
        fields = {"status", "reason", "metrics", "findings", "tables", "figures", "artifacts"}
        return self.record.model_dump(include=fields) | {"files": self.files}

    def failure(self) -> str:
        """Write why the check crashed, and where in the plugin."""
        frames = _FRAME.findall(self.record.traceback or "")
        own = [frame for frame in frames if self.home and Path(frame[0]).is_relative_to(self.home)] or frames
        where = f" ({Path(own[-1][0]).name}, line {own[-1][1]}, in {own[-1][2]})" if own else ""
        return f"on {self.scenario.name}: {self.record.reason}{where}"


class Bench:
    """One check and all its trials; each scenario is run once, when a rule first needs it.

    Parameters
    ----------
    check : Check class
    data : Dataset, optional
        Data of the plugin's author: the first ordinary scenario. The user's own columns are drawn from them in the others.
    options : CheckOptions, optional
        Absent: the defaults.
    """

    def __init__(self, check: type[Check], data: Dataset | None = None, options: Any = None) -> None:
        self.check = check
        self.author_data = data
        self.options = options if options is not None else check.Options()
        self._trials: dict[str, Trial] = {}
        self._second: Trial | None = None
        self._inputs: dict[str, tuple[Dataset, Model | None]] = {}

    # --- scenarios ----------------------------------------------------------------------------------------------

    def ordinary(self) -> list[Scenario]:
        """Return one scenario for each task that the check supports, and for each modality if it queries a model."""
        tasks = [task for task in _AUDITED if not self.check.requires.tasks or task in self.check.requires.tasks]
        if not tasks:
            required = ", ".join(sorted(self.check.requires.tasks))
            raise NotApplicable(f"it supports {required} targets only, which raikit does not know")
        scenarios = []
        if self.author_data is not None:
            scenarios.append(Scenario("the author's data", {"task": self.author_data.task}, data=self.author_data))
        scenarios += [Scenario(f"{task} data", {"task": task}) for task in tasks]
        shared = {"clusters": True, "weights": True}
        scenarios += [Scenario(f"{task} data with clusters and weights", {"task": task, **shared})
                      for task in (tasks[:1] if needs_model(self.check) else tasks)]
        if needs_model(self.check) and not self.check.requires.modalities:
            scenarios += [Scenario(f"{' and '.join(names)} inputs", {"task": tasks[0], "modalities": names, "rows": 120})
                          for names in _OTHER_INPUTS]
        return scenarios

    # --- trials -------------------------------------------------------------------------------------------------

    def try_on(self, scenario: Scenario) -> Trial:
        """Run the check in a scenario, or return the trial if it ran there before."""
        if scenario.name not in self._trials:
            self._trials[scenario.name] = self.try_again(scenario)
        return self._trials[scenario.name]

    def twice(self) -> tuple[Trial, Trial]:
        """Return the first completed trial and a second one in the same scenario."""
        first = self.completed()[0]
        if self._second is None:
            self._second = self.try_again(first.scenario)
        return first, self._second

    def try_again(self, scenario: Scenario, before: Sequence[type[Check]] = ()) -> Trial:
        """Run the check in a scenario, after the checks `before` in the same run."""
        with self.context(scenario) as (ctx, folder), ExitStack() as stack:
            trial = Trial(scenario, None, has_clusters=bool(ctx.cluster), home=_home(self.check))  # type: ignore[arg-type]
            stack.enter_context(_observed(self.check, trial))
            planned = [*((other, other.Options()) for other in before), (self.check, self.options)]
            trial.record = execute(planned, ctx, folder / "run", SEED, self.capabilities(ctx))[-1]
            trial.files = {item.path: (folder / "run" / item.path).read_bytes() for item in trial.record.artifacts}
        if trial.changed_inputs:
            del self._inputs[scenario.name]  # The next trial needs unchanged ones.
        return trial

    def completed(self) -> list[Trial]:
        """Return the ordinary trials in which `run` returned; at least one.

        Raises
        ------
        NotApplicable
            If there is none, with the reason.
        """
        ordinary = [self.try_on(scenario) for scenario in self.ordinary()]
        completed = [trial for trial in ordinary if trial.has_returned]
        if completed:
            return completed
        skipped = [trial for trial in ordinary if trial.record.status == "skipped"]
        raise NotApplicable(f"it cannot be tried: {skipped[0].record.reason}" if skipped else "it does not run on ordinary data")

    def all_completed(self) -> list[Trial]:
        """Return all trials so far in which `run` returned."""
        self.completed()
        return [trial for trial in self._trials.values() if trial.has_returned]

    def results(self) -> list[tuple[Trial, CheckResult]]:
        """Return all results so far, each with its trial.

        Raises
        ------
        NotApplicable
            If there is none.
        """
        results = [(trial, trial.result) for trial in self.all_completed() if trial.result is not None]
        if not results:
            raise NotApplicable("it returned no result that could be tested")
        return results

    def addresses(self, result: CheckResult) -> Iterator[tuple[Metric, str | None]]:
        """Yield each metric with its address, or None if that would not be well formed."""
        for metric in result.metrics:
            try:
                yield metric, metric.address(self.check.prefix())
            except (RaikitError, TypeError, ValueError, AttributeError):
                yield metric, None

    # --- inputs of the check ------------------------------------------------------------------------------------

    @property
    def invented_columns(self) -> list[str]:
        """Required columns of the user's own that the author's data do not hold, so that their values are invented."""
        known = set(self.author_data.table) if self.author_data is not None else set()
        return [column for column in own_columns(self.check) if column not in known]

    def spec(self, changes: Mapping[str, Any]) -> DatasetSpec:
        """Specify data that meet the requirements but for `changes`; the user's own columns are as in the author's data."""
        columns = {name: self._column(name) for name in own_columns(self.check)}
        return DatasetSpec(**(data_requirements(self.check) | {"columns": columns} | dict(changes)))

    def _column(self, name: str) -> Callable[[Any, int], Any]:
        if self.author_data is None or name in self.invented_columns:
            return lambda rng, rows: rng.integers(0, 10, rows)
        cells = self.author_data.table[name]
        return lambda rng, rows: cells.iloc[rng.integers(0, len(cells), rows)].to_numpy()

    @contextmanager
    def context(self, scenario: Scenario) -> Iterator[tuple[CheckContext, Path]]:
        """Make the check's context in a scenario, and a folder that is removed afterwards."""
        data, model = self._scenario_inputs(scenario)
        with tempfile.TemporaryDirectory(prefix="raikit-", ignore_cleanup_errors=True) as temporary:
            folder = Path(temporary)
            ctx = context(self.check, data=data, model=model, folder=folder / "context", seed=SEED)
            if scenario.bare or scenario.constant:
                self._rewrite_predictions(ctx, scenario)
                ctx = replace(ctx, predictions=type(ctx.predictions)(ctx.predictions.path, ctx.predictions.split))
            yield ctx, folder

    def capabilities(self, ctx: CheckContext) -> frozenset[str]:
        """Return the capabilities of the model, or those of predictions alone."""
        return ctx.model.capabilities if ctx.model is not None else capabilities_of(ctx.predictions.columns)

    def _scenario_inputs(self, scenario: Scenario) -> tuple[Dataset, Model | None]:
        """Return data and model of a scenario, made once, and again if the check changed them."""
        if scenario.name not in self._inputs:
            self._inputs[scenario.name] = self._make_inputs(scenario)
        return self._inputs[scenario.name]

    def _make_inputs(self, scenario: Scenario) -> tuple[Dataset, Model | None]:
        if scenario.data is not None:
            task = scenario.data.task
            if task not in _AUDITED:
                raise NotApplicable(f"raikit does not audit {task} targets yet, so the check cannot be tried on the author's data")
            return scenario.data, suitable_model(self.check, scenario.data)
        spec = self.spec(scenario.changes)
        table = spec.table()
        if scenario.edit is not None:
            table = scenario.edit(table)
        try:
            data = spec.dataset(table)
            model = train_model(data) if needs_model(self.check) else None
            if scenario.bare:
                splits = {"test", *self.check.requires.splits}
                data = spec.dataset(table[table["split"].isin(splits)].reset_index(drop=True))
        except RaikitError as error:
            raise NotApplicable(f"an audit would stop before the check: {error}") from None
        return data, model

    def _rewrite_predictions(self, ctx: CheckContext, scenario: Scenario) -> None:
        """Drop scores that are not required, or make all predictions the same."""
        frame = ctx.predictions.frame(split="*")
        scores = [column for column in map(str, frame) if column == "score" or column.startswith("score.")]
        needs = self.check.requires
        if scenario.bare and ctx.model is None and not ({"score"} & set(needs.columns) or {"scores"} & set(needs.capabilities)):
            frame = frame.drop(columns=scores)
        if scenario.constant:
            for column in ("prediction", *scores):
                frame[column] = frame[column].iloc[0]
        frame.to_parquet(ctx.predictions.path, index=False)


def _home(check: type[Check]) -> Path | None:
    try:
        return Path(inspect.getfile(check)).parent
    except (TypeError, OSError):
        return None


@contextmanager
def _observed(check: type[Check], trial: Trial) -> Iterator[None]:
    """Note in `trial` what the check's `run` returns and changes; restore the global state of the process."""
    original, own = check.run, "run" in vars(check)

    def run(self: Check, ctx: CheckContext) -> Any:
        trial.entered = True
        state, inputs = process_state.read_state(), shared_inputs.fingerprints(ctx)
        try:
            trial.returned = original(self, ctx)
            return trial.returned
        finally:
            trial.changed_state = process_state.changes(state, process_state.read_state())
            trial.changed_inputs = process_state.changes(inputs, shared_inputs.fingerprints(ctx))
            process_state.restore(state)

    check.run = run  # type: ignore[method-assign]
    try:
        yield
    finally:
        if own:
            check.run = original  # type: ignore[method-assign]
        else:
            del check.run
