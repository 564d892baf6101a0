"""Options that several checks share: those that attack the audited model, and those that train privately."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

import raikit


class AttackOptions(raikit.CheckOptions):
    """Whom an attack compares with the training cases, and what is measured."""

    non_members: Literal["auto", "validation", "test"] = Field(
        "auto", description="Split that was not trained on. auto: validation, and test only where there is none."
    )
    false_positive_rates: tuple[float, ...] = Field(
        (0.01,), description="False positive rates at which the true positive rate is measured."
    )
    min_group: int = Field(
        30, ge=2, description="Fewest members and fewest non-members of a group that is measured by itself."
    )

    @field_validator("false_positive_rates")
    @classmethod
    def _are_rates(cls, values: tuple[float, ...]) -> tuple[float, ...]:
        if len(set(values)) != len(values) or not all(0 < value < 1 for value in values):
            raise ValueError("each must lie between 0 and 1, and none may be a duplicate")
        return values

    def candidate_splits(self) -> tuple[str, ...]:
        """Return the splits that non-members may come from, the first choice first."""
        return ("validation", "test") if self.non_members == "auto" else (self.non_members,)

    def non_member_split(self, ctx: raikit.CheckContext) -> str | None:
        """Return the first candidate split that has cases; None if there is none."""
        return next((split for split in self.candidate_splits() if ctx.predictions.size(split)), None)


class TrainingOptions(raikit.CheckOptions):
    """Budgets, and the recipe of private training."""

    epsilons: tuple[float, ...] = Field((8.0,), min_length=1, description="Budgets; one model is trained for each.")
    delta: float | None = Field(
        None, gt=0, lt=1,
        description="Absent: the smaller of 1e-5 and a tenth of one over the number of training cases.",
    )
    epochs: int = Field(16, ge=1, le=10_000, description="Expected passes over the training cases.")
    batch_size: int | None = Field(
        None, ge=1,
        description="Expected cases of a step; large batches reduce the effect of noise. Absent: a quarter of the "
        "training cases.",
    )
    physical_batch_size: int = Field(
        256, ge=1,
        description="Cases that go through the network at once: fewer need less memory and change numbers by rounding "
        "only.",
    )
    max_grad_norm: float = Field(1.0, gt=0, description="Length to which each case's gradient is clipped.")
    clipping: Literal["flat", "per_layer"] = Field(
        "flat",
        description="flat: the whole gradient of a case is clipped to max_grad_norm. per_layer: that of each layer is clipped "
        "to an equal share of it, so that the sum is as long at most.",
    )
    learning_rate: float = Field(
        2.0, gt=0, description="Peak learning rate; high, because a gradient is at most as long as the clipping norm."
    )
    layers: Literal["dense", "all"] = Field(
        "dense",
        description="Which layers are trained. dense: convolutions, embeddings, class tokens and position embeddings keep "
        "their initial weights; with few cases that is more accurate and far faster.",
    )
    accountant: Literal["pld", "prv", "rdp"] = Field(
        "pld",
        description="PLD is the tightest. Where every case is in every step, the exact ε of the Gaussian mechanism is used; "
        "where an accountant is not numerically safe, RDP.",
    )
    public_weights: str | None = Field(
        None, min_length=3,
        description="The public data that the initial weights come from, if the model starts from pretrained ones and none "
        "of the training cases was among those data. The report names it as a condition of every guarantee.",
    )

    @field_validator("epsilons")
    @classmethod
    def _are_budgets(cls, values: tuple[float, ...]) -> tuple[float, ...]:
        if len(set(values)) != len(values) or not all(0 < value < float("inf") for value in values):
            raise ValueError("each epsilon must be above 0, and none may be a duplicate")
        return values
