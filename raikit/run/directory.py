"""The run directory while an audit writes it: created, locked, resumed and sealed. `load_run` reads it back."""

from __future__ import annotations

import json
import os
import re
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from raikit.config.types import Key, key_text
from raikit.errors import RunError, TamperedRunError
from raikit.files import Stamp, is_plain_file, remove_partial, sha256, sha256_text, stamp, write_text
from raikit.format import counted
from raikit.run import manifest
from raikit.run.record import CheckRecord

if TYPE_CHECKING:
    from filelock import BaseFileLock


RECORD = "audit.json"
PREDICTIONS = "predictions.parquet"
_STATE = "state.json"
_CRASHES_ALLOWED = 2
_Read = TypeVar("_Read")


def default_folder(name: str) -> Path:
    """Return ``runs/NAME-TIME``, without characters of the name that do not belong in a file name."""
    return Path("runs") / f"{_slug(name)}-{time.strftime('%Y%m%d-%H%M%S')}"


def newest_folder(name: str) -> Path | None:
    """Return the newest folder that `default_folder` named, None if there is none."""
    pattern = re.compile(re.escape(_slug(name)) + r"-\d{8}-\d{6}")
    return max((path for path in Path("runs").glob("*") if pattern.fullmatch(path.name) and path.is_dir()), default=None)


def _slug(name: str) -> str:
    return re.sub(r"[^\w.-]+", "-", name).strip("-.")[:60] or "audit"


