"""Errors: for wrong arguments, before anything is sent, and for failures and wrong responses of the service."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Callable, Coroutine
from typing import Any

import httpx
import pytest
from cekura_api.api.metrics import list_metrics

import cekura_facade as facade
from cekura_facade._http import HTTP, ask
from cekura_facade._jobs import GENERATION, Handle, poll
from cekura_facade._saving import create_in_bulk
from cekura_facade._workflow import generate, generation_request
from cekura_facade.sandbox import Sandbox
from tests.fake_http import BASE_URL, FakeHTTP, run
from tests.support import Either, VirtualClock, closed_port, reply, scripted, silence

JOB = "0f8fad5b-d9cb-469f-a165-70867728950e"
GOOD: dict[str, Any] = {"name": "x", "eval_type": "binary"}
HTML = b"<!doctype html><title>Sign in</title>"
STEPS: dict[str, Callable[[HTTP], Coroutine[object, None, object]]] = {
    "generate": lambda http: generate(http, generation_request(1, None, 1)),
    "poll": lambda http: poll(http, Handle(GENERATION, JOB)),
    "create": lambda http: create_in_bulk(http, [GOOD]),
    "list": lambda http: ask(http, list_metrics, agent_id=1),
}


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"agent_id": 1, "assistant_id": "a"},
        {"agent_id": 0},
        {"agent_id": "1"},
        {"agent_id": True},
        {"agent_id": 10**5000},
        {"assistant_id": "\ud800"},
        {"agent_id": 1, "num_metrics": 10**5000},
        {"assistant_id": ""},
        {"assistant_id": " "},
        {"assistant_id": 5},
        {"agent_id": 1, "num_metrics": 0},
        {"agent_id": 1, "num_metrics": 101},
        {"agent_id": 1, "num_metrics": 2.0},
        {"agent_id": 1, "num_metrics": True},
        {"agent_id": 1, "num_metrics": None},
    ],
)
@pytest.mark.parametrize("method", ["generate", "generate_and_create"])
def test_an_invalid_generation_is_not_sent(
    cekura: Either, sandbox: Sandbox, method: str, arguments: dict[str, Any]
) -> None:
    with pytest.raises(facade.InvalidRequestError, match=r"expected|Pass"):
        getattr(cekura.metrics, method)(**arguments)
    assert sandbox.requests == []


@pytest.mark.parametrize(
    "metrics",
    [
        [],
        iter([]),
        None,
        5,
        "name",
        GOOD,
        facade.MetricCreate(name="x", eval_type="binary"),
        [GOOD, None],
        [GOOD, "x"],
        [GOOD, [GOOD]],
        [GOOD, {}],
        [GOOD, {"name": ""}],
        [GOOD, {"name": 5}],
        [GOOD, facade.GeneratedMetric()],
        [GOOD, facade.Metric(id=5, name="saved")],
        [GOOD, GOOD | {"configuration": {1, 2}}],
        [GOOD, GOOD | {"configuration": float("nan")}],
        [GOOD, GOOD | {"configuration": b"bytes"}],
        [GOOD, GOOD | {5: 5}],
    ],
)
def test_a_value_that_is_not_a_metric_is_not_sent(cekura: Either, sandbox: Sandbox, metrics: Any) -> None:
    with pytest.raises(facade.InvalidRequestError) as caught:
        cekura.metrics.create_in_bulk(metrics)
    assert sandbox.requests == []
    if isinstance(metrics, list) and metrics:
        assert "metric 1" in str(caught.value)


@pytest.mark.parametrize("value", ["", "x", "../secrets", JOB + "\n", "{" + JOB + "}", 5, None, b"x"])
def test_a_value_that_is_not_a_progress_id_is_refused(cekura: Either, sandbox: Sandbox, value: Any) -> None:
    with pytest.raises(facade.InvalidRequestError, match="UUID"):
        cekura.metrics.job(value)


@pytest.mark.parametrize("timeout", [-1, float("nan"), "5", None, True])
def test_a_value_that_is_not_a_timeout_is_refused(cekura: Either, sandbox: Sandbox, timeout: Any) -> None:
    with pytest.raises(ValueError, match="timeout="):
        cekura.metrics.job(JOB).wait(timeout=timeout)
    with pytest.raises(ValueError, match="timeout="):
        cekura.metrics.generate_and_create(agent_id=1, timeout=timeout)
    assert sandbox.requests == []


def test_a_refused_metric_is_named_with_its_field(cekura: Either, sandbox: Sandbox) -> None:
    bad = {"name": "Old kind", "eval_type": "binary", "type": "basic"}
    with pytest.raises(facade.BadRequestError) as caught:
        cekura.metrics.create_in_bulk([GOOD, bad, GOOD | {"eval_type": "enum"}])
    assert [(p.index, p.name, p.field) for p in caught.value.problems] == [
        (1, "Old kind", "type"),
        (2, "x", "enum_values"),
    ]
    assert "metric 1 ('Old kind'): type: " in str(caught.value)
    assert sandbox.metrics == []


@pytest.mark.parametrize(
    ("body", "problems"),
    [
        ({"agent_id": ["why", "and why"]}, [("agent_id", "why"), ("agent_id", "and why")]),
        ({"a": {"b": ["why"]}}, [("a.b", "why")]),
        ({"non_field_errors": ["why"]}, [(None, "why")]),
        ({"detail": "why"}, [(None, "why")]),
        ({"error": "why"}, [(None, "why")]),
        ("why", [(None, "why")]),
        (["why", "and why"], [(None, "why"), (None, "and why")]),
        ({}, []),
        (None, []),
    ],
)
def test_every_shape_of_a_400_is_understood(body: Any, problems: list[Any]) -> None:
    http = FakeHTTP(httpx.Response(400, content=json.dumps(body)))
    with pytest.raises(facade.BadRequestError) as caught:
        run(STEPS["generate"](http))
    assert [(problem.field, problem.message) for problem in caught.value.problems] == problems
    assert caught.value.body == body


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, facade.BadRequestError),
        (401, facade.AuthenticationError),
        (403, facade.PermissionDeniedError),
        (404, facade.NotFoundError),
        (409, facade.APIStatusError),
        (413, facade.APIStatusError),
        (429, facade.RateLimitError),
        (500, facade.InternalServerError),
        (502, facade.InternalServerError),
        (503, facade.InternalServerError),
        (504, facade.InternalServerError),
    ],
)
@pytest.mark.parametrize("body", [b'{"detail": "because"}', HTML, b"", b"[1, 2]", b"\xff\xfe", b'"text"', b"null"])
def test_every_status_has_its_error(status: int, error: type[facade.APIStatusError], body: bytes) -> None:
    http = FakeHTTP(httpx.Response(status, content=body, headers={"X-Request-Id": "r-1"}), max_retries=0)
    with pytest.raises(facade.APIStatusError) as caught:
        run(STEPS["generate"](http))
    assert type(caught.value) is error
    assert caught.value.status_code == status
    assert caught.value.request_id == "r-1"
    assert caught.value.method == "POST"
    assert caught.value.url == BASE_URL + "/test_framework/v1/metrics/generate_metrics/"
    assert "<title>" not in str(caught.value)


@pytest.mark.parametrize(
    ("status", "error"), [(401, facade.AuthenticationError), (502, facade.InternalServerError)], ids=["401", "502"]
)
def test_both_clients_raise_the_error_of_a_status(
    client: Callable[..., Either], status: int, error: type[facade.APIStatusError]
) -> None:
    with scripted(reply(status, HTML, {"X-Request-Id": "r-1"})) as server, pytest.raises(error) as caught:
        client("key", base_url=server.url, max_retries=0).metrics.generate(agent_id=1)
    assert caught.value.status_code == status
    assert caught.value.request_id == "r-1"
    assert caught.value.url == server.url + "/test_framework/v1/metrics/generate_metrics/"
    assert "<title>" not in str(caught.value)


WRONG_SHAPES = [
    HTML,
    b"",
    b"null",
    b"5",
    b'"x"',
    b"[5]",
    b'{"id": 1}',
    b'{"status": 5}',
    b"\xff",
    b"[" * 100_000,
    b'[{"id": "1"}]',
]


@pytest.mark.parametrize("body", WRONG_SHAPES, ids=lambda body: str(body[:20]))
@pytest.mark.parametrize("step", STEPS)
def test_a_success_of_the_wrong_shape_is_never_a_result(step: str, body: bytes) -> None:
    http = FakeHTTP(httpx.Response(201 if step == "create" else 200, content=body), max_retries=0)
    with pytest.raises(facade.UnexpectedResponseError) as caught:
        run(STEPS[step](http))
    assert caught.value.progress_id == (JOB if step == "poll" else None)
    assert "Check the base URL" in str(caught.value)


@pytest.mark.parametrize("step", STEPS)
def test_both_clients_refuse_a_login_page(client: Callable[..., Either], step: str) -> None:
    with scripted(reply(200, HTML, type="text/html")) as server:
        metrics = client("key", base_url=server.url, max_retries=0).metrics
        calls: dict[str, Callable[[], Any]] = {
            "generate": lambda: metrics.generate(agent_id=1),
            "poll": lambda: metrics.job(JOB).poll(),
            "create": lambda: metrics.create_in_bulk([GOOD]),
            "list": lambda: metrics.list(agent_id=1),
        }
        with pytest.raises(facade.UnexpectedResponseError, match="Check the base URL") as caught:
            calls[step]()
    assert caught.value.progress_id == (JOB if step == "poll" else None)


@pytest.mark.parametrize("metrics", [None, {}, "x", [None], ["x"], [[]]])
def test_a_completed_job_without_a_list_of_metrics_is_not_a_result(metrics: Any) -> None:
    body = {"agent_id": 1, "status": "completed", "current_step": "", "metrics": metrics, "error": None}
    with pytest.raises(facade.UnexpectedResponseError):
        run(STEPS["poll"](FakeHTTP(httpx.Response(200, json=body))))


def test_no_connection(client: Callable[..., Either]) -> None:
    with closed_port() as url, pytest.raises(facade.APIConnectionError, match="Check the base URL") as caught:
        client("key", base_url=url, max_retries=0).metrics.generate(agent_id=1)
    assert not isinstance(caught.value, facade.APITimeoutError)


def test_no_response_in_time(client: Callable[..., Either], clock: VirtualClock) -> None:
    half = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n1"
    with scripted(lambda request: silence(clock, half)) as server:
        cekura = client("key", base_url=server.url, timeout=20)
        with pytest.raises(facade.APITimeoutError, match="not known"):
            cekura.metrics.generate(agent_id=1)
    assert len(server.received) == 1
    assert clock.seconds == 20


def test_a_client_that_is_closed_says_so(cekura: Either, sandbox: Sandbox) -> None:
    cekura.close_client()
    with pytest.raises(facade.ConfigurationError, match="closed"):
        cekura.metrics.generate(agent_id=1)
    assert sandbox.requests == []


@pytest.mark.parametrize(
    "error",
    [
        facade.ConfigurationError("m"),
        facade.APIConnectionError("m", method="GET", url="u"),
        facade.BadRequestError("m", method="GET", url="u", status_code=400, body={"a": 1}),
        facade.UnexpectedResponseError("m", method="GET", url="u", status_code=200, body="b"),
        facade.GenerationFailedError("m", progress_id=JOB, reason="why"),
        facade.GenerationTimeoutError(
            "m", progress_id=JOB, last_progress=facade.GenerateMetricsProgress(status="queued")
        ),
        facade.BulkCreateUncertainError("m", created=[facade.Metric(id=1, name="x")], unconfirmed=[{"name": "x"}]),
    ],
    ids=lambda error: type(error).__name__,
)
def test_errors_cross_processes_whole(error: facade.CekuraError) -> None:
    error.progress_id = JOB
    for copied in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert type(copied) is type(error)
        assert str(copied) == str(error)
        assert vars(copied) == vars(error)


def test_the_error_tree() -> None:
    tree = {
        "CekuraError": ["ConfigurationError", "InvalidRequestError", "APIError", "GenerationFailedError"],
        "APIError": ["APIConnectionError", "APIStatusError", "UnexpectedResponseError"],
        "APIConnectionError": ["APITimeoutError"],
        "APIStatusError": ["BadRequestError", "AuthenticationError", "PermissionDeniedError", "NotFoundError"],
        "ValueError": ["InvalidRequestError"],
    }
    tree["CekuraError"] += ["GenerationTimeoutError", "BulkCreateUncertainError"]
    tree["APIStatusError"] += ["RateLimitError", "InternalServerError"]
    for base, kinds in tree.items():
        for name in kinds:
            assert issubclass(getattr(facade, name), getattr(facade, base, ValueError))
