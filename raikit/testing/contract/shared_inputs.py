"""What a check is only lent: the predictions, the data and the model, which every other check is given too."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from raikit.files import sha256

if TYPE_CHECKING:
    from raikit.check import CheckContext


def fingerprints(ctx: CheckContext) -> dict[str, str]:
    """Fingerprints of predictions, data and model, which every other check is given too."""
    from raikit.data.tables import fingerprint_of_table

    found = {"the predictions file": sha256(ctx.predictions.path)}
    if ctx.data is not None:
        found["the table of ctx.data"] = fingerprint_of_table(ctx.data.table)
        found["the roles of ctx.data"] = fingerprint_of_table(ctx.data.roles)
        found["the target of ctx.data"] = hashlib.sha256(ctx.data._numbers.tobytes()).hexdigest()
    if ctx.model is not None and "gradients" in ctx.model.capabilities:
        found["the weights of ctx.model"] = _weights(ctx.model.module)
        found["the mode of ctx.model"] = str([part.training for part in ctx.model.module.modules()])
    return found


def _weights(module: Any) -> str:
    digest = hashlib.sha256()
    for name, tensor in module.state_dict().items():
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
