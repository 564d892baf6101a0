"""What gradient methods share, and those that Captum computes from a score alone."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from raikit_explain.estimates.attributions import (
    Attribution,
    Score,
    change_of_decision,
    gradient_batch_size,
    relative_error,
    scorer,
    slices,
)

if TYPE_CHECKING:
    import raikit
    from raikit.models.encoded import Encoded
    from raikit_explain.estimates.explanation import ExplanationSettings

# From a score, the differences of some cases and a number of draws to one tensor for each input.
Attribute = Callable[[Score, "Differences", int], tuple[Tensor, ...]]


class NotApplicable(ValueError):
    """A method that cannot explain a model.

    Parameters
    ----------
    method : str
    reason : str
        One sentence.
    """

    def __init__(self, method: str, reason: str) -> None:
        super().__init__(reason)
        self.method = method


def by_captum(
    attribute: Attribute, name: str, draws: int, adds_up: bool,
    model: raikit.Model, encoded: Encoded, decided: Tensor, settings: ExplanationSettings, seed: int,
) -> Attribution:
    """Run a method of Captum on the differences of the inputs from their baselines, some cases and some draws at a time."""
    score = scorer(model, encoded, settings.scale)
    passes = gradient_batch_size(score, encoded, decided, settings.megabytes)
    result = empty(name, score, encoded, decided)
    together = min(draws, passes)
    if not len(decided):
        return result
    with seeded(seed), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # on inputs that did not require gradients before
        for part in slices(len(decided), max(passes // together, 1)):
            given = Differences.of(encoded.take(part), decided[part])
            sums = [torch.zeros_like(way) for way in given.ways]
            for some in slices(draws, together):
                number = some.stop - some.start
                for total, values in zip(sums, attribute(score, given, number), strict=True):
                    total += number / draws * values.detach()
            write(result, part, given.defined(sums))
    return with_error(result, settings.floor) if adds_up else result


def saliency(score: Score, given: Differences, draws: int) -> tuple[Tensor, ...]:
    """Compute absolute gradients: Captum's `Saliency`."""
    from captum.attr import Saliency

    values: tuple[Tensor, ...] = Saliency(given.score(score)).attribute(given.ways, additional_forward_args=given.beside)
    return values


def input_x_gradient(score: Score, given: Differences, draws: int) -> tuple[Tensor, ...]:
    """Compute gradients times inputs: Captum's `InputXGradient`."""
    from captum.attr import InputXGradient

    values: tuple[Tensor, ...] = InputXGradient(given.score(score)).attribute(given.ways, additional_forward_args=given.beside)
    return values


def gradient_shap(score: Score, given: Differences, draws: int) -> tuple[Tensor, ...]:
    """Average gradients at random places between baseline and input: Captum's `GradientShap`, without noise."""
    from captum.attr import GradientShap

    baselines = tuple(way.new_zeros((1, *way.shape[1:])) for way in given.ways)
    values: tuple[Tensor, ...] = GradientShap(given.score(score)).attribute(
        given.ways, baselines, n_samples=draws, additional_forward_args=given.beside)
    return values


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


def empty(name: str, score: Score, encoded: Encoded, decided: Tensor) -> Attribution:
    """Return attributions of zero with the change that they should add up to."""
    return Attribution(name, {of: np.zeros(tuple(tensor.shape), np.float32) for of, tensor in encoded.items()},
                       change_of_decision(score, encoded, decided), np.full(len(decided), np.nan))


def write(result: Attribution, part: slice, values: Sequence[Tensor]) -> None:
    """Write the attributions of some cases, in the order of the inputs."""
    for name, of_input in zip(result.values, values, strict=True):
        result.values[name][part] = of_input.float().cpu().numpy()


def with_error(result: Attribution, floor: float) -> Attribution:
    """Return attributions with the share by which they miss the change of the decision."""
    return replace(result, error=relative_error(result.totals().sum(axis=1), result.change, floor))


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
