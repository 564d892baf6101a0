"""What would make the guarantee false is refused; what only Opacus's shortcuts get wrong is trained in another way.

The oracle is one autograd call for each case. On each network that passes, no case moves the clipped sum by more than C.
"""

from __future__ import annotations

import contextlib
import copy
import importlib.util
import io
import random
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.utils.prune
from torch import nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from raikit_privacy.estimates import dpsgd, preflight
from raikit_privacy.estimates.bookkeeping import make_clipper
from raikit_privacy.estimates.clipping import NotPrivateError, ShortcutError
from raikit_privacy.estimates.dpsgd import PrivateTraining, Recipe, freeze_feature_layers
from raikit_privacy.estimates.draws import same_draws
from raikit_privacy.estimates.preflight import Cases, choose_clipping

_spec = importlib.util.spec_from_file_location("networks", Path(__file__).with_name("networks.py"))
networks = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(networks)

C, ROWS = 0.3, 20


class Wrapped:
    """As much of a model as private training asks for."""

    def __init__(self, module, reduction="none"):
        self.module, self.reduction = module, reduction

    def loss(self, logits, target):
        return functional.cross_entropy(logits, target, reduction=self.reduction)


def prepared(name, layers, **options):
    """The model, ready to be trained, and its cases."""
    torch.manual_seed(1)
    model = Wrapped(getattr(networks, name)(), **options)
    model.module.train()
    freeze_feature_layers(model.module, layers)
    return model, Cases({"x": torch.randn(ROWS, networks.COLUMNS)}, torch.randint(0, 2, (ROWS,)))


def chosen(model, cases, layers):
    return choose_clipping(model, C, cases.rows(slice(8)).alone(), cases)


def clipped_sum(model, layers, clipping, cases, keep=None):
    """The sum of clipped gradients of one step, by way of the optimizer, in parts of 6 cases."""
    own = Wrapped(copy.deepcopy(model.module))
    training = PrivateTraining(own, Recipe(ROWS, 1, ROWS, 6, C, 0.0, layers), 0.0, clipping)
    keep = torch.arange(ROWS) if keep is None else keep
    with same_draws(3):
        training.step(training.module, training.optimizer, {"x": cases.inputs["x"][keep]}, cases.target[keep], None)
    return torch.cat([parameter.grad.flatten() for parameter in own.module.parameters() if parameter.requires_grad]) * ROWS


def oracle(model, cases):
    """Autograd, one case after the other."""
    parameters = [parameter for parameter in model.module.parameters() if parameter.requires_grad]
    total = torch.zeros(sum(parameter.numel() for parameter in parameters))
    for case in cases.alone():
        module = copy.deepcopy(model.module)
        with same_draws(3):
            functional.cross_entropy(module(**case.inputs), case.target).backward()
        gradient = torch.cat([(torch.zeros_like(parameter) if parameter.grad is None else parameter.grad.to_dense()).flatten()
                              for parameter in module.parameters() if parameter.requires_grad])
        total += gradient * min(1.0, C / (float(gradient.norm()) + 1e-6))
    return total


@pytest.mark.parametrize("layers", ["dense", "all"])
@pytest.mark.parametrize(("name", "problem"), [
    ("Centred", "the loss of a case depends on the other cases of its step, from layer first"),
    ("FunctionalBatchNorm", "depends on the other cases of its step"),
    ("LayerBatchNorm", "layer norm .BatchNorm1d. mixes the cases"),
    ("MixedUp", "depends on the other cases"),
    ("MixedUpSometimes", "depends on the other cases"),
    ("SwappedRarely", "depends on the other cases"),
    ("SwappedWhereNotKept", "depends on the other cases"),
    ("SwappedWhereDropped", "depends on the other cases"),
    ("MixedInLargeSteps", "depends on the other cases"),
    ("AttendsToOtherCases", "depends on the other cases of its step, from layer"),
    ("MixedGradients", "the gradient of a case depends on the other cases .* most in parameter first.weight"),
    ("RunningMean", "buffer seen changes when a case goes through"),
    ("SpectralNormed", "buffer first.parametrizations.weight.0._u changes"),
    ("Remembering", "attribute before changes when a case goes through"),
    ("LongestWord", "weight words.weight changes when a case goes through"),
    ("SteppingInBackward", "weight first.weight has a hook that runs after its gradient"),
    ("RunningGradient", "the same case has another gradient"),
    ("HalfPrecision", "weight first.weight is of type bfloat16"),
    ("ComplexWeight", "weight mix.0.weight is of type complex64"),
])
def test_cases_that_see_each_other_are_refused(name, problem, layers):
    model, cases = prepared(name, layers)
    with pytest.raises(NotPrivateError, match=problem):
        chosen(model, cases, layers)


