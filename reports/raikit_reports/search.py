"""The trials of a search for settings of training, as a table from the record."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import raikit
from raikit import format as fmt
from raikit_reports.rules import label


def trials_of(record: raikit.Record) -> raikit.Table | None:
    """Return the trials of a record, in its words; None if it has none."""
    return trials(record.model, lambda address: label(metric) if (metric := record.find(address)) else address)


def trials(model: Mapping[str, Any], name: Callable[[str], str]) -> raikit.Table | None:
    """Return the trials with their values, what they were compared by, and the metrics with limits; None if the record has none.

    Parameters
    ----------
    model : mapping
        `Record.model`; ``search`` is the result of `raikit.models.search.SearchOutcome.to_dict`.
    name : callable
        ``name(address)`` returns the name of a metric.
    """
    search = model.get("search")
    if not isinstance(search, dict) or not _are_trials(search.get("trials")) or not _are_limits(search.get("limits")):
        return None
    rows: list[dict[str, Any]] = search["trials"]
    settings = list(dict.fromkeys(key for row in rows for key in row["values"]))
    objective, bounds = str(search.get("objective")), [limit["metric"] for limit in search["limits"]]
    further = [metric for metric in bounds if metric != objective]
    columns = [
        raikit.Column(name="number", title="Trial", format="integer"),
        raikit.Column(name="outcome", title="Outcome"),
        raikit.Column(name="objective", title=_capital(name(objective)), format="number"),
        *(raikit.Column(name=f"limit {at}", title=_capital(name(metric)), format="number") for at, metric in enumerate(further)),
        *(raikit.Column(name=f"setting {at}", title=key, format=_format(rows, key)) for at, key in enumerate(settings)),
    ]
    return raikit.Table(
        id="search", title="Search for settings, trial by trial", columns=columns, note=_note(search, name),
        rows=[[
            row["number"],
            _outcome(row, search.get("chosen"), bool(bounds)),
            _number(row["objective"]),
            *(_number(row["limits"].get(metric)) for metric in further),
            *(_cell(row["values"].get(key)) if _format(rows, key) == "text" else row["values"].get(key) for key in settings),
        ] for row in rows],
    )  # fmt: skip


def _outcome(row: Mapping[str, Any], chosen: Any, limited: bool) -> str:
    if row.get("reason"):
        return f"failed: {row['reason']}"
    if row["objective"] is None:
        return "no value"
    kept = "" if not limited else "limits kept" if row["keeps_limits"] else "limits not kept"
    if row["number"] != chosen:
        return kept or "not chosen"
    return "chosen" if kept in ("", "limits kept") else f"chosen, {kept}"


def _format(rows: list[dict[str, Any]], key: str) -> Any:
    """Return the format of a setting's column: numbers are aligned."""
    kinds = {type(row["values"].get(key)) for row in rows}
    return "integer" if kinds == {int} else "number" if kinds and kinds <= {int, float} else "text"


def _note(search: Mapping[str, Any], name: Callable[[str], str]) -> str:
    aim = f"Trials were compared on the validation cases: {name(str(search.get('objective')))}, {search.get('aim')} is better."
    limits = "; ".join(
        f"{name(limit['metric'])} at {'most' if 'max' in limit else 'least'} {fmt.significant(limit.get('max', limit.get('min')))}"
        for limit in search["limits"]
    )
    kept = any(row["keeps_limits"] for row in search["trials"])
    none = "" if kept or not limits else " No trial keeps them; the chosen one exceeds them least."
    bound = f" Limits, on values without their uncertainty: {limits}.{none}" if limits else ""
    return (f"{aim}{bound} The values of the chosen trial are optimistic, because it was chosen by them among "
            f"{fmt.counted(len(search['trials']), 'trial')} on the same cases; new cases are likely to give worse ones.")


def _are_trials(trials: Any) -> bool:
    return isinstance(trials, list) and bool(trials) and all(
        isinstance(row, dict) and isinstance(row.get("number"), int) and isinstance(row.get("values"), dict)
        and isinstance(row.get("limits"), dict) and {"objective", "keeps_limits"} <= row.keys() for row in trials
    )  # fmt: skip


def _are_limits(limits: Any) -> bool:
    return isinstance(limits, list) and all(
        isinstance(limit, dict) and isinstance(limit.get("metric"), str)
        and isinstance(limit.get("max", limit.get("min")), int | float) for limit in limits
    )  # fmt: skip


def _cell(value: Any) -> str:
    return "none" if value is None else fmt.scalar(value)


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
