"""Reads and decompresses the body of a response, within the limits of size and time."""

from __future__ import annotations

import functools
import zlib

import httpx

from ._failures import unexpected
from ._http import HTTP
from ._retry import Outcome

LATE = "the response was not complete in time"
_DROPPED = frozenset({b"content-encoding", b"content-length", b"transfer-encoding", b"set-cookie"})


class Body:
    """Collects the body of a response.

    A success that exceeds a limit raises an error. An error response is returned without the rest of its body, because
    its status matters more.

    Attributes:
        is_wanted: Whether to read more of the body.
    """

    def __init__(self, response: httpx.Response, http: HTTP, until: float) -> None:
        self._response, self._http, self._until = response, http, until
        self._limit = http.settings.max_response_bytes
        self._chunks: list[bytes] = []
        self._size = 0
        # If a hook or transport of the user has read the body, httpx has also decompressed it.
        encoding = "" if response.is_stream_consumed else response.headers.get("content-encoding", "").strip().lower()
        self._unpacker = zlib.decompressobj(31) if encoding in ("gzip", "x-gzip") else None
        self._foreign_encoding = encoding if self._unpacker is None and encoding not in ("", "identity") else None
        self.is_wanted = True

    def add(self, chunk: bytes) -> None:
        """Add a piece of the body."""
        if self._foreign_encoding is not None:
            self._refuse(f"its body is encoded as {self._foreign_encoding!r}, which was not requested")
            return
        if self._unpacker is not None:
            try:
                chunk = self._unpacker.decompress(chunk, self._limit - self._size + 1)
            except zlib.error as error:
                raise httpx.DecodingError(str(error)) from None
        self._size += len(chunk)
        self._chunks.append(chunk)
        if self._size > self._limit:
            self._refuse(f"its body is larger than max_response_bytes={self._limit}")
        elif self._http.clock.now() > self._until:
            raise httpx.ReadTimeout(LATE)

    def response(self) -> httpx.Response:
        """The response with the collected body."""
        is_success, request = self._response.is_success, self._response.request
        if is_success and self._unpacker is not None and self._chunks and not self._unpacker.eof:
            raise httpx.DecodingError("its compressed body is incomplete")
        headers = [(name, value) for name, value in self._response.headers.raw if name.lower() not in _DROPPED]
        content = b"".join(self._chunks)
        credential = self._http.settings.credential
        if not is_success:
            # Errors show their response in logs and tracebacks.
            headers = [(name, credential.redact(value)) for name, value in headers]
            content = credential.redact(content)
        response = httpx.Response(
            self._response.status_code,
            headers=headers,
            content=content,
            request=request,
            extensions={**self._response.extensions, "unexpected_response": functools.partial(unexpected, credential)},
        )
        response.next_request = self._response.next_request
        self._http.forget(response.next_request)
        return response

    def outcome(self, error: Exception) -> Outcome:
        """The outcome of an attempt that ended with an error."""
        return without_response(error, self._http) if self._response.is_success else self.response()

    def _refuse(self, why: str) -> None:
        self.is_wanted = False
        self._chunks.clear()
        if self._response.is_success:
            empty = httpx.Response(self._response.status_code, request=self._response.request)
            raise unexpected(self._http.settings.credential, empty, why)


def without_response(error: Exception, http: HTTP) -> httpx.TransportError:
    """A failure without its traceback and request, because these reference the headers that were sent."""
    if isinstance(error, TimeoutError):
        return httpx.ReadTimeout(LATE)
    text = http.settings.credential.redact(str(error))
    for kind in type(error).__mro__:  # A custom transport may raise subclasses.
        if kind.__module__ == "httpx" and issubclass(kind, httpx.TransportError):
            return kind(text)
    return httpx.RemoteProtocolError(text)
