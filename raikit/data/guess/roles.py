"""The guessed roles of a table's columns, and the questions that are left to a person."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Question:
    """A role that only a person can decide.

    Parameters
    ----------
    answers : str
        What can be written, as the end of "write …": ``one of approve or reject``.
    """

    answers: str


@dataclass(frozen=True)
class ModelFacts:
    """What is known of a model that is there.

    Parameters
    ----------
    reads : tuple of str
        Modalities of its inputs.
    labels : tuple of str
        Its classes; empty if they are not named.
    task : str or None
        ``token_classification`` or ``multilabel``; None for others.
    """

    reads: tuple[str, ...]
    labels: tuple[str, ...] = ()
    task: str | None = None


@dataclass
class RoleGuess:
    """Guessed roles of columns. Every column of the table has a role, is named in a question, or is in `left_out`.

    Attributes
    ----------
    columns : list of str
    missing, decimal : list of str, str
        Cells that mean a missing value, and the decimal mark: ``data.missing`` and ``data.decimal``.
    candidates : list of str
        Possible targets, if `target` is a question.
    sequence : str, Question or None
        The column that says which text a token belongs to, where each row is a token.
    missing_targets : int
        Rows without a target, which an audit refuses.
    task : str, Question or None
        None: it depends on the target.
    positive : label, Question or None
        None: 1 of 0 and 1, or the task is not binary.
    scores : mapping of class to column
        Probabilities of several classes.
    sensitive : list of (column, edges of bins or None)
    media : mapping of column to modality
    suspects : mapping of column to str
        Inputs that may be known only after the outcome, each with what was measured (or nothing): a question.
    inputs : Question or None
        Which columns a model reads that reads fewer than there are.
    unsure_clusters : list of str
        Columns that may name clusters, or count something: a question.
    trained_elsewhere : bool
        Whether raikit trains no model, because one is there or the target is a list.
    model : Question or None
        A question if raikit trains no model for the task, or if columns look like a model's output and cannot be used as they are.
    left_out : mapping of column to reason
    classes : list of label
        Declared classes: those of a target that may lack cases of one of them.
    largest : mapping of column to value
        The largest group of each sensitive feature that has one.
    decisions : list of label
        The classes of a binary target.
    favourable : label or None
        The one that is good for a person, if a name says so.
    labels : mapping of column to (mapping of value to str)
        Words for obvious codes.
    column_names : mapping of column to str
        Names of sensitive columns that are written as codes: ``marital status`` for ``marital_status``.
    log : str or None
        The tool that wrote the table, if it is an evaluation log.
    correct : mapping of task to scorer
        Of a log: what the column ``correct`` is from.
    """

    columns: list[str]
    missing: list[str] = field(default_factory=list)
    decimal: str = "."
    id: str | None = None
    target: str | list[str] | Question | None = None
    sequence: str | Question | None = None
    candidates: list[str] = field(default_factory=list)
    missing_targets: int = 0
    positive: Any = None
    task: str | Question | None = None
    prediction: str | Question | None = None
    score: str | Question | None = None
    scores: dict[Any, str] = field(default_factory=dict)
    sensitive: list[tuple[str, list[float] | None]] = field(default_factory=list)
    cluster: list[str] = field(default_factory=list)
    unsure_clusters: list[str] = field(default_factory=list)
    weight: str | Question | None = None
    split: str | None = None
    media: dict[str, str] = field(default_factory=dict)
    text: list[str] = field(default_factory=list)
    tabular: list[str] = field(default_factory=list)
    suspects: dict[str, str] = field(default_factory=dict)
    inputs: Question | None = None
    trained_elsewhere: bool = False
    model: Question | None = None
    left_out: dict[str, str] = field(default_factory=dict)
    classes: list[Any] = field(default_factory=list)
    largest: dict[str, Any] = field(default_factory=dict)
    decisions: list[Any] = field(default_factory=list)
    favourable: Any = None
    labels: dict[str, dict[Any, str]] = field(default_factory=dict)
    column_names: dict[str, str] = field(default_factory=dict)
    log: str | None = None
    correct: dict[str, str] = field(default_factory=dict)

    @property
    def has_predictions(self) -> bool:
        """Whether the table holds predictions, so that no model is needed."""
        return self.prediction is not None or self.score is not None or bool(self.scores)

    @property
    def trains(self) -> bool:
        """Whether raikit may train a model."""
        return not self.has_predictions and not self.trained_elsewhere

    @property
    def targets(self) -> list[str]:
        """The target, or the columns that could be it."""
        return [self.target] if isinstance(self.target, str) else self.candidates

    @property
    def inputs_question(self) -> Question | None:
        """Which columns a model may read that may be known only after the outcome; None without any."""
        if not self.suspects:
            return None
        told = ", ".join(f"{column} ({figure})" if figure else column for column, figure in self.suspects.items())
        return Question(f"those of these that are known before the outcome, or nothing: {told}")

    @property
    def cluster_question(self) -> Question | None:
        """Which columns say that cases are not independent, where their numbers may count something; None without any."""
        if not self.unsure_clusters:
            return None
        return Question(f"{' and '.join(self.unsure_clusters)}, or nothing if the numbers count something, such as years or visits")

    @property
    def questions(self) -> dict[str, Question]:
        """The open questions by key."""
        roles = {
            "data.target": self.target,
            "data.sequence": self.sequence,
            "data.positive": self.positive,
            "data.task": self.task,
            "data.cluster": self.cluster_question,
            "data.weight": self.weight,
            "model.load.prediction": self.prediction,
            "model.load.score": self.score,
            "model": self.model,
            "data.inputs": self.inputs or self.inputs_question,
        }
        return {key: role for key, role in roles.items() if isinstance(role, Question)}
