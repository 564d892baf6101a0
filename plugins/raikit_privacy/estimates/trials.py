"""Private trainings of one check: the recipe that they share, and the outcome for each budget."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

import raikit
from raikit.arrays import BoolArray
from raikit.format import cases as case_count
from raikit.format import count, joined
from raikit_privacy.estimates import training
from raikit_privacy.estimates.arguments import as_argument
from raikit_privacy.estimates.budget import Budget, default_delta, plan
from raikit_privacy.estimates.clipping import NotPrivateError
from raikit_privacy.estimates.costs import PairedCorrectness
from raikit_privacy.estimates.dpsgd import Recipe
from raikit_privacy.estimates.features import most_copies, shared_cases
from raikit_privacy.estimates.foreign_code import foreign_code
from raikit_privacy.estimates.starting_weights import StartingWeights, initial_model
from raikit_privacy.words import plain

LARGEST_DELTA = 0.1  # over the number of training cases, as the default is

NOTICE = "NOT-PRIVATE.txt"
_NOTICE_TEXT = """\
An interrupted run of privacy.dp_finetuning left this folder. It is not private; do not publish it.

epsilon-*/training.pt   weights and optimizer of an unfinished private training. Its noise was drawn from the seed of the
                        run: with the seed, anyone can remove the noise. It holds no losses.
twin*/training.pt       the same of a training without any noise.

