"""The commented audit.yaml that ``raikit init`` writes for a table."""

from __future__ import annotations

import json
import os
import textwrap
from pathlib import Path
from typing import Any

from raikit.address import text
from raikit.config.yamlfile import QUESTION
from raikit.data.guess import Question, RoleGuess, guess_roles
from raikit.data.guess.lists import LABELS, TAGS
from raikit.files import write_text
from raikit.remote import is_remote, local_copy
from raikit.scaffold.model_folder import read_model_folder, refuse_model_folder
from raikit.scaffold.words import proposed_words

_CLASSIFICATION_RULES = """\
  rules:
    # A rule holds if the whole confidence interval keeps the limit, and is broken if the whole interval violates it.
    # Otherwise it cannot be decided, and the report says how many cases would decide it.
    - {metric: performance.accuracy, min: 0.80}"""
_OPEN = f'"{QUESTION}"'
_IDEAL = "  # `ideal` is true in every row, so that accuracy is the share of correct answers"
_IDEAL_NUMBER = "  # `ideal` is 1 in every row; the means of scores do not depend on it, the mean absolute error does"
_LOG_RULES = """\
  rules:
    # A rule holds if the whole confidence interval keeps the limit, and is broken if the whole interval violates it.
    - {metric: performance.accuracy, min: 0.80}      # the share of correct answers"""
_LOG_REGRESSIONS = """\
  # What must not get worse, as soon as there is a run to compare with (--baseline RUN)
  # regressions:
  #   - {metric: performance.accuracy, margin: 0.02}"""
_WORDS = {"null", "true", "false", "yes", "no", "on", "off", "y", "n"}  # words that YAML does not read as text
_LIST_METRICS = {
    TAGS: "performance.entity_f1(average=micro)",
    LABELS: "performance.label_f1(average=micro)",
    "answers": "performance.vqa_accuracy",
}
_GAP_RULE = "    - {{metric: fairness.{metric}, max: {limit}}}   # over every sensitive feature and intersection"


def write_config(data: Path | str, out: Path, target: str | None = None, model: Path | None = None) -> str:
    """Write a configuration that audits a table as it is, with a question wherever a guess would be unsure.

    Parameters
    ----------
    data : Path or str
        The table; with a scheme, on another filesystem.
    out : Path
        The configuration; an existing file is replaced.
    target : str, optional
        The target, if it is known.
    model : Path, optional
        The folder of a model that `save_pretrained` wrote.

    Returns
    -------
    str
        What was guessed, one fact per line.

    Raises
    ------
    DataError
        If `data` is not a table, or no column could be the target.
    ModelError
        If `model` is no folder of a model that can be audited.
    """
    refuse_model_folder(data)
    facts = None if model is None else read_model_folder(model)
    with local_copy(data) as table:
        guess = guess_roles(table, target, facts)
        path = data if isinstance(data, str) and is_remote(data) else _from(out, table)
        write_text(out, render_config(guess, path, table.stem, None if model is None else _from(out, model)))
    return "\n".join(_summary(guess))


def _from(out: Path, path: Path) -> str:
    """Return a path as the configuration at `out` names it."""
    return Path(os.path.relpath(os.path.realpath(path), Path(os.path.realpath(out)).parent)).as_posix()


def _summary(guess: RoleGuess) -> list[str]:
    sensitive = [name for name, _ in guess.sensitive]
    if guess.log:
        return [*_log_summary(guess, sensitive), *_questions(guess)]
    target = ", ".join(guess.target) if isinstance(guess.target, list) else guess.target
    lines = [] if isinstance(target, Question) else [f"Target: {target} ({_task_in_words(guess)})"]
    lines.append(
        f"Sensitive features: {', '.join(sensitive)}"
        if sensitive
        else "No sensitive columns were recognised; name them under data.sensitive"
    )
    if guess.cluster:
        lines.append(f"Clusters: cases with the same {' or '.join(guess.cluster)} are not independent")
    if guess.has_predictions:
        lines.append("The table holds predictions, so no model is needed")
    elif guess.trains and guess.model is None:
        lines.append("No column of predictions was recognised, so a fusion model is trained")
    if guess.left_out:
        lines.append(f"Left out: {len(guess.left_out)} of {len(guess.columns)} columns; the file says why")
    return [*lines, *_questions(guess)]


def _log_summary(guess: RoleGuess, sensitive: list[str]) -> list[str]:
    scored = [f"Scores: {guess.prediction}"] if isinstance(guess.prediction, str) else []
    groups = ", ".join(sensitive) if sensitive else "none was found in the metadata of samples"
    clusters = ["Clusters: the answers to one sample are not independent"] if guess.cluster else []
    left_out = [f"Left out: {len(guess.left_out)} columns; the file says why"] if guess.left_out else []
    return [f"A log of {guess.log}", *scored, f"Groups to compare: {groups}", *clusters, *left_out]


def _questions(guess: RoleGuess) -> list[str]:
    return [_in_line(f"Question: {key}: {question.answers}") for key, question in guess.questions.items()]


