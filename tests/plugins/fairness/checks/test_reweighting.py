"""`checks.reweighting` on a linear model: a second training on reweighted cases is compared with the audited one."""

from __future__ import annotations

import copy
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn
from torch.nn import functional

import raikit
from raikit.audit.requirements import unmet_requirement
from raikit.data.batch import Batch
from raikit.models.base import Model
from raikit.testing import result_of, table_context
from raikit_fairness.checks.reweighting import Reweighting

TRAINING = {"epochs": 12, "batch_size": 64, "learning_rate": 0.05, "weight_decay": 0.0, "patience": None, "seed": 5}
GAIN = "fairness.reweighting_gain(constraint=demographic_parity)[sex]"


class Linear(Model):
    kind, classes, modalities = "fusion", (0, 1), {"columns": "tabular"}
    capabilities = frozenset({"labels", "scores", "gradients", "trainable"})

    def __init__(self, net=None, seed=0, training=None):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.net = net or nn.Sequential()
            if net is None:
                self.net.add_module("columns", nn.Linear(2, 2))
        self.training = training or {}
        self.net.eval()

    @property
    def module(self):
        return _ByName(self.net)

    def prepare(self, batch):
        return {"columns": torch.tensor(batch.inputs["columns"].to_numpy(dtype=np.float32))}

    def scores(self, batch):
        with torch.inference_mode():
            return self.net(self.prepare(batch)["columns"]).double().softmax(dim=1).numpy()

    def loss(self, logits, target):
        return functional.cross_entropy(logits, target, reduction="none")

    def copy(self):
        return Linear(copy.deepcopy(self.net), training=self.training)

    def fresh(self, seed=0):
        return Linear(seed=seed)


class _ByName(nn.Module):
    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, columns):
        return self.net(columns)


class Rows:
    task, classes, weight, sensitive = "binary", (0, 1), None, ("sex", "race")
    inputs = {"columns": SimpleNamespace(modality="tabular", columns=("a", "is_f"))}  # noqa: RUF012

    def __init__(self, table):
        self.table = self.roles = table

    def positions(self, split):
        return np.flatnonzero(self.table["split"] == split)

    def size(self, split):
        return len(self.positions(split))

    def frame(self, columns, split):
        return self.table.iloc[self.positions(split)][columns].reset_index(drop=True)

    def batches(self, split, size, indices=None):
        at = self.positions(split)
        at = at if indices is None else at[indices]
        for start in range(0, len(at), size):
            part = self.table.iloc[at[start : start + size]]
            yield Batch(part["id"].tolist(), {"columns": part[["a", "is_f"]].reset_index(drop=True)}, part["target"].to_numpy(np.int64))


def biased(n=3000, seed=0):
    """F is rarely positive in all splits, and the model sees who is F."""
    rng = np.random.default_rng(seed)
    sex = rng.choice(["F", "M"], n)
    a = rng.normal(size=n)
    target = (rng.random(n) < 1 / (1 + np.exp(-(2 * a + np.where(sex == "F", -1.0, 1.0))))).astype(int)
    return pd.DataFrame({
        "id": [f"r{i}" for i in range(n)], "a": a, "is_f": (sex == "F").astype(float), "target": target, "sex": sex,
        "race": rng.choice(["p", "q"], n), "split": rng.choice(["train", "validation", "test"], n, p=[0.5, 0.2, 0.3]),
        "person": (np.arange(n) % 50).astype(str),
    })


@pytest.fixture(scope="module")
def audited(tmp_path_factory):
    """`audited(reweight=())`: the context of a model that was trained with or without weights."""
    torch.set_num_threads(1)
    data = Rows(biased())

    def audited(reweight=(), training=TRAINING, **roles):
        model = Linear(seed=5)
        loop = {key: value for key, value in TRAINING.items() if key != "seed"}
        weight = raikit.reweighing(data, list(reweight)) if reweight else None
        raikit.fit(model, data, **loop, seed=5, row_weight=weight)
        model.training = {**training, "reweight": list(reweight)} if training else {}
        parts = []
        for split in ("train", "validation", "test"):
            score = np.concatenate([model.scores(batch)[:, 1] for batch in data.batches(split, 256)])
            cases = data.table.iloc[data.positions(split)]
            parts.append(cases.assign(score=score, prediction=(score >= 0.5).astype(int)))
        return table_context(pd.concat(parts), model=model, data=data, classes=[0, 1], folder=tmp_path_factory.mktemp("audit"),
                       **{"sensitive": ("sex", "race"), **roles})

    return audited


@pytest.fixture(scope="module")
def compared(audited):
    return result_of(Reweighting, audited(), reweight=["sex"], draws=2000)


def by_id(result):
    return {metric.id: metric for metric in result.metrics}


