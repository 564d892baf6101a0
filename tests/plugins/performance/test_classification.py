"""Values are scikit-learn's wherever it defines them; intervals hold; undefined stays undefined."""

from __future__ import annotations

import subprocess
import sys
import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from raikit.address import Pattern
from raikit.stats import average_precision_influence
from raikit.testing import result_of, table_context
from raikit_performance.calibration import Calibration
from raikit_performance.classification import Classification
from raikit_performance.confusion import ConfusionMatrix

EXACT = {"abs": 1e-12, "rel": 1e-12}


def scored(rng, n, k, *, noise=1.0, ties=False):
    truth = rng.integers(0, k, n)
    scores = rng.dirichlet(np.ones(k), n) * noise + np.eye(k)[truth]
    if ties:
        scores = np.round(scores, 1) + 0.05
    scores /= scores.sum(axis=1, keepdims=True)
    return truth, scores


def table_of(truth, prediction, scores=None, **more):
    table = pd.DataFrame({"target": truth, "prediction": prediction, **more})
    if scores is not None and scores.shape[1] == 2:
        table["score"] = scores[:, 1]
    elif scores is not None:
        for at in range(scores.shape[1]):
            table[f"score.{at}"] = scores[:, at]
    return table


def measured(check, table, k, **roles):
    task = "binary" if k == 2 else "multiclass"
    result = result_of(check, table_context(table, task=task, classes=list(range(k)), **roles))
    return {metric.id: metric for metric in result.metrics}


def close(metric, expected):
    if np.isnan(expected):
        assert metric.value is None
        assert metric.reason
    else:
        assert metric.value == pytest.approx(expected, **EXACT)
        assert metric.low <= metric.value <= metric.high


def support_where_defined(truth, prediction, name, k):
    where = prediction if name == "precision" else np.concatenate([truth, prediction])
    return np.isin(truth, np.intersect1d(where, np.arange(k))).sum()


@st.composite
def tables(draw):
    k, n, seed = draw(st.integers(2, 4)), draw(st.integers(2, 80)), draw(st.integers(0, 10_000))
    rng = np.random.default_rng(seed)
    truth = rng.choice(k, n, p=rng.dirichlet(np.full(k, draw(st.sampled_from([0.2, 1.0, 10.0])))))
    prediction = np.where(rng.random(n) < draw(st.sampled_from([0.1, 0.6, 1.0])), truth, rng.integers(0, k, n))
    scores = rng.dirichlet(np.ones(k), n)
    if draw(st.booleans()):
        scores = np.round(scores, 1) + 0.05
    scores /= scores.sum(axis=1, keepdims=True)
    weight = rng.integers(1, 5, n).astype(float) if draw(st.booleans()) else None
    return k, truth, prediction, scores, weight


@given(tables())
@settings(max_examples=25)
def test_label_measures_equal_scikit_learn_wherever_it_defines_them(drawn):
    k, truth, prediction, _, weight = drawn
    roles = {} if weight is None else {"weight": "w"}
    more = {} if weight is None else {"w": weight}
    found = measured(Classification, table_of(truth, prediction, **more), k, **roles)
    keep = {"sample_weight": weight}
    close(found["performance.accuracy"], sk.accuracy_score(truth, prediction, **keep))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        close(found["performance.balanced_accuracy"], sk.balanced_accuracy_score(truth, prediction, **keep))
        for average in (None, "macro", "weighted"):
            values = sk.precision_recall_fscore_support(
                truth, prediction, labels=range(k), average=average, zero_division=np.nan, **keep)
            for name, value in zip(("precision", "recall", "f1"), values[:3], strict=True):
                if average is None:
                    for label in range(k):
                        close(found[f"performance.{name}(class={label})"], value[label])
                elif name != "recall":
                    if average == "weighted" and not support_where_defined(truth, prediction, name, k):
                        value = np.nan  # scikit-learn averages over classes of weight 0 then
                    close(found[f"performance.{name}(average={average})"], float(value))
    close(found["performance.f1(average=micro)"],
          sk.f1_score(truth, prediction, labels=range(k), average="micro", **keep))
    supports = [found[f"performance.support(class={c})"].value for c in range(k)]
    assert supports == np.bincount(truth, minlength=k).tolist()


@given(tables())
@settings(max_examples=25)
def test_score_measures_equal_scikit_learn_wherever_it_defines_them(drawn):
    k, truth, prediction, scores, weight = drawn
    more = {} if weight is None else {"w": weight}
    found = measured(Classification, table_of(truth, prediction, scores, **more), k, weight="w" if more else None)
    onehot, keep = np.eye(k)[truth], {"sample_weight": weight}
    close(found["performance.log_loss"], sk.log_loss(truth, scores, labels=range(k), **keep))
    brier = np.average(((scores - onehot) ** 2).sum(axis=1), weights=weight) * (0.5 if k == 2 else 1)
    close(found["performance.brier_score"], float(brier))
    for name, oracle in (("roc_auc", sk.roc_auc_score), ("average_precision", sk.average_precision_score)):
        each = [oracle(onehot[:, c], scores[:, c], **keep) if 0 < onehot[:, c].sum() < len(truth) else np.nan
                for c in range(k)]
        if k == 2:
            close(found[f"performance.{name}"], each[1])
            continue
        for label in range(k):
            close(found[f"performance.{name}(class={label})"], each[label])
        close(found[f"performance.{name}"], np.nan if np.isnan(each).all() else float(np.nanmean(each)))


