"""The check ``privacy.dp_finetuning``: what a differentially private model would be worth, and to whom."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import Field, field_validator

import raikit
from raikit_privacy.words import number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from raikit_privacy.estimates.budget import Budget
    from raikit_privacy.estimates.costs import Estimates, Pairs
    from raikit_privacy.estimates.dpsgd import Recipe
    from raikit_privacy.estimates.features import Feature, IntArray
    from raikit_privacy.estimates.training import TestRows

SUBJECT = "dp_model"


class PrivateFineTuning(raikit.Check):
    """Trains a second model with differential privacy and measures what that costs, overall and for each group.

    DP-SGD (Opacus) from weights that have seen no row: Poisson sampling, every row's gradient clipped, Gaussian noise added.
    The accountant counts the steps that were really made. The audited model is not touched. Accuracy is compared on the same
    rows, and the costs of groups with one another. The guarantee is for one row added or removed.

    Notes
    -----
    Noise and sampling follow from the run's seed: that makes a measurement that can be repeated, not a model that may be released,
    so the private model is thrown away. The losses of its training are not reported: they are not covered by epsilon.

    References
    ----------
    .. [1] Abadi et al., "Deep Learning with Differential Privacy", CCS 2016.
    .. [2] Bagdasaryan, Poursaeed and Shmatikov, "Differential Privacy Has Disparate Impact on Model Accuracy", NeurIPS 2019.
    """

    name = "privacy.dp_finetuning"
    pillar = "privacy"
    cost = "quick"
    requires = raikit.Requires(
        columns={"target", "prediction"}, capabilities={"labels", "scores", "gradients", "trainable"},
        tasks={"binary", "multiclass"}, splits={"train"}, min_rows=20,
    )
    produces = (
        "privacy.epsilon", "privacy.delta", "privacy.noise_multiplier", "privacy.membership_tpr_ceiling",
        "privacy.accuracy", "privacy.accuracy_cost", "privacy.accuracy_cost_difference",
    )

    class Options(raikit.CheckOptions):
        """What is trained, and how."""

        epsilons: tuple[float, ...] = Field((8.0,), min_length=1, description="Budgets; one model is trained for each.")
        delta: float | None = Field(
            None, gt=0, lt=1, description="Absent: the smaller of 1e-5 and a tenth of one over the number of train rows."
        )
        epochs: int = Field(16, ge=1, le=10_000, description="Passes over the train rows, on average.")
        batch_size: int | None = Field(
            None, ge=1, description="Rows of a step, on average; many drown the noise. Absent: a quarter of the train rows."
        )
        physical_batch_size: int = Field(
            256, ge=1, description="Rows that go through the network at once: less memory, the same numbers but for rounding."
        )
        max_grad_norm: float = Field(1.0, gt=0, description="Length to which every row's gradient is clipped.")
        learning_rate: float = Field(2.0, gt=0, description="Peak; high, because a step is at most the clipping norm long.")
        layers: Literal["dense", "all"] = Field(
            "dense", description="Which layers learn. dense: convolutions and embeddings stay as they were drawn (or given); "
            "with few rows that is more accurate and far quicker."
        )
        accountant: Literal["prv", "rdp"] = Field("prv", description="PRV is tighter; RDP takes its place where PRV is not safe.")
        twin: bool = Field(
            False, description="Train a model alike but without noise too, which tells the cost of noise from that of the rest "
            "of the recipe."
        )
        test_rows: int = Field(4000, ge=20, description="Most rows on which models are compared: whole clusters at random.")
        min_group: int = Field(30, ge=1, description="Groups with fewer rows are shown and marked, and never decide.")

        @field_validator("epsilons")
        @classmethod
        def _are_budgets(cls, values: tuple[float, ...]) -> tuple[float, ...]:
            if len(set(values)) != len(values) or not all(0 < value < float("inf") for value in values):
                raise ValueError("each epsilon must be above 0, and none may stand twice")
            return values

    def run(self, ctx: raikit.CheckContext) -> raikit.CheckResult:
        from raikit_privacy.estimates.dpsgd import objections
        from raikit_privacy.estimates.training import TestRows, beginning, fingerprint
        from raikit_privacy.report import finetuning as findings

        assert ctx.model is not None
        if problems := objections(beginning(ctx.model, ctx.seed).module):
            return self._impossible(problems)
        before = fingerprint(ctx.model)
        trials = Trials(self.options, ctx, TestRows.drawn(ctx, self.options.test_rows))
        outcomes = [trials.one(target) for target in sorted(self.options.epsilons)]
        if fingerprint(ctx.model) != before:
            raise RuntimeError("private training changed the audited model; nothing that was measured after it can be trusted")
        reports = [Reported(self, ctx, trials, outcome) for outcome in outcomes]
        return raikit.CheckResult(
            metrics=[metric for report in reports for metric in report.metrics],
            findings=[*findings.scope(ctx, trials), *(item for report in reports for item in report.findings())],
            figures=[figure for report in reports for figure in report.figures()],
            tables=[settings_table(trials, outcomes)],
        )

    def _impossible(self, problems: Sequence[str]) -> raikit.CheckResult:
        """The model cannot be trained privately: no number, and what would help."""
        reason = f"Opacus cannot train this model: {'; '.join(problems)}"
        metrics = [
            raikit.Metric.undefined(name, reason, args={"target": number(target)}, subject=SUBJECT, direction=direction)
            for target in self.options.epsilons
            for name, direction in (("epsilon", "lower"), ("accuracy", "higher"), ("accuracy_cost", "lower"))
        ]
        return raikit.CheckResult(metrics=metrics, findings=[raikit.Finding(
            sentence=f"No private model was trained. {reason}. Replacing those layers (BatchNorm by GroupNorm; "
                     "opacus.validators.ModuleValidator.fix does it) and training anew would help.",
            severity="note", what="differentially private training", metrics=[self.address(metric) for metric in metrics],
        )])


@dataclass(frozen=True)
class Outcome:
    """One private training.

    Parameters
    ----------
    budget : Budget
    steps : int
        Noisy steps really made.
    epsilon : float
        What the accountant says of them.
    pairs : Pairs
        Its answers beside the audited model's.
    twin : Pairs or None
        Its answers beside those of a model trained alike without noise.
    """

    budget: Budget
    steps: int
    epsilon: float
    pairs: Pairs
    twin: Pairs | None


@dataclass
class Trials:
    """What all trainings of a check share."""

    options: Any
    ctx: raikit.CheckContext
    tested: TestRows
    _twin_right: Any = None
    recipe: Recipe = field(init=False)
    delta: float = field(init=False)

    def __post_init__(self) -> None:
        from raikit_privacy.estimates.budget import default_delta
        from raikit_privacy.estimates.dpsgd import Recipe

        assert self.ctx.data is not None
        rows = self.ctx.data.size("train")
        o = self.options
        self.delta = o.delta if o.delta is not None else default_delta(rows)
        batch = o.batch_size or max(1, round(rows / 4))
        self.recipe = Recipe(rows, o.epochs, batch, o.physical_batch_size, o.max_grad_norm, o.learning_rate,
                             o.layers)

    def one(self, target: float) -> Outcome:
        """Plan, train, account and test for one budget."""
        from raikit_privacy.estimates.budget import plan
        from raikit_privacy.estimates.training import beginning, train_private

        ctx, done = self.ctx, sorted(self.options.epsilons).index(target)
        assert ctx.model is not None
        budget = plan(target, self.delta, self.recipe.sample_rate, self.recipe.steps, self.options.accountant)
        model = beginning(ctx.model, ctx.seed)
        folder = ctx.workdir / f"epsilon-{number(target)}"
        folder.mkdir(parents=True, exist_ok=True)
        steps = train_private(ctx, model, self.recipe, budget.noise_multiplier, folder, self._progress(done))
        spent = budget.spent(steps)
        if not spent <= target:
            raise RuntimeError(f"{steps} steps were made and epsilon is {spent:.4f}, above its target of {target:g}")
        right = self.tested.right(ctx, model)
        twin = self.tested.pairs(ctx, right, self._twin()) if self.options.twin else None
        return Outcome(budget, steps, spent, self.tested.pairs(ctx, right), twin)

    def _twin(self) -> Any:
        from raikit_privacy.estimates.training import beginning, train_private

        assert self.ctx.model is not None
        if self._twin_right is None:
            model = beginning(self.ctx.model, self.ctx.seed)
            folder = self.ctx.workdir / "twin"
            folder.mkdir(parents=True, exist_ok=True)
            train_private(self.ctx, model, self.recipe, 0.0, folder, self._progress(len(self.options.epsilons)))
            self._twin_right = self.tested.right(self.ctx, model)
        return self._twin_right

    def _progress(self, part: int) -> Any:
        parts = len(self.options.epsilons) + bool(self.options.twin)
        return lambda done, total: self.ctx.progress(part * total + done, parts * total)


class Reported:
    """Metrics, findings and figures of one private training."""

    def __init__(self, check: PrivateFineTuning, ctx: raikit.CheckContext, trials: Trials, outcome: Outcome) -> None:
        from raikit_privacy.estimates import costs
        from raikit_privacy.estimates.budget import most_true_positives

        self.check, self.ctx, self.outcome, self.trials = check, ctx, outcome, trials
        self.target = number(outcome.budget.target)
        self.level = ctx.confidence
        self.features = trials.tested.features(ctx)
        self.accuracy = self._whole("accuracy", costs.accuracies(outcome.pairs, outcome.pairs.private, None, self.level), "higher")
        self.audited = costs.accuracies(outcome.pairs, outcome.pairs.open, None, self.level)
        self.cost = self._whole("accuracy_cost", costs.costs(outcome.pairs, None, self.level), "lower")
        self.ceiling = raikit.Metric.exact(
            "membership_tpr_ceiling", most_true_positives(outcome.budget, outcome.steps, 0.01), n=trials.recipe.rows,
            args=self._args(fpr=0.01), direction="lower", unit="rate", subject=SUBJECT,
        )
        self.epsilon = raikit.Metric.exact("epsilon", outcome.epsilon, n=trials.recipe.rows, args=self._args(), direction="lower",
                                           subject=SUBJECT)
        self.twin = None if outcome.twin is None else self._whole(
            "accuracy_cost", costs.costs(outcome.twin, None, self.level), "lower", to="twin")
        self.by_group = {f.column: costs.costs(outcome.pairs, f, self.level) for f in self.features}
        self.gaps = [self._gap(feature) for feature in self.features]

    @property
    def metrics(self) -> list[raikit.Metric]:
        """All of them, the budget first."""
        budget, n = self.outcome.budget, self.trials.recipe.rows
        delta = raikit.Metric.exact("delta", budget.delta, n=n, args=self._args(), direction="lower", subject=SUBJECT)
        noise = raikit.Metric.exact("noise_multiplier", budget.noise_multiplier, n=n, args=self._args(), subject=SUBJECT)
        groups = [metric for feature in self.features for metric in self._groups(feature)]
        twin = [self.twin] if self.twin is not None else []
        return [self.epsilon, delta, noise, self.ceiling, self.accuracy, self.cost, *twin, *groups, *self.gaps]

    def findings(self) -> list[raikit.Finding]:
        from raikit_privacy.report import finetuning as findings

        return findings.of_training(self)

    def figures(self) -> list[raikit.Figure]:
        from raikit_privacy.estimates.budget import spent_by_epoch
        from raikit_privacy.report import figures

        curve = figures.spending(self.outcome.budget, spent_by_epoch(self.outcome.budget, self.trials.recipe.steps_per_epoch))
        return [curve, *(figures.accuracy_by_group(self, feature) for feature in self.features)]

    def _args(self, **more: Any) -> dict[str, Any]:
        return {"target": self.target, **more}

    def _whole(self, name: str, found: Estimates, direction: Literal["lower", "higher"], **args: Any) -> raikit.Metric:
        return self._metric(name, found, 0, args=self._args(**args), direction=direction)

    def _groups(self, feature: Feature) -> list[raikit.Metric]:
        found = self.by_group[feature.column]
        return [
            self._metric("accuracy_cost", found, index, args=self._args(), direction="lower", over=[feature.column],
                         group={feature.column: feature.groups[index]}, simultaneous=True)
            for index in range(feature.k)
        ]

    def _metric(self, name: str, found: Estimates, index: int, **fields: Any) -> raikit.Metric:
        n, value = int(found.n[index]), float(found.value[index])
        if not n or np.isnan(value):
            return raikit.Metric.undefined(name, "no rows of this group were compared", subject=SUBJECT, **fields)
        small = n < self.trials.options.min_group and "group" in fields
        flags = [*(["few_clusters"] if found.few_clusters[index] else []), *(["small_group"] if small else [])]
        return raikit.Metric(
            name, value, low=found.low[index], high=found.high[index], n=n, method=found.method, level=self.level,
            n_clusters=None if found.n_clusters is None else int(found.n_clusters[index]), flags=flags, subject=SUBJECT,
            unit="rate" if name == "accuracy" else "points", **fields,
        )

    def _gap(self, feature: Feature) -> raikit.Metric:
        """The largest difference of two groups' costs, over all groups and, where that differs, over those large enough."""
        from raikit_privacy.estimates.costs import cost_gap

        pairs = self.outcome.pairs
        fields: dict[str, Any] = {"args": self._args(), "over": [feature.column], "direction": "lower", "unit": "points",
                                  "subject": SUBJECT}
        try:
            gap, kept = cost_gap(pairs, feature, self.level, self.ctx.rng)
        except ValueError as problem:
            return raikit.Metric.undefined("accuracy_cost_difference", str(problem), **fields)
        counts = np.bincount(feature.code, minlength=feature.k)
        small = [feature.name(i) for i in kept if counts[i] < self.trials.options.min_group]
        clusters = self.by_group[feature.column].n_clusters
        return raikit.Metric(
            "accuracy_cost_difference", gap.value, low=gap.low, high=gap.high, n=int(counts[kept].sum()), method=gap.method,
            level=self.level, simultaneous=True, p_value=gap.p_value, minimum_detectable=gap.minimum_detectable,
            n_clusters=None if clusters is None else int(clusters[kept].min()),
            flags=["few_clusters"] if clusters is not None and self._few(clusters[kept]) else [],
            judged=self._judged(feature, small) if small else None, **fields,
        )

    def _few(self, clusters: IntArray) -> bool:
        """Whether fewer than two groups have the clusters that a lower end may rest on."""
        return int((clusters >= raikit.stats.MIN_CLUSTERS).sum()) < 2

    def _judged(self, feature: Feature, small: list[str]) -> dict[str, Any]:
        from raikit_privacy.estimates.costs import cost_gap

        reason = f"groups with fewer than {self.trials.options.min_group} rows never decide"
        try:
            gap, _ = cost_gap(self.outcome.pairs, feature, self.level, self.ctx.rng, self.trials.options.min_group)
        except ValueError:
            return {"value": None, "low": None, "high": None, "left_out": small, "reason": f"{reason}; fewer than two are left"}
        return {"value": gap.value, "low": gap.low, "high": gap.high, "left_out": small, "reason": reason}


