"""Requests, retries, redirects and limits."""

from __future__ import annotations

import asyncio
import gzip
import logging
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from cekura_api.api.agents import get_agent, list_agents
from cekura_api.api.metrics import delete_metric, list_metrics, update_metric
from cekura_api.models import Metric

import cekura_facade as facade
from cekura_facade._http import HTTP, ask
from cekura_facade._jobs import Handle
from cekura_facade._saving import create_in_bulk
from cekura_facade._workflow import generate, generation_request
from tests.fake_http import BASE_URL, FakeHTTP, Slow, run
from tests.support import Either, Received, VirtualClock, reply, scripted

JOB = "0f8fad5b-d9cb-469f-a165-70867728950e"
STARTED = reply(200, {"progress_id": JOB})
STARTED_RESPONSE = httpx.Response(200, json={"progress_id": JOB})
EMPTY = httpx.Response(200, json=[])
SOON = {"Retry-After": "0"}
NO_RESPONSE = httpx.RemoteProtocolError("Server disconnected without sending a response.")


def read(cekura: Either) -> Any:
    return cekura.metrics.list(agent_id=1)


def write(cekura: Either) -> Any:
    return cekura.metrics.generate(agent_id=1)


async def read_by(http: HTTP) -> list[Metric]:
    return await ask(http, list_metrics, agent_id=1)


async def write_by(http: HTTP) -> Handle[Any, Any]:
    return await generate(http, generation_request(1, None, 1))


def redirect(status: int, target: str) -> httpx.Response:
    return httpx.Response(status, headers={"Location": target})


@pytest.mark.parametrize(
    "failure", [reply(503, b"", SOON), b"", b"garbage", b"HTTP/1.1 200 OK\r\n"], ids=lambda failure: str(failure[:14])
)
def test_a_read_is_retried_after_any_failure_of_the_connection(client: Callable[..., Either], failure: bytes) -> None:
    with scripted(failure, reply(200, [])) as server:
        assert read(client("key", base_url=server.url)) == []
    assert len(server.received) == 2


@pytest.mark.parametrize(
    "failure",
    [
        *(httpx.Response(status, headers=SOON) for status in (408, 429, 500, 502, 503, 504)),
        *(httpx.Response(status) for status in (408, 429, 500, 502, 503, 504)),
        NO_RESPONSE,
        httpx.ConnectError("refused"),
        Slow(31, EMPTY),
    ],
    ids=str,
)
def test_a_read_is_sent_again(failure: Any) -> None:
    http = FakeHTTP(failure, EMPTY)
    assert run(read_by(http)) == []
    first, second = http.requests
    assert first == second


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 418, 422, 501])
def test_a_request_that_would_fail_again_is_not_retried(status: int) -> None:
    http = FakeHTTP(httpx.Response(status, headers=SOON), EMPTY)
    with pytest.raises(facade.APIStatusError):
        run(read_by(http))
    assert len(http.requests) == 1


def test_a_write_is_sent_again_with_its_body(client: Callable[..., Either]) -> None:
    with scripted(reply(429, b"", SOON), STARTED) as server:
        assert write(client("key", base_url=server.url)).progress_id == JOB
    first, second = server.received
    assert (first.method, first.path, first.json) == (second.method, second.path, second.json)


@pytest.mark.parametrize(
    "failure",
    [
        httpx.Response(429, headers=SOON),
        httpx.Response(429),
        httpx.Response(503, headers=SOON),
        httpx.ConnectError("refused"),
        httpx.ConnectTimeout("late"),
        httpx.PoolTimeout("in use"),
    ],
    ids=str,
)
def test_a_write_that_was_not_processed_is_sent_again(failure: Any) -> None:
    http = FakeHTTP(failure, STARTED_RESPONSE)
    assert run(write_by(http)).progress_id == JOB
    first, second = http.requests
    assert first == second


