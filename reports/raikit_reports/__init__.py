"""Every output format that raikit brings: one HTML file, Markdown, and the record itself. A plugin like any other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import raikit

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    Writer = Callable[[raikit.Record, Path], list[Path]]

raikit_api = 1


# The formats are imported when one is written: jinja2 and vl_convert cost more than most commands take.
def write_html(record: raikit.Record, folder: Path) -> list[Path]:
    """Write ``report.html``: one file that opens offline and asks the network for nothing."""
    from raikit_reports.html import write

    return write(record, folder)


def write_md(record: raikit.Record, folder: Path) -> list[Path]:
    """Write ``report.md``: the verdict for a pull request or a terminal."""
    from raikit_reports.markdown import write

    return write(record, folder)


def write_json(record: raikit.Record, folder: Path) -> list[Path]:
    """See to it that ``audit.json`` is there; a record that is there is evidence and is never written again."""
    from raikit_reports.files import write_text

    path = folder / "audit.json"
    if not path.exists():
        write_text(path, record.model_dump_json(indent=1))
    return [path]


@raikit.hookimpl
def raikit_report_formats() -> Mapping[str, Writer]:
    """The writers by the name that ``--formats`` says."""
    return {"html": write_html, "json": write_json, "md": write_md}
