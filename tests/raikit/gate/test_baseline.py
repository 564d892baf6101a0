"""Baselines: verified before they are believed; one file holds no rows and says when it was changed."""

from __future__ import annotations

import json

import pytest

from raikit.errors import ConfigError
from raikit.gate import baseline, baseline_file
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


def test_a_file_holds_what_regressions_compare_and_no_rows(finished, tmp_path):
    saved = baseline.save(finished, tmp_path / "b.json")
    opened = baseline.open_baseline(saved.path)
    whole = {metric.id: metric for _, metric in baseline.open_baseline(finished).record.metrics()}
    kept = {metric.id: metric for _, metric in opened.record.metrics()}
    gaps = {name for name, metric in whole.items() if "_difference" in name and metric.direction}
    assert gaps and gaps < set(kept) < set(whole)
    assert len(kept) == saved.metrics
    for name, metric in kept.items():
        assert metric.value == pytest.approx(whole[name].value, rel=1e-6)
        assert not metric.profile and any(each.profile for each in whole.values())
    content = json.loads(saved.path.read_text())
    assert content["counts"] == [] and "report" not in saved.path.read_text()
    assert opened.is_file
    again = baseline.save(finished, tmp_path / "again.json").path
    assert saved.path.read_bytes() == again.read_bytes(), "a diff shows what changed"
    assert sum(line.lstrip().startswith('{"') for line in saved.path.read_text().splitlines()) == len(kept), "a metric is a line"


def test_everything_and_the_counts_are_kept_on_request(finished, tmp_path):
    saved = baseline.save(finished, tmp_path / "b.json", suppress=0, everything=True)
    opened = baseline.open_baseline(saved.path)
    assert {metric.id for _, metric in opened.record.metrics()} == {
        metric.id for _, metric in baseline.open_baseline(finished).record.metrics()
    }
    assert sum(cell["rows"] for cell in opened.counts) == opened.record.data.splits["test"]
    assert saved.left_out == 0


def test_a_file_tells_nothing_about_groups_of_few_cases(finished, tmp_path):
    def sizes(**more):
        record = baseline.open_baseline(baseline.save(finished, tmp_path / f"{len(more)}.json", **more).path).record
        return [each.n for _, metric in record.metrics() for part in metric.ingredients if part.name for each in part.estimates]

    assert min(sizes()) < 120
    assert min(sizes(suppress=120), default=120) >= 120
    saved = baseline.save(finished, tmp_path / "120.json", suppress=120)
    assert 0 < saved.left_out <= saved.groups


@pytest.mark.parametrize(
    ("sizes", "kept"),
    [([50, 60], [0, 1]), ([5, 6, 60, 70], [2, 3]), ([5, 60, 50, 70], [1, 3]), ([5], []), ([50], [0]), ([5, 60], [])],
)
def test_a_single_small_group_does_not_follow_from_the_others(sizes, kept):
    assert baseline_file._kept(sizes, 10) == kept


def test_accepting_keeps_who_was_accepted_before_and_why(finished, tmp_path):
    path = baseline.save(finished, tmp_path / "b.json", suppress=5, reason="first").path
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