EXPECTED = [  # the way of clipping with dense layers, and with all
    ("Plain", "shortcut", "shortcut"),
    ("FunctionalWeight", "shortcut", "shortcut"),
    ("SkippedLayer", "shortcut", "shortcut"),
    ("Bag", "shortcut", "shortcut"),
    ("SparseEmbedding", "shortcut", "shortcut"),
    ("TiedLayers", "shortcut", "shortcut"),
    ("LayerUsedTwice", "shortcut", "shortcut"),
    ("ParameterOfTheModel", "shortcut", "shortcut"),
    ("InPlaceFunction", "shortcut", "shortcut"),
    ("InPlaceLayer", "shortcut", "shortcut"),
    ("Attention", "shortcut", "shortcut"),
    ("Recurrent", "shortcut", "shortcut"),
    ("RoutedCases", "one by one", "one by one"),
    ("FoldedCases", "shortcut", "shortcut"),
    ("SharedPositions", "shortcut", "shortcut"),
    ("WeightNormed", "shortcut", "shortcut"),
    ("Dropout", "shortcut", "shortcut"),
    ("RandomNoise", "shortcut", "shortcut"),
    ("DropPath", "shortcut", "shortcut"),
]


@pytest.mark.parametrize(("name", "layers", "clipping"), [
    (name, layers, way) for name, *ways in EXPECTED for layers, way in zip(("dense", "all"), ways, strict=True)
])
def test_the_clipped_sum_is_autograds_and_no_case_moves_it_by_more_than_the_norm(name, layers, clipping):
    model, cases = prepared(name, layers)
    way, reason = chosen(model, cases, layers)
    assert (way, bool(reason)) == (clipping, clipping == "one by one")
    whole = clipped_sum(model, layers, way, cases)
    assert float((whole - oracle(model, cases)).norm() / whole.norm()) < 1e-5
    moved = [float((whole - clipped_sum(model, layers, way, cases, torch.arange(ROWS) != left_out)).norm()) for left_out in (0, 7, 19)]
    assert max(moved) <= C * 1.0001
    assert max(moved) > 0.5 * C


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_a_loss_over_the_step_is_refused(reduction):
    model, cases = prepared("Plain", "dense", reduction=reduction)
    with pytest.raises(NotPrivateError, match="not one number per case"):
        chosen(model, cases, "dense")


def test_a_loss_that_depends_on_the_size_of_the_step_is_refused():
    model, cases = prepared("Plain", "dense")
    model.loss = lambda logits, target: functional.cross_entropy(logits, target, reduction="none") / len(target)
    with pytest.raises(NotPrivateError, match="the loss of a case depends on the other cases"):
        chosen(model, cases, "dense")


@pytest.mark.parametrize("layers", ["dense", "all"])
def test_a_gradient_that_is_not_finite_is_refused_wherever_it_turns_up(layers):
    """The root of a sum of squares has no gradient at zero: a case without content is enough."""
    class Root(networks.Plain):
        def hidden(self, x):
            return super().hidden(self.first.bias.new_ones(()) * x) / (1 + (x * self.first.weight[0]).sum(1, keepdim=True).abs().sqrt())

    torch.manual_seed(0)
    model, (inputs, target) = Wrapped(Root()), prepared("Plain", layers)[1]
    training = PrivateTraining(model, Recipe(ROWS, 1, ROWS, ROWS, C, 0.1, layers), 1.0, "one by one")
    training.step(training.module, training.optimizer, inputs, target, None)
    inputs["x"][11] = 0.0
    before = copy.deepcopy(model.module.state_dict())
    with pytest.raises(NotPrivateError, match="NaN or infinite"):
        training.step(training.module, training.optimizer, inputs, target, None)
    assert all(torch.equal(before[name], tensor) for name, tensor in model.module.state_dict().items())


@pytest.mark.parametrize("layers", ["dense", "all"])
def test_a_buffer_that_a_rare_case_changes_ends_the_training(layers):
    model, cases = prepared("RunningMaximum", layers)
    cases.inputs["x"].clamp_(-2, 2)
    way, _ = chosen(model, cases, layers)
    training = PrivateTraining(model, Recipe(ROWS, 9, ROWS, ROWS, C, 0.1, layers), 1.0, way)
    training.step(training.module, training.optimizer, *cases, None)
    cases.inputs["x"][13] = 4.0
    before = copy.deepcopy(model.module.first.state_dict())
    with pytest.raises(NotPrivateError, match="buffer most changes"):
        training.step(training.module, training.optimizer, *cases, None)
    assert all(torch.equal(before[name], tensor) for name, tensor in model.module.first.state_dict().items())


