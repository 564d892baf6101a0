"""Running a check as an audit runs it, on data made for it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from pydantic import ValidationError

from raikit.check import Check, CheckContext, CheckOptions
from raikit.config.types import Task
from raikit.errors import PluginError

if TYPE_CHECKING:
    from raikit.config.yamlfile import Document
    from raikit.data.dataset import Dataset
    from raikit.models.base import Model
    from raikit.run.record import CheckRecord

ROLES = ("target", "prediction", "sensitive", "cluster", "weight", "score")
_FROM_A_TABLE = frozenset({"labels", "scores"})  # what predictions without a model can do
_AUDITED: tuple[Task, ...] = ("binary", "multiclass", "regression")


def context(
    check: type[Check],
    *,
    data: Dataset | None = None,
    model: Model | None = None,
    folder: Path | None = None,
    seed: int = 0,
    confidence: float = 0.95,
) -> CheckContext:
    """Make what ``run`` of a check is given, to call the check's parts by themselves.

    Parameters
    ----------
    check : Check class
        Its requirements say what is made where something is absent; its seed and workdir are its own, as in an audit.
    data : Dataset, optional
        Absent: one that meets ``check.requires``.
    model : Model, optional
        Absent: a tiny one if the check requires a capability beyond labels and scores, else none, and the predictions are
        drawn.
    folder : Path, optional
        Where predictions and workdir go; absent: a new temporary folder, which stays.

    Examples
    --------
    >>> from raikit import Check, Requires
    >>> class Rows(Check):
    ...     name, pillar, requires = "mine.rows", "mine", Requires(columns={"sensitive"}, tasks={"multiclass"})
    ...     def run(self, ctx): ...
    >>> ctx = context(Rows)
    >>> ctx.task, ctx.sensitive, ctx.predictions.size() > 0
    ('multiclass', ('group',), True)
    """
    from raikit.audit.runner import seed_of
    from raikit.testing.models import predictions

    data = data if data is not None else suitable(check)
    model = model if model is not None else suitable_model(check, data)
    folder = Path(folder) if folder is not None else Path(tempfile.mkdtemp(prefix="raikit-"))
    workdir = folder / "work" / check.name
    workdir.mkdir(parents=True, exist_ok=True)
    return CheckContext(
        task=data.task,
        predictions=predictions(data, model, folder=folder),
        data=data,
        model=model,
        classes=tuple(data.classes),
        positive=data.positive,
        sensitive=tuple(data.sensitive),
        cluster=tuple(data.cluster),
        weight=data.weight,
        seed=seed_of(seed, check.name),
        workdir=workdir,
        confidence=confidence,
    )


def run_check(
    check: type[Check],
    options: Mapping[str, Any] | None = None,
    *,
    data: Dataset | None = None,
    model: Model | None = None,
    folder: Path | None = None,
    seed: int = 0,
    confidence: float = 0.95,
) -> CheckRecord:
    """Run a check as an audit runs it: requirements looked at, output captured, the result validated, ids composed.

    Parameters
    ----------
    check : Check class
    options : mapping, optional
        What ``checks: {NAME: …}`` of audit.yaml would say.
    data, model : optional
        As for `raikit.testing.context`.
    folder : Path, optional
        The run is made in a new folder below it; artifacts are under the ``artifacts`` there. Absent: a temporary folder,
        removed when the check has run.
    seed : int
        The run's; the check's own follows from it and from its name.
    confidence : float

    Returns
    -------
    CheckRecord
        What ``audit.json`` would hold. What the check raises is in it, with the traceback; nothing is raised for it.

    Raises
    ------
    ConfigError
        For an unknown option or a value that it cannot have.
    PluginError
        If the class breaks the contract before it could run: no name, no pillar …

    Examples
    --------
    >>> from raikit import Check, CheckResult, Metric
    >>> class Rows(Check):
    ...     name, pillar, produces = "mine.rows", "mine", ["mine.rows"]
    ...     def run(self, ctx):
    ...         return CheckResult(metrics=[Metric.exact("rows", ctx.predictions.size())])
    >>> run_check(Rows).metrics[0].id
    'mine.rows'
    """
    validated = options_of(check, options)
    with _folder(folder) as place:
        ctx = context(check, data=data, model=model, folder=place / "context", seed=seed, confidence=confidence)
        return execute([(check, validated)], ctx, place / "run", seed)[0]


def execute(
    checks: Sequence[tuple[type[Check], CheckOptions | None]],
    ctx: CheckContext,
    folder: Path,
    seed: int,
    capabilities: frozenset[str] | None = None,
) -> list[CheckRecord]:
    """Run checks one after the other in a run of their own in `folder`; the one place here that knows the runner."""
    from raikit.audit.runner import Runner
    from raikit.audit.selection import PlannedCheck
    from raikit.plugins.registry import CheckEntry
    from raikit.run.directory import RunDirectory

    if capabilities is None:
        capabilities = ctx.model.capabilities if ctx.model is not None else capabilities_of_table(ctx)
    run = RunDirectory(folder)
    run.open()
    try:
        planned = [PlannedCheck(CheckEntry(check, "local"), options) for check, options in checks]
        return Runner(run, ctx, capabilities, seed, _no_progress).run_all(planned)
    finally:
        run.close()


def capabilities_of_table(ctx: CheckContext) -> frozenset[str]:
    """What predictions alone can do: labels, and scores if there are any."""
    scored = any(column == "score" or column.startswith("score.") for column in ctx.predictions.columns)
    return _FROM_A_TABLE if scored else frozenset({"labels"})


def options_of(check: type[Check], options: Mapping[str, Any] | None) -> CheckOptions:
    """A check's options, validated, after the class itself.

    Raises
    ------
    ConfigError
        Names the option, and the nearest that there is.
    PluginError
        If the class breaks the contract.
    """
    from raikit.config.load import explain
    from raikit.plugins.contract import contract_problem

    if problem := contract_problem(check):
        raise PluginError(f"{problem}.")
    try:
        return check.Options.model_validate(dict(options or {}))
    except ValidationError as error:
        raise explain(error, check.Options, cast("Document", _Options(check.name))) from None


class _Options:
    """Says where a wrong option stands, as a configuration file would by its line."""

    def __init__(self, check: str) -> None:
        self.check = check

    def place(self, key: Sequence[str | int]) -> str:
        return f"{self.check}, options"

    def where(self, key: Sequence[str | int]) -> str:
        return f"{self.check}, options{''.join(f'.{part}' for part in key)}"


# --- what a check asks for --------------------------------------------------------------------------------------


def needs_model(check: type[Check]) -> bool:
    """Whether predictions alone would not do."""
    return bool(set(check.requires.capabilities) - _FROM_A_TABLE)


def suitable(check: type[Check], task: Task | None = None, **changes: Any) -> Dataset:
    """Data that meet ``check.requires``, as far as data can."""
    from raikit.testing.data import Made

    made = Made(**(wanted(check, task) | changes))
    return made.dataset(made.table())


def wanted(check: type[Check], task: Task | None = None) -> dict[str, Any]:
    """What to make of data so that a check's requirements are met."""
    needs = check.requires
    if task is None:
        task = next((one for one in _AUDITED if not needs.tasks or one in needs.tasks), "binary")
    return {
        "task": task,
        "modalities": tuple(sorted(needs.modalities)) or ("tabular",),
        "rows": max(200, 4 * needs.min_rows),  # a third of them are audited
        "clusters": "cluster" in needs.columns,
        "weights": "weight" in needs.columns,
    }


def own_columns(check: type[Check]) -> list[str]:
    """Columns that a check requires and that are no roles: the user's own."""
    return sorted(set(check.requires.columns) - set(ROLES))


def suitable_model(check: type[Check], data: Dataset) -> Model | None:
    """A tiny model if the check requires more than predictions."""
    from raikit.testing.models import model

    return model(data) if needs_model(check) else None


@contextmanager
def _folder(folder: Path | None) -> Iterator[Path]:
    if folder is None:
        with tempfile.TemporaryDirectory(prefix="raikit-", ignore_cleanup_errors=True) as made:
            yield Path(made)
    else:
        Path(folder).mkdir(parents=True, exist_ok=True)
        yield Path(tempfile.mkdtemp(prefix="run-", dir=folder))


@contextmanager
def _no_progress(name: str) -> Iterator[Any]:
    yield lambda done, total: None
