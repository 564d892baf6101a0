"""When the command that runs now began: what was written to disk since then may come from a plugin."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_began: ContextVar[int | None] = ContextVar("began", default=None)


@contextmanager
def beginning() -> Iterator[None]:
    """Let a command begin here and end with the block; one inside another begins with the outer one."""
    token = _began.set(_began.get() or time.time_ns())
    try:
        yield
    finally:
        _began.reset(token)


def changed_since(status: os.stat_result) -> bool:
    """Return whether a file was written to, replaced or moved since the command began, whatever times it was given afterwards.

    The time at which an inode changed is compared, which no program of the user can set. A time in the future counts as
    earlier: it was set by another clock, such as that of a machine that had the disk before. Outside a command nothing has
    changed.
    """
    began = _began.get()
    return began is not None and began <= max(status.st_ctime_ns, status.st_mtime_ns if os.name == "nt" else 0) <= time.time_ns()
