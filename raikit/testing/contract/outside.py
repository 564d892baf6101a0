"""The conformance test from outside: in a process of its own, so that a plugin that ends or hangs it is a broken rule."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from raikit.errors import ConfigError, RaikitError
from raikit.testing.contract.verdict import Conformity

SECONDS = 900


def conformance(plugin: str, seconds: float = SECONDS) -> list[Conformity]:
    """As `raikit.testing.conformance`, for what somebody named on the command line.

    Parameters
    ----------
    plugin : str
        A file if it ends in ``.py`` or has a slash in it, else the name of an entry point.
    seconds : float
        A plugin that takes longer has broken the rule at which it stands.

    Raises
    ------
    ConfigError
        If there is nothing of that name.
    """
    with tempfile.TemporaryDirectory(prefix="raikit-") as folder:
        journal = Path(folder) / "journal.jsonl"
        command = [sys.executable, "-m", __name__, plugin, str(journal), json.dumps(sys.path)]
        try:
            # what the plugin prints is none of the table's business
            done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=seconds, check=False)  # noqa: S603
            ended = _ended(done.returncode, done.stderr.decode(errors="replace"))
        except subprocess.TimeoutExpired:
            ended = f"it took more than {seconds:g} seconds"
        return _read(journal, ended)


def _ended(code: int, said: str) -> str:
    if code >= 0:
        last = f": {said.strip().splitlines()[-1]}" if code and said.strip() else ""
        return f"it ended the whole process with the exit code {code}{last}"
    return f"it killed the whole process ({signal.Signals(-code).name})"


def _read(journal: Path, ended: str) -> list[Conformity]:
    """What was written until the process was over; without a last word it did not end by itself."""
    lines = [json.loads(line) for line in journal.read_text(encoding="utf-8").splitlines()] if journal.exists() else []
    if lines and "error" in lines[-1]:
        raise ConfigError(lines[-1]["error"])
    found = [Conformity(**line["found"]) for line in lines if "found" in line]
    if not lines or "done" not in lines[-1]:
        who, rule = lines[-1]["trying"] if lines and "trying" in lines[-1] else ("raikit", "loads")
        found.append(Conformity(who, rule, "failed", ended))
    return found


def _journal(plugin: str) -> Iterator[dict[str, Any]]:
    """What is tried, and what came of it, line by line."""
    from raikit.testing.contract import cases
    from raikit.testing.contract.subject import path_or_name, subject_of

    yield {"trying": [plugin, "loads"]}
    try:
        subject = subject_of(path_or_name(plugin))
    except RaikitError as error:
        yield {"error": str(error)}
        return
    for who, rule, what in cases(subject):
        yield {"trying": [who, rule.name]}
        yield {"found": asdict(rule.held_against(who, what))}
    yield {"done": True}


def _main(plugin: str, journal: str, path: str) -> None:
    sys.path[:] = json.loads(path)
    with Path(journal).open("w", encoding="utf-8") as stream:
        for line in _journal(plugin):
            stream.write(json.dumps(line, ensure_ascii=True) + "\n")
            stream.flush()


if __name__ == "__main__":
    _main(*sys.argv[1:])
