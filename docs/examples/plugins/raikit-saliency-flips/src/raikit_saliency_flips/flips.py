"""How often a decision flips when one input moves a little along its gradient."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import raikit
from pydantic import Field

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import torch

_ROWS_AT_ONCE = 64


class Flips(raikit.Check):
    """How often a decision flips when one input moves a little along its gradient.

    Each input by itself, in rows drawn at random: one step, as long as a given part of
    the input's own norm, in the direction in which the lead of the decision over the
    next class falls fastest; then the model decides again. A flip is a fact. Where one
    step flips nothing a longer search still might, so the share is the least there is.

    Works on whatever `Model.encode` gives: pixels, token embeddings, spectrograms,
    columns. A row in which the input is missing is not counted.

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
        """What audit.yaml may say under the name of the check."""

        within: float = Field(
            0.05,
            ge=0,
            le=1,
            description="Length of the step, as a part of the input's norm.",
        )
        rows: int = Field(256, ge=1, description="Rows that are drawn.")

    def run(self, ctx: raikit.CheckContext) -> raikit.CheckResult:
        """Draw rows, take one step in each input of each, count what flipped."""
        ids, flipped = self.measure(ctx)
        roles = [*ctx.cluster, *([ctx.weight] if ctx.weight else [])]
        known = ctx.predictions.frame(["id", *roles]).set_index("id").loc[ids]
        metrics = [
            share(values, known, ctx, args={"input": name})
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
        """Ids of the drawn rows, and for each input 1 (flipped), 0 or NaN (missing)."""
        import numpy as np

        split = ctx.predictions.split
        drawn = ctx.rng.permutation(ctx.data.size(split))[: self.options.rows]
        ids: list[Any] = []
        parts: list[dict[str, np.ndarray]] = []
        for batch in ctx.data.batches(split, _ROWS_AT_ONCE, np.sort(drawn)):
            parts.append(flips(ctx.model, batch, self.options.within))
            ids.extend(batch.ids)
            ctx.progress(len(ids), len(drawn))
        return ids, {
            name: np.concatenate([part[name] for part in parts]) for name in parts[0]
        }

    def findings(self, metrics: list[raikit.Metric]) -> list[raikit.Finding]:
        """The input whose steps flip most."""
        known = [metric for metric in metrics if metric.value is not None]
        if not known:
            return []
        worst = max(known, key=lambda metric: metric.low)
        sentence = (
            f"A step of {self.options.within:.1%} of its norm in {worst.args['input']} "
            f"flips {worst.value:.1%} of decisions (interval {worst.low:.1%} to "
            f"{worst.high:.1%}; {worst.n:,} rows)"
            + (f", the most of {len(known)} inputs." if len(known) > 1 else ".")
        )
        return [
            raikit.Finding(
                sentence=sentence, metrics=[self.address(worst)], figures=["flipped"]
            )
        ]


def flips(
    model: raikit.Model, batch: raikit.Batch, within: float
) -> dict[str, np.ndarray]:
    """Take the step in each input by itself, and see what the model decides then.

    Parameters
    ----------
    model : raikit.Model
        With the capability ``gradients``.
    batch : raikit.Batch
    within : float, >= 0
        Length of the step over the norm of the input.

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
    found = {}
    for (name, tensor), gradient in zip(encoded.items(), gradients, strict=True):
        is_text = model.modalities[name] == "text"
        with torch.no_grad():
            moved = step(tensor, gradient, within, padded=is_text)
            flipped = (
                model.forward({**encoded, name: moved}).argmax(1) != decided
            ).double()
            flipped[norms(tensor).flatten() == 0] = torch.nan
        found[name] = flipped.numpy()
    return found


def step(
    tensor: torch.Tensor, gradient: torch.Tensor | None, within: float, *, padded: bool
) -> torch.Tensor:
    """Move against the gradient; where a text ends there is nothing that could move."""
    if gradient is None:  # the model does not look at this input
        return tensor
    if padded:
        gradient = gradient * (tensor != 0).any(dim=-1, keepdim=True)
    slope = norms(gradient)
    return tensor - within * norms(tensor) * gradient / slope.where(slope > 0, 1.0)


def norms(tensor: torch.Tensor) -> torch.Tensor:
    """Euclidean norm of each row, shape (n, 1, …)."""
    import torch

    axes = tuple(range(1, tensor.ndim))
    return torch.linalg.vector_norm(tensor, dim=axes, keepdim=True)


def share(
    flipped: np.ndarray, rows: pd.DataFrame, ctx: raikit.CheckContext, **fields: Any
) -> raikit.Metric:
    """Measure how often it flipped: exact, or over the clusters and weights there are."""
    import numpy as np

    there = ~np.isnan(flipped)
    events, rows = flipped[there], rows[there]
    if ctx.weight:
        events, rows = events[rows[ctx.weight] > 0], rows[rows[ctx.weight] > 0]
    if not len(rows):
        return raikit.Metric.undefined(
            "flipped", "it is missing in every row", **fields
        )
    fields |= {"n": len(rows), "unit": "rate", "direction": "lower"}
    if not ctx.cluster and not ctx.weight:
        hits = int(events.sum())
        low, high = raikit.stats.clopper_pearson(hits, len(rows), ctx.confidence)
        fields |= {"low": low, "high": high, "method": "Clopper-Pearson"}
        return raikit.Metric("flipped", hits / len(rows), **fields)
    clusters = [rows[column].factorize()[0] for column in ctx.cluster[:2]]
    weight = rows[ctx.weight] if ctx.weight else None
    found = raikit.stats.mean_interval(
        events, weight, clusters, ctx.confidence, bounds=(0, 1)
    )
    return raikit.Metric("flipped", **(vars(found) | fields))


def figure(
    metrics: list[raikit.Metric], within: float, ctx: raikit.CheckContext
) -> raikit.Figure:
    """Draw each input with its interval."""
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
    told = ", ".join(f"{row['input']} {row['flipped']:.1%}" for row in data)
    return raikit.Figure(
        id="flipped",
        title=f"What a step of {within:.1%} of an input's norm flips",
        subtitle=f"{ctx.confidence:.0%} intervals, each by itself",
        alt=f"Decisions that flip, by input: {told or 'none is there'}.",
        spec=spec,
        data=data,
    )
