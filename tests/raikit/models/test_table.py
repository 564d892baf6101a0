"""A table of predictions: columns become decisions and scores, and what cannot be one is refused with its row."""

import numpy as np
import pandas as pd
import pytest

from raikit.cli import main
from raikit.config.schema import DataConfig
from raikit.data.dataset import Dataset
from raikit.errors import ConfigError, DataError
from raikit.models.scoring import score
from raikit.models.table import open_table


def written(spec, dataset, tmp_path):
    assert score(open_table(spec, dataset), dataset, tmp_path / "predictions.parquet") == 0
    return pd.read_parquet(tmp_path / "predictions.parquet")


def test_a_score_decides_at_the_threshold(numbers, tmp_path):
    dataset = numbers(extra=["p"])
    frame = written({"kind": "predictions", "score": "p", "threshold": 0.7}, dataset, tmp_path)
    assert (frame["prediction"] == (frame["score"] >= 0.7)).all()
    assert list(frame.columns) == ["id", "split", "target", "prediction", "score"] or {"prediction", "score"} <= set(
        frame.columns
    )


def test_scores_of_classes_are_taken_by_name(numbers, tmp_path):
    dataset = numbers("multiclass", extra=["pa", "pb", "pc"])
    spec = {"kind": "predictions", "scores": {"a": "pa", "b": "pb", "c": "pc"}}
    frame = written(spec, dataset, tmp_path)
    assert set(frame["prediction"]) == {"a"}
    assert frame["score.a"].eq(0.5).all()


def test_scores_of_both_classes_of_a_binary_target_are_one_score_of_the_positive_class(numbers, tmp_path):
    p = np.linspace(0.0, 1.0, 60)
    dataset = numbers(extra=["no", "yes"], yes=p, no=1 - p)
    frame = written({"kind": "predictions", "scores": {"0": "no", "1": "yes"}, "threshold": 0.7}, dataset, tmp_path)
    assert frame["score"].tolist() == pytest.approx(p.tolist()) and not any("." in column for column in frame)
    assert (frame["prediction"] == (frame["score"] >= 0.7)).all()


@pytest.mark.parametrize("values", [[0.0, 1.0], ["0", "1"], [False, True], ["False", "True"], ["FALSE", "TRUE"]])
def test_decisions_are_read_however_they_are_written(numbers, tmp_path, values):
    truth = numbers(extra=["yhat"]).roles["target"]
    dataset = numbers(extra=["yhat"], yhat=[values[label] for label in truth])
    frame = written({"kind": "predictions", "prediction": "yhat"}, dataset, tmp_path)
    assert (frame["prediction"] == frame["target"]).all()
    assert "score" not in frame