Resuming the run uses these files and then deletes them. If you will not resume it, delete the folder.
"""


@dataclass(frozen=True)
class TrialOutcome:
    """The private trainings for one budget.

    Parameters
    ----------
    budget : Budget
    steps : int
        Noisy steps that each training made.
    epsilon : float
        Spent by those steps, according to the accountant.
    pairs : PairedCorrectness
        With the audited model.
    twin : PairedCorrectness or None
        With models that were trained alike but without noise.
    no_shortcut : str
        Why each case went through the network by itself; empty if book-keeping was right.
    compared : int
        Cases that went through the network alone before training, to be compared.
    """

    budget: Budget
    steps: int
    epsilon: float
    pairs: PairedCorrectness
    twin: PairedCorrectness | None
    no_shortcut: str
    compared: int


def recipe_of(options: Any, n: int) -> Recipe:
    """Return the recipe that `TrainingOptions` describe, for `n` training cases."""
    return Recipe(n, options.epochs, options.batch_size or max(1, round(n / 4)), options.physical_batch_size,
                  options.max_grad_norm, options.learning_rate, options.layers, options.clipping)


class Trials:
    """Runs the private trainings for each budget, all with the same recipe and compared on the same cases.

    Parameters
    ----------
    options : PrivateFineTuning.Options
    ctx : CheckContext
    cases : ComparisonCases
    start : StartingWeights
        Examined, and without a problem.
    """

    def __init__(
        self, options: Any, ctx: raikit.CheckContext, cases: training.ComparisonCases, start: StartingWeights
    ) -> None:
        assert ctx.data is not None
        n = ctx.data.size("train")
        assert ctx.model is not None
        self.options, self.ctx, self.cases, self.start = options, ctx, cases, start
        # The audited model's `fresh` makes the other; either may bring code.
        self.foreign = list(dict.fromkeys([*foreign_code(ctx.model), *foreign_code(initial_model(ctx.model, ctx.seed))]))
        self.delta = options.delta if options.delta is not None else default_delta(n)
        self.recipe = recipe_of(options, n)
        self._folder = ctx.workdir / "private-training"
        self._twins_correct: BoolArray | None = None
        self._folder.mkdir(exist_ok=True)
        (self._folder / NOTICE).write_text(_NOTICE_TEXT)  # before any weights, so that they are never there without it

    @cached_property
    def shared(self) -> list[str]:
        """Who or what is in several training cases, as clauses."""
        return shared_cases(self.ctx, "train")

    @cached_property
    def copies(self) -> int:
        """Training cases that have the same inputs, where most have."""
        return most_copies(self.ctx, "train")

    @property
    def has_large_delta(self) -> bool:
        """Whether delta is not far below one over the number of training cases."""
        return self.delta * self.recipe.rows > LARGEST_DELTA * (1 + 1e-9)

    def run(self, target: float) -> TrialOutcome:
        """Plan, train, account and compare for one budget.

        Raises
        ------
        RuntimeError
            If a training spent more than its target, or did not count the steps that its recipe has.
        NotPrivateError
            If no noise keeps within the target, or the guarantee would not hold for this model.
        """
        index = sorted(self.options.epsilons).index(target)
        try:
            budget = plan(target, self.delta, self.recipe.sample_rate, self.recipe.steps, self.options.accountant)
        except ValueError as error:
            raise NotPrivateError(str(error).rstrip(".")) from error
        correct, trained = self._train_all(budget.noise_multiplier, f"epsilon-{as_argument(target)}", index)
        steps = max(one.steps for one in trained)
        if (fewest := min(one.steps for one in trained)) != self.recipe.steps or steps != fewest:
            raise RuntimeError(f"{self.recipe.steps} steps were planned and {fewest} counted: training.pt was changed, or a step "
                               "was not made. Delete the run's .work folder and start anew.")
        epsilon = budget.spent(steps)
        if not epsilon <= target:
            raise RuntimeError(f"{steps} steps were made and epsilon is {epsilon:.4f}, above its target of {target:g}.")
        twin = self.cases.pairs(self.ctx, correct, self._correct_without_noise()) if self.options.twin else None
        pairs = self.cases.pairs(self.ctx, correct)
        return TrialOutcome(budget, steps, epsilon, pairs, twin, trained[0].no_shortcut, trained[0].compared)

    def discard(self) -> None:
        """Delete the checkpoints: they are there for an interrupted run, and are not private."""
        shutil.rmtree(self._folder)

    def _train_all(
        self, noise_multiplier: float, name: str, index: int
    ) -> tuple[BoolArray, list[training.TrainedPrivately]]:
        """Train with each seed; return where each model is right, shape (trainings, cases), and what each training did.

        `index` counts budgets; trainings without noise come last and have the seeds of the first budget.
        """
        budgets = len(self.options.epsilons)
        correct, trained = [], []
        for number in range(self.options.repeats):
            folder = self._folder / (name if number == 0 else f"{name}-{number + 1}")
            part, seed = index * self.options.repeats + number, self._seed(number, index % budgets)
            model, one = self._train(noise_multiplier, folder, seed, part)
            correct.append(self.cases.correct(self.ctx, model))
            trained.append(one)
        return np.stack(correct), trained

    def _train(
        self, noise_multiplier: float, folder: Path, seed: int, part: int
    ) -> tuple[raikit.Model, training.TrainedPrivately]:
        """Train a model from its initial weights; return it with what the training did."""
        assert self.ctx.model is not None
        model = initial_model(self.ctx.model, seed)
        folder.mkdir(parents=True, exist_ok=True)
        return model, training.train_private(
            self.ctx, model, self.recipe, noise_multiplier, folder, self._progress(part), seed)

    def _seed(self, number: int, index: int) -> int:
        """Return the seed of a training; the first of the first budget has the seed of the check.

        No two share noise: the difference of two models with one noise and two multipliers would give it away.
        """
        if number == index == 0:
            return self.ctx.seed
        return int(np.random.SeedSequence([self.ctx.seed, number, index]).generate_state(1)[0] >> 1)

    def _correct_without_noise(self) -> BoolArray:
        """Return where the models without noise are right; they are trained once for all budgets."""
        if self._twins_correct is None:
            self._twins_correct, _ = self._train_all(0.0, "twin", len(self.options.epsilons))
        return self._twins_correct

    def _progress(self, part: int) -> Callable[[int, int], None]:
        parts = (len(self.options.epsilons) + bool(self.options.twin)) * self.options.repeats
        return lambda done, total: self.ctx.progress(part * total + done, parts * total)


def unchecked_condition(trials: Trials, outcome: TrialOutcome) -> str:
    """Return what every guarantee takes for granted and nobody could check, as clauses; empty if it is raikit's own code."""
    clauses = []
    if trials.foreign:
        clauses.append(
            f"the code of {_names(trials.foreign)} treats each case alone and knows nothing of the cases beforehand (tried on "
            f"{case_count(outcome.compared)})")
    if trials.start.condition:
        clauses.append(trials.start.condition)
    return ", and ".join(clauses)


def unit_condition(trials: Trials) -> str:
    """Return that a single case is what is protected, as a clause, where someone or something is known to be in several.

    Nothing is unknown here, but a rule that holds for cases says nothing about people, and its reader should see that.
    """
    copies = [f"{count(trials.copies)} have the same inputs"] if trials.copies > 1 else []
    return f"a single case is what is to be protected (among the training cases, {joined(shared)})" if (
        shared := [*trials.shared, *copies]) else ""


def delta_condition(trials: Trials) -> str:
    """Return that delta is small enough, as a clause, where it is not far below one over the number of cases."""
    if not trials.has_large_delta:
        return ""
    return f"δ = {plain(trials.delta)} is small enough, with {case_count(trials.recipe.rows)}"


def _names(names: list[str], most: int = 4) -> str:
    return joined([*names[:most], f"{len(names) - most} more"] if len(names) > most else names)
