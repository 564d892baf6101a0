"""Findings about groups: which are worse off, by how much, with which certainty, from how much data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

import raikit
from raikit.format import (
    capitalised,
    case_noun,
    column_text,
    confidence,
    confidence_interval,
    count,
    group_cases,
    group_name,
    joined,
    percent,
    points,
    significant,
)
from raikit.naming import plural_of
from raikit.stats import Gap
from raikit_fairness.estimates.case_counts import Cells
from raikit_fairness.estimates.features import Feature
from raikit_fairness.report.headlines import FindingSubject, Headline, lead_against_reference, rank_headlines
from raikit_fairness.settings import IntervalSettings

_MOST_ALIKE = 3  # further groups that a sentence names


def group_findings(
    subjects: Mapping[tuple[str, ...], Sequence[FindingSubject]], cells: Cells, settings: IntervalSettings
) -> list[raikit.Finding]:
    """Return one finding per headline, in their order; then a note per feature without any."""
    headlines = rank_headlines(subjects, cells.features)
    led = {headline.feature.columns for headline in headlines}
    return [
        *(_gap_finding(headline, cells, settings) for headline in headlines),
        *(
            _no_gap_finding(subjects[feature.columns], feature, settings)
            for feature in cells.features
            if feature.k > 1 and feature.columns not in led and feature.columns in subjects
        ),
    ]


def _gap_finding(headline: Headline, cells: Cells, settings: IntervalSettings) -> raikit.Finding:
    subject, feature, first, second = headline.subject, headline.feature, headline.first, headline.second
    value = subject.estimates.value
    who, other = (group_name(feature.group(group)) for group in (first, second))
    shown = " against ".join(_write(float(value[group]), subject.mean) for group in (first, second))
    certainty = _certainty(headline, settings)
    shown += f", a gap of {_write_gap(headline)}"
    evidence = _evidence(subject, feature, cells, (first, second))
    comparison = _comparison(subject, float(value[first]) < float(value[second]))
    return raikit.Finding(
        sentence=f"{capitalised(group_cases(feature.group(first)))} {subject.verb} {comparison} {other} ({shown}; {certainty}; "
                 f"{evidence}).{_alike(headline)}",
        severity="warn",
        what=subject.short,
        who=f"{who} against {other}",
        certainty=certainty,
        metrics=[headline.contrast.address, *subject.cited] if headline.contrast else list(subject.cited),
        figures=[subject.figure] if subject.figure else [],
        group=feature.group(first),
        **_number_of(headline, settings),
    )


def _number_of(headline: Headline, settings: IntervalSettings) -> dict[str, Any]:
    """Return the number of the sentence, labelled, where it is not that of the first metric."""
    subject, gap = headline.subject, headline.subject.difference.gap
    if headline.contrast is not None:
        scope = f"{subject.short.removeprefix('the ')}, against {group_name(headline.feature.group(headline.second))}"
        return {"value": headline.value, "low": headline.low, "high": headline.high, "scope": scope}
    # The metric is over all groups. This sentence is about those large enough to be judged.
    partial = subject.difference.metric.judged is not None and gap is not None
    return _partial_gap(gap, subject, settings) if partial and gap is not None else {}


def _comparison(subject: FindingSubject, lower: bool) -> str:
    if subject.mean:
        return "smaller than those of" if lower else "larger than those of"
    return f"{'less' if lower else 'more'} often than"


def _alike(headline: Headline) -> str:
    """Name the further groups that surely differ from the reference in the same direction."""
    names = [group_name(headline.feature.group(group)) for group in headline.alike]
    if not names:
        return ""
    more = [f"{len(names) - _MOST_ALIKE} more"] if len(names) > _MOST_ALIKE else []
    return f" The same holds for {joined([*names[:_MOST_ALIKE], *more])}."


def _certainty(headline: Headline, settings: IntervalSettings) -> str:
    unit = None if headline.subject.mean else "points"
    return confidence_interval(headline.low, headline.high, unit, level=settings.level)


def _write_gap(headline: Headline) -> str:
    return significant(headline.value) if headline.subject.mean else points(headline.value)


def _partial_gap(gap: Gap, subject: FindingSubject, settings: IntervalSettings) -> dict[str, Any]:
    """Return the gap over the judged groups, labelled as one."""
    clusters = " and enough clusters" if subject.estimates.n_clusters is not None else ""
    return {"value": gap.value, "low": min(gap.low, gap.value), "high": max(gap.high, gap.value),
            "scope": f"over groups with at least {settings.min_group} {case_noun()}{clusters}"}  # fmt: skip


def _write(value: float, mean: bool) -> str:
    return significant(value, 4) if mean else percent(value)


def _evidence(subject: FindingSubject, feature: Feature, cells: Cells, groups: tuple[int, int]) -> str:
    """Write the number of cases and clusters behind both groups."""
    n = joined([count(int(subject.estimates.n[group])) for group in groups])
    parts = [f"{n} {case_noun()}"]
    for name, codes in zip(cells.cluster_names, cells.clusters, strict=True):
        shared = subject.counted & (codes >= 0)  # a case that shares a cluster with no other is not counted
        clusters = [len(np.unique(codes[shared & (feature.code == group)])) for group in groups]
        parts.append(f"{joined([count(many) for many in clusters])} {plural(column_text(name))}")
    return ", ".join(parts)


def plural(name: str) -> str:
    """Return a cluster column's name for a number of clusters: ``speakers``; unusual names keep their shape."""
    return plural_of(name) if name.isalpha() and name.isascii() and not name.endswith("s") else f"of {name}"


def _no_gap_finding(subjects: Sequence[FindingSubject], feature: Feature, settings: IntervalSettings) -> raikit.Finding:
    judged = [(subject, gap) for subject in subjects if (gap := subject.difference.gap)]
    closest = lead_against_reference(subjects[0], feature, sure=False)
    if closest:
        sentence = (
            f"No difference to {group_name(feature.group(closest.second))} is established over {feature.title}. The closest to "
            f"it is "
            f"{_write_gap(closest)} in {subjects[0].short}, for {group_name(feature.group(closest.first))} "
            f"({_certainty(closest, settings)})."
        )
    elif judged:
        sentence = f"No gap is established over {feature.title}; {_detectable(judged)} (80% power)."
    else:
        clustered = any(subject.estimates.n_clusters is not None for subject in subjects)
        sentence = (
            f"No gap over {feature.title} could be judged: fewer than two of its groups have {settings.min_group} {case_noun()}"
            f"{' and enough clusters' if clustered else ''} in any denominator."
        )
    return raikit.Finding(
        sentence=sentence,
        severity="note",
        what="Gaps over " + feature.title,
        who=feature.title,
        certainty=f"{confidence(settings.level)} CIs include 0" if judged else "",
        metrics=[*([closest.contrast.address] if closest and closest.contrast else []),
                 *(address for subject in subjects for address in subject.cited)],
        **(_number_of(closest, settings) if closest else _number_without_finding(subjects[0], settings)),
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
