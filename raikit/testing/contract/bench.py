"""Where a check is tried: data for each case, and what became of the check there."""

from __future__ import annotations

import inspect
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from raikit.check import Check, CheckContext
from raikit.config.types import Task
from raikit.errors import RaikitError
from raikit.process import state as process_state
from raikit.run.results import CheckResult, Metric
from raikit.testing.contract import shared_inputs
from raikit.testing.contract.rule import NotApplicable
from raikit.testing.data import Made
from raikit.testing.run import capabilities_of_table, execute, needs_model, own_columns, suitable_model, wanted

if TYPE_CHECKING:
    import pandas as pd

    from raikit.data.dataset import Dataset
    from raikit.models.base import Model
    from raikit.run.record import CheckRecord

SEED = 7
_AUDITED: tuple[Task, ...] = ("binary", "multiclass", "regression")
_OTHER_INPUTS = (("text",), ("image",), ("audio",), ("audio", "image", "tabular", "text"))
_FRAME = re.compile(r'File "([^"]+)", line (\d+), in (\S+)')
_NOTHING = object()


@dataclass(frozen=True)
class Case:
    """Data that a check is tried on.

    Attributes
    ----------
    name : str
        In words, after "on".
    changes : mapping
        What is different from the plain data that meet the check's requirements (`raikit.testing.data.Made`).
    edit : callable, optional
        Changes the table before its columns get their roles.
    bare : bool
        Nothing is there that the check does not require.
    constant : bool
        The predictions are the same for every row.
    data : Dataset, optional
        The plugin's author gave it; absent: it is made.
    """

    name: str
    changes: Mapping[str, Any] = field(default_factory=dict)
    edit: Callable[[pd.DataFrame], pd.DataFrame] | None = None
    bare: bool = False
    constant: bool = False
    data: Dataset | None = None


@dataclass
class Trial:
    """A check that was tried: its record, what its `run` returned, and what it left behind.

    Attributes
    ----------
    returned : object
        As it came out of `run`, before the harness looked at it.
    clusters : bool
        Whether there are rows that share clusters.
    entered : bool
        Whether `run` was called: the requirements are met.
    changed : list of str
        What of the process is different.
    touched : list of str
        What of the predictions, data and model is different.
    home : Path or None
        The folder of the check's own code.
    files : mapping
        Artifacts by name, with their content.
    """

    case: Case
    record: CheckRecord
    returned: Any = _NOTHING
    clusters: bool = False
    entered: bool = False
    changed: list[str] = field(default_factory=list)
    touched: list[str] = field(default_factory=list)
    home: Path | None = None
    files: Mapping[str, bytes] = field(default_factory=dict)

    @property
    def has_returned(self) -> bool:
        """Whether `run` came to its end."""
        return self.returned is not _NOTHING

    @property
    def result(self) -> CheckResult | None:
        """What was returned, if it is a result at all."""
        return self.returned if isinstance(self.returned, CheckResult) else None

    @property
    def found(self) -> dict[str, Any]:
        """All that must be the same when it is done again."""
        kept = self.record.model_dump(include={"status", "reason", "metrics", "findings", "tables", "figures", "artifacts"})
        return kept | {"files": self.files}

    def complaint(self) -> str:
        """Why it crashed, and where in the plugin."""
        frames = _FRAME.findall(self.record.traceback or "")
        own = [frame for frame in frames if self.home and Path(frame[0]).is_relative_to(self.home)] or frames
        where = f" ({Path(own[-1][0]).name}, line {own[-1][1]}, in {own[-1][2]})" if own else ""
        return f"on {self.case.name}: {self.record.reason}{where}"


