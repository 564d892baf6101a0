"""The contract of a check, as whoever writes, reads or documents one sees it."""

import inspect

import pytest

from raikit import CheckContext, PluginError, Requires


def test_what_is_required_may_be_any_collection_of_names():
    assert Requires(columns=["target"], tasks=("binary",)).columns == frozenset({"target"})


@pytest.mark.parametrize("name", ["columns", "capabilities", "modalities", "tasks", "splits"])
def test_a_text_in_place_of_a_set_is_refused_when_the_class_is_made(name):
    with pytest.raises(PluginError, match=f"{name} is a set, {{'scores'}}, not the text"):
        Requires(**{name: "scores"})


def test_the_class_of_a_context_can_be_inspected():
    """Attributes that are opened on demand are no trap for documentation tools."""
    assert {"data", "model"} <= {name for name, _ in inspect.getmembers(CheckContext)}
