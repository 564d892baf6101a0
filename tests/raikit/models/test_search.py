"""A search proposes the same trials whether or not it was interrupted, and chooses by objective and limits."""

import math
import os
import sqlite3

import pytest

from raikit.config.training import SearchSettings
from raikit.errors import ModelError
from raikit.models.search import Trial, choose, run_search

RANGES = {"rate": {"low": 1e-4, "high": 1e-1, "log": True}, "width": {"low": 8, "high": 64, "step": 8}, "kind": ["a", "b", None]}
GAP = "fairness.gap[sex]"


def search(**more):
    return SearchSettings.model_validate({"trials": 14, "ranges": RANGES} | more)


def measure(settings, seen=None, stop_at=None):
    """A trial is good near a rate of 0.01; its gap is large above that."""

    def evaluate(trial, earlier):
        assert [one.number for one in earlier] == list(range(1, trial.number))
        if trial.number == stop_at:
            raise KeyboardInterrupt
        if seen is not None:
            seen.append(trial.number)
        rate = trial.values["rate"]
        if rate > 0.08:
            return trial.measured(settings, None, {GAP: None})
        return trial.measured(settings, abs(math.log10(rate) + 2), {GAP: rate * 10})

    return evaluate


def test_values_are_of_their_ranges_and_trials_concentrate_where_they_are_good(tmp_path):
    settings = search(trials=30)
    outcome = run_search(settings, measure(settings), tmp_path / "is it? 100%", 3)
    assert [trial.number for trial in outcome.trials] == list(range(1, 31))
    for trial in outcome.trials:
        assert 1e-4 <= trial.values["rate"] <= 1e-1
        assert trial.values["width"] in range(8, 65, 8)
        assert trial.values["kind"] in ("a", "b", None)
    first, last = outcome.trials[:12], outcome.trials[-12:]
    assert _mean(last) < _mean(first) / 2
    assert outcome.chosen.objective == min(trial.objective for trial in outcome.trials if trial.objective is not None)


def _mean(trials):
    known = [trial.objective for trial in trials if trial.objective is not None]
    return sum(known) / len(known)


def test_an_interrupted_search_tries_what_the_other_tries(tmp_path):
    settings = search(limits=[{"metric": GAP, "max": 0.05}])
    whole = run_search(settings, measure(settings), tmp_path / "one", 7)
    seen = []
    for stop in (3, 12):
        with pytest.raises(KeyboardInterrupt):
            run_search(settings, measure(settings, seen, stop), tmp_path / "two", 7)
    resumed = run_search(settings, measure(settings, seen), tmp_path / "two", 7)
    assert resumed == whole
    assert seen == list(range(1, 15))  # none was measured twice
    assert run_search(settings, measure(settings), tmp_path / "three", 8).trials != whole.trials


def test_limits_decide_before_the_objective(tmp_path):
    settings = search(trials=25, limits=[{"metric": GAP, "max": 0.05}])
    outcome = run_search(settings, measure(settings), tmp_path / "trials", 1)
    kept = [trial for trial in outcome.trials if trial.keeps_limits]
    assert all(trial.limits[GAP] <= 0.05 for trial in kept)
    assert 0 < len(kept) < 25
    assert outcome.chosen.objective == min(trial.objective for trial in kept)
    record = outcome.to_dict()
    assert record["chosen"] == outcome.chosen.number
    assert record["limits"] == [{"metric": GAP, "max": 0.05}]
    assert record["objective"] == "validation loss"


def _trial(number, objective, gap, settings):
    return Trial(number, {}).measured(settings, objective, {GAP: gap})


def test_without_a_trial_that_keeps_the_limits_the_one_that_exceeds_them_least_is_chosen():
    settings = search(maximise="performance.accuracy", limits=[{"metric": GAP, "max": 0.1}])
    trials = [_trial(1, 0.9, 0.4, settings), _trial(2, 0.6, 0.2, settings), _trial(3, 0.7, 0.2, settings), _trial(4, 0.8, None, settings)]
    assert choose(settings, trials).number == 3
    assert not choose(settings, trials).keeps_limits
    assert choose(settings, [*trials, _trial(5, 0.5, 0.1, settings)]).number == 5


