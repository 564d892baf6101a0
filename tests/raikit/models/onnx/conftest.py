"""Data in memory and a loader of ``m.onnx``."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # helpers of these tests

from graphs import Opened

from raikit.models.loaders import LOADERS, load


@pytest.fixture
def opened():
    """Return the class of data in memory."""
    return Opened


@pytest.fixture
def loaded(tmp_path):
    """Load ``m.onnx`` for some data with further settings."""

    def loaded(data, **settings):
        return load({"kind": "onnx", "path": "m.onnx", **settings}, data, LOADERS, tmp_path)

    return loaded
