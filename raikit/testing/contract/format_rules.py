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
from raikit.testing.contract.rule import Broken, Case, first_few, rule_of


@dataclass(frozen=True)
class Format:
    """A report format: its name and the function that writes it."""

    name: str
    write: Callable[..., Any]


def cases(name: str, writer: Callable[..., Any]) -> Iterator[Case]:
    """Every rule that is to be held against a report format."""
    yield from ((f"report format {name}", rule_of(rule), Format(name, writer)) for rule in RULES)


def files(made: Format) -> str:
    """It says which files it wrote: they are in the run's folder, and there are no others."""
    with _run(sample_records.ordinary()) as (record, folder):
        return first_few(_written(made, record, folder)[0])


def any_record(made: Format) -> None:
    """It can write any record: one with nothing in it, and one whose every text is somebody's attack."""
    for what, record in (("a record with nothing in it", sample_records.bare()), ("a record full of hostile text", sample_records.hostile())):
        with _run(record) as (_, folder):
            try:
                _written(made, record, folder)
            except Broken as broken:
                raise Broken(f"from {what}: {broken}") from None


def evidence(made: Format) -> None:
    """What an audit left, audit.json before all, is as it was."""
    with _run(sample_records.ordinary()) as (record, folder):
        before, content = {path: sha256(path) for path in _files(folder)}, record.model_dump_json()
        _written(made, record, folder)
        if spoiled := [path.name for path in before if not path.is_file() or sha256(path) != before[path]]:
            raise Broken(f"it changed {first_few(spoiled)}")
        if record.model_dump_json() != content:
            raise Broken("it changed the record in memory, which other formats are given too")


def repeatable(made: Format) -> None:
    """Written again from the same record, as `raikit report` does, it is the same."""
    with _run(sample_records.ordinary()) as (record, folder):
        first, again = ({name: (folder / name).read_bytes() for name in _written(made, record, folder)[0]} for _ in range(2))
        if different := [name for name in first if again.get(name) != first[name]]:
            raise Broken(f"{different[0]} is different the second time")


def global_state(made: Format) -> None:
    """Nothing that belongs to the whole process is different afterwards."""
    with _run(sample_records.ordinary()) as (record, folder):
        _written(made, record, folder)  # the first time it may import libraries, which set what they like
        if changed := _written(made, record, folder)[1]:
            raise Broken(f"it changed {first_few(changed)}")


@contextmanager
def _run(record: Record) -> Iterator[tuple[Record, Path]]:
    """A folder as an audit leaves it for its reports."""
    with tempfile.TemporaryDirectory(prefix="raikit-", ignore_cleanup_errors=True) as made:
        folder = Path(made) / "run"
        folder.mkdir()
        write_text(folder / RECORD, record.model_dump_json(indent=1))
        (folder / "predictions.parquet").write_bytes(b"PAR1 not to be touched")
        yield record, folder


def _written(made: Format, record: Record, folder: Path) -> tuple[list[str], list[str]]:
    """Names of the files it wrote, relative to the folder, and what of the process it changed (which is undone).

    Raises
    ------
    Broken
        If it raised, or if what it says is not what it wrote.
    """
    there, process = set(_files(folder.parent)), process_state.read_state()
    try:
        said = made.write(record, folder)
    except (Exception, SystemExit) as error:
        raise Broken(f"it raised {type(error).__name__}: {error}") from None
    finally:
        changed = process_state.changes(process, process_state.read_state())
        process_state.restore(process)
    if not isinstance(said, list) or not all(isinstance(path, Path) for path in said):
        raise Broken(f"it returned {type(said).__name__}; the list of the files (Path) that it wrote is right")
    named = {path.resolve() for path in said}
    if absent := [path for path in named if not path.is_file()]:
        raise Broken(f"it says that it wrote {absent[0].name}, which is not there")
    if stray := [path for path in named if not path.is_relative_to(folder.resolve())]:
        raise Broken(f"it wrote {stray[0].name} outside the run's folder")
    new = {path.resolve() for path in _files(folder.parent) if path not in there}
    if silent := sorted(path.name for path in new - named):
        raise Broken(f"it wrote {first_few(silent)} and does not say so")
    return sorted(path.relative_to(folder.resolve()).as_posix() for path in named), changed


def _files(folder: Path) -> Iterable[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


RULES: tuple[Callable[[Any], str | None], ...] = (files, any_record, evidence, repeatable, global_state)
