"""Sends the requests of AsyncCekura, and runs its workflows."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import math
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine

import httpx
from cekura_api.transport import Endpoint, P, Page, T

from ._body import Body, without_response
from ._config import Settings, TLSContext, configuration_errors
from ._errors import ConfigurationError
from ._http import HTTP, ask
from ._logging import redact_trace, wire_is_logged
from ._pages import Pages
from ._retry import Outcome

_AT_ONCE = 20  # maximum number of requests at a time


class AsyncHTTP(HTTP):
    """Awaits requests and pauses."""

    def __init__(self, settings: Settings, given: httpx.AsyncClient | None) -> None:
        super().__init__(settings, given)
        self._passed = given  # The same as _given, with a narrower type.
        # All clients are created now, so that they use the same environment, and an error in it is reported now.
        self._unused = [self._new_clients()]
        self._loops: dict[asyncio.AbstractEventLoop, tuple[asyncio.Semaphore, list[httpx.AsyncClient]]] = {}

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        raise ConfigurationError("This is the client of an AsyncCekura. Await the `asyncio` function of the endpoint.")

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return await self.send(request)

    async def ask(self, endpoint: Endpoint[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Call an endpoint of the generated client."""
        return await ask(self, endpoint, *args, **kwargs)

    def pages(self, endpoint: Endpoint[P, Page[T]], /, *args: P.args, **kwargs: P.kwargs) -> AsyncIterator[T]:
        """Iterate over the items of a list that has pages."""
        pages = Pages(self, endpoint, *args, **kwargs)

        async def items() -> AsyncIterator[T]:
            while pages.has_next:
                for item in await pages.next():
                    yield item

        return items()

    async def run(self, flow: Coroutine[object, object, T]) -> T:
        """Run a workflow to its end, and return its result."""
        return await flow

    async def sleep(self, seconds: float) -> None:
        await self.clock.asleep(seconds)

    async def call(self, function: Callable[P, Awaitable[T] | T], *args: P.args, **kwargs: P.kwargs) -> T:
        result = function(*args, **kwargs)
        return await result if isinstance(result, Awaitable) else result

    async def attempt(self, request: httpx.Request, deadline: float) -> Outcome:
        turns, unused = self._turns_and_clients()
        try:
            async with asyncio.timeout(None if deadline == math.inf else max(deadline - self.clock.now(), 0.0)):
                await turns.acquire()
        except TimeoutError:
            return httpx.PoolTimeout("all connections were in use")
        try:
            return await self._send(unused, request, deadline)
        except RuntimeError as error:
            if self._given is None or "loop" not in str(error):
                raise
            raise ConfigurationError(
                f"The http_client has connections of another event loop ({error}). Create an httpx.AsyncClient and an "
                "AsyncCekura in each event loop, or leave http_client out."
            ) from error
        finally:
            turns.release()

    async def _send(self, unused: list[httpx.AsyncClient], request: httpx.Request, deadline: float) -> Outcome:
        left, until = self.limits(request, deadline)
        if wire_is_logged():
            request.extensions["trace"] = functools.partial(_redact_trace, self)
        client = unused.pop()
        body = None
        try:
            # The timeouts of httpx come first, because their errors show whether anything was sent.
            async with asyncio.timeout(left + 0.1):
                response = await client.send(request, **self.authorize(request))
                body = Body(response, self, until)
                await _read(response, body)
            return body.response()
        except (httpx.RequestError, httpx.InvalidURL, UnicodeError, TimeoutError) as error:  # A redirect may be wrong.
            outcome = body.outcome(error) if body else without_response(error, self)
        finally:
            self.forget(request)
            unused.append(client)
            if self.state.is_closed:
                await self.disconnect()
        return outcome

    def _turns_and_clients(self) -> tuple[asyncio.Semaphore, list[httpx.AsyncClient]]:
        """The turns to send a request in the running event loop, and the clients that are not in use there.

        Each client has one connection, because httpx takes long to choose one of many.
        """
        running = asyncio.get_running_loop()
        if running not in self._loops:
            for ended in [each for each in list(self._loops) if each.is_closed()]:
                self._loops.pop(ended, None)
            unused = self._unused.pop() if self._unused else self._new_clients()
            self._loops[running] = asyncio.Semaphore(_AT_ONCE), unused
        return self._loops[running]

    def _new_clients(self) -> list[httpx.AsyncClient]:
        """A client for each turn. A client that the user passed is used for all of them."""
        context = TLSContext(ssl.PROTOCOL_TLS_CLIENT)
        with configuration_errors():
            return [self._passed or httpx.AsyncClient(verify=context) for _ in range(_AT_ONCE)]

    async def disconnect(self) -> None:
        """Close the connections of this event loop. One that is in use is closed after its request."""
        self.state.is_closed = True
        _, unused = self._turns_and_clients()
        while unused and self._passed is None:
            await unused.pop().aclose()


async def _read(response: httpx.Response, body: Body) -> None:
    chunks = response.aiter_raw()
    try:
        if response.is_stream_consumed:
            body.add(response.content)
            return
        async for chunk in chunks:
            body.add(chunk)
            if not body.is_wanted:
                return
    finally:
        await response.aclose()
        # Without this, the event loop would create a task to end the iterator.
        with contextlib.suppress(Exception):
            [chunk async for chunk in chunks]


async def _redact_trace(http: HTTP, event: str, info: dict[str, object]) -> None:
    redact_trace(http.settings.credential, event, info)
