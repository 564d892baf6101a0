"""``raikit plugins new``: write a package, and say what to do with it."""

from __future__ import annotations

import shlex
from pathlib import Path

from raikit.console import Console


def new(name: str, kind: str, out: Path | None) -> int:
    """Write the package; then two commands lead to a report with what it brings."""
    from raikit.scaffold import KINDS, names_of, write_package

    folder = write_package(name, kind, out)
    say, names = Console().result, names_of(name)
    here = folder.as_posix() if folder.is_absolute() else f"./{folder.as_posix()}"
    say(f"Wrote {folder}: the package {names.distribution} with {KINDS[kind]}, its tests and an example.")
    say("To see it in a report:")
    say(f"  pip install -e {shlex.quote(here)}")
    say(f"  raikit audit {shlex.quote(f'{here}/example/audit.yaml')}")
    say("To test it:")
    say(f"  pip install -e {shlex.quote(f'{here}[test]')}")
    say(f"  pytest {shlex.quote(here)}")
    return 0
