import json
from xml.etree import ElementTree

import pytest
import raikit
from raikit.testing import check_conformance

import raikit_badge
from raikit_badge.badge import WORDS, message, write

SPACE = "{http://www.w3.org/2000/svg}"


def record(verdict="pass", statuses=("pass",), **fields):
    rules = [
        {"id": f"rule-{at}", "sentence": "…", "metric": "mine.rate", "status": status}
        for at, status in enumerate(statuses)
    ]
    gate = {"verdict": verdict, "rules": rules}
    return raikit.Record(name="example", verdict=verdict, gate=gate, **fields)


def test_the_plugin_keeps_the_contract():
    check_conformance(raikit_badge)


@pytest.mark.parametrize("verdict", sorted(WORDS))
def test_every_verdict_has_a_badge(verdict, tmp_path):
    svg, shield = write(record(verdict), tmp_path)
    assert sorted(tmp_path.iterdir()) == sorted([svg, shield])
    texts = [text.text for text in ElementTree.parse(svg).iter(f"{SPACE}text")]
    assert texts == ["audit", f"{WORDS[verdict][0]}, 1 of 1 rules"]
    content = json.loads(shield.read_text("utf-8"))
    assert (content["schemaVersion"], content["message"]) == (1, texts[1])
    assert content["isError"] == (verdict == "error")


def test_it_counts_the_rules_that_hold():
    statuses = ["pass", "waived", "fail", "inconclusive", "missing"]
    assert message(record("fail", statuses)) == "failed, 2 of 5 rules"
    assert message(record("pass", [])) == "passed, no rules"


def test_a_hostile_answer_stays_text(tmp_path):
    hostile = '</title><script>alert("x")</script>'
    svg, _ = write(record(summary={"answer": f"\0\x1b\ud800{hostile}"}), tmp_path)
    root = ElementTree.parse(svg).getroot()
    assert root.find(f"{SPACE}title").text == f"example:    {hostile}"
    assert root.find(f".//{SPACE}script") is None
