"""What people pass to `assess` becomes columns whose rows belong together, whatever holds it; or one sentence."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

import raikit
from raikit_fairness import assess

Y = np.array([1, 0, 1, 1, 0, 0, 1, 0])
YHAT = np.array([1, 0, 0, 1, 1, 0, 1, 1])
SEX = np.array(list("FMMFFMFM"))
ACCURACY = {"F": 0.75, "M": 0.5}


def accuracy(y_true=Y, y_pred=YHAT, sensitive_features=SEX, **more):
    table = assess(y_true, y_pred, sensitive_features=sensitive_features, metrics=["accuracy"], **more).by_group
    rows = table[(table.metric == "accuracy") & ~table.feature.str.contains(" and ")]
    return dict(zip(rows.group, rows.value, strict=True))


@pytest.mark.parametrize(
    "hold",
    [
        list, tuple, pd.Series, pd.Index, pd.array, lambda values: values[:, None], lambda values: pd.DataFrame({"x": values}),
        lambda values: pd.Series(values, dtype=object), lambda values: pd.Series(pd.Categorical(values)),
        lambda values: np.ma.array(values), lambda values: [[value] for value in values.tolist()],
        lambda values: pd.Series(values, index=[0] * len(values)),
    ],
)  # fmt: skip
def test_every_container_gives_what_an_array_gives(hold):
    assert accuracy() == ACCURACY
    assert accuracy(hold(Y), hold(YHAT), hold(SEX)) == ACCURACY


def test_decimals_and_weights_are_numbers():
    assert accuracy([Decimal(int(value)) for value in Y], YHAT) == ACCURACY
    assert accuracy(sample_weight=[Decimal(2)] * 8) == ACCURACY
    assert accuracy(sample_weight=np.full((8, 1), 2)) == ACCURACY


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA, pd.NaT])
def test_a_missing_group_in_a_list_is_missing_and_no_text(missing):
    assert set(accuracy(sensitive_features=[missing, *SEX[1:]])) == {"F", "M", "missing"}
    assert set(accuracy(sensitive_features=pd.Series([missing, *SEX[1:]]))) == {"F", "M", "missing"}
    assert set(accuracy(sensitive_features={"sex": [missing, *SEX[1:]]})) == {"F", "M", "missing"}


def test_a_masked_value_is_missing():
    with pytest.raises(raikit.DataError, match="y_true: row 2 is missing"):
        accuracy(np.ma.array(Y, mask=np.arange(8) == 2))


def test_the_text_that_numpy_makes_of_a_missing_value_is_refused_where_a_group_or_label_would_be_invented():
    texts = np.array(["F", np.nan] * 4)
    assert texts[1] == "nan"
    with pytest.raises(raikit.DataError, match="sensitive_features: row 1 holds the text 'nan', which NumPy makes"):
        accuracy(sensitive_features=texts)
    with pytest.raises(raikit.DataError, match="y_true: row 1 holds the text 'nan'"):
        accuracy(texts, texts)
    assert set(accuracy(sensitive_features=pd.Series(["F", "nan"] * 4))) == {"F", "nan"}


# --- rows and their labels ----------------------------------------------------------------------------------------


def labelled(order, **columns):
    return [pd.Series(values, name=name).iloc[list(order)] for name, values in columns.items()]


def test_rows_that_are_labelled_alike_are_brought_to_one_order():
    order = [3, 1, 7, 0, 2, 6, 4, 5]
    y, yhat = labelled(order, y=Y, yhat=YHAT)
    assert accuracy(y, yhat, pd.Series(SEX)) == ACCURACY
    assert accuracy(pd.Series(Y), yhat, pd.DataFrame({"sex": SEX})) == ACCURACY
    assert accuracy(y, yhat, {"sex": pd.Series(SEX)}, sample_weight=pd.Series(np.ones(8))) == ACCURACY
    scores = pd.Series(np.where(YHAT, 0.9, 0.1))
    assert accuracy(y, None, pd.Series(SEX), scores=scores) == ACCURACY


def test_weights_and_clusters_follow_their_rows():
    weight, home = np.arange(1.0, 9.0), np.arange(8) // 2
    order = [3, 1, 7, 0, 2, 6, 4, 5]
    shuffled = assess(
        pd.Series(Y), pd.Series(YHAT), sensitive_features=pd.Series(SEX), metrics=["accuracy"],
        sample_weight=pd.Series(weight)[order], clusters=pd.Series(home)[order],
    ).by_group  # fmt: skip
    plain = assess(Y, YHAT, sensitive_features=SEX, metrics=["accuracy"], sample_weight=weight, clusters=home).by_group
    pd.testing.assert_frame_equal(shuffled, plain)


def test_labelled_rows_in_another_order_beside_rows_without_labels_are_refused_by_name():
    (y,) = labelled([3, 1, 7, 0, 2, 6, 4, 5], y=Y)
    with pytest.raises(raikit.DataError, match="the rows of sex and y_true have the same labels .* in another order, and y_pred has"):
        accuracy(y, YHAT, pd.Series(SEX, name="sex"))


def test_rows_with_labels_of_their_own_do_not_fit_together():
    with pytest.raises(raikit.DataError, match="the rows of y_pred and y_true have different labels"):
        accuracy(pd.Series(Y, index=range(10, 18)), pd.Series(YHAT, index=range(20, 28)))


def test_labels_that_only_number_the_rows_say_nothing():
    y, yhat = pd.Series(Y, index=range(100, 108)), pd.Series(YHAT, index=range(100, 108))
    assert accuracy(y, yhat, pd.Series(SEX)) == ACCURACY  # the groups were made from an array
    assert accuracy(y, YHAT, SEX) == ACCURACY


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"y_true": np.zeros((8, 2))}, r"y_true has the shape \(8, 2\); give one value for each case"),
        ({"y_true": pd.DataFrame({"a": Y, "b": Y})}, "target: the table has no column 'target'. Columns there: a, b"),
        ({"y_true": 1}, r"y_true has the shape \(\)"),
        ({"sample_weight": ["1", "x"] * 4}, "sample_weight: row 1 is no number"),
        ({"scores": ["a"] * 8}, "scores: give numbers"),
        ({"scores": pd.Series([0.5, "x"] * 4)}, "scores: row 1 is no number"),
        ({"scores": Y}, "scores: every value is 0 or 1, a decision and no score; give decisions as y_pred alone"),
        ({"scores": np.column_stack([1 - Y, Y])}, "every value is 0 or 1, a decision"),
        ({"scores": [0.5, 1.00001] * 4}, r"scores: row 1 is 1\.00001, which is no probability"),
        ({"scores": np.full((8, 2), 0.6)}, r"scores: row 0 adds up to 1\.2, not to 1"),
        ({"sensitive_features": [["a"], ["b", "c"]] * 4}, "holds lists|has the shape"),
        ({"sensitive_features": pd.Series([["a"], ["b"]] * 4)}, "'sensitive_feature' holds lists or mappings"),
        ({"clusters": pd.Series([["a"], ["b"]] * 4)}, "'cluster' holds lists or mappings"),
    ],
)
def test_what_is_no_column_is_one_sentence(arguments, says):
    with pytest.raises(raikit.DataError, match=says):
        accuracy(**arguments)


def test_scores_that_miss_1_by_rounding_are_1():
    scores = np.where(YHAT, np.float32(1.0000001), np.float32(0.25))
    mean = assess(Y, sensitive_features=SEX, scores=scores, metrics=["mean_score"]).by_group.query("metric == 'mean_score'")
    expected = pd.Series(np.where(YHAT, 1.0, 0.25)).groupby(SEX).mean()
    assert mean.value.tolist() == pytest.approx(expected.tolist(), abs=1e-15)


def test_columns_of_scores_that_the_classes_name_are_taken_by_name():
    rng = np.random.default_rng(0)
    y, sex = rng.choice(["cat", "dog", "eel"], 200), rng.choice(["F", "M"], 200)
    scores = pd.DataFrame(rng.dirichlet(np.ones(3), 200), columns=["cat", "dog", "eel"])
    by_place = assess(y, sensitive_features=sex, scores=scores.to_numpy()).by_group
    by_name = assess(y, sensitive_features=sex, scores=scores[["eel", "cat", "dog"]]).by_group
    pd.testing.assert_frame_equal(by_name, by_place)


def test_a_structured_array_is_a_table():
    truth, groups = [0, 1] * 20, ["F", "M", "M", "F"] * 10
    records = np.array(list(zip(groups, truth, strict=True)), dtype=[("sex", "U1"), ("late", int)])
    both = assess(truth, truth, sensitive_features=records, metrics=["selection_rate"])
    assert both.by_group["feature"].unique().tolist() == ["sex", "late", "sex and late"]
    one = assess(records[["late"]], truth, sensitive_features=records[["sex"]], metrics=["selection_rate"])
    assert one.by_group["feature"].unique().tolist() == ["sex"]
    with pytest.raises(raikit.DataError, match="y_true has 2 columns; give one"):
        assess(records, truth, sensitive_features=groups)


@pytest.mark.parametrize("place", ["y_true", "y_pred", "scores", "sample_weight", "sensitive_features"])
@pytest.mark.parametrize("kind", [np.asarray, list, pd.Series, lambda values: pd.DataFrame({"a": values})])
def test_complex_numbers_are_refused_instead_of_losing_a_part(place, kind):
    truth = np.array([0, 1] * 20)
    given = {"y_true": truth, "y_pred": truth, "sensitive_features": ["F", "M", "M", "F"] * 10}
    if place == "scores":
        del given["y_pred"]
    given[place] = kind(truth * 0.5 + 1j)
    with pytest.raises(raikit.DataError, match="holds? complex numbers; give real ones"):
        assess(**given)


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_names_of_columns_that_differ_only_in_case_are_two_columns(tmp_path, suffix):
    table = pd.DataFrame({"Y": [0, 1, 1, 0] * 10, "y": [1, 1, 0, 0] * 10, "Sex": ["F", "F", "M", "M"] * 10, "sex": ["a", "b"] * 20})
    path = tmp_path / f"t.{suffix}"
    table.to_csv(path, index=False) if suffix == "csv" else table.to_parquet(path)
    names = {"metrics": ["selection_rate", "accuracy"], "intersections": 1}
    read = assess(path, target="Y", prediction="y", sensitive_features=["Sex", "sex"], **names)
    right = assess(table["Y"], table["y"], sensitive_features=table[["Sex", "sex"]], **names)
    pd.testing.assert_frame_equal(read.by_group, right.by_group)
    assert read.by_group.query("feature == 'Sex' and group == 'F' and metric == 'selection_rate'")["value"].tolist() == [1.0]


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_further_column_whose_name_differs_in_case_changes_nothing(tmp_path, suffix):
    table = pd.DataFrame({"Y": [1, 1, 1, 1] * 10, "y": [0, 1, 1, 0] * 10, "p": [1, 1, 0, 0] * 10, "sex": ["F", "F", "M", "M"] * 10})
    path = tmp_path / f"t.{suffix}"
    table.to_csv(path, index=False) if suffix == "csv" else table.to_parquet(path)
    read = assess(path, target="y", prediction="p", sensitive_features=["sex"], metrics=["accuracy"])
    assert read.by_group.query("metric == 'accuracy'")["value"].tolist() == [0.5, 0.5]


def test_arrays_of_another_order_of_bytes_are_read():
    expected = accuracy()
    assert accuracy(y_true=np.asarray(Y).astype(">i4"), y_pred=np.asarray(YHAT).astype(">f8")) == expected
    assert accuracy(y_pred=pd.Series(np.asarray(YHAT).astype(">i2"))) == expected


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ({"sensitive_features": pd.Series(["a\ud800", *["b"] * (len(Y) - 1)], dtype=object, name="sex")}, "sex"),
        ({"sensitive_features": {"s\ud800": ["b"] * len(Y)}}, "sensitive_features"),
        ({"clusters": ["a\ud800", *["b"] * (len(Y) - 1)]}, "clusters"),
        ({"y_true": ["a\ud800", *["b"] * (len(Y) - 1)]}, "y_true"),
    ],
)
def test_half_of_a_character_is_refused_by_argument(arguments, name):
    with pytest.raises(raikit.DataError, match=f"{name!r} holds text with half of a character"):
        accuracy(**arguments)


@pytest.mark.parametrize("positive", ["2020-01-01", dt.date(2020, 1, 1), pd.Timestamp("2020-01-01"), np.datetime64("2020-01-01")])
def test_the_positive_class_may_be_a_date_as_the_labels_are(positive):
    dates = {0: pd.Timestamp("2021-01-01"), 1: pd.Timestamp("2020-01-01")}
    truth, decided = ([dates[int(value)] for value in values] for values in (Y, YHAT))
    assert accuracy(y_true=truth, y_pred=decided, positive=positive) == accuracy()
