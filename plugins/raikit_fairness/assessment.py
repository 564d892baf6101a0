"""Group fairness in one line, on arrays or a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import raikit
from raikit_fairness import measures, notebook
from raikit_fairness.estimates.evaluation import Study
from raikit_fairness.estimates.group_estimates import Correction, Settings
from raikit_fairness.estimates.sources import Columns, Scope, Source, from_arrays, from_file
from raikit_fairness.estimates.task_metrics import views_of

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import ArrayLike

_DRAWS = 20_000  # a tail decides; fewer move the level by a point


@dataclass(frozen=True)
class Assessment:
    """What was measured, as tidy tables; a notebook draws it.

    Parameters
    ----------
    by_group : DataFrame
        One row per metric and group: ``feature``, ``group``, ``metric``, ``value``, ``low``, ``high``, ``n``,
        ``n_clusters``, ``effective_n``, ``flags``, ``reason`` (why there is no value), ``method``.
    disparities : DataFrame
        One row per disparity (``group`` is empty) and per comparison of a group with the rest or a reference:
        ``feature``, ``metric``, ``group``, ``value``, ``low``, ``high``, ``n``, ``p_value``, ``p_adjusted``,
        ``adjustment``, ``minimum_detectable`` (the gap that these data could have shown with 80 % power), ``excluded``
        (groups in which it is undefined), ``flags``, ``reason``, ``method``.
    metrics : list of Metric
        The same as an audit records them.
    confidence : float
    """

    by_group: pd.DataFrame
    disparities: pd.DataFrame
    metrics: list[raikit.Metric]
    confidence: float

    def __repr__(self) -> str:
        """Both tables, the largest proven gaps first."""
        return notebook.as_text(self)

    def _repr_html_(self) -> str:
        """Dots with intervals, and the gaps."""
        return notebook.as_html(self)


def assess(
    y_true: ArrayLike | str | Path,
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
    threshold: float = 0.5,
    metrics: Sequence[str] | None = None,
    reference: Mapping[str, str] | None = None,
    simultaneous: bool = False,
    correction: Correction = "holm",
    intersections: int = 2,
    min_group: int = 30,
    max_groups: int = 500,
    target: str = "target",
    prediction: str | None = None,
) -> Assessment:
    """Measure group fairness with honest uncertainty.

    Parameters
    ----------
    y_true : array_like, shape (n,), or path
        Labels or numbers; or a Parquet or CSV file of any size, whose cells DuckDB counts out of core. With a file every
        other array is given by its column's name.
    y_pred : array_like, shape (n,), optional
        Predictions; absent: scores of at least `threshold`.
    sensitive_features : array_like, Series, DataFrame, mapping of name to array, or (a file) list of columns
        One or several columns; missing values are a group of their own.
    scores : array_like, shape (n,) or (n, k), or column, optional
        Probability of the positive class, or of every class in sorted order. Adds areas, losses and calibration.
    sample_weight : array_like, shape (n,), or column, optional
        Sampling weights: their scale changes nothing.
    clusters : as `sensitive_features`, optional
        Rows that share a value are not independent; two columns are crossed, of more the two
        coarsest are used. A missing value shares none.
    confidence : float, in (0.5, 1)
    replicates : int
        Random draws behind simultaneous limits. At least 20,000 are made, because a tail decides: fewer move the level.
    seed : int
    control_features : as `sensitive_features`, optional
        Groups are also compared within each of their values (conditional parity).
    positive : label, optional
        Of a binary target; needed unless labels are 0 and 1.
    threshold : float
    metrics : sequence of str, optional
        Names of metrics by group, such as ``["selection_rate", "true_positive_rate"]``; absent: all.
    reference : mapping of column to value, optional
        A group that the others are compared with: ``{"sex": "M"}``.
    simultaneous : bool
        Whether groups' own intervals hold for all groups of a feature at once (Sidak), or each by itself.
    correction : {"holm", "benjamini-hochberg"}
        Of p-values over features and intersections.
    intersections : int
        Most features crossed with each other. Intersections get all metrics only if `metrics` names them; else rates.
    min_group : int
        Groups with fewer rows are shown and flagged.
    max_groups : int
    target, prediction : str
        With a file: columns of truth and prediction (absent: from scores and `threshold`).

    Returns
    -------
    Assessment

    Raises
    ------
    raikit.DataError, raikit.ConfigError
        Lengths that differ, missing labels, scores or weights that are no numbers or negative, more groups than
        `max_groups`, an unknown column or metric; one sentence that names it.

    Examples
    --------
    >>> found = assess([1, 0, 1, 1, 0, 0], [1, 0, 0, 1, 1, 0], sensitive_features=["a", "a", "a", "b", "b", "b"])
    >>> found.by_group.query("metric == 'selection_rate'")[["group", "value", "n"]].to_string(index=False)
    'group    value  n\\n    a 0.333333  3\\n    b 0.666667  3'
    """
    known = {measure.name for measure in measures.EVERY}
    for name in metrics or ():
        if name not in known:
            raise raikit.ConfigError(f"metrics: no metric is called {name!r}; known: {', '.join(sorted(known))}.")
    if not 0.5 < confidence < 1:
        raise raikit.ConfigError(f"confidence must lie between 0.5 and 1, not {confidence}.")
    if isinstance(y_true, str | Path):
        scope = Scope(_names(sensitive_features), _names(control_features), _names(clusters), intersections, max_groups)
        source = from_file(Path(y_true), Columns(target, prediction, scores, sample_weight, threshold), scope, positive)
    else:
        source = _in_memory(y_true, y_pred, scores, sample_weight, (sensitive_features, control_features, clusters),
                            (intersections, max_groups), positive, threshold)
    for column in reference or ():
        columns = {name for feature in source.cells.features for name in feature.columns}
        if column not in columns:
            raise raikit.ConfigError(f"reference: {column!r} is none of the sensitive columns ({', '.join(sorted(columns))}).")
    settings = Settings(confidence, max(replicates, _DRAWS), min_group, simultaneous, correction)
    study = Study(settings, seed, {column: str(value) for column, value in (reference or {}).items()}, metrics)
    study.run(source.cells, source.rows, views_of(source.task, source.classes, source.positive), full=metrics is not None)
    return _assessment(study, source, confidence)


def _names(columns: Any) -> list[str]:
    if columns is None:
        return []
    return [columns] if isinstance(columns, str) else [str(name) for name in columns]


def _in_memory(
    y_true: Any, y_pred: Any, scores: Any, sample_weight: Any, grouped: tuple[Any, Any, Any], scope: tuple[int, int],
    positive: Any, threshold: float,
) -> Source:
    import numpy as np
    import pandas as pd

    frame = {"truth": y_true, "prediction": y_pred, "weight": sample_weight}
    columns = {name: pd.Series(np.asarray(values)) for name, values in frame.items() if values is not None}
    n = len(columns["truth"])
    roles = [_columns(values, role) for values, role in zip(grouped, ("sensitive_features", "control_features", "clusters"),
                                                           strict=True)]
    given = {**{f"y_{name}": values for name, values in columns.items()},
             **{name: values for role in roles for name, values in role.items()}}
    if scores is not None:
        scores = np.asarray(scores, dtype=float)
        given["scores"] = scores
    for name, values in given.items():
        if len(values) != n:
            raise raikit.DataError(f"{name} has {len(values):,} rows; y_true has {n:,}.")
    if not n:
        raise raikit.DataError("y_true has no rows.")
    every = {name: values for role in roles for name, values in role.items()}
    if len(every) < sum(map(len, roles)):
        names = [name for role in roles for name in role]
        twice = next(name for name in names if names.count(name) > 1)
        raise raikit.ConfigError(f"{twice!r} names two columns among sensitive, control and cluster ones; rename one.")
    where = Scope(list(roles[0]), list(roles[1]), list(roles[2]), *scope)
    return from_arrays(pd.DataFrame(columns), every, scores, where, positive, threshold)


def _columns(values: Any, role: str) -> dict[str, pd.Series[Any]]:
    """Columns by name, whatever holds them."""
    import numpy as np
    import pandas as pd

    if values is None:
        return {}
    single = role.removesuffix("s")
    if isinstance(values, pd.DataFrame) and not values.columns.is_unique:
        raise raikit.ConfigError(f"{role}: two columns are called {values.columns[values.columns.duplicated()][0]!r}.")
    if isinstance(values, pd.DataFrame | Mapping):
        return {str(name): pd.Series(column).reset_index(drop=True) for name, column in values.items()}
    if isinstance(values, pd.Series):
        return {str(values.name) if values.name is not None else single: values.reset_index(drop=True)}
    array = np.asarray(values)
    if array.ndim == 2:
        return {f"{single}_{at}": pd.Series(array[:, at]) for at in range(array.shape[1])}
    return {single: pd.Series(array)}


def _assessment(study: Study, source: Source, confidence: float) -> Assessment:
    own = [metric for metric in study.metrics if metric.group is not None and "to" not in metric.args]
    compared = [*(one.metric for one in study.disparities), *(metric for metric in study.metrics if "to" in metric.args)]
    return Assessment(
        _frame(own, ("feature", "group", "metric", "value", "low", "high", "n", "n_clusters", "effective_n", "flags",
                     "reason", "method"), source),
        _frame(compared, ("feature", "metric", "group", "value", "low", "high", "n", "p_value", "p_adjusted", "adjustment",
                          "minimum_detectable", "excluded", "flags", "reason", "method"), source),
        study.every, confidence,
    )


def _frame(found: Sequence[raikit.Metric], columns: Sequence[str], source: Source) -> pd.DataFrame:
    import pandas as pd

    of_scores = {measure.name for measure in (*measures.BINARY_SCORES, *measures.MULTICLASS_SCORES)}

    def cell(metric: raikit.Metric, column: str) -> Any:
        if column == "feature":
            return " and ".join(metric.over or ())
        if column == "group":
            return ", ".join("missing" if value is None else value for value in (metric.group or {}).values())
        if column == "metric":
            args = ", ".join(f"{key}={value}" for key, value in metric.args.items())
            return f"{metric.name}({args})" if args else metric.name
        if column in ("flags", "excluded"):
            return ", ".join(getattr(metric, column))
        if column == "method" and source.note and metric.name.removesuffix("_difference").removesuffix("_ratio") in of_scores:
            return f"{metric.method}; {source.note}"
        return getattr(metric, column)

    return pd.DataFrame({column: [cell(metric, column) for metric in found] for column in columns})
