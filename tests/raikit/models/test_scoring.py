"""Scoring: what a model returns is checked before it becomes a prediction."""

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import VotingClassifier
from sklearn.linear_model import LogisticRegression, Perceptron
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from raikit.config.schema import DataConfig
from raikit.data.dataset import Dataset
from raikit.errors import ModelError
from raikit.models.base import Model
from raikit.models.loaders import LOADERS, load
from raikit.models.scoring import ModelScorer, score, score_all
from raikit.models.sklearn_estimator import SklearnModel

TORCH = """
import torch
class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Linear(2, 1)
    def forward(self, facts):
        {body}
def build():
    torch.manual_seed(0)
    return Net()
"""


def test_every_case_is_scored_once_and_counted(numbers, module, tmp_path):
    dataset, name = numbers(), module(TORCH.format(body="return self.linear(facts)"))
    model = load({"kind": "torch", "path": f"{name}:build"}, dataset, LOADERS, tmp_path)
    steps = []
    rows = score(
        ModelScorer(model), dataset, tmp_path / "predictions.parquet", progress=lambda done, total: steps.append((done, total))
    )
    assert rows == 60
    assert steps[-1] == (60, 60)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("return facts[:, :1] * float('nan')", "a score that is NaN or infinite for the case with id 0"),
        ("return torch.zeros(len(facts), 5)", r"scores of shape \(60, 5\) for 60 cases; expected \(60, 2\)"),
    ],
)
def test_a_model_whose_scores_mean_nothing_is_stopped(numbers, predictions, module, tmp_path, body, says):
    source = TORCH.format(body=body)
    dataset = numbers()
    with pytest.raises(ModelError, match=says):
        predictions(load({"kind": "torch", "path": f"{module(source)}:build"}, dataset, LOADERS, tmp_path), dataset)


class Fixed(Model):
    """A model that returns the same scores for every case."""

    kind, capabilities = "fixed", frozenset({"labels", "scores"})

    def __init__(self, data, *scores):
        self.classes, self._scores = data.classes, scores

    def scores(self, batch):
        return np.tile(self._scores, (len(batch.ids), 1))


@pytest.mark.parametrize(
    ("scores", "says"),
    [
        ((-2.25, 3.5), r"the score -2\.25 for the case with id 0; scores must be probabilities"),
        ((0.0, 1.00001), r"the score 1\.00001 for the case"),
        ((0.5, 0.9), r"id 0 add up to 1\.4; the probabilities of the classes must add up to 1"),
    ],
)
def test_scores_that_are_no_probabilities_are_refused_with_their_digits(numbers, predictions, scores, says):
    data = numbers()
    with pytest.raises(ModelError, match=says):
        predictions(Fixed(data, *scores), data)


def test_a_predicted_number_whose_variance_is_infinite_is_refused(numbers, predictions):
    data = numbers("regression")
    predictions(Fixed(data, 1e30), data)
    with pytest.raises(ModelError, match=r"the case with id 0 is predicted as a number beyond 1e\+35, .*use larger units"):
        predictions(Fixed(data, -1e36), data)


def test_rounding_of_float32_is_no_error(numbers, predictions):
    data = numbers()
    draws = iter([[-(2.0**-23), 1 + 2.0**-23]] + [[0.25, 0.75]] * 59)
    model = Fixed(data)
    model.scores = lambda batch: np.array([next(draws) for _ in batch.ids])
    assert predictions(model, data)["score"].tolist() == [1.0] + [0.75] * 59


@pytest.mark.parametrize("task", ["binary", "multiclass"])
@pytest.mark.parametrize(
    "estimator",
    [SVC(), Perceptron(), VotingClassifier([("a", Perceptron()), ("b", LogisticRegression())]), DecisionTreeClassifier()],
    ids=lambda estimator: type(estimator).__name__,
)
def test_decisions_are_no_scores(numbers, predictions, task, estimator):
    data = numbers(task)
    facts = data.frame(["x0", "x1"])
    model = SklearnModel(estimator.fit(facts, data.roles["target"]), data)
    frame = predictions(model, data)
    assert frame["prediction"].tolist() == estimator.predict(facts).tolist()
    assert not [column for column in frame if column.startswith("score")]
    notes = ModelScorer(model).notes(list(frame.columns))
    told = {"DecisionTreeClassifier": "decisions, not probabilities", "VotingClassifier": None}  # others have a `decision_function`
    expected = told.get(type(estimator).__name__, "are not probabilities, so nothing is measured on scores")
    assert [expected in note for note in notes] == ([True] if expected else [])


# --- texts of like length together -------------------------------------------------------------------------------


class Longest(Model):
    """A model whose scores tell the text, and that notes how long each batch is."""

    kind = "longest"

    def __init__(self, data):
        self.classes, self.modalities, self.padded = data.classes, {"said": "text"}, 0

    def scores(self, batch):
        lengths = [len(text or "") for text in batch.inputs["said"]]
        self.padded += max(lengths) * len(lengths)
        return np.stack([1 - np.array(lengths) / 100, np.array(lengths) / 100], axis=1)


@pytest.mark.parametrize("size", [1, 3, 16, 500])
def test_texts_of_like_length_are_scored_together_and_their_scores_are_in_the_order_of_the_table(size):
    rng = np.random.default_rng(0)
    lengths = rng.integers(0, 100, 200)
    said = ["x" * int(length) if length else None for length in lengths]
    table = pd.DataFrame({"said": said, "y": np.arange(200) % 2, "split": np.where(np.arange(200) % 3, "test", "train")})
    config = {"path": "t", "target": "y", "split": "split", "inputs": {"said": {"modality": "text"}}}
    data = Dataset.of(table, DataConfig.model_validate(config))
    model = Longest(data)
    ids, scores = score_all(model, data, lambda done, total: None, size)
    assert ids == [id for split in data.splits for id in data.frame(["id"], split)["id"].tolist()]
    np.testing.assert_array_equal(scores[:, 1], lengths[np.argsort(table["split"] == "test", kind="stable")] / 100)
    if size == 16:
        assert model.padded < 1.3 * lengths.sum()  # 1.9 times in the order of the table
