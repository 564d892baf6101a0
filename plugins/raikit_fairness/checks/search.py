"""The check that looks at every group of every combination of features: which are worse, and that none is by more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

import raikit
from raikit_fairness.estimates.case_counts import Cells, count_cells
from raikit_fairness.estimates.group_estimates import Draws
from raikit_fairness.estimates.subgroups import HARMS, Candidates, Harm, candidates, rates_of
from raikit_fairness.report import search as search_report

if TYPE_CHECKING:
    from raikit.stats import Certificate, FlaggedGroups, Subgroups

Measure = Literal["accuracy", "false_negative_rate", "false_positive_rate", "selection_rate", "precision"]
_ANY_NUMBER = 1 << 60


class Search(raikit.Check):
    """Which groups are worse than the rest, over all combinations of features, and a certificate that none is by more.

    Groups are flagged at a false-discovery rate. The certificate is the upper end of `worst_group_excess`: with the
    run's confidence no group that was looked at is worse than all rows together by more. Both follow [1]_, with limits
    that hold for small groups.

    References
    ----------
    .. [1] Cherian and Candes, "Statistical Inference for Fairness Auditing", arXiv 2305.03712, 2023.
    """

    name = "fairness.search"
    pillar = "fairness"
    requires = raikit.Requires(
        columns={"target", "prediction", "sensitive"}, capabilities={"labels"}, tasks={"binary", "multiclass"})
    produces: ClassVar[Sequence[str]] = [
        f"fairness.{name}" for name in ("groups_searched", "groups_not_searched", "groups_flagged", "groups_certified",
                                        "worst_group_excess")
    ]

    class Options(raikit.CheckOptions):
        depth: int = Field(3, ge=1, le=5, description="Most sensitive features in one group.")
        tolerance: float = Field(
            0.05, ge=0, lt=1, description="A group is flagged if it is worse than the rest by more than this.")
        measures: list[Measure] = Field(
            default_factory=list, description="By what a group is worse: fewer right (accuracy), more missed "
            "(false_negative_rate), more wrongly called positive (false_positive_rate), fewer selected (selection_rate), "
            "more mistakes among the selected (precision); absent: accuracy and, for two classes, false_negative_rate.")
        min_group: int = Field(30, ge=1, description="Groups with fewer rows are counted, and not looked at.")
        fdr: float = Field(0.05, gt=0, lt=0.5, description="Expected share of wrongly flagged among the flagged groups.")
        dependence: Literal["positive", "any"] = Field(
            "positive", description="Benjamini-Hochberg, or Benjamini-Yekutieli, which needs no assumption.")
        max_searched: int = Field(
            2_000, ge=2, description="Most groups looked at; combinations of more features are left out beyond it.")
        confidence: float | None = Field(None, gt=0.5, lt=1, description="Level of the certificate; absent: the run's.")
        draws: int = Field(20_000, ge=1_000, description="Draws behind simultaneous limits; fewer are rough.")

    def run(self, ctx: raikit.CheckContext) -> raikit.CheckResult:
        cells = count_cells(ctx, 1, _ANY_NUMBER)
        measures = self._measures(ctx)
        searches = []
        for number, measure in enumerate(measures):
            searches.append(self._search(HARMS[measure], cells, ctx))
            ctx.progress(number + 1, len(measures))
        result = raikit.CheckResult()
        for found in searches:
            metrics = _metrics(found)
            cited = [self.address(metric) for name in ("worst_group_excess", "groups_flagged") for metric in metrics
                     if metric.name == name]
            result.metrics += metrics
            result.findings += search_report.findings(found, cited)
            result.tables += search_report.tables(found)
            result.figures += search_report.figures(found)
        result.findings.sort(key=lambda finding: finding.severity != "warn")
        return result

    def _measures(self, ctx: raikit.CheckContext) -> list[str]:
        asked = list(dict.fromkeys(self.options.measures))
        if ctx.task == "binary":
            return asked or ["accuracy", "false_negative_rate"]
        if stray := [measure for measure in asked if measure != "accuracy"]:
            raise raikit.ConfigError(f"checks.fairness.search.measures: {stray[0]!r} needs a target of two classes; "
                                     "of several only 'accuracy' can be searched by.")
        return ["accuracy"]

    def _search(self, harm: Harm, cells: Cells, ctx: raikit.CheckContext) -> Searched:
        from raikit import stats

        options = self.options
        positive = list(ctx.classes).index(ctx.positive) if ctx.task == "binary" else -1
        level = options.confidence or ctx.confidence
        rows = harm.rows(cells, positive)
        part = cells.part(rows)
        features = [feature.within(rows) for feature in cells.features]
        scope = Scope(harm, str(ctx.positive), options.tolerance, options.fdr, level, options.min_group,
                      options.max_searched, options.draws)
        found = candidates(part, features, options.depth, options.min_group, options.max_searched)
        if not len(found):
            return Searched(scope, part, found)
        groups = rates_of(found, part, harm.event(part, positive))
        few = groups.few_clusters
        if few.any():
            groups = groups.subset(~few)
            kept = [group for group, out in zip(found.groups, few, strict=True) if not out]
            found = replace(found, groups=kept, members=found.members[~few])
        if not len(found):
            return Searched(scope, part, found, few_clusters=int(few.sum()))
        rng = Draws(ctx.seed, (), options.draws).rng("search", harm.measure)
        flagged = stats.worse_than_rest(groups, options.tolerance, options.fdr, options.dependence)
        bounded = stats.certificate(groups, level, options.draws, rng=rng)
        return Searched(scope, part, found, groups, flagged, bounded, int(few.sum()))


@dataclass(frozen=True)
class Scope:
    """What was asked."""

    harm: Harm
    positive: str
    tolerance: float
    fdr: float
    level: float
    min_group: int
    most: int
    draws: int

    @property
    def doing(self) -> str:
        """What happens to rows, to follow them."""
        return self.harm.doing.replace("{positive}", self.positive)

    @property
    def title(self) -> str:
        """The same as a heading."""
        return self.harm.title.replace("{positive}", self.positive)


@dataclass(frozen=True)
class Searched:
    """One search: by one measure.

    Parameters
    ----------
    scope : Scope
    cells : Cells
        Of the rows that the harm can happen to.
    candidates : Candidates
        The groups that were looked at.
    groups : Subgroups
    flagged : FlaggedGroups
    certificate : Certificate
        None, as the two before, if there was no group to look at.
    few_clusters : int
        Groups that were left out because they, or their rests, have too few clusters.
    """

    scope: Scope
    cells: Cells
    candidates: Candidates
    groups: Subgroups | None = None
    flagged: FlaggedGroups | None = None
    certificate: Certificate | None = None
    few_clusters: int = 0

    @property
    def left_out(self) -> int:
        """Groups that were too small to be looked at."""
        return self.candidates.small + self.few_clusters

    @property
    def certified(self) -> int:
        """Groups that are, all at once, no worse than all rows together by more than the tolerance."""
        return 0 if self.certificate is None else int((self.certificate.high <= self.scope.tolerance).sum())


def _metrics(found: Searched) -> list[raikit.Metric]:
    args, n = {"measure": found.scope.harm.measure}, int(found.cells.n.sum())
    count: dict[str, Any] = {"n": n, "unit": "groups", "args": args}
    metrics = [raikit.Metric.exact("groups_searched", len(found.candidates), **count),
               raikit.Metric.exact("groups_not_searched", found.left_out, **count)]
    if found.groups is None or found.flagged is None or found.certificate is None:
        reason = f"no group has {found.scope.min_group} rows" + " and enough clusters" * bool(found.cells.clusters)
        return metrics + [raikit.Metric.undefined(name, reason, n=n, args=args, direction=direction) for name, direction in
                          (("groups_flagged", "lower"), ("groups_certified", "higher"), ("worst_group_excess", "lower"))]
    bounded, worst = found.certificate, found.certificate.worst
    effective = float(found.groups.n_effective[worst])
    rows = int(found.groups.n_rows[worst])
    return [
        *metrics,
        raikit.Metric.exact("groups_flagged", int(found.flagged.flagged.sum()), direction="lower", **count),
        raikit.Metric.exact("groups_certified", found.certified, direction="higher", **count),
        raikit.Metric(
            "worst_group_excess", float(bounded.value[worst]), low=bounded.floor, high=bounded.bound,
            level=found.scope.level, n=rows, method=bounded.method, args=args, direction="lower", unit="points",
            simultaneous=True, effective_n=effective if abs(effective - rows) > 1e-6 * rows else None,
            n_clusters=int(found.groups.n_clusters[worst]) if found.cells.clusters else None,
        ),
    ]
