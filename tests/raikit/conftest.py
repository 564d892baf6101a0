"""Installed distributions (metadata and modules on sys.path), and the smallest run around a check."""

from __future__ import annotations

import os
import sys
import threading
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from dataclasses import replace

import pandas as pd
import pytest

from raikit.audit.check_runner import Runner
from raikit.audit.selection import PlannedCheck
from raikit.config.schema import GateConfig
from raikit.gate.family import levels_of
from raikit.plugins.registry import CheckEntry
from raikit.run.directory import RunDirectory
from raikit.testing import table_context


@pytest.fixture
def install(tmp_path, monkeypatch, write_distribution):
    """Install a distribution: ``install("raikit-x", {"x": "x_module"}, {"x_module": "source"})``."""
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(str(site))
    modules: list[str] = []

    def install(distribution: str, points: dict[str, str], sources: dict[str, str], version: str = "1.0") -> None:
        write_distribution(site, distribution, points, sources, version)
        modules.extend(sources)

    yield install
    for name in modules:
        sys.modules.pop(name, None)


@pytest.fixture
def run_checks(tmp_path):
    """Run check classes one after the other in one run, as the audit does."""

    def run_checks(*checks, table=None, resume=False, fresh=False, rules=(), **roles):
        folder = tmp_path / ("fresh" if fresh else "run")
        table = table if table is not None else pd.DataFrame({"target": [0, 1], "prediction": [0, 1]})
        run = RunDirectory(folder, resume)
        run.open()
        levels = levels_of(GateConfig.model_validate({"rules": list(rules)}), 0.95)
        context = replace(table_context(table, folder=tmp_path / "context", **roles), levels=levels)
        runner = Runner(run, context, frozenset({"labels"}), 0, _quiet)
        planned = [PlannedCheck(CheckEntry(check, "third-party", "1.0"), check.Options()) for check in checks]
        try:
            return runner.run_all(planned)
        finally:
            run.close()

    return run_checks


@contextmanager
def _quiet(name):
    yield lambda done, total: None


@pytest.fixture
def raikit_run(tmp_path):
    """Audit a small table of predictions into a folder: ``raikit_run(folder)``."""
    import numpy as np

    from raikit.audit.conductor import audit
    from raikit.audit.plan import Request
    from raikit.console import Console

    def raikit_run(folder):
        rng = np.random.default_rng(0)
        y = rng.integers(0, 2, 400)
        table = pd.DataFrame({"sex": rng.choice(["F", "M"], 400), "y": y, "yhat": np.where(rng.random(400) < 0.8, y, 1 - y)})
        table.to_csv(tmp_path / "people.csv", index=False)
        config = tmp_path / "audit.yaml"
        config.write_text(
            "name: people\ndata: {path: people.csv, target: y, sensitive: [sex]}\n"
            "model: {load: {kind: predictions, prediction: yhat}}\n"
            "checks: {performance.classification: {}, fairness.groups: {draws: 1000}}\n"
        )
        audit(Request(config, out=folder, formats=["json", "md"]), Console(quiet=True))
        return folder

    return raikit_run


@pytest.fixture
def terminal(monkeypatch):
    """Call a function in front of a terminal of 80 columns: ``terminal(function)`` returns what was written to it."""
    for name in ("NO_COLOR", "FORCE_COLOR", "COLORTERM", "LINES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "80")

    def terminal(function):
        written = bytearray()
        master, slave = os.openpty()
        reader = threading.Thread(target=_read_all, args=(master, written), daemon=True)
        reader.start()
        stream = os.fdopen(slave, "w", encoding="utf-8")
        with stream, redirect_stdout(stream), redirect_stderr(stream):
            function()
        reader.join(10)
        os.close(master)
        return written.decode().replace("\r\n", "\n")

    return terminal


def _read_all(descriptor, written):
    with suppress(OSError):  # Linux says by an error that the other end is closed.
        while chunk := os.read(descriptor, 65536):
            written.extend(chunk)