def test_a_high_objective_can_be_the_aim_and_a_value_can_have_a_minimum():
    settings = search(maximise="performance.accuracy", limits=[{"metric": GAP, "min": 0.8}])
    assert choose(settings, [_trial(1, 0.9, 0.7, settings), _trial(2, 0.5, 0.9, settings), _trial(3, 0.6, 0.8, settings)]).number == 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"trials": 0}, "greater than or equal to 1"),
        ({"ranges": {}}, "at least 1 item"),
        ({"ranges": {"rate": {"low": 2, "high": 1}}}, "`low` must be less than `high`, and 2 is not less than 1"),
        ({"ranges": {"rate": {"low": 0, "high": 1, "log": True}}}, "`low` must be above 0"),
        ({"ranges": {"rate": []}}, "at least 1 item"),
        ({"minimise": "a.b", "maximise": "a.c"}, "either `minimise` or `maximise`"),
        ({"limits": [{"metric": "a.b"}]}, "either `max` or `min`"),
        ({"limits": [{"metric": "a.b", "max": float("nan")}]}, "finite"),
    ],
)
def test_a_search_that_makes_no_sense_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        search(**change)


@pytest.mark.parametrize(
    ("tried", "says"),
    [
        ({"low": 1, "high": 10**18}, "beyond 2\\^53"),
        ({"low": 1.0, "high": 1e99, "log": True}, "beyond 2\\^53"),
        ({"low": 0.0, "high": 1.0, "step": 1e-99}, "more than 1,000,000 numbers"),
    ],
)
def test_ranges_that_no_search_can_try_are_refused(tried, says):
    with pytest.raises(ValueError, match=says):
        search(ranges={"epochs": tried})


def sql(*commands):
    def change(file):
        with sqlite3.connect(file) as connection:
            for command in commands:
                connection.execute(command)

    return change


def ended(value):
    return sql(f"UPDATE trial_user_attributes SET value_json = '{value}' WHERE key = 'ended'")


HOSTILE = {
    "bytes": lambda file: file.write_bytes(b"x" * 5000),
    "a pipe": lambda file: (file.unlink(), os.mkfifo(file)),
    "a link": lambda file: file.symlink_to(file.rename(file.with_suffix(".elsewhere"))),
    "a folder": lambda file: (file.unlink(), file.mkdir()),
    "a version that is not known": sql("UPDATE alembic_version SET version_num = 'v99'"),
    "a state that there is not": sql("UPDATE trials SET state = 'x'"),
    "a time that is none": sql("UPDATE trials SET datetime_start = 'x'"),
    "a kind of values that there is not": sql("""UPDATE trial_params SET distribution_json = '{"name": "X", "attributes": {}}'"""),
    "values of another list": sql("UPDATE trial_params SET distribution_json = replace(distribution_json, '\"b\"', '\"/etc/passwd\"')",
                                  "UPDATE trial_params SET param_value = 1 WHERE param_name = 'kind'"),
    "values out of range": sql("UPDATE trial_params SET param_value = -1 WHERE param_name = 'rate'"),
    "another setting": sql("UPDATE trial_params SET param_name = 'base' WHERE param_name = 'width'"),
    "a measurement that is a text": ended('{"objective": "x", "limits": {}}'),
    "a measurement that is not finite": ended('{"objective": -Infinity, "limits": {}}'),
    "a measurement without limits": ended('{"objective": 1}'),
    "a measurement that is none": ended('"x"'),
    "a measurement that is deep": ended("[" * 100_000),
}  # fmt: skip


@pytest.mark.parametrize("what", HOSTILE)
def test_a_file_of_trials_is_refused_that_holds(what, tmp_path):
    few, more = search(trials=3), search(trials=4)
    run_search(few, measure(few), tmp_path / "trials", 3)
    HOSTILE[what](tmp_path / "trials")
    with pytest.raises(ModelError, match="trials holds no trials of this search, or was changed") as refused:
        run_search(more, measure(more), tmp_path / "trials", 3)
    assert "\n" not in str(refused.value)