def _task_in_words(guess: RoleGuess) -> str:
    return guess.task if isinstance(guess.task, str) else "its task is a question"


def render_config(guess: RoleGuess, path: str, name: str, folder: str | None = None) -> str:
    """Write the text of audit.yaml; `path` is that of the table, `name` what the model is called, `folder` where it is."""
    return "\n".join(
        [
            "# The model, the data and the policy of an audit. Paths are relative to this file.",
            *_next_step(guess),
            "",
            f"name: {_q(name)}",
            "",
            "data:",
            f"  path: {_q(path)}",
            *_cells(guess),
            *_data(guess),
            *_left_out(guess),
            "",
            *(_model(guess) if folder is None else _loaded(folder)),
            "",
            *_checks(guess),
            "",
            "gate:",
            *_gate(guess),
            "",
            "# owner: {team: …, contact: …}",
            "# intended_use: …",
            "",
        ]
    )


def _next_step(guess: RoleGuess) -> list[str]:
    after = "# Next: raikit audit audit.yaml      Keys and options: raikit schema, raikit plugins info NAME"
    if not guess.questions:
        return [after]
    return ['# First answer the questions: an audit stops while a value is "?". The comment beside it says what fits.', after]


def _line(key: str, role: Any, indent: str = "  ") -> str:
    """Write a key with its value, or as an open question with the possible answers beside it."""
    if isinstance(role, Question):
        return f'{indent}{key}: {_OPEN}      # {_in_line(role.answers)}'
    if isinstance(role, list):
        return f"{indent}{key}: [{', '.join(map(_q, role))}]"
    return f"{indent}{key}: {_q(role)}"


def _cells(guess: RoleGuess) -> list[str]:
    lines = []
    if guess.missing:
        tokens = ", ".join(map(_q, guess.missing))
        lines.append(f"  missing: [{tokens}]      # found in columns of numbers; such cells are missing in every column")
    return lines if guess.decimal == "." else [*lines, f"  decimal: {_q(guess.decimal)}"]


def _data(guess: RoleGuess) -> list[str]:
    lines = [f"  id: {_q(guess.id)}" if guess.id else "  # id: a column of unique ids; without it, row numbers are used"]
    lines += _target(guess)
    if not guess.has_predictions:
        lines += _inputs(guess)
    lines += [*_sensitive(guess), *proposed_words(guess, _q)]
    lines.append(_cluster(guess))
    lines += [_line(key, role) for key, role in (("weight", guess.weight), ("split", guess.split)) if role is not None]
    return [*lines, "  split: {validation: 0.1, test: 0.3}"] if guess.trains and not guess.split else lines


def _target(guess: RoleGuess) -> list[str]:
    hint = "  # `raikit init` with --target NAME proposes the rest for one target, or for a column that is not listed"
    lines = [hint] if isinstance(guess.target, Question) else []
    if guess.missing_targets:
        lines.append(f"  # Rows without a target: {guess.missing_targets:,}; remove them, because an audit needs one in each")
    if guess.log:
        lines.append(_IDEAL if guess.classes else _IDEAL_NUMBER)
    roles = (("target", guess.target), ("sequence", guess.sequence), ("positive", guess.positive), ("task", guess.task))
    lines += [_line(key, role) for key, role in roles if role is not None]
    return [*lines, f"  classes: [{', '.join(map(_q, guess.classes))}]"] if guess.classes else lines


def _sensitive(guess: RoleGuess) -> list[str]:
    if not guess.sensitive:
        return [
            "  # The features whose groups are compared; name columns such as sex or age here",
            "  # sensitive: []",
        ]
    features = [
        _q(column) if edges is None else f"{{column: {_q(column)}, bins: [{', '.join(map(text, edges))}]}}"
        for column, edges in guess.sensitive
    ]
    return [
        "  # The features whose groups are compared, one by one" + ("" if guess.log else " and in pairs"),
        f"  sensitive: [{', '.join(features)}]",
    ]


def _cluster(guess: RoleGuess) -> str:
    columns = list(map(_q, guess.cluster))
    if (question := guess.cluster_question) is not None:
        return f"  cluster: [{', '.join([*columns, _OPEN])}]      # {_in_line(question.answers)}"
    if not columns:
        return "  # cluster: [patient]     cases with the same value are not independent"
    return f"  cluster: [{', '.join(columns)}]      # cases with the same value are not independent"


def _inputs(guess: RoleGuess) -> list[str]:
    lines = ["  # What the model sees"]
    if guess.inputs is not None:
        return [*lines, _line("inputs", guess.inputs)]
    inputs = {column: f"{{modality: {modality}}}" for column, modality in guess.media.items()}
    inputs |= dict.fromkeys(guess.text, "{modality: text}")
    columns = list(map(_q, guess.tabular))
    comment = ""
    if (question := guess.inputs_question) is not None:
        columns.append(_OPEN)
        comment = f"      # {_in_line(question.answers)}"
    if columns:
        name = "table" if "table" not in guess.columns else "tabular_columns"
        inputs[name] = f"{{modality: tabular, columns: [{', '.join(columns)}]}}{comment}"
    if not inputs:
        return [*lines, "  inputs: {}      # none was recognised; write them like {photo: {modality: image}}"]
    return [*lines, "  inputs:", *(f"    {_q(name)}: {value}" for name, value in inputs.items())]


