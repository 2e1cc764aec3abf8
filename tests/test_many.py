"""Many agents in one call, on both clients."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest

import cekura_facade as facade
from cekura_facade.sandbox import Sandbox
from tests.support import Either, Received, VirtualClock, renew, reply, scripted

JOB = "0f8fad5b-d9cb-469f-a165-70867728950e"
DONE = {"agent_id": 1, "status": "completed", "current_step": "", "metrics": [], "error": None}


def collect(cekura: Either, requests: Any, each: Callable[[Any, Any], None] = lambda *_: None, **options: Any) -> Any:
    """All outcomes, in order. `each` is called with the iterator and every outcome."""
    many = cekura.client.metrics.generate_and_create_many(requests, **options)
    found = []
    if cekura.kind == "sync":
        for outcome in many:
            found.append(outcome)
            each(many, outcome)
        return found

    async def main() -> None:
        async for outcome in many:
            found.append(outcome)
            each(many, outcome)

    cekura.run(main())
    return found


@pytest.fixture
def crowd(sandbox: Sandbox) -> Sandbox:
    description = "It answers the phone for a dentist, and makes appointments. " * 3
    agents = {number: {"agent_name": f"a{number}", "description": description} for number in range(1, 31)}
    return renew(sandbox, job_seconds=0, agents=agents)


@pytest.mark.parametrize("concurrency", [1, 7, 100])
def test_every_agent_gets_its_metrics_once(crowd: Sandbox, client: Callable[..., Either], concurrency: int) -> None:
    cekura = client(crowd.api_key, base_url=crowd.url)
    requests = [*range(1, 6 if concurrency == 1 else 31)]
    outcomes = collect(cekura, iter(requests), num_metrics=2, concurrency=concurrency)
    assert sorted(outcome.index for outcome in outcomes) == [number - 1 for number in requests]
    assert all(outcome.error is None and outcome.request == outcome.index + 1 for outcome in outcomes)
    assert {metric.id for outcome in outcomes for metric in outcome.metrics} == {each["id"] for each in crowd.metrics}
    for outcome in outcomes:
        assert [metric.agents for metric in outcome.metrics] == [[outcome.request]] * 2
    assert len(crowd.metrics) == 2 * len(requests)


def test_concurrency_limits_the_running_workflows(crowd: Sandbox, client: Callable[..., Either], kind: str) -> None:
    under_way: list[int] = []
    done: list[int] = []

    def look(progress: facade.GenerateMetricsProgress) -> None:
        under_way.append(len(crowd.jobs) - len(done))
        done.append(1)

    async def look_when_all_have_begun(progress: facade.GenerateMetricsProgress) -> None:
        while len(crowd.jobs) < 4:  # noqa: ASYNC110 - The sandbox runs in another thread.
            await asyncio.sleep(0)
        look(progress)

    on_progress = look if kind == "sync" else look_when_all_have_begun
    collect(client(crowd.api_key, base_url=crowd.url), range(1, 16), concurrency=4, on_progress=on_progress)
    assert len(done) == 15
    assert max(under_way) == 4


def test_a_failed_agent_does_not_stop_the_others(crowd: Sandbox, client: Callable[..., Either]) -> None:
    crowd.fail_next_job("on strike")
    requests = [1, 999, 2, "x", facade.GenerateMetricsRequest(agent_id=3, num_metrics=4), None]
    outcomes = sorted(collect(client(crowd.api_key, base_url=crowd.url), requests), key=lambda each: each.index)
    kinds = [type(outcome.error) for outcome in outcomes]
    none = type(None)
    assert kinds[1::2] == [facade.NotFoundError, facade.InvalidRequestError, facade.InvalidRequestError]
    assert sorted(map(str, kinds[::2])) == sorted(map(str, [facade.GenerationFailedError, none, none]))
    assert sum(len(outcome.metrics) for outcome in outcomes) == len(crowd.metrics)
    failed = next(each.error for each in outcomes if isinstance(each.error, facade.GenerationFailedError))
    assert failed.progress_id in crowd.jobs


def test_an_error_of_review_is_an_outcome(crowd: Sandbox, client: Callable[..., Either]) -> None:
    def review(suggested: list[facade.GeneratedMetric]) -> list[facade.GeneratedMetric]:
        if suggested[0].agent == 2:
            raise KeyError("mine")
        return suggested

    outcomes = collect(client(crowd.api_key, base_url=crowd.url), [1, 2, 3], review=review)
    assert [type(each.error) for each in sorted(outcomes, key=lambda each: each.index)][1] is KeyError
    assert len(crowd.metrics) == 2


def test_stop_lets_running_workflows_finish(crowd: Sandbox, client: Callable[..., Either]) -> None:
    outcomes = collect(
        client(crowd.api_key, base_url=crowd.url), range(1, 31), lambda many, outcome: many.stop(), concurrency=5
    )
    assert 1 <= len(outcomes) <= 5
    assert len(crowd.jobs) == len(outcomes) == len(crowd.metrics)


class Together(VirtualClock):
    """A clock that stops until every task of an AsyncCekura waits for it."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting: list[float] = []

    async def asleep(self, seconds: float) -> None:
        until = self.seconds + seconds
        self.waiting.append(until)
        while self.seconds < until:
            await asyncio.sleep(0)
            if len(self.waiting) == len(asyncio.all_tasks()) - 1:
                self.seconds = max(self.seconds, min(self.waiting))
        self.waiting.remove(until)


