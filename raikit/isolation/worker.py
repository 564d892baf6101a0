"""The child process of one distribution: run its checks, formats and listeners on request.

JSON comes in and goes out, never pickled objects: what a plugin returns is not trusted.
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

from raikit.config.schema import AuditConfig
from raikit.config.types import key_text
from raikit.errors import ConfigError, PluginError, SkipCheck
from raikit.isolation.answer import (
    END_OF_OUTPUT,
    STACK_SIGNAL,
    decode_result,
    encode_result,
    error_text,
    traceback_text,
)
from raikit.isolation.context import Deferred, LazyContext
from raikit.models.loaders import LOADERS
from raikit.models.opening import open_dataset, open_model, set_threads
from raikit.naming import DisplayNames, using
from raikit.plugins.discovery import discover, discover_one
from raikit.process.guard import captured
from raikit.run.levels import LevelRequest, Levels
from raikit.run.margins import Margin, Margins
from raikit.run.predictions import Predictions
from raikit.run.reader import RunView
from raikit.run.record import CheckRecord, Measurements, Record

if TYPE_CHECKING:
    from raikit.check import Check, CheckContext
    from raikit.data.dataset import Dataset
    from raikit.models.base import Model, ModelLoader
    from raikit.plugins.registry import Registry

_GRACE = 5.0


def main() -> None:
    """Answer jobs until the parent closes the connection."""
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
            os._exit(0)  # a fork that the check left behind; only the original may answer
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
        os.write(output, END_OF_OUTPUT)
        worker.send({**answer, "number": job["number"]})


def _open_streams(output: int) -> None:
    """Reopen standard output and error, whatever the last check did to them."""
    for number in (1, 2):
        os.dup2(output, number)
    sys.stdout = open(os.dup(output), "w", buffering=1, encoding="utf-8", errors="replace")  # noqa: SIM115
    sys.stderr = open(os.dup(output), "w", buffering=1, encoding="utf-8", errors="replace")  # noqa: SIM115


def _end_with_the_parent() -> None:
    """Watch standard input, which closes when the parent dies, and give checks an empty one."""
    alive = os.dup(0)
    with open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), 0)

    def wait() -> None:
        os.read(alive, 1)
        time.sleep(_GRACE)  # the parent may be about to end this process itself
        os.killpg(0, signal.SIGKILL)  # with all descendants

    threading.Thread(target=wait, daemon=True).start()


class _Worker:
    """The jobs of one distribution; data and model are opened when a check first asks for them."""

    def __init__(self, connection: Connection, setting: Mapping[str, Any]) -> None:
        self._connection, self._sending = connection, threading.Lock()
        self._setting = setting
        self._opened: dict[str, Any] = {}
        self._registry: Registry | None = None

    def send(self, message: Mapping[str, Any]) -> None:
        """Send a message to the parent; a check may report progress from several threads."""
        with self._sending:
            self._connection.send_bytes(json.dumps(message).encode())

    def answer(self, job: Mapping[str, Any]) -> dict[str, Any]:
        """Run a job and return its result or what went wrong, with its warnings."""
        answer: dict[str, Any] = {}
        with captured(job["seed"], sys.stdout) as messages:
            try:
                answer["result"] = self._run_job(job)
            except SkipCheck as skip:
                answer["skipped"] = (skip.reason, skip.help)
            except BaseException as error:
                answer["error"], answer["traceback"] = error_text(error), traceback_text()
        return answer | {"warnings": messages}

    def _run_job(self, job: Mapping[str, Any]) -> str:
        """Return the result of a job as JSON: a check's result, comparisons, the files of a report, or null for a listener."""
        registry = self._own_plugins()
        if "format" in job:
            return json.dumps([str(path) for path in registry.write(job["format"], _record(job["record"]), Path(job["folder"]))])
        if "hook" in job:
            arguments = {"run": Path(job["run"]), **_payload(job)}
            if problems := registry.notify(job["hook"], **arguments):
                raise PluginError("; ".join(problems))
            return "null"
        if job["check"] not in registry.checks:
            raise PluginError(
                f"{self._setting['distribution']} does not provide check {job['check']} in its child process; "
                "a plugin must provide the same checks on every import"
            )
        check = registry.checks[job["check"]].check
        instance = check(check.Options.model_validate(job["options"]))
        if "compare" in job:
            return _compare(instance, job["compare"])
        context = self._context(job)
        with using(context.labels):
            encoded = encode_result(instance.run(context))
        decode_result(encoded)  # The parent validates it too, but here the traceback is the author's.
        return encoded

    def _own_plugins(self) -> Registry:

        if self._registry is None:
            plugins, folder = None, None
            if "config" in self._setting:
                plugins, folder = self._config().plugins, Path(self._setting["folder"])
            self._registry = discover_one(self._setting["distribution"], plugins, folder)
        return self._registry

    def _context(self, job: Mapping[str, Any]) -> CheckContext:
        facts = self._setting["context"]
        return LazyContext(
            task=facts["task"],
            predictions=Predictions(Path(job["predictions"]), facts["split"]),
            data=Deferred(self._data),
            model=Deferred(self._model) if facts["has_model"] else None,
            classes=tuple(facts["classes"]),
            positive=facts["positive"],
            sensitive=tuple(facts["sensitive"]),
            cluster=tuple(facts["cluster"]),
            weight=facts["weight"],
            seed=job["seed"],
            workdir=Path(job["workdir"]),
            confidence=job.get("level") or facts["confidence"],
            levels=Levels() if job.get("level") else _levels(facts).of(job["check"].split(".", 1)[0]),
            max_groups=facts["max_groups"],
            reference=facts["reference"],
            favourable=facts["favourable"],
            labels=_labels(facts),
            progress=self._progress,
            log=logging.getLogger(f"raikit.check.{job['check']}"),
        )

    def _loaders(self, config: AuditConfig) -> Mapping[str, ModelLoader]:
        """Return raikit's own loaders, and those of plugins only if the configuration needs one."""
        kind = config.model.load.kind if config.model.load else "fusion"
        return LOADERS if kind in LOADERS else discover(config.plugins, Path(self._setting["folder"])).loaders

    def _progress(self, done: int, total: int) -> None:
        self.send({"progress": [int(done), int(total)]})

    def _config(self) -> AuditConfig:
        return AuditConfig.model_validate(self._setting["config"])

    def _data(self) -> Dataset:
        if "data" not in self._opened:
            def error(key: Any, problem: str) -> ConfigError:
                return ConfigError(f"{key_text(key)}: {problem}")

            self._opened["data"] = open_dataset(self._config(), Path(self._setting["folder"]), error)
        return cast("Dataset", self._opened["data"])

    def _model(self) -> Model:
        if "model" not in self._opened:
            config = self._config()
            set_threads(config.threads)
            run, folder = Path(self._setting["run"]), Path(self._setting["folder"])
            self._opened["model"] = open_model(config, self._data(), run, folder, self._loaders(config))
        return cast("Model", self._opened["model"])