def _left_out(guess: RoleGuess) -> list[str]:
    """List every column without a role, by the reason."""
    if not guess.left_out:
        return []
    by_reason: dict[str, list[str]] = {}
    for column, reason in guess.left_out.items():
        by_reason.setdefault(reason, []).append(_in_line(column) or "a column without a name")
    lines = [f"  # Left out, {len(guess.left_out)} of {len(set(guess.columns) | set(guess.left_out))} columns:"]
    for reason, columns in by_reason.items():
        entry = f"{_in_line(reason)}: {', '.join(columns)}"
        lines += textwrap.wrap(
            entry, 110, initial_indent="  #   ", subsequent_indent="  #     ", break_on_hyphens=False, break_long_words=False
        )
    return lines


def _in_line(written: str) -> str:
    """Put text on one line, because what follows a line break would be read as configuration."""
    return "".join(letter if letter.isprintable() else " " for letter in written).strip()


def _model(guess: RoleGuess) -> list[str]:
    if guess.model is not None:
        return [_line("model", guess.model, indent="")]
    if not guess.has_predictions:
        return ["model:", "  train: {kind: fusion, epochs: 10}", "  # or  load: {kind: sklearn, path: 'my_module:function'}"]
    asked = [role for role in (guess.prediction, guess.score) if isinstance(role, Question)]
    parts = [f"{key}: {_role(role)}" for key, role in (("prediction", guess.prediction), ("score", guess.score)) if role]
    if guess.scores:
        parts.append(f"scores: {{{', '.join(f'{_q(label)}: {_q(name)}' for label, name in guess.scores.items())}}}")
    comment = f"      # {'; '.join(_in_line(question.answers) for question in asked)}" if asked else ""
    source = []
    if guess.prediction == "correct" and guess.correct:
        scorers = ", ".join(f"{scorer} of {task}" for task, scorer in guess.correct.items())
        sentence = _in_line(f"`correct` is from the scorer {scorers}")
        source = textwrap.wrap(sentence, 110, initial_indent="  # ", subsequent_indent="  # ")
    return ["model:", *source, f"  load: {{kind: predictions, {', '.join(parts)}}}{comment}"]


def _loaded(folder: str) -> list[str]:
    return ["model:", f"  load: {{kind: huggingface, path: {_q(folder)}}}"]


def _role(role: str | Question) -> str:
    return _OPEN if isinstance(role, Question) else _q(role)


def _checks(guess: RoleGuess) -> list[str]:
    """Name the checks that say something about right and wrong answers; for other tables, all of them run."""
    if not guess.log:
        return ["# checks: without this key, every applicable quick check runs with its defaults."]
    performance = "performance.classification" if guess.classes else "performance.regression"
    groups = ["  fairness.groups: {intersections: 1}      # 2: pairs of features, too"] if guess.sensitive else []
    return ["# The checks that say something about scores; without this key, every applicable one runs", "checks:",
            f"  {performance}: {{}}", *groups]  # fmt: skip


def _gate(guess: RoleGuess) -> list[str]:
    if guess.log:
        return _log_gate(guess)
    if guess.task == "regression":
        return ["  rules: []", "  #  - {metric: performance.mean_absolute_error, max: …}"]
    if isinstance(guess.task, str) and guess.task in _LIST_METRICS:
        return ["  rules:", f'    - {{metric: "{_LIST_METRICS[guess.task]}", min: 0.80}}']
    if guess.task not in ("binary", "multiclass"):
        return ["  rules: []      # such as {metric: performance.accuracy, min: 0.80}, once the target is known"]
    lines = _CLASSIFICATION_RULES.splitlines()
    if guess.sensitive:
        metric = "equalized_odds_difference" if guess.task == "binary" else "accuracy_difference"
        lines.append(_GAP_RULE.format(metric=metric, limit=0.10))
    return lines


def _log_gate(guess: RoleGuess) -> list[str]:
    """Limit the gaps of single features, and propose regressions."""
    gaps = [f"fairness.accuracy_difference[{name}]" for name, _ in guess.sensitive]
    if not guess.classes:
        gaps = [gap.replace("accuracy", "mean_prediction") for gap in gaps]
        return ["  rules: []", *(f"  # - {{metric: {_q(gap)}, max: …}}      # between the mean scores of groups" for gap in gaps)]
    lines = [*_LOG_RULES.splitlines(), *(f"    - {{metric: {_q(gap)}, max: 0.10}}" for gap in gaps)]
    return [*lines, *_LOG_REGRESSIONS.splitlines(), *(f"  #   - {{metric: {_q(gap)}, margin: 0.02}}" for gap in gaps)]


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
