"""The errors that a person meets: one sentence that says what is wrong, where, and what to do."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterable
from pathlib import Path

_LONGEST = 400  # characters of a foreign message


class RaikitError(Exception):
    """Base of what raikit itself refuses; the command line prints it without a traceback and exits with `exit_code`."""

    exit_code = 2


class ConfigError(RaikitError):
    """A fault in audit.yaml or in an option on the command line."""


class DataError(RaikitError):
    """A table or media file that cannot be used as configured."""


class LimitError(DataError):
    """A file that is larger, deeper or of another kind than what is read; see `raikit.limits`."""


class ModelError(RaikitError):
    """A model that cannot be loaded, trained or scored."""


class PluginError(RaikitError):
    """A plugin or check that breaks the contract of `raikit.hookspecs`."""


class SkipCheck(Exception):  # an answer, not an error
    """Answer of ``Check.run`` that there is nothing to measure: the check is `skipped`, with the reason.

    Conditions that `Requires` can express belong there.

    Parameters
    ----------
    reason : str
        Why, as half a sentence: ``"no case has a date"``.
    help : str
        What would let the check run.
    """

    def __init__(self, reason: str, help: str = "") -> None:
        super().__init__(reason)
        self.reason, self.help = reason, help


class TooManyCases(DataError, SkipCheck):
    """Cases that are counted and never read one by one, asked for by something that needs each: a check is then skipped.

    Parameters
    ----------
    cases : int
    most : int
        The most cases that are read.
    """

    def __init__(self, cases: int, most: int) -> None:
        SkipCheck.__init__(
            self, f"it needs every case, and {cases:,} are more than the {most:,} that are read; larger tables are only counted",
            f"a sample of at most {most:,} cases",
        )


class RunError(RaikitError):
    """A run directory that cannot be written, resumed, read or trusted."""


class TamperedRunError(RunError):
    """A run that another process changed while it was written: a crash, and no fault of the configuration."""

    exit_code = 3


class SystemFault(RunError):
    """A fault of the machine: a full or read-only disk, or no memory. What was done until then is kept and can be resumed."""


_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO, errno.EMFILE, errno.ENFILE, errno.EACCES, errno.EPERM}
_NUMBERED = re.compile(r"\((?:os )?error (\d+)\)|\[errno (\d+)\]", re.IGNORECASE)  # as Rust and Arrow write it
_NO_MEMORY = re.compile(r"can't allocate memory|failed to (?:allocate|launch worker thread|map segment)|out of memory|bad_alloc|"
                        "cannot allocate memory|can't start new thread", re.IGNORECASE)  # fmt: skip


def system_fault(error: BaseException) -> SystemFault | None:
    """Return the machine's fault behind an exception, None if there is none.

    Libraries that are not written in Python give the number of a fault in the text of other classes.

    Examples
    --------
    >>> str(system_fault(OSError(28, "No space left on device", "run/audit.json")))
    'cannot write run/audit.json: No space left on device.'
    >>> system_fault(ValueError("no such column")) is None
    True
    """
    if isinstance(error, SystemFault):
        return error
    if isinstance(error, MemoryError) or _NO_MEMORY.search(str(error)):
        return SystemFault("there is not enough memory; give the process more, or audit fewer cases at once.")
    number = error.errno if isinstance(error, OSError) else None
    if number is None and (match := _NUMBERED.search(str(error))) and not isinstance(error, RaikitError):
        number = int(match[1] or match[2])
    if number not in _DISK:
        return None
    place = error.filename if isinstance(error, OSError) and error.filename is not None else "a file"
    return SystemFault(f"cannot write {os.fsdecode(place) if not isinstance(place, int) else 'a file'}: {os.strerror(number)}.")


def raised(error: BaseException) -> str:
    """Return a foreign exception as one line: its class and its message; of a `PluginError` of raikit the message alone.

    Line breaks become spaces, and a message of more than 400 characters is cut.

    Examples
    --------
    >>> raised(KeyError("x"))
    "KeyError: 'x'"
    """
    if isinstance(error, PluginError) and type(error).__module__.startswith("raikit."):  # a sentence of raikit's own
        return str(error)
    try:
        message = " ".join(str(error).split())
        return f"{type(error).__name__}: {message[:_LONGEST] + ' …' if len(message) > _LONGEST else message}"
    except Exception:
        return f"{type(error).__name__} (its message cannot be written)"


def place_of(traceback_text: str | None) -> str:
    """Return the last frame of a traceback outside raikit, for a line on the terminal; empty if there is none.

    Examples
    --------
    >>> place_of('File "/a/checks.py", line 7, in run')
    ' (checks.py, line 7)'
    """
    frames = re.findall(r'File "([^"]+)", line (\d+)', traceback_text or "")
    own = str(Path(__file__).parent)
    foreign = [(path, line) for path, line in frames if not path.startswith(own)]
    return f" ({Path(foreign[-1][0]).name}, line {foreign[-1][1]})" if foreign else ""


def nearest(name: str, known: Iterable[str]) -> str:
    """Return ``" Did you mean 'x'?"`` for the closest known name, or an empty string.

    Examples
    --------
    >>> nearest("skin_tome", ["sex", "skin_tone"])
    " Did you mean 'skin_tone'?"
    >>> nearest("zebra", ["sex", "skin_tone"])
    ''
    """
    import difflib

    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f" Did you mean {close[0]!r}?" if close else ""


def listed(names: Iterable[object], limit: int = 12) -> str:
    """Join names for a message, at most `limit` of them, each cut at 60 characters.

    Examples
    --------
    >>> listed(["b", "a"])
    'a, b'
    """
    texts = sorted(str(name) if len(str(name)) <= 60 else str(name)[:57] + "..." for name in names)
    more = f" and {len(texts) - limit} more" if len(texts) > limit else ""
    return ", ".join(texts[:limit]) + more
