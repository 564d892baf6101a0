"""Try the steps of a private training before it begins: what they add, clip, divide by and sample must be what is accounted.

`raikit_privacy.estimates.preflight` tries the network; this module tries the training around it, on the network at hand. Each
test of randomness refuses a right training with a probability of about 1e-9, so that a refusal means a fault.

References
----------
.. [1] "Sharp edges: pitfalls of training with differential privacy", documentation of jax_privacy, Google DeepMind, 2025.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy import stats
from torch import Tensor, nn

from raikit_privacy.estimates.clipping import NotPrivateError, OneByOne, trained_parameters
from raikit_privacy.estimates.draws import same_draws
from raikit_privacy.estimates.preflight import CASES, Cases

if TYPE_CHECKING:
    from raikit.arrays import IntArray
    from raikit_privacy.estimates.dpsgd import PrivateTraining, Recipe

_RARE = 1e-9  # probability with which a right training is refused, by each test
_MOST_DRAWS = 10**7  # cases times steps that are sampled
_FEWEST_NUMBERS, _MOST_STEPS = 8000, 128  # of noise, with which a deviation is known to some percent
_SIZES = (CASES, 3)  # cases of the steps that are tried, besides none
Make = Callable[["Recipe", float], "PrivateTraining"]


def check_training(make: Make, recipe: Recipe, noise_multiplier: float, cases: Cases) -> None:
    """Raise if a private training does not do what is accounted.

    Parameters
    ----------
    make : callable
        Makes the training of a recipe and a noise multiplier, as the real one is made. Weights are put back.
    recipe : Recipe
    noise_multiplier : float
        Standard deviation of the noise, over the length to which gradients are clipped.
    cases : Cases
        Some training cases.

    Raises
    ------
    NotPrivateError
        If a step adds too little noise, or the same noise twice; clips to another length; divides by the number of cases that it
        happened to have; keeps gradients of earlier steps; gives away losses; or if cases are not sampled independently, with the
        probability that is accounted.
    """
    training = make(recipe, noise_multiplier)
    try:
        _check_sampling(training.sampler, recipe)
        with _weights_kept(training.model.module):
            _check_noise(training, recipe, noise_multiplier, cases)
    finally:
        training.noise.close()
    for length in (recipe.max_grad_norm, _short(training, cases)):
        tried = make(replace(recipe, max_grad_norm=length), 0.0)
        try:
            for size in _SIZES:
                with _weights_kept(training.model.module):
                    _check_sum(tried, length, recipe.expected_batch_size, cases.rows(slice(size)))
        finally:
            tried.noise.close()


def _check_noise(training: PrivateTraining, recipe: Recipe, noise_multiplier: float, cases: Cases) -> None:
    """Compare steps without cases with Gaussian noise of the deviation that is accounted."""
    nobody, deviation = cases.rows(slice(0)), noise_multiplier * recipe.max_grad_norm
    numbers = sum(parameter.numel() for parameter in training.clipper.parameters)
    count = min(_MOST_STEPS, max(2, math.ceil(_FEWEST_NUMBERS / numbers)))
    squares, common, before = 0.0, 0.0, torch.zeros(numbers, dtype=torch.float64)
    for number in range(1, count + 1):
        _step(training, nobody)
        if training.steps_made != number:
            raise NotPrivateError("a step without cases is not counted")
        noise = _gradient(training).double().cpu() * recipe.expected_batch_size / (deviation or 1.0)
        if noise_multiplier and not bool(noise.any()):
            raise NotPrivateError("a step without cases adds no noise")
        squares += float(noise.square().sum())
        common += float(noise @ before)
        before = noise
    if not noise_multiplier:
        return
    _check_spread(squares, numbers * count, "noise has another deviation than is accounted")
    if abs(common) > 1.1 * stats.norm.isf(_RARE) * math.sqrt(numbers * (count - 1)) + 2 * stats.norm.isf(_RARE) ** 2:
        raise NotPrivateError("steps share noise, or one keeps the gradients of the other")


def _check_sum(training: PrivateTraining, length: float, expected: float, cases: Cases) -> None:
    """Compare a step without noise with one autograd call per case."""
    with same_draws(0):
        reference = OneByOne(training.model, replace(training.clipper.norms, max_grad_norm=length)).clip(*cases)
    with same_draws(0):
        _step(training, cases)
    wanted = torch.cat([total.flatten() for total in reference.sums]) / expected
    most = length * len(cases.target) / expected  # length of the sum, at most
    if not float((_gradient(training) - wanted).norm()) <= 1e-3 * most:
        raise NotPrivateError(f"a step with {len(cases.target)} cases is not the sum of gradients, each clipped to {length:.3g}, "
                              f"over the expected number of cases, {expected:g}")


def _short(training: PrivateTraining, cases: Cases) -> float:
    """Return a length to which the gradients of some cases must be clipped: half of the shortest."""
    with same_draws(0):
        lengths = OneByOne(training.model, training.clipper.norms).clip(*cases.rows(slice(CASES))).norms.norm(dim=1)
    lengths = lengths[lengths > 0]
    return float(lengths.min()) / 2 if len(lengths) else training.recipe.max_grad_norm


def _step(training: PrivateTraining, cases: Cases) -> None:
    if training.step(training.module, training.optimizer, *cases, None) != 0.0:
        raise NotPrivateError("a step gives away the loss of its cases, to which no noise is added")


def _gradient(training: PrivateTraining) -> Tensor:
    gradients = [parameter.grad for parameter in trained_parameters(training.model.module)]
    return torch.cat([gradient.flatten() for gradient in gradients if gradient is not None])


def _check_sampling(sampler: Callable[[int, np.random.Generator], Iterator[IntArray]], recipe: Recipe) -> None:
    """Compare what a sampler draws with independent draws of each case in each step."""
    n, q = recipe.rows, recipe.sample_rate
    epochs = max(1, min(64, _MOST_DRAWS // (n * recipe.steps_per_epoch)))
    counts, sizes = np.zeros(n), []
    for epoch in range(epochs):
        steps = list(sampler(epoch, np.random.default_rng(epoch)))
        if len(steps) != recipe.steps_per_epoch:
            raise NotPrivateError(f"an epoch has {len(steps)} steps, and {recipe.steps_per_epoch} are accounted")
        for rows in steps:
            if len(np.unique(rows)) != len(rows):
                raise NotPrivateError("a case is in a step twice")
            counts[rows] += 1
            sizes.append(len(rows))
    drawn, possible = int(counts.sum()), n * len(sizes)
    if min(stats.binom.cdf(drawn, possible, q), stats.binom.sf(drawn - 1, possible, q)) < _RARE:
        raise NotPrivateError(f"a case is in a step with probability {drawn / possible:.3g}, and {q:.3g} is accounted")
    if q == 1 or possible * q * (1 - q) < 100:
        return  # every case in every step, or too few draws to see more
    apart = "cases are not drawn independently of one another: "
    if len(sizes) > 1:
        squares = float(np.square(np.array(sizes) - n * q).sum()) / (n * q * (1 - q))
        _check_spread(squares, len(sizes), apart + "sizes of steps", 0.1)
    _check_spread(float(np.square(counts - len(sizes) * q).sum()) / (len(sizes) * q * (1 - q)), n, apart + "steps of a case", 0.1)


def _check_spread(squares: float, count: int, problem: str, slack: float = 0.0) -> None:
    """Raise if a sum of squares of standard normal numbers is improbably small or large; `slack` for nearly normal ones."""
    low, high = stats.chi2.ppf(_RARE, count), stats.chi2.isf(_RARE, count)
    if not low / (1 + slack) <= squares <= high * (1 + slack):
        raise NotPrivateError(f"{problem} (spread {math.sqrt(squares / count):.3g} of what it should be)")


@contextlib.contextmanager
def _weights_kept(module: nn.Module) -> Iterator[None]:
    """Put weights back as they were before the block, and take gradients away."""
    kept = [(parameter, parameter.detach().clone()) for parameter in trained_parameters(module)]
    try:
        yield
    finally:
        for parameter, values in kept:
            parameter.grad = None
            with torch.no_grad():
                parameter.copy_(values)
