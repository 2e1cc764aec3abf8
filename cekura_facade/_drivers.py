"""The two drivers that run a workflow or an exchange to its end: the one blocking, the other awaited."""

from __future__ import annotations

import asyncio
import inspect
import time
from typing import TYPE_CHECKING, Any, TypeVar, cast

import httpx

from ._errors import CekuraError, InvalidRequestError
from ._responses import unexpected
from ._steps import DEADLINE, Call, Invoke, Pause, Steps

if TYPE_CHECKING:
    from ._http import AsyncHTTP, SyncHTTP

T = TypeVar("T")
# What a generated parser raises when the JSON is not of the shape that it expects.
_WRONG_SHAPE = (TypeError, ValueError, KeyError, AttributeError, IndexError, RecursionError)


def run(steps: Steps[T], http: SyncHTTP) -> T:
    """Run a generator of steps to its end, and return its result."""
    result: Any = None
    failure: BaseException | None = None
    while True:
        try:
            step = steps.throw(failure) if failure is not None else steps.send(result)
        except StopIteration as stop:
            return cast(T, stop.value)
        finally:
            # A traceback holds this frame: it must not hold the error in turn.
            result = failure = None
        try:
            if isinstance(step, httpx.Request):
                result = http.attempt(step)
            elif isinstance(step, Pause):
                time.sleep(step.seconds)
            elif isinstance(step, Invoke):
                result = step.function(step.argument)
                if inspect.iscoroutine(result):
                    result.close()
                    raise InvalidRequestError("review and on_progress may be coroutine functions for AsyncCekura only.")
            else:
                result = _call(step, http)
        except BaseException as error:
            failure = error


async def arun(steps: Steps[T], http: AsyncHTTP) -> T:
    """As run, awaited."""
    result: Any = None
    failure: BaseException | None = None
    while True:
        try:
            step = steps.throw(failure) if failure is not None else steps.send(result)
        except StopIteration as stop:
            return cast(T, stop.value)
        finally:
            # A traceback holds this frame: it must not hold the error in turn.
            result = failure = None
        try:
            if isinstance(step, httpx.Request):
                result = await http.attempt(step)
            elif isinstance(step, Pause):
                await asyncio.sleep(step.seconds)
            elif isinstance(step, Invoke):
                result = step.function(step.argument)
                if inspect.isawaitable(result):
                    result = await result
            else:
                result = await _acall(step, http)
        except BaseException as error:
            failure = error


class _OneCall:
    """What a generated function sees as its client: it hands the request on, and keeps the response."""

    raise_on_unexpected_status = False

    def __init__(self, http: SyncHTTP | AsyncHTTP, deadline: float | None) -> None:
        self.http = http
        self.extensions = {} if deadline is None else {DEADLINE: deadline}
        self.response: httpx.Response | None = None

    def get_httpx_client(self) -> _OneCall:
        return self

    get_async_httpx_client = get_httpx_client


class _SyncCall(_OneCall):
    http: SyncHTTP

    def request(self, **kwargs: Any) -> httpx.Response:
        self.response = self.http.request(**kwargs, extensions=self.extensions)
        return self.response


class _AsyncCall(_OneCall):
    http: AsyncHTTP

    async def request(self, **kwargs: Any) -> httpx.Response:
        self.response = await self.http.request(**kwargs, extensions=self.extensions)
        return self.response


def _call(step: Call, http: SyncHTTP) -> Any:
    client, parsed = _SyncCall(http, step.deadline), None
    try:
        parsed = step.endpoint.sync_detailed(client=client, **step.arguments).parsed
    except CekuraError:
        raise
    except _WRONG_SHAPE:
        if client.response is None:
            raise
    return _accepted(step, client, parsed)


async def _acall(step: Call, http: AsyncHTTP) -> Any:
    client, parsed = _AsyncCall(http, step.deadline), None
    try:
        parsed = (await step.endpoint.asyncio_detailed(client=client, **step.arguments)).parsed
    except CekuraError:
        raise
    except _WRONG_SHAPE:
        if client.response is None:
            raise
    return _accepted(step, client, parsed)


def _accepted(step: Call, client: _OneCall, parsed: Any) -> Any:
    if step.accept(parsed):
        return parsed
    assert client.response is not None
    raise unexpected(client.response, client.http.settings.credential, f"not with {step.promise}")
