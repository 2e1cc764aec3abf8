"""Workflows, written once: what they yield, who carries it out, and how one becomes a method of both clients.

A workflow is a generator, in the way of httpx's auth flows: it decides, and does no input or output itself. It yields
a request, which is sent once (sent back is the response, or why there is none); a number of seconds to wait; or a
function to call (sent back is what it returns; a coroutine is awaited). A failure is raised inside, at the `yield`.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Coroutine, Generator
from typing import Any, Concatenate, Generic, ParamSpec, Self, TypeVar, cast, overload

import httpx

from ._errors import InvalidRequestError

P = ParamSpec("P")
T = TypeVar("T")
Outcome = httpx.Response | httpx.TransportError
Steps = Generator[httpx.Request | float | Callable[[], Any], Any, T]


class _Raised:
    """What a callback raised, where throwing it into a generator would end the generator without a trace of it."""

    def __init__(self, error: BaseException) -> None:
        self.error = error


def call_back(function: Callable[..., Any], *args: object) -> Steps[Any]:
    """Call a function of the user's. Returns its result, or raises what it raises."""
    outcome = yield functools.partial(function, *args)
    if isinstance(outcome, _Raised):
        raise outcome.error
    return outcome


def drive(steps: Steps[T], http: Any) -> Generator[float, None, T]:
    """Carry out a workflow, but for its pauses: they are yielded. Returns its result."""
    proceed: Callable[[Any], Any] = steps.send
    result: Any = None
    while True:
        try:
            step = proceed(result)
        except StopIteration as stop:
            return cast(T, stop.value)
        finally:
            result = None  # A traceback holds this frame: it must not hold the error in turn.
        try:
            proceed = steps.send
            if isinstance(step, float):
                yield step
            elif isinstance(step, httpx.Request):
                result = http.attempt(step)
            else:
                try:
                    result = step()
                except (StopIteration, GeneratorExit) as error:
                    result = _Raised(error)
                if inspect.iscoroutine(result):
                    result.close()
                    raise InvalidRequestError("review and on_progress may be coroutine functions for AsyncCekura only.")
        except BaseException as error:
            proceed, result = steps.throw, error


def run(steps: Steps[T], http: Any) -> T:
    """Run a workflow to its end, and return its result."""
    driven = drive(steps, http)
    proceed: Callable[[], float] = driven.__next__
    while True:
        try:
            pause = proceed()
        except StopIteration as stop:
            return cast(T, stop.value)
        try:
            proceed = driven.__next__
            http.clock.sleep(pause)
        except BaseException as error:
            proceed = functools.partial(driven.throw, error)


async def arun(steps: Steps[T], http: Any) -> T:
    """As run, awaited."""
    proceed: Callable[[Any], Any] = steps.send
    result: Any = None
    while True:
        try:
            step = proceed(result)
        except StopIteration as stop:
            return cast(T, stop.value)
        finally:
            result = None
        try:
            proceed = steps.send
            if isinstance(step, httpx.Request):
                result = await http.attempt(step)
            elif isinstance(step, float):
                await http.clock.asleep(step)
            else:
                try:
                    result = step()
                    if inspect.isawaitable(result):
                        result = await result
                except (StopIteration, GeneratorExit) as error:
                    result = _Raised(error)
        except BaseException as error:
            proceed, result = steps.throw, error


class Blocking:
    """A class whose workflows block. It has an `_http`."""


class Awaited:
    """A class whose workflows are awaited. It has an `_http`."""


class workflow(Generic[P, T]):
    """Makes a workflow a method, of Blocking and of Awaited classes alike. `steps` is the workflow itself."""

    def __init__(self, steps: Callable[Concatenate[Any, P], Steps[T]]) -> None:
        self.steps = steps
        # What people see of it: a function that returns the result.
        steps.__annotations__["return"] = steps.__annotations__["return"].removeprefix("Steps[")[:-1]

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...
    @overload
    def __get__(self, instance: Blocking, owner: type) -> Callable[P, T]: ...
    @overload
    def __get__(self, instance: Awaited, owner: type) -> Callable[P, Coroutine[Any, Any, T]]: ...
    def __get__(self, instance: Any, owner: type) -> Any:
        steps = self.steps if instance is None else self.steps.__get__(instance)

        @functools.wraps(steps)
        def blocking(*args: Any, **kwargs: Any) -> Any:
            return run(steps(*args, **kwargs), (instance or args[0])._http)

        @functools.wraps(steps)
        async def awaited(*args: Any, **kwargs: Any) -> Any:
            return await arun(steps(*args, **kwargs), (instance or args[0])._http)

        method: Any = awaited if issubclass(owner, Awaited) else blocking
        method.steps = steps
        return method
