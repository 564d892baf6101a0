"""Parts of inputs: their sums, their shares, and which groups differ."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from raikit.models.positions import EncodedColumns, Spectrogram, Tokens
from raikit_explain.estimates.group_shares import share_differences
from raikit_explain.estimates.parts import part_shares, parts_of_case
from raikit_explain.estimates.sampling import Sample


def test_parts_are_what_people_have_words_for():
    picture, sound = np.zeros((3, 9, 9), np.float32), np.zeros((1, 6, 4), np.float32)
    picture[:, 0, 8], sound[0, 5, 0] = 1, 2
    sums = parts_of_case(
        {"photo": picture, "note": np.array([[1.0], [2.0], [3.0], [9.0]], np.float32), "voice": sound,
         "facts": np.array([1, 2, 4], np.float32), "embedding": np.ones(5, np.float32)},
        {"photo": "image", "note": "text", "voice": "audio", "facts": "tabular", "embedding": "tabular"},
        {"note": Tokens(["", "Alpha", "alpha", ""]), "voice": Spectrogram(0.1),
         "facts": EncodedColumns(["age", "town=Leeds", "town=York"])})
    assert sums["photo", "top right"] == 3
    assert sums["note", "alpha"] == 5
    assert sums["voice", "high frequencies"] == 2
    assert {part: value for (name, part), value in sums.items() if name == "facts"} == {"age": 1, "town": 6}
    assert not any(name == "embedding" for name, _ in sums)


def test_shares_of_a_case_add_up_to_one_and_protected_parts_have_theirs():
    found = part_shares([{("note", "he"): 1.0, ("note", "ran"): -3.0}, {("note", "ran"): 2.0}, {("note", "ran"): 0.0}])
    assert found.parts[0] == ("note", "ran")
    assert found.cases.tolist() == [3, 1]
    np.testing.assert_allclose(found.shares.sum(axis=1), [1, 1, np.nan])
    np.testing.assert_allclose(found.on(["He"]), [0.25, 0, np.nan])
    assert found.on(["she"]) is None


def _sample(rows, seed, groups=("a", "b", None)):
    rng = np.random.default_rng(seed)
    return Sample(pd.DataFrame({"sex": rng.choice(np.array(groups, dtype=object), rows)}), None, [], rows)


def test_a_group_that_is_looked_at_differently_is_found_with_its_difference():
    sample = _sample(300, 0, ("a", "b", "c", None))
    rng = np.random.default_rng(1)
    shares = rng.beta(4, 4, (300, 2))
    shares[(sample.frame["sex"] == "b").to_numpy(), 1] *= 0.5
    first, *others = share_differences(sample, ["sex"], ["photo", "note"], shares, 0.95)
    assert (first.column, first.group, first.thing) == ("sex", "b", "note")
    assert first.high < 0
    assert first.share - first.rest == pytest.approx(-0.25, abs=0.05)
    assert first.p < 1e-6
    assert len(others) == 5, "three groups with two inputs; cases without a value take no part"


def test_groups_that_are_looked_at_alike_are_seldom_called_different():
    wrong = sum(share_differences(_sample(120, seed), ["sex"], ["x", "y"], np.random.default_rng(seed + 999).beta(1, 3, (120, 2)),
                                  0.95)[0].p < 0.05 for seed in range(300))
    assert wrong <= 27, "at most 5% of 300, and 3 standard errors"
