"""Requests to an endpoint: at most so many a second, again after a failure, and never to another address."""

from __future__ import annotations

import email.utils
import http
import http.client
import json
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

from raikit.errors import ModelError
from raikit.models.endpoint.deadline import TimelyHandler, TimelySecureHandler
from raikit.models.endpoint.settings import EndpointSpec

_MOST_BYTES = 64 << 20  # of an answer
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 30.0  # seconds before another attempt, doubled each time
_MOST_PATIENCE = 120.0  # seconds that a server may ask to wait (Retry-After)


class _Temporary(Exception):
    """A failure after which another attempt may succeed, as half a sentence; `pause` is what the server asks for."""

    def __init__(self, problem: str, pause: float | None = None) -> None:
        super().__init__(problem)
        self.pause = pause


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Follows no redirect: cases and secrets go to the address that the configuration names."""

    def redirect_request(self, *arguments: Any, **named: Any) -> None:
        """Return no request, so that the redirect is an error."""


class Client:
    """Posts JSON and returns the JSON that comes back.

    Parameters
    ----------
    settings : EndpointSpec
    sleep, clock : callable
        For tests.
    """

    def __init__(
        self, settings: EndpointSpec, sleep: Callable[[float], None] = time.sleep, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._settings, self._sleep, self._clock = settings, sleep, clock
        proxies = [urllib.request.ProxyHandler({})] if settings.is_local else []
        self._opener = urllib.request.build_opener(_NoRedirect, TimelyHandler, TimelySecureHandler, *proxies)
        self._next = 0.0

    def post(self, path: str, body: Any) -> dict[str, Any]:
        """Return the answer to a request.

        Raises
        ------
        ModelError
            If the endpoint cannot be reached, refuses, is slow, redirects, or answers with something else than a JSON mapping. The
            sentence has neither the answer nor a secret.
        """
        content = json.dumps(body, allow_nan=False).encode()
        attempts = self._settings.retries + 1
        for attempt in range(attempts):
            self._wait_for_turn()
            try:
                return self._decode(self._send(path, content))
            except _Temporary as failure:
                if attempt + 1 == attempts:
                    tried = f" in {attempts} attempts" if attempts > 1 else ""
                    raise self._error(f"{failure}{tried}") from None
                self._sleep(self._pause(attempt, failure))
        raise AssertionError("unreachable")

    def _pause(self, attempt: int, failure: _Temporary) -> float:
        if failure.pause is None:
            return float(min(_FIRST_PAUSE * 2**attempt, _LONGEST_PAUSE))
        if failure.pause > _MOST_PATIENCE:
            raise self._error(f"asks to wait {failure.pause:,.0f} s; raikit waits {_MOST_PATIENCE:.0f} s at most")
        return failure.pause

    def _wait_for_turn(self) -> None:
        if self._settings.requests_per_second is not None:
            if (early := self._next - self._clock()) > 0:
                self._sleep(early)
            self._next = max(self._next, self._clock()) + 1 / self._settings.requests_per_second

    def _error(self, problem: str) -> ModelError:
        return ModelError(f"model.load: the endpoint {self._settings.host} {problem}.")

    def _send(self, path: str, content: bytes) -> bytes:
        """Return the content of an answer with the status 200."""
        headers = {"Content-Type": "application/json", **self._settings.headers, **self._settings.secret_headers()}
        request = urllib.request.Request(self._settings.address(path), content, headers, method="POST")  # noqa: S310 - http or https
        slow = f"gave no answer within {self._settings.timeout:g} s"
        try:
            with self._opener.open(request, timeout=self._settings.timeout) as answer:
                return self._read(answer)
        except urllib.error.HTTPError as error:
            raise self._of_status(error) from None
        except TimeoutError:
            raise _Temporary(slow) from None
        except urllib.error.URLError as error:
            if isinstance(error.reason, TimeoutError):
                raise _Temporary(slow) from None
            if isinstance(error.reason, ssl.SSLCertVerificationError):
                raise self._error("has a certificate that cannot be verified") from None
            reason = error.reason.strerror if isinstance(error.reason, OSError) else None
            raise _Temporary(f"cannot be reached ({reason or 'no connection'})") from None
        except (OSError, http.client.HTTPException) as error:
            raise _Temporary(f"broke the connection off ({type(error).__name__})") from None

    def _read(self, answer: Any) -> bytes:
        """Read the content of an answer, up to a limit."""
        if answer.status != 200:
            raise self._error(f"answered with the status {answer.status}, not 200")
        parts, size = [], 0
        while part := answer.read1(1 << 16):
            parts.append(part)
            size += len(part)
            if size > _MOST_BYTES:
                raise self._error(f"answered with more than {_MOST_BYTES >> 20} MB")
        if answer.length:  # bytes that were announced and have not come
            raise http.client.IncompleteRead(b"")
        return b"".join(parts)

    def _of_status(self, error: urllib.error.HTTPError) -> Exception:
        """Return what an answer with another status means."""
        with error:
            status = error.code
            try:
                phrase = f"{status} ({http.HTTPStatus(status).phrase})"
            except ValueError:
                phrase = str(status)
            if status == 429 or status >= 500:
                return _Temporary(f"answered with the status {phrase}", _retry_after(error.headers.get("Retry-After")))
            if 300 <= status < 400:
                return self._error(f"redirects ({status}) to another address, where nothing is sent; give the right one as `url`")
            if status in (401, 403):
                return self._error(f"refuses access with the status {phrase}; `token_env` or `headers_env` name its secret")
            if status == 404:
                return self._error(f"knows no such path or model ({phrase}); see `url` and `name`")
            return self._error(f"answered with the status {phrase}")

    def _decode(self, content: bytes) -> dict[str, Any]:
        try:
            answer = json.loads(content)
        except (ValueError, RecursionError):
            raise self._error("answered with something that is no JSON") from None
        if not isinstance(answer, dict):
            raise self._error("answered with JSON that is no mapping")
        return answer


def _retry_after(value: str | None) -> float | None:
    """Return the seconds that a header names, as a number or as a date; None if it says neither.

    Examples
    --------
    >>> _retry_after("2"), _retry_after("soon"), _retry_after(None)
    (2.0, None, None)
    """
    if value is None:
        return None
    if value.strip().isascii() and value.strip().isdigit():
        return float(value.strip()[:12])
    try:
        return max(email.utils.parsedate_to_datetime(value).timestamp() - time.time(), 0.0)
    except (TypeError, ValueError, OverflowError):
        return None
