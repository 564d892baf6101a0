"""The command line as a person uses it: its own process, its own folder, what it prints and how it exits."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml


@dataclass(frozen=True)
class Ran:
    """A finished command."""

    code: int
    out: str
    err: str

    @property
    def said(self) -> str:
        return self.out + self.err


@pytest.fixture
def raikit(tmp_path):
    """Run ``raikit …`` in an empty folder."""

    def raikit(*arguments, code=None, cwd=tmp_path, **environment) -> Ran:
        command = [sys.executable, "-m", "raikit", *map(str, arguments)]
        done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, env={**os.environ, **environment}, timeout=600)
        ran = Ran(done.returncode, done.stdout, done.stderr)
        if code is not None:
            assert ran.code == code, f"exit {ran.code}, not {code}:\n{ran.said}"
        return ran

    return raikit


def people(rows=600, seed=0):
    """Predictions that miss women more often than men; two more features that mean nothing."""
    rng = np.random.default_rng(seed)
    sex, race = rng.choice(["F", "M"], rows), rng.choice(["A", "B", "C"], rows)
    y = (rng.random(rows) < 0.5).astype(int)
    p = np.clip(0.2 + 0.6 * y + rng.normal(0, 0.15, rows) - 0.35 * ((sex == "F") & (y == 1)), 0, 1)
    return pd.DataFrame({"case": [f"c{i}" for i in range(rows)], "sex": sex, "race": race, "y": y, "p": p.round(4)})


@pytest.fixture
def audit_yaml(tmp_path):
    """Write a table and an audit.yaml beside it; keyword arguments are put over the configuration."""

    def audit_yaml(table=None, *, checks=("performance.classification", "fairness.groups"), folder=tmp_path, **over) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        (people() if table is None else table).to_csv(folder / "people.csv", index=False)
        config = {
            "name": "people", "data": {"path": "people.csv", "id": "case", "target": "y", "sensitive": ["sex", "race"]},
            "model": {"load": {"kind": "predictions", "score": "p"}}, "formats": ["json"],
        }
        if checks is not None:
            config["checks"] = {name: {} for name in checks}
        for key, value in over.items():
            config[key] = {**config[key], **value} if key == "data" else value
        path = folder / "audit.yaml"
        path.write_text(yaml.safe_dump(config, sort_keys=False, allow_unicode=True), encoding="utf-8")
        return path

    return audit_yaml


def record(folder: Path) -> dict:
    """The record of a run."""
    return json.loads((folder / "audit.json").read_text(encoding="utf-8"))


def numbers(folder: Path) -> dict:
    """What must not change: every metric of every check."""
    return {metric["id"]: metric for check in record(folder)["checks"] for metric in check["metrics"]}
