"""What workflows and exchanges yield, and the two drivers that carry it out: the one blocking, the other awaited.

A workflow is a generator, in the way of httpx's auth flows: it decides, and does no input or output itself. What it
yields is done for it and sent back; a failure is raised inside of it, at its `yield`.
"""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable, Generator
from typing import Any, Protocol, TypeVar, cast

import attrs
import httpx

from ._errors import InvalidRequestError

T = TypeVar("T")
Outcome = httpx.Response | httpx.TransportError


@attrs.frozen
class Invoke:
    """Call a function of the user's, and send back what it returns; awaited, if it is a coroutine."""

    function: Callable[..., Any]
    argument: Any


@attrs.frozen
class Pause:
    """Wait this many seconds."""

    seconds: float


Steps = Generator[httpx.Request | Invoke | Pause, Any, T]  # a request is sent once; its outcome is sent back


class Sender(Protocol):
    """What sends a request once, blocking."""

    def attempt(self, request: httpx.Request) -> Outcome: ...


class AsyncSender(Protocol):
    """What sends a request once, awaited."""

    def attempt(self, request: httpx.Request) -> Awaitable[Outcome]: ...


def run(steps: Steps[T], http: Sender) -> T:
    """Run a generator of steps to its end, and return its result."""
    result: Any = None
    failure: BaseException | None = None
    while True:
        try:
            step = steps.throw(failure) if failure is not None else steps.send(result)
        except StopIteration as stop:
            return cast(T, stop.value)
        finally:
            result = failure = None  # A traceback holds this frame: it must not hold the error in turn.
        try:
            if isinstance(step, httpx.Request):
                result = http.attempt(step)
            elif isinstance(step, Pause):
                time.sleep(step.seconds)
            else:
                result = step.function(step.argument)
                if inspect.iscoroutine(result):
                    result.close()
                    raise InvalidRequestError("review and on_progress may be coroutine functions for AsyncCekura only.")
        except BaseException as error:
            failure = error


async def arun(steps: Steps[T], http: AsyncSender) -> T:
    """As run, awaited."""
    result: Any = None
    failure: BaseException | None = None
    while True:
        try:
            step = steps.throw(failure) if failure is not None else steps.send(result)
        except StopIteration as stop:
            return cast(T, stop.value)
        finally:
            result = failure = None
        try:
            if isinstance(step, httpx.Request):
                result = await http.attempt(step)
            elif isinstance(step, Pause):
                await asyncio.sleep(step.seconds)
            else:
                result = step.function(step.argument)
                if inspect.isawaitable(result):
                    result = await result
        except BaseException as error:
            failure = error
