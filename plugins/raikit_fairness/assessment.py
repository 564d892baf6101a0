"""Group fairness in one call, on arrays or a file."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, get_args

import pandas as pd
from numpy.typing import ArrayLike

import raikit
from raikit.address import text
from raikit.data.cell_types import CellFormat
from raikit.data.cells import as_label
from raikit.data.frames import as_pandas
from raikit.data.labels import ClassNames
from raikit.data.spellings import lookalike_note
from raikit.errors import listed, nearest
from raikit.naming import using
from raikit.remote import local_copy
from raikit.run.record import DataRecord
from raikit.run.results import plain
from raikit_fairness import measures, notebook
from raikit_fairness.estimates.arguments import Arguments, columns_of_table, numbers
from raikit_fairness.estimates.array_source import ScoreColumns, source_from_arrays
from raikit_fairness.estimates.features import describe_left_out
from raikit_fairness.estimates.file_source import FileColumns, source_from_file
from raikit_fairness.estimates.labels import plain_labels, same_labels
from raikit_fairness.estimates.sources import GroupingColumns, Source
from raikit_fairness.estimates.task_metrics import target_views
from raikit_fairness.names import metric_by_group
from raikit_fairness.report.group_findings import group_findings
from raikit_fairness.report.group_report import LedEvaluation
from raikit_fairness.report.headlines import headline_frame
from raikit_fairness.settings import Correction, IntervalSettings
from raikit_fairness.words import display_names, in_words

_FEWEST_DRAWS = 20_000  # Simultaneous limits depend on a tail; with fewer draws their level is off by a point.
_GROUP_COLUMNS = (
    "feature", "group", "metric", "value", "low", "high", "n", "n_clusters", "effective_n", "flags", "reason", "method",
)  # fmt: skip
_DISPARITY_COLUMNS = (
    "feature", "metric", "group", "value", "low", "high", "n", "p_value", "p_adjusted", "adjustment",
    "minimum_detectable", "excluded", "flags", "reason", "method",
)  # fmt: skip
_OF_SCORES = {measure.name for measure in (*measures.BINARY_SCORES, *measures.MULTICLASS_SCORES)}

MissingGroup = Literal["compare", "show", "leave_out"]
_Limits = tuple[int, int, MissingGroup | Mapping[str, MissingGroup]]


@dataclass(frozen=True)
class Assessment:
    """Metrics by group and disparities as tidy tables. A notebook draws it.

    Parameters
    ----------
    by_group : DataFrame
        One row per metric and group: ``feature``, ``group``, ``metric``, ``value``, ``low``, ``high``, ``n``,
        ``n_clusters``, ``effective_n``, ``flags``, ``reason`` (why there is no value), ``method``.
    disparities : DataFrame
        One row per disparity (``group`` is empty) and per comparison of a group with the rest or a reference:
        ``feature``, ``metric``, ``group``, ``value``, ``low``, ``high``, ``n``, ``p_value``, ``p_adjusted``,
        ``adjustment``, ``minimum_detectable`` (the gap that would have been detected with 80% power), ``excluded``
        (groups in which it is undefined), ``flags``, ``reason``, ``method``.
    metrics : list of Metric
        The same as an audit records them.
    confidence : float
        Level of the intervals.
    headlines : DataFrame
        What an audit of the same cases states first, in its order: the surest differences, those to a reference before
        others, and for a feature without any the one that comes closest. ``feature``, ``measure``, ``group``, ``against``,
        their values ``group_value`` and ``against_value``, ``gap`` (the size of the difference, over groups that can be
        judged), ``low``, ``high``, ``established``.
    labels : DisplayNames
        The words in which it is shown; the tables keep the codes.
    statements : list of Statement
        The same gaps in words, as the report of an audit has them: ``headline``, ``evidence``, and both groups.
    """

    by_group: pd.DataFrame
    disparities: pd.DataFrame
    metrics: list[raikit.Metric]
    confidence: float
    headlines: pd.DataFrame = field(default_factory=pd.DataFrame)
    labels: raikit.DisplayNames = field(default_factory=raikit.DisplayNames)
    statements: list[raikit.Statement] = field(default_factory=list)

    def __repr__(self) -> str:
        """Return the statements and both tables, the surest gaps first."""
        return notebook.as_text(self.statements, self.by_group, self.disparities, self.confidence, self._in_words)

    def _repr_html_(self) -> str:
        """Return the statements, a drawing of the groups, and the gaps as a table."""
        return notebook.as_html(self.statements, self.by_group, self.disparities, self.confidence, self._in_words)

    def _in_words(self, frame: pd.DataFrame) -> pd.DataFrame:
        return in_words(frame, self.metrics, self.labels)


def assess(
    y_true: ArrayLike | str | Path | None,
    y_pred: ArrayLike | None = None,
    *,
    sensitive_features: Any,
    scores: Any = None,
    sample_weight: Any = None,
    clusters: Any = None,
    confidence: float = 0.95,
    replicates: int = 2000,
    seed: int = 0,
    control_features: Any = None,
    positive: Any = None,
    favourable: Any = None,
    threshold: float = 0.5,
    metrics: Sequence[str] | None = None,
    reference: Mapping[str, str] | None = None,
    labels: Mapping[str, Any] | None = None,
    simultaneous: bool = False,
    correction: Correction = "holm",
    intersections: int = 2,
    min_group: int = 30,
    max_groups: int = 500,
    missing_group: MissingGroup | Mapping[str, MissingGroup] = "compare",
    target: str | None = "target",
    prediction: str | None = None,
    missing: Sequence[str] = (),
    decimal: Literal[".", ","] = ".",
    as_text: Sequence[str] = (),
) -> Assessment:
    r"""Measure group fairness, with an interval for every number.

    Parameters
    ----------
    y_true : array_like, shape (n,), path, or table
        Labels or numbers; or a table: a file or folder of any size (as `data.path` of audit.yaml, also with a scheme such as
        ``s3://``), which DuckDB counts out of core, or a frame of several columns. It is read as an audit reads it, and every
        other array is given by its column's name. None (with a table: `target` None) if the truth is unknown: then `y_pred`
        holds decisions, and only what needs no truth is measured. Any array, frame or table may be one of pandas, polars (also
        lazy), Arrow or DuckDB.
    y_pred : array_like, shape (n,), optional
        Predictions; absent: positive where the score is at least `threshold`.
    sensitive_features : array_like, Series, DataFrame, mapping of name to array, or (a file) list of columns
        One or several columns; missing values are a group of their own. More than 20 different numbers must be put in bins.
    scores : array_like, shape (n,) or (n, k), or column, optional
        Probability of the positive class, or of every class: in sorted order, or in columns of a frame that the classes name.
        Adds areas, losses and calibration. Decisions are no scores.
    sample_weight : array_like, shape (n,), or column, optional
        Sampling weights. Their scale does not matter.
    clusters : as `sensitive_features`, optional
        Cases that share a value are not independent. Two columns are crossed; of more, the two coarsest are used. A case
        with a missing value shares a cluster with no other.
    confidence : float, in (0.5, 1)
    replicates : int
        Random draws behind simultaneous limits. At least 20,000 are made, because these limits depend on a tail.
    seed : int
    control_features : as `sensitive_features`, optional
        Groups are also compared within each of their values (conditional parity).
    positive : label, optional
        Of a binary target; needed unless labels are 0 and 1.
    favourable : label, optional
        The label of a binary target that is good for the person it is about. Headlines then name who gets it less often.
    threshold : float
    metrics : sequence of str, optional
        Names of metrics by group, such as ``["selection_rate", "true_positive_rate"]``, or other names of them, such as
        ``"recall"``; absent: all.
    labels : mapping of column to labels, optional
        Words for columns and groups where the assessment is shown, as ``data.labels``: ``{"sex": {"F": "Women"}}``. Its tables
        keep the codes.
    reference : mapping of column to value, optional
        A group that the others are compared with: ``{"sex": "M"}``.
    simultaneous : bool
        Whether groups' own intervals hold for all groups of a feature at once (Sidak), or each by itself.
    correction : {"holm", "benjamini-hochberg"}
        Correction of p-values over features and intersections.
    intersections : int
        Most features crossed with each other. Intersections get all metrics only if `metrics` names them; else rates.
    min_group : int
        Groups with fewer cases are shown and flagged. They may prove a gap; whether a limit is kept is judged without them.
    max_groups : int
        Most groups of one column. An intersection that has more is left out, with a warning.
    missing_group : {"compare", "show", "leave_out"}, or mapping of column to one of them
        Whether a missing value is a group that is compared with others. Shown, it has metrics of its own and is in no gap; left
        out, its cases are not compared at all.
    target, prediction : str
        With a table: columns of truth and prediction (absent: from scores and `threshold`).
    missing : sequence of str
        With a table: cells that mean a missing value, beside blank ones.
    decimal : {".", ","}
        With a table: the decimal mark.
    as_text : sequence of str
        With a table: columns that stay text although their cells look like numbers.

    Returns
    -------
    Assessment

    Raises
    ------
    raikit.DataError, raikit.ConfigError
        If lengths differ, labels are missing, scores or weights are invalid, a column has more groups than `max_groups`, or a
        column or metric is unknown. The message names it.

    Warns
    -----
    UserWarning
        If groups, labels or clusters differ only in spaces, case or Unicode form; the message names them. If an
        intersection is left out because it has more groups than `max_groups`.

    Notes
    -----
    Rows of Series and frames that have the same labels (their index) in another order are brought to one order. That is refused
    if an argument has no labels, because nothing says which order it has.

    Examples
    --------
    >>> result = assess([1, 0, 1, 1, 0, 0], [1, 0, 0, 1, 1, 0], sensitive_features=["a", "a", "a", "b", "b", "b"])
    >>> result.by_group.query("metric == 'selection_rate'")[["group", "value", "n"]].to_string(index=False)
    'group    value  n\n    a 0.333333  3\n    b 0.666667  3'
    """
    metrics = None if metrics is None else [metric_by_group(name) for name in metrics]
    _check_options(metrics, confidence)
    y_true = table = as_pandas(y_true)
    limits = intersections, max_groups, missing_group
    in_table = isinstance(table, str | Path) or (isinstance(table, pd.DataFrame) and table.shape[1] > 1)
    names = metrics if (target if in_table else y_true) is not None else _names_without_truth(metrics)
    roles = {"sensitive_features": sensitive_features, "control_features": control_features, "clusters": clusters}
    cases = {"y_true": y_true, "y_pred": y_pred, "scores": scores, "sample_weight": sample_weight}
    names_of_clusters = frozenset(_names(clusters) if in_table else ())
    labels_of_cases = names_of_clusters.union(*(_names(role) for role in (sensitive_features, control_features) if in_table))
    written = CellFormat(tuple(missing), decimal, frozenset(as_text), names_of_clusters, labels_of_cases)
    if in_table:
        if target is not None and target in (prediction, scores):
            raise raikit.ConfigError(f"target: {target!r} is named as the prediction or score too; these are other columns.")
        cases |= {"y_true": _decisions(prediction, "prediction") if target is None else target, "y_pred": prediction}
    if isinstance(table, str | Path):
        columns = FileColumns(cases["y_true"], prediction, scores, sample_weight, threshold, written)
        with local_copy(table) as path:
            source = _source_in_file(path, columns, roles, limits, positive)
    else:
        if in_table:
            cases, roles = columns_of_table(table, [cases, roles], written)
        source = _source_in_memory(cases, roles, limits, positive, threshold)
    if not source.cells.features:
        raise raikit.ConfigError("sensitive_features: give at least one column.")
    if names is not metrics and source.task == "regression":
        raise raikit.ConfigError("y_true: numeric predictions are compared with the truth; give it.")
    _warn_of_lookalikes(source)
    for sentence in describe_left_out(source.cells.features, intersections, max_groups):
        warnings.warn(sentence, stacklevel=2)
    _check_reference(reference or {}, source)
    names_shown = display_names(labels, source.cells.features)
    settings = IntervalSettings(confidence, max(replicates, _FEWEST_DRAWS), min_group, simultaneous, correction)
    references = {column: text(as_label(value)) for column, value in (reference or {}).items()}
    evaluation = LedEvaluation(settings, seed, references, lambda metric: metric.address("fairness"), names)
    views = target_views(source.task, source.classes, source.positive, _favourable_label(favourable, source))
    evaluation.run(source.cells, source.scored, views, full=metrics is not None)
    measured = _measurements(evaluation, source, names_shown, favourable, confidence)
    return replace(_assessment(evaluation, source, confidence), labels=names_shown, statements=raikit.statements(measured))


def _measurements(
    evaluation: LedEvaluation, source: Source, names: raikit.DisplayNames, favourable: Any, confidence: float
) -> raikit.Measurements:
    """Return what was measured as an audit records it, from which statements are written."""
    with using(names):
        findings = group_findings(evaluation.subjects, source.cells, evaluation.settings)
    metrics = [metric.model_copy(update={"id": metric.address("fairness")}) for metric in evaluation.all_metrics]
    check = raikit.CheckRecord(
        name="fairness.groups", pillar="fairness", plugin="raikit_fairness", status="ok", metrics=metrics, findings=findings
    )
    data = DataRecord(
        task=source.task, classes=[plain(label) for label in source.classes], positive=plain(source.positive),
        favourable=plain(_favourable_label(favourable, source)), labels=names,
    )  # fmt: skip
    return raikit.Measurements(name="assessment", checks=[check], data=data, confidence=confidence)


def _names_without_truth(metrics: Sequence[str] | None) -> list[str]:
    """Return the metrics to estimate if the truth is unknown."""
    possible = [measure.name for measure in measures.WITHOUT_TRUTH]
    for name in metrics or ():
        if name not in possible:
            raise raikit.ConfigError(f"metrics: {name!r} needs the truth (y_true); without it there are {', '.join(possible)}.")
    return possible if metrics is None else list(metrics)


def _decisions(values: Any, name: str) -> Any:
    """Return decisions in the place of the truth, which no metric of `_names_without_truth` reads."""
    if values is None:
        raise raikit.ConfigError(f"{name}: give the decisions; without them and without the truth nothing can be measured.")
    return values


def _check_options(metrics: Sequence[str] | None, confidence: float) -> None:
    known = {measure.name for measure in measures.EVERY}
    for name in metrics or ():
        if name not in known:
            raise raikit.ConfigError(f"metrics: no metric is called {name!r}; known: {', '.join(sorted(known))}.")
    if not 0.5 < confidence < 1:
        raise raikit.ConfigError(f"confidence must lie between 0.5 and 1, not {confidence}.")


def _favourable_label(favourable: Any, source: Source) -> Any:
    if favourable is None:
        return None
    label = ClassNames(source.classes).find(favourable) if source.task == "binary" else None
    if label is None:
        classes = listed((text(label) for label in source.classes), 10) or "none"
        raise raikit.ConfigError(f"favourable: {favourable!r} is not one of two labels; the labels are {classes}.")
    return label


def _check_reference(reference: Mapping[str, str], source: Source) -> None:
    columns = {name for feature in source.cells.features for name in feature.columns}
    for column in reference:
        if column not in columns:
            names = ", ".join(sorted(columns))
            raise raikit.ConfigError(f"reference: {column!r} is not among the sensitive columns ({names}).")


def _warn_of_lookalikes(source: Source) -> None:
    """Warn of groups, classes and clusters that differ only in how they are written: each of them is counted by itself."""
    features = [feature for feature in source.cells.features if len(feature.columns) == 1]
    if (control := source.cells.control) is not None:
        features.append(control)
    notes = [
        lookalike_note(column, list(dict.fromkeys(group[at] for group in feature.groups)))
        for feature in features
        for at, column in enumerate(feature.columns)
    ]
    for note in [lookalike_note("labels", source.classes, "class"), *notes, *source.cluster_notes]:
        if note is not None:
            warnings.warn(note, stacklevel=3)


def _names(columns: Any) -> list[str]:
    if columns is None:
        return []
    return [columns] if isinstance(columns, str) else [str(name) for name in columns]


def _grouping(sensitive: Sequence[str], control: Sequence[str], clusters: Sequence[str], limits: _Limits) -> GroupingColumns:
    """Return the columns that group cases, with what their missing groups are."""
    intersections, max_groups, given = limits
    columns = [*sensitive, *control]
    of = dict.fromkeys(columns, given) if isinstance(given, str) else dict(given)
    for column, choice in of.items():
        if column not in columns:
            hint = nearest(column, columns)
            raise raikit.ConfigError(f"missing_group: {column!r} is not among the sensitive columns ({listed(columns)}).{hint}")
        if choice not in get_args(MissingGroup):
            raise raikit.ConfigError(f"missing_group: {choice!r} is not one of {', '.join(get_args(MissingGroup))}.")
    missing = {column: choice for column, choice in of.items() if choice != "compare"}
    return GroupingColumns(sensitive, control, clusters, intersections, max_groups, missing)


def _source_in_file(
    path: Path, columns: FileColumns, roles: Mapping[str, Any], limits: _Limits, positive: Any
) -> Source:
    """Count a file."""
    sensitive, control, clusters = map(_names, roles.values())
    return source_from_file(path, columns, _grouping(sensitive, control, clusters, limits), positive)


def _source_in_memory(
    cases: Mapping[str, Any], roles: Mapping[str, Any], limits: _Limits, positive: Any, threshold: float
) -> Source:
    """Count arrays."""
    given = dict(cases)
    scores = given.pop("scores")
    if given["y_true"] is None:
        given["y_true"] = _decisions(given["y_pred"], "y_pred")
    arguments = Arguments(given, roles, scores)
    columns = {name.removeprefix("y_").removeprefix("sample_"): column for name, column in arguments.cases.items()}
    columns["truth"] = plain_labels(columns.pop("true"))
    if "pred" in columns:
        prediction = plain_labels(columns.pop("pred"))
        columns["truth"], columns["prediction"] = same_labels(columns["truth"], prediction)
    if "weight" in columns:
        columns["weight"] = pd.Series(numbers(columns["weight"], "sample_weight"))
    sensitive, control, clusters = arguments.roles.values()
    grouping = _grouping(sensitive, control, clusters, limits)
    scored = ScoreColumns(arguments.scores, arguments.score_names)
    return source_from_arrays(pd.DataFrame(columns), arguments.groups, scored, grouping, positive, threshold)


def _assessment(evaluation: LedEvaluation, source: Source, confidence: float) -> Assessment:
    by_group = [metric for metric in evaluation.metrics if metric.group is not None and "to" not in metric.args]
    contrasts = [metric for metric in evaluation.metrics if "to" in metric.args]
    disparities = [disparity.metric for disparity in evaluation.disparities]
    return Assessment(
        _frame(by_group, _GROUP_COLUMNS, source),
        _frame([*disparities, *contrasts], _DISPARITY_COLUMNS, source),
        evaluation.all_metrics,
        confidence,
        headline_frame(evaluation.subjects, source.cells.features),
    )


def _frame(metrics: Sequence[raikit.Metric], columns: Sequence[str], source: Source) -> pd.DataFrame:
    return pd.DataFrame({column: [_cell(metric, column, source.note) for metric in metrics] for column in columns})


def _cell(metric: raikit.Metric, column: str, note: str) -> Any:
    """Return a metric's cell in a column; `note` says how far metrics of binned scores may be off."""
    if column == "feature":
        return " and ".join(metric.over or ())
    if column == "group":
        return ", ".join("missing" if value is None else str(value) for value in (metric.group or {}).values())
    if column == "metric":
        args = ", ".join(f"{key}={value}" for key, value in metric.args.items())
        return f"{metric.name}({args})" if args else metric.name
    if column in ("flags", "excluded"):
        return ", ".join(getattr(metric, column))
    base = metric.name.removesuffix("_difference").removesuffix("_ratio")
    if column == "method" and note and base in _OF_SCORES:
        return f"{metric.method}; {note}"
    return getattr(metric, column)
