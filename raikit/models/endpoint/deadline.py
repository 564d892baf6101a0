"""Connections over HTTP whose whole answer must come in time: status, headers and content, however slowly each byte comes."""

from __future__ import annotations

import http.client
import io
import socket
import time
import urllib.request
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


class _TimelyReader(io.RawIOBase):
    """What comes from a socket until a deadline; the timeout of a socket by itself begins again with each byte."""

    def __init__(self, source: io.RawIOBase, connection: socket.socket, deadline: float) -> None:
        self._source, self._connection, self._deadline = source, connection, deadline

    def readable(self) -> bool:
        """Return True, as a `io.BufferedReader` asks."""
        return True

    def readinto(self, buffer: WriteableBuffer) -> int | None:
        """Read what is there, and wait for it no longer than until the deadline."""
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._connection.settimeout(left)
        return self._source.readinto(buffer)

    def close(self) -> None:
        """Close the source with the reader."""
        self._source.close()
        super().close()


class _Timely(http.client.HTTPConnection):
    """A connection whose answer must come within its timeout."""

    def __init__(self, host: str, *, timeout: float, **named: Any) -> None:
        super().__init__(host, timeout=timeout, **named)
        self._deadline = time.monotonic() + timeout

    def response_class(self, connection: socket.socket, *arguments: Any, **named: Any) -> http.client.HTTPResponse:  # type: ignore[override]
        """Return the answer that is read from a connection."""
        answer = http.client.HTTPResponse(connection, *arguments, **named)
        source: Any = answer.fp.detach()
        answer.fp = io.BufferedReader(_TimelyReader(source, connection, self._deadline))
        return answer


class _TimelySecure(_Timely, http.client.HTTPSConnection):
    """The same over TLS."""


class TimelyHandler(urllib.request.HTTPHandler):
    """Opens addresses of http."""

    def http_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        """Open an address."""
        return self.do_open(_Timely, request)  # type: ignore[arg-type]


class TimelySecureHandler(urllib.request.HTTPSHandler):
    """Opens addresses of https."""

    def https_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        """Open an address."""
        return self.do_open(_TimelySecure, request, context=self._context)  # type: ignore[arg-type, attr-defined]
