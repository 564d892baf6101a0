"""Numbers that are none to compute with are refused in every section, option and setting of a model."""

import importlib
import typing

import pytest
from pydantic import ValidationError

from raikit.check import CheckOptions
from raikit.config.load import load
from raikit.config.types import NumbersToComputeWith
from raikit.errors import ConfigError

for _module in (
    "raikit.config.training", "raikit.models.endpoint.settings", "raikit.models.onnx.settings", "raikit.models.table",
    "raikit_explain.checks", "raikit_fairness.checks.search", "raikit_fairness.checks.thresholds", "raikit_performance.checks",
    "raikit_privacy.checks",
):  # fmt: skip
    importlib.import_module(_module)

RATES = {"confidence", "regression_error", "fdr"}


def _all(section):
    return [section, *(deeper for child in section.__subclasses__() for deeper in _all(child))]


def _kinds(annotation):
    return {annotation}.union(*map(_kinds, typing.get_args(annotation)))


def _has_float(annotation):
    """Return whether a field is a number or has some; a label may be one too, but nothing is computed with it."""
    container = typing.get_origin(annotation)
    if isinstance(container, type) and issubclass(container, typing.Mapping):
        annotation = typing.get_args(annotation)[1]
    return float in _kinds(annotation) and str not in _kinds(annotation)


FIELDS = sorted(
    {
        (section, name) for section in [*_all(NumbersToComputeWith), *_all(CheckOptions)] if section.__module__.startswith("raikit")
        for name, field in section.model_fields.items() if _has_float(field.annotation)
    },
    key=lambda pair: (pair[0].__module__, pair[0].__qualname__, pair[1]),
)  # fmt: skip


def _problems(section, name, value):
    """Return what is wrong with a value of a field, whatever else the section lacks."""
    container = typing.get_origin(section.model_fields[name].annotation)
    container = container if isinstance(container, type) else float
    given = [value] if container is tuple else {"x": value} if issubclass(container, typing.Mapping) else value
    with pytest.raises(ValidationError) as refused:
        section.model_validate({name: given, "no such key": 1})
    return [error for error in refused.value.errors() if error["loc"][0] == name]


@pytest.mark.parametrize(("section", "name"), FIELDS, ids=lambda part: getattr(part, "__qualname__", part))
@pytest.mark.parametrize("value", [1e-320, "1e-320", 1e-200, -1e-320, 1e200])
def test_no_number_is_too_small_or_too_large_to_compute_with(section, name, value):
    assert _problems(section, name, value)


def test_the_fields_are_those_that_a_configuration_has():
    names = {name for _, name in FIELDS}
    assert {"margin", "epsilons", "delta", "learning_rate", "requests_per_second", "constants", "tolerance", "threshold"} <= names
    assert names >= RATES


@pytest.mark.parametrize(("section", "name"), [pair for pair in FIELDS if pair[1] in RATES], ids=str)
def test_a_level_that_only_rounding_tells_from_certainty_is_refused(section, name):
    assert _problems(section, name, 1 - 1e-13 if name == "confidence" else 1e-13)


def test_the_sentence_names_the_key(tmp_path):
    path = tmp_path / "audit.yaml"
    path.write_text("name: m\ndata: {path: t.csv, target: y}\nmodel: {load: {kind: predictions}}\n")
    with pytest.raises(ConfigError, match=r"gate.regression_error: must be greater than or equal to 0.000000001, not"):
        load(path, ["gate.regression_error=1e-320"])
    with pytest.raises(ConfigError, match=r"gate.regressions, regression 1, margin: must be 0 or between 1e-100 and 1e\+100"):
        load(path, ["gate.regressions=[{metric: performance.accuracy, margin: 1e-320}]"])
    assert load(path, ["gate.regressions=[{metric: performance.accuracy, margin: 0}]"])
