"""Which group lost against which, on the same rows where both runs hold them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from raikit import ConfigError, Margin, Margins, Record, stats
from raikit.run.reader import Run
from raikit.run.record import CheckRecord, DataRecord, Gate
from raikit.testing import result_of, table_context
from raikit_fairness.checks.groups import GroupMetrics
from raikit_fairness.estimates.run_comparison import covariance_of_counts

TPR, FPR, ODDS = "equal_opportunity_difference", "false_positive_rate_difference", "equalized_odds_difference"


def table(n=8000, seed=0):
    rng = np.random.default_rng(seed)
    y = (rng.random(n) < 0.5).astype(int)
    frame = pd.DataFrame({"id": np.arange(n), "sex": rng.choice(["F", "M", "X"], n), "target": y})
    frame["prediction"] = (rng.random(n) < np.where(y == 1, 0.8, 0.1)).astype(int)
    return frame


def changed(frame, group, share, *, truth=1, to=0, seed=1):
    """The same rows, where a share of a group's decisions turns out otherwise."""
    rng = np.random.default_rng(seed)
    hit = (frame.sex == group) & (frame.target == truth) & (rng.random(len(frame)) < share)
    return frame.assign(prediction=np.where(hit, to, frame.prediction))


def as_run(frame, folder, **roles):
    folder.mkdir()
    roles = {"sensitive": ["sex"], "classes": [0, 1], **roles}
    result = result_of(GroupMetrics, table_context(frame, folder=folder, **roles), draws=1000)
    for metric in result.metrics:
        metric.id = metric.address("fairness")
    data = DataRecord(task="binary", classes=[0, 1], positive=1, sensitive=roles["sensitive"],
                      cluster=list(roles.get("cluster", [])), weight=roles.get("weight"))
    check = CheckRecord(name="fairness.groups", pillar="fairness", plugin="raikit", status="ok", metrics=result.metrics)
    return Run(folder, Record(name="m", verdict="pass", gate=Gate(verdict="pass"), data=data, checks=[check]))


def compared(tmp_path, before, after, name=TPR, margin=0.0, test="moved", if_rows_differ="overlap", **roles):
    old, new = as_run(before, tmp_path / "old", **roles), as_run(after, tmp_path / "new", **roles)
    address = f"fairness.{name}[sex]"
    margins = Margins({address: Margin(margin, test)}, if_rows_differ)
    return next(iter(GroupMetrics(GroupMetrics.Options(draws=4000)).compare(new, old, margins)), None)


def test_the_group_that_lost_is_named_and_how_much(tmp_path):
    before = table()
    after = changed(before, "F", 0.1)
    comparison = compared(tmp_path, before, after)
    rate = {who: frame[frame.target == 1].groupby("sex").prediction.mean() for who, frame in (("b", before), ("a", after))}
    lost = (rate["b"] - rate["a"])["F"]
    assert comparison.paired
    assert comparison.p_value < 0.001
    assert comparison.loser.startswith("sex: F against ")
    assert comparison.value == pytest.approx(lost, abs=0.02)
    assert comparison.low > 0.03


@pytest.mark.parametrize(("share", "margin", "proven"), [(0.1, 0.02, True), (0.1, 0.2, False), (0.0, 0.0, False)])
def test_what_stays_within_the_margin_is_no_regression(tmp_path, share, margin, proven):
    comparison = compared(tmp_path, table(), changed(table(), "F", share), margin=margin)
    assert (comparison.p_value < 0.05) == proven


def test_a_closed_gap_is_no_regression(tmp_path):
    comparison = compared(tmp_path, changed(table(), "F", 0.15), table())
    assert comparison.p_value > 0.05


def test_more_false_positives_are_a_loss_in_odds_and_in_their_own_rate(tmp_path):
    after = changed(table(), "X", 0.1, truth=0, to=1)
    odds = compared(tmp_path, table(), after, ODDS)
    assert odds.p_value < 0.001
    assert odds.loser.startswith("sex: X against ")


def test_other_rows_are_compared_on_the_overlap_or_unpaired_or_refused(tmp_path):
    before, after = table(), changed(table(), "F", 0.15)
    some = after[after.id >= 2000]
    overlap = compared(tmp_path / "a", before, some) if (tmp_path / "a").mkdir() is None else None
    assert overlap.paired
    assert overlap.reason == "on the shared cases alone: 6,000 cases in both runs, of 8,000 in the baseline and 6,000 in the candidate"
    (tmp_path / "b").mkdir()
    unpaired = compared(tmp_path / "b", before, some, if_rows_differ="unpaired")
    assert not unpaired.paired
    assert unpaired.p_value > overlap.p_value
    (tmp_path / "c").mkdir()
    with pytest.raises(ConfigError, match="if_rows_differ refuses that"):
        compared(tmp_path / "c", before, some, if_rows_differ="refuse")


