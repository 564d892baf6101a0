"""Draw figures of a page or a tracker in a child process, within limits of time and memory.

A spec can make the renderer abort its process, loop, or take gigabytes. Then only that figure is lost.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
import time
from types import TracebackType
from typing import Any, Self

from raikit.limits import Limits, variable
from raikit_reports.page import figures

_MOST_DRAWN = 16 << 20  # bytes of one answer

# Reads a kind and a spec a line, and writes what `figures.draw` makes of it. -P keeps the working folder out of the import path.
_PROGRAM = """
import json, resource, sys
resource.setrlimit(resource.RLIMIT_DATA, (int(sys.argv[1]), int(sys.argv[1])))
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
sys.path[:] = json.loads(sys.argv[2])
from raikit_reports.page import figures
for line in sys.stdin:
    kind, spec = json.loads(line)
    print(json.dumps(figures.draw(spec, kind)), flush=True)
"""


class ForeignRenderer:
    """A renderer in a process of its own, which starts with the first figure and again after it ended.

    Parameters
    ----------
    seconds : float, optional
        For one figure, the start of the renderer included; absent: `raikit.limits.Limits.figure_seconds`.
    memory : int, optional
        Bytes of data; absent: `raikit.limits.Limits.figure_megabytes`. Drawing a bar takes half of its default, because V8
        reserves more than it uses.
    """

    def __init__(self, seconds: float | None = None, memory: int | None = None) -> None:
        limits = Limits.of_environment()
        self._seconds = limits.figure_seconds if seconds is None else seconds
        self._memory = limits.figure_megabytes << 20 if memory is None else memory
        self._process: subprocess.Popen[bytes] | None = None

    def render(self, spec: dict[str, Any], prefix: str) -> figures.Drawing:
        """Draw a safe spec as SVG; if that fails, return the reason."""
        return figures.finish(self._draw(spec, "svg"), prefix)

    def png(self, spec: dict[str, Any]) -> bytes | None:
        """Draw a safe spec as PNG at twice its size; None if that fails."""
        try:
            return base64.b64decode(self._draw(spec, "png")["png"]) or None
        except (KeyError, TypeError, ValueError):
            return None

    def _draw(self, spec: dict[str, Any], kind: str) -> dict[str, Any]:
        """Return what `figures.draw` makes of a spec, or the ``reason`` why it made nothing."""
        process = self._process or self._start()
        assert process.stdin is not None
        try:
            process.stdin.write(json.dumps([kind, spec]).encode() + b"\n")
            process.stdin.flush()
            drawn = json.loads(self._answer(process))
            return drawn if isinstance(drawn, dict) else {}
        except (OSError, ValueError):
            more = f"if it lacked memory, raise {variable('figure_megabytes')} or ulimit -v"
            return {"reason": f"the renderer ended ({_ending(self._end())}); {more}"}
        except TimeoutError as error:
            self._end()
            return {"reason": str(error)}

    def _start(self) -> subprocess.Popen[bytes]:
        self._process = subprocess.Popen(  # noqa: S603  # this very interpreter
            [sys.executable, "-P", "-c", _PROGRAM, str(self._memory), json.dumps(sys.path)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        return self._process

    def _answer(self, process: subprocess.Popen[bytes]) -> bytes:
        """Read one line; raise `TimeoutError` if it does not come in time or is too long."""
        assert process.stdout is not None
        until, read = time.monotonic() + self._seconds, b""
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            while not read.endswith(b"\n"):
                if not selector.select(max(until - time.monotonic(), 0)):
                    raise TimeoutError(f"drawing it took more than {self._seconds:g} seconds ({variable('figure_seconds')})")
                if not (chunk := os.read(process.stdout.fileno(), 1 << 20)):
                    return b""
                read += chunk
                if len(read) > _MOST_DRAWN:
                    raise TimeoutError(f"its drawing is larger than {_MOST_DRAWN >> 20} MB")
        return read

    def _end(self) -> int:
        """End the process and return its exit code."""
        process, self._process = self._process, None
        if process is None:
            return 0
        try:
            return process.wait(1)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            return process.wait()
        finally:
            for stream in (process.stdin, process.stdout):
                if stream is not None:
                    with contextlib.suppress(OSError):
                        stream.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()
        self._end()


def _ending(code: int) -> str:
    return signal.Signals(-code).name if code < 0 else f"exit code {code}"


# Written as bytes at once: the bundle is one long line of 900 KB.
_BUNDLE = """
import sys, vl_convert
sys.stdout.buffer.write(vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;").encode())
"""


class RuntimeBundle:
    """The script that draws figures in the reader's browser, bundled in a process of its own while the page is laid out."""

    def __enter__(self) -> Self:
        program = f"import sys; sys.path[:] = {sys.path!r}\n{_BUNDLE}"
        self._process = subprocess.Popen(  # noqa: S603  # this very interpreter
            [sys.executable, "-P", "-c", program], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            start_new_session=True,
        )  # fmt: skip
        return self

    def read(self) -> str:
        """Return the script; empty if it could not be bundled, for example for lack of memory."""
        bundle, _ = self._process.communicate()
        return figures.runtime(bundle.decode()) if self._process.returncode == 0 else ""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
