"""Answers of an endpoint on disk, by a hash of what was asked; no input of a case is kept."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from raikit.errors import ModelError
from raikit.files import canonical, sha256_text, write_text
from raikit.models.endpoint.settings import EndpointSpec
from raikit.process.beginning import changed_since

_FORMAT = 1
_MOST_BYTES = 16 << 20  # of one answer


class AnswerCache:
    """Answers by case. Without a folder nothing is kept.

    An answer that something else has put there since the command began is asked for again: a plugin may have forged it.

    Parameters
    ----------
    settings : EndpointSpec
        Another address, protocol or model has other answers.
    """

    def __init__(self, settings: EndpointSpec) -> None:
        self._folder = None if settings.cache is None else Path(settings.cache)
        self._own: set[str] = set()  # keys of the answers that were put here
        self._of = [_FORMAT, settings.url, settings.protocol, settings.name, settings.output]
        if self._folder is not None:
            try:
                self._folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise ModelError(f"model.load.cache: {self._folder.name} cannot be a folder ({error.strerror}).") from None

    def key(self, request: Any) -> str:
        """Return the key of one case: the hash of all that its answer depends on."""
        return "" if self._folder is None else sha256_text(canonical([*self._of, request]))

    def get(self, key: str) -> Any:
        """Return an answer, None if there is none that can be read."""
        if self._folder is None:
            return None
        path = self._path(self._folder, key)
        try:
            if path.is_symlink() or not path.is_file() or path.stat().st_size > _MOST_BYTES:
                return None
            content = path.read_bytes()
            if key not in self._own and changed_since(path.stat()):
                return None
            return json.loads(content)["answer"]
        except (OSError, ValueError, KeyError, TypeError, RecursionError):  # a damaged answer is asked for again
            return None

    def put(self, key: str, answer: Any) -> None:
        """Keep an answer."""
        if self._folder is not None:
            path = self._path(self._folder, key)
            path.parent.mkdir(exist_ok=True)
            self._own.add(key)
            write_text(path, json.dumps({"answer": answer}, allow_nan=False))

    def _path(self, folder: Path, key: str) -> Path:
        return folder / key[:2] / f"{key}.json"
