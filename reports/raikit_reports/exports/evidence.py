"""``evidence.md``: which number, fact and file of the run serves which item of a regulation or standard.

An index of evidence and never a claim of compliance: whether evidence suffices is for people who know the law and the use.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import groupby
from pathlib import Path

import raikit
from raikit import format as fmt
from raikit.files import write_text
from raikit_reports.exports.evidence_items import ITEMS, Item
from raikit_reports.markdown import escape

_MOST_ADDRESSES = 6
_NO_CLAIM = (
    "This index names evidence in this run. It claims no compliance with any law or standard. The texts of these decide what is "
    "required, and people decide whether the evidence suffices."
)


def _splits(record: raikit.Record) -> str:
    return fmt.joined([f"{fmt.count(number)} {name}" for name, number in record.data.splits.items()])


def _rules(record: raikit.Record) -> str:
    return fmt.counted(len(record.gate.rules), "rule") if record.gate.rules else ""


def _run_folder(record: raikit.Record) -> str:
    return f"manifest.json of run {record.provenance.run_id}" if record.provenance.run_id else ""


def _not_checked(record: raikit.Record) -> str:
    return fmt.counted(len(record.summary.not_measured), "entry", "entries") if record.summary.not_measured else ""


# What a record says beside its metrics: the name of each fact, and its text; empty where the record does not have it.
FIELDS: dict[str, tuple[str, Callable[[raikit.Record], str]]] = {
    "configuration": ("configuration", lambda record: "provenance.config" if record.provenance.config else ""),
    "credits": ("credits", lambda record: "; ".join(record.data.credits)),
    "data": ("data", lambda record: record.data.source),
    "date": ("date", lambda record: fmt.moment(record.provenance.started)),
    "intended_use": ("intended use", lambda record: record.intended_use),
    "intervals": ("intervals", lambda record: f"level {fmt.confidence(record.confidence)}, method with each metric"),
    "limits": ("known limits", lambda record: "; ".join(record.data.limits)),
    "not_checked": ("not checked", _not_checked),
    "owner": ("owner", lambda record: "; ".join(f"{key}: {fmt.scalar(value)}" for key, value in record.owner.items())),
    "rules": ("rules with their verdicts", _rules),
    "run_folder": ("files and their hashes", _run_folder),
    "software": ("software", lambda record: f"{len(record.provenance.versions)} versions" if record.provenance.versions else ""),
    "splits": ("splits", _splits),
}  # fmt: skip


@dataclass(frozen=True)
class Evidence:
    """What a record has for an item.

    Parameters
    ----------
    item : Item
    addresses : list of str
        Of the first metrics that match.
    metrics : int
        Number of metrics that match.
    figures : list of str
        ``check/id`` of the figures of the checks that measured them.
    facts : list of (str, str)
        Names and texts.
    lacking : list of str
        Facts that the item asks for and the record does not have.
    """

    item: Item
    addresses: list[str]
    metrics: int
    figures: list[str]
    facts: list[tuple[str, str]]
    lacking: list[str]


def collect(record: raikit.Record) -> list[Evidence]:
    """Return the evidence for each item, in the order of `evidence_items.ITEMS`."""
    measured = [(check, metric) for check, metric in record.metrics() if metric.value is not None and metric.id]
    return [_of_item(item, record, measured) for item in ITEMS]


def _of_item(item: Item, record: raikit.Record, measured: list[tuple[raikit.CheckRecord, raikit.Metric]]) -> Evidence:
    # In a pattern of fnmatch brackets are a set of characters, and addresses have them.
    patterns = [pattern.replace("[", "[[]") for pattern in item.metrics]
    found = [(check, metric) for check, metric in measured if any(fnmatchcase(str(metric.id), pattern) for pattern in patterns)]
    checks = {check.name: check for check, _ in found}
    texts = {name: FIELDS[name][1](record) for name in item.fields}
    return Evidence(
        item=item, addresses=[str(metric.id) for _, metric in found[:_MOST_ADDRESSES]], metrics=len(found),
        figures=[f"{name}/{figure.id}" for name, check in checks.items() for figure in check.figures],
        facts=[(FIELDS[name][0], text) for name, text in texts.items() if text],
        lacking=[FIELDS[name][0] for name, text in texts.items() if not text],
    )  # fmt: skip


def write(record: raikit.Record, folder: Path) -> list[Path]:
    """Write the index."""
    return [write_text(folder / "evidence.md", "\n\n".join(_parts(record)) + "\n")]


def _parts(record: raikit.Record) -> Iterator[str]:
    yield f"# Evidence index: {escape(record.name)}"
    yield _NO_CLAIM
    yield (f"Run `{escape(record.provenance.run_id)}`. Addresses are those of `audit.json` and `metrics.csv`; figures are in "
           "`report.html`.")  # fmt: skip
    for source, entries in groupby(collect(record), key=lambda entry: entry.item.source):
        rows = [_row(entry) for entry in entries]
        head = ["| Item | What is asked | Evidence in this run | Not in this run |", "|---|---|---|---|"]
        yield f"## {source}\n\n" + "\n".join([*head, *rows])


def _row(entry: Evidence) -> str:
    item, parts = entry.item, []
    if entry.metrics:
        more = f" and {fmt.count(entry.metrics - len(entry.addresses))} more" if entry.metrics > len(entry.addresses) else ""
        parts.append(f"{fmt.counted(entry.metrics, 'metric')}: {', '.join(escape(address) for address in entry.addresses)}{more}")
    if entry.figures:
        parts.append(fmt.counted(len(entry.figures), "figure"))
    parts += [f"{name}: {escape(text, 200)}" for name, text in entry.facts]
    lacking = [*(["a measurement"] if item.metrics and not entry.metrics else []), *entry.lacking]
    return f"| {item.item} | {item.asks} | {'; '.join(parts) or 'none'} | {', '.join(lacking)} |"
