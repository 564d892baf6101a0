"""The conformance test from outside: in a process of its own, so that a plugin that ends or hangs it is a broken rule."""

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
from typing import TYPE_CHECKING, Any

from raikit.errors import ConfigError, RaikitError
from raikit.process.children import end, ending, python
from raikit.testing.contract.hang import home_of, where_it_hung
from raikit.testing.contract.rule import Conformity
from raikit.testing.contract.subject import path_or_name, subject_of

if TYPE_CHECKING:
    from raikit.data.dataset import Dataset

SECONDS = 60.0
_PROGRAM = f"import sys; from {__name__} import main; main(*sys.argv[1:])"
_GRACE = 10.0  # seconds in which a process that hangs ends itself, before it is ended from here
_LAST_WORDS = 2.0  # seconds in which a process that closed its connection is over


@dataclass
class Examination:
    """As `raikit.testing.conformance`, for what somebody named on the command line; iterating gives each row as it comes.

    A rule that takes too long, or that ends the process, is broken. What is left of that check is not tried; the others go
    on in a new process.

    Parameters
    ----------
    plugin : str
        A file if it ends in ``.py`` or has a slash in it, else the name of an entry point.
    seconds : float
        How long a rule may take.
    data : Path, optional
        A configuration: checks are tried on its data, too, and first.

    Attributes
    ----------
    planned : list of (str, str)
        Whose each row is, and its rule; known when the first row comes.

    Raises
    ------
    ConfigError
        If there is nothing of that name, or if the configuration or its data cannot be used.
    """

    plugin: str
    seconds: float = SECONDS
    data: Path | None = None
    planned: list[tuple[str, str]] = field(default_factory=list, init=False)

    def __iter__(self) -> Iterator[Conformity]:
        done, self.planned = 0, [(self.plugin, "loads")]
        while done < len(self.planned):
            with _process(self, done) as process:
                for found in process.rows():
                    yield found
                    done += 1
            if process.fault is None:
                return
            who, broken = self.planned[done]
            yield Conformity(who, broken, "failed", process.fault)
            done += 1
            while done < len(self.planned) and self.planned[done][0] == who:
                yield Conformity(*self.planned[done], "not applicable", f"not tried any more: see {broken}")
                done += 1


@dataclass
class _Process:
    """A process that tries rules, one after the other; `fault` is why it did not come to its end."""

    asked: Examination
    process: subprocess.Popen[bytes]
    connection: Connection
    folder: Path
    fault: str | None = None

    def rows(self) -> Iterator[Conformity]:
        """What came of each rule, as long as the process lives."""
        limit: float | None = None  # the clock starts when the first rule does
        while (told := self._told(limit)) is not None:
            limit = self.asked.seconds + _GRACE
            if "error" in told:
                raise ConfigError(told["error"])
            if "planned" in told:
                self.asked.planned = [(who, rule) for who, rule in told["planned"]]
            elif "found" in told:
                yield Conformity(**told["found"])
            elif "done" in told:
                return
        self.fault = self._why()

    def _told(self, limit: float | None) -> dict[str, Any] | None:
        try:
            return dict(json.loads(self.connection.recv_bytes())) if self.connection.poll(limit) else None
        except (EOFError, OSError):
            return None

    def _why(self) -> str:
        trace = (self.folder / "trace").read_text(encoding="utf-8", errors="replace")
        try:
            code = self.process.wait(_LAST_WORDS)
        except subprocess.TimeoutExpired:
            code = None
        if trace.startswith("Timeout") or code is None:
            place = where_it_hung(trace, home_of(path_or_name(self.asked.plugin)))
            return f"it took more than {self.asked.seconds:g} seconds{place}; --timeout gives it more"
        if code < 0:
            return f"it killed the whole process ({ending(code)})"
        said = (self.folder / "stderr").read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return f"it ended the whole process with the {ending(code)}{f': {said[-1]}' if code and said else ''}"


@contextmanager
def _process(asked: Examination, done: int) -> Iterator[_Process]:
    """Start a process that goes on after the rules that are done; it is gone afterwards, with all that it started."""
    ours, theirs = Pipe()
    with tempfile.TemporaryDirectory(prefix="raikit-", ignore_cleanup_errors=True) as made, ours:
        folder = Path(made)
        setting = {
            "path": sys.path, "plugin": asked.plugin, "seconds": asked.seconds, "data": asked.data and str(asked.data),
            "done": done, "trace": str(folder / "trace"),
        }  # fmt: skip
        (folder / "trace").touch()
        with theirs, (folder / "stderr").open("wb") as errors:
            process = subprocess.Popen(  # noqa: S603  # this very interpreter
                python(_PROGRAM, str(theirs.fileno()), json.dumps(setting)), pass_fds=[theirs.fileno()],
                # what the plugin prints is none of the table's business
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=errors, start_new_session=True,
            )  # fmt: skip
        try:
            yield _Process(asked, process, ours, folder)
        finally:
            end(process)


# --- in that process --------------------------------------------------------------------------------------------


def _tried(plugin: str, seconds: float, data: str | None, done: int, trace: Any) -> Iterator[dict[str, Any]]:
    """What is planned, and what came of each rule; whatever takes too long ends the process and says where it stood."""
    from raikit.testing.contract import cases

    def start_the_clock() -> None:
        faulthandler.dump_traceback_later(seconds, exit=True, file=trace)

    try:
        given = _data_of(Path(data)) if data else None
        yield {"ready": True}
        start_the_clock()
        planned = list(cases(subject_of(path_or_name(plugin)), given))
    except RaikitError as error:
        yield {"error": str(error)}
        return
    yield {"planned": [[who, rule.name] for who, rule, _ in planned]}
    for who, rule, what in planned[done:]:
        start_the_clock()
        yield {"found": asdict(rule.held_against(who, what))}
    yield {"done": True}


def _data_of(path: Path) -> Dataset:
    from raikit.config.load import load
    from raikit.models.opening import open_dataset

    config = load(path)
    return open_dataset(config.audit, config.folder, config.error)


def main(descriptor: str, written: str) -> None:
    setting = json.loads(written)
    sys.path[:] = setting.pop("path")
    connection = Connection(int(descriptor))
    with Path(setting.pop("trace")).open("w", encoding="utf-8") as trace:
        for told in _tried(**setting, trace=trace):
            connection.send_bytes(json.dumps(told, ensure_ascii=True).encode())
