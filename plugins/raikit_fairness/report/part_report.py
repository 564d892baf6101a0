"""Groups compared for each of several labels or types, with findings and tables that name it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

import raikit
from raikit.format import capitalised, case_noun, columns_text, count, headline
from raikit.naming import names_in_use, using
from raikit_fairness.estimates.case_counts import Cells, cells_of_frame
from raikit_fairness.estimates.disparities import Disparity
from raikit_fairness.estimates.task_metrics import TargetView
from raikit_fairness.report.columns import ColumnSpec, table_columns
from raikit_fairness.report.group_findings import group_findings
from raikit_fairness.report.group_report import LedEvaluation
from raikit_fairness.report.group_tables import disparity_table
from raikit_fairness.settings import IntervalSettings

_SHOWN = ("selection_rate", "true_positive_rate", "precision")


@dataclass(frozen=True)
class Part:
    """The cases of one label or type.

    Parameters
    ----------
    name : str
    frame : DataFrame
        Columns of predictions.parquet.
    classes : list
    positive : int
        Position of the class that is measured.
    """

    name: str
    frame: pd.DataFrame
    classes: list[Any]
    positive: int


@dataclass(frozen=True)
class _Roles:
    """Task and roles of columns of a part."""

    task: str
    classes: Sequence[Any]
    sensitive: Sequence[str]
    cluster: Sequence[str]
    weight: str | None
    missing_group: Mapping[str, str]


def report_parts(
    ctx: raikit.CheckContext, settings: IntervalSettings, max_groups: int, parts: Sequence[Part], argument: str,
    unit: tuple[str, str], names: Sequence[str] | None, address: Callable[[raikit.Metric], str],
) -> raikit.CheckResult:  # fmt: skip
    """Evaluate the groups for each part.

    Parameters
    ----------
    ctx : CheckContext
    settings : IntervalSettings
    max_groups : int
        Most groups of one feature.
    parts : sequence of Part
    argument : str
        Of the addresses: ``label``.
    unit : (str, str)
        What one of the things that are counted is called, and several.
    names : sequence of str or None
        Metrics to estimate; None: all.
    address : callable
        From a metric to its address.
    """
    metrics: list[raikit.Metric] = []
    disparities: list[Disparity] = []
    findings: list[raikit.Finding] = []
    with using(replace(names_in_use(), unit=unit)):
        for done, part in enumerate(parts):
            cells = _cells(ctx, part, max_groups)
            evaluation = LedEvaluation(settings, ctx.seed, dict(ctx.reference), address, names)
            view = TargetView("binary", len(part.classes), {argument: part.name}, part.name, part.positive)
            evaluation.run(cells, None, [view], full=False)
            metrics += [metric for metric in evaluation.metrics if metric.name != "count"]  # it is not of the part alone
            disparities += evaluation.disparities
            findings += [_about(finding, argument, part.name) for finding in group_findings(
                evaluation.subjects, cells, evaluation.settings)]
            ctx.progress(done + 1, len(parts))
        tables = [_table(metrics, argument), disparity_table(disparities)]
    both = [*metrics, *(disparity.metric for disparity in disparities)]
    all_metrics = [_counting(metric, unit[0], bool(ctx.cluster)) for metric in both]
    return raikit.CheckResult(metrics=all_metrics, findings=_shortened(findings, ctx, argument), tables=tables)


def _cells(ctx: raikit.CheckContext, part: Part, max_groups: int) -> Cells:
    """Code the cases of a part; a cluster column in which no two of them share a value says nothing."""
    frame, weighted = part.frame, ctx.weight is not None
    clusters = [column for column in ctx.cluster if frame[column].nunique() < len(frame)]
    roles = _Roles("multiclass", part.classes, ctx.sensitive, clusters, ctx.weight, ctx.missing_group)
    w = frame[ctx.weight].to_numpy(dtype=float) if ctx.weight else np.ones(len(frame))
    counts = np.ones(len(frame), dtype=np.int64), w, w**2 if weighted else w
    return cells_of_frame(roles, frame, counts, 1, max_groups, ())


def _counting(metric: raikit.Metric, noun: str, clustered: bool) -> raikit.Metric:
    """Return a metric that says what it counts; without cluster columns in its part, each case is a cluster."""
    alone = {"n_clusters": metric.n} if clustered and metric.n_clusters is None and metric.n is not None else {}
    return metric.model_copy(update={"counts": noun, **alone})


def _about(finding: raikit.Finding, argument: str, name: str) -> raikit.Finding:
    """Return a finding that names its part; the headline of a gap names it by the arguments of its metric."""
    sentence = f"{capitalised(argument)} {name}: {finding.sentence[:1].lower()}{finding.sentence[1:]}"
    return finding.model_copy(update={"sentence": sentence, "what": f"{finding.what} ({argument} {name})"})


def _shortened(findings: Sequence[raikit.Finding], ctx: raikit.CheckContext, argument: str) -> list[raikit.Finding]:
    """Return the gaps, and one finding for all parts without any instead of one for each."""
    gaps = [finding for finding in findings if finding.severity == "warn"]
    if gaps or not findings:
        return gaps
    columns = columns_text(list(ctx.sensitive))
    shown = [finding for finding in findings if finding.kind == "fine"]
    evidence = f"in {count(len(shown))} of {count(len(findings))} comparisons a gap could have been shown"
    return [raikit.Finding(
        kind="fine" if len(shown) == len(findings) else "undecided",
        headline=headline(f"No gap shown for any {argument} by {columns}", f"No gap shown for any {argument}")
        if shown else headline(f"Too few {case_noun()} to show a gap for any {argument}"),
        evidence=f"{shown[0].evidence}, in {shown[0].who}" if len(shown) == len(findings) == 1 else evidence,
        sentence=f"No gap is shown for any {argument} by {columns}.", severity="note", what=f"Gaps over {columns}",
        who=columns, metrics=list(dict.fromkeys(metric for finding in findings for metric in finding.metrics)),
    )]  # fmt: skip


def _table(metrics: Sequence[raikit.Metric], argument: str) -> raikit.Table:
    """Return one row for each part and group."""
    shown = [name for name in _SHOWN if any(metric.name == name for metric in metrics)]
    of: dict[tuple[str, str, str], dict[str, raikit.Metric]] = {}
    for metric in metrics:
        if metric.group and "to" not in metric.args:
            column, value = next(iter(metric.group.items()))
            row = (str(metric.args[argument]), names_in_use().column(column), names_in_use().value(column, value))
            of.setdefault(row, {})[metric.name] = metric
    columns: list[ColumnSpec] = [
        (argument, capitalised(argument), "text"), ("feature", "Feature", "text"), ("group", "Group", "text"),
        ("rows", "Positive" if argument == "label" else "In the truth", "integer"),
    ]
    for name in shown:
        title = "Recall" if name == "true_positive_rate" else name.replace("_", " ").capitalize()
        columns += [(name + end, title + suffix, "percent") for end, suffix in (("", ""), ("_low", ", low"), ("_high", ", high"))]
    rows = [
        [*row, by_name["true_positive_rate"].n, *(end for name in shown for end in (
            by_name[name].value, by_name[name].low, by_name[name].high))]
        for row, by_name in of.items()
    ]
    note = "CIs hold for each group by itself, without correction for the number of groups."
    return raikit.Table(id="by_group", title=f"Groups by {argument}", columns=table_columns(columns), rows=rows, note=note)
