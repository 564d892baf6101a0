"""The record as people read it: groups and classes in the words of ``data.labels``, where it holds them as text."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from raikit.format import class_text, column_text, group_text, stored_group, value_text
from raikit.naming import using
from raikit.run.record import Measurements, Record
from raikit.run.results import JudgedOver, Metric, Value

AnyRecord = TypeVar("AnyRecord", bound=Measurements)

_CONFUSION = {"target", "predicted"}  # the arguments of a share of a true class; elsewhere they may be anything

_NAMING = _CONFUSION | {"class", "to", "given"}  # arguments whose values name classes or groups


@contextmanager
def in_words(record: Record) -> Iterator[Record]:
    """Yield a copy of a record for people, and write texts in its words until the end of the block.

    Addresses, groups and columns keep the codes of the data; `raikit.format.group_text` writes them in words. The copy differs
    where a metric names groups or classes in texts: its arguments, `pair`, `excluded` and the groups left out.
    """
    with using(record.data.labels):
        yield labelled(record)


def labelled(record: AnyRecord) -> AnyRecord:
    """Return a copy of a record, judged or not, whose metrics name groups and classes in the words in use."""
    words = words_of(record)
    checks = [
        check.model_copy(update={"metrics": [_labelled(metric, words) for metric in check.metrics]}) for check in record.checks
    ]
    return record.model_copy(update={"checks": checks})


def words_of(record: Measurements) -> Callable[[str], str]:
    """Return a function from a group as a record names it (``sex: F``) to the words in use (``sex: Women``).

    A text that is no group of the record is returned as it is.
    """
    groups = {stored_group(metric.group): group_text(metric.over, metric.group) for _, metric in record.metrics() if metric.group}
    return lambda text: groups.get(text, text)


def _labelled(metric: Metric, words: Callable[[str], str]) -> Metric:
    if metric.judged is None and not (metric.pair or metric.excluded or metric.args.keys() & _NAMING):
        return metric  # as almost all; copying them takes most of the time where there are many
    of_classes = metric.over is None  # then what is left out are classes
    judged = metric.judged
    return metric.model_copy(
        update={
            "args": {key: _argument(metric, key, value) for key, value in metric.args.items()},
            "pair": [words(group) for group in metric.pair],
            "excluded": [class_text(name) if of_classes else words(name) for name in metric.excluded],
            "judged": None if judged is None else _judged(judged, words),
        }
    )


def _judged(judged: JudgedOver, words: Callable[[str], str]) -> JudgedOver:
    return judged.model_copy(
        update={"left_out": [words(group) for group in judged.left_out], "pair": [words(group) for group in judged.pair]}
    )


def _argument(metric: Metric, key: str, value: Value) -> Value:
    """Return the argument of an address in words: a class, the group that others are compared with, or a condition."""
    if key == "class" or (key in _CONFUSION and set(metric.args) >= _CONFUSION):
        return class_text(value)
    if key == "to" and metric.over and len(metric.over) == 1 and value != "rest":
        return value_text(metric.over[0], None if value == "missing" else value)
    if key == "to" and metric.over and isinstance(value, str):
        parts = value.split(", ")
        if len(parts) == len(metric.over):
            return ", ".join(value_text(*part) for part in zip(metric.over, parts, strict=True))
    if key == "given" and isinstance(value, str):
        return _condition(value)
    return value


def _condition(text: str) -> str:
    """Write ``dept=A, sex=F`` in words; what is written otherwise is returned as it is."""
    parts = [part.partition("=") for part in text.split(", ")]
    if not all(column and equals for column, equals, _ in parts):
        return text
    return ", ".join(f"{column_text(column)}: {value_text(column, value)}" for column, _, value in parts)

