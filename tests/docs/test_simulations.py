"""The page of simulations shows what every script printed, and each output names the command that printed it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "reference" / "simulations.md"
FAMILIES = sorted(path.stem.removeprefix("simulate_") for path in (ROOT / "benchmarks").glob("simulate_*.py") if path.stem != "simulate_all")


def test_the_page_shows_every_family_once():
    shown = re.findall(r"literalinclude\} simulations/(\w+)\.txt", PAGE.read_text(encoding="utf-8"))
    assert sorted(shown) == FAMILIES


@pytest.mark.parametrize("family", FAMILIES)
def test_an_output_begins_with_its_command_and_holds_figures(family):
    lines = (PAGE.parent / "simulations" / f"{family}.txt").read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith(f"$ python benchmarks/simulate_{family}.py")
    assert re.fullmatch(r"# raikit \d+\.\d+\.\d+, \d+\.\d minutes", lines[1])
    assert any(re.search(r"\d", line) for line in lines[3:])
    assert "Traceback" not in "\n".join(lines)
