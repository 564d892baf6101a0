"""Running checks: each on its own, captured, timed and kept, so that none can spoil another or vanish in silence."""

from __future__ import annotations

import hashlib
import logging
import os
import re
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from raikit.address import Pattern
from raikit.console import clean
from raikit.errors import PluginError, RaikitError, SkipCheck
from raikit.isolation.answer import Answer, encode_result, error_text, traceback_text
from raikit.process.guard import MOST_OUTPUT, Sink, captured
from raikit.run.owners import FIRST_PARTY, LOCAL
from raikit.run.predictions import Predictions
from raikit.run.record import CheckRecord
from raikit.run.results import Artifact, CheckResult, Metric

if TYPE_CHECKING:
    from raikit.audit.selection import Planned
    from raikit.check import Check, CheckContext
    from raikit.isolation.parent import Child
    from raikit.run.directory import RunDirectory


def seed_of(run_seed: int, check: str) -> int:
    """The seed of one check, from the run's seed and its name: order, selection and resume change no number."""
    return int.from_bytes(hashlib.sha256(f"{run_seed}:{check}".encode()).digest()[:4], "big")


def unmet(check: type[Check], ctx: CheckContext, capabilities: frozenset[str]) -> tuple[str, str] | None:
    """The first requirement that is not met: the reason, and what would help."""
    needs, columns = check.requires, ctx.predictions.columns
    there = {
        "target": "target" in columns,
        "prediction": "prediction" in columns,
        "sensitive": bool(ctx.sensitive),
        "cluster": bool(ctx.cluster),
        "weight": ctx.weight is not None,
        "score": any(column == "score" or column.startswith("score.") for column in columns),
    }
    modalities = {item.modality for item in ctx.data.inputs.values()} if ctx.data is not None else set()
    read = set(ctx.data.table) if ctx.data is not None else set()
    if needs.tasks and ctx.task not in needs.tasks:
        return (
            f"it measures {' and '.join(sorted(needs.tasks))} targets; this one is {ctx.task}",
            "nothing: it does not apply",
        )
    if lacking := sorted(role for role in needs.columns if not there.get(role, role in columns or role in read)):
        if lacking[0] in there:
            return f"the data has no {lacking[0]}", f"name a column as data.{lacking[0]}"
        return f"no column {lacking[0]!r} was read", f"if the table has it, data.keep: [{lacking[0]}] lets checks look at it"
    if lacking := sorted(needs.capabilities - capabilities):
        return f"the model gives no {lacking[0]}", "a model with that capability (train: {kind: fusion} has them all)"
    if lacking := sorted(needs.modalities - modalities):
        return f"the model has no {lacking[0]} input", f"an input with modality: {lacking[0]}"
    if lacking := sorted(split for split in needs.splits if not ctx.predictions.size(split)):
        return f"there are no rows in the split {lacking[0]!r}", f"rows of {lacking[0]} in data.split"
    if (rows := ctx.predictions.size()) < needs.min_rows:
        return f"it needs {needs.min_rows:,} rows; there are {rows:,}", f"{needs.min_rows - rows:,} more rows"
    return None


