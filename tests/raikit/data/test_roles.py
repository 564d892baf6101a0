from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from raikit.config.schema import DataConfig
from raikit.data.roles import list_inputs, read_ids, resolve_columns
from raikit.errors import ConfigError, DataError

AVAILABLE = ["case", "photo", "age", "Age", "sex", "y", "site", "w", "score", "score.a", "Split", "id", "half"]


@pytest.fixture
def columns(error):
    def columns(extra=(), **roles):
        config = DataConfig.model_validate({"path": "a.csv", "target": "y", **roles})
        return resolve_columns(config, extra, AVAILABLE, "a.csv", error)

    return columns


def test_every_column_with_a_role_is_read_once(columns):
    read = columns(
        extra=["score"],
        id="case",
        inputs={"photo": {"modality": "image"}},
        sensitive=["sex"],
        cluster=["site"],
        weight="w",
        split="half",
    )
    assert sorted(read) == ["case", "half", "photo", "score", "sex", "site", "w", "y"]
    assert columns(sensitive=["site"], cluster=["site"]) == ["y", "site"]


def test_an_input_reads_its_columns_or_the_one_of_its_name():
    config = DataConfig.model_validate(
        {
            "path": "a.csv",
            "target": "y",
            "inputs": {
                "photo": {"modality": "image"},
                "voice": {"modality": "audio", "column": "wav"},
                "facts": {"modality": "tabular", "columns": ["a", "b"]},
            },
        }
    )
    assert [item.columns for item in list_inputs(config).values()] == [("photo",), ("wav",), ("a", "b")]


@pytest.mark.parametrize(
    ("roles", "key"),
    [
        ({"sensitive": ["age", "sexx"]}, "data.sensitive, item 2"),
        ({"target": "sexx"}, "data.target"),
        ({"id": "sexx"}, "data.id"),
        ({"cluster": ["sexx"]}, "data.cluster"),
        ({"weight": "sexx"}, "data.weight"),
        ({"split": "sexx"}, "data.split"),
        ({"inputs": {"facts": {"modality": "tabular", "columns": ["sexx"]}}}, "data.inputs.facts"),
        ({"extra": ["sexx"]}, "model.load"),
    ],
)
def test_a_misspelt_column_is_named_under_its_key_with_the_nearest(columns, roles, key):
    with pytest.raises(ConfigError) as caught:
        columns(**roles)
    expected = f"audit.yaml: {key}: no column 'sexx' in a.csv. Did you mean 'sex'? Columns there: "
    assert str(caught.value).startswith(expected)


@pytest.mark.parametrize(
    ("roles", "says"),
    [
        ({"sensitive": ["score"]}, r"data\.sensitive: .* its own column 'score'; rename 'score'"),
        ({"cluster": ["score.a"]}, r"data\.cluster: .*rename 'score\.a'"),
        ({"weight": "Split"}, r"data\.weight: .* its own column 'split'; rename 'Split'"),
        ({"cluster": ["id"]}, r"data\.cluster: .*rename 'id'"),
        ({"sensitive": ["age", "Age"]}, r"data\.sensitive: 'Age' and 'age' differ only in upper and lower case"),
        ({"sensitive": [{"column": "age", "quantiles": 3}], "cluster": ["age"]}, r"data\.cluster: 'age' is binned"),
        ({"sensitive": ["w"], "weight": "w"}, r"data\.weight: 'w' is already used in another role"),
        ({"inputs": {"facts": {"modality": "tabular", "columns": ["age", "y"]}}}, r"inputs\.facts: 'y' is the target"),
        ({"sensitive": ["age", "y"]}, r"data\.sensitive, item 2: 'y' is the target"),
    ],
)
def test_roles_that_cannot_stand_together_are_refused(columns, roles, says):
    with pytest.raises(ConfigError, match=says):
        columns(**roles)


def test_the_id_itself_may_be_a_cluster(columns):
    assert "id" in columns(id="id", cluster=["id"])


def test_without_an_id_rows_are_numbered_from_0():
    assert read_ids(pd.DataFrame({"a": [5, 6]}), None, "a.csv").tolist() == [0, 1]


def test_ids_are_integers_or_text():
    table = pd.DataFrame({"n": [3, 1], "f": [1.0, 2.5], "t": ["a", "b"]})
    assert [read_ids(table, column, "a.csv").tolist() for column in table] == [[3, 1], ["1", "2.5"], ["a", "b"]]


@pytest.mark.parametrize(
    ("values", "says"),
    [
        (["a", "b", "a"], r"a\.csv: data\.id \(case\) must be unique; 'a' occurs 2 times, first in rows 1 and 3"),
        ([7, 8, 8], r"8 occurs 2 times, first in rows 2 and 3"),
        (["a", None, "b"], r"a\.csv, row 2: data\.id \(case\) is missing"),
    ],
)
def test_an_id_that_identifies_nothing_is_named(values, says):
    with pytest.raises(DataError, match=says):
        read_ids(pd.DataFrame({"case": values}), "case", "a.csv")


@pytest.mark.parametrize(
    ("weights", "says"),
    [
        ([1.0, -1.0], r"cases\.parquet, row 2 \(id 1\): data\.weight \(w\) is negative"),
        ([None, 1.0], r"row 1 \(id 0\): data\.weight \(w\) is not a finite number"),
        ([1.0, float("inf")], r"row 2 \(id 1\): data\.weight \(w\) is not a finite number"),
        ([0.0, 0.0], r"every data\.weight \(w\) is zero"),
    ],
)
def test_weights_that_weigh_nothing_are_named(opened, table, weights, says):
    with pytest.raises(DataError, match=says):
        opened(table(2, w=weights), weight="w")


@pytest.mark.parametrize("scale", [1e-300, 1e300])
def test_weights_of_an_extreme_scale_can_be_squared(opened, table, scale):
    weights = opened(table(w=scale * (1 + np.arange(40) % 3)), weight="w").roles["w"].to_numpy()
    assert 0 < (weights**2).sum() < np.inf
    np.testing.assert_allclose(weights / weights[0], 1 + np.arange(40) % 3)


def test_the_target_is_no_prediction_of_itself(columns):
    with pytest.raises(ConfigError, match=r"model\.load: 'y' is the target; name the column of the predictions"):
        columns(extra=["y"])
