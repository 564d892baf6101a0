"""What the columns are: ids, the target and its task, sensitive groups as text, clusters, weights."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from raikit.address import text
from raikit.data.tables import as_label, row_name
from raikit.errors import DataError, RaikitError, listed, nearest
from raikit.predictions import RESERVED

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from raikit.config.schema import DataConfig, SensitiveConfig

Error = Callable[[Sequence[str | int], str], RaikitError]

_MOST_UNBINNED = 20
_MOST_INTEGER_CLASSES = 20


def need(columns: Sequence[str], known: Sequence[str], key: Sequence[str | int], error: Error, file: str) -> None:
    """Refuse a column that is not there, with the nearest."""
    for column in columns:
        if column not in known:
            raise error(
                key, f"no column {column!r} in {file}.{nearest(column, known)} Columns there: {listed(known, 30)}."
            )


def refuse_reserved(names: Sequence[str], key: str, error: Error) -> None:
    """Columns of predictions.parquet have fixed names; a role of the user's own may not take one of them."""
    for name in names:
        if name in RESERVED or name.startswith(("score.", "target.", "prediction.")):
            raise error(
                ("data", key), f"the name {name!r} is taken in predictions.parquet; rename this column of the table."
            )


def ids(table: pd.DataFrame, column: str | None, file: str) -> pd.Series:
    """The row ids: unique, none missing; row numbers from 0 where no column is named."""
    import pandas as pd

    if column is None:
        return pd.Series(range(len(table)), name="id")
    values = table[column].rename("id")
    if values.isna().any():
        raise DataError(f"{file}, row {int(values.isna().argmax()) + 1}: data.id ({column}) is missing.")
    if values.duplicated().any():
        twice = values[values.duplicated()].iloc[0]
        raise DataError(
            f"{file}: data.id ({column}) must be unique; {str(twice)!r} stands {int((values == twice).sum())} times."
        )
    return values


def task_of(target: pd.Series) -> str:
    """Guess the task: two values are binary; text or at most 20 integers multiclass; other numbers regression."""
    import pandas as pd

    distinct = target.dropna().unique()
    if len(distinct) <= 2:
        return "binary"
    if not pd.api.types.is_numeric_dtype(target):
        return "multiclass"
    whole = all(float(value).is_integer() for value in distinct[: _MOST_INTEGER_CLASSES + 1])
    return "multiclass" if whole and len(distinct) <= _MOST_INTEGER_CLASSES else "regression"


def target_of(
    table: pd.DataFrame, config: DataConfig, names: pd.Series, file: str, error: Error
) -> tuple[str, pd.Series]:
    """The task and the target without missing values; labels as Python's own scalars, numbers as float64."""
    import numpy as np
    import pandas as pd

    column = str(config.target)
    target = table[column]
    if target.isna().any():
        at = int(target.isna().to_numpy().argmax())
        raise DataError(f"{row_name(file, at, names)}: data.target ({column}) is missing.")
    task = config.task or task_of(target)
    if task == "regression":
        if not pd.api.types.is_numeric_dtype(target):
            raise error(("data", "task"), f"a regression needs numbers, and {column!r} holds text.")
        numbers = target.astype("float64")
        if (bad := np.flatnonzero(~np.isfinite(numbers))).size:
            raise DataError(f"{row_name(file, int(bad[0]), names)}: data.target ({column}) is infinite.")
        return task, numbers.rename("target")
    codes, distinct = pd.factorize(target)
    labels = np.array([as_label(value) for value in distinct], dtype=object)
    return task, pd.Series(labels[codes].tolist(), name="target")


def classes_of(target: pd.Series, task: str, config: DataConfig, error: Error) -> tuple[list[Any], Any]:
    """Classes in order ([negative, positive] if binary) and the positive one."""
    if task == "regression":
        return [], None
    classes = sorted(target.unique().tolist(), key=lambda label: (str(type(label)), label))
    if len(classes) < 2:
        raise DataError(f"data.target ({config.target}) has one class, {classes[0]!r}; there is nothing to tell apart.")
    if task != "binary":
        return classes, None
    if len(classes) != 2:
        raise error(
            ("data", "task"), f"binary, but {config.target!r} has {len(classes)} values ({listed(classes, 6)})."
        )
    positive = _positive(classes, config, error)
    return [label for label in classes if label != positive] + [positive], positive


