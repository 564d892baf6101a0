"""The number that leads what is said about a metric over a feature, the same one in a report and in a notebook."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from raikit.arrays import BoolArray
from raikit_fairness.estimates.disparities import Disparity
from raikit_fairness.estimates.features import Feature
from raikit_fairness.estimates.group_estimates import Estimates

HEADLINE_COLUMNS = (
    "feature", "measure", "group", "against", "group_value", "against_value", "gap", "low", "high", "established",
)  # fmt: skip


@dataclass(frozen=True)
class ReferenceContrast:
    """A group minus the reference, in the metric of a finding.

    Parameters
    ----------
    group : int
    value, low, high : float
        The limits hold for all groups of the feature at once.
    address : str
        Of the recorded metric, which may be the contrast of the complement.
    """

    group: int
    value: float
    low: float
    high: float
    address: str

    @property
    def distance(self) -> float:
        """Return how far the interval is from 0, on either side; at most 0 if it covers 0."""
        return max(self.low, -self.high)


@dataclass(frozen=True)
class FindingSubject:
    """A metric that findings are about.

    Parameters
    ----------
    name : str
        Of the metric: ``false_negative_rate``.
    estimates : Estimates
        Of what happens to a group's cases.
    difference : Disparity
        It may be that of the complement: the same gap between the same groups.
    verb : str
        What happens to cases, to follow the group: ``are missed``.
    short : str
        ``the false negative rate``.
    figure : str or None
        Id of the figure that shows it.
    counted : ndarray of bool
        Cells in the denominator.
    cited : sequence of str
        Addresses, first that of the difference.
    mean : bool
        Whether it is a mean in the target's own unit, not a rate.
    direction : {"lower", "higher"} or None
        Which values are better for a group.
    reference : int or None
        The group that others are compared with.
    contrasts : sequence of ReferenceContrast
        Of the groups that can be judged; empty if the reference cannot.
    ratio : Disparity or None
        Of the same measure, over the same groups.
    """

    name: str
    estimates: Estimates
    difference: Disparity
    verb: str
    short: str
    figure: str | None
    counted: BoolArray
    cited: Sequence[str]
    mean: bool = False
    direction: str | None = None
    reference: int | None = None
    contrasts: Sequence[ReferenceContrast] = field(default_factory=tuple)
    ratio: Disparity | None = None

    @property
    def lower_is_worse(self) -> bool:
        """Return whether the group with the lower value is named first."""
        return self.direction == "higher"

    def worse_off(self, contrast: ReferenceContrast) -> bool:
        """Return whether the group is worse off than the reference; without a direction, every other group is."""
        return {"lower": contrast.value > 0, "higher": contrast.value < 0}.get(self.direction or "", True)


@dataclass(frozen=True)
class Headline:
    """Two groups and the difference between them, as a finding states it.

    Parameters
    ----------
    subject : FindingSubject
    feature : Feature
    first, second : int
        `first` is the group that the sentence is about; `second` is the reference if there is one.
    value, low, high : float
        The size of the difference.
    contrast : ReferenceContrast or None
        Set if the difference is one to the reference.
    alike : sequence of int
        Further groups that surely differ from the reference in the same direction, the surest first.
    established : bool
        Whether the interval excludes 0.
    """

    subject: FindingSubject
    feature: Feature
    first: int
    second: int
    value: float
    low: float
    high: float
    contrast: ReferenceContrast | None = None
    alike: Sequence[int] = ()
    established: bool = True

    @property
    def size(self) -> float:
        """Return the lower end; means have no common scale, so theirs is taken in units of the upper end."""
        return self.low / max(self.high, 1e-12) if self.subject.mean else self.low


def rank_headlines(
    subjects: Mapping[tuple[str, ...], Sequence[FindingSubject]], features: Sequence[Feature]
) -> list[Headline]:
    """Return one headline per feature and metric with an established difference, the surest first.

    Where a feature has a reference, its headline is the difference to the reference, and these lead the others. If no group
    surely differs from the reference, the largest gap between any two groups may still be established.
    """
    headlines = [
        headline
        for feature in features
        for subject in subjects.get(feature.columns, ())
        if (headline := lead_against_reference(subject, feature) or lead_of_all(subject, feature)).established
    ]
    return sorted(headlines, key=lambda headline: (headline.contrast is None, -headline.size))


def headline_frame(
    subjects: Mapping[tuple[str, ...], Sequence[FindingSubject]], features: Sequence[Feature]
) -> pd.DataFrame:
    """Return the headlines as rows, then for each feature without any its first metric, as `group_findings` orders them."""
    headlines = rank_headlines(subjects, features)
    led = {headline.feature.columns for headline in headlines}
    for feature in features:
        if feature.k > 1 and feature.columns not in led and (first := list(subjects.get(feature.columns, ()))[:1]):
            headlines.append(lead_against_reference(first[0], feature, sure=False) or lead_of_all(first[0], feature))
    return pd.DataFrame([_row(headline) for headline in headlines], columns=list(HEADLINE_COLUMNS))


def _row(headline: Headline) -> list[Any]:
    ends = [headline.first, headline.second]
    names = ["" if end < 0 else value_text(headline.feature.groups[end]) for end in ends]
    values = [np.nan if end < 0 else float(headline.subject.estimates.value[end]) for end in ends]
    return [
        headline.feature.key, headline.subject.name, *names, *values, headline.value, headline.low, headline.high,
        headline.established,
    ]  # fmt: skip


def value_text(group: tuple[str | None, ...]) -> str:
    """Return the values of a group, as the tables of an assessment name it."""
    return ", ".join("missing" if value is None else value for value in group)


def lead_against_reference(subject: FindingSubject, feature: Feature, *, sure: bool = True) -> Headline | None:
    """Return the difference to the reference that is surest, first among groups that are worse off than the reference.

    Parameters
    ----------
    subject, feature
    sure : bool
        Whether the interval must exclude 0; else the one that comes closest to that is returned.

    Returns
    -------
    Headline or None
        None without a reference, or if no group can be judged or none differs surely.
    """
    contrasts = [contrast for contrast in subject.contrasts if contrast.distance > 0 or not sure]
    if not contrasts or subject.reference is None:
        return None
    ordered = sorted(contrasts, key=lambda contrast: (not subject.worse_off(contrast), -contrast.distance))
    lead = ordered[0]
    alike = [other.group for other in ordered[1:] if (other.value > 0) == (lead.value > 0) and other.distance > 0]
    low, high = (lead.low, lead.high) if lead.value >= 0 else (-lead.high, -lead.low)
    return Headline(
        subject, feature, lead.group, subject.reference, abs(lead.value), low, high, lead, alike, lead.distance > 0
    )


def lead_of_all(subject: FindingSubject, feature: Feature) -> Headline:
    """Return the largest gap over the groups that can be judged, whether or not it is established."""
    difference, value = subject.difference, subject.estimates.value
    gap, metric = difference.gap, difference.metric
    if gap is None:
        nan = float("nan")
        return Headline(
            subject, feature, -1, -1, nan if metric.value is None else metric.value, nan, nan, established=False
        )
    ends = sorted((difference.worst, difference.best), key=lambda group: float(value[group]))
    first, second = ends if subject.lower_is_worse else ends[::-1]
    return Headline(
        subject, feature, first, second, gap.value, min(gap.low, gap.value), max(gap.high, gap.value),
        established=gap.low > 0,
    )  # fmt: skip
