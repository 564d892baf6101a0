"""Data and records for journeys."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd


def people(rows=600, seed=0):
    """Predictions that miss women more often than men; two more features that mean nothing."""
    rng = np.random.default_rng(seed)
    sex, race = rng.choice(["F", "M"], rows), rng.choice(["A", "B", "C"], rows)
    y = (rng.random(rows) < 0.5).astype(int)
    p = np.clip(0.2 + 0.6 * y + rng.normal(0, 0.15, rows) - 0.35 * ((sex == "F") & (y == 1)), 0, 1)
    return pd.DataFrame({"case": [f"c{i}" for i in range(rows)], "sex": sex, "race": race, "y": y, "p": p.round(4)})


def record(folder: Path) -> dict:
    """The record of a run."""
    return json.loads((folder / "audit.json").read_text(encoding="utf-8"))


def numbers(folder: Path) -> dict:
    """What must not change: every metric of every check."""
    return {metric["id"]: metric for check in record(folder)["checks"] for metric in check["metrics"]}