@dataclass
class Runner:
    """Runs planned checks in order and gives their records.

    Parameters
    ----------
    run : RunDirectory
    context : CheckContext
        What every check is given; seed, workdir and progress are each check's own.
    capabilities : frozenset
        The audited model's.
    seed : int
        The run's.
    announce : callable
        Given a check's name, a context manager that yields its ``progress(done, total)``.
    finished : callable
        Given the record of each check that was tried.
    apart : callable, optional
        Given a distribution, the child process for its checks; absent: everything runs in this process.
    """

    run: RunDirectory
    context: CheckContext
    capabilities: frozenset[str]
    seed: int
    announce: Callable[[str], Any]
    finished: Callable[[CheckRecord], None] = lambda record: None
    apart: Callable[[str], Child] | None = None
    _ids: set[str] = field(default_factory=set)
    _copied: tuple[int, int, int] | None = None
    _process: int = field(default_factory=os.getpid)
    _declared: dict[str, Sequence[str]] = field(default_factory=dict)

    def run_all(self, planned: Sequence[Planned]) -> list[CheckRecord]:
        """Run what will run; every planned check has a record."""
        self._declared = {item.name: item.entry.check.produces for item in planned if item.entry.problem is None}
        return [self._one(item) for item in planned]

    def _one(self, item: Planned) -> CheckRecord:
        kept = self.run.load_check(item.name) if item.status is None else None
        if kept is not None:
            self._ids.update(str(metric.id) for metric in kept.metrics)
            return kept
        record = describe(item, self.seed)
        if item.status is not None:
            if item.status in ("error", "not_loaded"):
                self.finished(record)
            return record
        if (lack := unmet(item.entry.check, self.context, self.capabilities)) is not None:
            record.status, (record.reason, record.help) = "skipped", lack
        elif not self._is_apart(item) and not self.run.record_start(item.name):
            record.status = "error"
            record.reason = "it ended the whole process twice, so it was not run a third time"
            record.help = f"report it to the authors of {item.entry.plugin}; leave it out with --exclude {item.name}"
        else:
            try:
                self._execute(item, record)
            except KeyboardInterrupt:
                self.run.undo_start(item.name)  # it was a person, not the check
                raise
        self.run.save_check(record)
        self.finished(record)
        return record

    def _execute(self, item: Planned, record: CheckRecord) -> None:
        begun = time.perf_counter()
        with self.announce(item.name) as progress:
            answer = self._apart(item, record, progress) if self._is_apart(item) else self._here(item, record, progress)
        record.warnings = list(dict.fromkeys([*record.warnings, *answer.warnings]))  # a child imports the plugin once more
        record.output = clean(answer.output)
        record.seconds = round(time.perf_counter() - begun, 3)
        if answer.skipped is not None:
            record.status, (record.reason, record.help) = "skipped", answer.skipped
            return
        try:
            if answer.error is not None:
                raise PluginError(answer.error)
            self._untouched(item)
            self._accept(item, record, CheckResult.model_validate_json(answer.result or ""))
        except (RaikitError, ValueError, OSError) as error:
            record.status = "error"
            record.reason = clean(answer.error or error_text(error))[:2000]
            record.traceback = clean(answer.traceback or "")[-MOST_OUTPUT:] or None
            record.help = _way_out(item, record.reason)

    def _is_apart(self, item: Planned) -> bool:
        return self.apart is not None and item.entry.plugin != FIRST_PARTY

    def _here(self, item: Planned, record: CheckRecord, progress: Callable[[int, int], None]) -> Answer:
        """Run a check in this process."""
        ctx = replace(
            self.context,
            predictions=self._shared(item),
            seed=record.seed or 0,
            workdir=self.run.workdir(item.name),
            progress=progress,
            log=logging.getLogger(f"raikit.check.{item.name}"),
        )
        stream, answer = Sink(), Answer()
        with captured(record.seed or 0, stream, terminal=self.apart is None) as said:
            try:
                answer.result = encode_result(item.entry.check(item.options).run(ctx))
            except SkipCheck as skip:
                answer.skipped = (skip.reason, skip.help)
            except KeyboardInterrupt:
                raise
            except BaseException as error:
                answer.error, answer.traceback = error_text(error), traceback_text()
        if os.getpid() != self._process:
            os._exit(0)  # a copy that the check has forked and not ended
        answer.warnings, answer.output = said, str(stream.text)
        return answer

    def _apart(self, item: Planned, record: CheckRecord, progress: Callable[[int, int], None]) -> Answer:
        """Run a check in the child process of its distribution."""
        assert self.apart is not None
        job = {
            "check": item.name,
            "seed": record.seed or 0,
            "options": record.options,
            "workdir": str(self.run.workdir(item.name).resolve()),
            "predictions": str(self._shared(item).path.resolve()),
        }
        return self.apart(item.entry.plugin).run(job, progress)

    def _shared(self, item: Planned) -> Predictions:
        """The predictions; those who are not raikit's own get a copy, which they cannot spoil for others."""
        own = self.context.predictions
        if item.entry.plugin == FIRST_PARTY:
            return own
        copy = self.run.work / "predictions-copy.parquet"
        if self._copied is None or signature(copy) != self._copied:
            copy.unlink(missing_ok=True)
            shutil.copyfile(own.path, copy)
            self._copied = signature(copy)
        return Predictions(copy, own.split)

    def _untouched(self, item: Planned) -> None:
        """Refuse what was measured by a check that wrote into the predictions; the next one gets a new copy."""
        copy = self.run.work / "predictions-copy.parquet"
        if item.entry.plugin == FIRST_PARTY or signature(copy) == self._copied:
            return
        raise PluginError("it wrote into the predictions, which are shared; work on frames that ctx.predictions gives")

    def _accept(self, item: Planned, record: CheckRecord, result: CheckResult) -> None:
        """Take over what a check returned, or refuse all of it: ids owned and unique, findings on what exists."""
        check = item.entry.check
        new: set[str] = set()
        for metric in result.metrics:
            self._name(metric, check, new)
            if metric.level is None and metric.method != "exact" and metric.value is not None:
                metric.level = self.context.confidence
        undeclared = [name for name in sorted(new) if not _declares(check.produces, name)]
        for name in undeclared:
            if owner := next((other for other, produces in self._declared.items() if _declares(produces, name)), None):
                raise PluginError(f"it measured {name}, which is {owner}'s to measure")
        if undeclared and check.produces:
            record.warnings.append(f"{undeclared[0]} is not among the addresses it says it produces")
        artifacts = [self._keep_artifact(item.name, artifact) for artifact in result.artifacts]
        self._ids |= new
        record.metrics, record.findings = result.metrics, result.findings
        record.tables, record.figures, record.artifacts = result.tables, result.figures, artifacts

    def _name(self, metric: Metric, check: type[Check], new: set[str]) -> None:
        metric.id = metric.address(check.prefix())
        if metric.id in new:
            raise PluginError(f"it measured {metric.id} twice")
        if metric.id in self._ids:
            raise PluginError(f"it measured {metric.id}, which another check has measured already")
        new.add(metric.id)

    def _keep_artifact(self, name: str, artifact: Artifact) -> Artifact:
        workdir = self.run.workdir(name).resolve()
        source = (workdir / artifact.path).resolve()
        if not source.is_relative_to(workdir) or not source.is_file():
            raise PluginError(f"the artifact {artifact.path!r} is no file in the check's workdir")
        kept = f"artifacts/{name}/{source.relative_to(workdir).as_posix()}"
        target = self.run.folder / kept
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
        return artifact.model_copy(update={"path": kept})


