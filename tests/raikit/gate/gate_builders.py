"""Metrics, checks and policies for tests of the gate."""

from __future__ import annotations

from raikit.config.schema import GateConfig
from raikit.run.record import CheckRecord
from raikit.run.results import Metric


def metric(low, high, name="gap", **fields):
    return Metric(
        name,
        (low + high) / 2,
        low=low,
        high=high,
        n=100,
        level=0.95,
        method="m",
        id=f"a.{name}[g]",
        over=["g"],
        **fields,
    )


def measured(*metrics, status="ok", name="a.check", **fields):
    return CheckRecord(
        name=name, pillar="a", plugin="raikit", plugin_version="1.2", status=status, metrics=list(metrics), **fields
    )


def policy(*rules, **fields):
    return GateConfig.model_validate({"rules": list(rules), **fields})


AT_MOST = {"metric": "a.gap", "max": 0.1}
