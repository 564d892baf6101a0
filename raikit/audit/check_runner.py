"""Run checks one by one: each is captured, timed and kept, so that none affects another or disappears silently.

The story of a whole audit is in `raikit.audit.conductor`.
"""

from __future__ import annotations

import hashlib
import inspect
import logging
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from raikit.address import Pattern
from raikit.audit.places import Places
from raikit.audit.redaction import Redactor, hide_secrets
from raikit.audit.requirements import UnmetRequirement, unmet_requirement
from raikit.console import clean
from raikit.data.redaction import without_cells
from raikit.errors import PluginError, RaikitError, SkipCheck, SystemFault, system_fault
from raikit.files import Stamp, stamp
from raikit.isolation.answer import Answer, decode_result, encode_result, error_text, traceback_text
from raikit.limits import Limits, remedy
from raikit.naming import using
from raikit.process.guard import MOST_OUTPUT, Sink, captured
from raikit.run.levels import Levels
from raikit.run.owners import FIRST_PARTY, LOCAL
from raikit.run.predictions import Predictions
from raikit.run.record import CheckRecord
from raikit.run.results import Artifact, CheckResult, Metric

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from raikit.audit.selection import PlannedCheck
    from raikit.check import Check, CheckContext
    from raikit.run.directory import RunDirectory

Progress = Callable[[int, int], None]
_SOON = 5.0  # Seconds of a check up to which it is run again even for levels that only another policy may need.


def seed_of(run_seed: int, check: str) -> int:
    """Return the seed of one check. It depends on the run's seed and the name only, not on order, selection or resume."""
    return int.from_bytes(hashlib.sha256(f"{run_seed}:{check}".encode()).digest()[:4], "big")


@contextmanager
def _announce_nothing(name: str) -> Iterator[Progress]:
    yield lambda done, total: None


