"""Loaders of raikit: estimators and modules are found, asked and refused in a sentence."""

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.linear_model import LinearRegression, LogisticRegression

from raikit.errors import ConfigError, ModelError
from raikit.models.loaders import LOADERS, load

# --- scikit-learn -----------------------------------------------------------------------------------------------

SKLEARN = """
import pandas as pd
from sklearn.linear_model import {name}
def build():
    table = pd.read_csv({path!r})
    return {name}().fit(table[["x0", "x1"]], table["y"])
"""


@pytest.mark.parametrize(
    ("task", "name"),
    [("binary", "LogisticRegression"), ("multiclass", "LogisticRegression"), ("regression", "LinearRegression")],
)
def test_a_fitted_estimator_is_taken_from_a_function(numbers, predictions, module, tmp_path, task, name):
    dataset = numbers(task)
    source = SKLEARN.format(name=name, path=str(tmp_path / "t.csv"))
    frame = predictions(load({"kind": "sklearn", "path": f"{module(source)}:build"}, dataset, LOADERS, tmp_path), dataset)
    table = pd.read_csv(tmp_path / "t.csv")
    own = {"LogisticRegression": LogisticRegression, "LinearRegression": LinearRegression}[name]().fit(
        table[["x0", "x1"]], table["y"]
    )
    expected = own.predict(table[["x0", "x1"]])
    if task == "regression":
        np.testing.assert_allclose(frame["prediction"], expected)
    else:
        assert frame["prediction"].tolist() == expected.tolist()
        column = "score" if task == "binary" else "score.c"
        np.testing.assert_allclose(frame[column], own.predict_proba(table[["x0", "x1"]])[:, -1])


# --- torch ------------------------------------------------------------------------------------------------------

TORCH = """
import torch
class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Linear(2, {outputs})
    def forward(self, facts):
        return self.linear(facts)
def build():
    torch.manual_seed(0)
    return Net()
"""


@pytest.mark.parametrize(("task", "outputs"), [("binary", 1), ("binary", 2), ("multiclass", 3), ("regression", 1)])
def test_a_torch_module_is_called_by_input_name(numbers, predictions, module, tmp_path, task, outputs):
    dataset = numbers(task)
    model = load(
        {"kind": "torch", "path": f"{module(TORCH.format(outputs=outputs))}:build"}, dataset, LOADERS, tmp_path
    )
    frame = predictions(model, dataset)
    x = torch.tensor(dataset.frame(["x0", "x1"]).to_numpy(), dtype=torch.float32)
    with torch.no_grad():
        logits = model.module(x)
    if task == "regression":
        np.testing.assert_allclose(frame["prediction"], logits[:, 0], rtol=1e-6)
    elif task == "binary":
        expected = torch.sigmoid(logits[:, 0]) if outputs == 1 else logits.softmax(1)[:, 1]
        np.testing.assert_allclose(frame["score"], expected, rtol=1e-5)
    else:
        np.testing.assert_allclose(frame["score.b"], logits.softmax(1)[:, 1], rtol=1e-5)
    assert "gradients" in model.capabilities


def test_weights_are_read_as_tensors_and_nothing_else(numbers, module, tmp_path):
    dataset, name = numbers(), module(TORCH.format(outputs=1))
    torch.save({"linear.weight": torch.full((1, 2), 5.0), "linear.bias": torch.zeros(1)}, tmp_path / "w.pt")
    model = load({"kind": "torch", "path": f"{name}:build", "weights": "w.pt"}, dataset, LOADERS, tmp_path)
    assert model.module.linear.weight.tolist() == [[5.0, 5.0]]
    torch.save(LogisticRegression(), tmp_path / "evil.pt")
    with pytest.raises(ModelError, match=r"model\.load\.weights: evil\.pt"):
        load({"kind": "torch", "path": f"{name}:build", "weights": "evil.pt"}, dataset, LOADERS, tmp_path)


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        (
            {"kind": "torch", "path": "no_such_module_here:build"},
            "No module named 'no_such_module_here'.*beside audit.yaml",
        ),
        ({"kind": "torch", "path": "json:nothing"}, "json has no 'nothing'"),
        ({"kind": "torch", "path": "just a name"}, "must be module:function"),
        ({"kind": "torch", "path": "json:dumps"}, "json:dumps raised TypeError|not a torch"),
        ({"kind": "torch", "path": "os:getcwd"}, "returned a str, not a torch.nn.Module"),
        ({"kind": "torch"}, r"model\.load\.path: this setting is required"),
        (
            {"kind": "torch", "path": "os:getcwd", "weihgts": "x"},
            r"model\.load\.weihgts: the loader knows no such setting",
        ),
        ({"kind": "fusion", "path": "."}, "holds no fusion model"),
        ({"kind": "sklearn", "path": "os:getcwd"}, "has no `predict`"),
        ({"kind": "torch", "pth": "mine:build"}, "model.load.pth: the loader knows no such setting"),
    ],
)
def test_a_model_that_cannot_be_loaded_is_one_sentence(numbers, tmp_path, spec, says):
    with pytest.raises((ConfigError, ModelError), match=says):
        load(spec, numbers(), LOADERS, tmp_path)


def test_what_a_loader_raises_is_told_as_its_own(numbers, tmp_path):
    def broken(spec, data):
        raise ArithmeticError("no such thing")

    with pytest.raises(ModelError, match="the loader 'odd' raised ArithmeticError: no such thing"):
        load({"kind": "odd"}, numbers(), {**LOADERS, "odd": broken}, tmp_path)