def test_a_model_that_goes_wrong_during_training_is_refused_then():
    class Later(networks.Plain):
        mixes = False

        def forward(self, x):
            return super().forward(x - x.mean(0) if self.mixes else x)

    torch.manual_seed(0)
    model, (inputs, target) = Wrapped(Later()), prepared("Plain", "dense")[1]
    training = PrivateTraining(model, Recipe(ROWS, 9, ROWS, ROWS, C, 0.1), 1.0)
    for step in range(3):
        training.step(training.module, training.optimizer, inputs, target, None)
        assert training.steps_made == step + 1
    model.module.mixes = True
    with pytest.raises(NotPrivateError, match="depends on the other cases"):
        training.step(training.module, training.optimizer, inputs, target, None)


@pytest.mark.parametrize("layers", ["dense", "all"])
def test_looking_changes_nothing(layers, monkeypatch):
    """Neither random numbers nor buffers nor weights: the training is the same with the comparison and without."""
    def learn(model, clipper, inputs, target, *, seed):
        with torch.random.fork_rng(devices=[]), clipper.compared():
            clipper.clip(inputs, target)

    weights = []
    for compared in (True, False):
        if not compared:
            monkeypatch.setattr(preflight, "verify", learn)
        model, (inputs, target) = prepared("Dropout", layers)
        torch.manual_seed(5)
        training = PrivateTraining(model, Recipe(ROWS, 5, ROWS, 7, C, 0.1, layers), 1.0)
        for _ in range(5):
            training.step(training.module, training.optimizer, inputs, target, None)
        weights.append(torch.cat([parameter.flatten() for parameter in model.module.parameters()]))
    assert torch.equal(*weights)
    assert weights[0].isfinite().all()


@pytest.mark.parametrize("layers", ["dense", "all"])
@pytest.mark.parametrize("name", ["RareFunctionalWeight", "RareSecondCall", "RareExpert"])
def test_a_branch_of_a_rare_case_is_clipped_as_autograd_would(name, layers):
    """The shortcut was compared on cases that do not take the branch; the step with the rare one does without it."""
    model, cases = prepared(name, layers)
    cases.inputs["x"].clamp_(-2, 2)
    way, _ = chosen(model, cases, layers)
    assert way == "shortcut"
    cases.inputs["x"][13, 0] = 4.0
    whole = clipped_sum(model, layers, way, cases)
    assert float((whole - oracle(model, cases)).norm() / whole.norm()) < 1e-5
    assert float((whole - clipped_sum(model, layers, way, cases, torch.arange(ROWS) != 13)).norm()) <= C * 1.0001


@pytest.mark.parametrize("layers", ["dense", "all"])
@pytest.mark.parametrize(("keep", "name"), [("number", "attribute most"), ("array", "attribute most"), ("nested", "attribute most"),
                                            ("class", "attribute most"), ("loss", "attribute model.most")])
def test_a_memory_of_a_rare_case_ends_the_training_wherever_it_is(keep, name, layers):
    class Memory(networks.Plain):
        most = {"class": [torch.tensor(3.0)]}.get(keep)

        def forward(self, x):
            if float(x.detach().max()) > 3:
                self.remember(x.detach().max())
            return super().forward(x)

        def remember(self, value):
            if keep == "number":
                self.most = float(value)
            elif keep == "array":
                self.most.fill(value)
            elif keep == "nested":
                self.most["of"][0]["all"] = [value]
            elif keep == "class":
                self.most[0].fill_(value)

    model, cases = prepared("Plain", layers)
    model.module.__class__ = Memory
    model.module.most = {"number": 3.0, "array": np.array(3.0), "nested": {"of": [{"all": [torch.zeros(())]}]}}.get(keep)
    if keep == "class":
        del model.module.most
    if keep == "loss":
        plain, model.most = model.loss, [0.0]
        model.loss = lambda logits, target: (model.most.append(1.0) if len(target) > 8 and late else None) or plain(logits, target)
    late = False
    cases.inputs["x"].clamp_(-2, 2)
    way, _ = chosen(model, cases, layers)
    training = PrivateTraining(model, Recipe(ROWS, 9, ROWS, ROWS, C, 0.1, layers), 1.0, way)
    training.step(training.module, training.optimizer, *cases, None)
    cases.inputs["x"][13], late = 4.0, True
    with pytest.raises(NotPrivateError, match=rf"{name}.* changes when a case goes through"):
        training.step(training.module, training.optimizer, *cases, None)


