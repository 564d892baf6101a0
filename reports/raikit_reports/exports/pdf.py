"""``report.pdf``: the HTML report printed by a Chromium that is installed; raikit brings none."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import raikit
from raikit.files import atomic

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "microsoft-edge")
_SECONDS = 120
# The page may request nothing anyway (its Content-Security-Policy); these keep the browser itself quiet.
_OPTIONS = ("--headless", "--disable-gpu", "--disable-background-networking", "--disable-extensions", "--no-first-run",
            "--no-pdf-header-footer")  # fmt: skip


def find_browser() -> str | None:
    """Return the path of a Chromium: that of ``RAIKIT_CHROMIUM``, else the first of the usual names; None without one."""
    named = os.environ.get("RAIKIT_CHROMIUM")
    return shutil.which(named) if named else next(filter(None, map(shutil.which, _NAMES)), None)


def write(record: raikit.Record, folder: Path) -> list[Path]:
    """Print the HTML report as PDF.

    Raises
    ------
    RunError
        Without a Chromium, or if it prints nothing within two minutes.
    """
    browser = find_browser()
    if browser is None:
        raise raikit.RunError("The format pdf needs Chromium, Chrome or Edge, and none was found: install one, name it in "
                              "RAIKIT_CHROMIUM, or print report.html from a browser.")  # fmt: skip
    from raikit_reports.page.html import render

    path = folder / "report.pdf"
    with tempfile.TemporaryDirectory(prefix="raikit-pdf-") as place:
        page, printed = Path(place) / "report.html", Path(place) / "report.pdf"
        page.write_text(render(record), encoding="utf-8")
        _print(browser, page, printed, Path(place) / "profile")
        with atomic(path) as partial:
            partial.write_bytes(_without_times(printed.read_bytes()))
    return [path]


def _without_times(pdf: bytes) -> bytes:
    """Set the dates on which a PDF was printed to 2000-01-01, so that the same record gives the same bytes.

    No length changes, because a PDF refers to its parts by their place.
    """
    return re.sub(rb"(?<=Date \(D:)\d{14}", b"20000101000000", pdf)


def _print(browser: str, page: Path, printed: Path, profile: Path) -> None:
    # Chromium refuses its sandbox to root, as in most containers.
    root = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    command = [browser, *_OPTIONS, *root, f"--user-data-dir={profile}", f"--print-to-pdf={printed}", page.as_uri()]
    try:
        done = subprocess.run(command, capture_output=True, timeout=_SECONDS, check=False)  # noqa: S603  # found above
    except subprocess.TimeoutExpired:
        raise raikit.RunError(f"{browser} printed no PDF within {_SECONDS} seconds.") from None
    if not printed.is_file() or not printed.stat().st_size:
        raise raikit.RunError(f"{browser} printed no PDF (exit code {done.returncode}).")
