"""GitHub Actions: annotations of the workflow step, and its summary page."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

import raikit
from raikit_reports import markdown, verdicts
from raikit_reports.outcomes import crashes, one_line, rule_outcomes
from raikit_reports.rules import rule_rows
from raikit_reports.texts import clean, flat

SHOWN = 10  # of each kind in a step; GitHub drops the rest silently
SUMMARY_BYTES = 1024 * 1024 - 1024  # 1 MiB for everything that a step writes; GitHub shows nothing of a longer summary


def publish(record: raikit.Record, environment: Mapping[str, str]) -> None:
    """Print annotations and append the summary, as far as the environment variables ask for them."""
    if environment.get("GITHUB_ACTIONS") == "true":
        _print(commands(record))
    if place := environment.get("GITHUB_STEP_SUMMARY"):
        append_summary(record, Path(place))


def _print(lines: Iterable[str]) -> None:
    encoding = sys.stdout.encoding or "utf-8"
    for text in lines:  # the stdout of a runner may support ASCII only
        sys.stdout.write(text.encode(encoding, "replace").decode(encoding) + "\n")
    sys.stdout.flush()


def commands(record: raikit.Record) -> list[str]:
    r"""Return workflow commands: errors for what stops the build, warnings for what is undecided or only warns.

    Examples
    --------
    >>> command("error", "a: b, c", "100%\nof it")
    '::error title=a%3A b%2C c::100%25%0Aof it'
    """
    errors, warnings = [], []
    for item in rule_outcomes(record):
        text = one_line(item.facts())
        title = f"{item.row.verdict.word}: {item.statement.headline}"
        if item.outcome in ("fail", "crash"):
            errors.append((title, text))
        elif item.outcome in ("warn", "open"):
            warnings.append((title, text))
    for crash in crashes(record):
        (warnings if crash.allowed else errors).append((f"Crashed: {crash.name}", flat(crash.sentence, 1000)))
    warnings += [("Gate", flat(warning, 1000)) for warning in record.gate.warnings]
    if record.gate.exit_code and not errors:  # nothing ran
        errors.append((flat(record.name), flat(record.summary.answer or "The gate did not pass.", 1000)))
    return [*_capped("error", errors), *_capped("warning", warnings)]


def _capped(kind: str, annotations: list[tuple[str, str]]) -> list[str]:
    if len(annotations) <= SHOWN:
        return [command(kind, title, text) for title, text in annotations]
    shown = [command(kind, title, text) for title, text in annotations[: SHOWN - 1]]
    left = len(annotations) - len(shown)
    return [*shown, command(kind, f"{left} more", f"{left} more of this kind are in the report of the run.")]


def command(kind: str, title: str, text: str) -> str:
    """Write a workflow command in one line, whatever the texts contain."""
    return f"::{kind} title={_escape(flat(title, 200), property=True)}::{_escape(clean(text))}"


def _escape(text: str, *, property: bool = False) -> str:
    written = text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    return written.replace(":", "%3A").replace(",", "%2C") if property else written


# --- the step's summary -------------------------------------------------------------------------------------------


def append_summary(record: raikit.Record, path: Path) -> None:
    """Append as much of the report to the step's summary as fits after what is there."""
    taken = path.stat().st_size if path.exists() else 0
    text = summary(record, SUMMARY_BYTES - taken)
    with path.open("a", encoding="utf-8", newline="\n") as file:
        file.write(text)


def summary(record: raikit.Record, budget: int = SUMMARY_BYTES) -> str:
    """Write the verdict, the table of rules, and as much of the rest as fits into `budget` bytes.

    The table comes before prose. It is cut between two rows or two parts, and a sentence says so.
    """
    answer, _, fallback = verdicts.answer(record)
    rows = rule_rows(record)
    text = markdown.escape(record.summary.answer or fallback)
    head = f"### {markdown.MARKS[answer.icon]} {markdown.escape(record.name)}: {text}\n\n"
    lines = [f"{text}\n" for text in markdown.rule_table(rows)]
    sentences = " ".join(markdown.escape(text, 400) for text in record.summary.sentences)
    rest = [f"{text}\n\n" for text in (sentences, *markdown.details(record)) if text]
    parts = _fitting([head, *lines, "\n", *rest], budget - 100)  # 100 bytes for the sentence below
    if len(parts) == 2 + len(lines) + len(rest):
        return "".join(parts)
    left = len(rows) - max(len(parts) - 3, 0)  # the heading, the head of the table and its rule
    what = f"{left} more rules" if left > 0 else "The rest"
    note = f"\n{what} did not fit here and {'is' if left <= 0 else 'are'} in report.html.\n"
    text = "".join(parts) + note
    return text if len(text.encode()) <= budget else ""


def _fitting(parts: list[str], budget: int) -> list[str]:
    """Return the parts before the first one that exceeds the budget."""
    fitting, size = [], 0
    for part in parts:
        size += len(part.encode())
        if size > budget:
            break
        fitting.append(part)
    return fitting
