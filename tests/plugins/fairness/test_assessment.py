"""`assess` on arrays or a file gives what an audit gives, and its errors name what it cannot use."""

from __future__ import annotations

import datetime as dt
import decimal
import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from fairlearn import metrics as fl
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

import raikit
from raikit.config.schema import DataConfig
from raikit.data.dataset import Dataset
from raikit.errors import ConfigError
from raikit.testing import result_of, table_context
from raikit_fairness import assess
from raikit_fairness.checks.groups import GroupMetrics
from raikit_fairness.estimates.file_source import FileColumns, source_from_file
from raikit_fairness.estimates.grouped_cells import group_cells
from raikit_fairness.estimates.sources import GroupingColumns


def people(n=600, seed=0):
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"sex": rng.choice(["F", "M"], n), "race": rng.choice(["a", "b,c", "=", None], n)})
    frame["y"] = rng.integers(0, 2, n)
    frame["p"] = np.round(np.clip(rng.normal(0.35 + 0.3 * frame.y, 0.2), 0, 1), 3)
    frame["yhat"] = (frame.p >= 0.5).astype(int)
    return frame


def value(assessment, metric, group, feature="sex", column="value"):
    rows = assessment.by_group.query("metric == @metric and group == @group and feature == @feature")
    return rows[column].item()


def test_values_are_fairlearns_and_every_one_has_an_interval():
    frame = people()
    assessment = assess(frame.y, frame.yhat, sensitive_features=frame.sex, scores=frame.p)
    expected = fl.MetricFrame(metrics=fl.selection_rate, y_true=frame.y, y_pred=frame.yhat, sensitive_features=frame.sex)
    assert value(assessment, "selection_rate", "F") == pytest.approx(expected.by_group["F"], abs=1e-12)
    rows = frame[frame.sex == "F"]
    assert value(assessment, "roc_auc", "F") == pytest.approx(sk.roc_auc_score(rows.y, rows.p), abs=1e-12)
    for table in (assessment.by_group, assessment.disparities):
        defined = table[table.value.notna()]
        assert (defined.low <= defined.value).all()
        assert (defined.value <= defined.high).all()
        assert defined.n.notna().all()
        assert table[table.value.isna()].reason.notna().all()


def test_a_notebook_and_an_audit_measure_the_same():
    frame = people()
    assessment = {metric.address("fairness"): metric for metric in
             assess(frame.y, frame.yhat, sensitive_features=frame[["sex", "race"]], scores=frame.p, seed=3).metrics}
    table = frame.rename(columns={"y": "target", "yhat": "prediction", "p": "score"})
    ctx = table_context(table, sensitive=["sex", "race"], classes=[0, 1], seed=3)
    audited = {metric.address("fairness"): metric for metric in result_of(GroupMetrics, ctx).metrics}
    assert assessment.keys() == audited.keys()
    for id, metric in audited.items():
        for field in ("value", "low", "high", "p_value"):
            mine, theirs = getattr(assessment[id], field), getattr(metric, field)
            assert (mine is None) == (theirs is None), id
            assert mine is None or mine == pytest.approx(theirs, rel=1e-9, abs=1e-12), (id, field)


def test_the_scores_of_a_file_are_counted_in_ascending_order_and_so_not_sorted_again(tmp_path):
    people().to_parquet(tmp_path / "x.parquet")
    columns = FileColumns("y", "yhat", "p", None, 0.5)
    scored = source_from_file(tmp_path / "x.parquet", columns, GroupingColumns(["sex"], [], [], 1, 500), None).scored
    assert (np.diff(scored.scores) >= 0).all()
    assert group_cells(scored, scored.features[0]).cells.truth is scored.truth


@pytest.mark.parametrize("suffix", ["parquet", "csv"])
def test_a_file_gives_what_its_arrays_give(tmp_path, suffix):
    frame = people().assign(w=np.random.default_rng(1).integers(1, 4, 600), home=np.arange(600) // 3)
    path = tmp_path / f"cases.{suffix}"
    frame.to_parquet(path) if suffix == "parquet" else frame.to_csv(path, index=False)
    columns = {"sensitive_features": ["sex", "race"], "scores": "p", "sample_weight": "w", "clusters": "home"}
    counted = assess(path, target="y", prediction="yhat", **columns)
    arrays = assess(frame.y, frame.yhat, sensitive_features=frame[["sex", "race"]], scores=frame.p,
                    sample_weight=frame.w, clusters=frame.home.rename("home"))
    both = counted.by_group.merge(arrays.by_group, on=["feature", "group", "metric"], suffixes=("", "_arrays"))
    assert len(both) == len(arrays.by_group) == len(counted.by_group)
    for column in ("value", "low", "high", "n", "n_clusters"):
        assert both[column].astype(float).to_numpy() == pytest.approx(
            both[f"{column}_arrays"].astype(float).to_numpy(), rel=1e-9, abs=1e-12, nan_ok=True)


def test_scores_in_bins_are_off_by_less_than_they_say(tmp_path, monkeypatch):
    from raikit_fairness.estimates import file_source

    monkeypatch.setattr(file_source, "_EXACT_CASES", 1_000)
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"sex": rng.choice(["F", "M"], 20_000), "target": rng.integers(0, 2, 20_000)})
    frame["p"] = np.clip(rng.normal(0.4 + 0.2 * frame.target, 0.2), 0, 1)
    frame.to_parquet(tmp_path / "x.parquet")
    assessment = assess(tmp_path / "x.parquet", sensitive_features=["sex"], scores="p")
    row = assessment.by_group.query("metric == 'roc_auc' and group == 'F'").iloc[0]
    largest_error = float(row.method.split("off by at most ")[1])
    group = frame[frame.sex == "F"]
    assert 0 < abs(row.value - sk.roc_auc_score(group.target, group.p)) <= largest_error < 0.001
    assert value(assessment, "mean_score", "F") == pytest.approx(group.p.mean(), abs=1e-12)


