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
    group_label,
    group_name,
    joined,
    percent,
    points,
    significant,
)
from raikit.format import headline as short_headline
from raikit.naming import clusters_of
from raikit.stats import Gap
from raikit_fairness.estimates.case_counts import Cells
from raikit_fairness.estimates.features import Feature
from raikit_fairness.report.headlines import FindingSubject, Headline, lead_against_reference, rank_headlines
from raikit_fairness.report.wording import crossed, short_points, short_sentence
from raikit_fairness.settings import IntervalSettings

_MOST_ALIKE = 3  # further groups that a sentence names
_MOST_MISSED = 0.10  # where a larger gap in a rate could have stayed unseen, that none is shown is no good news


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
    value, ends = subject.estimates.value, [feature.group(group) for group in (first, second)]
    worse, better = _sides(headline, cells, settings)
    shown = " against ".join(_write(float(value[group]), subject.mean) for group in (first, second))
    pair = [(capitalised(group_cases(ends[0])), group_name(ends[1])), tuple(map(group_label, ends))]
    comparison = _comparison(subject, float(value[first]) < float(value[second]))
    certainty, evidence = _certainty(headline, settings), _evidence((worse, better))
    return raikit.Finding(
        sentence=" ".join([
            short_sentence(*(f"{one} {subject.verb} {comparison} {other}: {shown}." for one, other in pair)),
            f"The gap is {_write_gap(headline)} ({certainty}; {evidence}).",
        ]),
        severity="warn",
        kind="worth_knowing",
        measure=subject.name,
        worse=worse,
        better=better,
        ratio=_ratio(headline),
        facts=_facts(headline, worse, better),
        what=subject.short,
        who=f"{group_name(ends[0])} against {group_name(ends[1])}",
        certainty=certainty,
        metrics=[headline.contrast.address, *subject.cited] if headline.contrast else list(subject.cited),
        figures=[subject.figure] if subject.figure else [],
        group=ends[0],
        **_number_of(headline, settings),
    )  # fmt: skip


def _sides(headline: Headline, cells: Cells, settings: IntervalSettings) -> tuple[raikit.Side, raikit.Side]:
    """Return both ends with their own intervals; without a better direction the first has the higher value."""
    subject, feature = headline.subject, headline.feature
    estimates = subject.estimates
    limits = estimates.intervals(settings.group_level(feature.k))

    def side(group: int) -> raikit.Side:
        value = float(estimates.value[group])
        return raikit.Side(
            group=feature.group(group), value=value, low=min(float(limits.low[group]), value),
            high=max(float(limits.high[group]), value), n=int(estimates.n[group]),
            clusters=_clusters(subject, feature, cells, group),
        )  # fmt: skip

    return side(headline.first), side(headline.second)


def _ratio(headline: Headline) -> tuple[float, float, float] | None:
    """Return first over second with its interval, where the recorded ratio is that of the same two groups."""
    ratio = headline.subject.ratio
    if ratio is None or ratio.gap is None or {ratio.worst, ratio.best} != {headline.first, headline.second}:
        return None
    value, low, high = ratio.gap.value, ratio.gap.low, ratio.gap.high
    if headline.contrast is not None or not 0 < low <= value <= high:
        return None
    return (1 / value, 1 / high, 1 / low) if headline.first == ratio.best else (value, low, high)


def _facts(headline: Headline, worse: raikit.Side, better: raikit.Side) -> list[tuple[str, str]]:
    also = _alike(headline)
    clusters = [f"{joined([count(worse.clusters[name]), count(better.clusters[name])])} {clusters_of(column_text(name))}"
                for name in worse.clusters]  # fmt: skip
    return [*([("Also", also)] if also else []), *([("Clusters of both groups", ", ".join(clusters))] if clusters else [])]


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
    return f"The same holds for {joined([*names[:_MOST_ALIKE], *more])}."


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


def _evidence(sides: Sequence[raikit.Side]) -> str:
    """Write the number of cases and clusters behind both groups."""
    parts = [f"{joined([count(side.n) for side in sides])} {case_noun()}"]
    for name in sides[0].clusters:
        parts.append(f"{joined([count(side.clusters[name]) for side in sides])} {clusters_of(column_text(name))}")
    return ", ".join(parts)


def _clusters(subject: FindingSubject, feature: Feature, cells: Cells, group: int) -> dict[str, int]:
    """Return the number of clusters of a group; a case that shares a cluster with no other is not counted."""
    return {
        name: len(np.unique(codes[subject.counted & (codes >= 0) & (feature.code == group)]))
        for name, codes in zip(cells.cluster_names, cells.clusters, strict=True)
    }


