"""The site can be built, and the links of README and CONTRIBUTING lead to files."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.long
def test_the_site_is_built_without_a_warning_or_a_network(tmp_path):
    pytest.importorskip("sphinx", reason="the extra `docs` is not installed")
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-n", "-q", "-d", tmp_path / "trees", ROOT / "docs", tmp_path / "html"]
    built = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert built.returncode == 0, built.stdout + built.stderr
    pages = {path.relative_to(tmp_path / "html").as_posix() for path in (tmp_path / "html").rglob("*.html")}
    assert {"index.html", "tutorial/first-check.html", "reference/cli.html", "reference/public.html"} <= pages
    assert "run_check" in (tmp_path / "html" / "reference" / "api" / "testing.html").read_text(encoding="utf-8")
    loaded = re.findall(r"<(?:script|link|img)\b[^>]*(?:src|href)=\"(https?:[^\"]+)", (tmp_path / "html" / "index.html").read_text("utf-8"))
    assert not loaded, "a page must be complete without a network"


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md"])
def test_the_links_of_the_first_pages_lead_to_files(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    targets = re.findall(r"\]\((?!https?:|#)([^)#]+)", text)
    assert not [target for target in targets if not (ROOT / target).exists()]