class RunDirectory:
    """The folder of a run in progress. Temporary state is in ``.work``, which is removed when the run is sealed.

    Parameters
    ----------
    folder : Path
    resume : bool
        Whether to continue the run in the folder; otherwise the folder must be empty or absent.

    Raises
    ------
    RunError
        If the folder is not empty, is in use by another process, or cannot be written.
    """

    def __init__(self, folder: Path, resume: bool = False) -> None:
        self.folder = folder
        self.work = folder / ".work"
        self._lock: BaseFileLock | None = None
        self._kept: dict[Path, tuple[str, Stamp | None]] = {}  # files that this process has written, as they were
        self._foreign: list[Path] = []
        if (unwritable := os.fspath(folder).encode("utf-8", "replace").decode()) != os.fspath(folder):
            raise RunError(f"--out {unwritable}: this name is no UTF-8, which some libraries cannot write; choose another.")
        try:
            self.is_new = not folder.exists() or not any(folder.iterdir())
            self.existed = folder.exists()
        except OSError as error:
            raise RunError(f"--out {folder}: {error.strerror or error}.") from None
        if not self.is_new and not resume:
            raise RunError(f"{folder} is not empty; choose another --out, or continue the run with --resume.")
        if not self.is_new and not self.work.is_dir() and not (folder / manifest.NAME).is_file():
            raise RunError(f"{folder} contains no run to resume; choose an empty --out.")
        if not self.is_new and (link := _first_link(folder)) is not None:  # what is written behind it would lie elsewhere
            raise RunError(f"--resume {folder}: {link.relative_to(folder)} is a link; start a new run in another --out.")

    @property
    def is_finished(self) -> bool:
        """Whether the run has been sealed."""
        return (self.folder / manifest.NAME).is_file()

    def open(self) -> None:
        """Create the folders and lock them against other processes."""
        from filelock import FileLock, Timeout

        try:
            (self.work / "checks").mkdir(parents=True, exist_ok=True)
            self._lock = FileLock(self.work / "lock")
            self._lock.acquire(timeout=0)
            remove_partial(self.folder)
        except Timeout:
            self._lock = None
            raise RunError(f"{self.folder} is in use by another raikit process.") from None
        except OSError as error:
            self.discard()
            raise RunError(f"cannot write to {self.folder}: {error.strerror or error}.") from None

    def close(self) -> None:
        """Release the lock; the folder stays for ``--resume``."""
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def finish(self) -> None:
        """Remove what a process that was killed right after the run was sealed has left."""
        if self.work.exists():
            self.open()
            self.close()
            shutil.rmtree(self.work)

    def discard(self) -> None:
        """Remove what a failed new run has written; leave a resumed run as it is."""
        self.close()
        if not self.is_new or not self.folder.is_dir():
            return
        with suppress(OSError):  # A folder that cannot be removed must not hide why.
            self._remove()

    def _remove(self) -> None:
        for path in self.folder.iterdir():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
        if not self.existed:
            self.folder.rmdir()

    # --- state and journal --------------------------------------------------------------------------------------

    def check_state(self, state: dict[str, Any]) -> None:
        """Store the state that the run depends on; on resume, compare it with the stored one.

        Raises
        ------
        RunError
            If the states differ.
        """
        path = self.work / _STATE
        if self.was_left(path):
            compare_states(self.read_left(path, _mapping), state, self.folder)
        else:
            write_text(path, json.dumps(state, indent=1, sort_keys=True))

    def was_left(self, path: Path) -> bool:
        """Return whether an interrupted run may have left a file; in a new run, a plugin or a model put it there."""
        return not self.is_new and os.path.lexists(path)

    def read_left(self, path: Path, parse: Callable[[bytes], _Read]) -> _Read:
        """Return what an interrupted run has left in a file.

        Raises
        ------
        RunError
            If it cannot be read: something else than raikit has written it.
        """
        try:
            if not is_plain_file(path):
                raise ValueError
            return parse(path.read_bytes())
        except (ValueError, TypeError, KeyError, RecursionError):
            raise RunError(
                f"--resume {self.folder}: {path.relative_to(self.folder)} is damaged; start a new run in another --out."
            ) from None

    def clear(self, *folders: Path) -> None:
        """Remove from a new run what lies where an interrupted one would have left something: it is no work of this audit.

        Raises
        ------
        TamperedRunError
            If another process puts it there again.
        """
        for folder in folders if self.is_new else ():
            shutil.rmtree(folder, ignore_errors=True)
            if os.path.lexists(folder):
                raise TamperedRunError(
                    f"{folder.relative_to(self.folder)} is written by another process while the audit runs, such as a plugin's; "
                    "the run cannot be trusted. Leave plugins out with --disable until it no longer happens."
                )

    def record_start(self, check: str) -> bool:
        """Record that a check starts; return False if it ended the process twice before and must not run again."""
        path = self.work / "checks" / f"{check}.started"
        starts = len(self.read_left(path, bytes.splitlines)) if self.was_left(path) else 0
        if starts >= _CRASHES_ALLOWED:
            return False
        with path.open("a", encoding="utf-8") as stream:
            stream.write(time.strftime("%Y-%m-%dT%H:%M:%S\n"))
        return True

    def undo_start(self, check: str) -> None:
        """Remove the last start of a check: a person or the machine ended the process, not the check."""
        path = self.work / "checks" / f"{check}.started"
        if path.exists():
            write_text(path, "".join(f"{line}\n" for line in path.read_text().splitlines()[:-1]))

    def save_check(self, check: CheckRecord) -> None:
        """Save a finished check, so that a resumed run does not run it again."""
        write_text(self.work / "checks" / f"{check.name}.json", check.model_dump_json())

    def load_check(self, check: str) -> CheckRecord | None:
        """Load a check that an interrupted run finished, None if it did not finish it."""
        path = self.work / "checks" / f"{check}.json"
        return self.read_left(path, CheckRecord.model_validate_json) if self.was_left(path) else None

    def workdir(self, check: str) -> Path:
        """Create and return the folder of a check, where its artifacts are found."""
        path = self.work / "scratch" / check
        path.mkdir(parents=True, exist_ok=True)
        return path

    def keep(self, *paths: Path) -> None:
        """Remember what files hold that this process has just written; nobody else may change them before the run is sealed."""
        self._kept.update({path: (sha256(path), stamp(path)) for path in paths})

    def write(self, path: Path, text: str) -> None:
        """Write a file, and remember what it was to hold, so that not even the moment after writing is a gap."""
        write_text(path, text)
        self._kept[path] = (sha256_text(text), stamp(path))

    def remove(self, folder: Path) -> None:
        """Remove a folder of the run that this process has written."""
        self._kept = {path: known for path, known in self._kept.items() if not path.is_relative_to(folder)}
        shutil.rmtree(folder, ignore_errors=True)

    def keep_foreign(self, *paths: Path) -> None:
        """Remember what files hold that a plugin's process has written; what this process wrote stays its own."""
        theirs = [path for path in paths if path not in self._kept or path in self._foreign]
        self._foreign += theirs
        self.keep(*theirs)

    def refuse_changes(self) -> None:
        """Raise if another process has changed what this one wrote: a plugin or a model that writes into the run.

        Raises
        ------
        TamperedRunError
            Names the file.
        """
        for path, (digest, before) in self._kept.items():
            if path.is_symlink() or not path.is_file() or stamp(path) != before or sha256(path) != digest:
                raise TamperedRunError(
                    f"{path.relative_to(self.folder)} was changed by another process while the audit ran, such as a plugin's; "
                    "the run cannot be trusted. Leave plugins out with --disable until it no longer happens."
                )

    def seal(self, facts: dict[str, Any]) -> None:
        """Write the manifest, then remove the temporary state: a run is finished when its manifest exists.

        Raises
        ------
        TamperedRunError
            If another process has changed what this one wrote.
        """
        self.refuse_changes()
        known = {path: digest for path, (digest, _) in self._kept.items()}
        manifest.write(self.folder, facts, exclude=self.work, known=known, foreign=self._foreign)
        self.close()
        try:
            shutil.rmtree(self.work)
        except OSError as error:
            raise RunError(
                f"{self.folder} is complete, but {self.work.name} in it could not be removed ({error.strerror or error}): another "
                "process uses it. End that process and remove the folder."
            ) from None


