"""The one way through: config → data → model → scoring → checks → gate → reports."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from raikit.audit.refusals import refuse_absent_groups, refuse_unreachable_rules
from raikit.audit.selection import Planned, plan
from raikit.config.load import LoadedConfig, load
from raikit.console import Console
from raikit.errors import ConfigError, RaikitError, RunError, listed, nearest, place_of, raised
from raikit.files import canonical, sha256_text, write_text
from raikit.gate import verdict as gate
from raikit.models.opening import MODEL_FOLDER, open_dataset, open_model, set_threads
from raikit.plugins.discovery import discover
from raikit.plugins.registry import Registry
from raikit.run import summary
from raikit.run.directory import (
    PREDICTIONS,
    RECORD,
    RunDirectory,
    compare_states,
    default_folder,
    newest_folder,
)
from raikit.run.owners import FIRST_PARTY
from raikit.run.reader import Run, RunView, load_run
from raikit.run.record import CheckRecord, Measurements, Provenance, Record, Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from raikit.check import CheckContext
    from raikit.data.dataset import Dataset
    from raikit.isolation.parent import Children
    from raikit.models.base import Model

HISTORY = "history.json"


@dataclass(frozen=True)
class Request:
    """What ``raikit audit`` was asked for."""

    config: Path
    out: Path | None = None
    select: Sequence[str] = ()
    exclude: Sequence[str] = ()
    everything: bool = False
    sets: Sequence[str] = ()
    formats: Sequence[str] | None = None
    resume: bool = False
    seed: int | None = None
    baseline: Path | None = None
    no_baseline: bool = False
    disable: Sequence[str] = ()
    isolation: str = "process"


@dataclass(frozen=True)
class Plan:
    """A request that holds together: everything but the data has been looked at."""

    request: Request
    config: LoadedConfig
    registry: Registry
    checks: list[Planned]
    formats: list[str]
    baseline: Run | None = None

    @property
    def seed(self) -> int:
        return self.config.audit.seed


@dataclass(frozen=True)
class Outcome:
    """Where the run is, its record, and what the process should exit with."""

    folder: Path
    record: Record
    exit_code: int
    warnings: list[str] = field(default_factory=list)


def prepare(request: Request) -> Plan:
    """Read the configuration, find plugins, and decide what runs.

    Raises
    ------
    ConfigError
        Whatever can be known to be wrong before data is read.
    """
    sets = [*request.sets, *([f"seed={request.seed}"] if request.seed is not None else [])]
    config = _without(request.disable, load(request.config, sets))
    registry = discover(config.audit.plugins, config.folder)
    checks = plan(config, registry, select=request.select, exclude=request.exclude, everything=request.everything)
    config, baseline = _with_baseline(request, config)
    refuse_unreachable_rules(config, checks, registry)
    load_kind = config.audit.model.load.kind if config.audit.model.load else None
    if load_kind is not None and load_kind not in registry.loaders:
        hint = nearest(load_kind, registry.loaders)
        raise config.error(
            ("model", "load", "kind"), f"no loader is called {load_kind!r}.{hint} Known: {listed(registry.loaders)}."
        )
    formats = list(request.formats if request.formats is not None else config.audit.formats)
    refuse_unknown_formats(registry, formats, request.formats is not None)
    return Plan(request, config, registry, checks, formats, baseline)


def _without(names: Sequence[str], config: LoadedConfig) -> LoadedConfig:
    """The configuration with ``--disable`` added to ``plugins.disable``."""
    plugins = config.audit.plugins
    plugins = plugins.model_copy(update={"disable": [*plugins.disable, *names]})
    return LoadedConfig(config.audit.model_copy(update={"plugins": plugins}), config.document)


def _with_baseline(request: Request, config: LoadedConfig) -> tuple[LoadedConfig, Run | None]:
    """The baseline, verified, and the policy that is held against it."""
    from raikit.gate.baseline import policy_and_baseline

    policy, baseline = policy_and_baseline(
        config.audit.gate,
        request.baseline,
        request.no_baseline,
        lambda problem: config.error(("gate", "regressions"), problem),
    )
    return LoadedConfig(config.audit.model_copy(update={"gate": policy}), config.document), baseline


def refuse_unknown_formats(registry: Registry, formats: Sequence[str], by_option: bool) -> None:
    """Stop if a format is nobody's, or if ``--formats`` names none.

    Raises
    ------
    ConfigError
        With the nearest name.
    """
    where = "--formats" if by_option else "formats"
    if by_option and not formats:
        raise ConfigError(f"--formats: name at least one of {listed(registry.formats)}.")
    for name in formats:
        if name not in registry.formats:
            raise ConfigError(
                f"{where}: no report format is called {name!r}.{nearest(name, registry.formats)} "
                f"Known: {listed(registry.formats)}."
            )


def open_data(plan: Plan) -> Dataset:
    """Open the table with the roles that the configuration gives its columns."""
    if plan.config.audit.model.is_table:
        _refuse_bad_table(plan.config)
    data = open_dataset(plan.config.audit, plan.config.folder, plan.config.error)
    refuse_absent_groups(plan.config, plan.checks, data)
    return data


def _refuse_bad_table(config: LoadedConfig) -> None:
    from pydantic import ValidationError

    from raikit.config.load import explain
    from raikit.models.table import PredictionsSpec

    assert config.audit.model.load is not None
    try:
        PredictionsSpec.model_validate(config.audit.model.load.model_dump())
    except ValidationError as error:
        raise explain(error, PredictionsSpec, config.document, ("model", "load")) from None


def audit(request: Request, console: Console) -> Outcome:
    """Do the whole audit.

    Raises
    ------
    RaikitError
        The configuration, data or model is unusable, or the run directory cannot be written; nothing half-written is
        left behind.
    """
    begun = time.time()
    console.live = console.live and request.isolation == "process"  # else a debugger may need the terminal
    planned = prepare(request)
    run = RunDirectory(_place(request, planned.config.audit.name), request.resume)
    if request.resume and run.is_new:
        console.say(f"{run.folder} holds nothing to go on with; this is a new run")
    data = open_data(planned)
    from raikit.audit.provenance import fingerprints
    from raikit.gate.baseline import identity, refuse_another_task

    if planned.baseline is not None:
        refuse_another_task(data.describe(), planned.baseline.record.data)
    state = fingerprints(planned.config, planned.registry, data, planned.checks, planned.formats)
    if request.baseline is not None:
        state["baseline"] = {"sha256": identity(request.baseline)}
    if run.is_finished:
        return _finished(run, state)
    run.open()
    try:
        run.check_state(state)
        return _run(planned, run, data, state, console, begun)
    except RaikitError:
        run.discard()
        raise
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"the same command goes on with --resume --out {run.folder}") from None
    finally:
        run.close()


def _place(request: Request, name: str) -> Path:
    if request.out is None and request.resume:
        newest = newest_folder(name)
        hint = f"the newest of {name} is {newest}" if newest else f"runs holds none of {name}"
        raise ConfigError(f"--resume: say by --out which run it goes on with; {hint}.")
    return request.out or default_folder(name)


def _finished(run: RunDirectory, state: dict[str, Any]) -> Outcome:
    """``--resume`` on a finished run changes nothing."""
    from raikit.run import manifest

    compare_states(manifest.read(run.folder).get("state", {}), json.loads(json.dumps(state)), run.folder)
    record = load_run(run.folder).record
    return Outcome(run.folder, record, record.gate.exit_code)


def _run(
    planned: Plan, run: RunDirectory, data: Dataset, state: dict[str, Any], console: Console, begun: float
) -> Outcome:
    config = planned.config.audit
    _announce(data, console)
    model = obtain_model(planned, data, run, console)
    rows = _score(planned, model, data, run, console)
    given = context(planned, model, data, run)
    with _children(planned, given, run) as started:
        children = started if planned.request.isolation == "process" else None
        checks = _examine(planned, given, model.capabilities, children, run, console)
        regressions = _regressions(planned, run, data, checks, children)
        verdict = gate.judge(
            config.gate, checks, planned.registry.plugins, data.size(data.audited_split), regressions=regressions
        )
        record = Record(
            name=config.name,
            verdict=verdict.verdict,
            checks=checks,
            gate=verdict,
            data=data.describe(),
            model=_describe(model, run),
            plugins=planned.registry.plugins,
            owner=config.owner,
            intended_use=config.intended_use,
            confidence=config.confidence,
            provenance=_provenance(planned, rows, begun),
        )
        complaints = _report(planned, record, run, children, console)
    run.seal(
        {
            "raikit": record.schema_version,
            "run": record.provenance.run_id,
            "versions": state["versions"],
            "seed": planned.seed,
            "config": sha256_text(record.provenance.config),
            "data": data.fingerprint,
            "media": data.media_fingerprint,
            "state": state,
        }
    )
    return Outcome(run.folder, record, record.gate.exit_code, complaints)


def _report(
    planned: Plan, record: Record, run: RunDirectory, children: Children | None, console: Console
) -> list[str]:
    """Write the record and every format, and tell the listeners; what went wrong."""
    record.summary = summary.compose(record)
    write_text(run.folder / RECORD, record.model_dump_json(indent=1))
    console.say("Reports: " + ", ".join(planned.formats))
    _, crashed = write_reports(planned.registry, planned.formats, record, run.folder, children)
    if crashed:  # known only when all were tried: the record and the others say so too
        record.gate = gate.with_crashed_formats(record.gate, crashed)
        record.verdict = record.gate.verdict
        record.summary = summary.compose(record)
        write_text(run.folder / RECORD, record.model_dump_json(indent=1))
        left = [name for name in planned.formats if name not in crashed]
        write_reports(planned.registry, left, record, run.folder, children)
    complaints = [*crashed.values(), *planned.registry.notify("raikit_run_finished", children, record=record, run=run.folder)]
    for complaint in complaints:
        console.say(f"  {complaint}")
    return complaints


def _regressions(
    planned: Plan, run: RunDirectory, data: Dataset, checks: list[CheckRecord], children: Children | None
) -> list[Rule]:
    """What got worse since the baseline."""
    from raikit.gate import regressions

    policy = planned.config.audit.gate
    if not policy.regressions:
        return []
    measured = Measurements(name=planned.config.audit.name, checks=checks, data=data.describe())
    candidate = RunView(run.folder, measured)
    able: dict[str, Any] = {item.name: item.entry.check(item.options) for item in planned.checks if item.status is None}
    if children is not None:
        owner = {item.name: item.entry.plugin for item in planned.checks}
        able = {name: children.comparer(check, owner[name]) for name, check in able.items()}
    return regressions.judge(policy, candidate, planned.baseline, able)


def _announce(data: Dataset, console: Console) -> None:
    splits = ", ".join(f"{count:,} {name}" for name, count in data.splits.items())
    guessed = " (guessed from the target; say data.task to be sure)" if data.task_guessed else ""
    console.say(f"Data: {data.path.name}, {splits} rows; task {data.task}{guessed}")


# --- model ------------------------------------------------------------------------------------------------------


def obtain_model(planned: Plan, data: Dataset, run: RunDirectory, console: Console) -> Model:
    """Train the model, take the one that an interrupted run has trained, or load what the configuration names."""
    config = planned.config.audit
    set_threads(config.threads)
    kept = run.folder / MODEL_FOLDER
    if config.model.train is not None and not kept.is_dir():
        train(planned, data, run.work / "training", kept, console)
    return open_model(config, data, run.folder, planned.config.folder, planned.registry.loaders)


def train(planned: Plan, data: Dataset, workdir: Path, target: Path, console: Console) -> None:
    """Train a fusion model and put it at `target` in one step when it is done; resumes from `workdir`."""
    from raikit.models.training import train_fusion

    settings = planned.config.audit.model.train
    assert settings is not None
    workdir.mkdir(parents=True, exist_ok=True)
    console.say(f"Training a fusion model on {data.size('train'):,} rows")
    with console.progress("training") as step:
        model, history = train_fusion(
            data, settings.model_dump(exclude={"kind"}), seed=planned.seed, workdir=workdir, progress=step
        )
    finished = workdir / "finished"
    model.save(finished)
    write_text(finished / HISTORY, json.dumps(history.to_dict(), indent=1))
    finished.rename(target)


def _describe(model: Model, run: RunDirectory) -> dict[str, Any]:
    history = run.folder / MODEL_FOLDER / HISTORY
    described = model.describe()
    return described | ({"history": json.loads(history.read_text(encoding="utf-8"))} if history.is_file() else {})


# --- scoring and checks -----------------------------------------------------------------------------------------


def _score(planned: Plan, model: Model, data: Dataset, run: RunDirectory, console: Console) -> int:
    from raikit.models.scoring import score
    from raikit.models.table import TableModel

    path = run.folder / PREDICTIONS
    if not path.exists():
        with console.progress("scoring") as step:
            score(model, data, path, progress=step)
    if isinstance(model, TableModel):
        return 0
    import pyarrow.parquet as pq

    return int(pq.read_metadata(path).num_rows)


def _examine(
    planned: Plan, given: CheckContext, capabilities: frozenset[str], children: Children | None, run: RunDirectory, console: Console
) -> list[CheckRecord]:
    from raikit.audit.runner import Runner

    names = [item.name for item in planned.checks if item.status is None]
    place = {name: f"[{number}/{len(names)}] {name}" for number, name in enumerate(names, 1)}
    kept = sum(run.load_check(name) is not None for name in names)
    console.say(f"Checks: {len(names)}" + (f", of which {kept} had finished before" if kept else ""))
    begun: set[str] = set()

    @contextmanager
    def announce(name: str) -> Iterator[Any]:
        begun.add(name)
        console.say(f"  {place[name]}")
        with console.progress(name) as step:
            yield step

    def finished(record: CheckRecord) -> None:
        if record.status != "ok":
            head = "      " if record.name in begun else f"  {place.get(record.name, record.name)}:"
            console.say(f"{head} {record.status}: {record.reason}{place_of(record.traceback)}")
        for complaint in planned.registry.notify(
            "raikit_check_finished", children, result=record, run=run.folder
        ):
            console.say(f"        {complaint}")

    apart = children.of if children is not None else None
    return Runner(run, given, capabilities, planned.seed, announce, finished, apart).run_all(planned.checks)


def _children(planned: Plan, given: CheckContext, run: RunDirectory) -> Children:
    """Where the checks of other distributions run."""
    from raikit.isolation.parent import Children
    from raikit.run.results import plain

    config = planned.config.audit
    facts = {name: plain(getattr(given, name)) for name in ("task", "classes", "positive", "sensitive", "cluster", "weight")}
    setting = {
        "context": {
            **facts,
            "confidence": given.confidence,
            "split": given.predictions.split,
            "has_model": given.model is not None,
        },
        "config": config.model_dump(mode="json"),
        "folder": str(planned.config.folder),
        "run": str(run.folder.resolve()),
    }
    return Children(setting, config.plugins.timeout)


def context(planned: Plan, model: Model, data: Dataset, run: RunDirectory) -> CheckContext:
    """What every check is given."""
    from raikit.check import CheckContext
    from raikit.models.table import TableModel
    from raikit.run.predictions import Predictions

    return CheckContext(
        task=data.task,
        predictions=Predictions(run.folder / PREDICTIONS, data.audited_split),
        data=data,
        model=None if isinstance(model, TableModel) else model,
        classes=tuple(data.classes),
        positive=data.positive,
        sensitive=tuple(data.sensitive),
        cluster=tuple(data.cluster),
        weight=data.weight,
        seed=planned.seed,
        workdir=run.work,
        confidence=planned.config.audit.confidence,
    )


# --- record and reports -----------------------------------------------------------------------------------------


def _provenance(planned: Plan, rows: int, begun: float) -> Provenance:
    from raikit.audit import provenance

    return Provenance(
        run_id=secrets.token_hex(8),
        started=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(begun)),
        seconds=round(time.time() - begun, 1),
        seed=planned.seed,
        config=canonical(planned.config.audit.model_dump(mode="json")),
        config_path=_below_here(planned.request.config),
        command=f"raikit audit {_below_here(planned.request.config)}",
        versions=provenance.versions(),
        platform=provenance.system(),
        threads=provenance.threads(),
        rows_scored=rows,
    )


def _below_here(path: Path) -> str:
    """The path as a repository has it, if it lies below the working folder; else its name alone."""
    full, here = path.resolve(), Path.cwd().resolve()
    return full.relative_to(here).as_posix() if full.is_relative_to(here) else path.name


def write_reports(
    registry: Registry, formats: Sequence[str], record: Record, folder: Path, children: Children | None = None
) -> tuple[list[Path], dict[str, str]]:
    """Write each format; one that fails does not stop the others.

    Returns
    -------
    list of Path, dict of str
        The files written, and by the name of each format that failed a complaint: it counts as a crash.
    """
    written: list[Path] = []
    complaints: dict[str, str] = {}
    for name in formats:
        try:
            written += registry.write(name, record, folder, children)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            if isinstance(error, RunError) and registry.owners.get(name, FIRST_PARTY) == FIRST_PARTY:
                raise
            complaints[name] = f"the report format {name!r} crashed: {raised(error)}"
    return written, complaints
