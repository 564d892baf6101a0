"""Fingerprints of what all checks of a run share: the predictions, the data and the model."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from raikit.data.frames import fingerprint_of_table
from raikit.files import sha256

if TYPE_CHECKING:
    from raikit.check import CheckContext


def fingerprints(ctx: CheckContext) -> dict[str, str]:
    """Return a fingerprint of each part of the predictions, the data and the model, by its name for people."""
    prints = {"the predictions file": sha256(ctx.predictions.path)}
    if ctx.data is not None:
        prints["the table of ctx.data"] = fingerprint_of_table(ctx.data.table)
        prints["the roles of ctx.data"] = fingerprint_of_table(ctx.data.roles)
        prints["the target of ctx.data"] = hashlib.sha256(ctx.data._numbers.tobytes()).hexdigest()
    if ctx.model is not None and "gradients" in ctx.model.capabilities:
        prints["the weights of ctx.model"] = _weights(ctx.model.module)
        prints["the mode of ctx.model"] = str([part.training for part in ctx.model.module.modules()])
    return prints


def _weights(module: Any) -> str:
    digest = hashlib.sha256()
    for name, tensor in module.state_dict().items():
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
