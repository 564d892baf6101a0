"""Words by how far they move decisions over all explained cases."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from raikit.format import class_text
from raikit_explain.estimates.part_measures import PartMeasures

FEWEST_CASES = 3  # a rarer word may tell of one person, and its mean little of the model
MOST_WORDS = 10
_NOISE = 1e-6


@dataclass(frozen=True)
class Word:
    """A word with its mean contribution over the cases that have it.

    Attributes
    ----------
    text : str
    toward : str
        Which way a positive contribution moves decisions: ``towards "yes"``.
    cases : int
    mean : float
    low, high : float or None
        None where all cases are alike, which shows no uncertainty: of a model that adds up words.
    unreliable : bool
    """

    text: str
    toward: str
    cases: int
    mean: float
    low: float | None
    high: float | None
    unreliable: bool


def most_moving(measures: PartMeasures) -> list[Word]:
    """Return the words whose mean contribution is largest either way and differs from 0, the most positive first.

    Contributions of a word that occurs several times in a case are added. Of two classes they are turned towards the second one,
    whatever was decided; of more they stay those to the decided class.
    """
    explanations = measures.explanations
    if explanations.kind != "word":
        return []
    sign, toward = _direction(measures)
    words = []
    for text, values in explanations.by_name(explanations.values * sign[:, None]).items():
        cases = int(np.isfinite(values).sum())
        mean = measures.mean(values) if cases >= FEWEST_CASES else None
        if mean is None or abs(mean.value) < _NOISE:
            continue
        low, high = (end if np.isfinite(end) else None for end in (mean.low, mean.high))
        if low is None or high is None or low > 0 or high < 0:
            words.append(Word(text, toward, cases, mean.value, low, high, "unreliable" in mean.flags))
    strongest = sorted(words, key=lambda word: -abs(word.mean))[:MOST_WORDS]
    return sorted(strongest, key=lambda word: -word.mean)


def _direction(measures: PartMeasures) -> tuple[np.ndarray, str]:
    """Return by what the contributions of each case are multiplied, and what positive ones then mean."""
    predictions = measures.sample.frame["prediction"]
    if measures.regression:
        return np.ones(len(predictions)), "upwards"
    if len(measures.classes) == 2 and measures.explanations.unit == "log-odds":
        positive = str(measures.classes[1])
        return np.where(predictions.astype(str) == positive, 1.0, -1.0), f"towards {class_text(measures.classes[1])}"
    return np.ones(len(predictions)), "towards the decided class"
