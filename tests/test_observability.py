"""Logging and tracing: each request has a log line and a span, and none of them has the credential."""

from __future__ import annotations

import asyncio
import logging
import re
import threading
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import cekura_facade as facade
from tests.support import Either, Received, VirtualClock, closed_port, reply, scripted, trickled

SECRET = "sk-very-secret-0123456789"
AGAIN = reply(503, b"", {"Retry-After": "0"})
METRICS = "/test_framework/v1/metrics/"
GENERATE = "/test_framework/v1/metrics/generate_metrics/"


def lines(caplog: pytest.LogCaptureFixture) -> list[tuple[Any, ...]]:
    """The messages of our logger, without the time."""
    ours = [vars(record) for record in caplog.records if record.name == "cekura_facade"]
    names = ("method", "path", "status", "failure", "attempt")
    return [tuple(record[f"cekura_{name}"] for name in names) for record in ours]


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    with caplog.at_level(logging.INFO, "cekura_facade"):
        yield caplog


def test_each_attempt_has_a_log_line(client: Callable[..., Either], log: pytest.LogCaptureFixture) -> None:
    with scripted(AGAIN, AGAIN, reply(200, []), reply(404, b"")) as server:
        cekura = client("key", base_url=server.url)
        cekura.metrics.list(agent_id=1)
        with pytest.raises(facade.NotFoundError):
            cekura.metrics.generate(agent_id=1)
    assert lines(log) == [
        ("GET", METRICS, 503, None, 1),
        ("GET", METRICS, 503, None, 2),
        ("GET", METRICS, 200, None, 3),
        ("POST", GENERATE, 404, None, 1),
    ]
    (record,) = [record for record in log.records if getattr(record, "cekura_attempt", 0) == 3]
    assert re.fullmatch(rf"GET {METRICS}: 200 in \d+ ms \(attempt 3\)", record.getMessage())
    assert record.levelno == logging.INFO
    ours = {"method", "path", "status", "failure", "milliseconds", "attempt"}
    assert {name for name in vars(record) if "cekura" in name} == {f"cekura_{name}" for name in ours}


def test_without_a_response_the_line_has_the_kind_of_failure(
    client: Callable[..., Either], log: pytest.LogCaptureFixture
) -> None:
    with closed_port() as url, pytest.raises(facade.APIConnectionError):
        client("key", base_url=url, max_retries=1).metrics.list(agent_id=1)
    with scripted(b"") as server, pytest.raises(facade.APIConnectionError):
        client("key", base_url=server.url).metrics.generate(agent_id=1)
    assert lines(log) == [
        ("GET", METRICS, None, "ConnectError", 1),
        ("GET", METRICS, None, "ConnectError", 2),
        ("POST", GENERATE, None, "RemoteProtocolError", 1),
    ]
    assert log.messages[0].startswith(f"GET {METRICS}: ConnectError in ")


def test_a_refused_response_has_its_status(client: Callable[..., Either], log: pytest.LogCaptureFixture) -> None:
    with scripted(reply(200, b" " * 2000)) as server, pytest.raises(facade.UnexpectedResponseError):
        client("key", base_url=server.url, max_response_bytes=1000).metrics.list(agent_id=1)
    assert lines(log) == [("GET", METRICS, 200, None, 1)]


def test_a_redirect_that_is_followed_is_another_request(
    client: Callable[..., Either], log: pytest.LogCaptureFixture
) -> None:
    with scripted(AGAIN, reply(307, b"", {"Location": "/elsewhere/?b"}), AGAIN, reply(200, [])) as server:
        client("key", base_url=server.url).metrics.list(agent_id=1)
    assert lines(log) == [
        ("GET", METRICS, 503, None, 1),
        ("GET", METRICS, 307, None, 2),
        ("GET", "/elsewhere/", 503, None, 1),
        ("GET", "/elsewhere/", 200, None, 2),
    ]


def test_the_milliseconds_include_the_whole_response(
    client: Callable[..., Either], clock: VirtualClock, log: pytest.LogCaptureFixture
) -> None:
    answer = reply(200, b"[]")
    with scripted(lambda request: trickled(answer, clock, 0.001)) as server:
        client("key", base_url=server.url).metrics.list(agent_id=1)
    (logged,) = [vars(record)["cekura_milliseconds"] for record in log.records]
    assert logged == pytest.approx(len(answer))


