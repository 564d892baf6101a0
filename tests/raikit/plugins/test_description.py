"""Check classes made from what a child process says of a plugin: they behave as the classes themselves, without their code."""

import sys
import time

import pytest
from pydantic import ValidationError

from raikit.check import Requires
from raikit.isolation.parent import Children
from raikit.plugins.description import CheckDescription, ValidatedOptions, described_check
from raikit.plugins.discovery import discover

SOURCE = '''
    import raikit
    from pydantic import BaseModel, Field
    raikit_api = 1

    class Inner(BaseModel):
        depth: int = Field(1, ge=1)

    class Rows(raikit.Check):
        """Counts rows.

        All of them.
        """
        name = "described.rows"
        pillar = "described"
        cost = "slow"
        requires = raikit.Requires(columns={"target"}, capabilities={"labels"}, min_rows=3, model=True)
        produces = ["described.rows"]
        aliases = {"described.lines": "described.rows"}

        class Options(raikit.CheckOptions):
            model_name: str = Field("a", description="A name.")
            sizes: tuple[int, ...] = (1, 2)
            inner: Inner = Inner()

        def run(self, ctx):
            return raikit.CheckResult()

        def compare(self, candidate, baseline, margins):
            return []

    @raikit.hookimpl
    def raikit_checks():
        return [Rows]

    @raikit.hookimpl
    def raikit_model_loaders():
        return {"described": lambda spec, data: None}
'''


@pytest.fixture
def described(install):
    install("raikit-described", {"described": "described_plugin"}, {"described_plugin": SOURCE})
    with Children() as children:
        yield discover(processes=children)


def test_a_described_check_has_the_facts_of_its_class_and_its_module_is_not_imported(described):
    check = described.checks["described.rows"].check
    assert (check.name, check.pillar, check.cost, check.prefix()) == ("described.rows", "described", "slow", "described")
    assert check.requires == Requires(columns={"target"}, capabilities={"labels"}, min_rows=3, model=True)
    assert (check.produces, check.aliases) == (["described.rows"], {"described.lines": "described.rows"})
    assert check.__doc__.startswith("Counts rows.") and check.compare is not None
    assert list(check.Options.model_fields) == ["model_name", "sizes", "inner"]
    assert check.Options.model_json_schema()["properties"]["model_name"]["description"] == "A name."
    assert described.loader_owners == {"described": "raikit-described"}
    assert "described_plugin" not in sys.modules


def test_options_are_validated_by_their_own_class(described):
    options = described.checks["described.rows"].check.Options
    assert options.model_validate({"sizes": ["3"]}).model_dump(mode="json") == {
        "model_name": "a", "sizes": [3], "inner": {"depth": 1},
    }  # fmt: skip
    with pytest.raises(ValidationError) as unknown:
        options.model_validate({"szes": [1]})
    assert [(fault["type"], fault["loc"]) for fault in unknown.value.errors()] == [("extra_forbidden", ("szes",))]
    with pytest.raises(ValidationError) as low:
        options.model_validate({"inner": {"depth": 0}})
    (fault,) = low.value.errors()
    assert (fault["loc"], fault["msg"], fault["input"]) == (("inner", "depth"), "Input should be greater than or equal to 1", 0)


def test_an_option_that_refers_to_itself_ends():
    schema = {"properties": {"inner": {"$ref": "#/$defs/Inner"}}, "$defs": {"Inner": {"properties": {"inner": {"$ref": "#/$defs/Inner"}}}}}
    check = described_check(CheckDescription(name="a.b", pillar="a", options=schema), lambda name, values: {"options": {}})
    assert list(check.Options.model_fields) == ["inner"]


def laughs(links):
    """A schema in which each definition refers twice to the next: 2 to the power of its length fields."""
    defs = {f"A{i}": {"properties": {name: {"$ref": f"#/$defs/A{i + 1}"} for name in links}} for i in range(2000)}
    return {"properties": {"a": {"$ref": "#/$defs/A0"}}, "$defs": defs}


@pytest.mark.parametrize(
    "schema",
    [laughs("ab"), laughs("a"), {"properties": [1], "$defs": 3}, {"properties": {"a": [1], "b": {"$ref": {}}}},
     {"properties": {name: {} for name in ("model_dump", "validator", "model_config", "copy", "__class__", "class", "", "\ud800")}}],
)  # fmt: skip
def test_a_hostile_schema_makes_a_class_at_once(schema):
    def validate(check, values):
        return ValidatedOptions(options={"model_dump": 1, "copy": 2, "x": 3})

    start = time.perf_counter()
    options = described_check(CheckDescription(name="a.b", pillar="a", options=schema), validate).Options
    assert options.model_validate({}).model_dump(mode="json") == {"model_dump": 1, "copy": 2, "x": 3}
    assert time.perf_counter() - start < 2


FORGED = """
import json
import raikit
import raikit.plugins.description as d

raikit_api = 1
real = d.PluginDescription.model_dump_json

class Rows(raikit.Check):
    name, pillar = "forged.rows", "forged"

    def run(self, ctx):
        return raikit.CheckResult()

@raikit.hookimpl
def raikit_checks():
    return [Rows]

def forged(self):
    said = json.loads(real(self))
    first = said["checks"][0]
    {forge}
    return json.dumps(said)

d.PluginDescription.model_dump_json = forged
"""
FORGERIES = {
    "too many checks": 'said["checks"] *= 5000',
    "too long": 'first["doc"] = "x" * 20_000_000',
    "a lone surrogate": 'first["doc"] = chr(0xd800)',
    "no names": 'first["requires"] = {"columns": 5}',
    "a name of another alphabet": 'first["name"] = "perf" + chr(0x43e) + "rmance.classification"',
    "a name that is a path": 'first["name"] = "forged.../../x"',
    "a name that is too long": 'first["name"] = "forged." + "x" * 5000',
    "a name of raikit": 'first["name"] = "performance.classification"',
    "patterns without end": 'first["produces"] = ["forged." + "*a" * 5000]',
    "aliases of others": 'first["aliases"] = {"performance.accuracy": "forged.rows"}',
    "aliases without end": 'first["aliases"] = {f"forged.{i}": "forged.rows" for i in range(5000)}',
    "loaders and formats of raikit": 'said["loaders"] = ["predictions", "torch"]; said["formats"] = ["json"]',
}


@pytest.mark.parametrize("what", FORGERIES)
def test_a_forged_description_costs_the_plugin_alone(what, write_distribution, tmp_path, monkeypatch):
    source = FORGED.replace("{forge}", FORGERIES[what])
    write_distribution(tmp_path / "site", "raikit-forged", {"forged": "forged_plugin"}, {"forged_plugin": source})
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    with Children() as children:
        registry = discover(processes=children)
    row = next(plugin for plugin in registry.plugins if plugin.name == "forged")
    problems = [entry.problem for entry in (*registry.checks.values(), *registry.broken) if entry.plugin == "raikit-forged"]
    assert row.status == "error" or any(problems), what
    assert len(row.reason or "") <= 2000 and all(len(problem or "") <= 2000 for problem in problems)
    assert registry.checks["performance.classification"].plugin == "raikit"
    assert registry.owners["json"] == "raikit" and "torch" not in registry.loader_owners


def test_no_distribution_shares_the_process_of_the_model():
    children = Children()
    for name in ("model of the audit", "raikit", " model of the audit"):
        assert children.of(name) is not children.model
