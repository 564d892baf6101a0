"""Groups are named for people and for addresses."""

from __future__ import annotations

import numpy as np

from raikit_fairness.estimates.features import Feature


def test_names_of_groups_that_could_be_misread_stand_in_quotes():
    feature = Feature(("region", "age"), [("a,b", "[20, 30)"), ("", None), ("x=y", " z")], np.arange(3))
    assert [feature.name(group) for group in range(3)] == ["region: “a,b”, age: [20, 30)", "region: “”, age: missing",
                                                           "region: “x=y”, age:  z"]
    assert [feature.condition(group) for group in range(3)] == ["region=“a,b”, age=[20, 30)", "region=“”, age missing",
                                                                "region=“x=y”, age=“ z”"]
