"""Sends the requests of Cekura, and runs its workflows."""

from __future__ import annotations

import contextlib
import functools
import ssl
import types
import urllib.request
from collections.abc import Awaitable, Callable, Coroutine, Generator, Iterator

import httpx
from cekura_api.transport import Endpoint, P, Page, T

from ._body import Body, without_response
from ._config import Settings, TLSContext, configuration_errors
from ._deadline import Connections, seconds_left
from ._errors import ConfigurationError, InvalidRequestError
from ._http import HTTP, ask
from ._logging import redact_trace, wire_is_logged
from ._pages import Pages
from ._retry import Outcome


class SyncHTTP(HTTP):
    """Blocks while a request is sent. A pause is left to whoever runs the workflow."""

    def __init__(self, settings: Settings, given: httpx.Client | None) -> None:
        super().__init__(settings, given)
        self.sender: httpx.Client = given or _new_client()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        return self.run(self.send(request))

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        raise ConfigurationError("This is the client of a Cekura. Call the `sync` function of the endpoint.")

    def ask(self, endpoint: Endpoint[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Call an endpoint of the generated client."""
        return self.run(ask(self, endpoint, *args, **kwargs))

    def pages(self, endpoint: Endpoint[P, Page[T]], /, *args: P.args, **kwargs: P.kwargs) -> Iterator[T]:
        """Iterate over the items of a list that has pages."""
        pages = Pages(self, endpoint, *args, **kwargs)

        def items() -> Iterator[T]:
            while pages.has_next:
                yield from self.run(pages.next())

        return items()

    def run(self, flow: Coroutine[float, None, T]) -> T:
        """Run a workflow to its end, and return its result."""
        proceed = functools.partial(flow.send, None)
        while True:
            try:
                pause = proceed()
            except StopIteration as stop:
                result: T = stop.value
                return result
            proceed = functools.partial(flow.send, None)
            try:
                self.clock.sleep(pause)
            except BaseException as interruption:  # noqa: BLE001 - The workflow adds the progress id, and raises it.
                proceed = functools.partial(flow.throw, interruption)

    async def sleep(self, seconds: float) -> None:
        await _pause(seconds)

    async def call(self, function: Callable[P, Awaitable[T] | T], *args: P.args, **kwargs: P.kwargs) -> T:
        result = function(*args, **kwargs)
        if isinstance(result, Awaitable):
            if isinstance(result, Coroutine):
                result.close()  # It would warn that nobody has awaited it.
            raise InvalidRequestError("review and on_progress may be coroutine functions for AsyncCekura only.")
        return result

    async def attempt(self, request: httpx.Request, deadline: float) -> Outcome:
        _, until = self.limits(request, deadline)
        if wire_is_logged():
            request.extensions["trace"] = functools.partial(redact_trace, self.settings.credential)
        token = seconds_left.set(lambda: until - self.clock.now())
        body = None
        try:
            response = self.sender.send(request, **self.authorize(request))
            with contextlib.closing(response):
                body = Body(response, self, until)
                for chunk in [response.content] if response.is_stream_consumed else response.iter_raw():
                    body.add(chunk)
                    if not body.is_wanted:
                        break
            return body.response()
        except (httpx.RequestError, httpx.InvalidURL, UnicodeError) as error:  # The last two are of a redirect.
            outcome = body.outcome(error) if body else without_response(error, self)
        finally:
            self.forget(request)
            seconds_left.reset(token)
        return outcome

    def disconnect(self) -> None:
        """Close the connections. A given client stays open."""
        self.state.is_closed = True
        if self._given is None:
            self.sender.close()


@types.coroutine
def _pause(seconds: float) -> Generator[float, None, None]:
    yield seconds


def _new_client() -> httpx.Client:
    with configuration_errors():
        context = TLSContext(ssl.PROTOCOL_TLS_CLIENT)
        # With proxies from the environment, httpx makes the connections. "no" lists the hosts without one.
        transport = None if urllib.request.getproxies().keys() - {"no"} else Connections(context)
        return httpx.Client(transport=transport, verify=context)