@pytest.mark.parametrize("failure", [b"", b"garbage"], ids=["no response", "not HTTP"])
def test_a_write_whose_response_is_lost_is_not_sent_again(client: Callable[..., Either], failure: bytes) -> None:
    with scripted(failure, STARTED) as server, pytest.raises(facade.APIError):
        write(client("key", base_url=server.url))
    assert [request.method for request in server.received] == ["POST"]


@pytest.mark.parametrize(
    "failure",
    [
        *(httpx.Response(status) for status in (408, 500, 502, 503, 504)),
        httpx.Response(500, headers=SOON),
        NO_RESPONSE,
        httpx.ReadError("reset"),
        httpx.WriteError("reset"),
        Slow(31, STARTED_RESPONSE),
    ],
    ids=str,
)
def test_a_write_that_may_have_been_processed_is_not_sent_again(failure: Any) -> None:
    http = FakeHTTP(failure, STARTED_RESPONSE)
    with pytest.raises(facade.APIError):
        run(write_by(http))
    assert [request.method for request in http.requests] == ["POST"]


@pytest.mark.parametrize("failure", [reply(500, b"", SOON), b""], ids=["500", "no response"])
def test_a_function_of_the_generated_client_is_retried_if_the_operation_is_idempotent(
    client: Callable[..., Either], failure: bytes
) -> None:
    with scripted(failure, reply(204)) as server:
        assert client("key", base_url=server.url).endpoint(delete_metric, 5).status_code == 204
    assert [request.method for request in server.received] == ["DELETE", "DELETE"]


@pytest.mark.parametrize("retries", [0, 1, 4])
def test_max_retries_is_the_number_of_retries(retries: int) -> None:
    http = FakeHTTP(httpx.Response(500, headers=SOON), max_retries=retries)
    with pytest.raises(facade.InternalServerError):
        run(read_by(http))
    assert len(http.requests) == retries + 1


def test_retry_after_may_be_a_date_or_too_long() -> None:
    later = (datetime.now(UTC) + timedelta(hours=1)).strftime("%a, %d %b %Y %H:%M:%S GMT")
    http = FakeHTTP(httpx.Response(429, json={"detail": "slow down"}, headers={"Retry-After": later}))
    with pytest.raises(facade.RateLimitError, match="slow down") as caught:
        run(read_by(http))
    assert len(http.requests) == 1
    assert caught.value.retry_after == pytest.approx(3600, abs=60)


def test_retry_after_is_respected(client: Callable[..., Either], clock: VirtualClock) -> None:
    with scripted(reply(429, b"", {"Retry-After": "7"}), reply(200, [])) as server:
        assert read(client("key", base_url=server.url)) == []
    assert clock.pauses == [7]


@pytest.mark.parametrize("value", ["", "soon", "-5", "nan", "1e999", "Mon, 99 Foo 2020"])
def test_a_retry_after_that_cannot_be_read_does_not_count(value: str) -> None:
    http = FakeHTTP(httpx.Response(429, headers={"Retry-After": value}), EMPTY)
    assert run(read_by(http)) == []
    assert http.clock.now() <= 0.5


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_is_followed_to_another_origin(client: Callable[..., Either], status: int, kind: str) -> None:
    http: Any = httpx.Client if kind == "sync" else httpx.AsyncClient
    with scripted(reply(200, [])) as other:
        for given in (None, lambda: http(follow_redirects=True)):
            with scripted(reply(status, b"", {"Location": other.url + "/x/"})) as server:
                for call in (read, write):
                    cekura = client("key", base_url=server.url, http_client=given and given())
                    with pytest.raises(facade.APIStatusError, match="redirects to " + other.url) as caught:
                        call(cekura)
                    assert caught.value.status_code == status
    assert other.received == []


