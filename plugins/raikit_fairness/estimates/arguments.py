"""Arrays, lists, Series and frames that people pass to `assess`, as columns whose rows belong together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set, ValuesView
from typing import Any

import numpy as np
import pandas as pd

import raikit
from raikit.arrays import FloatArray
from raikit.data.cell_types import CellFormat
from raikit.data.cells import refuse_lone_surrogates
from raikit.data.frames import as_pandas, check_frame
from raikit.errors import listed, nearest

_ITEMSIZE_OF_NAN = np.dtype("U3").itemsize


# What `assess` calls columns of a table that are arrays otherwise.
_OF_TABLE = {"y_true": "target", "y_pred": "prediction"}


class Arguments:
    """Columns of one length, with their rows in the order of ``y_true``.

    Parameters
    ----------
    cases : mapping of str to array_like
        ``y_true``, ``y_pred``, ``sample_weight``; None is absent.
    roles : mapping of str to Any
        ``sensitive_features``, ``control_features``, ``clusters``: one column or several, whatever holds them.
    scores : array_like, shape (n,) or (n, k), or None

    Raises
    ------
    DataError
        If lengths differ, or rows have labels (of Series and frames) that do not fit together.
    ConfigError
        If two columns have the same name.
    """

    def __init__(self, cases: Mapping[str, Any], roles: Mapping[str, Any], scores: Any) -> None:
        cases, roles, scores = _in_pandas(cases), _in_pandas(roles), as_pandas(scores)
        given, by_role = {}, {}
        for name, values in cases.items():
            if values is not None:
                with refuse_lone_surrogates(name):
                    given[name] = _column(values, name)
        for role, values in roles.items():
            with refuse_lone_surrogates(role):
                by_role[role] = _columns(values, role)
                pd.Index(list(by_role[role]), dtype="str")  # what it refuses of names, a table would refuse later
        self._refuse_same_names([name for columns in by_role.values() for name in columns])
        grouped = {name: column for columns in by_role.values() for name, column in columns.items()}
        table = None if scores is None else _frame(scores)
        every = {**given, **grouped, **({} if table is None else {"scores": table})}
        _check_lengths(every)
        aligned = _aligned(every, _with_row_labels({**cases, "scores": scores}, roles, by_role))
        self.cases = {name: aligned[name] for name in given}
        self.groups = {name: aligned[name] for name in grouped}
        self.roles = {role: list(columns) for role, columns in by_role.items()}
        self.score_names = [] if table is None or not isinstance(scores, pd.DataFrame) else list(table.columns)
        self.scores = None if table is None else _score_array(aligned["scores"])

    @staticmethod
    def _refuse_same_names(names: list[str]) -> None:
        for name in names:
            if names.count(name) > 1:
                raise raikit.ConfigError(
                    f"{name!r} names two columns among sensitive, control and cluster ones; rename one."
                )


def columns_of_table(
    table: pd.DataFrame, arguments: Sequence[Mapping[str, Any]], written: CellFormat
) -> list[dict[str, Any]]:
    """Return arguments that are given by the names of columns, read as those of a file.

    Parameters
    ----------
    table : DataFrame
    arguments : sequence of mapping of str to str or sequence of str, or None
        One name gives a Series, several give a frame.
    written : CellFormat

    Raises
    ------
    DataError
        If a column is not there (the nearest name is shown), or holds numbers but for a few cells.
    """
    table = table.set_axis(list(map(str, table.columns)), axis=1)
    names = {key: _column_names(value, _OF_TABLE.get(key, key), table) for group in arguments for key, value in group.items()}
    used = list(dict.fromkeys(name for columns in names.values() for name in columns))
    read = check_frame(table[used].reset_index(drop=True), written, "the table")
    given = {key: value for group in arguments for key, value in group.items()}
    taken = {key: read[value] if isinstance(value, str) else read[names[key]] for key, value in given.items() if value is not None}
    return [{key: taken.get(key) for key in group} for group in arguments]


def _column_names(value: Any, argument: str, table: pd.DataFrame) -> list[str]:
    """Return the columns that an argument names; each is there once."""
    names = [] if value is None else [value] if isinstance(value, str) else list(value)
    there = list(table.columns)
    for name in names:
        if not isinstance(name, str):
            raise raikit.ConfigError(f"{argument}: y_true is a table, so name columns of it; or give one column as y_true.")
        if there.count(name) != 1:
            problem = f"no column {name!r}.{nearest(name, there)}" if name not in there else f"two columns called {name!r}."
            raise raikit.DataError(f"{argument}: the table has {problem} Columns there: {listed(there, 30)}.")
    return names


def _in_pandas(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return arguments with tables and columns of polars, Arrow and DuckDB as those of pandas."""
    return {
        name: {key: as_pandas(column) for key, column in values.items()} if isinstance(values, Mapping) else as_pandas(values)
        for name, values in arguments.items()
    }


