"""What plugins provide: checks, model loaders and report formats, with the distribution that each came from."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

from raikit.check import Check
from raikit.errors import PluginError, raised
from raikit.process.guard import preserved
from raikit.run.record import FIRST_PARTY, PluginRecord

if TYPE_CHECKING:
    import pluggy

    from raikit.models.base import ModelLoader
    from raikit.run.record import Record


class PluginProcesses(Protocol):
    """The child processes in which formats and listeners of other distributions run."""

    def write(self, name: str, distribution: str, record: Record, folder: Path) -> list[Path]:
        """Write a report format."""

    def notify(self, hook: str, distribution: str, run: Path, told: Mapping[str, Any]) -> None:
        """Call a listener hook."""


def stand_in(name: str, title: str = "Not run") -> type[Check]:
    """A class in the place of one that cannot be used, so that its row in the record has a name; nothing of it ever runs."""
    from raikit.check import Check

    return cast("type[Check]", type("StandIn", (Check,), {"name": name, "pillar": name.split(".")[0], "__doc__": title}))


@dataclass(frozen=True)
class CheckEntry:
    """A check with who brought it; `problem` says why it may not run."""

    check: type[Check]
    plugin: str
    plugin_version: str = ""
    problem: str | None = None
    warnings: Sequence[str] = ()

    @property
    def name(self) -> str:
        return self.check.name


@dataclass
class Registry:
    """What all plugins bring, and what became of each of them."""

    checks: dict[str, CheckEntry] = field(default_factory=dict)
    loaders: dict[str, ModelLoader] = field(default_factory=dict)
    formats: dict[str, Callable[..., Any]] = field(default_factory=dict)
    owners: dict[str, str] = field(default_factory=dict)  # of formats: distributions
    plugins: list[PluginRecord] = field(default_factory=list)
    broken: list[CheckEntry] = field(default_factory=list)
    _managers: list[tuple[PluginRecord, pluggy.PluginManager]] = field(default_factory=list)

    @property
    def pillars(self) -> list[str]:
        """Pillars in the order in which their first checks were found."""
        return list(dict.fromkeys(entry.check.pillar for entry in self.checks.values()))

    def notify(self, hook: str, children: PluginProcesses | None = None, **arguments: Any) -> list[str]:
        """Call a listener hook of every plugin, others' in their children, each with a copy: no listener changes anything.

        Returns
        -------
        list of str
            A complaint for each that raised.
        """
        complaints = []
        for record, manager in self._managers:
            if hook not in record.hooks:
                continue
            try:
                with preserved():
                    if children is not None and record.distribution != FIRST_PARTY:
                        told = {key: value.model_dump(mode="json") for key, value in arguments.items() if key != "run"}
                        children.notify(hook, record.distribution, arguments["run"], told)
                    else:
                        getattr(manager.hook, hook)(**copy.deepcopy(arguments))
            except KeyboardInterrupt:
                raise
            except BaseException as error:
                complaints.append(f"{record.distribution}: {hook} raised {raised(error)}")
        return complaints

    def write(self, name: str, record: Record, folder: Path, children: PluginProcesses | None = None) -> list[Path]:
        """Write a report format, others' in their children.

        Raises
        ------
        PluginError
            If it does not return a list of the files that it wrote into the folder.
        """
        owner = self.owners.get(name, FIRST_PARTY)
        with preserved():
            if children is not None and owner != FIRST_PARTY:
                written = children.write(name, owner, record, folder)
            else:
                written = self.formats[name](record, folder)
        if not isinstance(written, list) or not all(isinstance(path, Path) for path in written):
            raise PluginError("it must return a list of the paths (pathlib.Path) that it wrote")
        if stray := [path for path in written if not path.is_file() or not path.resolve().is_relative_to(folder.resolve())]:
            raise PluginError(f"it says that it wrote {stray[0]}, which is no file in {folder}")
        return written
