"""Chat completions as OpenAI writes them: a question for each case, and an answer that is the word of a class."""

from __future__ import annotations

import math
import string
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from raikit.address import text
from raikit.errors import ModelError, listed, nearest
from raikit.models.endpoint.client import Client
from raikit.models.endpoint.settings import EndpointSpec

if TYPE_CHECKING:
    from raikit.data.batch import Batch
    from raikit.data.dataset import Dataset

_TOP = 20  # tokens whose log-probabilities are asked for, the most that OpenAI gives
_LEAST_MASS = 0.5  # of the probability of the first token that the words of the classes must have together
_AROUND = " \t\r\n\"'`.*"  # what may stand around the word of a class


class Chat:
    """The word of a class for each case, and the probabilities of all words if the endpoint gives log-probabilities.

    The probability of a class is that of the first tokens that begin its word and no other, divided by that of all classes. A class
    whose word is not among the 20 likeliest tokens has 0.
    """

    per_request = 1

    @property
    def depends_on(self) -> list[str]:
        """What a kept answer depends on beside the request: the words of the classes, in their order."""
        return self._words

    def __init__(self, settings: EndpointSpec, data: Dataset, client: Client) -> None:
        if data.task == "regression":
            raise ModelError("model.load: an endpoint of the protocol openai decides between classes, and the target is a number.")
        self._settings, self._client, self._data = settings, client, data
        self._words = _words(settings.labels, data)
        self._otherwise = _position(settings.otherwise, data)
        self._prompt = _Template(str(settings.prompt), data)
        self._unmatched: set[Any] = set()
        self.has_scores = settings.logprobs

    def requests(self, batch: Batch) -> list[dict[str, Any]]:
        """Return the body of each case's request."""
        before = [{"role": "system", "content": self._settings.system}] if self._settings.system else []
        asked = {"logprobs": True, "top_logprobs": _TOP} if self._settings.logprobs else {}
        fixed = {"model": self._settings.name, "temperature": 0, "max_tokens": self._settings.max_tokens, **asked}
        return [{**fixed, "messages": [*before, {"role": "user", "content": question}]} for question in self._prompt.fill(batch)]

    def ask(self, requests: Sequence[dict[str, Any]], ids: Sequence[Any]) -> list[dict[str, Any]]:
        """Return the answer to each request: the position of the class, None if it is no word of one, and probabilities or None."""
        return [self._read(self._client.post("/chat/completions", request)) for request in requests]

    def _read(self, answer: Mapping[str, Any]) -> dict[str, Any]:
        try:
            choice = answer["choices"][0]
            said = choice["message"]["content"]
        except (KeyError, IndexError, TypeError):
            said = None
        if not isinstance(said, str):
            raise ModelError("the endpoint's answer has no `choices` with a message as chat completions have them.")
        word = said.strip(_AROUND).casefold()
        return {
            "class": self._words.index(word) if word in self._words else None,
            "probabilities": self._probabilities(choice) if self._settings.logprobs else None,
        }

    def _probabilities(self, choice: Mapping[str, Any]) -> list[float] | None:
        """Return the probabilities of the classes from those of the first token; None if they cannot be told."""
        try:
            tokens = choice["logprobs"]["content"][0]["top_logprobs"]
            pairs = [(str(token["token"]).strip(_AROUND).casefold(), min(float(token["logprob"]), 0.0)) for token in tokens]
        except (KeyError, IndexError, TypeError, ValueError):
            return None
        masses = [0.0] * len(self._words)
        for token, logarithm in pairs:
            begun = [index for index, word in enumerate(self._words) if token and word.startswith(token)]
            if len(begun) > 1 or math.isnan(logarithm):
                return None
            if begun:
                masses[begun[0]] += math.exp(logarithm)
        total = sum(masses)
        return [mass / total for mass in masses] if total >= _LEAST_MASS else None

    def valid(self, answer: Any) -> bool:
        """Return whether a kept answer is one."""
        if not isinstance(answer, dict) or set(answer) != {"class", "probabilities"}:
            return False
        place, shares = answer["class"], answer["probabilities"]
        if shares is not None and not (isinstance(shares, list) and all(type(share) is float for share in shares)):
            return False
        return (place is None or (type(place) is int and 0 <= place < len(self._words))) and (
            shares is None or len(shares) == len(self._words)
        )

    def scores(self, answers: Sequence[dict[str, Any]], ids: Sequence[Any]) -> np.ndarray:
        """Return the probabilities of the classes, or decisions of 0 and 1 if there are none, shape (n, k)."""
        scores = np.zeros((len(answers), len(self._words)))
        for row, answer in enumerate(answers):
            place = self._place(answer["class"], ids[row])
            if not self.has_scores:
                scores[row, place] = 1.0
            elif answer["probabilities"] is None:
                raise ModelError(
                    f"the endpoint gave no log-probabilities for the words of the classes for the case with id {ids[row]!r}, "
                    "unlike for others; with `model.load.logprobs: false` decisions alone are measured."
                )
            else:
                scores[row] = answer["probabilities"]
        return scores

    def _place(self, place: int | None, case: Any) -> int:
        """Return the position of a case's class; one that is no word of a class has the class of ``otherwise``."""
        if place is not None:
            return place
        if self._otherwise is None:
            raise ModelError(
                f"the endpoint's answer for the case with id {case!r} is none of {listed(self._words)}; ask for one word in "
                "`model.load.prompt`, or say in `model.load.otherwise` which class such answers have."
            )
        self._unmatched.add(case)
        return self._otherwise

    def notes(self) -> list[str]:
        """Tell how many answers were no word of a class, and whether there are scores."""
        label = text(self._data.classes[self._otherwise]) if self._otherwise is not None else ""
        several = f"{len(self._unmatched):,} answers were no word of a class and count as {label}."
        silent = "The endpoint gave no usable log-probabilities, so nothing is measured on scores."
        return [*([several] if self._unmatched else []), *([silent] if self._settings.logprobs and not self.has_scores else [])]


