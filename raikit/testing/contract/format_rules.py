"""The rules for a report format."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from raikit.files import sha256, write_text
from raikit.process import state as process_state
from raikit.run.directory import RECORD
from raikit.run.record import Record
from raikit.testing.contract import sample_records
from raikit.testing.contract.rule import Broken, PlannedRule, first_few, rule_of


@dataclass(frozen=True)
class ReportFormat:
    """A report format: its name and the function that writes it."""

    name: str
    write: Callable[..., Any]


def planned(name: str, writer: Callable[..., Any]) -> Iterator[PlannedRule]:
    """Yield every rule for a report format."""
    yield from (PlannedRule(f"report format {name}", rule_of(rule), ReportFormat(name, writer)) for rule in RULES)


def files(report_format: ReportFormat) -> str:
    """Write into the run's folder only, and return every file that was written."""
    with _run_folder(sample_records.ordinary()) as (record, folder):
        return first_few(_write(report_format, record, folder)[0])


def any_record(report_format: ReportFormat) -> None:
    """Write any record, also an empty one and one with hostile text in every field."""
    records = {"an empty record": sample_records.bare(), "a record full of hostile text": sample_records.hostile()}
    for what, record in records.items():
        with _run_folder(record) as (_, folder):
            try:
                _write(report_format, record, folder)
            except Broken as broken:
                raise Broken(f"from {what}: {broken}") from None


def evidence(report_format: ReportFormat) -> None:
    """Leave the files of the audit, audit.json above all, unchanged."""
    with _run_folder(sample_records.ordinary()) as (record, folder):
        before, content = {path: sha256(path) for path in _files(folder)}, record.model_dump_json()
        _write(report_format, record, folder)
        if changed := [path.name for path in before if not path.is_file() or sha256(path) != before[path]]:
            raise Broken(f"it changed {first_few(changed)}")
        if record.model_dump_json() != content:
            raise Broken("it changed the record in memory, which other formats use too")


def repeatable(report_format: ReportFormat) -> None:
    """Write the same files again from the same record, as `raikit report` does."""
    with _run_folder(sample_records.ordinary()) as (record, folder):
        first, second = (
            {name: (folder / name).read_bytes() for name in _write(report_format, record, folder)[0]} for _ in range(2)
        )
        if different := [name for name in first if second.get(name) != first[name]]:
            raise Broken(f"{different[0]} is different the second time")


def global_state(report_format: ReportFormat) -> None:
    """Leave the global state of the process unchanged."""
    with _run_folder(sample_records.ordinary()) as (record, folder):
        # The first time it may import libraries, which may set global state.
        _write(report_format, record, folder)
        if changed := _write(report_format, record, folder)[1]:
            raise Broken(f"it changed {first_few(changed)}")


@contextmanager
def _run_folder(record: Record) -> Iterator[tuple[Record, Path]]:
    """Make a folder as an audit leaves it for its reports."""
    with tempfile.TemporaryDirectory(prefix="raikit-", ignore_cleanup_errors=True) as parent:
        folder = Path(parent) / "run"
        folder.mkdir()
        write_text(folder / RECORD, record.model_dump_json(indent=1))
        (folder / "predictions.parquet").write_bytes(b"PAR1 not to be touched")
        yield record, folder


def _write(report_format: ReportFormat, record: Record, folder: Path) -> tuple[list[str], list[str]]:
    """Write the format; return its files, relative to the folder, and the global state that it changed (and that is restored).

    Raises
    ------
    Broken
        If it raised, or if the files that it returned are not those that it wrote.
    """
    before, state = set(_files(folder.parent)), process_state.read_state()
    try:
        returned = report_format.write(record, folder)
    except (Exception, SystemExit) as error:
        raise Broken(f"it raised {type(error).__name__}: {error}") from None
    finally:
        changed = process_state.changes(state, process_state.read_state())
        process_state.restore(state)
    if not isinstance(returned, list) or not all(isinstance(path, Path) for path in returned):
        raise Broken(f"it returned {type(returned).__name__}; return the list of the files (Path) that it wrote")
    named = {path.resolve() for path in returned}
    if absent := [path for path in named if not path.is_file()]:
        raise Broken(f"it returned {absent[0].name}, which does not exist")
    if outside := [path for path in named if not path.is_relative_to(folder.resolve())]:
        raise Broken(f"it wrote {outside[0].name} outside the run's folder")
    new = {path.resolve() for path in _files(folder.parent) if path not in before}
    if unnamed := sorted(path.name for path in new - named):
        raise Broken(f"it wrote {first_few(unnamed)} without returning it")
    return sorted(path.relative_to(folder.resolve()).as_posix() for path in named), changed


def _files(folder: Path) -> Iterable[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


RULES: tuple[Callable[[Any], str | None], ...] = (files, any_record, evidence, repeatable, global_state)
