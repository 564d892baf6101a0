"""``comment.md``: what a pull request has to know, short enough to be read there."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import raikit
from raikit_reports import verdicts
from raikit_reports.files import write_text
from raikit_reports.markdown import MARKS, escape, mark
from raikit_reports.outcomes import Told, confidence, crashes, told
from raikit_reports.rules import tally
from raikit_reports.texts import flat, sentence

LONGEST = 60_000  # GitHub takes 65,536 characters
ROWS_SHOWN = 20
_REPORTS = ("report.html", "report.md", "audit.json")


def write(record: raikit.Record, folder: Path) -> list[Path]:
    """Write the comment into `folder`; it links to ``RAIKIT_REPORT_URL`` if that is set."""
    return [write_text(folder / "comment.md", render(record, link(folder, os.environ.get("RAIKIT_REPORT_URL", ""))))]


def link(folder: Path, url: str = "") -> str:
    """Where the report is: the address, or the file in the run's folder.

    Examples
    --------
    >>> link(Path("runs/a"), "https://example.org/a b>"), link(Path("runs/a"), "javascript:alert(1)")
    ('<https://example.org/a%20b%3E>', 'a/report.html')
    """
    if re.match(r"https?://[^/]", url.strip(), re.IGNORECASE):
        return f"<{quote(flat(url, 2000), safe=':/?#[]@!$&*+,;=%~.-_')}>"
    name = next((name for name in _REPORTS if (folder / name).is_file()), _REPORTS[0])
    return escape(f"{folder.name}/{name}" if folder.name else name)


def marker(name: str) -> str:
    """A line that nobody sees, by which a bot finds its own comment of this model.

    Examples
    --------
    >>> marker("triage-model"), marker("a --> <b>")
    ('<!-- raikit:triage-model -->', '<!-- raikit:a --%3E %3Cb%3E -->')
    """
    return f"<!-- raikit:{quote(flat(name, 200), safe=' ')} -->"


def render(record: raikit.Record, report: str = _REPORTS[0]) -> str:
    """The whole comment; `report` says where the report is, as Markdown."""
    answer, _, fallback = verdicts.answer(record)
    rules = told(record)
    said = escape(record.summary.answer or fallback)
    head = [marker(record.name), f"**{MARKS[answer.icon]} {escape(record.name)}: {said}**"]
    counts = " · ".join(
        f"{MARKS[verdict.icon]} {many} {word}" for verdict, many, word in tally(item.row for item in rules)
    )
    foot = [counts, f"How sure: {confidence(record)}" if rules else "", f"Report: {report}"]
    room = LONGEST - sum(len(part) + 2 for part in [*head, *foot]) - 200
    body = [text for text in _sections(record, rules, room) if text]
    return "\n\n".join(part for part in [*head, *body, *foot] if part) + "\n"


def _sections(record: raikit.Record, rules: list[Told], room: int) -> Iterator[str]:
    """What got worse, what is broken, what was not measured, what is undecided: each a list, until the room is used."""
    bad = [item for item in rules if item.outcome in ("fail", "crash", "warn", "open")]
    worse = [item for item in bad if item.row.rule.kind == "regression" and item.row.rule.status == "fail"]
    broken = [item for item in bad if item.row.rule.kind != "regression" and item.row.rule.status == "fail"]
    lost = [item for item in bad if item.row.rule.status == "missing"]
    undecided = [item for item in bad if item.row.rule.status == "inconclusive"]
    crashed = [f"- {MARKS['crash']} {escape(sentence(crash.sentence), 240)}" for crash in crashes(record)]
    sections = [
        ("Worse than the baseline", [*map(_line, worse)]),
        ("Broken", [*map(_line, broken)]),
        ("Not measured", [*crashed, *map(_line, lost)]),
        ("Not decided", [*map(_line, undecided)]),
    ]
    for title, lines in sections:
        kept = _fitting(lines[:ROWS_SHOWN], room)
        room -= sum(len(text) + 1 for text in kept) + len(title) + 60
        more = f"\n- {len(lines) - len(kept)} more stand in the report." if len(lines) > len(kept) else ""
        if lines:
            yield f"**{title}**\n\n" + "\n".join(kept) + more


def _line(item: Told) -> str:
    """One rule: what, by how much, since when, how sure, for whom, from how much data."""
    facts = " ".join(escape(fact, 240) for fact in item.facts())
    return f"- {mark(item.row.verdict)}: {escape(sentence(item.row.title))} {facts}"


def _fitting(lines: list[str], room: int) -> list[str]:
    kept = []
    for text in lines:
        room -= len(text) + 1
        if room < 0:
            break
        kept.append(text)
    return kept
