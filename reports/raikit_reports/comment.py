"""``comment.md``: a report short enough to be a comment of a pull request."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import raikit
from raikit.files import write_text
from raikit_reports import verdicts
from raikit_reports.markdown import MARKS, escape, mark
from raikit_reports.outcomes import RuleOutcome, certainty_note, crashes, rule_outcomes
from raikit_reports.rules import tally
from raikit_reports.texts import flat, sentence

LONGEST = 60_000  # GitHub accepts 65,536 characters
ROWS_SHOWN = 20
_REPORTS = ("report.html", "report.md", "audit.json")


def write(record: raikit.Record, folder: Path) -> list[Path]:
    """Write the comment into `folder`, with a link to ``RAIKIT_REPORT_URL`` if that is set."""
    return [write_text(folder / "comment.md", render(record, link(folder, os.environ.get("RAIKIT_REPORT_URL", ""))))]


def link(folder: Path, url: str = "") -> str:
    """Return the address of the report in Markdown, else its file in the run's folder.

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
    """Return an invisible line by which a bot finds its own comment on this model.

    Examples
    --------
    >>> marker("triage-model"), marker("a --> <b>")
    ('<!-- raikit:triage-model -->', '<!-- raikit:a --%3E %3Cb%3E -->')
    """
    return f"<!-- raikit:{quote(flat(name, 200), safe=' ')} -->"


def render(record: raikit.Record, report: str = _REPORTS[0]) -> str:
    """Return the whole comment; `report` is the address of the report in Markdown."""
    answer, _, fallback = verdicts.answer(record)
    rules = rule_outcomes(record)
    text = escape(record.summary.answer or fallback)
    head = [marker(record.name), f"**{MARKS[answer.icon]} {escape(record.name)}: {text}**"]
    counts = " · ".join(
        f"{MARKS[verdict.icon]} {many} {word}" for verdict, many, word in tally(item.row for item in rules)
    )
    foot = [counts, f"How sure: {certainty_note(record)}" if rules else "", f"Report: {report}"]
    room = LONGEST - sum(len(part) + 2 for part in [*head, *foot]) - 200
    body = [text for text in _sections(record, rules, room) if text]
    return "\n\n".join(part for part in [*head, *body, *foot] if part) + "\n"


def _sections(record: raikit.Record, rules: list[RuleOutcome], room: int) -> Iterator[str]:
    """Yield lists of what got worse, is broken, not measured or undecided, and warnings, in at most `room` characters."""
    bad = [item for item in rules if item.outcome in ("fail", "crash", "warn", "open")]
    worse = [item for item in bad if item.row.rule.kind == "regression" and item.row.rule.status == "fail"]
    broken = [item for item in bad if item.row.rule.kind != "regression" and item.row.rule.status == "fail"]
    unmeasured = [item for item in bad if item.row.rule.status == "missing"]
    undecided = [item for item in bad if item.row.rule.status == "inconclusive"]
    crashed = [f"- {MARKS['crash']} {escape(sentence(crash.sentence), 240)}" for crash in crashes(record)]
    sections = [
        ("Worse than the baseline", [*map(_line, worse)]),
        ("Broken", [*map(_line, broken)]),
        ("Not measured", [*crashed, *map(_line, unmeasured)]),
        ("Not decided", [*map(_line, undecided)]),
        ("Warnings", [f"- {MARKS['warn']} {escape(sentence(warning), 400)}" for warning in record.gate.warnings]),
    ]
    for title, lines in sections:
        shown = _fitting(lines[:ROWS_SHOWN], room)
        room -= sum(len(text) + 1 for text in shown) + len(title) + 60
        more = f"\n- {len(lines) - len(shown)} more are in the report." if len(lines) > len(shown) else ""
        if lines:
            yield f"**{title}**\n\n" + "\n".join(shown) + more


def _line(item: RuleOutcome) -> str:
    """Write one rule: what, by how much, since when, how sure, for whom."""
    facts = " ".join(escape(fact, 240) for fact in item.facts())
    return f"- {mark(item.row.verdict)}: **{escape(item.headline)}** {facts}"


def _fitting(lines: list[str], room: int) -> list[str]:
    fitting = []
    for text in lines:
        room -= len(text) + 1
        if room < 0:
            break
        fitting.append(text)
    return fitting