def test_an_interrupted_request_has_a_log_line(log: pytest.LogCaptureFixture) -> None:
    def interrupt(request: httpx.Request) -> None:
        raise KeyboardInterrupt

    with (
        httpx.Client(event_hooks={"request": [interrupt]}) as http,
        facade.Cekura("key", base_url="http://127.0.0.1:1", http_client=http) as cekura,
        pytest.raises(KeyboardInterrupt),
    ):
        cekura.metrics.list(agent_id=1)
    assert lines(log) == [("GET", METRICS, None, "KeyboardInterrupt", 1)]


def test_a_cancelled_request_has_a_log_line_if_it_was_sent(log: pytest.LogCaptureFixture) -> None:
    """Twenty requests are running, which is the maximum, and one waits."""
    arrived, go_on, number = threading.Semaphore(0), threading.Event(), 20

    def delayed(request: Received) -> bytes:
        arrived.release()
        go_on.wait()
        return reply(200, [])

    def wait_for_all() -> None:
        for _ in range(number):
            arrived.acquire()

    async def main(url: str) -> None:
        async with facade.AsyncCekura("key", base_url=url) as cekura:
            sent = [asyncio.create_task(cekura.metrics.list(agent_id=1)) for _ in range(number)]
            await asyncio.to_thread(wait_for_all)
            waiting = asyncio.create_task(cekura.metrics.generate(agent_id=1))
            await asyncio.sleep(0)
            for task in (sent[0], waiting):
                task.cancel()
            await asyncio.wait([sent[0], waiting])
            go_on.set()
            await asyncio.gather(*sent[1:])

    with scripted(delayed) as server:
        asyncio.run(main(server.url))
    assert lines(log)[0] == ("GET", METRICS, None, "CancelledError", 1)
    assert lines(log)[1:] == [("GET", METRICS, 200, None, 1)] * (number - 1)


@pytest.mark.parametrize("key", [SECRET, "sk/very+secret="])
def test_a_path_is_logged_without_the_credential_in_one_line(
    client: Callable[..., Either], log: pytest.LogCaptureFixture, key: str
) -> None:
    with scripted(reply(200, b"")) as server:
        cekura = client(key, base_url=server.url)
        path = f"/of/{quote(key, safe='')}%0Ax%25/"
        if cekura.kind == "sync":
            cekura.client.api.get_httpx_client().request("GET", path)
        else:
            cekura.run(cekura.client.api.get_async_httpx_client().request("GET", path))
    assert [line[1] for line in lines(log)] == ["/of/[redacted]%0Ax%25/"]


@pytest.fixture
def spans() -> Iterator[tuple[InMemorySpanExporter, TracerProvider]]:
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    yield exporter, provider
    HTTPXClientInstrumentor().uninstrument()
    provider.shutdown()


def statuses(exporter: InMemorySpanExporter) -> list[Any]:
    return [(span.attributes or {}).get("http.status_code") for span in exporter.get_finished_spans()]


@pytest.mark.parametrize("first", [True, False], ids=["instrumented first", "made first"])
def test_each_request_that_is_sent_has_a_span(kind: str, spans: Any, first: bool) -> None:
    """On each connection of an AsyncCekura, new or not."""
    exporter, provider = spans
    barrier = threading.Barrier(5)

    def together(request: Received) -> bytes:
        barrier.wait()
        return reply(200, [])

    async def main(url: str) -> None:
        if first:
            HTTPXClientInstrumentor().instrument(tracer_provider=provider)
        async with facade.AsyncCekura("key", base_url=url) as cekura:
            if not first:
                await asyncio.gather(*(cekura.metrics.list(agent_id=1) for _ in range(5)))
                HTTPXClientInstrumentor().instrument(tracer_provider=provider)
            await asyncio.gather(*(cekura.metrics.list(agent_id=1) for _ in range(5)))
            server.replies[:] = [AGAIN, reply(200, [])]
            await cekura.metrics.list(agent_id=1)

    with scripted(together) as server:
        if kind == "async":
            asyncio.run(main(server.url))
            assert statuses(exporter) == [200] * 5 + [503, 200]
        else:
            server.replies[:] = [AGAIN, reply(200, [])]
            if first:
                HTTPXClientInstrumentor().instrument(tracer_provider=provider)
            with facade.Cekura("key", base_url=server.url) as cekura:
                if not first:
                    HTTPXClientInstrumentor().instrument(tracer_provider=provider)
                cekura.metrics.list(agent_id=1)
            assert statuses(exporter) == [503, 200]


