"""The two HTTP clients under the generated client: they send what `exchange` asks for, one blocking, one awaited.

Nobody else touches a header or a credential.
"""

from __future__ import annotations

import contextlib
import json
import logging
import math
import sys
import threading
import zlib
from collections.abc import Mapping
from http.cookiejar import Cookie, CookieJar, DefaultCookiePolicy
from typing import TYPE_CHECKING, Any, cast

import attrs
import httpx
from cekura_api.models import Metric

from ._clock import Clock
from ._config import Settings
from ._errors import ConfigurationError, InvalidRequestError
from ._exchange import DEADLINE, Budget, exchange, origin
from ._logging import BEGUN
from ._responses import unexpected
from ._steps import Outcome, arun, run
from ._version import __version__

if TYPE_CHECKING:
    import asyncio
    from urllib.request import Request

_AT_ONCE = 50  # requests that an AsyncCekura has under way; the others wait
_LATE = "the answer was not complete in time"
_WIRE = [logging.getLogger(f"httpcore.{protocol}") for protocol in ("http11", "http2")]  # they log what is received
_PYTHON = ".".join(map(str, sys.version_info[:3]))
USER_AGENT = f"cekura-facade/{__version__} python/{_PYTHON} httpx/{httpx.__version__}"


class HTTP:
    """What both have in common.

    Attributes:
        budget: How often anything may still be sent again.
        clock: What this client reads the time from, and pauses with.
        not_before: When the service may be asked again, by that clock, after it said: too many requests.
        unsettled: Until when a metric may yet be saved by a request that was interrupted, by its key.
        created: Ids of the metrics that this client has created.
        hidden: Metrics that this client has created and no list has shown so far, by their key and id.
        list_is_partial: Whether a metric that was created was missing from the list for longer than settle_timeout.
    """

    def __init__(self, settings: Settings, given: Any) -> None:
        self.settings, self.budget = settings, Budget(settings.max_retries)
        self.clock = Clock()
        self.not_before = 0.0
        self.unsettled: dict[object, float] = {}
        self.created: set[int] = set()
        self.hidden: dict[object, dict[int, Metric]] = {}
        self.list_is_partial = False
        self.sender: Any = given or self
        try:
            # For every connection that is ever made: reading the certificates takes longer than all else here.
            self._tls = False if given else httpx.create_ssl_context()
            super().__init__(  # type: ignore[call-arg]
                transport=_Unused() if given else None, verify=self._tls, cookies=_no_cookies()
            )
        except (ImportError, ValueError, OSError, httpx.InvalidURL) as error:
            raise ConfigurationError(
                f"No HTTP client can be made: {error}. Look at the variables *_PROXY and SSL_CERT_* of the "
                "environment, or give an http_client of your own."
            ) from error

    def prepare(self, method: str, url: httpx.URL | str, **kwargs: Any) -> httpx.Request:
        """The request for what the generated client asks for."""
        if self.sender.is_closed:
            raise ConfigurationError("This client is closed: make another one.")
        address = str(url)
        if not address.startswith(("http://", "https://")):
            address = str(self.settings.base_url).rstrip("/") + address
        if "json" in kwargs:
            # As ASCII: half a surrogate pair, which JSON may hold, has no UTF-8.
            kwargs["content"] = json.dumps(kwargs.pop("json"), allow_nan=False, separators=(",", ":")).encode()
        try:
            request: httpx.Request = self.sender.build_request(method, address, **kwargs)
        except (httpx.InvalidURL, UnicodeError) as error:
            raise InvalidRequestError(f"No address can hold the arguments: {error}.") from None
        agent = request.headers.get("user-agent", "python-httpx")
        agents = (self.settings.user_agent, None if agent.startswith("python-httpx") else agent, USER_AGENT)
        request.headers["User-Agent"] = " ".join(filter(None, agents))
        request.headers["Accept-Encoding"] = "gzip"
        return request

    def begin(self, request: httpx.Request) -> float:
        """Start the clock of an attempt, and return how long it may take.

        No phase of it goes on after its deadline, and the whole of it neither.
        """
        now = self.clock.now()
        until: float = min(now + self.settings.timeout, request.extensions[DEADLINE])
        left = max(until - now, 0.001)
        timeout = dict.fromkeys(("connect", "read", "write", "pool"), left)
        request.extensions = {**request.extensions, "timeout": timeout, DEADLINE: until, BEGUN: now}
        return left

    def authorize(self, request: httpx.Request) -> dict[str, Any]:
        """Put the credential in, and return how to send the request."""
        credential = self.settings.credential
        if origin(request.url) == origin(self.settings.base_url):
            request.headers[credential.header] = credential.header_value()
        # What a given client has for `auth` would take the place of our bearer token.
        auth = {"auth": None} if credential.header == "Authorization" else {}
        return {"stream": True, "follow_redirects": False, **auth}

    def without_answer(self, error: httpx.RequestError | TimeoutError, body: _Body | None) -> Outcome:
        """The failure without its traceback and request, whose variables hold the headers that were sent."""
        if body is not None and not body.origin.is_success:
            return body.response()
        if isinstance(error, TimeoutError):
            return httpx.ReadTimeout(_LATE)
        kind = type(error) if isinstance(error, httpx.TransportError) else httpx.RemoteProtocolError
        return kind(self.settings.credential.redact(str(error)))

    def unlog(self, event: str, info: dict[str, Any]) -> None:
        """Take an echoed credential out of what httpcore is about to log."""
        # What has only started is told with the arguments themselves.
        for name, value in info.items() if not event.endswith(".started") else ():
            # What it logs of an error is its repr.
            info[name] = self.settings.credential.redact(repr(value) if isinstance(value, Exception) else value)

    def forget(self, request: httpx.Request | None) -> None:
        """Take the credential out again: errors and responses hold on to their request."""
        if request is not None:
            request.headers.pop(self.settings.credential.header, None)


