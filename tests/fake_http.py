"""An HTTP without a network, with scripted outcomes and virtual time, for tests of the code that both clients share."""

from __future__ import annotations

import copy
from collections.abc import Awaitable, Callable, Coroutine
from typing import ParamSpec, TypeVar

import attrs
import httpx

from cekura_facade._body import Body, without_response
from cekura_facade._config import configure, hide
from cekura_facade._http import HTTP
from cekura_facade._retry import Outcome
from tests.faults.virtual import VirtualClock
from tests.support import Received

P = ParamSpec("P")
T = TypeVar("T")

BASE_URL = "http://cekura.test"


@attrs.frozen
class Slow:
    """An outcome that takes some seconds of virtual time. An attempt with an earlier deadline times out."""

    seconds: float
    outcome: Outcome


Scripted = Outcome | Slow | BaseException | Callable[[Received], Outcome | Slow | BaseException]
"""The outcome of an attempt, an interruption of it, or a function of the request that returns one of these."""


class FakeHTTP(HTTP):
    """An HTTP with a scripted outcome for each attempt. The last one repeats.

    Everything above an attempt is real: retries, redirects, deadlines, waits after a 429, and errors. The limits of an
    attempt are real as well, and so is the credential, which is removed from the request afterwards.

    Attributes:
        clock: The virtual time. `seconds` is the time, and `pauses` are the pauses so far.
        outcomes: The outcomes that are left. Without any, a request fails the test.
        requests: The requests that were sent.
    """

    clock: VirtualClock

    def __init__(
        self,
        *outcomes: Scripted,
        api_key: str = "key",
        base_url: str = BASE_URL,
        timeout: float = 30.0,
        max_retries: int = 3,
        max_response_bytes: int = 64 * 1024 * 1024,
        settle_timeout: float = 5.0,
        user_agent: str | None = None,
    ) -> None:
        settings = configure(
            hide(api_key),
            hide(None),
            base_url,
            timeout=timeout,
            max_retries=max_retries,
            max_response_bytes=max_response_bytes,
            settle_timeout=settle_timeout,
            user_agent=user_agent,
        )
        super().__init__(settings, None)
        self.clock = VirtualClock()
        self.outcomes = list(outcomes)
        self.requests: list[Received] = []
        # httpx finds the target of a redirect.
        self._sender = httpx.Client(transport=httpx.MockTransport(self._respond))

    async def attempt(self, request: httpx.Request, deadline: float) -> Outcome:
        _, until = self.limits(request, deadline)
        body = None
        try:
            response = self._sender.send(request, **self.authorize(request))
            body = Body(response, self, until)
            body.add(response.content)
            return body.response()
        except httpx.RequestError as error:
            return body.outcome(error) if body else without_response(error, self)
        finally:
            self.forget(request)

    async def sleep(self, seconds: float) -> None:
        self.clock.sleep(seconds)

    async def call(self, function: Callable[P, Awaitable[T] | T], *args: P.args, **kwargs: P.kwargs) -> T:
        result = function(*args, **kwargs)
        return await result if isinstance(result, Awaitable) else result

    def _respond(self, request: httpx.Request) -> httpx.Response:
        headers = dict(request.headers)
        received = Received(request.method, request.url.raw_path.decode("ascii"), headers, request.content)
        self.requests.append(received)
        assert self.outcomes, f"No outcome is scripted for {received.method} {received.path}."
        outcome = self.outcomes.pop(0) if len(self.outcomes) > 1 else self.outcomes[0]
        if not isinstance(outcome, httpx.Response | Slow | BaseException):
            outcome = outcome(received)
        if isinstance(outcome, Slow):
            left: float = request.extensions["timeout"]["read"]
            self.clock.seconds += min(outcome.seconds, left)
            outcome = outcome.outcome if outcome.seconds <= left else httpx.ReadTimeout("timed out")
        if isinstance(outcome, BaseException):
            # This is a copy, because a script may raise the same error again, and tracebacks grow.
            raise copy.copy(outcome)
        return httpx.Response(outcome.status_code, headers=outcome.headers, content=outcome.content)


def run(workflow: Coroutine[object, None, T]) -> T:
    """Run a workflow on a FakeHTTP to its end. It never waits, so it needs no event loop."""
    try:
        workflow.send(None)
    except StopIteration as stop:
        result: T = stop.value
        return result
    workflow.close()
    raise AssertionError("The workflow waits for something that is not its HTTP.")
