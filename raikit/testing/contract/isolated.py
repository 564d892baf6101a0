"""The conformance test in a process of its own, so that a plugin that exits or hangs breaks a rule and not the command."""

from __future__ import annotations

import faulthandler
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from multiprocessing.connection import Connection, Pipe
from pathlib import Path
from typing import Any

from raikit.config.load import load
from raikit.data.dataset import Dataset
from raikit.errors import ConfigError, RaikitError
from raikit.models.opening import open_dataset
from raikit.process.children import end, ending, python
from raikit.testing.contract import planned_rules
from raikit.testing.contract.hang import code_location, hang_location
from raikit.testing.contract.rule import Conformity
from raikit.testing.contract.subject import path_or_name, subjects_of

SECONDS = 60.0
_PROGRAM = f"import sys; from {__name__} import main; main(*sys.argv[1:])"
_GRACE = 10.0  # seconds in which a hanging process may end itself before it is killed
_EXIT_WAIT = 2.0  # seconds in which a process that closed its connection must have exited


@dataclass
class IsolatedConformance:
    """`raikit.testing.conformance` in a process of its own, for an argument of the command line.

    Iterating yields each outcome as soon as it is known. A rule that takes too long, or that ends the process, is broken. The
    remaining rules of that check are not tried; those of others continue in a new process.

    Parameters
    ----------
    plugin : str
        A file or a package's folder if it ends in ``.py``, contains a slash or is a folder; else the name of an entry point.
    seconds : float
        Time limit of one rule.
    data : Path, optional
        A configuration file. Checks are tried on its data first, and then on generated data.

    Attributes
    ----------
    planned : list of (str, str)
        Check (or format, loader, plugin) and rule of each outcome; known when the first outcome comes.

    Raises
    ------
    ConfigError
        If there is no such plugin, or if the configuration or its data cannot be used.
    """

    plugin: str
    seconds: float = SECONDS
    data: Path | None = None
    planned: list[tuple[str, str]] = field(default_factory=list, init=False)

    def __iter__(self) -> Iterator[Conformity]:
        done, self.planned = 0, [(self.plugin, "loads")]
        while done < len(self.planned):
            with _process(self, done) as process:
                for outcome in process.outcomes():
                    yield outcome
                    done += 1
            if process.fault is None:
                return
            owner, broken = self.planned[done]
            yield Conformity(owner, broken, "failed", process.fault)
            done += 1
            while done < len(self.planned) and self.planned[done][0] == owner:
                yield Conformity(*self.planned[done], "not applicable", f"not tried: see {broken}")
                done += 1


@dataclass
class _Process:
    """A process that tries rules one after the other; `fault` is why it did not finish."""

    request: IsolatedConformance
    process: subprocess.Popen[bytes]
    connection: Connection
    folder: Path
    fault: str | None = None

    def outcomes(self) -> Iterator[Conformity]:
        """Yield the outcome of each rule, as long as the process lives."""
        limit: float | None = None  # The first message may take as long as it needs: reading data has no time limit.
        while (message := self._receive(limit)) is not None:
            limit = self.request.seconds + _GRACE
            if "error" in message:
                raise ConfigError(message["error"])
            if "planned" in message:
                self.request.planned = [(owner, rule) for owner, rule in message["planned"]]
            elif "outcome" in message:
                yield Conformity(**message["outcome"])
            elif "done" in message:
                return
        self.fault = self._fault()

    def _receive(self, limit: float | None) -> dict[str, Any] | None:
        try:
            return dict(json.loads(self.connection.recv_bytes())) if self.connection.poll(limit) else None
        except (EOFError, OSError):
            return None

    def _fault(self) -> str:
        trace = (self.folder / "trace").read_text(encoding="utf-8", errors="replace")
        try:
            code = self.process.wait(_EXIT_WAIT)
        except subprocess.TimeoutExpired:
            code = None
        if trace.startswith("Timeout") or code is None:
            place = hang_location(trace, code_location(path_or_name(self.request.plugin)))
            return f"it took more than {self.request.seconds:g} seconds{place}; --timeout raises the limit"
        if code < 0:
            return f"it killed the whole process ({ending(code)})"
        printed = (self.folder / "stderr").read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return f"it ended the whole process with {ending(code)}{f': {printed[-1]}' if code and printed else ''}"


@contextmanager
def _process(request: IsolatedConformance, done: int) -> Iterator[_Process]:
    """Start a process that continues after the first `done` rules; terminate it and its children afterwards."""
    ours, theirs = Pipe()
    with tempfile.TemporaryDirectory(prefix="raikit-", ignore_cleanup_errors=True) as temporary, ours:
        folder = Path(temporary)
        setting = {
            "path": sys.path, "plugin": request.plugin, "seconds": request.seconds,
            "data": request.data and str(request.data),
            "done": done, "trace": str(folder / "trace"),
        }  # fmt: skip
        (folder / "trace").touch()
        with theirs, (folder / "stderr").open("wb") as errors:
            process = subprocess.Popen(  # noqa: S603  # this very interpreter
                python(_PROGRAM, str(theirs.fileno()), json.dumps(setting)), pass_fds=[theirs.fileno()],
                # What the plugin prints must not mix with the table of outcomes.
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=errors, start_new_session=True,
            )  # fmt: skip
        try:
            yield _Process(request, process, ours, folder)
        finally:
            end(process)


# --- in that process --------------------------------------------------------------------------------------------


def _messages(plugin: str, seconds: float, data: str | None, done: int, trace: Any) -> Iterator[dict[str, Any]]:
    """Yield the plan and the outcome of each rule; a rule that takes too long ends the process and leaves its stack."""

    def restart_timer() -> None:
        faulthandler.dump_traceback_later(seconds, exit=True, file=trace)

    try:
        dataset = _read_data(Path(data)) if data else None
        yield {"ready": True}
        restart_timer()
        subjects = subjects_of(path_or_name(plugin))
        planned = [one for subject in subjects for one in planned_rules(subject, dataset)]
    except RaikitError as error:
        yield {"error": str(error)}
        return
    yield {"planned": [[one.owner, one.rule.name] for one in planned]}
    for one in planned[done:]:
        restart_timer()
        yield {"outcome": asdict(one.check())}
    yield {"done": True}


def _read_data(path: Path) -> Dataset:
    config = load(path)
    return open_dataset(config.audit, config.folder, config.error)


def main(descriptor: str, encoded_setting: str) -> None:
    """Try the rules, and send each message through the pipe with this file descriptor."""
    setting = json.loads(encoded_setting)
    sys.path[:] = setting.pop("path")
    connection = Connection(int(descriptor))
    with Path(setting.pop("trace")).open("w", encoding="utf-8") as trace:
        for message in _messages(**setting, trace=trace):
            connection.send_bytes(json.dumps(message, ensure_ascii=True).encode())
