"""Methods that explain decisions by gradients, by Captum's names, for any differentiable model with encoded inputs."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from raikit.arrays import FloatArray
from raikit_explain.estimates.attributions import (
    Attribution,
    Score,
    change_of_decision,
    gradient_batch_size,
    integrated_gradients,
    relative_error,
    scorer,
    slices,
)

if TYPE_CHECKING:
    import raikit
    from raikit.models.encoded import Encoded
    from raikit_explain.estimates.explanation import ExplanationSettings

Method = Callable[["raikit.Model", "Encoded", Tensor], Attribution]
Explainer = Callable[["raikit.Model", "Encoded", Tensor, "ExplanationSettings", int], Attribution]

DEFAULT = "integrated_gradients"
_DRAWS = 32  # of GradientSHAP; Captum's default of 5 leaves errors as large as the attributions


class NotApplicable(ValueError):
    """A method that cannot explain a model; the message is one sentence that says why."""


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


# --- explainers -----------------------------------------------------------------------------------------------------


def _integrated_gradients(
    model: raikit.Model, encoded: Encoded, decided: Tensor, settings: ExplanationSettings, seed: int
) -> Attribution:
    return integrated_gradients(
        scorer(model, encoded, settings.scale), encoded, decided, tolerance=settings.tolerance, most_steps=settings.most_steps,
        floor=settings.floor, agreement=settings.agreement, megabytes=settings.megabytes)


def _by_captum(
    attribute: Callable[[Score, Differences, int], tuple[Tensor, ...]], name: str, draws: int, adds_up: bool,
    model: raikit.Model, encoded: Encoded, decided: Tensor, settings: ExplanationSettings, seed: int,
) -> Attribution:
    """Run a method of Captum on the differences of the inputs from their baselines, some cases and some draws at a time."""
    score = scorer(model, encoded, settings.scale)
    passes = gradient_batch_size(score, encoded, decided, settings.megabytes)
    result = _empty(name, score, encoded, decided)
    together = min(draws, passes)
    with seeded(seed), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # on inputs that did not require gradients before
        for part in slices(len(decided), max(passes // together, 1)):
            given = Differences.of(encoded.take(part), decided[part])
            sums = [torch.zeros_like(way) for way in given.ways]
            for some in slices(draws, together):
                number = some.stop - some.start
                for total, values in zip(sums, attribute(score, given, number), strict=True):
                    total += number / draws * values.detach()
            _write(result, part, given.defined(sums))
    return _with_error(result, settings.floor) if adds_up else result


def _saliency(score: Score, given: Differences, draws: int) -> tuple[Tensor, ...]:
    """Compute absolute gradients: Captum's `Saliency`."""
    from captum.attr import Saliency

    values: tuple[Tensor, ...] = Saliency(given.score(score)).attribute(given.ways, additional_forward_args=given.beside)
    return values


def _input_x_gradient(score: Score, given: Differences, draws: int) -> tuple[Tensor, ...]:
    """Compute gradients times inputs: Captum's `InputXGradient`."""
    from captum.attr import InputXGradient

    values: tuple[Tensor, ...] = InputXGradient(given.score(score)).attribute(given.ways, additional_forward_args=given.beside)
    return values


def _gradient_shap(score: Score, given: Differences, draws: int) -> tuple[Tensor, ...]:
    """Average gradients at random places between baseline and input: Captum's `GradientShap`, without noise."""
    from captum.attr import GradientShap

    baselines = tuple(way.new_zeros((1, *way.shape[1:])) for way in given.ways)
    values: tuple[Tensor, ...] = GradientShap(given.score(score)).attribute(
        given.ways, baselines, n_samples=draws, additional_forward_args=given.beside)
    return values


# --- what they share ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Differences:
    """Inputs of n cases as differences from their baselines, so that zero is an absent input for every method.

    Attributes
    ----------
    ways : tuple of Tensor, shape (n, …)
        The inputs minus their baselines.
    beside : tuple of Tensor
        What the score needs beside them: decided classes, context and baselines; Captum repeats them as it repeats inputs.
    """

    ways: tuple[Tensor, ...]
    beside: tuple[Tensor, ...]

    @classmethod
    def of(cls, encoded: Encoded, decided: Tensor) -> Differences:
        """Return the differences of encoded inputs from their baselines."""
        starts = [encoded.baseline(name) for name in encoded]
        ways = tuple(tensor - start for tensor, start in zip(encoded.values(), starts, strict=True))
        return cls(ways, (decided, *encoded.context.values(), *(start.contiguous() for start in starts)))

    def score(self, score: Score) -> Score:
        """Return the score as a function of the differences, followed by `beside`."""
        inputs = len(self.ways)

        def of_differences(*arguments: Tensor) -> Tensor:
            ways, beside, starts = arguments[:inputs], arguments[inputs:-inputs], arguments[-inputs:]
            return score(*(start + way for start, way in zip(starts, ways, strict=True)), *beside)

        return of_differences

    def defined(self, values: Sequence[Tensor]) -> list[Tensor]:
        """Return attributions, NaN where a gradient is not finite, but zero where the input equals its baseline."""
        return [torch.where(of.isfinite(), of, torch.where(way == 0, 0.0, torch.nan))
                for of, way in zip(values, self.ways, strict=True)]


def _empty(name: str, score: Score, encoded: Encoded, decided: Tensor) -> Attribution:
    """Return attributions of zero with the change that they should add up to."""
    return Attribution(name, {of: np.zeros(tuple(tensor.shape), np.float32) for of, tensor in encoded.items()},
                       change_of_decision(score, encoded, decided), np.full(len(decided), np.nan))


def _write(result: Attribution, part: slice, values: Sequence[Tensor]) -> None:
    for name, of_input in zip(result.values, values, strict=True):
        result.values[name][part] = of_input.float().cpu().numpy()


def _with_error(result: Attribution, floor: float) -> Attribution:
    error: FloatArray = relative_error(result.totals().sum(axis=1), result.change, floor)
    return Attribution(result.method, result.values, result.change, error)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed the generators that Captum draws from, and set them back afterwards."""
    before = np.random.get_state()  # Captum draws from numpy's global generator
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        np.random.seed(seed % 2**32)
        try:
            yield
        finally:
            np.random.set_state(before)


def _captums(attribute: Any, name: str, *, draws: int = 1, adds_up: bool = False) -> _Entry:
    return _Entry(partial(_by_captum, attribute, name, draws, adds_up))


_METHODS: dict[str, _Entry] = {
    "integrated_gradients": _Entry(_integrated_gradients),
    "gradient_shap": _captums(_gradient_shap, "gradient_shap", draws=_DRAWS, adds_up=True),
    "saliency": _captums(_saliency, "saliency"),
    "input_x_gradient": _captums(_input_x_gradient, "input_x_gradient"),
}
