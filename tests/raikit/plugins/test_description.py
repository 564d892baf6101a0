"""Check classes made from what a child process says of a plugin: they behave as the classes themselves, without their code."""

import sys

import pytest
from pydantic import ValidationError

from raikit.check import Requires
from raikit.isolation.parent import Children
from raikit.plugins.description import CheckDescription, described_check
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
        requires = raikit.Requires(columns={"target"}, capabilities={"labels"}, min_rows=3)
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
    assert check.requires == Requires(columns={"target"}, capabilities={"labels"}, min_rows=3)
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
