"""What every input must end in: a documented exit code, one sentence, no traceback, nothing outside the folder, in ten seconds of work."""

from __future__ import annotations

import contextlib
import io
import os
import re
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

from raikit.errors import RaikitError

CODES = {0, 1, 2, 3, 4, 5}
SECONDS = 10.0  # of processor time, so that a result does not depend on what else the machine does
_WAITED = 60.0  # of the clock: what waits uses no processor
_NAMED = re.compile(rb"path[\"']?\s*[:=]\s*\S*/etc/passwd")  # a person who asks for a file gets it, or an error about it
_opened: list[str] | None = None


def _note(event: str, arguments: tuple[object, ...]) -> None:
    if _opened is not None and event == "open" and isinstance(arguments[0], str | bytes):
        _opened.append(os.fsdecode(arguments[0]))


sys.addaudithook(_note)


@contextlib.contextmanager
def _watched() -> Iterator[list[str]]:
    global _opened
    _opened = []
    try:
        yield _opened
    finally:
        _opened = None


def command(arguments: list[str], folder: Path, seconds: float = SECONDS) -> str | None:
    """Run a command in a folder, and return what is wrong with how it ends; None if nothing is."""
    from raikit.cli import main

    out, err = io.StringIO(), io.StringIO()
    here, started = Path.cwd(), _now()
    os.chdir(folder)
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), _watched() as opened:
            code = main(arguments)
    except BaseException as error:
        return f"{type(error).__name__} left main: {traceback.format_exc()}"
    finally:
        os.chdir(here)
    said = err.getvalue()
    if "Traceback" in said or "raikit itself failed" in said:
        return f"a traceback: {said}"
    if code not in CODES:
        return f"exit {code}"
    # What an audit says of its data comes before the sentence that ends it.
    lines = [line for line in said.splitlines() if not line.startswith(("Data: ", "Note: "))]
    if code == 2 and not out.getvalue() and len(lines) != 1 and not said.startswith("Usage:"):
        return f"more than a sentence: {said!r}"
    for line in (out.getvalue() + said).splitlines():
        if line.lstrip().startswith("::") or "##[" in line or any(ord(sign) < 32 and sign != "\t" for sign in line):
            return f"a line that is a command: {line!r}"
    config = folder / "audit.yaml"
    named = " ".join(arguments).encode("utf-8", "replace") + (config.read_bytes() if config.is_file() else b"")
    return _too_slow(started, seconds) or _outside(opened, folder, is_wanted=_NAMED.search(named) is not None)


def call(function: Callable[[], object], folder: Path) -> str | None:
    """Call a function, and return what is wrong with how it ends: it returns, or raises an error of raikit."""
    started = _now()
    try:
        with _watched() as opened:
            function()
    except RaikitError as error:
        if not str(error).strip():
            return "an error without a sentence"
    except BaseException:
        return f"a traceback: {traceback.format_exc()}"
    return _too_slow(started) or _outside(opened, folder)


def _now() -> tuple[float, float]:
    """Return the processor time of this process and of the children that ended, and the clock."""
    return sum(os.times()[:4]), time.monotonic()


def _too_slow(started: tuple[float, float], most: float = SECONDS) -> str | None:
    worked, waited = (now - before for now, before in zip(_now(), started, strict=True))
    if worked > most:
        return f"it took {worked:.1f} s of processor time"
    return f"it took {waited:.1f} s" if waited > max(_WAITED, most) else None


def _outside(opened: list[str], folder: Path, *, is_wanted: bool = False) -> str | None:
    """Return what was opened beside the folder, or below /etc unless the configuration says that it is the table.

    Libraries open files of their own elsewhere.
    """
    allowed = os.path.realpath(folder)
    beside = os.path.dirname(allowed)
    for path in opened:
        real = os.path.realpath(os.path.join(folder, path))
        if real.startswith(f"{beside}/") and not real.startswith(f"{allowed}/"):
            return f"it opened {path}, which lies outside the folder"
        if real in ("/etc/passwd", "/etc/shadow") and not is_wanted:
            return f"it opened {path}"
    return None


@contextlib.contextmanager
def empty_folder(parent: Path) -> Iterator[Path]:
    """Yield a folder for one case, beside which lies a file that no input may reach."""
    with tempfile.TemporaryDirectory(dir=parent, ignore_cleanup_errors=True) as name:
        (Path(name) / "outside").write_text("x,y\n1,2\n")
        inside = Path(name) / "in"
        inside.mkdir()
        yield inside
