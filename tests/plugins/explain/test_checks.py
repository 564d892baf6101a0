"""The check as a whole: on every task, with what is missing, and what comes out of it."""

from __future__ import annotations

import re
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import torch

import raikit
from raikit import address
from raikit.naming import DisplayNames, using
from raikit.run.statements.phrases import name_of
from raikit.testing import result_of
from raikit_explain.checks import Attributions

from .conftest import bent


def _value(result, name, **args):
    return next(metric for metric in result.metrics if metric.name == name and metric.args == args)


def _table(result, name):
    return next(table for table in result.tables if table.id == name)


@pytest.fixture
def result(tiny_model, make_context):
    return result_of(Attributions, make_context(tiny_model(), rows=80, clusters=30), rows=32, examples=0)


def test_every_metric_was_announced_and_has_its_value_within_its_interval(result):
    for metric in result.metrics:
        assert any(address.Pattern(pattern).matches(metric.id) for pattern in Attributions.produces), metric.id
        if metric.name == "trusted_share":
            assert metric.reason == "not tested: the model has no weights that can be drawn anew for comparison"
            continue
        assert metric.low <= metric.value <= metric.high
        assert metric.n > 0
        assert metric.n_clusters
    names = {metric.name for metric in result.metrics} | {"sensitivity_max", "method_correlation", "method_overlap", "protected_share"}
    assert {f"explainability.{name}" for name in names} == set(Attributions.produces)


def test_shares_of_all_inputs_add_up_to_one(result):
    for name in ("modality_share", "modality_shapley"):
        assert sum(metric.value for metric in result.metrics if metric.name == name) == pytest.approx(1)


def test_the_evidence_gives_the_shares_again(tiny_model, make_context):
    ctx = make_context(tiny_model(), rows=40)
    result = result_of(Attributions, ctx, rows=40, examples=0)
    rows = pd.read_parquet(ctx.workdir / result.artifacts[0].path)
    for way, metric in (("gradients", "modality_share"), ("shapley", "modality_shapley")):
        parts = rows[[f"{way}.{name}" for name in ("photo", "note", "voice", "facts")]].abs()
        assert _value(result, metric, input="note").value == pytest.approx(
            (parts[f"{way}.note"] / parts.sum(axis=1)).mean())
        assert np.allclose(rows[parts.columns].sum(axis=1), rows["change"], atol=1e-3)
    assert _value(result, "modality_removal", input="note").value == pytest.approx(rows["removal.note"].mean())
    assert _value(result, "modality_removal", input="note").n == rows["removal.note"].notna().sum() < 40


def test_the_same_seed_gives_the_same_record(tiny_model, make_context):
    results = [result_of(Attributions, make_context(tiny_model(), rows=60), rows=16, examples=3).model_dump_json() for _ in range(2)]
    assert results[0] == results[1]


def test_removing_an_input_costs_what_it_costs(tiny_model, make_context):
    def logits(encoded):
        value = 3.0 + 0 * encoded["facts"][:, 0] - 6.0 * encoded["note"].flatten(1).ne(0).any(dim=1)
        return torch.stack([torch.zeros_like(value), value], dim=1)

    model = tiny_model({"note": "text", "facts": "tabular"}, logits=logits)
    result = result_of(Attributions, make_context(model, rows=40), rows=40, examples=0)
    sigmoid = 1 / (1 + np.exp(-3.0))
    note = _value(result, "modality_removal", input="note")
    assert note.value == pytest.approx(2 * sigmoid - 1, abs=1e-4), "with it p(0) = 0.95, without it 0.05"
    assert _value(result, "modality_removal", input="facts").value == pytest.approx(0)


def test_a_model_of_steps_is_warned_about(tiny_model, make_context):
    def logits(encoded):
        x = encoded["facts"][:, 0]
        return torch.stack([-4.0 * (x > 0.3).float(), 4.0 * (x > 0.3).float() + 0.1 * encoded["note"].flatten(1).sum(1)],
                           dim=1)

    model = tiny_model({"note": "text", "facts": "tabular"}, logits=logits)
    result = result_of(Attributions, make_context(model, rows=40), rows=40, examples=3, max_steps=32)
    assert [(finding.severity, finding.headline) for finding in result.findings[:2]] == [
        ("warn", "Explanations of single cases have not converged"),
        ("warn", "Attributions miss part of the change that they explain")]
    assert _value(result, "completeness_violation_rate").value > 0.05
    disagree = [finding for finding in result.findings if "disagree on" in finding.headline]
    assert {finding.who for finding in disagree} == {"note", "facts"}, "a step has no gradient, but leaving it out shows"
    assert any("Explanation: not converged" in figure.subtitle for figure in result.figures)


def _ends_of_difference(finding):
    """Return the ends of the interval on the line of evidence, in percentage points."""
    return [float(end.replace("−", "-")) for end in re.search(r"CI (\S+) to (\S+);", finding.evidence).groups()]


def test_the_input_that_decides_is_named_with_interval_and_rows(tiny_model, make_context):
    def logits(encoded):
        value = 5 * encoded["facts"].sum(dim=1) + 0.01 * encoded["note"].flatten(1).sum(dim=1)
        return torch.stack([torch.zeros_like(value), value], dim=1)

    model = tiny_model({"note": "text", "facts": "tabular"}, logits=logits)
    result = result_of(Attributions, make_context(model, rows=300), rows=300)
    kinds = {finding.headline: finding.kind for finding in result.findings}
    assert kinds["Decisions rest most on the facts"] == "worth_knowing"
    assert kinds["The note hardly matters to decisions"] == "worth_knowing"
    (methods,) = [finding for finding in result.findings if finding.what == "agreement of two explanations"]
    agree = max(abs(end) for end in _ends_of_difference(methods)) <= 10
    assert methods.kind == ("fine" if agree else "undecided")
    known = {metric.id for metric in result.metrics}
    figures = {figure.id for figure in result.figures}
    for finding in result.findings:
        assert set(finding.metrics) <= known
        assert set(finding.figures) <= figures
        assert "300 cases" in finding.certainty or "drawn at random from 300" in finding.certainty


