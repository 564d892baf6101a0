"""`checks.thresholds`, with `estimates.threshold_sweep`: rates are Fairlearn's, and no improvement is claimed without proof."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from fairlearn import metrics as fl
from scipy.stats import norm
from sklearn.metrics import accuracy_score, roc_curve

from raikit.address import Pattern
from raikit.testing import result_of, table_context
from raikit_fairness.checks.groups import GroupMetrics
from raikit_fairness.checks.thresholds import Thresholds
from raikit_fairness.estimates import threshold_sweep
from raikit_fairness.estimates.case_counts import read_cases
from raikit_fairness.estimates.group_estimates import Draws
from raikit_fairness.report import threshold_figures
from raikit_fairness.settings import IntervalSettings

ORACLE = {
    "selection_rate": fl.selection_rate, "true_positive_rate": fl.true_positive_rate,
    "false_positive_rate": fl.false_positive_rate, "accuracy": accuracy_score,
}
SETTINGS = IntervalSettings(0.95, 2000, 30)


def scored(n=900, shift=0.0, seed=0, threshold=0.5, noise=1.0):
    """Scores of two groups; those of positives of F are lower by `shift` on the logit scale."""
    rng = np.random.default_rng(seed)
    sex, y = np.where(rng.random(n) < 0.5, "F", "M"), rng.integers(0, 2, n)
    logit = 3.0 * y - 1.5 - shift * ((sex == "F") & (y == 1)) + noise * rng.normal(size=n)
    score = 1 / (1 + np.exp(-logit))
    return pd.DataFrame({"sex": sex, "target": y, "score": score, "prediction": (score >= threshold).astype(int),
                         "race": rng.choice(["a", "b", None], n), "w": rng.integers(1, 5, n).astype(float)})


def swept(table, thresholds=11, settings=SETTINGS, **roles):
    ctx = table_context(table, sensitive=["sex", "race"], classes=[0, 1], **roles)
    rows = read_cases(ctx, 1, 500)
    grid = threshold_sweep.build_grid(rows, 1, thresholds)
    feature = grid.cells.features[0]
    draws = Draws(0, feature.columns, settings.draws)
    return grid, feature, list(threshold_sweep.sweep(grid, feature, settings, draws, range(len(grid.thresholds)))), draws


@pytest.mark.parametrize("weight", [None, "w"])
@pytest.mark.parametrize("cluster", [(), ("race",)])
def test_rates_of_groups_at_every_threshold_are_fairlearns(weight, cluster):
    table = scored(300, 1.0)
    grid, feature, points, _ = swept(table, weight=weight, cluster=cluster)
    assert len(grid.thresholds) >= 10
    for point in points:
        for at, (sex,) in enumerate(feature.groups):
            rows = table[table["sex"] == sex]
            keep = {"sample_weight": rows["w"]} if weight else {}
            decided = (rows["score"] >= grid.thresholds[point.threshold]).astype(int)
            assert point.rates.value[at] == pytest.approx(ORACLE[point.measure](rows["target"], decided, **keep))


def test_without_clusters_alike_rows_are_counted_together_and_with_them_none_is_lost():
    table = scored(4000)
    counted, rowwise = swept(table)[0], swept(table.assign(person=np.arange(4000).astype(str)), cluster=["person"])[0]
    assert len(counted.cells) < 400
    assert counted.cells.n.sum() == 4000
    for at in range(len(counted.thresholds)):
        loss, other = counted.loss(at, 0.95), rowwise.loss(at, 0.95)
        assert (loss.value, loss.n) == (pytest.approx(other.value), other.n)
        assert loss.high == pytest.approx(other.high, abs=0.002)


@pytest.mark.parametrize("threshold", [0.5, 0.2, 0.93])
def test_the_present_threshold_is_read_off_scores_and_decisions(threshold):
    table = scored(threshold=threshold)
    result = result_of(Thresholds, table_context(table, sensitive=["sex"], classes=[0, 1]), draws=1000)
    metrics = next(metric for metric in result.metrics if metric.name == "decision_threshold")
    assert metrics.value == table.loc[table["prediction"] == 1, "score"].min()
    row = next(row for row in result.tables[0].rows if row[2] == "now")
    assert row[5] == 0
    assert row[3] == pytest.approx(table["prediction"].mean())


def test_decisions_that_no_threshold_gives_have_none():
    table = scored()
    table.loc[table["sex"] == "F", "prediction"] = (table["score"] >= 0.3).astype(int)
    result = result_of(Thresholds, table_context(table, sensitive=["sex"], classes=[0, 1]), draws=1000)
    assert "no single threshold" in result.metrics[0].reason
    assert not any(row[2] for row in result.tables[0].rows)
    assert threshold_sweep.current_threshold(np.array([0.2, 0.7]), np.array([True, True])) is None


def test_gaps_at_the_present_threshold_are_those_of_the_groups_check():
    table = scored(1500, 1.0)
    ctx = table_context(table, sensitive=["sex"], classes=[0, 1])
    result = result_of(Thresholds, ctx, draws=20_000)
    groups = {metric.id: metric for metric in result_of(GroupMetrics, ctx, draws=20_000).metrics}
    row = next(row for row in result.tables[0].rows if row[2] == "now")
    for at, name in enumerate(("demographic_parity", "equal_opportunity", "false_positive_rate", "accuracy")):
        gap = groups[f"fairness.{name}_difference[sex]"]
        value, low, high = row[8 + 3 * at : 11 + 3 * at]
        assert (value, high) == (pytest.approx(gap.value), pytest.approx(gap.high))
        assert low == pytest.approx(gap.low, abs=0.004)


def test_rows_of_shared_clusters_make_gaps_less_certain():
    rng = np.random.default_rng(1)
    table = scored(2000)
    person = rng.integers(0, 60, 2000)
    table["person"], table["sex"] = person.astype(str), np.where(person % 2, "F", "M")
    logit = np.log(table["score"] / (1 - table["score"])) + 1.5 * rng.normal(size=60)[person]
    table["score"] = 1 / (1 + np.exp(-logit))
    table["prediction"] = (table["score"] >= 0.5).astype(int)
    plain, clustered = swept(table)[2], swept(table, cluster=["person"])[2]
    wider = [two.gap.high - two.gap.low > one.gap.high - one.gap.low for one, two in zip(plain, clustered, strict=True)
             if one.gap and two.gap and 0.1 < two.rates.overall < 0.9]
    assert np.mean(wider) > 0.8


def test_a_threshold_that_closes_a_gap_at_no_loss_is_found_and_named():
    """Positives of F score between 0.3 and 0.45, all other positives above 0.6, negatives below 0.2."""
    rng = np.random.default_rng(0)
    sex, y = rng.choice(["F", "M"], 4000), rng.integers(0, 2, 4000)
    score = np.where(y == 0, rng.uniform(0, 0.2, 4000), np.where(sex == "F", rng.uniform(0.3, 0.45, 4000), rng.uniform(0.6, 1, 4000)))
    table = pd.DataFrame({"sex": sex, "target": y, "score": score, "prediction": (score >= 0.5).astype(int)})
    result = result_of(Thresholds, table_context(table, sensitive=["sex"], classes=[0, 1]), draws=2000)
    sentence = result.findings[0].sentence
    assert "would bring the largest gap in true positive rate over sex from 100.0 percentage points" in sentence
    assert result.findings[0].certainty.startswith("sure")


def test_groups_that_are_alike_are_not_told_to_be_better_off_elsewhere():
    claims = 0
    for seed in range(20):
        grid, feature, points, draws = swept(scored(600, 0.0, seed))
        claims += bool(threshold_sweep.find_improvements(grid, feature, points, SETTINGS, draws, 1.0))
    assert claims <= 2


def test_a_loss_of_accuracy_that_is_not_bearable_is_no_offer():
    table = scored(3000, 2.0)
    grid, feature, points, draws = swept(table)
    everything = threshold_sweep.find_improvements(grid, feature, points, SETTINGS, draws, 1.0)
    bearable = threshold_sweep.find_improvements(grid, feature, points, SETTINGS, draws, 0.02)
    assert len(bearable) < len(everything)
    assert all(one.loss.high <= 0.02 for one in bearable)
    assert all(one.then.high < one.now.low for one in everything)


def test_true_positive_rates_at_a_false_positive_rate_are_covered():
    """Normal scores, so that the truth is known; the grid makes intervals wide, never wrong."""
    truth, missed = norm.sf(norm.isf(0.1) - 1.5), 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        y = rng.integers(0, 2, 500)
        score = norm.cdf(rng.normal(size=500) + 1.5 * y - 0.75)
        table = pd.DataFrame({"sex": rng.choice(["F", "M"], 500), "race": "a", "target": y, "score": score,
                              "prediction": (score >= 0.5).astype(int)})
        points = swept(table, 21)[2]
        value, low, high = threshold_sweep.RocLimits.from_points(points, 0.95).tpr_at(0.1, 0)
        assert low <= value <= high
        missed += not low <= truth <= high
    assert missed <= 5


def test_the_drawn_roc_lies_on_scikit_learns():
    table = scored(500)
    rows = read_cases(table_context(table, sensitive=["sex"], classes=[0, 1]), 1, 500)
    curve = threshold_figures.roc_curve(rows, np.ones(500, dtype=bool), rows.truth == 1)
    fpr, tpr, _ = roc_curve(table["target"], table["score"], drop_intermediate=False)
    known = set(zip(fpr.round(4), tpr.round(4), strict=True))
    assert set(curve) <= known
    assert (curve[0], curve[-1]) == ((0, 0), (1, 1))


def test_a_group_with_one_class_has_no_roc_and_says_so():
    table = scored(400)
    table.loc[:40, "sex"] = "X"
    table.loc[:40, "target"] = 0
    result = result_of(Thresholds, table_context(table, sensitive=["sex"], classes=[0, 1]), draws=1000)
    metrics = {metric.id: metric for metric in result.metrics}
    assert metrics["fairness.tpr_at_fpr(fpr=0.05)[sex=X]"].reason == "a class is missing in sex: X"
    assert metrics["fairness.tpr_at_fpr(fpr=0.05)[sex=F]"].value is not None


def test_figures_are_drawn_and_addresses_are_declared():
    from raikit_reports.page.figures import render, safe_spec

    table = scored(400)
    table.loc[:5, "sex"] = None
    table["sex"] = table["sex"].replace({"F": "<b>F'\"|\\"})
    result = result_of(Thresholds, table_context(table, sensitive=["sex", "race"], classes=[0, 1]), draws=1000)
    assert len(result.figures) == 6
    for figure in result.figures:
        assert render(safe_spec(figure), "x").svg is not None
        assert "bind" not in str(figure.spec)
        assert "#" not in str(figure.spec)
    patterns = [Pattern(pattern) for pattern in Thresholds.produces]
    assert all(any(pattern.matches(metric.id) for pattern in patterns) for metric in result.metrics)
    drawn = {figure.id for figure in result.figures}
    assert all(set(finding.figures) <= drawn for finding in result.findings)


@pytest.mark.parametrize("weight", [None, "w"])
def test_the_figure_has_what_turns_rates_into_costs(weight):
    table = scored(400)
    result = result_of(Thresholds, table_context(table, sensitive=["sex"], classes=[0, 1], weight=weight), draws=1000, thresholds=5)
    data = [row for row in result.figures[0].data if row["side"] == "rate by group"]
    for sex, part in table.groupby("sex"):
        rows = [row for row in data if row["group"] == sex]
        share = np.average(part["target"], weights=part["w"] if weight else None)
        assert {row["n"] for row in rows} == {len(part)}
        assert [row["positive"] for row in rows] == pytest.approx([share] * len(rows), abs=1e-4)


def test_many_groups_draw_the_largest_only():
    table = scored(3000)
    table["sex"] = np.random.default_rng(0).integers(0, 40, 3000).astype(str)
    result = result_of(Thresholds, table_context(table, sensitive=["sex"], classes=[0, 1]), draws=1000, thresholds=5)
    assert len({row["group"] for row in result.figures[2].data}) == threshold_figures.MOST_PANELS
    assert "the 12 largest of 40 groups" in result.figures[2].subtitle


def test_the_same_seed_gives_the_same_result():
    table = scored(300, 1.0)
    one, two = (result_of(Thresholds, table_context(table, sensitive=["sex"], classes=[0, 1], seed=3), draws=1000) for _ in range(2))
    assert one == two
