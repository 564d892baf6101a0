"""Data and model of a child's context are opened when they are first asked for, and once."""

from dataclasses import replace
from pathlib import Path

import pytest

from raikit.isolation.context import Deferred, LazyContext
from raikit.run.predictions import Predictions


@pytest.fixture
def opened():
    return []


@pytest.fixture
def context(opened):
    def opener(name):
        return Deferred(lambda: opened.append(name) or f"the {name}")

    return LazyContext(
        task="binary", predictions=Predictions(Path("none")), data=opener("data"), model=opener("model"), classes=(0, 1),
        positive=1, sensitive=(), cluster=(), weight=None, seed=1, workdir=Path(),
    )  # fmt: skip


def test_nothing_is_opened_that_is_not_asked_for(context, opened):
    assert context.task == "binary"
    assert opened == []


def test_each_is_opened_once(context, opened):
    assert (context.model, context.model, context.data) == ("the model", "the model", "the data")
    assert opened == ["model", "data"]


def test_a_copy_with_another_field_is_a_context_too(context):
    copy = replace(context, seed=2)
    assert (copy.seed, copy.data) == (2, "the data")


def test_what_opens_nothing_stays_what_it_is(context):
    assert replace(context, model=None).model is None
    with pytest.raises(AttributeError, match="no attribute 'modle'"):
        context.modle
