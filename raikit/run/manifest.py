"""manifest.json: the SHA-256 of every file of a run and of the manifest itself. `raikit verify` checks them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from raikit.errors import RunError, TamperedRunError
from raikit.files import PARTIAL, canonical, is_plain_file, remove_partial, sha256, sha256_text, write_text
from raikit.limits import read_bytes, read_json

NAME = "manifest.json"
_FOREIGN = "of_plugins"  # the key that names files of report formats of plugins
ATTESTATION = "attestation.json"  # signs the manifest, so it is not in it


def write(
    folder: Path,
    facts: dict[str, Any],
    exclude: Path,
    known: Mapping[Path, str] | None = None,
    foreign: Iterable[Path] = (),
) -> None:
    """Hash every file in `folder` except those in `exclude`, and write the manifest with `facts` (versions, seeds …).

    Empty folders are removed, because a manifest names files only.

    Parameters
    ----------
    folder : Path
    facts : dict
    exclude : Path
    foreign : iterable of Path
        Files that formats of plugins wrote.
    known : mapping of Path to str, optional
        Hashes of files as this process wrote them; a change since then does not get into the manifest.

    Raises
    ------
    TamperedRunError
        If something in the folder is no regular file, such as a link.
    """
    remove_partial(folder)
    for path in _empty_folders(folder):
        if not path.is_relative_to(exclude):
            path.rmdir()
    included = [path for path in _files(folder) if not path.is_relative_to(exclude)]
    if odd := [path for path in included if not is_plain_file(path)]:
        name = odd[0].relative_to(folder)
        raise TamperedRunError(f"{name} is a link, a pipe or a device, which another process put into the run.")
    files = {path.relative_to(folder).as_posix(): (known or {}).get(path) or sha256(path) for path in included}
    theirs = {_FOREIGN: sorted({_name(path, folder) for path in foreign})} if foreign else {}
    write_text(folder / NAME, _text({**facts, **theirs, "files": files}))


def update(folder: Path, written: Iterable[Path], foreign: Iterable[Path] = ()) -> None:
    """Add or update the entries of files that a later command wrote; leave all others unchanged.

    Parameters
    ----------
    folder : Path
    written : iterable of Path
    foreign : iterable of Path
        Those that formats of plugins wrote.
    """
    content = read(folder)
    for path in written:
        content["files"][_name(path, folder)] = sha256(path)
    if theirs := {_name(path, folder) for path in foreign}:
        content[_FOREIGN] = sorted(theirs | foreign_files(folder))
    write_text(folder / NAME, _text(content))


def read(folder: Path) -> dict[str, Any]:
    """Read the manifest without its own hash.

    Raises
    ------
    RunError
        If `folder` is not a finished run.
    """
    path = folder / NAME
    try:
        content: dict[str, Any] = read_json(path)
        content.pop("manifest", None)
        if not all(isinstance(digest, str) for digest in content["files"].values()):
            raise TypeError
        _text(content)  # a lone surrogate cannot be hashed
    except FileNotFoundError:
        raise RunError(f"{folder}: there is no {NAME}, so this is not a finished run of raikit.") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise RunError(f"{path}: this is not a manifest of raikit.") from None
    return content


def foreign_files(folder: Path) -> set[str]:
    """Return the names of files that formats of plugins wrote, which may replace them."""
    return {name for name in names if isinstance(name, str)} if isinstance(names := read(folder).get(_FOREIGN), list) else set()


def _name(path: Path, folder: Path) -> str:
    return path.resolve().relative_to(folder.resolve()).as_posix()


def verify(folder: Path, rewriting: str | None = None) -> list[str]:
    """Compare a run with its manifest.

    Parameters
    ----------
    folder : Path
    rewriting : str, optional
        A file that the caller reads nothing from and is about to write again. It may be as an interrupted writer left it.

    Returns
    -------
    list of str
        One sentence for each file that was changed, removed or added, and for each added folder; empty if nothing
        differs.
    """
    content = read(folder)
    problems = []
    if read_bytes(folder / NAME) != _text(content).encode():
        problems.append(f"{NAME} was changed")
    if (folder / NAME).is_symlink():
        problems.append(f"{NAME} was changed into a link")
    files = {path.relative_to(folder).as_posix(): path for path in _files(folder)}
    for name, digest in sorted(content["files"].items()):
        if name not in files:
            problems.append(f"{name} is missing")
        elif files[name].is_symlink():
            problems.append(f"{name} was changed into a link")
        elif not is_plain_file(files[name]):
            problems.append(f"{name} was changed into a pipe or a device")
        elif sha256(files[name]) != digest:
            problems.append(f"{name} was changed")
    problems += [_addition(name) for name in sorted(files.keys() - content["files"].keys())]
    problems += [f"the empty folder {path.relative_to(folder).as_posix()} was added" for path in _empty_folders(folder)]
    if rewriting is None:
        return problems
    own = [rewriting, f".{rewriting}.partial"]
    if rewriting != ATTESTATION:  # Whoever writes another file writes the manifest after it.
        own.append(f".{NAME}.partial")
    return [problem for problem in problems if not problem.startswith(tuple(f"{name} was " for name in own))]


def _addition(name: str) -> str:
    """Say that a file was added, and what an interrupted command has to do with it."""
    if PARTIAL.fullmatch(name):
        return f"{name} was left by a command that was interrupted; repeat the command, or delete the file"
    return f"{name} was added"


def _empty_folders(folder: Path) -> list[Path]:
    """Return the folders without any file, inner folders before outer ones."""
    occupied = {parent for path in _files(folder) for parent in path.parents}
    folders = (path for path in folder.rglob("*") if path.is_dir() and not path.is_symlink())
    return sorted((path for path in folders if path not in occupied), reverse=True)


def _files(folder: Path) -> list[Path]:
    """Return all files except the manifest and the attestation that signs it, including links and hidden files."""
    apart = {folder / NAME, folder / ATTESTATION}
    return sorted(path for path in folder.rglob("*") if (path.is_symlink() or not path.is_dir()) and path not in apart)


def _text(content: dict[str, Any]) -> str:
    """Return the only valid text of a manifest: canonical, with a hash of its content, so that any change is detected."""
    body = json.dumps(
        {**content, "manifest": sha256_text(canonical(content))}, sort_keys=True, indent=1, ensure_ascii=False
    )
    return body + "\n"