def test_an_instrumented_http_client_has_spans_as_well(client: Callable[..., Either], spans: Any, kind: str) -> None:
    exporter, provider = spans
    http: Any = (httpx.Client if kind == "sync" else httpx.AsyncClient)()
    HTTPXClientInstrumentor.instrument_client(http, tracer_provider=provider)
    with scripted(AGAIN, reply(200, [])) as server:
        client("key", base_url=server.url, http_client=http).metrics.list(agent_id=1)
        client("key", base_url=server.url).metrics.list(agent_id=1)
    assert statuses(exporter) == [503, 200]
    assert [request.headers.get("traceparent") is not None for request in server.received] == [True, True, False]


def echo(request: Received) -> bytes:
    """A response that shows the credential in headers and body."""
    return reply(int(request.path.rpartition("=")[2]), {"detail": SECRET}, {"X-Echo": SECRET})


@pytest.mark.parametrize("given", [False, True], ids=["own client", "given client"])
@pytest.mark.parametrize("settings", [{"api_key": SECRET}, {"bearer_token": SECRET}], ids=["key", "token"])
def test_logs_and_spans_do_not_show_the_credential(
    client: Callable[..., Either],
    kind: str,
    spans: Any,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    settings: dict[str, str],
    given: bool,
) -> None:
    """The logs of all libraries at DEBUG, and spans with the headers of the request, cleaned as the page shows."""
    exporter, provider = spans
    monkeypatch.setenv("OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_CLIENT_REQUEST", ".*")
    monkeypatch.setenv("OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SANITIZE_FIELDS", "x-cekura-api-key,authorization")
    HTTPXClientInstrumentor().instrument(tracer_provider=provider)
    if given:
        settings = {**settings, "http_client": (httpx.Client if kind == "sync" else httpx.AsyncClient)()}  # type: ignore[dict-item]
    hidden = quote(SECRET.replace("-", "%2D"), safe="%")
    redirects = [reply(307, b"", {"Location": f"/elsewhere/?{text}"}) for text in (SECRET, hidden)]
    with caplog.at_level(logging.DEBUG), scripted(echo) as server:
        cekura = client(base_url=server.url, max_retries=0, **settings)
        for status in (200, 400, 401, 500):
            with pytest.raises(facade.APIError):
                cekura.metrics.list(agent_id=status)
        for answer in (*redirects, f"HTTP/1.1 {SECRET}\r\n\r\n".encode(), f"HTTP/1.1 200 X\r\n{SECRET}".encode()):
            server.replies[:] = [answer]
            with pytest.raises(facade.APIError):
                cekura.metrics.list(agent_id=1)
    sent = "x-cekura-api-key" if "api_key" in settings else "authorization"
    assert all(SECRET in request.headers[sent] for request in server.received)
    assert len(server.received) == 8
    for record in caplog.records:
        assert SECRET not in record.getMessage() + str(vars(record))
    logged = {record.name for record in caplog.records}
    assert {"cekura_facade", "httpx", "httpcore.http11", "httpcore.connection"} <= logged
    assert "[redacted]" in caplog.text
    finished = exporter.get_finished_spans()
    assert len(finished) == 8
    for number, span in enumerate(finished):
        # An exception is recorded unchanged, with the line that httpx cannot read.
        assert SECRET not in (span.to_json() if number < 6 else str(span.attributes))
        assert span.attributes[f"http.request.header.{sent.replace('-', '_')}"] == ("[REDACTED]",)


def test_logging_does_not_change_the_request(client: Callable[..., Either], caplog: pytest.LogCaptureFixture) -> None:
    """The key is part of the host name, because httpcore logs the arguments that it connects with."""
    with caplog.at_level(logging.DEBUG), scripted(reply(200, [])) as server:
        assert client("127", base_url=server.url).metrics.list(agent_id=1) == []
