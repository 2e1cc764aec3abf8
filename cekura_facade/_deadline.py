"""Connections of the blocking client that end at the deadline of an attempt, even if bytes arrive one at a time.

The timeouts of httpx start again with every byte, and httpx has no public way to limit the time for the headers of a
response. With a proxy from the environment, or an http_client of the user, these connections are not used. The headers
are then limited only by the timeout of httpx.
"""

from __future__ import annotations

import math
import ssl
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

import httpcore
import httpx

from ._body import LATE

seconds_left: ContextVar[Callable[[], float]] = ContextVar("seconds_left", default=lambda: math.inf)
"""Seconds that are left for the current attempt of this thread."""


class Connections(httpx.HTTPTransport):
    """A transport of httpx on a connection pool of httpcore with another network backend."""

    def __init__(self, context: ssl.SSLContext) -> None:
        super().__init__(verify=context)
        backend = _Backend(httpcore.SyncBackend())
        self._pool = httpcore.ConnectionPool(
            ssl_context=context, max_connections=100, keepalive_expiry=5.0, network_backend=backend
        )


class _Backend(httpcore.NetworkBackend):
    def __init__(self, backend: httpcore.NetworkBackend) -> None:
        self.backend = backend

    def connect_tcp(self, *args: Any, **kwargs: Any) -> httpcore.NetworkStream:
        return _Stream(self.backend.connect_tcp(*args, **kwargs))


class _Stream(httpcore.NetworkStream):
    def __init__(self, stream: httpcore.NetworkStream) -> None:
        self._stream = stream
        # These are not methods of this class, because a traceback would show their arguments, which contain the
        # credential.
        self.write = stream.write  # type: ignore[method-assign]
        self.close = stream.close  # type: ignore[method-assign]
        self.get_extra_info = stream.get_extra_info  # type: ignore[method-assign]

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        left = seconds_left.get()()
        if left <= 0:
            raise httpcore.ReadTimeout(LATE)
        return self._stream.read(max_bytes, left if left < math.inf else timeout)

    def start_tls(self, *args: Any, **kwargs: Any) -> httpcore.NetworkStream:
        return _Stream(self._stream.start_tls(*args, **kwargs))
