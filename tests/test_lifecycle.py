"""Connections, closing and resources. Each test is for a fault that was found in review."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from cekura_api.api.agents import get_agent
from cekura_api.api.metrics import list_metrics

import cekura_facade as facade
from cekura_facade._jobs import GENERATION, Handle, wait
from cekura_facade._pages import Pages
from cekura_facade.sandbox import Sandbox
from tests.fake_http import FakeHTTP, run
from tests.support import Either, Received, Reply, VirtualClock, reply, scripted, trickled

JOB = "0f8fad5b-d9cb-469f-a165-70867728950e"
METRIC = {"name": "a", "eval_type": "binary"}


def test_a_foreign_encoding_leaves_no_connection_in_use(client: Callable[..., Either]) -> None:
    with scripted(*[reply(200, b"[]", {"Content-Encoding": "br"})] * 60, reply(200, [])) as server:
        cekura = client("key", base_url=server.url, max_retries=0)
        for _ in range(60):
            with pytest.raises(facade.UnexpectedResponseError, match="encoded as 'br'"):
                cekura.metrics.list(agent_id=1)
        assert cekura.metrics.list(agent_id=1) == []


def test_closing_during_a_save_does_not_hide_that_it_may_be_saved(client: Callable[..., Either]) -> None:
    """The client is closed while the request is processed, and the response is lost."""
    close: list[Callable[[], None]] = []

    def answer(request: Received) -> bytes:
        if request.method == "GET":
            return reply(200, [])
        close[0]()
        return b""

    with scripted(answer) as server:
        cekura = client("key", base_url=server.url)

        def close_it() -> None:
            cekura.client.transport.state.is_closed = True

        close.append(close_it)
        with pytest.raises(facade.BulkCreateUncertainError) as caught:
            cekura.metrics.create_in_bulk([METRIC])
    assert caught.value.unconfirmed == [METRIC]
    assert isinstance(caught.value.__cause__, facade.ConfigurationError)


def test_closing_between_two_requests_of_a_save_names_what_may_be_saved(client: Callable[..., Either]) -> None:
    """The response to the first 100 metrics is lost, and the client is closed before the others are sent."""
    metrics: list[dict[str, object]] = [{**METRIC, "name": f"m{i}"} for i in range(150)]

    def answer(request: Received) -> bytes:
        if request.method == "GET":
            return reply(200, [])
        cekura.client.transport.state.is_closed = True
        return b""

    with scripted(answer) as server:
        cekura = client("key", base_url=server.url)
        with pytest.raises(facade.BulkCreateUncertainError) as caught:
            cekura.metrics.create_in_bulk(metrics)
    assert caught.value.unconfirmed == metrics[:100]


def test_closing_after_a_save_does_not_hide_what_was_saved(client: Callable[..., Either]) -> None:
    def answer(request: Received) -> bytes:
        if request.method == "GET":
            return reply(200, [])
        cekura.client.transport.state.is_closed = True
        return reply(201, [{**METRIC, "id": 9}])

    with scripted(answer) as server:
        cekura = client("key", base_url=server.url)
        assert [metric.id for metric in cekura.metrics.create_in_bulk([METRIC])] == [9]


def test_event_loops_use_the_environment_of_construction(monkeypatch: pytest.MonkeyPatch) -> None:
    """All connections of the first event loop go through the proxy that was set when the client was created."""
    with scripted(*[reply(200, [])] * 3) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("NO_PROXY", "")
        cekura = facade.AsyncCekura("key", base_url="http://cekura.invalid")
        monkeypatch.delenv("HTTP_PROXY")

        async def main() -> None:
            async with cekura:
                await asyncio.gather(*(cekura.metrics.list(agent_id=1) for _ in range(3)))

        asyncio.run(main())
        assert len(proxy.received) == 3


def test_a_client_that_is_closed_during_a_request_does_not_retry(client: Callable[..., Either]) -> None:
    def answer(request: Received) -> bytes:
        cekura.client.transport.state.is_closed = True
        return reply(503)

    with scripted(answer) as server:
        cekura = client("key", base_url=server.url)
        with pytest.raises(facade.ConfigurationError, match="closed"):
            cekura.metrics.list(agent_id=1)
    assert len(server.received) == 1


def test_closing_closes_a_connection_in_use_after_its_request(recwarn: pytest.WarningsRecorder) -> None:
    arrived, go_on = threading.Event(), threading.Event()

    def delayed(request: Received) -> bytes:
        arrived.set()
        go_on.wait()
        return reply(200, [])

    async def main(url: str) -> None:
        cekura = facade.AsyncCekura("key", base_url=url)
        running = asyncio.create_task(cekura.metrics.list(agent_id=1))
        await asyncio.to_thread(arrived.wait)
        await cekura.aclose()
        go_on.set()
        assert await running == []
        with pytest.raises(facade.ConfigurationError, match="closed"):
            await cekura.metrics.list(agent_id=1)

    with scripted(delayed) as server:
        asyncio.run(main(server.url))
        gc.collect()
    assert [str(each.message) for each in recwarn] == []


def test_an_http_client_that_is_closed_is_explained(client: Callable[..., Either], kind: str) -> None:
    http: Any = (httpx.Client if kind == "sync" else httpx.AsyncClient)()
    cekura = client("key", base_url="http://127.0.0.1:1", http_client=http)
    http.close() if kind == "sync" else cekura.run(http.aclose())
    with pytest.raises(facade.ConfigurationError, match="closed"):
        cekura.metrics.list(agent_id=1)


@pytest.mark.parametrize("kind", ["sync"])
def test_only_a_proxy_removes_the_deadline_of_headers(
    client: Callable[..., Either], clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "example.com")
    answer: Reply = lambda request: trickled(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100, clock)  # noqa: E731
    with scripted(answer) as server:
        cekura = client("key", base_url=server.url, timeout=9, max_retries=0)
        with pytest.raises(facade.APITimeoutError):
            cekura.metrics.list(agent_id=1)


class _Items:
    """An endpoint of a client that a user generates, without promised fields."""

    def __init__(self, *pages: dict[str, Any]) -> None:
        self.pages = list(pages)

    def build_request(self) -> dict[str, Any]:
        return {"method": "get", "url": "/items/"}

    def parse_response(self, response: httpx.Response) -> Any:
        body = response.json()
        return type(
            "Page", (), {"results": [type("Item", (), each)() for each in body["results"]], "next_": body["next"]}
        )


@pytest.mark.parametrize("item", [{}, {"id": None}, {"id": {"a": 1}}])
def test_items_without_an_id_are_all_returned(item: dict[str, Any]) -> None:
    http = FakeHTTP(
        httpx.Response(200, json={"results": [item] * 5, "next": "?page=2"}),
        httpx.Response(200, json={"results": [item] * 5, "next": None}),
    )
    pages = Pages[Any](http, _Items())
    assert len(run(pages.next())) == 5
    assert len(run(pages.next())) == 5
    assert not pages.has_next


def test_pages_of_items_without_an_id_that_lead_back_end() -> None:
    http = FakeHTTP(httpx.Response(200, json={"results": [{}], "next": "?page=2"}))
    pages = Pages[Any](http, _Items())
    run(pages.next())
    with pytest.raises(facade.UnexpectedResponseError, match="is not a link to another page"):
        run(pages.next())


def test_a_failed_job_with_any_error_ends_the_wait() -> None:
    http = FakeHTTP(httpx.Response(200, json={"status": "failed", "error": {"code": "boom"}}))
    with pytest.raises(facade.GenerationFailedError, match="boom") as caught:
        run(wait(http, Handle(GENERATION, JOB), 60))
    assert caught.value.reason == '{"code": "boom"}'
    assert len(http.requests) == 1


def test_leaving_an_iterator_does_not_swallow_a_timeout() -> None:
    async def main(sandbox: Sandbox) -> None:
        async with facade.AsyncCekura(sandbox.api_key, base_url=sandbox.url) as cekura:
            entered = asyncio.Event()

            async def wait_on(progress: object) -> None:
                entered.set()
                try:
                    await asyncio.sleep(3600)
                finally:
                    await asyncio.sleep(0)

            many = cekura.metrics.generate_and_create_many([101, 102], on_progress=wait_on)

            async def consume() -> None:
                async with many as outcomes:
                    async for _ in outcomes:
                        raise AssertionError

            task = asyncio.create_task(consume())
            await entered.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert asyncio.all_tasks() == {asyncio.current_task()}

    with Sandbox(job_seconds=0) as sandbox:
        asyncio.run(main(sandbox))


def test_clients_with_the_same_retries_share_their_budget(client: Callable[..., Either]) -> None:
    with scripted(reply(500, b"", {"Retry-After": "0"})) as server:
        cekura = client("key", base_url=server.url, max_retries=1)
        for _ in range(15):
            with pytest.raises(facade.InternalServerError):
                cekura.wrapped(cekura.client.with_options(timeout=9)).metrics.list(agent_id=1)
    assert len(server.received) == 15 + 10


def test_closing_the_generated_client_closes_no_connections() -> None:
    with scripted(reply(200, {"id": 1})) as server, facade.Cekura("key", base_url=server.url) as cekura:
        with cekura.api as api:
            assert get_agent.sync(1, client=api).id == 1
        assert cekura.agents.get(1).id == 1


def test_threads_save_with_one_client(sandbox: Sandbox) -> None:
    failures: list[BaseException] = []

    def save(number: int) -> None:
        try:
            for i in range(5):
                cekura.metrics.create_in_bulk([{"name": f"{number}-{i}", "eval_type": "binary", "agent": 101}])
        except BaseException as error:  # noqa: BLE001 - Whatever it is, the test reports it.
            failures.append(error)

    with facade.Cekura(sandbox.api_key, base_url=sandbox.url) as cekura:
        threads = [threading.Thread(target=save, args=(number,)) for number in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert failures == []
    assert len({metric["name"] for metric in sandbox.metrics}) == len(sandbox.metrics) == 30


def given(kind: str, **options: Any) -> Any:
    return (httpx.Client if kind == "sync" else httpx.AsyncClient)(**options)


def test_with_an_http_client_only_gzip_is_requested(client: Callable[..., Either], kind: str) -> None:
    with scripted(reply(200, [])) as server:
        client("key", base_url=server.url, http_client=given(kind)).metrics.list(agent_id=1)
    assert server.received[0].headers["accept-encoding"] == "gzip"


def test_cookies_of_an_http_client_stay_with_their_domain(client: Callable[..., Either], kind: str) -> None:
    cookies = httpx.Cookies()
    cookies.set("sid", "private", domain="other.example")
    cookies.set("sid", "secret", domain="another.example")
    with scripted(reply(200, [])) as server:
        client("key", base_url=server.url, http_client=given(kind, cookies=cookies)).metrics.list(agent_id=1)
    assert "cookie" not in server.received[0].headers


def test_changes_of_the_generated_client_do_not_affect_the_client(client: Callable[..., Either]) -> None:
    with scripted(reply(200, [])) as server:
        cekura = client("key", base_url=server.url)
        cekura.metrics.list(agent_id=1)
        cekura.client.api.get_httpx_client()
        cekura.client.api.with_headers({"X-Tenant": "b"}).with_cookies({"a": "b"}).with_timeout(httpx.Timeout(5))
        cekura.metrics.list(agent_id=1)
        assert cekura.endpoint(list_metrics, agent_id=1).parsed == []
    assert [set(request.headers) & {"x-tenant", "cookie"} for request in server.received] == [set()] * 3


@pytest.mark.parametrize("location", ["mailto:x", "https:x", "javascript:alert(1)", "http://xn--/", "http://["])
def test_a_malformed_redirect_raises_our_own_error(client: Callable[..., Either], location: str) -> None:
    with scripted(reply(302, b"", {"Location": location})) as server:
        cekura = client("key", base_url=server.url, max_retries=0)
        with pytest.raises(facade.APIError):
            cekura.metrics.get(5)
        server.replies[:] = [reply(200, []), reply(302, b"", {"Location": location}), reply(200, [])]
        with pytest.raises((facade.BulkCreateUncertainError, facade.APIError)) as caught:
            client("key", base_url=server.url, max_retries=0, settle_timeout=0).metrics.create_in_bulk([METRIC])
    assert isinstance(caught.value, facade.BulkCreateUncertainError)


def test_a_cyclic_argument_is_refused(client: Callable[..., Either]) -> None:
    cycle: list[Any] = []
    cycle.append(cycle)
    with scripted(reply(200, {})) as server:
        cekura = client("key", base_url=server.url)
        calls: list[Callable[[], Any]] = [
            lambda: cekura.metrics.create(name="q", eval_type="binary", configuration=cycle),
            lambda: cekura.metrics.update(5, {"new": cycle}),
            lambda: cekura.metrics.create_in_bulk([{**METRIC, "new": cycle}]),
        ]
        for call in calls:
            with pytest.raises(facade.InvalidRequestError):
                call()
    assert server.received == []


def test_a_callback_that_changes_the_state_loses_no_suggestion() -> None:
    def change(progress: facade.GenerateMetricsProgress) -> None:
        progress.metrics = None

    http = FakeHTTP(httpx.Response(200, json={"status": "completed", "metrics": [{"name": "a"}]}))
    assert [metric.name for metric in run(wait(http, Handle(GENERATION, JOB), 60, change))] == ["a"]
