"""Write the record and every report format, and tell listeners that the run has finished."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from raikit.audit.refusals import refuse_unknown_formats
from raikit.errors import ConfigError, RunError, TamperedRunError, listed, raised
from raikit.files import PARTIAL, Stamp, stamp
from raikit.gate.verdict import with_crashed_formats
from raikit.isolation.parent import Children
from raikit.naming import using
from raikit.plugins.discovery import discover
from raikit.run import manifest, summary
from raikit.run.directory import RECORD
from raikit.run.owners import FIRST_PARTY
from raikit.run.reader import load_run
from raikit.run.settings import changed_settings, settings_of

if TYPE_CHECKING:
    from raikit.audit.plan import Plan
    from raikit.console import Console
    from raikit.plugins.registry import Registry
    from raikit.run.across import RunComparison, RunHistory
    from raikit.run.directory import RunDirectory
    from raikit.run.record import Record

DEFAULT_FORMATS = ["html", "json", "md"]  # of a record whose configuration does not name any


class _Keeper(Protocol):
    """Who remembers what formats have written: a run that an audit writes, or one that is stored."""

    def keep(self, *paths: Path) -> None:
        """Remember files that raikit has written."""

    def keep_foreign(self, *paths: Path) -> None:
        """Remember files that a plugin's process has written."""


def publish(plan: Plan, record: Record, run: RunDirectory, console: Console) -> tuple[list[Path], list[str]]:
    """Write the record and every format, and call the listeners; return the files and a complaint for each that failed."""
    children = plan.children
    _write_record(record, run)
    if plan.formats:
        console.say("Reports: " + ", ".join(plan.formats))
    written, crashed = write_reports(plan.registry, plan.formats, record, run.folder, children, run)
    if crashed:  # This is known only when all were tried, so the record and the other formats are written again.
        record.gate = with_crashed_formats(record.gate, crashed)
        record.verdict = record.gate.verdict
        _write_record(record, run)
        others = [name for name in plan.formats if name not in crashed]
        written, _ = write_reports(plan.registry, others, record, run.folder, children, run)
    complaints = [
        *crashed.values(),
        *plan.registry.notify("raikit_run_finished", children, record=record, run=run.folder),
    ]
    for complaint in complaints:
        console.say(f"  {complaint}")
    return written, complaints


def _write_record(record: Record, run: RunDirectory) -> None:
    with using(record.data.labels):
        record.summary = summary.compose(record)
    run.write(run.folder / RECORD, record.model_dump_json(indent=1))


def write_reports(
    registry: Registry,
    formats: Sequence[str],
    record: Record,
    folder: Path,
    children: Children | None = None,
    run: _Keeper | None = None,
) -> tuple[list[Path], dict[str, str]]:
    """Write each format; one that fails does not stop the others. `run`, if there is one, keeps what they wrote.

    Returns
    -------
    written : list of Path
    crashed : dict of str to str
        A complaint by the name of each format that failed, which counts as a crash.

    Raises
    ------
    RunError
        If a format of raikit itself cannot write its files.
    """
    written: list[Path] = []
    crashed: dict[str, str] = {}
    for name in formats:
        try:
            new = registry.write(name, record, folder, children)
            written += new
            if run is not None:
                (run.keep if registry.owners.get(name, FIRST_PARTY) == FIRST_PARTY else run.keep_foreign)(*new)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            if isinstance(error, RunError) and registry.owners.get(name, FIRST_PARTY) == FIRST_PARTY:
                raise
            crashed[name] = f"the report format {name!r} crashed: {raised(error)}"
    return written, crashed


def rewrite_reports(folder: Path, formats: Sequence[str] | None) -> tuple[list[Path], list[str]]:
    """Write the reports of a stored run again, from its record, which is not touched.

    Parameters
    ----------
    folder : Path
    formats : sequence of str or None
        None: those of the run's configuration.

    Returns
    -------
    written : list of Path
    complaints : list of str
        One for each format that crashed.

    Raises
    ------
    RunError
        If there is no run, or its record was changed.
    TamperedRunError
        If a plugin's format has written over a file that is not its own.
    """
    record = load_run(folder).record
    changed = [problem for problem in manifest.verify(folder) if problem.startswith((RECORD, manifest.NAME))]
    if changed:
        raise RunError(f"{folder} is not as it was written: {listed(changed)}.")
    own = settings_of(record).get("formats", DEFAULT_FORMATS)
    if not isinstance(own, list) or not all(isinstance(name, str) for name in own):
        raise changed_settings()
    names = own if formats is None else formats
    stored = _StoredRun(folder)
    with Children() as children:
        registry = discover(processes=children)
        refuse_unknown_formats(registry, names, by_option=formats is not None)
        written, crashed = write_reports(registry, names, record, folder, children, stored)
    stored.refuse_changes()
    manifest.update(folder, [path for path in written if path.name != RECORD], stored.foreign)
    return written, list(crashed.values())


def write_text_of(name: str, record: Record) -> str:
    """Return what a format writes for a record, as text.

    Raises
    ------
    ConfigError
        If no plugin provides the format.
    """
    with Children() as children, tempfile.TemporaryDirectory(prefix="raikit-") as folder:
        registry = discover(processes=children)
        refuse_unknown_formats(registry, [name], by_option=False)
        return registry.write(name, record, Path(folder), children)[0].read_text(encoding="utf-8")


def write_runs(runs: RunComparison | RunHistory, file: Path) -> None:
    """Write what changed between runs to a file, in the format that its ending names.

    Raises
    ------
    ConfigError
        If no installed plugin has a format of that ending, or it crashed.
    """
    with Children() as children:
        registry = discover(processes=children)
        name = file.suffix.removeprefix(".").lower()
        if name not in registry.comparison_formats:
            known = listed(f".{ending}" for ending in registry.comparison_formats) or "none"
            raise ConfigError(f"--report {file}: the ending of the file names its format, one of: {known}.")
        if not file.parent.is_dir():
            raise ConfigError(f"--report {file}: there is no folder {file.parent}.")
        try:
            registry.write_runs(name, runs, file, children)
        except (KeyboardInterrupt, RunError):
            raise
        except BaseException as error:
            raise ConfigError(f"--report {file}: the format {name!r} crashed: {raised(error)}") from error


class _StoredRun:
    """The files of a run whose reports are written again: what they were, and which of them raikit itself has written since.

    Attributes
    ----------
    foreign : list of Path
        What formats of plugins have written. They may replace such files, and no others.
    """

    def __init__(self, folder: Path) -> None:
        self._folder, self.foreign = folder, list[Path]()
        theirs = manifest.foreign_files(folder)
        kept = [path for path in folder.rglob("*") if not path.is_dir() and not PARTIAL.fullmatch(path.name)]  # a kill leaves such
        files = [path for path in kept if path.relative_to(folder).as_posix() not in theirs]
        self._known: dict[Path, Stamp | None] = {path: stamp(path) for path in files}

    def keep(self, *paths: Path) -> None:
        """Remember files that raikit has written."""
        self._known.update({path: stamp(path) for path in paths})

    def keep_foreign(self, *paths: Path) -> None:
        """Remember files that a plugin's process has written."""
        self.foreign += paths

    def refuse_changes(self) -> None:
        """Raise if a file that no plugin has written before is not as raikit wrote it.

        Raises
        ------
        TamperedRunError
            Names the file.
        """
        for path, before in self._known.items():
            if stamp(path) != before:
                raise TamperedRunError(
                    f"{path.relative_to(self._folder)} was changed by another process while reports were written, such as that "
                    "of a plugin's format; the run cannot be trusted any more."
                )