class SyncHTTP(HTTP, httpx.Client):
    """Sends what the generated client asks for; through the HTTP client that the user brought, if there is one."""

    def request(self, method: str, url: httpx.URL | str, **kwargs: Any) -> httpx.Response:
        """Send one request, with all that `exchange` says about it. Raises an APIError."""
        return run(exchange(self, self.prepare(method, url, **kwargs)), self)

    def attempt(self, request: httpx.Request) -> Outcome:
        """Send a request once. Returns the answer, read to its end, or why there is none."""
        self.begin(request)
        request.extensions["trace"] = self._trace if _wire_is_logged() else _hold_to_deadline
        _attempt.deadline, _attempt.clock = request.extensions[DEADLINE], self.clock
        body = None
        try:
            response = self.sender.send(request, **self.authorize(request))
            try:
                body = _Body(response, self)
                # What a hook or a transport of the user's has read already cannot be read again.
                for chunk in [response.content] if response.is_stream_consumed else response.iter_raw():
                    if not body.add(chunk):
                        break
            finally:
                response.close()
            return body.response()
        except httpx.RequestError as error:
            outcome = self.without_answer(error, body)
        finally:
            self.forget(request)
            _attempt.deadline = math.inf
        return outcome

    def _trace(self, event: str, info: dict[str, Any]) -> None:
        _hold_to_deadline(event, info)
        self.unlog(event, info)


class AsyncHTTP(HTTP, httpx.AsyncClient):
    """As SyncHTTP, awaited."""

    def __init__(self, settings: Settings, given: Any) -> None:
        super().__init__(settings, given)
        self._given: httpx.AsyncClient | None = given
        self._lanes: dict[asyncio.AbstractEventLoop, _Lanes] = {}

    async def aclose(self) -> None:
        """Close the connections that were made in this event loop. Those of a loop that has ended went with it."""
        import asyncio

        lanes = self._lanes.pop(asyncio.get_running_loop(), None)
        for lane in lanes.all if lanes else ():
            await lane.aclose()
        await super().aclose()

    def _lanes_here(self) -> _Lanes:
        """The lanes of the running event loop: a connection cannot be used in another one."""
        import asyncio  # Nobody but an AsyncCekura pays for it.

        loop = asyncio.get_running_loop()
        if loop not in self._lanes:
            self._lanes = {other: lanes for other, lanes in self._lanes.items() if not other.is_closed()}
            idle = [self._given] * _AT_ONCE if self._given else []
            self._lanes[loop] = _Lanes(turns=asyncio.Semaphore(_AT_ONCE), idle=idle)
        return self._lanes[loop]

    def _new_lane(self) -> httpx.AsyncClient:
        """A client for one connection.

        httpx's pool looks at each of its connections and of its waiting requests, for each request: with many at once
        that takes longer than the requests themselves. A pool for each connection has nothing to look at.
        """
        return httpx.AsyncClient(verify=self._tls, cookies=self.cookies.jar)

    async def request(self, method: str, url: httpx.URL | str, **kwargs: Any) -> httpx.Response:
        """Send one request, with all that `exchange` says about it. Raises an APIError."""
        return await arun(exchange(self, self.prepare(method, url, **kwargs)), self)

    async def attempt(self, request: httpx.Request) -> Outcome:
        """Send a request once. Returns the answer, read to its end, or why there is none."""
        import asyncio

        lanes, deadline = self._lanes_here(), request.extensions[DEADLINE]
        try:
            # Its clock starts when it is its turn: until then, nothing was sent.
            async with asyncio.timeout(max(deadline - self.clock.now(), 0.0) if deadline < math.inf else None):
                await lanes.turns.acquire()
        except TimeoutError:
            return httpx.PoolTimeout("its turn did not come in time")
        if not lanes.idle:
            lanes.all.append(self._new_lane())
            lanes.idle.append(lanes.all[-1])
        lane = lanes.idle.pop()
        try:
            return await self._send(lane, request)
        except RuntimeError as error:
            if self._given is None or "loop" not in str(error):
                raise
            raise ConfigurationError(
                f"The http_client has connections of another event loop ({error}). Make an httpx.AsyncClient and an "
                "AsyncCekura in each event loop, or leave http_client out."
            ) from error
        finally:
            lanes.idle.append(lane)
            lanes.turns.release()

    async def _send(self, lane: httpx.AsyncClient, request: httpx.Request) -> Outcome:
        """The attempt, when it is its turn."""
        import asyncio

        left = self.begin(request)
        if _wire_is_logged():
            request.extensions["trace"] = self._trace
        body = None
        try:
            # A little later than httpx's own time-outs, which tell apart what was never sent.
            async with asyncio.timeout(left + 0.1):
                response = await lane.send(request, **self.authorize(request))
                chunks = response.aiter_raw()
                try:
                    body = _Body(response, self)
                    if response.is_stream_consumed:
                        body.add(response.content)
                    else:
                        async for chunk in chunks:
                            if not body.add(chunk):
                                break
                finally:
                    await response.aclose()
                    # Where nothing can be read any more it ends, and does not leave that to a task of the event loop.
                    with contextlib.suppress(Exception):
                        [chunk async for chunk in chunks]
                return body.response()
        except (httpx.RequestError, TimeoutError) as error:
            outcome = self.without_answer(error, body)
        finally:
            self.forget(request)
        return outcome

    async def _trace(self, event: str, info: dict[str, Any]) -> None:
        self.unlog(event, info)


def _wire_is_logged() -> bool:
    return any(logger.isEnabledFor(logging.DEBUG) for logger in _WIRE)


class _Attempt(threading.local):
    deadline = math.inf
    clock = Clock()


_attempt = _Attempt()  # of this thread


def _hold_to_deadline(event: str, info: Mapping[str, Any]) -> None:
    """Hold a new connection to the deadline of what is sent on it: httpx's time-outs start anew with every byte."""
    if event.endswith(("connect_tcp.complete", "connect_unix_socket.complete", "start_tls.complete")):
        read = info["return_value"].read

        def read_in_time(max_bytes: int, timeout: float | None = None) -> bytes:
            left = _attempt.deadline - _attempt.clock.now()
            if left <= 0:
                raise httpx.ReadTimeout(_LATE)
            return cast(bytes, read(max_bytes, left if left < math.inf else timeout))

        info["return_value"].read = read_in_time


@attrs.define
class _Lanes:
    """The clients of one event loop, each for one connection.

    Attributes:
        turns: Lets so many requests through at once.
        idle: Those that no request uses at the moment.
        all: Those to close.
    """

    turns: asyncio.Semaphore
    idle: list[httpx.AsyncClient]
    all: list[httpx.AsyncClient] = attrs.field(factory=list)


class _Unkept(DefaultCookiePolicy):
    """Keeps none of the cookies that responses set: nobody signed in, and they would tell requests apart."""

    def set_ok(self, cookie: Cookie, request: Request) -> bool:
        return False


def _no_cookies() -> CookieJar:
    return CookieJar(_Unkept())


class _Unused(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """Stands where httpx would build a connection pool, which a given client has already."""


class _Response(httpx.Response):
    """A response that has been read to its end. What should be JSON and is not raises an error of ours."""

    http: HTTP

    def json(self, **kwargs: Any) -> Any:
        try:
            return super().json(**kwargs)
        except (ValueError, RecursionError):
            error = unexpected(self, self.http.settings.credential, "its body is not JSON")
        raise error


class _Body:
    """Collects and unpacks the body of a response, up to the limits of size and time.

    A success beyond them is refused. An error keeps its status, which says more than its body.
    """

    def __init__(self, response: httpx.Response, http: HTTP) -> None:
        self.origin, self.http, self.limit = response, http, http.settings.max_response_bytes
        self.chunks: list[bytes] = []
        self.size = 0
        packed = {} if response.is_stream_consumed else response.headers
        encoding = packed.get("content-encoding", "identity").strip().lower()
        self.unpacker = zlib.decompressobj(31) if encoding in ("gzip", "x-gzip") else None
        self.wanted = self.unpacker is not None or encoding in ("identity", "")
        if not self.wanted:
            self._refuse(f"its body is encoded as {encoding!r}, which was not asked for")

    def add(self, chunk: bytes) -> bool:
        """Take a piece of the body. Returns whether more of it is wanted."""
        if not self.wanted:
            return False
        try:
            unpacked = self.unpacker.decompress(chunk, self.limit - self.size + 1) if self.unpacker else chunk
        except zlib.error as error:
            raise httpx.DecodingError(str(error)) from None
        self.size += len(unpacked)
        self.chunks.append(unpacked)
        if self.size > self.limit:
            self._refuse(f"its body is larger than max_response_bytes={self.limit}")
        if self.wanted and self.http.clock.now() > self.origin.request.extensions[DEADLINE]:
            raise httpx.ReadTimeout(_LATE)
        return self.wanted

    def response(self) -> _Response:
        """The response with what was collected."""
        if self.unpacker and self.chunks and not self.unpacker.eof and self.origin.is_success:
            raise httpx.DecodingError("the packed body ends too early")
        dropped = (b"content-encoding", b"content-length", b"transfer-encoding")
        headers = [(name, value) for name, value in self.origin.headers.raw if name.lower() not in dropped]
        content = b"".join(self.chunks)
        if not self.origin.is_success:
            # What an error shows, it may show everywhere: in logs, in the variables of a traceback.
            redact = self.http.settings.credential.redact
            headers, content = [(name, redact(value)) for name, value in headers], redact(content)
        response = _Response(
            self.origin.status_code,
            headers=headers,
            content=content,
            request=self.origin.request,
            extensions=self.origin.extensions,
        )
        response.next_request = self.origin.next_request
        response.http = self.http
        self.http.forget(response.next_request)
        return response

    def _refuse(self, why: str) -> None:
        self.wanted = False
        self.chunks.clear()
        if self.origin.is_success:
            empty = httpx.Response(self.origin.status_code, request=self.origin.request)
            raise unexpected(empty, self.http.settings.credential, why)
