"""The rules for a model loader."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from raikit.models.base import Model
from raikit.testing.contract.rule import Broken, Case, NotApplicable, rule_of

_STRAY = "no_such_key"


@dataclass(frozen=True)
class Loader:
    """A model loader: the name that ``model.load.kind`` says, and the function."""

    name: str
    load: Callable[..., Any]

    def try_on(self, spec: Mapping[str, Any]) -> Any:
        """What it gives, or the error that it raises."""
        from raikit.testing.data import dataset

        try:
            return self.load({"kind": self.name, **spec}, dataset())
        except (Exception, SystemExit) as error:
            return error


def cases(name: str, loader: Callable[..., Any]) -> Iterator[Case]:
    """Every rule that is to be held against a model loader."""
    yield from ((f"model loader {name}", rule_of(rule), Loader(name, loader)) for rule in RULES)


def keys(made: Loader) -> None:
    """A key that it does not know is an error that names the key."""
    with tempfile.TemporaryDirectory(prefix="raikit-") as folder:
        # with a path and without: whether there must be one is the loader's own affair
        answers = [made.try_on({_STRAY: 1}), made.try_on({"path": folder, _STRAY: 1})]
    if any(isinstance(answer, SystemExit) for answer in answers):
        raise Broken("it ends the process; raise an error that names the key")
    errors = [answer for answer in answers if isinstance(answer, Exception)]
    if any(_STRAY in str(error) for error in errors):
        return
    if len(errors) < len(answers):
        raise Broken(f"it takes `{_STRAY}: 1` in silence, so nobody would find a typing mistake")
    raise Broken(f"its error does not name `{_STRAY}`, which it cannot know: {_sentence(errors[0])}")


def _sentence(error: BaseException) -> str:
    """The first complaint, of pydantic without its heading, types and address."""
    from pydantic import ValidationError

    if isinstance(error, ValidationError):
        first = error.errors(include_url=False)[0]
        key = ".".join(("model", "load", *map(str, first["loc"])))
        return f"{key}: " + ("this key is required" if first["type"] == "missing" else str(first["msg"]))
    return " ".join(str(error).split())[:200] or type(error).__name__


def loads(made: Loader) -> str:
    """It gives a raikit.Model whose scores have a row for each row and a column for each class."""
    import numpy as np

    from raikit.testing.data import dataset

    model = made.try_on({})
    if isinstance(model, BaseException):
        raise NotApplicable(f"the kit does not know what to load: {_sentence(model)}")
    if not isinstance(model, Model):
        raise Broken(f"it gave {type(model).__name__}, not a raikit.Model")
    data = dataset()
    batch = next(data.batches("test", 16))
    scores = np.asarray(model.scores(batch), dtype=float)
    if scores.shape != (len(batch), len(data.classes)):
        raise Broken(f"its scores of {len(batch)} rows have the shape {scores.shape}, not {(len(batch), len(data.classes))}")
    if not np.isfinite(scores).all():
        raise Broken("its scores are no numbers")
    return f"capabilities: {', '.join(sorted(model.capabilities))}"


RULES: tuple[Callable[[Any], str | None], ...] = (keys, loads)
