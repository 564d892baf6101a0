"""An estimator gets its inputs as it was fitted on them, and its classes are those of the data, however written."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import ColumnTransformer
from sklearn.dummy import DummyClassifier
from sklearn.feature_extraction.text import HashingVectorizer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import MultinomialNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import LinearSVC, LinearSVR

from raikit.config.schema import DataConfig
from raikit.data.dataset import Dataset
from raikit.errors import ModelError
from raikit.models.sklearn_estimator import SklearnModel

TABULAR = {"facts": {"modality": "tabular", "columns": ["x0", "x1"]}}


@pytest.fixture
def texts():
    """Sentences whose words tell the class; two are missing."""
    rng = np.random.default_rng(0)
    y = np.arange(80) % 2
    words = np.array([["good", "fine", "warm"], ["bad", "poor", "cold"]])
    said = pd.Series([f"a {words[label, rng.integers(3)]} thing" for label in y], name="said", dtype=object)
    said[[3, 8]] = None
    return pd.DataFrame({"said": said, "y": y})


def opened(table, inputs, **roles):
    return Dataset.of(table, DataConfig.model_validate({"path": "t", "target": "y", "inputs": inputs, **roles}))


class Cleaner(TransformerMixin, BaseEstimator):
    """A step of one's own that reads single texts."""

    def fit(self, texts, y=None):
        return self

    def transform(self, texts):
        assert all(isinstance(value, str) for value in texts)
        return [value.lower() for value in texts]


PIPELINES = {
    "tfidf": lambda: make_pipeline(TfidfVectorizer(), MultinomialNB()),
    "hashing": lambda: make_pipeline(HashingVectorizer(n_features=64), LogisticRegression()),
    "own step": lambda: make_pipeline(Cleaner(), TfidfVectorizer(), MultinomialNB()),
    "function": lambda: make_pipeline(FunctionTransformer(list), TfidfVectorizer(), MultinomialNB()),
    "search": lambda: GridSearchCV(make_pipeline(TfidfVectorizer(), MultinomialNB()), {"multinomialnb__alpha": [0.5, 1]}),
}


@pytest.mark.parametrize("pipeline", PIPELINES)
def test_a_text_pipeline_gets_one_dimensional_text(texts, pipeline, predictions):
    data = opened(texts, {"said": {"modality": "text"}})
    filled = texts["said"].fillna("")
    estimator = PIPELINES[pipeline]().fit(filled, texts["y"])
    frame = predictions(SklearnModel(estimator, data), data)
    np.testing.assert_allclose(frame["score"], estimator.predict_proba(filled)[:, 1])
    assert (frame["prediction"] == frame["target"]).mean() > 0.9


def test_a_pipeline_that_was_fitted_on_columns_still_gets_a_frame(texts, predictions):
    data = opened(texts.dropna(), {"said": {"modality": "text"}})
    by_column = ColumnTransformer([("words", TfidfVectorizer(), "said")])
    frame = texts.dropna()
    estimator = make_pipeline(by_column, MultinomialNB()).fit(frame[["said"]], frame["y"])
    np.testing.assert_allclose(
        predictions(SklearnModel(estimator, data), data)["score"], estimator.predict_proba(frame[["said"]])[:, 1]
    )


def test_an_estimator_of_ones_own_still_gets_a_frame(texts, predictions):
    class Own:
        classes_ = np.array([0, 1])

        def predict(self, table):
            return table["said"].str.contains("bad|poor|cold", na=False).astype(int)

    data = opened(texts, {"said": {"modality": "text"}})
    assert predictions(SklearnModel(Own(), data), data)["prediction"].sum() > 30


# --- classes ------------------------------------------------------------------------------------------------------


def table_of(labels, rows=60):
    rng = np.random.default_rng(0)
    return pd.DataFrame({"x0": rng.normal(size=rows), "x1": rng.normal(size=rows), "y": np.array(labels)[np.arange(rows) % len(labels)]})


@pytest.mark.parametrize("own", [[0, 1], [False, True], ["False", "True"], [0.0, 1.0]])
@pytest.mark.parametrize("truth", [[0, 1], [False, True], ["False", "True"]])
def test_truth_values_and_0_and_1_are_one_pair(own, truth, predictions):
    table = table_of(truth)
    estimator = LogisticRegression().fit(table[["x0", "x1"]], np.array(own)[np.arange(60) % 2])
    data = opened(table, TABULAR)
    frame = predictions(SklearnModel(estimator, data), data)
    np.testing.assert_allclose(frame["score"], estimator.predict_proba(table[["x0", "x1"]])[:, 1])


