"""The output formats of raikit, for people and for build servers. This is a plugin like any other."""

from __future__ import annotations

import os
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING

import raikit

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from raikit.run.across import RunComparison, RunHistory

    Writer = Callable[[raikit.Record, Path], list[Path]]

raikit_api = 1


# Where each format is written, and by which function.
_WRITERS = {
    "html": ("page.html", "write"),
    "md": ("markdown", "write"),
    "junit": ("junit", "write"),
    "sarif": ("sarif", "write"),
    "comment": ("comment", "write"),
    "csv": ("exports.metric_table", "write_csv"),
    "parquet": ("exports.metric_table", "write_parquet"),
    "pdf": ("exports.pdf", "write"),
    "model-card": ("exports.model_card", "write"),
    "cyclonedx": ("exports.cyclonedx", "write"),
    "every-eval-ever": ("exports.every_eval_ever", "write"),
    "evidence": ("exports.evidence", "write"),
    "notebook": ("notebook", "write"),
}


def _write(format: str, record: raikit.Record, folder: Path) -> list[Path]:
    """Write a format, which is imported now: jinja2 and vl_convert take longer to import than most commands run."""
    module, function = _WRITERS[format]
    written: list[Path] = getattr(import_module(f"raikit_reports.{module}"), function)(record, folder)
    return written


write_html = partial(_write, "html")


def write_json(record: raikit.Record, folder: Path) -> list[Path]:
    """Write ``audit.json`` if it does not exist; an existing record is evidence and is never overwritten."""
    from raikit.files import write_text

    path = folder / "audit.json"
    if not path.exists():
        write_text(path, record.model_dump_json(indent=1))
    return [path]


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
    return {name: partial(_write, name) for name in _WRITERS} | {"json": write_json}


@raikit.hookimpl
def raikit_run_finished(record: raikit.Record, run: Path) -> None:
    """Log to the trackers of the configuration; annotate the step of a GitHub workflow and append to its summary."""
    from raikit_reports.trackers import log

    log(record, run)
    if "GITHUB_ACTIONS" in os.environ or "GITHUB_STEP_SUMMARY" in os.environ:
        from raikit_reports.github import publish

        publish(record, os.environ)
