"""Findings, tables and the figure of the search over all groups."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

import raikit
from raikit.arrays import IntArray
from raikit.format import (
    as_given,
    capitalised,
    case_noun,
    column_text,
    confidence,
    count,
    group_cases,
    group_label,
    group_name,
    headline,
    percent,
    points,
    sample_size,
)
from raikit.naming import clusters_of
from raikit_fairness.estimates.subgroup_search import (
    SearchResult,
    SearchSettings,
    cluster_counts,
    containing_groups,
    distinct_flagged,
    flagged_by_lower_limit,
)
from raikit_fairness.report.columns import table_columns
from raikit_fairness.report.layers import (
    NOT_SURELY_WORSE,
    WORSE,
    interval_lines,
    reference_line,
    text_at_end,
    unique_labels,
)
from raikit_fairness.report.layers import points as point_layer
from raikit_fairness.report.wording import short_points

_MOST_DOTS, _MOST_ROWS, _MOST_FINDINGS = 15, 200, 3
_MOST_LETTERS = 80
_SIZES = (100, 300, 1_000, 3_000)


def search_findings(result: SearchResult, cited: Sequence[str]) -> list[raikit.Finding]:
    """Return the flagged groups, the clearest first, and what the certificate says of all groups."""
    settings = result.settings
    if result.certificate is None or result.flagged is None:
        reason = f"{count(result.left_out)} groups have fewer than {settings.min_group} {case_noun()} or too few clusters"
        return [raikit.Finding(
            kind="undecided",
            headline=headline(f"No group could be searched for {case_noun()} that {settings.verb}", "No group could be searched"),
            evidence=reason, sentence=f"No group could be searched for {case_noun()} that {settings.verb}: {reason}.",
            what=settings.title, metrics=list(cited),
        )]  # fmt: skip
    groups = distinct_flagged(result)[:_MOST_FINDINGS]
    flagged = [_flagged_finding(result, group, cited, with_count=rank == 0) for rank, group in enumerate(groups)]
    return [*flagged, _certificate_finding(result, cited, none_flagged=not flagged)]


def _flagged_finding(result: SearchResult, group: int, cited: Sequence[str], *, with_count: bool) -> raikit.Finding:
    assert result.flagged is not None and result.groups is not None
    settings, flagged, groups = result.settings, result.flagged, result.groups
    of = result.candidates.group(group)
    name, cases, rest = group_name(of), capitalised(group_cases(of)), f"all other {case_noun()}"
    rates = [percent(rate) for rate in (groups.rates[group], groups.rests[group])]
    low, n = flagged.low[group], int(groups.n_rows[group])
    clusters = [f"{count(many)} {clusters_of(column_text(column))}" for column, many in cluster_counts(result, group)]
    facts = [("Groups flagged", f"{_capitalised(_flagged_count(result))}.")] if with_count else []
    return raikit.Finding(
        kind="worth_knowing",
        headline=headline(f"{cases} {settings.verb} more often than {rest}", f"{cases} {settings.verb} more often",
                          f"{settings.title} more often: {group_label(of)}", f"{settings.title} more often in one group"),
        evidence=f"{settings.title} {' vs '.join(rates)} of {rest}; gap {short_points(flagged.value[group])}, "
                 f"at least {short_points(low)}; n = {count(n)}",
        sentence=f"{cases} {settings.verb} {points(flagged.value[group])} more often than {rest} ({' against '.join(rates)}).",
        facts=[*([("Clusters", ", ".join(clusters))] if clusters else []), *facts],
        severity="warn",
        what=settings.title,
        who=name,
        certainty=f"at least {points(low)}, p adjusted {flagged.p_adjusted[group]:.2g}",
        group=of,
        metrics=list(cited),
        figures=[_figure_id(result)],
        # The metric is the largest excess of any group over all cases; this sentence compares one group with the rest.
        value=flagged.value[group],
        low=low,
        scope=f"{name} against {rest}",
    )  # fmt: skip


def _flagged_count(result: SearchResult) -> str:
    assert result.flagged is not None
    settings, flagged = result.settings, int(result.flagged.flagged.sum())
    verb = "is" if flagged == 1 else "are"
    worse = f" as worse by more than {_as_points(settings.tolerance)}" if settings.tolerance else ""
    return (
        f"{flagged or 'none'} of {count(len(result.candidates))} groups {verb} flagged{worse}, at a false-discovery rate of "
        f"{percent(settings.fdr)}"
    )


def _as_points(setting: float) -> str:
    """Write a setting, which is exact, in percentage points."""
    return f"{as_given(round(setting * 100, 10))} percentage points"


def _certificate_finding(result: SearchResult, cited: Sequence[str], *, none_flagged: bool) -> raikit.Finding:
    """Return what is known of all searched groups: fine only if none of them can be worse by more than the tolerance."""
    assert result.certificate is not None and result.groups is not None
    settings, certificate, searched = result.settings, result.certificate, len(result.candidates)
    level, bound = f"{confidence(settings.level)} confidence", max(certificate.bound, 0.0)
    limiting = int(certificate.high_pointwise.argmax())
    bounded = certificate.bound <= settings.tolerance
    kind: Literal["fine", "undecided", "method"] = "method" if not none_flagged else "fine" if bounded else "undecided"
    groups = "the one searched group" if searched == 1 else f"any of {count(searched)} groups"
    tolerance = _as_points(settings.tolerance).replace(" percentage points", " pp")
    within = "" if bounded else f"; within it in {count(result.certified)}"
    left_out, limiting_size = _left_out(result), sample_size(int(result.groups.n_rows[limiting]))
    return raikit.Finding(
        kind=kind, headline=_certificate_headline(settings, kind),
        evidence=f"excess in {groups} at most {short_points(bound)} ({level}); tolerance {tolerance}{within}",
        sentence=f"With {level}, {case_noun()} in {groups} {settings.verb} at most {points(bound)} more often than all together.",
        facts=[("Groups flagged", f"{_capitalised(_flagged_count(result))}."),
               ("Limit set by", f"{group_name(result.candidates.group(limiting))} ({limiting_size})"),
               *([("Not searched", left_out)] if left_out else [])],
        severity="note", what=settings.title, who="every group", certainty=level, metrics=list(cited),
        figures=[_figure_id(result)],
    )  # fmt: skip


def _certificate_headline(settings: SearchSettings, kind: str) -> str:
    if kind == "fine":
        return headline(f"No searched group has more {case_noun()} that {settings.verb}", "No searched group is worse off")
    if kind == "undecided":
        worse = f"A group that {_singular(settings.verb)} far more often cannot be excluded"
        return headline(worse, "A group that is far worse off cannot be excluded")
    return headline(f"Further groups that {settings.verb} more often cannot be excluded", "Further groups cannot be excluded")


def _singular(verb: str) -> str:
    return verb.replace("are ", "is ", 1) if verb.startswith("are ") else verb


def _left_out(result: SearchResult) -> str:
    """Write which groups were not searched, and why."""
    settings, candidates = result.settings, result.candidates
    parts = []
    if candidates.small:
        parts.append(f"{_groups(candidates.small)} under {settings.min_group} {case_noun()}")
    if result.few_clusters:
        parts.append(f"{_groups(result.few_clusters)} with too few clusters, inside or outside it")
    if candidates.beyond:
        more = candidates.depth + 1
        parts.append(
            f"combinations of {more} or more features (of {more} there are {count(candidates.beyond)} groups, over the "
            f"{count(settings.max_searched)} of max_searched)"
        )
    return "; ".join(parts)


def _groups(number: int) -> str:
    return f"{count(number)} group{'' if number == 1 else 's'}"


def _capitalised(text: str) -> str:
    return text[:1].upper() + text[1:]


def _uncapitalised(text: str) -> str:
    return text[:1].lower() + text[1:]


# --- tables -----------------------------------------------------------------------------------------------------


def search_tables(result: SearchResult) -> list[raikit.Table]:
    """Return the flagged groups, and how much worse any group of at least some size may be."""
    if result.certificate is None:
        return []
    flagged = [_flagged_table(result)] if result.flagged is not None and result.flagged.flagged.any() else []
    return [*flagged, _certificate_table(result)]


def _flagged_table(result: SearchResult) -> raikit.Table:
    assert result.flagged is not None and result.groups is not None
    settings, flagged, groups = result.settings, result.flagged, result.groups
    ranked, containing = flagged_by_lower_limit(result), containing_groups(result)
    columns = table_columns([
        ("group", "Group", "text"), ("value", settings.title, "percent"), ("rest", "The rest", "percent"),
        ("difference", "Difference, points", "number"), ("low", "low", "number"), ("high", "high", "number"),
        ("rows", capitalised(case_noun()), "integer"), ("clusters", "Clusters", "integer"), ("p", "p", "p"),
        ("p_adjusted", "p, adjusted", "p"), ("within", "Part of the flagged", "text"),
    ])  # fmt: skip
    rows: list[list[Any]] = []
    for group in ranked[:_MOST_ROWS]:
        wider = containing[group]
        clusters = min((n for _, n in cluster_counts(result, group)), default=None)
        difference = [100 * float(part[group]) for part in (flagged.value, flagged.low, flagged.high)]
        rows.append([
            result.candidates.label(group), groups.rates[group], groups.rests[group], *difference,
            int(groups.n_rows[group]), clusters, flagged.p_value[group], flagged.p_adjusted[group],
            None if wider is None else result.candidates.label(wider),
        ])  # fmt: skip
    more = f" {count(len(ranked) - len(rows))} more are flagged." if len(ranked) > len(rows) else ""
    return raikit.Table(
        id=f"flagged-{settings.harm.measure}",
        title=f"Groups flagged: {_uncapitalised(settings.title)}",
        columns=columns,
        rows=rows,
        note=f"{_capitalised(_flagged_count(result))}.{more} {_capitalised(str(flagged.method))}. "
        "Limits are adjusted for the selection of groups; a group is flagged if the lower limit is above "
        f"{_as_points(settings.tolerance)}.",
    )


def _certificate_table(result: SearchResult) -> raikit.Table:
    """Return the certificate over all groups, and the tighter ones over those of at least 100, 300 … cases."""
    assert result.certificate is not None and result.groups is not None
    certificate, n, settings = result.certificate, result.groups.n_rows, result.settings
    columns = table_columns([
        ("least", f"Groups of at least so many {case_noun()}", "integer"), ("groups", "Groups", "integer"),
        ("worst", f"Worst, points above all {case_noun()}", "number"), ("bound", "None is worse by more than", "number"),
        ("set_by", "Set by", "text"),
    ])  # fmt: skip
    rows: list[list[Any]] = []
    for least in (settings.min_group, *(size for size in _SIZES if size > settings.min_group)):
        kept = np.flatnonzero(n >= least)
        if len(kept):
            limiting = int(kept[np.argmax(certificate.high_pointwise[kept])])
            worst, bound = certificate.value[kept].max(), certificate.high_pointwise[limiting]
            name = result.candidates.label(limiting)
            rows.append([least, len(kept), 100 * float(worst), 100 * float(bound), name])
    left_out, repeated = _left_out(result), result.candidates.repeated
    return raikit.Table(
        id=f"certificate-{settings.harm.measure}",
        title=f"Certificate: {_uncapitalised(settings.title)}",
        columns=columns,
        rows=rows,
        note=f"Each line by itself holds with {confidence(settings.level)} confidence. {_capitalised(str(certificate.method))}."
        + (f" Not searched: {left_out}." if left_out else "")
        + (f" {count(repeated)} groups with the same {case_noun()} as a simpler one were searched once." if repeated else ""),
    )


# --- the figure -------------------------------------------------------------------------------------------------


def search_figures(result: SearchResult) -> list[raikit.Figure]:
    """Draw the worst groups against all cases together, with the certificate."""
    if result.certificate is None or result.flagged is None or result.groups is None:
        return []
    certificate, settings, searched = result.certificate, result.settings, len(result.candidates)
    groups = [int(group) for group in _drawn_groups(result)]
    labels = unique_labels([group_label(result.candidates.group(group))[:_MOST_LETTERS] for group in groups])
    data = [_dot(result, group, label) for group, label in zip(groups, labels, strict=True)]
    drawn = f"{len(data)} of {count(searched)} groups" if len(data) < searched else f"all {count(searched)} groups"
    worst = "; ".join(f"{row['label']} {points(row['value'], signed=True)}" for row in data[:6])
    level = confidence(settings.level)
    return [
        raikit.Figure(
            id=_figure_id(result),
            title=f"{settings.title}, by group: {drawn}",
            subtitle=f"Difference to all {case_noun()} together (dashed, {percent(result.groups.overall)}); {level} CIs of "
                     f"each group "
            "by itself; triangle: flagged; dotted: no group is worse by more",
            alt=f"{settings.title}, difference to all {case_noun()}, from the worst: {worst}. With {level} confidence no group is "
            f"worse by more than {points(certificate.bound)}.",
            spec=_figure_spec(labels, certificate.bound),
            data=data,
        )
    ]


def _figure_spec(labels: list[str], bound: float) -> dict[str, Any]:
    y = {"field": "label", "type": "nominal", "sort": labels, "title": None, "axis": {"labelLimit": 320}}
    x = {
        "field": "value", "type": "quantitative", "title": None, "axis": {"format": "+.0%", "tickCount": 5},
        "scale": {"zero": True, "nice": True},
    }  # fmt: skip
    layers = [
        reference_line(0.0),
        reference_line(bound, "var(--ink-2)", (1, 3)),
        interval_lines(x, y, "true"),
        point_layer(x, y, NOT_SURELY_WORSE, shape="circle", filled=True),
        point_layer(x, y, WORSE, shape="triangle-up", filled=True, size=110),
        text_at_end(y),
    ]
    return {"height": {"step": 26}, "layer": layers}


def _drawn_groups(result: SearchResult) -> IntArray:
    """Return the groups to draw: flagged ones first, by the lower limit; then ordered by value."""
    assert result.certificate is not None and result.flagged is not None
    chosen = np.lexsort((-result.certificate.low_pointwise, ~result.flagged.flagged))[:_MOST_DOTS]
    drawn: IntArray = chosen[np.argsort(-result.certificate.value[chosen], kind="stable")]
    return drawn


def _dot(result: SearchResult, group: int, label: str) -> dict[str, Any]:
    assert result.certificate is not None and result.flagged is not None and result.groups is not None
    certificate, n = result.certificate, int(result.groups.n_rows[group])
    return {
        "label": label,
        "mark": WORSE if result.flagged.flagged[group] else NOT_SURELY_WORSE,
        "rows": n,
        "value": float(certificate.value[group]),
        "low": float(certificate.low_pointwise[group]),
        "high": float(certificate.high_pointwise[group]),
        "shown": f"{percent(result.groups.rates[group])} of {count(n)}",
    }


def _figure_id(result: SearchResult) -> str:
    return f"search-{result.settings.harm.measure}"
