"""A model behind an address as a raikit model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

import numpy as np

from raikit.models.base import Model
from raikit.models.batches import first_batch
from raikit.models.endpoint.cache import AnswerCache
from raikit.models.endpoint.chat import Chat
from raikit.models.endpoint.client import Client
from raikit.models.endpoint.kserve import KServe
from raikit.models.endpoint.settings import EndpointSpec

if TYPE_CHECKING:
    from raikit.data.batch import Batch
    from raikit.data.dataset import Dataset


class Dialect(Protocol):
    """What an endpoint is asked, and what its answers mean."""

    per_request: int
    has_scores: bool

    @property
    def depends_on(self) -> Sequence[str]:
        """What a kept answer depends on beside the request."""
        ...

    def requests(self, batch: Batch) -> Sequence[Any]:
        """Return what is asked for each case, as JSON."""
        ...

    def ask(self, requests: Sequence[Any], ids: Sequence[Any]) -> Sequence[Any]:
        """Return the answer for each case, as JSON that can be kept."""
        ...

    def valid(self, answer: Any) -> bool:
        """Return whether a kept answer is one."""
        ...

    def scores(self, answers: Sequence[Any], ids: Sequence[Any]) -> np.ndarray:
        """Return the scores of answers."""
        ...

    def notes(self) -> list[str]:
        """Return sentences for the record."""
        ...


def load_http(spec: Mapping[str, Any], data: Dataset) -> EndpointModel:
    """Open a model behind an address; the first case is sent to it.

    Parameters
    ----------
    spec : mapping
        See `EndpointSpec`.
    data : Dataset

    Raises
    ------
    ModelError
        If a setting does not fit the data, a secret is not in the environment, or the endpoint cannot be used.
    """
    return EndpointModel(EndpointSpec.model_validate(dict(spec)), data)


class EndpointModel(Model):
    """A model that a server runs. Each case is sent once if answers are kept, else as often as it is scored.

    Parameters
    ----------
    settings : EndpointSpec
    data : Dataset
    client : Client, optional
        For tests.
    """

    kind = "http"
    device = "remote"  # in a precision that nobody knows here, so the last digits of a score may differ between requests

    def __init__(self, settings: EndpointSpec, data: Dataset, client: Client | None = None) -> None:
        settings.secret_headers()  # a secret that is not there is told before a case is sent
        self._settings = settings
        self._cache = AnswerCache(settings)
        client = client or Client(settings)
        self._protocol: Dialect = KServe(settings, data, client) if settings.protocol == "kserve" else Chat(settings, data, client)
        self.modalities = {name: item.modality for name, item in data.inputs.items()}
        first = first_batch(data, 1)
        if isinstance(self._protocol, Chat) and first is not None:
            self._protocol.has_scores = settings.logprobs and self._answers(first)[0]["probabilities"] is not None
        self.classes = data.classes
        self.capabilities = frozenset({"labels", "scores"} if self._protocol.has_scores else {"labels"})

    def scores(self, batch: Batch) -> np.ndarray:
        """Compute the probabilities of the classes, shape (n, k), or the predicted values, shape (n, 1)."""
        return self._protocol.scores(self._answers(batch), batch.ids)

    def _answers(self, batch: Batch) -> list[Any]:
        """Return the answer for each case: kept, or asked for now."""
        requests = self._protocol.requests(batch)
        keys = [self._cache.key([*self._protocol.depends_on, request]) for request in requests]
        answers = [answer if self._protocol.valid(answer) else None for answer in map(self._cache.get, keys)]
        left = [row for row, answer in enumerate(answers) if answer is None]
        for start in range(0, len(left), self._protocol.per_request):
            rows = left[start : start + self._protocol.per_request]
            asked = self._protocol.ask([requests[row] for row in rows], [batch.ids[row] for row in rows])
            for row, answer in zip(rows, asked, strict=True):
                self._cache.put(keys[row], answer)
                answers[row] = answer
        return answers

    def describe(self) -> dict[str, Any]:
        """Return facts for the record."""
        place = urlsplit(self._settings.url)._replace(query="").geturl()
        return {**super().describe(), "protocol": self._settings.protocol, "url": place, "name": self._settings.name}

    def notes(self) -> list[str]:
        """Tell where cases were sent, and how answers were taken."""
        return [f"The inputs of the cases were sent to {self._settings.host} to be scored.", *self._protocol.notes()]
