"""``results.sarif``: SARIF 2.1.0, for code scanning and other tools that collect findings.

A result is something to act on: broken, undecided, waived and unmeasured rules, crashes, and warnings that no rule covers.
The identity of a result (rule id, fingerprint) has no number, so that the same problem is the same alert in the next run.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import raikit
from raikit.files import write_text
from raikit_reports.outcomes import Crash, Outcome, RuleOutcome, crashes, family_note, in_policy_order
from raikit_reports.texts import beside, clean, flat, sentence

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
NOTHING_RAN = 5
RESULTS_SHOWN = 5000  # code scanning shows at most these
TEXT_LONG = 2000

_LEVELS: dict[Outcome, str] = {
    "fail": "error", "crash": "error", "warn": "warning", "open": "warning", "accepted": "note", "waived": "note",
}  # fmt: skip
_WORDS: dict[Outcome, str] = {
    "fail": "Broken", "crash": "Not measured", "warn": "Warning", "open": "Inconclusive", "accepted": "Inconclusive",
    "waived": "Waived",
}  # fmt: skip

_TOLD = ("worth_knowing", "undecided")

Json = dict[str, Any]


def write(record: raikit.Record, folder: Path) -> list[Path]:
    """Write the results into `folder`."""
    text = json.dumps(log(record), ensure_ascii=False, allow_nan=False, indent=1)
    return [write_text(folder / "results.sarif", text + "\n")]


def log(record: raikit.Record) -> Json:
    """Return the whole file as a JSON object."""
    rules = in_policy_order(record)
    lost = list(crashes(record))
    results = [*_rules(rules), *_crashes(lost), *_findings(record)]
    results.sort(key=lambda result: ("error", "warning", "note").index(result["level"]))
    _place(results, record.provenance.config_path)
    run = {
        "tool": {"driver": _driver(record, rules, results)},
        "automationDetails": {"id": f"raikit/{_id(record.name)}/{_id(record.provenance.run_id)}"},
        "invocations": [_invocation(record, lost, len(results))],
        "columnKind": "unicodeCodePoints",
        "results": results[:RESULTS_SHOWN],
    }
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def message(text: object) -> Json:
    """Write a text as a SARIF message, in which braces are placeholders and ``[…](…)`` is a link.

    Examples
    --------
    >>> message("{0} [a](b)")
    {'text': '{{0}} [a] (b)'}
    """
    written = clean(text).strip()[:TEXT_LONG].replace("{", "{{").replace("}", "}}")
    return {"text": re.sub(r"\]\(", "] (", written) or "(empty)"}


def rule_id(rule: raikit.Rule) -> str:
    """Return a stable, readable id: the kind and the metric's name, without groups, arguments and limits.

    Examples
    --------
    >>> rule_id(raikit.Rule(id="", sentence="", metric="fairness.f1_difference[sex]", status="pass"))
    'raikit/rule/fairness.f1_difference'
    """
    return f"raikit/{rule.kind}/{_id(_name(rule.metric))}"


def _name(address: str) -> str:
    try:
        return raikit.address.parse(address).name
    except raikit.RaikitError:  # a pattern that nothing matched
        return re.split(r"[(\[]", address, maxsplit=1)[0]


def _id(text: str) -> str:
    return re.sub(r"[^\w.*-]+", "_", flat(text, 200)) or "_"


def _rules(rules: list[RuleOutcome]) -> Iterator[Json]:
    """Yield the rules that do not pass. All are numbered, so that a verdict does not change a fingerprint."""
    for item, identity in zip(rules, _numbered([_identity(item) for item in rules]), strict=True):
        if item.outcome == "pass":
            continue
        rule = item.row.rule
        text = f"{_WORDS[item.outcome]}: {item.headline} {' '.join(item.facts())}"
        result = _result(rule_id(rule), _LEVELS[item.outcome], text, identity, rule.metric)
        result["properties"] = {"status": rule.status, **_numbers(rule)}
        if item.outcome == "waived":
            result["suppressions"] = [
                {"kind": "external", "status": "accepted", "justification": clean(item.row.waiver)[:TEXT_LONG]}
            ]
        yield result


def _identity(item: RuleOutcome) -> str:
    return " | ".join([item.row.rule.kind, item.row.rule.pattern, item.row.rule.metric])


def _numbered(names: list[str]) -> list[str]:
    """Make names unique by numbers that are the same in every run."""
    seen: Counter[str] = Counter()
    unique = []
    for name in names:
        seen[name] += 1
        unique.append(f"{name} #{seen[name]}" if seen[name] > 1 else name)
    return unique


def _numbers(rule: raikit.Rule) -> Json:
    names = ("value", "low", "high", "level", "n", "limit", "bound", "baseline", "rows_needed", "rows_low", "rows_high")
    return {name: value for name in names if (value := getattr(rule, name)) is not None}


def _crashes(lost: list[Crash]) -> Iterator[Json]:
    identities = _numbered([f"{crash.kind} | {crash.name}" for crash in lost])
    for crash, identity in zip(lost, identities, strict=True):
        level = "warning" if crash.allowed else "error"
        yield _result(f"raikit/{crash.kind}/{_id(crash.name)}", level, sentence(crash.sentence), identity)


def _findings(record: raikit.Record) -> Iterator[Json]:
    """Yield what checks found that no rule covers and a person should act on."""
    checks = {check.name: check for check in record.checks}
    told = [one for one in raikit.statements(record) if one.rule is None and one.finding is not None and one.kind in _TOLD]
    identities = _numbered([f"finding | {one.check} | {_about(one.finding)}" for one in told if one.finding is not None])
    for one, identity in zip(told, identities, strict=True):
        text = " ".join([sentence(one.headline), sentence(one.evidence), beside(checks.get(one.check))])
        address = one.finding.metrics[0] if one.finding is not None and one.finding.metrics else ""
        level = "warning" if one.kind == "worth_knowing" else "note"
        yield _result(f"raikit/finding/{_id(one.check)}", level, text, identity, address)


def _about(finding: raikit.Finding) -> str:
    """Identify a finding by anything but its sentence, which contains numbers."""
    about = finding.metrics or [finding.what, finding.who]
    return " | ".join([*about, json.dumps(finding.group, sort_keys=True) if finding.group else ""])


def _result(id: str, level: str, text: str, identity: str, address: str = "") -> Json:
    """Write a result.

    Code scanning uses one fingerprint only, the hash of a line. Without it, it takes the line that the result refers to,
    which is the same for all results here.
    """
    digest = hashlib.sha256(clean(f"{id} {identity}").encode()).hexdigest()
    return {
        "ruleId": id,
        "level": level,
        "message": message(text),
        "locations": [{"logicalLocations": [{"fullyQualifiedName": clean(address)}]} if address else {}],
        "partialFingerprints": {"raikit/v1": clean(identity), "primaryLocationLineHash": f"{digest[:16]}:1"},
    }


def _place(results: list[Json], config: str) -> None:
    """Set the place of all results to the configuration, where a pull request can change a rule."""
    path = clean(config).replace("\\", "/").lstrip("/") or "audit.yaml"
    for result in results:
        result["locations"][0]["physicalLocation"] = {
            "artifactLocation": {"uri": quote(path, safe="/")},
            "region": {"startLine": 1},
        }


_KINDS = {"check": "A check crashed", "plugin": "A plugin could not be loaded", "finding": "A check warns"}


def _driver(record: raikit.Record, rules: list[RuleOutcome], results: list[Json]) -> Json:
    """Describe the tool, all rules of the policy, and all ids of results."""
    described: dict[str, Json] = {}
    for item in rules:
        rule, id = item.row.rule, rule_id(item.row.rule)
        level = "warning" if rule.severity == "warn" else "error"
        described.setdefault(id, _descriptor(id, _name(rule.metric), rule.sentence, level))
    for result in results:
        _, kind, name = result["ruleId"].split("/", 2)
        text = f"{_KINDS.get(kind, 'A rule')}: {name}"
        described.setdefault(result["ruleId"], _descriptor(result["ruleId"], name, text, result["level"]))
    places = {id: place for place, id in enumerate(described)}
    for result in results:
        result["ruleIndex"] = places[result["ruleId"]]
    version = record.provenance.versions.get("raikit", raikit.__version__)
    return {"name": "raikit", "version": clean(version), "rules": list(described.values())}


def _descriptor(id: str, name: str, text: str, level: str) -> Json:
    return {
        "id": id,
        "name": flat(name, 200) or "(empty)",
        "shortDescription": message(flat(text, 200)),
        "fullDescription": message(text),
        "help": message("The report of the run shows the measurement, its interval, its method and its groups."),
        "defaultConfiguration": {"level": level},
        "properties": {"tags": ["responsible-ai", id.split("/")[1]]},
    }


def _invocation(record: raikit.Record, lost: list[Crash], results: int) -> Json:
    notifications = [
        {"level": "warning" if crash.allowed else "error", "message": message(crash.sentence)} for crash in lost
    ]
    notifications += [{"level": "warning", "message": message(warning)} for warning in record.gate.warnings]
    if record.gate.family is not None:
        notifications.append({"level": "note", "message": message(family_note(record))})
    if results > RESULTS_SHOWN:
        text = f"{results - RESULTS_SHOWN} more results are in the record; these are the worst."
        notifications.append({"level": "warning", "message": message(text)})
    return {
        "executionSuccessful": all(crash.allowed for crash in lost) and record.gate.exit_code != NOTHING_RAN,
        "exitCode": record.gate.exit_code,
        "exitCodeDescription": flat(record.summary.answer, 400),
        "toolExecutionNotifications": notifications,
    }
