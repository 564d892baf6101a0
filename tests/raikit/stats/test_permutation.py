"""The statistic of the permutation test is that of every pair of groups."""

import numpy as np
import pytest

from raikit.stats import permutation


@pytest.mark.parametrize("sizes", [[5], [1, 2, 3], range(1, 200)], ids=["alike", "few", "many"])
def test_the_largest_contrast_is_that_of_all_pairs(sizes):
    rng = np.random.default_rng(len(sizes))
    n = rng.choice(list(sizes), 30)
    x = rng.multivariate_hypergeometric(n, n.sum() // 3, size=50, method="marginals")
    deviation, variance = permutation._scores(x, n)
    expected = np.zeros(50)
    for i in range(30):
        for j in range(i):
            np.maximum(expected, np.abs(deviation[:, i] - deviation[:, j]) / np.sqrt(variance[i] + variance[j]), out=expected)
    np.testing.assert_array_equal(permutation._largest(x, n), expected)
