"""``MODEL_CARD.md``: a Hugging Face model card, whose metadata holds the results and whose text says what they rest on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

import raikit
from raikit import format as fmt
from raikit.files import write_text
from raikit_reports.markdown import escape
from raikit_reports.texts import clean, flat

_TASKS = {
    "token_classification": "token-classification", "answers": "visual-question-answering", "regression": "tabular-regression",
}  # fmt: skip
_OF_INPUT = {"text": "text-classification", "image": "image-classification", "audio": "audio-classification",
             "tabular": "tabular-classification"}  # fmt: skip
_SHOWN = ("rule_broken", "undecided", "not_measured", "waived", "worth_knowing")
_GROUPS = {
    "rule_broken": "Rules broken", "undecided": "Cannot be decided", "not_measured": "Not measured", "waived": "Waived",
    "worth_knowing": "Worth knowing",
}  # fmt: skip
_MOST = 10


def write(record: raikit.Record, folder: Path) -> list[Path]:
    """Write the card; rename it to ``README.md`` in the model's repository."""
    return [write_text(folder / "MODEL_CARD.md", card(record))]


def card(record: raikit.Record) -> str:
    """Return the card: metadata in YAML, then Markdown."""
    metadata = yaml.safe_dump(_metadata(record), allow_unicode=True, sort_keys=False, width=10_000)
    return f"---\n{metadata}---\n\n" + "\n\n".join(part for part in _parts(record) if part) + "\n"


def _metadata(record: raikit.Record) -> dict[str, Any]:
    """Return the metadata of the hub: a task for each model, and a result for each metric over all cases."""
    task = _task(record)
    dataset = {"name": flat(record.data.source) or "audited data", "type": flat(record.data.source) or "audited data",
               "split": flat(record.data.audited_split)}  # fmt: skip
    metrics = [
        {"type": clean(metric.name), "name": fmt.capitalised(clean(fmt.metric_text(metric))), "value": metric.value,
         "verified": False}
        for check, metric in record.metrics()
        if metric.value is not None and not metric.group and not metric.over and check.pillar == "performance"
    ]
    index = [{"name": flat(record.name) or "model", "results": [{"task": {"type": task}, "dataset": dataset, "metrics": metrics}]}]
    return {"tags": ["raikit"], "pipeline_tag": task, **({"model-index": index} if metrics else {})}


def _task(record: raikit.Record) -> str:
    if record.data.task in _TASKS:
        return _TASKS[record.data.task]
    modalities = list(dict.fromkeys(entry.modality for entry in record.data.inputs))
    return _OF_INPUT.get(modalities[0], "other") if len(modalities) == 1 else "other"


def _parts(record: raikit.Record) -> Iterator[str]:
    data, run = record.data, record.provenance
    summary = record.summary
    yield f"# {escape(record.name)}"
    yield f"**{escape(f'{summary.question} {summary.answer}', 400)}** {escape(summary.lede, 400) if summary.lede else ''}".strip()
    yield f"## Intended use\n\n{escape(record.intended_use, 2000) if record.intended_use.strip() else 'Not stated.'}"
    yield _listed("## Known limits", data.limits) or "## Known limits\n\nNot stated."
    yield (
        "## How it was measured\n\n"
        f"On {fmt.cases(data.splits.get(data.audited_split, run.rows_scored))} of {escape(data.source)} "
        f"({escape(data.audited_split)}), by raikit {escape(run.versions.get('raikit', raikit.__version__))}. "
        f"Intervals have level {fmt.confidence(record.confidence)} unless another one is named."
    )
    statements = raikit.statements(record)
    for kind in _SHOWN:
        chosen = [one for one in statements if one.kind == kind]
        lines = [f"**{escape(one.headline)}.** {escape(one.evidence)}" for one in chosen[:_MOST]]
        more = [f"{len(chosen) - _MOST} more, in `audit.json`"] if len(chosen) > _MOST else []
        yield _listed(f"## {_GROUPS[kind]}", [*lines, *more], escaped=True)
    yield _listed("## Not checked", record.summary.not_measured)
    yield _owner(record)


def _listed(title: str, texts: list[str], *, escaped: bool = False) -> str:
    lines = [f"- {text if escaped else escape(text)}" for text in texts]
    return f"{title}\n\n" + "\n".join(lines) if lines else ""


def _owner(record: raikit.Record) -> str:
    facts = [f"{fmt.capitalised(escape(name))}: {escape(fmt.scalar(value))}" for name, value in record.owner.items()]
    return _listed("## Owner", facts, escaped=True)
