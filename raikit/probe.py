"""Importing plugins of others in a child process first: one that ends or blocks the process must not do so to an audit.

``os._exit(0)`` while a plugin is imported would be a build that is green because nothing ran.
"""

from __future__ import annotations

import os
import select
import subprocess
import sys
from collections.abc import Sequence

from raikit.children import child_environment, end, ending

TIMEOUT = 60.0  # seconds for one module and what it imports

# Says by a byte on the given descriptor that a module was imported or raised; what it raised is for the real import to tell.
_PROGRAM = """
import importlib, os, runpy, sys
done = int(sys.argv[1])
for module in sys.argv[2:]:
    try:
        runpy.run_path(module, run_name="raikit_local") if module.endswith(".py") else importlib.import_module(module)
    except BaseException:
        pass
    os.write(done, b".")
os._exit(0)
"""


def hopeless(modules: Sequence[str]) -> dict[str, str]:
    """Modules (or files, which end in ``.py``) whose import ends or blocks the process, each with what happened.

    Examples
    --------
    >>> hopeless(["json"])
    {}
    """
    problems: dict[str, str] = {}
    left = list(modules)
    while left:
        survived, ending = _import(left)
        if survived == len(left):
            break
        problems[left[survived]] = ending
        left = left[survived + 1 :]
    return problems


def _import(modules: Sequence[str]) -> tuple[int, str]:
    """How many were imported one after the other, and how the process ended."""
    reading, writing = os.pipe()
    process = subprocess.Popen(  # noqa: S603  # this very interpreter
        [sys.executable, "-P", "-c", _PROGRAM, str(writing), *modules],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        pass_fds=[writing], env=child_environment(), start_new_session=True,
    )  # fmt: skip
    os.close(writing)
    survived = 0
    try:
        while survived < len(modules):
            if not select.select([reading], [], [], TIMEOUT)[0]:
                return survived, f"importing it did not finish within {TIMEOUT:.0f} seconds"
            if not (done := os.read(reading, len(modules))):
                return survived, f"importing it ended the process ({ending(process.wait())})"
            survived += len(done)
        return survived, ""
    finally:
        os.close(reading)
        end(process)
