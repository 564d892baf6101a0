"""Methods that explain decisions by gradients, by Captum's names, for any differentiable model with encoded inputs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from torch import Tensor

from raikit_explain.estimates import gradients
from raikit_explain.estimates.attributions import Attribution, integrated_gradients, scorer
from raikit_explain.estimates.grad_cam import grad_cam, without_convolution
from raikit_explain.estimates.gradients import NotApplicable
from raikit_explain.estimates.networks import networks
from raikit_explain.estimates.propagation import deep_lift, lrp, without_rule

if TYPE_CHECKING:
    import raikit
    from raikit.models.encoded import Encoded
    from raikit_explain.estimates.explanation import ExplanationSettings

Method = Callable[["raikit.Model", "Encoded", Tensor], Attribution]
Explainer = Callable[["raikit.Model", "Encoded", Tensor, "ExplanationSettings", int], Attribution]

__all__ = ["DEFAULT", "Method", "NotApplicable", "applies", "method", "names"]

DEFAULT = "integrated_gradients"
_DRAWS = 32  # of GradientSHAP; Captum's default of 5 leaves errors as large as the attributions


@dataclass(frozen=True)
class _Entry:
    """A method: how it explains, and why it cannot explain some models, as far as their layers tell."""

    explain: Explainer
    refuse: Callable[[raikit.Model], str | None] = lambda model: None


def names() -> tuple[str, ...]:
    """Return the names of all methods, the default first.

    Examples
    --------
    >>> names()[:2]
    ('integrated_gradients', 'gradient_shap')
    """
    return tuple(_METHODS)


def applies(name: str, model: raikit.Model) -> str | None:
    """Return why a method cannot explain a model, as a sentence, as far as the model's layers tell; None if it can.

    A method may still raise `NotApplicable` on the first cases, where only what it computes shows that it is wrong.

    Raises
    ------
    ValueError
        If there is no such method.
    """
    entry = _entry(name)
    if "gradients" not in model.capabilities:
        from raikit_explain.estimates import perturbations

        others = ", ".join(perturbations.METHODS)
        return f"{name} needs gradients, which the model does not have. These methods do without: {others}."
    return entry.refuse(model)


def method(name: str, settings: ExplanationSettings, *, seed: int = 0) -> Method:
    """Return ``explain(model, encoded, decided)``, which attributes decisions to encoded inputs.

    Parameters
    ----------
    name : str
        One of `names`.
    settings : ExplanationSettings
        Memory is bounded by its ``megabytes`` for every method.
    seed : int
        Of the methods that draw; equal calls return equal attributions, and global generators are left as they were.

    Returns
    -------
    callable
        It returns an `Attribution`, and raises `NotApplicable` where the method would be wrong for this model.

    Raises
    ------
    ValueError
        If there is no such method.

    Notes
    -----
    All methods but Integrated Gradients are Captum's [1]_ unless their own docstring says otherwise. They explain the log-odds
    of the decided class (`decision`). Where a method multiplies by the input, it is by the input's difference from its
    baseline, as for Integrated Gradients: with baselines of zero, that is the input.

    A gradient that is NaN or infinite leaves NaN, and such an explanation never passes a test. Where an element equals its
    baseline, such a gradient counts as zero: norms have none at an input that is missing.

    References
    ----------
    .. [1] Kokhlikyan et al., "Captum: A unified and generic model interpretability library for PyTorch", 2020.
    """
    entry = _entry(name)

    def explain(model: raikit.Model, encoded: Encoded, decided: Tensor) -> Attribution:
        return entry.explain(model, encoded, decided, settings, seed)

    return explain


def _entry(name: str) -> _Entry:
    if name not in _METHODS:
        raise ValueError(f"There is no method {name!r}. Choose from {', '.join(_METHODS)}.")
    return _METHODS[name]


def _integrated_gradients(
    model: raikit.Model, encoded: Encoded, decided: Tensor, settings: ExplanationSettings, seed: int
) -> Attribution:
    return integrated_gradients(
        scorer(model, encoded, settings.scale), encoded, decided, tolerance=settings.tolerance, most_steps=settings.most_steps,
        floor=settings.floor, agreement=settings.agreement, megabytes=settings.megabytes)


def _needs_network(name: str, model: raikit.Model) -> str | None:
    if networks(model):
        return None
    return f"{name} needs the model's network, and no attribute of the model holds one."


def _captums(attribute: gradients.Attribute, name: str, *, draws: int = 1, adds_up: bool = False) -> _Entry:
    return _Entry(partial(gradients.by_captum, attribute, name, draws, adds_up))


_METHODS: dict[str, _Entry] = {
    "integrated_gradients": _Entry(_integrated_gradients),
    "gradient_shap": _captums(gradients.gradient_shap, "gradient_shap", draws=_DRAWS, adds_up=True),
    "deep_lift": _Entry(deep_lift, partial(_needs_network, "deep_lift")),
    "saliency": _captums(gradients.saliency, "saliency"),
    "input_x_gradient": _captums(gradients.input_x_gradient, "input_x_gradient"),
    "grad_cam": _Entry(grad_cam, without_convolution),
    "lrp": _Entry(lrp, without_rule),
}
