"""Which columns a model reads that reads texts, pictures or sounds, and no columns of a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from raikit.address import text
from raikit.data.guess.profile import Profile
from raikit.data.guess.roles import ModelFacts, Question, RoleGuess

_ANY = ("text", "image", "audio")


def column_of_classes(profiles: Mapping[str, Profile], labels: Sequence[str]) -> str | None:
    """Return the only column whose values are all labels of a model, but for capitals; None if there is not one."""
    known = {label.strip().lower() for label in labels}
    fitting = [
        name
        for name, about in profiles.items()
        if about.is_category and {text(value).strip().lower() for value in about.values} <= known
    ]
    return fitting[0] if len(fitting) == 1 else None


def assign_read_columns(
    guess: RoleGuess, profiles: Mapping[str, Profile], left: Sequence[str], model: ModelFacts | None
) -> list[str]:
    """Assign one column to each modality that a model reads; several that fit are a question.

    Parameters
    ----------
    guess : RoleGuess
        Gets `media`, `text` and `inputs`.
    profiles : mapping of column to Profile
    left : sequence of str
        Columns without a role.
    model : ModelFacts or None
        None: a model of one modality, which the table shows.

    Returns
    -------
    list of str
        The columns that are assigned, or named in the question.
    """
    fitting = {modality: _fitting(modality, profiles, left) for modality in (model.reads if model else _ANY)}
    if model is None:
        fitting = dict([item for item in fitting.items() if item[1]][:1])
    if any(len(columns) != 1 for columns in fitting.values()) or not fitting:
        guess.inputs = Question(_choice(fitting))
        return [column for columns in fitting.values() for column in columns]
    for modality, (column,) in fitting.items():
        if modality == "text":
            guess.text.append(column)
        else:
            guess.media[column] = modality
    return [*guess.text, *guess.media]


def _fitting(modality: str, profiles: Mapping[str, Profile], left: Sequence[str]) -> list[str]:
    """Return the columns of a modality; of texts those with several words, or else with many values."""
    if modality != "text":
        return [name for name in left if profiles[name].kind == modality]
    texts = [name for name in left if profiles[name].kind == "text"]
    phrases = [name for name in texts if profiles[name].words >= 1]
    return phrases or [name for name in texts if not profiles[name].is_category]


def _choice(fitting: Mapping[str, Sequence[str]]) -> str:
    """Write the inputs that could be meant, as they are written in audit.yaml."""
    if len(fitting) == 1:
        ((modality, columns),) = fitting.items()
        if columns:
            return " or ".join(f"{{{column}: {{modality: {modality}}}}}" for column in columns)
    names = [f"{' or '.join(columns) or 'COLUMN'}: {{modality: {modality}}}" for modality, columns in fitting.items()]
    missing = [modality for modality, columns in fitting.items() if not columns]
    none = f"; no column was recognised as {' or '.join(missing)}" if missing else ""
    return f"{{{', '.join(names) or 'COLUMN: {modality: text}'}}}{none}"
