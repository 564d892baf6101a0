"""What the standard measures say of a case, for headlines that tell who is harmed by what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from raikit.format import case_noun, class_text
from raikit.naming import names_in_use

Denominator = Literal["positives", "negatives", ""]


@dataclass(frozen=True)
class MeasureWords:
    """The words of a measure.

    Parameters
    ----------
    verb : str
        What happens to a case, to follow its group; ``{positive}`` is the positive class. Empty: the measure is named instead.
    denominator : {"positives", "negatives", ""}
        The cases that it is taken over; empty for all.
    higher_is_better : bool or None
        None where that depends on what a decision means.
    """

    verb: str = ""
    denominator: Denominator = ""
    higher_is_better: bool | None = None


WORDS = {
    "false_negative_rate": MeasureWords("are missed", "positives", False),
    "false_positive_rate": MeasureWords("are wrongly labelled “{positive}”", "negatives", False),
    "selection_rate": MeasureWords("are labelled “{positive}”"),
    "accuracy": MeasureWords("are predicted right", "", True),
    "error_rate": MeasureWords("are predicted wrong", "", False),
}

# A gap of true positive rates is one of false negative rates, between the same groups. The second is told from the side of
# those who are harmed.
TOLD_AS = {"true_positive_rate": "false_negative_rate"}


def words_of_measure(name: str, positive: object = None) -> MeasureWords:
    """Return the words of a measure, with those of ``data.harms`` and the label of the positive class."""
    known = WORDS.get(name, MeasureWords())
    verb = names_in_use().harms.get(name) or known.verb.format(positive=class_text(positive))
    return MeasureWords(verb, known.denominator, known.higher_is_better)


def denominator_text(denominator: Denominator) -> str:
    """Return what the cases of a denominator are called: by ``data.denominators``, else ``positive cases``.

    Examples
    --------
    >>> denominator_text("positives"), denominator_text("")
    ('positive cases', 'cases')
    """
    if not denominator:
        return case_noun()
    return names_in_use().denominators.get(denominator) or f"{denominator.removesuffix('s')} {case_noun()}"
