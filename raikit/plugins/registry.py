"""What plugins provide: checks, model loaders and report formats, with the distribution that each came from."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

from raikit.check import Check
from raikit.errors import PluginError, raised
from raikit.naming import using
from raikit.process.guard import preserved
from raikit.run.across import RunComparison, RunHistory
from raikit.run.labelled import in_words
from raikit.run.owners import FIRST_PARTY
from raikit.run.record import PluginRecord, Record

if TYPE_CHECKING:
    import pluggy

    from raikit.models.base import ModelLoader
    from raikit.plugins.description import PluginDescription, ValidatedOptions


class PluginProcesses(Protocol):
    """The child processes in which the code of other distributions runs."""

    def start(self, distributions: Iterable[str]) -> None:
        """Start the processes of distributions, so that they load at the same time."""

    def describe(self, distribution: str, plugin: str) -> PluginDescription:
        """Load a plugin and describe what it provides."""

    def validate_options(self, distribution: str, check: str, values: Mapping[str, Any]) -> ValidatedOptions:
        """Validate the options of a check, and return them or the faults as data."""

    def write(self, name: str, distribution: str, record: Record, folder: Path) -> list[Path]:
        """Write a report format."""

    def write_runs(self, name: str, distribution: str, runs: RunComparison | RunHistory, file: Path) -> None:
        """Write a format of several runs."""

    def notify(self, hook: str, distribution: str, run: Path, payload: Mapping[str, Any]) -> None:
        """Call a listener hook."""


def _apart_from(distribution: str) -> AbstractContextManager[None]:
    """Guard against a listener of others; raikit's own may write workflow commands, which is what they are for."""
    return nullcontext() if distribution == FIRST_PARTY else preserved()


def placeholder_check(name: str, title: str = "Not run") -> type[Check]:
    """Return a check class that only lends its name to a row of the record, where the real class cannot be used."""
    return cast("type[Check]", type("PlaceholderCheck", (Check,), {"name": name, "pillar": name.split(".")[0], "__doc__": title}))


@contextmanager
def _in_words(arguments: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the arguments of a listener with the record, if there is one, as people read it."""
    if not isinstance(arguments.get("record"), Record):
        yield arguments
        return
    with in_words(arguments["record"]) as readable:
        yield {**arguments, "record": readable}


@dataclass(frozen=True)
class CheckEntry:
    """A check with the distribution that provides it; `problem` says why it may not run."""

    check: type[Check]
    plugin: str
    plugin_version: str = ""
    problem: str | None = None
    warnings: Sequence[str] = ()

    @property
    def name(self) -> str:
        """Return the name of the check."""
        return self.check.name


@dataclass
class Registry:
    """What all plugins provide, and what became of each plugin."""

    checks: dict[str, CheckEntry] = field(default_factory=dict)
    loaders: dict[str, ModelLoader] = field(default_factory=dict)
    formats: dict[str, Callable[..., Any]] = field(default_factory=dict)
    owners: dict[str, str] = field(default_factory=dict)  # of formats: distributions
    comparison_formats: dict[str, Callable[..., Any]] = field(default_factory=dict)  # by the ending of their files
    comparison_owners: dict[str, str] = field(default_factory=dict)
    loader_owners: dict[str, str] = field(default_factory=dict)
    plugins: list[PluginRecord] = field(default_factory=list)
    broken: list[CheckEntry] = field(default_factory=list)
    _managers: list[tuple[PluginRecord, pluggy.PluginManager | None]] = field(default_factory=list)

    def add(self, other: Registry) -> None:
        """Add what the plugins of another registry provide; their names differ."""
        self.checks.update(other.checks)
        self.loaders.update(other.loaders)
        self.formats.update(other.formats)
        self.owners.update(other.owners)
        self.comparison_formats.update(other.comparison_formats)
        self.comparison_owners.update(other.comparison_owners)
        self.loader_owners.update(other.loader_owners)
        self.plugins += other.plugins
        self.broken += other.broken
        self._managers += other._managers

    @property
    def pillars(self) -> list[str]:
        """Return the pillars in the order in which their first checks were found."""
        return list(dict.fromkeys(entry.check.pillar for entry in self.checks.values()))

    def notify(self, hook: str, processes: PluginProcesses | None = None, **arguments: Any) -> list[str]:
        """Call a listener hook of every plugin, each with a copy, so that no listener changes the audit.

        Listeners of other distributions run in the child processes, if there are any.

        Returns
        -------
        list of str
            One message for each listener that raised.
        """
        problems = []
        for record, manager in self._managers:
            if hook not in record.hooks:
                continue
            try:
                with _apart_from(record.distribution), _in_words(arguments) as readable:
                    if processes is not None and record.distribution != FIRST_PARTY:
                        payload = {key: value.model_dump(mode="json") for key, value in arguments.items() if key != "run"}
                        processes.notify(hook, record.distribution, arguments["run"], payload)
                    elif manager is not None:
                        getattr(manager.hook, hook)(**copy.deepcopy(readable))
            except KeyboardInterrupt:
                raise
            except BaseException as error:
                problems.append(f"{record.distribution}: {hook} raised {raised(error)}")
        return problems

    def write(self, name: str, record: Record, folder: Path, processes: PluginProcesses | None = None) -> list[Path]:
        """Write a report format; formats of other distributions run in the child processes, if there are any.

        Raises
        ------
        PluginError
            If the format does not return a list of the files that it wrote into the folder.
        """
        owner = self.owners.get(name, FIRST_PARTY)
        with preserved(), in_words(record) as readable:
            if processes is not None and owner != FIRST_PARTY:
                written = processes.write(name, owner, record, folder)
            else:
                written = self.formats[name](readable, folder)
        if not isinstance(written, list) or not all(isinstance(path, Path) for path in written):
            raise PluginError("it must return a list of the paths (pathlib.Path) that it wrote")
        if stray := [path for path in written if not path.is_file() or not path.resolve().is_relative_to(folder.resolve())]:
            raise PluginError(f"it returned {stray[0]}, which is not a file in {folder}")
        return [folder / path.resolve().relative_to(folder.resolve()) for path in written]

    def write_runs(self, name: str, runs: RunComparison | RunHistory, file: Path, processes: PluginProcesses | None = None) -> None:
        """Write several runs in a format to a file; formats of other distributions run in the child processes, if there are any.

        Raises
        ------
        PluginError
            If the format does not write the file.
        """
        owner = self.comparison_owners.get(name, FIRST_PARTY)
        newest = runs.candidate if isinstance(runs, RunComparison) else runs.records[-1]
        with preserved(), using(newest.data.labels):
            if processes is not None and owner != FIRST_PARTY:
                processes.write_runs(name, owner, runs, file)
            else:
                self.comparison_formats[name](runs, file)
        if not file.is_file():
            raise PluginError(f"the format {name!r} of several runs did not write {file}")
