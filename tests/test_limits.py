"""Limits: deadlines, the longest wait, the number of retries, and the size of a response."""

from __future__ import annotations

import asyncio
import functools
import gc
import gzip
import itertools
import random
import re
import socket
import threading
import time
import tracemalloc
import zlib
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import httpx
import pytest
from cekura_api.api.metrics import list_metrics

import cekura_facade as facade
from cekura_facade import _body
from cekura_facade._http import HTTP, ask
from cekura_facade._jobs import GENERATION, Handle, wait
from cekura_facade._saving import create_in_bulk
from cekura_facade._workflow import generate, generation_request
from tests.fake_http import FakeHTTP, Slow, run
from tests.support import HANG_LIMIT, Either, Received, Reply, VirtualClock, reply, scripted, silence, trickled

JOB = "0f8fad5b-d9cb-469f-a165-70867728950e"
DONE = {"agent_id": 1, "status": "completed", "current_step": "", "metrics": [], "error": None}
METRIC: dict[str, object] = {"name": "x", "eval_type": "binary"}
STEPS: dict[str, Callable[[Any], Any]] = {
    "generate": lambda metrics: metrics.generate(agent_id=1),
    "poll": lambda metrics: metrics.job(JOB).poll(),
    "wait": lambda metrics: metrics.job(JOB).wait(timeout=2),
    "save": lambda metrics: metrics.create_in_bulk([METRIC]),
    "list": lambda metrics: metrics.list(agent_id=1),
}
MEGABYTE = 1024 * 1024


def good(step: str) -> bytes:
    bodies: dict[str, Any] = {"generate": {"progress_id": JOB}, "poll": DONE, "wait": DONE}
    return reply(200, bodies.get(step, []))


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("where", ["headers", "body"])
def test_a_deadline_ends_any_slow_response(
    client: Callable[..., Either], kind: str, clock: VirtualClock, step: str, where: str
) -> None:
    """The response is valid, and no read takes longer than its timeout. Only a deadline can end it early."""
    ended: list[bool] = []
    # Until the body begins, the event loop of an AsyncCekura enforces the deadline, in real time.
    real = where == "headers" and kind == "async"

    def answer(request: Received) -> Iterator[bytes]:
        head, _, body = good(step).partition(b"\r\n\r\n")
        length = b"Content-Length: %d" % (100 + 64 * MEGABYTE + len(body))
        head = re.sub(rb"Content-Length: \d+", length, head)
        if where == "headers":
            for byte in trickled(head, clock):
                time.sleep(0.02 * real)
                yield byte
        else:
            yield head + b"\r\n\r\n"
            yield from trickled(b" " * 100, clock)
        # This is larger than the buffers of the sockets, so that sending ends only if the client reads it.
        yield from itertools.repeat(b" " * MEGABYTE, 64)
        ended.append(True)
        yield body

    expected = facade.GenerationTimeoutError if step == "wait" else facade.APITimeoutError
    with scripted(answer) as server:
        cekura = client("key", base_url=server.url, timeout=0.1 if real else 30, max_retries=0)
        with pytest.raises(expected) as caught:
            STEPS[step](cekura.metrics)
    assert isinstance(caught.value.__cause__ if step == "wait" else caught.value, facade.APITimeoutError)
    assert ended == []


def test_a_wait_ends_in_time_with_slow_requests(client: Callable[..., Either], clock: VirtualClock) -> None:
    with scripted(lambda request: trickled(good("wait"), clock)) as server:
        job = client("key", base_url=server.url, timeout=10_000).metrics.job(JOB)
        with pytest.raises(facade.GenerationTimeoutError):
            job.wait(timeout=30)


def test_a_list_while_saving_ends_at_its_deadline(client: Callable[..., Either], clock: VirtualClock) -> None:
    saved = reply(200, [{"id": 1, **METRIC}])
    replies: list[Reply] = [reply(200, []), reply(500), lambda request: trickled(saved, clock)]
    with scripted(*replies) as server:
        cekura = client("key", base_url=server.url, timeout=30, max_retries=0, settle_timeout=0)
        with pytest.raises(facade.BulkCreateUncertainError) as caught:
            cekura.metrics.create_in_bulk([METRIC])
    assert isinstance(caught.value.__cause__, facade.APITimeoutError)


