"""Scores become numbers without NumPy changing them in silence."""

import numpy as np
import pytest

from raikit.errors import ModelError
from raikit.models.outputs import as_numbers


@pytest.mark.parametrize("values", [
    np.ma.masked_array([[0.5, 0.5], [0.4, 0.6]], mask=[[False, False], [True, False]]), np.array([[0.5 + 1j, 0.5]]), [[1j, 0]],
])  # fmt: skip
def test_scores_that_numpy_would_change_in_silence_are_refused(values):
    with pytest.raises(ModelError, match="the model returned (masked scores|complex numbers)"):
        as_numbers(values)


def test_what_hides_nothing_is_taken():
    np.testing.assert_array_equal(as_numbers(np.ma.masked_array([[0.5]])), [[0.5]])
