"""Samples that lm-evaluation-harness wrote (../logs/write_lm_eval.py): the numbers are those in its results."""

import json
import shutil
from pathlib import Path

import pytest

from raikit.data.tables import read_table
from raikit.errors import DataError

LOGS = Path(__file__).parents[1] / "logs"
BEFORE, AFTER = LOGS / "lm_eval_before", LOGS / "lm_eval_after"


def results(folder):
    return json.loads(next(folder.glob("results_*.json")).read_text())["results"]


def samples(folder, task):
    return next(folder.glob(f"samples_{task}_*.jsonl"))


@pytest.mark.parametrize("folder", [BEFORE, AFTER])
def test_the_means_of_scores_are_the_results_of_the_tool(folder):
    capitals, sums = (read_table(samples(folder, task)) for task in ("capitals", "sums"))
    of_capitals, of_sums = results(folder)["capitals"], results(folder)["sums"]
    assert capitals["score.acc"].mean() == of_capitals["acc,none"]
    assert capitals["score.acc_norm"].mean() == of_capitals["acc_norm,none"]
    assert sums["score.exact_match.strict"].mean() == of_sums["exact_match,strict"]
    assert sums["score.exact_match.flexible"].mean() == of_sums["exact_match,flexible"]
    assert capitals["correct"].mean() == of_capitals["acc,none"]  # the first scorer


def test_the_columns_are_those_of_the_documents():
    table = read_table(samples(BEFORE, "capitals"))
    assert list(table) == [
        "id", "task", "model", "sample", "epoch", "target", "answer", "ideal", "correct", "score.acc", "score.acc_norm",
        "country", "metadata.answer", "region", "area",
    ]  # fmt: skip
    assert set(table["task"]) == {"capitals"} and set(table["model"]) == {"example/look-up"}
    assert ((table["target"] == table["answer"]) == table["correct"]).all()
    assert table.attrs["left_out"] == {"choices": "lists or mappings"}


def test_two_runs_have_the_same_ids():
    ids = [read_table(samples(folder, "sums"))["id"].tolist() for folder in (BEFORE, AFTER)]
    assert ids[0] == ids[1] and len(set(ids[0])) == 24
    assert ids[0][0] == "sums/0:6405fd88"  # with the beginning of doc_hash


def test_a_folder_of_tasks_is_one_table():
    table = read_table(BEFORE)
    assert table["task"].value_counts().to_dict() == {"capitals": 30, "sums": 24}
    assert table["id"].is_unique and table["sample"].is_unique
    assert table["correct"].notna().all()
    assert table.attrs["correct"] == {"capitals": "acc", "sums": "exact_match.strict"}
    assert table["metadata.answer"].dtype == "str"  # numbers in one task, text in the other


def test_a_folder_with_two_runs_of_a_task_is_refused(tmp_path):
    for folder in (BEFORE, AFTER):
        shutil.copyfile(samples(folder, "sums"), tmp_path / samples(folder, "sums").name)
    with pytest.raises(DataError, match=r": two logs hold 'sums/0:6405fd88'; name the log or the folder of one run of the task\.$"):
        read_table(tmp_path)


def test_results_without_samples_name_the_file_that_is_needed():
    with pytest.raises(DataError, match=r"holds aggregated results.*samples_TASK_\*\.jsonl.*--log_samples\.$"):
        read_table(next(BEFORE.glob("results_*.json")))


def test_lines_that_are_damaged_are_named(tmp_path):
    lines = samples(BEFORE, "sums").read_text().splitlines()
    path = tmp_path / "samples_sums.jsonl"
    for damage, problem in [
        (lines[1][:50], "line 2 is not valid JSON; the log is damaged."),
        ("[]", "line 2 is no JSON object; the log is damaged."),
        ("{}", "line 2 is not what lm_eval writes; the log is damaged."),
        (lines[0], "line 2: document 0 occurs twice; keep the lines of one run."),
    ]:
        path.write_text("\n".join([lines[0], damage, *lines[2:]]))
        with pytest.raises(DataError) as error:
            read_table(path)
        assert str(error.value).startswith("samples_sums.jsonl, ") and str(error.value).endswith(problem)


def test_a_metric_that_is_a_list_is_left_out(tmp_path):
    line = {"doc_id": 0, "doc": {"a": 2**70}, "target": ["x", "y"], "arguments": {}, "filtered_resps": ["z"], "metrics": ["bleu", "acc"]}
    path = tmp_path / "samples_t.jsonl"
    path.write_text("\n".join(json.dumps(line | {"doc_id": i, "bleu": ["x", "y"], "acc": i % 2}) for i in range(4)))
    table = read_table(path)
    assert table.attrs["left_out"] == {"score.bleu": "not a number in every row"}
    assert table["correct"].tolist() == [False, True, False, True]
    assert table["a"].tolist() == [str(2**70)] * 4  # an integer that no column can hold
    assert table["target"].tolist() == ['["x", "y"]'] * 4