@pytest.mark.parametrize("status", [401, 500])
@pytest.mark.parametrize("how", ["stops", "ends", "not gzip", "not asked for", "trickles"])
def test_an_error_with_a_late_or_broken_body_keeps_its_status(
    client: Callable[..., Either], clock: VirtualClock, monkeypatch: pytest.MonkeyPatch, status: int, how: str
) -> None:
    head = f"HTTP/1.1 {status} X\r\nContent-Length: 100\r\n".encode()
    add, status_is_known = _body.Body.add, threading.Event()

    def add_and_tell(body: _body.Body, chunk: bytes) -> None:
        status_is_known.set()
        add(body, chunk)

    monkeypatch.setattr(_body.Body, "add", add_and_tell)

    def trickle(request: Received) -> Iterator[bytes]:
        yield head + b"\r\n "
        status_is_known.wait(HANG_LIMIT)
        yield from trickled(b" " * 99, clock, 0.1)

    bodies: dict[str, Reply] = {
        "stops": lambda request: silence(clock, head + b"\r\nabc"),
        "ends": head + b"Connection: close\r\n\r\nabc",
        "not gzip": head + b"Content-Encoding: gzip\r\n\r\nabc" + b" " * 97,
        "not asked for": head + b"Content-Encoding: br\r\n\r\n" + b" " * 100,
        "trickles": trickle,
    }
    with scripted(bodies[how]) as server, pytest.raises(facade.APIStatusError) as caught:
        client("key", base_url=server.url, timeout=9, max_retries=0).metrics.generate(agent_id=1)
    assert caught.value.status_code == status


def test_a_request_that_times_out_while_connecting_was_not_sent(
    client: Callable[..., Either], clock: VirtualClock
) -> None:
    """The queue of the socket is full, so that connections get no response."""
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        with socket.socket() as first, socket.socket() as second:
            for each in (first, second):
                each.setblocking(False)
                each.connect_ex(full.getsockname())
            url = f"http://127.0.0.1:{full.getsockname()[1]}"
            clock.silent.set()
            with pytest.raises(facade.APITimeoutError) as caught:
                client("key", base_url=url, max_retries=0).metrics.generate(agent_id=1)
    assert "not known" not in str(caught.value)


WAIT = "Retry-After"
FLOWS: dict[str, Callable[[HTTP], Coroutine[object, None, object]]] = {
    "generate": lambda http: generate(http, generation_request(1, None, 1)),
    "list": lambda http: ask(http, list_metrics, agent_id=1),
    "save": lambda http: create_in_bulk(http, [METRIC]),
}


@pytest.mark.parametrize("step", FLOWS)
def test_a_wait_beyond_a_minute_is_left_to_the_caller(step: str) -> None:
    http = FakeHTTP(httpx.Response(429, headers={WAIT: "61"}))
    with pytest.raises(facade.RateLimitError) as caught:
        run(FLOWS[step](http))
    assert caught.value.retry_after == 61
    assert len(http.requests) == 1
    assert http.clock.pauses == []


@pytest.mark.parametrize("step", FLOWS)
def test_a_retry_after_of_a_minute_is_respected(step: str) -> None:
    done = {"generate": {"progress_id": JOB}, "list": [], "save": [{"id": 1, **METRIC}]}[step]
    http = FakeHTTP(httpx.Response(429, headers={WAIT: "60"}), httpx.Response(200, json=done))
    run(FLOWS[step](http))
    assert http.clock.pauses == [60]
    assert http.clock.now() == 60


def test_after_a_429_every_request_waits() -> None:
    """The first request is out of retries, and the next one is sent when the service accepts requests again."""
    http = FakeHTTP(httpx.Response(429, headers={WAIT: "20"}), httpx.Response(200, json=[]), max_retries=0)
    with pytest.raises(facade.RateLimitError):
        run(FLOWS["list"](http))
    assert http.clock.now() == 0
    run(FLOWS["list"](http))
    assert http.clock.now() == 20


@pytest.mark.parametrize("seconds", ["2", "86400"])
def test_pauses_never_exceed_the_timeout(seconds: str) -> None:
    http = FakeHTTP(httpx.Response(429, headers={WAIT: seconds}))
    with pytest.raises(facade.GenerationTimeoutError) as caught:
        run(wait(http, Handle(GENERATION, JOB), 0.3))
    assert isinstance(caught.value.__cause__, facade.RateLimitError)
    assert len(http.requests) == 2
    assert http.clock.now() == 0.3