def _words(labels: Mapping[str, str], data: Dataset) -> list[str]:
    """Return the word of each class in lower case."""
    known = {text(label): label for label in data.classes}
    if unknown := [name for name in labels if name not in known]:
        hint = nearest(unknown[0], known)
        raise ModelError(f"model.load.labels: {unknown[0]!r} is not a class; the classes are {listed(known)}.{hint}")
    words = [labels.get(name, name).strip(_AROUND).casefold() for name in known]
    if len(set(words)) != len(words) or "" in words:
        raise ModelError("model.load.labels: each class needs a word of its own.")
    return words


def _position(label: str | None, data: Dataset) -> int | None:
    names = [text(known) for known in data.classes]
    if label is not None and label not in names:
        raise ModelError(f"model.load.otherwise: {label!r} is not a class; the classes are {listed(names)}.")
    return None if label is None else names.index(label)


class _Template:
    """A prompt with inputs and columns in braces."""

    def __init__(self, prompt: str, data: Dataset) -> None:
        self._texts = {name for name, item in data.inputs.items() if item.modality == "text"}
        tables = {name: item for name, item in data.inputs.items() if item.modality == "tabular"}
        self._columns = {str(column): name for name, item in tables.items() for column in item.columns}
        if media := [name for name, item in data.inputs.items() if item.modality not in ("text", "tabular")]:
            raise ModelError(f"model.load: a prompt holds texts and columns, and the input {media[0]!r} is neither; use `kserve`.")
        self._parts = _parse(prompt)
        known = [*self._texts, *self._columns]
        used = {name for _, name in self._parts if name is not None}
        if wrong := sorted(used - set(known)):
            hint = nearest(wrong[0], known)
            raise ModelError(f"model.load.prompt: {wrong[0]!r} is no text and no column of the data ({listed(known)}).{hint}")
        if left := sorted(set(known) - used):
            raise ModelError(f"model.load.prompt: it leaves out {left[0]!r}, which data.inputs says that the model reads.")

    def fill(self, batch: Batch) -> list[str]:
        """Return the prompt of each case."""
        return ["".join(before + ("" if name is None else self._value(batch, name, row)) for before, name in self._parts)
                for row in range(len(batch))]  # fmt: skip

    def _value(self, batch: Batch, name: str, row: int) -> str:
        value = batch.inputs[name][row] if name in self._texts else batch.inputs[self._columns[name]][name].iloc[row]
        return "" if value is None or pd.isna(value) else str(value)


def _parse(prompt: str) -> list[tuple[str, str | None]]:
    """Return the texts of a prompt, each with the name in braces behind it, if there is one."""
    try:
        parts = list(string.Formatter().parse(prompt))
    except ValueError:
        parts = [("", "", ":", None)]
    if any(form or change for _, _, form, change in parts):
        raise ModelError("model.load.prompt: a brace is not closed, or holds more than a name; write {{ for a brace.")
    return [(before, name) for before, name, _, _ in parts]
