"""The child process in which the checks of one distribution run: started by `raikit.isolation`, told what to run, gone after.

What comes in and goes out is JSON, never pickled objects: nothing that a plugin made is trusted to be what it says.
"""

from __future__ import annotations

import faulthandler
import json
import logging
import os
import signal
import sys
import threading
from collections.abc import Mapping
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from raikit.errors import SkipCheck
from raikit.guard import captured

if TYPE_CHECKING:
    from raikit.check import Check, CheckContext
    from raikit.config.schema import AuditConfig
    from raikit.data.dataset import Dataset
    from raikit.models.base import Model, ModelLoader
    from raikit.runs import RunView

WHERE = signal.SIGUSR1  # makes the child write its stack
END_OF_OUTPUT = b"\x00raikit: end of output\x00"


def main() -> None:
    """Answer one job after the other until the parent closes the connection."""
    _end_with_the_parent()
    faulthandler.enable()
    faulthandler.register(WHERE, all_threads=False)
    connection = Connection(int(sys.argv[1]))
    setting: dict[str, Any] = json.loads(connection.recv_bytes())
    sys.path[:] = setting["path"]
    os.environ.clear()
    os.environ.update(setting["environment"])
    worker = _Worker(connection, setting)
    while True:
        try:
            job = json.loads(connection.recv_bytes())
        except EOFError:
            return
        answer = worker.answer(job)
        sys.stdout.flush()
        os.write(1, END_OF_OUTPUT)
        connection.send_bytes(json.dumps(answer).encode())


def _end_with_the_parent() -> None:
    """Standard input stays open as long as the parent lives; checks get an empty one."""
    alive = os.dup(0)
    with open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), 0)

    def wait() -> None:
        os.read(alive, 1)
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


class _Worker:
    """Runs checks with what they ask for opened when they ask."""

    def __init__(self, connection: Connection, setting: Mapping[str, Any]) -> None:
        self._connection = connection
        self._setting = setting
        self._opened: dict[str, Any] = {}
        self._checks: dict[str, type[Check]] | None = None

    def answer(self, job: Mapping[str, Any]) -> dict[str, Any]:
        """What a check returned, or what went wrong, with its warnings."""
        from raikit.runner import encoded, explained, traceback_of

        answer: dict[str, Any] = {}
        with captured(job["seed"], sys.stdout) as said:
            try:
                check = self._check(job["check"])
                made = check(check.Options.model_validate(job["options"]))
                answer["result"] = _compared(made, job["compare"]) if "compare" in job else encoded(made.run(self._context(job)))
            except SkipCheck as skip:
                answer["skipped"] = (skip.reason, skip.help)
            except (Exception, SystemExit) as error:
                answer["error"], answer["traceback"] = explained(error), traceback_of()
        return answer | {"warnings": said}

    def _check(self, name: str) -> type[Check]:
        from raikit.errors import PluginError
        from raikit.plugins import checks_of

        if self._checks is None:
            plugins, folder = None, None
            if "config" in self._setting:
                plugins, folder = self._config().plugins, Path(self._setting["folder"])
            self._checks = checks_of(self._setting["distribution"], plugins, folder)
        if name not in self._checks:
            raise PluginError(f"{self._setting['distribution']} does not bring {name} in a process of its own")
        return self._checks[name]

    def _context(self, job: Mapping[str, Any]) -> CheckContext:
        from raikit.check import CheckContext, Deferred
        from raikit.predictions import Predictions

        facts = self._setting["context"]
        return CheckContext(
            task=facts["task"],
            predictions=Predictions(Path(job["predictions"]), facts["split"]),
            data=cast(Any, Deferred(self._data)),
            model=cast(Any, Deferred(self._model)) if facts["has_model"] else None,
            classes=tuple(facts["classes"]),
            positive=facts["positive"],
            sensitive=tuple(facts["sensitive"]),
            cluster=tuple(facts["cluster"]),
            weight=facts["weight"],
            seed=job["seed"],
            workdir=Path(job["workdir"]),
            confidence=facts["confidence"],
            progress=self._progress,
            log=logging.getLogger(f"raikit.check.{job['check']}"),
        )

    def _loaders(self, config: AuditConfig) -> Mapping[str, ModelLoader]:
        """raikit's own, and only if another is asked for those that plugins bring."""
        from raikit.models.loaders import LOADERS
        from raikit.plugins import discover

        kind = config.model.load.kind if config.model.load else "fusion"
        return LOADERS if kind in LOADERS else discover(config.plugins, Path(self._setting["folder"])).loaders

    def _progress(self, done: int, total: int) -> None:
        self._connection.send_bytes(json.dumps({"progress": [int(done), int(total)]}).encode())

    def _config(self) -> AuditConfig:
        from raikit.config.schema import AuditConfig

        return AuditConfig.model_validate(self._setting["config"])

    def _data(self) -> Dataset:
        if "data" not in self._opened:
            from raikit.audit import dataset
            from raikit.errors import ConfigError

            def error(key: Any, problem: str) -> ConfigError:
                return ConfigError(f"{'.'.join(map(str, key))}: {problem}")

            self._opened["data"] = dataset(self._config(), Path(self._setting["folder"]), error)
        found: Dataset = self._opened["data"]
        return found

    def _model(self) -> Model:
        if "model" not in self._opened:
            from raikit.audit import loaded_model, set_threads

            config = self._config()
            set_threads(config.threads)
            run, folder = Path(self._setting["run"]), Path(self._setting["folder"])
            self._opened["model"] = loaded_model(config, self._data(), run, folder, self._loaders(config))
        found: Model = self._opened["model"]
        return found


def _compared(check: Check, asked: Mapping[str, Any]) -> str:
    """What `compare` of a check says of two runs, as JSON."""
    from raikit.regressions import Margin, Margins

    assert check.compare is not None
    margins = {**asked["margins"], "of": {address: Margin(**margin) for address, margin in asked["margins"]["of"].items()}}
    found = check.compare(_run(asked["candidate"]), _run(asked["baseline"]), Margins(**margins))
    return json.dumps([comparison.model_dump(mode="json") for comparison in found])


def _run(view: Mapping[str, Any]) -> RunView:
    from raikit.record import Record
    from raikit.runs import RunView

    return RunView(Path(view["folder"]), Record.model_validate(view["record"]), view["is_file"], view["counts"])


if __name__ == "__main__":
    main()
