"""The commented audit.yaml that ``raikit init`` writes for a table."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from raikit.data.guess import RoleGuess, guess_roles
from raikit.files import write_text

_CLASSIFICATION_RULES = """\
  rules:
    # A rule holds if the whole confidence interval keeps the limit, and is broken if the whole interval violates it.
    # Otherwise it cannot be decided, and the report says how many cases would decide it.
    - {metric: performance.accuracy, min: 0.80}"""
_WORDS = {"null", "true", "false", "yes", "no", "on", "off", "y", "n"}  # words that YAML does not read as text
_GAP_RULE = "    - {{metric: fairness.{metric}, max: {limit}}}   # over every sensitive feature and intersection"


def write_config(data: Path, out: Path) -> str:
    """Write a configuration that audits a table as it is.

    Parameters
    ----------
    data : Path
        The table.
    out : Path
        The configuration; an existing file is replaced.

    Returns
    -------
    str
        What was guessed, one fact per line.

    Raises
    ------
    DataError
        If `data` is not a table, or no column could be the target.
    """
    guess = guess_roles(data)
    path = Path(os.path.relpath(data.resolve(), out.resolve().parent)).as_posix()
    write_text(out, render_config(guess, path, data.stem))
    return "\n".join(_summary(guess))


def _summary(guess: RoleGuess) -> list[str]:
    sensitive = [name for name, _ in guess.sensitive]
    return [
        f"Target: {guess.target} ({guess.task})",
        f"Sensitive features: {', '.join(sensitive)}"
        if sensitive
        else "No sensitive columns were recognised; name them under data.sensitive",
        *([f"Clusters: cases with the same {' or '.join(guess.cluster)} are not independent"] if guess.cluster else []),
        "The table holds predictions, so no model is needed"
        if guess.has_predictions
        else "No column of predictions was recognised, so a fusion model is trained",
    ]


def render_config(guess: RoleGuess, path: str, name: str) -> str:
    """Write the text of audit.yaml; `path` is that of the table, `name` what the model is called."""
    return "\n".join(
        [
            "# The model, the data and the policy of an audit. Paths are relative to this file.",
            "# Next: raikit audit audit.yaml      Keys and options: raikit schema, raikit plugins info NAME",
            "",
            f"name: {_q(name)}",
            "",
            "data:",
            f"  path: {_q(path)}",
            *_data(guess),
            "",
            "model:",
            *_model(guess),
            "",
            "# checks: without this key, every applicable quick check runs with its defaults.",
            "",
            "gate:",
            *_gate(guess),
            "",
            "# owner: {team: …, contact: …}",
            "# intended_use: …",
            "",
        ]
    )


def _data(guess: RoleGuess) -> list[str]:
    lines = [f"  id: {_q(guess.id)}" if guess.id else "  # id: a column of unique ids; without it, row numbers are used"]
    if not guess.has_predictions:
        lines += _inputs(guess)
    lines.append(f"  target: {_q(guess.target)}")
    if guess.positive is not None:
        lines.append(f"  positive: {_q(guess.positive)}      # guessed: the rarer value")
    lines.append(f"  task: {guess.task}")
    if guess.sensitive:
        features = [
            _q(column) if edges is None else f"{{column: {_q(column)}, bins: {json.dumps(edges)}}}"
            for column, edges in guess.sensitive
        ]
        lines += [
            "  # The features whose groups are compared, one by one and in pairs",
            f"  sensitive: [{', '.join(features)}]",
        ]
    else:
        lines += [
            "  # The features whose groups are compared; name columns such as sex or age here",
            f"  # sensitive: []      columns: {_in_comment(', '.join(guess.columns))}",
        ]
    lines += (
        [f"  cluster: [{', '.join(map(_q, guess.cluster))}]      # cases with the same value are not independent"]
        if guess.cluster
        else ["  # cluster: [patient]     cases with the same value are not independent"]
    )
    lines += [f"  weight: {_q(guess.weight)}"] if guess.weight else []
    if guess.split:
        lines.append(f"  split: {_q(guess.split)}")
    elif not guess.has_predictions:
        lines.append("  split: {validation: 0.1, test: 0.3}")
    return lines


def _inputs(guess: RoleGuess) -> list[str]:
    lines = ["  # What the model sees"]
    inputs = {column: f"{{modality: {modality}}}" for column, modality in guess.media.items()}
    inputs |= dict.fromkeys(guess.text, "{modality: text}")
    if guess.tabular:
        name = "table" if "table" not in guess.columns else "tabular_columns"
        inputs[name] = f"{{modality: tabular, columns: [{', '.join(map(_q, guess.tabular))}]}}"
    if not inputs:
        return [*lines, "  inputs: {}      # none was recognised; write them like {photo: {modality: image}}"]
    return [*lines, "  inputs:", *(f"    {_q(name)}: {value}" for name, value in inputs.items())]


def _in_comment(text: str) -> str:
    """Put text on one line, because what follows a line break would be read as configuration."""
    return "".join(letter if letter.isprintable() else " " for letter in text)[:200]


def _model(guess: RoleGuess) -> list[str]:
    if not guess.has_predictions:
        return ["  train: {kind: fusion, epochs: 10}", "  # or  load: {kind: sklearn, path: 'my_module:function'}"]
    parts = [f"prediction: {_q(guess.prediction)}"] if guess.prediction else []
    parts += [f"score: {_q(guess.score)}"] if guess.score and guess.task == "binary" else []
    return [f"  load: {{kind: predictions, {', '.join(parts)}}}"]


def _gate(guess: RoleGuess) -> list[str]:
    if guess.task == "regression":
        return ["  rules: []", "  #  - {metric: performance.mean_absolute_error, max: …}"]
    lines = _CLASSIFICATION_RULES.splitlines()
    if guess.sensitive:
        metric = "equalized_odds_difference" if guess.task == "binary" else "accuracy_difference"
        lines.append(_GAP_RULE.format(metric=metric, limit=0.10))
    return lines


def _q(value: Any) -> str:
    """Write a YAML scalar: bare where that is safe, else as a JSON string, which is valid YAML."""
    if not isinstance(value, str):
        return json.dumps(value if isinstance(value, bool | int | float) else str(value))
    bare = value.replace("_", "").replace("/", "").replace(".", "").isalnum() and value[0].isalpha() and value.isascii()
    if bare and value.lower() not in _WORDS:
        return value
    quoted = json.dumps(value, ensure_ascii=False)
    # JSON keeps the line breaks and control characters of Unicode; in YAML they would end the line.
    return "".join(letter if letter.isprintable() else f"\\U{ord(letter):08x}" for letter in quoted)
