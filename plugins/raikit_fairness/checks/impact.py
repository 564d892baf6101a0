"""Impact ratios as New York City's Local Law 144 asks for them: each category's rate over the highest category's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

import raikit
from raikit_fairness.estimates import rates
from raikit_fairness.estimates.case_counts import Cells, Feature, count_cells, read_rows, score_columns
from raikit_fairness.estimates.group_estimates import Settings

if TYPE_CHECKING:
    from raikit_fairness.estimates.case_counts import BoolArray
    from raikit_fairness.estimates.group_estimates import Clustered, Counted


_FOUR_FIFTHS = 0.8


class ImpactRatios(raikit.Check):
    """Selection and scoring rates by category and their ratio to the highest category's (Local Law 144).

    The scoring rate is the share of a category that scores above the sample median. Rows whose category is unknown are
    counted and left out; categories with less than 2 % of the data are shown and marked, and the rule lets an auditor
    leave them out of the ratio. Tables are made for every sensitive feature and their intersections.

    References
    ----------
    .. [1] New York City Department of Consumer and Worker Protection, Rules of the City of New York, title 6, chapter 5,
       subchapter T, section 5-301 (bias audit), 2023.
    """

    name = "fairness.impact_ratios"
    pillar = "fairness"
    requires = raikit.Requires(columns={"prediction", "sensitive"}, capabilities={"labels"}, tasks={"binary"})
    produces: ClassVar[Sequence[str]] = ["fairness.impact_ratio", "fairness.scoring_rate", "fairness.unknown_category"]

    class Options(raikit.CheckOptions):
        intersections: int = Field(2, ge=1, le=3, description="Most sensitive features crossed with each other.")
        max_groups: int = Field(500, ge=2, description="More categories of one feature or intersection stop the check.")
        marked_below: float = Field(0.02, ge=0, lt=1, description="Share of the data under which a category is marked.")

    def run(self, ctx: raikit.CheckContext) -> raikit.CheckResult:
        settings = Settings(ctx.confidence, 20_000, 1)
        metrics: list[raikit.Metric] = []
        made: list[raikit.Table] = []
        every: list[Ratios] = []
        cells = count_cells(ctx, self.options.intersections, self.options.max_groups)
        sources: list[tuple[str, Cells, BoolArray]] = [
            ("selection_rate", cells, cells.prediction == list(ctx.classes).index(ctx.positive))
        ]
        if score_columns(ctx):
            rows = read_rows(ctx, self.options.intersections, self.options.max_groups)
            sources.append(("scoring_rate", rows, _above_median(rows)))
        for number, feature in enumerate(cells.features):
            found: list[Ratios] = []
            for name, source, event in sources:
                known = _known(source, source.features[number])
                found.append(Ratios.of(name, known.cells, known.feature, event[known.rows], settings))
            every += found
            metrics += _metrics(found, settings, self.options.marked_below)
            unknown = int(cells.n[~_known(cells, feature).rows].sum())
            metrics.append(raikit.Metric.exact("unknown_category", unknown, n=int(cells.n.sum()), unit="rows",
                                               over=list(feature.columns)))
            made.append(_table(number, feature, found, unknown, settings, self.options.marked_below))
        return raikit.CheckResult(metrics=metrics, tables=made, findings=_findings(self, every, metrics))


def _above_median(rows: Cells) -> BoolArray:
    """Whether a row scores above the sample median (of the weight, where rows have one)."""
    import numpy as np

    assert rows.scores is not None
    order = np.argsort(rows.scores, kind="stable")
    reached = np.cumsum(rows.w[order])
    at = int(np.searchsorted(reached, reached[-1] / 2))
    median = rows.scores[order[at]]
    if at + 1 < len(order) and reached[at] == reached[-1] / 2:  # between two rows, as numpy has it
        median = (median + rows.scores[order[at + 1]]) / 2
    return np.asarray(rows.scores > median)


@dataclass(frozen=True)
class _Known:
    """Rows whose category is known, with the categories that they have."""

    cells: Cells
    feature: Feature
    rows: BoolArray


def _known(cells: Cells, feature: Feature) -> _Known:
    import numpy as np

    whole = np.array([None not in group for group in feature.groups])
    rows = whole[feature.code]
    return _Known(cells.part(rows), feature.within(rows), np.asarray(rows))


@dataclass(frozen=True)
class Ratios:
    """Rates of k categories, each over the highest one's.

    Parameters
    ----------
    name : str
        ``selection_rate`` or ``scoring_rate``.
    feature : Feature
    rate : Counted or Clustered
    share : ndarray, shape (k,)
        Of all rows with a known category (of their weight).
    value, low, high : ndarray, shape (k,)
        NaN where no category has a rate above 0.
    surely : ndarray, shape (k,)
        Upper limits that hold for all categories at once (Bonferroni).
    """

    name: str
    feature: Feature
    rate: Counted | Clustered
    share: Any
    value: Any
    low: Any
    high: Any
    surely: Any

    @classmethod
    def of(cls, name: str, cells: Cells, feature: Feature, event: BoolArray, settings: Settings) -> Ratios:
        """Estimate the ratios.

        Notes
        -----
        A ratio to the highest rate is the smallest of the ratios to every category. Only the truly highest must be
        covered from below, so the lower end is the smallest pointwise limit (a pair's own at the same tail); the upper
        end, the smallest of several upper limits, is taken at the tail divided by their number (Bonferroni).
        """
        import numpy as np

        from raikit import stats

        weighty = np.bincount(feature.code, cells.w, minlength=feature.k) > 0
        if not weighty.all():  # a category without weight has no rate
            kept = weighty[feature.code]
            cells, feature, event = cells.part(kept), feature.within(kept), event[kept]
        rate = rates.rate(cells, feature, event, None, name)
        share = np.bincount(feature.code, cells.w, minlength=feature.k) / max(float(cells.w.sum()), 1e-300)
        p = rate.value
        highest = float(np.nanmax(p)) if rate.defined.any() else 0.0
        if not highest > 0:
            nothing = np.full(feature.k, np.nan)
            return cls(name, feature, rate, share, nothing, nothing, nothing, nothing)
        correlation = _correlation(rate)

        def least(tail: float, end: int) -> Any:
            of = rate.intervals(1 - 2 * tail)
            ends = np.array(stats.ratio_limits(p[:, None], of.low[:, None], of.high[:, None], p, of.low, of.high,
                                               correlation)[end])
            np.fill_diagonal(ends, 1.0)  # a category against itself
            return np.nanmin(ends, axis=1)

        tail, others = (1 - settings.level) / 2, max(feature.k - 1, 1)
        return cls(name, feature, rate, share, p / highest, least(tail, 0), least(tail / others, 1),
                   least(tail / (others * feature.k), 1))


def _correlation(rate: Counted | Clustered) -> Any:
    """Of the categories' rates: those that share clusters depend on each other."""
    import numpy as np

    from raikit_fairness.estimates.group_estimates import Clustered

    if not isinstance(rate, Clustered):
        return 0.0
    deviation = np.sqrt(np.maximum(np.diag(rate.cov.M), 1e-300))
    return np.clip(rate.cov.M / np.outer(deviation, deviation), -1.0, 1.0)


def _metrics(found: Sequence[Ratios], settings: Settings, marked_below: float) -> list[raikit.Metric]:
    metrics = []
    for ratios in found:
        limits = ratios.rate.intervals(settings.level)
        args = {} if ratios.name == "selection_rate" else {"of": ratios.name}
        for at in range(ratios.feature.k):
            place: dict[str, Any] = {"over": list(ratios.feature.columns), "group": ratios.feature.group(at)}
            flags = ["small_share"] * bool(ratios.share[at] < marked_below)
            counted: dict[str, Any] = {
                "level": settings.level, "n": int(ratios.rate.n[at]), "flags": flags,
                "n_clusters": None if ratios.rate.n_clusters is None else int(ratios.rate.n_clusters[at]),
            }
            if ratios.name == "scoring_rate":
                value = float(ratios.rate.value[at])
                metrics.append(raikit.Metric(
                    "scoring_rate", value, low=min(float(limits.low[at]), value), high=max(float(limits.high[at]), value),
                    method=limits.method, unit="rate", **counted, **place))
            if not ratios.value[at] >= 0:
                why = "no category has a rate above 0"
                metrics.append(raikit.Metric.undefined("impact_ratio", why, args=args, direction="higher", **place))
                continue
            value = float(ratios.value[at])
            metrics.append(raikit.Metric(
                "impact_ratio", value, args=args, direction="higher", unit="ratio", low=min(float(ratios.low[at]), value),
                high=max(float(ratios.high[at]), value), method=f"MOVER-R, {limits.method}, least over categories", **counted,
                **place,
            ))
    return metrics


def _table(
    number: int, feature: Feature, found: Sequence[Ratios], unknown: int, settings: Settings, marked_below: float
) -> raikit.Table:
    columns = [raikit.Column(name="category", title="Category"), raikit.Column(name="rows", title="Rows", format="integer"),
               raikit.Column(name="share", title="Share", format="percent")]
    for ratios in found:
        title = ratios.name.replace("_", " ").capitalize()
        columns += [raikit.Column(name=ratios.name, title=title, format="percent"),
                    raikit.Column(name=f"{ratios.name}_ratio", title=f"{title}, impact ratio", format="number"),
                    raikit.Column(name=f"{ratios.name}_ratio_low", title="low", format="number"),
                    raikit.Column(name=f"{ratios.name}_ratio_high", title="high", format="number")]
    first = found[0]
    rows = []
    for at in range(first.feature.k):
        marked = first.share[at] < marked_below
        row: list[Any] = [first.feature.name(at) + " *" * bool(marked), int(first.rate.n[at]), float(first.share[at])]
        for ratios in found:
            numbers = (ratios.rate.value[at], ratios.value[at], ratios.low[at], ratios.high[at])
            row += [None if part != part else float(part) for part in numbers]
        rows.append(row)
    mark = f" * under {marked_below * 100:g} % of the data: shown, and may be left out of the ratio." if any(
        share < marked_below for share in first.share) else ""
    return raikit.Table(
        id=f"impact-{number}", title=f"Impact ratios by {feature.title}", columns=columns, rows=rows,
        note=f"{settings.level * 100:g} % intervals of each ratio by itself. {unknown:,} rows have no known category and are "
             f"left out.{mark}",
    )


def _findings(check: raikit.Check, found: Sequence[Ratios], metrics: Sequence[raikit.Metric]) -> list[raikit.Finding]:
    """One finding: the category that is surest to lie below four fifths, else the lowest; marked ones are left out."""
    judged = {check.address(metric): metric for metric in metrics
              if metric.name == "impact_ratio" and metric.value is not None and not metric.flags and not metric.args}
    if not judged:
        return []
    surely = {(ratios.feature.columns, ratios.feature.groups[at]): float(ratios.surely[at])
              for ratios in found if ratios.name == "selection_rate" for at in range(ratios.feature.k)}

    def sure(metric: raikit.Metric) -> float:
        return surely[tuple(metric.over or ()), tuple((metric.group or {}).values())]

    proven = [metric for metric in judged.values() if sure(metric) < _FOUR_FIFTHS]
    told = min(proven or judged.values(), key=lambda metric: sure(metric) if proven else metric.value or 0.0)
    low, high = told.low or 0.0, told.high or 0.0
    who = ", ".join(f"{column}={value}" for column, value in (told.group or {}).items())
    certainty = f"{(told.level or 0.95) * 100:g} % interval {low:.2f} to {high:.2f}"
    lowest = f"The lowest impact ratio is {told.value:.2f}, of {who} ({certainty}; {told.n:,} rows): "
    if proven:
        more = f"; so are {len(proven) - 1} more" if len(proven) > 1 else ""
        sentence = (f"The impact ratio of {who} is {told.value:.2f} ({certainty}; {told.n:,} rows), below four fifths beyond "
                    f"doubt even among {len(judged)} categories{more}.")
    elif low >= _FOUR_FIFTHS:
        sentence = f"{lowest}it is not below four fifths."
    else:
        sentence = f"{lowest}these data do not establish that it is below four fifths."
    return [raikit.Finding(sentence=sentence, severity="warn" if proven else "note", what="Impact ratio", who=who,
                           group=told.group, certainty=certainty, metrics=[check.address(told)])]
