"""What is logged of an audit, the same for every tracker."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import raikit
from raikit.files import is_plain_file
from raikit_reports.page.figures import safe_spec
from raikit_reports.page.renderer import ForeignRenderer
from raikit_reports.texts import flat

_MOST_FIGURES = 12
_FILES = ("report.html", "report.md", "audit.json", "metrics.csv", "results.sarif")
# MLflow accepts letters, digits and these in a name; the others accept more.
_OTHER = re.compile(r"[^\w\-. :/]+")


def parameters(record: raikit.Record) -> dict[str, str]:
    """Return what identifies an audit, and its answer."""
    run, data = record.provenance, record.data
    facts = {
        "model": record.name, "verdict": record.verdict, "exit_code": record.gate.exit_code, "answer": record.summary.answer,
        "run": run.run_id, "seed": run.seed, "task": data.task, "data": data.source, "fingerprint": data.fingerprint,
        "confidence": record.confidence,
    }  # fmt: skip
    return {name: flat(value, 250) for name, value in facts.items() if value not in ("", None)}


def name_of(metric: raikit.Metric) -> str:
    """Write an address as a name that every tracker takes, with a slash before its groups.

    Examples
    --------
    >>> gap = raikit.Metric.exact("f1_difference", 0.1, over=["sex"], args={"class": 1})
    >>> name_of(gap.model_copy(update={"id": gap.address("fairness")}))
    'fairness.f1_difference/class:1/sex'
    """
    text = re.sub(r"[(\[]", "/", flat(metric.id or metric.name, 200)).replace("=", ":").replace(",", " ")
    return _OTHER.sub("", text).strip(" /")


def numbers(record: raikit.Record, *, groups: bool) -> dict[str, float]:
    """Return metrics by name, each with the ends of its interval under ``/low`` and ``/high``.

    Parameters
    ----------
    record : Record
    groups : bool
        Whether metrics of single groups are among them.
    """
    logged: dict[str, float] = {}
    for _, metric in record.metrics():
        if metric.value is None or (metric.group and not groups):
            continue
        name = name_of(metric)
        logged[name] = metric.value
        if metric.method != "exact" and metric.low is not None and metric.high is not None:
            logged |= {f"{name}/low": metric.low, f"{name}/high": metric.high}
    for statement in raikit.statements(record):
        if statement.rule is not None and statement.metric is not None:
            logged[f"rule_holds/{name_of(statement.metric)}"] = float(statement.kind == "fine")
    return logged


def images(record: raikit.Record) -> Iterator[tuple[str, str, bytes]]:
    """Yield name, title and PNG of the figures that statements rest on; those of foreign checks are left to the report.

    They are drawn in a process of their own, because labels of data lie in them; one that cannot be drawn is left out.
    """
    checks = {check.name: check for check in record.checks if check.plugin == "raikit"}
    wanted: dict[tuple[str, str], None] = {}
    for statement in raikit.statements(record):
        wanted |= {(statement.check, figure): None for figure in statement.figures if statement.check in checks}
    with ForeignRenderer() as renderer:
        for check, name in list(wanted)[:_MOST_FIGURES]:
            figure = next((figure for figure in checks[check].figures if figure.id == name), None)
            if figure is not None and figure.spec is not None and (drawn := renderer.png(_light(figure))) is not None:
                yield f"{check}/{name}", figure.title, drawn


def _light(figure: raikit.Figure) -> dict[str, Any]:
    """Return a spec in the colours of the light theme, on white."""
    light: dict[str, Any] = _without_roles(safe_spec(figure))
    light["background"] = "white"
    return light


_ROLES = {"ink": "#15191e", "ink-2": "#4d5661", "rule": "#7d8793", "line": "#dde1e6", "q1": "#eff1f4", "q2": "#d5dae1",
          "q3": "#a7b1bd", "q4": "#667382", "q5": "#36414d", "paper": "#ffffff", "fail": "#9f1429", "pass": "#006d99",
          "open": "#8a6100"}  # fmt: skip


def _without_roles(node: Any) -> Any:
    """Replace the colours of the page, which are variables of its style, by those of the light theme."""
    if isinstance(node, str):
        return re.sub(r"var\(--([\w-]+)\)", lambda role: _ROLES.get(role[1], "#4d5661"), node)
    if isinstance(node, list):
        return [_without_roles(item) for item in node]
    return {key: _without_roles(value) for key, value in node.items()} if isinstance(node, dict) else node


def curves(record: raikit.Record) -> Iterator[tuple[str, int, float]]:
    """Yield name, epoch and value of the learning curves of a model that was trained for this audit."""
    history = record.model.get("history")
    epochs = history.get("epochs") if isinstance(history, dict) else None
    for epoch in epochs if isinstance(epochs, list) else []:
        for name, value in epoch.items() if isinstance(epoch, dict) else ():
            if name != "epoch" and isinstance(value, int | float) and isinstance(epoch.get("epoch"), int):
                yield f"training/{name}", epoch["epoch"], float(value)


def files(run: Path) -> list[Path]:
    """Return the reports that the run has; a link that somebody has put there would send another file to the tracker."""
    return [path for name in _FILES if is_plain_file(path := run / name)]