def test_a_wait_ends_in_time_with_slow_responses() -> None:
    """The last poll starts at the end of the wait, and has one more second."""
    http = FakeHTTP(Slow(10_000, httpx.Response(200, json=DONE)), timeout=10_000)
    with pytest.raises(facade.GenerationTimeoutError) as caught:
        run(wait(http, Handle(GENERATION, JOB), 30))
    assert isinstance(caught.value.__cause__, facade.APITimeoutError)
    assert 30 <= http.clock.now() <= 31


@pytest.mark.parametrize(("deadline", "number"), [(9.9, 1), (19.9, 2)])
def test_no_retry_starts_after_the_deadline(deadline: float, number: int) -> None:
    http = FakeHTTP(Slow(4, httpx.Response(503, headers={WAIT: "6"})))
    with pytest.raises(facade.InternalServerError):
        run(http.send(list_metrics.build_request(), deadline=deadline))
    assert len(http.requests) == number


def test_a_retry_after_date_is_compared_with_the_date_header() -> None:
    headers = {WAIT: "Sat, 01 Jan 2000 00:02:00 GMT", "Date": "Sat, 01 Jan 2000 00:00:00 GMT"}
    http = FakeHTTP(httpx.Response(429, headers=headers))
    with pytest.raises(facade.RateLimitError) as caught:
        run(FLOWS["list"](http))
    assert caught.value.retry_after == 120


def test_the_total_number_of_retries_is_limited() -> None:
    failure = httpx.Response(500, headers={WAIT: "0"})
    http = FakeHTTP(failure, max_retries=1)
    for _ in range(15):
        with pytest.raises(facade.InternalServerError):
            run(FLOWS["list"](http))
    assert len(http.requests) == 15 + 10
    http.outcomes = [httpx.Response(200, json=[])]
    for _ in range(10):
        run(FLOWS["list"](http))
    http.outcomes = [failure]
    http.requests.clear()
    for _ in range(2):
        with pytest.raises(facade.InternalServerError):
            run(FLOWS["list"](http))
    assert len(http.requests) == 2 + 1


def test_pauses_are_random_up_to_a_bound_that_grows(monkeypatch: pytest.MonkeyPatch) -> None:
    """With full jitter, each pause is random between 0 and 0.5, 1, 2, … seconds."""
    bounds: list[tuple[float, float]] = []

    def uniform(low: float, high: float) -> float:
        bounds.append((low, high))
        return high / 4

    monkeypatch.setattr(random, "uniform", uniform)
    http = FakeHTTP(httpx.Response(500), max_retries=6)
    with pytest.raises(facade.InternalServerError):
        run(FLOWS["list"](http))
    assert len(http.requests) == 7
    assert bounds[:6] == [(0, 0.5), (0, 1), (0, 2), (0, 4), (0, 8), (0, 8)]
    assert http.clock.pauses == [0.125, 0.25, 0.5, 1, 2, 2]


@pytest.mark.parametrize("step", ["generate", "list", "save"])
def test_both_clients_leave_a_long_wait_to_the_caller(
    client: Callable[..., Either], clock: VirtualClock, step: str
) -> None:
    with scripted(reply(429, b"", {WAIT: "61"})) as server, pytest.raises(facade.RateLimitError) as caught:
        STEPS[step](client("key", base_url=server.url).metrics)
    assert caught.value.retry_after == 61
    assert len(server.received) == 1
    assert clock.seconds == 0


def test_both_clients_limit_the_total_number_of_retries(client: Callable[..., Either]) -> None:
    with scripted(reply(500, b"", {WAIT: "0"})) as server:
        cekura = client("key", base_url=server.url, max_retries=1)
        for _ in range(15):
            with pytest.raises(facade.InternalServerError):
                STEPS["list"](cekura.metrics)
    assert len(server.received) == 15 + 10


def flood(head: bytes, piece: bytes, pieces: int, sent: list[int]) -> Callable[[Received], Iterator[bytes]]:
    def answer(request: Received) -> Iterator[bytes]:
        yield head
        for _ in range(pieces):
            sent.append(len(piece))
            yield piece

    return answer