def _no_gap_finding(subjects: Sequence[FindingSubject], feature: Feature, settings: IntervalSettings) -> raikit.Finding:
    judged = [(subject, gap) for subject in subjects if (gap := subject.difference.gap)]
    closest = lead_against_reference(subjects[0], feature, sure=False)
    text = _detectable(judged, feature) if judged else _not_judged(subjects, feature, settings)
    if closest is not None:
        text = _closest(closest, settings)
    return raikit.Finding(
        severity="note",
        what="Gaps over " + feature.title,
        who=feature.title,
        certainty=f"{confidence(settings.level)} CIs include 0" if judged else "",
        metrics=[*([closest.contrast.address] if closest and closest.contrast else []),
                 *(address for subject in subjects for address in subject.cited)],
        **text,
        **(_number_of(closest, settings) if closest else _number_without_finding(subjects[0], settings)),
    )


def _closest(closest: Headline, settings: IntervalSettings) -> dict[str, Any]:
    """Return what is said if no group surely differs from the reference."""
    feature, short = closest.feature, closest.subject.short
    reference, group = (feature.group(at) for at in (closest.second, closest.first))
    size, certainty = _write_gap(closest), _certainty(closest, settings)
    return {
        "kind": "fine",
        "headline": short_headline(f"No gap to {group_cases(reference)} shown by {crossed(feature.columns)}",
                                   f"No gap to the reference shown by {crossed(feature.columns)}", "No gap to the reference shown"),
        "evidence": f"largest difference: {group_name(group)}, {size.replace(' percentage points', ' pp')} in "
                    f"{short.removeprefix('the ')}, {certainty}",
        "sentence": f"No gap to {group_name(reference)} is shown by {crossed(feature.columns)}. "
                    f"The largest difference is {size} in {short}, for {group_name(group)}; {certainty}.",
    }  # fmt: skip


def _detectable(judged: Sequence[tuple[FindingSubject, Gap]], feature: Feature) -> dict[str, Any]:
    """Return what is said if no gap is shown: which would have been. Rates cannot differ by 1: of that size none would."""
    sizes = [
        f"{(significant if subject.mean else short_points)(gap.minimum_detectable)} in {subject.short.removeprefix('the ')}"
        for subject, gap in judged
        if gap.minimum_detectable is not None and (subject.mean or gap.minimum_detectable < 1)
    ]
    by = crossed(feature.columns)
    sentence = f"No gap is shown by {by}"
    if not sizes:
        return {
            "kind": "undecided",
            "headline": short_headline(f"Too few {case_noun()} to show a gap by {by}", f"Too few {case_noun()} to show a gap"),
            "evidence": "none of any size would have been detected (80% power)",
            "sentence": f"{sentence}, but none of any size would have been detected (80% power).",
        }
    (first, gap), *_ = [(subject, gap) for subject, gap in judged if gap.minimum_detectable is not None]
    seen = first.mean or (gap.minimum_detectable or 0.0) <= _MOST_MISSED
    return {
        "kind": "fine" if seen else "undecided",
        "headline": short_headline(f"No gap shown by {by}", "No gap shown") if seen else short_headline(
            f"Too few {case_noun()} to rule out a gap by {by}", f"Too few {case_noun()} to rule out a gap"),
        "evidence": f"one of {sizes[0]} would have been detected (80% power)",
        "sentence": f"{sentence}. One of {sizes[0]} would have been detected (80% power).",
        "facts": [("Also detectable", f"{joined(sizes[1:])} (80% power)")] if sizes[1:] else [],
    }  # fmt: skip


def _not_judged(subjects: Sequence[FindingSubject], feature: Feature, settings: IntervalSettings) -> dict[str, Any]:
    clustered = any(subject.estimates.n_clusters is not None for subject in subjects)
    reason = f"fewer than two of its groups have {settings.min_group} {case_noun()}{' and enough clusters' if clustered else ''}"
    by = crossed(feature.columns)
    return {
        "kind": "undecided",
        "headline": short_headline(f"The gap by {by} cannot be judged", "A gap cannot be judged"),
        "evidence": f"{reason} in any denominator",
        "sentence": f"The gap by {by} cannot be judged: {reason} in any denominator.",
    }


def _number_without_finding(subject: FindingSubject, settings: IntervalSettings) -> dict[str, Any]:
    """Return the gap beside a sentence that finds none, if the metric is over other groups than the sentence."""
    metric, gap = subject.difference.metric, subject.difference.gap
    if metric.value is None or metric.judged is None:
        return {}
    if gap is not None:
        return _partial_gap(gap, subject, settings)
    scope = "over all groups, too few of which can be judged"
    return {"value": metric.value, "low": metric.low, "high": metric.high, "scope": scope}