@given(st.integers(0, 10_000), st.booleans(), st.booleans())
@settings(max_examples=10, deadline=None)
def test_the_order_of_rows_and_the_scale_of_weights_change_nothing(seed, weighted, clustered):
    frame, rng = people(200, seed), np.random.default_rng(seed)
    w, home = rng.random(200) + 0.1, rng.integers(0, 40, 200)

    def measured(at, scale):
        more = {"sample_weight": w[at] * scale} if weighted else {}
        more |= {"clusters": home[at]} if clustered else {}
        rows = frame.iloc[at]
        return assess(rows.y, rows.yhat, sensitive_features=rows.sex, metrics=["accuracy", "f1"], **more).by_group

    once, again = measured(np.arange(200), 1.0), measured(rng.permutation(200), 1e3)
    for column in ("value", "low", "high"):
        assert again[column].astype(float).to_numpy() == pytest.approx(once[column].astype(float).to_numpy(), rel=1e-7)


def test_conditional_parity_compares_within_each_control_group():
    rng = np.random.default_rng(0)
    dept = rng.choice(["hard", "easy"], 4_000)
    sex = np.where(rng.random(4_000) < np.where(dept == "hard", 0.8, 0.2), "F", "M")  # Simpson's: women apply to the hard
    yhat = rng.random(4_000) < np.where(dept == "hard", 0.2, 0.6)
    assessment = assess(yhat, yhat, sensitive_features=pd.Series(sex, name="sex"), control_features=pd.Series(dept, name="dept"),
                   metrics=["selection_rate"])
    gaps = assessment.disparities[assessment.disparities.group == ""].set_index("metric")
    assert gaps.low["demographic_parity_difference"] > 0.1
    for level in ("easy", "hard"):
        assert gaps.low[f"demographic_parity_difference(given=dept={level})"] == 0


def test_groups_are_compared_with_a_named_reference():
    frame = people()
    assessment = assess(frame.y, frame.yhat, sensitive_features=frame.race.rename("race"), reference={"race": "a"},
                   metrics=["accuracy"])
    rows = assessment.disparities.query("metric == 'accuracy_difference(to=a)'")
    right = (frame.y == frame.yhat).groupby(frame.race.fillna("missing")).mean()
    assert dict(zip(rows.group, rows.value, strict=True)) == pytest.approx(
        {group: right[group] - right["a"] for group in ("=", "b,c", "missing")})


def test_macro_and_one_against_rest_for_several_classes():
    rng = np.random.default_rng(0)
    y = rng.choice(["cat", "dog", "eel"], 400)
    yhat = np.where(rng.random(400) < 0.7, y, rng.choice(["cat", "dog", "eel"], 400))
    scores = rng.dirichlet(np.ones(3), 400) + 2 * np.eye(3)[np.searchsorted(["cat", "dog", "eel"], yhat)]
    scores /= scores.sum(axis=1, keepdims=True)
    sex = rng.choice(["F", "M"], 400)
    assessment = assess(y, yhat, sensitive_features=sex, scores=scores)
    rows = sex == "F"
    for metric, expected in {
        "f1(average=macro)": sk.f1_score(y[rows], yhat[rows], average="macro"),
        "balanced_accuracy": sk.balanced_accuracy_score(y[rows], yhat[rows]),
        "roc_auc": sk.roc_auc_score(y[rows], scores[rows], multi_class="ovr"),
        "log_loss": sk.log_loss(y[rows], scores[rows], labels=["cat", "dog", "eel"]),
        "precision(class=dog)": sk.precision_score(y[rows] == "dog", yhat[rows] == "dog"),
    }.items():
        assert value(assessment, metric, "F", "sensitive_feature") == pytest.approx(expected, abs=1e-12)


