"""raikit: pytest for trained models. Everything public is here; it is imported when it is first asked for."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

# public name -> module that defines it; `import raikit` itself costs nothing
_PUBLIC = {
    "Arrays": "arrays",
    "Artifact": "run.results",
    "AuditResult": "audit.result",
    "Audio": "data.batch",
    "Batch": "data.batch",
    "Check": "check",
    "CheckContext": "check",
    "CheckOptions": "check",
    "CheckRecord": "run.record",
    "CheckResult": "run.results",
    "Column": "run.results",
    "Comparison": "run.results",
    "ConfigError": "errors",
    "DataError": "errors",
    "Dataset": "data.dataset",
    "DisplayNames": "naming",
    "Encoded": "models.encoded",
    "EncodedColumns": "models.positions",
    "Figure": "run.results",
    "Finding": "run.results",
    "Groups": "arrays",
    "Ingredient": "run.results",
    "Ingredients": "run.results",
    "JudgedOver": "run.results",
    "Levels": "run.levels",
    "Limits": "run.results",
    "Margin": "run.margins",
    "Margins": "run.margins",
    "MatchedCases": "run.pairing",
    "Measurements": "run.record",
    "Metric": "run.results",
    "Model": "models.base",
    "ModelError": "errors",
    "Origin": "models.base",
    "Pixels": "models.positions",
    "PluginError": "errors",
    "Predictions": "run.predictions",
    "PreparedTensor": "models.base",
    "RaikitDeprecationWarning": "deprecation",
    "RaikitError": "errors",
    "Record": "run.record",
    "Requires": "check",
    "Rule": "run.record",
    "RunError": "errors",
    "RunView": "run.reader",
    "Scorer": "models.arrow",
    "Side": "run.results",
    "SkipCheck": "errors",
    "Spectrogram": "models.positions",
    "Statement": "run.statements",
    "Table": "run.results",
    "Tokens": "models.positions",
    "Waveform": "models.positions",
    "address": None,
    "arrays": None,
    "audit": None,  # a package that can be called
    "fit": "models.trainer",
    "format": None,
    "hookimpl": "hookspecs",
    "load_run": "run.reader",
    "match_rows": "run.pairing",
    "open_scorer": "audit.scorer",
    "pair_rows": "run.pairing",
    "reweighing": "models.reweighting",
    "statements": "run.statements",
    "stats": None,
    "testing": None,
}

__all__ = sorted(["__version__", *_PUBLIC])

if TYPE_CHECKING:
    from raikit import address as address
    from raikit import arrays as arrays
    from raikit import format as format
    from raikit import stats as stats
    from raikit import testing as testing
    from raikit.arrays import Arrays as Arrays
    from raikit.arrays import Groups as Groups
    from raikit.audit.result import AuditResult as AuditResult
    from raikit.audit.scorer import open_scorer as open_scorer
    from raikit.audit.session import audit as audit
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
    from raikit.models.arrow import Scorer as Scorer
    from raikit.models.base import Model as Model
    from raikit.models.base import Origin as Origin
    from raikit.models.base import PreparedTensor as PreparedTensor
    from raikit.models.encoded import Encoded as Encoded
    from raikit.models.positions import EncodedColumns as EncodedColumns
    from raikit.models.positions import Pixels as Pixels
    from raikit.models.positions import Spectrogram as Spectrogram
    from raikit.models.positions import Tokens as Tokens
    from raikit.models.positions import Waveform as Waveform
    from raikit.models.reweighting import reweighing as reweighing
    from raikit.models.trainer import fit as fit
    from raikit.naming import DisplayNames as DisplayNames
    from raikit.run.levels import Levels as Levels
    from raikit.run.margins import Margin as Margin
    from raikit.run.margins import Margins as Margins
    from raikit.run.pairing import MatchedCases as MatchedCases
    from raikit.run.pairing import match_rows as match_rows
    from raikit.run.pairing import pair_rows as pair_rows
    from raikit.run.predictions import Predictions as Predictions
    from raikit.run.reader import RunView as RunView
    from raikit.run.reader import load_run as load_run
    from raikit.run.record import CheckRecord as CheckRecord
    from raikit.run.record import Measurements as Measurements
    from raikit.run.record import Record as Record
    from raikit.run.record import Rule as Rule
    from raikit.run.results import Artifact as Artifact
    from raikit.run.results import CheckResult as CheckResult
    from raikit.run.results import Column as Column
    from raikit.run.results import Comparison as Comparison
    from raikit.run.results import Figure as Figure
    from raikit.run.results import Finding as Finding
    from raikit.run.results import Ingredient as Ingredient
    from raikit.run.results import Ingredients as Ingredients
    from raikit.run.results import JudgedOver as JudgedOver
    from raikit.run.results import Limits as Limits
    from raikit.run.results import Metric as Metric
    from raikit.run.results import Side as Side
    from raikit.run.results import Table as Table
    from raikit.run.statements import Statement as Statement
    from raikit.run.statements import statements as statements


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
