"""Whether an audit has what a check requires."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from raikit.data.parts import ANSWERS, LABEL, TOKEN
from raikit.format import case_noun, count, sample_size
from raikit.models.decisions import is_score

if TYPE_CHECKING:
    from raikit.check import Check, CheckContext, Requires
    from raikit.data.dataset import Dataset


TASK_OF_ROLE = {TOKEN: "token_classification", LABEL: "multilabel", ANSWERS: "answers"}  # what gives cases these roles
_OF_PREDICTIONS = frozenset({"labels", "scores"})  # what predictions alone may have


def needs_model(check: type[Check]) -> bool:
    """Return whether a check calls the model: it says so, or predictions alone do not have the capabilities that it requires."""
    return check.requires.model or bool(set(check.requires.capabilities) - _OF_PREDICTIONS)


def capabilities_of(columns: Iterable[str]) -> frozenset[str]:
    """Return the capabilities of predictions alone: labels, and scores if a column holds some."""
    return _OF_PREDICTIONS if any(map(is_score, columns)) else frozenset({"labels"})


class UnmetRequirement(NamedTuple):
    """Why a check is skipped, and what would let it run."""

    reason: str
    help: str


def unmet_requirement(
    check: type[Check], ctx: CheckContext, capabilities: frozenset[str], *, model_elsewhere: bool = False
) -> UnmetRequirement | None:
    """Return the first requirement of a check that is not met, None if all are.

    Parameters
    ----------
    check : Check class
    ctx : CheckContext
    capabilities : frozenset of str
        Those of the audited model, or of a table of predictions.
    model_elsewhere : bool
        Whether the model runs in a process of its own, so that the context of this one has none.
    """
    available = Available.of_context(ctx)
    return first_unmet(check.requires, replace(available, model=available.model or model_elsewhere), capabilities)


@dataclass(frozen=True)
class Available:
    """What an audit has of all that a check may require.

    Attributes
    ----------
    task : str
    roles : mapping of str to bool
        Whether the predictions have a column of that role.
    columns : set of str
        Columns that checks may read beside the roles.
    modalities : set of str
        Of the model's inputs.
    size : callable
        From a split to its number of cases; from None to that of the audited split.
    model : bool
        Whether there is a model, and not a table of predictions.
    """

    task: str
    roles: Mapping[str, bool]
    columns: AbstractSet[str]
    modalities: AbstractSet[str]
    size: Callable[[str | None], int]
    model: bool = True

    @classmethod
    def of_context(cls, ctx: CheckContext) -> Available:
        """Return what the scored cases hold."""
        columns = ctx.predictions.columns
        roles = {
            "target": "target" in columns,
            "prediction": "prediction" in columns,
            "sensitive": bool(ctx.sensitive),
            "cluster": bool(ctx.cluster),
            "weight": ctx.weight is not None,
            "score": any(map(is_score, columns)),
            **{role: role in columns for role in TASK_OF_ROLE},
        }
        data = ctx.data
        modalities = {item.modality for item in data.inputs.values()} if data is not None else set()
        known = {*columns, *(data.table if data is not None else ())}
        return cls(ctx.task, roles, known, modalities, ctx.predictions.size, ctx.model is not None)

    @classmethod
    def of_data(cls, data: Dataset, provided: AbstractSet[str] | None, *, model: bool = True) -> Available:
        """Return what the scored cases would hold; `provided` is what the model can do, None if that is not known."""
        roles = {
            "target": "target" in data.roles,
            "prediction": True,
            "sensitive": bool(data.sensitive),
            "cluster": bool(data.cluster),
            "weight": data.weight is not None,
            "score": provided is None or "scores" in provided,
            **{role: role in data.roles for role in TASK_OF_ROLE},
        }

        def size(split: str | None) -> int:
            return data.size(split or data.audited_split)

        modalities = {item.modality for item in data.inputs.values()}
        return cls(str(data.task), roles, {*data.roles, *data.table}, modalities, size, model)


def of_another_task(needs: Requires, available: Available) -> bool:
    """Return whether a check measures what another task has, so that no audit of this one could run it."""
    lacks_role = any(role in needs.columns and not available.roles.get(role) for role in TASK_OF_ROLE)
    return lacks_role or bool(needs.tasks and available.task not in needs.tasks)


def first_unmet(needs: Requires, available: Available, capabilities: AbstractSet[str]) -> UnmetRequirement | None:
    """Return the first requirement that is not met, None if all are."""
    if needs.tasks and available.task not in needs.tasks:
        return UnmetRequirement(
            f"it measures {' and '.join(sorted(needs.tasks))} targets; this one is {available.task}",
            "nothing: it does not apply",
        )
    if unmet := _missing_column(needs.columns, available):
        return unmet
    if needs.model and not available.model:
        return UnmetRequirement(
            "it has the model score cases, and a table of predictions cannot",
            "a model: `model.load` of another kind, or `model.train`",
        )
    if missing := sorted(needs.capabilities - capabilities):
        return UnmetRequirement(
            f"the model does not provide {missing[0]}", "a model with that capability (train: {kind: fusion} has them all)"
        )
    if missing := sorted(needs.modalities - available.modalities):
        return UnmetRequirement(f"the model has no {missing[0]} input", f"an input with modality: {missing[0]}")
    if missing := sorted(split for split in needs.splits if not available.size(split)):
        return UnmetRequirement(f"there are no {case_noun()} in the split {missing[0]!r}", f"{case_noun()} of {missing[0]} in "
                                                                                           f"data.split")
    if (cases := available.size(None)) < needs.min_rows:
        return UnmetRequirement(
            f"it needs {sample_size(needs.min_rows)}; there are {count(cases)}",
            f"{count(needs.min_rows - cases)} more {case_noun()}",
        )
    return None


def _missing_column(required: AbstractSet[str], available: Available) -> UnmetRequirement | None:
    """Return the roles that the data does not have, else the first column that was not read."""
    roles = available.roles
    for role, task in TASK_OF_ROLE.items():
        if role in required and not roles.get(role):
            return UnmetRequirement(f"it measures `task: {task}`; this target is none", "nothing: it does not apply")
    missing = sorted(name for name in required if not roles.get(name, name in available.columns))
    if not missing:
        return None
    if lacking := [name for name in missing if name in roles]:
        keys = [f"{'model.load' if name in ('prediction', 'score') else 'data'}.{name}" for name in lacking]
        return UnmetRequirement(f"the data has no {' and no '.join(lacking)}", f"name a column as {' and '.join(keys)}")
    return UnmetRequirement(
        f"no column {missing[0]!r} was read", f"if the table has it, data.keep: [{missing[0]}] lets checks read it"
    )
