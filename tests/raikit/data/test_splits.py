import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raikit.config.schema import SplitConfig
from raikit.data.splits import assign, overlap
from raikit.errors import DataError


def split_of(config, column=None, *, rows=200, units=None, trains=True, seed=0, target=None):
    target = target if target is not None else pd.Series(np.arange(rows) % 2)
    return assign(
        config, column, target, units, trains=trains, stratify=True, rng=np.random.default_rng(seed), file="a.csv"
    )


@given(st.integers(0, 1000), st.integers(5, 60), st.floats(0.1, 0.4), st.floats(0.05, 0.3))
def test_no_cluster_is_ever_in_two_splits(seed, clusters, test, validation):
    rng = np.random.default_rng(seed)
    units = pd.Series(rng.integers(0, clusters, 400).astype(str))
    split = split_of(SplitConfig(test=test, validation=validation), rows=400, units=units, seed=seed)
    assert pd.Series(split).groupby(units.to_numpy()).nunique().max() == 1


def test_fractions_are_of_all_rows_and_stratified():
    target = pd.Series([0] * 900 + [1] * 100)
    split = split_of(SplitConfig(test=0.2, validation=0.1), target=target)
    shares = pd.Series(split).value_counts(normalize=True)
    assert shares["test"] == pytest.approx(0.2, abs=0.01)
    assert shares["validation"] == pytest.approx(0.1, abs=0.01)
    assert target[split == "test"].mean() == pytest.approx(0.1, abs=0.01)


def test_the_same_seed_gives_the_same_split_and_another_another():
    config = SplitConfig(test=0.3)
    assert (split_of(config, seed=1) == split_of(config, seed=1)).all()
    assert (split_of(config, seed=1) != split_of(config, seed=2)).any()


def test_without_validation_a_tenth_of_train_is_taken_and_test_is_left_alone():
    column = pd.Series(["train"] * 150 + ["test"] * 50, name="split")
    split = split_of(SplitConfig(column="split"), column)
    assert (split[150:] == "test").all()
    assert (split == "validation").sum() == pytest.approx(15, abs=2)
    assert (split_of(SplitConfig(column="split"), column, trains=False) == column).all()


def test_rows_without_a_cluster_are_drawn_on_their_own():
    units = pd.Series([None] * 100 + ["one"] * 100)
    split = split_of(SplitConfig(test=0.3), units=units)
    assert set(split[:100]) == {"train", "validation", "test"}
    assert len(set(split[100:])) == 1


@pytest.mark.parametrize(
    ("values", "says"),
    [
        (["train", "tset"], r"data\.split \(split\): tset is no split"),
        (["train", None], r"row 2: data\.split"),
        (["train", "val"], "no rows in the split 'test'"),
        (["test", "test"], "no rows in the split 'train'"),
    ],
)
def test_a_split_that_cannot_be_used_is_named(values, says):
    with pytest.raises(DataError, match=says):
        split_of(SplitConfig(column="split"), pd.Series(values, name="split"), target=pd.Series([0, 1]))


def test_training_without_a_split_is_refused_and_judging_predictions_is_not():
    with pytest.raises(DataError, match="name a split column or fractions"):
        split_of(None)
    assert set(split_of(None, trains=False)) == {"test"}


def test_the_overlap_of_crossed_clusters_is_told():
    clusters = pd.DataFrame({"picture": ["a", "a", "b", "b"], "speaker": ["x", "y", "x", "y"]})
    told = overlap(np.array(["train", "train", "test", "test"]), clusters)
    assert told == {"picture": "none", "speaker": "2 of the 2 values in test are in train or validation too"}
