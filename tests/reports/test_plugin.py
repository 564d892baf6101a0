"""The package as raikit meets it: an entry point, its writers, and no cost before one of them is used."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import entry_points

import pytest

import raikit
import raikit_reports
from raikit_reports.exports.pdf import find_browser

FILES = {
    "html": "report.html",
    "json": "audit.json",
    "md": "report.md",
    "junit": "junit.xml",
    "sarif": "results.sarif",
    "comment": "comment.md",
    "csv": "metrics.csv",
    "parquet": "metrics.parquet",
    "pdf": "report.pdf",
    "model-card": "MODEL_CARD.md",
    "cyclonedx": "bom.cdx.json",
    "every-eval-ever": "every_eval_ever.json",
    "evidence": "evidence.md",
    "notebook": "notebook.html",
}


def test_it_is_found_like_any_other_plugin():
    assert entry_points(group="raikit")["reports"].load() is raikit_reports
    assert raikit_reports.raikit_api == 1
    assert raikit_reports.raikit_report_formats().keys() == FILES.keys()


def test_importing_it_imports_nothing_heavy():
    code = (
        "import sys, raikit_reports; raikit_reports.raikit_report_formats(); "
        "print([name for name in ('jinja2', 'vl_convert', 'torch', 'pandas', 'numpy') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.fixture
def storable(record):
    """The record without its lone surrogate, which no JSON file can hold."""
    checks = [check for check in record.checks if check.name != "fairness.groups"]
    return record.model_copy(update={"checks": checks})


def test_each_format_writes_its_file(storable, tmp_path):
    written = {name: FILES[name] for name in FILES if name != "pdf" or find_browser()}
    for name in written:
        write = raikit_reports.raikit_report_formats()[name]
        paths = write(storable, tmp_path)
        assert [path.name for path in paths] == [FILES[name]]
        assert all(path.stat().st_size > 0 for path in paths)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(written.values())


def test_a_record_that_is_there_is_never_written_again(record, tmp_path):
    (tmp_path / "audit.json").write_text("evidence")
    assert raikit_reports.write_json(record, tmp_path) == [tmp_path / "audit.json"]
    assert (tmp_path / "audit.json").read_text() == "evidence"


def test_the_record_comes_back_from_json_as_it_was(storable, tmp_path):
    raikit_reports.write_json(storable, tmp_path)
    assert raikit.Record.model_validate_json((tmp_path / "audit.json").read_text()) == storable
