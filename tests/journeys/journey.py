"""Data, and what a run directory holds, for journeys."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import yaml


def people(rows=600, seed=0):
    """Make predictions that miss women more often than men; race is unrelated to the errors."""
    rng = np.random.default_rng(seed)
    sex, race = rng.choice(["F", "M"], rows), rng.choice(["A", "B", "C"], rows)
    y = (rng.random(rows) < 0.5).astype(int)
    p = np.clip(0.2 + 0.6 * y + rng.normal(0, 0.15, rows) - 0.35 * ((sex == "F") & (y == 1)), 0, 1)
    return pd.DataFrame({"case": [f"c{i}" for i in range(rows)], "sex": sex, "race": race, "y": y, "p": p.round(4)})


def write_audit_yaml(
    folder: Path, table=None, *, checks=("performance.classification", "fairness.groups"), **sections
) -> Path:
    """Write ``people.csv`` and ``audit.yaml``; each further argument is a section, and adds to `data` or replaces others."""
    folder.mkdir(parents=True, exist_ok=True)
    (people() if table is None else table).to_csv(folder / "people.csv", index=False)
    config = {
        "name": "people",
        "data": {"path": "people.csv", "id": "case", "target": "y", "sensitive": ["sex", "race"]},
        "model": {"load": {"kind": "predictions", "score": "p"}},
        "formats": ["json"],
    }
    if checks is not None:
        config["checks"] = {name: {} for name in checks}
    for key, value in sections.items():
        config[key] = {**config[key], **value} if key == "data" else value
    path = folder / "audit.yaml"
    path.write_text(yaml.safe_dump(config, sort_keys=False, allow_unicode=True), encoding="utf-8")
    return path


def write_failing_audit(folder: Path, gate: dict) -> Path:
    """Write an audit of a table whose accuracy is .857."""
    y = np.arange(1000) % 2
    table = pd.DataFrame({"case": range(1000), "sex": np.where(np.arange(1000) % 3, "F", "M"), "y": y, "yhat": y})
    table.loc[::7, "yhat"] = 1 - table.loc[::7, "y"]
    load = {"load": {"kind": "predictions", "prediction": "yhat"}}
    return write_audit_yaml(folder, table, checks=None, data={"sensitive": ["sex"]}, model=load, gate=gate, formats=["json"])


def record(run: Path) -> dict:
    """Read the record of a run."""
    return json.loads((run / "audit.json").read_text(encoding="utf-8"))


def numbers(run: Path) -> dict:
    """Return every metric of every check, by its address."""
    return {metric["id"]: metric for check in record(run)["checks"] for metric in check["metrics"]}


def check_row(run: Path, name: str) -> dict:
    """Return the row of a check in the record."""
    return next(check for check in record(run)["checks"] if check["name"] == name)


def plugin_row(run: Path, name: str) -> dict:
    """Return the row of a plugin in the record."""
    return next(plugin for plugin in record(run)["plugins"] if plugin["name"] == name)
