"""From a table that raikit has never seen to an audit: what init cannot know stops the audit until a person says it."""

import numpy as np
import pandas as pd
from journey import people, record


def loans(rows=400):
    rng = np.random.default_rng(5)
    approve = rng.integers(0, 2, rows)
    return pd.DataFrame(
        {
            "amount": rng.integers(20, 500, rows) + 200 * approve,
            "white": rng.integers(0, 2, rows),
            "reject": 1 - approve,
            "approve": approve,
        }
    )


def test_a_question_stops_the_audit_until_it_is_answered(raikit, tmp_path):
    loans().to_csv(tmp_path / "loans.csv", index=False)
    written = raikit("init", "loans.csv", code=0)
    assert "Question: data.target: approve or reject" in written.err
    assert "Wrote audit.yaml. Answer its 2 questions, then: raikit audit audit.yaml" in written.out
    for command in (("audit", "audit.yaml", "--out", "run"), ("audit", "audit.yaml", "--dry-run")):
        refused = raikit(*command, code=2)
        assert refused.err == (
            'raikit: audit.yaml, line 11: data.target is an open question; in place of "?" write approve or reject. '
            "data.inputs.table.columns.1 waits for an answer, too.\n"
        )
    assert not (tmp_path / "run").exists()
    raikit("init", "loans.csv", "--target", "approve", "--out", "answered.yaml", code=0)
    assert "nearly tells 'approve' (AUC 1.00)" in (tmp_path / "answered.yaml").read_text("utf-8")
    done = raikit(
        "audit", "answered.yaml", "--out", "run", "--select", "performance.classification", "--set", "gate={rules: []}"
    )
    assert done.code in (0, 1, 4), done.printed
    data = record(tmp_path / "run")["data"]
    assert (data["target"], data["sensitive"]) == ("approve", ["white"])
    assert data["inputs"] == [{"name": "table", "modality": "tabular", "columns": ["amount"]}]


def test_an_unknown_target_is_one_sentence(raikit, tmp_path):
    loans().to_csv(tmp_path / "loans.csv", index=False)
    refused = raikit("init", "loans.csv", "--target", "aprove", code=2)
    assert refused.err.startswith("raikit: no column 'aprove' in loans.csv. Did you mean 'approve'?")
    assert not (tmp_path / "audit.yaml").exists()


def test_groups_that_are_written_in_two_ways_are_named_on_the_terminal_and_in_the_report(raikit, audit_yaml, tmp_path):
    table = people()
    table.loc[table.index[:5], "sex"] = " F "
    config = audit_yaml(table=table)
    told = "sex: 'F' and ' F ' differ only in spaces, yet each is a group of its own; write them alike if they mean the same."
    told_either_way = (told, told.replace("'F' and ' F '", "' F ' and 'F'"))
    done = raikit("audit", config, "--out", "run", "--select", "performance.classification")
    assert any(f"Note: {sentence}" in done.err for sentence in told_either_way)
    assert any(sentence in record(tmp_path / "run")["data"]["notes"] for sentence in told_either_way)
    assert any(sentence in raikit("audit", config, "--dry-run", code=0).out for sentence in told_either_way)
