"""Running checks: each on its own, captured, timed and kept, so that none can spoil another or vanish in silence."""

from __future__ import annotations

import hashlib
import io
import logging
import random
import re
import shutil
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from raikit.address import Pattern
from raikit.console import clean
from raikit.errors import PluginError
from raikit.record import CheckRecord
from raikit.results import Artifact, CheckResult, Metric

if TYPE_CHECKING:
    from raikit.check import Check, CheckContext
    from raikit.runs import RunDirectory
    from raikit.selection import Planned

_MOST_OUTPUT = 20_000
_MOST_WARNINGS = 20
_ADVERTISEMENT = re.compile(r"\n *For further information visit https://errors\.pydantic\.dev\S*")


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
    if needs.tasks and ctx.task not in needs.tasks:
        return (
            f"it measures {' and '.join(sorted(needs.tasks))} targets; this one is {ctx.task}",
            "nothing: it does not apply",
        )
    if lacking := sorted(role for role in needs.columns if not there.get(role, role in columns)):
        return f"the data has no {lacking[0]}", f"name a column as data.{lacking[0]}"
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
    """

    run: RunDirectory
    context: CheckContext
    capabilities: frozenset[str]
    seed: int
    announce: Callable[[str], Any]
    finished: Callable[[CheckRecord], None] = lambda record: None
    _ids: set[str] = field(default_factory=set)

    def run_all(self, planned: Sequence[Planned]) -> list[CheckRecord]:
        """Run what will run; every planned check has a record."""
        return [self._one(item) for item in planned]

    def _one(self, item: Planned) -> CheckRecord:
        kept = self.run.kept(item.name) if item.status is None else None
        if kept is not None:
            self._ids.update(str(metric.id) for metric in kept.metrics)
            return kept
        record = describe(item, self.seed)
        if item.status is not None:
            return record
        if (lack := unmet(item.entry.check, self.context, self.capabilities)) is not None:
            record.status, (record.reason, record.help) = "skipped", lack
        elif not self.run.started(item.name):
            record.status = "error"
            record.reason = "it ended the whole process twice, so it was not run a third time"
            record.help = f"report it to the authors of {item.entry.plugin}; leave it out with --exclude {item.name}"
        else:
            self._execute(item, record)
        self.run.keep(record)
        self.finished(record)
        return record

    def _execute(self, item: Planned, record: CheckRecord) -> None:
        begun = time.perf_counter()
        with self.announce(item.name) as progress, captured(record):
            ctx = replace(
                self.context,
                seed=record.seed or 0,
                workdir=self.run.workdir(item.name),
                progress=progress,
                log=logging.getLogger(f"raikit.check.{item.name}"),
            )
            try:
                result = item.entry.check(item.options).run(ctx)
                self._accept(item, record, result, ctx)
            except (Exception, SystemExit) as error:
                record.status = "error"
                record.reason = clean(_said(error))[:2000]
                record.traceback = clean(_ADVERTISEMENT.sub("", traceback.format_exc(limit=-20)))[-_MOST_OUTPUT:]
                record.help = f"the other checks are not affected; report it to the authors of {item.entry.plugin}"
        record.seconds = round(time.perf_counter() - begun, 3)

    def _accept(self, item: Planned, record: CheckRecord, result: Any, ctx: CheckContext) -> None:
        """Take over what a check returned, or refuse all of it: ids owned and unique, findings on what exists."""
        check = item.entry.check
        if not isinstance(result, CheckResult):
            raise PluginError(f"run returned {type(result).__name__}, not a CheckResult")
        result = CheckResult.model_validate(
            result.model_dump()
        )  # whatever was changed after construction is checked again
        _refuse_unwritable(result)
        new: set[str] = set()
        for metric in result.metrics:
            self._name(metric, check, new)
            if metric.level is None and metric.method != "exact" and metric.value is not None:
                metric.level = ctx.confidence
        undeclared = [
            name for name in sorted(new) if check.produces and not any(Pattern(p).matches(name) for p in check.produces)
        ]
        if undeclared:
            record.warnings.append(f"{undeclared[0]} is not among the addresses it says it produces")
        self._ids |= new
        record.metrics, record.findings = result.metrics, result.findings
        record.tables, record.figures = result.tables, result.figures
        record.artifacts = [self._keep_artifact(item.name, artifact, ctx) for artifact in result.artifacts]

    def _name(self, metric: Metric, check: type[Check], new: set[str]) -> None:
        metric.id = metric.address(check.prefix())
        if metric.id in new:
            raise PluginError(f"it measured {metric.id} twice")
        if metric.id in self._ids:
            raise PluginError(f"it measured {metric.id}, which another check has measured already")
        new.add(metric.id)

    def _keep_artifact(self, name: str, artifact: Artifact, ctx: CheckContext) -> Artifact:
        source = (ctx.workdir / artifact.path).resolve()
        if not source.is_relative_to(ctx.workdir.resolve()) or not source.is_file():
            raise PluginError(f"the artifact {artifact.path!r} is no file in the check's workdir")
        kept = f"artifacts/{name}/{source.relative_to(ctx.workdir.resolve()).as_posix()}"
        target = self.run.folder / kept
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
        return artifact.model_copy(update={"path": kept})


def _said(error: BaseException) -> str:
    """An error in a line; of pydantic's reports only what is wrong, not the values nor where to read more."""
    from pydantic import ValidationError

    if not isinstance(error, ValidationError):
        return f"{type(error).__name__}: {error}"
    problems = error.errors(include_url=False, include_input=False, include_context=False)
    said = [
        ": ".join(part for part in (".".join(map(str, one["loc"])), one["msg"].removeprefix("Value error, ")) if part)
        for one in problems
    ]
    return f"{error.title} is not valid: {'; '.join(said)}"


def _refuse_unwritable(result: CheckResult) -> None:
    """A value that no JSON can hold is this check's error now, not the record's when all is done."""
    from pydantic_core import PydanticSerializationError

    try:
        result.model_dump_json()
    except PydanticSerializationError as error:
        raise PluginError(f"its result cannot be written as JSON: {error}") from None


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


@contextmanager
def captured(record: CheckRecord) -> Iterator[None]:
    """Take what a check prints, warns and logs into its record, and seed the global generators it may use."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    root = logging.getLogger()
    _seed_globals(record.seed or 0)
    root.addHandler(handler)
    try:
        with warnings.catch_warnings(record=True) as caught, redirect_stdout(stream), redirect_stderr(stream):
            warnings.simplefilter("default")
            yield
    finally:
        root.removeHandler(handler)
        record.output = clean(stream.getvalue())[:_MOST_OUTPUT]
        said = dict.fromkeys(clean(f"{item.category.__name__}: {item.message}")[:500] for item in caught)
        record.warnings += list(said)[:_MOST_WARNINGS]


def _seed_globals(seed: int) -> None:
    random.seed(seed)
    for module, seeder in (("numpy.random", "seed"), ("torch", "manual_seed")):
        if module in sys.modules:
            getattr(sys.modules[module], seeder)(seed)
