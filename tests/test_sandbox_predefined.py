"""The sandbox lists and copies predefined metrics, and updates keep read-only fields."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from cekura_api.models import MetricUpdate

from cekura_facade.sandbox import Behavior, Sandbox

VERSIONS = ("/test_framework/v1", "/test_framework/v2")
CLINIC, BANK, PARCELS = 101, 102, 103
CLINIC_PROJECT, BANK_PROJECT = 11, 12
METRIC = {"name": "Empathy", "eval_type": "binary"}
HANG_LIMIT = 300  # seconds, which only a test that hangs reaches


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    with Sandbox(job_seconds=0) as sandbox:
        yield sandbox


@pytest.fixture(autouse=True)
def sandbox(running: Sandbox) -> Sandbox:
    running.metrics.clear()
    running.behavior = Behavior()
    return running


@pytest.fixture(params=VERSIONS, scope="module")
def http(running: Sandbox, request: pytest.FixtureRequest) -> Iterator[httpx.Client]:
    """A client for one version of the API."""
    headers = {"X-CEKURA-API-KEY": running.api_key}
    with httpx.Client(base_url=running.url + request.param, headers=headers, timeout=HANG_LIMIT) as client:
        yield client


def done(response: httpx.Response, status: int = 200) -> Any:
    assert response.status_code == status, response.text
    return response.json() if response.content else None


def copy(http: httpx.Client, **body: Any) -> httpx.Response:
    return http.post("predefined-metrics/copy/", json=body)


def test_predefined_metrics_are_listed(http: httpx.Client) -> None:
    listed = done(http.get("predefined-metrics/"))
    assert {metric["code"] for metric in listed} >= {"latency", "csat", "interruptions"}
    assert len({metric["id"] for metric in listed}) == len({metric["code"] for metric in listed}) == len(listed)
    for metric in listed:
        assert metric.keys() >= {"id", "name", "description", "code", "type", "eval_type"}


@pytest.mark.parametrize("by", ["metric_codes", "predefined_metric_ids"])
def test_a_copy_in_a_project_has_the_code_and_content_of_the_predefined_metric(
    sandbox: Sandbox, http: httpx.Client, by: str
) -> None:
    predefined = {metric["code"]: metric for metric in done(http.get("predefined-metrics/"))}
    wanted = [predefined["csat"], predefined["latency"]]
    keys = [metric["code" if by == "metric_codes" else "id"] for metric in wanted]
    copies = done(copy(http, **{by: keys}, project_id=BANK_PROJECT))
    for original, metric in zip(wanted, copies, strict=True):
        assert metric["vocera_defined_metric_code"] == original["code"]
        for field in ("name", "description", "type", "eval_type"):
            assert metric[field] == original[field]
        assert (metric["project"], metric["agents"]) == (BANK_PROJECT, [])
        assert metric["id"] not in predefined
    assert done(http.get("metrics/", params={"project_id": BANK_PROJECT})) == copies
    assert [metric["id"] for metric in sandbox.metrics] == [metric["id"] for metric in copies]


def test_a_copy_for_an_agent_is_in_its_project_and_assigned_to_it(sandbox: Sandbox, http: httpx.Client) -> None:
    for behavior in (Behavior(), Behavior(placement="project")):
        sandbox.metrics.clear()
        sandbox.behavior = behavior
        [metric] = done(copy(http, metric_codes=["latency"], agent_id=CLINIC, scenarios=[7]))
        assert (metric["project"], metric["agents"]) == (CLINIC_PROJECT, [CLINIC])
        assert metric["agent_names"] == "Dental clinic receptionist"
        assert sandbox.metrics[0]["scenarios"] == [7]
        assert "scenarios" not in metric


def test_a_copy_can_be_changed_like_any_metric(sandbox: Sandbox, http: httpx.Client) -> None:
    [metric] = done(copy(http, metric_codes=["latency"], project_id=BANK_PROJECT))
    changes = {"simulation_enabled": False, "agents": [BANK], "configuration": {"threshold": 2}}
    done(http.patch(f"metrics/{metric['id']}/", json=changes))
    assert changes.items() <= sandbox.metrics[0].items()
    assert sandbox.metrics[0]["vocera_defined_metric_code"] == "latency"


def test_the_same_copy_again_is_another_metric(sandbox: Sandbox, http: httpx.Client) -> None:
    first, second = (done(copy(http, metric_codes=["latency"], project_id=BANK_PROJECT)) for _ in range(2))
    assert first[0]["name"] == second[0]["name"]
    assert first[0]["id"] != second[0]["id"]
    assert first[0]["slug"] != second[0]["slug"]
    assert len(sandbox.metrics) == 2


def test_a_copy_appears_in_lists_as_late_as_any_new_metric(sandbox: Sandbox, http: httpx.Client) -> None:
    sandbox.behavior = Behavior(list_lag=2.0, list_omits=("description",))
    [metric] = done(copy(http, metric_codes=["csat"], project_id=BANK_PROJECT))
    assert "description" not in metric
    assert done(http.get("metrics/", params={"project_id": BANK_PROJECT})) == []
    assert done(http.get(f"metrics/{metric['id']}/"))["description"]
    sandbox.advance(2)
    assert done(http.get("metrics/", params={"project_id": BANK_PROJECT})) == [metric]


LATENCY = {"metric_codes": ["latency"]}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"project_id": BANK_PROJECT}, "non_field_errors"),
        ({**LATENCY, "predefined_metric_ids": [1], "project_id": BANK_PROJECT}, "non_field_errors"),
        (LATENCY, "non_field_errors"),
        ({**LATENCY, "project_id": CLINIC_PROJECT, "agent_id": CLINIC}, "non_field_errors"),
        ([LATENCY], "non_field_errors"),
        ({"metric_codes": ["latency", "no such code"], "project_id": BANK_PROJECT}, "metric_codes"),
        ({"metric_codes": [], "project_id": BANK_PROJECT}, "metric_codes"),
        ({"metric_codes": [1], "project_id": BANK_PROJECT}, "metric_codes"),
        ({"metric_codes": "latency", "project_id": BANK_PROJECT}, "metric_codes"),
        ({"predefined_metric_ids": [1, 999], "project_id": BANK_PROJECT}, "predefined_metric_ids"),
        ({"predefined_metric_ids": [True], "project_id": BANK_PROJECT}, "predefined_metric_ids"),
        ({**LATENCY, "agent_id": 999}, "agent_id"),
        ({**LATENCY, "agent_id": None}, "agent_id"),
        ({**LATENCY, "project_id": "x"}, "project_id"),
        ({**LATENCY, "project_id": 0}, "project_id"),
        ({**LATENCY, "project_id": BANK_PROJECT, "scenarios": [1] * 1001}, "scenarios"),
    ],
)
def test_a_copy_that_is_refused_creates_nothing(sandbox: Sandbox, http: httpx.Client, body: Any, field: str) -> None:
    response = http.post("predefined-metrics/copy/", json=body)
    assert (response.status_code, list(response.json())) == (400, [field])
    assert sandbox.metrics == []


def test_a_created_or_updated_metric_cannot_become_a_predefined_one(sandbox: Sandbox, http: httpx.Client) -> None:
    code = {"vocera_defined_metric_code": "latency", "function_name": "get_latency"}
    created = done(http.post("metrics/", json={**METRIC, **code}), 201)
    done(http.post("metrics/bulk_create/", json=[{**METRIC, **code}]), 201)
    done(http.patch(f"metrics/{created['id']}/", json=code))
    for metric in sandbox.metrics:
        assert metric.get("vocera_defined_metric_code") is None
        assert metric.get("function_name") is None


CHANGES: dict[str, Any] = {
    "name": "Patience",
    "description": "How patient was the agent?",
    "audio_enabled": True,
    "prompt": "Judge the patience.",
    "project": BANK_PROJECT,
    "agents": [BANK, PARCELS],
    "assistant_id": "asst_sandbox_102",
    "type": "custom_code",
    "eval_type": "enum",
    "enum_values": ["low", "high"],
    "display_order": 7,
    "configuration": {"silence_duration": 5},
    "add_to_new_agents": True,
    "simulation_enabled": False,
    "observability_enabled": False,
    "sampling_enabled": True,
    "evaluation_trigger": "custom",
    "evaluation_trigger_prompt": "Did the caller wait?",
    "trigger_type": "custom_code",
    "evaluation_trigger_custom_code": "_result = True",
    "custom_code": "_result = 'low'",
}
READ_ONLY_ONCE_SET = ("project", "assistant_id")


def test_an_update_changes_every_field_that_can_be_changed(sandbox: Sandbox, http: httpx.Client) -> None:
    fields = {name.rstrip("_") for name in MetricUpdate.__annotations__ if not name.startswith("_")}
    assert CHANGES.keys() == fields - {"additional_properties"}
    created = done(http.post("metrics/", json={**METRIC, "agents": [CLINIC]}), 201)
    done(http.patch(f"metrics/{created['id']}/", json=CHANGES))
    [metric] = sandbox.metrics
    for name, value in CHANGES.items():
        if name not in READ_ONLY_ONCE_SET:
            assert metric[name] == value, name
    assert (metric["project"], metric.get("assistant_id")) == (CLINIC_PROJECT, None)
    assert metric["agent_names"] == "Card services, Parcel delivery scheduling"
    # An update of one field does not change the others.
    before = dict(metric)
    done(http.patch(f"metrics/{created['id']}/", json={"display_order": 8}))
    assert metric == {**before, "display_order": 8}


def test_a_project_and_an_agent_can_be_set_once(sandbox: Sandbox, http: httpx.Client) -> None:
    sandbox.metrics[:] = [{**METRIC, "id": 5, "agents": [], "project": None}]
    done(http.patch("metrics/5/", json={"project": 7}))  # No agent has this project.
    done(http.patch("metrics/5/", json={"project": CLINIC_PROJECT}))
    done(http.patch("metrics/5/", json={"agent": BANK}))
    done(http.patch("metrics/5/", json={"agent": CLINIC}))
    assert (sandbox.metrics[0]["project"], sandbox.metrics[0]["agents"]) == (7, [BANK])


def test_an_update_of_settings_by_agent_changes_only_the_agents_that_it_names(
    sandbox: Sandbox, http: httpx.Client
) -> None:
    before = {"limit": {"101": 1, "102": 2}, "words": {"a": 1}, "seconds": 3}
    created = done(http.post("metrics/", json={**METRIC, "configuration": before}), 201)
    changes = {"limit": {"102": 5}, "words": {"b": 2}, "seconds": 4}
    done(http.patch(f"metrics/{created['id']}/", json={"configuration": changes}))
    assert sandbox.metrics[0]["configuration"] == {"limit": {"101": 1, "102": 5}, "words": {"b": 2}, "seconds": 4}


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"description": "", "prompt": "", "enum_values": [], "configuration": {}, "agents": []}, 200),
        ({"add_to_new_agents": None}, 200),
        ({}, 200),
        ({"name": ""}, 400),
        ({"name": None}, 400),
        ({"description": None}, 400),
        ({"prompt": None}, 400),
        ({"agents": None}, 400),
        ({"agents": [999]}, 400),
        ({"configuration": None}, 400),
        ({"eval_type": "enum", "enum_values": []}, 400),
        ({"evaluation_trigger": ""}, 400),
    ],
)
def test_empty_and_null_values_in_an_update(
    sandbox: Sandbox, http: httpx.Client, changes: dict[str, Any], status: int
) -> None:
    created = done(http.post("metrics/", json={**METRIC, "description": "Kind?", "agents": [CLINIC]}), 201)
    before = dict(sandbox.metrics[0])
    response = http.patch(f"metrics/{created['id']}/", json=changes)
    assert response.status_code == status, response.text
    after = {**before, **changes} if status == 200 else before
    assert {name: sandbox.metrics[0][name] for name in changes} == {name: after.get(name) for name in changes}
    assert status == 200 or sandbox.metrics[0] == before


TEXT = '  "Kind"  & \ncafe\u0301 '
TEXTS = {
    "trim": '"Kind"  & \ncafe\u0301',
    "nfc": '  "Kind"  & \ncaf\u00e9 ',
    "nfd": TEXT,
    "collapse_whitespace": ' "Kind" & cafe\u0301 ',
    "crlf": '  "Kind"  & \r\ncafe\u0301 ',
    "html_escape": "  &quot;Kind&quot;  &amp; \ncafe\u0301 ",
}


@pytest.mark.parametrize("change", TEXTS)
def test_an_update_changes_texts_as_the_behavior_says(sandbox: Sandbox, http: httpx.Client, change: Any) -> None:
    created = done(http.post("metrics/", json=METRIC), 201)
    sandbox.behavior = Behavior(text_change=change)
    updated = done(http.patch(f"metrics/{created['id']}/", json={"name": TEXT, "description": TEXT, "prompt": TEXT}))
    for field in ("name", "description", "prompt"):
        assert updated[field] == sandbox.metrics[0][field] == TEXTS[change]


def test_a_deleted_metric_is_not_in_any_list(sandbox: Sandbox, http: httpx.Client) -> None:
    created = done(http.post("metrics/", json={**METRIC, "agents": [CLINIC]}), 201)
    done(http.delete(f"metrics/{created['id']}/"), 204)
    assert done(http.get("metrics/", params={"agents": str(CLINIC)})) == []
    for method in ("GET", "PATCH", "DELETE"):
        assert done(http.request(method, f"metrics/{created['id']}/", json={}), 404).keys() == {"detail"}


def test_lists_by_agents_and_by_filter(http: httpx.Client) -> None:
    for name, agents in (("a", [CLINIC]), ("b", [BANK]), ("c", [CLINIC, PARCELS]), ("d", [])):
        done(http.post("metrics/", json={**METRIC, "name": name, "agents": agents}), 201)

    def names(**query: str) -> str:
        return "".join(metric["name"] for metric in done(http.get("metrics/", params=query)))

    condition = {"field": "agents__id", "op": "in", "value": [CLINIC, BANK]}
    assert names(agents=f"{BANK},{PARCELS}") == "bc"
    assert names(agents=f"{CLINIC}") == "ac"
    assert names(filters=json.dumps({"operator": "and", "conditions": [condition]})) == "abc"
    condition = {"field": "name", "op": "contains", "value": "D"}
    assert names(filters=json.dumps({"operator": "or", "conditions": [condition]})) == "d"
