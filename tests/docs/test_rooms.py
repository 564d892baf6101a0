"""docs/rooms.py: the picture and the table of rooms agree with the import contract, and pages name only files that exist."""

import importlib.util
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "docs"))

import public_surface  # noqa: E402
import rooms  # noqa: E402


def test_picture_and_table_are_those_of_the_import_contract():
    text = rooms.PAGE.read_text(encoding="utf-8")
    assert (rooms.PICTURE.read_text(encoding="utf-8"), text) == (rooms.picture(), rooms.page(text)), "run `python docs/rooms.py`"


def test_every_module_of_the_harness_is_in_a_room():
    drawn = {room for layer in rooms.layers() for room in layer}
    present = {path.stem for path in (ROOT / "raikit").iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    assert present - {"__init__", "__main__"} == drawn


def test_every_package_says_what_it_is_for_and_what_it_must_not_know():
    packages = [room for layer in rooms.layers() for room in layer if (ROOT / "raikit" / room).is_dir()]
    assert not [room for room in packages if not rooms.purpose(room) or not rooms.limit(room)]


def test_public_rooms_are_those_of_the_public_surface():
    listed = {section.partition(".")[2] for section in public_surface.SECTIONS if section.startswith("raikit.")}
    assert listed | {"hookspecs"} == rooms.PUBLIC


@pytest.mark.parametrize("page", ["docs/architecture.md", "CONTRIBUTING.md"])
def test_modules_and_files_that_a_page_names_exist(page):
    names = re.findall(r"`([^`\s]+)`", (ROOT / page).read_text(encoding="utf-8"))
    modules = [name for name in names if name in rooms.plugins() or re.fullmatch(r"raikit(\.[a-z_]+)+", name)]
    paths = [name for name in names if "/" in name and re.match(r"(raikit|plugins|reports|tests|docs|benchmarks|\.ci)/", name)]
    assert modules or paths
    assert not [path for path in paths if not (ROOT / path).exists()]
    assert not [module for module in modules if not _exists(module)]


def _exists(name):
    """Whether a dotted name is a module, or a name within one."""
    parent, _, last = name.rpartition(".")
    try:
        if importlib.util.find_spec(name):
            return True
    except ModuleNotFoundError:
        pass
    return bool(parent) and hasattr(importlib.import_module(parent), last)
