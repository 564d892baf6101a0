"""Methods that change how layers pass gradients back: DeepLIFT and LRP, checked by what they should add up to."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from raikit_explain.estimates.attributions import (
    Attribution,
    decision,
    gradient_batch_size,
    scorer,
    slices,
)
from raikit_explain.estimates.gradients import Differences, NotApplicable, empty, with_error, write
from raikit_explain.estimates.networks import layers, networks, with_copies

if TYPE_CHECKING:
    import raikit
    from raikit.models.encoded import Encoded
    from raikit_explain.estimates.explanation import ExplanationSettings

_MOST_WRONG = 0.10  # share of cases whose contributions may miss the change; `verdict` allows as many
_PART_WAY = 0.37  # of the second reference, from the baseline to the input
_NODES = 64
# Captum's LRP has rules for Conv2d and Linear, and none for these, which are linear like them.
_LINEAR = (nn.Flatten, nn.Unflatten, nn.Identity, nn.Conv1d, nn.Conv3d, nn.BatchNorm1d, nn.BatchNorm3d, nn.AvgPool1d, nn.AvgPool3d,
           nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool3d, nn.PixelShuffle, nn.PixelUnshuffle, nn.ZeroPad2d)


def deep_lift(
    model: raikit.Model, encoded: Encoded, decided: Tensor, settings: ExplanationSettings, seed: int
) -> Attribution:
    """Attribute decisions by DeepLIFT's rescale rule [1]_: Captum's `DeepLift`.

    With more than two classes, the log-odds of the decided class is no layer. Its multipliers are the mean gradient between
    the logits of the baseline and those of the case, which add up as the rescale rule does.

    Raises
    ------
    NotApplicable
        If contributions miss the change of the decision in more than a tenth of the cases, from the model's baseline or from a
        second one on the way to the input. They do so where activations are functions, not modules, where one is used twice,
        and for layers such as attention or layer normalisation that the rule does not know.

    References
    ----------
    .. [1] Shrikumar, Greenside and Kundaje, "Learning Important Features Through Propagating Activation Differences", ICML 2017.
    """
    score = scorer(model, encoded, settings.scale)
    result = empty("deep_lift", score, encoded, decided)
    copied = _out_of_place(with_copies(model))
    passes = max(gradient_batch_size(score, encoded, decided, settings.megabytes) // 2, 1)
    _deep_lift_into(result, copied, encoded, decided, settings, passes)
    result = with_error(result, settings.floor)
    nearer = replace(encoded, baselines={name: encoded.baseline(name) + _PART_WAY * (tensor - encoded.baseline(name))
                                         for name, tensor in encoded.items()})
    other = empty("deep_lift", score, nearer, decided)
    _deep_lift_into(other, copied, nearer, decided, settings, passes)
    wrong = np.maximum(result.error, with_error(other, settings.floor).error) > settings.tolerance
    if wrong.sum() > _MOST_WRONG * len(wrong):
        raise NotApplicable("deep_lift", "deep_lift is wrong for this model: its contributions miss the change of the decision in "
                            f"{wrong.sum()} of {len(wrong)} cases, as with unknown layers or activations without a module.")
    return replace(result, converged=~wrong)


def _deep_lift_into(
    result: Attribution, model: raikit.Model, encoded: Encoded, decided: Tensor, settings: ExplanationSettings, passes: int
) -> None:
    from captum.attr import DeepLift

    for part in slices(len(decided), passes):
        of_part = encoded.take(part)
        given = Differences.of(of_part, decided[part])
        network = _Decision(model, of_part, lambda logits, chosen: _between_logits(logits, chosen, settings.scale))

        def attribute(network: _Decision = network, given: Differences = given) -> tuple[Tensor, ...]:
            method: Any = DeepLift(network)
            values: tuple[Tensor, ...] = method.attribute(given.ways, additional_forward_args=given.beside)
            return values

        write(result, part, given.defined(_by_hooks("deep_lift", attribute)))


def _between_logits(logits: Tensor, decided: Tensor, scale: float) -> Tensor:
    """Weigh logits of n cases, followed by those of their baselines, by the mean gradient of the decision between them."""
    ends, starts = logits.detach().double().chunk(2)
    nodes, weights = np.polynomial.legendre.leggauss(_NODES)
    mean = torch.zeros_like(ends)
    for node, weight in zip(nodes, weights, strict=True):
        mean += weight / 2 * _slope(starts + (node + 1) / 2 * (ends - starts), decided[: len(ends)], scale)
    return (logits * torch.cat([mean, mean]).to(logits.dtype)).sum(dim=1)


def _slope(logits: Tensor, decided: Tensor, scale: float) -> Tensor:
    """Compute the gradient of the decision by the logits, shape (n, k)."""
    with torch.enable_grad():
        at = logits.detach().requires_grad_()
        (gradient,) = torch.autograd.grad(decision(at, decided, scale).sum(), at)
    return gradient


def lrp(
    model: raikit.Model, encoded: Encoded, decided: Tensor, settings: ExplanationSettings, seed: int
) -> Attribution:
    """Attribute decisions by layer-wise relevance propagation [1]_ with the epsilon rule: Captum's `LRP`.

    Relevance starts as the logits of the decided class and its rivals, each times the gradient of the decision by it, and biases
    keep their part. Captum has no attention-aware rules, so transformers are refused. Where all activations are ReLU, this is
    the gradient times the input [2]_, by which it is checked. There is no baseline: relevance is that of the input itself.

    Raises
    ------
    NotApplicable
        If Captum has no rule for a layer, or if the relevance is not what the rule gives: a sum of two layers outside a module
        passes all of it to both.

    References
    ----------
    .. [1] Bach et al., "On Pixel-Wise Explanations for Non-Linear Classifier Decisions by Layer-Wise Relevance Propagation",
       PLOS ONE 2015.
    .. [2] Ancona et al., "Towards better understanding of gradient-based attribution methods for Deep Neural Networks", ICLR 2018.
    """
    if reason := without_rule(model):
        raise NotApplicable("lrp", reason)
    score = scorer(model, encoded, settings.scale)
    result = empty("lrp", score, encoded, decided)
    copied = _out_of_place(with_copies(model))
    for part in slices(len(decided), gradient_batch_size(score, encoded, decided, settings.megabytes)):
        given = Differences.of(encoded.take(part), decided[part])
        write(result, part, given.defined(_relevance(copied, encoded.take(part), decided[part], settings.scale)))
    _check_relevance(copied, encoded, decided, settings)
    return result


def without_rule(model: raikit.Model) -> str | None:
    """Return a sentence that names layers for which LRP has no rule; None if it has all."""
    from captum.attr._core.lrp import SUPPORTED_LAYERS_WITH_RULES, SUPPORTED_NON_LINEAR_LAYERS

    known = (*SUPPORTED_LAYERS_WITH_RULES, *SUPPORTED_NON_LINEAR_LAYERS, *_LINEAR)
    unknown = sorted({type(layer).__name__ for layer in layers(model).values() if type(layer) not in known})
    if not layers(model):
        return "lrp needs the model's network, and no attribute of the model holds one."
    if unknown:
        return f"lrp has no rule for {', '.join(unknown[:3])}{' and others' if len(unknown) > 3 else ''}, which the model uses."
    return None


def _relevance(model: raikit.Model, encoded: Encoded, decided: Tensor, scale: float) -> tuple[Tensor, ...]:
    from captum.attr import LRP
    from captum.attr._utils.lrp_rules import EpsilonRule

    for layer in layers(model).values():
        if isinstance(layer, _LINEAR):
            layer.rule = EpsilonRule()

    def attribute() -> tuple[Tensor, ...]:
        start = tuple(torch.zeros_like(tensor) for tensor in encoded.values())
        beside = (decided, *encoded.context.values(), *start)
        method: Any = LRP(_Decision(model, encoded, lambda logits, chosen: _relevant(logits, chosen, scale)))
        values: tuple[Tensor, ...] = method.attribute(tuple(encoded.values()), additional_forward_args=beside)
        return values

    return _by_hooks("lrp", attribute)


def _relevant(logits: Tensor, decided: Tensor, scale: float) -> Tensor:
    """Return ones whose gradient by each logit is the logit's relevance; Captum multiplies the rest by this value."""
    at = logits.detach()
    relevance = (logits * at * _slope(at, decided, scale)).sum(dim=1)
    return 1 + relevance - relevance.detach()