def test_errors_of_numbers_by_group():
    rng = np.random.default_rng(0)
    y, sex = rng.normal(size=300), rng.choice(["F", "M"], 300)
    yhat = y + rng.normal(size=300)
    assessment = assess(y, yhat, sensitive_features=sex)
    rows = sex == "F"
    for metric, expected in {
        "mean_absolute_error": sk.mean_absolute_error(y[rows], yhat[rows]),
        "root_mean_squared_error": sk.root_mean_squared_error(y[rows], yhat[rows]),
        "mean_signed_error": np.mean(yhat[rows] - y[rows]),
    }.items():
        assert value(assessment, metric, "F", "sensitive_feature") == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"y_pred": [1, 0]}, "y_pred has 2 rows; y_true has 4"),
        ({"scores": [0.1, np.nan, 0.2, 0.3]}, "scores: row 1 is NaN or infinite"),
        ({"sample_weight": [1, -1, 1, 1]}, "sample_weight: row 1 is negative"),
        ({"sample_weight": [0, 0, 0, 0]}, "every weight is zero"),
        ({"sample_weight": [1, np.inf, 1, 1]}, "sample_weight: row 1 is NaN or infinite"),
        ({"y_true": ["n", "y", "n", "y"], "y_pred": ["n", "y", "n", "y"]}, "positive: name the positive class"),
        ({"y_true": [1, None, 0, 1]}, "y_true: row 1 is missing"),
        ({"positive": 7}, "positive: 7 is not among the labels 0, 1"),
        ({"metrics": ["f2"]}, "no metric is called 'f2'"),
        ({"confidence": 95}, "confidence must lie between 0.5 and 1"),
        ({"max_groups": 2, "sensitive_features": list("abcd")}, "has 4 groups, over the 2 of max_groups"),
        ({"y_pred": None}, "y_pred: give predictions or scores"),
        ({"reference": {"sensitive_feature": "z"}}, "has no group 'z'"),
        ({"reference": {"sexx": "z"}}, "reference: 'sexx' is not among the sensitive columns"),
        ({"scores": [0.1, 7, 0.2, 0.3]}, "scores: row 1 is 7, which is no probability"),
        ({"scores": [[0.1] * 3] * 4}, "scores have 3 columns; the 2 classes need one each"),
        ({"y_pred": np.linspace(0, 1, 40), "y_true": [1, 0] * 20, "sensitive_features": list("ab") * 20},
         "y_pred holds 40 values where y_true has 2 labels; give probabilities as scores"),
        ({"clusters": pd.Series([1, 1, 2, 2], name="sensitive_feature")}, "'sensitive_feature' names two columns"),
    ],
)
def test_what_cannot_be_used_is_named_in_a_sentence(changes, says):
    arguments = {"y_true": [1, 0, 1, 0], "y_pred": [1, 0, 0, 0], "sensitive_features": list("abab"), **changes}
    with pytest.raises((raikit.DataError, raikit.ConfigError), match=says):
        assess(**arguments)


@pytest.mark.parametrize(
    ("columns", "says"),
    [({"target": "yy"}, "no column 'yy' in cases.csv"), ({"sensitive_features": ["sx"]}, "no column 'sx'")],
)
def test_a_column_that_a_file_lacks_is_named(tmp_path, columns, says):
    people(50).to_csv(tmp_path / "cases.csv", index=False)
    with pytest.raises(raikit.DataError, match=says):
        assess(tmp_path / "cases.csv", **{"target": "y", "prediction": "yhat", "sensitive_features": ["sex"], **columns})
    with pytest.raises(raikit.DataError, match="there is no file or folder"):
        assess(tmp_path / "nothing.csv", sensitive_features=["sex"])


def raise_error(key, problem):
    return ConfigError(f"{'.'.join(map(str, key))}: {problem}")


FORMATS = ("csv", "tsv", "parquet", "jsonl")


def write_table(frame, path):
    """Write a table in the format of the path's suffix, with the values that a program in another language would write."""
    if path.suffix == ".parquet":
        frame.to_parquet(path, index=False)
    elif path.suffix == ".jsonl":
        frame.to_json(path, orient="records", lines=True)
    else:
        frame.to_csv(path, index=False, sep="\t" if path.suffix == ".tsv" else ",")