def _labels(facts: Mapping[str, Any]) -> DisplayNames:
    labels = facts["labels"]
    return DisplayNames(**{**labels, "unit": tuple(labels["unit"])})


def _levels(facts: Mapping[str, Any]) -> Levels:
    requests = [
        LevelRequest(**{**request, "errors": tuple(request["errors"]), "spare": tuple(request["spare"])})
        for request in facts.get("requests", [])
    ]
    return Levels(requests, facts["confidence"])


def _record(content: Mapping[str, Any]) -> Record:
    return Record.model_validate(content)


def _payload(job: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of a listener as a copy, so that the listener changes nothing."""
    if "record" in job:
        return {"record": _record(job["record"])}
    return {"result": CheckRecord.model_validate(job["result"])}


def _compare(check: Check, request: Mapping[str, Any]) -> str:
    """Return the comparisons of two runs by a check, as JSON."""
    assert check.compare is not None
    margins = {**request["margins"], "of": {address: Margin(**margin) for address, margin in request["margins"]["of"].items()}}
    candidate = _run(request["candidate"])
    with using(candidate.record.data.labels):
        comparisons = check.compare(candidate, _run(request["baseline"]), Margins(**margins))
    return json.dumps([comparison.model_dump(mode="json") for comparison in comparisons])


def _run(view: Mapping[str, Any]) -> RunView:
    return RunView(Path(view["folder"]), Measurements.model_validate(view["record"]), view["is_file"], view["counts"])

