"""Logs of Inspect (inspect-ai): ``.eval``, a ZIP archive of JSON, and ``.json``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from raikit.data.evaluation_logs.limits import Archive, read_json
from raikit.data.evaluation_logs.rows import Answer, Log, as_text
from raikit.data.table_format import EVAL, suffix_of
from raikit.errors import DataError

TOOL = "Inspect"
# How Inspect's own metrics read the values of scorers.
_VALUES = {"C": 1.0, "I": 0.0, "P": 0.5, "N": 0.0, "yes": 1.0, "true": 1.0, "no": 0.0, "false": 0.0}
_MAX_EPOCH = 1_000_000
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


def read(path: Path) -> Log:
    """Read a log.

    Raises
    ------
    DataError
        If it is damaged, too large, or holds no samples.
    """
    header, samples = _read_archive(path) if suffix_of(path) in EVAL else _read_json(path)
    about = header.get("eval")
    if not isinstance(about, dict):
        raise DataError(f"{path.name} is no log of Inspect, or is damaged.")
    task, model = str(about.get("task") or ""), as_text(about.get("model"))
    answers = [_answer(sample, task, model, f"{path.name}: a sample") for sample in samples]
    if not answers:
        raise DataError(f"{path.name} holds no samples; Inspect leaves them out with --no-log-samples.")
    status = header.get("status", "started")
    unfinished = f"{path.name}: the evaluation did not end well (status {status})."
    return Log(TOOL, answers, [] if status == "success" else [unfinished])


def _read_json(path: Path) -> tuple[dict[str, Any], Iterable[Any]]:
    header = read_json(path)
    samples = header.get("samples") or []
    if not isinstance(samples, list):
        raise DataError(f"{path.name} is no log of Inspect, or is damaged.")
    return header, samples


def _read_archive(path: Path) -> tuple[dict[str, Any], Iterable[Any]]:
    """Return the header and the samples, from their summaries if these hold all that is needed."""
    archive = Archive(path)
    headers = [name for name in ("header.json", "_journal/start.json") if name in archive.members]
    (header,) = archive.read(headers[:1]) if headers else ({},)
    if not isinstance(header, dict):
        raise DataError(f"{path.name} is no log of Inspect, or is damaged.")
    if "summaries.json" in archive.members:
        (summaries,) = archive.read(["summaries.json"])
        # Older versions wrote no metadata there.
        if isinstance(summaries, list) and all(isinstance(each, dict) and "metadata" in each for each in summaries):
            return header, summaries
    return header, archive.read([name for name in archive.members if re.fullmatch(r"samples/[^/]+\.json", name)])


def _answer(sample: Any, task: str, model: str | None, where: str) -> Answer:
    if not isinstance(sample, dict) or not isinstance(sample.get("id"), str | int):
        raise DataError(f"{where} is not what Inspect writes; the log is damaged.")
    scores, metadata, epoch = sample.get("scores") or {}, sample.get("metadata") or {}, sample.get("epoch", 1)
    parts = (scores, metadata, *(scores.values() if isinstance(scores, dict) else ()))
    if not all(isinstance(part, dict) for part in parts) or type(epoch) is not int or abs(epoch) > _MAX_EPOCH:
        raise DataError(f"{where} is not what Inspect writes; the log is damaged.")
    identifier = str(sample["id"])
    return Answer(
        id=f"{task}/{identifier}/{epoch}",
        task=task,
        model=model,
        sample=f"{task}/{identifier}",
        epoch=epoch,
        target=as_text(sample.get("target")),
        answer=_text_of_answer(sample, scores),
        scores={} if sample.get("error") else dict(_values(scores)),
        metadata=metadata,
    )


def _text_of_answer(sample: Mapping[str, Any], scores: Mapping[str, Any]) -> str | None:
    """Return what a scorer took for the answer, or else what the model wrote, if the log has it."""
    answers = (score["answer"] for score in scores.values() if score.get("answer") is not None)
    output = sample.get("output")
    written = output.get("completion") if isinstance(output, dict) else None
    return as_text(next(answers, written))


def _values(scores: Mapping[str, Any]) -> Iterable[tuple[str, Any]]:
    """Yield the value of each scorer; one that gives several values has a name for each."""
    for name, score in scores.items():
        value = score.get("value")
        if isinstance(value, dict):
            yield from ((f"{name}.{key}", _number(part)) for key, part in value.items())
        else:
            yield name, _number(value)


def _number(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if value in _VALUES or value.lower() in _VALUES:
        return _VALUES.get(value, _VALUES.get(value.lower()))
    return float(value) if _NUMBER.fullmatch(value) else value
