import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import false_discovery_control

from raikit.stats import benjamini_hochberg, holm


@given(st.lists(st.floats(0, 0.06), min_size=1, max_size=5))
def test_holm_rejects_exactly_what_the_step_down_procedure_rejects(p):
    alpha, m = 0.05, len(p)
    rejected = set()
    for step, i in enumerate(np.argsort(p, kind="stable")):
        if p[i] * (m - step) > alpha:
            break
        rejected.add(int(i))
    assert set(np.flatnonzero(holm(p) <= alpha)) == rejected


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_benjamini_hochberg_equals_scipys(p):
    assert benjamini_hochberg(p) == pytest.approx(false_discovery_control(p))


def test_a_test_that_could_not_be_made_does_not_count():
    adjusted = holm([0.01, np.nan, 0.2])
    assert adjusted[0] == pytest.approx(0.02)
    assert np.isnan(adjusted[1])
