"""Pairs: the same truth, two groups, a wrong decision about the worse served and a right one about the better."""

from __future__ import annotations

import numpy as np
import pandas as pd

from raikit.testing import table_context
from raikit_explain.estimates.pairs import choose_pairs
from raikit_explain.estimates.sampling import choose_examples, with_outcome


def _context(**roles):
    rng = np.random.default_rng(0)
    rows = 600
    group = np.where(np.arange(rows) < 20, None, rng.choice(["north", "south"], rows))
    target = rng.integers(0, 2, rows)
    wrong = rng.random(rows) < np.where((group == "south") & (target == 1), 0.4, 0.05)
    decided = np.where(wrong, 1 - target, target)
    score = np.clip(np.where(decided == 1, rng.uniform(0.5, 1, rows), rng.uniform(0, 0.5, rows)), 0, 1)
    table = pd.DataFrame({"target": target, "prediction": decided, "score": score, "place": group})
    return table_context(table, sensitive=["place"], **roles)


def test_a_pair_shows_who_is_served_worse_and_who_better_at_the_same_truth():
    ctx = _context()
    wrong, right = choose_pairs(with_outcome(ctx), ctx, 1).to_dict("records")
    assert (wrong["place"], right["place"]) == ("south", "north"), "the missing group has too few cases"
    assert wrong["target"] == right["target"] == 1
    assert (wrong["right"], right["right"]) == (False, True)
    assert wrong["kind"] == "Same truth, place: south"
    frame = with_outcome(ctx)
    assert wrong["sure"] == frame[(frame["place"] == "south") & ~frame["right"] & (frame["target"] == 1)]["sure"].max()


def test_pairs_are_a_third_of_six_examples_and_no_case_is_drawn_twice():
    ctx = _context()
    chosen = choose_examples(with_outcome(ctx), ctx, 6)
    assert chosen["kind"].str.startswith("Same truth").tolist() == [False, True, True, False, False, False]
    assert chosen["id"].is_unique
    assert len(chosen) == 6
    assert not choose_examples(with_outcome(ctx), ctx, 5)["kind"].str.startswith("Same truth").any()


def test_groups_that_are_served_alike_make_no_pair():
    ctx = table_context(pd.DataFrame({"target": [0, 1] * 80, "prediction": [0, 1] * 80, "score": [0.1, 0.9] * 80,
                                      "place": ["a", "a", "b", "b"] * 40}), sensitive=["place"])
    assert not len(choose_pairs(with_outcome(ctx), ctx, 3))
