"""The command line: arguments in, exit codes out.

It must not plan or judge, nor import anything heavy before the command that needs it.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import sys
import traceback
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import click

    from raikit.errors import RaikitError

INTERRUPTED, UNUSABLE, CRASHED = 130, 2, 3
# What the system says of a path that somebody gave: it is no mistake of raikit.
_OF_PATHS = {errno.ENAMETOOLONG, errno.ELOOP, errno.ENOTDIR, errno.EISDIR, errno.EACCES, errno.EPERM, errno.EROFS}
_LONGEST = 200  # characters of a path in a sentence
_NO_FOLDER = "the working folder no longer exists; change to one that does."
_LEAST_MEMORY = 2_000_000_000  # bytes of address space, of which far less is ever used


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code.

    Errors of raikit and faults of the machine are one sentence on stderr. Any other exception is a bug of raikit: exit 3,
    never 1, because 1 says that the gate failed. Only ``--debug`` adds a traceback.
    """
    # Idle OpenMP threads that spin make small models ten times slower. Both are read when torch is imported.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    arguments = list(sys.argv[1:] if argv is None else argv)
    import click

    from raikit.cli.app import COMMON, app
    from raikit.errors import ConfigError, RaikitError, system_fault

    arguments = _common_first(arguments, [f"--{name.replace('_', '-')}" for name in COMMON])
    debug = "--debug" in arguments
    try:
        _refuse_little_memory()
        if any("\x00" in argument for argument in arguments):  # no shell can give one, and no file has one in its name
            raise ConfigError("an argument holds a null character.")
        if not _has_working_folder():
            raise ConfigError(_NO_FOLDER)
        return _exit_code(app.main(args=arguments, standalone_mode=False, prog_name="raikit"))
    except RaikitError as error:
        return _report_error(error, debug)
    except click.ClickException as error:
        _show_usage(error)
        return UNUSABLE
    except (KeyboardInterrupt, click.Abort) as error:
        sys.stderr.write(f"\nInterrupted{_resume_hint(error)}.\n")
        return INTERRUPTED
    except OSError as error:
        if not _has_working_folder():
            return _report_error(ConfigError(_NO_FOLDER), debug)
        if error.errno not in _OF_PATHS or error.filename is None:
            return _report_bug(error, debug)
        return _report_error(ConfigError(f"{str(error.filename)[:_LONGEST]}: {error.strerror}."), debug)
    except Exception as error:
        if fault := system_fault(error):
            return _report_error(fault, debug)
        return _report_bug(error, debug)


def _refuse_little_memory() -> None:
    """Raise `SystemFault` under a limit with which libraries end the process by themselves, with any exit code, or never."""
    if os.name == "nt":
        return
    import resource

    most, _ = resource.getrlimit(resource.RLIMIT_AS)
    if most != resource.RLIM_INFINITY and most < _LEAST_MEMORY:
        from raikit.errors import SystemFault

        raise SystemFault(
            f"the process may use {most // 1_000_000:,} MB of address space (ulimit -v), and raikit's libraries need "
            f"{_LEAST_MEMORY // 1_000_000:,} MB; raise it, or limit the memory of a container instead."
        )


def _has_working_folder() -> bool:
    """Return whether the folder that the process is in is still there."""
    try:
        return bool(os.getcwd())
    except OSError:
        return False


def _common_first(arguments: Sequence[str], common: Sequence[str]) -> list[str]:
    """Move the options of every command to the front, where click expects them; what follows ``--`` stays."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    moved = [argument for argument in arguments[:end] if argument in common]
    return [*moved, *(argument for argument in arguments[:end] if argument not in common), *arguments[end:]]


def _report_bug(error: Exception, debug: bool) -> int:
    """Write one sentence about what raikit should not have raised; its message may quote the data, so it needs ``--debug``."""
    from raikit.console import one_line

    if debug:
        _write_traceback()
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {os.path.basename(frames[-1].filename)}:{frames[-1].lineno}" if frames else ""
    how = "" if debug else " Add --debug for the traceback."
    what = f"raikit itself failed ({type(error).__name__}{place}); this is a bug in raikit, please report it.{how}"
    sys.stderr.write(one_line(what) + "\n")
    return CRASHED


def _resume_hint(error: BaseException) -> str:
    """Return how the interrupted command can be resumed; click wraps the error that says it."""
    from raikit.console import one_line

    hint = str(error.__cause__ or error)
    return f"; {one_line(hint)}" if hint else ""


def _show_usage(error: click.ClickException) -> None:
    """Write what click has to say, of which no line is a command for a CI service."""
    from raikit.console import one_line

    said = io.StringIO()
    error.show(file=said)
    sys.stderr.write("".join(f"{one_line(line)}\n" for line in said.getvalue().splitlines()))


def _write_traceback() -> None:
    from raikit.console import block

    sys.stderr.write(block(traceback.format_exc()))


def run() -> None:
    """Run the console script.

    The process ends at once, so that what a plugin left for its end (an ``atexit`` hook, a thread) cannot change the exit
    code.
    """
    from raikit.console import open_closed_streams

    open_closed_streams()
    code = main()
    if (remote := sys.modules.get("raikit.remote")) is not None:
        remote.remove_copies()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


def _exit_code(result: object) -> int:
    return result if isinstance(result, int) else 0


def _report_error(error: RaikitError, debug: bool) -> int:
    from raikit.console import one_line

    if debug:
        _write_traceback()
    sys.stderr.write(one_line(f"raikit: {error}") + "\n")
    return error.exit_code