def test_before_and_after_are_two_trainings_that_differ_by_the_weights_alone(audited, compared):
    ctx = audited()
    other = Linear(seed=5)
    loop = {key: value for key, value in TRAINING.items() if key != "seed"}
    raikit.fit(other, ctx.data, **loop, seed=5, row_weight=raikit.reweighing(ctx.data, ["sex"]))
    after = np.concatenate([other.scores(batch)[:, 1] for batch in ctx.data.batches("test", 256)]) >= 0.5
    test = ctx.predictions.frame(["sex", "target", "prediction"])
    female, y = (test["sex"] == "F").to_numpy(), test["target"].to_numpy()
    before = test["prediction"].to_numpy()
    gaps = [abs(decided[female].mean() - decided[~female].mean()) for decided in (before, after)]
    metrics = by_id(compared)
    assert metrics["fairness.reweighted_difference(constraint=demographic_parity)[sex]"].value == pytest.approx(gaps[1])
    assert metrics[GAIN].value == pytest.approx(gaps[0] - gaps[1])
    assert metrics["fairness.reweighting_cost"].value == pytest.approx((y == before).mean() - (y == after).mean())
    assert metrics["fairness.reweighted_accuracy"].value == pytest.approx((y == after).mean())
    row = dict(zip([column.name for column in compared.tables[0].columns], compared.tables[0].rows[0], strict=True))
    assert (row["before"], row["after"]) == (pytest.approx(gaps[0]), pytest.approx(gaps[1]))


def test_what_reweighing_can_even_out_it_does_and_that_is_established(compared):
    metrics = by_id(compared)
    assert metrics[GAIN].low > 0.02
    assert metrics[GAIN].subject == "reweighted"
    sentence = compared.findings[0].sentence
    assert "Training on reweighted cases narrows the gap in selection rate by " in sentence
    assert {finding.kind for finding in compared.findings} <= {"worth_knowing", "undecided", "method"}
    assert "training cases weigh 0." in compared.findings[-1].sentence
    assert {"fairness.reweighting_cost[sex=F]", "fairness.reweighting_cost[sex=M]", "fairness.reweighting_cost[race=p]"} <= set(metrics)


def test_every_number_and_finding_about_the_two_models_says_that_other_seeds_may_give_others(compared):
    findings = [finding for finding in compared.findings if finding.figures]
    assert findings
    assert all("other seeds may give other numbers, which the intervals do not cover" in dict(finding.facts)["Not covered"]
               for finding in findings)
    estimated = [metric for metric in compared.metrics if metric.method]
    assert estimated
    assert all(metric.method.endswith("whose randomness is not covered") for metric in estimated)
    assert all("one_training" in metric.flags for metric in estimated)


def test_a_model_trained_on_reweighed_rows_is_the_after_of_the_same_comparison(audited, compared):
    result = result_of(Reweighting, audited(reweight=["sex"]), draws=2000)
    metrics, other = by_id(result), by_id(compared)
    for name, metric in other.items():
        assert metrics[name].value == pytest.approx(metric.value), name
    assert metrics[GAIN].subject == "model"
    assert "trained with these weights" in result.findings[-1].sentence


def test_the_audited_model_is_left_alone(audited):
    ctx = audited()
    before = copy.deepcopy(ctx.model.net.state_dict())
    result_of(Reweighting, ctx, draws=1000)
    assert all(torch.equal(before[name], tensor) for name, tensor in ctx.model.net.state_dict().items())


def test_an_interrupted_run_goes_on_to_the_same_result(audited, compared):
    ctx = audited()

    def stop(done, total):
        if done > total / 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        result_of(Reweighting, type(ctx)(**{**vars(ctx), "progress": stop}), reweight=["sex"], draws=2000)
    assert (ctx.workdir / "training.pt").exists()
    assert by_id(result_of(Reweighting, ctx, reweight=["sex"], draws=2000)) == by_id(compared)


def test_clusters_are_respected(audited, compared):
    metrics = by_id(result_of(Reweighting, audited(cluster=["person"]), reweight=["sex"], draws=2000))
    assert metrics[GAIN].n_clusters == 50
    assert metrics[GAIN].value == pytest.approx(by_id(compared)[GAIN].value)


def test_without_a_known_training_no_second_one_is_made(audited):
    result = result_of(Reweighting, audited(training=None))
    assert {metric.value for metric in result.metrics} == {None}
    assert "is not known" in result.metrics[0].reason
    assert "model.train" in result.findings[0].sentence


def test_an_unknown_column_is_named(audited):
    with pytest.raises(raikit.ConfigError, match=r"'age' is not among the sensitive columns \(sex, race\)"):
        result_of(Reweighting, audited(), reweight=["age"])


def test_a_table_of_predictions_is_skipped_with_the_reason(audited):
    assert unmet_requirement(Reweighting, audited(), frozenset({"labels", "scores"}))[0] == "the model does not provide trainable"
    assert Reweighting.cost == "slow"
