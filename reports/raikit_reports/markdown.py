"""``report.md``: the verdict, the rules, the findings and what was not checked, for a pull request or a terminal."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import raikit
from raikit.files import write_text
from raikit.format import significant
from raikit.run.summary import question_about
from raikit_reports import verdicts
from raikit_reports.outcomes import family_note
from raikit_reports.rules import RuleRow, rule_rows, tally
from raikit_reports.search import trials_of
from raikit_reports.texts import beside, flat, sentence
from raikit_reports.unchecked import unchecked
from raikit_reports.verdicts import Verdict

FINDINGS_SHOWN = 10  # of a group
GROUPS = {
    "rule_broken": "Rules broken", "undecided": "Cannot be decided", "worth_knowing": "Worth knowing", "fine": "Checked and fine",
}  # fmt: skip
_ICONS = {"rule_broken": "fail", "undecided": "open", "worth_knowing": "note", "fine": "pass"}
NOTES_SHOWN = 20
RULES_SHOWN = 60
TRIALS_SHOWN = 40
MARKS = {"fail": "🛑", "warn": "⚠️", "open": "❔", "none": "➖", "waived": "⏸️", "pass": "✅", "note": "ℹ️", "crash": "💥"}

# Characters with a meaning in Markdown or HTML inside a line; @ and # become links on GitHub.
_ENTITIES = {char: f"&#{ord(char)};" for char in "|@#$`"} | {"<": "&lt;", ">": "&gt;", "&": "&amp;"}
_INLINE = re.compile(r"[\\*_\[\]~]|[|@#$`<>&]")
_LINK = re.compile(r"(?i)(?<=http)(s?):(?=//)|(?<=www)\.")  # bare addresses become links


def write(record: raikit.Record, folder: Path) -> list[Path]:
    """Write the report into `folder`."""
    return [write_text(folder / "report.md", render(record))]


def render(record: raikit.Record) -> str:
    """Return the whole report as text."""
    answer, _, fallback = verdicts.answer(record)
    rows = rule_rows(record)
    parts = [
        f"# {escape(record.summary.question or question_about(record.name))}",
        f"**{MARKS[answer.icon]} {escape(record.summary.answer or fallback)}**",
        " ".join(escape(text, 400) for text in record.summary.sentences),
        " · ".join(f"{MARKS[verdict.icon]} {many} {word}" for verdict, many, word in tally(rows)),
        "\n".join(rule_table(rows[:RULES_SHOWN])),
        more(len(rows) - RULES_SHOWN, "rules"),
        *details(record),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def details(record: raikit.Record) -> list[str]:
    """Return the parts after the table: warnings, findings, what was not checked, and remedies."""
    return [
        escape(family_note(record), 400) if record.gate.family is not None else "",
        "\n".join(f"- {MARKS['warn']} {escape(warning, 400)}" for warning in record.gate.warnings),
        "\n".join(_findings(record)).strip(),
        "\n".join(_not_checked(record)),
        "\n".join(_trials(record)),
        _listed("What would change the answer", record.summary.what_would_change),
        _listed("Notes on the data and the model", record.data.notes[:NOTES_SHOWN]),
        more(len(record.data.notes) - NOTES_SHOWN, "notes"),
        _foot(record),
    ]


def escape(text: object, limit: int = 160) -> str:
    r"""Write any text so that Markdown shows it and does nothing else.

    Examples
    --------
    >>> escape("<b>a|b</b>\n# x")
    '&lt;b&gt;a&#124;b&lt;/b&gt; &#35; x'
    """
    line = flat(text, limit)
    if not line:
        return "(empty)"
    written = _INLINE.sub(lambda match: _ENTITIES.get(match[0], "\\" + match[0]), line)
    written = _LINK.sub(lambda match: match[0].replace(":", "&#58;").replace(".", "&#46;"), written)
    return re.sub(r"^([-+=]|::|\d+(?=[.)]))", _at_start, written)


def _at_start(match: re.Match[str]) -> str:
    """Escape what would begin a list: a dash, or a number with a full stop; or a command of a workflow whose log shows a report."""
    if match[1].isdigit():
        follows = match.string[match.end() + 1 : match.end() + 2]
        return match[1] + "&#8203;" if follows in {"", " "} else match[1]
    return "\\" + match[1]


def rule_table(rows: list[RuleRow]) -> Iterator[str]:
    """Yield the rules as lines of a table."""
    if not rows:
        yield "The policy has no rules, so this report describes and does not judge."
        return
    yield "| Verdict | Rule | Measured | Interval | Decision |"
    yield "|---|---|---|---|---|"
    for row in rows:
        parts = (row.decision, row.needed, row.waiver, row.against, row.written, row.beside)
        decision = " ".join(sentence(part) for part in parts if part)
        cells = [
            mark(row.verdict),
            escape(row.title),
            escape(row.measured),
            escape(row.interval or "–"),
            escape(decision, 400),
        ]
        yield f"| {' | '.join(cells)} |"


def more(number: int, what: str) -> str:
    """Say how many were left out; return nothing if none were."""
    return f"{number} more {what} are in report.html." if number > 0 else ""


def _findings(record: raikit.Record) -> Iterator[str]:
    """Yield what was found, in the groups of every report: what a rule says first, then what no rule covers."""
    checks = {check.name: check for check in record.checks}
    told = raikit.statements(record)
    for kind, title in GROUPS.items():
        group = [one for one in told if one.kind == kind and (one.rule is None or one.rule.kind != "required")]
        if not group:
            continue
        yield f"\n## {title}\n"
        for one in group[:FINDINGS_SHOWN]:
            numbers = f" {escape(sentence(one.evidence), 400)}" if one.evidence else ""
            source = f" <sub>{escape(one.check)}{_said(checks[one.check])}</sub>" if one.check in checks else ""
            yield f"- {MARKS[_ICONS[kind]]} **{escape(sentence(one.headline))}**{numbers}{source}"
        if left_out := more(len(group) - FINDINGS_SHOWN, "of these"):
            yield f"\n{left_out}"


def _said(check: raikit.CheckRecord) -> str:
    """Return whether a check ran beside the model, as a sentence after its name."""
    return f": {escape(beside(check))}" if beside(check) else ""


def _not_checked(record: raikit.Record) -> Iterator[str]:
    lists = unchecked(record)
    if lists.missing or lists.limits:
        yield "## Not checked\n"
    for item in lists.missing:
        why = escape(sentence(item.why), 240)
        yield f"- {mark(item.verdict)}: {escape(item.title)} ({escape(item.source)}). {why} {item.consequence}"
    for text in lists.limits:
        yield f"- {MARKS['none']} {escape(text, 240)}"


def _trials(record: raikit.Record) -> Iterator[str]:
    """Yield the trials of a search as lines of a table."""
    table = trials_of(record)
    if table is None:
        return
    yield f"## {escape(table.title)}\n"
    yield f"| {' | '.join(escape(column.title) for column in table.columns)} |"
    yield f"|{'---|' * len(table.columns)}"
    for row in table.rows[:TRIALS_SHOWN]:
        yield f"| {' | '.join('–' if cell is None else escape(_cell(cell)) for cell in row)} |"
    yield f"\n{escape(table.note, 1000)}"
    if left_out := more(len(table.rows) - TRIALS_SHOWN, "trials"):
        yield f"\n{left_out}"


def _cell(cell: object) -> str:
    return significant(cell) if isinstance(cell, float) else str(cell)


def _listed(title: str, texts: list[str]) -> str:
    return "\n".join([f"## {title}\n", *(f"- {escape(text, 400)}" for text in texts)]) if texts else ""


def _foot(record: raikit.Record) -> str:
    run = record.provenance
    facts = [
        f"Run {escape(run.run_id)}" if run.run_id else "",
        escape(run.started) if run.started else "",
        f"exit code {record.gate.exit_code}",
    ]
    where = ", ".join(fact for fact in facts if fact)
    return f"<sub>{where}. Figures, intervals and methods are in report.html.</sub>"


def mark(verdict: Verdict) -> str:
    """Write a verdict with its symbol: ``🛑 Fail``."""
    return f"{MARKS[verdict.icon]} {verdict.word}"
