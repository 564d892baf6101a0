"""`data.unit` and `data.labels` in everything that a person reads, and the codes of the data in everything that a machine reads."""

from __future__ import annotations

import html
import re

import numpy as np
import pandas as pd
import pytest
from journey import check_row, numbers, record, write_audit_yaml
from odd_plugin import odd_plugin

CHECKS = ("performance.classification", "performance.confusion_matrix", "performance.calibration", "fairness.groups",
          "fairness.impact_ratios", "fairness.thresholds", "fairness.search")  # fmt: skip
WORDS = {
    "sex": {"F": "Women", "M": "Men", None: "no answer"},
    "race": {"name": "ethnicity", "noun": "{} borrowers", "values": {"W": "White", "B": "Black"}},
    "y": {"name": "decision", "values": {0: "refused", 1: "approved"}},
    "home": "household",
}
GATE = {
    "rules": [
        {"metric": "fairness.selection_rate[sex=F]", "min": 0.6},
        {"metric": "fairness.demographic_parity_difference[race]", "max": 0.5},
        {"metric": "fairness.equal_opportunity_difference[sex]", "max": 0.01},
        {"metric": "performance.recall(class=1)", "min": 0.9},
    ]
}
FORMATS = ("report.html", "report.md", "comment.md", "junit.xml", "results.sarif")
# Addresses are codes wherever they stand, and so are fingerprints; the page's HTML breaks addresses.
ADDRESS = re.compile(r"\w+\.[\w<>.]+(?:\\?\([^)\s]*\))?(?:\\?\[[^\]]*\])?|\"raikit/v1\": \".*\"")
CODES = re.compile(r"\bsex: [FM]\b|\brace\b|\bhome\b|sex=|class [01]\b|predicted [01]\b|“[01]”|class = [01]\b|\btarget [01]\b")
# What checks say of themselves is about any cases.
CASES = re.compile(r"\d cases?\b|\b[Cc]ases with\b|(?<!than )\ball cases\b|\b(few|under \d+|% of|same) cases\b")


def loans(seed, harsh=0.0, rows=600):
    rng = np.random.default_rng(seed)
    sex, race = rng.choice(["F", "M", ""], rows, p=[0.45, 0.45, 0.1]), rng.choice(["W", "B"], rows, p=[0.6, 0.4])
    y = rng.integers(0, 2, rows)
    score = np.clip(0.25 + 0.5 * y + rng.normal(0, 0.2, rows) - harsh * (sex == "F"), 0.001, 0.999)
    yhat = (score > 0.5).astype(int)
    home = rng.integers(0, 250, rows)
    return pd.DataFrame({"i": np.arange(rows), "sex": sex, "race": race, "home": home, "y": y, "yhat": yhat, "score": score})


@pytest.fixture
def audited(tmp_path, raikit):
    def audited(out, *more, harsh=0.0, words=None, checks=CHECKS, code=None, environment=None, gate=GATE, **data):
        facts = {"id": "i", "sensitive": ["sex", "race"], "cluster": "home", "favourable": 1, **data}
        config = write_audit_yaml(
            tmp_path, loans(3, harsh), checks=checks, data={**facts, **({"labels": words} if words else {})}, gate=gate,
            model={"load": {"kind": "predictions", "prediction": "yhat", "score": "score"}},
        )  # fmt: skip
        return raikit("audit", config, "--out", out, "--formats", "html,json,md,junit,sarif,comment", *more, code=code,
                      **(environment or {}))  # fmt: skip

    return audited


def readable(text):
    """Return a text without addresses, scripts of the page and the configuration as it was read."""
    text = re.sub(r"<wbr>|<bdi>|</bdi>|<script.*?</script>|<summary>The configuration.*?</details>", "", text, flags=re.DOTALL)
    return html.unescape(ADDRESS.sub("ADDRESS", text))


