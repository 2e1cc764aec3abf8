"""The sandbox behaves like the API, over real sockets."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from cekura_facade.sandbox import ManualClock, Sandbox

V1 = "/test_framework/v1"
GENERATE = f"{V1}/metrics/generate_metrics/"
PROGRESS = f"{V1}/metrics/generate_metrics_progress/"
BULK = f"{V1}/metrics/bulk_create/"
METRICS = f"{V1}/metrics/"
AGENTS = f"{V1}/aiagents/"
CLINIC, BANK, SURVEY = 101, 102, 104
UNKNOWN_JOB = "11111111-2222-4333-8444-555555555555"
METRIC = {"name": "Empathy", "eval_type": "binary"}
HANG_LIMIT = 300  # seconds, which only a test that hangs reaches


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    with Sandbox(job_seconds=0) as sandbox:
        yield sandbox


@pytest.fixture(autouse=True)
def sandbox(running: Sandbox) -> Sandbox:
    running.metrics.clear()
    running.requests.clear()
    return running


@pytest.fixture(scope="module")
def http(running: Sandbox) -> Iterator[httpx.Client]:
    with httpx.Client(
        base_url=running.url, headers={"X-CEKURA-API-KEY": running.api_key}, timeout=HANG_LIMIT
    ) as client:
        yield client


def generate(http: httpx.Client, **body: Any) -> dict[str, Any]:
    answer = http.post(GENERATE, json=body)
    assert answer.status_code == 200, answer.text
    progress: dict[str, Any] = http.get(PROGRESS, params=answer.json()).json()
    return progress


@pytest.mark.parametrize("slash", ["/", ""])
@pytest.mark.parametrize("base", ["metrics", "metrics-external"])
def test_the_workflow_under_every_form_of_its_paths(
    sandbox: Sandbox, http: httpx.Client, base: str, slash: str
) -> None:
    started = http.post(f"{V1}/{base}/generate_metrics{slash}", json={"agent_id": CLINIC, "num_metrics": 3})
    progress = http.get(f"{V1}/{base}/generate_metrics_progress{slash}", params=started.json()).json()
    assert (progress["agent_id"], progress["status"], progress["error"]) == (CLINIC, "completed", None)
    saved = http.post(f"{V1}/{base}/bulk_create{slash}", json=progress["metrics"])
    assert [started.status_code, saved.status_code] == [200, 201]
    assert [metric["id"] for metric in saved.json()] == [metric["id"] for metric in sandbox.metrics]
    for suggested, kept, told in zip(progress["metrics"], sandbox.metrics, saved.json(), strict=True):
        assert suggested.items() <= kept.items()
        assert told["rationale"] == suggested["rationale"]
        assert (told["project"], told["agents"], told["type"]) == (11, [CLINIC], "llm_judge")
    assert [(request.method, request.status) for request in sandbox.requests] == [
        ("POST", 200),
        ("GET", 200),
        ("POST", 201),
    ]
    assert sandbox.requests[1].query == started.json()
    assert sandbox.requests[2].json == progress["metrics"]
    assert sandbox.requests[2].headers["x-cekura-api-key"] == sandbox.api_key


@pytest.mark.parametrize("agent", [CLINIC, BANK, 103])
def test_100_suggestions_differ_from_each_other_and_all_can_be_saved(http: httpx.Client, agent: int) -> None:
    metrics = generate(http, agent_id=agent, num_metrics=100)["metrics"]
    assert len({metric["name"] for metric in metrics}) == len(metrics) == 100
    assert {metric["eval_type"] for metric in metrics} == {
        "binary",
        "continuous_qualitative",
        "numeric",
        "enum",
    }
    assert http.post(BULK, json=metrics).status_code == 201


def test_suggestions_follow_from_the_description(sandbox: Sandbox, http: httpx.Client) -> None:
    one, same = (generate(http, assistant_id="asst_sandbox_101", num_metrics=9) for _ in range(2))
    other = generate(http, agent_id=BANK, num_metrics=9)
    assert one["agent_id"] == CLINIC
    assert one["metrics"] == same["metrics"]
    assert not {metric["name"] for metric in one["metrics"]} & {metric["name"] for metric in other["metrics"]}


@pytest.mark.parametrize(("error", "end"), [(None, "completed"), ("The model is overloaded.", "failed")])
def test_a_job_passes_its_stages_as_time_advances(error: str | None, end: str) -> None:
    with Sandbox(job_seconds=10, clock=ManualClock()) as sandbox:
        if error is not None:
            sandbox.fail_next_job(error)
        progress_id = ask(sandbox, "POST", GENERATE, {"agent_id": CLINIC}).json()["progress_id"]
        seen: list[dict[str, Any]] = []
        for _ in range(11):
            seen.append(ask(sandbox, "GET", f"{PROGRESS}?progress_id={progress_id}").json())
            assert sandbox.jobs[progress_id].status == seen[-1]["status"]
            sandbox.advance(1)
        assert [answer["status"] for answer in seen] == ["queued"] * 2 + ["in_progress"] * 8 + [end]
        assert len({answer["current_step"] for answer in seen}) == 6
        assert all((answer["metrics"], answer["error"]) == ([], None) for answer in seen[:-1])
        assert (len(seen[-1]["metrics"]), seen[-1]["error"]) == (0 if error else 1, error)


@pytest.mark.parametrize("advance", ["clock", "sandbox"])
def test_time_stops_until_a_manual_clock_or_the_sandbox_is_advanced(advance: str) -> None:
    clock = ManualClock()
    with Sandbox(job_seconds=10, clock=clock) as sandbox:
        ask(sandbox, "POST", GENERATE, {"agent_id": CLINIC})
        [job] = sandbox.jobs.values()
        (clock if advance == "clock" else sandbox).advance(9.5)
        assert job.status == "in_progress"
        (clock if advance == "clock" else sandbox).advance(0.5)
        assert job.status == "completed"


def test_a_sandbox_with_a_running_clock_can_be_advanced() -> None:
    with Sandbox(job_seconds=1e9) as sandbox:
        ask(sandbox, "POST", GENERATE, {"agent_id": CLINIC})
        [job] = sandbox.jobs.values()
        assert job.status == "queued"
        sandbox.advance(1e9)
        assert job.status == "completed"


@pytest.mark.parametrize("seconds", [-1, float("nan"), float("inf")])
def test_time_only_moves_forward(sandbox: Sandbox, seconds: float) -> None:
    with pytest.raises(ValueError, match="0 or more"):
        sandbox.advance(seconds)


def test_only_the_next_job_fails(sandbox: Sandbox, http: httpx.Client) -> None:
    sandbox.fail_next_job("The model is overloaded.")
    failed, fine = generate(http, agent_id=CLINIC), generate(http, agent_id=CLINIC)
    assert (failed["status"], failed["error"], failed["metrics"]) == (
        "failed",
        "The model is overloaded.",
        [],
    )
    assert (fine["status"], fine["error"]) == ("completed", None)


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({}, 400, "non_field_errors"),
        ({"agent_id": CLINIC, "assistant_id": "asst_sandbox_101"}, 400, "non_field_errors"),
        ([], 400, "non_field_errors"),
        ({"agent_id": None}, 400, "agent_id"),
        ({"agent_id": True}, 400, "agent_id"),
        ({"agent_id": str(CLINIC)}, 400, "agent_id"),
        ({"agent_id": 2**63}, 400, "agent_id"),
        ({"agent_id": 0}, 400, "agent_id"),
        ({"agent_id": SURVEY}, 400, "agent_id"),
        ({"assistant_id": " "}, 400, "assistant_id"),
        ({"assistant_id": "a\0b"}, 400, "assistant_id"),
        ({"agent_id": CLINIC, "num_metrics": 0}, 400, "num_metrics"),
        ({"agent_id": CLINIC, "num_metrics": 101}, 400, "num_metrics"),
        ({"agent_id": CLINIC, "num_metrics": 1.5}, 400, "num_metrics"),
        ({"agent_id": 999}, 404, "detail"),
        ({"assistant_id": "asst_unknown"}, 404, "detail"),
    ],
)
def test_generation_is_refused(sandbox: Sandbox, http: httpx.Client, body: Any, status: int, field: str) -> None:
    jobs = len(sandbox.jobs)
    answer = http.post(GENERATE, json=body)
    assert (answer.status_code, list(answer.json())) == (status, [field])
    assert len(sandbox.jobs) == jobs


@pytest.mark.parametrize(
    ("query", "status", "field"),
    [
        ("", 400, "progress_id"),
        ("?progress_id=1", 400, "progress_id"),
        (f"?progress_id={UNKNOWN_JOB}", 404, "detail"),
    ],
)
def test_progress_of_an_unknown_job(http: httpx.Client, query: str, status: int, field: str) -> None:
    answer = http.get(PROGRESS + query)
    assert (answer.status_code, list(answer.json())) == (status, [field])


BAD_VALUES: list[tuple[str, Any]] = [
    ("name", " "),
    ("name", "x" * 256),
    ("name", None),
    ("name", "a\0b"),
    ("type", "basic"),
    ("type", "custom_prompt"),
    ("type", []),
    ("eval_type", "stars"),
    ("assistant_id", ""),
    ("assistant_id", "asst_unknown"),
    ("description", 5),
    ("audio_enabled", 1),
    ("project", "11"),
    ("project", 2**63),
    ("agent", 999),
    ("agents", [CLINIC, 999]),
    ("agents", CLINIC),
    ("display_order", 2**31),
    ("configuration", []),
    ("evaluation_trigger", "sometimes"),
    ("trigger_type", None),
    ("scenarios", ["all"]),
    ("slug", 7),
    ("alert_type", "loud"),
    ("unknown", {"deep": ["\0"]}),
]
REFUSED_METRICS: list[tuple[Any, str]] = [
    ({"eval_type": "binary"}, "name"),
    ({"name": "x"}, "eval_type"),
    ("text", "non_field_errors"),
    *(({**METRIC, field: value}, field) for field, value in BAD_VALUES),
    ({**METRIC, "eval_type": "enum"}, "enum_values"),
    ({**METRIC, "eval_type": "enum", "enum_values": []}, "enum_values"),
    ({**METRIC, "eval_type": "enum", "enum_values": [1]}, "enum_values"),
    ({**METRIC, "type": "custom_code"}, "custom_code"),
]


@pytest.mark.parametrize(("metric", "field"), REFUSED_METRICS, ids=lambda value: str(value)[:60])
def test_a_bad_metric_is_refused_and_nothing_is_saved(
    sandbox: Sandbox, http: httpx.Client, metric: Any, field: str
) -> None:
    in_bulk = http.post(BULK, json=[METRIC, metric, METRIC])
    alone = http.post(METRICS, json=metric)
    assert (in_bulk.status_code, alone.status_code) == (400, 400)
    assert [list(problem) for problem in in_bulk.json()] == [[], [field], []]
    assert in_bulk.json()[1] == alone.json()
    assert all(isinstance(why, str) for why in alone.json()[field])
    assert sandbox.metrics == []


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("description", None, "This field may not be null."),
        ("description", 5, "Expected a string, not an integer."),
        ("name", "x" * 256, "Expected a string with a length of at most 255."),
        ("agents", [True], "Expected an integer, not a boolean."),
        ("name", " ", "This field may not be blank."),
        ("trigger_type", "phone", "Not a valid choice; choose one of custom_code, llm_judge."),
    ],
)
def test_the_reason_for_a_refused_value(http: httpx.Client, field: str, value: Any, message: str) -> None:
    response = http.post(METRICS, json={**METRIC, field: value})
    assert (response.status_code, response.json()) == (400, {field: [message]})


@pytest.mark.parametrize("body", [[], {}, "text", None])
def test_bulk_create_requires_a_list_with_items(http: httpx.Client, body: Any) -> None:
    answer = http.post(BULK, content=json.dumps(body), headers={"Content-Type": "application/json"})
    assert (answer.status_code, list(answer.json())) == (400, ["non_field_errors"])


def test_the_fields_that_are_sent_are_kept(sandbox: Sandbox, http: httpx.Client) -> None:
    sent = {
        **METRIC,
        "name": "Kept!",
        "scenarios": "all",
        "agents": [BANK],
        "made_up": {"a": [1, None, "é"]},
        "project": 7,
    }
    told = http.post(METRICS, json={**sent, "id": "mine", "agent_names": 5}).json()
    assert sent.items() <= sandbox.metrics[0].items()
    assert told["id"] == sandbox.metrics[0]["id"]
    assert (told["agent_names"], told["slug"]) == ("Card services", "kept")
    assert {"scenarios"} == sent.keys() - told.keys()
    again = http.post(METRICS, json={**METRIC, "name": "Kept?", "eval_type": "binary_qualitative"}).json()
    assert again["id"] > told["id"]
    assert again["slug"] != told["slug"]
    assert again["eval_type"] == "binary"
    assert sandbox.metrics[1]["project"] is None
    assert "project" not in again


def test_one_metric_is_read_changed_and_deleted(sandbox: Sandbox, http: httpx.Client) -> None:
    saved = http.post(METRICS, json={**METRIC, "agent": CLINIC, "made_up": 1}).json()
    path = f"{METRICS}{saved['id']}"
    assert http.get(path).json() == http.get(f"{METRICS}{saved['slug']}/").json() == saved
    changed = http.patch(path, json={"description": "new", "agents": [BANK]}).json()
    assert changed == {**saved, "description": "new", "agents": [BANK], "agent_names": "Card services"}
    assert http.patch(path, json={"eval_type": "enum"}).json().keys() == {"enum_values"}
    assert http.put(path, json={"name": "Other"}).json().keys() == {"eval_type"}
    assert http.put(path + "/", json={**METRIC, "name": "Other"}).json()["name"] == "Other"
    deleted = http.delete(path)
    assert (deleted.status_code, deleted.content, sandbox.metrics) == (204, b"", [])
    for method in ("GET", "PATCH", "DELETE"):
        gone = http.request(method, path, json={})
        assert (gone.status_code, list(gone.json())) == (404, ["detail"])


def conditions(*triples: tuple[str, str, Any], operator: str = "and") -> str:
    items = [{"field": field, "op": op, "value": value} for field, op, value in triples]
    return json.dumps({"operator": operator, "conditions": items})


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ({}, "abcde"),
        ({"agent_id": CLINIC}, "abe"),
        ({"agent_id": 103}, "c"),
        ({"agent_id": 999}, ""),
        ({"assistant_id": "asst_sandbox_101"}, "abe"),
        ({"project_id": 12}, "c"),
        ({"project_id": 12, "agent_id": CLINIC}, "abce"),
        ({"agents": f"{CLINIC}, {BANK}"}, "ace"),
        ({"slug": "d"}, "d"),
        ({"include_scores": "maybe", "made_up": "1"}, "abcde"),
        ({"filters": conditions(("agents__id", "in", [BANK, 999]))}, "c"),
        ({"filters": conditions(("eval_type", "eq", "numeric"), ("name", "in", ["a", "d"]))}, "d"),
        ({"filters": conditions(("name", "contains", "A"), ("name", "eq", "b"), operator="or")}, "ab"),
        ({"filters": conditions(("type", "eq", "custom_code")), "project_id": 11}, ""),
    ],
)
def test_lists_of_metrics(sandbox: Sandbox, http: httpx.Client, query: dict[str, Any], names: str) -> None:
    metrics = [
        {"name": "a", "eval_type": "binary", "agent": CLINIC, "slug": "a"},
        {"name": "b", "eval_type": "numeric", "project": 11, "slug": "b"},
        {"name": "c", "eval_type": "binary", "agents": [BANK], "slug": "c"},
        {"name": "d", "eval_type": "numeric", "slug": "d", "type": "custom_code", "custom_code": "score = 1"},
        {"name": "e", "eval_type": "enum", "enum_values": ["x"], "agent": CLINIC, "project": 99},
    ]
    assert http.post(BULK, json=metrics).status_code == 201
    listed = http.get(METRICS, params=query)
    assert listed.status_code == 200
    assert "".join(metric["name"] for metric in listed.json()) == names
    assert all("custom_code" not in metric for metric in listed.json())


BAD_FILTERS = ["", "{}", "[]", '{"operator":"not","conditions":[]}', conditions(("id", "eq", 1)), "[" * 10**4]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *((name, value) for name in ("agent_id", "project_id", "agents") for value in ("", "x", "1" * 5000, "²")),
        *(("filters", value) for value in BAD_FILTERS),
        ("filters", conditions(("agents__id", "contains", 1))),
        ("filters", conditions(("name", "in", [1]))),
    ],
)
def test_a_bad_query_is_refused(http: httpx.Client, name: str, value: str) -> None:
    answer = http.get(METRICS, params={name: value})
    assert (answer.status_code, list(answer.json())) == (400, [name])


def test_agents_one_by_one_and_in_pages(sandbox: Sandbox, http: httpx.Client) -> None:
    assert http.get(f"{AGENTS}{CLINIC}").json() == http.get(f"{AGENTS}{CLINIC}/").json() == sandbox.agents[CLINIC]
    first = http.get(AGENTS, params={"page_size": 2, "project_id": 12}).json()
    second = http.get(first["next"]).json()
    assert first["count"] == 3
    assert [agent["id"] for agent in first["results"] + second["results"]] == [102, 103, 104]
    assert (first["previous"], second["next"]) == (None, None)
    assert http.get(second["previous"]).json() == first
    assert [agent["id"] for agent in http.get(AGENTS, params={"q": "CARD"}).json()["results"]] == [BANK]
    assert http.get(AGENTS, params={"q": "nothing"}).json()["results"] == []
    for page in ("2", "0", "x", "-1"):
        assert http.get(AGENTS, params={"page": page}).json() == {"detail": "Invalid page."}


def ask(sandbox: Sandbox, method: str, path: str, body: Any = None) -> httpx.Response:
    headers = {"X-CEKURA-API-KEY": sandbox.api_key}
    return httpx.request(method, sandbox.url + path, headers=headers, json=body, timeout=HANG_LIMIT)


@pytest.mark.parametrize("path", [METRICS, METRICS + "1", AGENTS, AGENTS + "101", PROGRESS])
@pytest.mark.parametrize(
    ("headers", "fits"),
    [
        ({}, False),
        ({"X-CEKURA-API-KEY": "sandbox-api-ke\u00ff".encode("latin-1")}, False),
        ({"Authorization": "Basic sandbox-api-key"}, False),
        ({"X-CEKURA-API-KEY": "sandbox-api-key", "Authorization": "Bearer other"}, False),
        ({"Authorization": "Bearer sandbox-api-key"}, True),
        ({"x-cekura-api-key": "sandbox-api-key"}, True),
    ],
)
def test_every_route_requires_the_key(sandbox: Sandbox, path: str, headers: Any, fits: bool) -> None:
    with httpx.Client(verify=False, timeout=HANG_LIMIT) as http:
        answer = http.get(sandbox.url + path, headers=headers)
    assert (answer.status_code != 401) is fits
    assert fits or list(answer.json()) == ["detail"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", GENERATE, 405),
        ("POST", PROGRESS, 405),
        ("DELETE", BULK, 405),
        ("OPTIONS", METRICS, 405),
        ("PUT", AGENTS, 405),
        ("GET", f"{V1}/metrics/%00", 404),
        ("GET", f"{V1}/metrics/%FF%FE/", 404),
        ("PATCH", f"{V1}/metrics/{'9' * 5000}/", 404),
        ("GET", f"{V1}/aiagents/{'9' * 5000}/", 404),
        ("GET", f"{V1}/aiagents/%C2%B2/", 404),
        ("GET", f"{V1}/nothing/", 404),
        ("GET", f"{V1}/metrics//", 404),
        ("GET", "/", 404),
    ],
)
def test_other_methods_and_paths(http: httpx.Client, method: str, path: str, status: int) -> None:
    answer = http.request(method, path, json={})
    assert (answer.status_code, list(answer.json())) == (status, ["detail"])
    assert ("allow" in answer.headers) is (status == 405)


@pytest.mark.parametrize("path", [GENERATE, BULK, METRICS])
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff",
        b"[NaN]",
        b"[1e999]",
        b"[-Infinity]",
        b"[" * 10**5,
        b"[" * 500 + b"]" * 500,
        b"[" + b"9" * 5000 + b"]",
    ],
    ids=lambda body: str(body[:12]),
)
def test_a_body_that_is_not_json(http: httpx.Client, path: str, body: bytes) -> None:
    answer = http.post(path, content=body, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["detail"][:18]) == (400, "JSON parse error -")
    form = http.post(path, content=b"a=b", headers={"Content-Type": "application/x-www-form-urlencoded"})
    assert (form.status_code, list(form.json())) == (400, ["detail"])


def test_lone_surrogates_are_refused(http: httpx.Client) -> None:
    for text in (
        rb'{"name": "\ud800", "eval_type": "binary"}',
        rb'{"\udfff": 1, "name": "a", "eval_type": "binary"}',
    ):
        answer = http.post(METRICS, content=text, headers={"Content-Type": "application/json"})
        assert answer.status_code == 400


def test_a_response_does_not_wait_for_an_acknowledgement(running: Sandbox, http: httpx.Client) -> None:
    # With Nagle's algorithm, each response would take the 40 ms of a delayed acknowledgement.
    assert http.get(METRICS).status_code == 200
    server = running._server  # noqa: SLF001 - The option cannot be seen from the other end of a connection.
    assert server is not None
    connections = server._server.server_state.connections  # noqa: SLF001
    sockets = [each.transport.get_extra_info("socket") for each in list(connections) if each.transport is not None]
    assert sockets
    assert all(each.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) for each in sockets)


def is_closed(connection: socket.socket) -> bool:
    connection.settimeout(HANG_LIMIT)
    try:
        return connection.recv(1) == b""
    except ConnectionError:
        return True


def stop(sandbox: Sandbox) -> None:
    stopping = threading.Thread(target=sandbox.stop, daemon=True)
    stopping.start()
    stopping.join(HANG_LIMIT)
    assert not stopping.is_alive()


def test_nothing_is_left_after_stop() -> None:
    before = threading.enumerate()
    sandbox = Sandbox(agents={1: {"agent_name": "Mine"}}, api_key="key")
    for _ in range(2):
        sandbox.start()
        with pytest.raises(RuntimeError, match="already running"):
            sandbox.start()
        address = httpx.URL(sandbox.url)
        headers = {"X-CEKURA-API-KEY": "key"}
        with httpx.Client(base_url=sandbox.url, headers=headers, timeout=HANG_LIMIT) as idle:
            assert idle.get(f"{AGENTS}1").json() == {"id": 1, "agent_name": "Mine"}
            with socket.create_connection((address.host, address.port or 0)) as busy:
                busy.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhalf")
                assert idle.get(AGENTS).status_code == 200
                stop(sandbox)
                stop(sandbox)
                assert is_closed(busy)
            with pytest.raises(httpx.TransportError):
                idle.get(AGENTS)
        assert threading.enumerate() == before
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((address.host, address.port or 0))
        with pytest.raises(RuntimeError, match="not running"):
            _ = sandbox.url
    assert len(sandbox.requests) == 4


def test_a_port_can_be_used_again_and_only_once() -> None:
    with Sandbox() as first:
        port = httpx.URL(first.url).port or 0
        with pytest.raises(OSError, match="in use"):
            Sandbox(port=port).start()
    with Sandbox(port=port) as second:
        assert httpx.URL(second.url).port == port
        assert ask(second, "GET", METRICS).json() == []
