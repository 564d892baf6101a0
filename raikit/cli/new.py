"""``raikit plugins new``: write a package, and print what to do with it."""

from __future__ import annotations

import shlex
from pathlib import Path

from raikit.console import Console


def new(name: str, kind: str, out: Path | None) -> int:
    """Write the package, and print the commands that show it in a report and test it."""
    from raikit.scaffold import KINDS, names_of, write_package

    folder = write_package(name, kind, out)
    say, names = Console().result, names_of(name)
    path = folder.as_posix() if folder.is_absolute() else f"./{folder.as_posix()}"
    say(f"Wrote {folder}: the package {names.distribution} with {KINDS[kind]}, its tests and an example.")
    say("To see it in a report:")
    say(f"  pip install -e {shlex.quote(path)}")
    say(f"  raikit audit {shlex.quote(f'{path}/example/audit.yaml')}")
    say("To test it:")
    say(f"  pip install -e {shlex.quote(f'{path}[test]')}")
    say(f"  pytest {shlex.quote(path)}")
    return 0
