"""A check on a table of predictions that the test wrote by hand, so that exact values are known."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from raikit.check import Check, CheckContext
from raikit.config.types import Task
from raikit.run.predictions import Predictions
from raikit.run.results import CheckResult

if TYPE_CHECKING:
    from raikit.data.dataset import Dataset
    from raikit.models.base import Model


def table_context(
    table: pd.DataFrame,
    *,
    task: Task = "binary",
    sensitive: Sequence[str] = (),
    cluster: Sequence[str] = (),
    weight: str | None = None,
    reference: Mapping[str, str] | None = None,
    classes: Sequence[Any] | None = None,
    positive: Any = 1,
    favourable: Any = None,
    missing_group: Mapping[str, str] | None = None,
    model: Model | None = None,
    data: Dataset | None = None,
    folder: Path | None = None,
    seed: int = 0,
    confidence: float = 0.95,
) -> CheckContext:
    """Make the context of a check from a table of predictions.

    Parameters
    ----------
    table : DataFrame
        Columns of ``predictions.parquet``: ``target``, ``prediction``, ``score`` … and those with a role. ``id`` and
        ``split`` are added if absent.
    task : {"binary", "multiclass", "regression"}
    sensitive, cluster : sequence of str
        Columns with that role.
    weight : str, optional
        The column of sampling weights.
    reference : mapping of str to str, optional
        The group that others are compared with, by sensitive column.
    classes : sequence, optional
        Absent: the labels of the target (without one: of the predictions), sorted, the positive one last.
    positive : label
        The positive class of a binary target.
    favourable : label, optional
        The class of a binary target that is good for the person it is about.
    missing_group : mapping of str to {"show", "leave_out"}, optional
        Sensitive columns whose missing group is not compared with others.
    model, data : optional
        As a check finds them in ``ctx.model`` and ``ctx.data``.
    folder : Path, optional
        Folder of the Parquet file and of the check's `workdir`; absent: a temporary folder, removed with ``ctx.predictions``.
    seed : int
    confidence : float
        Level of the intervals, between 0 and 1.

    Returns
    -------
    CheckContext

    See Also
    --------
    raikit.testing.context : the same for a `Dataset` and a model.

    Examples
    --------
    >>> import pandas as pd
    >>> ctx = table_context(pd.DataFrame({"target": [0, 1, 1], "prediction": [0, 1, 0]}))
    >>> ctx.classes, ctx.predictions.size()
    ([0, 1], 3)
    """
    table = table.copy()
    if "id" not in table:
        table.insert(0, "id", range(len(table)))
    if "split" not in table:
        table.insert(1, "split", "test")
    place = folder or Path(tempfile.mkdtemp(prefix="raikit-"))
    workdir = place / "work"
    workdir.mkdir(parents=True, exist_ok=True)
    predictions = Predictions(place / "predictions.parquet")
    table.to_parquet(predictions.path, index=False)
    if folder is None:
        remove_with(predictions, place)
    if classes is None:
        known = "target" if "target" in table else "prediction"
        classes = [] if task == "regression" else sorted(table[known].dropna().unique().tolist())
        if task == "binary" and len(classes) == 2:
            classes = [label for label in classes if label != positive] + [positive]
    return CheckContext(
        task=task,
        predictions=predictions,
        data=data,
        model=model,
        classes=list(classes),
        positive=positive if task == "binary" else None,
        sensitive=tuple(sensitive),
        cluster=tuple(cluster),
        weight=weight,
        seed=seed,
        workdir=workdir,
        confidence=confidence,
        reference=reference or {},
        favourable=favourable,
        missing_group=missing_group or {},
    )


def remove_with(predictions: Predictions, folder: Path) -> None:
    """Remove a temporary folder once nobody uses the predictions in it, at the latest when the process ends."""
    weakref.finalize(predictions, shutil.rmtree, folder, ignore_errors=True)


def result_of(check: type[Check], ctx: CheckContext, **options: Any) -> CheckResult:
    """Run a check in a context: options validated, ids composed, the result serialised and read back.

    An exception of the check is raised; `raikit.testing.run_check` records it, as an audit does.

    Parameters
    ----------
    check : Check class
    ctx : CheckContext
    **options
        Options of the check.

    Returns
    -------
    CheckResult

    Raises
    ------
    TypeError
        If `run` returns anything but a `CheckResult`.
    """
    instance = check(check.Options(**options))
    result = instance.run(ctx)
    if not isinstance(result, CheckResult):
        raise TypeError(f"{check.name}: run returned {type(result).__name__}, not a CheckResult")
    for metric in result.metrics:
        metric.id = instance.address(metric)
    return CheckResult.model_validate_json(result.model_dump_json())