def _freezes(net, case):
    net.first.weight.requires_grad_(False)


def _stops_dropout(net, case):
    net.drop.eval()


def _swaps_a_weight(net, case):
    net.first.weight = nn.Parameter(net.first.weight.detach().clone())


def _hooks(net, case):
    net.first.register_forward_hook(lambda part, inputs, output: output + case)


def _writes_on_a_weight(net, case):
    net.first.weight.seen = float(case)


@pytest.mark.parametrize(("act", "name"), [
    (_freezes, "attribute first.weight.requires_grad"), (_stops_dropout, "attribute drop.training"),
    (_swaps_a_weight, "first.weight"), (_hooks, "attribute first._forward_hooks"), (_writes_on_a_weight, "first.weight.seen"),
])
@pytest.mark.parametrize("layers", ["dense", "all"])
def test_a_rare_case_that_switches_the_network_for_all_others_ends_the_training(act, name, layers):
    class Switching(networks.Plain):
        def __init__(self):
            super().__init__()
            self.drop = nn.Dropout(0.2)

        def forward(self, x):
            if float(x.detach().max()) > 3:
                act(self, x.detach().max())
            return self.last(self.drop(self.hidden(x)))

    torch.manual_seed(0)
    model, cases = Wrapped(Switching().train()), prepared("Plain", layers)[1]
    cases.inputs["x"].clamp_(-2, 2)
    training = PrivateTraining(model, Recipe(ROWS, 9, ROWS, ROWS, C, 0.1, layers), 1.0, chosen(model, cases, layers)[0])
    training.step(training.module, training.optimizer, *cases, None)
    cases.inputs["x"][13] = 4.0
    with pytest.raises(NotPrivateError, match=rf"{name}.* changes when a case goes through"):
        training.step(training.module, training.optimizer, *cases, None)


def test_a_model_that_goes_wrong_late_is_refused_in_the_step_where_it_does():
    """Steps 5 and 6 of 7 are compared with one autograd call per case no longer, and foreign code is compared in every step."""
    class Late(networks.Plain):
        mixes = False

        def forward(self, x):
            return super().forward(x - x.mean(0) if self.mixes else x)

    torch.manual_seed(0)
    model, cases = Wrapped(Late()), prepared("Plain", "dense")[1]
    training = PrivateTraining(model, Recipe(ROWS, 7, ROWS, ROWS, C, 0.1), 1.0)
    for step in range(6):
        model.module.mixes = step > 4
        with pytest.raises(NotPrivateError, match="other cases") if step == 5 else contextlib.nullcontext():
            training.step(training.module, training.optimizer, *cases, None)


def test_cases_that_are_mixed_in_steps_of_some_sizes_are_refused():
    class Sometimes(networks.Plain):
        def forward(self, x):
            return super().forward(x - x.mean(0) if 14 < len(x) < 18 else x)

    torch.manual_seed(0)
    with pytest.raises(NotPrivateError, match="depends on the other cases of its step"):
        chosen(Wrapped(Sometimes().train()), prepared("Plain", "dense")[1], "dense")


@pytest.mark.parametrize("layers", ["dense", "all"])
def test_a_network_cannot_read_what_the_step_has_summed_so_far(layers):
    seen = io.BytesIO()  # a list would be a state of the network's

    class Reading(networks.Plain):
        def forward(self, x):
            weights = list(self.parameters())
            held = [held for weight in weights for held in (weight.grad, getattr(weight, "summed_grad", None),
                                                            getattr(weight, "grad_sample", None))]
            seen.write(b"".join(b"+" if one is not None and one.any() else b"0" for one in held))
            return super().forward(x)

    torch.manual_seed(0)
    model, cases = Wrapped(Reading().train()), prepared("Plain", layers)[1]
    training = PrivateTraining(model, Recipe(ROWS, 9, ROWS, 6, C, 0.1, layers), 1.0, chosen(model, cases, layers)[0])
    for _ in range(2):
        training.step(training.module, training.optimizer, *cases, None)
    assert set(seen.getvalue()) == set(b"0")


def test_a_case_that_switches_gradients_off_is_an_objection():
    class Off(networks.Plain):
        def forward(self, x):
            out = super().forward(x)
            if bool((x[:, 0] > 3).any()):
                torch.set_grad_enabled(False)
            return out

    torch.manual_seed(0)
    model, cases = Wrapped(Off().train()), prepared("Plain", "dense")[1]
    training = PrivateTraining(model, Recipe(ROWS, 9, ROWS, ROWS, C, 0.1), 1.0, chosen(model, cases, "dense")[0])
    cases.inputs["x"][3, 0] = 4.0
    with pytest.raises(NotPrivateError, match="switches gradients on or off"):
        training.step(training.module, training.optimizer, *cases, None)
    assert torch.is_grad_enabled()