def test_a_labelled_run_has_no_code_outside_addresses_in_any_format(audited, tmp_path, monkeypatch, raikit):
    audited("before", code=1)  # it has no labels: runs compare by codes
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    gate = {**GATE, "regressions": [{"metric": "fairness.selection_rate_difference", "margin": 0.02},
                                    {"metric": "fairness.demographic_parity_difference[sex]", "margin": 0.02}]}  # fmt: skip
    ran = audited("run", "--baseline", "before", harsh=0.2, words=WORDS, unit="applicant", gate=gate, code=1)
    run = tmp_path / "run"
    written = {name: (run / name).read_text(encoding="utf-8") for name in FORMATS}
    written |= {"summary.md": (tmp_path / "summary.md").read_text(encoding="utf-8"), "terminal": ran.printed}
    written["compare"] = raikit("compare", "before", "run", code=0).out
    for name, text in written.items():
        plain = readable(text)
        assert not (found := CODES.search(plain)), f"{name}: {plain[max(0, found.start() - 80) : found.end() + 40]}"
        assert not (found := CASES.search(plain)), f"{name}: {plain[max(0, found.start() - 80) : found.end() + 40]}"
        assert "Women" in plain and "applicants" in plain, name
    for name in ("report.html", "report.md"):
        text = readable(written[name])
        for words in ("Women are labelled “approved” le", "ethnicity", "approved",
                      "Women lost", "no answer"):  # fmt: skip  (least often, or less often than Men)
            assert words in text, f"{name}: {words}"
    assert "households" in readable(written["report.html"])


def test_the_record_keeps_codes_and_the_words_once(audited, tmp_path):
    audited("plain", code=1)
    audited("run", words=WORDS, unit={"one": "person", "many": "people"}, code=1)
    plain, labelled = record(tmp_path / "plain"), record(tmp_path / "run")
    assert labelled["data"]["labels"]["values"]["sex"] == {"F": "Women", "M": "Men"}
    assert labelled["data"]["labels"]["unit"] == ["person", "people"]
    assert numbers(tmp_path / "plain").keys() == numbers(tmp_path / "run").keys()
    texts = ("title", "reason", "flags", "method", "excluded_reason", "judged")
    for one, other in zip(plain["checks"], labelled["checks"], strict=True):
        assert [{k: v for k, v in m.items() if k not in texts} for m in one["metrics"]] == [
            {k: v for k, v in m.items() if k not in texts} for m in other["metrics"]]  # fmt: skip


def test_reports_are_written_again_in_the_words_of_the_run(audited, tmp_path, raikit):
    audited("run", harsh=0.3, words=WORDS, unit="applicant", checks=("fairness.groups",), gate={}, code=0)
    before = (tmp_path / "run" / "report.md").read_text()
    raikit("report", "run", "--formats", "md", code=0)
    assert (tmp_path / "run" / "report.md").read_text() == before
    assert "Women" in before


def test_a_check_of_another_distribution_writes_in_the_same_words(audited, tmp_path, install):
    body = """
from raikit.format import cases, class_text, group_text
assert ctx.labels.columns == {"race": "ethnicity", "y": "decision", "home": "household"}
assert group_text(["sex", "race"], {"sex": None, "race": "B"}) == "sex: no answer, ethnicity: Black"
assert (cases(2), class_text(ctx.positive)) == ("2 applicants", "approved")"""
    environment = install(odd_plugin("; ".join(body.strip().splitlines())))
    audited("run", words=WORDS, unit="applicant", checks=("odd.one",), gate={}, code=0, environment=environment)
    assert check_row(tmp_path / "run", "odd.one")["status"] == "ok"


def test_hostile_labels_do_nothing_in_any_format(audited, tmp_path):
    attack = '<script>alert(1)</script>|[x](javascript:y) & "Women"'
    words = {"sex": {"F": attack, "M": "::error::x"}, "y": {"name": "<b>decision</b>", "values": {1: "{positive} {0} %s"}}}
    audited("run", words=words, unit="<i>loan</i>", code=1)
    run = tmp_path / "run"
    page = (run / "report.html").read_text(encoding="utf-8")
    assert "<script>alert(1)" not in page and "<b>decision" not in page and "<i>loan" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert "{positive} {0} %s" in page
    for name in ("report.md", "comment.md"):
        text = (run / name).read_text(encoding="utf-8")
        assert "<script>" not in text and "](javascript:y)" not in text.replace("\\]", "").replace("&#", "")
