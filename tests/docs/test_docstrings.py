"""The examples in docstrings give the results that they show."""

import doctest
import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = (
    "raikit",
    *sorted(
        path.relative_to(ROOT).as_posix() for path in [*ROOT.glob("plugins/raikit_*"), *ROOT.glob("reports/raikit_*")]
    ),
)
MODULES = [
    ".".join(path.relative_to(ROOT / Path(folder).parent).with_suffix("").parts)
    for folder in FOLDERS
    for path in sorted((ROOT / folder).rglob("*.py"))
    if ">>>" in path.read_text(encoding="utf-8")
]


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module_hold(name):
    ran = doctest.testmod(importlib.import_module(name.removesuffix(".__init__")), optionflags=doctest.ELLIPSIS)
    assert ran.failed == 0
    assert ran.attempted > 0
