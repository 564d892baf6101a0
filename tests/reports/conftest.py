"""The record that these tests show, and the page made of it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # helpers of these tests: the hand-made record, the headless browser

from report_record import make_record


@pytest.fixture(scope="session")
def record():
    return make_record()


@pytest.fixture(scope="session")
def page(record):
    from raikit_reports.page.html import render

    return render(record)
