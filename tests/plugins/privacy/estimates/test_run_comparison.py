"""An epsilon that fell because its delta rose is no improvement, and none that rose with a smaller delta a regression."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

import raikit
from raikit.run.margins import Margin, Margins
from raikit_privacy.checks import PrivateFineTuning

ADDRESS = "privacy.epsilon(target=8)"


def run(epsilon, delta):
    exact = [raikit.Metric.exact("epsilon", epsilon, n=400, args={"target": 8}, direction="lower")]
    exact += [] if delta is None else [raikit.Metric.exact("delta", delta, n=400, args={"target": 8}, direction="lower")]
    for metric in exact:
        metric.id = metric.address("privacy")
    return SimpleNamespace(record=SimpleNamespace(metrics=lambda: [(None, metric) for metric in exact]))


@pytest.mark.parametrize(("before", "after", "decided"), [
    ((7.97, 1e-5), (7.9696, 0.02), False), ((7.97, 1e-5), (3.0, 0.5), False), ((7.97, 1e-5), (7.98, 1e-6), False),
    ((7.97, None), (3.0, 1e-5), False), ((7.97, 1e-5), (3.0, 1e-5), True), ((7.97, 1e-5), (9.0, 1e-3), True),
    ((7.97, 1e-5), (7.0, 1e-6), True),
])
def test_epsilons_are_compared_where_their_deltas_do_not_contradict_them(before, after, decided):
    check = PrivateFineTuning(PrivateFineTuning.Options())
    found = check.compare(run(*after), run(*before), Margins({ADDRESS: Margin(0.0), "privacy.delta(target=8)": Margin(0.0)}
                                                             if before[1] else {ADDRESS: Margin(0.0)}))
    assert [comparison.metric for comparison in found] == ([] if decided else [ADDRESS])
    assert all(comparison.value is None and comparison.p_value == 1 and "δ" in comparison.reason for comparison in found)