HOSTILE_GROUPS = {
    "yes and no": ["yes", "no"],
    "f and F": ["f", "F", "t"],
    "leading zeros": ["007", "7", "07"],
    "a code late in the file": [*["7"] * 2999, "007"],
    "dates": ["2024-01-02", "2024-01-03"],
    "times with zones": ["2024-07-01T10:00:00+02:00", "2024-07-01T08:00:00Z"],
    "whole floats": [1.0, 2.0, None],
    "integers": [3, 2**53 + 1],
    "true and false": [True, False],
    "text of numbers and words": ["1", "2", "3+"],
    "empty": ["a", None],
}


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("cells", HOSTILE_GROUPS.values(), ids=HOSTILE_GROUPS.keys())
def test_a_file_has_the_groups_and_numbers_of_an_audit(tmp_path, suffix, cells):
    rng, n = np.random.default_rng(0), 3000
    group = pd.Series([cells[row % len(cells)] for row in range(n)])
    table = pd.DataFrame({"g": group, "y": rng.integers(0, 2, n), "yhat": rng.integers(0, 2, n)})
    path = tmp_path / f"cases.{suffix}"
    write_table(table, path)
    config = DataConfig(path=path.name, target="y", sensitive=["g"], keep=["yhat"])
    data = Dataset.open(config, tmp_path, error=raise_error, seed=0, needs_inputs=False, extra_columns=["yhat"])
    audited = data.roles["g"].fillna("missing")
    by_group = assess(path, sensitive_features=["g"], target="y", prediction="yhat").by_group.query("metric == 'selection_rate'")
    assert sorted(by_group["group"]) == sorted(audited.unique())
    for name, rate, size in by_group[["group", "value", "n"]].itertuples(index=False):
        assert size == (audited == name).sum()
        assert rate == pytest.approx(table["yhat"][(audited == name).to_numpy()].mean())


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_labels_scores_and_groups_of_a_file_are_read_as_those_of_arrays(tmp_path, suffix):
    frame = people(200)
    frame["said"] = frame["yhat"].map({0: "False", 1: "True"})
    frame["above"] = np.where(frame["yhat"] == 1, 1.0000001, 0.25)
    frame["age"] = np.arange(200) / 7
    path = tmp_path / f"x.{suffix}"
    write_table(frame, path)
    arguments = {"target": "y", "sensitive_features": ["sex"], "metrics": ["selection_rate", "roc_auc"]}
    expected = value(assess(frame.y, frame.yhat, sensitive_features=frame.sex), "selection_rate", "F")
    assert value(assess(path, prediction="said", **arguments), "selection_rate", "F") == pytest.approx(expected)
    assert value(assess(path, scores="above", **arguments), "selection_rate", "F") == pytest.approx(expected)
    with pytest.raises(raikit.DataError, match="'yhat' holds only 0 and 1: these are decisions"):
        assess(path, prediction="yhat", scores="yhat", **arguments)
    with pytest.raises(raikit.DataError, match=r"'age' holds .* which is no probability; rescale"):
        assess(path, prediction="yhat", scores="age", **arguments)
    with pytest.raises(raikit.DataError, match="'age' has 200 different numbers; put them in bins"):
        assess(path, prediction="yhat", **{**arguments, "sensitive_features": ["age"]})


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
@pytest.mark.parametrize("column", ["y", "yhat", "g"])
def test_numbers_with_a_few_other_cells_are_refused_in_every_role(tmp_path, suffix, column):
    table = pd.DataFrame({"y": [0, 1] * 50, "yhat": [0, 1] * 50, "g": [1, 2] * 50})
    table[column] = table[column].astype(str)
    table.loc[7, column] = "NA"
    write_table(table, tmp_path / f"cases.{suffix}")
    arguments = {"sensitive_features": ["g"], "target": "y", "prediction": "yhat"}
    with pytest.raises(raikit.DataError, match=rf"cases\.{suffix}: column '{column}' holds numbers, but some cells .*'NA'"):
        assess(tmp_path / f"cases.{suffix}", **arguments)
    if column == "g":
        read = assess(tmp_path / f"cases.{suffix}", **arguments, missing=["NA"])
        assert "missing" in set(read.by_group["group"])


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("y", [[0, 0, 0, 0, 0], [1, 1, 1, 1, 1], [1, 0, 1, 0, 0]])
def test_degenerate_data_are_undefined_with_a_reason_and_no_warning(y):
    assessment = assess(y, [0, 0, 1, 0, 0], sensitive_features=["a", "a", "b", "b", "c"], scores=[0.1, 0.2, 0.9, 0.3, 0.5])
    undefined = assessment.by_group[assessment.by_group.value.isna()]
    assert len(undefined)
    assert undefined.reason.str.contains("in sensitive_feature: ").all()
    defined = assessment.by_group[assessment.by_group.value.notna()]
    assert (defined.low <= defined.value).all()


def test_an_assessment_draws_itself_and_escapes_what_it_shows():
    frame = people()
    hostile = frame.sex.replace("F", "<script>x</script>").rename("<b>sex")
    assessment = assess(frame.y, frame.yhat, sensitive_features=hostile)
    html = assessment._repr_html_()
    assert "<svg" in html
    assert "<script>x" not in html
    assert "<b>sex" not in html
    assert "demographic_parity_difference" in repr(assessment)


def test_importing_the_plugin_for_the_notebook_costs_nothing_heavy():
    code = "import sys, raikit_fairness; raikit_fairness.__all__; print([m for m in ('numpy','pandas','duckdb') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"


@pytest.mark.parametrize("positive", ["a", "b"])
def test_scores_of_both_classes_stand_in_the_order_of_the_labels(positive):
    rng = np.random.default_rng(0)
    y, sex = rng.choice(["a", "b"], 300), rng.choice(["F", "M"], 300)
    of_b = np.clip(rng.normal(0.4 + 0.2 * (y == "b"), 0.2), 0, 1)
    assessment = assess(y, sensitive_features=sex, scores=np.column_stack([1 - of_b, of_b]), positive=positive)
    score = of_b if positive == "b" else 1 - of_b
    rows = sex == "F"
    feature = "sensitive_feature"
    assert value(assessment, "roc_auc", "F", feature) == pytest.approx(sk.roc_auc_score(y[rows] == positive, score[rows]))
    assert value(assessment, "brier_score", "F", feature) == pytest.approx(sk.brier_score_loss(y[rows] == positive, score[rows]))
    expected = sk.recall_score(y[rows] == positive, score[rows] >= 0.5)
    assert value(assessment, "true_positive_rate", "F", feature) == pytest.approx(expected)


@pytest.mark.parametrize("kind", [int, bool, float, object, "Int64", "boolean"])
def test_labels_of_any_kind_mean_the_same(kind):
    frame = people(200)
    labels = frame.y.astype(bool).astype(object) if kind is object else frame.y.astype(kind)
    assessment = assess(labels, frame.yhat, sensitive_features=frame.sex, metrics=["true_positive_rate"])
    expected = fl.true_positive_rate(frame.y[frame.sex == "F"], frame.yhat[frame.sex == "F"])
    assert value(assessment, "true_positive_rate", "F") == pytest.approx(expected)


