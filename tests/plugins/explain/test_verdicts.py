"""The verdict in an audit: metrics that a gate may rest on, findings, the table of methods, and the word of each figure."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from raikit.testing import result_of
from raikit_explain import names
from raikit_explain.checks import Attributions
from raikit_explain.estimates import methods, trust

GRADIENTS = {"method": "integrated_gradients"}


class Network(nn.Module):
    """Weights over twelve columns; blind ones ignore their input."""

    def __init__(self, *, blind: bool = False) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layers = nn.Sequential(nn.Linear(12, 16), nn.Tanh(), nn.Linear(16, 2))
        self.blind = blind

    def forward(self, encoded):
        columns = encoded["facts"]
        return self.layers(0 * columns if self.blind else columns)


@pytest.fixture
def audited(tiny_model, make_context):
    """`audited(network, **options)`: the check's result on 60 cases of twelve columns."""

    def audit(network, rows=60, columns=12, **options):
        inputs = {"facts": pd.DataFrame(np.random.default_rng(1).normal(size=(rows, columns)),
                                        columns=[f"c{number}" for number in range(columns)])}
        model = tiny_model({"facts": "tabular"}, logits=network)
        return result_of(Attributions, make_context(model, rows=rows, inputs=inputs), **({"rows": 32, "examples": 3} | options))

    return audit


def _metric(result, name, **args):
    return next(metric for metric in result.metrics if metric.name == name and metric.args == args)


def _examples(result):
    return [figure for figure in result.figures if figure.id.startswith("example")]


def _verdicts(result):
    return [finding for finding in result.findings if finding.what == "verdict on explanations"]


def test_explanations_of_a_smooth_network_are_supported(audited):
    result = audited(Network(), trust_rows=32)
    trusted, passing = _metric(result, "trusted_share", **GRADIENTS), _metric(result, "passing_share", **GRADIENTS)
    assert (trusted.value, trusted.low, trusted.n) == (passing.value, passing.low, 32)
    assert trusted.low > 0.5
    assert "baseline replaces it" in trusted.condition
    for control in ("random_weights", "input_size", "another_case"):
        assert _metric(result, "control_passing_share", control=control, **GRADIENTS).high < trusted.low
    (finding,) = _verdicts(result)
    assert (finding.kind, finding.headline) == ("fine", "Explanations of single cases are supported by evidence")
    assert all("Explanation: supported by evidence." in figure.subtitle for figure in _examples(result))


def test_explanations_of_a_model_that_ignores_its_input_are_worth_nothing(audited):
    result = audited(Network(blind=True), trust_rows=32)
    trusted = _metric(result, "trusted_share", **GRADIENTS)
    assert (trusted.value, trusted.low) == (0, 0)
    assert trusted.high < 0.2
    (finding,) = _verdicts(result)
    assert (finding.severity, finding.headline) == ("warn", "Explanations of single cases are no better than chance")
    assert all("Explanation: no better than chance." in figure.subtitle for figure in _examples(result))


def test_a_rule_cannot_hold_by_what_was_not_tested(audited):
    few = audited(nn_of_three(), columns=3)
    assert "at least" not in (reason := _metric(few, "trusted_share", **GRADIENTS).reason)
    assert reason.startswith("not tested: fewer than 8")
    assert all("Explanation: not tested." in figure.subtitle for figure in _examples(few))
    off = audited(Network(), trust_rows=0)
    assert _metric(off, "trusted_share", **GRADIENTS).reason == "the verdict is switched off (trust_rows: 0)"
    assert not _verdicts(off)
    assert all("Explanation: not tested." in figure.subtitle for figure in _examples(off))


def nn_of_three():
    torch.manual_seed(0)
    layer = nn.Linear(3, 2)

    class Three(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = layer

        def forward(self, encoded):
            return self.layer(encoded["facts"])

    return Three()


def test_several_methods_have_a_verdict_each_and_agree_as_far_as_they_do(audited):
    result = audited(Network(), trust_rows=24, methods=["integrated_gradients", "input_x_gradient", "grad_cam"], sensitivity=True)
    table = next(table for table in result.tables if table.id == "verdicts")
    words = {row[0]: row[1] for row in table.rows}
    assert words["Integrated Gradients"] == words["Input × Gradient"] == "supported by evidence"
    assert words["Grad-CAM"].startswith("not tested: ")
    assert "what applies: Integrated Gradients, " in words["Grad-CAM"]
    assert _metric(result, "trusted_share", method="grad_cam").value is None
    pair = {"first": "integrated_gradients", "second": "input_x_gradient"}
    assert 0.3 < _metric(result, "method_correlation", **pair).value < 1
    assert 0.5 < _metric(result, "method_overlap", **pair).value <= 1
    assert 0 < _metric(result, "sensitivity_max", **GRADIENTS).value < 0.5
    (finding,) = _verdicts(result)
    assert finding.headline == "Explanations by Integrated Gradients and Input × Gradient are supported by evidence"


class Late(Network):
    """Has an activation without a module, which DeepLIFT misses, in cases whose first column is above average."""

    def forward(self, encoded):
        columns = encoded["facts"]
        return super().forward(encoded) + (columns[:, :1] > 0) * nn.functional.softplus(columns[:, 1:3]) ** 2


def test_a_method_that_only_later_cases_show_to_be_wrong_is_refused_and_the_others_are_tested(audited, monkeypatch):
    def untried(ctx, cases, chosen, settings):
        return {name: methods.method(name, settings) for name in chosen}, {}

    monkeypatch.setattr(trust, "applicable", untried)
    result = audited(Late(), trust_rows=24, methods=["deep_lift"])
    table = next(table for table in result.tables if table.id == "verdicts")
    words = {row[0]: row[1] for row in table.rows}
    assert words["Integrated Gradients"] == "supported by evidence"
    assert words["DeepLift"].startswith("not tested: deep_lift is wrong for this model")
    assert _metric(result, "trusted_share", method="deep_lift").value is None


def test_the_names_of_methods_are_those_of_the_registry():
    assert methods.names() == names.METHODS
    assert all(names.method_name(name) != name for name in names.METHODS)
