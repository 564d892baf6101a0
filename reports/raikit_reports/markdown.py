"""``report.md``: the verdict, the rules, the findings and what was not checked, short enough for a pull request."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import raikit
from raikit_reports import verdicts
from raikit_reports.files import write_text
from raikit_reports.rules import RuleRow, rule_rows, tally
from raikit_reports.texts import flat, sentence
from raikit_reports.unchecked import unchecked
from raikit_reports.verdicts import Verdict

FINDINGS_SHOWN = 20
RULES_SHOWN = 60
MARKS = {"fail": "🛑", "warn": "⚠️", "open": "❔", "none": "➖", "waived": "⏸️", "pass": "✅", "note": "ℹ️", "crash": "💥"}

# What Markdown or HTML could take for a command inside a line; @ and # because a forge links them.
_ENTITIES = {char: f"&#{ord(char)};" for char in "|@#$`"} | {"<": "&lt;", ">": "&gt;", "&": "&amp;"}
_INLINE = re.compile(r"[\\*_\[\]~]|[|@#$`<>&]")
_LINK = re.compile(r"(?i)(?<=http)(s?):(?=//)|(?<=www)\.")  # bare addresses become links


def write(record: raikit.Record, folder: Path) -> list[Path]:
    """Write the report into `folder`."""
    return [write_text(folder / "report.md", render(record))]


def render(record: raikit.Record) -> str:
    """The whole report as text."""
    answer, _, fallback = verdicts.answer(record)
    rows = rule_rows(record)
    parts = [
        f"# {escape(record.summary.question or f'May {record.name} be released?')}",
        f"**{MARKS[answer.icon]} {escape(record.summary.answer or fallback)}**",
        " ".join(escape(text, 400) for text in record.summary.sentences),
        " · ".join(f"{MARKS[verdict.icon]} {many} {word}" for verdict, many, word in tally(rows)),
        "\n".join(rule_table(rows[:RULES_SHOWN])),
        more(len(rows) - RULES_SHOWN, "rules"),
        *details(record, rows),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def details(record: raikit.Record, rows: list[RuleRow]) -> list[str]:
    """What follows the table: warnings, findings, what was not checked, the way out."""
    return [
        "\n".join(f"- {MARKS['warn']} {escape(warning, 240)}" for warning in record.gate.warnings),
        "\n".join(_findings(record, rows)),
        "\n".join(_not_checked(record)),
        _listed("What would change the answer", record.summary.what_would_change),
        _foot(record),
    ]


def escape(text: object, limit: int = 160) -> str:
    """Write any text so that Markdown shows it and does nothing else.

    Examples
    --------
    >>> escape("<b>a|b</b>\\n# x")
    '&lt;b&gt;a&#124;b&lt;/b&gt; &#35; x'
    """
    line = flat(text, limit)
    if not line:
        return "(empty)"
    written = _INLINE.sub(lambda match: _ENTITIES.get(match[0], "\\" + match[0]), line)
    written = _LINK.sub(lambda match: match[0].replace(":", "&#58;").replace(".", "&#46;"), written)
    return re.sub(r"^([-+=]|\d+(?=[.)]))", _at_start, written)


def _at_start(match: re.Match[str]) -> str:
    """A dash would begin a list and a number with a stop a numbered one."""
    if match[1].isdigit():
        follows = match.string[match.end() + 1 : match.end() + 2]
        return match[1] + "&#8203;" if follows in {"", " "} else match[1]
    return "\\" + match[1]


def rule_table(rows: list[RuleRow]) -> Iterator[str]:
    """The rules as lines of a table."""
    if not rows:
        yield "The policy states no rule, so this report describes and does not judge."
        return
    yield "| Verdict | Rule | Measured | Interval | Decision |"
    yield "|---|---|---|---|---|"
    for row in rows:
        decision = " ".join(sentence(part) for part in (row.decision, row.needed, row.waiver, row.against) if part)
        cells = [
            mark(row.verdict),
            escape(row.title),
            escape(row.measured),
            escape(row.interval or "–"),
            escape(decision, 240),
        ]
        yield f"| {' | '.join(cells)} |"


def more(number: int, what: str) -> str:
    """Say how many were left out; nothing if none were."""
    return f"{number} more {what} stand in report.html." if number > 0 else ""


def _findings(record: raikit.Record, rows: list[RuleRow]) -> Iterator[str]:
    judged: dict[str, list[raikit.Rule]] = {}
    for row in rows:
        judged.setdefault(row.rule.metric, []).append(row.rule)
    found = [
        (
            verdicts.of_finding(finding, [rule for name in finding.metrics for rule in judged.get(name, ())]),
            finding,
            check,
        )
        for check in record.checks
        for finding in check.findings
    ]
    found.sort(key=lambda item: item[0].rank)
    if found:
        yield "## Findings\n"
    for verdict, finding, check in found[:FINDINGS_SHOWN]:
        yield f"- {mark(verdict)}: {escape(finding.sentence, 400)} <sub>{escape(check.name)}</sub>"
    if left_out := more(len(found) - FINDINGS_SHOWN, "findings"):
        yield f"\n{left_out}"


def _not_checked(record: raikit.Record) -> Iterator[str]:
    gaps = unchecked(record)
    if gaps.gaps or gaps.beyond:
        yield "## Not checked\n"
    for gap in gaps.gaps:
        why = escape(sentence(gap.why), 240)
        yield f"- {mark(gap.verdict)}: {escape(gap.title)} ({escape(gap.source)}). {why} {gap.follows}"
    for text in gaps.beyond:
        yield f"- {MARKS['none']} {escape(text, 240)}"


def _listed(title: str, texts: list[str]) -> str:
    return "\n".join([f"## {title}\n", *(f"- {escape(text, 240)}" for text in texts)]) if texts else ""


def _foot(record: raikit.Record) -> str:
    run = record.provenance
    facts = [
        f"Run {escape(run.run_id)}" if run.run_id else "",
        escape(run.started) if run.started else "",
        f"exit code {record.gate.exit_code}",
    ]
    where = ", ".join(fact for fact in facts if fact)
    return f"<sub>{where}. Figures, intervals and methods stand in report.html.</sub>"


def mark(verdict: Verdict) -> str:
    """A verdict with its shape: ``🛑 Fail``."""
    return f"{MARKS[verdict.icon]} {verdict.word}"
