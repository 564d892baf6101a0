"""The output of a child process, read while it runs so that the child never waits for a full pipe."""

from __future__ import annotations

import codecs
import subprocess
import threading
from typing import Any

from raikit.isolation.answer import END_OF_OUTPUT
from raikit.process.guard import Clipped

LAST_WORDS = 2.0  # seconds for output that a child has written to arrive
_CHUNK = 1 << 16


class ChildOutput:
    """What a child prints: the beginning and the end are kept."""

    def __init__(self) -> None:
        self.complete = threading.Event()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self.clear()

    def clear(self) -> None:
        """Forget what was read, before the next job."""
        with self._lock:
            self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
            self._kept, self._pending = Clipped(), b""
            self.complete.clear()

    def text(self) -> str:
        """Return what was kept so far."""
        with self._lock:
            self._keep(len(self._pending))
            return str(self._kept)

    def read_from(self, process: subprocess.Popen[bytes]) -> None:
        """Read in a thread until the process and all its descendants have closed their output."""
        self._thread = threading.Thread(target=self._drain, args=(process.stdout,), daemon=True)
        self._thread.start()

    def join(self) -> None:
        """Wait for the last output of a process that has ended."""
        if self._thread is not None:
            self._thread.join(LAST_WORDS)
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
                    else:  # the marker may arrive in two pieces
                        self._keep(len(before) - len(END_OF_OUTPUT))

    def _keep(self, size: int) -> None:
        if size > 0:
            self._kept.add(self._decoder.decode(self._pending[:size]))
            self._pending = self._pending[size:]
