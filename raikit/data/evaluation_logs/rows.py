"""The table that every log becomes: one row for each answer that has a score."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from raikit.address import text
from raikit.errors import DataError
from raikit.run.predictions import RESERVED

if TYPE_CHECKING:
    import pyarrow as pa

FIXED = ("id", "task", "model", "sample", "epoch", "target", "answer", "ideal", "correct")
"""Columns that do not come from the metadata of samples."""

SCORE = "score."
_FACTS = b"raikit.log"  # the key of the facts in the schema of the table
_INTEGERS = 2**63


@dataclass(frozen=True)
class Answer:
    """One answer to one sample.

    Parameters
    ----------
    id : str
        Unique, and the same in every run of the task.
    task, model : str
    sample : str
        With its task; the answers to one sample are not independent.
    epoch : int
        From 1; higher where a sample is asked several times.
    target, answer : str or None
    scores : mapping of str to value
        Numbers, True, False, or None without a score; other values are left out. Empty: the answer is not scored.
    metadata : mapping of str to value
        What the log says about the sample.
    """

    id: str
    task: str
    model: str | None
    sample: str
    epoch: int
    target: str | None
    answer: str | None
    scores: Mapping[str, Any]
    metadata: Mapping[str, Any]


@dataclass(frozen=True)
class Log:
    """What a log holds.

    Parameters
    ----------
    tool : str
    answers : sequence of Answer
    notes : sequence of str
        Sentences for the record.
    """

    tool: str
    answers: Sequence[Answer]
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class Facts:
    """What is known about the table of a log, beside its cells.

    Attributes
    ----------
    tool : str
    notes : list of str
        Sentences for the record.
    left_out : mapping of str to str
        Scores and fields of metadata that are no columns, with the reason.
    correct : mapping of str to str
        For each task the scorer that ``correct`` is from.
    """

    tool: str
    notes: list[str] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)
    correct: dict[str, str] = field(default_factory=dict)


def to_table(log: Log, file: str) -> pa.Table:
    """Write a log as a table.

    Returns
    -------
    Table
        - ``id``, ``task``, ``model``, ``sample``, ``epoch``, ``target``, ``answer``: as in the log;
        - ``ideal``: true in every row, so that the share of correct answers is the accuracy of ``correct`` for this target;
        - ``correct``: if a scorer says right or wrong for every answer; of several, the first;
        - ``score.NAME``: one column for each scorer;
        - the fields of the metadata of samples that are single values, with ``metadata.`` before a name that is taken.

    Raises
    ------
    DataError
        If no answer has a score.
    """
    import pyarrow as pa

    scored = [answer for answer in log.answers if any(value is not None for value in answer.scores.values())]
    notes = list(log.notes)
    if not scored:
        raise DataError(f"{file}: no answer has a score.")
    if missing := len(log.answers) - len(scored):
        notes.append(f"{file}: {missing:,} of {len(log.answers):,} answers have no score and are left out.")
    left_out: dict[str, str] = {}
    scores = _score_columns([answer.scores for answer in scored], left_out)
    columns = _fixed_columns(scored)
    scorer = next((name for name, values in scores.items() if _says_right_or_wrong(values)), None)
    if scorer is not None:
        columns["correct"] = pa.array([bool(value) for value in scores[scorer]], pa.bool_())
    columns |= {SCORE + name: pa.array(values, pa.float64()) for name, values in scores.items()}
    columns |= _metadata_columns([answer.metadata for answer in scored], left_out)
    facts = Facts(log.tool, notes, left_out, dict.fromkeys({answer.task for answer in scored}, scorer) if scorer else {})
    return _with_facts(pa.table(columns), facts)


def _with_facts(table: pa.Table, facts: Facts) -> pa.Table:
    return table.replace_schema_metadata({_FACTS: json.dumps(vars(facts)).encode()})


def concat(tables: Sequence[pa.Table], folder: str) -> pa.Table:
    """Put the tables of several logs one below the other; where they disagree about the type of a column, it is text.

    Raises
    ------
    DataError
        If two logs hold the same answer, such as those of two runs; names it.
    """
    import pyarrow as pa

    known: set[str] = set()
    for table in tables:
        ids = set(table.column("id").to_pylist()) if "id" in table.column_names else set()
        if repeated := sorted(known & ids)[:1]:
            raise DataError(f"{folder}: two logs hold {repeated[0]!r}; name the log or the folder of one run of the task.")
        known |= ids

    by_name: dict[str, set[pa.DataType]] = {}
    for field_ in (field_ for table in tables for field_ in table.schema if not pa.types.is_null(field_.type)):
        by_name.setdefault(field_.name, set()).add(field_.type)
    mixed = {name for name, kinds in by_name.items() if len(kinds) > 1 and not kinds <= {pa.int64(), pa.float64()}}
    facts = facts_of(tables)
    whole = pa.concat_tables([_with_text(table, mixed) for table in tables], promote_options="permissive")
    return whole if facts is None else _with_facts(whole, facts)


def _with_text(table: pa.Table, columns: Collection[str]) -> pa.Table:
    import pyarrow as pa

    for index, name in enumerate(table.column_names):
        if name in columns:
            table = table.set_column(index, name, table.column(index).cast(pa.string()))
    return table


def facts_of(tables: Iterable[pa.Table]) -> Facts | None:
    """Return the facts about tables that belong together; None if none is that of a log."""
    schemas = [table.schema for table in tables]
    stored = [json.loads(schema.metadata[_FACTS]) for schema in schemas if _FACTS in (schema.metadata or {})]
    if not stored:
        return None
    facts = Facts(stored[0]["tool"])
    for part in stored:
        facts.notes.extend(part["notes"])
        facts.left_out.update(part["left_out"])
        facts.correct.update(part["correct"])
    return facts


def as_text(value: Any) -> str | None:
    """Return a target or an answer as text; a list of one item as this item, other lists and mappings as JSON."""
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False) if isinstance(value, list | dict) else text(value)


def _fixed_columns(answers: Sequence[Answer]) -> dict[str, pa.Array]:
    import pyarrow as pa

    columns = {name: _texts([getattr(answer, name) for answer in answers]) for name in FIXED[:4]}
    columns["epoch"] = pa.array([answer.epoch for answer in answers], pa.int64())
    columns |= {name: _texts([getattr(answer, name) for answer in answers]) for name in ("target", "answer")}
    return columns | {"ideal": pa.array([True] * len(answers), pa.bool_())}


def _score_columns(scores: Sequence[Mapping[str, Any]], left_out: dict[str, str]) -> dict[str, list[float | None]]:
    """Return the scores of each scorer as numbers; NaN is no score."""
    columns = {}
    for name in dict.fromkeys(name for each in scores for name in each):
        values = [each.get(name) for each in scores]
        if all(value is None or isinstance(value, bool | int | float) for value in values):
            floats = [math.nan if value is None else _as_float(value) for value in values]
            numbers = [None if math.isnan(value) else value for value in floats]
            if any(number is not None for number in numbers):
                columns[name] = numbers
        else:
            left_out[SCORE + name] = "not a number in every row"
    return columns


def _as_float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def _says_right_or_wrong(values: Sequence[float | None]) -> bool:
    return all(value in (0, 1) for value in values)


def _metadata_columns(metadata: Sequence[Mapping[str, Any]], left_out: dict[str, str]) -> dict[str, pa.Array]:
    columns = {}
    keys = dict.fromkeys(key for each in metadata for key in each)
    for key in keys:
        values = [each.get(key) for each in metadata]
        name = key
        while _is_taken(name.lower()) or (name != key and name in keys):  # a log may hold ``split`` and ``metadata.split``
            name = f"metadata.{name}"
        if any(isinstance(value, list | dict) for value in values):
            left_out[name] = "lists or mappings"
        elif any(value is not None for value in values):
            columns[name] = _column(values)
    return columns


def _is_taken(key: str) -> bool:
    """Whether the table, or the predictions of a run, have a column of this name."""
    return key in FIXED or key in RESERVED or key.startswith((SCORE, "prediction.", "target."))


def _column(values: Sequence[Any]) -> pa.Array:
    """Return values of one type as they are, and those of several types as text."""
    import pyarrow as pa

    kinds = {type(value) for value in values if value is not None}
    if kinds == {bool}:
        return pa.array(values, pa.bool_())
    if kinds == {int} and all(value is None or -_INTEGERS <= value < _INTEGERS for value in values):
        return pa.array(values, pa.int64())
    if kinds <= {int, float} and float in kinds:
        return pa.array([None if value is None else _as_float(value) for value in values], pa.float64())
    return _texts([None if value is None else text(value) for value in values])


def _texts(values: Sequence[str | None]) -> pa.Array:
    """Return text; half of a surrogate pair, which models write where a token ends inside a character, becomes ``?``."""
    import pyarrow as pa

    try:
        return pa.array(values, pa.string())
    except UnicodeEncodeError:
        return pa.array([value and value.encode("utf-8", "replace").decode() for value in values], pa.string())
