"""Covariances from sums over cases are those of the cases."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest

from raikit.stats.covariance import rate_covariance, summed_rate_covariance


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("columns", [0, 1, 2])
def test_rates_of_sums_have_the_covariance_of_their_cases(weighted: bool, columns: int) -> None:
    rng = np.random.default_rng(3)
    n, k = 3_000, 4
    group, hit = rng.integers(0, k, n), rng.random(n) < 0.3
    w = rng.choice([0.5, 1.0, 2.0], n) if weighted else np.ones(n)
    clusters = [np.where(rng.random(n) < 0.1, -1, rng.integers(0, size, n)) for size in (40, 15)[:columns]]
    of_cases = rate_covariance(hit, np.ones(n), group, clusters, w, k, scale="proportion")

    # Every case that shares no cluster is an entry of its own; the others are summed.
    alone = np.any([column < 0 for column in clusters], axis=0) if columns else np.zeros(n, dtype=bool)
    entry = np.column_stack([group, *clusters, np.where(alone, np.arange(n), -1)])
    keys, place = np.unique(entry, axis=0, return_inverse=True)
    sums = [tuple(np.bincount(place.ravel(), part * side, len(keys)) for part in (np.ones(n), w, w**2)) for side in (~hit, hit)]
    of_sums = summed_rate_covariance(sums[0], sums[1], keys[:, 0], list(keys[:, 1:-1].T), k)

    for field in fields(of_cases):
        expected, found = (getattr(result, field.name) for result in (of_cases, of_sums))
        if isinstance(expected, np.ndarray):
            # Without clusters, weighted cases of one group and outcome are alike in a sum, so that their moves are averaged.
            if not (weighted and not columns and field.name == "one_more"):
                # Sums have no cubes of weights, which those of squares stand for.
                near = 3e-4 if weighted and field.name == "skew" else 1e-15
                np.testing.assert_allclose(found, expected, rtol=1e-9, atol=near, err_msg=field.name)
        else:
            assert found == expected