def test_equal_inputs_are_not_ranked(tiny_model, make_context):
    model = tiny_model({"left": "tabular", "right": "tabular"}, logits=lambda encoded: bent(
        {"a": encoded["left"]}, seed=1) + bent({"a": encoded["right"]}, seed=1))
    result = result_of(Attributions, make_context(model, rows=60), rows=60, examples=0)
    share = next(finding for finding in result.findings if finding.what == "share of the decision")
    assert (share.kind, share.headline[:27]) == ("undecided", "Decisions may rest most on ")


def test_inputs_are_called_by_their_labels(tiny_model, make_context):
    def logits(encoded):
        value = 5 * encoded["facts"].sum(dim=1) + 0.01 * encoded["note"].flatten(1).sum(dim=1)
        return torch.stack([torch.zeros_like(value), value], dim=1)

    model = tiny_model({"note": "text", "facts": "tabular"}, logits=logits)
    ctx = make_context(model, rows=100)
    with using(DisplayNames(columns={"facts": "form fields"})):
        result = result_of(Attributions, ctx, rows=100, examples=1)
    share = _value(result, "modality_share", input="facts")
    assert name_of(share) == "Share of the decision, form fields"
    assert "Decisions rest most on the form fields" in {finding.headline for finding in result.findings}
    (shares, example, _) = result.figures
    assert {row["input"] for row in shares.data} == {"form fields", "note"} == {row["input"] for row in example.data}
    assert {row[1] for row in _table(result, "by_outcome").rows} == {"form fields", "note"}


def test_two_inputs_of_one_modality_are_told_apart(tiny_model, make_context):
    model = tiny_model({"before": "image", "after": "image"}, logits=lambda encoded: bent({"a": encoded["after"]}))
    result = result_of(Attributions, make_context(model, rows=40), rows=40)
    assert _value(result, "modality_share", input="after").value > 0.7
    assert _value(result, "modality_share", input="before").value == 0


def test_an_input_that_no_row_has_is_undefined_and_the_rest_is_measured(tiny_model, make_context):
    model = tiny_model()
    ctx = make_context(model, rows=30, missing=0.2)
    ctx.data._inputs["voice"] = [None] * 30
    result = result_of(Attributions, ctx, rows=30)
    for metric in ("modality_share", "modality_shapley", "modality_removal"):
        assert _value(result, metric, input="voice").reason == "no explained case has this input"
    assert _value(result, "modality_share", input="facts").value > 0


def test_many_inputs_have_shares_by_gradients_alone(tiny_model, make_context):
    model = tiny_model({f"part{number}": "tabular" for number in range(9)})
    result = result_of(Attributions, make_context(model, rows=20), rows=20, examples=0)
    assert "too many combinations" in _value(result, "modality_shapley", input="part0").reason
    assert "there are too many inputs" in result.figures[0].alt


def test_one_input_has_nothing_to_divide(tiny_model, make_context):
    result = result_of(Attributions, make_context(tiny_model({"facts": "tabular"}), rows=30), rows=30)
    assert _value(result, "modality_share", input="facts").value is None
    assert _value(result, "modality_removal", input="facts").value > 0
    assert [figure.id for figure in result.figures] == ["parts", *(f"example-{number}" for number in range(1, 7))]
    assert [table.id for table in result.tables] == ["verdicts"]


def test_several_classes_are_explained_by_the_decided_one(tiny_model, make_context):
    model = tiny_model(classes=["cat", "dog", "owl"])
    result = result_of(Attributions, make_context(model, rows=90, task="multiclass"), rows=48)
    assert _value(result, "completeness_error").value < 0.02
    assert {row[0] for row in _table(result, "by_outcome").rows} >= {"right", "wrong", "decided cat"}


def test_a_regression_is_explained_in_the_targets_units(tiny_model, make_context):
    model = tiny_model(classes=(), logits=lambda encoded: bent(encoded, 1))
    inside = model.scores
    model.scores = lambda batch: 1000 * inside(batch) + 50
    ctx = make_context(model, rows=60, task="regression")
    result = result_of(Attributions, ctx, rows=60)
    rows = pd.read_parquet(ctx.workdir / result.artifacts[0].path)
    shifts = rows.set_index("id")["change"] - ctx.predictions.frame().set_index("id")["prediction"]
    assert shifts.std() < 0.5, "a change of the prediction, in its units, is off by a constant only"
    assert _value(result, "modality_removal", input="facts").value > 10
    assert "units of the target" in result.figures[1].subtitle
    assert result.figures[1].title.startswith("Largest error")


def test_importing_the_plugin_imports_nothing_heavy():
    heavy = "torch", "numpy", "pandas", "captum", "matplotlib"
    code = f"import sys, raikit_explain; raikit_explain.raikit_checks(); print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_inputs_of_a_person_stand_in_no_sentence_metric_or_table(tiny_model, make_context):
    inputs = None
    model = tiny_model()
    ctx = make_context(model, rows=30, inputs=inputs)
    result = result_of(Attributions, ctx, rows=30)
    text = " ".join([
        *(finding.model_dump_json() for finding in result.findings), *(metric.model_dump_json() for metric in result.metrics),
        *(table.model_dump_json() for table in result.tables), *(figure.alt + figure.title for figure in result.figures),
    ])
    for word in ("alpha", "beta", "gamma", "delta", "epsilon"):
        assert word not in text
    assert isinstance(result, raikit.CheckResult)