class Bench:
    """One check with all that it is tried on; every case is tried once, when it is first asked for.

    Parameters
    ----------
    check : Check class
    data : Dataset, optional
        One more ordinary case, the first; the user's own columns are drawn from it in the others.
    options : CheckOptions, optional
        Absent: the defaults.
    """

    def __init__(self, check: type[Check], data: Dataset | None = None, options: Any = None) -> None:
        self.check = check
        self.given = data
        self.options = options if options is not None else check.Options()
        self._trials: dict[str, Trial] = {}
        self._again: Trial | None = None
        self._material: dict[str, tuple[Dataset, Model | None]] = {}

    # --- cases --------------------------------------------------------------------------------------------------

    def ordinary(self) -> list[Case]:
        """Every task it measures, and every kind of input if it asks a model."""
        tasks = [task for task in _AUDITED if not self.check.requires.tasks or task in self.check.requires.tasks]
        if not tasks:
            asked = ", ".join(sorted(self.check.requires.tasks))
            raise NotApplicable(f"it measures {asked} targets only, which are not audited yet")
        cases = [Case("the data given", {"task": self.given.task}, data=self.given)] if self.given is not None else []
        cases += [Case(f"{task} data", {"task": task}) for task in tasks]
        shared = {"clusters": True, "weights": True}
        cases += [Case(f"{task} data with clusters and weights", {"task": task, **shared})
                  for task in (tasks[:1] if needs_model(self.check) else tasks)]
        if needs_model(self.check) and not self.check.requires.modalities:
            cases += [Case(f"{' and '.join(names)} inputs", {"task": tasks[0], "modalities": names, "rows": 120})
                      for names in _OTHER_INPUTS]
        return cases

    # --- trials -------------------------------------------------------------------------------------------------

    def try_on(self, case: Case) -> Trial:
        """The check on a case; tried once."""
        if case.name not in self._trials:
            self._trials[case.name] = self.try_again(case)
        return self._trials[case.name]

    def twice(self) -> tuple[Trial, Trial]:
        """The first case that came to an end, and the same once more."""
        first = self.ran()[0]
        if self._again is None:
            self._again = self.try_again(first.case)
        return first, self._again

    def try_again(self, case: Case, before: Sequence[type[Check]] = ()) -> Trial:
        """The check on a case, anew, after the checks `before` in the same run."""
        with self.context(case) as (ctx, folder), ExitStack() as watching:
            trial = Trial(case, None, clusters=bool(ctx.cluster), home=_home(self.check))  # type: ignore[arg-type]
            watching.enter_context(_watched(self.check, trial))
            planned = [*((other, other.Options()) for other in before), (self.check, self.options)]
            trial.record = execute(planned, ctx, folder / "run", SEED, self.capabilities(ctx))[-1]
            trial.files = {item.path: (folder / "run" / item.path).read_bytes() for item in trial.record.artifacts}
        if trial.touched:
            del self._material[case.name]  # spoiled
        return trial

    def ran(self) -> list[Trial]:
        """Trials that came to an end, ordinary ones first; at least one.

        Raises
        ------
        NotApplicable
            If there is none, with the reason.
        """
        ordinary = [self.try_on(case) for case in self.ordinary()]
        done = [trial for trial in ordinary if trial.has_returned]
        if done:
            return done
        skipped = [trial for trial in ordinary if trial.record.status == "skipped"]
        raise NotApplicable(f"it cannot be tried: {skipped[0].record.reason}" if skipped else "it does not run on ordinary data")

    def everywhere(self) -> list[Trial]:
        """All trials so far that came to an end."""
        self.ran()
        return [trial for trial in self._trials.values() if trial.has_returned]

    def results(self) -> list[tuple[Trial, CheckResult]]:
        """All results so far.

        Raises
        ------
        NotApplicable
            If there is none.
        """
        found = [(trial, trial.result) for trial in self.everywhere() if trial.result is not None]
        if not found:
            raise NotApplicable("it returns no result that could be looked at")
        return found

    def addresses(self, result: CheckResult) -> Iterator[tuple[Metric, str | None]]:
        """Each metric with its address, None if it has none that is well formed."""
        for metric in result.metrics:
            try:
                yield metric, metric.address(self.check.prefix())
            except (RaikitError, TypeError, ValueError, AttributeError):
                yield metric, None

    # --- what it is given ---------------------------------------------------------------------------------------

    @property
    def guessed(self) -> list[str]:
        """Columns of the user's own of which nobody has said what they hold, so that the kit makes something up."""
        there = set(self.given.table) if self.given is not None else set()
        return [column for column in own_columns(self.check) if column not in there]

    def made(self, changes: Mapping[str, Any]) -> Made:
        """Data that meet the requirements but for `changes`; columns of the user's own as in the data given."""
        columns = {name: self._column(name) for name in own_columns(self.check)}
        return Made(**(wanted(self.check) | {"columns": columns} | dict(changes)))

    def _column(self, name: str) -> Callable[[Any, int], Any]:
        if self.given is None or name in self.guessed:
            return lambda rng, rows: rng.integers(0, 10, rows)
        cells = self.given.table[name]
        return lambda rng, rows: cells.iloc[rng.integers(0, len(cells), rows)].to_numpy()

    @contextmanager
    def context(self, case: Case) -> Iterator[tuple[CheckContext, Path]]:
        """What the check is given on a case, in a folder that is removed afterwards."""
        from raikit.testing.run import context

        data, model = self._made(case)
        with tempfile.TemporaryDirectory(prefix="raikit-", ignore_cleanup_errors=True) as made:
            folder = Path(made)
            ctx = context(self.check, data=data, model=model, folder=folder / "context", seed=SEED)
            if case.bare or case.constant:
                self._rewrite(ctx, case)
                ctx = replace(ctx, predictions=type(ctx.predictions)(ctx.predictions.path, ctx.predictions.split))
            yield ctx, folder

    def capabilities(self, ctx: CheckContext) -> frozenset[str]:
        """What there is to be asked: the model's, or what predictions alone can do."""
        return ctx.model.capabilities if ctx.model is not None else capabilities_of_table(ctx)

    def _made(self, case: Case) -> tuple[Dataset, Model | None]:
        """Data and model of a case; made once, and again if the check has spoiled them."""
        if case.name not in self._material:
            self._material[case.name] = self._make(case)
        return self._material[case.name]

    def _make(self, case: Case) -> tuple[Dataset, Model | None]:
        from raikit.testing.models import model

        if case.data is not None:
            if case.data.task not in _AUDITED:
                raise NotApplicable(f"{case.data.task} targets are not audited yet, so it cannot be tried on the data given")
            return case.data, suitable_model(self.check, case.data)
        made = self.made(case.changes)
        table = made.table()
        if case.edit is not None:
            table = case.edit(table)
        try:
            data = made.dataset(table)
            learnt = model(data) if needs_model(self.check) else None
            if case.bare:
                there = {"test", *self.check.requires.splits}
                data = made.dataset(table[table["split"].isin(there)].reset_index(drop=True))
        except RaikitError as error:
            raise NotApplicable(f"no audit gets as far as that: {error}") from None
        return data, learnt

    def _rewrite(self, ctx: CheckContext, case: Case) -> None:
        """Take out of the predictions what is not required, or make them all the same."""
        frame = ctx.predictions.frame(split="*")
        scores = [column for column in map(str, frame) if column == "score" or column.startswith("score.")]
        needs = self.check.requires
        if case.bare and ctx.model is None and not ({"score"} & set(needs.columns) or {"scores"} & set(needs.capabilities)):
            frame = frame.drop(columns=scores)
        if case.constant:
            for column in ("prediction", *scores):
                frame[column] = frame[column].iloc[0]
        frame.to_parquet(ctx.predictions.path, index=False)


def _home(check: type[Check]) -> Path | None:
    try:
        return Path(inspect.getfile(check)).parent
    except (TypeError, OSError):
        return None


@contextmanager
def _watched(check: type[Check], trial: Trial) -> Iterator[None]:
    """Look over the shoulder of a check's `run`; afterwards the process is as it was before."""
    original, own = check.run, "run" in vars(check)

    def run(self: Check, ctx: CheckContext) -> Any:
        trial.entered = True
        before, given = process_state.read_state(), shared_inputs.fingerprints(ctx)
        try:
            trial.returned = original(self, ctx)
            return trial.returned
        finally:
            trial.changed = process_state.changes(before, process_state.read_state())
            trial.touched = process_state.changes(given, shared_inputs.fingerprints(ctx))
            process_state.restore(before)

    check.run = run  # type: ignore[method-assign]
    try:
        yield
    finally:
        if own:
            check.run = original  # type: ignore[method-assign]
        else:
            del check.run