def test_an_absolute_url_of_another_origin_gets_no_credential(client: Callable[..., Either], kind: str) -> None:
    """Such as in `next` links."""
    with scripted(reply(200, [])) as server, scripted(reply(200, [])) as other:
        api = client("key", base_url=server.url).client.api
        for url in (server.url, other.url):
            if kind == "sync":
                api.get_httpx_client().request("GET", url + "/x/")
            else:
                client("key", base_url=server.url).run(get(server.url, url))
    assert {request.headers.get("x-cekura-api-key") for request in server.received} == {"key"}
    assert {request.headers.get("x-cekura-api-key") for request in other.received} == {None}


async def get(base_url: str, url: str) -> None:
    async with facade.AsyncCekura("key", base_url=base_url) as cekura:
        await cekura.api.get_async_httpx_client().request("GET", url + "/x/")


def test_a_read_is_redirected_on_the_same_connection(client: Callable[..., Either]) -> None:
    with scripted(reply(307, b"", {"Location": "/elsewhere/"}), reply(200, [])) as server:
        assert read(client("key", base_url=server.url)) == []
    assert server.received[1].path == "/elsewhere/"
    assert {request.headers["x-cekura-api-key"] for request in server.received} == {"key"}


@pytest.mark.parametrize("status", [301, 302, 307, 308])
@pytest.mark.parametrize("target", ["/elsewhere/", BASE_URL + "/elsewhere/", BASE_URL + ":80/elsewhere/"])
def test_a_read_is_redirected_on_the_same_origin(status: int, target: str) -> None:
    http = FakeHTTP(redirect(status, target), EMPTY)
    assert run(read_by(http)) == []
    assert http.requests[1].path == "/elsewhere/"
    assert {request.headers["x-cekura-api-key"] for request in http.requests} == {"key"}


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_write_is_never_redirected(status: int) -> None:
    writes: list[Callable[[HTTP], Coroutine[object, None, object]]] = [
        write_by,
        lambda http: ask(http, update_metric, 1, body={"name": "x"}),
        lambda http: ask(http, delete_metric, 1),
    ]
    for write in writes:
        http = FakeHTTP(redirect(status, "/elsewhere/"), STARTED_RESPONSE)
        with pytest.raises(facade.APIStatusError, match=r"redirects to .*, which is not followed"):
            run(write(http))
        (request,) = http.requests
        assert request.path in ("/test_framework/v1/metrics/generate_metrics/", "/test_framework/v1/metrics/1/")


def test_text_of_a_redirect_is_only_quoted() -> None:
    http = FakeHTTP(redirect(307, "//127.0.0.1:1/{wait!r}/{0.__class__"))
    with pytest.raises(facade.APIStatusError, match="which is not followed"):
        run(write_by(http))


def test_a_redirect_loop_ends() -> None:
    http = FakeHTTP(redirect(302, "/again/"))
    with pytest.raises(facade.APIStatusError):
        run(read_by(http))
    assert len(http.requests) == 6


def test_json_is_sent(client: Callable[..., Either]) -> None:
    with scripted(STARTED) as server:
        write(client("key", base_url=server.url))
    request = server.received[0]
    assert request.headers["content-type"] == "application/json"
    assert request.headers["user-agent"].startswith(f"cekura-facade/{facade.__version__} ")
    assert request.json == {"agent_id": 1, "num_metrics": 1}


def test_the_users_http_client_is_used_and_stays_open(client: Callable[..., Either], kind: str) -> None:
    seen: list[str] = []

    async def awaited_hook(request: httpx.Request) -> None:
        seen.append(request.headers["x-mine"])

    hooks: Any = [lambda request: seen.append(request.headers["x-mine"])] if kind == "sync" else [awaited_hook]
    http: Any = (httpx.Client if kind == "sync" else httpx.AsyncClient)(
        headers={"X-Mine": "1", "User-Agent": "acme/2"}, event_hooks={"request": hooks}
    )
    with scripted(reply(200, [])) as server:
        cekura = client("key", base_url=server.url, http_client=http)
        read(cekura)
        cekura.close_client()
        assert not http.is_closed
    assert seen == ["1"]
    assert server.received[0].headers["user-agent"].startswith("acme/2 cekura-facade/")


