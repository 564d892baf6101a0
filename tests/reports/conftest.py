"""The record that these tests show, and the page made of it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # helpers of these tests: the hand-made record, the headless browser

from headless import Browser, chromium
from report_record import make_record


@pytest.fixture(scope="session")
def record():
    return make_record()


@pytest.fixture(scope="session")
def page(record):
    from raikit_reports.page.html import render

    return render(record)


@pytest.fixture(scope="module")
def browser():
    with Browser(str(chromium())) as running:
        yield running


@pytest.fixture(scope="module")
def file(record, tmp_path_factory):
    """The page made of the record, in a file."""
    from raikit_reports import write_html

    return write_html(record, tmp_path_factory.mktemp("report"))[0]