def settings_table(trials: Trials, outcomes: Sequence[Outcome]) -> raikit.Table:
    """How each private model was trained, in full."""
    from raikit_privacy.estimates.budget import NAMES

    recipe = trials.recipe
    rows = [[
        outcome.budget.target, outcome.epsilon, outcome.budget.delta, NAMES[outcome.budget.accountant],
        outcome.budget.noise_multiplier, recipe.max_grad_norm, recipe.sample_rate, outcome.steps, recipe.learning_rate,
    ] for outcome in outcomes]
    titles = [("target", "Target ε", "number"), ("epsilon", "Spent ε", "number"), ("delta", "δ", "number"),
              ("accountant", "Accountant", "text"), ("noise", "Noise multiplier", "number"), ("clip", "Clipping norm", "number"),
              ("rate", "Sampling rate", "number"), ("steps", "Steps", "integer"), ("learning_rate", "Learning rate", "number")]
    return raikit.Table(
        id="training", title="How the private models were trained", rows=rows,
        columns=[raikit.Column(name=name, title=title, format=form) for name, title, form in titles],
        note=f"{recipe.rows:,} train rows; {recipe.epochs} epochs of {recipe.steps_per_epoch} steps; Poisson sampling; "
             f"SGD with momentum; layers: {recipe.layers}; sampling weights not used in training; every epoch was run and "
             "the last weights were kept, no epoch was chosen by a validation score.",
    )
