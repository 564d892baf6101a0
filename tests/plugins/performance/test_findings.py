import numpy as np
import pandas as pd
import pytest

from raikit.naming import DisplayNames, using
from raikit.testing import result_of, table_context
from raikit_performance.checks import Calibration, Classification, ConfusionMatrix, Regression

from .conftest import scored, table_of


def findings(check, table, k=2, **roles):
    task = "binary" if k == 2 else "multiclass"
    return result_of(check, table_context(table, task=task, classes=list(range(k)), **roles)).findings


def by_what(found):
    return {finding.what: finding for finding in found}


def test_a_model_that_misses_the_rare_class_is_told_by_that_class():
    truth = np.repeat([0, 1], [950, 50])
    prediction = np.where(np.arange(1000) < 990, 0, 1)  # 10 of 50 found
    found = by_what(findings(Classification, table_of(truth, prediction)))
    with using(DisplayNames(classes={"1": "fraud"})):
        named = by_what(findings(Classification, table_of(truth, prediction)))["false negative rate"]
    assert found["false negative rate"].kind == "worth_knowing"
    assert named.headline == "The model misses “fraud” more often than it invents it"
    assert named.value == pytest.approx(0.8)  # the number that is drawn is that of the headline
    assert named.evidence == "False negative rate 80.0% vs false positive rate 0.0%; n = 50 and 950"
    assert dict(named.facts)["False negative rate"].startswith("80.0%, simultaneous 95% CI")
    assert found["accuracy"].kind == "fine"  # 96% right, 95% are of the frequent class: 10 of 10 cases that differ


@pytest.mark.parametrize(("missed", "invented", "said"), [
    (60, 20, "The model misses matches more often than it invents them"),
    (20, 60, "The model invents matches more often than it misses them"),
    (40, 42, "No class is recognised much less often than others"),
])
def test_of_two_errors_the_surely_more_frequent_one_is_told(missed, invented, said):
    truth = np.repeat([0, 1], 400)
    prediction = truth.copy()
    prediction[:invented], prediction[400:400 + missed] = 1, 0
    with using(DisplayNames(classes={"1": "match"}, denominators={"positives": "true matches"})):
        (found,) = (one for one in findings(Classification, table_of(truth, prediction)) if one.metrics and "recall" in one.metrics[0])
    assert found.headline == said


def test_the_class_of_several_that_is_recognised_least_is_named():
    truth = np.repeat([0, 1, 2], 200)
    prediction = truth.copy()
    prediction[400:500] = 0
    found = by_what(findings(Classification, table_of(truth, prediction), 3))["recall by class"]
    assert found.headline == "Cases of class “2” are recognised least often"


@pytest.mark.parametrize(("bend", "said"), [
    (lambda score: np.where(score < 0.3, score + 0.2, score), "Low scores understate the chance of “1”"),
    (lambda score: np.where(score > 0.7, score - 0.3, score), "High scores overstate the chance of “1”"),
])
def test_calibration_says_where_scores_differ_most_and_in_which_direction(bend, said):
    rng = np.random.default_rng(4)
    score = rng.uniform(0.02, 0.98, 4000)
    truth = (rng.random(4000) < bend(score)).astype(int)
    table = pd.DataFrame({"target": truth, "prediction": (score > 0.5).astype(int), "score": score})
    (found,) = findings(Calibration, table)
    assert found.headline == said


def test_high_accuracy_that_is_no_better_than_the_frequent_class_is_undecided():
    rng = np.random.default_rng(0)
    truth = np.repeat([0, 1], [950, 50])
    swapped = rng.permutation(1000)[:40]
    prediction = truth.copy()
    prediction[950:995] = 0
    prediction[swapped[swapped < 950][:6]] = 1
    (accuracy,) = [one for one in findings(Classification, table_of(truth, prediction)) if one.what == "accuracy"]
    assert (accuracy.kind, accuracy.headline) == ("undecided", "The model may be no better than always predicting “0”")


def test_a_model_worse_than_guessing_is_worth_knowing():
    truth = np.repeat([0, 1], [900, 100])
    accuracy = by_what(findings(Classification, table_of(truth, 1 - truth)))["accuracy"]
    assert (accuracy.kind, accuracy.headline) == ("worth_knowing", "Always predicting “0” is right more often than the model")


def test_few_cases_of_a_class_leave_its_recall_undecided():
    truth = np.repeat([0, 1], [500, 4])
    assert by_what(findings(Classification, table_of(truth, truth)))["recall by class"].kind == "undecided"
    truth = np.repeat([0, 1], 500)
    said = by_what(findings(Classification, table_of(truth, truth)))["recall by class"]
    assert said.kind == "fine" and dict(said.facts)["Excluded"].startswith("A recall more than 10")


def test_counted_cases_give_the_same_findings_as_weights_of_one():
    rng = np.random.default_rng(2)
    truth = rng.integers(0, 2, 300)
    table = table_of(truth, np.where(rng.random(300) < 0.8, truth, 1 - truth))
    alike = findings(Classification, table)
    weighted = findings(Classification, table.assign(weight=1.0), weight="weight")
    assert [one.kind for one in alike] == [one.kind for one in weighted]


@pytest.mark.parametrize(("shift", "n", "kind"), [(0.0, 4000, "fine"), (0.0, 40, "undecided"), (0.25, 2000, "worth_knowing")])
def test_calibration_is_fine_only_if_a_large_error_is_excluded(shift, n, kind):
    rng = np.random.default_rng(1)
    score = rng.uniform(0.05, 0.95, n)
    truth = (rng.random(n) < np.clip(score + shift, 0, 1)).astype(int)
    table = pd.DataFrame({"target": truth, "prediction": (score > 0.5).astype(int), "score": score})
    (said,) = findings(Calibration, table)
    assert said.kind == kind


def test_the_most_frequent_confusion_of_many_classes_is_worth_knowing_and_of_two_a_method():
    rng = np.random.default_rng(0)
    truth, scores = scored(rng, 600, 3, noise=3.0)
    (said,) = findings(ConfusionMatrix, table_of(truth, scores.argmax(axis=1), scores), 3)
    assert said.kind == "worth_knowing" and "mistaken for" in said.headline
    truth, scores = scored(rng, 600, 2, noise=3.0)
    (said,) = findings(ConfusionMatrix, table_of(truth, scores.argmax(axis=1), scores))
    assert said.kind == "method"


@pytest.mark.parametrize(("noise", "lean", "kinds"), [(0.5, 0.0, ("fine", "fine")), (3.0, 0.0, ("worth_knowing", "fine")),
                                                       (0.5, 1.0, ("worth_knowing", "worth_knowing"))])  # fmt: skip
def test_numeric_predictions_are_compared_with_the_mean(noise, lean, kinds):
    rng = np.random.default_rng(3)
    truth = rng.normal(size=400)
    table = pd.DataFrame({"target": truth, "prediction": truth + lean + rng.normal(size=400) * noise})
    found = result_of(Regression, table_context(table, task="regression")).findings
    assert tuple(one.kind for one in found) == kinds


def test_logs_whose_targets_are_all_the_same_are_not_compared_with_a_guess():
    truth = np.ones(200, dtype=int)
    (said,) = findings(Classification, table_of(truth, np.where(np.arange(200) < 150, 1, 0)))
    assert (said.kind, said.headline) == ("worth_knowing", "Most cases are predicted right")
    assert "no guess is compared" in dict(said.facts)["Targets"]
