"""The rules for a report format (raikit.testing.contract.format_rules)."""

import os
import sys
from pathlib import Path

import pytest

from raikit.testing.contract import format_rules
from raikit.testing.contract.rule import run_rules


def write(record, folder):
    path = folder / "short.txt"
    path.write_text(record.verdict + "\n" + "\n".join(check.name for check in record.checks), encoding="utf-8")
    return [path]


def returning(value):
    def write_and_return(record, folder):
        write(record, folder)
        return value(folder) if callable(value) else value

    return write_and_return


def overwrites_the_record_file(record, folder):
    (folder / "audit.json").write_text("{}")
    return write(record, folder)


def changes_the_record(record, folder):
    record.name = "mine"
    return write(record, folder)


def trusts_text(record, folder):
    assert "<" not in record.checks[0].name + record.name
    return write(record, folder)


def writes_a_counter(record, folder, seen=[]):  # noqa: B006
    seen.append(1)
    (folder / "short.txt").write_text(str(len(seen)))
    return [folder / "short.txt"]


def changes_the_environment(record, folder):
    os.environ["RAIKIT_TEST"] = "1"
    return write(record, folder)


@pytest.mark.parametrize(
    ("writer", "rule", "message"),
    [
        (overwrites_the_record_file, "evidence", "it changed audit.json"),
        (changes_the_record, "evidence", "the record in memory"),
        (trusts_text, "any_record", "from an empty record: it raised IndexError"),
        (lambda record, folder: write(record, folder) if not record.checks else trusts_text(record, folder), "any_record", "hostile text: it raised AssertionError"),
        (writes_a_counter, "repeatable", "short.txt is different the second time"),
        (changes_the_environment, "global_state", "it changed the environment"),
    ],
)  # fmt: skip
def test_a_format_that_is_bad_in_one_way_breaks_that_rule_and_no_other(writer, rule, message, broken):
    assert broken(run_rules(format_rules.planned("short", write))) == {}
    reasons = broken(run_rules(format_rules.planned("short", writer)))
    assert set(reasons) == {rule}, reasons
    assert message in reasons[rule]


@pytest.mark.parametrize(
    ("writer", "message"),
    [
        (returning(None), "returned NoneType; return the list of the files"),
        (returning([]), "it wrote short.txt without returning it"),
        (returning(lambda folder: [folder / "short.txt", folder / "long.txt"]), "it returned long.txt, which does not exist"),
        (returning(lambda folder: [folder / "short.txt", Path(__file__)]), "outside the run's folder"),
        (lambda record, folder: sys.exit(3), "it raised SystemExit: 3"),
    ],
)
def test_a_format_that_does_not_return_what_it_wrote_fails_under_every_rule(writer, message, broken):
    assert message in broken(run_rules(format_rules.planned("short", writer)))["files"]
