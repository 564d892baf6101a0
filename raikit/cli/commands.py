"""What the commands do: call a room, and show what it returns. Results go to stdout, progress to stderr."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from raikit.audit import conductor
from raikit.audit.judging import compare_runs, comparison_record, judge_run
from raikit.audit.opening import open_data, train_model
from raikit.audit.plan import Plan, Request, planned
from raikit.audit.reports import rewrite_reports, write_reports, write_runs
from raikit.cli.show import show_changes, show_gate, show_outcome, show_plan
from raikit.cli.terminal import console_of_command
from raikit.console import Console
from raikit.errors import ConfigError, RunError, SystemFault, listed, system_fault
from raikit.files import canonical, make_folder, write_text
from raikit.format import counted, points
from raikit.gate import baseline as baselines
from raikit.gate import history as over_time
from raikit.isolation.parent import Children
from raikit.models.opening import set_threads
from raikit.naming import using
from raikit.plugins.discovery import discover
from raikit.run import manifest
from raikit.run.directory import default_folder

if TYPE_CHECKING:
    from raikit.gate.baseline_file import SavedBaseline


def audit(request: Request) -> int:
    """Run ``raikit audit``."""
    console = console_of_command()
    outcome = conductor.audit(request, console)
    _show_outcome(outcome, console)
    return outcome.exit_code


def _show_outcome(outcome: conductor.Outcome, console: Console) -> None:
    with using(outcome.record.data.labels):
        show_outcome(outcome, console)


def dry_run(request: Request) -> int:
    """Run ``raikit audit --dry-run``: plan and open the data, and write nothing."""
    with planned(request) as plan:
        data = open_data(plan)
        with using(data.labels):
            show_plan(plan, data, console_of_command())
    return 0


def train(request: Request) -> int:
    """Run ``raikit train``; ``model.load: {kind: fusion, path: …}`` reads the folder that it writes."""
    with planned(request) as plan:
        return _train(plan, console_of_command())


def _train(plan: Plan, console: Console) -> int:
    request = plan.request
    if plan.settings.model.train is None:
        raise plan.config.error(("model",), "it says `load`; there is nothing to train.")
    target = request.out or Path("models") / default_folder(plan.settings.name).name
    workdir = target.with_name(f".{target.name}.training")
    if _is_taken(target) and not _request_of(workdir).is_file():
        raise RunError(f"{target} is not empty; choose another --out.")
    set_threads(plan.settings.threads)
    data = open_data(plan)
    wanted = canonical({"config": plan.settings.model_dump(mode="json"), "data": [data.fingerprint, data.media_fingerprint]})
    with _resumable(f"resume with the same command and --out {target}"):
        _train_into(target, workdir, wanted, lambda: train_model(plan, data, workdir, target, console))
    console.result(f"Model: {target}")
    return 0


def _train_into(target: Path, workdir: Path, wanted: str, train_it: Callable[[], None]) -> None:
    """Train a model into `target`, unless a process that was killed as it tidied up has trained just this one."""
    request = _request_of(workdir)
    if _is_taken(target):
        if not request.is_file() or request.read_text("utf-8") != wanted:
            raise RunError(f"{target} is not empty; choose another --out.")
    else:
        write_text(request, wanted)
        if target.exists():
            target.rmdir()
        train_it()
    if workdir.exists():
        shutil.rmtree(workdir)
    request.unlink()  # What says that the model is the one that was asked for goes last, and in one step.


def _is_taken(target: Path) -> bool:
    return target.exists() and any(target.iterdir())


def _request_of(workdir: Path) -> Path:
    """Return the file that says what is trained in a folder; it lies beside it, so that it can go after it."""
    return workdir.with_name(f"{workdir.name}.json")


@contextmanager
def _resumable(advice: str) -> Iterator[None]:
    """Add to an interruption or a fault of the machine how to resume, unless that is said already."""
    try:
        yield
    except (OSError, RuntimeError, MemoryError, SystemFault) as error:
        fault = system_fault(error)
        if fault is None or "--resume" in str(fault):
            raise
        raise SystemFault(f"{fault} Then {advice}.") from None
    except KeyboardInterrupt:
        raise KeyboardInterrupt(advice) from None


def init(data: Path | str, out: Path, target: str | None = None, model: Path | None = None) -> int:
    """Run ``raikit init``."""
    from raikit.scaffold.config import write_config

    if out.exists():
        raise ConfigError(f"{out} exists; give another --out.")
    summary = write_config(data, out, target, model).splitlines()
    for line in summary:
        console_of_command().say(line)
    questions = sum(line.startswith("Question: ") for line in summary)
    step = f"Answer its {questions} {'question' if questions == 1 else 'questions'}" if questions else "Read it through"
    console_of_command().result(f"Wrote {out}. {step}, then: raikit audit {out}")
    return 0


def gate(folder: Path, policy: Path | None, baseline: Path | None, no_baseline: bool, measure_again: bool) -> int:
    """Run ``raikit gate``."""
    console = console_of_command()
    record, left = judge_run(folder, policy, baseline, no_baseline, measure_again)
    if left:
        console.say(f"Not measured again, because predictions alone do not show them: {listed(left)}")
    with using(record.data.labels):
        show_gate(record, folder, console)
    return record.gate.exit_code


def compare(before: Path, after: Path, patterns: Sequence[str], out: Path | None, report: Path | None = None) -> int:
    """Run ``raikit compare``."""
    console = console_of_command()
    comparison = compare_runs(before, after, patterns)
    show_changes(comparison, console)
    if out is not None:
        record = comparison_record(comparison)
        make_folder(out)
        with Children() as children:
            written = write_reports(discover(processes=children), ["html", "md"], record, out, children)[0]
        for path in written:
            console.result(f"Wrote {path}")
    if report is not None:
        write_runs(comparison, report)
        console.result(f"Wrote {report}")
    return 0


def save_baseline(run: Path, file: Path, suppress: int, everything: bool) -> int:
    """Run ``raikit baseline save``."""
    saved = baselines.save(run, file, suppress=suppress, everything=everything)
    _show_baseline(saved, f"Commit it, and compare with: --baseline {file}")
    return 0


def accept_baseline(run: Path, file: Path, reason: str) -> int:
    """Run ``raikit baseline accept``."""
    _show_baseline(baselines.accept(run, file, reason), "Review it as a diff and commit it.")
    return 0


def _show_baseline(saved: SavedBaseline, advice: str) -> None:
    """Say what a baseline file holds, what is left out, and which losses it can show."""
    console = console_of_command()
    size = max(1, round(saved.path.stat().st_size / 1000))
    console.result(f"Wrote {saved.path} ({size:,} KB; {counted(saved.metrics, 'metric')}). {advice}")
    if saved.left_out:
        console.result(f"{saved.left_out} of {counted(saved.groups, 'group')} are left out of some metrics, because fewer than "
                       f"{saved.smallest} cases would be told about. Their regressions cannot be found with this file; "
                       "--suppress 0 keeps all groups.")
    if saved.detectable:
        address, loss = saved.detectable[0]
        console.result(f"On other cases of the same number, this file shows losses of about {points(loss)} or more in {address} "
                       "(found in 80% of builds or more by this regression alone), and only larger ones elsewhere. If the "
                       "cases are the same, the run directory shows smaller ones.")


def report(folder: Path, formats: Sequence[str] | None) -> int:
    """Run ``raikit report``."""
    console = console_of_command()
    written, complaints = rewrite_reports(folder, formats)
    for path in written:
        console.result(str(path))
    for complaint in complaints:
        console.say(complaint)
    return 3 if complaints else 0


def sign(folder: Path, key: Path) -> int:
    """Run ``raikit sign``."""
    from raikit.run import attestation

    passphrase = os.environ.get("RAIKIT_KEY_PASSPHRASE")
    written = attestation.sign(folder, key, passphrase.encode() if passphrase else None)
    console_of_command().result(f"Wrote {written}. Verify it with: raikit verify {folder} --signed-by PUBLIC_KEY")
    return 0


def verify(folder: Path, signed_by: Path | None = None) -> int:
    """Run ``raikit verify``; return 0 if every file is as it was written, and signed if that is asked for, else 1."""
    console = console_of_command()
    problems = manifest.verify(folder)
    if signed_by is not None:
        from raikit.run import attestation

        problems += attestation.verify_signature(folder, signed_by)
    for problem in problems:
        console.result(f"{folder}: {problem}")
    if not problems:
        signed = f", and signed by {signed_by.name}" if signed_by is not None else ""
        console.result(f"{folder}: all {len(manifest.read(folder)['files'])} files are as they were written{signed}")
    return 1 if problems else 0


def schema(*, of_record: bool = False) -> int:
    """Run ``raikit schema``."""
    from raikit.cli.schema import audit_schema, record_schema

    console_of_command().document(json.dumps(record_schema() if of_record else audit_schema(), indent=1, ensure_ascii=False))
    return 0


def demo(out: Path, seed: int, resume: bool) -> int:
    """Run ``raikit demo``: build the data, then run an audit of it as of any other."""
    from raikit import demo as builder

    console = console_of_command()
    config = out / "audit.yaml"
    if not (resume and config.is_file()):
        if out.exists() and any(out.iterdir()) and not resume:
            raise RunError(f"{out} is not empty; choose another --out, or add --resume.")
        console.say("Building pictures, phrases and voices from what is installed")
        with console.progress("demo data") as step:
            config = builder.build(out, seed, progress=step)
    with _resumable(f"resume with raikit demo --resume --out {out}"):
        outcome = conductor.audit(Request(config, out / "run", resume=resume, seed=seed), console)
    _show_outcome(outcome, console)
    if not console.quiet:
        console.result(f"To repeat it, or to change audit.yaml first: raikit audit {config}")
    return outcome.exit_code


def history(paths: Sequence[Path], ratchet: bool, report: Path | None = None) -> int:
    """Run ``raikit history``."""
    runs, console = over_time.open_runs(paths), console_of_command()
    if ratchet:
        console.document(over_time.as_yaml(over_time.ratchet(runs), runs[-1]).rstrip())
        return 0
    drawn = over_time.over_time(runs)
    for series in drawn.series:
        for line in over_time.draw(series):
            console.result(line)
        console.result()
    if not drawn.series:
        console.result("No run has a rule on something that was measured.")
    if report is not None:
        write_runs(drawn, report)
        console.result(f"Wrote {report}")
    return 0
