"""Rows are weighed so that group and target are independent, and the trainer reads the weights."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import raikit
from raikit.config.training import FusionTraining
from raikit.errors import ConfigError, ModelError
from raikit.models.fusion import FusionModel
from raikit.models.prepared import prepare_cases
from raikit.models.reweighting import independence_weights
from raikit.models.trainer import fit
from raikit.models.training import build_model, train_fusion, validate_settings

SMALL = {"epochs": 1, "width": 16, "image_size": 16, "frames": 16, "hop": 256, "vocabulary": 64, "words": 4}


def weights(model):
    return torch.cat([weight.detach().flatten() for weight in model.module.parameters()])


@pytest.fixture
def grouped(make):
    """`grouped(weight=None)`: a dataset with a sensitive column whose groups differ in their target."""

    def grouped(weight=None, **more):
        data = make(200, weight=weight, **more)
        rng = np.random.default_rng(0)
        likely = 0.3 + 0.4 * (data.table["target"] == data.table["target"].max())
        data.table["sex"] = np.where(rng.random(200) < likely, "F", "M")
        data.table["race"] = np.where(rng.random(200) < 0.2, None, rng.choice(["a", "b"], 200))
        data.sensitive, data.roles = ["sex", "race"], data.table
        data.positions = lambda split: np.flatnonzero(data.table["split"] == split)
        return data

    return grouped


@given(st.integers(1, 60), st.integers(1, 4), st.integers(0, 999), st.booleans())
def test_weighted_so_group_and_target_are_independent_and_shares_stay(rows, groups, seed, weighted):
    rng = np.random.default_rng(seed)
    g, y = rng.integers(0, groups, rows), rng.integers(0, 3, rows)
    w = rng.uniform(0.5, 2, rows) if weighted else np.ones(rows)
    factors = independence_weights(g, y, w if weighted else None)
    joint = pd.crosstab(g, y, values=w, aggfunc="sum", normalize="all").fillna(0)
    for group, target, weight in zip(g, y, factors, strict=True):
        expected = joint.loc[group].sum() * joint[target].sum() / joint.loc[group, target]
        assert weight == pytest.approx(expected)
    if (joint > 0).all(axis=None):
        after = pd.crosstab(g, y, values=w * factors, aggfunc="sum", normalize="all")
        np.testing.assert_allclose(after, np.outer(joint.sum(axis=1), joint.sum()), atol=1e-12)


def test_a_missing_value_is_a_group_and_columns_are_crossed(grouped):
    data = grouped()
    factors = raikit.reweighing(data, ["sex", "race"])
    train = data.table[data.table["split"] == "train"]
    cell = train.groupby(["sex", "race", "target"], dropna=False).ngroup()
    assert pd.Series(factors).groupby(cell.to_numpy()).nunique().max() == 1
    one = (train["sex"] == "F") & train["race"].isna()
    expected = one.mean() * (train["target"] == 1).mean() / (one & (train["target"] == 1)).mean()
    assert factors[(one & (train["target"] == 1)).to_numpy()][0] == pytest.approx(expected)


@pytest.mark.parametrize("max_bytes", [1 << 30, 0])
def test_the_trainer_multiplies_them_with_the_weights_of_the_data(grouped, max_bytes):
    data = grouped("w")
    more = raikit.reweighing(data, ["sex"])
    rows = prepare_cases(build_model(data, FusionTraining(**SMALL)), data, "train", max_bytes, row_weight=more)
    own = data.table.loc[data.table["split"] == "train", "w"].to_numpy()
    for at in ([5, 0, 5, 80], []):
        np.testing.assert_allclose(rows.take(np.array(at, dtype=np.int64)).weight, (own * more)[at], rtol=1e-6)


def test_a_row_of_weight_three_teaches_as_three_rows_do(grouped):
    data, thrice = grouped(), grouped()
    train = data.table["split"] == "train"
    thrice.table = pd.concat([thrice.table, *[thrice.table[train & (thrice.table["sex"] == "F")]] * 2], ignore_index=True)
    weight = np.where(data.table.loc[train, "sex"] == "F", 3.0, 1.0)

    def taught(some, row_weight=None):
        model = build_model(some, FusionTraining(**SMALL, dropout=0, modality_dropout=0), 1)
        model.preprocessing = preprocessing  # means and scales are fitted on rows, not on weights
        step = torch.optim.SGD(model.module.parameters(), lr=1.0)
        fit(model, some, epochs=1, batch_size=1000, optimizer=step, row_weight=row_weight)
        return weights(model)

    preprocessing = build_model(data, FusionTraining(**SMALL), 1).preprocessing
    torch.testing.assert_close(taught(data, weight), taught(thrice), atol=1e-5, rtol=1e-4)
    assert (taught(data) - taught(thrice)).abs().max() > 1e-3


def test_weights_that_are_none_are_refused(grouped):
    data = grouped()
    for bad in (np.ones(3), np.full(150, np.nan), -np.ones(150)):
        with pytest.raises(ValueError, match="each of 150 cases"):
            fit(build_model(data, FusionTraining(**SMALL)), data, epochs=1, row_weight=bad)


def test_a_checkpoint_of_other_weights_is_refused(grouped, tmp_path):
    data = grouped()
    fit(build_model(data, FusionTraining(**SMALL)), data, epochs=1, workdir=tmp_path)
    with pytest.raises(ModelError, match="row_weight was None"):
        fit(build_model(data, FusionTraining(**SMALL)), data, epochs=1, workdir=tmp_path, row_weight=np.ones(150))


def test_the_option_trains_on_reweighed_rows_and_is_remembered(grouped, tmp_path):
    data = grouped()
    plain, _ = train_fusion(data, SMALL)
    model, _ = train_fusion(data, SMALL | {"reweight": "sex"})
    by_hand = build_model(data, FusionTraining(**SMALL))
    fit(by_hand, data, epochs=1, row_weight=raikit.reweighing(data, ["sex"]))
    assert torch.equal(weights(model), weights(by_hand))
    assert not torch.equal(weights(model), weights(plain))
    model.save(tmp_path)
    loaded = FusionModel.load(tmp_path)
    assert loaded.describe()["reweight"] == "sex"
    assert loaded.training == model.training == loaded.copy().training
    assert loaded.training["reweight"] == ["sex"]
    assert loaded.training["epochs"] == 1
    assert loaded.fresh().training == {}
    assert "reweight" not in plain.describe()


def test_another_column_is_refused_with_the_nearest(grouped):
    with pytest.raises(ConfigError, match=r"'sexx' is not among data\.sensitive\. Did you mean 'sex'\?"):
        train_fusion(grouped(), SMALL | {"reweight": ["sexx"]})
    data = grouped()
    data.sensitive = []
    with pytest.raises(ConfigError, match="There are none"):
        train_fusion(data, SMALL | {"reweight": ["sex"]})
    with pytest.raises(ConfigError, match=r"model\.train\.reweight"):
        validate_settings({"reweight": 3})


def test_a_number_has_no_classes_to_be_made_independent_of(grouped):
    with pytest.raises(ConfigError, match="the target must have classes"):
        train_fusion(grouped(task="regression"), SMALL | {"reweight": ["sex"]})
