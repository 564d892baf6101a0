"""Pages about several runs: what changed from one to another, and gated metrics over time. One offline file each."""

from __future__ import annotations

from pathlib import Path

from raikit.files import write_text
from raikit.run.across import RunComparison, RunHistory
from raikit_reports.changes import comparing, over_time


def write(runs: RunComparison | RunHistory, file: Path) -> None:
    """Write the page of a comparison or a history to `file`."""
    write_text(file, comparing.render(runs) if isinstance(runs, RunComparison) else over_time.render(runs))
