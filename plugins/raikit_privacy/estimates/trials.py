"""Private trainings of one check: the recipe that they share, and the outcome for each budget."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import raikit
from raikit.arrays import BoolArray
from raikit_privacy.estimates import training
from raikit_privacy.estimates.arguments import as_argument
from raikit_privacy.estimates.budget import Budget, default_delta, plan
from raikit_privacy.estimates.costs import PairedCorrectness
from raikit_privacy.estimates.dpsgd import Recipe


@dataclass(frozen=True)
class TrialOutcome:
    """One private training.

    Parameters
    ----------
    budget : Budget
    steps : int
        Noisy steps that were made.
    epsilon : float
        Spent by those steps, according to the accountant.
    pairs : PairedCorrectness
        With the audited model.
    twin : PairedCorrectness or None
        With a model that was trained alike but without noise.
    no_shortcut : str
        Why each case went through the network by itself; empty if Opacus's shortcut was right.
    """

    budget: Budget
    steps: int
    epsilon: float
    pairs: PairedCorrectness
    twin: PairedCorrectness | None
    no_shortcut: str = ""


class Trials:
    """Runs one private training for each budget, all with the same recipe and on the same cases.

    Parameters
    ----------
    options : PrivateFineTuning.Options
    ctx : CheckContext
    cases : ComparisonCases
    """

    def __init__(self, options: Any, ctx: raikit.CheckContext, cases: training.ComparisonCases) -> None:
        assert ctx.data is not None
        n = ctx.data.size("train")
        self.options, self.ctx, self.cases = options, ctx, cases
        self.delta = options.delta if options.delta is not None else default_delta(n)
        self.recipe = Recipe(
            n, options.epochs, options.batch_size or max(1, round(n / 4)), options.physical_batch_size,
            options.max_grad_norm, options.learning_rate, options.layers,
        )
        self._twin_correct: BoolArray | None = None

    def run(self, target: float) -> TrialOutcome:
        """Plan, train, account and compare for one budget.

        Raises
        ------
        RuntimeError
            If the training spent more than its target.
        """
        part = sorted(self.options.epsilons).index(target)
        budget = plan(target, self.delta, self.recipe.sample_rate, self.recipe.steps, self.options.accountant)
        model, trained = self._train(budget.noise_multiplier, f"epsilon-{as_argument(target)}", part)
        epsilon = budget.spent(trained.steps)
        if not epsilon <= target:
            raise RuntimeError(f"{trained.steps} steps were made and epsilon is {epsilon:.4f}, above its target of {target:g}.")
        correct = self.cases.correct(self.ctx, model)
        twin = self.cases.pairs(self.ctx, correct, self._correct_without_noise()) if self.options.twin else None
        pairs = self.cases.pairs(self.ctx, correct)
        return TrialOutcome(budget, trained.steps, epsilon, pairs, twin, trained.no_shortcut)

    def _train(
        self, noise_multiplier: float, name: str, part: int
    ) -> tuple[raikit.Model, training.TrainedPrivately]:
        """Train a model from its initial weights; return it with what the training did."""
        assert self.ctx.model is not None
        model = training.initial_model(self.ctx.model, self.ctx.seed)
        folder = self.ctx.workdir / name
        folder.mkdir(parents=True, exist_ok=True)
        return model, training.train_private(self.ctx, model, self.recipe, noise_multiplier, folder, self._progress(part))

    def _correct_without_noise(self) -> BoolArray:
        """Return where the model without noise is right; it is trained once for all budgets."""
        if self._twin_correct is None:
            model, _ = self._train(0.0, "twin", len(self.options.epsilons))
            self._twin_correct = self.cases.correct(self.ctx, model)
        return self._twin_correct

    def _progress(self, part: int) -> Callable[[int, int], None]:
        parts = len(self.options.epsilons) + bool(self.options.twin)
        return lambda done, total: self.ctx.progress(part * total + done, parts * total)
