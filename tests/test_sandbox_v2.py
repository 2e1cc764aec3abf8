"""The sandbox serves v2 of the API, for clients that only know v2."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from cekura_facade.sandbox import Behavior, Sandbox

V2 = "/test_framework/v2"
METRICS = f"{V2}/metrics/"
AGENTS = f"{V2}/aiagents/"
CLINIC, BANK = 101, 102
METRIC = {"name": "Empathy", "eval_type": "binary"}
LONG = "Was the agent kind? " * 20
HANG_LIMIT = 300  # seconds, which only a test that hangs reaches


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    with Sandbox(job_seconds=0) as sandbox:
        yield sandbox


@pytest.fixture(autouse=True)
def sandbox(running: Sandbox) -> Sandbox:
    running.metrics.clear()
    running.requests.clear()
    running.behavior = Behavior()
    return running


def credential(sandbox: Sandbox, kind: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {sandbox.api_key}"} if kind == "token" else {"X-CEKURA-API-KEY": sandbox.api_key}


@pytest.fixture(params=["key", "token"], scope="module")
def client(running: Sandbox, request: pytest.FixtureRequest) -> Iterator[httpx.Client]:
    """A client with either kind of credential."""
    with httpx.Client(
        base_url=running.url, headers=credential(running, request.param), timeout=HANG_LIMIT, follow_redirects=False
    ) as http:
        yield http


@pytest.fixture(scope="module")
def http(running: Sandbox) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=running.url, headers=credential(running, "key"), timeout=HANG_LIMIT) as client:
        yield client


def done(response: httpx.Response, status: int = 200) -> Any:
    assert response.status_code == status, response.text
    return response.json() if response.content else None


def test_a_client_for_v2_only_runs_the_workflow(sandbox: Sandbox, client: httpx.Client) -> None:
    job = done(client.post(f"{METRICS}generate_metrics/", json={"agent_id": CLINIC, "num_metrics": 2}))
    progress = done(client.get(f"{METRICS}generate_metrics_progress/", params={**job, "agent_id": CLINIC}))
    assert (progress["status"], len(progress["metrics"])) == ("completed", 2)
    saved = done(client.post(f"{METRICS}bulk_create/", json=progress["metrics"]), 201)
    listed = done(client.get(METRICS, params={"agent_id": CLINIC}))
    assert [metric["id"] for metric in listed] == [metric["id"] for metric in saved]
    assert done(client.get(f"{METRICS}{saved[0]['id']}/"))["name"] == progress["metrics"][0]["name"]

    created = done(client.post(METRICS, json={**METRIC, "project": 11}), 201)
    path = f"{METRICS}{created['id']}/"
    updated = done(client.patch(path, json={"description": "Was the agent kind?"}))
    assert updated == {**created, "description": "Was the agent kind?"} == done(client.get(path))
    assert done(client.delete(path), 204) is None
    assert client.get(path).status_code == 404
    assert len(sandbox.metrics) == 2

    agents = done(client.get(AGENTS, params={"project_id": 11}))
    assert [agent["id"] for agent in agents["results"]] == [CLINIC]
    assert done(client.get(f"{AGENTS}{CLINIC}/")) == agents["results"][0]
    assert all(request.path.startswith(V2) for request in sandbox.requests)


PROGRESS = {
    "generate_metrics_progress": ("generate_metrics", {"agent_id": CLINIC}),
    "preview-progress": ("preview", {"metric_data": {**METRIC, "type": "llm_judge"}, "run_ids": [1]}),
    "simplify_prompt_progress": ("simplify_prompt", {"original_prompt": LONG}),
}
SCOPES: list[dict[str, Any]] = [
    {"agent_id": CLINIC},
    {"project_id": 11},
    {"assistant_id": f"asst_sandbox_{CLINIC}"},
]


@pytest.mark.parametrize("poll", PROGRESS)
def test_only_an_access_token_needs_a_scope_to_poll(sandbox: Sandbox, http: httpx.Client, poll: str) -> None:
    start, body = PROGRESS[poll]
    job = done(http.post(f"{METRICS}{start}/", json=body))
    path = f"{METRICS}{poll}/"
    with httpx.Client(base_url=sandbox.url, headers=credential(sandbox, "token"), timeout=HANG_LIMIT) as token:
        for client, scope in [(http, {}), *((client, scope) for client in (http, token) for scope in SCOPES)]:
            assert done(client.get(path, params={**job, **scope}))["status"] == "completed"
        for scope in ({}, {"agent_id": ""}, {"assistant_id": ""}):
            assert token.get(path, params={**job, **scope}).status_code == 400
        [why] = token.get(path, params=job).json()["non_field_errors"]
        assert "one of agent_id, project_id, assistant_id is required" in why
        assert done(token.get(path.replace("v2", "v1"), params=job))["status"] == "completed"
    for name in ("agent_id", "project_id"):
        assert http.get(path, params={**job, name: "x"}).json().keys() == {name}


def test_the_other_authoring_calls(http: httpx.Client) -> None:
    assert (
        done(http.post(f"{METRICS}simplify_prompt/", json={"original_prompt": "One."}))["simplified_prompt"] == "One."
    )
    suggested = done(http.post(f"{METRICS}generate_evaluation_trigger/", json=METRIC))
    assert suggested["evaluation_trigger"] == "custom"
    assert http.get(f"{V2}/metrics-external/generate_metrics_progress/").status_code == 404


def test_an_agent_is_described_as_in_v2(sandbox: Sandbox, http: httpx.Client) -> None:
    known = sandbox.agents[BANK]
    agent = done(http.get(f"{AGENTS}{BANK}/"))
    assert (agent["id"], agent["name"], agent["project"]) == (BANK, known["agent_name"], 12)
    assert (agent["description"], agent["language"]) == (known["description"], "en")
    assert agent["telephony"].items() >= {"phone_number": known["contact_number"], "inbound": True}.items()
    assert agent["provider"].items() >= {"type": "custom", "agent_id": known["assistant_id"]}.items()
    assert not {"agent_name", "assistant_id", "assistant_provider", "contact_number", "inbound"} & agent.keys()
    sandbox.agents[7] = {"assistant_provider": "vapi"}
    bare = done(http.get(f"{AGENTS}7/"))
    del sandbox.agents[7]
    assert (bare["id"], bare["name"], bare["provider"]["type"]) == (7, "", "vapi")
    assert "project" not in bare


def test_agents_in_pages(http: httpx.Client) -> None:
    first = done(http.get(AGENTS, params={"page_size": 3}))
    second = done(http.get(first["next"]))
    assert [agent["id"] for agent in first["results"] + second["results"]] == [101, 102, 103, 104]
    assert (first["count"], second["next"]) == (4, None)
    assert httpx.URL(first["next"]).path == AGENTS
    for q in ("CARD", str(BANK)):
        assert [agent["name"] for agent in done(http.get(AGENTS, params={"q": q}))["results"]] == ["Card services"]


def test_fields_that_v2_adds_to_a_metric(sandbox: Sandbox, http: httpx.Client) -> None:
    write_only = {
        "scenarios": [1],
        "assistant_id": f"asst_sandbox_{CLINIC}",
        "llm_provider": "openai",
        "relevance_llm_provider": "gemini",
        "apply_to_all_agents": False,
        "add_to_rubric": True,
    }
    read_only = {"function_name": "get_latency", "vocera_defined_metric_code": "7fd534f5", "id": 5}
    writable = {"window_size": 9, "std_multiplier": 1.5, "ewma_alpha": 0.2, "kb_file_ids": [3]}
    created = done(http.post(METRICS, json={**METRIC, **write_only, **read_only, **writable}), 201)
    assert writable.items() <= created.items()
    assert write_only.items() <= sandbox.metrics[0].items()
    assert not {*write_only, "agent", "vocera_defined_metric_code"} & created.keys()
    assert (created["agents"], created["project"], created["function_name"]) == ([CLINIC], 11, None)
    path = f"{METRICS}{created['id']}/"
    assert done(http.get(path)) == created
    updated = done(http.patch(path, json={"window_size": 8, "agent": BANK, "function_name": "get_latency"}))
    assert "agent" not in updated
    assert updated.items() >= {"window_size": 8, "agents": [CLINIC], "function_name": None}.items()
    assert http.patch(path, json={"window_size": "x"}).json().keys() == {"window_size"}
    assert http.patch(path, json={"ewma_alpha": True}).json().keys() == {"ewma_alpha"}


def test_fields_that_v2_does_not_require(http: httpx.Client) -> None:
    created = done(http.post(METRICS, json={"name": "Tone", "agent": None, "project": None}), 201)
    assert (created["eval_type"], created["agents"]) == ("binary", [])
    assert created["project"] is None
    assert http.post(METRICS, json={"eval_type": "binary"}).json().keys() == {"name"}
    assert http.post(METRICS, json="Tone").json().keys() == {"non_field_errors"}
    assert http.patch(f"{METRICS}{created['id']}/", json={"name": ""}).json().keys() == {"name"}


def test_bulk_create_and_put_are_those_of_v1(http: httpx.Client) -> None:
    [created] = done(http.post(f"{METRICS}bulk_create/", json=[METRIC]), 201)
    assert "project" not in created
    path = f"{METRICS}{created['id']}/"
    assert done(http.put(path, json={**METRIC, "name": "Tone"})) == {**created, "name": "Tone"}
    assert http.put(path, json={"name": "Tone"}).json().keys() == {"eval_type"}
    assert http.post(f"{METRICS}bulk_create/", json=[{"name": "Tone"}]).json() == [
        {"eval_type": ["This field is required."]}
    ]


def test_v2_follows_the_behavior(sandbox: Sandbox, http: httpx.Client) -> None:
    sandbox.behavior = Behavior(placement="project", text_change="cut_name", list_omits=("prompt",))
    response = http.post(METRICS, json={"name": "n" * 300, "agent": CLINIC})
    created = done(response, 201)
    assert (created["project"], created["agents"], len(created["name"])) == (11, [], 255)
    assert created["deprecation_warning"] in response.headers["warning"]
    [listed] = done(http.get(METRICS, params={"agent_id": CLINIC}))
    assert listed["id"] == created["id"]
    assert "prompt" not in listed