def numbers(values: pd.Series[Any], name: str) -> FloatArray:
    """Return a column as float64.

    Raises
    ------
    DataError
        If a cell is no number; names the row.
    """
    try:
        return values.to_numpy(dtype=float, na_value=np.nan)
    except (TypeError, ValueError):
        wrong = pd.to_numeric(values, errors="coerce").isna() & values.notna()
        raise raikit.DataError(f"{name}: row {int(wrong.to_numpy().argmax())} is no number.") from None


def _column(values: Any, name: str) -> pd.Series[Any]:
    """Return one column, from whatever holds it; missing values stay missing."""
    values = _with_fields(values)
    if isinstance(values, pd.Series):
        return _real(values.rename(name))
    if isinstance(values, pd.DataFrame):
        if values.shape[1] != 1:
            raise raikit.DataError(f"{name} has {values.shape[1]:,} columns; give one.")
        return _real(values.iloc[:, 0].rename(name))
    if isinstance(values, pd.Index | pd.api.extensions.ExtensionArray):
        return _real(pd.Series(values, name=name))
    array = _array(values, name)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1:
        raise raikit.DataError(f"{name} has the shape {array.shape}; give one value for each case.")
    return _real(pd.Series(array, name=name))


def _with_fields(values: Any) -> Any:
    """Return a structured array, whose cells are records, as a table."""
    return pd.DataFrame(values) if isinstance(values, np.ndarray) and values.dtype.names else values


def _real(values: pd.Series[Any]) -> pd.Series[Any]:
    """Return a column in the processor's order of bytes, which pandas needs.

    Raises
    ------
    DataError
        If it holds complex numbers, of which NumPy would leave out a part.
    """
    if values.dtype.kind == "c":
        raise raikit.DataError(f"{values.name} holds complex numbers; give real ones.")
    if isinstance(values.dtype, np.dtype) and not values.dtype.isnative:
        return values.astype(values.dtype.newbyteorder("="))
    return values


def _array(values: Any, name: str) -> Any:
    """Return an array that has lost nothing: NumPy itself makes the text 'nan' of a missing value among texts."""
    values = _without_gradient(values)
    if isinstance(values, Iterator | Set | Mapping | ValuesView):
        raise raikit.DataError(f"{name} is a {type(values).__name__}; give a list, an array or a Series.")
    if isinstance(values, np.ma.MaskedArray):
        return values if values.ndim > 1 else pd.Series(values).to_numpy()
    if isinstance(values, list | tuple):
        if not values or not isinstance(values[0], list | tuple | np.ndarray):
            return pd.Series(values, dtype=None if values else float).to_numpy()
        array = np.array(values, dtype=object)
        return pd.DataFrame(array).infer_objects().to_numpy() if array.ndim == 2 else array
    array = np.asarray(values)
    if array.dtype.kind == "U" and array.dtype.itemsize >= _ITEMSIZE_OF_NAN and (array == "nan").any():
        row = int(np.argwhere(array == "nan")[0][0])
        raise raikit.DataError(
            f"{name}: row {row} holds the text 'nan', which NumPy makes of a missing value among texts; give a list or Series "
            "with None for missing values (a Series may have a group that is called nan)."
        )
    return array


def _without_gradient(values: Any) -> Any:
    """Return a tensor of torch as an array, also where it has a gradient or a type that NumPy does not know."""
    if not hasattr(values, "detach"):
        return values
    tensor = values.detach().cpu()
    try:
        return tensor.numpy()
    except TypeError:
        return tensor.double().numpy()


