"""``junit.xml``: one test case for each rule and check, for build servers that show tests.

A test case is red (`failure`, `error`) exactly if the gate counted it, so that tests are red if and only if the exit code
is not 0. Whatever did not decide is `skipped`, with the reason.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal
from xml.etree import ElementTree as ET

import raikit
from raikit.files import write_text
from raikit_reports.outcomes import Crash, Outcome, RuleOutcome, crashes, family_note, in_policy_order, one_line
from raikit_reports.texts import beside, clean, flat

NAME_LONG = 500
TEXT_LONG = 50_000

_SUITES = {"rule": "rules", "regression": "regressions", "required": "required"}
_TAGS: dict[Outcome, Literal["failure", "error", "skipped"]] = {
    "fail": "failure", "crash": "error",
    "warn": "skipped", "open": "skipped", "accepted": "skipped", "waived": "skipped",
}  # fmt: skip
_WORDS: dict[Outcome, str] = {
    "fail": "", "crash": "Not measured: ", "warn": "Warning: ", "open": "Inconclusive: ", "accepted": "Inconclusive: ",
}  # fmt: skip


@dataclass(frozen=True)
class Case:
    """A test case, which passed if it has no `tag`."""

    suite: str
    place: str
    name: str
    tag: Literal["failure", "error", "skipped"] | None = None
    message: str = ""
    text: str = ""
    seconds: float = 0.0


def write(record: raikit.Record, folder: Path) -> list[Path]:
    """Write the test cases into `folder`."""
    return [write_text(folder / "junit.xml", render(record))]


def render(record: raikit.Record) -> str:
    """Return the whole file as text."""
    all_cases = list(cases(record))
    root = ET.Element("testsuites", {"name": flat(f"raikit {record.name}"), **_counts(all_cases)})
    for name in ("rules", "regressions", "required", "checks"):
        if inside := [case for case in all_cases if case.suite == name]:
            _suite(root, name, inside, record, first=len(root) == 0)
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def cases(record: raikit.Record) -> Iterator[Case]:
    """Yield all test cases: rules in the order of the policy, then checks, then plugins that were lost."""
    lost = list(crashes(record))
    crashed = {crash.name: crash for crash in lost if crash.kind == "check"}
    rules = [_rule(item) for item in in_policy_order(record)]
    checks = [_check(check, crashed.get(check.name)) for check in record.checks]
    checks += [_plugin(crash) for crash in lost if crash.kind == "plugin"]
    yield from rules
    yield from checks
    if record.gate.exit_code and not any(case.tag in ("failure", "error") for case in [*rules, *checks]):
        # Nothing ran, or the gate had a reason that no test case shows: green would be wrong.
        why = record.summary.answer or "The gate did not pass."
        yield Case("checks", "raikit", "The gate passed", "error", why, "\n".join(record.gate.warnings))


def _rule(item: RuleOutcome) -> Case:
    rule, tag = item.row.rule, _TAGS.get(item.outcome)
    return Case(
        suite=_SUITES[rule.kind],
        place=rule.pattern or rule.check or rule.metric,
        name=rule.sentence,
        tag=tag,
        message=_message(item) if tag else "",
        text="\n".join([item.headline, *item.facts(), f"Address: {rule.metric}", f"Rule: {rule.id}"]),
    )


def _message(item: RuleOutcome) -> str:
    """Return the line that a build server shows in its list: why, for whom, how much."""
    if item.outcome == "waived":
        return item.row.waiver or "Waived."
    return _WORDS[item.outcome] + one_line([item.headline, *item.facts()])


def _check(check: raikit.CheckRecord, crash: Crash | None) -> Case:
    case = Case("checks", check.pillar, check.name, seconds=check.seconds)
    if check.status == "ok":
        return replace(case, text=beside(check))
    if crash is None:
        why = f"{check.status.replace('_', ' ')}: {check.reason or 'no reason was recorded'}"
        return replace(case, tag="skipped", message=why, text=check.help or "")
    if crash.allowed:
        return replace(case, tag="skipped", message=f"{crash.sentence}; gate.allow_errors lets that pass")
    return replace(case, tag="error", message=crash.sentence, text=crash.traceback)


def _plugin(crash: Crash) -> Case:
    return Case("checks", "plugins", crash.name, "error", crash.sentence)


def _suite(root: ET.Element, name: str, inside: list[Case], record: raikit.Record, first: bool) -> None:
    started = re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", record.provenance.started)
    suite = ET.SubElement(root, "testsuite", {"name": name, **_counts(inside)})
    if started:
        suite.set("timestamp", started[0])
    notes = [note for note in (family_note(record), *record.gate.warnings) if note]
    if first and notes:
        ET.SubElement(suite, "system-out").text = clean("\n".join(notes))[:TEXT_LONG]
    seen: Counter[tuple[str, str]] = Counter()
    for case in inside:
        _testcase(suite, case, seen)


def _testcase(suite: ET.Element, case: Case, seen: Counter[tuple[str, str]]) -> None:
    """Add a test case; repeated names are numbered, because servers merge cases of the same name."""
    place, name = flat(case.place, NAME_LONG) or "raikit", flat(case.name, NAME_LONG) or "(empty)"
    seen[place, name] += 1
    number = f" #{seen[place, name]}" if seen[place, name] > 1 else ""
    element = ET.SubElement(
        suite, "testcase", {"classname": place, "name": name + number, "time": f"{case.seconds:.3f}"}
    )
    text = clean(case.text)[:TEXT_LONG]
    if case.tag is None:
        if text:
            ET.SubElement(element, "system-out").text = text
        return
    outcome = ET.SubElement(element, case.tag, {"message": flat(case.message, 1000)})
    if case.tag != "skipped":
        outcome.set("type", {"failure": "rule", "error": "crash"}[case.tag])
    outcome.text = text


def _counts(inside: list[Case]) -> dict[str, str]:
    tags = Counter(case.tag for case in inside)
    return {
        "tests": str(len(inside)),
        "failures": str(tags["failure"]),
        "errors": str(tags["error"]),
        "skipped": str(tags["skipped"]),
        "time": f"{sum(case.seconds for case in inside):.3f}",
    }