def test_many_columns_of_many_groups_are_counted_each_for_itself():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({f"c{at}": rng.integers(0, 400, 3_000).astype(str) for at in range(8)})
    y = rng.integers(0, 2, 3_000)
    assessment = assess(y, y, sensitive_features=frame, intersections=1, metrics=["selection_rate"])
    counted = assessment.by_group[assessment.by_group.metric == "count"].set_index(["feature", "group"]).value
    for column in frame:
        assert counted[column].to_dict() == frame[column].value_counts().to_dict()


def test_a_file_with_rows_without_a_weight_or_label_is_refused(tmp_path):
    frame = people(50).assign(w=1.0)
    for column, says in (("w", "'w' holds rows without a weight"), ("y", "a row has no 'y'"), ("p", "'p' has cells that are missing")):
        frame.assign(**{column: frame[column].where(frame.index > 0, None)}).to_parquet(tmp_path / "x.parquet")
        with pytest.raises(raikit.DataError, match=says):
            assess(tmp_path / "x.parquet", target="y", prediction="yhat", scores="p", sample_weight="w",
                   sensitive_features=["sex"])


def alarms(table, metric, runs):
    """How many of the runs claim a gap where there is none."""
    rng = np.random.default_rng(0)
    return sum(_alarm(table(rng), metric, run) for run in range(runs))


def _alarm(arguments, metric, run):
    assessment = assess(**arguments, metrics=[metric], seed=run).disparities
    return bool((assessment[assessment.metric == f"{metric}_difference"].low > 0).any())


def test_a_scarce_class_that_is_all_right_proves_no_gap():
    def table(rng):
        y = np.repeat([1, 0, 1, 0], [30, 970, 1500, 1500])
        yhat = np.where(rng.random(4_000) < np.where(y == 1, 0.98, 0.95), y, 1 - y)
        return {"y_true": y, "y_pred": yhat, "sensitive_features": np.repeat(["F", "M"], [1000, 3000])}

    assert alarms(table, "balanced_accuracy", 40) <= 4


def test_a_scarce_class_that_is_ranked_all_right_proves_no_gap():
    def table(rng):
        y = np.repeat([1, 0, 1, 0], [30, 1500, 1500, 1500])
        score = 1 / (1 + np.exp(-rng.normal(3.5 * (y - 0.5), 1)))
        return {"y_true": y, "scores": score, "sensitive_features": np.repeat(["F", "M"], [1530, 3000])}

    assert alarms(table, "roc_auc", 40) <= 4


def cases_whose_errors_weigh_more(n=1200, seed=5):
    """Return truth, decisions, groups and weights; errors weigh four times as much as other cases."""
    rng = np.random.default_rng(seed)
    truth, wrong = rng.integers(0, 2, n), rng.random(n) < 0.08
    weight = np.where(wrong, 4.0, 1.0) * np.exp(rng.normal(0, 0.3, n))
    return truth, np.where(wrong, 1 - truth, truth), rng.choice(["a", "b"], n), weight


def test_rates_know_that_errors_weigh_more():
    truth, decided, group, weight = cases_whose_errors_weigh_more()
    result = assess(
        truth, decided, sensitive_features={"g": group}, sample_weight=weight, metrics=["accuracy"], reference={"g": "a"}
    )
    right, variance = truth == decided, {}
    for name in "ab":
        w, hit = weight[group == name], right[group == name]
        share = (w @ hit) / w.sum()
        variance[name] = np.sum((w * (hit - share)) ** 2) / w.sum() ** 2
        row = result.by_group.query("metric == 'accuracy' and group == @name").iloc[0]
        assert row.value == pytest.approx(share)
        assert row.high - row.low > 2 * 1.9 * variance[name] ** 0.5
    for row in result.disparities.query("metric.str.startswith('accuracy_difference') and group == 'b'").itertuples():
        assert row.high - row.low > 2 * 1.9 * (variance["a"] + variance["b"]) ** 0.5


def test_weighted_groups_with_few_errors_decide_nothing():
    truth, decided, group, weight = cases_whose_errors_weigh_more()
    scarce = np.flatnonzero((truth != decided) & (group == "b"))[3:]
    decided[scarce] = truth[scarce]
    with_weights, without = (
        {str(metric.id or metric.name) + str(metric.group): metric.flags for metric in assess(
            truth, decided, sensitive_features={"g": group}, sample_weight=w, metrics=["accuracy"]
        ).metrics if metric.name.startswith("accuracy")}
        for w in (weight, None)
    )  # fmt: skip
    flagged = [name for name, flags in with_weights.items() if "few_events" in flags]
    assert len(flagged) == 4  # the group, its comparison with the rest, the difference and the ratio
    assert not any("few_events" in flags for flags in without.values())


def test_small_groups_do_not_exceed_the_average_precision_of_all_by_chance():
    rng, above, runs = np.random.default_rng(9), 0, 60
    for _ in range(runs):
        score = rng.beta(1.2, 2, 500)
        result = assess(
            rng.random(500) < score, score > 0.5, sensitive_features={"g": np.repeat(list("abcdefghij"), 50)}, scores=score,
            metrics=["average_precision"], positive=True, seed=1,
        )  # fmt: skip
        above += (result.by_group.query("metric == 'average_precision'").low > 0.687).sum()  # of a large sample
    assert above / (10 * runs) < 0.055  # without allowing for the bias of small samples about 9%


