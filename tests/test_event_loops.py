"""One client in several event loops, and iterators that are abandoned."""

from __future__ import annotations

import asyncio
import gc
import threading
import warnings
from collections.abc import Callable, Iterator

import httpx
import pytest

import cekura_facade as facade
from cekura_facade.sandbox import ManualClock, Sandbox
from tests.support import Either, reply, scripted


def test_one_client_works_in_one_event_loop_after_the_other(sandbox: Sandbox) -> None:
    cekura = facade.AsyncCekura(sandbox.api_key, base_url=sandbox.url)

    async def use() -> int:
        found = await asyncio.gather(*(cekura.metrics.list(agent_id=101) for _ in range(3)))
        return len(found)

    with warnings.catch_warnings():
        # Connections of an ended loop cannot be closed in another one. They close with their objects.
        warnings.simplefilter("ignore", ResourceWarning)
        assert [asyncio.run(use()) for _ in range(3)] == [3, 3, 3]
        asyncio.run(cekura.aclose())
        cekura = None  # type: ignore[assignment]
        gc.collect()


def test_one_client_works_in_two_event_loops_at_once(sandbox: Sandbox) -> None:
    both = threading.Barrier(2, timeout=600)
    cekura = facade.AsyncCekura(sandbox.api_key, base_url=sandbox.url)
    results: list[int] = []

    async def use() -> None:
        for _ in range(5):
            await asyncio.to_thread(both.wait)
            results.append(len(await cekura.metrics.list(agent_id=101)))
        await asyncio.to_thread(both.wait)
        await cekura.aclose()

    threads = [threading.Thread(target=lambda: asyncio.run(use())) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [0] * 10


def test_an_http_client_of_another_event_loop_is_an_error_that_says_why(sandbox: Sandbox) -> None:
    http_client = httpx.AsyncClient()
    cekura = facade.AsyncCekura(sandbox.api_key, base_url=sandbox.url, http_client=http_client)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        assert asyncio.run(cekura.metrics.list(agent_id=101)) == []
        with pytest.raises(facade.ConfigurationError, match="http_client has connections of another event loop"):
            asyncio.run(cekura.metrics.list(agent_id=101))
        del cekura, http_client
        gc.collect()


@pytest.fixture
def slow() -> Iterator[Sandbox]:
    """A sandbox with a job for each of two agents. The test decides when they end."""
    with Sandbox(job_seconds=10, clock=ManualClock()) as sandbox:
        yield sandbox


def test_after_leaving_an_iterator_nothing_is_saved(slow: Sandbox) -> None:
    """The job of 104 cannot be started, so its outcome comes first. The other two jobs are still running."""

    async def main() -> None:
        async with facade.AsyncCekura(slow.api_key, base_url=slow.url) as cekura:
            many = cekura.metrics.generate_and_create_many([104, 101, 102])
            async with many as outcomes:
                async for outcome in outcomes:
                    assert outcome.request == 104
                    break
            before = len(slow.requests)
            slow.advance(20)
            assert asyncio.all_tasks() == {asyncio.current_task()}
            assert len(slow.requests) == before
            assert [outcome async for outcome in many] == []

    asyncio.run(main())
    assert slow.metrics == []


def test_a_blocking_iterator_that_is_left_is_closed(slow: Sandbox) -> None:
    with facade.Cekura(slow.api_key, base_url=slow.url) as cekura:
        with cekura.metrics.generate_and_create_many([104, 101, 102]) as outcomes:
            assert next(outcomes).request == 104
        slow.advance(20)
        assert list(outcomes) == []
    assert slow.metrics == []


def boom(error: type[BaseException], *, awaited: bool) -> Callable[[object], object]:
    def call_back(value: object) -> object:
        raise error("of the callback")

    async def call_back_awaited(value: object) -> object:
        raise error("of the callback")

    return call_back_awaited if awaited else call_back


@pytest.mark.parametrize("awaited", [False, True])
@pytest.mark.parametrize("name", ["review", "on_progress"])
@pytest.mark.parametrize("error", [StopIteration, GeneratorExit, StopAsyncIteration, KeyError])
def test_any_error_of_a_callback_names_the_job(
    cekura: Either, sandbox: Sandbox, error: type[BaseException], name: str, awaited: bool
) -> None:
    if awaited and cekura.kind == "sync":
        pytest.skip("only the asynchronous client awaits its callbacks")
    with pytest.raises(BaseException, match=r"of the callback|raised StopIteration") as caught:
        cekura.metrics.generate_and_create(agent_id=101, **{name: boom(error, awaited=awaited)})
    assert isinstance(caught.value, error) or isinstance(caught.value.__cause__, error)
    (progress_id,) = sandbox.jobs
    assert [progress_id in note for note in caught.value.__notes__] == [True]


def test_cookies_are_not_kept(client: Callable[..., Either]) -> None:
    with scripted(reply(200, [], {"Set-Cookie": "session=telltale; Path=/"})) as server:
        cekura = client("key", base_url=server.url)
        for _ in range(3):
            cekura.metrics.list(agent_id=1)
    assert [request.headers.get("cookie") for request in server.received] == [None] * 3


def test_cookies_of_the_generated_client_are_sent(client: Callable[..., Either]) -> None:
    from cekura_api.api.metrics import list_metrics

    with scripted(reply(200, [], {"Set-Cookie": "session=telltale; Path=/"})) as server:
        cekura = client("key", base_url=server.url)
        api = cekura.client.api.with_cookies({"mine": "1"})
        for _ in range(2):
            if cekura.kind == "sync":
                list_metrics.sync(client=api)
            else:
                cekura.run(list_metrics.asyncio(client=api))
    assert [request.headers.get("cookie") for request in server.received] == ["mine=1"] * 2


@pytest.mark.parametrize("key", ["a", "key", "metrics"])
def test_a_short_credential_garbles_no_message(client: Callable[..., Either], key: str) -> None:
    answer = reply(404, {"detail": "A key of metrics was not found."})
    with scripted(answer) as server, pytest.raises(facade.NotFoundError) as caught:
        client(key, base_url=server.url).metrics.get(7)
    assert "redacted" not in str(caught.value)
    assert "A key of metrics was not found." in str(caught.value)


def test_a_credential_of_eight_characters_is_redacted(client: Callable[..., Either]) -> None:
    answer = reply(404, {"detail": "No 12345678 here."})
    with scripted(answer) as server, pytest.raises(facade.NotFoundError, match=r"No \[redacted\] here") as caught:
        client("12345678", base_url=server.url).metrics.get(7)
    assert "12345678" not in repr(caught.value)
