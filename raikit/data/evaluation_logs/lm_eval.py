"""Samples of lm-evaluation-harness: ``samples_TASK_TIME.jsonl``, which it writes with ``--log_samples``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from raikit.data.evaluation_logs.limits import read_json
from raikit.data.evaluation_logs.rows import Answer, Log, as_text
from raikit.errors import DataError

TOOL = "lm-evaluation-harness"
FIELDS = frozenset({"doc_id", "doc", "target", "arguments", "filtered_resps"})
"""Fields of every line."""

# Fields that are no metric, for versions that do not list the metrics.
_OTHERS = FIELDS | {"resps", "filter", "metrics", "doc_hash", "prompt_hash", "target_hash", "schema_version"}
_NAME = re.compile(r"samples_(.+?)(_\d{4}-\d\d-\d\dT[\d.:-]+)?\.jsonl.*")


def read(path: Path, lines: Iterable[tuple[int, dict[str, Any]]]) -> Log:
    """Read the samples of a task. A metric that several filters give has a score for each: ``exact_match.strict-match``.

    Raises
    ------
    DataError
        If a line is not what the tool writes; it is named.
    """
    name = _NAME.fullmatch(path.name)
    task = name[1] if name else path.stem
    model = _model(path, name[2] or "") if name else None
    samples: dict[str, Answer] = {}
    scores: dict[str, dict[str, dict[str, Any]]] = {}  # of each filter
    for number, line in lines:
        if not line.keys() >= FIELDS or not isinstance(line["doc"], dict) or not isinstance(line["doc_id"], int | str):
            raise DataError(f"{path.name}, line {number} is not what lm_eval writes; the log is damaged.")
        answer = _answer(line, task, model)
        filter = str(line.get("filter", "none"))
        if filter in scores.setdefault(answer.id, {}):
            raise DataError(f"{path.name}, line {number}: document {line['doc_id']} occurs twice; keep the lines of one run.")
        samples.setdefault(answer.id, answer)
        scores[answer.id][filter] = _scores(line)
    return Log(TOOL, [replace(answer, scores=_named(scores[id])) for id, answer in samples.items()])


def _answer(line: Mapping[str, Any], task: str, model: str | None) -> Answer:
    """Return the answer on a line, without its scores."""
    # The digest of the document keeps cases apart if the data set is changed between two runs.
    number, digest = str(line["doc_id"]), str(line.get("doc_hash", ""))[:8]
    target, answer = _target_and_answer(line)
    return Answer(
        id=f"{task}/{number}:{digest}" if digest else f"{task}/{number}",
        task=task,
        model=model,
        sample=f"{task}/{number}",
        epoch=1,
        target=target,
        answer=answer,
        scores={},
        metadata=line["doc"],
    )


def _scores(line: Mapping[str, Any]) -> dict[str, Any]:
    metrics = line.get("metrics")
    names = metrics if isinstance(metrics, list) else [name for name in line if name not in _OTHERS]
    return {str(name): line.get(str(name)) for name in names}


def _named(by_filter: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return the scores of all filters, with the name of the filter if there are several."""
    several = len(by_filter) > 1
    return {f"{name}.{filter}" if several else name: value for filter, of in by_filter.items() for name, value in of.items()}


def _target_and_answer(line: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """Return both in the same form: the text of choices if the target is one, else the number of the choice."""
    target, responses = as_text(line["target"]), line["filtered_resps"]
    likelihoods = _likelihoods(responses)
    if likelihoods is None:
        return target, as_text(responses[0] if isinstance(responses, list) and responses else responses)
    chosen = max(range(len(likelihoods)), key=likelihoods.__getitem__)
    choices = [_choice(line["arguments"], index) for index in range(len(likelihoods))]
    return target, choices[chosen] if target in choices else str(chosen)


def _likelihoods(responses: Any) -> Sequence[float] | None:
    """Return the log likelihood of each choice, or None if the model wrote text."""
    if not isinstance(responses, list) or len(responses) < 2:
        return None
    if not all(isinstance(response, list) and len(response) == 2 for response in responses):
        return None
    try:
        return [float(likelihood) for likelihood, _ in responses]
    except (TypeError, ValueError, OverflowError):
        return None


def _choice(arguments: Any, index: int) -> str | None:
    argument = arguments.get(f"gen_args_{index}") if isinstance(arguments, dict) else None
    written = argument.get("arg_1") if isinstance(argument, dict) else None
    return written.strip() if isinstance(written, str) else None


def _model(path: Path, time: str) -> str | None:
    """Return the model that the results beside the samples name."""
    results = path.with_name(f"results{time}.json")
    if not time or not results.is_file():
        return None
    whole = read_json(results)
    return as_text(whole.get("model_name")) if isinstance(whole, dict) else None
