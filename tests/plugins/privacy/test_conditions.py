"""What a trial on some cases cannot prove is refused where it shows, and a condition of every guarantee where it does not."""

from __future__ import annotations

import importlib
import random
import types
from collections import deque
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import transformers as hf
from torch import nn
from torch.nn import functional

from raikit.config.schema import GateConfig
from raikit.gate.verdict import judge
from raikit.models import loaders
from raikit.models.huggingface.model import HuggingFaceModel
from raikit.run.record import CheckRecord
from raikit.testing import result_of, table_context
from raikit_privacy.checks import PrivateFineTuning
from raikit_privacy.estimates.foreign_code import foreign_code
from raikit_privacy.estimates.trials import Trials, unchecked_condition

from .conftest import words_of

QUICK = {"epochs": 1, "batch_size": 60, "learning_rate": 0.3, "accountant": "rdp"}
SMALL = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
COUNTER = [0]
TOOLS = types.ModuleType("tools_of_a_model")
TOOLS.COUNTS = [0]


def run(tiny, data, folder, net=None, loss=None, **options):
    """Train privately a model with another network or another loss."""
    net = net or tiny.Net

    class Model(tiny.Model):
        def loss(self, logits, target):
            return super().loss(logits, target) if loss is None else loss(logits, target)

        def fresh(self, seed=0):
            return Model(net(seed))

    model = Model(net(0))
    ctx = table_context(tiny.predictions(model, data), model=model, data=data, seed=1, classes=[0, 1], folder=folder)
    return result_of(PrivateFineTuning, ctx, **QUICK | options)


def ceiling(result):
    return next(metric for metric in result.metrics if "membership_tpr_ceiling" in metric.name)


def net_with(tiny, forward):
    """A network of which `forward(net, columns, plain)` changes the columns; `plain` continues."""
    class Net(tiny.Net):
        def forward(self, columns, note):
            return super().forward(forward(self, columns), note)

    return Net


# --- random generators that a case seeds, or draws from ---------------------------------------------------------------


def seed_of(columns):
    return int(columns.detach().abs()[0].sum() * 1e4)


def own_generator(net, columns):
    generator = torch.Generator().manual_seed(seed_of(columns))
    return columns + 0.1 * torch.randn(columns.shape, generator=generator)


def seeded_inside_a_fork(net, columns):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_of(columns))
        return columns + 0.1 * torch.randn_like(columns)


def state_set_inside_a_fork(net, columns):
    with torch.random.fork_rng(devices=[]):
        torch.set_rng_state(torch.Generator().manual_seed(seed_of(columns)).get_state())
        return functional.dropout(columns, 0.3)


def own_numpy_generator(net, columns):
    return columns + torch.tensor(np.random.default_rng(seed_of(columns)).normal(size=columns.shape), dtype=columns.dtype)


@pytest.mark.parametrize("forward", [own_generator, seeded_inside_a_fork, state_set_inside_a_fork, own_numpy_generator])
def test_noise_whose_seed_is_a_case_is_refused(tiny, data, tmp_path, forward):
    """The first case of a step would choose the noise of all others."""
    assert "depends on the other cases" in ceiling(run(tiny, data, tmp_path, net_with(tiny, forward))).reason


def kept_generators():
    return {"torch": torch.Generator().manual_seed(1), "numpy": np.random.default_rng(1), "legacy": np.random.RandomState(1),
            "python": random.Random(1)}


@pytest.mark.parametrize("kind", ["torch", "numpy", "legacy", "python"])
def test_a_generator_that_the_network_keeps_is_a_state_that_cases_change(tiny, data, tmp_path, kind):
    """It is used by rare cases only; what it gives to a case then depends on those before."""
    class Net(tiny.Net):
        def __init__(self, seed=0, norm=None):
            super().__init__(seed, norm)
            self.generator = kept_generators()[kind]

        def forward(self, columns, note):
            if bool((columns[:, 0] > 2.2).any()):
                draw = {"torch": lambda g: torch.rand((), generator=g), "python": lambda g: g.random()}
                columns = columns * float(draw.get(kind, lambda g: g.uniform())(self.generator))
            return super().forward(columns, note)

    reason = ceiling(run(tiny, data, tmp_path, Net)).reason or ""
    assert "generator changes when a case goes through" in reason or "depends on the" in reason


