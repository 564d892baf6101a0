"""What the commands do. Results go to stdout, progress to stderr."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from raikit.audit import conductor as stages
from raikit.cli.show import show_gate, show_outcome
from raikit.console import Console
from raikit.errors import ConfigError, RunError, listed
from raikit.files import write_text
from raikit.models.opening import set_threads
from raikit.run.directory import default_folder


def audit(request: stages.Request) -> int:
    """``raikit audit``."""
    console = Console()
    outcome = stages.audit(request, console)
    show_outcome(outcome, console)
    return outcome.exit_code


def dry_run(request: stages.Request) -> int:
    """``raikit audit --dry-run``: everything is looked at, nothing is written."""
    console = Console()
    planned = stages.prepare(request)
    data = stages.open_data(planned)
    console.result(
        f"data    {data.path.name}: " + ", ".join(f"{count:,} {name}" for name, count in data.splits.items())
    )
    console.result(
        f"task    {data.task}{' (guessed)' if data.task_guessed else ''}, classes {listed(data.classes) or 'none'}"
    )
    model = planned.config.audit.model
    kind = f"train {model.train.kind}" if model.train else f"load {model.load.kind if model.load else '?'}"
    console.result(f"model   {kind}")
    for item in planned.checks:
        console.result(
            f"check   {item.name}: {'would run' if item.status is None else f'{item.status} ({item.reason})'}"
        )
    for rule in planned.config.audit.gate.rules:
        console.result(
            f"rule    {rule.metric} {'max' if rule.max is not None else 'min'} "
            f"{rule.max if rule.max is not None else rule.min:,.15g}"
        )
    for plugin in planned.registry.plugins:
        if plugin.status not in ("ok", "local"):
            console.result(f"plugin  {plugin.name} of {plugin.distribution}: {plugin.status} ({plugin.reason})")
    return 0


def train(request: stages.Request) -> int:
    """``raikit train``: the folder it writes is what ``model.load: {kind: fusion, path: …}`` reads."""
    console = Console()
    planned = stages.prepare(request)
    if planned.config.audit.model.train is None:
        raise planned.config.error(("model",), "it says `load`; there is nothing to train.")
    target = request.out or Path("models") / default_folder(planned.config.audit.name).name
    if target.exists() and any(target.iterdir()):
        raise RunError(f"{target} is not empty; choose another --out.")
    set_threads(planned.config.audit.threads)
    data = stages.open_data(planned)
    workdir = target.with_name(f".{target.name}.training")
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists():
        target.rmdir()
    with _interrupted(f"the same command goes on with --out {target}"):
        stages.train(planned, data, workdir, target, console)
    import shutil

    shutil.rmtree(workdir)
    console.result(f"Model: {target}")
    return 0


@contextmanager
def _interrupted(way_on: str) -> Iterator[None]:
    """Let whoever interrupts know how to go on."""
    try:
        yield
    except KeyboardInterrupt:
        raise KeyboardInterrupt(way_on) from None


def init(data: Path, out: Path) -> int:
    """``raikit init``."""
    from raikit.scaffold.config import write_config

    if out.exists():
        raise ConfigError(f"{out} exists; give another --out.")
    for line in write_config(data, out).splitlines():
        Console().say(line)
    Console().result(f"Wrote {out}. Read it through, then: raikit audit {out}")
    return 0


def gate(folder: Path, policy: Path | None, baseline: Path | None = None, no_baseline: bool = False) -> int:
    """``raikit gate``: gate.json beside an untouched audit.json."""
    from raikit.gate.verdict import judge
    from raikit.run import manifest
    from raikit.run.reader import load_run

    _intact(folder)
    run = load_run(folder)
    record = run.record
    config = _policy_of(record, policy)
    config, regressions = _regressions(run, config, baseline, no_baseline)
    audited = record.data.splits.get(record.data.audited_split, 0)
    verdict = judge(config, record.checks, record.plugins, audited, regressions=regressions)
    judged = record.model_copy(update={"gate": verdict, "verdict": verdict.verdict})
    written = write_text(folder / "gate.json", verdict.model_dump_json(indent=1) + "\n")
    manifest.update(folder, [written])
    show_gate(judged, Console())
    return verdict.exit_code


def _regressions(run: Any, policy: Any, baseline: Path | None, no_baseline: bool) -> tuple[Any, list[Any]]:
    """A stored run against a baseline: its checks compare, with the options that they had."""
    from raikit.gate import regressions
    from raikit.gate.baseline import policy_and_baseline, refuse_another_task
    from raikit.isolation.parent import Children

    policy, before = policy_and_baseline(
        policy, baseline, no_baseline, lambda problem: ConfigError(f"gate.regressions: {problem}")
    )
    if not policy.regressions:
        return policy, []
    if before is not None:
        refuse_another_task(run.record.data, before.record.data)
    with Children({}) as children:
        return policy, regressions.judge(policy, run, before, _checks_of(run.record, children))


def _checks_of(record: Any, children: Any) -> dict[str, Any]:
    """The installed checks that made a record, with their options; one that is gone compares by intervals."""
    from pydantic import ValidationError

    from raikit.plugins.discovery import discover

    installed, found = discover().checks, {}
    for check in record.checks:
        if check.name in installed:
            kind = installed[check.name].check
            try:
                made = kind(kind.Options.model_validate(check.options))
                found[check.name] = children.comparer(made, installed[check.name].plugin)
            except ValidationError:
                continue  # options of another version
    return found


def compare(before: Path, after: Path, patterns: list[str], out: Path | None) -> int:
    """``raikit compare``: every metric that can get worse, the surest changes first."""
    from raikit.audit.conductor import write_reports
    from raikit.cli.show import show_changes
    from raikit.config.schema import GateConfig
    from raikit.gate import regressions
    from raikit.gate import verdict as gate
    from raikit.gate.baseline import open_baseline, refuse_another_task
    from raikit.isolation.parent import Children
    from raikit.plugins.discovery import discover
    from raikit.run.summary import compose

    old, new = open_baseline(before), open_baseline(after)
    refuse_another_task(new.record.data, old.record.data)
    asked = [{"metric": pattern, "margin": 0.0, "severity": "warn"} for pattern in patterns or ["*"]]
    policy = GateConfig.model_validate({"regressions": asked})
    with Children({}) as children:
        rows = regressions.judge(policy, new, old, _checks_of(new.record, children))
    if not any(row.value is not None for row in rows):
        raise ConfigError(f"no metric that both runs have matches {', '.join(patterns) or '*'}.")
    show_changes(new.record, old.record, rows, Console())
    if out is not None:
        judged = gate.judge(policy, new.record.checks, new.record.plugins, regressions=rows)
        record = new.record.model_copy(update={"gate": judged, "verdict": judged.verdict})
        record.summary = compose(record)
        out.mkdir(parents=True, exist_ok=True)
        for path in write_reports(discover(), ["html", "md"], record, out)[0]:
            Console().result(f"Wrote {path}")
    return 0


def save_baseline(run: Path, file: Path, suppress: int) -> int:
    """``raikit baseline save``."""
    from raikit.gate.baseline import save

    Console().result(f"Wrote {save(run, file, suppress=suppress)}. Commit it, and compare with: --baseline {file}")
    return 0


def accept_baseline(run: Path, file: Path, reason: str) -> int:
    """``raikit baseline accept``."""
    from raikit.gate.baseline import accept

    Console().result(f"Wrote {accept(run, file, reason)}. Review it as a diff and commit it.")
    return 0


def _policy_of(record: Any, policy: Path | None) -> Any:
    from raikit.audit.refusals import refuse_unmeasured
    from raikit.config.load import read_policy
    from raikit.config.schema import GateConfig

    if policy is None:
        return GateConfig.model_validate(json.loads(record.provenance.config).get("gate", {}))
    config, document, at = read_policy(policy)
    refuse_unmeasured(config, record, lambda key, problem: ConfigError(f"{document.where((*at, *key))}: {problem}"))
    return config


def _intact(folder: Path) -> None:
    from raikit.run import manifest

    if problems := manifest.verify(folder):
        raise RunError(f"{folder} is not as it was written: {listed(problems)}.")


def report(folder: Path, formats: list[str] | None) -> int:
    """``raikit report``: from the record alone; audit.json is never touched."""
    from raikit.isolation.parent import Children
    from raikit.plugins.discovery import discover
    from raikit.run import manifest
    from raikit.run.reader import load_run

    console = Console()
    record = load_run(folder).record
    changed = [problem for problem in manifest.verify(folder) if problem.startswith(("audit.json", "manifest.json"))]
    if changed:
        raise RunError(f"{folder} is not as it was written: {listed(changed)}.")
    registry = discover()
    names = (
        formats if formats is not None else json.loads(record.provenance.config).get("formats", ["html", "json", "md"])
    )
    stages.refuse_unknown_formats(registry, names, formats is not None)
    with Children({}) as children:
        written, complaints = stages.write_reports(registry, names, record, folder, children)
    manifest.update(folder, [path for path in written if path.name != "audit.json"])
    for path in written:
        console.result(str(path))
    for complaint in complaints.values():
        console.say(complaint)
    return 3 if complaints else 0


def verify(folder: Path) -> int:
    """``raikit verify``: 0 if every file is as it was written, else 1."""
    from raikit.run import manifest

    problems = manifest.verify(folder)
    for problem in problems:
        Console().result(f"{folder}: {problem}")
    if not problems:
        Console().result(f"{folder}: all {len(manifest.read(folder)['files'])} files are as they were written")
    return 1 if problems else 0


def schema() -> int:
    """``raikit schema``: audit.yaml with the options of every installed check."""
    from raikit.cli.schema import audit_schema

    Console().result(json.dumps(audit_schema(), indent=1, ensure_ascii=False))
    return 0


def demo(out: Path, seed: int, resume: bool) -> int:
    """``raikit demo``: build the data, then the same audit as anyone's."""
    from raikit import demo as builder

    console = Console()
    config = out / "audit.yaml"
    if not (resume and config.is_file()):
        if out.exists() and any(out.iterdir()) and not resume:
            raise RunError(f"{out} is not empty; choose another --out, or go on with it by --resume.")
        console.say("Building pictures, phrases and voices from what is installed")
        with console.progress("demo data") as step:
            config = builder.build(out, seed, progress=step)
    with _interrupted(f"go on with raikit demo --resume --out {out}"):
        outcome = stages.audit(stages.Request(config, out / "run", resume=resume, seed=seed), console)
    show_outcome(outcome, console)
    console.result(f"Again, or changed by you: raikit audit {config}")
    return outcome.exit_code


def history(paths: tuple[Path, ...], ratchet: bool) -> int:
    """``raikit history``."""
    from raikit.gate import history as over_time

    runs, console = over_time.open_runs(paths), Console()
    if ratchet:
        console.result(over_time.as_yaml(over_time.ratchet(runs), runs[-1]).rstrip())
        return 0
    drawn = over_time.history(runs)
    for series in drawn:
        for line in over_time.draw(series):
            console.result(line)
        console.result()
    if not drawn:
        console.result("No run has a rule on something that was measured.")
    return 0