def test_a_user_agent_precedes_the_others(client: Callable[..., Either], kind: str) -> None:
    http: Any = (httpx.Client if kind == "sync" else httpx.AsyncClient)(headers={"User-Agent": "theirs/2"})
    with scripted(reply(200, [])) as server:
        for given in (None, http):
            read(client("key", base_url=server.url, http_client=given, user_agent="acme-sdk/1.0 (voice)"))
    ours, both = (request.headers["user-agent"] for request in server.received)
    assert ours.startswith("acme-sdk/1.0 (voice) cekura-facade/")
    assert both.startswith("acme-sdk/1.0 (voice) theirs/2 cekura-facade/")


def test_a_response_beyond_the_limit_is_refused(client: Callable[..., Either]) -> None:
    packed = gzip.compress(b"[" + b" " * 3_000_000 + b"]")
    too_large = [
        reply(200, b"[" + b" " * 2000 + b"]"),
        b"HTTP/1.1 200 OK\r\n\r\n[" + b" " * 2000 + b"]",
        reply(200, packed, {"Content-Encoding": "gzip"}),
        reply(200, gzip.compress(packed), {"Content-Encoding": "gzip, gzip"}),
        reply(200, b"[]", {"Content-Encoding": "br"}),
    ]
    for answer in too_large:
        with scripted(answer) as server, pytest.raises(facade.UnexpectedResponseError):
            read(client("key", base_url=server.url, max_response_bytes=1000))
    with scripted(reply(200, gzip.compress(b"[]"), {"Content-Encoding": "gzip"})) as server:
        assert read(client("key", base_url=server.url, max_response_bytes=1000)) == []


@pytest.mark.parametrize("headers", [{"Content-Encoding": "br"}, {}])
def test_an_error_beyond_the_limit_keeps_its_status(client: Callable[..., Either], headers: dict[str, str]) -> None:
    with scripted(reply(503, b" " * 2000, headers | SOON), reply(401, b" " * 2000, headers)) as server:
        cekura = client("key", base_url=server.url, max_response_bytes=1000)
        with pytest.raises(facade.AuthenticationError):
            read(cekura)
    assert len(server.received) == 2


@pytest.mark.parametrize(
    "response",
    [httpx.Response(500), httpx.Response(504), httpx.Response(200, text="<html>"), EMPTY, NO_RESPONSE],
    ids=str,
)
def test_no_advice_says_to_send_again_without_checking(response: Any) -> None:
    http = FakeHTTP(response)
    with pytest.raises(facade.APIError, match=r"Check before you send it again"):
        run(write_by(http))
    assert len(http.requests) == 1


@pytest.mark.parametrize("status", [200, 201, 202])
def test_any_success_status_is_a_success(status: int) -> None:
    http = FakeHTTP(httpx.Response(status, json=[]), httpx.Response(status, json=[{"id": 1, "name": "x"}]))
    saved = run(create_in_bulk(http, [{"name": "x", "eval_type": "binary"}]))
    assert [metric.id for metric in saved] == [1]


def test_the_generated_client_stays_on_its_transport(client: Callable[..., Either], kind: str) -> None:
    with scripted(reply(200, {"id": 1})) as server:
        cekura = client("key", base_url=server.url)
        api = cekura.client.api.with_headers({"X-Mine": "1"}).with_cookies({"a": "b"})
        call = get_agent.sync if kind == "sync" else lambda *a, **k: cekura.run(get_agent.asyncio(*a, **k))
        call(1, client=api)
        assert server.received[0].headers["x-cekura-api-key"] == "key"
        assert server.received[0].headers["x-mine"] == "1"
        with pytest.raises(facade.ConfigurationError, match="timeout"):
            call(1, client=api.with_timeout(httpx.Timeout(5)))
        with pytest.raises(facade.ConfigurationError, match=r"`sync`" if kind == "sync" else r"`asyncio`"):
            asyncio.run(get_agent.asyncio(1, client=api)) if kind == "sync" else get_agent.sync(1, client=api)