def _positive(classes: Sequence[Any], config: DataConfig, error: Error) -> Any:
    if config.positive is None:
        if {text(label) for label in classes} in ({"0", "1"}, {"false", "true"}):
            return classes[1]
        raise error(("data", "positive"), f"say which of {classes[0]!r} and {classes[1]!r} is the positive class.")
    for label in classes:
        if text(label) == text(config.positive):
            return label
    raise error(
        ("data", "positive"), f"{config.positive!r} is no value of {config.target!r}; its values are {listed(classes)}."
    )


def sensitive(table: pd.DataFrame, feature: SensitiveConfig, error: Error, index: int) -> pd.Series:
    """A sensitive column as text; missing is null and a group of its own; numbers with many values are binned."""
    import pandas as pd

    values = table[feature.column]
    key = ("data", "sensitive", index)
    if feature.bins or feature.quantiles:
        if not pd.api.types.is_numeric_dtype(values):
            raise error(key, f"{feature.column!r} holds text, which cannot be binned.")
        edges = feature.bins or _quantile_edges(values, int(feature.quantiles or 0))
        return _binned(values, edges)
    numeric = pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)
    if numeric and values.nunique() > _MOST_UNBINNED:
        proposal = ", ".join(f"{edge:g}" for edge in _quantile_edges(values, 4))
        raise error(
            key,
            f"{feature.column!r} has {values.nunique()} different numbers; bin them, for example "
            f"{{column: {feature.column}, bins: [{proposal}]}}.",
        )
    return as_text(values)


def _quantile_edges(values: pd.Series, parts: int) -> list[float]:
    inner = values.quantile([part / parts for part in range(1, parts)]).tolist()
    return sorted({float(f"{edge:.3g}") for edge in inner})


def _binned(values: pd.Series, edges: Sequence[float]) -> pd.Series:
    """Bins closed on the left, open ends written as such: ``[-inf, 25)``, ``[25, 40)``, ``[40, inf)``."""
    import numpy as np
    import pandas as pd

    ends = [-np.inf, *edges, np.inf]
    names = np.array([f"[{low:g}, {high:g})" for low, high in itertools.pairwise(ends)], dtype=object)
    numbers = values.to_numpy(dtype="float64", na_value=np.nan)
    binned = names[np.searchsorted(np.asarray(edges), numbers, side="right")]
    binned[np.isnan(numbers)] = None
    return pd.Series(binned, index=values.index, name=values.name, dtype=object)


def as_text(values: pd.Series) -> pd.Series:
    """Values as an address writes them: 3.0 is ``3``, True is ``true``, dates are ISO; missing stays null."""
    import numpy as np
    import pandas as pd

    codes, distinct = pd.factorize(values)
    written = np.array([_written(value) for value in distinct] + [None], dtype=object)
    return pd.Series(written[codes], index=values.index, name=values.name, dtype=object)


def _written(value: Any) -> str:
    if hasattr(value, "isoformat"):
        return str(value.isoformat()).removesuffix("T00:00:00")
    return text(as_label(value))


def weights(table: pd.DataFrame, column: str, names: pd.Series, file: str) -> np.ndarray:
    """Sampling weights: numbers, none negative, not all zero."""
    import numpy as np
    import pandas as pd

    values = pd.to_numeric(table[column], errors="coerce").to_numpy(dtype="float64", na_value=np.nan)
    if (bad := np.flatnonzero(~np.isfinite(values))).size:
        raise DataError(f"{row_name(file, int(bad[0]), names)}: data.weight ({column}) is no number.")
    if (bad := np.flatnonzero(values < 0)).size:
        raise DataError(f"{row_name(file, int(bad[0]), names)}: data.weight ({column}) is negative.")
    if not values.any():
        raise DataError(f"{file}: every data.weight ({column}) is zero.")
    return values