@pytest.mark.parametrize("where", ["global", "list of a module", "deque", "namespace", "class", "closure of a hook"])
def test_a_state_outside_of_the_attributes_is_found_too(tiny, data, tmp_path, where):
    """Each counts rare cases, and uses the count from the fifth on."""
    count = [0]

    class Net(tiny.Net):
        of_all = SimpleNamespace(seen=[0])

        def __init__(self, seed=0, norm=None):
            super().__init__(seed, norm)
            self.kept = {"deque": deque([0]), "namespace": SimpleNamespace(seen=[0])}.get(where)
            if where == "closure of a hook":
                self.first.register_forward_hook(lambda module, inputs, output: self.scaled(output, count))

        @staticmethod
        def scaled(tensor, counts):
            counts[0] += int((tensor > (1.0 if tensor.shape[1] == 8 else 2.0)).any())
            return tensor * (1 + (counts[0] > 4))

        def forward(self, columns, note):
            counts = {"global": COUNTER, "list of a module": TOOLS.COUNTS, "deque": self.kept,
                      "namespace": getattr(self.kept, "seen", None), "class": self.of_all.seen}.get(where)
            return super().forward(columns if counts is None else self.scaled(columns, counts), note)

    reason = ceiling(run(tiny, data, tmp_path, Net)).reason or ""
    COUNTER[0] = TOOLS.COUNTS[0] = 0
    assert "changes when a case goes through the model" in reason or "depends on the cases" in reason


# --- mixing that happens in some company only -------------------------------------------------------------------------


@pytest.mark.parametrize("share", [0.8, 0.97])
def test_a_loss_that_changes_at_a_rare_share_of_a_class_is_refused(tiny, data, tmp_path, share):
    def loss(logits, target):
        losses = functional.cross_entropy(logits, target, reduction="none")
        return losses * (10 if len(target) > 20 and float(target.float().mean()) > share - (len(target) < 40) else 1)

    assert "depends on the other cases" in ceiling(run(tiny, data, tmp_path, loss=loss, physical_batch_size=256)).reason


def test_a_network_that_mixes_rarely_is_refused_in_the_step_where_it_does(tiny, data, tmp_path):
    """Two cases of three hundred have the mark; hardly any comparison before training has both."""
    table = data.table.copy()
    trained = table.index[table["split"] == "train"]
    table.loc[trained[[210, 240]], "a"] = 9.0

    def forward(net, columns):
        return columns - columns.mean(0) if int((columns[:, 0] > 8).sum()) == 2 else columns

    result = run(tiny, tiny.Data(table), tmp_path, net_with(tiny, forward), physical_batch_size=64, batch_size=290)
    assert "depends on the other cases" in ceiling(result).reason


# --- the condition ----------------------------------------------------------------------------------------------------


def test_what_is_known_of_foreign_code_is_a_condition_of_every_guarantee(tiny, data, tmp_path):
    result = run(tiny, data, tmp_path)
    condition = "the code of Model and Net treats each case alone and knows nothing of the cases beforehand (tried on 8 cases)"
    said = {finding.what: finding for finding in result.findings}["bound on membership inference"]
    assert f"provided that {condition}." in words_of(said)
    assert (said.severity, said.certainty) == ("warn", "from the accountant, under a condition that cannot be checked")
    assert {metric.name for metric in result.metrics if metric.condition == condition} == {"epsilon", "membership_tpr_ceiling"}


def test_raikits_own_network_needs_no_condition_and_one_changed_part_does(fusion):
    assert foreign_code(fusion) == []
    assert unchecked_condition(SimpleNamespace(foreign=[], start=SimpleNamespace(condition="")), SimpleNamespace(compared=8)) == ""

    class Disguised(nn.Linear):
        __module__, __qualname__ = "torch.nn.modules.linear", "Linear"

    changed = fusion.copy()
    changed.net.head = Disguised(32, 2)
    assert foreign_code(changed) == ["Disguised"]
    changed = fusion.copy()
    changed.loss = lambda logits, target: logits[:, 0]
    assert foreign_code(changed) == ["FusionModel.loss"]
    changed = fusion.copy()
    changed.net.head.register_forward_hook(lambda module, inputs, output: output - output.mean(0))
    assert foreign_code(changed) == ["a hook of Linear"]


