"""The output formats of raikit, for people and for build servers. This is a plugin like any other."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import raikit

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from raikit.run.across import RunComparison, RunHistory

    Writer = Callable[[raikit.Record, Path], list[Path]]

raikit_api = 1


# A format is imported when it is written, because jinja2 and vl_convert take longer to import than most commands run.
def write_html(record: raikit.Record, folder: Path) -> list[Path]:
    """Write ``report.html``: one file that opens offline and requests nothing from the network."""
    from raikit_reports.page.html import write

    return write(record, folder)


def write_md(record: raikit.Record, folder: Path) -> list[Path]:
    """Write ``report.md``: the verdict for a pull request or a terminal."""
    from raikit_reports.markdown import write

    return write(record, folder)


def write_json(record: raikit.Record, folder: Path) -> list[Path]:
    """Write ``audit.json`` if it does not exist; an existing record is evidence and is never overwritten."""
    from raikit.files import write_text

    path = folder / "audit.json"
    if not path.exists():
        write_text(path, record.model_dump_json(indent=1))
    return [path]


def write_junit(record: raikit.Record, folder: Path) -> list[Path]:
    """Write ``junit.xml``: a test case for each rule and check."""
    from raikit_reports.junit import write

    return write(record, folder)


def write_sarif(record: raikit.Record, folder: Path) -> list[Path]:
    """Write ``results.sarif``: the problems to act on, for code scanning."""
    from raikit_reports.sarif import write

    return write(record, folder)


def write_comment(record: raikit.Record, folder: Path) -> list[Path]:
    """Write ``comment.md``: a short report for a pull request."""
    from raikit_reports.comment import write

    return write(record, folder)


def write_csv(record: raikit.Record, folder: Path) -> list[Path]:
    """Write ``metrics.csv``: every metric with its interval, one a row."""
    from raikit_reports.exports.metric_table import write_csv as write

    return write(record, folder)


def write_parquet(record: raikit.Record, folder: Path) -> list[Path]:
    """Write ``metrics.parquet``: the same, typed."""
    from raikit_reports.exports.metric_table import write_parquet as write

    return write(record, folder)


def write_pdf(record: raikit.Record, folder: Path) -> list[Path]:
    """Write ``report.pdf``: the HTML report, printed by a Chromium that is installed."""
    from raikit_reports.exports.pdf import write

    return write(record, folder)


def write_model_card(record: raikit.Record, folder: Path) -> list[Path]:
    """Write ``MODEL_CARD.md``: a model card of the Hugging Face hub with the results as metadata."""
    from raikit_reports.exports.model_card import write

    return write(record, folder)


def write_cyclonedx(record: raikit.Record, folder: Path) -> list[Path]:
    """Write ``bom.cdx.json``: a CycloneDX 1.7 bill of materials of the model with its card."""
    from raikit_reports.exports.cyclonedx import write

    return write(record, folder)


def write_every_eval_ever(record: raikit.Record, folder: Path) -> list[Path]:
    """Write ``every_eval_ever.json``: the results in the format 0.3 of Every Eval Ever."""
    from raikit_reports.exports.every_eval_ever import write

    return write(record, folder)


def write_evidence(record: raikit.Record, folder: Path) -> list[Path]:
    """Write ``evidence.md``: which number or file serves which item of a regulation or standard."""
    from raikit_reports.exports.evidence import write

    return write(record, folder)


def write_notebook(record: raikit.Record, folder: Path) -> list[Path]:
    """Write ``notebook.html``: the summary that a notebook shows, a part of a page without a script."""
    from raikit_reports.notebook import write

    return write(record, folder)


def write_runs_html(runs: RunComparison | RunHistory, file: Path) -> None:
    """Write what changed between two runs, or gated metrics over several, as one page that opens offline."""
    from raikit_reports.changes import write

    write(runs, file)


@raikit.hookimpl
def raikit_comparison_formats() -> Mapping[str, Callable[[RunComparison | RunHistory, Path], None]]:
    """Return the writers of several runs, by the ending of their files."""
    return {"html": write_runs_html}


@raikit.hookimpl
def raikit_report_formats() -> Mapping[str, Writer]:
    """Return the writers, by their name in ``--formats``."""
    return {
        "html": write_html,
        "json": write_json,
        "md": write_md,
        "junit": write_junit,
        "sarif": write_sarif,
        "comment": write_comment,
        "csv": write_csv,
        "parquet": write_parquet,
        "pdf": write_pdf,
        "model-card": write_model_card,
        "cyclonedx": write_cyclonedx,
        "every-eval-ever": write_every_eval_ever,
        "evidence": write_evidence,
        "notebook": write_notebook,
    }


@raikit.hookimpl
def raikit_run_finished(record: raikit.Record, run: Path) -> None:
    """Log to the trackers of the configuration; annotate the step of a GitHub workflow and append to its summary."""
    if '"trackers"' in record.provenance.config:
        from raikit_reports.trackers import log

        log(record, run)
    if "GITHUB_ACTIONS" in os.environ or "GITHUB_STEP_SUMMARY" in os.environ:
        from raikit_reports.github import publish

        publish(record, os.environ)