def test_what_a_macro_average_leaves_out_is_named():
    found = measured(Classification, table_of([0, 0, 1, 1], [0, 0, 0, 1]), 3)
    assert found["performance.precision(class=2)"].value is None
    assert found["performance.recall(class=2)"].reason == "no row has target 2"
    macro = found["performance.f1(average=macro)"]
    assert macro.excluded == ["2"]
    assert macro.value == pytest.approx((0.8 + 2 / 3) / 2)


def test_the_scale_of_weights_changes_nothing():
    rng = np.random.default_rng(3)
    truth, scores = scored(rng, 150, 3)
    weight = rng.random(150) + 0.1
    once, again = (
        measured(Classification, table_of(truth, scores.argmax(1), scores, w=weight * scale), 3, weight="w")
        for scale in (1.0, 1e4)
    )
    for name, metric in once.items():
        assert again[name].value == pytest.approx(metric.value, rel=1e-9)
        assert again[name].low == pytest.approx(metric.low, rel=1e-9)
        assert again[name].n == metric.n


def test_rows_copied_within_a_cluster_do_not_narrow_an_interval():
    rng = np.random.default_rng(4)
    truth, scores = scored(rng, 120, 3, noise=3.0)
    single = table_of(truth, scores.argmax(1), scores)
    copies = single.loc[single.index.repeat(25)].assign(c=np.repeat(np.arange(120), 25).astype(str))
    alone, naive, robust = (
        measured(Classification, table, 3, cluster=cluster)
        for table, cluster in ((single, ()), (copies, ()), (copies, ("c",)))
    )
    for name in ("accuracy", "balanced_accuracy", "f1(average=macro)", "roc_auc", "average_precision", "log_loss"):
        one, wrong, right = (found[f"performance.{name}"] for found in (alone, naive, robust))
        width = one.high - one.low
        assert (wrong.high - wrong.low) < 0.25 * width
        assert 0.9 * width < (right.high - right.low) < 1.25 * width
        assert right.n_clusters == 120


def test_rows_without_a_cluster_are_counted_as_none():
    rng = np.random.default_rng(6)
    truth, scores = scored(rng, 600, 2)
    voice = np.array([str(v) for v in np.arange(600) % 30], dtype=object)
    voice[::7] = None
    found = measured(Classification, table_of(truth, scores.argmax(1), scores, v=voice), 2, cluster=("v",))
    assert found["performance.accuracy"].n_clusters == 30


def test_two_crossed_cluster_columns_widen_what_one_leaves_narrow():
    rng = np.random.default_rng(5)
    voice, picture = np.repeat(np.arange(20), 60), np.tile(np.arange(60), 20)
    hard = rng.normal(0, 2, 20)[voice] + rng.normal(0, 2, 60)[picture]
    truth = rng.integers(0, 2, 1200)
    prediction = np.where(rng.random(1200) < 1 / (1 + np.exp(hard)), truth, 1 - truth)
    table = table_of(truth, prediction, v=voice.astype(str), p=picture.astype(str))
    widths = [
        (lambda metric: metric.high - metric.low)(measured(Classification, table, 2, cluster=c)["performance.accuracy"])
        for c in ((), ("p",), ("p", "v"))
    ]
    assert widths[0] * 2 < widths[1]
    assert widths[1] * 1.2 < widths[2]


@pytest.mark.parametrize("ties", [False, True])
def test_the_influence_of_a_row_is_the_derivative_of_average_precision_influence(ties):
    rng = np.random.default_rng(6)
    truth, score, weight = rng.random(60) < 0.4, rng.random(60), rng.random(60) + 0.5
    score = np.round(score, 1) if ties else score
    value, influence = average_precision_influence(truth, score, weight)
    assert influence.sum() == pytest.approx(0, abs=1e-12)
    for row in range(0, 60, 7):
        nudged = weight.copy()
        nudged[row] += 1e-6
        assert influence[row] / weight[row] == pytest.approx(
            (sk.average_precision_score(truth, score, sample_weight=nudged) - value) / 1e-6, abs=1e-4)


