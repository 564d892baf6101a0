"""Find where a plugin hung: its innermost own line in the stacks that faulthandler wrote."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

from raikit.plugins.entry_points import distribution, installed

_FRAME = re.compile(r'^  File "(.+)", line (\d+) in (.+)$', re.MULTILINE)


def hang_location(trace: str, home: Path | None) -> str:
    r"""Return the innermost frame of the plugin, in any thread, in brackets; empty if there is none.

    Examples
    --------
    >>> hang_location('Thread 0x1 (most recent call first):\n  File "/a/checks.py", line 7 in run', Path("/a/checks.py"))
    ' (checks.py, line 7, in run)'
    """
    for path, line, function in _FRAME.findall(trace):
        if home is not None and Path(path).is_relative_to(home):
            return f" ({Path(path).name}, line {line}, in {function})"
    return ""


def code_location(plugin: str | Path) -> Path | None:
    """Find the file or folder of a plugin's code without importing it; None if it cannot be found."""
    if isinstance(plugin, Path):
        return plugin.resolve()
    module = next((point.module for point in installed() if plugin in (point.name, distribution(point))), "")
    spec = importlib.util.find_spec(module.partition(".")[0]) if module else None
    if spec is None:
        return None
    if spec.submodule_search_locations:
        return Path(next(iter(spec.submodule_search_locations))).resolve()
    return Path(spec.origin).resolve() if spec.origin else None
