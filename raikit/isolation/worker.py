"""The child process of one distribution: describe its plugins, run its checks, formats and listeners on request.

JSON comes in and goes out, never pickled objects: what a plugin returns is not trusted.
"""

from __future__ import annotations

import contextlib
import faulthandler
import importlib
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Mapping
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from raikit.errors import PluginError, RaikitError, SkipCheck
from raikit.isolation.answer import (
    END_OF_OUTPUT,
    STACK_SIGNAL,
    decode_result,
    encode_result,
    error_text,
    traceback_text,
)
from raikit.naming import using
from raikit.plugins.describe import describe_plugin, validate_options
from raikit.plugins.discovery import load_plugin, plugins_of
from raikit.plugins.registry import Registry
from raikit.process.children import go_on_without_parent
from raikit.process.guard import captured
from raikit.process.importing import without_collection

if TYPE_CHECKING:
    from raikit.check import Check
    from raikit.isolation.subject import AuditSubject
    from raikit.run.across import RunComparison, RunHistory
    from raikit.run.reader import RunView

_GRACE = 5.0


def main() -> None:
    """Answer jobs until the parent closes the connection."""
    _end_with_the_parent()
    faulthandler.enable()
    faulthandler.register(STACK_SIGNAL, all_threads=False)
    connection = Connection(int(sys.argv[1]))
    start: dict[str, Any] = json.loads(connection.recv_bytes())
    sys.path[:] = start["path"]
    os.environ.clear()
    os.environ.update(start["environment"])
    with without_collection():
        for module in start["preload"]:
            with contextlib.suppress(Exception):  # the job that needs it says what is wrong
                importlib.import_module(module)
    worker, output, process = _Worker(connection), os.dup(1), os.getpid()
    while True:
        try:
            job = json.loads(connection.recv_bytes())
        except EOFError:  # the parent has died, or it would have said that nothing follows
            os.killpg(0, signal.SIGKILL)
        if job is None:
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
    go_on_without_parent()
    alive = os.dup(0)
    with open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), 0)

    def wait() -> None:
        os.read(alive, 1)
        time.sleep(_GRACE)  # the parent may be about to end this process itself
        os.killpg(0, signal.SIGKILL)  # with all descendants

    threading.Thread(target=wait, daemon=True).start()


class _Worker:
    """The jobs of one distribution."""

    def __init__(self, connection: Connection) -> None:
        self._connection, self._sending = connection, threading.Lock()
        self._setting: dict[str, Any] = {}
        self._plugins: dict[str, Registry] = {}
        self._subject: AuditSubject | None = None

    def send(self, message: Mapping[str, Any]) -> None:
        """Send a message to the parent; a check may report progress from several threads."""
        with self._sending:
            self._connection.send_bytes(json.dumps(message).encode())

    def answer(self, job: Mapping[str, Any]) -> dict[str, Any]:
        """Run a job and return its result or what went wrong, with its warnings."""
        if "setting" in job:
            self._setting |= job["setting"]  # in place: what is open already learns of it too
        answer: dict[str, Any] = {}
        with captured(job["seed"], sys.stdout) as messages:
            try:
                answer["result"] = self._run_job(job)
            except SkipCheck as skip:
                answer["skipped"] = (skip.reason, skip.help)
            except BaseException as error:
                answer["error"], answer["traceback"] = error_text(error), traceback_text()
                if isinstance(error, RaikitError):
                    answer["refusal"] = str(error)
        return answer | {"warnings": messages}

    def _run_job(self, job: Mapping[str, Any]) -> str:
        """Return the result of a job as JSON."""
        if "describe" in job:
            return describe_plugin(self._plugin(job["describe"])).model_dump_json()
        if "model" in job:
            return json.dumps(self._opened().answer(job, self._progress))
        registry = self._own_plugins()
        if "format" in job:
            return json.dumps([str(path) for path in registry.write(job["format"], _record(job["record"]), Path(job["folder"]))])
        if "runs_format" in job:
            registry.write_runs(job["runs_format"], _runs(job), Path(job["file"]))
            return "null"
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
        if "validate" in job:
            return json.dumps(validate_options(check, job["validate"]))
        instance = check(check.Options.model_validate(job["options"]))
        if "compare" in job:
            return _compare(instance, job["compare"])
        context = self._opened().context(job, self._progress)
        with using(context.labels):
            encoded = encode_result(instance.run(context))
        decode_result(encoded)  # The parent validates it too, but here the traceback is the author's.
        return encoded

    def _plugin(self, name: str) -> Registry:
        """Load one plugin of the distribution, once."""
        if name not in self._plugins:
            self._plugins[name] = load_plugin(self._setting["distribution"], name, Path(self._setting["folder"]))
        return self._plugins[name]

    def _own_plugins(self) -> Registry:
        """Return all plugins of the distribution, without those that ended the process when they were loaded."""
        from raikit.config.schema import PluginsConfig

        names = plugins_of(self._setting["distribution"], PluginsConfig.model_validate(self._setting["plugins"]))
        together = Registry()
        for name in names:
            if name not in self._setting["without"]:
                together.add(self._plugin(name))
        return together

    def _opened(self) -> AuditSubject:
        from raikit.isolation.subject import AuditSubject

        if self._subject is None:
            self._subject = AuditSubject(self._setting)
        return self._subject

    def _progress(self, done: int, total: int) -> None:
        self.send({"progress": [int(done), int(total)]})


def _record(content: Mapping[str, Any]) -> Any:
    from raikit.run.record import Record

    return Record.model_validate(content)


def _runs(job: Mapping[str, Any]) -> RunComparison | RunHistory:
    from raikit.run.across import RunComparison, RunHistory

    return RunComparison.model_validate(job["comparison"]) if "comparison" in job else RunHistory.model_validate(job["history"])


def _payload(job: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of a listener as a copy, so that the listener changes nothing."""
    from raikit.run.record import CheckRecord

    if "record" in job:
        return {"record": _record(job["record"])}
    return {"result": CheckRecord.model_validate(job["result"])}


def _compare(check: Check, request: Mapping[str, Any]) -> str:
    """Return the comparisons of two runs by a check, as JSON."""
    from raikit.run.margins import Margin, Margins

    assert check.compare is not None
    margins = {**request["margins"], "of": {address: Margin(**margin) for address, margin in request["margins"]["of"].items()}}
    candidate = _run(request["candidate"])
    with using(candidate.record.data.labels):
        comparisons = check.compare(candidate, _run(request["baseline"]), Margins(**margins))
    return json.dumps([comparison.model_dump(mode="json") for comparison in comparisons])


def _run(view: Mapping[str, Any]) -> RunView:
    from raikit.run.reader import RunView
    from raikit.run.record import Measurements

    return RunView(Path(view["folder"]), Measurements.model_validate(view["record"]), view["is_file"], view["counts"])

