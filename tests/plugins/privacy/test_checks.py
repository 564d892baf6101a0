"""Both checks from end to end, on a model of a hundred weights."""

from __future__ import annotations

import copy
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.metrics import roc_auc_score

from raikit.address import Pattern
from raikit.format import percent
from raikit.testing import result_of, table_context
from raikit_privacy.checks import MembershipInference, PrivateFineTuning
from raikit_privacy.estimates import training, trials
from raikit_privacy.estimates.dpsgd import Recipe

from .conftest import words_of

QUICK = {"epochs": 4, "batch_size": 60, "physical_batch_size": 32, "learning_rate": 0.3,
         "accountant": "rdp"}


@pytest.fixture(scope="module")
def audited(tiny, data, tmp_path_factory):
    """Make the context of an audit of a model: ``audited(model, seed=2)``."""

    def audited(model=None, seed=1):
        model = model or tiny.Model()
        return table_context(tiny.predictions(model, data), model=model, data=data, seed=seed, classes=[0, 1], sensitive=("sex",),
                       cluster=("person",), folder=tmp_path_factory.mktemp("audit"))

    return audited


@pytest.fixture(scope="module")
def private(audited):
    """One private training with a twin, for the tests that only look at its result."""
    return result_of(PrivateFineTuning, audited(), twin=True, **QUICK)


def by_id(result):
    return {metric.id: metric for metric in result.metrics}


# --- privacy.dp_finetuning --------------------------------------------------------------------------------------------


def test_private_training_spends_no_more_than_its_target_and_leaves_the_audited_model_alone(audited, tiny):
    model = tiny.Model()
    before = copy.deepcopy(model.module.state_dict())
    result = result_of(PrivateFineTuning, audited(model), epsilons=[2, 8], **QUICK)
    metrics = by_id(result)
    for target in (2, 8):
        assert 0.95 * target < metrics[f"privacy.epsilon(target={target})"].value <= target
        assert metrics[f"privacy.epsilon(target={target})"].subject == "dp_model"
        assert metrics[f"privacy.delta(target={target})"].value == 1e-5
    assert metrics["privacy.noise_multiplier(target=2)"].value > metrics["privacy.noise_multiplier(target=8)"].value
    assert all(torch.equal(before[name], tensor) for name, tensor in model.module.state_dict().items())
    assert not model.module.training


def test_costs_are_the_audited_models_accuracy_minus_the_private_ones(private, tiny, data):
    metrics = by_id(private)
    scored = tiny.predictions(tiny.Model(), data).query("split == 'test'")
    right = scored["target"] == scored["prediction"]
    accuracy, cost = metrics["privacy.accuracy(target=8)"], metrics["privacy.accuracy_cost(target=8)"]
    assert cost.value == pytest.approx(right.mean() - accuracy.value)
    assert cost.low < cost.value < cost.high
    assert (cost.n, cost.n_clusters) == (200, scored["person"].nunique())
    groups = [metrics[f"privacy.accuracy_cost(target=8)[sex={sex}]"] for sex in "FM"]
    shares = [(scored["sex"] == sex).mean() for sex in "FM"]
    assert np.dot([metric.value for metric in groups], shares) == pytest.approx(cost.value)
    gap = metrics["privacy.accuracy_cost_difference(target=8)[sex]"]
    assert gap.value == pytest.approx(abs(groups[0].value - groups[1].value))
    assert all(metric.simultaneous for metric in [*groups, gap])


def test_what_can_be_learnt_privately_is_learnt(audited):
    metrics = by_id(result_of(PrivateFineTuning, audited(), **(QUICK | {"epochs": 12})))
    assert metrics["privacy.accuracy(target=8)"].value > 0.75


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(audited, tiny):
    def weights(seed):
        ctx, model = audited(seed=seed), tiny.Model().fresh(1)
        trained = training.train_private(ctx, model, Recipe(300, 2, 60, 32, 1.0, 0.3), 1.0, ctx.workdir, lambda *_: None)
        assert (trained.steps, trained.no_shortcut) == (10, "")
        return training.weights_digest(model)

    assert weights(1) == weights(1) != weights(2)


