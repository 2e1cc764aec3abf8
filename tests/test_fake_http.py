"""The FakeHTTP itself, which other tests rely on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import httpx
import pytest
from cekura_api.api.metrics import list_metrics

import cekura_facade as facade
from cekura_facade._http import ask
from tests.fake_http import BASE_URL, FakeHTTP, Slow, run
from tests.support import Received

EMPTY = httpx.Response(200, json=[])


def test_the_last_outcome_repeats() -> None:
    http = FakeHTTP(httpx.Response(200, json=[{"id": 1, "name": "x"}]), EMPTY)
    assert [len(run(ask(http, list_metrics))) for _ in range(3)] == [1, 0, 0]


def test_a_request_is_recorded_as_it_was_sent() -> None:
    http = FakeHTTP(EMPTY, api_key="sk-secret", user_agent="acme/1")
    run(ask(http, list_metrics, agent_id=1))
    (request,) = http.requests
    assert (request.method, request.path) == ("GET", "/test_framework/v1/metrics/?agent_id=1")
    assert request.headers["x-cekura-api-key"] == "sk-secret"
    assert request.headers["user-agent"].startswith("acme/1 cekura-facade/")
    assert request.headers["host"] == httpx.URL(BASE_URL).host


def test_an_outcome_may_depend_on_the_request() -> None:
    def respond(request: Received) -> httpx.Response:
        return httpx.Response(404, json={"detail": f"{request.path} does not exist"})

    with pytest.raises(facade.NotFoundError, match=r"/v1/metrics/\?agent_id=1 does not exist"):
        run(ask(FakeHTTP(respond), list_metrics, agent_id=1))


def test_a_request_that_is_not_scripted_fails_the_test() -> None:
    with pytest.raises(AssertionError, match="No outcome is scripted for GET"):
        run(ask(FakeHTTP(), list_metrics))


def test_an_outcome_takes_virtual_time() -> None:
    http = FakeHTTP(Slow(30, EMPTY), timeout=30)
    assert run(ask(http, list_metrics)) == []
    assert http.clock.now() == 30


@pytest.mark.parametrize("deadline", [9, 90])
def test_an_outcome_that_takes_too_long_is_a_timeout(deadline: float) -> None:
    http = FakeHTTP(Slow(31, EMPTY), timeout=30, max_retries=0)
    with pytest.raises(facade.APITimeoutError):
        run(http.send(list_metrics.build_request(), deadline=deadline))
    assert http.clock.now() == min(deadline, 30)


def test_a_function_may_let_time_pass_as_well() -> None:
    def respond(request: Received) -> httpx.Response:
        http.clock.seconds += 31
        return EMPTY

    http = FakeHTTP(respond, timeout=30, max_retries=0)
    with pytest.raises(facade.APITimeoutError):
        run(ask(http, list_metrics))


def test_an_interruption_is_raised() -> None:
    http = FakeHTTP(KeyboardInterrupt("now"), EMPTY)
    with pytest.raises(KeyboardInterrupt, match="now"):
        run(ask(http, list_metrics))
    assert run(ask(http, list_metrics)) == []


def test_a_pause_takes_virtual_time_and_is_recorded() -> None:
    http = FakeHTTP(httpx.Response(429, headers={"Retry-After": "50"}), EMPTY)
    assert run(ask(http, list_metrics)) == []
    assert http.clock.pauses == [50]
    assert http.clock.now() == 50


async def double(number: int) -> int:
    return 2 * number


@pytest.mark.parametrize("function", [double, lambda number: 2 * number])
def test_callbacks_of_both_kinds_are_called(function: Callable[[int], int]) -> None:
    assert run(FakeHTTP().call(function, 21)) == 42


def test_a_workflow_that_waits_for_something_else_fails_the_test() -> None:
    with pytest.raises(AssertionError, match="not its HTTP"):
        run(asyncio.sleep(0))


def test_a_response_that_echoes_the_credential_is_redacted() -> None:
    http = FakeHTTP(httpx.Response(401, json={"detail": "sk-secret is not valid"}), api_key="sk-secret")
    with pytest.raises(facade.AuthenticationError, match=r"\[redacted\] is not valid") as caught:
        run(ask(http, list_metrics))
    assert "sk-secret" not in repr(vars(caught.value))
