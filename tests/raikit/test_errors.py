"""Foreign errors in one line."""

import pytest

from raikit.errors import raised


@pytest.mark.parametrize(
    ("message", "line"),
    [
        ("Input X contains NaN.\nLogisticRegression does not accept missing values.", "Input X contains NaN. LogisticRegression does"),
        ("x" * 900, "x" * 400 + " …"),
        ("", "ValueError: "),
    ],
)
def test_a_foreign_error_is_one_line(message, line):
    written = raised(ValueError(message))
    assert line in written
    assert "\n" not in written and len(written) < 430