START = b"HTTP/1.1 200 OK\r\n"
PIECE = bytes(MEGABYTE)
FLOODS: dict[str, tuple[bytes, bytes, int]] = {
    "said": (START + b"Content-Length: 1073741824\r\n\r\n", PIECE, 1024),
    "not said": (START + b"Connection: close\r\n\r\n", PIECE, 1024),
    "chunked": (START + b"Transfer-Encoding: chunked\r\n\r\n", b"100000\r\n" + PIECE + b"\r\n", 1024),
    "packed": (START + b"Content-Encoding: gzip\r\nConnection: close\r\n\r\n", b"", 1),
    "headers": (START, b"X: " + b"x" * 4000 + b"\r\n", 100_000),
}


@functools.cache
def packed_gigabyte() -> bytes:
    packer = zlib.compressobj(1, zlib.DEFLATED, 31)
    return b"".join(packer.compress(PIECE) for _ in range(1024)) + packer.flush()


@pytest.mark.parametrize("flooded", FLOODS)
def test_a_gigabyte_is_refused_with_flat_memory(client: Callable[..., Either], flooded: str) -> None:
    sent: list[int] = []
    head, piece, pieces = FLOODS[flooded]
    with scripted(flood(head, piece or packed_gigabyte(), pieces, sent)) as server:
        cekura = client("key", base_url=server.url, max_retries=0, max_response_bytes=MEGABYTE)
        tracemalloc.start()
        try:
            with pytest.raises(facade.APIError) as caught:
                STEPS["list"](cekura.metrics)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert type(caught.value) is (facade.APIConnectionError if flooded == "headers" else facade.UnexpectedResponseError)
    assert peak < 16 * MEGABYTE
    assert sum(sent) < 64 * MEGABYTE


def test_an_error_of_a_gigabyte_is_cut_short(client: Callable[..., Either]) -> None:
    sent: list[int] = []
    head = b"HTTP/1.1 403 Forbidden\r\nConnection: close\r\n\r\n"
    with scripted(flood(head, bytes(MEGABYTE), 1024, sent)) as server, pytest.raises(facade.PermissionDeniedError):
        STEPS["list"](client("key", base_url=server.url, max_response_bytes=MEGABYTE).metrics)
    assert sum(sent) < 64 * MEGABYTE


def test_a_compressed_response_is_decompressed(client: Callable[..., Either]) -> None:
    packed = gzip.compress(b"[" + b" " * 100_000 + b"]")
    with scripted(reply(200, packed, {"Content-Encoding": "gzip"})) as server:
        assert STEPS["list"](client("key", base_url=server.url).metrics) == []
        server.replies[:] = [reply(200, packed[:-10], {"Content-Encoding": "gzip"})]
        with pytest.raises(facade.APIConnectionError, match="compressed body is incomplete"):
            STEPS["list"](client("key", base_url=server.url, max_retries=0).metrics)


@pytest.mark.parametrize("days", [-1, 1])
def test_a_clock_that_jumps_changes_nothing(
    client: Callable[..., Either], monkeypatch: pytest.MonkeyPatch, days: int
) -> None:
    real, jumped = time.time, threading.Event()

    def later(request: Received) -> bytes:
        jumped.set()
        return reply(200, DONE | {"status": "queued"})

    monkeypatch.setattr(time, "time", lambda: real() + 86400 * days * jumped.is_set())
    with scripted(later, reply(200, DONE)) as server:
        assert client("key", base_url=server.url).metrics.job(JOB).wait(timeout=60) == []


@pytest.mark.parametrize("answer", ["too large", "too late"])
def test_a_truncated_response_leaves_no_task(clock: VirtualClock, answer: str) -> None:
    """Not even for a moment, or until garbage collection."""

    def respond(request: Received) -> Iterator[bytes]:
        yield START + b"Connection: close\r\n\r\n"
        yield from trickled(b" " * 100, clock) if answer == "too late" else [PIECE] * 64
        yield from silence(clock)

    async def main(cekura: Either) -> list[int]:
        tasks = []
        with pytest.raises(facade.UnexpectedResponseError if answer == "too large" else facade.APITimeoutError):
            await cekura.client.metrics.job(JOB).poll()
        for _ in range(5):
            tasks.append(len(asyncio.all_tasks()))
            await asyncio.sleep(0)
        return tasks

    gc.disable()
    try:
        with scripted(respond) as server:
            cekura = Either(
                "async", "key", base_url=server.url, max_response_bytes=MEGABYTE, max_retries=0, clock=clock
            )
            assert cekura.run(main(cekura)) == [1] * 5
            cekura.close()
    finally:
        gc.enable()