def test_groups_that_differ_only_in_how_they_are_written_are_named_in_a_warning():
    with pytest.warns(UserWarning, match="sex: ' F ' and 'F' differ only in spaces") as caught:
        result = assess([1, 0, 1, 0], [1, 0, 0, 1], sensitive_features={"sex": ["F", " F ", "M", "M"]})
    assert caught[0].filename == __file__
    assert {"F", " F ", "M"} == set(result.by_group["group"])


@pytest.mark.parametrize("role", ["clusters", "control_features"])
@pytest.mark.parametrize("kind", ["object", "category"])
def test_clusters_and_controls_that_are_written_alike_are_named_too(tmp_path, role, kind):
    names = [f"k{number}" for number in range(12)] + ["K1", "k2 "]
    frame = pd.DataFrame({"y": [0, 1] * 14, "yhat": [0, 1, 1, 0] * 7, "sex": list("FM") * 14, "who": names * 2})
    frame.to_csv(tmp_path / "cases.csv", index=False)
    who = frame["who"].astype(kind)
    with pytest.warns(UserWarning, match="who: 'k1' and 'K1' differ|who: 'K1' and 'k1' differ"):
        assess(frame["y"], frame["yhat"], sensitive_features=frame["sex"], **{role: who})
    with pytest.warns(UserWarning, match="who: 'k1' and 'K1' differ|who: 'K1' and 'k1' differ"):
        assess(tmp_path / "cases.csv", target="y", prediction="yhat", sensitive_features=["sex"], **{role: "who"})


@pytest.mark.parametrize("content", ["y,sex\n0,F\n1,M\n"])
@pytest.mark.parametrize("role", ["prediction", "scores"])
def test_the_target_of_a_file_is_no_prediction_of_itself(tmp_path, content, role):
    (tmp_path / "cases.csv").write_text(content)
    with pytest.raises(ConfigError, match="'y' is named as the prediction or score too"):
        assess(tmp_path / "cases.csv", target="y", sensitive_features=["sex"], **{role: "y"})


@pytest.mark.parametrize("content", ["y,yhat,sex\n0,1,F\n1,1,M,\n", "y,yhat,sex\n0,1,F\n1,1\n"])
def test_a_row_of_the_wrong_length_is_named_where_a_file_is_counted(tmp_path, content):
    (tmp_path / "cases.csv").write_text(content)
    with pytest.raises(raikit.DataError, match=r"cases\.csv, line 3: "):
        assess(tmp_path / "cases.csv", target="y", prediction="yhat", sensitive_features=["sex"])


def test_a_header_that_is_repeated_is_refused_where_a_file_is_counted(tmp_path):
    (tmp_path / "cases.csv").write_text("y,yhat,sex\nno,no,F\nyes,no,M\ny,yhat,sex\nno,yes,F\n")
    with pytest.raises(raikit.DataError, match="this row repeats the header"):
        assess(tmp_path / "cases.csv", target="y", prediction="yhat", sensitive_features=["sex"], positive="yes")


def test_times_and_durations_of_a_file_are_the_groups_of_an_audit(tmp_path):
    zone = pa.timestamp("us", "America/New_York")
    hours = [dt.datetime(2024, 1, 1 + row % 2, 23, tzinfo=dt.UTC) for row in range(8)]
    took = pa.array([dt.timedelta(hours=row % 2) for row in range(8)])
    pq.write_table(pa.table({"y": [0, 1] * 4, "yhat": [0, 1] * 4, "at": pa.array(hours, zone), "took": took}), tmp_path / "cases.parquet")
    result = assess(tmp_path / "cases.parquet", target="y", prediction="yhat", sensitive_features=["at", "took"], intersections=1)
    found = {feature: set(rows["group"]) for feature, rows in result.by_group.groupby("feature")}
    assert found == {
        "at": {"2024-01-01T18:00:00-05:00", "2024-01-02T18:00:00-05:00"}, "took": {"0 days 00:00:00", "0 days 01:00:00"}
    }  # fmt: skip


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_durations_and_decimals_of_a_file_that_is_counted_are_what_they_are(tmp_path, unit):
    took = pa.array([row % 2 for row in range(8)], pa.duration(unit))
    dose = pa.array([decimal.Decimal(["5.10", "7.30"][row % 2]) for row in range(8)])
    pq.write_table(pa.table({"y": [0, 1] * 4, "yhat": [0, 1] * 4, "took": took, "dose": dose}), tmp_path / "cases.parquet")
    result = assess(tmp_path / "cases.parquet", target="y", prediction="yhat", sensitive_features=["took", "dose"], intersections=1)
    found = {feature: set(rows["group"]) for feature, rows in result.by_group.groupby("feature")}
    assert found == {"took": {str(pd.Timedelta(0, unit)), str(pd.Timedelta(1, unit))}, "dose": {"5.1", "7.3"}}


def test_scores_that_are_text_in_a_typed_file_are_numbers_as_in_an_audit(tmp_path):
    rows = [{"y": row % 2, "p": str((row % 7) / 8), "sex": "FM"[row % 2]} for row in range(40)]
    (tmp_path / "cases.jsonl").write_text("\n".join(map(json.dumps, rows)))
    result = assess(tmp_path / "cases.jsonl", target="y", scores="p", sensitive_features=["sex"])
    assert "roc_auc" in set(result.by_group.metric)


