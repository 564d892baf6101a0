import joblib
import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.linear_model import LinearRegression, LogisticRegression

from raikit.config.schema import DataConfig
from raikit.data.dataset import Dataset
from raikit.errors import ConfigError, DataError, ModelError
from raikit.models.loaders import LOADERS, load
from raikit.models.scoring import score


@pytest.fixture
def data(tmp_path):
    """Two numbers; the target follows the first. Columns p, yhat and named scores hold predictions."""

    def data(task="binary", extra=(), rows=60, **changes):
        rng = np.random.default_rng(0)
        x = rng.normal(size=(rows, 2))
        y = {
            "binary": (x[:, 0] > 0).astype(int),
            "multiclass": np.array(["a", "b", "c"])[np.digitize(x[:, 0], [-0.5, 0.5])],
            "regression": 3 * x[:, 0] + 1,
        }[task]
        p = np.round(1 / (1 + np.exp(-4 * x[:, 0])), 6)
        table = pd.DataFrame(
            {"x0": x[:, 0], "x1": x[:, 1], "y": y, "p": p, "yhat": y, "pa": 0.5, "pb": 0.25, "pc": 0.25}
        )
        for name, value in changes.items():
            table[name] = value
        table.to_csv(tmp_path / "t.csv", index=False)
        config = DataConfig.model_validate(
            {
                "path": "t.csv",
                "target": "y",
                "task": task,
                "inputs": {"facts": {"modality": "tabular", "columns": ["x0", "x1"]}},
            }
        )
        return Dataset.open(config, tmp_path, error=lambda key, problem: ConfigError(problem), extra_columns=extra)

    return data


def predictions(model, dataset, tmp_path):
    score(model, dataset, tmp_path / "predictions.parquet")
    return pd.read_parquet(tmp_path / "predictions.parquet")


@pytest.fixture
def module(tmp_path):
    """Write a module beside audit.yaml under a name of its own (Python caches modules by name)."""

    def module(source):
        name = f"model_{abs(hash((str(tmp_path), source)))}"
        (tmp_path / f"{name}.py").write_text(source)
        return name

    return module


# --- predictions ------------------------------------------------------------------------------------------------


def test_a_score_decides_at_the_threshold(data, tmp_path):
    dataset = data(extra=["p"])
    frame = predictions(
        load({"kind": "predictions", "score": "p", "threshold": 0.7}, dataset, LOADERS, tmp_path), dataset, tmp_path
    )
    assert (frame["prediction"] == (frame["score"] >= 0.7)).all()
    assert list(frame.columns) == ["id", "split", "target", "prediction", "score"] or {"prediction", "score"} <= set(
        frame.columns
    )


def test_scores_of_classes_are_taken_by_name(data, tmp_path):
    dataset = data("multiclass", extra=["pa", "pb", "pc"])
    spec = {"kind": "predictions", "scores": {"a": "pa", "b": "pb", "c": "pc"}}
    frame = predictions(load(spec, dataset, LOADERS, tmp_path), dataset, tmp_path)
    assert set(frame["prediction"]) == {"a"}
    assert frame["score.a"].eq(0.5).all()


@pytest.mark.parametrize("written", [[0.0, 1.0], ["0", "1"], [False, True]])
def test_decisions_are_read_however_they_are_written(data, tmp_path, written):
    truth = data(extra=["yhat"]).roles["target"]
    dataset = data(extra=["yhat"], yhat=[written[label] for label in truth])
    frame = predictions(
        load({"kind": "predictions", "prediction": "yhat"}, dataset, LOADERS, tmp_path), dataset, tmp_path
    )
    assert (frame["prediction"] == frame["target"]).all()
    assert "score" not in frame


