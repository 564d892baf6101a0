"""From the arguments of `raikit.audit` to the configuration that audit.yaml would give; errors name the argument."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from raikit.audit.memory import TABLE, InMemory
from raikit.config.load import validated
from raikit.config.types import Key, key_text
from raikit.config.yamlfile import Document
from raikit.data.frames import as_frame, as_pandas
from raikit.errors import ConfigError, DataError, RaikitError
from raikit.models.loaders import OBJECT_KIND
from raikit.models.objects import columns_of, describe_object, input_name, loader_of, modality_of

CALL = "raikit.audit"
# Arguments that are keys of `data` in audit.yaml, under the same name.
DATA_KEYS = (
    "target", "sensitive", "id", "classes", "positive", "favourable", "task", "reference", "unit", "labels", "cluster", "weight",
    "split",
)  # fmt: skip
# Where a message begins with a key of audit.yaml, it gets the argument instead; the first that fits.
_ARGUMENTS = (
    ("data.path", "data"), ("model.load.prediction", "prediction"), ("model.load.scores", "score"), ("model.load.score", "score"),
    ("model.load.threshold", "threshold"), ("gate.rules", "rules"), ("data.inputs", "inputs"),
    *((f"data.{key}", key) for key in DATA_KEYS),
)  # fmt: skip


class Arguments(Document):
    """The arguments of a call in place of a file: there are no lines, and the folder is the working folder."""

    def place(self, key: Key) -> str:
        """Return the call."""
        return CALL

    def where(self, key: Key) -> str:
        """Return the key."""
        return key_text(key)


@dataclass
class Call:
    """A call of `raikit.audit` with its table, to which predictions that are arrays are added as columns."""

    data: Any
    model: Any
    data_keys: Mapping[str, Any]
    prediction: Any = None
    score: Any = None
    threshold: float | None = None
    inputs: Any = None
    rules: Any = None
    sections: Mapping[str, Any] = field(default_factory=dict)
    config: Mapping[str, Any] | None = None
    table: pd.DataFrame | None = None

    def in_memory(self) -> InMemory:
        """Return the validated configuration with the objects.

        Raises
        ------
        ConfigError, DataError, ModelError
            If an argument cannot be used; the message names it.
        """
        self._refuse_half_a_model()
        self.table = None if isinstance(self.data, str | Path) else _table(self.data)
        written = self._written()
        rules, maxima = _rules(self.rules)
        if rules:
            written["gate"] = {"rules": rules}
        config = validated(Arguments(Path(CALL), _merged(written, self.config or {})))
        return InMemory(
            config, self.table, None if self.model is None else loader_of(self.model), self._call(), self._objects(), maxima
        )

    def _refuse_half_a_model(self) -> None:
        given = [name for name in ("prediction", "score") if getattr(self, name) is not None]
        if self.model is None and not given:
            raise ConfigError("model: give a model, or the `prediction` or `score` of each case.")
        if self.model is not None and given:
            raise ConfigError(f"{given[0]}: the model gives it; leave one of the two out.")

    def _written(self) -> dict[str, Any]:
        """Return what audit.yaml would hold."""
        data = {key: _written_key(key, value) for key, value in self.data_keys.items() if value is not None}
        data["path"] = str(Path(self.data).absolute()) if self.table is None and not _is_remote(self.data) else str(self.data)
        if self.table is not None:
            data["path"] = f"({describe_object(self.data)} in memory)"
        load: dict[str, Any] = {"kind": OBJECT_KIND}
        if self.model is None:
            load = {"kind": "predictions", **self._predictions()}
        else:
            data["inputs"] = self._inputs()
        sections = {key: value for key, value in self.sections.items() if value is not None}
        name = "predictions" if self.model is None else type(self.model).__name__
        return {"name": name, **sections, "data": data, "model": {"load": load}}

    def _call(self) -> str:
        model = "" if self.model is None else f", {describe_object(self.model)}"
        return f"{CALL}({'data' if self.table is None else describe_object(self.data)}{model}, …)"

    def _objects(self) -> list[str]:
        held = [] if self.table is None else [f"data: {describe_object(self.data)}"]
        return held if self.model is None else [*held, f"model: {describe_object(self.model)}"]

    # --- predictions ------------------------------------------------------------------------------------------------

    def _predictions(self) -> dict[str, Any]:
        """Return the settings of ``kind: predictions``; arrays become columns."""
        load: dict[str, Any] = {} if self.threshold is None else {"threshold": self.threshold}
        if self.prediction is not None:
            load["prediction"] = self._column("prediction", self.prediction)
        score = as_pandas(self.score)
        if isinstance(score, Mapping | pd.DataFrame):
            load["scores"] = {name: self._column("score", score[name], f" of {name}") for name in score}
        elif score is not None:
            load["score"] = self._column("score", score)
        return load

    def _column(self, argument: str, values: Any, of: str = "") -> str:
        """Return the column that an argument names, or the name under which its values are added to the table."""
        if isinstance(values, str):
            return values
        if self.table is None:
            raise ConfigError(f"{argument}: with `data` as a path, name a column.")
        name = f"{argument}{of}"
        while name in self.table:
            name += "_"
        self.table = self.table.assign(**{name: _cells(values, argument, len(self.table))})
        return name

    # --- inputs -----------------------------------------------------------------------------------------------------

    def _inputs(self) -> dict[str, Any]:
        """Return ``data.inputs``: what is given, else the columns of the estimator, else those without a role."""
        given = self.inputs
        if isinstance(given, Mapping):
            return {str(name): _input(value) for name, value in given.items()}
        if isinstance(given, str):
            modality = self._modality(given)
            one = {"columns": [given]} if modality == "tabular" else {"column": given}
            return {input_name(self.model, given): {"modality": modality, **one}}
        columns = [str(name) for name in given] if given is not None else self._default_columns()
        if len(columns) == 1 and self._modality(columns[0]) != "tabular":
            return {input_name(self.model, columns[0]): {"modality": self._modality(columns[0]), "column": columns[0]}}
        return {input_name(self.model, "features"): {"modality": "tabular", "columns": columns}}

    def _default_columns(self) -> list[str]:
        fitted = columns_of(self.model)
        if fitted is not None:
            return fitted
        if self.table is None:
            raise ConfigError("inputs: with `data` as a path, name the columns that the model reads.")
        roles = set(_names(self.data_keys))
        if free := [str(name) for name in self.table if str(name) not in roles]:
            return free
        raise ConfigError("inputs: every column has another role; name the columns that the model reads.")

    def _modality(self, column: str) -> str:
        """Return what a single column holds: numbers are tabular, and anything else what the model most likely reads."""
        if columns_of(self.model) is not None:
            return "tabular"
        if self.table is not None and column in self.table and pd.api.types.is_numeric_dtype(self.table[column]):
            return "tabular"
        return modality_of(self.model)


def named(error: RaikitError, model: str = "model") -> RaikitError:
    """Return an error whose message begins with the argument instead of the key of audit.yaml.

    `model` is the argument that stands for ``model.load``, which is another one where there is no model.
    """
    message = str(error)
    for key, argument in (*_ARGUMENTS, ("model.load", model)):
        if re.match(rf"{re.escape(key)}(?!\w)", message):
            return type(error)(f"{argument}{message[len(key):]}")
    return error


def _table(data: Any) -> pd.DataFrame:
    """Return a frame, or arrays by name, as one DataFrame whose columns have text as names.

    Raises
    ------
    ConfigError, DataError
        If it is no table.
    """
    if isinstance(data, Mapping):
        if not data:
            raise DataError(f"{TABLE}: the mapping is empty; give an array for each column.")
        columns = {str(name): as_pandas(values) for name, values in data.items()}
        rows = len(next(iter(columns.values())))
        return pd.DataFrame({name: _cells(values, f"{TABLE}[{name!r}]", rows) for name, values in columns.items()})
    try:
        frame = as_frame(data)
    except DataError:
        raise ConfigError(
            f"{TABLE}: a {type(data).__name__} is no table; give a frame of pandas or polars, a table of Arrow, arrays by name, "
            "or a path."
        ) from None
    return frame.set_axis(list(map(str, frame.columns)), axis=1).reset_index(drop=True)


def _cells(values: Any, argument: str, rows: int) -> Any:
    """Return values as one column of `rows` cells, by their order and not by an index.

    Raises
    ------
    DataError
        If there are more or fewer, or if they are no column.
    """
    values = as_pandas(values)
    if hasattr(values, "detach"):
        values = values.detach().cpu().numpy()
    if isinstance(values, pd.Series | pd.Index):
        cells: Any = values.array
    elif isinstance(values, np.ndarray):
        cells = values
    else:
        cells = pd.Series(list(values)).array
    if getattr(cells, "ndim", 1) != 1:
        raise DataError(f"{argument}: it has the shape {np.shape(cells)}; give one value for each case.")
    if len(cells) != rows:
        raise DataError(f"{argument}: it has {len(cells):,} values for {rows:,} cases.")
    return cells


def _input(value: Any) -> Any:
    """Return an input as audit.yaml has it; a list of columns is tabular, and a word alone is a modality."""
    if isinstance(value, str):
        return {"modality": value}
    if isinstance(value, Mapping):
        return dict(value)
    return {"modality": "tabular", "columns": [str(name) for name in value]}


def _written_key(key: str, value: Any) -> Any:
    if key in ("sensitive", "cluster", "classes") and not isinstance(value, str | Mapping):
        return [item.item() if isinstance(item, np.generic) else item for item in value]
    if key == "sensitive" and isinstance(value, Mapping):
        return [value]
    return value.item() if isinstance(value, np.generic) else value


def _names(keys: Mapping[str, Any]) -> list[str]:
    """Return the columns that have a role other than input."""
    names: list[str] = []
    for key in ("target", "sensitive", "id", "cluster", "weight", "split"):
        value = keys.get(key)
        for item in [value] if isinstance(value, str | Mapping) else value or ():
            names.append(str(item.get("column")) if isinstance(item, Mapping) else str(item))
    return names


def _rules(rules: Any) -> tuple[list[Any], frozenset[str]]:
    """Return the rules as audit.yaml has them, and the metrics whose limit is a bare number.

    Raises
    ------
    ConfigError
        If they are no rules.
    """
    if rules is None:
        return [], frozenset()
    if not isinstance(rules, Mapping):
        if isinstance(rules, str) or not isinstance(rules, Sequence) or not all(isinstance(one, Mapping) for one in rules):
            raise ConfigError("rules: give {metric: limit}, or a list of mappings such as {'metric': …, 'max': 0.1}.")
        return [dict(one) for one in rules], frozenset()
    bare = {str(metric) for metric, limit in rules.items() if not isinstance(limit, Mapping)}
    limits = {metric: limit if isinstance(limit, Mapping) else {"max": limit} for metric, limit in rules.items()}
    written = [{"metric": str(metric), **limit} for metric, limit in limits.items()]
    return written, frozenset(bare)


def _merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Return nested mappings with those of `over` put into them."""
    merged = dict(base)
    for key, value in over.items():
        below = merged.get(key)
        merged[key] = _merged(below, value) if isinstance(below, Mapping) and isinstance(value, Mapping) else value
    return merged


def _is_remote(path: Any) -> bool:
    from raikit.remote import is_remote

    return is_remote(str(path))
