"""Runs the workflows of many agents at the same time, in one thread."""

from __future__ import annotations

import heapq
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine, Generator, Iterable, Iterator
from contextlib import AbstractAsyncContextManager, AbstractContextManager, suppress
from functools import cached_property
from typing import TYPE_CHECKING

import attrs
from cekura_api.model import check
from cekura_api.models import GenerateMetricsRequest, Metric

from ._http import checked
from ._workflow import GenerateAndCreate, GenerationRequest, check_collection

if TYPE_CHECKING:
    import asyncio


@attrs.frozen
class GenerationOutcome:
    """The outcome of one request of `generate_and_create_many`.

    Attributes:
        index: Position of the request, from 0.
        request: The request as it was passed.
        metrics: The saved metrics, in the order of the suggestions. Empty if there is an error.
        error: Why they were not saved, or None. A CekuraError has the `progress_id` of the job.
    """

    index: int
    request: GenerationRequest
    metrics: list[Metric]
    error: Exception | None = None


class _Outcomes:
    def __init__(
        self, flow: GenerateAndCreate, requests: Iterable[GenerationRequest], num_metrics: int, concurrency: int
    ) -> None:
        check_collection("requests", requests, of="agent ids")
        checked(check, "concurrency", concurrency, int, minimum=1)
        self._flow = flow
        self._num_metrics = num_metrics
        self._concurrency = concurrency
        self._requests = enumerate(requests)

    def stop(self) -> None:
        """Do not start any more workflows. Running workflows continue, and their outcomes are returned."""
        self._requests = enumerate(())

    async def _outcome(self, index: int, request: GenerationRequest) -> GenerationOutcome:
        try:
            if isinstance(request, GenerateMetricsRequest):
                body = request
            else:
                body = GenerateMetricsRequest(agent_id=request, num_metrics=self._num_metrics)
            return GenerationOutcome(index, request, await self._flow.run(body))
        except Exception as error:  # noqa: BLE001 - Whatever a callback raises is the outcome of its request.
            return GenerationOutcome(index, request, [], error)


class Outcomes(_Outcomes, Iterator[GenerationOutcome], AbstractContextManager["Outcomes"]):
    """The outcomes of `generate_and_create_many`, in the order in which they finish.

    After `stop()`, no more workflows start. `close()`, or leaving a `with` statement, cancels the running ones.
    """

    def close(self) -> None:
        """Cancel the running workflows, and do not start any more. In a callback, call `stop()` instead."""
        self._all.close()

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __next__(self) -> GenerationOutcome:
        return next(self._all)

    @cached_property
    def _all(self) -> Generator[GenerationOutcome]:
        http = self._flow.http
        running: list[tuple[float, int, Coroutine[float, None, GenerationOutcome]]] = []  # ordered by time to continue
        try:
            while True:
                while len(running) < self._concurrency and (started := next(self._requests, None)):
                    heapq.heappush(running, (0.0, started[0], self._outcome(*started)))
                if not running:
                    return
                due, index, workflow = running[0]
                http.clock.sleep(max(0.0, due - http.clock.now()))
                try:
                    heapq.heapreplace(running, (workflow.send(None) + http.clock.now(), index, workflow))
                except StopIteration as stop:
                    heapq.heappop(running)
                    yield stop.value
        except BaseException as error:
            for _, _, workflow in running:
                with suppress(BaseException):
                    workflow.throw(error)  # The workflow adds its progress id to the error.
            raise


class AsyncOutcomes(_Outcomes, AsyncIterator[GenerationOutcome], AbstractAsyncContextManager["AsyncOutcomes"]):
    """The outcomes of `generate_and_create_many`, for asyncio, in the order in which they finish.

    Use it with `async with`, because `async for` alone leaves workflows running after `break`.
    """

    _is_closed = False  # In Python 3.11, a generator that was closed while it waited seems to be running.

    async def aclose(self) -> None:
        """Cancel the running workflows, and do not start any more. Returns when they have ended.

        Call it in the task that iterates. In a callback or another task, call `stop()` instead.
        """
        self._is_closed = True
        await self._all.aclose()

    async def __aexit__(self, *exception: object) -> None:
        await self.aclose()

    async def __anext__(self) -> GenerationOutcome:
        if self._is_closed:
            raise StopAsyncIteration
        return await anext(self._all)

    @cached_property
    async def _all(self) -> AsyncGenerator[GenerationOutcome]:
        import asyncio  # Only AsyncCekura needs it.

        running: set[asyncio.Task[GenerationOutcome]] = set()
        done: asyncio.Queue[asyncio.Task[GenerationOutcome]] = asyncio.Queue()
        try:
            while True:
                while len(running) < self._concurrency and (started := next(self._requests, None)):
                    task = asyncio.create_task(self._outcome(*started))
                    task.add_done_callback(done.put_nowait)
                    running.add(task)
                if not running:
                    return
                task = await done.get()
                running.remove(task)
                yield task.result()
        except BaseException as error:
            for task in running:
                task.cancel()
            if running:
                await asyncio.wait(running)
            for task in running:
                try:
                    task.result()
                except BaseException as ended:  # noqa: BLE001 - Only its notes are needed.
                    for note in getattr(ended, "__notes__", ()):
                        error.add_note(note)  # The note has the progress id.
            raise
