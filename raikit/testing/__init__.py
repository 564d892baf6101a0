"""Tests of plugins: small data and models made in memory, checks run as in an audit, and the conformance test.

Everything public is imported when it is first used, as in `raikit` itself. pytest finds the fixtures ``raikit_data``,
``raikit_run_check`` and ``raikit_context`` wherever raikit is installed. This room must not know `raikit.cli`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

# Public name: module that defines it.
_PUBLIC = {
    "Conformity": "contract",
    "assert_error": "assertions",
    "assert_finding": "assertions",
    "assert_metric": "assertions",
    "assert_ok": "assertions",
    "assert_skipped": "assertions",
    "check_conformance": "contract",
    "conformance": "contract",
    "context": "run",
    "dataset": "data",
    "model": "models",
    "predictions": "models",
    "result_of": "tables",
    "run_check": "run",
    "table_context": "tables",
}

__all__ = sorted(_PUBLIC)

if TYPE_CHECKING:
    from raikit.testing.assertions import assert_error as assert_error
    from raikit.testing.assertions import assert_finding as assert_finding
    from raikit.testing.assertions import assert_metric as assert_metric
    from raikit.testing.assertions import assert_ok as assert_ok
    from raikit.testing.assertions import assert_skipped as assert_skipped
    from raikit.testing.contract import Conformity as Conformity
    from raikit.testing.contract import check_conformance as check_conformance
    from raikit.testing.contract import conformance as conformance
    from raikit.testing.data import dataset as dataset
    from raikit.testing.models import model as model
    from raikit.testing.models import predictions as predictions
    from raikit.testing.run import context as context
    from raikit.testing.run import run_check as run_check
    from raikit.testing.tables import result_of as result_of
    from raikit.testing.tables import table_context as table_context


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'raikit.testing' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"raikit.testing.{_PUBLIC[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