@pytest.mark.parametrize("scale", [1e-300, 1e300])
def test_the_scale_of_weights_has_no_effect_even_if_their_squares_are_no_numbers(scale):
    y, yhat, sex, weight = [0, 1, 1, 0] * 5, [0, 1, 0, 0] * 5, list("FM") * 10, np.arange(1.0, 21)
    plain, scaled = (
        assess(y, yhat, sensitive_features=sex, sample_weight=weight * factor, metrics=["accuracy"]).by_group
        for factor in (1, scale)
    )
    np.testing.assert_allclose(scaled[["value", "low", "high"]].astype(float), plain[["value", "low", "high"]].astype(float))


@pytest.mark.parametrize("kind", ["float32", "bfloat16"])
def test_tensors_with_a_gradient_are_arrays(kind):
    scores = torch.linspace(0.1, 0.9, 16).to(getattr(torch, kind)).requires_grad_()
    y, sex = [0, 1] * 8, list("FFMM") * 4
    of_tensor = assess(torch.tensor(y), scores=scores, sensitive_features=sex).by_group
    of_array = assess(y, scores=scores.detach().double().numpy(), sensitive_features=sex).by_group
    pd.testing.assert_frame_equal(of_tensor, of_array)


@pytest.mark.parametrize("values", [{0, 1}, iter([0, 1]), {"a": 0, "b": 1}, {"a": 0, "b": 1}.values()], ids=["set", "iter", "dict", "values"])
def test_what_holds_no_column_is_named(values):
    with pytest.raises(raikit.DataError, match=f"y_true is a {type(values).__name__}; give a list, an array or a Series"):
        assess(values, [0, 1], sensitive_features=["a", "b"])


def test_integers_that_floats_cannot_tell_apart_are_no_numeric_target():
    y = [10**17 + row for row in range(30)]
    with pytest.raises(raikit.DataError, match=r"y_true: row 0 is beyond 2\^53"):
        assess(y, [value + 1 for value in y], sensitive_features=["a", "b"] * 15)


@pytest.mark.parametrize("names", [["p_2", "p_0", "p_1"], ["2", "0", "1"], ["2 probability", "0 probability", "1 probability"]])
def test_columns_of_scores_belong_to_the_classes_that_they_name(names):
    scores = np.random.default_rng(1).dirichlet([1, 1, 1], 60)
    y, sex = np.arange(60) % 3, ["a", "b"] * 30
    named = pd.DataFrame(scores[:, [2, 0, 1]], columns=names)
    pd.testing.assert_frame_equal(
        assess(y, scores=named, sensitive_features=sex).by_group, assess(y, scores=scores, sensitive_features=sex).by_group
    )
    with pytest.raises(raikit.DataError, match="call them like the classes 0, 1, 2"):
        assess(y, scores=named.set_axis(["p_2", "p_0", "other"], axis=1), sensitive_features=sex)


@pytest.mark.parametrize("digits", [2, 3])
def test_probabilities_may_be_rounded(digits):
    scores = np.random.default_rng(1).dirichlet([1] * 4, 200).round(digits)
    assert np.abs(scores.sum(axis=1) - 1).max() > 1e-3
    assess(np.arange(200) % 4, scores=scores, sensitive_features=["a", "b"] * 100)
    with pytest.raises(raikit.DataError, match="adds up to"):
        assess(np.arange(200) % 4, scores=scores * 0.9, sensitive_features=["a", "b"] * 100)


@pytest.mark.parametrize("nothing", [{}, pd.DataFrame(index=range(4))], ids=["mapping", "frame"])
def test_without_a_column_of_groups_there_is_nothing_to_assess(nothing):
    with pytest.raises(ConfigError, match="sensitive_features: give at least one column"):
        assess([0, 1, 0, 1], [0, 1, 1, 1], sensitive_features=nothing)


def test_short_floats_are_groups_with_the_digits_they_were_written_with():
    result = assess([0, 1] * 4, [0, 1] * 4, sensitive_features=np.array([0.1, 0.2] * 4, dtype=np.float32))
    assert set(result.by_group["group"]) == {"0.1", "0.2"}


def test_metrics_may_be_called_by_the_names_of_other_libraries():
    truth, prediction, sex = [1, 0, 1, 1, 0, 0], [1, 0, 0, 1, 1, 0], list("aaabbb")
    theirs = assess(truth, prediction, sensitive_features=sex, metrics=["recall_score", "pprev"], replicates=100)
    ours = assess(truth, prediction, sensitive_features=sex, metrics=["true_positive_rate", "selection_rate"], replicates=100)
    assert set(theirs.by_group.metric) == {"count", "true_positive_rate", "selection_rate"}
    assert theirs.by_group.equals(ours.by_group)


