"""The words of findings about groups."""

import pytest

from raikit_fairness.report.group_findings import plural


@pytest.mark.parametrize(
    ("column", "many"),
    [("speaker", "speakers"), ("activity", "activities"), ("branch", "branches"), ("person", "people"), ("address", "of address"),
     ("speaker_id", "of speaker_id")],
)  # fmt: skip
def test_clusters_are_counted_in_a_regular_plural(column, many):
    assert plural(column) == many
