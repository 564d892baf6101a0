from importlib.metadata import PathDistribution

import pytest

from raikit.config.schema import PluginsConfig
from raikit.errors import ConfigError
from raikit.plugins.discovery import discover
from raikit.plugins.entry_points import distribution, installed, version
from raikit.run.record import Gate, Record, failed_plugins

GOOD = """
    import raikit
    raikit_api = 1

    class Rows(raikit.Check):
        "Counts rows."
        name = "{prefix}.rows"
        pillar = "mine"
        produces = ["{prefix}.rows"]
        def run(self, ctx):
            return raikit.CheckResult(metrics=[raikit.Metric.exact("rows", ctx.predictions.size())])

    @raikit.hookimpl
    def raikit_checks():
        return [Rows]
"""


def good(prefix="mine"):
    return GOOD.format(prefix=prefix)


def record(registry, name):
    return next(plugin for plugin in registry.plugins if plugin.name == name)


def test_a_check_is_found_through_its_entry_point(install):
    install("raikit-mine", {"mine": "mine_plugin"}, {"mine_plugin": good()})
    registry = discover()
    entry = registry.checks["mine.rows"]
    assert (entry.plugin, entry.plugin_version, entry.problem) == ("raikit-mine", "1.0", None)
    assert record(registry, "mine").status == "ok"


def test_listing_reads_metadata_and_imports_nothing(install):
    install("raikit-mine", {"mine": "mine_plugin"}, {"mine_plugin": "raise SystemExit('imported')"})
    assert [point.name for point in installed() if point.dist.name == "raikit-mine"] == ["mine"]


@pytest.mark.parametrize(
    ("source", "status", "says"),
    [
        ("import no_such_module", "error", "No module named 'no_such_module'"),
        ("raise SystemExit(3)", "error", "SystemExit: 3"),
        ("x = 1", "incompatible", "states no `raikit_api`"),
        ("raikit_api = 99", "incompatible", "upgrade raikit"),
        ("raikit_api = 0", "incompatible", "retired"),
        (good().replace("def raikit_checks()", "def raikit_cheks()"), "error", "raikit_cheks"),
        (good().replace("def raikit_checks()", "def raikit_checks(unknown)"), "error", "unknown"),
        (good().replace("return [Rows]", "return [1 / 0]"), "error", "ZeroDivisionError"),
        (good().replace("return [Rows]", "return [int]"), "error", "not a subclass of raikit.Check"),
    ],
)
def test_a_bad_plugin_is_named_and_never_stops_the_others(install, source, status, says):
    install("raikit-bad", {"bad": "bad_plugin"}, {"bad_plugin": source})
    install("raikit-mine", {"mine": "mine_plugin"}, {"mine_plugin": good("other")})
    registry = discover()
    assert record(registry, "bad").status == status
    assert says in record(registry, "bad").reason
    assert record(registry, "bad") in list(failed_plugins(registry.plugins))
    assert "other.rows" in registry.checks
    assert {"performance", "fairness", "explainability", "privacy"} <= {
        plugin.name for plugin in registry.plugins if plugin.status == "ok"
    }


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('name = "mine.rows"', 'name = "Rows"', "must look like"),
        ('pillar = "mine"', 'pillar = ""', "no `pillar`"),
        ('produces = ["mine.rows"]', 'produces = ["fairness.rows"]', "owns only mine.*"),
        ('produces = ["mine.rows"]', 'produces = "mine.rows"', "not a single string"),
        ('produces = ["mine.rows"]', 'cost = "cheap"', "cost is"),
    ],
)
def test_a_check_that_breaks_the_contract_is_an_error_of_its_own(install, old, new, says):
    install("raikit-mine", {"mine": "mine_plugin"}, {"mine_plugin": good().replace(old, new)})
    problems = [entry.problem for entry in discover().checks.values() if entry.plugin == "raikit-mine"]
    assert len(problems) == 1
    assert says in problems[0]


