"""The check ``fairness.thresholds``: rates and gaps at every threshold, and the scores behind them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

import raikit
from raikit_fairness.checks.options import GapOptions
from raikit_fairness.estimates import threshold_sweep as sweep
from raikit_fairness.estimates.case_counts import read_rows
from raikit_fairness.estimates.group_estimates import Draws
from raikit_fairness.report import threshold_figures

if TYPE_CHECKING:
    from raikit_fairness.estimates.case_counts import Cells, Feature
    from raikit_fairness.estimates.group_estimates import Settings
    from raikit_fairness.estimates.threshold_sweep import Better, Curves, Grid


class Thresholds(raikit.Check):
    """Rates and gaps as a function of the decision threshold, with ROC and histograms of the scores by group.

    Every gap has its interval, by the procedures of ``fairness.groups``. That another threshold would bring groups closer is said
    only if simultaneous intervals over all thresholds say so.

    References
    ----------
    .. [1] Hardt, Price and Srebro, "Equality of Opportunity in Supervised Learning", NeurIPS 2016.
    """

    name = "fairness.thresholds"
    pillar = "fairness"
    requires = raikit.Requires(
        columns={"target", "prediction", "sensitive", "score"}, capabilities={"labels", "scores"}, tasks={"binary"})
    produces: ClassVar[Sequence[str]] = ["fairness.decision_threshold", "fairness.tpr_at_fpr"]

    class Options(GapOptions):
        thresholds: int = Field(21, ge=3, le=200, description="Thresholds at equal shares of the rows, beside the present one.")
        fprs: tuple[float, ...] = Field(
            (0.05, 0.1, 0.2), description="False positive rates at which every group's true positive rate is measured.")
        max_loss: float = Field(0.01, ge=0, le=1, description="Accuracy that another threshold may cost to be worth a finding.")

    def run(self, ctx: raikit.CheckContext) -> raikit.CheckResult:
        options = self.options
        settings = options.settings(ctx)
        rows = read_rows(ctx, 1, options.max_groups)
        positive = list(ctx.classes).index(ctx.positive)
        grid = sweep.grid(rows, positive, options.thresholds)
        result = raikit.CheckResult(metrics=[_threshold(grid, len(rows))])
        table: list[list[Any]] = []
        silent: list[tuple[Feature, str]] = []
        for number in range(len(rows.features)):
            one = _Explored(self, grid, rows, number, settings, ctx)
            result.metrics += one.metrics(options.fprs)
            result.figures += one.figures()
            table += one.rows()
            result.findings += one.findings(options.max_loss, silent)
            ctx.progress(number + 1, len(rows.features))
        result.findings += _not_established(silent, grid, settings, options.max_loss)
        result.tables = [_table(table, grid, settings)]
        return result


class _Explored:
    """One feature at every threshold."""

    def __init__(
        self, check: Thresholds, grid: Grid, rows: Cells, number: int, settings: Settings, ctx: raikit.CheckContext
    ) -> None:
        self.check, self.grid, self.cells, self.settings, self.label = check, grid, rows, settings, ctx.positive
        self.feature, self.whole = grid.cells.features[number], rows.features[number]
        self.number = number
        self.draws = Draws(ctx.seed, self.feature.columns, settings.draws)
        places: list[int | None] = [*range(len(grid.thresholds)), *([None] if grid.current is None else [])]
        self.points = list(sweep.sweep(grid, self.feature, settings, self.draws, places))
        self.curves: Curves = sweep.Curves.of(self.points, settings.level)

    def metrics(self, fprs: Sequence[float]) -> list[raikit.Metric]:
        """True positive rate of every group at some false positive rates."""
        found = next(point.found for point in self.points if point.measure == "true_positive_rate")
        other = next(point.found for point in self.points if point.measure == "false_positive_rate")
        made, method = [], found.intervals(self.settings.level).method
        for fpr in fprs:
            for at in range(self.feature.k):
                place: dict[str, Any] = {"args": {"fpr": fpr}, "over": list(self.feature.columns),
                                         "group": self.feature.group(at), "direction": "higher", "unit": "rate"}
                if not self.curves.defined(at):
                    made.append(raikit.Metric.undefined("tpr_at_fpr", f"a class is missing in {self.feature.name(at)}", **place))
                    continue
                value, low, high = self.curves.tpr_at(fpr, at)
                few = bool(found.few_clusters[at] or other.few_clusters[at])
                small = min(int(found.n[at]), int(other.n[at])) < self.settings.min_group
                made.append(raikit.Metric(
                    "tpr_at_fpr", value, low=low, high=high, level=self.settings.level, n=int(found.n[at]),
                    n_clusters=None if found.n_clusters is None else int(found.n_clusters[at]),
                    method=f"{method}, both rates' limits at the grid's thresholds, Bonferroni",
                    flags=["small_group"] * small + ["few_clusters"] * few, **place))
        return made

    def figures(self) -> list[raikit.Figure]:
        truth, number = self.cells.truth == self.grid.positive, self.number
        now = None if self.grid.current is None else float(self.grid.thresholds[self.grid.current])
        return [
            threshold_figures.explorer(f"thresholds-{number}", self.grid, self.feature, self.points, self.settings),
            threshold_figures.roc(f"roc-{number}", self.cells, self.whole, truth, self.curves, self.grid, self.settings),
            threshold_figures.histograms(f"scores-{number}", self.cells, self.whole, truth, now, self.label),
        ]

    def rows(self) -> list[list[Any]]:
        """One row of the table for each threshold."""
        found, share = [], self.grid.share
        for at, threshold in enumerate(self.grid.thresholds.tolist()):
            gaps = [point.gap for point in self.points if point.at == at]
            cells = [end for gap in gaps for end in ((gap.value, min(gap.low, gap.value), gap.high) if gap else (None,) * 3)]
            loss = self.grid.loss(at, self.settings.level)
            found.append([self.feature.title, threshold, "now" if at == self.grid.current else None, share[at],
                          self.grid.accuracy(at), loss.value, loss.low, loss.high, *cells])
        return found

    def findings(self, max_loss: float, silent: list[tuple[Feature, str]]) -> list[raikit.Finding]:
        """The largest narrowing that is established; where none is, the feature goes to `silent` with the reason."""
        today = [point for point in self.points if point.at == self.grid.current]
        if not any(point.gap for point in today):
            silent.append((self.feature, "fewer than two groups can be judged"))
            return []
        if not any(point.gap and point.gap.low > 0 for point in today):
            silent.append((self.feature, "no gap is established as it is"))
            return []
        found = sweep.better(self.grid, self.feature, self.points, self.settings, self.draws, max_loss)
        if not found:
            silent.append((self.feature, ""))
            return []
        return [self._established(max(found, key=lambda one: one.now.low - one.then.high))]

    def _established(self, one: Better) -> raikit.Finding:
        now, then = (f"{gap.value * 100:.1f} points ({gap.low * 100:.1f} to {gap.high * 100:.1f})" for gap in (one.now, one.then))
        loss = one.loss
        return raikit.Finding(
            sentence=f"Deciding from a score of {self.grid.thresholds[one.at]:.3g} on would bring the largest gap in "
                     f"{sweep.SWEPT[one.measure]} over {self.feature.title} from {now} to {then}, at {loss.value * 100:.1f} points "
                     f"of accuracy ({loss.low * 100:.1f} to {loss.high * 100:.1f}; {self.settings.level * 100:g} % intervals that "
                     f"hold for all {len(self.grid.thresholds)} thresholds and {len(sweep.SWEPT)} gaps at once; {loss.n:,} rows).",
            severity="note", what=f"threshold and gaps over {self.feature.title}", who=self.feature.title,
            certainty="established, simultaneous over thresholds", figures=[f"thresholds-{self.number}"],
        )


def _threshold(grid: Grid, rows: int) -> raikit.Metric:
    if grid.current is None:
        return raikit.Metric.undefined("decision_threshold", "no single threshold on the score gives the predictions")
    return raikit.Metric.exact("decision_threshold", float(grid.thresholds[grid.current]), n=rows)


def _not_established(
    silent: Sequence[tuple[Feature, str]], grid: Grid, settings: Settings, max_loss: float
) -> list[raikit.Finding]:
    """All features of which nothing is established, in one sentence."""
    if not silent:
        return []
    each = ", ".join(f"{feature.title} ({why})" if why else feature.title for feature, why in silent)
    figures = [f"thresholds-{grid.cells.features.index(feature)}" for feature, _ in silent]
    return [raikit.Finding(
        sentence=f"That another single threshold would bring groups closer at a loss of at most {max_loss * 100:g} "
                 f"point{'' if max_loss == 0.01 else 's'} of accuracy is not established for {each} "
                 f"({len(grid.thresholds)} thresholds, {len(sweep.SWEPT)} gaps, {settings.level * 100:g} % intervals that "
                 "hold for all at once).",
        severity="note", what="thresholds and gaps", certainty="not established", figures=figures,
    )]


def _table(rows: list[list[Any]], grid: Grid, settings: Settings) -> raikit.Table:
    titles = [("feature", "Over", "text"), ("threshold", "Threshold", "number"), ("now", "", "text"),
              ("selected", "Decided positive", "percent"), ("accuracy", "Accuracy", "percent"),
              ("loss", "Accuracy lost", "percent"), ("loss_low", "low", "percent"), ("loss_high", "high", "percent")]
    for measure, words in sweep.SWEPT.items():
        titles += [(measure + end, f"Gap in {words}" if not end else head, "percent")
                   for end, head in (("", ""), ("_low", "low"), ("_high", "high"))]
    columns = [raikit.Column.model_validate({"name": name, "title": title, "format": form}) for name, title, form in titles]
    return raikit.Table(
        id="thresholds", title="Gaps at every threshold", columns=columns, rows=rows,
        note=f"A gap is the largest difference over groups with at least {settings.min_group} rows in the denominator and enough "
             f"clusters; {settings.level * 100:g} % intervals of each threshold by itself, wide where clustered rows of a group "
             "are all decided alike, which hides how they vary. Accuracy lost: against the decisions as they "
             "are, paired on rows" + (", whose threshold is the row marked “now”." if grid.current is not None else
                                      "; no single threshold gives those decisions."),
    )
