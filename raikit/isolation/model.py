"""The audited model in a process of its own, as a source of predictions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import ValidationError

from raikit.errors import ModelError, listed, place_of
from raikit.models.remote import HandedScores, ModelFacts, TrialCost, read_scores
from raikit.models.scoring import Progress, left_out_scores, predictions_of

if TYPE_CHECKING:
    import pandas as pd

    from raikit.data.dataset import Dataset
    from raikit.isolation.parent import Child
    from raikit.models.cost import Cost

_HANDED = "scores.arrow"
_Answer = TypeVar("_Answer", ModelFacts, HandedScores, TrialCost)


@dataclass(frozen=True)
class RemoteModel:
    """A model whose code runs in `child` alone; only facts and scores come back, and both are validated here.

    Attributes
    ----------
    child : Child
    facts : ModelFacts
    folder : Path
        Where the child writes the scores.
    timeout : float
        Seconds for a batch of cases.
    """

    child: Child
    facts: ModelFacts
    folder: Path
    timeout: float
    is_model = True
    model = None  # no check in this process may call it

    @classmethod
    def open(cls, child: Child, data: Dataset, folder: Path, timeout: float) -> RemoteModel:
        """Open the model in its process.

        Raises
        ------
        ModelError
            If it cannot be opened, or does not fit the data.
        """
        facts = _ask(child, {"model": "open"}, ModelFacts, timeout)
        data.add_classes(facts.classes)
        if list(data.classes) != list(facts.classes):
            raise ModelError(f"the model's classes are {listed(facts.classes)}; the data's are {listed(data.classes)}.")
        return cls(child, facts, folder, timeout)

    @property
    def capabilities(self) -> frozenset[str]:
        """Return what the process says that the model can do."""
        return frozenset(self.facts.capabilities)

    def describe(self) -> dict[str, Any]:
        """Return what the process says of the model, and that it had one."""
        return {**self.facts.description, "process": "own"}

    def notes(self, predictions: Sequence[str]) -> list[str]:
        """Return what the process says of how the model was read, and whether its scores were left out."""
        return [*self.facts.notes, *left_out_scores(predictions, self.capabilities, self.facts.classes)]

    def cost(self) -> Cost | None:
        """Return what scoring costs in the process; None without cases.

        Raises
        ------
        ModelError
            If the model raises.
        """
        return _ask(self.child, {"model": "cost"}, TrialCost, self.timeout).cost

    def predict(self, data: Dataset, progress: Progress, parts: Path | None = None) -> pd.DataFrame:
        """Have every case scored once, and return the rows of ``predictions.parquet``.

        Raises
        ------
        ModelError
            If the model raises, or gives scores of another shape, NaN or no probabilities; names the case.
        """
        path = self.folder / _HANDED
        job = {"model": "score", "path": str(path.resolve()), "parts": str((parts or self.folder / "scores").resolve())}
        handed = _ask(self.child, job, HandedScores, self.timeout, progress)
        ids, scores = read_scores(path, handed, data)
        path.unlink(missing_ok=True)
        return predictions_of(ids, scores, data, self.capabilities)


def _ask(
    child: Child,
    job: Mapping[str, Any],
    kind: type[_Answer],
    timeout: float,
    progress: Progress = lambda done, total: None,
) -> _Answer:
    """Run a job in the model's process, and return its answer as `kind`; a fault is the model's."""
    answer = child.run(job, progress, timeout, for_each_step=True)
    if answer.refusal is not None:
        raise ModelError(answer.refusal)
    if answer.error is not None:
        fault = answer.error.removeprefix("it ") if answer.died else f"raised {answer.error}"
        longer = "; model.timeout allows more for a batch of cases" if answer.late else ""
        raise ModelError(f"model.load: the model {fault}{place_of(answer.traceback)}{longer}.")
    try:
        return kind.model_validate_json(answer.result or "")
    except ValidationError as error:
        faults = error.error_count()
        raise ModelError(f"model.load: the model's process gave an answer with {faults} faults, which cannot be read.") from None