def test_an_interrupted_private_training_goes_on_to_the_same_result(audited, private):
    """The second run finds a checkpoint of some epochs; noise, rows and the count of steps go on from there."""
    ctx = audited()

    class Killed(Exception):
        pass

    def stop(done, total):
        if done > total * 0.7:
            raise Killed

    with pytest.raises(Killed):
        result_of(PrivateFineTuning, type(ctx)(**{**vars(ctx), "progress": stop}), **QUICK)
    assert (ctx.workdir / "private-training" / "epsilon-8" / "training.pt").exists()
    resumed, whole = by_id(result_of(PrivateFineTuning, ctx, **QUICK)), by_id(private)
    assert len(resumed) > 8
    assert all(metric == whole[name] for name, metric in resumed.items())


def test_compared_cases_are_whole_clusters(audited):
    ctx = audited()
    cases = training.ComparisonCases.sample(ctx, 60)
    everyone = ctx.predictions.frame(["person"])["person"].value_counts()
    assert 30 <= len(cases.frame) <= 60
    assert all(everyone[person] == count for person, count in cases.frame["person"].value_counts().items())


def test_a_model_that_mixes_rows_is_not_measured_and_the_reason_is_readable(audited, tiny):
    model = tiny.Model(norm=torch.nn.BatchNorm1d)
    result = result_of(PrivateFineTuning, audited(model), **QUICK)
    metric = by_id(result)["privacy.epsilon(target=8)"]
    assert metric.value is None
    assert "BatchNorm" in metric.reason
    assert "GroupNorm" in words_of(result.findings[0])


def test_a_network_whose_cases_see_each_other_is_not_measured(audited, tiny):
    class Centred(tiny.Net):
        def forward(self, columns, note):
            return super().forward(columns - columns.mean(0), note)

    result = result_of(PrivateFineTuning, audited(tiny.Model(Centred(), kind="torch")), **QUICK)
    metric = by_id(result)["privacy.epsilon(target=8)"]
    assert metric.value is None
    assert "depends on the other cases of its step" in metric.reason
    assert "privacy.membership_tpr_ceiling(target=8)" not in by_id(result)


def test_a_model_that_prepares_cases_together_is_not_measured(audited, tiny):
    class Scaled(tiny.Model):
        def prepare(self, batch):
            tensors = super().prepare(batch)
            return tensors | {"columns": tensors["columns"] / tensors["columns"].abs().amax()}

        def fresh(self, seed=0):
            return Scaled(super().fresh(seed).net, self.kind)

    result = result_of(PrivateFineTuning, audited(Scaled(kind="torch")), **QUICK)
    assert "depends on the other cases of its step" in by_id(result)["privacy.epsilon(target=8)"].reason


def test_a_network_that_book_keeping_cannot_follow_is_trained_case_by_case_and_the_table_says_so(audited, tiny, private):
    class Routed(tiny.Net):
        """Some of the cases go through the last layer once more, by themselves."""

        def forward(self, columns, note):
            hidden = torch.tanh(self.first(torch.cat([columns, self.words(note).mean(dim=1)], dim=1)))
            chosen = (columns[:, 0] > 0).nonzero()[:, 0]
            return self.last(hidden).index_put((chosen,), self.last(hidden[chosen]))

    result = result_of(PrivateFineTuning, audited(tiny.Model(Routed(), kind="torch")), **QUICK)
    assert by_id(result)["privacy.accuracy(target=8)"].value > 0.5
    assert "computed by itself, which is slower" in result.tables[0].note
    assert "agree up to rounding" in private.tables[0].note


def test_a_training_that_touched_the_audited_model_is_an_error(audited, monkeypatch):
    monkeypatch.setattr(trials, "initial_model", lambda model, seed: model)
    with pytest.raises(RuntimeError, match="changed the audited model"):
        result_of(PrivateFineTuning, audited(), **QUICK)


def test_the_twin_differs_by_noise_alone(private):
    twin = by_id(private)["privacy.accuracy_cost(target=8,to=twin)"]
    assert twin.low <= twin.value <= twin.high
    assert any("in the same way but without noise" in words_of(finding) for finding in private.findings)


def test_findings_say_one_row_seeded_noise_and_what_is_promised(private):
    text = " ".join(words_of(finding) for finding in private.findings)
    for needed in ("one person appears in up to", "a measurement, not a release", "every membership attack", "newly drawn"):
        assert needed in text


