"""`checks.groups`, with `estimates` and `report.group_*`: uncertainty, small groups, clusters, weights and names."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import raikit
from raikit import address, stats
from raikit.address import Pattern
from raikit.errors import ConfigError, DataError
from raikit.naming import using
from raikit.testing import result_of, table_context
from raikit_fairness import assess
from raikit_fairness.checks.groups import GroupMetrics
from raikit_fairness.checks.impact import ImpactRatios
from raikit_fairness.estimates.case_counts import count_cells
from raikit_fairness.estimates.disparities import GapEstimator, odds_disparities
from raikit_fairness.estimates.group_estimates import Draws
from raikit_fairness.estimates.rates import class_rates
from raikit_fairness.settings import IntervalSettings


def audit(table, sensitive=("sex",), *, options=None, **roles):
    roles = {"classes": [0, 1], **roles}
    result = result_of(GroupMetrics, table_context(table, sensitive=sensitive, **roles), **{"draws": 2000, **(options or {})})
    return {metric.id: metric for metric in result.metrics}, result


def rows_with(rates, n, column="sex", seed=0, positive=0.5):
    """A table in which groups are missed at these rates, as exactly as whole numbers allow."""
    parts = []
    for group, missed in rates.items():
        size = n[group] if isinstance(n, dict) else n
        positives = int(size * positive)
        hit = np.arange(positives) >= round(missed * positives)
        parts.append(pd.DataFrame({column: group, "target": [1] * positives + [0] * (size - positives),
                                   "prediction": [*hit.astype(int), *([0] * (size - positives))]}))
    return pd.concat(parts, ignore_index=True).sample(frac=1, random_state=seed).reset_index(drop=True)


def clustered(effect, seed=0, n=3000, voices=48, pictures=150, accents=6):
    """Rows of crossed voices and pictures; all accents alike, voices and pictures are not."""
    rng = np.random.default_rng(seed)
    voice, picture = rng.integers(0, voices, n), rng.integers(0, pictures, n)
    logit = -1.4 + effect * rng.normal(size=voices)[voice] + effect / 2 * rng.normal(size=pictures)[picture]
    missed = rng.random(n) < 1 / (1 + np.exp(-logit))
    return pd.DataFrame({"accent": (voice % accents).astype(str), "voice": voice.astype(str),
                         "picture": picture.astype(str), "target": 1, "prediction": 1 - missed.astype(int)})


def test_a_gap_is_the_procedure_of_raikit_stats_on_the_counts():
    table = rows_with({"F": 0.3, "M": 0.1, "X": 0.12}, 400)
    gap = audit(table, options={"draws": 20_000})[0]["fairness.equal_opportunity_difference[sex]"]
    oracle = stats.gap([140, 180, 176], [200] * 3, rng=np.random.default_rng(1))
    assert gap.value == pytest.approx(0.2)
    assert gap.low == pytest.approx(oracle.low, abs=0.003)
    assert gap.high == pytest.approx(oracle.high)
    assert gap.simultaneous
    assert gap.p_value < 0.001
    assert gap.n == 600


def test_rows_of_shared_clusters_give_false_alarms_only_if_taken_for_independent():
    alarms = {(): 0, ("voice", "picture"): 0}
    for seed in range(8):
        table = clustered(1.0, seed)
        for cluster in alarms:
            gap = audit(table, ["accent"], cluster=cluster)[0]["fairness.demographic_parity_difference[accent]"]
            alarms[cluster] += gap.low > 0
    assert alarms[()] >= 5
    assert alarms["voice", "picture"] <= 1


def test_clustered_intervals_are_wider_and_count_their_clusters():
    table = clustered(1.0)
    naive, robust = (audit(table, ["accent"], cluster=c)[0]["fairness.selection_rate[accent=0]"]
                     for c in ((), ("voice", "picture")))
    assert robust.value == pytest.approx(naive.value)
    assert robust.high - robust.low > 1.8 * (naive.high - naive.low)
    assert robust.n_clusters == 8
    assert robust.effective_n < robust.n / 3
    table = audit(clustered(1.0), ["accent"], cluster=("voice", "picture"))[1].tables[0]
    effective = [column.name for column in table.columns].index("effective")
    assert table.rows[0][effective] == round(robust.effective_n)


def test_a_group_of_few_clusters_is_marked_and_cannot_decide():
    table = clustered(0.5, accents=12)
    metrics, result = audit(table, ["accent"], cluster=["voice", "picture"])
    assert metrics["fairness.selection_rate[accent=3]"].flags == ["few_clusters"]
    assert metrics["fairness.demographic_parity_difference[accent]"].flags == ["few_clusters"]
    assert all(finding.severity == "note" for finding in result.findings)


def test_a_small_group_is_shown_and_marked_and_a_pass_is_judged_without_it():
    table = rows_with({"F": 0.1, "M": 0.12, "tiny": 0.8}, {"F": 2000, "M": 2000, "tiny": 10})
    metrics, result = audit(table)
    gap = metrics["fairness.equal_opportunity_difference[sex]"]
    assert gap.value == pytest.approx(0.7)
    assert gap.judged.value == pytest.approx(0.02)
    assert gap.judged.left_out == ["sex: tiny"]
    assert gap.judged.high < 0.1 < gap.high
    assert metrics["fairness.true_positive_rate[sex=tiny]"].flags == ["small_group"]
    assert all("tiny" not in finding.sentence for finding in result.findings)


def test_an_undefined_rate_names_its_group_and_the_gap_says_what_it_covers():
    table = rows_with({"F": 0.1, "M": 0.3}, 200)
    only_negative = pd.DataFrame({"sex": "N", "target": [0] * 50, "prediction": [0] * 50})
    metrics, _ = audit(pd.concat([table, only_negative], ignore_index=True))
    assert metrics["fairness.false_negative_rate[sex=N]"].value is None
    assert metrics["fairness.false_positive_rate[sex=N]"].value == 0
    for name in ("equal_opportunity_difference", "equalized_odds_difference", "false_negative_rate_ratio"):
        assert metrics[f"fairness.{name}[sex]"].excluded == ["sex: N"]
    assert metrics["fairness.false_positive_rate_ratio[sex]"].reason.endswith("so the ratio is 0 / 0")
    assert metrics["fairness.equal_opportunity_difference[sex]"].value == pytest.approx(0.2)


def test_missing_values_are_a_group_of_their_own_and_not_the_text_null():
    table = rows_with({"null": 0.1, "F": 0.3}, 100)
    table.loc[table.index[:60], "sex"] = None
    metrics, _ = audit(table)
    assert metrics["fairness.count[sex=null]"].value == 60
    assert metrics['fairness.count[sex="null"]'].group == {"sex": "null"}
    assert metrics["fairness.count[sex=null]"].group == {"sex": None}
    assert sum(metrics[f"fairness.count[sex={g}]"].value for g in ("null", '"null"', "F")) == 200


def test_hostile_names_of_groups_and_columns_round_trip():
    names = ["", " ", "a,b=[c]", '"q"', "*|\\", "\u202eabc", "😀", "x" * 10_000, "x" * 9_999 + "y", "null", "“”", "(missing)", "{positive}", "datum['a']"]
    column = 'se"x, = ]'
    table = rows_with(dict.fromkeys(names, 0.2), 40, column=column)
    metrics, result = audit(table, [column])
    groups = {metric.group[column] for metric in metrics.values() if metric.group}
    assert groups == set(names)
    for id, metric in metrics.items():
        parsed = address.parse(id)
        assert list(parsed.over) == metric.over
        assert dict(parsed.group) == (metric.group or {})
    json.dumps([figure.spec for figure in result.figures])
    labels = [row["label"] for row in result.figures[0].data]
    assert len(set(labels)) == len(names)
    crossed = audit(table.assign(coin=np.arange(len(table)) % 2), [column, "coin"])[1].figures[-1]
    assert len({(row["down"], row["across"]) for row in crossed.data}) == 2 * len(names)


def test_the_scale_of_weights_changes_nothing_and_weights_widen():
    rng = np.random.default_rng(0)
    table = rows_with({"F": 0.3, "M": 0.1, "X": 0.2}, 200).assign(w=rng.exponential(size=600))
    once, again = (audit(table.assign(w=table.w * scale), weight="w")[0] for scale in (1.0, 1e5))
    for id, metric in once.items():
        for part in ("value", "low", "high", "p_value"):
            if getattr(metric, part) is not None:
                assert getattr(again[id], part) == pytest.approx(getattr(metric, part), rel=1e-6, abs=1e-9)
    plain = audit(table)[0]["fairness.selection_rate[sex=F]"]
    weighted = once["fairness.selection_rate[sex=F]"]
    assert weighted.n == plain.n == 200
    assert weighted.effective_n < 150
    assert weighted.high - weighted.low > 1.2 * (plain.high - plain.low)


@pytest.mark.parametrize("weighted", [False, True])
def test_each_group_is_compared_with_the_rest_at_once(weighted):
    rng = np.random.default_rng(2)
    table = rows_with({"F": 0.4, "M": 0.1, "X": 0.1}, 400).assign(w=rng.integers(1, 4, 1200).astype(float))
    metrics, _ = audit(table, weight="w" if weighted else None)
    w = table.w if weighted else pd.Series(1.0, table.index)
    for group in "FMX":
        metric = metrics[f"fairness.true_positive_rate_difference(to=rest)[sex={group}]"]
        positive, mine = table.target == 1, table.sex == group
        rate, rest = (np.average(table.prediction[rows], weights=w[rows])
                      for rows in (positive & mine, positive & ~mine))
        assert metric.value == pytest.approx(rate - rest, abs=1e-12)
        assert metric.low < metric.value < metric.high
        assert metric.adjustment == "Holm over 3 groups"
        assert metric.p_adjusted >= metric.p_value
    assert metrics["fairness.true_positive_rate_difference(to=rest)[sex=F]"].high < 0


def test_one_quantity_has_one_id():
    metrics, _ = audit(rows_with({"F": 0.3, "M": 0.1}, 200))
    for twin in ("selection_rate_difference", "selection_rate_ratio", "true_positive_rate_difference",
                 "true_positive_rate_ratio", "false_negative_rate_difference"):
        assert f"fairness.{twin}[sex]" not in metrics
    for id in metrics:
        assert any(Pattern(pattern).matches(id) for pattern in GroupMetrics.produces), id
    assert all("*" not in pattern.split("(")[0].removeprefix("fairness.") for pattern in GroupMetrics.produces)


def test_p_values_are_adjusted_over_features_and_intersections():
    table = rows_with({"F": 0.3, "M": 0.1}, 400).assign(race=np.tile(["p", "q"], 400))
    metrics, _ = audit(table, ["sex", "race"])
    family = [metrics[f"fairness.equal_opportunity_difference[{over}]"] for over in ("sex", "race", "sex,race")]
    assert [metric.adjustment for metric in family] == ["Holm over 3 features and intersections"] * 3
    assert [metric.p_adjusted for metric in family] == pytest.approx(stats.holm([metric.p_value for metric in family]))


def test_a_real_gap_is_told_with_both_ends_and_no_gap_with_what_could_have_been_shown():
    table = rows_with({"Scotland": 0.30, "US": 0.10, "India": 0.12}, 1200, column="accent")
    table["coin"] = np.tile(["head", "tail"], 1800)
    _, result = audit(table, ["accent", "coin"], options={"intersections": 1})
    first = result.findings[0]
    assert first.severity == "warn"
    assert first.sentence.startswith("Cases with accent: Scotland are missed more often than accent: US: "
                                     "30.0% against 10.0%. The gap is 20.0 percentage points (95% CI ")
    assert (first.kind, first.measure) == ("worth_knowing", "false_negative_rate")
    assert (first.worse.group, first.worse.n, first.better.group) == ({"accent": "Scotland"}, 600, {"accent": "US"})
    assert first.worse.value == pytest.approx(0.3)
    assert first.worse.low < 0.3 < first.worse.high
    ratio = next(metric for metric in result.metrics if metric.id == "fairness.false_negative_rate_ratio[accent]")
    assert first.ratio == pytest.approx((3, 1 / ratio.high, 1 / ratio.low))
    assert first.sentence.endswith("; 600 and 600 cases).")
    assert first.metrics[0] == "fairness.equal_opportunity_difference[accent]"
    assert first.figures[0] in {figure.id for figure in result.figures}
    none = result.findings[-1]
    assert (none.severity, none.kind, none.headline) == ("note", "fine", "No gap shown by coin")
    assert none.evidence.startswith("one of ") and none.evidence.endswith(" pp in false negative rate would have been detected (80% power)")
    assert result.findings[-1].sentence.startswith("No gap is shown by coin. One of ")
    assert " pp in false negative rate would have" in result.findings[-1].sentence
    assert result.findings[-1].sentence.endswith(" would have been detected (80% power).")


def test_a_finding_over_clusters_counts_them():
    table = clustered(0.0)
    worse = (table.accent == "0") & (np.arange(len(table)) % 2 == 0)
    table.loc[worse, "prediction"] = 0
    _, result = audit(table, ["accent"], cluster=["voice", "picture"])
    assert "8 and 8 voices" in result.findings[0].sentence
    assert "pictures)." in result.findings[0].sentence
    assert result.findings[0].worse.clusters["voice"] == 8


def test_rows_without_a_cluster_are_counted_as_none():
    table = clustered(0.0)
    worse = (table.accent == "0") & (np.arange(len(table)) % 2 == 0)
    table.loc[worse, "prediction"] = 0
    # of each voice and label some rows are mute, so that every group keeps its eight voices
    table.loc[np.arange(len(table)) % 7 == 0, "voice"] = None
    _, result = audit(table, ["accent"], cluster=["voice", "picture"])
    assert "8 and 8 voices" in result.findings[0].sentence


def test_marks_in_figures_follow_the_rules():
    table = rows_with({"F": 0.5, "M": 0.1, "X": 0.1, "tiny": 0.5}, {"F": 600, "M": 600, "X": 600, "tiny": 8})
    figure = next(f for f in audit(table)[1].figures if f.id.startswith("false_negative_rate"))
    marks = {row["label"]: row["mark"] for row in figure.data}
    assert marks == {"F": "worse", "M": "not surely worse", "X": "not surely worse", "tiny": "too small to judge"}
    assert [row["value"] for row in figure.data] == sorted((row["value"] for row in figure.data), reverse=True)
    assert "Surely worse than the rest: F" in figure.alt


def test_a_figure_of_many_groups_names_both_ends_and_claims_no_finding():
    rates = {f"g{number:02}": number / 40 for number in range(20)}
    figure = next(f for f in audit(rows_with(rates, 200))[1].figures if f.id.startswith("false_negative_rate"))
    assert figure.title == "False negative rate, by sex"
    assert "from the highest: g19 " in figure.alt and "; g00 0.0%" in figure.alt


def test_figures_are_in_words_where_there_are_some():
    words = raikit.DisplayNames(nouns={"sex": "{} people"}, values={"sex": {"F": "female", "M": "male"}}, missing={"sex": "not stated"})
    table = rows_with({"F": 0.5, "M": 0.1, "X": 0.1}, 300).replace({"sex": {"X": None}})
    with using(words):
        result = audit(table, reference={"sex": "M"}, missing_group={"sex": "show"})[1]
    figure = next(figure for figure in result.figures if figure.id.startswith("false_negative_rate"))
    assert "dashed line: male people; triangle: surely worse than male people; ring: under 30 cases, or not compared" in figure.subtitle
    assert {row["label"]: row["mark"] for row in figure.data} == {
        "female": "worse", "male": "not surely worse", "not stated": "too small to judge"}
    assert "sex:" not in figure.subtitle + figure.alt + figure.title


def test_an_intersection_is_drawn_with_a_number_in_every_cell():
    table = rows_with({"F": 0.3, "M": 0.1}, 400).assign(race=np.tile(["p", "q"], 400))
    figures = audit(table, ["sex", "race"])[1].figures
    heat = next(figure for figure in figures if figure.title == "False negative rate, by sex and race")
    assert len(heat.data) == 4
    assert all(row["shown"][0].isdigit() for row in heat.data)
    assert "highest for F and " in heat.alt and "; lowest for M and " in heat.alt


def test_numbers_do_not_depend_on_which_other_features_there_are():
    table = rows_with({"F": 0.3, "M": 0.2, "X": 0.1}, 100).assign(race=np.tile(["p", "q", "r"], 100))
    alone, together = audit(table)[0], audit(table, ["race", "sex"])[0]
    for id, metric in alone.items():
        other = together[id]
        # cells of alike rows are other ones, so sums may differ in the last bit
        for field in ("low", "high", "p_value"):
            assert (getattr(metric, field) or 0.0) == pytest.approx(getattr(other, field) or 0.0, rel=1e-12)


def test_too_many_groups_stop_the_check_with_the_features_name():
    table = pd.DataFrame({"zip": np.arange(40).astype(str), "target": [0, 1] * 20, "prediction": 1})
    with pytest.raises(Exception, match="zip has 40 groups"):
        audit(table, ["zip"], options={"max_groups": 30})


def test_an_intersection_with_too_many_groups_is_left_out_and_all_else_is_measured():
    zip_code, sex = np.arange(400) % 40, np.arange(400) // 40 % 2
    table = pd.DataFrame({"zip": zip_code.astype(str), "sex": np.where(sex, "F", "M"), "target": [0, 1] * 200, "prediction": 1})
    metrics, result = audit(table, ["zip", "sex"], options={"max_groups": 40})
    assert {tuple(metric.over or ()) for metric in metrics.values()} >= {("zip",), ("sex",)}
    assert not any(metric.over == ["zip", "sex"] for metric in metrics.values())
    said = [finding.sentence for finding in result.findings if finding.what == "Left out"]
    assert said == ["zip and sex are not crossed, because more than 40 groups would occur; bin their values, or raise max_groups."]
    with pytest.warns(UserWarning, match="zip and sex are not crossed"):
        of_arrays = assess(table["target"], table["prediction"], sensitive_features=table[["zip", "sex"]], max_groups=40)
    assert set(of_arrays.by_group["feature"]) == {"zip", "sex"}
    impact = result_of(ImpactRatios, table_context(table, sensitive=["zip", "sex"], classes=[0, 1]), max_groups=40)
    assert any(finding.what == "Left out" for finding in impact.findings)


def test_the_limit_of_groups_is_the_configurations_unless_the_option_says_another():
    table = pd.DataFrame({"zip": np.arange(40).astype(str), "target": [0, 1] * 20, "prediction": 1})
    ctx = table_context(table, sensitive=["zip"], classes=[0, 1])
    with pytest.raises(DataError, match="zip has 40 groups, over the 30 of max_groups: .*or raise max_groups"):
        result_of(GroupMetrics, replace(ctx, max_groups=30), draws=2000)
    assert result_of(GroupMetrics, replace(ctx, max_groups=30), draws=2000, max_groups=40).metrics


def test_the_level_is_the_runs_unless_the_option_says_another():
    table = rows_with({"F": 0.3, "M": 0.1}, 200)
    run, own = (audit(table, options=options, confidence=0.8)[0]["fairness.equal_opportunity_difference[sex]"]
                for options in ({}, {"confidence": 0.99}))
    assert (run.level, own.level) == (0.8, 0.99)
    assert own.high - own.low > run.high - run.low


def test_a_numeric_target_finds_the_group_with_larger_errors():
    rng = np.random.default_rng(0)
    sex, truth = np.repeat(["F", "M"], 300), rng.normal(size=600)
    table = pd.DataFrame({"sex": sex, "target": truth,
                          "prediction": truth + rng.normal(size=600) * np.where(sex == "F", 3.0, 1.0)})
    metrics, result = audit(table, task="regression", classes=[])
    assert result.findings[0].sentence.startswith("Cases with sex: F have mean absolute errors ")
    assert " larger than those of sex: M: " in result.findings[0].sentence
    assert metrics["fairness.mean_absolute_error_difference[sex]"].low > 1
    assert metrics["fairness.mean_signed_error[sex=F]"].direction is None


def test_loading_the_plugin_imports_nothing_heavy():
    code = ("import sys, raikit_fairness; list(raikit_fairness.raikit_checks()); "
            "print([m for m in ('numpy', 'pandas', 'scipy', 'sklearn', 'fairlearn', 'torch') if m in sys.modules])")
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == "[]"


def test_the_ratio_of_equalized_odds_ends_where_the_smaller_of_both_ratios_may():
    rng = np.random.default_rng(3)
    table = pd.DataFrame({"sex": rng.choice(["F", "M", "X"], 1500), "target": rng.integers(0, 2, 1500)})
    hit = 0.15 + 0.5 * table.target + 0.2 * ((table.sex == "F") & (table.target == 0))
    table["prediction"] = (rng.random(1500) < hit).astype(int)
    metrics, _ = audit(table, options={"draws": 20_000})
    odds, tpr, fpr = (metrics[f"fairness.{name}_ratio[sex]"]
                      for name in ("equalized_odds", "equal_opportunity", "false_positive_rate"))
    assert odds.value == fpr.value < tpr.value
    assert odds.low == fpr.low < tpr.low
    assert fpr.high < odds.high < tpr.high  # wider than the one ratio for having looked at two


def test_a_group_of_few_clusters_is_left_out_where_others_can_be_judged():
    table = clustered(0.3)
    table.loc[table.voice.isin(["0", "6", "12"]), "accent"] = "rare"
    gap = audit(table, ["accent"], cluster=["voice", "picture"])[0]["fairness.demographic_parity_difference[accent]"]
    assert "accent: rare" in gap.judged.left_out
    assert gap.judged.high < gap.high
    assert gap.flags == []


@pytest.mark.parametrize("cluster", [(), ("c",)])
def test_the_ends_of_an_odds_gap_are_groups_of_the_stratum_that_has_it(cluster):
    table = pd.concat([rows_with({"F": 0.1, "M": 0.1, "X": 0.1}, 400)]).assign(c=lambda t: (t.index % 60).astype(str))
    table.loc[(table.sex == "M") & (table.target == 0) & (table.index % 2 == 0), "prediction"] = 1
    ctx = table_context(table, sensitive=["sex"], cluster=cluster, classes=[0, 1])
    cells = count_cells(ctx, 1, 10)
    feature = cells.features[0]
    odds = class_rates(cells, feature, 1)[1]
    gap = odds_disparities(odds, feature, {}, GapEstimator(IntervalSettings(0.95, 2000, 30), Draws(0, ("sex",), 2000)), 1)[0]
    assert feature.name(gap.best) == "sex: M"
    assert gap.worst != gap.best


def test_accuracy_of_several_classes_names_the_group_that_is_right_less_often():
    table = rows_with({"F": 0.6, "M": 0.1}, 600)
    table["target"] = table.target.where(np.arange(1200) % 3 > 0, 2)
    table["prediction"] = table.prediction.where(table.target != 2, 2)
    result = audit(table, task="multiclass", classes=[0, 1, 2])[1]
    assert result.findings[0].sentence.startswith("Cases with sex: F are predicted right less often than sex: M: ")


def test_control_columns_are_compared_within_and_not_over():
    rng = np.random.default_rng(0)
    dept = rng.choice(["hard", "easy"], 4_000)
    sex = np.where(rng.random(4_000) < np.where(dept == "hard", 0.8, 0.2), "F", "M")
    chosen = (rng.random(4_000) < np.where(dept == "hard", 0.2, 0.6)).astype(int)
    table = pd.DataFrame({"sex": sex, "dept": dept, "target": rng.integers(0, 2, 4_000), "prediction": chosen})
    metrics, result = audit(table, ["sex", "dept"], options={"control": ["dept"]})
    assert metrics["fairness.demographic_parity_difference[sex]"].low > 0.1
    assert metrics['fairness.demographic_parity_difference(given="dept=hard")[sex]'].low == 0
    assert metrics['fairness.count(given="dept=easy")[sex=F]'].value == np.sum((dept == "easy") & (sex == "F"))
    assert not any("[dept" in id or ",dept" in id for id in metrics), "a control column is no group"
    assert all("given" not in address for finding in result.findings for address in finding.metrics)


def test_groups_are_compared_with_a_named_reference():
    table = rows_with({"F": 0.3, "M": 0.1, "X": 0.12}, 400)
    metrics, _ = audit(table, options={"reference": {"sex": "M"}})
    contrast = metrics["fairness.true_positive_rate_difference(to=M)[sex=F]"]
    assert contrast.value == pytest.approx(-0.2)
    assert contrast.high < 0
    assert contrast.adjustment == "Holm over 2 groups"
    assert "fairness.true_positive_rate_difference(to=M)[sex=M]" not in metrics


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"control": ["sxe"]}, "'sxe' is not among the sensitive columns"),
        ({"reference": {"race": "p"}}, "'race' is not among the sensitive columns"),
        ({"reference": {"sex": "W"}}, "sex has no group 'W'; it has F, M"),
    ],
)
def test_an_option_that_names_what_is_not_there_is_refused(options, says):
    with pytest.raises(ConfigError, match=says):
        audit(rows_with({"F": 0.1, "M": 0.1}, 100), options=options)


def test_intervals_of_all_groups_at_once_are_wider_and_say_so():
    table = rows_with({"F": 0.3, "M": 0.1, "X": 0.12}, 400)
    id = "fairness.selection_rate[sex=F]"
    alone, at_once = audit(table)[0][id], audit(table, options={"simultaneous": True})[0][id]
    assert at_once.low < alone.low < alone.high < at_once.high
    assert (alone.simultaneous, at_once.simultaneous) == (False, True)
    assert at_once.method == "Clopper-Pearson, Sidak over 3 groups"
    low, high = stats.clopper_pearson(140, 400, 0.95 ** (1 / 3))
    assert (at_once.low, at_once.high) == pytest.approx((float(low), float(high)))


def test_p_values_are_corrected_as_asked():
    table = rows_with({"F": 0.3, "M": 0.1}, 400).assign(race=np.tile(["p", "q"], 400))
    id = "fairness.equal_opportunity_difference[sex]"
    holm, bh = (audit(table, ["sex", "race"], options=options) for options in ({}, {"correction": "benjamini-hochberg"}))
    assert holm[0][id].adjustment == "Holm over 3 features and intersections"
    assert bh[0][id].adjustment == "Benjamini-Hochberg over 3 features and intersections"
    assert bh[0][id].p_value <= bh[0][id].p_adjusted <= holm[0][id].p_adjusted
    assert any(column.title == "p, Benjamini-Hochberg" for column in bh[1].tables[1].columns)


def test_intersections_have_every_metric_only_if_asked():
    table = rows_with({"F": 0.3, "M": 0.1}, 400).assign(race=np.tile(["p", "q"], 400))
    id = "fairness.balanced_accuracy[sex=F,race=p]"
    assert id not in audit(table, ["sex", "race"])[0]
    assert id in audit(table, ["sex", "race"], options={"metrics": "all"})[0]
    assert "fairness.balanced_accuracy[sex=F]" in audit(table, ["sex", "race"])[0]


def test_a_metric_that_needs_both_classes_is_judged_by_the_scarcer_one():
    table = rows_with({"F": 0.3, "M": 0.1}, {"F": 400, "M": 400}, positive=0.5)
    few = rows_with({"N": 0.2}, 400, positive=0.05)
    metrics, _ = audit(pd.concat([table, few], ignore_index=True))
    assert metrics["fairness.accuracy[sex=N]"].flags == []
    assert metrics["fairness.balanced_accuracy[sex=N]"].flags == ["small_group"]
    assert metrics["fairness.balanced_accuracy_difference[sex]"].judged.left_out == ["sex: N"]


def test_a_finding_over_the_large_groups_carries_their_gap_and_says_so():
    large = rows_with({"F": 0.40, "M": 0.10}, 2000)
    tiny = rows_with({"N": 1.0}, 8, positive=1.0)
    metrics, result = audit(pd.concat([large, tiny], ignore_index=True))
    finding, metric = result.findings[0], metrics["fairness.equal_opportunity_difference[sex]"]
    assert (metric.value, metric.judged.value) == (pytest.approx(0.9), pytest.approx(0.3))
    assert (metric.pair, metric.judged.pair) == (["sex: N", "sex: M"], ["sex: F", "sex: M"])
    assert "The gap is 30.0 percentage points" in finding.sentence
    assert (finding.value, finding.low, finding.high) == (metric.judged.value, metric.judged.low, metric.judged.high)
    assert finding.scope == "over groups with at least 30 cases"
