"""``raikit init``: a commented audit.yaml for the data at hand."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from raikit.data.guess import Proposal, propose
from raikit.files import write_text

_CLASSIFICATION_RULES = """\
  rules:
    # A rule passes when the whole interval keeps the limit, fails when the whole interval breaks it, and is inconclusive
    # in between: then the report says how many rows would settle it.
    - {metric: performance.accuracy, min: 0.80}"""
_WORDS = {"null", "true", "false", "yes", "no", "on", "off", "y", "n"}  # what YAML reads as something else than text
_GAP_RULE = "    - {{metric: fairness.{metric}, max: {limit}}}   # over every sensitive feature and intersection"


def write_config(data: Path, out: Path) -> str:
    """Write a configuration that audits `data` as it is.

    Returns
    -------
    str
        What was guessed, a line each.

    Raises
    ------
    DataError
        If `data` is no table.
    """
    found = propose(data)
    path = Path(os.path.relpath(data.resolve(), out.resolve().parent)).as_posix()
    write_text(out, compose(found, path, data.stem))
    return "\n".join(_told(found))


def _told(found: Proposal) -> list[str]:
    told = [f"Target {found.target} ({found.task})"]
    told += (
        [f"Groups over {', '.join(name for name, _ in found.sensitive)}"]
        if found.sensitive
        else ["No sensitive columns were recognised: name them under data.sensitive"]
    )
    told += [f"Rows that share {' and '.join(found.cluster)} are not independent"] if found.cluster else []
    told += (
        ["The table holds predictions; no model is needed"]
        if found.has_predictions
        else ["No column of predictions was recognised, so a fusion model is trained"]
    )
    return told


def compose(found: Proposal, path: str, name: str) -> str:
    """The text of audit.yaml."""
    return "\n".join(
        [
            "# What is audited, on which data, under which policy. Paths are relative to this file.",
            "# Then: raikit audit audit.yaml      Keys and options: raikit schema, raikit plugins info NAME",
            "",
            f"name: {_q(name)}",
            "",
            "data:",
            f"  path: {_q(path)}",
            *_data(found),
            "",
            "model:",
            *_model(found),
            "",
            "# checks: absent, so every applicable quick check runs with its defaults.",
            "",
            "gate:",
            *_gate(found),
            "",
            "# owner: {team: …, contact: …}",
            "# intended_use: …",
            "",
        ]
    )


def _data(found: Proposal) -> list[str]:
    lines = [f"  id: {_q(found.id)}" if found.id else "  # id: a column of unique ids; absent, row numbers are used"]
    if not found.has_predictions:
        lines += _inputs(found)
    lines.append(f"  target: {_q(found.target)}")
    if found.positive is not None:
        lines.append(f"  positive: {_q(found.positive)}      # guessed: the rarer value")
    lines.append(f"  task: {found.task}")
    if found.sensitive:
        features = [
            _q(column) if edges is None else f"{{column: {_q(column)}, bins: {json.dumps(edges)}}}"
            for column, edges in found.sensitive
        ]
        lines += [
            "  # Whose groups are compared, each feature and every two of them",
            f"  sensitive: [{', '.join(features)}]",
        ]
    else:
        lines += [
            "  # Whose groups are compared: name columns such as sex or age here",
            f"  # sensitive: []      columns: {_in_comment(', '.join(found.columns))}",
        ]
    lines += (
        [f"  cluster: [{', '.join(map(_q, found.cluster))}]      # rows that share a value are not independent"]
        if (found.cluster)
        else ["  # cluster: [patient]     rows that share a value are not independent"]
    )
    lines += [f"  weight: {_q(found.weight)}"] if found.weight else []
    if found.split:
        lines.append(f"  split: {_q(found.split)}")
    elif not found.has_predictions:
        lines.append("  split: {validation: 0.1, test: 0.3}")
    return lines


def _inputs(found: Proposal) -> list[str]:
    lines = ["  # What the model sees"]
    given = {column: f"{{modality: {modality}}}" for column, modality in found.media.items()}
    given |= dict.fromkeys(found.text, "{modality: text}")
    if found.tabular:
        name = "table" if "table" not in found.columns else "tabular_columns"
        given[name] = f"{{modality: tabular, columns: [{', '.join(map(_q, found.tabular))}]}}"
    if not given:
        return [*lines, "  inputs: {}      # nothing was recognised, such as {photo: {modality: image}}"]
    return [*lines, "  inputs:", *(f"    {_q(name)}: {value}" for name, value in given.items())]


def _in_comment(text: str) -> str:
    """On one line, whatever the names of columns hold: what follows a line break would be configuration."""
    return "".join(letter if letter.isprintable() else " " for letter in text)[:200]


def _model(found: Proposal) -> list[str]:
    if not found.has_predictions:
        return ["  train: {kind: fusion, epochs: 10}", "  # or  load: {kind: sklearn, path: 'my_module:function'}"]
    parts = [f"prediction: {_q(found.prediction)}"] if found.prediction else []
    parts += [f"score: {_q(found.score)}"] if found.score and found.task == "binary" else []
    return [f"  load: {{kind: predictions, {', '.join(parts)}}}"]


def _gate(found: Proposal) -> list[str]:
    if found.task == "regression":
        return ["  rules: []", "  #  - {metric: performance.mean_absolute_error, max: …}"]
    lines = _CLASSIFICATION_RULES.splitlines()
    if found.sensitive:
        metric = "equalized_odds_difference" if found.task == "binary" else "accuracy_difference"
        lines.append(_GAP_RULE.format(metric=metric, limit=0.10))
    return lines


def _q(value: Any) -> str:
    """A YAML scalar: bare where that is safe, else a JSON string, which YAML reads as it is."""
    if not isinstance(value, str):
        return json.dumps(value if isinstance(value, bool | int | float) else str(value))
    bare = value.replace("_", "").replace("/", "").replace(".", "").isalnum() and value[0].isalpha() and value.isascii()
    if bare and value.lower() not in _WORDS:
        return value
    quoted = json.dumps(value, ensure_ascii=False)
    # JSON leaves Unicode's own line breaks and controls as they are; in YAML they would end the line
    return "".join(letter if letter.isprintable() else f"\\U{ord(letter):08x}" for letter in quoted)
