"""The contract of a check, as the author of one sees it."""

import pytest

from raikit import CheckOptions, PluginError, Requires


def test_what_is_required_may_be_any_collection_of_names():
    assert Requires(columns=["target"], tasks=("binary",)).columns == frozenset({"target"})


@pytest.mark.parametrize("name", ["columns", "capabilities", "modalities", "tasks", "splits"])
def test_a_string_in_place_of_a_set_is_refused_when_the_class_is_made(name):
    with pytest.raises(PluginError, match=rf"Requires\.{name} must be a set such as {{'scores'}}, not the string 'scores'"):
        Requires(**{name: "scores"})


def test_what_a_model_must_do_is_no_model():
    with pytest.raises(PluginError, match="stand in `capabilities`"):
        Requires(model={"gradients"})  # type: ignore[arg-type]


def test_an_option_that_is_a_number_is_not_true():
    class Options(CheckOptions):
        tolerance: float = 0.1
        quick: bool = False

    assert Options(quick=True).quick
    with pytest.raises(ValueError, match="must be a number, not true"):
        Options(tolerance=True)
