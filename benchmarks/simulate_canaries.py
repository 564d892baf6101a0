"""Simulate how often the audit of private training with canaries accuses a correct training, and catches a broken one.

    python benchmarks/simulate_canaries.py            # a quarter of an hour
    python benchmarks/simulate_canaries.py --runs 40

A network of a hundred weights is trained privately, with 200 canaries among 400 cases. Faults are planted in raikit's own code:
no noise, no clipping, an eighth of the noise, four times the sampling rate. At most 5% of correct trainings may be accused.
"""

from __future__ import annotations

import argparse
import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import numpy as np
import pandas as pd
import torch
from monte_carlo import percent
from torch import nn
from torch.nn import functional

import raikit
from raikit.testing import table_context
from raikit_privacy.estimates import canaries, canary_audit, dpsgd, noise, training
from raikit_privacy.estimates.budget import plan
from raikit_privacy.estimates.dpsgd import Recipe

CASES, EPSILONS = 400, (1.0, 8.0)
_CORRECT = 5  # times as many runs: false alarms are rarer than faults that are caught


class Small(raikit.Model):
    """A network of two columns and one hidden layer."""

    kind, capabilities, classes = "torch", frozenset({"labels", "scores", "gradients", "trainable"}), (0, 1)
    modalities = {"columns": "tabular"}  # noqa: RUF012

    def __init__(self, seed: int = 0) -> None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.net = _Net()

    @property
    def module(self) -> nn.Module:
        """The network."""
        return self.net

    def prepare(self, batch: raikit.Batch) -> dict[str, torch.Tensor]:
        """Return both columns."""
        return {"columns": torch.tensor(batch.inputs["columns"].to_numpy(dtype=np.float32))}

    def scores(self, batch: raikit.Batch) -> Any:
        """Compute probabilities."""
        with torch.inference_mode():
            return self.net(**self.prepare(batch)).double().softmax(dim=1).numpy()

    def loss(self, logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Compute the cross-entropy of each case."""
        return functional.cross_entropy(logits, target, reduction="none")

    def copy(self) -> Small:
        """Return a copy with the same weights."""
        other = Small()
        other.net.load_state_dict(self.net.state_dict())
        return other

    def fresh(self, seed: int = 0) -> Small:
        """Return a model with new weights."""
        return Small(seed)


class _Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(2, 24), nn.Linear(24, 2)

    def forward(self, columns: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.last(torch.tanh(self.first(columns)))
        return logits


def context() -> raikit.CheckContext:
    """Return the context of an audit of the network."""
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"a": rng.normal(size=CASES), "b": rng.normal(size=CASES)})
    table = table.assign(y=(table["a"] + table["b"] > 0).astype(int), split="train")
    test = table.iloc[:40].assign(split="test")
    config = {"path": "(memory)", "target": "y", "positive": 1, "split": {"column": "split"},
              "inputs": {"columns": {"modality": "tabular", "columns": ["a", "b"]}}}
    data = raikit.Dataset.of(pd.concat([table, test], ignore_index=True), _config(config))
    model = Small()
    frame = data.frame(["id", "split", "target"], None)
    return table_context(frame.assign(prediction=frame["target"], score=0.5), model=model, data=data, classes=[0, 1])


def _config(settings: dict[str, Any]) -> Any:
    from raikit.config.schema import DataConfig

    return DataConfig.model_validate(settings)


def _no_noise(shape: torch.Size, *_: Any) -> torch.Tensor:
    return torch.zeros(shape, dtype=torch.float64)


def _four_times(recipe: Recipe, rng: np.random.Generator) -> Iterator[Any]:
    for _ in range(recipe.steps_per_epoch):
        yield np.flatnonzero(rng.random(recipe.rows) < 4 * recipe.sample_rate)


def faults() -> dict[str, Callable[[], contextlib.AbstractContextManager[Any]]]:
    """Return what plants each fault."""
    draw, clipper = noise.draw_noise, dpsgd.make_clipper
    return {
        "correct": contextlib.nullcontext,
        "no noise": lambda: mock.patch.object(noise, "draw_noise", _no_noise),
        "no clipping": lambda: mock.patch.object(
            dpsgd, "make_clipper", lambda model, norm, *ways: clipper(model, 1e9, *ways)),
        "noise / 8": lambda: mock.patch.object(
            noise, "draw_noise", lambda shape, deviation, generator: draw(shape, deviation / 8, generator)),
        "sampling x 4": lambda: mock.patch.object(dpsgd, "poisson_batches", _four_times),
    }


def audit(ctx: raikit.CheckContext, epsilon: float, seed: int) -> canary_audit.CanaryAudit:
    """Train once with canaries and guess."""
    assert ctx.model is not None and ctx.data is not None
    n = ctx.data.size("train")
    recipe = Recipe(n, 6, n // 4, 256, 1.0, 0.3)
    budget = plan(epsilon, 1e-5, recipe.sample_rate, recipe.steps)
    drawn = canaries.Canaries.draw(ctx.data, CASES, seed)
    trained = canaries.train_with_canaries(ctx, ctx.model.fresh(seed), recipe, budget, drawn, seed, lambda *_: None)
    return canary_audit.audit(ctx, budget, trained, (), 50)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=8)
    options = parser.parse_args()
    torch.set_num_threads(1)
    start, ctx = time.perf_counter(), context()
    print(f"{options.runs} runs of each fault, {_CORRECT * options.runs} of correct trainings; 200 canaries; level 95%")
    print(f"{'fault':>14}{'epsilon':>9}{'accused, %':>12}{'median bound':>14}")
    for epsilon in EPSILONS:
        for name, plant in faults().items():
            with plant(), mock.patch.object(training, "check_training"):  # which would catch each fault
                audits = [audit(ctx, epsilon, seed) for seed in range(options.runs * (_CORRECT if name == "correct" else 1))]
            accused = sum(one.contradicted for one in audits)
            print(f"{name:>14}{epsilon:>9}{percent(accused, len(audits)):>12}"
                  f"{np.median([one.bound.epsilon for one in audits]):>14.2f}", flush=True)
    print(f"{time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
