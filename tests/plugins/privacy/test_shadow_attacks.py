"""The check with shadow models from end to end, on a model that memorises and on one that does not."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

from raikit.testing import result_of, table_context
from raikit_privacy.checks import ShadowAttacks
from raikit_privacy.estimates.shadow_models import AttackedPool, ShadowModels

from .conftest import words_of

MEMORISING = {"epochs": 30, "batch_size": 16, "learning_rate": 0.05, "weight_decay": 0.0, "patience": None, "seed": 0}
MODELS = {"models": 4}


@pytest.fixture(scope="module")
def noisy(tiny):
    """Cases whose targets can only be memorised: half of them are coins."""
    table = tiny.table(480, seed=4)
    coins = np.random.default_rng(0).integers(0, 2, len(table))
    table["target"] = np.where(np.arange(len(table)) // 2 % 2, coins, table["target"])
    table["split"] = np.where(np.arange(len(table)) % 2, "train", "validation")
    table.loc[table.index[:40], "split"] = "test"
    return tiny.Data(table)


@pytest.fixture(scope="module")
def audited(tiny, noisy, tmp_path_factory):
    """Make the context of an audit of a model that was trained with some settings."""

    def audited(training=MEMORISING, trained=True, data=noisy):
        class Wide(tiny.Net):
            def __init__(self, seed=0, norm=None):
                super().__init__(seed, norm)
                with torch.random.fork_rng(devices=[]):
                    torch.manual_seed(seed)
                    self.first, self.last = torch.nn.Linear(5, 64), torch.nn.Linear(64, 2)

        model = tiny.Model(Wide())
        model.training = training
        ctx = table_context(tiny.predictions(model, data), model=model, data=data, classes=[0, 1], sensitive=("sex",),
                            folder=tmp_path_factory.mktemp("audit"))
        if trained:
            ctx.trainer(model, data, **training)
            ctx = table_context(tiny.predictions(model, data), model=model, data=data, classes=[0, 1], sensitive=("sex",),
                                folder=tmp_path_factory.mktemp("audit"))
        return ctx

    return audited


def by_id(result):
    return {metric.id: metric for metric in result.metrics}


@pytest.fixture(scope="module")
def memorised(audited):
    return result_of(ShadowAttacks, audited(), false_positive_rates=[0.1, 0.001], **MODELS)


def test_a_model_that_memorises_is_recognised_and_the_finding_names_the_attack(memorised):
    metrics = by_id(memorised)
    best = metrics["privacy.shadow_auc(attack=rmia)"]
    assert best.low > 0.5
    assert best.simultaneous
    assert "Bonferroni over 8 attacks" in best.method
    finding = memorised.findings[0]
    assert finding.kind == "worth_knowing"
    assert "shadow models" in finding.headline


def test_a_rate_that_too_few_non_members_can_show_is_refused_with_the_number_needed(memorised):
    rate = by_id(memorised)["privacy.shadow_tpr_at_fpr(attack=bavaria,fpr=0.001)"]
    assert rate.value is None
    assert "about 3,000 are needed" in rate.reason
    shown = by_id(memorised)["privacy.shadow_tpr_at_fpr(attack=bavaria,fpr=0.1)"]
    assert 0 <= shown.low <= shown.value <= shown.high <= 1
    assert any("not measured" in cell for row in memorised.tables[0].rows for cell in row)


def test_an_attack_that_needs_more_non_members_leaves_the_others_alone(audited, tiny, noisy):
    few = noisy.table.drop(noisy.table.index[noisy.table["split"] == "validation"][15:])
    ctx = audited(data=tiny.Data(few.reset_index(drop=True)))
    metrics = by_id(result_of(ShadowAttacks, ctx, attacks=["rmia", "quantile"], **MODELS))
    assert metrics["privacy.shadow_auc(attack=rmia)"].value is not None
    assert "20 are needed" in metrics["privacy.shadow_auc(attack=quantile)"].reason
    alone = by_id(result_of(ShadowAttacks, ctx, attacks=["quantile"], **MODELS))
    assert all(metric.value is None for metric in alone.values())


def test_groups_are_examined_with_the_declared_attack_alone(memorised):
    groups = {metric.id for metric in memorised.metrics if metric.group and metric.name == "shadow_auc"}
    assert groups == {f"privacy.shadow_auc(attack=bavaria)[sex={sex}]" for sex in "FM"}


def test_a_model_that_has_not_learnt_is_not_accused(audited):
    ctx = audited(MEMORISING | {"epochs": 1, "learning_rate": 1e-6})
    metrics = by_id(result_of(ShadowAttacks, ctx, **MODELS))
    areas = [metric for metric in metrics.values() if metric.name == "shadow_auc" and not metric.group]
    assert all(metric.low <= 0.5 for metric in areas)


def test_areas_are_those_of_the_scores(audited, noisy):
    """Once with the signals in hand: the metric is scikit-learn's area of what the shadow models say."""
    from raikit_privacy.estimates import shadow_attacks

    ctx = audited()
    pool = AttackedPool.read(ctx, "validation")
    shadows = ShadowModels(ctx, pool, 4)
    signals = shadows.signals(pool.scores(noisy, ctx.model))
    expected = roc_auc_score(pool.member, shadow_attacks.rmia(signals))
    metrics = by_id(result_of(ShadowAttacks, ctx, **MODELS))
    assert metrics["privacy.shadow_auc(attack=rmia)"].value == pytest.approx(expected)