def test_the_auth_of_an_http_client_does_not_replace_a_bearer_token(client: Callable[..., Either], kind: str) -> None:
    http: Any = (httpx.Client if kind == "sync" else httpx.AsyncClient)(auth=("user", "password"))
    with scripted(reply(200, [])) as server:
        read(client(bearer_token="token", base_url=server.url, http_client=http))
    assert server.received[0].headers["authorization"] == "Bearer token"


def test_a_response_that_a_hook_has_read_is_used_unchanged(client: Callable[..., Either], kind: str) -> None:
    """A hook may read the response, and a transport of the user may return it in one piece."""

    def read_it(response: httpx.Response) -> None:
        response.read()

    async def aread_it(response: httpx.Response) -> None:
        await response.aread()

    packed = {"Content-Encoding": "gzip"}
    with scripted(reply(200, gzip.compress(b"[]"), packed), reply(401, {"detail": "no"})) as server:
        kinds: Any = {"sync": (httpx.Client, read_it), "async": (httpx.AsyncClient, aread_it)}[kind]
        cekura = client("key", base_url=server.url, http_client=kinds[0](event_hooks={"response": [kinds[1]]}))
        assert read(cekura) == []
        with pytest.raises(facade.AuthenticationError, match="no"):
            read(cekura)
    transport = httpx.MockTransport(lambda request: httpx.Response(200, json=[{"id": 7, "name": "x"}]))
    assert read(client("key", base_url="http://127.0.0.1", http_client=kinds[0](transport=transport)))[0].id == 7


@pytest.mark.parametrize("q", ["\ud800", "x" * 70_000], ids=["half a surrogate pair", "too long"])
def test_text_that_no_url_can_contain_is_refused_before_sending(client: Callable[..., Either], q: str) -> None:
    with scripted(reply(200, {})) as server:
        with pytest.raises(facade.InvalidRequestError):
            client("key", base_url=server.url).take(client("key", base_url=server.url).client.agents.list(q=q))
        with pytest.raises(ValueError, match=r"surrogates|at most 1000"):
            client("key", base_url=server.url).endpoint(list_agents, q=q)
    assert server.received == []


def test_a_broken_encoding_is_not_a_result(client: Callable[..., Either]) -> None:
    with scripted(reply(200, b"not gzip", {"Content-Encoding": "gzip"})) as server:
        cekura = client("key", base_url=server.url, max_retries=0)
        with pytest.raises(facade.APIConnectionError):
            read(cekura)


def test_requests_of_the_generated_client_are_retried_as_well(client: Callable[..., Either]) -> None:
    with scripted(reply(503, b""), reply(200, {"id": 1, "agent_name": "a", "new": 5})) as server:
        agent = client("key", base_url=server.url).endpoint(get_agent, 1).parsed
    assert (agent.agent_name, agent.additional_properties["new"]) == ("a", 5)
    with scripted(reply(200, b"<html>")) as server, pytest.raises(facade.UnexpectedResponseError):
        client("key", base_url=server.url).endpoint(get_agent, 1)


def test_no_log_shows_the_credential(client: Callable[..., Either], caplog: pytest.LogCaptureFixture) -> None:
    def echo(request: Received) -> bytes:
        return reply(401, {"detail": request.headers["x-cekura-api-key"]})

    with caplog.at_level(logging.DEBUG), scripted(echo) as server, pytest.raises(facade.AuthenticationError) as caught:
        read(client("sk-very-secret", base_url=server.url))
    assert caplog.records
    assert "sk-very-secret" not in caplog.text + str(caught.value) + repr(caught.value.body)
