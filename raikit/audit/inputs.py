"""What a command reads, as it was before code of others could run; what has changed since then is refused."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from raikit.errors import TamperedRunError
from raikit.remote import is_remote

if TYPE_CHECKING:
    from raikit.config.schema import AuditConfig

_State = tuple[tuple[int, int, int] | None, ...]


class WatchedInputs:
    """Files and folders that a command reads, and when they were last changed.

    Parameters
    ----------
    paths : iterable of Path
        What is not there is watched too: nobody may put it there. In a folder, so is a new file whose suffix others have.
    apart : Path, optional
        A folder that the command itself writes into.

    Notes
    -----
    The time at which an inode changed is among what is compared, which no program of the user can put back. The number
    of the inode is not, because some network filesystems draw a new one each time.
    """

    def __init__(self, paths: Iterable[Path], apart: Path | None = None) -> None:
        self._apart = None if apart is None else os.path.abspath(apart)
        self._before = {path: self._states(path) for path in paths}

    def refuse_changes(self) -> None:
        """Raise if something has changed.

        Raises
        ------
        TamperedRunError
            Names the file.
        """
        for path, before in self._before.items():
            now = self._states(path)
            kinds = {os.path.splitext(name)[1] for name in before}
            added = {name for name in now if name not in before and os.path.splitext(name)[1] in kinds}
            if changed := [name for name in sorted(before.keys() | added) if before.get(name) != now.get(name)]:
                raise TamperedRunError(
                    f"{changed[0]} was changed by another process while raikit read it, such as a plugin's; what was measured "
                    "cannot be trusted. Repeat the command; if it happens again, leave plugins out with --disable."
                )

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
    return [*paths, *([baseline] if baseline is not None else [])]


def _values(mapping: object) -> list[Any]:
    return list(mapping.values()) if isinstance(mapping, dict) else []


def _state(path: str) -> _State:
    """Return what changes when a file is written to or replaced, of a link also that of what it leads to."""
    return (_times(path, False), _times(path, True) if os.path.islink(path) else None)


def _times(path: str, follow: bool) -> tuple[int, int, int] | None:
    try:
        status = os.stat(path, follow_symlinks=follow)
    except (OSError, ValueError):  # a name that no file can have
        return None
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns
