"""The two HTTP clients under the generated client: they put `exchange` to work, the one blocking, the other awaited.

Nobody else touches a header, a retry or a credential.
"""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from ._config import Settings
from ._drivers import arun, run
from ._errors import ConfigurationError
from ._exchange import exchange, origin
from ._responses import unexpected
from ._steps import DEADLINE
from ._version import __version__

USER_AGENT = f"cekura-facade/{__version__} python/{platform.python_version()} httpx/{httpx.__version__}"


class SyncHTTP(httpx.Client):
    """Sends what the generated client asks for; through `given`, if the user brought an HTTP client."""

    def __init__(self, settings: Settings, given: httpx.Client | None) -> None:
        with _set_up():
            super().__init__(transport=_Unused() if given else None)
        self.settings = settings
        self.given = given

    def request(self, method: str, url: httpx.URL | str, **kwargs: Any) -> httpx.Response:
        """Send one request, with all that `exchange` says about it. Raises an APIError."""
        request = _prepare(self.given or self, self.settings, method, url, kwargs)
        return run(exchange(request, self.settings), self)

    def attempt(self, request: httpx.Request) -> httpx.Response | httpx.TransportError:
        """Send a request once. Returns the answer, read to its end, or why there is none."""
        send = super().send if self.given is None else self.given.send
        try:
            _authorize(request, self.settings)
            response = send(request, stream=True, follow_redirects=False, **_auth(self.settings))
            try:
                body = _Body(response, self.settings)
                for chunk in response.iter_bytes() if body.wanted else ():
                    if not body.add(chunk):
                        break
            finally:
                response.close()
            return body.response()
        except httpx.RequestError as error:
            failure = _bare(error)
        finally:
            _forget(request, self.settings)
        return failure


class AsyncHTTP(httpx.AsyncClient):
    """As SyncHTTP, awaited."""

    def __init__(self, settings: Settings, given: httpx.AsyncClient | None) -> None:
        with _set_up():
            super().__init__(transport=_Unused() if given else None)
        self.settings = settings
        self.given = given

    async def request(self, method: str, url: httpx.URL | str, **kwargs: Any) -> httpx.Response:
        """Send one request, with all that `exchange` says about it. Raises an APIError."""
        request = _prepare(self.given or self, self.settings, method, url, kwargs)
        return await arun(exchange(request, self.settings), self)

    async def attempt(self, request: httpx.Request) -> httpx.Response | httpx.TransportError:
        """Send a request once. Returns the answer, read to its end, or why there is none."""
        send = super().send if self.given is None else self.given.send
        try:
            _authorize(request, self.settings)
            response = await send(request, stream=True, follow_redirects=False, **_auth(self.settings))
            try:
                body = _Body(response, self.settings)
                if body.wanted:
                    async for chunk in response.aiter_bytes():
                        if not body.add(chunk):
                            break
            finally:
                await response.aclose()
            return body.response()
        except httpx.RequestError as error:
            failure = _bare(error)
        finally:
            _forget(request, self.settings)
        return failure


class _Unused(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """Stands where httpx would build a connection pool, which a given client has already."""


class _Response(httpx.Response):
    """A response that has been read to its end. What should be JSON and is not raises an error of ours."""

    settings: Settings

    def json(self, **kwargs: Any) -> Any:
        try:
            return super().json(**kwargs)
        except (ValueError, RecursionError):
            error = unexpected(self, self.settings.credential, "its body is not JSON")
        raise error


class _Body:
    """Collects the body of a response, up to the limits of size and time.

    A success beyond them is refused. An error keeps its status, which says more than a body that is too large.
    """

    def __init__(self, response: httpx.Response, settings: Settings) -> None:
        self.origin = response
        self.settings = settings
        self.chunks: list[bytes] = []
        self.size = 0
        encoding = response.headers.get("content-encoding", "identity").strip().lower()
        self.wanted = encoding in ("identity", "gzip", "x-gzip", "deflate", "")
        if not self.wanted and response.is_success:
            raise self._refused(f"its body is encoded as {encoding!r}, which was not asked for")
        if response.headers.get("content-length", "").isdigit():
            self.wanted = self.wanted and self._fits(int(response.headers["content-length"]))

    def add(self, chunk: bytes) -> bool:
        """Take a piece of the body. Returns whether more of it is wanted."""
        self.size += len(chunk)
        if not self._fits(self.size):
            self.chunks.clear()
            return False
        self.chunks.append(chunk)
        deadline = self.origin.request.extensions.get(DEADLINE)
        if deadline is not None and time.monotonic() > deadline:
            raise httpx.ReadTimeout("the answer was not complete at the deadline")
        return True

    def response(self) -> _Response:
        dropped = (b"content-encoding", b"content-length", b"transfer-encoding")
        content = b"".join(self.chunks)
        response = _Response(
            self.origin.status_code,
            headers=[(name, value) for name, value in self.origin.headers.raw if name.lower() not in dropped],
            # What an error shows, it may show everywhere: in logs, in the variables of a traceback.
            content=content if self.origin.is_success else self.settings.credential.redact(content),
            request=self.origin.request,
            extensions=self.origin.extensions,
        )
        response.next_request = self.origin.next_request
        if response.next_request is not None:
            _forget(response.next_request, self.settings)
        response.settings = self.settings
        return response

    def _fits(self, size: int) -> bool:
        limit = self.settings.max_response_bytes
        if size > limit and self.origin.is_success:
            raise self._refused(f"its body is larger than max_response_bytes={limit}")
        return size <= limit

    def _refused(self, why: str) -> Exception:
        self.chunks.clear()
        empty = httpx.Response(self.origin.status_code, request=self.origin.request)
        return unexpected(empty, self.settings.credential, why)


@contextmanager
def _set_up() -> Iterator[None]:
    """httpx reads proxies and certificates from the environment, and lets through whatever is wrong with them."""
    try:
        yield
    except (ImportError, ValueError, OSError, httpx.InvalidURL) as error:
        reason = str(error)
    else:
        return
    raise ConfigurationError(
        f"No HTTP client can be made: {reason}. Look at the variables *_PROXY and SSL_CERT_* of the environment, "
        "or give an http_client of your own."
    )


def _auth(settings: Settings) -> dict[str, Any]:
    # What a given client has for `auth` would take the place of our bearer token.
    return {"auth": None} if settings.credential.header == "Authorization" else {}


def _prepare(
    user: httpx.Client | httpx.AsyncClient,
    settings: Settings,
    method: str,
    url: httpx.URL | str,
    kwargs: dict[str, Any],
) -> httpx.Request:
    if user.is_closed:
        raise ConfigurationError("This client is closed: make another one.")
    address = str(url)
    if not address.startswith(("http://", "https://")):
        address = str(settings.base_url).rstrip("/") + address
    if "json" in kwargs:
        # As ASCII: half a surrogate pair, which JSON may hold, has no UTF-8.
        kwargs["content"] = json.dumps(kwargs.pop("json"), allow_nan=False, separators=(",", ":")).encode()
    request = user.build_request(method, address, **kwargs)
    agent = request.headers.get("user-agent", "")
    request.headers["User-Agent"] = USER_AGENT if agent.startswith("python-httpx") else f"{agent} {USER_AGENT}".strip()
    # Only what is decoded in pieces of bounded size is asked for.
    request.headers["Accept-Encoding"] = "gzip, deflate"
    return request


def _authorize(request: httpx.Request, settings: Settings) -> None:
    if origin(request.url) == origin(settings.base_url):
        request.headers[settings.credential.header] = settings.credential.header_value()


def _forget(request: httpx.Request, settings: Settings) -> None:
    """Take the credential out again: errors and responses hold on to their request."""
    request.headers.pop(settings.credential.header, None)


def _bare(error: httpx.RequestError) -> httpx.TransportError:
    """The same failure without its traceback and request, whose variables hold the headers that were sent."""
    kind = type(error) if isinstance(error, httpx.TransportError) else httpx.RemoteProtocolError
    return kind(str(error))