def test_a_429_for_one_workflow_makes_all_of_them_wait(client: Callable[..., Either]) -> None:
    """After the refusal, only the five running workflows send a request before the wait is over."""
    clock = Together()
    lock = threading.Lock()
    seen: list[float] = []

    def answer(request: Received) -> bytes:
        with lock:
            seen.append(clock.now())
            if len(seen) == 1:
                return reply(429, b"", {"Retry-After": "1"})
        if "progress" in request.path:
            return reply(200, DONE)
        return reply(200, {"progress_id": JOB})

    with scripted(answer) as server:
        outcomes = collect(client("key", base_url=server.url, clock=clock), range(1, 31), concurrency=5)
    assert [outcome.error for outcome in outcomes] == [None] * 30
    assert len(seen) == 61
    assert seen[0] == 0
    assert min(seen[5:]) >= 1


@pytest.mark.parametrize(
    "options", [{"concurrency": 0}, {"concurrency": True}, {"timeout": -1}, {"review": 5}, {"requests": "12"}]
)
def test_invalid_arguments_are_refused_at_once(crowd: Sandbox, cekura: Either, options: Any) -> None:
    with pytest.raises(facade.InvalidRequestError):
        cekura.client.metrics.generate_and_create_many(**{"requests": [1], **options})
    assert crowd.requests == []


def test_an_interruption_names_the_running_jobs(crowd: Sandbox) -> None:
    def interrupt(progress: facade.GenerateMetricsProgress) -> None:
        if len(crowd.jobs) == 3:
            raise KeyboardInterrupt

    with facade.Cekura(crowd.api_key, base_url=crowd.url) as cekura:
        cekura.transport.clock = VirtualClock()
        with pytest.raises(KeyboardInterrupt) as caught:
            list(cekura.metrics.generate_and_create_many([1, 2, 3], on_progress=interrupt))
    assert all(any(job in note for note in caught.value.__notes__) for job in crowd.jobs)


def test_a_cancellation_names_the_jobs_and_leaves_no_task(crowd: Sandbox) -> None:
    async def main() -> None:
        begun = asyncio.Semaphore(0)

        async def on_progress(progress: facade.GenerateMetricsProgress) -> None:
            begun.release()
            await asyncio.Event().wait()  # All workflows run until they are cancelled.

        async def all_of_them(cekura: facade.AsyncCekura) -> None:
            async for _ in cekura.metrics.generate_and_create_many([1, 2, 3], on_progress=on_progress):
                pass

        async with facade.AsyncCekura(crowd.api_key, base_url=crowd.url) as cekura:
            task = asyncio.create_task(all_of_them(cekura))
            for _ in range(3):
                await begun.acquire()
            task.cancel()
            with pytest.raises(asyncio.CancelledError) as caught:
                await task
        assert all(any(job in note for note in caught.value.__notes__) for job in crowd.jobs)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(main())
