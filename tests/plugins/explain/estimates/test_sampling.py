"""Which cases are explained, and that the means are those of all of them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from raikit.arrays import cluster_codes
from raikit.stats import mean_interval
from raikit.testing import table_context
from raikit_explain.estimates.sampling import allocate, choose_examples, draw, with_outcome


def _context(rows=2000, seed=0, **roles):
    rng = np.random.default_rng(seed)
    score = rng.beta(0.5, 0.5, rows)
    decided = (score >= 0.4).astype(int)
    target = np.where(rng.random(rows) < 0.97, decided, 1 - decided)
    table = pd.DataFrame({"target": target, "prediction": decided, "score": score,
                          "patient": [f"p{number}" for number in rng.integers(0, 50, rows)], "w": rng.uniform(1, 3, rows)})
    return table_context(table, **roles)


@given(st.lists(st.integers(1, 400), min_size=1, max_size=9), st.integers(8, 500))
def test_every_stratum_gets_its_share_and_never_more_than_it_has(sizes, rows):
    sizes = np.array(sizes)
    assume(rows >= len(sizes))  # kinds are merged before there are more of them than rows
    quota = allocate(sizes, rows)
    assert (quota <= sizes).all()
    assert quota.sum() == min(rows, sizes.sum()) or quota.sum() <= rows
    if rows >= 4 * len(sizes):
        assert quota.sum() == min(rows, sizes.sum())
        assert (quota >= np.minimum(sizes, 4)).all()


def test_rare_kinds_are_in_the_sample_and_weights_bring_back_the_split():
    ctx = _context()
    frame = with_outcome(ctx)
    sample = draw(frame, ctx, 100, ctx.rng)
    assert len(sample.frame) == 100
    assert sample.frame["id"].is_unique
    kinds = sample.frame.groupby(["prediction", "right"]).size()
    assert len(kinds) == 4
    assert kinds.min() >= 4
    assert sample.weight is not None
    estimate = np.average(~sample.frame["right"], weights=sample.weight)
    assert estimate == pytest.approx((~frame["right"]).mean())


def test_sampling_weights_are_kept():
    ctx = _context(weight="w")
    sample = draw(with_outcome(ctx), ctx, 5000, ctx.rng)
    np.testing.assert_allclose(sample.weight, sample.frame["w"])


def test_the_same_seed_draws_the_same_rows_and_another_seed_others():
    drawn = []
    for seed in (0, 0, 1):
        ctx = _context()
        drawn.append(draw(with_outcome(ctx), ctx, 50, np.random.default_rng(seed)).frame["id"].tolist())
    assert drawn[0] == drawn[1] != drawn[2]


def test_the_columns_that_bind_cases_most_count_and_a_row_without_a_cluster_is_one_of_its_own():
    rng = np.random.default_rng(3)
    y = rng.integers(0, 2, 60)
    table = pd.DataFrame({"target": y, "prediction": y, "score": 0.2 + 0.6 * y, "row": [f"r{i}" for i in range(60)],
                          "day": [f"d{i}" for i in rng.integers(0, 30, 60)],
                          "ward": [None if i < 6 else f"w{i % 9}" for i in range(60)]})
    ctx = table_context(table, cluster=("row", "day", "ward"))
    sample = draw(with_outcome(ctx), ctx, 100, ctx.rng)
    wards = sample.clusters[0]  # neither of the first two columns
    assert len(np.unique(wards[wards >= 0])) == 9
    assert np.sum(wards < 0) == 6
    assert mean_interval(rng.normal(size=60), clusters=[wards]).n_clusters == 15


def test_a_column_that_is_filled_for_a_few_rows_binds_few():
    table = pd.DataFrame({"rare": ["a", "a", *[None] * 58], "day": np.arange(60) // 2, "ward": np.arange(60) // 6})
    assert cluster_codes(table, ["rare", "day", "ward"])[1] == ["ward", "day"]


def test_examples_are_the_surest_and_those_nearest_to_the_threshold():
    ctx = _context()
    frame = with_outcome(ctx)
    shown = choose_examples(frame, ctx, 6)
    assert shown["kind"].tolist() == ["Sure and wrong"] * 2 + ["Sure and right"] * 2 + ["Nearly undecided"] * 2
    wrong = frame[~frame["right"]]
    for label in (0, 1):
        surest = wrong[wrong["prediction"] == label].sort_values("sure").iloc[-1]
        assert surest["id"] in shown["id"].tolist()
    assert np.abs(shown["score"].iloc[-2:] - 0.4).max() < 0.01, "the threshold was 0.4"


def test_examples_share_no_cluster_where_that_can_be():
    ctx = _context(cluster=["patient"])
    shown = choose_examples(with_outcome(ctx), ctx, 12)
    assert len(shown) == 12
    assert shown["patient"].is_unique
