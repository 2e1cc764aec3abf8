"""The sandbox follows each reading of the published sources about metrics."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import attrs
import httpx
import pytest

from cekura_facade.sandbox import BEHAVIORS, Behavior, ManualClock, Sandbox

V1 = "/test_framework/v1"
METRICS = f"{V1}/metrics/"
BULK = f"{V1}/metrics/bulk_create/"
CLINIC, BANK = 101, 102
METRIC = {"name": "Empathy", "eval_type": "binary"}
HANG_LIMIT = 300  # seconds, which only a test that hangs reaches


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    with Sandbox(job_seconds=0, clock=ManualClock()) as sandbox:
        yield sandbox


@pytest.fixture(autouse=True)
def sandbox(running: Sandbox) -> Sandbox:
    running.metrics.clear()
    running.behavior = Behavior()
    return running


@pytest.fixture(scope="module")
def http(running: Sandbox) -> Iterator[httpx.Client]:
    headers = {"X-CEKURA-API-KEY": running.api_key}
    with httpx.Client(base_url=running.url, headers=headers, timeout=HANG_LIMIT) as client:
        yield client


def create(http: httpx.Client, **metric: Any) -> dict[str, Any]:
    response = http.post(METRICS, json={**METRIC, **metric})
    assert response.status_code == 201, response.text
    created: dict[str, Any] = response.json()
    return created


def names(http: httpx.Client, **query: Any) -> str:
    response = http.get(METRICS, params=query)
    assert response.status_code == 200
    return "".join(metric["name"] for metric in response.json())


def test_the_behaviors_have_each_alternative_and_what_the_specification_states() -> None:
    alternatives: set[tuple[str, Any]] = {
        ("list_scope", "agent"),
        ("placement", "project"),
        *(("text_change", change) for change in ("trim", "nfd", "nfc", "collapse_whitespace", "crlf")),
        *(("text_change", change) for change in ("html_escape", "cut_name", "eval_type")),
        ("list_lag", 2.0),
        ("list_omits", ("description",)),
        ("list_limit", 1),
    }
    default = attrs.asdict(Behavior())
    found = [attrs.asdict(behavior).items() - default.items() for behavior in BEHAVIORS.values()]
    assert BEHAVIORS["default"] == Behavior()
    assert {next(iter(changes)) for changes in found if len(changes) == 1} == alternatives
    assert BEHAVIORS["specification"] == Behavior(list_scope="agent", placement="project")
    assert len(BEHAVIORS) == len(alternatives) + 2
    assert default.keys() == {field for field, _ in alternatives}


@pytest.mark.parametrize(
    "wrong",
    [
        {"list_scope": "project"},
        {"placement": "agent"},
        {"text_change": "upper"},
        {"list_lag": -1},
        {"list_lag": float("inf")},
        {"list_omits": "description"},
        {"list_limit": -1},
    ],
    ids=str,
)
def test_a_behavior_that_does_not_exist_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises((TypeError, ValueError)):
        Behavior(**wrong)


def test_a_behavior_is_passed_to_a_sandbox_or_set_later(sandbox: Sandbox) -> None:
    assert Sandbox().behavior == Behavior()
    assert Sandbox(behavior=BEHAVIORS["list-lag"]).behavior == BEHAVIORS["list-lag"]
    sandbox.behavior = BEHAVIORS["list-limit"]
    assert sandbox.behavior == BEHAVIORS["list-limit"]


@pytest.mark.parametrize(
    ("scope", "query", "shown"),
    [
        ("agent_and_project", {"agent_id": CLINIC}, "abc"),
        ("agent", {"agent_id": CLINIC}, "ab"),
        ("agent", {"assistant_id": f"asst_sandbox_{CLINIC}"}, "ab"),
        ("agent", {"project_id": 11}, "ac"),
        ("agent", {"agent_id": CLINIC, "project_id": 11}, "abc"),
        ("agent", {"agent_id": CLINIC, "project_id": 12}, "abd"),
        ("agent", {"agent_id": 999}, ""),
        ("agent", {}, "abcd"),
    ],
)
def test_a_list_shows_the_agent_or_also_its_project(
    sandbox: Sandbox, http: httpx.Client, scope: Any, query: dict[str, Any], shown: str
) -> None:
    create(http, name="a", agent=CLINIC)
    create(http, name="b", agents=[CLINIC], project=99)
    create(http, name="c", project=11)
    create(http, name="d", agent=BANK)
    sandbox.behavior = Behavior(list_scope=scope)
    assert names(http, **query) == shown


@pytest.mark.parametrize("bulk", [False, True])
@pytest.mark.parametrize(
    "sent", [{"agent": CLINIC}, {"agents": [CLINIC]}, {"assistant_id": f"asst_sandbox_{CLINIC}"}], ids=str
)
def test_a_metric_of_an_agent_is_placed_in_its_project(
    sandbox: Sandbox, http: httpx.Client, sent: dict[str, Any], bulk: bool
) -> None:
    sandbox.behavior = Behavior(placement="project")
    metric = {**METRIC, **sent}
    response = http.post(BULK, json=[metric]) if bulk else http.post(METRICS, json=metric)
    assert response.status_code == 201
    [created] = response.json() if bulk else [response.json()]
    [kept] = sandbox.metrics
    assert (created["project"], created["agents"], created["agent_names"]) == (11, [], "")
    assert not {"agent", "assistant_id"} & (created.keys() | kept.keys())
    assert created["deprecation_warning"] in response.headers["warning"]
    assert "deprecation_warning" not in kept
    assert names(http, agent_id=CLINIC) == names(http, project_id=11) == "Empathy"
    sandbox.behavior = BEHAVIORS["specification"]
    assert names(http, agent_id=CLINIC) == ""


def test_a_metric_of_an_agent_without_a_project_stays_with_the_agent() -> None:
    agents = {7: {"agent_name": "Billing"}}
    with Sandbox(agents=agents, behavior=Behavior(placement="project")) as sandbox:
        headers = {"X-CEKURA-API-KEY": sandbox.api_key}
        response = httpx.post(sandbox.url + METRICS, json={**METRIC, "agent": 7}, headers=headers, timeout=HANG_LIMIT)
    assert (response.json()["agents"], sandbox.metrics[0]["agent"]) == ([7], 7)
    assert "warning" not in response.headers


@pytest.mark.parametrize(
    ("placement", "sent"),
    [
        ("as_sent", {"agent": CLINIC}),
        ("project", {"project": 11}),
        ("project", {"project": 11, "agents": [CLINIC]}),
        ("project", {}),
    ],
    ids=str,
)
def test_other_metrics_are_placed_as_sent(
    sandbox: Sandbox, http: httpx.Client, placement: Any, sent: dict[str, Any]
) -> None:
    sandbox.behavior = Behavior(placement=placement)
    response = http.post(METRICS, json={**METRIC, **sent})
    assert sent.items() <= response.json().items()
    assert "warning" not in response.headers
    assert "deprecation_warning" not in response.json()


@pytest.mark.parametrize(
    ("change", "sent", "stored"),
    [
        (None, " a\u00a0\n e\u0301 \u00e9 & ", " a\u00a0\n e\u0301 \u00e9 & "),
        ("trim", " \n a  b\t", "a  b"),
        ("nfd", "\u00e9", "e\u0301"),
        ("nfc", "e\u0301", "\u00e9"),
        ("collapse_whitespace", "a \n\t b\u00a0c", "a b c"),
        ("crlf", "a\nb\r\nc", "a\r\nb\r\nc"),
        ("html_escape", '<a> & "b"', "&lt;a&gt; &amp; &quot;b&quot;"),
        ("cut_name", " a\n", " a\n"),
        ("eval_type", " a\n", " a\n"),
    ],
)
def test_texts_are_stored_changed(sandbox: Sandbox, http: httpx.Client, change: Any, sent: str, stored: str) -> None:
    sandbox.behavior = Behavior(text_change=change)
    texts = dict.fromkeys(("name", "description", "prompt"), sent)
    expected = dict.fromkeys(texts, stored)
    created = create(http, **texts, custom_code=sent)
    [in_bulk] = http.post(BULK, json=[{**METRIC, **texts}]).json()
    path = f"{METRICS}{created['id']}/"
    updated = http.patch(path, json=texts).json()
    for metric in (created, in_bulk, updated, http.get(path).json(), *http.get(METRICS).json()):
        assert {name: metric[name] for name in texts} == expected
    assert created["custom_code"] == sent


def test_a_long_name_is_cut(sandbox: Sandbox, http: httpx.Client) -> None:
    sandbox.behavior = Behavior(text_change="cut_name")
    long = {"name": "n" * 300, "description": "d" * 300, "prompt": "p" * 300}
    created = create(http, **long)
    assert created.items() >= {**long, "name": "n" * 255}.items()
    updated = http.patch(f"{METRICS}{created['id']}/", json={"name": "m" * 256})
    assert updated.json()["name"] == "m" * 255
    assert http.post(BULK, json=[{**METRIC, **long}]).json()[0]["name"] == "n" * 255
    sandbox.behavior = Behavior()
    assert http.post(METRICS, json={**METRIC, **long}).status_code == 400


@pytest.mark.parametrize(
    ("change", "suggested"), [(None, {"binary"}), ("trim", {"binary"}), ("eval_type", {"binary_qualitative"})]
)
def test_the_type_of_a_suggestion_is_replaced(
    sandbox: Sandbox, http: httpx.Client, change: Any, suggested: set[str]
) -> None:
    sandbox.behavior = Behavior(text_change=change)
    started = http.post(f"{METRICS}generate_metrics/", json={"agent_id": CLINIC, "num_metrics": 25}).json()
    metrics = http.get(f"{METRICS}generate_metrics_progress/", params=started).json()["metrics"]
    assert {metric["eval_type"] for metric in metrics} == {"continuous_qualitative", "numeric", "enum"} | suggested
    created = http.post(BULK, json=metrics).json()
    assert {metric["eval_type"] for metric in created} == {"binary", "continuous_qualitative", "numeric", "enum"}


def test_a_new_metric_appears_late_in_the_list(sandbox: Sandbox, http: httpx.Client) -> None:
    sandbox.metrics.append({"id": 1, "name": "x"})
    sandbox.behavior = Behavior(list_lag=2.0)
    created = create(http, name="a", agent=CLINIC)
    sandbox.advance(1.5)
    create(http, name="b", agent=CLINIC)
    assert names(http) == "x"
    assert http.get(f"{METRICS}{created['id']}/").status_code == 200
    sandbox.advance(0.5)
    assert (names(http), names(http, agent_id=CLINIC)) == ("xa", "a")
    sandbox.advance(1.5)
    assert names(http) == "xab"


def test_the_list_leaves_fields_out(sandbox: Sandbox, http: httpx.Client) -> None:
    created = create(http, description="Long", prompt="Longer")
    sandbox.behavior = Behavior(list_omits=("description", "prompt"))
    [listed] = http.get(METRICS).json()
    assert created.keys() - listed.keys() == {"description", "prompt"}
    assert http.get(f"{METRICS}{created['id']}/").json()["description"] == "Long"


def test_the_list_shows_only_the_oldest_metrics(sandbox: Sandbox, http: httpx.Client) -> None:
    for name in "abc":
        create(http, name=name, agent=CLINIC if name > "a" else BANK)
    sandbox.behavior = Behavior(list_limit=2)
    assert names(http) == "ab"
    assert names(http, agent_id=CLINIC) == "bc"
    assert isinstance(http.get(METRICS).json(), list)
    sandbox.behavior = Behavior(list_limit=0)
    assert names(http) == ""


@pytest.mark.parametrize("name", BEHAVIORS)
def test_the_workflow_runs_with_each_behavior(sandbox: Sandbox, http: httpx.Client, name: str) -> None:
    sandbox.behavior = BEHAVIORS[name]
    started = http.post(f"{METRICS}generate_metrics/", json={"agent_id": CLINIC, "num_metrics": 3}).json()
    metrics = http.get(f"{METRICS}generate_metrics_progress/", params=started).json()["metrics"]
    created = http.post(BULK, json=metrics)
    assert (created.status_code, len(sandbox.metrics)) == (201, 3)
    for metric in created.json():
        assert http.get(f"{METRICS}{metric['id']}/").json()["name"] == metric["name"]
