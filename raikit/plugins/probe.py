"""Import foreign plugins in a child process first, and find those that end or block it.

``os._exit(0)`` during the import of a plugin would otherwise be a green build in which nothing ran.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from collections.abc import Sequence

from raikit.hookspecs import API_VERSION
from raikit.limits import Limits, remedy
from raikit.process.children import end, ending, environment, python

# Writes a byte to the given descriptor after each plugin that was imported and asked what it provides, or that raised: the real
# import reports what it raised.
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
                for hook in ("raikit_checks", "raikit_model_loaders", "raikit_report_formats", "raikit_comparison_formats"):
                    list(getattr(plugin, hook, list)())
    except BaseException:
        pass
    os.write(done, b".")
os._exit(0)
"""


def find_fatal_imports(values: Sequence[str]) -> dict[str, str]:
    """Find plugins that end or block the process when they are imported or asked what they provide.

    Parameters
    ----------
    values : sequence of str
        Values of entry points, ``module`` or ``module:object``, and files, which end in ``.py``.

    Returns
    -------
    dict of str to str
        What happened, for each value that is fatal.

    Examples
    --------
    >>> find_fatal_imports(["json"])
    {}
    """
    problems: dict[str, str] = {}
    remaining = list(values)
    while remaining:
        survived, problem = _import(remaining)
        if survived == len(remaining):
            break
        problems[remaining[survived]] = problem
        remaining = remaining[survived + 1 :]
    return problems


def _import(values: Sequence[str]) -> tuple[int, str]:
    """Import plugins one after the other; return how many survived, and how the process ended."""
    reading, writing = os.pipe()
    process = subprocess.Popen(  # noqa: S603  # this very interpreter
        python(_PROGRAM, str(writing), str(API_VERSION), json.dumps(sys.path), *values),
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        pass_fds=[writing], start_new_session=True, env=environment(),
    )  # fmt: skip
    os.close(writing)
    survived, seconds = 0, Limits.of_environment().loading_seconds
    try:
        while survived < len(values):
            if not select.select([reading], [], [], seconds)[0]:
                return survived, f"loading it did not finish within {seconds} seconds ({remedy('loading_seconds')})"
            if not (done := os.read(reading, len(values))):
                return survived, f"loading it ended the process ({ending(process.wait())})"
            survived += len(done)
        return survived, ""
    finally:
        os.close(reading)
        end(process)
