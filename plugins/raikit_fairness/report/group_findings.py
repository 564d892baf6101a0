"""Findings about groups: which are worse off, by how much, with which certainty, from how much data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import raikit
from raikit.arrays import BoolArray
from raikit.format import confidence, confidence_interval, count, joined, percent, points, significant
from raikit.stats import Gap
from raikit_fairness.estimates.case_counts import Cells
from raikit_fairness.estimates.disparities import Disparity
from raikit_fairness.estimates.features import Feature
from raikit_fairness.estimates.group_estimates import Estimates
from raikit_fairness.settings import IntervalSettings


@dataclass(frozen=True)
class FindingSubject:
    """A metric that findings are about.

    Parameters
    ----------
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
    lower_is_worse : bool
        Whether the group with the lower value is named first.
    """

    estimates: Estimates
    difference: Disparity
    verb: str
    short: str
    figure: str | None
    counted: BoolArray
    cited: Sequence[str]
    mean: bool = False
    lower_is_worse: bool = False


def group_findings(
    subjects: Mapping[tuple[str, ...], Sequence[FindingSubject]], cells: Cells, settings: IntervalSettings
) -> list[raikit.Finding]:
    """Return one finding per feature and metric with an established gap, the surest first; else a note per feature."""
    ranked: list[tuple[float, raikit.Finding]] = []
    notes = []
    for feature in cells.features:
        of_feature = subjects[feature.columns]
        proven = [(subject, gap) for subject in of_feature if (gap := subject.difference.gap) and gap.low > 0]
        for subject, gap in proven:
            # Means have no common scale, so the distance of the interval to 0 is taken in units of its own upper end.
            size = gap.low / max(gap.high, 1e-12) if subject.mean else gap.low
            ranked.append((-size, _gap_finding(subject, gap, feature, cells, settings)))
        if not proven and feature.k > 1:
            notes.append(_no_gap_finding(of_feature, feature, settings))
    return [finding for _, finding in sorted(ranked, key=lambda pair: pair[0])] + notes


def _gap_finding(
    subject: FindingSubject, gap: Gap, feature: Feature, cells: Cells, settings: IntervalSettings
) -> raikit.Finding:  # fmt: skip
    value = subject.estimates.value
    ends = sorted((subject.difference.worst, subject.difference.best), key=lambda group: float(value[group]))
    first, second = ends if subject.lower_is_worse else ends[::-1]
    who, other = feature.name(first), feature.name(second)
    shown = " against ".join(_write(float(value[group]), subject.mean) for group in (first, second))
    unit = None if subject.mean else "points"
    certainty = confidence_interval(gap.low, gap.high, unit, level=settings.level)
    comparison = "larger than those of" if subject.mean else f"{'less' if subject.lower_is_worse else 'more'} often than"
    shown += f", a gap of {significant(gap.value) if subject.mean else points(gap.value)}"
    evidence = _evidence(subject, feature, cells, (first, second))
    partial = subject.difference.metric.judged is not None
    return raikit.Finding(
        sentence=f"Cases with {who} {subject.verb} {comparison} {other} ({shown}; {certainty}; {evidence}).",
        severity="warn",
        what=subject.short,
        who=f"{who} against {other}",
        certainty=certainty,
        metrics=list(subject.cited),
        figures=[subject.figure] if subject.figure else [],
        group=feature.group(first),
        # The metric is over all groups. This sentence is about those large enough to be judged.
        **_partial_gap(gap, subject, settings) if partial else {},
    )


def _partial_gap(gap: Gap, subject: FindingSubject, settings: IntervalSettings) -> dict[str, Any]:
    """Return the gap over the judged groups, labelled as one."""
    clusters = " and enough clusters" if subject.estimates.n_clusters is not None else ""
    return {"value": gap.value, "low": min(gap.low, gap.value), "high": max(gap.high, gap.value),
            "scope": f"over groups with at least {settings.min_group} cases{clusters}"}  # fmt: skip


def _write(value: float, mean: bool) -> str:
    return significant(value, 4) if mean else percent(value)


def _evidence(subject: FindingSubject, feature: Feature, cells: Cells, groups: tuple[int, int]) -> str:
    """Write the number of cases and clusters behind both groups."""
    n = joined([count(int(subject.estimates.n[group])) for group in groups])
    parts = [f"{n} cases"]
    for name, codes in zip(cells.cluster_names, cells.clusters, strict=True):
        shared = subject.counted & (codes >= 0)  # a case that shares a cluster with no other is not counted
        clusters = [len(np.unique(codes[shared & (feature.code == group)])) for group in groups]
        parts.append(f"{joined([count(many) for many in clusters])} {plural(name)}")
    return ", ".join(parts)


def plural(name: str) -> str:
    """Return a cluster column's name for a number of clusters: ``speakers``; unusual names keep their shape."""
    return f"{name}s" if name.isalpha() and name.isascii() and not name.endswith("s") else f"of {name}"


def _no_gap_finding(subjects: Sequence[FindingSubject], feature: Feature, settings: IntervalSettings) -> raikit.Finding:
    judged = [(subject, gap) for subject in subjects if (gap := subject.difference.gap)]
    if judged:
        sentence = f"No gap is established over {feature.title}; {_detectable(judged)} (80% power)."
    else:
        clustered = any(subject.estimates.n_clusters is not None for subject in subjects)
        sentence = (
            f"No gap over {feature.title} could be judged: fewer than two of its groups have {settings.min_group} cases"
            f"{' and enough clusters' if clustered else ''} in any denominator."
        )
    return raikit.Finding(
        sentence=sentence,
        severity="note",
        what="Gaps over " + feature.title,
        who=feature.title,
        certainty=f"{confidence(settings.level)} CIs include 0" if judged else "",
        metrics=[address for subject in subjects for address in subject.cited],
        **_number_without_finding(subjects[0], settings),
    )


def _detectable(judged: Sequence[tuple[FindingSubject, Gap]]) -> str:
    """Say which gaps would have been detected; a rate cannot differ by 1 or more, so such a gap says that none would."""
    sizes = [
        f"{(significant if subject.mean else points)(gap.minimum_detectable)} in {subject.short}"
        for subject, gap in judged
        if gap.minimum_detectable is not None and (subject.mean or gap.minimum_detectable < 1)
    ]
    return f"one of {', '.join(sizes)} would have been detected" if sizes else "none of any size would have been detected"


def _number_without_finding(subject: FindingSubject, settings: IntervalSettings) -> dict[str, Any]:
    """Return the gap beside a sentence that finds none, if the metric is over other groups than the sentence."""
    metric, gap = subject.difference.metric, subject.difference.gap
    if metric.value is None or metric.judged is None:
        return {}
    if gap is not None:
        return _partial_gap(gap, subject, settings)
    scope = "over all groups, too few of which can be judged"
    return {"value": metric.value, "low": metric.low, "high": metric.high, "scope": scope}
