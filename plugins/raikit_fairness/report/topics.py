"""The measures that the check of groups reports, with their words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import raikit
from raikit.arrays import BoolArray
from raikit_fairness import measures
from raikit_fairness.estimates.case_counts import Cells
from raikit_fairness.measures import Measure


@dataclass(frozen=True)
class Topic:
    """A measure that is reported and drawn.

    Parameters
    ----------
    measure : Measure
    difference, ratio : str
        Names of its disparities, under which it is a finding.
    judged_by : str
        Measure whose comparison with the rest or a reference says which groups are worse: itself, or its complement.
    verb, short, title : str
        What happens to cases; the measure in a sentence, and as a heading.
    in_heat_maps : bool
    """

    measure: Measure
    difference: str
    ratio: str | None
    judged_by: str
    verb: str
    short: str
    title: str
    in_heat_maps: bool = False

    def in_own_measure(self, contrasts: Sequence[raikit.Metric]) -> Sequence[raikit.Metric]:
        """Return contrasts of `judged_by` as contrasts of the measure, which may be its complement."""
        if self.judged_by == self.measure.name:
            return contrasts
        return [
            metric.model_copy(
                update={"value": -(metric.value or 0.0), "low": -(metric.high or 0.0), "high": -(metric.low or 0.0)}
            )
            for metric in contrasts
        ]

    def directed(self, favourable: bool | None) -> Topic:
        """Return the topic with a better direction, if it is known whether being selected is good for a person."""
        if self.measure is not measures.SELECTION_RATE or favourable is None:
            return self
        return replace(self, measure=replace(self.measure, direction="higher" if favourable else "lower"))

    def denominator(self, cells: Cells, positive: int) -> BoolArray:
        """Return the cells that the measure is taken over."""
        if self.measure is measures.FNR:
            positives: BoolArray = cells.truth == positive
            return positives
        if self.measure is measures.FPR:
            negatives: BoolArray = cells.truth != positive
            return negatives
        return cells.n > 0


TOPICS = {
    "binary": [
        Topic(
            measures.FNR, "equal_opportunity_difference", "false_negative_rate_ratio", "true_positive_rate",
            "are missed", "the false negative rate", "False negative rate", in_heat_maps=True,
        ),
        Topic(
            measures.FPR, "false_positive_rate_difference", "false_positive_rate_ratio", "false_positive_rate",
            "are wrongly labelled “{positive}”", "the false positive rate", "False positive rate",
        ),
        Topic(
            measures.SELECTION_RATE, "demographic_parity_difference", "demographic_parity_ratio", "selection_rate",
            "are labelled “{positive}”", "the selection rate", "Selection rate",
        ),
    ],
    "multiclass": [
        Topic(
            measures.ACCURACY, "accuracy_difference", "accuracy_ratio", "accuracy",
            "are predicted right", "the accuracy", "Accuracy", in_heat_maps=True,
        ),
    ],
    "regression": [
        Topic(
            measures.MAE, "mean_absolute_error_difference", "mean_absolute_error_ratio", "mean_absolute_error",
            "have mean absolute errors", "the mean absolute error", "Mean absolute error", in_heat_maps=True,
        ),
    ],
}  # fmt: skip
TABLE_MEASURES = {
    "binary": ["selection_rate", "true_positive_rate", "false_positive_rate"],
    "multiclass": ["accuracy"],
    "regression": [measure.name for measure in measures.REGRESSION],
}
