"""A cache of decoded media that drops the least recently used first."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from typing import Any

from raikit.data.media import DECODERS

MAX_BYTES = 256_000_000


class MediaCache:
    """Cache of decoded pictures and sounds, so that cases with the same file share one array.

    The arrays are read-only, because a change to one would change other cases.

    Parameters
    ----------
    folder : Path
        The folder that paths are relative to.
    max_bytes : int
        Size of the decoded media that are kept at most.
    """

    def __init__(self, folder: Path, max_bytes: int = MAX_BYTES) -> None:
        self.folder, self.max_bytes, self.bytes = folder, max_bytes, 0
        self._media: OrderedDict[tuple[str, str | bytes], Any] = OrderedDict()

    def get(self, modality: str, source: str | bytes) -> Any:
        """Return the decoded medium.

        Raises
        ------
        MediaError
            If it cannot be used.
        """
        key = (modality, source)
        if key in self._media:
            self._media.move_to_end(key)
            return self._media[key]
        value = DECODERS[modality](source, self.folder)
        array = _array(value)
        array.flags.writeable = False
        self._media[key] = value
        self.bytes += array.nbytes
        while self.bytes > self.max_bytes and len(self._media) > 1:
            self.bytes -= _array(self._media.popitem(last=False)[1]).nbytes
        return value

    def __reduce__(self) -> tuple[Any, ...]:
        return MediaCache, (self.folder, self.max_bytes)  # another process decodes for itself


def _array(value: Any) -> Any:
    return value.samples if hasattr(value, "samples") else value
