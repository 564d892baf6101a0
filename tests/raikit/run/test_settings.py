"""The configuration that a record holds may be anything after somebody has changed it."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from raikit.errors import RaikitError
from raikit.gate.stored import stored_policy
from raikit.run.settings import settings_of


def record(config):
    return SimpleNamespace(provenance=SimpleNamespace(config=config))


@pytest.mark.parametrize("config", ["[]", "x", '{"a": NaN}', '{"a": "\\ud800"}', "1e999", "[" * 5000])
def test_a_configuration_that_was_changed_is_a_sentence(config):
    with pytest.raises(RaikitError, match="^the configuration in the record"):
        settings_of(record(config))


def test_a_baseline_file_has_none():
    assert settings_of(record("")) == {}


@pytest.mark.parametrize("gate", ["1", "[]", '{"rules": 1}', '{"rules": [{"metric": "a"}]}', '{"on_inconclusive": "x"}'])
def test_a_policy_that_was_changed_is_a_sentence(gate):
    with pytest.raises(RaikitError, match="was changed"):
        stored_policy(record(f'{{"gate": {gate}}}'))
