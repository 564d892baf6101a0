"""The run directory: made, locked, resumed and sealed here; read back with `load_run`."""

from __future__ import annotations

import json
import re
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from raikit.errors import RunError
from raikit.files import write_text
from raikit.run import manifest
from raikit.run.record import CheckRecord

if TYPE_CHECKING:
    from filelock import BaseFileLock


RECORD = "audit.json"
PREDICTIONS = "predictions.parquet"
_STATE = "state.json"
_CRASHES_ALLOWED = 2


def default_place(name: str) -> Path:
    """``runs/NAME-TIME``, with what a file name should not hold taken out of the name."""
    return Path("runs") / f"{_slug(name)}-{time.strftime('%Y%m%d-%H%M%S')}"


def newest_place(name: str) -> Path | None:
    """The newest of the folders that `default_place` has given, None if there is none."""
    known = re.compile(re.escape(_slug(name)) + r"-\d{8}-\d{6}")
    return max((path for path in Path("runs").glob("*") if known.fullmatch(path.name) and path.is_dir()), default=None)


def _slug(name: str) -> str:
    return re.sub(r"[^\w.-]+", "-", name).strip("-.")[:60] or "audit"


class RunDirectory:
    """A run that is being made. What is in progress lies in ``.work``, which is removed when the run is sealed.

    Parameters
    ----------
    folder : Path
    resume : bool
        Go on with what is there; without it the folder must be empty or absent.

    Raises
    ------
    RunError
        If the folder is not empty, is in use by another process, or cannot be written.
    """

    def __init__(self, folder: Path, resume: bool = False) -> None:
        self.folder = folder
        self.work = folder / ".work"
        self._lock: BaseFileLock | None = None
        try:
            self.is_new = not folder.exists() or not any(folder.iterdir())
            self.existed = folder.exists()
        except OSError as error:
            raise RunError(f"--out {folder}: {error.strerror or error}.") from None
        if not self.is_new and not resume:
            raise RunError(f"{folder} is not empty; choose another --out, or go on with it by --resume.")
        if not self.is_new and not self.work.is_dir() and not (folder / manifest.NAME).is_file():
            raise RunError(f"{folder} holds no run that could be resumed; choose an empty --out.")

    @property
    def is_finished(self) -> bool:
        """Whether the record and the manifest are there."""
        return (self.folder / manifest.NAME).is_file()

    def open(self) -> None:
        """Make the folders and lock them against a second process."""
        from filelock import FileLock, Timeout

        try:
            (self.work / "checks").mkdir(parents=True, exist_ok=True)
            self._lock = FileLock(self.work / "lock")
            self._lock.acquire(timeout=0)
        except Timeout:
            self._lock = None
            raise RunError(f"{self.folder} is in use by another raikit.") from None
        except OSError as error:
            self.discard()
            raise RunError(f"cannot write to {self.folder}: {error.strerror or error}.") from None

    def close(self) -> None:
        """Let go of the lock; what is there stays for ``--resume``."""
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def discard(self) -> None:
        """Leave nothing half-written behind a new run that could not be done; one that was resumed is left as it is."""
        self.close()
        if not self.is_new or not self.folder.is_dir():
            return
        for path in self.folder.iterdir():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
        if not self.existed:
            self.folder.rmdir()

    # --- state and journal --------------------------------------------------------------------------------------

    def agree(self, state: dict[str, Any]) -> None:
        """Note what this run is of; on resume the same must still be true.

        Raises
        ------
        RunError
            Names what differs.
        """
        path = self.work / _STATE
        if path.exists():
            before = json.loads(path.read_text(encoding="utf-8"))
            compare_states(before, state, self.folder)
        else:
            write_text(path, json.dumps(state, indent=1, sort_keys=True))

    def started(self, check: str) -> bool:
        """Note that a check begins; False if it has killed the process twice and must not run again."""
        path = self.work / "checks" / f"{check}.started"
        times = len(path.read_text().splitlines()) if path.exists() else 0
        if times >= _CRASHES_ALLOWED:
            return False
        with path.open("a", encoding="utf-8") as stream:
            stream.write(time.strftime("%Y-%m-%dT%H:%M:%S\n"))
        return True

    def interrupted(self, check: str) -> None:
        """Take the last note back that a check began: a person ended the process, not the check."""
        path = self.work / "checks" / f"{check}.started"
        if path.exists():
            path.write_text("".join(f"{line}\n" for line in path.read_text().splitlines()[:-1]))

    def keep(self, check: CheckRecord) -> None:
        """Keep a finished check, so that a resumed run does not run it again."""
        write_text(self.work / "checks" / f"{check.name}.json", check.model_dump_json())

    def kept(self, check: str) -> CheckRecord | None:
        """A check that an interrupted run has finished."""
        path = self.work / "checks" / f"{check}.json"
        return CheckRecord.model_validate_json(path.read_bytes()) if path.exists() else None

    def workdir(self, check: str) -> Path:
        """A folder of a check's own; its artifacts are taken from there."""
        path = self.work / "scratch" / check
        path.mkdir(parents=True, exist_ok=True)
        return path

    def seal(self, facts: dict[str, Any]) -> None:
        """Write the manifest, then remove what was in progress: a run is finished when its manifest is there."""
        manifest.write(self.folder, facts, leaving_out=self.work)
        self.close()
        shutil.rmtree(self.work)


def compare_states(before: dict[str, Any], now: dict[str, Any], folder: Path) -> None:
    """Raise `RunError` naming the first thing in which an interrupted run and this one differ."""
    for key in sorted(before.keys() | now.keys()):
        old, new = before.get(key), now.get(key)
        if old == new:
            continue
        key, old, new = _first_difference(key, old, new)
        raise RunError(
            f"--resume {folder}: {key} differs from the interrupted run ({_short(old)} then, {_short(new)} now); "
            "start a new run in another --out."
        )


def _first_difference(key: str, old: Any, new: Any) -> tuple[str, Any, Any]:
    """Go down to the first value that differs, in mappings by key and in lists of one length by place."""
    if isinstance(old, dict) and isinstance(new, dict):
        part: Any = next(name for name in sorted(old.keys() | new.keys()) if old.get(name) != new.get(name))
        return _first_difference(f"{key}.{part}", old.get(part), new.get(part))
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        part = next(at for at, pair in enumerate(zip(old, new, strict=True)) if pair[0] != pair[1])
        return _first_difference(f"{key}.{part}", old[part], new[part])
    return key, old, new


def _short(value: Any) -> str:
    """A value in a few words: none, how many entries it has, or a text cut at 60 characters."""
    if value is None:
        return "none"
    if isinstance(value, dict | list):
        return f"{len(value)} {'entry' if len(value) == 1 else 'entries'}" if value else "none"
    text = json.dumps(value, ensure_ascii=False) if not isinstance(value, str) else value
    return text if len(text) <= 60 else text[:57] + "..."
