"""pytest fixtures for tests of plugins; pytest finds them wherever raikit is installed.

pytest loads this module in every session, so it imports nothing of raikit before a fixture is used.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from raikit.check import CheckContext
    from raikit.data.dataset import Dataset
    from raikit.run.record import CheckRecord


@pytest.fixture
def raikit_data() -> Callable[..., Dataset]:
    """Make data in memory: ``raikit_data("multiclass", ["text"], rows=90)``; see `raikit.testing.dataset`."""
    from raikit.testing import dataset

    return dataset


@pytest.fixture
def raikit_run_check(tmp_path: Path) -> Callable[..., CheckRecord]:
    """Run a check as in an audit: ``raikit_run_check(MyCheck, {"bins": 5})``; see `raikit.testing.run_check`.

    Its files are written below ``tmp_path``.
    """
    from raikit.testing import run_check

    return partial(run_check, folder=tmp_path)


@pytest.fixture
def raikit_context(tmp_path: Path) -> Callable[..., CheckContext]:
    """Make the context of a check: ``raikit_context(MyCheck)``; see `raikit.testing.context`."""
    from raikit.testing import context

    return partial(context, folder=tmp_path)
