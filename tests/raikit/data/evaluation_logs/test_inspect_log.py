"""Logs that Inspect wrote (../logs/write_inspect.py): the numbers are those that Inspect computed."""

import json
import zipfile
from pathlib import Path

import pytest

from raikit.data.tables import column_names, read_table
from raikit.errors import DataError

LOGS = Path(__file__).parents[1] / "logs"
BEFORE, AFTER, SMALL = LOGS / "inspect_before.eval", LOGS / "inspect_after.eval", LOGS / "inspect_small.json"


@pytest.fixture
def archive(tmp_path):
    """Write an archive as older versions of Inspect did, without zstd."""

    def archive(members, name="old.eval"):
        with zipfile.ZipFile(tmp_path / name, "w", zipfile.ZIP_DEFLATED) as written:
            for member, content in members.items():
                written.writestr(member, content if isinstance(content, bytes) else json.dumps(content))
        return tmp_path / name

    return archive


def sample(id, epoch=1, value="C", **others):
    return {"id": id, "epoch": epoch, "target": "t", "metadata": {}, "scores": {"match": {"value": value, "answer": "a"}}, **others}


HEADER = {"version": 2, "status": "success", "eval": {"task": "task", "model": "model"}}


def test_the_share_of_correct_answers_is_the_accuracy_that_inspect_computed():
    table = read_table(BEFORE)
    assert len(table) == 96
    assert table["correct"].mean() == 0.75  # results.scores[0].metrics.accuracy of the log
    assert table["score.includes"].mean() == 0.75
    assert table["ideal"].all()


def test_the_columns_are_those_of_the_samples():
    table = read_table(BEFORE)
    assert list(table) == [
        "id", "task", "model", "sample", "epoch", "target", "answer", "ideal", "correct", "score.includes", "score.brevity",
        "language", "digits", "reviewed", "metadata.score",
    ]  # fmt: skip
    first = table.iloc[1]
    assert (first["id"], first["sample"], first["epoch"]) == ("sums/sum-01/1", "sums/sum-01", 1)
    assert (first["task"], first["model"], first["language"]) == ("sums", "mockllm/model", "French")
    assert first["answer"] == f"it is {first['target']}" and first["correct"]
    assert table["id"].is_unique and table["sample"].nunique() == 48
    assert table.attrs["left_out"] == {"tags": "lists or mappings"}
    assert table.attrs["correct"] == {"sums": "includes"}


def test_an_answer_that_ended_in_an_error_is_left_out_and_a_note_says_so():
    table = read_table(AFTER)
    assert len(table) == 95
    assert table.attrs["notes"] == ["inspect_after.eval: 1 of 96 answers have no score and are left out."]
    assert set(read_table(BEFORE)["id"]) - set(table["id"]) == {"sums/sum-11/1"}


def test_a_log_in_json_is_the_same_table():
    table = read_table(SMALL)
    assert list(table) == column_names(BEFORE) == column_names(SMALL)
    assert len(table) == 15 and table["sample"].nunique() == 8
    # Inspect first takes the mean over the epochs of each sample; one sample has only one.
    (scores, _) = json.loads(SMALL.read_text())["results"]["scores"]
    assert table.groupby("sample")["correct"].mean().mean() == scores["metrics"]["accuracy"]["value"]
    assert list(read_table(SMALL, ["correct", "id"])) == ["correct", "id"]


def test_samples_are_read_where_summaries_hold_no_metadata(archive):
    members = {f"samples/{i}_epoch_1.json": sample(i, metadata={"sex": "F"}, value="CI"[i % 2]) for i in range(3)}
    path = archive({"header.json": HEADER, "summaries.json": [{"id": 0, "epoch": 1}], **members})
    table = read_table(path)
    assert table["correct"].tolist() == [True, False, True]
    assert table["sex"].tolist() == ["F"] * 3
    assert table["id"].tolist() == ["task/0/1", "task/1/1", "task/2/1"]


def test_values_of_scores_are_read_as_inspect_reads_them(archive):
    values = ["C", "I", "P", "N", "yes", "0.25", True, 3]
    members = {f"samples/{i}_epoch_1.json": sample(i, value=value) for i, value in enumerate(values)}
    table = read_table(archive({"header.json": HEADER, **members}))
    assert table["score.match"].tolist() == [1, 0, 0.5, 0, 1, 0.25, 1, 3]
    assert "correct" not in table


def test_an_answer_that_ends_inside_a_character_and_huge_scores_are_read(archive):
    scores = {"match": {"value": "C", "answer": "\ud83d"}, "count": {"value": 10**400}, "rate": {"value": float("nan")}}
    members = {"samples/a.json": sample(1, scores=scores), "samples/b.json": sample(2, scores=scores | {"rate": {"value": 0.5}})}
    table = read_table(archive({"header.json": HEADER, **members}))
    assert table["answer"].tolist() == ["?", "?"]
    assert table["score.count"].tolist() == [float("inf")] * 2
    assert table["score.rate"].isna().tolist() == [True, False]


