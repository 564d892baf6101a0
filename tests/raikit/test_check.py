"""The contract of a check, as whoever reads or documents it sees it."""

import inspect

from raikit import CheckContext


def test_the_class_of_a_context_can_be_inspected():
    """Attributes that are opened on demand are no trap for documentation tools."""
    assert {"data", "model"} <= {name for name, _ in inspect.getmembers(CheckContext)}