@pytest.mark.parametrize("truth", [[False, True], ["False", "True"]])
@pytest.mark.parametrize("values", [[0, 1], [False, True], ["False", "True"], ["0.0", "1.0"]])
def test_truth_values_are_decided_by_0_and_1(tmp_path, truth, values):
    frame = pd.DataFrame({"y": np.array(truth)[np.arange(60) % 2], "yhat": np.array(values)[np.arange(60) // 3 % 2]})
    frame.to_parquet(tmp_path / "t.parquet")
    config = DataConfig(path="t.parquet", target="y")
    dataset = Dataset.open(config, tmp_path, error=lambda key, problem: ConfigError(problem), needs_inputs=False, extra_columns=["yhat"])
    assert dataset.positive == truth[1]
    decided = written({"kind": "predictions", "prediction": "yhat"}, dataset, tmp_path)
    assert decided["prediction"].tolist() == np.array(truth)[np.arange(60) // 3 % 2].tolist()


def test_scores_are_named_by_any_writing_of_the_class(numbers, tmp_path):
    dataset = numbers("multiclass", extra=["pa", "pb", "pc"], y=np.arange(60) % 3 + 1)
    frame = written({"kind": "predictions", "scores": {"1.0": "pa", "2": "pb", "3": "pc"}}, dataset, tmp_path)
    assert frame["score.1"].eq(0.5).all()


def test_a_score_that_misses_0_or_1_by_rounding_is_0_or_1(numbers, tmp_path):
    dataset = numbers(extra=["p"], p=[-1e-7, 0.5, 1.0000001, 0.7] * 15)
    frame = written({"kind": "predictions", "score": "p"}, dataset, tmp_path)
    assert frame["score"].tolist() == [0.0, 0.5, 1.0, 0.7] * 15


@pytest.mark.parametrize(
    ("task", "spec", "changes", "says"),
    [
        ("binary", {"score": "p"}, {"p": [0.5, np.nan] * 30}, r"row 2 \(id 1\): p is not a finite number"),
        ("binary", {"score": "p"}, {"p": [0.5, 1.5] * 30}, r"row 2 \(id 1\): p is 1\.5, which is not a probability"),
        (
            "binary",
            {"prediction": "yhat"},
            {"yhat": [0, 7] * 30},
            r"row 2 \(id 1\): yhat is '7', which is not among the classes 0, 1; if it is one, name all in data\.classes",
        ),
        ("binary", {"score": "p"}, {"p": [0.5, 1.00002] * 30}, r"row 2 \(id 1\): p is 1\.00002, which is not a probability"),
        ("binary", {"score": "p"}, {"p": [0, 1] * 30}, "every value of p is 0 or 1, a decision and no score"),
        (
            "multiclass",
            {"scores": {"a": "pa", "b": "pb", "c": "pc"}},
            {"pa": 1, "pb": 0, "pc": 0},
            "every value of pa, pb, pc is 0 or 1, a decision and no score",
        ),
        ("binary", {}, {}, "name the column of the `prediction`, of the `score`"),
        ("multiclass", {"score": "p"}, {}, "name the column of the `prediction`, or `scores`"),
        ("multiclass", {"scores": {"a": "pa", "b": "pb"}}, {}, r"model\.load\.scores: 'c' is missing; the classes are a, b, c"),
        ("multiclass", {"scores": {"a": "pa", "b": "pb", "c": "pc", "d": "p"}}, {}, "'d' is not a class; the classes are a, b, c"),
        (
            "multiclass",
            {"scores": {"a": "pa", "b": "pb", "c": "pc"}},
            {"pa": 0.9},
            r"row 1 \(id 0\): the scores add up to 1\.4",
        ),
        ("regression", {"prediction": "yhat"}, {"yhat": [1.0, np.inf] * 30}, r"row 2 \(id 1\): yhat is not a finite number"),
        ("regression", {"prediction": "yhat"}, {"yhat": [1.0, -1e36] * 30}, r"row 2 \(id 1\): yhat is beyond 1e\+35, where"),
        ("regression", {}, {}, "name the column of the `prediction`"),
    ],
)
def test_predictions_that_mean_nothing_name_the_row(numbers, tmp_path, task, spec, changes, says):
    columns = [name for value in spec.values() for name in (value.values() if isinstance(value, dict) else [value])]
    dataset = numbers(task, extra=columns, **changes)
    with pytest.raises(DataError, match=says):
        written({"kind": "predictions", **spec}, dataset, tmp_path)


@pytest.mark.parametrize("spec", ["prediction: told", "score: told"])
@pytest.mark.parametrize("told", [[[0], [1]], [{"a": 0}, {"a": 1}], [b"0", b"1"]], ids=["lists", "mappings", "bytes"])
def test_nested_cells_and_bytes_are_no_predictions(tmp_path, capsys, spec, told):
    pd.DataFrame({"y": [0, 1] * 20, "told": told * 20}).to_parquet(tmp_path / "t.parquet")
    (tmp_path / "a.yaml").write_text(
        f"name: a\ndata: {{path: t.parquet, target: y}}\nmodel: {{load: {{kind: predictions, {spec}}}}}\n", encoding="utf-8"
    )
    assert main(["audit", str(tmp_path / "a.yaml"), "--out", str(tmp_path / "run"), "--select", "performance.classification"]) == 2
    assert "column 'told' holds" in capsys.readouterr().err
