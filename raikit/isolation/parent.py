"""Run foreign code in child processes: it changes nothing here, and a hang, an ``os._exit`` or a segfault costs one check only.

Each distribution has one child, which starts when its plugins are discovered and again after it died. The child runs
`raikit.isolation.worker`. On Linux it is stopped while it has no job, so that no thread of a plugin runs while raikit writes.
It gets its own copy of the predictions and opens the model and the data when a check asks for
them. Only JSON comes back.
"""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from pydantic import TypeAdapter, ValidationError

from raikit.config.schema import PluginsConfig
from raikit.errors import PluginError, place_of
from raikit.isolation.answer import STACK_SIGNAL, Answer, error_text, most_result, read_answer
from raikit.isolation.channel import Channel
from raikit.isolation.output import LAST_WORDS, ChildOutput
from raikit.limits import Limits, remedy
from raikit.process.children import end, ending, environment, go_on, pause, python
from raikit.run.across import RunComparison, RunHistory
from raikit.run.owners import FIRST_PARTY
from raikit.run.results import plain

if TYPE_CHECKING:
    from raikit.check import Check
    from raikit.plugins.description import PluginDescription, ValidatedOptions
    from raikit.run.margins import Margins
    from raikit.run.reader import RunView
    from raikit.run.record import Record
    from raikit.run.results import Comparison

_GRACE = 2.0  # seconds in which a child may remove its temporary files
_STACK_DELAY = 0.3  # seconds for a child to write its stack
_Result = TypeVar("_Result")
_MODEL = "\0 model of the audit"  # no metadata file holds this name
_PROGRAM = """from raikit.process.importing import without_collection
with without_collection():
    from raikit.isolation.worker import main
main()
"""
_MOST_DESCRIPTION = 8 << 20  # characters


class ChildError(PluginError):
    """A child process that ended, or had to be terminated; what it did, without a subject, and whether it took too long."""

    def __init__(self, message: str, late: bool = False) -> None:
        super().__init__(message)
        self.late = late


