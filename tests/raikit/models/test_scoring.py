"""Scoring: what a model returns is checked before it becomes a prediction."""

import pytest

from raikit.errors import ModelError
from raikit.models.loaders import LOADERS, load
from raikit.models.scoring import ModelScorer, score

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
