"""What matters over all explained cases: parts of inputs, differences between groups, and what falls on protected parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

import raikit
from raikit import stats
from raikit.arrays import FloatArray
from raikit.format import case_noun
from raikit_explain.estimates.group_shares import ShareDifference, share_differences
from raikit_explain.estimates.measures import Measures, metric_of
from raikit_explain.estimates.parts import PartShares, part_shares

MOST_PARTS = 12
LEAST_WORD = 5  # cases that share a word; one that fewer have says more about them than about the model
NONE_PROTECTED = "no explained case has a protected word or column"


@dataclass(frozen=True)
class Overall:
    """What is shown over all explained cases.

    Attributes
    ----------
    measures : Measures
    parts : PartShares
    modalities : mapping of input name to modality
    protected : list of str
        Words and columns.
    sensitive : sequence of str
    """

    measures: Measures
    parts: PartShares
    modalities: Mapping[str, str]
    protected: list[str]
    sensitive: Sequence[str]

    @classmethod
    def of(cls, measures: Measures, ctx: raikit.CheckContext, protected: Sequence[str]) -> Overall:
        """Gather the shares of parts; sensitive columns that are inputs are protected too."""
        assert ctx.model is not None
        shares = part_shares(measures.explanations.parts)
        columns = {part for name, part in shares.parts if ctx.model.modalities.get(name) == "tabular"}
        named = [*protected, *(column for column in ctx.sensitive if column in columns and column not in protected)]
        return cls(measures, shares, ctx.model.modalities, named, ctx.sensitive)

    def differences(self) -> list[ShareDifference]:
        """Compare groups by what their decisions rest on: the inputs; with one input its columns, regions or bands.

        Words are not compared: they are what people wrote, and no finding or table quotes that.
        """
        sample, explanations = self.measures.sample, self.measures.explanations
        if len(explanations.inputs) > 1:
            shares = np.where(explanations.present, self.measures.by_gradients, np.nan)
            return share_differences(sample, self.sensitive, explanations.inputs, shares, self.measures.level)
        common = [place for place in range(len(self.parts.parts)) if not self.is_word(place)][:MOST_PARTS]
        names = [self.parts.parts[place][1] for place in common]
        return share_differences(sample, self.sensitive, names, self.parts.shares[:, common], self.measures.level)

    def is_word(self, place: int) -> bool:
        """Return whether a part is a word of a text."""
        return self.modalities.get(self.parts.parts[place][0]) == "text"

    def mean(self, values: FloatArray, level: float) -> stats.Interval | None:
        """Compute a mean share with its interval; None where the cases do not show how uncertain it is."""
        mean = self.measures.mean(values, level=level, bounds=(0.0, 1.0))
        return None if mean is None or "unreliable" in mean.flags else mean

    def protected_metrics(self, level: float) -> list[raikit.Metric]:
        """Return the mean share that falls on protected words and columns; nothing if none is declared."""
        if not self.protected:
            return []
        values = self.parts.on(self.protected)
        interval = None if values is None else self.mean(values, level)
        return [metric_of(
            "protected_share", interval, 0 if values is None else int(np.isfinite(values).sum()), NONE_PROTECTED,
            title="share of the decision that falls on protected words and columns", direction="lower", unit="rate",
            way=f"mean over {case_noun()} of |protected parts| / sum |parts|, Integrated Gradients")]