@pytest.mark.parametrize("classes", [[0, 1], ["no", "yes"], ["a", "b", "c"]])
@pytest.mark.parametrize("suffix", [None, "csv"])
def test_decisions_without_truth_have_the_rates_that_they_have_with_it(tmp_path, classes, suffix):
    frame, rng = people(), np.random.default_rng(1)
    frame["yhat"], frame["y"] = rng.choice(classes, len(frame)), rng.choice(classes, len(frame))
    options = {"positive": classes[-1]} if len(classes) == 2 else {}
    if suffix:
        path = tmp_path / f"cases.{suffix}"
        frame.drop(columns="y").to_csv(path, index=False)
        without = assess(path, target=None, prediction="yhat", sensitive_features=["sex", "race"], **options)
    else:
        without = assess(None, frame.yhat, sensitive_features=frame[["sex", "race"]], **options)
    beside = assess(frame.y, frame.yhat, sensitive_features=frame[["sex", "race"]], **options)
    known = {metric.address("fairness"): metric for metric in beside.metrics}
    measured = {metric.address("fairness"): metric for metric in without.metrics}
    kinds = ("fairness.count", "fairness.selection_rate", "fairness.demographic_parity")
    assert measured.keys() == {address for address in known if address.startswith(kinds)}
    for address, metric in measured.items():
        assert (metric.value, metric.low, metric.high) == pytest.approx(
            (known[address].value, known[address].low, known[address].high)), address


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"metrics": ["accuracy"]}, "metrics: 'accuracy' needs the truth \\(y_true\\); without it there are selection_rate"),
        ({"y_pred": None, "scores": [0.1, 0.2, 0.3, 0.4]}, "y_pred: give the decisions"),
        ({"y_pred": [0.1, 0.25, 3.5, 4.75]}, "y_true: numeric predictions are compared with the truth"),
    ],
)
def test_what_needs_the_truth_is_refused_without_it(arguments, says):
    with pytest.raises(ConfigError, match=says):
        assess(None, **{"y_pred": [0, 1, 1, 0], "sensitive_features": list("abab"), **arguments})


def _polars(frame):
    import polars

    return polars.from_pandas(frame)


def _arrow(frame):
    import pyarrow as pa

    return pa.Table.from_pandas(frame, preserve_index=False)


def _duckdb(frame):
    import duckdb

    return duckdb.from_arrow(_arrow(frame))


TABLES = {
    "pandas": lambda frame: frame, "polars": _polars, "lazy polars": lambda frame: _polars(frame).lazy(), "arrow": _arrow,
    "duckdb": _duckdb,
}  # fmt: skip


def mixed_people():
    """Groups with missing values, categories and whole numbers, weights and scores, as libraries store them differently."""
    frame = people(400)
    rng = np.random.default_rng(1)
    frame["band"] = pd.Categorical(rng.choice(["low", "high"], 400))
    frame["team"] = pd.Series(rng.choice([1, 2], 400)).where(rng.random(400) > 0.1).astype("Int64")
    frame["w"], frame["p"] = rng.integers(1, 4, 400) / 2, rng.random(400)
    frame.loc[:20, "sex"] = None
    return frame


@pytest.mark.parametrize("convert", TABLES.values(), ids=TABLES.keys())
def test_a_table_in_memory_has_the_numbers_of_a_file(tmp_path, convert):
    frame = mixed_people()
    frame.to_parquet(tmp_path / "people.parquet")
    names = {"sensitive_features": ["sex", "band", "team"], "target": "y", "prediction": "yhat", "sample_weight": "w", "scores": "p"}
    expected = assess(tmp_path / "people.parquet", **names)
    measured = assess(convert(frame), **names)
    for name in ("by_group", "disparities", "headlines"):
        pd.testing.assert_frame_equal(getattr(measured, name), getattr(expected, name), rtol=1e-9)
    table = convert(frame)
    if hasattr(table, "collect"):
        table = table.collect()
    if not hasattr(table, "fetchall"):  # DuckDB has no single columns in memory
        by_column = assess(
            table["y"], table["yhat"], sensitive_features={name: table[name] for name in names["sensitive_features"]},
            sample_weight=table["w"], scores=table["p"],
        )  # fmt: skip
        pd.testing.assert_frame_equal(by_column.by_group, expected.by_group, rtol=1e-9)


def test_frames_of_groups_and_scores_may_be_of_any_library():
    frame = mixed_people()
    expected = assess(frame["y"], frame["yhat"], sensitive_features=frame[["sex", "band"]]).by_group
    for convert in list(TABLES.values())[2:]:
        measured = assess(frame["y"], frame["yhat"], sensitive_features=convert(frame[["sex", "band"]])).by_group
        pd.testing.assert_frame_equal(measured, expected)


def test_columns_of_a_table_are_named_or_refused():
    frame = people(100)
    with pytest.raises(raikit.DataError, match=r"sensitive_features: the table has no column 'sx'\. Did you mean 'sex'\?"):
        assess(frame, sensitive_features="sx", target="y", prediction="yhat")
    with pytest.raises(raikit.ConfigError, match="sensitive_features: y_true is a table, so name columns of it"):
        assess(frame, sensitive_features=np.arange(100), target="y", prediction="yhat")
    frame["sex"] = frame["y"].astype(object)
    frame.loc[3, "sex"] = "NA"
    with pytest.raises(raikit.DataError, match=r"the table: column 'sex' holds numbers, but 1 of 100 cells hold something else"):
        assess(frame, sensitive_features="sex", target="y", prediction="yhat")
    assert "missing" in set(
        assess(frame, sensitive_features="sex", target="y", prediction="yhat", missing=["NA"]).by_group["group"]
    )
