"""Importing plugins of others in a child process first: one that ends or blocks the process must not do so to an audit.

``os._exit(0)`` while a plugin is imported would be a build that is green because nothing ran.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from collections.abc import Sequence

from raikit.hookspecs import API_VERSION
from raikit.process.children import end, ending, python

TIMEOUT = 60.0  # seconds for one module and what it imports

# Says by a byte on the given descriptor that a plugin was imported and asked what it brings, or raised: what it raised is for
# the real import to tell.
_PROGRAM = """
import importlib, json, os, runpy, sys
done, api, places = int(sys.argv[1]), int(sys.argv[2]), json.loads(sys.argv[3])
sys.path[:] = places
for value in sys.argv[4:]:
    try:
        if value.endswith(".py"):
            runpy.run_path(value, run_name="raikit_local")
        else:
            module, _, attribute = value.partition(":")
            plugin = importlib.import_module(module)
            for name in filter(None, attribute.split(".")):
                plugin = getattr(plugin, name)
            if getattr(plugin, "raikit_api", None) in range(1, api + 1):
                for hook in ("raikit_checks", "raikit_model_loaders", "raikit_report_formats"):
                    list(getattr(plugin, hook, list)())
    except BaseException:
        pass
    os.write(done, b".")
os._exit(0)
"""


def hopeless(values: Sequence[str]) -> dict[str, str]:
    """Plugins that end or block the process when they are imported or asked what they bring, each with what happened.

    Parameters
    ----------
    values : sequence of str
        Values of entry points, ``module`` or ``module:object``, and files, which end in ``.py``.

    Examples
    --------
    >>> hopeless(["json"])
    {}
    """
    problems: dict[str, str] = {}
    left = list(values)
    while left:
        survived, how = _import(left)
        if survived == len(left):
            break
        problems[left[survived]] = how
        left = left[survived + 1 :]
    return problems


def _import(values: Sequence[str]) -> tuple[int, str]:
    """How many were imported one after the other, and how the process ended."""
    reading, writing = os.pipe()
    process = subprocess.Popen(  # noqa: S603  # this very interpreter
        python(_PROGRAM, str(writing), str(API_VERSION), json.dumps(sys.path), *values),
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        pass_fds=[writing], start_new_session=True,
    )  # fmt: skip
    os.close(writing)
    survived = 0
    try:
        while survived < len(values):
            if not select.select([reading], [], [], TIMEOUT)[0]:
                return survived, f"loading it did not finish within {TIMEOUT:.0f} seconds"
            if not (done := os.read(reading, len(values))):
                return survived, f"loading it ended the process ({ending(process.wait())})"
            survived += len(done)
        return survived, ""
    finally:
        os.close(reading)
        end(process)