@pytest.mark.parametrize(
    ("task", "spec", "changes", "says"),
    [
        ("binary", {"score": "p"}, {"p": [0.5, np.nan] * 30}, r"row 2 \(id 1\): p is no number"),
        ("binary", {"score": "p"}, {"p": [0.5, 1.5] * 30}, r"row 2 \(id 1\): p is 1\.5, which is no probability"),
        (
            "binary",
            {"prediction": "yhat"},
            {"yhat": [0, 7] * 30},
            r"row 2 \(id 1\): yhat is '7', which is none of the classes 0, 1",
        ),
        ("binary", {}, {}, "name the column of the `prediction`, of the `score`"),
        ("multiclass", {"score": "p"}, {}, "name the column of the `prediction`, or `scores`"),
        ("multiclass", {"scores": {"a": "pa", "b": "pb"}}, {}, "'c' is in only one of the two"),
        (
            "multiclass",
            {"scores": {"a": "pa", "b": "pb", "c": "pc"}},
            {"pa": 0.9},
            r"row 1 \(id 0\): the scores add up to 1\.4",
        ),
        ("regression", {"prediction": "yhat"}, {"yhat": [1.0, np.inf] * 30}, r"row 2 \(id 1\): yhat is no number"),
        ("regression", {}, {}, "name the column of the `prediction`"),
    ],
)
def test_predictions_that_mean_nothing_name_the_row(data, tmp_path, task, spec, changes, says):
    columns = [name for value in spec.values() for name in (value.values() if isinstance(value, dict) else [value])]
    dataset = data(task, extra=columns, **changes)
    with pytest.raises(DataError, match=says):
        predictions(load({"kind": "predictions", **spec}, dataset, LOADERS, tmp_path), dataset, tmp_path)


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
def test_a_fitted_estimator_is_taken_from_a_function(data, module, tmp_path, task, name):
    dataset = data(task)
    source = SKLEARN.format(name=name, path=str(tmp_path / "t.csv"))
    frame = predictions(
        load({"kind": "sklearn", "path": f"{module(source)}:build"}, dataset, LOADERS, tmp_path), dataset, tmp_path
    )
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


def test_a_pickle_is_refused_unless_the_user_says_that_it_may_run_code(data, tmp_path):
    dataset = data()
    joblib.dump(LogisticRegression().fit(dataset.frame(["x0", "x1"]), dataset.roles["target"]), tmp_path / "m.joblib")
    with pytest.raises(ModelError, match=r"m\.joblib is a pickle.*allow_pickle: true"):
        load({"kind": "sklearn", "path": "m.joblib"}, dataset, LOADERS, tmp_path)
    model = load({"kind": "sklearn", "path": "m.joblib", "allow_pickle": True}, dataset, LOADERS, tmp_path)
    assert "scores" in model.capabilities


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
def test_a_torch_module_is_called_by_input_name(data, module, tmp_path, task, outputs):
    dataset = data(task)
    model = load(
        {"kind": "torch", "path": f"{module(TORCH.format(outputs=outputs))}:build"}, dataset, LOADERS, tmp_path
    )
    frame = predictions(model, dataset, tmp_path)
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


def test_weights_are_read_as_tensors_and_nothing_else(data, module, tmp_path):
    dataset, name = data(), module(TORCH.format(outputs=1))
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
def test_a_model_that_cannot_be_loaded_is_one_sentence(data, tmp_path, spec, says):
    with pytest.raises((ConfigError, ModelError), match=says):
        load(spec, data(), LOADERS, tmp_path)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("return facts[:, :1] * float('nan')", "a score that is no number for the row with id 0"),
        ("return torch.zeros(len(facts), 5)", r"scores of shape \(60, 5\) for 60 rows; \(60, 2\) is right"),
    ],
)
def test_a_model_that_says_nonsense_is_stopped(data, module, tmp_path, body, says):
    source = TORCH.format(outputs=1).replace("return self.linear(facts)", body)
    dataset = data()
    with pytest.raises(ModelError, match=says):
        predictions(
            load({"kind": "torch", "path": f"{module(source)}:build"}, dataset, LOADERS, tmp_path), dataset, tmp_path
        )


def test_what_a_loader_raises_is_told_as_its_own(data, tmp_path):
    def broken(spec, data):
        raise ArithmeticError("no such thing")

    with pytest.raises(ModelError, match="the loader 'odd' raised ArithmeticError: no such thing"):
        load({"kind": "odd"}, data(), {**LOADERS, "odd": broken}, tmp_path)
