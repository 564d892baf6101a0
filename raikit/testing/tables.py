"""Exact numbers: a check on a table of predictions that the test wrote by hand, without an audit around it."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from raikit.check import Check, CheckContext
from raikit.config.types import Task
from raikit.run.predictions import Predictions
from raikit.run.results import CheckResult

if TYPE_CHECKING:
    import pandas as pd

    from raikit.data.dataset import Dataset
    from raikit.models.base import Model


def table_context(
    table: pd.DataFrame,
    *,
    task: Task = "binary",
    sensitive: Sequence[str] = (),
    cluster: Sequence[str] = (),
    weight: str | None = None,
    classes: Sequence[Any] | None = None,
    positive: Any = 1,
    model: Model | None = None,
    data: Dataset | None = None,
    folder: Path | None = None,
    seed: int = 0,
    confidence: float = 0.95,
) -> CheckContext:
    """Make the context that a check is given from a table of predictions, where a test knows every row.

    Parameters
    ----------
    table : DataFrame
        Columns of ``predictions.parquet``: ``target``, ``prediction``, ``score`` … and those with a role; ``id`` and
        ``split`` are added where absent.
    folder : Path, optional
        Where the Parquet file and the check's `workdir` go; absent: a new temporary folder.

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
    folder = folder or Path(tempfile.mkdtemp(prefix="raikit-"))
    workdir = folder / "work"
    workdir.mkdir(parents=True, exist_ok=True)
    path = folder / "predictions.parquet"
    table.to_parquet(path, index=False)
    if classes is None:
        classes = [] if task == "regression" else sorted(table["target"].dropna().unique().tolist())
        if task == "binary" and len(classes) == 2:
            classes = [label for label in classes if label != positive] + [positive]
    return CheckContext(
        task=task,
        predictions=Predictions(path),
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
    )


def result_of(check: type[Check], ctx: CheckContext, **options: Any) -> CheckResult:
    """What a check finds in a context: options validated, ids composed, the result serialised and read back.

    What it raises is raised; `raikit.testing.run_check` makes a record of it, as an audit does.

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
