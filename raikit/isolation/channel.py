"""Messages to and from a child process, each with a deadline and a limit of size: nothing that the child does can block."""

from __future__ import annotations

import json
import math
import socket
import struct
import time
from collections.abc import Mapping
from typing import Any

_LENGTH, _LONG_LENGTH = struct.Struct("!i"), struct.Struct("!Q")  # as `multiprocessing.connection.Connection` writes them
_LONG = -1


class Channel:
    """The parent's end of a socket, at whose other end a `multiprocessing.connection.Connection` speaks JSON.

    Parameters
    ----------
    end : socket
    limit : int
        Bytes of a message.
    """

    def __init__(self, end: socket.socket, limit: int) -> None:
        self._end, self._limit = end, limit

    def send(self, message: Mapping[str, Any] | None, until: float = math.inf) -> None:
        """Send a message, or None as the last; `until` is a time of `time.monotonic`.

        Raises
        ------
        TimeoutError
            If the other end does not read it in time.
        OSError
            If the other end is closed.
        """
        data = json.dumps(message).encode()
        length = _LENGTH.pack(len(data)) if len(data) < 1 << 31 else _LENGTH.pack(_LONG) + _LONG_LENGTH.pack(len(data))
        self._wait(until)
        self._end.sendall(length + data)

    def receive(self, until: float = math.inf) -> dict[str, Any]:
        """Return the next message.

        Raises
        ------
        TimeoutError
            If the whole message is not there in time.
        OSError
            If the other end is closed.
        ValueError
            If it is larger than the limit, or not a JSON object.
        """
        (size,) = _LENGTH.unpack(self._read(_LENGTH.size, until))
        if size == _LONG:
            (size,) = _LONG_LENGTH.unpack(self._read(_LONG_LENGTH.size, until))
        if not 0 <= size <= self._limit:
            raise ValueError("the message is too large")
        try:
            message = json.loads(self._read(size, until))
        except RecursionError:
            raise ValueError("the message is nested too deeply") from None
        if not isinstance(message, dict):
            raise ValueError("the message is not an object")
        return message

    def close(self) -> None:
        """Close this end."""
        self._end.close()

    def _read(self, size: int, until: float) -> bytearray:
        data = bytearray()
        while len(data) < size:
            self._wait(until)
            chunk = self._end.recv(min(size - len(data), 1 << 20))
            if not chunk:
                raise ConnectionError("the other end is closed")
            data += chunk
        return data

    def _wait(self, until: float) -> None:
        """Let the next operation take what is left of the time."""
        left = until - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._end.settimeout(None if math.isinf(left) else left)
