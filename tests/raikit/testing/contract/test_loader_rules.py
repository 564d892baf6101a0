"""The rules for a model loader (raikit.testing.contract.loader_rules)."""

import sys
from pathlib import Path

import pytest
from pydantic import BaseModel

from raikit.testing.contract import loader_rules
from raikit.testing.contract.rule import run_rules


def train(spec, data):
    from raikit.testing import model

    if unknown := set(spec) - {"kind"}:
        raise ValueError(f"model.load.{sorted(unknown)[-1]}: no such key" if unknown != {"no_such_key", "path"} else "no_such_key, path")
    return model(data)


@pytest.mark.parametrize(
    ("loader", "rule", "message"),
    [
        (lambda spec, data: train({}, data), "keys", "ignores `no_such_key: 1`"),
        (lambda spec, data: train({}, data) if len(spec) == 1 else 1 / 0, "keys", "does not name the unknown key `no_such_key`"),
        (lambda spec, data: train({}, data) if len(spec) == 1 else sys.exit(2), "keys", "it exits; raise an error"),
        (lambda spec, data: train(spec, data) and "model", "loads", "it returned str, not a raikit.Model"),
    ],
)
def test_a_loader_that_is_bad_in_one_way_breaks_that_rule_and_no_other(loader, rule, message, broken):
    assert broken(run_rules(loader_rules.planned("mine", train))) == {}
    reasons = broken(run_rules(loader_rules.planned("mine", loader)))
    assert set(reasons) == {rule}, reasons
    assert message in reasons[rule]


class Settings(BaseModel):
    kind: str
    path: Path


@pytest.mark.parametrize(
    ("loader", "message"),
    [
        (lambda spec, data: Settings.model_validate(dict(spec)), "model.load.path: this key is required"),
        (lambda spec, data: Settings.model_validate({"path": 5, **spec}), "model.load.path: Input is not a valid path for"),
        (lambda spec, data: [][0], "list index out of range"),
    ],
)
def test_what_a_loader_requires_is_reported_in_one_sentence(loader, message):
    loads = next(outcome for outcome in run_rules(loader_rules.planned("mine", loader)) if outcome.rule == "loads")
    assert loads.status == "not applicable"
    assert loads.reason.startswith(f"the conformance test has no model for it to load: {message}")
    assert "pydantic" not in loads.reason


def test_raikits_own_loaders_are_held_to_the_same_rules(broken):
    from raikit.models.loaders import LOADERS

    for name, loader in LOADERS.items():
        outcomes = run_rules(loader_rules.planned(name, loader))
        assert broken(outcomes) == {}
        assert {outcome.rule: outcome.status for outcome in outcomes} == {"keys": "ok", "loads": "not applicable"}
