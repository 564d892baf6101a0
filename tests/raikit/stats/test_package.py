"""The door of `raikit.stats`: lazy names, their documentation and deprecated names."""

import importlib
import pkgutil
import subprocess
import sys

import pytest

import raikit
import raikit.stats


def test_importing_the_package_loads_no_heavy_library():
    code = "import sys, raikit.stats; print([m for m in ('scipy', 'pandas', 'torch', 'numpy') if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "[]"


def test_every_public_name_resolves():
    for name in raikit.stats.__all__:
        assert getattr(raikit.stats, name) is not None
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = raikit.stats.no_such_name


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("Flagged", "FlaggedGroups"),
        ("Moved", "WorseningResult"),
        ("gap_moved", "gap_increase_test"),
        ("joined", "join_contrasts"),
        ("moved", "worsening_test"),
    ],
)
def test_a_renamed_name_still_works_and_warns_its_caller_each_time(old, new):
    for _ in range(2):
        with pytest.warns(raikit.RaikitDeprecationWarning, match=rf"raikit\.stats\.{old} .* use raikit\.stats\.{new}") as caught:
            assert getattr(raikit.stats, old) is getattr(raikit.stats, new)
        assert [item.filename for item in caught] == [__file__]
    assert old not in raikit.stats.__all__


def test_a_retired_constant_still_works_and_warns_its_caller():
    with pytest.warns(raikit.RaikitDeprecationWarning, match="MIN_CLUSTERS .* use raikit.stats.MIN_EFFECTIVE_CLUSTERS") as caught:
        assert raikit.stats.MIN_CLUSTERS == 8
    assert [item.filename for item in caught] == [__file__]
    assert "MIN_CLUSTERS" not in raikit.stats.__all__


def test_an_import_of_a_renamed_name_warns_its_caller():
    with pytest.warns(raikit.RaikitDeprecationWarning, match="use raikit.stats.worsening_test") as caught:
        from raikit.stats import moved
    assert moved is raikit.stats.worsening_test
    assert {item.filename for item in caught} == {__file__}


def test_the_documentation_of_the_package_names_every_module():
    missing = [
        module.name
        for module in pkgutil.iter_modules(raikit.stats.__path__)
        if not module.name.startswith("_") and f"`{module.name}`" not in raikit.stats.__doc__
    ]
    assert not missing


def test_every_public_name_is_where_type_checkers_look_for_it():
    for name in raikit.stats.__all__:
        module = importlib.import_module(f"raikit.stats.{raikit.stats._MODULE_OF[name]}")
        assert getattr(module, name) is getattr(raikit.stats, name)
