"""Sums of products are those of the numbers, whatever their types."""

import numpy as np
import pytest

from raikit.stats.products import inner_product


@pytest.mark.parametrize("kind", [np.int32, np.int64, float])
def test_products_are_summed_as_floats(kind):
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 5, 70_000).astype(kind), rng.random(70_000)
    assert inner_product(a, b) == pytest.approx(sum(x * y for x, y in zip(a.tolist(), b.tolist(), strict=True)), rel=1e-12)
