"""Starting and ending child processes of this interpreter."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

TIMEOUT = 600.0  # seconds that a child may take for one check, unless the configuration says another number


def python(program: str, *arguments: str) -> list[str]:
    """A command that runs a program with this interpreter, in which raikit is found where this process found it.

    The import path of this process is set by the program itself, when it has what it needs: a ``random.py`` beside somebody's
    configuration must not stand before the standard library's.
    """
    found = f"import sys; sys.path.append({str(Path(__file__).parents[2])!r})\n"
    return [sys.executable, "-P", "-c", found + program, *arguments]


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


def end(process: subprocess.Popen[bytes], patience: float = 0.0) -> None:
    """End a process that leads a session of its own, with all that it has started; after some seconds in which it may go itself."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(patience)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
