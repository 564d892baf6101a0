"""An assessment is shown in words, and its tables keep the codes of the data."""

import numpy as np
import pandas as pd
import pytest

from raikit.errors import ConfigError
from raikit_fairness import assess

FRAME = pd.DataFrame({
    "sex": np.repeat(["F", "M", None], 60), "race": np.tile(["W", "B"], 90), "y": np.tile([0, 1, 1], 60),
    "yhat": np.r_[np.tile([0, 1, 0], 20), np.tile([0, 1, 1], 40)],
})  # fmt: skip
LABELS = {"sex": {"F": "Women & co", "M": "Men", None: "no answer"}, "race": {"name": "ethnicity", "values": {"W": "White"}}}


def assessed(labels):
    return assess(FRAME.y, FRAME.yhat, sensitive_features=FRAME[["sex", "race"]], labels=labels)


def test_notebooks_show_words_and_tables_have_codes():
    plain, labelled = assessed(None), assessed(LABELS)
    for name in ("by_group", "disparities", "headlines"):
        pd.testing.assert_frame_equal(getattr(plain, name), getattr(labelled, name))
    text, html = repr(labelled), labelled._repr_html_()
    assert "Women & co" in text and "no answer" in text and "sex and ethnicity" in text and "race" not in text
    assert "Women &amp; co" in html and "Women & co" not in html
    assert "Women" not in repr(plain) and "race" in repr(plain)


@pytest.mark.parametrize(
    ("labels", "says"),
    [
        ({"sx": {"F": "Women"}}, r"labels: 'sx' is not among the sensitive columns \(race, sex\)\. Did you mean 'sex'\?"),
        ({"sex": {"f": "Women"}}, r"labels\.sex: no value is 'f'\. Values: F, M\."),
        ({"sex": {"F": "People", "M": "People"}}, r"labels\.sex: 'F' and 'M' have the same label 'People'"),
    ],
)
def test_labels_of_something_else_are_named(labels, says):
    with pytest.raises(ConfigError, match=says):
        assessed(labels)
