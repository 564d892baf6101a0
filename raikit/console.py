"""Write for a person: results on stdout, progress on stderr, a live bar on a terminal, plain lines in CI."""

from __future__ import annotations

import os
import re
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal, TextIO

from raikit.errors import RunError

if TYPE_CHECKING:
    from rich.progress import Progress

Style = Literal["", "strong", "bad", "open", "good"]

# Compiled at its first use, because every command imports this module.
_CONTROL = r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
_LINE_EVERY = 15.0
_CODES: dict[Style, str] = {"strong": "1", "bad": "1;31", "open": "33", "good": "32"}  # SGR: bold, red, yellow, green
_LEAST_WIDTH = 40  # A narrower terminal wraps by itself.


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
    """The output of a command.

    Whoever reads a stream may leave early, such as ``head``. The command goes on, and its exit code says how it ended.

    Parameters
    ----------
    quiet : bool
        Leave out progress.
    verbose : bool
        Add what `detail` writes.
    color : bool, optional
        False: no colour. None: colour on a terminal, unless ``NO_COLOR`` is set or ``TERM`` is ``dumb``.
    """

    def __init__(self, quiet: bool = False, verbose: bool = False, color: bool | None = None) -> None:
        self.quiet, self.verbose = quiet, verbose
        self._err = sys.stderr  # bound now: while a check runs, sys.stderr is the check's own
        dumb = os.environ.get("TERM") == "dumb"
        self.live = self._err.isatty() and not dumb and not quiet
        self._colors = color is not False and not dumb and not os.environ.get("NO_COLOR")

    def say(self, text: str) -> None:
        """Write a line of progress to stderr."""
        if self.quiet:
            return
        try:
            self._err.write(one_line(text) + "\n")
            self._err.flush()
        except BrokenPipeError:
            self._err = _nowhere()

    def detail(self, text: str) -> None:
        """Write a line of progress that only ``--verbose`` shows."""
        if self.verbose:
            self.say(text)

    def result(self, text: str = "", *, head: str = "", style: Style = "", hang: int | None = None) -> None:
        """Write a line of the result to stdout.

        Parameters
        ----------
        text : str
            One line, but for a terminal that is too narrow for it.
        head : str
            The beginning of `text` that is coloured on a terminal.
        style : {"", "strong", "bad", "open", "good"}
        hang : int, optional
            Break the text at words where a terminal is too narrow, and indent what follows so far. None: leave it to the
            terminal, so that a path can be copied.

        Raises
        ------
        RunError
            If it cannot be written, such as to a full disk.
        """
        line = one_line(text)
        if sys.stdout.isatty():
            first, *rest = _wrapped(line, hang) if hang is not None else [line]
            line = "\n".join([self._painted(first, one_line(head), style), *rest])
        self._write(line)

    def _painted(self, line: str, head: str, style: Style) -> str:
        """Return a line whose beginning is coloured, as far as `head` goes."""
        head = head[: len(line)]
        if not (self._colors and style and line.startswith(head)):
            return line
        return f"\x1b[{_CODES[style]}m{head}\x1b[0m{line[len(head):]}"

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
    def progress(self, label: str, *, keep: bool = True) -> Iterator[Callable[..., None]]:
        """Yield ``step(done, total, note="")``, which draws a bar or writes a line now and then.

        Parameters
        ----------
        label : str
        keep : bool
            Whether the bar stays on the terminal when it is done.
        """
        if self.live:
            with _bar(label, self._err, self._colors, keep) as step:
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


def _wrapped(line: str, hang: int) -> list[str]:
    """Return a line as those of a terminal, broken at words; no part of it is a command."""
    width = shutil.get_terminal_size().columns
    if len(line) <= width or width < _LEAST_WIDTH:
        return [line]
    import textwrap

    parts = textwrap.wrap(line, width, subsequent_indent=" " * hang, break_long_words=False, break_on_hyphens=False)
    return [one_line(part) for part in parts] or [line]


@contextmanager
def _bar(label: str, stream: TextIO, colors: bool, keep: bool) -> Iterator[Callable[..., None]]:
    """Draw name, bar, done of total, time elapsed and time left, which moves while nothing is reported."""
    from rich.markup import escape

    with _progress(stream, colors, keep) as bar:
        task = bar.add_task(escape(one_line(label)), total=None, note="")

        def step(done: int, total: int, note: str = "") -> None:
            bar.update(task, completed=done, total=total, note=escape(one_line(note)))

        yield step


def _progress(stream: TextIO, colors: bool, keep: bool) -> Progress:
    from rich.console import Console as RichConsole
    from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn
    from rich.table import Column
    from rich.text import Text

    class _Numbers(ProgressColumn):
        def render(self, task: Task) -> Text:
            return Text(_numbers(task.completed, task.total, task.elapsed or 0.0), no_wrap=True)

    columns = (
        TextColumn("  {task.description}", table_column=Column(no_wrap=True, overflow="ellipsis")),
        BarColumn(bar_width=12),
        _Numbers(table_column=Column(no_wrap=True)),
        TextColumn("{task.fields[note]}", table_column=Column(no_wrap=True, overflow="ellipsis")),
    )
    return Progress(*columns, console=RichConsole(file=stream, no_color=not colors, highlight=False), transient=not keep)


def _numbers(done: float, total: float | None, elapsed: float) -> str:
    """Return what is done of how much, the time elapsed, and the time left at the average pace so far.

    Examples
    --------
    >>> _numbers(5, 20, 61), _numbers(0, None, 61)
    ('5/20  0:01:01  0:03:03 left', '0:01:01')
    """
    parts = [] if total is None else [f"{done:,.0f}/{total:,.0f}"]
    parts.append(_clock(elapsed))
    if total and 0 < done < total:
        parts.append(f"{_clock(elapsed * (total - done) / done)} left")
    return "  ".join(parts)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}"
