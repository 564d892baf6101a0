"""Decoded media by where they came from, the least recently used thrown out first."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from typing import Any

from raikit.data.media import DECODERS

MOST_BYTES = 256_000_000


class MediaCache:
    """Decodes a picture or sound once, as long as it is among the last ones used: rows that share it share the array.

    The arrays are read-only, because whoever wrote into one would write into other rows.

    Parameters
    ----------
    folder : Path
        Where paths are looked up.
    most_bytes : int
        Kept at most, decoded.
    """

    def __init__(self, folder: Path, most_bytes: int = MOST_BYTES) -> None:
        self.folder, self.most_bytes, self.bytes = folder, most_bytes, 0
        self._held: OrderedDict[tuple[str, str | bytes], Any] = OrderedDict()

    def get(self, modality: str, source: str | bytes) -> Any:
        """The decoded medium.

        Raises
        ------
        MediaError
            If it cannot be used.
        """
        key = (modality, source)
        if key in self._held:
            self._held.move_to_end(key)
            return self._held[key]
        value = DECODERS[modality](source, self.folder)
        array = _array(value)
        array.flags.writeable = False
        self._held[key] = value
        self.bytes += array.nbytes
        while self.bytes > self.most_bytes and len(self._held) > 1:
            self.bytes -= _array(self._held.popitem(last=False)[1]).nbytes
        return value

    def __reduce__(self) -> tuple[Any, ...]:
        return MediaCache, (self.folder, self.most_bytes)  # another process decodes for itself


def _array(value: Any) -> Any:
    return value.samples if hasattr(value, "samples") else value
