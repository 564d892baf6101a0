"""The noise of a step: Gaussian, finer than the weights, drawn beside the work of the step."""

from __future__ import annotations

import functools
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor

_DRAWS = 4  # whose sum is one number of noise
_AHEAD = 2**23  # numbers that are drawn before they are asked for: 64 MiB
_AT_ONCE = 2**16  # numbers, so that the draws of a part stay in the cache


class StepNoise:
    """Noise of the steps of one training.

    Parameters
    ----------
    seed : int
        Each step has noise of its own, which follows from this seed and the number of the step alone: a network cannot seed it.

    Notes
    -----
    Noise on a coarser grid than the sum to which it is added leaves the sum's last digits bare, so numbers are drawn in double
    precision. The sum of four draws keeps an attacker from finding the few values that one draw can have [1]_.

    References
    ----------
    .. [1] Holohan and Braghin, "Secure Random Sampling in Differential Privacy", ESORICS 2021, section 5.1.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._thread = ThreadPoolExecutor(1)
        self._drawn: deque[Future[Tensor]] = deque()
        self._waiting: deque[Callable[[], Future[Tensor]]] = deque()

    def begin(self, step: int, shapes: Sequence[torch.Size], deviation: float) -> None:
        """Begin to draw the noise of a step, in a thread of its own.

        Parameters
        ----------
        step : int
        shapes : sequence of Size
            Of the tensors that noise is added to, in order.
        deviation : float
            Standard deviation of the noise.
        """
        while self._drawn:
            self._drawn.pop().cancel()
        generator = np.random.Generator(np.random.SFC64(np.random.SeedSequence([self._seed, step, 2])))
        self._waiting = deque(functools.partial(self._thread.submit, draw_noise, shape, deviation, generator) for shape in shapes)
        ahead = 0
        for shape in shapes:
            if (ahead := ahead + shape.numel()) > _AHEAD and self._drawn:
                break
            self._drawn.append(self._waiting.popleft()())

    def take(self) -> Iterator[Tensor]:
        """Yield the noise of the step that has begun, once."""
        while self._drawn:
            noise = self._drawn.popleft().result()
            if self._waiting:
                self._drawn.append(self._waiting.popleft()())
            yield noise

    def close(self) -> None:
        """End the thread."""
        self._thread.shutdown(cancel_futures=True)


def draw_noise(shape: torch.Size, deviation: float, generator: np.random.Generator) -> Tensor:
    """Draw Gaussian noise in double precision, each number as the sum of four draws; zeros if `deviation` is 0."""
    noise = np.zeros(shape.numel())
    part = np.empty(min(len(noise), _AT_ONCE))
    for start in range(0, len(noise) if deviation else 0, _AT_ONCE):
        total = noise[start : start + _AT_ONCE]
        for _ in range(_DRAWS):
            total += generator.standard_normal(out=part[: len(total)])
        total *= deviation / _DRAWS**0.5
    return torch.from_numpy(noise).reshape(shape)
