"""The rules for a model loader."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from pydantic import ValidationError

from raikit.models.base import Model
from raikit.testing.contract.rule import Broken, NotApplicable, PlannedRule, rule_of
from raikit.testing.data import dataset

_UNKNOWN_KEY = "no_such_key"


@dataclass(frozen=True)
class ModelLoader:
    """A model loader: its name, as ``model.load.kind`` has it, and its function."""

    name: str
    function: Callable[..., Any]

    def load(self, spec: Mapping[str, Any]) -> Any:
        """Return the model, or the error that the loader raises."""
        try:
            return self.function({"kind": self.name, **spec}, dataset())
        except (Exception, SystemExit) as error:
            return error


def planned(name: str, loader: Callable[..., Any]) -> Iterator[PlannedRule]:
    """Yield every rule for a model loader."""
    yield from (PlannedRule(f"model loader {name}", rule_of(rule), ModelLoader(name, loader)) for rule in RULES)


def keys(loader: ModelLoader) -> None:
    """Refuse an unknown key with an error that names the key."""
    with tempfile.TemporaryDirectory(prefix="raikit-") as folder:
        # With a path and without, because the loader decides whether it needs one.
        answers = [loader.load({_UNKNOWN_KEY: 1}), loader.load({"path": folder, _UNKNOWN_KEY: 1})]
    if any(isinstance(answer, SystemExit) for answer in answers):
        raise Broken("it exits; raise an error that names the key")
    errors = [answer for answer in answers if isinstance(answer, Exception)]
    if any(_UNKNOWN_KEY in str(error) for error in errors):
        return
    if len(errors) < len(answers):
        raise Broken(f"it ignores `{_UNKNOWN_KEY}: 1`, so a typing mistake would go unnoticed")
    raise Broken(f"its error does not name the unknown key `{_UNKNOWN_KEY}`: {_sentence(errors[0])}")


def _sentence(error: BaseException) -> str:
    """Return an error as one sentence; of Pydantic's only the first complaint, without types and links."""
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False)[0]
        key = ".".join(("model", "load", *map(str, first["loc"])))
        return f"{key}: " + ("this key is required" if first["type"] == "missing" else str(first["msg"]))
    return " ".join(str(error).split())[:200] or type(error).__name__


def loads(loader: ModelLoader) -> str:
    """Return a raikit.Model whose scores have a row for each case and a column for each class."""
    model = loader.load({})
    if isinstance(model, BaseException):
        raise NotApplicable(f"the conformance test has no model for it to load: {_sentence(model)}")
    if not isinstance(model, Model):
        raise Broken(f"it returned {type(model).__name__}, not a raikit.Model")
    data = dataset()
    batch = next(data.batches("test", 16))
    scores = np.asarray(model.scores(batch), dtype=float)
    if scores.shape != (len(batch), len(data.classes)):
        raise Broken(f"its scores of {len(batch)} cases have the shape {scores.shape}, not {(len(batch), len(data.classes))}")
    if not np.isfinite(scores).all():
        raise Broken("its scores are NaN or infinite")
    return f"capabilities: {', '.join(sorted(model.capabilities))}"


RULES: tuple[Callable[[Any], str | None], ...] = (keys, loads)