def _declares(produces: Sequence[str], address: str) -> bool:
    return any(Pattern(pattern).matches(address) for pattern in produces)


def signature(path: Path) -> tuple[int, int, int] | None:
    """Tells whether a file was written to, replaced or removed."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


def _way_out(item: Planned, reason: str) -> str:
    """What a person can do about a check that failed, and whom to tell."""
    plugin, leave = item.entry.plugin, f"leave it out with --exclude {item.name}"
    missing = re.match(r"ModuleNotFoundError: No module named '([^']+)'", reason)
    if missing:
        return f"install {missing[1]}, which {plugin} needs, or {leave}; the other checks are not affected"
    whom = "the authors of this repository's checks" if plugin == LOCAL else f"the authors of {plugin}"
    return f"the other checks are not affected; report it to {whom}, or {leave}"


def describe(item: Planned, run_seed: int) -> CheckRecord:
    """The record of a check before it runs."""
    check = item.entry.check
    doc = (check.__doc__ or "").strip().split("\n\n")
    return CheckRecord(
        name=check.name,
        pillar=check.pillar,
        title=doc[0].replace("\n", " "),
        description=_paragraph(doc),
        plugin=item.entry.plugin,
        plugin_version=item.entry.plugin_version,
        status=item.status or "ok",
        reason=item.reason,
        help=item.help,
        cost=check.cost,
        seed=seed_of(run_seed, check.name),
        options=item.options.model_dump(mode="json") if item.options is not None else {},
        produces=[str(pattern) for pattern in check.produces] if item.entry.problem is None else [],
        warnings=list(item.entry.warnings),
    )


def _paragraph(doc: Sequence[str]) -> str:
    """The second paragraph of a docstring, without the marks of its references and of code."""
    import inspect

    if len(doc) < 2 or "----" in doc[1]:
        return ""
    return re.sub(r"\s*\[\w+\]_|``", "", inspect.cleandoc("\n\n" + doc[1]).strip().replace("\n", " "))
