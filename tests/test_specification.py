"""The effective specification and the sandbox agree: every response of the sandbox is described."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from hypothesis import HealthCheck, Phase, settings
from openapi_spec_validator import OpenAPIV31SpecValidator
from regeneration.documents import load, operations

from cekura_facade.sandbox import Sandbox
from tests.support import examples

SPECIFICATION = Path(__file__).parent.parent / "spec" / "openapi.yaml"
OPERATIONS = [f"{method.upper()} {path}" for method, path, _ in operations(load(SPECIFICATION))]


@pytest.fixture(scope="module")
def schema() -> Any:
    """The schema of Schemathesis. Only these tests need it, because it takes seconds to import and read."""
    import schemathesis

    return schemathesis.openapi.from_path(SPECIFICATION)


@pytest.fixture(scope="module")
def described() -> list[Any]:
    """Whether a response is described.

    Schemathesis also checks which requests a server accepts. This is not used, because the sandbox has rules that a
    schema cannot express (such as existing agents), and has more operations than the client covers.
    """
    from schemathesis.checks import not_a_server_error
    from schemathesis.specs.openapi import checks

    return [
        not_a_server_error,
        checks.status_code_conformance,
        checks.content_type_conformance,
        checks.response_headers_conformance,
        checks.response_schema_conformance,
    ]


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    with Sandbox(job_seconds=0) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def session() -> Iterator[requests.Session]:
    """Connections that stay open, for several thousand requests."""
    with requests.Session() as session:
        yield session


@pytest.mark.parametrize("label", OPERATIONS)
def test_every_response_of_the_sandbox_is_described(
    label: str, schema: Any, described: list[Any], running: Sandbox, session: requests.Session
) -> None:
    # Schemathesis's plugin for pytest would do this in every process, when it collects the tests.
    from schemathesis.generation.feedback import FeedbackSources
    from schemathesis.pytest._test_builder import build_operation_test
    from schemathesis.python._constants.orchestrator import make_constants_value_source

    @settings(
        max_examples=examples(20),
        deadline=None,
        derandomize=True,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def check(case: Any) -> None:
        headers = {"X-CEKURA-API-KEY": running.api_key}
        response = case.call(base_url=running.url, headers=headers, session=session)
        # Schemathesis also uses methods that the specification does not have.
        if response.status_code == 405 and case.method.upper() == case.operation.method.upper():
            pytest.skip("The sandbox does not do this. What it has to do is looked at one by one, below.")
        case.validate_response(response, checks=described)

    method, path = label.split(" ")
    feedback = FeedbackSources(constants_value_source=make_constants_value_source(schema))
    build_operation_test(
        config=schema.config,
        operation=schema[path][method],
        test_func=check,
        given_kwargs={},
        feedback=feedback,
    )()


def test_the_responses_of_the_workflow_are_described(running: Sandbox, schema: Any, described: list[Any]) -> None:
    """Random requests seldom succeed, so this checks the successes of the workflow one by one."""
    headers = {"X-CEKURA-API-KEY": running.api_key}
    agent_id = next(iter(running.agents))

    def call(label: str, **parts: object) -> object:
        method, path = label.split(" ")
        case = schema[path][method].Case(**parts)
        response = case.call(base_url=running.url, headers=headers)
        assert response.status_code in (200, 201, 204), response.text
        case.validate_response(response, checks=described)
        return response.json() if response.content else None

    v1 = "/test_framework/v1"
    job = call(f"POST {v1}/metrics/generate_metrics/", body={"agent_id": agent_id, "num_metrics": 4})
    assert isinstance(job, dict)
    progress = call(f"GET {v1}/metrics/generate_metrics_progress/", query={"progress_id": job["progress_id"]})
    assert isinstance(progress, dict)
    saved = call(f"POST {v1}/metrics/bulk_create/", body=progress["metrics"])
    assert isinstance(saved, list)
    assert len(saved) == 4
    metric = {"name": "Tone", "eval_type": "binary", "agents": [agent_id]}
    one = call(f"POST {v1}/metrics/", body=metric)
    assert isinstance(one, dict)
    call(f"PATCH {v1}/metrics/{{id}}/", path_parameters={"id": one["id"]}, body={"name": "Manner"})
    trial = {"metric_data": {**metric, "type": "llm_judge"}, "run_ids": [1]}
    preview = call(f"POST {v1}/metrics/preview/", body=trial)
    call(f"GET {v1}/metrics/preview-progress/", query=preview)
    call(f"POST {v1}/metrics/simplify_prompt/", body={"original_prompt": "One. Two. Three."})
    started = call(f"POST {v1}/metrics/simplify_prompt/", body={"original_prompt": "One. " * 99, "metric_id": 1})
    call(f"GET {v1}/metrics/simplify_prompt_progress/", query=started)
    call(f"POST {v1}/metrics/generate_evaluation_trigger/", body=metric)
    call(f"POST {v1}/predefined-metrics/copy/", body={"metric_codes": ["latency"], "agent_id": agent_id})
    call(f"GET {v1}/aiagents/", query={"page_size": 2})
    call(f"GET {v1}/metrics/", query={"agent_id": agent_id})
    call(f"GET {v1}/metrics/{{id}}/", path_parameters={"id": str(saved[0]["id"])})
    call(f"DELETE {v1}/metrics/{{id}}/", path_parameters={"id": saved[0]["id"]})
    call(f"GET {v1}/aiagents/{{id}}/", path_parameters={"id": agent_id})


def test_both_specifications_are_valid() -> None:
    for name in ("upstream.yaml", "openapi.yaml"):
        assert list(OpenAPIV31SpecValidator(load(SPECIFICATION.with_name(name))).iter_errors()) == []