def _first_link(folder: Path) -> Path | None:
    """Return a link in a folder or below; a run has none of its own."""
    below = (Path(place, name) for place, folders, files in os.walk(folder) for name in [*folders, *files])
    return next((path for path in below if path.is_symlink()), None)


def _mapping(content: bytes) -> dict[str, Any]:
    value = json.loads(content)
    if not isinstance(value, dict):
        raise ValueError("it is no mapping")
    return value


def compare_states(before: dict[str, Any], now: dict[str, Any], folder: Path) -> None:
    """Raise `RunError` with the first difference between an interrupted run and this one."""
    for key in sorted(before.keys() | now.keys()):
        old, new = before.get(key), now.get(key)
        if old == new:
            continue
        at, old, new = _first_difference((key,), old, new)
        raise RunError(
            f"--resume {folder}: {key_text(at)} differs from the interrupted run ({_short(old)} then, {_short(new)} now); "
            "start a new run in another --out."
        )


def _first_difference(key: Key, old: Any, new: Any) -> tuple[Key, Any, Any]:
    """Descend to the first value that differs: by key in mappings, by position in lists of equal length."""
    if isinstance(old, dict) and isinstance(new, dict):
        part: Any = next(name for name in sorted(old.keys() | new.keys()) if old.get(name) != new.get(name))
        return _first_difference((*key, part), old.get(part), new.get(part))
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        part = next(index for index, pair in enumerate(zip(old, new, strict=True)) if pair[0] != pair[1])
        return _first_difference((*key, part), old[part], new[part])
    return key, old, new


def _short(value: Any) -> str:
    """Write a value in a few words: none, its number of entries, or its text cut at 60 characters."""
    if value is None:
        return "none"
    if isinstance(value, dict | list):
        return counted(len(value), "entry", "entries") if value else "none"
    text = json.dumps(value, ensure_ascii=False) if not isinstance(value, str) else value
    return text if len(text) <= 60 else text[:57] + "..."