def test_shadow_models_are_trained_on_their_half_and_kept_for_a_resumed_run(audited, monkeypatch):
    ctx = audited()
    pool = AttackedPool.read(ctx, "validation")
    trained = []
    fit = type(ctx).trainer.fget(ctx)

    def counting(model, data, **settings):
        trained.append(data.frame(["id"], "train")["id"].tolist())
        if len(trained) == 3:
            raise KeyboardInterrupt
        return fit(model, data, **settings)

    monkeypatch.setattr(type(ctx), "trainer", property(lambda self: counting))
    shadows = ShadowModels(ctx, pool, 4)
    scores = pool.scores(ctx.data, ctx.model)
    with pytest.raises(KeyboardInterrupt):
        shadows.signals(scores)
    ids = np.concatenate([ctx.data.frame(["id"], split)["id"] for split in ("train", "validation")])
    assert set(trained[0]) == set(ids[shadows.inside[0]])
    resumed = ShadowModels(ctx, pool, 4).signals(scores)
    assert len(trained) == 5, "the two that were finished are not trained again"
    fresh = audited()
    monkeypatch.undo()
    whole = ShadowModels(fresh, AttackedPool.read(fresh, "validation"), 4).signals(pool.scores(fresh.data, fresh.model))
    assert np.array_equal(resumed.shadow, whole.shadow)


def test_kept_signals_of_another_training_or_a_damaged_file_are_not_used(audited):
    ctx = audited()
    pool = AttackedPool.read(ctx, "validation")
    scores = pool.scores(ctx.data, ctx.model)
    before = ShadowModels(ctx, pool, 2).signals(scores)
    kept = sorted((ctx.workdir / "shadow-models").glob("*.npz"))
    kept[0].write_bytes(kept[0].read_bytes()[:100])
    assert np.array_equal(ShadowModels(ctx, pool, 2).signals(scores).shadow, before.shadow)
    ctx.model.training = MEMORISING | {"epochs": 2}
    assert not np.array_equal(ShadowModels(ctx, pool, 2).signals(scores).shadow, before.shadow)


def test_a_model_whose_training_is_not_known_is_not_attacked(audited):
    result = result_of(ShadowAttacks, audited({"epochs": 3}, trained=False), **MODELS)
    assert all(metric.value is None for metric in result.metrics)
    assert "is not known" in words_of(result.findings[0])


def test_early_stopping_has_cases_that_a_shadow_model_has_not_seen(audited):
    ctx = audited(MEMORISING | {"patience": 2})
    pool = AttackedPool.read(ctx, "validation")
    shadows = ShadowModels(ctx, pool, 2)
    splits = ctx.data.with_splits(shadows._splits(0))
    seen, watched = (set(splits.frame(["id"], split)["id"]) for split in ("train", "validation"))
    assert not seen & watched
    assert len(watched) == min(ctx.data.size("validation"), int((~shadows.inside[0]).sum()))