@pytest.mark.parametrize("check", [PrivateFineTuning, MembershipInference])
def test_addresses_are_declared_and_findings_rest_on_what_there_is(audited, private, check):
    result = private if check is PrivateFineTuning else result_of(check, audited())
    patterns = [Pattern(pattern) for pattern in check.produces]
    ids = {metric.id for metric in result.metrics}
    assert len(ids) == len(result.metrics)
    assert all(any(pattern.matches(name) for pattern in patterns) for name in ids)
    assert all(pattern != "privacy.*" for pattern in check.produces)
    figures = {figure.id for figure in result.figures}
    for finding in result.findings:
        assert set(finding.metrics) <= ids
        assert set(finding.figures) <= figures
    assert all("width" not in figure.spec and "#" not in str(figure.spec) for figure in result.figures)   # the page's, by role


# --- privacy.membership_inference -------------------------------------------------------------------------------------


def remembered(rows=400, remembers=True, seed=0):
    """Predictions of a model that knows its train rows by heart, or knows no row."""
    rng = np.random.default_rng(seed)
    split = np.array(["train", "validation"])[np.arange(rows) % 2]
    target = rng.integers(0, 2, rows)
    guess = rng.uniform(0.2, 0.8, rows)
    known = np.where(target == 1, 0.999, 0.001) + rng.uniform(-0.0005, 0.0005, rows)
    score = np.where((split == "train") & remembers, known, guess)
    return pd.DataFrame({"split": split, "target": target, "prediction": (score > 0.5).astype(int), "score": score,
                         "sex": rng.choice(["F", "M"], rows)})


def test_a_model_that_knows_its_rows_by_heart_is_found_out():
    result = result_of(MembershipInference, table_context(remembered(800), sensitive=("sex",)))
    metrics = by_id(result)
    assert metrics["privacy.membership_auc"].value == 1.0
    assert metrics["privacy.membership_tpr_at_fpr(fpr=0.01)"].value == 1.0
    assert metrics["privacy.membership_auc[sex=F]"].low > 0.9
    assert result.findings[1].headline == "The audited model's losses give away some training cases"


def test_a_model_that_remembers_nothing_is_not_accused():
    claims = 0
    for seed in range(30):
        metrics = by_id(result_of(MembershipInference, table_context(remembered(300, False, seed))))
        claims += not metrics["privacy.membership_auc"].low <= 0.5 <= metrics["privacy.membership_auc"].high
    assert claims <= 5


def test_area_equals_scikit_learn_on_the_losses():
    table = remembered(remembers=False)
    table["score"] = np.where(table["split"] == "train", 0.7 * table["score"] + 0.3 * table["target"], table["score"])
    loss = -np.log(np.where(table["target"] == 1, table["score"], 1 - table["score"]))
    area = by_id(result_of(MembershipInference, table_context(table)))["privacy.membership_auc"]
    assert area.value == pytest.approx(roc_auc_score(table["split"] == "train", -loss))
    assert area.n == len(table)


def test_validation_rows_are_the_non_members_although_there_are_test_rows(audited):
    result = result_of(MembershipInference, audited())
    assert "non-members from validation" in words_of(result.findings[1])
    assert "early stopping" in " ".join(words_of(finding) for finding in result.findings)


def test_test_rows_take_their_place_only_with_a_warning():
    table = remembered().replace({"split": {"validation": "test"}})
    result = result_of(MembershipInference, table_context(table))
    assert "non-members from test" in words_of(result.findings[1])
    assert any(finding.severity == "warn" and "populations" in words_of(finding) for finding in result.findings)


def test_members_that_are_other_people_than_non_members_are_named():
    table = remembered(remembers=False)
    table["sex"] = np.where(table["split"] == "train", "F", table["sex"])
    sentences = [words_of(finding) for finding in result_of(MembershipInference, table_context(table, sensitive=("sex",))).findings]
    assert any("differ in sex" in sentence and "not memory" in sentence for sentence in sentences)


def test_no_non_members_is_undefined_with_the_reason():
    table = remembered()
    result = result_of(MembershipInference, table_context(table[table["split"] == "train"]))
    assert {metric.value for metric in result.metrics} == {None}
    assert "not trained on" in result.metrics[0].reason


