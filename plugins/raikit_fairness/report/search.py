"""What a search found, in sentences, two tables and a figure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import raikit
from raikit_fairness.report import figures as drawing
from raikit_fairness.report.findings import _plural

if TYPE_CHECKING:
    from raikit_fairness.checks.search import Searched
    from raikit_fairness.estimates.case_counts import IntArray

_MOST_DOTS, _MOST_ROWS, _MOST_SENTENCES = 15, 200, 3
_SIZES = (100, 300, 1_000, 3_000)


def findings(found: Searched, cited: Sequence[str]) -> list[raikit.Finding]:
    """Say which groups are flagged, the clearest first, and what the certificate says of all."""
    scope = found.scope
    if found.certificate is None or found.flagged is None:
        why = f"{found.left_out:,} groups have fewer than {scope.min_group} rows or too few clusters"
        return [raikit.Finding(sentence=f"No group could be searched for rows that {scope.doing}: {why}.", what=scope.title,
                               metrics=list(cited))]
    told = _apart(found)[:_MOST_SENTENCES]
    said = [_flagged(found, at, cited, with_count=number == 0) for number, at in enumerate(told)]
    return [*said, _certificate(found, cited, none_flagged=not said)]


def _flagged(found: Searched, at: int, cited: Sequence[str], *, with_count: bool) -> raikit.Finding:
    assert found.flagged is not None and found.groups is not None
    scope, name, result = found.scope, found.candidates.name(at), found.flagged
    points = f"{result.value[at] * 100:.3g} points"
    rates = f"{found.groups.rates[at] * 100:.1f} % against {found.groups.rests[at] * 100:.1f} %"
    sure = f"at least {result.low[at] * 100:.3g} points"
    rows = ", ".join([f"{found.groups.n_rows[at]:,} rows", *(
        f"{count:,} {_plural(column)}" for column, count in _clusters(found, at))])
    count = f"; {_count(found)}" if with_count else ""
    return raikit.Finding(
        sentence=f"Rows with {name} {scope.doing} {points} more often than the rest ({rates}; {sure}; {rows}){count}.",
        severity="warn", what=scope.title, who=name, certainty=f"{sure}, p adjusted {result.p_adjusted[at]:.2g}",
        group=found.candidates.group(at), metrics=list(cited), figures=[_figure_id(found)],
    )


def _count(found: Searched) -> str:
    assert found.flagged is not None
    scope, flagged = found.scope, int(found.flagged.flagged.sum())
    are = "is" if flagged == 1 else "are"
    worse = f" as worse by more than {scope.tolerance * 100:g} points" if scope.tolerance else ""
    return (f"{flagged or 'none'} of {len(found.candidates):,} groups {are} flagged{worse}, at a false-discovery rate of "
            f"{scope.fdr * 100:g} %")


def _certificate(found: Searched, cited: Sequence[str], *, none_flagged: bool) -> raikit.Finding:
    assert found.certificate is not None and found.groups is not None
    scope, bounded = found.scope, found.certificate
    level, bound = f"{scope.level * 100:g} % confidence", f"{max(bounded.bound, 0.0) * 100:.3g} points"
    groups = "the one group" if len(found.candidates) == 1 else f"any of these {len(found.candidates):,} groups"
    tolerance = f", in {found.certified:,} of them at most {scope.tolerance * 100:g} points" if scope.tolerance else ""
    setting = int(bounded.high_pointwise.argmax())
    parts = [
        f"With {level} rows in {groups} {scope.doing} at most {bound} more often than all rows together{tolerance}",
        f"the limit is set by {found.candidates.name(setting)} ({found.groups.n_rows[setting]:,} rows)",
    ]
    sentence = "; ".join(parts) + "."
    if none_flagged:
        told = _count(found)
        sentence = f"{told[0].upper()}{told[1:]}. {sentence}"
    if left_out := _left_out(found):
        sentence += f" Not looked at: {left_out}."
    return raikit.Finding(sentence=sentence, severity="note", what=scope.title, who="every group", certainty=level,
                          metrics=list(cited), figures=[_figure_id(found)])


def _left_out(found: Searched) -> str:
    """Groups that were not looked at, and why."""
    scope, groups = found.scope, found.candidates
    parts = []
    if groups.small:
        parts.append(f"{_groups(groups.small)} under {scope.min_group} rows")
    if found.few_clusters:
        parts.append(f"{_groups(found.few_clusters)} with too few clusters, inside or outside it")
    if groups.beyond:
        parts.append(f"combinations of {groups.depth + 1} or more features (of {groups.depth + 1} there are {groups.beyond:,} "
                     f"groups, over the {scope.most:,} of max_searched)")
    return "; ".join(parts)


def _groups(number: int) -> str:
    return f"{number:,} group{'' if number == 1 else 's'}"


def _worst_first(found: Searched) -> list[int]:
    """Flagged groups, by the lower limit of the difference: the most that is sure."""
    import numpy as np

    assert found.flagged is not None
    flagged = np.flatnonzero(found.flagged.flagged)
    ranked: list[int] = flagged[np.argsort(-found.flagged.low[flagged], kind="stable")].tolist()
    return ranked


def _shared(found: Searched, flagged: Sequence[int]) -> Any:
    """Rows that two flagged groups have in common, shape (flagged, flagged); on the diagonal their sizes."""
    import numpy as np

    members = found.candidates.members[list(flagged)].astype(float)
    rows = np.bincount(found.candidates.cell, found.cells.n, minlength=members.shape[1])
    return (members * rows) @ members.T


def _apart(found: Searched) -> list[int]:
    """Flagged groups, the clearest first, without those that share most of the rows of the smaller with one before.

    What holds a worse group looks worse for its sake, and of the parts of a worse group the smallest look worst by
    chance. So groups are ranked by how far they are over the tolerance in their own uncertainty, and each tells for its
    like.
    """
    assert found.flagged is not None
    result = found.flagged
    clear = (result.value - found.scope.tolerance) / (result.value - result.low)
    flagged = sorted(_worst_first(found), key=lambda at: -float(clear[at]))
    shared = _shared(found, flagged)
    told: list[int] = []
    for row in range(len(flagged)):
        if all(shared[row, other] <= min(shared[row, row], shared[other, other]) / 2 for other in told):
            told.append(row)
    return [flagged[row] for row in told]


def _containing(found: Searched) -> dict[int, int | None]:
    """For each flagged group the largest flagged group that holds all of its rows."""
    assert found.groups is not None
    flagged, rows = _worst_first(found), found.groups.n_rows
    shared = _shared(found, flagged)
    result: dict[int, int | None] = {}
    for row, at in enumerate(flagged):
        wider = [other for column, other in enumerate(flagged) if other != at and shared[row, column] >= shared[row, row] - 0.5]
        result[at] = max(wider, key=lambda other: int(rows[other])) if wider else None
    return result


def _clusters(found: Searched, at: int) -> list[tuple[str, int]]:
    """Clusters of a group, by column; rows that share none are no cluster."""
    import numpy as np

    inside = found.candidates.members[at][found.candidates.cell]
    return [(column, len(np.unique(codes[inside & (codes >= 0)])))
            for column, codes in zip(found.cells.cluster_names, found.cells.clusters, strict=True)]


# --- tables -----------------------------------------------------------------------------------------------------


def tables(found: Searched) -> list[raikit.Table]:
    """The flagged groups, and how much any group of at least so many rows may be worse."""
    if found.certificate is None:
        return []
    flagged = [_flagged_table(found)] if found.flagged is not None and found.flagged.flagged.any() else []
    return [*flagged, _bounds_table(found)]


def _flagged_table(found: Searched) -> raikit.Table:
    assert found.flagged is not None and found.groups is not None
    scope, result, groups = found.scope, found.flagged, found.groups
    order, within = _worst_first(found), _containing(found)
    titles = [("group", "Group", "text"), ("value", scope.title, "percent"), ("rest", "The rest", "percent"),
              ("difference", "Difference, points", "number"), ("low", "low", "number"), ("high", "high", "number"),
              ("rows", "Rows", "integer"), ("clusters", "Clusters", "integer"), ("p", "p", "p"),
              ("p_adjusted", "p, adjusted", "p"), ("within", "Part of the flagged", "text")]
    rows: list[list[Any]] = []
    for at in order[:_MOST_ROWS]:
        wider = within[at]
        clusters = min((count for _, count in _clusters(found, at)), default=None)
        points = [100 * float(part[at]) for part in (result.value, result.low, result.high)]
        rows.append([found.candidates.name(at), groups.rates[at], groups.rests[at], *points, int(groups.n_rows[at]), clusters,
                     result.p_value[at], result.p_adjusted[at], None if wider is None else found.candidates.name(wider)])
    more = f" {len(order) - len(rows):,} more are flagged." if len(order) > len(rows) else ""
    columns = [raikit.Column.model_validate({"name": name, "title": title, "format": format})
               for name, title, format in titles]
    note = (f"{_count(found)[0].upper()}{_count(found)[1:]}.{more} {result.method}. Limits are adjusted for having been "
            f"selected; a group is flagged if the lower one is over {scope.tolerance * 100:g} points.")
    return raikit.Table(id=f"flagged-{scope.harm.measure}", title=f"Groups flagged: {_lower(scope.title)}", columns=columns,
                        rows=rows, note=note)


def _bounds_table(found: Searched) -> raikit.Table:
    """The certificate over all groups, and over those of at least 100, 300 … rows, which is tighter."""
    import numpy as np

    assert found.certificate is not None and found.groups is not None
    bounded, n, scope = found.certificate, found.groups.n_rows, found.scope
    columns = [
        raikit.Column(name="least", title="Groups of at least so many rows", format="integer"),
        raikit.Column(name="groups", title="Groups", format="integer"),
        raikit.Column(name="worst", title="Worst, points above all rows", format="number"),
        raikit.Column(name="bound", title="None is worse by more than", format="number"),
        raikit.Column(name="set_by", title="Set by", format="text"),
    ]
    rows: list[list[Any]] = []
    for least in (scope.min_group, *(size for size in _SIZES if size > scope.min_group)):
        kept = np.flatnonzero(n >= least)
        if len(kept):
            setting = int(kept[np.argmax(bounded.high_pointwise[kept])])
            points = [100 * float(part) for part in (bounded.value[kept].max(), bounded.high_pointwise[setting])]
            rows.append([least, len(kept), *points, found.candidates.name(setting)])
    left_out = _left_out(found)
    note = (f"Each line by itself holds with {scope.level * 100:g} % confidence. {bounded.method}."
            + (f" Not looked at: {left_out}." if left_out else "")
            + (f" {found.candidates.repeated:,} groups with the same rows as a simpler one were looked at once."
               if found.candidates.repeated else ""))
    return raikit.Table(id=f"certificate-{scope.harm.measure}", title=f"Certificate: {_lower(scope.title)}",
                        columns=columns, rows=rows, note=note)


def _lower(title: str) -> str:
    return title[:1].lower() + title[1:]


# --- the figure -------------------------------------------------------------------------------------------------


def figures(found: Searched) -> list[raikit.Figure]:
    """The worst groups against all rows together, with the certificate."""
    if found.certificate is None or found.flagged is None:
        return []
    bounded, scope = found.certificate, found.scope
    order = _drawn(found)
    names = drawing._unlike([found.candidates.name(int(at))[:80] for at in order])
    data = [_dot(found, int(at), name) for at, name in zip(order, names, strict=True)]
    y = {"field": "label", "type": "nominal", "sort": names, "title": None, "axis": {"labelLimit": 320}}
    x = {"field": "value", "type": "quantitative", "title": None, "axis": {"format": "+.0%", "tickCount": 5},
         "scale": {"zero": True, "nice": True}}
    layers: list[dict[str, Any]] = [
        _line(0.0, "var(--rule)", [4, 4]), _line(bounded.bound, "var(--ink-2)", [1, 3]),
        drawing._interval(x, y, "true"),
        drawing._points(x, y, drawing.ALIKE, shape="circle", filled=True),
        drawing._points(x, y, drawing.WORSE, shape="triangle-up", filled=True, size=110),
        {"mark": {"type": "text", "align": "left", "dx": 10, "baseline": "middle", "fill": "var(--ink-2)"},
         "encoding": {"x": {"value": "width"}, "y": y, "text": {"field": "shown", "type": "nominal"}}},
    ]
    of = f"the {len(data)} worst of" if len(data) < len(found.candidates) else "all"
    said = "; ".join(f"{row['label']} {row['value'] * 100:+.1f} points" for row in data[:6])
    return [raikit.Figure(
        id=_figure_id(found), title=f"{scope.title}: {of} {len(found.candidates):,} groups",
        subtitle=f"Difference to all rows together (dashed, {found.groups.overall * 100:.1f} %); "  # type: ignore[union-attr]
                 f"{scope.level * 100:g} % intervals of each group by itself; triangle: flagged; dotted: no group is worse by "
                 "more",
        alt=f"{scope.title}, difference to all rows, from the worst: {said}. With "
            f"{scope.level * 100:g} % confidence no group is worse by more than {bounded.bound * 100:.1f} points.",
        spec={"height": {"step": 26}, "layer": layers}, data=data,
    )]


def _drawn(found: Searched) -> IntArray:
    """Groups to draw: flagged ones first, by what is sure; then by value."""
    import numpy as np

    assert found.certificate is not None and found.flagged is not None
    chosen = np.lexsort((-found.certificate.low_pointwise, ~found.flagged.flagged))[:_MOST_DOTS]
    drawn: IntArray = chosen[np.argsort(-found.certificate.value[chosen], kind="stable")]
    return drawn


def _dot(found: Searched, at: int, label: str) -> dict[str, Any]:
    assert found.certificate is not None and found.flagged is not None and found.groups is not None
    bounded = found.certificate
    return {
        "label": label, "mark": drawing.WORSE if found.flagged.flagged[at] else drawing.ALIKE,
        "rows": int(found.groups.n_rows[at]), "value": float(bounded.value[at]), "low": float(bounded.low_pointwise[at]),
        "high": float(bounded.high_pointwise[at]),
        "shown": f"{found.groups.rates[at] * 100:.1f} % of {found.groups.n_rows[at]:,}",
    }


def _line(at: float, colour: str, dash: list[int]) -> dict[str, Any]:
    return {"mark": {"type": "rule", "strokeDash": dash, "stroke": colour, "strokeWidth": 1.5},
            "encoding": {"x": {"datum": at, "type": "quantitative"}}}


def _figure_id(found: Searched) -> str:
    return f"search-{found.scope.harm.measure}"
