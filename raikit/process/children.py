"""Start and terminate child processes of this interpreter."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

_OF_THE_SERVICE = {"GITHUB_OUTPUT", "GITHUB_ENV", "GITHUB_PATH", "GITHUB_STATE", "GITHUB_STEP_SUMMARY"}
_PR_SET_PDEATHSIG = 1  # of Linux
_STOPPED_WITHIN = 1.0  # seconds; a thread that waits for a disk stops later
TIMEOUT = 600.0  # seconds that a child may take for one check; plugins.timeout overrides it


def python(program: str, *arguments: str) -> list[str]:
    """Return a command that runs a program with this interpreter and imports raikit from where this process did.

    The program itself sets the import path of this process, once it has imported what it needs. A ``random.py`` beside a
    configuration must not shadow the standard library's.
    """
    prologue = f"import sys; sys.path.append({str(Path(__file__).parents[2])!r})\n"
    return [sys.executable, "-P", "-c", prologue + program, *arguments]


def environment() -> dict[str, str]:
    """Return the environment for a process that runs code of others: without the files that a CI service reads from a job.

    Whoever writes into them sets outputs, variables and paths of the job, or its summary.
    """
    return {name: value for name, value in os.environ.items() if name not in _OF_THE_SERVICE}


def ending(code: int) -> str:
    """Return how a process ended, from its return code.

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


def pause(process: subprocess.Popen[bytes]) -> None:
    """Stop a process and its group until `go_on`, so that no thread of it changes what raikit writes meanwhile.

    Only on Linux, where the kernel lets a stopped process go on when the one that started it has died (`go_on_without_parent`).
    """
    if sys.platform != "linux":
        return
    until = time.monotonic() + _STOPPED_WITHIN
    with contextlib.suppress(ProcessLookupError, PermissionError, ChildProcessError):
        os.killpg(process.pid, signal.SIGSTOP)
        how = os.WSTOPPED | os.WEXITED | os.WNOWAIT | os.WNOHANG
        while os.waitid(os.P_PID, process.pid, how) is None and time.monotonic() < until:
            time.sleep(0.0002)


def go_on(process: subprocess.Popen[bytes]) -> None:
    """Let a process and its group go on, which `pause` has stopped."""
    if sys.platform == "linux":
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGCONT)


def go_on_without_parent() -> None:
    """Ask the kernel to let this process go on if its parent dies while it is stopped; it ends itself then."""
    if sys.platform == "linux":
        import ctypes

        with contextlib.suppress(OSError, AttributeError):  # without it a stopped process stays until somebody ends it
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGCONT)


def end(process: subprocess.Popen[bytes], patience: float = 0.0) -> None:
    """Terminate a process and its process group, after a grace period in seconds."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(patience)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
