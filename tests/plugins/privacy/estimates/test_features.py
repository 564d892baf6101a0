"""Groups are sorted with the missing one last, and units of sampling are the finest clusters."""

from __future__ import annotations

import pandas as pd

from raikit.arrays import cluster_codes
from raikit_privacy.estimates.features import features_of, sampling_units


def test_groups_are_written_for_addresses_and_for_people():
    [feature] = features_of(pd.DataFrame({"sex": ["M", None, "F"]}), ["sex"])
    assert feature.groups == ["F", "M", None]
    assert feature.code.tolist() == [1, 2, 0]
    assert [feature.address(index) for index in range(3)] == ["sex=F", "sex=M", "sex=null"]
    assert [feature.text(index) for index in range(3)] == ["sex: F", "sex: M", "sex: missing"]


def test_a_missing_cluster_is_a_unit_of_its_own_and_the_finest_column_decides():
    frame = pd.DataFrame({"speaker": ["s", None, "s", None], "picture": list("abcc")})
    (speaker, picture), _ = cluster_codes(frame, ["speaker", "picture"])
    assert speaker.tolist() == [0, -1, 0, -1]
    assert sampling_units([speaker, picture], 4).tolist() == [0, 1, 2, 2]
    assert len(set(sampling_units([speaker], 4))) == 3
