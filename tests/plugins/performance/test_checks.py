"""Every check announces its metrics, and listing them imports nothing heavy."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from raikit.address import Pattern
from raikit_performance.checks import Calibration, Classification, ConfusionMatrix

from .conftest import measured, scored, table_of


@pytest.mark.parametrize("check", [Classification, ConfusionMatrix, Calibration])
def test_every_metric_is_announced(check):
    rng = np.random.default_rng(10)
    for k in (2, 3):
        truth, scores = scored(rng, 60, k)
        for address in measured(check, table_of(truth, scores.argmax(1), scores), k):
            assert any(Pattern(pattern).matches(address) for pattern in check.produces)


def test_loading_the_plugin_imports_nothing_heavy():
    code = ("import sys, raikit_performance; list(raikit_performance.raikit_checks()); "
            "print([m for m in ('numpy', 'pandas', 'scipy', 'sklearn', 'torch') if m in sys.modules])")
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == "[]"
