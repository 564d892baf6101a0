"""Checks of other distributions run in a child process: a hang, an ``os._exit`` or a segfault costs that check only.

One child for each distribution, started when the first of its checks runs and again after it died. `raikit.isolation.worker` is
what runs in it. The child gets predictions in a copy of its own, the model and the data are opened there when a check
asks for them, and only JSON comes back.
"""

from __future__ import annotations

import codecs
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from raikit.errors import PluginError, place_of
from raikit.isolation.answer import END_OF_OUTPUT, STACK_SIGNAL, Answer
from raikit.process.children import TIMEOUT, end, ending, python
from raikit.process.guard import MOST_RESULT, Clipped
from raikit.run.record import FIRST_PARTY

if TYPE_CHECKING:
    from raikit.check import Check
    from raikit.run.margins import Margins
    from raikit.run.reader import RunView
    from raikit.run.record import Record
    from raikit.run.results import Comparison

_PATIENCE = 2.0  # seconds in which a child may remove what it has left in temporary folders
_STACK = 0.3  # seconds for a child to write where it is
_LAST_WORDS = 2.0  # seconds for output that a child has written to arrive
_CHUNK = 1 << 16


class ChildError(PluginError):
    """The child process is gone, or had to be ended."""


class Child:
    """The process of one distribution.

    Parameters
    ----------
    setting : mapping
        What `raikit.isolation.worker` needs to make contexts: ``distribution``, ``context``, ``config``, ``folder``, ``run``.
    timeout : float
        Seconds that a check may take.
    """

    def __init__(self, setting: Mapping[str, Any], timeout: float) -> None:
        self._setting, self._timeout = setting, timeout
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: Connection | None = None
        self._output = _Output()
        self._number = 0

    def run(self, job: Mapping[str, Any], progress: Callable[[int, int], None] = lambda done, total: None) -> Answer:
        """Do one job; whatever happens to the child is in the answer."""
        self._output.clear()
        self._number += 1
        try:
            told = self._ask({"seed": 0, **job, "number": self._number}, progress)
        except ChildError as error:
            self.close()
            return Answer(error=str(error), output=self._output.text())
        except BaseException:
            self.close()  # interrupted: nothing of it lives on
            raise
        self._output.complete.wait(_LAST_WORDS)
        return Answer(**told, output=self._output.text())

    def answered(self, job: Mapping[str, Any]) -> Any:
        """What a job gave, read from its JSON.

        Raises
        ------
        PluginError
            With what went wrong in the child, and where.
        """
        answer = self.run(job)
        if answer.error is not None:
            raise PluginError(answer.error + place_of(answer.traceback))
        return json.loads(answer.result or "null")

    def _ask(self, job: Mapping[str, Any], progress: Callable[[int, int], None]) -> dict[str, Any]:
        until = time.monotonic() + self._timeout
        try:
            connection = self._connection or self._start()
            connection.send_bytes(json.dumps(job).encode())
            while True:
                if not connection.poll(max(until - time.monotonic(), 0)):
                    self._show_where_it_is()
                    raise ChildError(f"it did not finish within {self._timeout:,g} seconds, so its process was ended")
                told: dict[str, Any] = json.loads(connection.recv_bytes(2 * MOST_RESULT))
                if "progress" in told:
                    progress(*told["progress"])
                elif told.pop("number", None) == self._number:  # else of a copy that an earlier check has forked
                    return told
        except (EOFError, OSError, ValueError):
            raise ChildError(f"it ended the process that it ran in ({self._how_it_ended()})") from None

    def _show_where_it_is(self) -> None:
        """Have the child write its stack into its output, as far as it still can."""
        if self._process is not None:
            self._process.send_signal(STACK_SIGNAL)
            time.sleep(_STACK)

    def _start(self) -> Connection:
        ours, theirs = socket.socketpair()
        self._process = subprocess.Popen(  # noqa: S603  # this very interpreter
            python("from raikit.isolation.worker import main; main()", str(theirs.fileno())),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            pass_fds=[theirs.fileno()], start_new_session=True,
        )  # fmt: skip
        theirs.close()
        self._output.read_from(self._process)
        self._connection = Connection(ours.detach())
        self._connection.send_bytes(
            json.dumps({**self._setting, "path": list(sys.path), "environment": dict(os.environ)}).encode()
        )
        return self._connection

    def _how_it_ended(self) -> str:
        assert self._process is not None
        try:
            return ending(self._process.wait(_LAST_WORDS))
        except subprocess.TimeoutExpired:
            return "it closed its connection"

    def close(self, patience: float = 0.0) -> None:
        """End the process with all that it has started; after some seconds in which it may clean up."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        if self._process is not None:
            if self._process.stdin is not None:
                self._process.stdin.close()
            end(self._process, patience)
            self._output.join()
            self._process = None


class Children:
    """The processes of all distributions that take part, each started when it is needed; all end with the ``with`` block.

    Parameters
    ----------
    setting : mapping
        As for `Child`, without the distribution; empty if nothing but comparisons is asked for.
    timeout : float
    """

    def __init__(self, setting: Mapping[str, Any], timeout: float = TIMEOUT) -> None:
        self._setting, self._timeout = setting, timeout
        self._children: dict[str, Child] = {}

    def of(self, distribution: str) -> Child:
        """The child of a distribution."""
        if distribution not in self._children:
            self._children[distribution] = Child({**self._setting, "distribution": distribution}, self._timeout)
        return self._children[distribution]

    def comparing(self, check: Check, distribution: str) -> Check | Comparing:
        """A check that compares two runs in the process where it belongs."""
        if distribution == FIRST_PARTY or check.compare is None:
            return check
        return Comparing(check.name, check.options.model_dump(mode="json"), self.of(distribution))

    def write(self, name: str, distribution: str, record: Record, folder: Path) -> list[Path]:
        """Have a report format of a distribution write its files."""
        job = {"format": name, "record": record.model_dump(mode="json"), "folder": str(folder.resolve())}
        return [Path(path) for path in self.of(distribution).answered(job)]

    def notify(self, hook: str, distribution: str, run: Path, told: Mapping[str, Any]) -> None:
        """Have a listener of a distribution told; it gets a copy."""
        self.of(distribution).answered({"hook": hook, "run": str(run.resolve()), **told})

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for child in self._children.values():
            child.close(_PATIENCE)


@dataclass(frozen=True)
class Comparing:
    """What the regression gate needs of a check: its name, and `compare`, here in another process."""

    name: str
    options: Mapping[str, Any]
    child: Child

    def compare(self, candidate: RunView, baseline: RunView, margins: Margins) -> list[Comparison]:
        """As `raikit.Check.compare`."""
        from dataclasses import asdict

        from raikit.run.results import Comparison

        job = {
            "check": self.name,
            "options": dict(self.options),
            "compare": {"candidate": _view(candidate), "baseline": _view(baseline), "margins": asdict(margins)},
        }
        return [Comparison.model_validate(item) for item in self.child.answered(job)]


def _view(run: RunView) -> dict[str, Any]:
    return {
        "folder": str(run.folder.resolve()),
        "record": run.record.model_dump(mode="json"),
        "is_file": run.is_file,
        "counts": [dict(cell) for cell in run.counts],
    }


class _Output:
    """Reads all that a child prints, so that it never waits, and keeps the beginning and the end."""

    def __init__(self) -> None:
        self.complete = threading.Event()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self.clear()

    def clear(self) -> None:
        """Begin anew, for the next check."""
        with self._lock:
            self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
            self._kept, self._pending = Clipped(), b""
            self.complete.clear()

    def text(self) -> str:
        """What was kept so far."""
        with self._lock:
            self._keep(len(self._pending))
            return str(self._kept)

    def read_from(self, process: subprocess.Popen[bytes]) -> None:
        """Read in a thread until the process and all that it has started have closed their output."""
        self._thread = threading.Thread(target=self._drain, args=(process.stdout,), daemon=True)
        self._thread.start()

    def join(self) -> None:
        """Wait for the last words of a process that has ended."""
        if self._thread is not None:
            self._thread.join(_LAST_WORDS)
            self._thread = None

    def _drain(self, stream: Any) -> None:
        with stream:
            while chunk := stream.read1(_CHUNK):
                with self._lock:
                    self._pending += chunk
                    before, end, after = self._pending.partition(END_OF_OUTPUT)
                    if end:
                        self._keep(len(before))
                        self._pending = after
                        self.complete.set()
                    else:  # the end may be on its way in two pieces
                        self._keep(len(before) - len(END_OF_OUTPUT))

    def _keep(self, size: int) -> None:
        if size > 0:
            self._kept.add(self._decoder.decode(self._pending[:size]))
            self._pending = self._pending[size:]
