"""What is public goes slowly, and whoever uses it is told."""

import importlib
import pkgutil

import pluggy
import pytest
from packaging.version import Version

import raikit
from raikit import deprecation, hookspecs
from raikit.deprecation import deprecated
from raikit.plugins.discovery import discover


@pytest.fixture(autouse=True)
def _only_here(monkeypatch):
    """Keep what these tests deprecate out of raikit's own deprecations."""
    monkeypatch.setattr(deprecation, "DEPRECATIONS", [*deprecation.DEPRECATIONS])


def old(since="9.1", removed_in="9.3"):
    return deprecated("raikit.old", since=since, removed_in=removed_in, instead="use raikit.new")


@pytest.mark.parametrize(("since", "removed_in"), [("0.1", "0.2"), ("0.1", "0.1"), ("1.4", "1.5"), ("1.4", "0.9")])
def test_less_than_two_minor_versions_are_refused(since, removed_in):
    with pytest.raises(ValueError, match=r"raikit\.old: deprecated in .* at the earliest"):
        old(since, removed_in)


@pytest.mark.parametrize(("since", "removed_in"), [("0.1", "0.3"), ("0.1.2", "0.3.0"), ("0.9", "1.0"), ("1.4", "2.0")])
def test_two_minor_versions_or_a_major_one_are_enough(since, removed_in):
    assert old(since, removed_in).removed_in == removed_in


def test_nothing_that_should_be_gone_is_left():
    for module in pkgutil.walk_packages(raikit.__path__, "raikit."):
        if module.name != "raikit.__main__":
            importlib.import_module(module.name)
    names = [item.name for item in deprecation.DEPRECATIONS]
    assert "raikit.stats.moved" in names, "the modules' deprecations were not seen"
    due = [item.message for item in deprecation.DEPRECATIONS if Version(item.removed_in) <= Version(raikit.__version__)]
    assert not due, "take these out, and name them in CHANGELOG.md: " + "; ".join(due)


def test_a_deprecated_function_still_works_and_blames_its_caller():
    @old()
    def double(x):
        """Twice."""
        return 2 * x

    with pytest.warns(raikit.RaikitDeprecationWarning, match="use raikit.new") as caught:
        assert double(4) == 8
    assert caught[0].filename == __file__
    assert double.__doc__ == "Twice."


def test_a_branch_that_is_deprecated_blames_the_caller_too():
    def fit(steps=None):
        if steps is not None:
            old().warn()

    with pytest.warns(raikit.RaikitDeprecationWarning, match=r"removed in 9\.3") as caught:
        fit(steps=3)
    assert caught[0].filename == __file__


PLUGIN = """
    import raikit
    raikit_api = 1

    class Rows(raikit.Check):
        "Counts rows."
        name = "mine.rows"
        pillar = "mine"
        produces = ["mine.rows"]
        def run(self, ctx):
            return raikit.CheckResult()

    @raikit.hookimpl
    def raikit_checks():
        return [Rows]

    @raikit.hookimpl
    def raikit_run_finished(record):
        pass
"""


@pytest.mark.parametrize("how", ["warn_on_impl", "warn_on_impl_args"])
def test_a_plugin_that_implements_a_deprecated_hook_is_told_in_its_checks_row(install, monkeypatch, how):
    warning = old().warning
    said = warning if how == "warn_on_impl" else {"record": warning}
    monkeypatch.setitem(hookspecs.raikit_run_finished.raikit_spec, how, said)
    install("raikit-mine", {"mine": "mine_plugin"}, {"mine_plugin": PLUGIN})
    registry = discover()
    plugin = next(plugin for plugin in registry.plugins if plugin.name == "mine")
    assert plugin.status == "ok"
    assert plugin.warnings == list(registry.checks["mine.rows"].warnings)
    assert "raikit.old is deprecated since raikit 9.1" in plugin.warnings[0]


def test_pluggy_can_deprecate_hooks_and_their_arguments():
    assert {"warn_on_impl", "warn_on_impl_args"} <= set(pluggy.HookspecOpts.__annotations__)