class Child:
    """The process of one distribution.

    Parameters
    ----------
    setting : dict
        What `raikit.isolation.worker` is told with each job: ``distribution``, ``plugins`` and ``folder`` from the start;
        ``context``, ``config`` and ``run`` once they are known. The owner of the dictionary may add to it.
    timeout : float
        Seconds that a check may take.
    """

    def __init__(self, setting: dict[str, Any], timeout: float) -> None:
        self._setting, self._timeout = setting, timeout
        self._told: dict[str, Any] = {}  # of the setting, what the process knows
        self._process: subprocess.Popen[bytes] | None = None
        self._channel: Channel | None = None
        self._output = ChildOutput()
        self._number = 0
        self.preload: tuple[str, ...] = ()  # modules that it imports when it starts

    def run(
        self,
        job: Mapping[str, Any],
        progress: Callable[[int, int], None] = lambda done, total: None,
        timeout: float | None = None,
        for_each_step: bool = False,
    ) -> Answer:
        """Run one job and return its answer, which says so if the child died.

        Parameters
        ----------
        job : mapping
        progress : callable
        timeout : float, optional
            Seconds; absent: those of the process.
        for_each_step : bool
            Whether the time begins again with each step that is done, of those that the first report of progress announces.
        """
        self._output.clear()
        self._number += 1
        try:
            answer = self._ask({"seed": 0, **job, "number": self._number}, progress, timeout or self._timeout, for_each_step)
        except ChildError as error:
            self.close()
            return Answer(error=f"it {error}", died=True, late=error.late, output=self._output.text())
        except BaseException:
            self.close()  # interrupted: leave no process behind
            raise
        self._output.complete.wait(LAST_WORDS)
        answer.output = self._output.text()
        if self._process is not None:
            pause(self._process)
        return answer

    def run_as(self, kind: type[_Result], job: Mapping[str, Any], timeout: float | None = None) -> _Result:
        """Run one job and return its result, validated as `kind`.

        Raises
        ------
        PluginError
            If the job failed; says what went wrong in the child, and where.
        """
        answer = self.run(job, timeout=timeout)
        if answer.error is not None:
            raise (ChildError if answer.died else PluginError)(answer.error + place_of(answer.traceback))
        try:
            return TypeAdapter(kind).validate_json(answer.result or "null")
        except ValidationError as error:
            raise PluginError(f"gave an answer that cannot be read: {error_text(error)[:500]}") from None

    def _ask(
        self, job: dict[str, Any], progress: Callable[[int, int], None], timeout: float, for_each_step: bool
    ) -> Answer:
        until, steps = time.monotonic() + timeout, _Steps()
        try:
            channel = self._channel or self.start()
            if self._process is not None:
                go_on(self._process)
            if news := {key: value for key, value in self._setting.items() if self._told.get(key) is not value}:
                job["setting"], self._told = news, dict(self._setting)
            channel.send(job, until)
            while True:
                message = channel.receive(until)
                if "progress" in message:
                    if steps.advance(message["progress"]) and for_each_step:
                        until = time.monotonic() + timeout
                    progress(*message["progress"])
                elif message.pop("number", None) == self._number:  # another number comes from a process that a check forked
                    return read_answer(message)
        except TimeoutError:
            self._dump_stack()
            raise ChildError(f"did not finish within {timeout:,g} seconds, so its process was terminated", late=True) from None
        except OSError:
            raise ChildError(f"ended the process that it ran in ({self._ending()})") from None
        except ValueError as error:
            raise ChildError(f"sent an answer that cannot be read ({error}), so its process was terminated") from None

    def _dump_stack(self) -> None:
        """Make the child write its stack into its output, if it still can."""
        if self._process is not None:
            self._process.send_signal(STACK_SIGNAL)
            time.sleep(_STACK_DELAY)

    def start(self) -> Channel:
        """Start the process if there is none; it loads raikit while this one goes on."""
        if self._channel is not None:
            return self._channel
        ours, theirs = socket.socketpair()
        self._process = subprocess.Popen(  # noqa: S603  # this very interpreter
            python(_PROGRAM, str(theirs.fileno())),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            pass_fds=[theirs.fileno()], start_new_session=True, env=environment(),
        )  # fmt: skip
        theirs.close()
        self._output.read_from(self._process)
        self._channel = Channel(ours, limit=2 * most_result())
        self._channel.send({"path": list(sys.path), "environment": environment(), "preload": self.preload})
        self._told = {}
        return self._channel

    def _ending(self) -> str:
        assert self._process is not None
        try:
            return ending(self._process.wait(LAST_WORDS))
        except subprocess.TimeoutExpired:
            return "it closed its connection"

    def close(self, grace: float = 0.0) -> None:
        """Terminate the process and its descendants, after a grace period in seconds if it has run a job."""
        if self._channel is not None:
            with contextlib.suppress(OSError):
                self._channel.send(None, time.monotonic() + _GRACE)  # nothing follows
            self._channel.close()
            self._channel = None
        if self._process is not None:
            if self._process.stdin is not None:
                self._process.stdin.close()
            go_on(self._process)
            end(self._process, grace if self._number else 0.0)
            self._output.join()
            self._process = None


class _Steps:
    """How far a child is by its reports of progress, which may be forged: it cannot do more than it announced first."""

    def __init__(self) -> None:
        self._done, self._total = 0, 0

    def advance(self, report: Any) -> bool:
        """Take a report, and return whether more is done than before; raise `ValueError` if it is none."""
        if not (isinstance(report, list) and len(report) == 2 and all(type(number) is int for number in report)):
            raise ValueError("a report of progress that is not two numbers")
        before, self._total = self._done, self._total or report[1]
        self._done = max(before, min(report[0], self._total))
        return self._done > before


