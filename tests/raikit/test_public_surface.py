"""What is public changes only with its snapshot, and with a word in CHANGELOG.md."""

import importlib.util
from pathlib import Path

import pytest

import raikit
import raikit.testing

ROOT = Path(__file__).parents[2]


def _load(path):
    spec = importlib.util.spec_from_file_location("public_surface", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


public = _load(ROOT / "docs" / "public_surface.py")


def released():
    return public.RELEASED.read_text(encoding="utf-8")


def changelog():
    return (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_the_snapshot_is_what_the_code_offers():
    written, found = (public.entries(text) for text in (public.CURRENT.read_text(encoding="utf-8"), public.surface()))
    differs = sorted(name for name in {**written, **found} if written.get(name) != found.get(name))
    assert not differs, f"run ./dev surface, and name in CHANGELOG.md what changed: {', '.join(differs)}"


def test_what_differs_from_the_last_release_stands_in_the_changelog():
    changed = public.changed(released(), public.surface())
    missing = public.unannounced(changed, changelog())
    assert not missing, "CHANGELOG.md, unreleased, must name in backticks: " + ", ".join(f"`{name}`" for name in missing)


def test_nothing_public_is_without_a_page():
    pages = "\n".join(path.read_text("utf-8") for path in (ROOT / "docs" / "reference" / "api").glob("*.rst"))
    modules = {"address", "arrays", "format", "stats", "testing"}
    names = [name for name in raikit.__all__ if name not in {"__version__", *modules}]
    names += [name for module in modules for name in public.public_names(getattr(raikit, module))]
    assert not [name for name in names if f":: {name}\n" not in pages]


# --- the rule itself, on surfaces of our own ---------------------------------------------------------------------

BEFORE = """# Everything public in raikit 0.4.0
[raikit]
raikit.Check  class()
raikit.Check.cost  : str
raikit.Old  class()
raikit.Old.run  ()
raikit.fit  (model)
"""
CHANGELOG = "# Changes\n\n## 0.5.0, unreleased\n\n- {}\n\n## 0.4.0\n\n- `raikit.New`, `raikit.Old`, `raikit.fit`\n"


@pytest.mark.parametrize(
    ("old", "new", "name"),
    [
        ("", "raikit.New  class()\nraikit.New.run  ()\n", "raikit.New"),
        ("raikit.Old  class()\nraikit.Old.run  ()\n", "", "raikit.Old"),
        ("raikit.fit  (model)", "raikit.fit  (model, data)", "raikit.fit"),
        ("raikit.Check.cost  : str", "raikit.Check.cost  : int", "raikit.Check.cost"),
        ("raikit.Check.cost  : str\n", "", "raikit.Check.cost"),
    ],
)
def test_an_addition_a_removal_and_a_change_each_need_their_name_under_unreleased(old, new, name):
    after = BEFORE.replace(old, new) if old else BEFORE + new
    changed = public.changed(BEFORE, after)
    assert changed == [name]
    assert public.unannounced(changed, CHANGELOG.format("Better docs.")) == [name]  # 0.4.0 named it, which is another change
    assert public.unannounced(changed, CHANGELOG.format(f"`{name}` is another.")) == []


def test_without_a_section_for_what_is_unreleased_nothing_is_announced():
    assert public.unannounced(["raikit.fit"], "# Changes\n\n## 0.4.0\n\n- `raikit.fit`\n") == ["raikit.fit"]


def test_the_surface_does_not_depend_on_what_was_imported_before():
    assert public.surface() == public.surface()
    assert " at 0x" not in public.surface()


@pytest.mark.parametrize(
    "name",
    ["raikit_checks", "raikit.Metric.low", "raikit.stats.gap", "raikit.arrays.read_arrays", "raikit.format.percent", "raikit.address.parse", "gate.rules[].max", "schema_version",
     "raikit audit --baseline", "exit 3", "RAIKIT_REPORT_URL", "pytest --raikit", "audit"],
)  # fmt: skip
def test_each_kind_of_promise_is_listed(name):
    assert name in public.entries(public.surface())
