"""The story of an audit: plan, open the data, open the model, score, check, judge, record, report, seal."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from raikit.audit.checks import run_checks
from raikit.audit.context import make_context
from raikit.audit.judging import judge_audit
from raikit.audit.opening import describe_model, open_data, open_predictions, score_cases, start_model_process
from raikit.audit.plan import Plan, Request, planned, run_folder
from raikit.audit.provenance import Start, make_provenance, manifest_facts, resume_state
from raikit.audit.redaction import MODEL_LEFT_OUT, hide_secrets, start_redaction
from raikit.audit.reports import publish
from raikit.data.redaction import without_cells
from raikit.errors import RaikitError, SystemFault, system_fault
from raikit.format import case_noun, count
from raikit.gate.baseline import refuse_another_task
from raikit.naming import using
from raikit.process.secrets import map_texts
from raikit.run import manifest
from raikit.run.directory import RunDirectory, compare_states
from raikit.run.reader import load_run
from raikit.run.record import Record
from raikit.run.results import plain

if TYPE_CHECKING:
    from raikit.audit.redaction import Redactor
    from raikit.console import Console
    from raikit.data.dataset import Dataset
    from raikit.models.scoring import PredictionSource


@dataclass(frozen=True)
class Outcome:
    """Where the run is, its record, what the process exits with, which reports or listeners failed, and what was written."""

    folder: Path
    record: Record
    exit_code: int
    warnings: list[str] = field(default_factory=list)
    reports: list[Path] = field(default_factory=list)


def audit(request: Request, console: Console) -> Outcome:
    """Run a whole audit.

    Raises
    ------
    RaikitError
        If the configuration, the data or the model cannot be used. A new run then leaves nothing behind.
    SystemFault
        If the disk is full or there is no memory. The run can be resumed.
    """
    start = Start()
    # Without isolation a debugger may need the terminal.
    console.live = console.live and (request.isolation == "process" or request.memory is not None)
    with planned(request) as plan:
        return _audit(plan, console, start)


def _audit(plan: Plan, console: Console, start: Start) -> Outcome:
    request = plan.request
    run = RunDirectory(run_folder(request, plan.settings.name), request.resume)
    if request.resume and run.is_new:
        console.say(f"{run.folder} holds nothing to resume; this is a new run")
    start_model_process(plan)
    data = open_data(plan)
    redactor = start_redaction(plan, data, run)
    if plan.settings.model.train is not None:
        _refuse_another_task(plan, data)
    state = resume_state(plan, data)
    if run.is_finished:
        return _finished(run, state)
    run.open()
    try:
        run.check_state(state)
        if redactor is not None:
            redactor.keep_salt(run)
        with using(data.labels):
            return _run(plan, run, data, state, console, start, redactor)
    except (RaikitError, OSError, RuntimeError, MemoryError) as error:
        if fault := system_fault(error):
            raise SystemFault(f"{fault} Then continue with --resume --out {run.folder}.") from None
        if isinstance(error, RaikitError):
            run.discard()
        raise
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"resume with the same command and --resume --out {run.folder}") from None
    finally:
        run.close()


def _finished(run: RunDirectory, state: dict[str, Any]) -> Outcome:
    """Return the outcome of a finished run, which ``--resume`` does not change."""
    compare_states(manifest.read(run.folder).get("state", {}), json.loads(json.dumps(state)), run.folder)
    run.finish()
    record = load_run(run.folder).record
    return Outcome(run.folder, record, record.gate.exit_code)


def _run(
    plan: Plan, run: RunDirectory, data: Dataset, state: dict[str, Any], console: Console, start: Start,
    redactor: Redactor | None,
) -> Outcome:
    settings = plan.settings
    _announce(data, console)
    source = open_predictions(plan, data, run, plan.children, console)
    _refuse_another_task(plan, data)  # now that the classes that only the model knows are among the others
    cases_scored = score_cases(source, data, run, console)
    context = make_context(plan, source, data, run)
    described = data.describe()
    if redactor is not None:
        described.notes = [redactor.mask(note) for note in described.notes]
    lost = [MODEL_LEFT_OUT] if redactor is not None and settings.model.train is not None else []
    for note in [*(without_cells(note, data) for note in source.notes(context.predictions.columns)), *lost]:
        console.say(f"Note: {note}")
        described.notes.append(note)
    checks = run_checks(plan, context, source, plan.children, run, console, redactor)
    run.refuse_changes()
    if plan.request.memory is not None:
        plan.request.memory.refuse_reversed_limits(checks, settings.gate.rules)
    gate = judge_audit(plan, run.folder, described, checks)
    plan.inputs.refuse_changes()
    record = Record(
        name=settings.name,
        verdict=gate.verdict,
        checks=checks,
        gate=gate,
        data=described,
        model=_describe(plan, source, run, redactor),
        plugins=plan.registry.plugins,
        owner=settings.owner,
        intended_use=settings.intended_use,
        confidence=settings.confidence,
        provenance=make_provenance(plan, cases_scored, start),
    )
    hide_secrets(record)
    written, complaints = publish(plan, record, run, console)
    if redactor is not None:
        redactor.remove_model(run)
    run.seal(manifest_facts(record, data, state))
    return Outcome(run.folder, record, record.gate.exit_code, complaints, written)


def _describe(plan: Plan, source: PredictionSource, run: RunDirectory, redactor: Redactor | None) -> dict[str, Any]:
    described = describe_model(source, run, plan.settings.model.train is not None)
    if redactor is None:
        return described
    masked: dict[str, Any] = map_texts(plain(described), redactor.mask)
    return masked


def _refuse_another_task(plan: Plan, data: Dataset) -> None:
    if plan.baseline is not None:
        refuse_another_task(data.describe(), plan.baseline.record.data)


def _announce(data: Dataset, console: Console) -> None:
    splits = ", ".join(f"{count(size)} {name}" for name, size in data.splits.items())
    source = "decisions" if data.config.target is None else "target"
    guessed = f" (guessed from the {source}; set data.task to be sure)" if data.task_guessed else ""
    console.say(f"Data: {data.path.name}, {splits} {case_noun()}; task {data.task}{guessed}")
    for note in data.notes:
        console.say(f"Note: {note}")
