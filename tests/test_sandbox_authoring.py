"""The sandbox previews metrics, shortens prompts and suggests triggers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from cekura_facade.sandbox import ManualClock, Sandbox

V1 = "/test_framework/v1"
METRIC = {"name": "Empathy", "eval_type": "binary", "type": "llm_judge"}
HANG_LIMIT = 300  # seconds, which only a test that hangs reaches
LONG = "Was the agent kind? " * 20
FORMS = [(base, slash) for base in ("metrics", "metrics-external") for slash in ("/", "")]


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    with Sandbox(job_seconds=0) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def http(running: Sandbox) -> Iterator[httpx.Client]:
    with httpx.Client(
        base_url=running.url, headers={"X-CEKURA-API-KEY": running.api_key}, timeout=HANG_LIMIT
    ) as client:
        yield client


@pytest.mark.parametrize(("base", "slash"), FORMS)
def test_a_preview_has_a_result_for_each_call_and_run(http: httpx.Client, base: str, slash: str) -> None:
    body = {"metric_data": METRIC, "call_log_ids": [5, 6], "run_ids": [7], "project_id": 11}
    started = http.post(f"{V1}/{base}/preview{slash}", json=body)
    assert (started.status_code, list(started.json())) == (200, ["progress_id"])
    progress = http.get(f"{V1}/{base}/preview-progress{slash}", params=started.json()).json()
    assert progress["status"] == "completed"
    assert [(each.get("call_log_id"), each.get("run_id")) for each in progress["results"]] == [
        *((5, None), (6, None), (None, 7)),
    ]


@pytest.mark.parametrize(("base", "slash"), FORMS)
def test_a_long_prompt_is_shortened_in_the_background(http: httpx.Client, base: str, slash: str) -> None:
    started = http.post(f"{V1}/{base}/simplify_prompt{slash}", json={"original_prompt": LONG, "metric_id": 3})
    assert list(started.json()) == ["progress_id"]
    assert http.get(f"{V1}/{base}/simplify_prompt_progress{slash}", params=started.json()).json() == {
        "status": "completed",
        "original_prompt": LONG,
        "simplified_prompt": "Was the agent kind? Was the agent kind?",
        "skipped_simplification": False,
        "metric_id": 3,
    }


@pytest.mark.parametrize(
    ("prompt", "shorter", "skipped"), [("One. Two! Three?", "One. Two!", False), ("One.", "One.", True)]
)
def test_a_short_prompt_is_shortened_at_once(http: httpx.Client, prompt: str, shorter: str, skipped: bool) -> None:
    answer = http.post(f"{V1}/metrics/simplify_prompt/", json={"original_prompt": prompt}).json()
    assert answer == {"original_prompt": prompt, "simplified_prompt": shorter, "skipped_simplification": skipped}


@pytest.mark.parametrize(("base", "slash"), FORMS)
def test_a_trigger_is_suggested_and_nothing_is_saved(
    http: httpx.Client, running: Sandbox, base: str, slash: str
) -> None:
    metric = {"name": "Refunds", "eval_type": "binary", "description": "Was the refund explained?"}
    answer = http.post(f"{V1}/{base}/generate_evaluation_trigger{slash}", json={**metric, "id": 4})
    assert answer.json() == {
        **metric,
        "evaluation_trigger": "custom",
        "trigger_type": "llm_judge",
        "evaluation_trigger_prompt": "Evaluate only calls in which this comes up: Was the refund explained.",
    }
    assert running.metrics == []


def test_a_task_passes_its_stages_as_time_advances() -> None:
    with Sandbox(job_seconds=10, clock=ManualClock()) as sandbox, httpx.Client(base_url=sandbox.url) as http:
        http.headers["X-CEKURA-API-KEY"] = sandbox.api_key
        http.timeout = httpx.Timeout(HANG_LIMIT)
        started = http.post(f"{V1}/metrics/simplify_prompt/", json={"original_prompt": LONG}).json()
        seen = []
        for _ in range(3):
            seen.append(http.get(f"{V1}/metrics/simplify_prompt_progress/", params=started).json()["status"])
            sandbox.advance(5)
        assert seen == ["queued", "processing", "completed"]


def test_only_the_next_task_fails(running: Sandbox, http: httpx.Client) -> None:
    running.fail_next_job("no model")
    body = {"metric_data": METRIC, "run_ids": [1]}
    failed, fine = (http.post(f"{V1}/metrics/preview/", json=body).json() for _ in range(2))
    progress = http.get(f"{V1}/metrics/preview-progress/", params=failed).json()
    assert progress == {"status": "failed", "error": "no model"}
    assert http.get(f"{V1}/metrics/preview-progress/", params=fine).json()["status"] == "completed"


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("preview", {"metric_data": METRIC}, "non_field_errors"),
        ("preview", {"metric_data": METRIC, "run_ids": []}, "run_ids"),
        ("preview", {"metric_data": METRIC, "run_ids": [1] * 11}, "run_ids"),
        ("preview", {"metric_data": METRIC, "call_log_ids": ["1"]}, "call_log_ids"),
        ("preview", {"run_ids": [1]}, "metric_data"),
        ("preview", {"metric_data": "x", "run_ids": [1]}, "metric_data"),
        ("preview", {"metric_data": {**METRIC, "type": "other"}, "run_ids": [1]}, "metric_data"),
        ("preview", {"metric_data": {"name": "x", "eval_type": "binary"}, "run_ids": [1]}, "metric_data"),
        ("preview", {"metric_data": METRIC, "run_ids": [1], "agent_id": "x"}, "agent_id"),
        ("preview", [METRIC], "non_field_errors"),
        ("simplify_prompt", {}, "original_prompt"),
        ("simplify_prompt", {"original_prompt": " "}, "original_prompt"),
        ("simplify_prompt", {"original_prompt": "x", "metric_id": "x"}, "metric_id"),
        ("simplify_prompt", "x", "non_field_errors"),
        ("generate_evaluation_trigger", {"name": "x"}, "eval_type"),
        ("generate_evaluation_trigger", {"name": "x", "eval_type": "other"}, "eval_type"),
    ],
)
def test_a_refusal_names_the_field(http: httpx.Client, path: str, body: Any, field: str) -> None:
    answer = http.post(f"{V1}/metrics/{path}/", json=body)
    assert (answer.status_code, list(answer.json())) == (400, [field])


@pytest.mark.parametrize("path", ["preview-progress", "simplify_prompt_progress"])
def test_an_unknown_job_is_not_found(http: httpx.Client, path: str) -> None:
    assert http.get(f"{V1}/metrics/{path}/").status_code == 400
    assert http.get(f"{V1}/metrics/{path}/", params={"progress_id": "x"}).status_code == 404
