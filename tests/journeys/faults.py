"""Commands whose k-th change of a folder fails: the process is killed there, or the disk is full, or read-only.

Python announces every file that is opened, renamed or removed to an audit hook, so each of these moments can be chosen. The
command runs in a fork of a process that has imported raikit already.
"""

from __future__ import annotations

import errno
import os
import resource
import signal
import sys
import tempfile
import traceback
from dataclasses import dataclass
from pathlib import Path

NEVER = 10**9
_LONGEST = 300  # seconds until a command that hangs is ended by SIGALRM
_CHANGES = ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.truncate")
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_TRUNC


@dataclass(frozen=True)
class Ended:
    """How a command ended: exit code (negative: the signal), stderr, and how many changes it made or tried."""

    code: int
    err: str
    changes: int


def run(arguments, folder, *, at=NEVER, fault="kill", lasting=False, limits=()) -> Ended:
    """Run ``raikit ARGUMENTS`` in `folder`, and let its change number `at` (from 1) fail.

    Parameters
    ----------
    arguments : sequence of str
    folder : Path
        Only changes below it count.
    at : int
    fault : {"kill"} or int
        An int is an errno.
    lasting : bool
        Whether all further changes that write fail too, as on a disk that stays full.
    limits : sequence of (int, int)
        Limits of `resource`: RLIMIT_FSIZE also stops writers that are not Python's.
    """
    with tempfile.TemporaryDirectory() as place:
        errors, counted = Path(place, "stderr"), Path(place, "changes")
        errors.touch()
        counted.touch()
        if (child := os.fork()) == 0:
            for limit, most in limits:
                resource.setrlimit(limit, (most, most))
            _become(list(map(str, arguments)), Path(folder).resolve(), errors, counted, at, fault, lasting)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        return Ended(code, errors.read_text("utf-8", "replace"), counted.stat().st_size)


def _become(arguments, folder, errors, counted, at, fault, lasting):
    """Run the command in this fork, and end it."""
    code = 99
    try:
        os.chdir(folder)
        os.setpgid(0, 0)
        signal.alarm(_LONGEST)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        os.dup2(os.open(errors, os.O_WRONLY), 2)
        sys.stdout, sys.stderr = (os.fdopen(number, "w", encoding="utf-8", closefd=False) for number in (1, 2))
        sys.addaudithook(_Hook(folder, os.open(counted, os.O_WRONLY), at, fault, lasting))
        from raikit.cli import main

        code = main(arguments)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


class _Hook:
    def __init__(self, folder, counter, at, fault, lasting):
        self.folder, self.counter, self.at, self.fault, self.lasting = str(folder), counter, at, fault, lasting
        self.process, self.count = os.getpid(), 0

    def __call__(self, event, arguments):
        if os.getpid() != self.process or not self._changes(event, arguments):
            return
        self.count += 1
        os.write(self.counter, b".")
        if self.count == self.at and self.fault == "kill":
            os.kill(self.process, signal.SIGKILL)
        frees = event in ("os.remove", "os.rmdir") and self.fault == errno.ENOSPC
        if self.fault != "kill" and not frees and (self.count == self.at or (self.lasting and self.count > self.at)):
            raise OSError(self.fault, os.strerror(self.fault), str(arguments[0]))

    def _changes(self, event, arguments):
        if event == "open":
            path, mode, flags = arguments
            writes = any(letter in mode for letter in "wax+") if mode else flags is not None and flags & _WRITES
            return bool(writes) and self._is_below(path)
        return event in _CHANGES and self._is_below(arguments[0])

    def _is_below(self, path):
        if isinstance(path, int):
            return False
        return os.path.abspath(os.fsdecode(path)).startswith(self.folder + os.sep)
