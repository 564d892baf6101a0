"""Baselines: verified before they are believed; one file holds no rows and says when it was changed."""

from __future__ import annotations

import json

import pytest

from raikit.errors import ConfigError
from raikit.gate import baseline
from raikit.run.record import DataRecord


@pytest.fixture
def finished(tmp_path, raikit_run):
    return raikit_run(tmp_path / "run")


def test_a_run_is_verified_before_it_is_a_baseline(finished):
    assert baseline.open_baseline(finished).record.name == "people"
    with (finished / "report.md").open("a") as stream:
        stream.write("x")
    with pytest.raises(ConfigError, match=r"it was changed after it was written: report\.md was changed"):
        baseline.open_baseline(finished)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("no json", "it was not written by `raikit baseline save`"),
        ("[]", "it was not written by `raikit baseline save`"),
        ('{"raikit_baseline": 9}', "its version is 9; this version of raikit reads 1"),
        ('{"raikit_baseline": 1, "record": {}, "sha256": "0"}', "it was changed after it was written"),
    ],
)
def test_what_is_no_baseline_is_refused_in_a_sentence(tmp_path, content, says):
    (tmp_path / "b.json").write_text(content)
    with pytest.raises(ConfigError, match=says):
        baseline.open_baseline(tmp_path / "b.json")
    with pytest.raises(ConfigError, match="baseline"):
        baseline.open_baseline(tmp_path / "nothing")


def test_a_file_holds_measurements_and_counts_and_no_rows(finished, tmp_path):
    path = baseline.save(finished, tmp_path / "b.json")
    opened = baseline.open_baseline(path)
    whole = {metric.id: metric for _, metric in baseline.open_baseline(finished).record.metrics()}
    kept = {metric.id: metric for _, metric in opened.record.metrics()}
    assert kept == {name: metric.model_copy(update={"profile": None}) for name, metric in whole.items()}
    assert any(metric.profile for metric in whole.values()), "what is left out was there"
    content = json.loads(path.read_text())
    assert sum(cell["rows"] for cell in content["counts"]) == opened.record.data.splits["test"]
    assert "report" not in path.read_text()
    assert opened.is_file
    assert path.read_bytes() == baseline.save(finished, tmp_path / "again.json").read_bytes(), "a diff shows what changed"


def test_small_groups_are_no_ingredients_on_request(finished, tmp_path):
    def sizes(**more):
        record = baseline.open_baseline(baseline.save(finished, tmp_path / f"{len(more)}.json", **more)).record
        return [each.n for _, metric in record.metrics() for part in metric.ingredients for each in part.estimates]

    assert min(sizes()) < 120 <= min(sizes(suppress=120))


def test_small_counts_are_left_out_on_request(finished, tmp_path):
    content = json.loads(baseline.save(finished, tmp_path / "b.json", suppress=40).read_text())
    assert content["suppressed_below"] == 40
    assert all(cell["rows"] >= 40 for cell in content["counts"])


def test_accepting_keeps_who_was_accepted_before_and_why(finished, tmp_path):
    path = baseline.save(finished, tmp_path / "b.json", suppress=5, reason="first")
    baseline.accept(finished, path, "retrained, reviewed by Ann")
    content = json.loads(path.read_text())
    assert [entry["reason"] for entry in content["accepted"]] == ["first", "retrained, reviewed by Ann"]
    with pytest.raises(ConfigError, match="already exists; `raikit baseline accept` updates it"):
        baseline.save(finished, path)
    with pytest.raises(ConfigError, match="--reason: state why"):
        baseline.accept(finished, path, "  ")
    with pytest.raises(ConfigError, match="no such file; create it with `raikit baseline save`"):
        baseline.accept(finished, tmp_path / "other.json", "reviewed")
    assert content["suppressed_below"] == 5


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"task": "multiclass"}, "has task 'binary', the candidate has 'multiclass'; use runs with the same task"),
        ({"classes": [0, 2]}, r"has classes \[0, 1\], the candidate has \[0, 2\]; use runs with the same classes"),
        ({"positive": 0}, "has positive class 1, the candidate has 0; use runs with the same positive class"),
    ],
)
def test_runs_that_answer_different_questions_are_not_compared(changes, says):
    data = {"task": "binary", "classes": [0, 1], "positive": 1}
    with pytest.raises(ConfigError, match=says):
        baseline.refuse_another_task(DataRecord(**data | changes), DataRecord(**data))
