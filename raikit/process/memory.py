"""A limit of memory for a part of a process that runs what others wrote, such as a graph with tensors of any size."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

_DATA = 5  # the field of statm that counts pages of data, as the limit of the kernel does
_SAYS_SO = ("allocate memory", "bad_alloc", "bad allocation", "out of memory", "Cannot allocate")


class MemoryLimit:
    """As many bytes as a part of this process may take, beyond what the process has when the limit is made.

    What that part keeps between two uses counts too. Only Linux counts such bytes; elsewhere there is no limit.

    Parameters
    ----------
    size : int
        Bytes.
    """

    def __init__(self, size: int) -> None:
        self._most = None if (taken := _taken()) is None else taken + size

    @contextlib.contextmanager
    def __call__(self) -> Iterator[None]:
        """Let allocations beyond the limit fail within the ``with`` block."""
        if self._most is None:
            yield
            return
        import resource

        before, hard = resource.getrlimit(resource.RLIMIT_DATA)
        resource.setrlimit(resource.RLIMIT_DATA, (min(size for size in (self._most, before, hard) if size >= 0), hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_DATA, (before, hard))


def lacked_memory(error: BaseException) -> bool:
    """Return whether an error says that an allocation failed."""
    return isinstance(error, MemoryError) or any(words in str(error) for words in _SAYS_SO)


def _taken() -> int | None:
    """Return how many bytes of data this process has, None where the kernel does not count them."""
    if not sys.platform.startswith("linux"):
        return None
    return int(Path("/proc/self/statm").read_text().split()[_DATA]) * os.sysconf("SC_PAGE_SIZE")
