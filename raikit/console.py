"""Write for a person: results on stdout, progress on stderr, a live bar on a terminal, plain lines in CI."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_LINE_EVERY = 15.0


def clean(text: str) -> str:
    """Replace characters that could steer a terminal.

    These are control characters, overrides of the writing direction, and lone surrogates, which no file can hold.
    """
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text)


def one_line(text: str) -> str:
    r"""Return a text as one line that no CI service takes for a command, whatever data, a plugin or an exception put into it.

    GitHub reads ``::name`` at the beginning of a line, after spaces, and ``##[name]`` anywhere.

    Examples
    --------
    >>> one_line("no column 'a\n::error::b'")
    "no column 'a | : :error::b'"
    """
    parts = [re.sub(r"^(\s*):(?=:)", r"\1: ", part) for part in clean(text).splitlines()]
    return " | ".join(parts).replace("##[", "# #[")


def block(text: str) -> str:
    """Return a text of several lines, such as a traceback, each of which begins with a bar."""
    return "".join(f"| {one_line(line)}\n" for line in text.splitlines())


class Console:
    """The output of a command; `quiet` leaves progress out."""

    def __init__(self, quiet: bool = False) -> None:
        self.quiet = quiet
        self._err = sys.stderr  # bound now: while a check runs, sys.stderr is the check's own
        self.live = self._err.isatty() and not quiet

    def say(self, text: str) -> None:
        """Write a line of progress to stderr."""
        if not self.quiet:
            self._err.write(one_line(text) + "\n")
            self._err.flush()

    def result(self, text: str = "") -> None:
        """Write a line of the result to stdout."""
        sys.stdout.write(one_line(text) + "\n")
        sys.stdout.flush()

    def document(self, text: str) -> None:
        """Write JSON or YAML of several lines to stdout; its own syntax keeps foreign text from beginning a line."""
        sys.stdout.write(clean(text) + "\n")
        sys.stdout.flush()

    @contextmanager
    def progress(self, label: str) -> Iterator[Callable[..., None]]:
        """Yield ``step(done, total, note="")``, which draws a bar or writes a line now and then."""
        if self.live:
            with _bar(label, self._err) as step:
                yield step
        else:
            yield self._lines(label)

    def _lines(self, label: str) -> Callable[..., None]:
        last = time.monotonic()

        def step(done: int, total: int, note: str = "") -> None:
            nonlocal last
            if done >= total or time.monotonic() - last > _LINE_EVERY:
                last = time.monotonic()
                self.say(f"  {label}: {done:,} of {total:,}{' ' + note if note else ''}")

        return step


@contextmanager
def _bar(label: str, stream: TextIO) -> Iterator[Callable[..., None]]:
    from rich.console import Console as RichConsole
    from rich.markup import escape
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("  {task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Progress(*columns, console=RichConsole(file=stream), transient=False) as bar:
        task = bar.add_task(escape(one_line(label)), total=None, note="")

        def step(done: int, total: int, note: str = "") -> None:
            bar.update(task, completed=done, total=total, note=escape(one_line(note)))

        yield step
