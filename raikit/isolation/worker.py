"""The child process in which the checks of one distribution run: started by `raikit.isolation`, told what to run, gone after.

What comes in and goes out is JSON, never pickled objects: nothing that a plugin made is trusted to be what it says.
"""

from __future__ import annotations

import contextlib
import faulthandler
import json
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Mapping
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from raikit.errors import SkipCheck
from raikit.isolation.answer import END_OF_OUTPUT, STACK_SIGNAL, encode_result, error_text, traceback_text
from raikit.process.guard import captured

if TYPE_CHECKING:
    from raikit.check import Check, CheckContext
    from raikit.config.schema import AuditConfig
    from raikit.data.dataset import Dataset
    from raikit.models.base import Model, ModelLoader
    from raikit.plugins.registry import Registry
    from raikit.run.reader import RunView
    from raikit.run.record import Record

_GRACE = 5.0


def main() -> None:
    """Answer one job after the other until the parent closes the connection."""
    _end_with_the_parent()
    faulthandler.enable()
    faulthandler.register(STACK_SIGNAL, all_threads=False)
    connection = Connection(int(sys.argv[1]))
    setting: dict[str, Any] = json.loads(connection.recv_bytes())
    sys.path[:] = setting["path"]
    os.environ.clear()
    os.environ.update(setting["environment"])
    worker, output, process = _Worker(connection, setting), os.dup(1), os.getpid()
    while True:
        try:
            job = json.loads(connection.recv_bytes())
        except EOFError:
            return
        _open_streams(output)
        answer = worker.answer(job)
        if os.getpid() != process:
            os._exit(0)  # a copy that the check has forked and not ended; only one may answer
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
        os.write(output, END_OF_OUTPUT)
        worker.send({**answer, "number": job["number"]})


def _open_streams(output: int) -> None:
    """Standard output and error as they were, whatever a check has made of them."""
    for number in (1, 2):
        os.dup2(output, number)
    sys.stdout = open(os.dup(output), "w", buffering=1, encoding="utf-8", errors="replace")  # noqa: SIM115
    sys.stderr = open(os.dup(output), "w", buffering=1, encoding="utf-8", errors="replace")  # noqa: SIM115


def _end_with_the_parent() -> None:
    """Standard input stays open as long as the parent lives; checks get an empty one."""
    alive = os.dup(0)
    with open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), 0)

    def wait() -> None:
        os.read(alive, 1)
        time.sleep(_GRACE)  # in which the parent may have ended it in peace
        os.killpg(0, signal.SIGKILL)  # with all that it has started

    threading.Thread(target=wait, daemon=True).start()


class _Worker:
    """Runs checks with what they ask for opened when they ask."""

    def __init__(self, connection: Connection, setting: Mapping[str, Any]) -> None:
        self._connection, self._sending = connection, threading.Lock()
        self._setting = setting
        self._opened: dict[str, Any] = {}
        self._registry: Registry | None = None

    def send(self, message: Mapping[str, Any]) -> None:
        """Send to the parent; a check may tell of its progress from several threads."""
        with self._sending:
            self._connection.send_bytes(json.dumps(message).encode())

    def answer(self, job: Mapping[str, Any]) -> dict[str, Any]:
        """What a check returned, or what went wrong, with its warnings."""
        answer: dict[str, Any] = {}
        with captured(job["seed"], sys.stdout) as said:
            try:
                answer["result"] = self._done(job)
            except SkipCheck as skip:
                answer["skipped"] = (skip.reason, skip.help)
            except BaseException as error:
                answer["error"], answer["traceback"] = error_text(error), traceback_text()
        return answer | {"warnings": said}

    def _done(self, job: Mapping[str, Any]) -> str:
        """What a job asks for, as JSON: a check's result or comparisons, the files of a report, or nothing of a listener."""
        from raikit.errors import PluginError

        registry = self._brought()
        if "format" in job:
            return json.dumps([str(path) for path in registry.write(job["format"], _record(job["record"]), Path(job["folder"]))])
        if "hook" in job:
            arguments = {"run": Path(job["run"]), **_told(job)}
            if complaints := registry.notify(job["hook"], **arguments):
                raise PluginError("; ".join(complaints))
            return "null"
        if job["check"] not in registry.checks:
            raise PluginError(f"{self._setting['distribution']} does not bring {job['check']} in a process of its own")
        check = registry.checks[job["check"]].check
        made = check(check.Options.model_validate(job["options"]))
        return _compared(made, job["compare"]) if "compare" in job else encode_result(made.run(self._context(job)))

    def _brought(self) -> Registry:
        from raikit.plugins.discovery import registry_of

        if self._registry is None:
            plugins, folder = None, None
            if "config" in self._setting:
                plugins, folder = self._config().plugins, Path(self._setting["folder"])
            self._registry = registry_of(self._setting["distribution"], plugins, folder)
        return self._registry

    def _context(self, job: Mapping[str, Any]) -> CheckContext:
        from raikit.check import CheckContext, Deferred
        from raikit.run.predictions import Predictions

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
        from raikit.plugins.discovery import discover

        kind = config.model.load.kind if config.model.load else "fusion"
        return LOADERS if kind in LOADERS else discover(config.plugins, Path(self._setting["folder"])).loaders

    def _progress(self, done: int, total: int) -> None:
        self.send({"progress": [int(done), int(total)]})

    def _config(self) -> AuditConfig:
        from raikit.config.schema import AuditConfig

        return AuditConfig.model_validate(self._setting["config"])

    def _data(self) -> Dataset:
        if "data" not in self._opened:
            from raikit.errors import ConfigError
            from raikit.models.opening import open_dataset

            def error(key: Any, problem: str) -> ConfigError:
                return ConfigError(f"{'.'.join(map(str, key))}: {problem}")

            self._opened["data"] = open_dataset(self._config(), Path(self._setting["folder"]), error)
        found: Dataset = self._opened["data"]
        return found

    def _model(self) -> Model:
        if "model" not in self._opened:
            from raikit.models.opening import open_model, set_threads

            config = self._config()
            set_threads(config.threads)
            run, folder = Path(self._setting["run"]), Path(self._setting["folder"])
            self._opened["model"] = open_model(config, self._data(), run, folder, self._loaders(config))
        found: Model = self._opened["model"]
        return found


def _record(content: Mapping[str, Any]) -> Record:
    from raikit.run.record import Record

    return Record.model_validate(content)


def _told(job: Mapping[str, Any]) -> dict[str, Any]:
    """What a listener is told of, made anew: whatever it does to it changes nothing."""
    from raikit.run.record import CheckRecord

    if "record" in job:
        return {"record": _record(job["record"])}
    return {"result": CheckRecord.model_validate(job["result"])}


def _compared(check: Check, asked: Mapping[str, Any]) -> str:
    """What `compare` of a check says of two runs, as JSON."""
    from raikit.run.margins import Margin, Margins

    assert check.compare is not None
    margins = {**asked["margins"], "of": {address: Margin(**margin) for address, margin in asked["margins"]["of"].items()}}
    found = check.compare(_run(asked["candidate"]), _run(asked["baseline"]), Margins(**margins))
    return json.dumps([comparison.model_dump(mode="json") for comparison in found])


def _run(view: Mapping[str, Any]) -> RunView:
    from raikit.run.reader import RunView

    return RunView(Path(view["folder"]), _record(view["record"]), view["is_file"], view["counts"])