def test_a_group_with_few_members_is_undefined():
    table = remembered()
    table.loc[table.index[:20], "sex"] = "X"
    metric = by_id(result_of(MembershipInference, table_context(table, sensitive=("sex",))))["privacy.membership_auc[sex=X]"]
    assert metric.value is None
    assert "10 members" in metric.reason


def test_non_members_that_are_copies_of_members_are_counted(tiny, data):
    """The model has seen them, so an attack that does not recognise them shows nothing."""
    table = data.table.copy()
    train, validation = (table.index[table["split"] == split] for split in ("train", "validation"))
    columns = ["a", "b", "note", "target"]
    table.loc[validation[:30], columns] = table.loc[train[:30], columns].to_numpy()
    for copied, seen in ((table, True), (data.table, False)):
        own, model = tiny.Data(copied), tiny.Model()
        found = result_of(MembershipInference, table_context(tiny.predictions(model, own), model=model, data=own, classes=[0, 1])).findings
        said = [finding for finding in found if "same inputs as a training case" in words_of(finding)]
        assert [finding.severity for finding in said] == ["warn"] * seen
        assert all(words_of(finding).startswith("30 of 100 non-members") for finding in said)
        assert any("trained on the train cases and on no validation case" in words_of(finding) for finding in found)


def test_members_with_a_high_loss_are_recognised_by_it(tiny):
    """A model that was trained on the validation cases: they are the members, and a rule on a small area must not reassure."""
    table = remembered(600, True)
    table["split"] = table["split"].map({"train": "validation", "validation": "train"})
    result = result_of(MembershipInference, table_context(table))
    metrics = by_id(result)
    area = metrics["privacy.membership_auc"]
    assert area.high < 0.5
    text = " ".join(words_of(finding) for finding in result.findings)
    assert f"takes the higher loss for the training case is right in {percent(1 - area.value)} of pairs" in text
    assert "they come from two populations" not in text
    assert "warn" in {finding.severity for finding in result.findings if finding.what == "membership inference by a high loss"}
    for name in ("membership_auc", "membership_advantage", "membership_tpr_at_fpr(fpr=0.01)"):
        assert "nobody takes a high loss for the sign of a training case" in metrics[f"privacy.{name}"].condition
    usual = by_id(result_of(MembershipInference, table_context(remembered(600, True))))
    assert {metric.condition for metric in usual.values()} == {""}


def test_an_attack_on_cases_is_not_said_to_be_one_on_people():
    """Every person has cases in both splits, so a small area says nothing of whether the model gives people away."""
    table = remembered(remembers=False).assign(person=[f"p{at // 8}" for at in range(400)], shop=[f"s{at % 2}-{at // 8}" for at in range(400)])
    table.loc[table.index[:8], "person"] = None
    found = {finding.what: finding for finding in
             result_of(MembershipInference, table_context(table, cluster=("person", "shop"))).findings}
    assert "Of 200 non-members, 196 share a person with training cases." in words_of(found["unit of privacy"])
    assert found["unit of privacy"].severity == "warn"
    apart = result_of(MembershipInference, table_context(table, cluster=("shop",)))
    assert "unit of privacy" not in {finding.what for finding in apart.findings}


def test_copies_with_other_targets_are_not_said_to_hide_members(tiny, data):
    """A model that knows the targets by heart is surely wrong on copies with the other target: the attack finds more."""
    table = data.table.copy()
    train, validation = (table.index[table["split"] == split] for split in ("train", "validation"))
    table.loc[validation, ["a", "b", "note"]] = table.loc[train[: len(validation)], ["a", "b", "note"]].to_numpy()
    table.loc[validation, "target"] = 1 - table.loc[train[: len(validation)], "target"].to_numpy()
    own, model = tiny.Data(table), tiny.Model()
    rows = tiny.predictions(model, own)
    known = {text: 0.9 if target else 0.1 for text, target in zip(table.loc[train, "a"].astype(str) + table.loc[train, "note"],
                                                                 table.loc[train, "target"], strict=True)}
    place = table.set_index("id").loc[rows["id"]]
    rows["score"] = [known.get(text, 0.5) for text in place["a"].astype(str) + place["note"]]
    result = result_of(MembershipInference, table_context(rows, model=model, data=own, classes=[0, 1]))
    assert by_id(result)["privacy.membership_auc"].value > 0.99
    text = " ".join(words_of(finding) for finding in result.findings)
    assert "100 of 100 non-members have the same inputs" in text
    assert "recognises less" not in text


