"""Models that know nothing of the audited one's decisions: their explanations must not pass for its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

import raikit
from raikit_explain.estimates.verdict import RANDOM_COPY, RETRAINED

_COPIES = 4  # one may happen to prefer what the real model does, for all cases at once
_FITTED_ON = 1000


@dataclass(frozen=True)
class Strangers:
    """Models of the same kind that know nothing, for the control of a verdict.

    Attributes
    ----------
    name : str
        What they are; empty if there are none.
    models : sequence of Model
    reason : str
        Why there are none.
    """

    name: str = ""
    models: Sequence[raikit.Model] = ()
    reason: str = ""


def strangers(ctx: raikit.CheckContext, rng: np.random.Generator) -> Strangers:
    """Return copies of the model with random weights, or of an estimator fitted on shuffled labels [1]_.

    Of a model whose weights are out of reach (ONNX, an endpoint, a function) there are none.

    References
    ----------
    .. [1] Adebayo et al., "Sanity Checks for Saliency Maps", NeurIPS 2018: the model and the data randomisation test.
    """
    model = ctx.model
    assert model is not None
    if "gradients" in model.capabilities:
        from raikit_explain.estimates.model_matters import redrawn

        copies = [redrawn(model, int(rng.integers(2**31))) for _ in range(_COPIES)]
        found = [copied for copied in copies if copied is not None]
        return Strangers(RANDOM_COPY, found) if found else Strangers(reason="no weights were found in the model")
    if not hasattr(model, "refitted"):
        return Strangers(reason=f"the weights of a model of kind {model.kind!r} are out of reach")
    return _refitted(ctx, model, rng)


def _refitted(ctx: raikit.CheckContext, model: raikit.Model, rng: np.random.Generator) -> Strangers:
    assert ctx.data is not None
    size = ctx.data.size("train")
    if not size:
        return Strangers(reason="there are no training cases on which a copy could be fitted with shuffled labels")
    chosen = np.sort(rng.permutation(size)[:_FITTED_ON])
    batch = next(ctx.data.batches("train", len(chosen), indices=chosen))
    if batch.target is None:
        return Strangers(reason="the training cases have no labels that could be shuffled")
    try:
        models = [model.refitted(batch, rng.permutation(batch.target)) for _ in range(_COPIES)]  # type: ignore[attr-defined]
    except raikit.ModelError as error:
        return Strangers(reason=f"no copy could be fitted on shuffled labels, because {str(error).rstrip('.')}")
    return Strangers(RETRAINED, models)