def test_averages_over_classes_cover_the_truth():
    rng = np.random.default_rng(7)
    cells = np.array([[30, 5, 1], [6, 18, 4], [3, 4, 9]], dtype=float).ravel()
    cells /= cells.sum()
    big = np.rint(cells * 4_000_000).astype(int)
    truths = np.repeat(np.arange(9) // 3, big), np.repeat(np.arange(9) % 3, big)
    names = {"f1(average=macro)": sk.f1_score(*truths, average="macro"),
             "balanced_accuracy": sk.balanced_accuracy_score(*truths)}
    from raikit_performance.classification import label_metrics
    from raikit_performance.rows import Rows

    covered = dict.fromkeys(names, 0)
    for _ in range(100):
        drawn = rng.choice(9, 150, p=cells)
        metrics = label_metrics(Rows(drawn // 3, drawn % 3, None, None, [], [0, 1, 2], 0.95))
        by_id = {metric.address("p")[2:]: metric for metric in metrics}
        for name, truth in names.items():
            covered[name] += by_id[name].low <= truth <= by_id[name].high
    assert min(covered.values()) > 87  # three standard errors below 95 %
    assert max(covered.values()) < 100  # and not merely wide


def test_a_calibrated_model_is_not_called_miscalibrated_and_a_bad_one_is():
    rng = np.random.default_rng(8)
    false_alarms = 0
    for _ in range(40):
        score = rng.random(400)
        truth = (rng.random(400) < score).astype(int)
        error = measured(Calibration, table_of(truth, truth, np.column_stack([1 - score, score])), 2)
        false_alarms += error["performance.expected_calibration_error"].low > 0
    assert false_alarms <= 5  # nominal 2.5 %
    truth = (rng.random(2000) < 0.5).astype(int)
    score = np.where(rng.random(2000) < 0.5, 0.9, 0.2)
    bad = measured(Calibration, table_of(truth, truth, np.column_stack([1 - score, score])), 2)
    error = bad["performance.expected_calibration_error"]
    assert error.low < 0.35 < error.high  # half are 0.4 off, half 0.3
    assert error.low > 0.25
    assert "not debiased" in error.method


def test_calibration_of_clustered_rows_is_no_surer_than_their_clusters():
    rng = np.random.default_rng(9)
    score = rng.random(60)
    truth = (rng.random(60) < score).astype(int)
    table = table_of(truth, truth, np.column_stack([1 - score, score]))
    copies = table.loc[table.index.repeat(40)].assign(c=np.repeat(np.arange(60), 40).astype(str))
    naive, robust = (measured(Calibration, copies, 2, cluster=c)["performance.expected_calibration_error"]
                     for c in ((), ("c",)))
    assert naive.low > 0
    assert robust.low == 0


def test_confusions_are_shares_of_the_true_class_and_the_figure_holds_a_number_per_cell():
    truth, prediction = [0] * 6 + [1] * 4 + [2] * 5, [0, 0, 0, 1, 1, 2] + [1, 1, 1, 0] + [2] * 5
    ctx = table_context(table_of(truth, prediction), task="multiclass", classes=[0, 1, 2])
    result = result_of(ConfusionMatrix, ctx)
    found = {metric.id: metric for metric in result.metrics}
    matrix = sk.confusion_matrix(truth, prediction, normalize="true")
    for t in range(3):
        for p in range(3):
            if t != p:
                metric = found[f"performance.confusion_matrix(predicted={p},target={t})"]
                assert metric.value == pytest.approx(matrix[t, p])
                assert metric.n == truth.count(t)
    assert len(result.figures[0].data) == 9
    assert all(row["number"].isdigit() for row in result.figures[0].data)


@pytest.mark.parametrize("check", [Classification, ConfusionMatrix, Calibration])
def test_every_metric_is_announced(check):
    rng = np.random.default_rng(10)
    for k in (2, 3):
        truth, scores = scored(rng, 60, k)
        for address in measured(check, table_of(truth, scores.argmax(1), scores), k):
            assert any(Pattern(pattern).matches(address) for pattern in check.produces)


def test_loading_the_plugin_imports_nothing_heavy():
    code = ("import sys, raikit_performance; list(raikit_performance.raikit_checks()); "
            "print([m for m in ('numpy', 'pandas', 'scipy', 'sklearn', 'torch') if m in sys.modules])")
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == "[]"


def test_errors_of_bins_that_share_clusters_add_up():
    """One threshold a cluster decides all its rows: calibrated, and every bin errs the same way by chance."""
    ends = []
    for seed in range(12):
        rng = np.random.default_rng(seed)
        cluster = np.repeat(np.arange(30), 60)
        score = rng.random(1800)
        truth = (rng.random(30)[cluster] < score).astype(int)
        table = table_of(truth, truth, np.column_stack([1 - score, score]), c=cluster.astype(str))
        ends.append(measured(Calibration, table, 2, cluster=("c",))["performance.expected_calibration_error"])
    assert sum(error.low > 0 for error in ends) <= 1
    assert np.mean([error.high - error.value for error in ends]) > 0.08  # the standard error is that of 30 thresholds