def test_a_scorer_with_several_values_has_a_column_for_each_and_text_is_left_out(archive):
    value = {"safe": "C", "grade": "good", "level": 0.5}
    table = read_table(archive({"header.json": HEADER, "samples/a.json": sample(1, value=value)}))
    assert table["score.match.safe"].tolist() == [1] and table["score.match.level"].tolist() == [0.5]
    assert table.attrs["left_out"] == {"score.match.grade": "not a number in every row"}


def test_a_run_that_did_not_end_is_read_with_a_note(archive):
    table = read_table(archive({"_journal/start.json": HEADER | {"status": "started"}, "samples/a.json": sample(1)}))
    assert table.attrs["notes"] == ["old.eval: the evaluation did not end well (status started)."]


@pytest.mark.parametrize(
    ("members", "problem"),
    [
        ({"header.json": HEADER}, "old.eval holds no samples; Inspect leaves them out with --no-log-samples."),
        ({"other.txt": b"x"}, "old.eval is no log of Inspect, or is damaged."),
        ({"header.json": b"{", "samples/a.json": sample(1)}, "old.eval: header.json is not valid JSON; the log is damaged."),
        ({"header.json": [1]}, "old.eval is no log of Inspect, or is damaged."),
        ({"header.json": HEADER, "samples/a.json": [1]}, "old.eval: a sample is not what Inspect writes; the log is damaged."),
        ({"header.json": HEADER, "samples/a.json": sample(1, scores={"a": 1})}, "old.eval: a sample is not what Inspect writes"),
        ({"header.json": HEADER, "samples/a.json": sample(1, scores={"a": {}})}, "old.eval: no answer has a score."),
        ({"header.json": HEADER, "samples/a.json": sample(1, epoch="1")}, "old.eval: a sample is not what Inspect writes"),
        ({"header.json": HEADER, "samples/a.json": sample(1, epoch=True)}, "old.eval: a sample is not what Inspect writes"),
        ({"header.json": HEADER, "samples/a.json": sample(1, epoch=2**70)}, "old.eval: a sample is not what Inspect writes"),
        ({"header.json": HEADER, "samples/a.json": b"[" * 100_000}, "old.eval: samples/a.json has more than the 100 levels"),
    ],
)
def test_a_log_that_cannot_be_used_is_one_sentence(archive, members, problem):
    with pytest.raises(DataError) as error:
        read_table(archive(members))
    assert str(error.value).startswith(problem)


def test_a_log_without_samples_in_json_says_so(tmp_path):
    (tmp_path / "header.json").write_text(json.dumps(HEADER))
    with pytest.raises(DataError, match="holds no samples"):
        read_table(tmp_path / "header.json")


def test_every_cut_of_an_archive_is_one_sentence(tmp_path):
    content = BEFORE.read_bytes()
    for length in range(0, len(content), 7_001):
        (tmp_path / "cut.eval").write_bytes(content[:length])
        with pytest.raises(DataError, match=r"^cut\.eval is [^\n]*\.$"):
            read_table(tmp_path / "cut.eval")


def test_damage_inside_an_archive_is_one_sentence(tmp_path):
    content = bytearray(BEFORE.read_bytes())
    with zipfile.ZipFile(BEFORE) as archive:
        at = archive.getinfo("summaries.json").header_offset
    content[at + 60 : at + 400] = bytes(340)
    (tmp_path / "bad.eval").write_bytes(content)
    with pytest.raises(DataError, match=r"^bad\.eval is no log of Inspect, or is damaged\.$"):
        read_table(tmp_path / "bad.eval")


def test_a_field_whose_name_is_taken_in_the_table_or_in_a_run_is_called_metadata(archive):
    fields = {"split": "a", "Prediction": "b", "target.x": "c", "score.y": "d", "id": "e", "sex": "f"}
    table = read_table(archive({"header.json": HEADER, "samples/a.json": sample(1, metadata=fields)}))
    assert list(table)[10:] == ["metadata.split", "metadata.Prediction", "metadata.target.x", "metadata.score.y", "metadata.id", "sex"]


@pytest.mark.parametrize("names", [["split", "metadata.split"], ["metadata.split", "split"]])
def test_a_field_that_is_called_metadata_already_keeps_its_name(archive, names):
    fields = {name: f"of {name}" for name in names}
    table = read_table(archive({"header.json": HEADER, "samples/a.json": sample(1, metadata=fields)}))
    assert table["metadata.split"].tolist() == ["of metadata.split"]
    assert table["metadata.metadata.split"].tolist() == ["of split"]
