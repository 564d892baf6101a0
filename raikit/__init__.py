"""raikit: pytest for trained models. Everything public is here; it is imported when it is first asked for."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

# public name -> module that defines it; `import raikit` itself costs nothing
_PUBLIC = {
    "Artifact": "results",
    "Audio": "data.batch",
    "Batch": "data.batch",
    "Check": "check",
    "CheckContext": "check",
    "CheckOptions": "check",
    "CheckRecord": "record",
    "CheckResult": "results",
    "Column": "results",
    "Comparison": "results",
    "ConfigError": "errors",
    "DataError": "errors",
    "Dataset": "data.dataset",
    "Figure": "results",
    "Finding": "results",
    "JudgedOver": "results",
    "Margin": "regressions",
    "Margins": "regressions",
    "Metric": "results",
    "Model": "models.base",
    "ModelError": "errors",
    "PluginError": "errors",
    "Predictions": "predictions",
    "RaikitDeprecationWarning": "deprecation",
    "RaikitError": "errors",
    "Record": "record",
    "Requires": "check",
    "Rule": "record",
    "RunError": "errors",
    "RunView": "runs",
    "SkipCheck": "errors",
    "Table": "results",
    "address": None,
    "fit": "models.trainer",
    "hookimpl": "hookspecs",
    "load_run": "runs",
    "pair_rows": "pairing",
    "reweighing": "models.reweighting",
    "stats": None,
    "testing": None,
}

__all__ = sorted(["__version__", *_PUBLIC])

if TYPE_CHECKING:
    from raikit import address as address
    from raikit import stats as stats
    from raikit import testing as testing
    from raikit.check import Check as Check
    from raikit.check import CheckContext as CheckContext
    from raikit.check import CheckOptions as CheckOptions
    from raikit.check import Requires as Requires
    from raikit.data.batch import Audio as Audio
    from raikit.data.batch import Batch as Batch
    from raikit.data.dataset import Dataset as Dataset
    from raikit.deprecation import RaikitDeprecationWarning as RaikitDeprecationWarning
    from raikit.errors import ConfigError as ConfigError
    from raikit.errors import DataError as DataError
    from raikit.errors import ModelError as ModelError
    from raikit.errors import PluginError as PluginError
    from raikit.errors import RaikitError as RaikitError
    from raikit.errors import RunError as RunError
    from raikit.errors import SkipCheck as SkipCheck
    from raikit.hookspecs import hookimpl as hookimpl
    from raikit.models.base import Model as Model
    from raikit.models.reweighting import reweighing as reweighing
    from raikit.models.trainer import fit as fit
    from raikit.pairing import pair_rows as pair_rows
    from raikit.predictions import Predictions as Predictions
    from raikit.record import CheckRecord as CheckRecord
    from raikit.record import Record as Record
    from raikit.record import Rule as Rule
    from raikit.regressions import Margin as Margin
    from raikit.regressions import Margins as Margins
    from raikit.results import Artifact as Artifact
    from raikit.results import CheckResult as CheckResult
    from raikit.results import Column as Column
    from raikit.results import Comparison as Comparison
    from raikit.results import Figure as Figure
    from raikit.results import Finding as Finding
    from raikit.results import JudgedOver as JudgedOver
    from raikit.results import Metric as Metric
    from raikit.results import Table as Table
    from raikit.runs import RunView as RunView
    from raikit.runs import load_run as load_run


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'raikit' has no attribute {name!r}")
    module = _PUBLIC[name]
    if module is None:
        value: Any = importlib.import_module(f"raikit.{name}")
    else:
        value = getattr(importlib.import_module(f"raikit.{module}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
