"""Progress of an audit in a notebook: one line with a bar on stderr, which is drawn over itself."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from raikit.console import Console, one_line

_WIDTH, _CELLS = 100, 20
_NUMBERED = re.compile(r"\[(\d+)/(\d+)\] ")  # the number of a check among all


def console_for(progress: bool) -> Console:
    """Return where progress is shown: a bar in a notebook, what the command line shows elsewhere, or nothing."""
    return NotebookConsole() if progress and in_notebook() else Console(quiet=not progress)


def in_notebook() -> bool:
    """Return whether this process is the kernel of a notebook."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return shell is not None and "IPKernelApp" in getattr(shell, "config", {})


class NotebookConsole(Console):
    """A console whose lines replace each other, so that a cell shows one line while the audit runs.

    A notebook is no terminal on which rich could draw.
    """

    def __init__(self) -> None:
        super().__init__()
        self.live = True
        self._done = ""  # the bar of the checks

    def say(self, text: str) -> None:
        """Show a line until the next; notes are in the result."""
        self._draw(one_line(text).strip())

    @contextmanager
    def progress(self, label: str, **options: Any) -> Iterator[Callable[..., None]]:
        """Yield ``step(done, total, note="")``, which shows how far a check or the scoring is."""
        line = one_line(label)

        def step(done: int, total: int, note: str = "") -> None:
            self._draw(f"{line}: {done:,} of {total:,} {one_line(note)}")

        self._draw(line)
        yield step

    def clear(self) -> None:
        """Leave nothing: the result is what the cell shows."""
        self._done = ""
        self._draw("")

    def _draw(self, line: str) -> None:
        """Draw over the last line: a carriage return alone would leave the end of a longer one."""
        if number := _NUMBERED.match(line):
            filled = _CELLS * (int(number[1]) - 1) // int(number[2])
            self._done, line = f"{'█' * filled}{'░' * (_CELLS - filled)} {number[0]}", line[number.end() :]
        self._err.write(f"\r{self._done + line:<{_WIDTH}.{_WIDTH}}\r")
        self._err.flush()
