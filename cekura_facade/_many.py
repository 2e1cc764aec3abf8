"""Many agents in one call: a workflow for each, side by side, in one thread."""

from __future__ import annotations

import contextlib
import heapq
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Self

import attrs
from cekura_api.models import GenerateMetricsRequest, Metric

from ._steps import Steps, arun, drive

if TYPE_CHECKING:
    import asyncio

GenerationRequest = int | GenerateMetricsRequest
"""What `generate_and_create_many` takes as a request: the id of an agent, or more than that."""


@attrs.frozen
class GenerationOutcome:
    """What became of one request of `generate_and_create_many`.

    Attributes:
        index: Its position among the requests, from 0.
        request: The request, as it was given.
        metrics: The saved metrics, in the order of the suggestions; empty if there is an error.
        error: Why they were not saved, None if they were. A CekuraError has the `progress_id` of the job.
    """

    index: int
    request: GenerationRequest
    metrics: list[Metric]
    error: Exception | None = None


class _Outcomes:
    def __init__(
        self,
        http: Any,
        workflow: Callable[[GenerationRequest], Steps[list[Metric]]],
        requests: Iterable[GenerationRequest],
        concurrency: int,
    ) -> None:
        self._http, self._workflow, self._concurrency = http, workflow, concurrency
        self._requests = enumerate(requests)
        self._stopped = False

    def stop(self) -> None:
        """Start no more workflows. Those that have been started go on, and their outcomes come out."""
        self._stopped = True

    def _next(self) -> tuple[int, GenerationRequest] | None:
        return None if self._stopped else next(self._requests, None)

    def _steps(self, index: int, request: GenerationRequest) -> Steps[GenerationOutcome]:
        try:
            return GenerationOutcome(index, request, (yield from self._workflow(request)))
        except Exception as error:
            return GenerationOutcome(index, request, [], error)


class Outcomes(_Outcomes, Iterator[GenerationOutcome]):
    """The outcomes of `generate_and_create_many`, each as soon as it is there.

    `stop()` starts no more workflows. `close()`, or leaving a `with` statement, cancels those that have been started.
    """

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._all = self._run()

    def close(self) -> None:
        """Cancel the workflows that have been started, and start no more."""
        self._all.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __next__(self) -> GenerationOutcome:
        return next(self._all)

    def _run(self) -> Generator[GenerationOutcome]:
        clock = self._http.clock
        waiting: list[tuple[float, int, Generator[float, None, GenerationOutcome]]] = []
        try:
            while True:
                while len(waiting) < self._concurrency and (begun := self._next()):
                    heapq.heappush(waiting, (0.0, begun[0], drive(self._steps(*begun), self._http)))
                if not waiting:
                    return
                due, index, driven = waiting[0]
                clock.sleep(max(0.0, due - clock.now()))
                try:
                    heapq.heapreplace(waiting, (next(driven) + clock.now(), index, driven))
                except StopIteration as stop:
                    heapq.heappop(waiting)
                    yield stop.value
        except BaseException as error:
            for _, _, driven in waiting:
                with contextlib.suppress(BaseException):
                    driven.throw(error)  # It notes its progress id on the error.
            raise


class AsyncOutcomes(_Outcomes, AsyncIterator[GenerationOutcome]):
    """As Outcomes, awaited. Use it with `async with`: after `break`, a bare `async for` leaves workflows running."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._closed = False
        self._all = self._run()

    async def aclose(self) -> None:
        """Cancel the workflows that have been started, and start no more. Returns once they have ended."""
        self._closed = True
        await self._all.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.aclose()

    async def __anext__(self) -> GenerationOutcome:
        if self._closed:
            raise StopAsyncIteration
        return await anext(self._all)

    async def _run(self) -> AsyncGenerator[GenerationOutcome]:
        import asyncio  # Nobody but an AsyncCekura pays for it.

        tasks: set[asyncio.Task[GenerationOutcome]] = set()
        done: asyncio.Queue[asyncio.Task[GenerationOutcome]] = asyncio.Queue()
        try:
            while True:
                while len(tasks) < self._concurrency and (begun := self._next()):
                    task = asyncio.create_task(arun(self._steps(*begun), self._http))
                    task.add_done_callback(done.put_nowait)
                    tasks.add(task)
                if not tasks:
                    return
                task = await done.get()
                tasks.remove(task)
                yield task.result()
        except BaseException as error:
            for task in tasks:
                task.cancel()
            for task in tasks:
                try:
                    await task
                except BaseException as ended:
                    for note in getattr(ended, "__notes__", ()):
                        error.add_note(note)  # It has the progress id.
            raise