def _check_relevance(model: raikit.Model, encoded: Encoded, decided: Tensor, settings: ExplanationSettings) -> None:
    """Raise unless relevance without biases is conserved, and equals the gradient times the input where it must."""
    bare = _without_biases(model)
    some = slice(0, 8)
    few, of_few = encoded.take(some), decided[some]
    relevance = _relevance(bare, few, of_few, settings.scale)
    inputs = [tensor.clone().requires_grad_() for tensor in few.values()]
    with torch.enable_grad():
        logits = _logits(bare, few, inputs, list(few.context.values()))
        value = (logits * _slope(logits.detach(), of_few, settings.scale)).sum(dim=1)
        gradients = torch.autograd.grad(value.sum(), inputs, allow_unused=True)
    value = value.detach()
    products = [torch.zeros_like(at) if of is None else of * at.detach() for of, at in zip(gradients, inputs, strict=True)]
    total = sum((of.flatten(1).sum(dim=1) for of in relevance), torch.zeros_like(value))
    right = torch.allclose(total, value, rtol=1e-2, atol=1e-2 * float(value.abs().max()))
    if not any(isinstance(layer, nn.Tanh) for layer in layers(bare).values()):
        size = max(float(of.abs().max()) for of in products if of.numel()) if any(of.numel() for of in products) else 0.0
        right &= all(torch.allclose(of, product, rtol=1e-2, atol=1e-2 * size)
                     for of, product in zip(relevance, products, strict=True))
    if not right:
        raise NotApplicable("lrp", "lrp is wrong for this model: relevance is not conserved, as where outputs of layers are added "
                            "outside a module, or a layer is used twice.")