def test_regression_and_labels_alone_have_losses_too():
    rng = np.random.default_rng(0)
    table = remembered().drop(columns="score")
    assert by_id(result_of(MembershipInference, table_context(table)))["privacy.membership_auc"].value > 0.6
    table["target"] = rng.normal(size=400)
    table["prediction"] = table["target"] + rng.normal(size=400) * np.where(table["split"] == "train", 0.1, 1)
    area = by_id(result_of(MembershipInference, table_context(table, task="regression")))["privacy.membership_auc"]
    assert area.low > 0.7


def test_several_classes_use_the_probability_of_the_true_one():
    rng = np.random.default_rng(1)
    scores = rng.dirichlet([1, 1, 1], 300)
    table = pd.DataFrame({"split": np.where(np.arange(300) < 200, "train", "validation"), "target": rng.choice(list("abc"), 300),
                          "prediction": np.array(list("abc"))[scores.argmax(1)]} | {f"score.{c}": scores[:, i] for i, c in enumerate("abc")})
    loss = -np.log([row[f"score.{row['target']}"] for _, row in table.iterrows()])
    area = by_id(result_of(MembershipInference, table_context(table, task="multiclass")))["privacy.membership_auc"]
    assert area.value == pytest.approx(roc_auc_score(table["split"] == "train", -loss))


def test_importing_the_plugin_and_its_checks_imports_nothing_heavy():
    code = ("import sys, raikit_privacy; [c.Options() for c in raikit_privacy.raikit_checks()]; "
            "print([m for m in ('numpy', 'pandas', 'torch', 'opacus', 'scipy', 'sklearn') if m in sys.modules])")
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"


# --- promise and measurement ------------------------------------------------------------------------------------------


def test_promise_and_measurement_are_told_apart_with_the_model_that_each_is_about(private):
    rows = next(table for table in private.tables if table.id == "promises").rows
    assert [row[:2] for row in rows] == [["Audited model", "measured"], ["Audited model", "promised"],
                                         ["Private copy, ε = 8", "promised"], ["Private copy, ε = 8", "measured"]]
    assert rows[0][2].startswith("An attack by the loss has an AUC of 0.")
    assert rows[1][2].startswith("Nothing") and rows[3][2] == "Not attacked"
    by_what = {finding.what: finding for finding in private.findings}
    assert by_what["bound on membership inference"].kind == "worth_knowing"
    assert by_what["attack on the private copy"].headline == "The private copy was not attacked"


def test_the_attack_in_the_table_of_promises_is_that_of_the_attack_check(audited, private):
    attack = result_of(MembershipInference, audited())
    own = next(table for table in attack.tables if table.id == "promises").rows
    assert own[0] == next(table for table in private.tables if table.id == "promises").rows[0]


@pytest.mark.parametrize(("rows", "remembers", "kind"), [(800, True, "worth_knowing"), (2000, False, "fine"), (60, False, "undecided")])
def test_an_attack_that_finds_nothing_is_fine_only_if_it_could_have_found_much(rows, remembers, kind):
    first, area, *_ = result_of(MembershipInference, table_context(remembered(rows, remembers))).findings
    assert (area.what, area.kind) == ("membership inference", kind)
    assert first.headline == "The audited model carries no known privacy guarantee"


def test_the_cost_of_groups_has_both_sides_with_their_numbers(private):
    (cost,) = [finding for finding in private.findings if finding.what == "cost of privacy, by group"]
    metrics = by_id(private)
    for side in (cost.worse, cost.better):
        (group,) = side.group.values()
        metric = metrics[f"privacy.accuracy_cost(target=8)[sex={group}]"]
        assert (side.value, side.low, side.high, side.n) == pytest.approx((metric.value, metric.low, metric.high, metric.n))
    gap = metrics["privacy.accuracy_cost_difference(target=8)[sex]"]
    assert gap.compares == "accuracy_cost" and gap.pair == [f"sex: {side.group['sex']}" for side in (cost.better, cost.worse)]
    assert cost.worse.value - cost.better.value == pytest.approx(gap.value)
