"""axe-core finds no violation in the report and in the pages of comparisons, folded and open, in both themes and forced colours."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from change_records import comparison, history
from headless import OVERFLOW, Browser, chromium

from raikit_reports.changes import comparing, over_time

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(chromium() is None, reason="no Chromium or Chrome on PATH"),
    pytest.mark.skipif(shutil.which("npm") is None, reason="no npm on PATH, which installs axe-core"),
]
PACKAGE = "axe-core@4.14.1"
OPEN = """(async () => {
  for (const fold of document.querySelectorAll("details")) fold.open = true;
  await new Promise((done) => setTimeout(done, 500));
})()"""
# Contrast is computed from the colours of the style sheet, in test_html.py; axe cannot tell it of text in drawings.
AUDIT = """axe.run(document, {preload: false, resultTypes: ["violations"], rules: {"color-contrast": {enabled: %s}}})
  .then((found) => found.violations.map((one) => one.id + " " + one.nodes.map((node) => node.target.join(" ")).slice(0, 3).join(", ")))"""


@pytest.fixture(scope="module")
def axe(tmp_path_factory):
    folder = tmp_path_factory.mktemp("axe")
    command = ["npm", "install", PACKAGE, "--no-audit", "--no-fund", "--fetch-retries=0", "--fetch-timeout=20000", "--prefer-offline"]
    done = subprocess.run(command, cwd=folder, capture_output=True, timeout=120)
    script = folder / "node_modules" / "axe-core" / "axe.min.js"
    if done.returncode or not script.exists():
        pytest.skip("npm could not install axe-core: there is no registry that it reaches")
    return script.read_text("utf-8")


def violations(browser: Browser, axe: str, contrast: bool = False) -> list[str]:
    browser.run(f"{axe};0")
    return browser.run(AUDIT % str(contrast).lower())


@pytest.mark.parametrize("theme", ["light", "dark", "forced"])
@pytest.mark.parametrize("width", [360, 1440, 2560])
def test_axe_finds_nothing_in_a_report(browser: Browser, axe: str, file: Path, width: int, theme: str):
    browser.open(file, width, dark=theme == "dark")
    if theme == "forced":
        browser.send("Emulation.setEmulatedMedia", features=[{"name": "forced-colors", "value": "active"}])
    assert violations(browser, axe, contrast=theme != "forced") == []
    browser.run(OPEN)
    assert violations(browser, axe) == []


def test_axe_finds_nothing_at_twice_the_size(browser: Browser, axe: str, file: Path):
    browser.open(file, 720, 450)  # what a window of 1440 pixels shows at 200%
    browser.send("Emulation.setDeviceMetricsOverride", width=720, height=450, deviceScaleFactor=2, mobile=False)
    assert violations(browser, axe) == []
    assert browser.run(OVERFLOW) == 0


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [360, 1440])
def test_axe_finds_nothing_in_a_comparison_and_in_a_history(browser: Browser, axe: str, tmp_path: Path, width: int, dark: bool):
    pages = {"compare.html": comparing.render(comparison()), "history.html": over_time.render(history())}
    for name, page in pages.items():
        (tmp_path / name).write_text(page, encoding="utf-8")
        browser.open(tmp_path / name, width, dark=dark)
        browser.run(OPEN)
        assert violations(browser, axe, contrast=True) == [], name
