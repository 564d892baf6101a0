"""Words, shapes and order of verdicts: colour is never the only sign, and the worst verdict comes first."""

from __future__ import annotations

from dataclasses import dataclass

import raikit


@dataclass(frozen=True)
class Verdict:
    """A verdict as people see it: `tone` is its colour, `icon` its shape, `rank` its place in the order (0 is the worst)."""

    word: str
    tone: str
    icon: str
    rank: int


FAIL = Verdict("Fail", "fail", "fail", 0)
WARN = Verdict("Warn", "fail", "warn", 1)
OPEN = Verdict("Inconclusive", "open", "open", 2)
MISSING = Verdict("Not measured", "none", "none", 3)
WAIVED = Verdict("Waived", "waived", "waived", 4)
NOTE = Verdict("Note", "none", "note", 5)
PASS = Verdict("Pass", "pass", "pass", 6)

_RULES = {"pass": PASS, "fail": FAIL, "inconclusive": OPEN, "waived": WAIVED, "missing": MISSING}

# In a tally: "2 fail", "1 not measured".
TALLY = {FAIL: "fail", WARN: "warn", OPEN: "inconclusive", MISSING: "not measured", WAIVED: "waived", PASS: "pass"}

CHECKS = {
    "error": Verdict("Crashed", "fail", "crash", 0),
    "missing": Verdict("Missing", "fail", "crash", 1),
    "not_loaded": Verdict("Not loaded", "none", "none", 2),
    "skipped": Verdict("Skipped", "none", "none", 3),
    "deselected": Verdict("Left out", "none", "none", 4),
}

PLUGINS = {
    "error": Verdict("Not loaded", "fail", "crash", 0),
    "incompatible": Verdict("Incompatible", "none", "none", 1),
    "ambiguous": Verdict("Ambiguous", "none", "none", 2),
    "disabled": Verdict("Disabled", "none", "none", 4),
}

CANNOT_SAY = Verdict("Cannot say", "fail", "crash", 0)

# Of the whole audit: the verdict, the words in the side column, and the answer if the record has none.
ANSWERS = {
    "pass": (Verdict("Yes", "pass", "pass", 6), "the gate passed", "Yes. All rules hold."),
    "warn": (Verdict("Yes", "fail", "warn", 1), "with warnings", "Yes, with warnings."),
    "fail": (Verdict("No", "fail", "fail", 0), "a rule is broken", "No. The policy is broken."),
    "inconclusive": (
        Verdict("Not decided", "open", "open", 2),
        "more data needed",
        "Not decided. The data do not suffice.",
    ),
    "error": (CANNOT_SAY, "the audit is incomplete", "Cannot say. The audit is incomplete."),
}
# A build that passes although rules could not be decided: a pass by policy is no answer to the question.
LET_PASS = (Verdict("Undecided", "open", "open", 2), "the policy lets it pass", "Undecided, and the policy lets it pass.")
# A build that fails although no rule is broken: some could not be decided or judged, and the policy counts that as a failure.
NONE_BROKEN = (ANSWERS["fail"][0], "not all rules could be judged", ANSWERS["fail"][2])

NOT_JUDGED = (Verdict("Measured", "none", "note", 5), "not judged", "Measured, not judged. The policy has no rules.")


def answer(record: raikit.Record) -> tuple[Verdict, str, str]:
    """Return the verdict of the audit, the words in the side column, and an answer in case the record has none."""
    if record.verdict in ("pass", "warn") and not record.gate.rules:
        return NOT_JUDGED
    if record.verdict == "warn" and any(rule.status == "inconclusive" for rule in record.gate.rules):
        return LET_PASS
    if record.verdict == "fail" and not any(rule.status == "fail" and rule.severity == "fail" for rule in record.gate.rules):
        return NONE_BROKEN
    return ANSWERS[record.verdict]


def of_rule(rule: raikit.Rule) -> Verdict:
    """Return the verdict of a rule; a broken rule of severity ``warn`` is a warning."""
    verdict = _RULES[rule.status]
    return WARN if verdict is FAIL and rule.severity == "warn" else verdict


def of_finding(finding: raikit.Finding, rules: list[raikit.Rule]) -> Verdict:
    """Return the worst verdict of the rules about a finding; without rules it is a warning at most."""
    if rules:
        return min((of_rule(rule) for rule in rules), key=lambda verdict: verdict.rank)
    return NOTE if finding.severity == "note" else WARN
