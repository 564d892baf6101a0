"""Run a check as in an audit, on data that meet its requirements."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from pydantic import ValidationError

from raikit.audit.check_runner import Runner, seed_of
from raikit.audit.requirements import capabilities_of, needs_model
from raikit.audit.selection import PlannedCheck
from raikit.check import Check, CheckContext, CheckOptions
from raikit.config.load import explain
from raikit.config.schema import GateConfig
from raikit.config.types import Task
from raikit.errors import PluginError
from raikit.gate.family import levels_of
from raikit.plugins.contract import contract_problem
from raikit.plugins.registry import CheckEntry
from raikit.run.directory import RunDirectory
from raikit.testing.data import DatasetSpec
from raikit.testing.models import model as train_model
from raikit.testing.models import predictions
from raikit.testing.tables import remove_with

if TYPE_CHECKING:
    from raikit.config.yamlfile import Document
    from raikit.data.dataset import Dataset
    from raikit.models.base import Model
    from raikit.run.record import CheckRecord

ROLES = ("target", "prediction", "sensitive", "cluster", "weight", "score")
_AUDITED: tuple[Task, ...] = ("binary", "multiclass", "regression")


def context(
    check: type[Check],
    *,
    data: Dataset | None = None,
    model: Model | None = None,
    folder: Path | None = None,
    seed: int = 0,
    confidence: float = 0.95,
    rules: Sequence[Mapping[str, Any]] = (),
) -> CheckContext:
    """Make the context of a check, to call its functions one by one.

    Parameters
    ----------
    check : Check class
        Its requirements determine the data and the model that are made if absent. Seed and workdir follow from its name, as
        in an audit.
    data : Dataset, optional
        Absent: data that meet ``check.requires``.
    model : Model, optional
        Absent: a tiny one if the check requires a capability beyond labels and scores; otherwise none, and predictions are
        drawn.
    folder : Path, optional
        Folder of the predictions and of the workdir; absent: a temporary folder, removed with ``ctx.predictions``.
    seed : int
        Seed of the run; the check's own follows from it and from its name.
    confidence : float
        Level of the intervals, between 0 and 1.
    rules : sequence of mapping
        Rules of a gate, as under ``gate: {rules: …}`` in audit.yaml, for whose levels the check measures.

    Returns
    -------
    CheckContext

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
    data = data if data is not None else suitable(check)
    model = model if model is not None else suitable_model(check, data)
    place = Path(folder) if folder is not None else Path(tempfile.mkdtemp(prefix="raikit-"))
    workdir = place / "work" / check.name
    workdir.mkdir(parents=True, exist_ok=True)
    scored = predictions(data, model, folder=place)
    if folder is None:
        remove_with(scored, place)
    return CheckContext(
        task=data.task,
        predictions=scored,
        data=data,
        model=model,
        classes=tuple(data.classes),
        positive=data.positive,
        sensitive=tuple(data.sensitive),
        reference=data.reference,
        missing_group=data.missing_group,
        favourable=data.favourable,
        labels=data.labels,
        cluster=tuple(data.cluster),
        weight=data.weight,
        seed=seed_of(seed, check.name),
        workdir=workdir,
        confidence=confidence,
        levels=levels_of(GateConfig.model_validate({"rules": list(rules)}), confidence).of(check.prefix()),
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
    rules: Sequence[Mapping[str, Any]] = (),
) -> CheckRecord:
    """Run a check as in an audit: requirements tested, output captured, the result validated, ids composed.

    Parameters
    ----------
    check : Check class
    options : mapping, optional
        As under ``checks: {NAME: …}`` in audit.yaml.
    data, model : optional
        As for `raikit.testing.context`.
    folder : Path, optional
        The run is written into a new folder below this one, with artifacts under ``artifacts``. Absent: a temporary folder,
        which is removed after the run.
    seed : int
        Seed of the run; the check's own follows from it and from its name.
    confidence : float
        Level of the intervals, between 0 and 1.
    rules : sequence of mapping
        Rules of a gate, as under ``gate: {rules: …}`` in audit.yaml, for whose levels the check measures.

    Returns
    -------
    CheckRecord
        As in ``audit.json``. An exception of the check is recorded with its traceback, not raised.

    Raises
    ------
    ConfigError
        If an option is unknown or has an invalid value.
    PluginError
        If the class breaks the contract: no name, no pillar …

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
        ctx = context(check, data=data, model=model, folder=place / "context", seed=seed, confidence=confidence, rules=rules)
        return execute([(check, validated)], ctx, place / "run", seed)[0]


def execute(
    checks: Sequence[tuple[type[Check], CheckOptions | None]],
    ctx: CheckContext,
    folder: Path,
    seed: int,
    capabilities: frozenset[str] | None = None,
) -> list[CheckRecord]:
    """Run checks one after the other in a new run in `folder`; nothing else in this room knows the runner."""
    if capabilities is None:
        capabilities = ctx.model.capabilities if ctx.model is not None else capabilities_of(ctx.predictions.columns)
    run = RunDirectory(folder)
    run.open()
    try:
        planned = [PlannedCheck(CheckEntry(check, "local"), options) for check, options in checks]
        return Runner(run, ctx, capabilities, seed).run_all(planned)
    finally:
        run.close()


def options_of(check: type[Check], options: Mapping[str, Any] | None) -> CheckOptions:
    """Validate the class of a check, then its options.

    Raises
    ------
    ConfigError
        If an option is unknown or invalid; names the option and the most similar one.
    PluginError
        If the class breaks the contract.
    """
    if problem := contract_problem(check):
        raise PluginError(f"{problem}.")
    try:
        return check.Options.model_validate(dict(options or {}))
    except ValidationError as error:
        raise explain(error, check.Options, cast("Document", _Options(check.name))) from None


class _Options:
    """The options as a document, so that an error names the option as it would name a line of audit.yaml."""

    def __init__(self, check: str) -> None:
        self.check = check

    def place(self, key: Sequence[str | int]) -> str:
        return f"{self.check}, options"

    def where(self, key: Sequence[str | int]) -> str:
        """Return the place of an option, for an error."""
        return f"{self.check}, options{''.join(f'.{part}' for part in key)}"


# --- what a check requires --------------------------------------------------------------------------------------


def suitable(check: type[Check], task: Task | None = None, **changes: Any) -> Dataset:
    """Make data that meet ``check.requires``, as far as data can."""
    spec = DatasetSpec(**(data_requirements(check, task) | changes))
    return spec.dataset(spec.table())


def data_requirements(check: type[Check], task: Task | None = None) -> dict[str, Any]:
    """Return the arguments of `DatasetSpec` with which data meet a check's requirements."""
    needs = check.requires
    if task is None:
        task = next((one for one in _AUDITED if not needs.tasks or one in needs.tasks), "binary")
    return {
        "task": task,
        "modalities": tuple(sorted(needs.modalities)) or ("tabular",),
        "rows": max(200, 4 * needs.min_rows),  # a third are audited
        "clusters": "cluster" in needs.columns,
        "weights": "weight" in needs.columns,
    }


def own_columns(check: type[Check]) -> list[str]:
    """Return the columns that a check requires and that are not roles: columns of the user's own."""
    return sorted(set(check.requires.columns) - set(ROLES))


def suitable_model(check: type[Check], data: Dataset) -> Model | None:
    """Train a tiny model if the check requires more than predictions."""
    return train_model(data) if needs_model(check) else None


@contextmanager
def _folder(folder: Path | None) -> Iterator[Path]:
    if folder is None:
        with tempfile.TemporaryDirectory(prefix="raikit-", ignore_cleanup_errors=True) as temporary:
            yield Path(temporary)
    else:
        Path(folder).mkdir(parents=True, exist_ok=True)
        yield Path(tempfile.mkdtemp(prefix="run-", dir=folder))
