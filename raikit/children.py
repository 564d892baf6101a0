"""Starting and ending child processes of this interpreter."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys


def child_environment() -> dict[str, str]:
    """The environment in which a child finds every module that this process finds."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}


def ending(code: int) -> str:
    """How a process ended, from its return code.

    Examples
    --------
    >>> ending(3), ending(-11)
    ('exit code 3', 'SIGSEGV')
    """
    if code >= 0:
        return f"exit code {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"


def end(process: subprocess.Popen[bytes]) -> None:
    """End a process that leads a session of its own, with all that it has started."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
