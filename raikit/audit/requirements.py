"""Whether an audit has what a check requires."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from raikit.format import count, sample_size

if TYPE_CHECKING:
    from raikit.check import Check, CheckContext


class UnmetRequirement(NamedTuple):
    """Why a check is skipped, and what would let it run."""

    reason: str
    help: str


def unmet_requirement(
    check: type[Check], ctx: CheckContext, capabilities: frozenset[str]
) -> UnmetRequirement | None:
    """Return the first requirement of a check that is not met, None if all are.

    Parameters
    ----------
    check : Check class
    ctx : CheckContext
    capabilities : frozenset of str
        Those of the audited model, or of a table of predictions.
    """
    needs = check.requires
    if needs.tasks and ctx.task not in needs.tasks:
        return UnmetRequirement(
            f"it measures {' and '.join(sorted(needs.tasks))} targets; this one is {ctx.task}",
            "nothing: it does not apply",
        )
    if unmet := _missing_column(needs.columns, ctx):
        return unmet
    if missing := sorted(needs.capabilities - capabilities):
        return UnmetRequirement(
            f"the model does not provide {missing[0]}", "a model with that capability (train: {kind: fusion} has them all)"
        )
    modalities = {item.modality for item in ctx.data.inputs.values()} if ctx.data is not None else set()
    if missing := sorted(needs.modalities - modalities):
        return UnmetRequirement(f"the model has no {missing[0]} input", f"an input with modality: {missing[0]}")
    if missing := sorted(split for split in needs.splits if not ctx.predictions.size(split)):
        return UnmetRequirement(f"there are no cases in the split {missing[0]!r}", f"cases of {missing[0]} in data.split")
    if (cases := ctx.predictions.size()) < needs.min_rows:
        return UnmetRequirement(
            f"it needs {sample_size(needs.min_rows)}; there are {count(cases)}",
            f"{count(needs.min_rows - cases)} more cases",
        )
    return None


def _missing_column(required: frozenset[str] | set[str], ctx: CheckContext) -> UnmetRequirement | None:
    """Return the first role or column that the data does not have."""
    columns = ctx.predictions.columns
    roles = {
        "target": "target" in columns,
        "prediction": "prediction" in columns,
        "sensitive": bool(ctx.sensitive),
        "cluster": bool(ctx.cluster),
        "weight": ctx.weight is not None,
        "score": any(column == "score" or column.startswith("score.") for column in columns),
    }
    known = {*columns, *(ctx.data.table if ctx.data is not None else ())}
    missing = sorted(name for name in required if not roles.get(name, name in known))
    if not missing:
        return None
    if missing[0] in roles:
        return UnmetRequirement(f"the data has no {missing[0]}", f"name a column as data.{missing[0]}")
    return UnmetRequirement(
        f"no column {missing[0]!r} was read", f"if the table has it, data.keep: [{missing[0]}] lets checks read it"
    )