def _columns(values: Any, role: str) -> dict[str, pd.Series[Any]]:
    """Return columns by name, whatever holds them."""
    if values is None:
        return {}
    singular = role.removesuffix("s")
    values = _with_fields(values)
    if isinstance(values, pd.DataFrame):
        if not values.columns.is_unique:
            repeated = values.columns[values.columns.duplicated()][0]
            raise raikit.ConfigError(f"{role}: two columns are called {repeated!r}.")
        return {str(name): _real(column.rename(str(name))) for name, column in values.items()}
    if isinstance(values, Mapping):
        return {str(name): _column(column, str(name)) for name, column in values.items()}
    if isinstance(values, pd.Series):
        name = str(values.name) if values.name is not None else singular
        return {name: _real(values.rename(name))}
    if isinstance(values, pd.Index | pd.api.extensions.ExtensionArray):
        return {singular: _real(pd.Series(values, name=singular))}
    array = _array(values, role)
    if array.ndim == 2 and array.shape[1] > 1:
        names = [f"{singular}_{number}" for number in range(array.shape[1])]
        return {name: _column(array[:, number], name) for number, name in enumerate(names)}
    return {singular: _column(array, singular)}


def _frame(scores: Any) -> pd.DataFrame:
    """Return scores as a frame with a column for each class, or one."""
    scores = _with_fields(scores)
    if isinstance(scores, pd.DataFrame):
        return scores
    if isinstance(scores, pd.Series):
        return scores.to_frame()
    try:
        array = np.asarray(_without_gradient(scores))
        array = array if array.dtype.kind == "c" else array.astype(float)
    except (TypeError, ValueError):
        raise raikit.DataError("scores: give numbers, of shape (n,) or (n, k).") from None
    if array.ndim not in (1, 2):
        raise raikit.DataError(f"scores have the shape {array.shape}; give (n,) or (n, k).")
    return pd.DataFrame(array)


def _score_array(table: pd.DataFrame) -> FloatArray:
    array = np.column_stack([numbers(_real(table.iloc[:, at].rename("scores")), "scores") for at in range(table.shape[1])])
    return array[:, 0] if array.shape[1] == 1 else array


def _check_lengths(every: Mapping[str, Any]) -> None:
    n = len(every["y_true"])
    for name, values in every.items():
        if len(values) != n:
            raise raikit.DataError(f"{name} has {len(values):,} rows; y_true has {n:,}.")
    if not n:
        raise raikit.DataError("y_true has no rows.")


def _with_row_labels(cases: Mapping[str, Any], roles: Mapping[str, Any], by_role: Mapping[str, Any]) -> set[str]:
    """Return the names of arguments that label their rows: those of pandas."""
    labelled = {name for name, values in cases.items() if isinstance(values, pd.Series | pd.DataFrame)}
    for role, values in roles.items():
        held = values if isinstance(values, Mapping) else dict.fromkeys(by_role[role], values)
        labelled |= {str(name) for name, column in held.items() if isinstance(column, pd.Series | pd.DataFrame)}
    return labelled


def _aligned(every: Mapping[str, Any], labelled: set[str]) -> dict[str, Any]:
    """Put rows that are labelled alike in one order, and number them; rows without labels stay where they are.

    Labels that are only numbers in order (of a Series that was made from an array) say nothing unless others use the same.
    """
    leading = next((name for name in every if name in labelled and not _is_numbered(every[name].index)), None)
    aligned = {}
    for name, values in every.items():
        if leading is not None and name in labelled and not values.index.equals(every[leading].index):
            values = _reordered(values, every[leading].index, name, leading, [other for other in every if other not in labelled])
        aligned[name] = values.reset_index(drop=True)
    return aligned


def _is_numbered(index: pd.Index[Any]) -> bool:
    return index.equals(pd.RangeIndex(len(index)))


def _reordered(values: Any, wanted: pd.Index[Any], name: str, leading: str, unlabelled: list[str]) -> Any:
    """Return rows in the order of the wanted labels."""
    advice = "bring all to one order, or remove the labels with .reset_index(drop=True) where rows already belong together"
    places = values.index.get_indexer(wanted) if values.index.is_unique and wanted.is_unique else np.array([-1])
    if (places < 0).any():
        if _is_numbered(values.index):
            return values
        raise raikit.DataError(f"the rows of {name} and {leading} have different labels (their index); {advice}.")
    if unlabelled:
        raise raikit.DataError(
            f"the rows of {name} and {leading} have the same labels (their index) in another order, and {unlabelled[0]} has "
            f"none; {advice}."
        )
    return values.iloc[places]