def test_two_distributions_with_one_entry_point_name_are_both_left_out_until_one_is_chosen(install):
    install("raikit-a", {"same": "a_plugin"}, {"a_plugin": good("aa")})
    install("raikit-b", {"same": "b_plugin"}, {"b_plugin": good("bb")})
    registry = discover()
    assert [plugin.status for plugin in registry.plugins if plugin.name == "same"] == ["ambiguous", "ambiguous"]
    assert not {"aa.rows", "bb.rows"} & set(registry.checks)
    chosen = discover(PluginsConfig(use={"same": "raikit-b"}))
    assert "bb.rows" in chosen.checks
    assert "aa.rows" not in chosen.checks
    assert not list(failed_plugins(chosen.plugins))


def test_nobody_may_emit_another_ones_ids_unless_the_configuration_says_so(install):
    install("raikit-thief", {"thief": "thief_plugin"}, {"thief_plugin": good("performance")})
    entry = discover().checks["performance.rows"]
    assert "belong to raikit" in entry.problem
    replaced = discover(PluginsConfig(replaces={"performance": "raikit-thief"}))
    assert replaced.checks["performance.rows"].problem is None
    assert {entry.plugin for entry in replaced.checks.values() if entry.check.prefix() == "performance"} == {
        "raikit-thief"
    }


def test_a_disabled_plugin_is_listed_and_not_imported(install):
    install("raikit-mine", {"mine": "mine_plugin"}, {"mine_plugin": "raise SystemExit"})
    registry = discover(PluginsConfig(disable=["mine"]))
    assert record(registry, "mine").status == "disabled"
    assert not list(failed_plugins(registry.plugins))
    with pytest.raises(ConfigError, match="Did you mean 'mine'"):
        discover(PluginsConfig(disable=["mines"]))


def test_every_check_of_a_local_file_is_collected_without_a_hook(tmp_path):
    (tmp_path / "checks.py").write_text(
        "import raikit\n" + good().split("raikit_api = 1")[1].split("@raikit")[0].replace("\n    ", "\n")
    )
    registry = discover(PluginsConfig(local=["checks.py"]), tmp_path)
    assert registry.checks["mine.rows"].plugin == "local"
    with pytest.raises(ConfigError, match="no file 'chekcs.py'"):
        discover(PluginsConfig(local=["chekcs.py"]), tmp_path)


def test_a_local_file_that_fails_to_import_counts_as_a_crash(tmp_path):
    (tmp_path / "checks.py").write_text("1 / 0")
    registry = discover(PluginsConfig(local=["checks.py"]), tmp_path)
    assert "ZeroDivisionError" in next(failed_plugins(registry.plugins)).reason


def test_a_listener_that_raises_is_reported_and_changes_nothing(install):
    source = "import raikit\nraikit_api = 1\n@raikit.hookimpl\ndef raikit_run_finished(record, run):\n    raise OSError('no tracker')\n"
    install("raikit-tracker", {"tracker": "tracker_plugin"}, {"tracker_plugin": source})
    record = Record(name="m", verdict="pass", gate=Gate(verdict="pass"))
    complaints = discover().notify("raikit_run_finished", record=record, run=None)
    assert complaints == ["raikit-tracker: raikit_run_finished raised OSError: no tracker"]


def test_the_metadata_of_a_distribution_is_read_once(install, monkeypatch):
    install("raikit-mine", {"one": "mine_plugin", "two": "mine_plugin"}, {"mine_plugin": good()})
    read = []
    text = PathDistribution.read_text

    def count(self, name):
        read.append((id(self), name))
        return text(self, name)

    monkeypatch.setattr(PathDistribution, "read_text", count)
    points = installed()
    assert {distribution(point) for point in points} >= {"raikit", "raikit-mine"}
    assert all(version(point) for point in points)
    assert max(read.count(each) for each in read if each[1] == "METADATA") == 1
