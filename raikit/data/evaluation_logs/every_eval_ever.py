"""Records of Every Eval Ever: ``NAME_samples.jsonl``, one result of one sample on each line (schema 0.2 and 0.3)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from raikit.data.evaluation_logs.rows import Answer, Log, as_text
from raikit.errors import DataError

TOOL = "Every Eval Ever"
FIELDS = frozenset({"schema_version", "evaluation_id", "evaluation_name", "sample_id", "evaluation"})
"""Fields of every line."""

IS_CORRECT = "is_correct."
"""Prefix of columns with what a converter says: some call correct what scored more than 0 of 1, so it is no score here."""

Key = tuple[str, str, str, str]


def read(path: Path, lines: Iterable[tuple[int, dict[str, Any]]]) -> Log:
    """Read records. The results of one sample are one row; if a result occurs again, the sample was asked again.

    Raises
    ------
    DataError
        If a line is not what the schema says; it is named.
    """
    records: dict[tuple[Key, int], dict[str, dict[str, Any]]] = {}
    for number, line in lines:
        if not line.keys() >= FIELDS or not isinstance(line["evaluation"], dict) or not isinstance(line["sample_id"], str | int):
            raise DataError(f"{path.name}, line {number} is not a record of Every Eval Ever; the log is damaged.")
        key, result = _key(line), as_text(line.get("evaluation_result_id")) or "score"
        epoch = _epoch(line)
        while result in (results := records.setdefault((key, epoch), {})):
            epoch += 1
        results[result] = line
    return Log(TOOL, [_answer(epoch, results) for (_, epoch), results in records.items()])


def _key(line: Mapping[str, Any]) -> Key:
    """Return what tells samples apart: with ids of results, one sample has several of them under several names."""
    name = "" if line.get("sample_hash") and line.get("evaluation_result_id") else str(line["evaluation_name"])
    return str(line["evaluation_id"]), name, str(line["sample_id"]), str(line.get("sample_hash") or "")


def _epoch(line: Mapping[str, Any]) -> int:
    """Return the epoch that the converter from Inspect writes into the metadata; else 1."""
    metadata = line.get("metadata")
    epoch = str(metadata.get("epoch", "")) if isinstance(metadata, dict) else ""
    return int(epoch) if epoch.isascii() and epoch.isdigit() and len(epoch) < 10 else 1


def _answer(epoch: int, results: Mapping[str, dict[str, Any]]) -> Answer:
    first = next(iter(results.values()))
    sample, task = str(first["sample_id"]), str(first["evaluation_name"])
    digest = str(first.get("sample_hash") or "")[:8]
    # The score of 0 of a record with an error was not measured.
    scored = {name: line["evaluation"] for name, line in results.items() if not line.get("error")}
    metadata = first.get("metadata")
    fields = {key: value for key, value in metadata.items() if key != "epoch"} if isinstance(metadata, dict) else {}
    given, output = first.get("input"), first.get("output")
    return Answer(
        id=f"{task}/{sample}:{digest}/{epoch}" if digest else f"{task}/{sample}/{epoch}",
        task=task,
        model=as_text(first.get("model_id")),
        sample=f"{task}/{sample}",
        epoch=epoch,
        target=as_text(given.get("reference")) if isinstance(given, dict) else None,
        answer=_extracted(first) or (as_text(output.get("raw")) if isinstance(output, dict) else None),
        scores={name: evaluation.get("score") for name, evaluation in scored.items()},
        metadata=fields | {IS_CORRECT + name: evaluation.get("is_correct") for name, evaluation in scored.items()},
    )


def _extracted(line: Mapping[str, Any]) -> str | None:
    """Return the answer that was extracted from the output, of the last turn."""
    attributions = line.get("answer_attribution")
    if not isinstance(attributions, list) or not attributions or not isinstance(attributions[-1], dict):
        return None
    return as_text(attributions[-1].get("extracted_value"))
