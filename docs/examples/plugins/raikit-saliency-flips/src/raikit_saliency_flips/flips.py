"""How often a decision flips when one input moves a little along its gradient."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pandas as pd
import raikit
from pydantic import Field
from raikit.format import confidence, headline, percent

if TYPE_CHECKING:
    import torch

_BATCH_SIZE = 64


class Flips(raikit.Check):
    """How often a decision flips when one input moves a little along its gradient.

    In cases drawn at random, each input takes one step while the others stay. The step
    goes in the direction that reduces the margin over the next class fastest; its
    length is a share of the input's own norm. Then the model decides again. A longer
    search could flip more decisions, so the share is a lower bound.

    Works on every output of `Model.encode`: pixels, token embeddings, spectrograms,
    columns. A case in which the input is missing is not counted.

    References
    ----------
    .. [1] Goodfellow, Shlens and Szegedy, "Explaining and Harnessing Adversarial
       Examples", ICLR 2015.
    """

    name = "saliency.flips"
    pillar = "saliency"
    requires = raikit.Requires(
        columns={"target"},
        capabilities={"gradients"},
        tasks={"binary", "multiclass"},
    )
    produces: ClassVar = ["saliency.flipped"]

    class Options(raikit.CheckOptions):
        """Options under the name of the check in audit.yaml."""

        within: float = Field(
            0.05,
            ge=0,
            le=1,
            description="Length of the step, as a share of the input's norm.",
        )
        rows: int = Field(256, ge=1, description="Number of cases that are drawn.")

    def run(self, ctx: raikit.CheckContext) -> raikit.CheckResult:
        """Draw cases, take one step in each input of each, count the flips."""
        ids, flipped = self.measure(ctx)
        order = pd.Index(ctx.predictions.frame(["id"])["id"])
        cases = ctx.arrays().take(order.get_indexer(ids))
        metrics = [
            share(values, cases, ctx, args={"input": name})
            for name, values in flipped.items()
        ]
        return raikit.CheckResult(
            metrics=metrics,
            findings=self.findings(metrics),
            figures=[figure(metrics, self.options.within, ctx)],
        )

    def measure(
        self, ctx: raikit.CheckContext
    ) -> tuple[list[Any], dict[str, np.ndarray]]:
        """Return the drawn ids, and for each input 1 (flipped), 0 or NaN (missing)."""
        split = ctx.predictions.split
        drawn = ctx.rng.permutation(ctx.data.size(split))[: self.options.rows]
        ids: list[Any] = []
        parts: list[dict[str, np.ndarray]] = []
        for batch in ctx.data.batches(split, _BATCH_SIZE, np.sort(drawn)):
            parts.append(flips(ctx.model, batch, self.options.within))
            ids.extend(batch.ids)
            ctx.progress(len(ids), len(drawn))
        return ids, {
            name: np.concatenate([part[name] for part in parts]) for name in parts[0]
        }

    def findings(self, metrics: list[raikit.Metric]) -> list[raikit.Finding]:
        """Report the input whose steps flip most decisions."""
        defined = [metric for metric in metrics if metric.value is not None]
        if not defined:
            return []
        worst = max(defined, key=lambda metric: metric.low)
        said = f"Small steps in the {worst.args['input']} flip decisions"
        most = f"{said} most often" if len(defined) > 1 else said
        step = f"A step of {percent(self.options.within)} of the norm of the input."
        return [
            raikit.Finding(
                kind="worth_knowing",
                headline=headline(most, "Small steps in one input flip decisions"),
                facts=[("Step", step), ("Inputs", f"{len(defined)} were tried.")],
                metrics=[self.address(worst)],
                figures=["flipped"],
            )
        ]


def flips(
    model: raikit.Model, batch: raikit.Batch, within: float
) -> dict[str, np.ndarray]:
    """Take the step in each input separately, and let the model decide again.

    Parameters
    ----------
    model : raikit.Model
        With the capability ``gradients``.
    batch : raikit.Batch
    within : float, >= 0
        Length of the step, as a share of the norm of the input.

    Returns
    -------
    dict of input name to ndarray, shape (n,)
        1 where the decision flips, 0 where it stays, NaN where the input is missing.
    """
    import torch

    encoded = {
        name: tensor.detach().clone().requires_grad_()
        for name, tensor in model.encode(batch).items()
    }
    logits = model.forward(encoded)
    decided = logits.argmax(dim=1)
    first, second = logits.topk(2, dim=1).values.unbind(dim=1)
    gradients = torch.autograd.grad(
        (first - second).sum(), list(encoded.values()), allow_unused=True
    )
    flips_by_input = {}
    for (name, tensor), gradient in zip(encoded.items(), gradients, strict=True):
        is_text = model.modalities[name] == "text"
        with torch.no_grad():
            moved = step(tensor, gradient, within, padded=is_text)
            flipped = (
                model.forward({**encoded, name: moved}).argmax(1) != decided
            ).double()
            flipped[norms(tensor).flatten() == 0] = torch.nan
        flips_by_input[name] = flipped.numpy()
    return flips_by_input


def step(
    tensor: torch.Tensor, gradient: torch.Tensor | None, within: float, *, padded: bool
) -> torch.Tensor:
    """Move against the gradient, but not beyond the end of a text."""
    if gradient is None:  # The model ignores this input.
        return tensor
    if padded:
        gradient = gradient * (tensor != 0).any(dim=-1, keepdim=True)
    slope = norms(gradient)
    return tensor - within * norms(tensor) * gradient / slope.where(slope > 0, 1.0)


def norms(tensor: torch.Tensor) -> torch.Tensor:
    """Return the Euclidean norm of each case, shape (n, 1, …)."""
    import torch

    axes = tuple(range(1, tensor.ndim))
    return torch.linalg.vector_norm(tensor, dim=axes, keepdim=True)


def share(
    flipped: np.ndarray, cases: raikit.Arrays, ctx: raikit.CheckContext, **fields: Any
) -> raikit.Metric:
    """Measure the share of decisions that flip.

    The interval is exact for independent cases that count alike, else a t interval
    over clusters, with weights.
    """
    counted = ~np.isnan(flipped)
    if cases.weight is not None:
        counted &= cases.weight > 0
    flipped, cases = flipped[counted], cases.take(counted)
    if not len(cases):
        return raikit.Metric.undefined(
            "flipped", "it is missing in every case", **fields
        )
    fields |= {"n": len(cases), "unit": "rate", "direction": "lower"}
    if not cases.clusters and cases.weight is None:
        hits = int(flipped.sum())
        low, high = raikit.stats.clopper_pearson(hits, len(cases), ctx.confidence)
        fields |= {"low": low, "high": high, "method": "Clopper-Pearson"}
        return raikit.Metric("flipped", hits / len(cases), **fields)
    interval = raikit.stats.mean_interval(
        flipped, cases.weight, cases.clusters, ctx.confidence, bounds=(0, 1)
    )
    return raikit.Metric("flipped", **(vars(interval) | fields))


def figure(
    metrics: list[raikit.Metric], within: float, ctx: raikit.CheckContext
) -> raikit.Figure:
    """Draw the share of each input with its interval."""
    data = [
        {
            "input": metric.args["input"],
            "flipped": metric.value,
            "low": metric.low,
            "high": metric.high,
            "rows": metric.n,
        }
        for metric in metrics
        if metric.value is not None
    ]
    axis = {"format": "%", "tickCount": 5}
    x = {"type": "quantitative", "title": "decisions that flip", "axis": axis}
    y = {"field": "input", "type": "nominal", "title": None}
    ends = {"x": {**x, "field": "low"}, "x2": {"field": "high"}, "y": y}
    spec = {
        "height": {"step": 30},
        "layer": [
            {"mark": {"type": "rule", "stroke": "var(--ink)"}, "encoding": ends},
            {
                "mark": {"type": "point", "filled": True, "fill": "var(--ink)"},
                "encoding": {"x": {**x, "field": "flipped"}, "y": y},
            },
        ],
    }
    shares = ", ".join(f"{row['input']} {percent(row['flipped'])}" for row in data)
    return raikit.Figure(
        id="flipped",
        title=f"Decisions flipped by a step of {percent(within)} of the input's norm",
        subtitle=f"{confidence(ctx.confidence)} confidence intervals, unadjusted",
        alt=f"Decisions that flip, by input: {shares or 'none'}.",
        spec=spec,
        data=data,
    )