def _without_biases(model: raikit.Model) -> raikit.Model:
    """Return a copy whose layers are linear without a constant."""
    bare = with_copies(model)
    with torch.no_grad():
        for layer in layers(bare).values():
            for name in ("bias", "running_mean"):
                if isinstance(constant := getattr(layer, name, None), Tensor):
                    constant.zero_()
    return bare


# --- what both share ------------------------------------------------------------------------------------------------


class _Decision(nn.Module):
    """A model as one module from differences of inputs to decisions, as Captum hooks it."""

    def __init__(self, model: raikit.Model, encoded: Encoded, reduce: Callable[[Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks(model).values())
        self._model, self._encoded, self._reduce = model, encoded, reduce

    def forward(self, *arguments: Tensor) -> Tensor:
        """Compute decisions from differences, decided classes, context and baselines."""
        inputs = len(self._encoded)
        ways, (decided, *context), starts = arguments[:inputs], arguments[inputs:-inputs], arguments[-inputs:]
        values = [start + way for start, way in zip(starts, ways, strict=True)]
        reduced = self._reduce(_logits(self._model, self._encoded, values, context), decided)
        return reduced + sum(0.0 * way.flatten(1).sum(dim=1) for way in ways)  # an input that is never read has a gradient of zero


def _logits(model: raikit.Model, encoded: Encoded, values: list[Tensor], context: list[Tensor]) -> Tensor:
    return model.forward(encoded.with_inputs([value.clone() for value in values], [tensor.clone() for tensor in context]))


def _by_hooks(name: str, attribute: Callable[[], tuple[Tensor, ...]]) -> tuple[Tensor, ...]:
    """Run a method that hooks layers; what Captum cannot do, it says by a RuntimeError or another one in a hook."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # on hooks, and on inputs that did not require gradients before
            return tuple(values.detach() for values in attribute())
    except (RuntimeError, AttributeError, TypeError, AssertionError) as error:
        if "more than once" in str(error):
            raise NotApplicable(name, f"{name} is wrong for this model: it uses one of its layers more than once.") from error
        first = str(error).split("\n")[0][:160]
        raise NotApplicable(name, f"{name} cannot follow this model's layers ({type(error).__name__}: {first}).") from error


def _out_of_place(model: raikit.Model) -> raikit.Model:
    """Let layers compute on a copy of their input, and beside it; what they compute is the same.

    Hooks refuse layers that overwrite their input. Where a layer gets the very tensor that another one returned, Captum's hooks
    of the two disagree: the contributions of a ReLU before a maximum are wrong by more than a tenth.
    """
    for layer in layers(model).values():
        layer.register_forward_pre_hook(lambda layer, given: tuple(of.clone() if isinstance(of, Tensor) else of for of in given))
        if getattr(layer, "inplace", False) is True:
            vars(layer)["inplace"] = False
    return model