@pytest.mark.parametrize("layers", ["dense", "all"])
@pytest.mark.parametrize("of", ["torch", "NumPy", "Python", "constant"])
def test_a_network_that_seeds_a_generator_is_refused(layers, of):
    """The mask of dropout would be that of a step's cases together, or of the case before.

    With one seed for all, the mask of a case depends on its place in the step, and everybody knows it.
    """
    class Seeding(networks.Dropout):
        def forward(self, x):
            seed = int(x.detach().abs().sum() * 1000) if of != "constant" else 7
            {"NumPy": np.random.seed, "Python": random.seed}.get(of, torch.manual_seed)(seed)
            return super().forward(x)

    torch.manual_seed(0)
    model, cases = Wrapped(Seeding().train()), prepared("Plain", layers)[1]
    problem = "depends on the other cases" if of == "constant" else f"a case seeds the global random generator of {of}"
    with pytest.raises(NotPrivateError, match=problem):
        chosen(model, cases, layers)


@pytest.mark.parametrize("layers", ["dense", "all"])
def test_no_shortcut_is_used_where_the_graph_does_not_show_the_weights(layers):
    class RarelyCheckpointed(networks.Plain):
        def forward(self, x):
            rare = bool((x[:, 0] > 3).any())
            return self.last(checkpoint(self.hidden, x.requires_grad_(), use_reentrant=True)) if rare else super().forward(x)

    torch.manual_seed(0)
    model, cases = Wrapped(RarelyCheckpointed().train()), prepared("Plain", layers)[1]
    assert chosen(model, cases, layers) == ("shortcut", "")
    cases.inputs["x"].detach_()[-1, 0] = 4.0
    clipper = make_clipper(model, C, "shortcut")
    with clipper.compared():
        clipper.clip(*cases.rows(slice(8)))
    with pytest.raises(ShortcutError, match="graph does not show every use"):
        clipper.clip(*cases)


def test_weights_that_are_computed_anew_in_each_call_are_no_memory():
    """Old-style weight norm and pruning keep the product in an attribute."""
    torch.manual_seed(0)
    net = networks.Plain()
    nn.utils.prune.random_unstructured(net.last, "weight", 0.2)
    model, cases = Wrapped(net.train()), prepared("Plain", "dense")[1]
    way, _ = chosen(model, cases, "dense")
    training = PrivateTraining(model, Recipe(ROWS, 9, ROWS, ROWS, C, 0.1), 1.0, way)
    for _ in range(3):
        training.step(training.module, training.optimizer, *cases, None)
    assert training.steps_made == 3


def test_batch_norm_that_the_network_keeps_in_evaluation_mode_is_no_objection():
    class Kept(networks.LayerBatchNorm):
        def train(self, mode=True):
            super().train(mode)
            self.norm.eval()
            return self

    torch.manual_seed(0)
    model, cases = Wrapped(Kept().train()), prepared("Plain", "dense")[1]
    assert chosen(model, cases, "dense") == ("shortcut", "")


def test_all_draws_are_the_same_for_every_case_and_generators_stay():
    torch.manual_seed(0)
    state = torch.get_rng_state()
    with same_draws(1):
        x = torch.randn(5, 4)
        for drawn in (torch.rand(5, 4), x, nn.Dropout(0.3)(torch.ones(5, 4)), torch.bernoulli(torch.full((5, 4), 0.3)),
                      functional.rrelu(-torch.ones(5, 4), training=True), torch.randint(0, 9, (5, 4)),
                      functional.gumbel_softmax(torch.zeros(5, 4))):
            assert torch.equal(drawn, drawn[:1].expand(5, 4))
        assert torch.equal(torch.randperm(4), torch.tensor([3, 2, 1, 0]))
    assert torch.equal(state, torch.get_rng_state())
    with same_draws(2):
        assert not torch.equal(torch.rand(5, 4), torch.rand(5, 4) * 0 + x[0, 0])


def test_frozen_layers_are_those_without_a_linear_rule():
    """Class tokens and position embeddings are features; a layer of torch that has parts, like attention, is trained."""
    attention, token = networks.Attention(), networks.ParameterOfTheModel()
    for module in (attention, token):
        dpsgd.freeze_feature_layers(module, "dense")
    assert attention.attention.in_proj_weight.requires_grad
    assert not token.token.requires_grad
    assert token.first.weight.requires_grad