def test_rows_with_another_truth_are_other_data(tmp_path):
    after = table()
    after.loc[5, "target"] = 1 - after.loc[5, "target"]
    with pytest.raises(ConfigError, match="case 5 has a different target in the baseline"):
        compared(tmp_path, table(), after)


def test_small_groups_do_not_take_part(tmp_path):
    before = pd.concat([table(), table(20, 3).assign(sex="tiny", id=lambda t: t.id + 10**6)], ignore_index=True)
    comparison = compared(tmp_path, before, changed(before, "tiny", 1.0))
    assert comparison.p_value > 0.05


def test_clusters_widen_what_rows_alone_would_prove(tmp_path):
    rng = np.random.default_rng(0)
    before = table(4000).assign(home=lambda t: (rng.integers(0, 60, len(t)).astype(str)))
    before["sex"] = np.array(["F", "M", "X"])[before.home.astype(int) % 3]
    homes = rng.permutation(np.arange(0, 60, 3))[:3].astype(str)  # three homes of twenty lose everything
    hit = before.home.isin(homes) & (before.target == 1)
    after = before.assign(prediction=np.where(hit, 0, before.prediction))
    (tmp_path / "rows").mkdir()
    (tmp_path / "homes").mkdir()
    rows, homes = (compared(tmp_path / place, before, after, cluster=cluster)
                   for place, cluster in (("rows", []), ("homes", ["home"])))
    assert rows.p_value < 0.001 < 0.02 < homes.p_value


def test_a_calibration_error_is_left_to_the_harness(tmp_path):
    score = np.random.default_rng(0).random(8000)
    assert compared(tmp_path, table().assign(score=score), table().assign(score=score), "expected_calibration_error_difference") is None


def test_precision_on_the_same_cases_names_who_lost(tmp_path):
    before = table()
    after = changed(before, "F", 0.1, truth=0, to=1)
    comparison = compared(tmp_path, before, after, "precision_difference")
    value = {frame is after: frame[frame.prediction == 1].groupby("sex").target.mean() for frame in (before, after)}
    lost = value[False] - value[True]
    assert comparison.loser.startswith("sex: F against")
    assert comparison.value == pytest.approx(lost["F"] - lost[comparison.loser[-1]])
    assert comparison.paired
    assert 0 < comparison.low < comparison.value < comparison.high


@pytest.mark.parametrize("name", [TPR, ODDS, "f1_difference"])
def test_few_shared_cases_throw_no_others_away(tmp_path, name):
    before, after = table(), changed(table(seed=5), "F", 0.15, seed=6).assign(id=lambda t: t.id + 7960)
    after.loc[after.id < 8000, "target"] = before.loc[before.id >= 7960, "target"].to_numpy()
    comparison = compared(tmp_path, before, after, name)
    assert comparison.reason == "40 cases in both runs, of 8,000 in the baseline and 8,000 in the candidate"
    assert comparison.n > 3000
    assert comparison.p_value < 0.01


@pytest.mark.parametrize("margin", [0.0, 0.05, 0.2])
@pytest.mark.parametrize("name", [TPR, ODDS, "precision_difference", "f1_difference"])
@pytest.mark.parametrize("test", ["moved", "gap"])
def test_the_interval_is_beyond_the_margin_exactly_where_the_test_rejects(tmp_path, name, margin, test):
    before, after = table(2000), changed(table(2000), "F", 0.15)
    comparison = compared(tmp_path, before, after, name, margin, test)
    assert (comparison.low > margin) == (comparison.p_value <= 0.025)
    assert comparison.low <= comparison.value <= comparison.high


def test_counts_of_both_decisions_say_what_rows_say(tmp_path):
    rng = np.random.default_rng(0)
    group, a, b, rows = rng.integers(-1, 3, 500), rng.random(500) < 0.6, rng.random(500) < 0.5, rng.random(500) < 0.9
    for weight in (None, rng.integers(1, 4, 500).astype(float)):
        counted = covariance_of_counts(group, a & rows, b & rows, rows, weight, 3)
        by_row = stats.paired_covariance(a & rows, b & rows, rows, group, (), weight, groups=3)
        assert counted.rates == pytest.approx(by_row.rates)
        assert pytest.approx(by_row.M) == counted.M