@pytest.mark.parametrize("labels", [["a", "b", "c", "d"], [1, 2, 3, 4]])
def test_a_class_that_only_the_estimator_knows_is_scored(labels, predictions):
    fitted, table = table_of(labels), table_of([labels[0], labels[1], labels[3]])
    estimator = LogisticRegression().fit(fitted[["x0", "x1"]], fitted["y"])
    data = opened(table, TABULAR)
    model = SklearnModel(estimator, data)
    frame = predictions(model, data)
    assert list(model.classes) == data.classes == labels
    np.testing.assert_allclose(frame[f"score.{labels[2]}"], estimator.predict_proba(table[["x0", "x1"]])[:, 2])
    assert data.notes == [f"No case has the class {labels[2]}, which is known to the model; its recall is undefined."]


@pytest.mark.parametrize(("own", "truth"), [([0, 1, 2], [0, 1]), (["a", "b"], ["a", "b", "c"]), (["x", "y"], [0, 1])])
def test_classes_that_are_not_those_of_the_data_are_refused(own, truth):
    estimator = DummyClassifier(strategy="prior").fit(np.zeros((60, 2)), np.array(own)[np.arange(60) % len(own)])
    with pytest.raises(ModelError, match=r"the classes of the estimator are .*; those of the data are .*data\.classes can declare"):
        SklearnModel(estimator, opened(table_of(truth), TABULAR))




@pytest.mark.parametrize("estimator", [LinearSVC(), RidgeClassifier(), make_pipeline(StandardScaler(), LinearSVC())])
def test_decision_function_is_not_taken_for_probabilities(estimator, predictions):
    table = table_of([0, 1])
    model = SklearnModel(estimator.fit(table[["x0", "x1"]], table["y"]), data := opened(table, TABULAR))
    frame = predictions(model, data)
    assert "score" not in frame and "scores" not in model.capabilities
    assert frame["prediction"].tolist() == estimator.predict(table[["x0", "x1"]]).tolist()
    (note,) = model.notes()
    assert "`decision_function` are not probabilities, so nothing is measured on scores" in note


def test_a_classifier_with_probabilities_and_a_regression_have_no_note():
    table = table_of([0, 1])
    assert not SklearnModel(LogisticRegression().fit(table[["x0", "x1"]], table["y"]), opened(table, TABULAR)).notes()
    numbers = table.assign(y=table["x0"] * 3.5)
    assert not SklearnModel(LinearSVR().fit(table[["x0", "x1"]], numbers["y"]), opened(numbers, TABULAR, task="regression")).notes()


# --- labels of its own -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("proba", [True, False])
def test_classes_say_which_labels_of_the_data_an_estimators_own_are(predictions, proba):
    table = pd.DataFrame({"x0": np.arange(8.0), "x1": 0.0, "y": ["no"] * 4 + ["yes"] * 4})
    kind = LogisticRegression if proba else RidgeClassifier
    estimator = kind().fit(table[["x0", "x1"]], np.where(table["y"] == "yes", 0, 1))  # its 0 is the data's "yes"
    data = opened(table, TABULAR, positive="yes")
    model = SklearnModel(estimator, data, classes=["yes", "no"])
    assert predictions(model, data)["prediction"].tolist() == table["y"].tolist()


@pytest.mark.parametrize(("classes", "problem"), [(["yes"], "names 1 class, and the estimator knows 2"), (["yes", "maybe"], "says which is which")])
def test_classes_that_do_not_fit_are_refused(classes, problem):
    table = pd.DataFrame({"x0": np.arange(8.0), "x1": 0.0, "y": ["no"] * 4 + ["yes"] * 4})
    estimator = LogisticRegression().fit(table[["x0", "x1"]], np.arange(8) % 2)
    with pytest.raises(ModelError, match=problem):
        SklearnModel(estimator, opened(table, TABULAR, positive="yes"), classes=classes)


def test_a_refitted_copy_learns_the_given_labels_and_leaves_the_model_as_it_was(texts):
    data = opened(texts, {"said": {"modality": "text"}})
    search = GridSearchCV(make_pipeline(TfidfVectorizer(), LogisticRegression(C=10)), {"logisticregression__C": [1.0, 10.0]}, cv=2)
    model = SklearnModel(search.fit(texts["said"].fillna(""), texts["y"]), data)
    batch = next(data.batches(data.audited_split, len(texts)))
    before = model.scores(batch)
    turned = model.refitted(batch, 1 - batch.target)
    assert (turned.scores(batch).argmax(axis=1) == 1 - before.argmax(axis=1)).mean() > 0.9
    assert np.array_equal(model.scores(batch), before)
    with pytest.raises(ModelError, match="GridSearchCV cannot be fitted anew"):
        model.refitted(batch.take(np.flatnonzero(batch.target == 0)), batch.target[batch.target == 0])
