"""A model that runs in a process of its own: what that process says of it, and the scores that it hands back."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from raikit.console import clean
from raikit.errors import ModelError
from raikit.files import is_plain_file, sha256
from raikit.models.base import Capability
from raikit.models.cost import PATIENCE, Cost, measure_cost
from raikit.models.score_files import read_score_file, write_score_file
from raikit.models.scoring import BATCH, score_all, validate_scores
from raikit.run.results import Value, plain

if TYPE_CHECKING:
    from raikit.data.dataset import Dataset
    from raikit.models.base import Model

_LONGEST_DESCRIPTION = 1_000_000  # characters of JSON
_MOST_CLASSES = 100_000
_OF_RAIKIT = frozenset({"history", "process"})  # the training in this audit, and where the model runs
_MOST_BYTES, _BYTES_OF_A_CASE = 64 << 20, 1 << 12  # of a file of scores; ids may be long


def _brief_description(description: dict[str, Any]) -> dict[str, Any]:
    """Return a description without what raikit itself says of a model; raise `ValueError` if it is no description but data."""
    if len(json.dumps(description)) > _LONGEST_DESCRIPTION:
        raise ValueError(f"the description is longer than {_LONGEST_DESCRIPTION:,} characters")
    return {key: value for key, value in description.items() if key not in _OF_RAIKIT}


class ModelFacts(BaseModel):
    """What a process says of its model.

    Attributes
    ----------
    capabilities : frozenset of str
    classes : list
        In the order of the scores.
    description : dict
        For the record.
    notes : list of str
        Sentences for the record about how the model was read.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    capabilities: frozenset[Capability]
    classes: list[Value] = Field(default_factory=list, max_length=_MOST_CLASSES)
    description: Annotated[dict[str, Any], AfterValidator(_brief_description)] = Field(default_factory=dict)
    notes: list[Annotated[str, AfterValidator(lambda text: clean(text[:2000]))]] = Field(default_factory=list, max_length=1000)


class HandedScores(BaseModel):
    """A file of scores that a process has written, with the hash that it had as it left."""

    sha256: str


class TrialCost(BaseModel):
    """What a process has measured on its model's first cases; None without cases."""

    cost: Cost | None


# --- in the model's process --------------------------------------------------------------------------------------


def describe_model(model: Model) -> dict[str, Any]:
    """Return the facts of an opened model as data."""
    facts = {
        "capabilities": sorted(model.capabilities),
        "classes": list(model.classes),
        "description": model.describe(),
        "notes": [*model.notes(), *model.limits],
    }
    described: dict[str, Any] = plain(facts)
    return described


def try_scoring(model: Model, data: Dataset, batch_size: int, timeout: float) -> dict[str, Any]:
    """Return what scoring costs as data, measured on the first cases, well before the process is ended."""
    return TrialCost(cost=measure_cost(model, data, batch_size, min(PATIENCE, timeout / 4))).model_dump()


def write_scores(
    model: Model, data: Dataset, path: Path, progress: Callable[[int, int], None], batch_size: int = BATCH,
    parts: Path | None = None,
) -> dict[str, Any]:
    """Score every case once, write the scores as an Arrow file, and return its hash."""
    ids, scores = score_all(model, data, progress, batch_size, parts)
    write_score_file(path, ids, scores)
    return {"sha256": sha256(path)}


# --- where nothing foreign is imported ---------------------------------------------------------------------------


def read_scores(path: Path, handed: HandedScores, data: Dataset) -> tuple[Sequence[Any], np.ndarray]:
    """Read scores that a model's process has written, and validate them as if nothing had been validated there.

    Returns
    -------
    ids : sequence
    scores : ndarray of float64, shape (n, k)

    Raises
    ------
    ModelError
        If the file is not the one that left the process, or its cases or scores are not those of the data.
    """
    import pyarrow as pa

    try:
        if not is_plain_file(path):
            raise ValueError("it left no file")
        if path.stat().st_size > _MOST_BYTES + _BYTES_OF_A_CASE * len(data.roles) * max(len(data.classes), 1):
            raise ValueError("the file is far larger than scores of these cases are")
        content = path.read_bytes()
        if hashlib.sha256(content).hexdigest() != handed.sha256:
            raise ModelError("the model's scores were changed after they had left the model's process.")
        ids, scores = read_score_file(content)
        _refuse_other_cases(ids, data)
    except (pa.ArrowException, OSError, KeyError, ValueError, TypeError) as error:
        raise ModelError(f"the scores that the model's process wrote cannot be read ({_brief(error)}).") from None
    return ids, validate_scores(scores, ids, data)


def _refuse_other_cases(ids: Sequence[Any], data: Dataset) -> None:
    """Raise unless each case has scores once: who may leave cases out chooses the number of every other check."""
    known = data.roles["id"].tolist()
    if len(set(ids)) != len(ids) or not set(ids) <= set(known):
        raise ModelError("the model's process returned scores of cases that the data do not have, or twice of one case.")
    if len(ids) < len(known):
        raise ModelError(f"the model's process returned scores of {len(ids):,} of {len(known):,} cases; none may be left out.")


def _brief(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]