@dataclass
class Runner:
    """Runs planned checks in order and returns their records.

    Parameters
    ----------
    run : RunDirectory
    context : CheckContext
        What every check is given; seed, workdir and progress are replaced by each check's own.
    capabilities : frozenset
        Those of the audited model, or of a table of predictions.
    seed : int
        The run's.
    announce : callable
        ``announce(name)`` returns a context manager that yields the check's ``progress(done, total)``; absent: nobody is told.
    finish : callable
        Called with the record of each check that was tried.
    places : Places
        In which process each check runs.
    redactor : Redactor, optional
        Leaves ids and texts of the data out of each record; absent: nothing is left out.
    """

    run: RunDirectory
    context: CheckContext
    capabilities: frozenset[str]
    seed: int
    announce: Callable[[str], AbstractContextManager[Progress]] = _announce_nothing
    finish: Callable[[CheckRecord], None] = lambda record: None
    places: Places = field(default_factory=Places)
    redactor: Redactor | None = None
    _addresses: set[str] = field(default_factory=set)
    _copy_stamp: Stamp | None = None
    _process: int = field(default_factory=os.getpid)
    _declared: dict[str, list[Pattern]] = field(default_factory=dict)

    def run_all(self, planned: Sequence[PlannedCheck]) -> list[CheckRecord]:
        """Run the checks that are to run, and return a record for every planned one."""
        named = {item.name: item.entry.check.produces for item in planned if item.entry.problem is None}
        self._declared = {name: [Pattern(pattern) for pattern in produces] for name, produces in named.items()}
        return [self._record_of(item) for item in planned]

    def _record_of(self, item: PlannedCheck) -> CheckRecord:
        finished = self.run.load_check(item.name) if item.status is None else None
        if finished is not None:
            self._addresses.update(str(metric.id) for metric in finished.metrics)
            return finished
        record = describe(item, self.seed)
        record.process = self.places.of(item.entry)
        if item.status is not None:
            if item.status in ("error", "not_loaded"):
                self.finish(record)
            return record
        if (unmet := self._unmet(item)) is not None:
            record.status, (record.reason, record.help) = "skipped", unmet
        elif not self._runs_in_child(item) and not self.run.record_start(item.name):
            record.status = "error"
            record.reason = "it ended the whole process twice, so it was not run a third time"
            record.help = f"report it to the authors of {item.entry.plugin}; leave it out with --exclude {item.name}"
        else:
            try:
                self._execute(item, record)
            except (KeyboardInterrupt, SystemFault):
                with suppress(OSError, SystemFault):
                    self.run.undo_start(item.name)  # A person or the machine ended it, not the check.
                raise
        if record.status == "error" and self.context.data is not None:
            record.reason = without_cells(record.reason or "", self.context.data)
            record.traceback = without_cells(record.traceback, self.context.data) if record.traceback else None
        if self.redactor is not None:
            self.redactor.redact(record)
        hide_secrets(record)
        self.run.save_check(record)
        self.finish(record)
        return record

    def _unmet(self, item: PlannedCheck) -> UnmetRequirement | None:
        elsewhere = not self.places.model_is_here
        return unmet_requirement(item.entry.check, self.context, self.capabilities, model_elsewhere=elsewhere)

    def _execute(self, item: PlannedCheck, record: CheckRecord) -> None:
        start = time.perf_counter()
        with self.announce(item.name) as progress:
            run = self._run_in_child if self._runs_in_child(item) else self._run_here
            answer, result = run(item, record, progress)
        # A child imports the plugin again, so a warning may come twice.
        record.warnings = list(dict.fromkeys([*record.warnings, *answer.warnings]))
        record.output = clean(answer.output)
        record.seconds = round(time.perf_counter() - start, 3)
        if answer.skipped is not None:
            record.status, (record.reason, record.help) = "skipped", answer.skipped
            return
        try:
            if answer.error is not None:
                raise PluginError(answer.error)
            self._refuse_written_predictions(item)
            self._accept(item, record, result or decode_result(answer.result))
            self._measure_further_levels(item, record, time.perf_counter() - start)
        except (RaikitError, ValueError, OSError) as error:
            if not isinstance(error, PluginError) and (fault := system_fault(error)):
                raise fault from None
            record.status = "error"
            record.reason = clean(answer.error or error_text(error))[:2000]
            record.traceback = clean(answer.traceback or "")[-MOST_OUTPUT:] or None
            record.help = _remedy(item, record.reason)

    def _measure_further_levels(self, item: PlannedCheck, record: CheckRecord, seconds: float) -> None:
        """Run a quick check again at levels that the gate needs and that it has not measured itself."""
        check, problems = item.entry.check, []

        def at(level: float) -> list[Metric]:
            run = self._run_in_child if self._runs_in_child(item) else self._run_here
            answer, result = run(item, record, lambda done, total: None, level)
            if answer.error is not None or answer.skipped is not None:
                problems.append(answer.error or "it was skipped")
                return []
            return (result or decode_result(answer.result)).metrics

        if check.cost == "quick":
            levels = self.context.levels.of(check.prefix())
            (levels if seconds <= _SOON else levels.without_spares()).measure_all(record.metrics, at)
        if problems:
            record.warnings.append(f"it could not be run again at another level: {problems[0][:200]}")

    def _runs_in_child(self, item: PlannedCheck) -> bool:
        return self.places.of(item.entry) != "audit"

    def _run_here(
        self, item: PlannedCheck, record: CheckRecord, progress: Progress, level: float | None = None
    ) -> tuple[Answer, CheckResult | None]:
        """Run a check in this process, at the run's level or `level`; a result is validated where the traceback is the author's."""
        ctx = replace(
            self.context,
            predictions=self._predictions_for(item),
            seed=record.seed or 0,
            workdir=self.run.workdir(item.name),
            confidence=level or self.context.confidence,
            levels=Levels() if level else self.context.levels.of(item.entry.check.prefix()),
            progress=progress,
            log=logging.getLogger(f"raikit.check.{item.name}"),
        )
        stream, answer, result = Sink(), Answer(), None
        terminal = self.places.children is None
        with using(ctx.labels), captured(record.seed or 0, stream, terminal=terminal) as warned:
            try:
                result = decode_result(encode_result(item.entry.check(item.options).run(ctx)))
            except SkipCheck as skip:
                answer.skipped = (skip.reason, skip.help)
            except KeyboardInterrupt:
                raise
            except BaseException as error:
                answer.error, answer.traceback = error_text(error), traceback_text()
        if os.getpid() != self._process:
            os._exit(0)  # This is a copy that the check has forked and not ended.
        answer.warnings, answer.output = warned, str(stream.text)
        return answer, result

    def _run_in_child(
        self, item: PlannedCheck, record: CheckRecord, progress: Progress, level: float | None = None
    ) -> tuple[Answer, CheckResult | None]:
        """Run a check in a child process; its result is not trusted, so it is not validated yet."""
        child = self.places.child_of(item.entry)
        assert child is not None
        job = {
            "check": item.name,
            "seed": record.seed or 0,
            "options": record.options,
            "workdir": str(self.run.workdir(item.name).resolve()),
            "predictions": str(self._predictions_for(item).path.resolve()),
            "level": level,
        }
        return child.run(job, progress), None

    def _is_among_others(self, item: PlannedCheck) -> bool:
        return item.entry.plugin != FIRST_PARTY or self._runs_in_child(item)

    @property
    def _copy(self) -> Path:
        return self.run.work / "predictions-copy.parquet"

    def _predictions_for(self, item: PlannedCheck) -> Predictions:
        """Return the predictions; where code of others runs, a copy, so that it cannot change the original."""
        own = self.context.predictions
        if not self._is_among_others(item):
            return own
        if self._copy_stamp is None or stamp(self._copy) != self._copy_stamp:
            self._copy.unlink(missing_ok=True)
            shutil.copyfile(own.path, self._copy)
            self._copy_stamp = stamp(self._copy)
        return Predictions(self._copy, own.split)

    def _refuse_written_predictions(self, item: PlannedCheck) -> None:
        """Raise if the check wrote into the predictions; the next check gets a new copy."""
        if not self._is_among_others(item) or stamp(self._copy) == self._copy_stamp:
            return
        raise PluginError("it modified the shared predictions; modify copies from ctx.predictions instead")

    def _accept(self, item: PlannedCheck, record: CheckRecord, result: CheckResult) -> None:
        """Put a result into the record; raise if an address is not the check's to measure, or an artifact is missing."""
        check = item.entry.check
        if self._runs_in_child(item) and len(result.metrics) > (most := Limits.of_environment().metrics):
            raise PluginError(f"it returned {len(result.metrics):,} metrics, more than {most:,}; {remedy('metrics')}")
        new: set[str] = set()
        for metric in result.metrics:
            self._set_address(metric, check, new)
            if metric.level is None and metric.method != "exact" and metric.value is not None:
                metric.level = self.context.confidence
        undeclared = [name for name in sorted(new) if not _declares(self._declared[item.name], name)]
        for name in undeclared:
            if owner := next((other for other, patterns in self._declared.items() if _declares(patterns, name)), None):
                raise PluginError(f"it returned metric {name}, which belongs to {owner} (`produces`)")
        if undeclared and check.produces:
            record.warnings.append(f"it measured {undeclared[0]}, which it does not declare in `produces`")
        kept = result.artifacts if self.redactor is None or item.entry.plugin == FIRST_PARTY else []
        if len(kept) < len(result.artifacts):
            record.warnings.append("its artifacts were left out of a redacted run, because files cannot be searched")
        artifacts = [self._keep_artifact(item.name, artifact) for artifact in kept]
        self._addresses |= new
        record.metrics, record.findings = result.metrics, result.findings
        record.tables, record.figures, record.artifacts = result.tables, result.figures, artifacts

    def _set_address(self, metric: Metric, check: type[Check], new: set[str]) -> None:
        metric.id = metric.address(check.prefix())
        if metric.id in new:
            raise PluginError(f"it measured {metric.id} twice")
        if metric.id in self._addresses:
            raise PluginError(f"it measured {metric.id}, which another check has measured already")
        new.add(metric.id)

    def _keep_artifact(self, name: str, artifact: Artifact) -> Artifact:
        workdir = self.run.work.resolve() / "scratch" / name  # a link in its place leads elsewhere
        source = (workdir / artifact.path).resolve()
        if not source.is_relative_to(workdir) or not source.is_file():
            raise PluginError(f"the artifact {artifact.path!r} is not a file in the check's workdir")
        path = f"artifacts/{name}/{source.relative_to(workdir).as_posix()}"
        target = self.run.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        if not target.parent.resolve().is_relative_to(self.run.folder.resolve() / "artifacts" / name):
            raise PluginError(f"the folder of the artifact {artifact.path!r} is a link that leads elsewhere")
        target.unlink(missing_ok=True)  # A link would lead the copy elsewhere.
        shutil.copyfile(source, target)
        self.run.keep(target)
        return artifact.model_copy(update={"path": path})


def _declares(produces: Sequence[Pattern], address: str) -> bool:
    return any(pattern.matches(address) for pattern in produces)


def _remedy(item: PlannedCheck, reason: str) -> str:
    """Return what a person can do about a check that failed, and who should know."""
    plugin, leave = item.entry.plugin, f"leave it out with --exclude {item.name}"
    missing = re.match(r"ModuleNotFoundError: No module named '([^']+)'", reason)
    if missing:
        return f"install {missing[1]}, which {plugin} needs, or {leave}; the other checks are not affected"
    whom = "the authors of this repository's checks" if plugin == LOCAL else f"the authors of {plugin}"
    return f"the other checks are not affected; report it to {whom}, or {leave}"


def describe(item: PlannedCheck, run_seed: int) -> CheckRecord:
    """Return the record of a check before it runs."""
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
    """Return the second paragraph of a docstring, without the marks of references and code."""
    if len(doc) < 2 or "----" in doc[1]:
        return ""
    return re.sub(r"\s*\[\w+\]_|``", "", inspect.cleandoc("\n\n" + doc[1]).strip().replace("\n", " "))
