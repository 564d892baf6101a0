"""The audit of private training in one run: broken trainings are caught, a correct one is not accused."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from raikit.gate.promises import judge_promises
from raikit.run.record import CheckRecord
from raikit.testing import result_of, table_context
from raikit_privacy.checks import Canaries
from raikit_privacy.estimates import canaries, canary_audit, dpsgd, noise, one_run, training
from raikit_privacy.estimates.budget import plan
from raikit_privacy.estimates.dpsgd import Recipe

QUICK = {"epochs": 6, "physical_batch_size": 256, "learning_rate": 0.3}


@pytest.fixture(scope="module")
def cases(tiny):
    return tiny.Data(tiny.table(800, seed=3))


@pytest.fixture(scope="module")
def audited(tiny, cases, tmp_path_factory):
    def audited(model=None, seed=1):
        model = model or tiny.Model()
        return table_context(tiny.predictions(model, cases), model=model, data=cases, seed=seed, classes=[0, 1], sensitive=("sex",),
                             folder=tmp_path_factory.mktemp("audit"))

    return audited


def audit_of(ctx, seed, target=4.0):
    n = ctx.data.size("train")
    recipe = Recipe(n, 6, n // 4, 256, 1.0, 0.3)
    budget = plan(target, 1e-5, recipe.sample_rate, recipe.steps)
    drawn = canaries.Canaries.draw(ctx.data, 1000, seed)
    trained = canaries.train_with_canaries(ctx, ctx.model.fresh(seed), recipe, budget, drawn, seed, lambda *_: None)
    return canary_audit.audit(ctx, budget, trained, (), 50)


@pytest.fixture(autouse=True)
def without_self_test(monkeypatch):
    """The steps are tried before a training; here the audit has to find what that would catch."""
    monkeypatch.setattr(training, "check_training", lambda *_: None)


def no_noise(monkeypatch):
    monkeypatch.setattr(noise, "draw_noise", lambda shape, *_: torch.zeros(shape, dtype=torch.float64))


def no_clipping(monkeypatch):
    real = dpsgd.make_clipper
    monkeypatch.setattr(dpsgd, "make_clipper", lambda model, norm, *ways: real(model, 1e9, *ways))


def little_noise(monkeypatch):
    real = noise.draw_noise
    monkeypatch.setattr(noise, "draw_noise", lambda shape, deviation, generator: real(shape, deviation / 8, generator))


def every_case_in_every_step(monkeypatch):
    def all_cases(recipe, rng):
        for _ in range(recipe.steps_per_epoch):
            yield np.arange(recipe.rows)

    monkeypatch.setattr(dpsgd, "poisson_batches", all_cases)


# At an epsilon of 8, an eighth of the noise is below what 200 canaries show.
@pytest.mark.parametrize(("fault", "target"), [
    (no_noise, 1.0), (no_noise, 8.0), (no_clipping, 1.0), (no_clipping, 8.0), (little_noise, 1.0), (every_case_in_every_step, 1.0),
])
def test_a_broken_training_is_caught(audited, monkeypatch, fault, target):
    fault(monkeypatch)
    assert audit_of(audited(), 1, target).contradicted


def test_a_correct_training_is_not_accused_and_its_bound_is_below_the_proof(audited):
    """Eight trainings: with an error of 5%, two or more are accused in 6% of worlds; none is with these seeds."""
    audits = [audit_of(audited(), seed) for seed in range(8)]
    assert not any(audit.contradicted for audit in audits)
    assert all(audit.bound.epsilon <= audit.epsilon for audit in audits)
    assert np.mean([audit.bound.epsilon for audit in audits]) > 0.1, "canaries see something of a true epsilon of 4"


def test_scores_do_not_depend_on_the_coins_of_canaries_that_were_left_out_for_another_reason(audited):
    """Without noise, a canary that is out leaves no trace: its score is zero."""
    ctx = audited()
    n = ctx.data.size("train")
    recipe = Recipe(n, 2, n // 2, 256, 1.0, 0.3)
    drawn = canaries.Canaries.draw(ctx.data, 50, 7)
    budget = plan(1e3, 1e-5, recipe.sample_rate, recipe.steps)
    trained = canaries.train_with_canaries(ctx, ctx.model.fresh(0), recipe, budget, drawn, 7, lambda *_: None)
    inside, outside = trained.scores[drawn.inserted], trained.scores[~drawn.inserted]
    assert np.median(inside) > 5 * np.abs(np.median(outside))


def test_the_network_decides_as_before_and_the_audited_model_is_not_changed(audited, cases, tiny):
    model = tiny.Model()
    drawn = canaries.Canaries.draw(cases, 20, 1)
    wrapped = canaries.CanaryModel(model.copy(), drawn, cases)
    (batch,) = cases.batches("train", 600)
    with torch.no_grad():
        assert torch.equal(wrapped.module(**wrapped.prepare(batch)), model.module(**model.prepare(batch)))
    before = {name: tensor.clone() for name, tensor in model.module.state_dict().items()}
    result_of(Canaries, audited(model), epsilons=[2.0], canaries=60, **QUICK)
    assert all(torch.equal(before[name], tensor) for name, tensor in model.module.state_dict().items())


def test_canaries_have_wrong_labels_and_other_cases_their_own(cases):
    drawn = canaries.Canaries.draw(cases, 100, 2)
    mixed = canaries.DataWithCanaries(cases, drawn)
    true = np.concatenate([batch.target for batch in cases.batches("train", 64)])
    seen = np.concatenate([batch.target for batch in mixed.batches("train", 64)])
    changed = np.flatnonzero(true != seen)
    assert np.array_equal(changed, drawn.positions)
    (some,) = mixed.batches("train", 10, indices=drawn.positions[:3])
    assert np.array_equal(some.target, drawn.target[:3])
    assert 30 < drawn.inserted.sum() < 70


def test_the_check_reports_claim_proof_and_measurement(audited):
    result = result_of(Canaries, audited(), epsilons=[4.0], **QUICK)
    metrics = {metric.id: metric for metric in result.metrics}
    bound = metrics["privacy.epsilon_lower_bound(target=4)"]
    assert bound.low <= bound.promised <= 4
    assert bound.subject == "dp_model"
    assert {"privacy.right_guesses(guesses=40,target=4)", "privacy.right_guesses(guesses=160,target=4)"} <= metrics.keys()
    assert {f"privacy.epsilon_lower_bound(target=4)[sex={sex}]" for sex in "FM"} <= metrics.keys()
    assert metrics["privacy.epsilon_lower_bound(target=4)[sex=M]"].promised is None, "groups are shown; they do not gate"
    assert result.findings[0].kind == "fine"
    record = CheckRecord(name="privacy.canaries", pillar="privacy", plugin="raikit", status="ok", metrics=result.metrics)
    assert judge_promises([record]) == []


def test_a_contradiction_fails_the_gate_in_capitals(audited, monkeypatch):
    no_noise(monkeypatch)
    result = result_of(Canaries, audited(), epsilons=[1.0], **QUICK)
    assert result.findings[0].severity == "fail"
    assert result.findings[0].headline.isupper()
    record = CheckRecord(name="privacy.canaries", pillar="privacy", plugin="raikit", status="ok", metrics=result.metrics)
    rules = judge_promises([record])
    assert rules
    assert {rule.status for rule in rules} == {"fail"}
    assert all("CONTRADICTS" in rule.reason for rule in rules)


def test_too_few_canaries_decide_nothing(audited):
    result = result_of(Canaries, audited(), epsilons=[8.0], canaries=10, **QUICK)
    assert result.findings[0].kind == "undecided"


def test_a_dozen_training_cases_are_too_few_to_try(tiny, tmp_path):
    data = tiny.Data(tiny.table(24))
    model = tiny.Model()
    ctx = table_context(tiny.predictions(model, data), model=model, data=data, classes=[0, 1], folder=tmp_path)
    result = result_of(Canaries, ctx, **QUICK)
    assert "fewer than 10 canaries" in result.metrics[0].reason


def test_a_model_whose_cases_see_each_other_is_not_measured(audited, tiny):
    result = result_of(Canaries, audited(tiny.Model(norm=torch.nn.BatchNorm1d)), canaries=20, **QUICK)
    assert result.metrics[0].value is None
    assert "BatchNorm" in result.metrics[0].reason


def test_most_right_guesses_of_one_pair_agree_with_the_bound_for_any_mechanism():
    """More right guesses than are allowed are those with a bound above the pair's epsilon."""
    for epsilon in (0.5, 2.0):
        most = one_run.most_right(1000, 200, [(epsilon, 1e-5)], 0.05)
        above, below = (one_run.any_curve_bound(one_run.Guesses(1000, {200: right}), 1e-5).epsilon for right in (most + 1, most))
        assert below <= epsilon <= above


def test_a_whole_curve_allows_fewer_right_guesses_than_each_of_its_points():
    budget = plan(8.0, 1e-5, 0.25, 32)
    curve = [(budget.spent(32, delta), delta) for delta in (1e-5, 1e-2, 0.1)]
    together = one_run.most_right(300, 240, curve, 0.025)
    assert together < 240
    assert all(one_run.most_right(300, 240, [pair], 0.025) >= together for pair in curve)