class MixesWhereACaseIsLarge(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(3, 2)

    def forward(self, x):
        if bool((x > 9).any()):
            x = x - x.mean(0)
        return self.layer(x)


class MixesAlways(nn.Module):
    def forward(self, x):
        return x - x.mean(0)


@pytest.mark.parametrize(("net", "name"), [
    (lambda: torch.jit.script(MixesWhereACaseIsLarge()), "a TorchScript program"),
    (lambda: torch.jit.trace(MixesAlways(), torch.ones(4, 3)), "a TorchScript program"),
    (lambda: torch.fx.symbolic_trace(MixesAlways()), "a torch.fx program"),
])
def test_a_compiled_program_is_other_code_though_its_class_is_torchs(fusion, net, name):
    changed = fusion.copy()
    changed.net.head = net()
    assert foreign_code(changed) == [name]


def nystromformer(scale):
    """A classifier of transformers whose attention divides by a maximum over all cases of the step."""
    torch.manual_seed(0)
    net = hf.NystromformerForSequenceClassification(hf.NystromformerConfig(
        vocab_size=50, segment_means_seq_len=64, num_landmarks=16, max_position_embeddings=64, conv_kernel_size=3, **SMALL)).eval()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.mul_(scale if parameter.ndim > 1 else 1)
    return net


def test_architectures_of_transformers_are_other_code_because_some_compute_over_the_step(fusion):
    """This one agrees up to 1e-7 while its weights are small, so a trial before training does not show it."""
    ids = torch.randint(5, 50, (8, 64), generator=torch.Generator().manual_seed(0))
    off = {}
    for scale in (1, 20):
        net = nystromformer(scale)
        with torch.no_grad():
            alone = torch.cat([net(input_ids=row[None], attention_mask=torch.ones(1, 64)).logits for row in ids])
            off[scale] = float((net(input_ids=ids, attention_mask=torch.ones(8, 64)).logits - alone).abs().max())
    assert off[1] < 1e-7
    assert off[20] > 0.05
    assert foreign_code(HuggingFaceModel(nystromformer(1), [], [0, 1], {}, [0, 1])) == ["transformers.models.nystromformer"]
    bert = hf.BertForSequenceClassification(hf.BertConfig(vocab_size=50, **SMALL))
    assert foreign_code(HuggingFaceModel(bert, [], [0, 1], {}, [0, 1])) == ["transformers.models.bert"]
    assert foreign_code(fusion) == []  # its configuration and its base class are of transformers, its layers are not


def test_a_builder_or_a_fresh_of_other_code_is_a_condition_too(fusion, tmp_path, monkeypatch):
    """What they return may be raikit's own network, with weights that they computed from cases, or functions of torch replaced."""
    (tmp_path / "builder_of_a_fusion_model.py").write_text("MODELS = []\n\n\ndef build():\n    return MODELS[0]\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.import_module("builder_of_a_fusion_model").MODELS.append(fusion.copy())
    data = SimpleNamespace(task="binary", classes=[0, 1], inputs={}, parts=None, batches=lambda split, size: iter(()))
    monkeypatch.setattr(loaders, "refuse_other_data", lambda model, data: None)
    model = loaders.load({"kind": "torch", "path": "builder_of_a_fusion_model:build"}, data, loaders.LOADERS, tmp_path)
    assert foreign_code(model) == ["builder_of_a_fusion_model:build"]

    class Fusion(type(fusion)):
        def fresh(self, seed=0):
            return fusion.fresh(seed)

    model = Fusion(fusion.net, fusion.preprocessing, fusion.classes)
    assert foreign_code(model.fresh()) == []
    trials = Trials(PrivateFineTuning.Options(), SimpleNamespace(
        data=SimpleNamespace(size=lambda split: 100), model=model, seed=1, workdir=tmp_path), None, None)
    assert trials.foreign == ["Fusion"]


@pytest.mark.parametrize("decide_on", ["interval", "estimate"])
def test_a_rule_that_holds_under_a_condition_names_it_and_warns(tiny, data, tmp_path, decide_on):
    metrics = run(tiny, data, tmp_path).metrics
    for metric in metrics:
        metric.id = metric.address("privacy")
    check = CheckRecord(name="privacy.dp_finetuning", pillar="privacy", plugin="raikit", status="ok", metrics=metrics)
    name = "privacy.epsilon(target=8)"
    for limit, status in ((8.0, "pass"), (1.0, "fail")):
        gate = judge(GateConfig.model_validate({"rules": [{"metric": name, "max": limit}], "decide_on": decide_on}), [check])
        assert gate.rules[0].status == status
        assert ("provided that the code of Model and Net" in gate.rules[0].reason) == (status == "pass")
        assert any(warning.startswith(f"{name}: the rule holds provided that") for warning in gate.warnings) == (status == "pass")


def test_a_rule_that_holds_for_cases_says_so_where_people_are_in_several(tiny, data, tmp_path):
    """Four training cases of each person, or five copies of one: the ceiling for them is far higher than for a case."""
    model = tiny.Model()

    def conditions(data, **roles):
        ctx = table_context(tiny.predictions(model, data), model=model, data=data, seed=1, classes=[0, 1], folder=tmp_path, **roles)
        return {metric.name: metric.condition for metric in result_of(PrivateFineTuning, ctx, **QUICK).metrics}

    clause = "a single case is what is to be protected (among the training cases, {})"
    people = conditions(data, cluster=("person",))
    assert all(people[name].endswith(clause.format("one person appears in up to 4")) for name in ("epsilon", "membership_tpr_ceiling"))
    table = data.table.copy()
    copies = table.index[table["split"] == "train"][:5]
    table.loc[copies, ["a", "b", "note"]] = table.loc[copies[0], ["a", "b", "note"]].tolist()
    assert conditions(tiny.Data(table))["epsilon"].endswith(clause.format("5 have the same inputs"))
    assert "single case" not in conditions(data)["epsilon"]


def test_a_rule_on_epsilon_names_a_delta_that_makes_it_empty(tiny, data, tmp_path):
    found = {metric.name: metric.condition for metric in run(tiny, data, tmp_path, delta=0.5).metrics}
    assert found["epsilon"].endswith("δ = 0.5 is small enough, with 300 cases")
    assert "δ" not in found["membership_tpr_ceiling"]  # a bound whatever delta is
