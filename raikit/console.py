"""Write for a person: results on stdout, progress on stderr, a live bar on a terminal, plain lines in CI."""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal, TextIO

from raikit.errors import RunError

# Compiled at its first use, because every command imports this module.
_CONTROL = r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
_LINE_EVERY = 15.0


def clean(text: str) -> str:
    """Replace characters that could steer a terminal.

    These are control characters, overrides of the writing direction, and lone surrogates, which no file can hold.
    """
    return re.sub(_CONTROL, "\N{REPLACEMENT CHARACTER}", text)


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


def open_closed_streams() -> None:
    """Let standard streams that are closed (``>&-``, services) lead nowhere, so that nobody else gets their numbers."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # The lowest number that is free is this one.
        if getattr(sys, name) is None:
            setattr(sys, name, _nowhere("w" if number else "r"))


def _nowhere(mode: Literal["r", "w"] = "w") -> TextIO:
    return open(os.devnull, mode, encoding="utf-8")


class Console:
    """The output of a command; `quiet` leaves progress out.

    Whoever reads a stream may leave early, such as ``head``. The command goes on, and its exit code says how it ended.
    """

    def __init__(self, quiet: bool = False) -> None:
        self.quiet = quiet
        self._err = sys.stderr  # bound now: while a check runs, sys.stderr is the check's own
        self.live = self._err.isatty() and not quiet

    def say(self, text: str) -> None:
        """Write a line of progress to stderr."""
        if self.quiet:
            return
        try:
            self._err.write(one_line(text) + "\n")
            self._err.flush()
        except BrokenPipeError:
            self._err = _nowhere()

    def result(self, text: str = "") -> None:
        """Write a line of the result to stdout.

        Raises
        ------
        RunError
            If it cannot be written, such as to a full disk.
        """
        self._write(one_line(text))

    def document(self, text: str) -> None:
        """Write JSON or YAML of several lines to stdout; its own syntax keeps foreign text from beginning a line.

        Raises
        ------
        RunError
            If it cannot be written, such as to a full disk.
        """
        self._write(clean(text))

    @staticmethod
    def _write(text: str) -> None:
        try:
            sys.stdout.write(text + "\n")
            sys.stdout.flush()
        except BrokenPipeError:
            sys.stdout = _nowhere()
        except OSError as error:
            raise RunError(f"the result cannot be written to standard output: {error.strerror}.") from None

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
