import pytest
from pydantic import Field

from raikit import Check, CheckOptions, CheckResult
from raikit.audit.selection import select_checks
from raikit.config.load import load
from raikit.errors import ConfigError
from raikit.plugins.registry import CheckEntry, Registry


class Groups(Check):
    """Groups."""

    name, pillar, produces = "fairness.groups", "fairness", ("fairness.selection_rate", "fairness.*_difference")

    class Options(CheckOptions):
        intersections: int = Field(2, ge=1)

    def run(self, ctx):
        return CheckResult()


class Search(Groups):
    """Slow."""

    name, cost, produces = "fairness.search", "slow", ("fairness.worst_group",)


class Accuracy(Check):
    """Accuracy."""

    name, pillar, produces = "performance.accuracy", "performance", ("performance.accuracy",)

    def run(self, ctx):
        return CheckResult()


@pytest.fixture
def config(tmp_path):
    def config(checks="", sets=()):
        path = tmp_path / "audit.yaml"
        path.write_text(
            f"name: m\ndata: {{path: a.csv, target: y, sensitive: [sex]}}\nmodel: {{load: {{kind: predictions}}}}\n{checks}\n"
        )
        return load(path, sets)

    return config


REGISTRY = Registry(checks={check.name: CheckEntry(check, "raikit") for check in (Groups, Search, Accuracy)})


def planned(config, **options):
    return {item.name: item for item in select_checks(config, REGISTRY, **options)}


def running(config, **options):
    return {name for name, item in planned(config, **options).items() if item.status is None}


QUICK = {"fairness.groups", "performance.accuracy"}


@pytest.mark.parametrize(
    ("checks", "options", "names"),
    [
        ("", {}, QUICK),
        ("", {"everything": True}, QUICK | {"fairness.search"}),
        ("", {"select": ["fairness"]}, {"fairness.groups"}),
        ("", {"select": ["fairness.search"]}, {"fairness.search"}),
        ("", {"exclude": ["fairness"]}, {"performance.accuracy"}),
        ("", {"select": ["fairness.groups"], "exclude": ["fairness.groups"]}, set()),
        ("checks: {fairness: {}}", {}, {"fairness.groups"}),
        ("checks: {fairness.search: }", {}, {"fairness.search"}),
        ("checks: {fairness: true, fairness.groups: false, performance: {}}", {}, {"performance.accuracy"}),
    ],
)
def test_what_runs(config, checks, options, names):
    assert running(config(checks), **options) == names


def test_a_check_that_does_not_run_has_its_reason(config):
    items = planned(config())
    assert (items["fairness.search"].status, items["fairness.search"].reason) == (
        "skipped",
        "slow, not requested",
    )
    assert planned(config(), exclude=["fairness"])["fairness.groups"].reason == "left out by --exclude"
    assert (
        planned(config("checks: {performance: }"))["fairness.groups"].reason
        == "not named by checks in the configuration"
    )


def test_options_of_a_pillar_go_to_its_checks_and_a_checks_own_win(config):
    items = planned(config("checks: {fairness: {intersections: 1}, fairness.search: {intersections: 3}}"))
    assert items["fairness.groups"].options.intersections == 1
    assert items["fairness.search"].options.intersections == 3
    assert (
        planned(config("checks: {fairness: }", ["checks.fairness.intersections=4"]))[
            "fairness.groups"
        ].options.intersections
        == 4
    )
    own = planned(config(sets=["checks.fairness.groups.intersections=5"]))
    assert own["fairness.groups"].options.intersections == 5


@pytest.mark.parametrize(
    ("checks", "says"),
    [
        ("checks: {fairnes: {}}", r"line 4: checks\.fairnes: no check or pillar .* Did you mean 'fairness'\?"),
        (
            "checks: {fairness: {intersection: 1}}",
            r"line 4: checks\.fairness\.intersection: .*Did you mean 'intersections'\?",
        ),
        (
            "checks: {fairness.groups: {intersection: 1}}",
            r"unknown key 'intersection' in checks\.fairness\.groups\. Did you mean 'intersections'\?",
        ),
        (
            "checks: {fairness.groups: {intersections: 0}}",
            r"checks\.fairness\.groups\.intersections: .*greater than or equal to 1, not 0",
        ),
        ("checks: {fairness: 3}", r"checks\.fairness: give options as a mapping"),
    ],
)
def test_a_typing_mistake_in_checks_is_found(config, checks, says):
    with pytest.raises(ConfigError, match=says):
        select_checks(config(checks), REGISTRY)


@pytest.mark.parametrize("option", ["select", "exclude"])
def test_an_unknown_name_on_the_command_line_is_found(config, option):
    with pytest.raises(ConfigError, match=f"--{option}: no check or pillar is called 'fair.ess'"):
        select_checks(config(), REGISTRY, **{option: ["fair.ess"]})


@pytest.mark.parametrize("name", ["fairness.selection_rate", "fairness.pprev", "fairness.pprev[sex]"])
def test_a_metric_that_is_named_as_a_check_is_told_its_check(config, name):
    aliased = type("Groups", (Groups,), {"__doc__": "Groups.", "aliases": {"fairness.pprev": "fairness.selection_rate"}})
    registry = Registry(checks={"fairness.groups": CheckEntry(aliased, "raikit"), "fairness.search": CheckEntry(Search, "raikit")})
    with pytest.raises(ConfigError, match="--select: .* is a metric of fairness.groups; name that check"):
        select_checks(config(), registry, select=[name])
    with pytest.raises(ConfigError, match="no check or pillar is called 'fairness.any'"):
        select_checks(config(), registry, select=["fairness.any"])
    with pytest.raises(ConfigError, match=r"checks\.fairness\.pprev: 'fairness\.pprev' is a metric of fairness.groups"):
        select_checks(config("checks: {fairness.pprev: true}"), registry)
