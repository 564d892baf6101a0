"""What a command reads, as it was before code of others could run; what has changed since then is refused."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from raikit.data.folders import MEDIA, TABLES
from raikit.errors import TamperedRunError
from raikit.models.loaders import LOADERS, OBJECT_KIND, runs_code
from raikit.process.beginning import changed_since
from raikit.process.sources import MODULE_SUFFIXES
from raikit.remote import is_remote

if TYPE_CHECKING:
    from raikit.config.schema import AuditConfig

_State = tuple[tuple[int, int, int] | None, ...]
_MODEL = (".safetensors", ".bin", ".json", ".txt", ".model", ".jinja", ".onnx", ".data", ".pt", ".pth", ".skops", ".joblib", ".pkl")
_READ = frozenset({*MEDIA, *TABLES, *_MODEL, *MODULE_SUFFIXES})  # endings of files that change what is read where they appear


class WatchedInputs:
    """Files and folders that a command reads, and when they were last changed.

    Parameters
    ----------
    paths : iterable of Path
        What is not there is watched too: nobody may put it there. In a folder, so is a new file whose suffix others have, or
        that of a table, a picture, a sound, a model or a module.
    apart : Path, optional
        A folder that the command itself writes into.
    code : iterable of Path
        Folders from which modules are imported; of them only modules are watched, and packages that hold some.

    Notes
    -----
    The time at which an inode changed is among what is compared, which no program of the user can put back. The number
    of the inode is not, because some network filesystems draw a new one each time.
    """

    def __init__(self, paths: Iterable[Path], apart: Path | None = None, code: Iterable[Path] = ()) -> None:
        self._apart = None if apart is None else os.path.abspath(apart)
        self._before = {path: self._states(path) for path in paths}
        self._code = {folder: _modules_in(folder) for folder in code}

    def add(self, files: Iterable[Path], *, are_copies: bool = False) -> None:
        """Watch files too that are known only now, such as the pictures that a table names.

        Parameters
        ----------
        files : iterable of Path
        are_copies : bool
            Whether this command has written them. Those of others may not have been changed since it began.

        Raises
        ------
        TamperedRunError
            Names the file.
        """
        for path in files:
            if not are_copies and _is_changed(path):
                raise _tampered(str(path))
            self._before.setdefault(path, self._states(path))

    def refuse_changes(self) -> None:
        """Raise if something has changed.

        Raises
        ------
        TamperedRunError
            Names the file.
        """
        for path, before in self._before.items():
            now = self._states(path)
            kinds = {os.path.splitext(name)[1].lower() for name in before}
            added = {name for name in now if name not in before and os.path.splitext(name)[1].lower() in kinds | _READ}
            _refuse_difference(before, now, before.keys() | added)
        for folder, before in self._code.items():
            now = _modules_in(folder)
            _refuse_difference(before, now, before.keys() | now.keys())

    def _states(self, path: Path) -> dict[str, _State]:
        """Return the state of a file, or of all files below a folder but hidden ones, by its path."""
        if not os.path.isdir(path):
            return {str(path): _state(str(path))}
        states: dict[str, _State] = {}
        for folder, below, files in os.walk(path):
            below[:] = [name for name in below if self._is_watched(folder, name)]
            places = [os.path.join(folder, name) for name in files if self._is_watched(folder, name)]
            states |= {place: _state(place) for place in places}
        return states

    def _is_watched(self, folder: str, name: str) -> bool:
        return not name.startswith((".", "__pycache__")) and os.path.abspath(os.path.join(folder, name)) != self._apart


def inputs_of(settings: AuditConfig, folder: Path, baseline: Path | None) -> list[Path]:
    """Return the files and folders here that an audit reads after its plugins were loaded: table, model and baseline."""
    load = settings.model.load.model_extra or {} if settings.model.load is not None else {}
    train = settings.model.train.model_extra or {} if settings.model.train is not None else {}
    encoders = [one for of in (load, train) for one in _values(of.get("encoders"))]
    named = [settings.data.path, load.get("path"), load.get("weights"), load.get("base"), train.get("base"), *encoders]
    named += [one.get("path") for one in encoders if isinstance(one, dict)]
    paths = [folder / name for name in named if isinstance(name, str) and not is_remote(name) and "\x00" not in name]
    local = [folder / name for name in settings.plugins.local]
    return [*paths, *local, *([baseline] if baseline is not None else [])]


def code_of(settings: AuditConfig, folder: Path) -> list[Path]:
    """Return the folders beside the configuration from which local checks, the model or its loader import modules."""
    load = settings.model.load.model_dump() if settings.model.load is not None else {"kind": ""}
    is_loaded = not settings.model.is_table and load["kind"] not in ("", OBJECT_KIND)
    of_model = is_loaded and (load["kind"] not in LOADERS or runs_code(load))
    folders = [folder] if of_model else []
    path = load.get("path")
    if of_model and isinstance(path, str):  # of a package without an __init__.py each folder on the way
        parents = path.rpartition(":")[0].split(".")[:-1]
        folders += [folder.joinpath(*parents[:length]) for length in range(1, len(parents) + 1)]
    return list(dict.fromkeys([*folders, *((folder / name).parent for name in settings.plugins.local)]))


def _refuse_difference(before: dict[str, _State], now: dict[str, _State], names: Iterable[str]) -> None:
    if changed := [name for name in sorted(names) if before.get(name) != now.get(name)]:
        raise _tampered(changed[0])


def _tampered(file: str) -> TamperedRunError:
    return TamperedRunError(
        f"{file} was changed by another process while raikit read it, such as a plugin's; what was measured cannot be trusted. "
        "Repeat the command; if it happens again, leave plugins out with --disable."
    )


def _modules_in(folder: Path) -> dict[str, _State]:
    """Return the state of each module in a folder of the import path, and in the packages there."""
    return {file: _state(file) for file in _module_files(str(folder), set())}


def _module_files(folder: str, seen: set[str]) -> Iterator[str]:
    """Yield the modules in a folder, and those in folders below that hold modules and have a name that can be imported."""
    if (real := os.path.realpath(folder)) in seen:  # links may go round
        return
    seen.add(real)
    try:
        with os.scandir(folder) as entries:
            found = sorted(entries, key=lambda entry: entry.name)
    except OSError:
        return
    yield from (entry.path for entry in found if entry.name.endswith(MODULE_SUFFIXES))
    for entry in found:
        if entry.name.isidentifier() and entry.is_dir() and _holds_modules(entry.path):
            yield from _module_files(entry.path, seen)


def _holds_modules(folder: str) -> bool:
    try:
        with os.scandir(folder) as entries:
            return any(entry.name.endswith(MODULE_SUFFIXES) for entry in entries)
    except OSError:
        return False


def _values(mapping: object) -> list[Any]:
    return list(mapping.values()) if isinstance(mapping, dict) else []


def _state(path: str) -> _State:
    """Return what changes when a file is written to or replaced, of a link also that of what it leads to."""
    return (_times(path, False), _times(path, True) if os.path.islink(path) else None)


def _is_changed(path: Path) -> bool:
    try:
        return changed_since(os.lstat(path))
    except (OSError, ValueError):
        return False


def _times(path: str, follow: bool) -> tuple[int, int, int] | None:
    try:
        status = os.stat(path, follow_symlinks=follow)
    except (OSError, ValueError):  # a name that no file can have
        return None
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns
