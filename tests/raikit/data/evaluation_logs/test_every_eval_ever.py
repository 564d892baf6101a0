"""Records that the converters of Every Eval Ever wrote (../logs/write_every_eval_ever.py), from the other tools' logs."""

import json
from pathlib import Path

import pytest

from raikit.data.tables import read_table
from raikit.errors import DataError

LOGS = Path(__file__).parents[1] / "logs"


def record(sample, score, **others):
    """Return a record as version 0.2 of the schema has it."""
    return {
        "schema_version": "instance_level_eval_0.2.1", "evaluation_id": "e/m/1", "model_id": "m/m", "evaluation_name": "gsm8k",
        "sample_id": sample, "interaction_type": "single_turn", "input": {"raw": "q", "reference": ["1", "one"]},
        "output": {"raw": ["a"]}, "answer_attribution": [], "evaluation": {"score": score, "is_correct": score > 0}, **others,
    }  # fmt: skip


def write(path, *records):
    path.write_text("\n".join(map(json.dumps, records)))
    return path


def test_records_of_lm_eval_have_the_scores_of_its_own_samples():
    records = read_table(LOGS / "eee_lm_eval_before_samples.jsonl")
    samples = read_table(next((LOGS / "lm_eval_before").glob("samples_sums_*.jsonl")))
    assert len(records) == len(samples) == 24
    assert records["score.exact_match:strict"].tolist() == samples["score.exact_match.strict"].tolist()
    assert records["score.exact_match:flexible"].tolist() == samples["score.exact_match.flexible"].tolist()
    assert records["target"].tolist() == samples["target"].tolist()
    assert records["id"].is_unique


def test_two_runs_have_the_same_ids():
    first, second = (read_table(LOGS / f"eee_lm_eval_{run}_samples.jsonl") for run in ("before", "after"))
    assert first["id"].tolist() == second["id"].tolist()


def test_epochs_of_inspect_are_rows_and_an_error_is_no_score():
    records, log = read_table(LOGS / "eee_inspect_samples.jsonl"), read_table(LOGS / "inspect_small.json")
    assert len(records) == len(log) == 15
    assert records["epoch"].tolist() == log["epoch"].tolist()
    assert records.attrs["notes"] == ["eee_inspect_samples.jsonl: 1 of 16 answers have no score and are left out."]


def test_what_a_converter_calls_correct_is_no_score():
    """The converter calls an answer correct whose mean over epochs is more than 0, so that nearly all would be."""
    records, log = read_table(LOGS / "eee_inspect_samples.jsonl"), read_table(LOGS / "inspect_small.json")
    assert records["is_correct.brevity:mean"].all()
    assert "correct" not in records
    assert records["score.includes:accuracy"].mean() == pytest.approx(log["correct"].mean())


def test_records_of_version_0_2_have_one_score_and_repeats_are_epochs(tmp_path):
    rows = [record("a", 1.0, metadata={"subject": "maths"}), record("b", 0.0, metadata={"subject": "law"}), record("a", 0.0)]
    table = read_table(write(tmp_path / "x_samples.jsonl", *rows))
    assert table["correct"].tolist() == [True, False, False]
    assert table["id"].tolist() == ["gsm8k/a/1", "gsm8k/b/1", "gsm8k/a/2"]
    assert table["subject"].tolist()[:2] == ["maths", "law"] and table["subject"].isna().tolist() == [False, False, True]
    assert table["target"].tolist() == ['["1", "one"]'] * 3
    assert table["answer"].tolist() == ["a"] * 3


def test_a_record_that_is_damaged_is_named(tmp_path):
    path = write(tmp_path / "x_samples.jsonl", record("a", 1.0), record("b", 1.0, evaluation=3))
    with pytest.raises(DataError, match=r"^x_samples\.jsonl, line 2 is not a record of Every Eval Ever; the log is damaged\.$"):
        read_table(path)


def test_aggregated_results_name_the_file_that_is_needed(tmp_path):
    (tmp_path / "x.json").write_text(json.dumps({"schema_version": "0.3.0", "evaluation_id": "e", "evaluation_results": []}))
    with pytest.raises(DataError, match=r"holds aggregated results.*_samples\.jsonl\.$"):
        read_table(tmp_path / "x.json")


def test_a_folder_with_the_aggregated_results_is_that_of_the_samples(tmp_path):
    write(tmp_path / "x_samples.jsonl", record("a", 1.0), record("b", 0.0))
    (tmp_path / "x.json").write_text("{}")
    assert len(read_table(tmp_path)) == 2