class Children:
    """The processes of all distributions, and that of the model; all end with the ``with`` block.

    Parameters
    ----------
    plugins : PluginsConfig, optional
        The local files, and the plugins that are left out.
    folder : Path, optional
        Where the configuration lies.
    """

    def __init__(self, plugins: PluginsConfig | None = None, folder: Path | None = None) -> None:
        plugins = plugins or PluginsConfig()
        self._timeout = plugins.timeout
        self._common: dict[str, Any] = {
            "plugins": plugins.model_dump(mode="json"), "folder": str((folder or Path.cwd()).resolve()),
        }  # fmt: skip
        self._settings: dict[str, dict[str, Any]] = {}
        self._children: dict[str, Child] = {}
        self._ended_by_listener: set[str] = set()

    def of(self, distribution: str) -> Child:
        """Return the child of a distribution."""
        return self._child(distribution, distribution)

    @property
    def model(self) -> Child:
        """The child in which the audited model runs, and raikit's own checks that call it."""
        return self._child(_MODEL, FIRST_PARTY)

    def start_model(self, *modules: str) -> None:
        """Start the process of the model, which imports these modules of raikit while this process reads the data."""
        self.model.preload = modules
        self.model.start()

    def _child(self, name: str, distribution: str) -> Child:
        if name not in self._children:
            self._settings[name] = {**self._common, "distribution": distribution, "without": []}
            self._children[name] = Child(self._settings[name], self._timeout)
        return self._children[name]

    def tell(self, **setting: Any) -> None:
        """Tell every process, now and later, what an audit has found out."""
        self._common |= setting
        for own in self._settings.values():
            own |= setting

    def start(self, distributions: Iterable[str]) -> None:
        """Start the processes of distributions, so that they load at the same time."""
        for distribution in distributions:
            self.of(distribution).start()

    def describe(self, distribution: str, plugin: str) -> PluginDescription:
        """Load a plugin in the process of its distribution, and describe what it provides; one that ends it is left out."""
        from raikit.plugins.description import PluginDescription

        answer = self.of(distribution).run({"describe": plugin}, timeout=Limits.of_environment().loading_seconds)
        if answer.error is None and len(answer.result or "") <= _MOST_DESCRIPTION:
            with contextlib.suppress(ValidationError):
                return PluginDescription.model_validate_json(answer.result or "")
        self._settings[distribution]["without"] = [*self._settings[distribution]["without"], plugin]
        problem = (answer.error or "it cannot be described").removeprefix("it ")
        problem = f"loading it {problem}" if answer.died else f"loading it failed: {problem}"
        longer = f", or {remedy('loading_seconds')}" if answer.late else ""
        return PluginDescription(status="error", reason=f"{problem}; update or remove it, or leave it out with --disable{longer}")

    def validate_options(self, distribution: str, check: str, values: Mapping[str, Any]) -> ValidatedOptions:
        """Validate the options of a check in the process of its distribution."""
        from raikit.plugins.description import ValidatedOptions

        seconds = Limits.of_environment().loading_seconds
        return self.of(distribution).run_as(ValidatedOptions, {"check": check, "validate": plain(dict(values))}, seconds)

    def comparer(self, check: Check, distribution: str) -> Check | RemoteComparer:
        """Return a check that compares two runs in the process of its distribution."""
        if distribution == FIRST_PARTY or check.compare is None:
            return check
        return RemoteComparer(check.name, check.options.model_dump(mode="json"), self.of(distribution))

    def write(self, name: str, distribution: str, record: Record, folder: Path) -> list[Path]:
        """Write a report format in the process of its distribution."""
        job = {"format": name, "record": record.model_dump(mode="json"), "folder": str(folder.resolve())}
        return self.of(distribution).run_as(list[Path], job)

    def write_runs(self, name: str, distribution: str, runs: RunComparison | RunHistory, file: Path) -> None:
        """Write several runs in a format, in the process of its distribution."""
        kind = "comparison" if isinstance(runs, RunComparison) else "history"
        job = {"runs_format": name, kind: runs.model_dump(mode="json"), "file": str(file.resolve())}
        self.of(distribution).run_as(NoneType, job)

    def notify(self, hook: str, distribution: str, run: Path, payload: Mapping[str, Any]) -> None:
        """Call a listener hook in the process of its distribution, with a copy of the payload.

        A listener that ended its process, or hung, is not called again: it would cost its time for every check.
        """
        if distribution in self._ended_by_listener:
            return
        try:
            self.of(distribution).run_as(NoneType, {"hook": hook, "run": str(run.resolve()), **payload})
        except ChildError:
            self._ended_by_listener.add(distribution)
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for child in self._children.values():
            child.close(_GRACE)


@dataclass(frozen=True)
class RemoteComparer:
    """A check whose `compare` runs in another process."""

    name: str
    options: Mapping[str, Any]
    child: Child

    def compare(self, candidate: RunView, baseline: RunView, margins: Margins) -> list[Comparison]:
        """Compare two runs as `raikit.Check.compare` does."""
        from dataclasses import asdict

        from raikit.run.results import Comparison

        job = {
            "check": self.name,
            "options": dict(self.options),
            "compare": {"candidate": _view(candidate), "baseline": _view(baseline), "margins": asdict(margins)},
        }
        return self.child.run_as(list[Comparison], job)


def _view(run: RunView) -> dict[str, Any]:
    return {
        "folder": str(run.folder.resolve()),
        "record": run.record.model_dump(mode="json"),
        "is_file": run.is_file,
        "counts": [dict(cell) for cell in run.counts],
    }
