"""manifest.json: the SHA-256 of every file of a run and of its own rest, and what `raikit verify` makes of it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from raikit.errors import RunError
from raikit.files import canonical, sha256, sha256_text, write_text

NAME = "manifest.json"


def write(folder: Path, facts: dict[str, Any], leaving_out: Path) -> None:
    """Hash every file below `folder` but not below `leaving_out`, and write the manifest with `facts` (versions, seeds …).

    Empty folders, which no manifest names, are removed.
    """
    for path in _empty_folders(folder):
        if not path.is_relative_to(leaving_out):
            path.rmdir()
    kept = [path for path in _files(folder) if not path.is_relative_to(leaving_out)]
    files = {path.relative_to(folder).as_posix(): sha256(path) for path in kept}
    write_text(folder / NAME, _text({**facts, "files": files}))


def update(folder: Path, written: Iterable[Path]) -> None:
    """Take files that a later command wrote into the manifest; every other entry stays as it was."""
    content = read(folder)
    for path in written:
        content["files"][path.relative_to(folder).as_posix()] = sha256(path)
    write_text(folder / NAME, _text(content))


def read(folder: Path) -> dict[str, Any]:
    """Read the manifest without its own hash.

    Raises
    ------
    RunError
        If `folder` is no finished run.
    """
    path = folder / NAME
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        content.pop("manifest", None)
        if not isinstance(content["files"], dict):
            raise TypeError
    except FileNotFoundError:
        raise RunError(f"{folder}: there is no {NAME}, so this is no finished run of raikit.") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise RunError(f"{path}: this is no manifest of raikit.") from None
    return content


def verify(folder: Path) -> list[str]:
    """Compare a run with its manifest.

    Returns
    -------
    list of str
        One sentence for each file that changed, is missing or was added, or each added folder; empty if all is as it was
        written.
    """
    content = read(folder)
    problems = []
    if (folder / NAME).read_bytes() != _text(content).encode():
        problems.append(f"{NAME} was changed")
    there = {path.relative_to(folder).as_posix(): path for path in _files(folder)}
    for name, digest in sorted(content["files"].items()):
        if name not in there:
            problems.append(f"{name} is missing")
        elif there[name].is_symlink():
            problems.append(f"{name} was changed into a link")
        elif sha256(there[name]) != digest:
            problems.append(f"{name} was changed")
    problems += [f"{name} was added" for name in sorted(there.keys() - content["files"].keys())]
    problems += [f"the empty folder {path.relative_to(folder).as_posix()} was added" for path in _empty_folders(folder)]
    return problems


def _empty_folders(folder: Path) -> list[Path]:
    """Folders that hold no file, those inside before those around them."""
    held = {parent for path in _files(folder) for parent in path.parents}
    folders = (path for path in folder.rglob("*") if path.is_dir() and not path.is_symlink())
    return sorted((path for path in folders if path not in held), reverse=True)


def _files(folder: Path) -> list[Path]:
    """Everything that is no folder, links and hidden files included, except the manifest itself."""
    return sorted(
        path for path in folder.rglob("*") if (path.is_symlink() or not path.is_dir()) and path != folder / NAME
    )


def _text(content: dict[str, Any]) -> str:
    """The manifest's only valid bytes: canonical, with the hash of its rest, so that any change shows."""
    body = json.dumps(
        {**content, "manifest": sha256_text(canonical(content))}, sort_keys=True, indent=1, ensure_ascii=False
    )
    return body + "\n"
