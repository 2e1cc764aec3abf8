"""The vendor's package completes the workflow with the sandbox, which shows that the sandbox is realistic."""

from __future__ import annotations

import asyncio
import inspect
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cekura  # type: ignore[import-untyped]
import pytest

from cekura_facade.sandbox import Sandbox

WORKFLOW = [
    ("POST", "/test_framework/v1/metrics/generate_metrics", 200),
    ("GET", "/test_framework/v1/metrics-external/generate_metrics_progress", 200),
    ("POST", "/test_framework/v1/metrics-external/bulk_create", 201),
]


@pytest.fixture
def sandbox(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Sandbox]:
    """A sandbox, and an environment without any other configuration or host."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "CEKURA_API_KEY", "CEKURA_API_URL"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(tmp_path))
    connect = socket.socket.connect

    def connect_here_only(self: socket.socket, address: Any) -> None:
        assert address[0] == "127.0.0.1", f"refused to call {address}"
        connect(self, address)

    def resolve_nothing(host: Any, *args: Any, **options: Any) -> Any:
        assert host in ("127.0.0.1", b"127.0.0.1"), f"refused to look up {host}"
        return resolve(host, *args, **options)

    resolve = socket.getaddrinfo
    with Sandbox(job_seconds=0) as sandbox:
        monkeypatch.setattr(socket.socket, "connect", connect_here_only)
        monkeypatch.setattr(socket, "getaddrinfo", resolve_nothing)
        yield sandbox


async def run_workflow(client: Any) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Suggest and save with either client. Only the responses of one are awaited."""

    async def answer(value: Any) -> Any:
        return await value if inspect.isawaitable(value) else value

    started = await answer(client.metrics.generate(agent_id=101, num_metrics=3))
    progress = await answer(client.metrics.generate_progress(**started))
    saved = await answer(client.metrics.bulk_create(progress["metrics"]))
    await answer(client.close())
    return progress["metrics"], saved


@pytest.mark.parametrize("kind", ["Cekura", "AsyncCekura"])
@pytest.mark.parametrize("credential", ["api_key", "bearer_token", "environment"])
def test_the_vendors_package_completes_the_workflow(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, kind: str, credential: str
) -> None:
    make = getattr(cekura, kind)
    if credential == "environment":
        monkeypatch.setenv("CEKURA_API_KEY", sandbox.api_key)
        monkeypatch.setenv("CEKURA_API_URL", sandbox.url)
        client = make()
    else:
        client = make(base_url=sandbox.url, **{credential: sandbox.api_key})
    suggested, saved = asyncio.run(run_workflow(client))
    assert [metric["name"] for metric in saved] == [metric["name"] for metric in suggested]
    assert [metric["id"] for metric in saved] == [metric["id"] for metric in sandbox.metrics]
    assert len(saved) == 3
    assert [(request.method, request.path, request.status) for request in sandbox.requests] == WORKFLOW
    assert sandbox.requests[2].json == suggested


def test_the_vendors_package_reads_changes_and_deletes_a_metric(sandbox: Sandbox) -> None:
    with cekura.Cekura(api_key=sandbox.api_key, base_url=sandbox.url) as client:
        saved = client.metrics.create(name="Empathy", eval_type="binary", agents=[101])
        assert client.metrics.update(saved["id"], name="Warmth")["name"] == "Warmth"
        assert [metric["name"] for metric in client.metrics.list(agent_id=101)] == ["Warmth"]
        assert client.metrics.get(saved["id"])["agents"] == [101]
        assert client.metrics.delete(saved["id"]) == {}
        with pytest.raises(cekura.NotFoundError):
            client.metrics.get(saved["id"])


def test_the_vendors_package_reads_agents_by_v2(sandbox: Sandbox) -> None:
    with cekura.Cekura(api_key=sandbox.api_key, base_url=sandbox.url) as client:
        agents = client.agents.list(project_id=11)["results"]
        assert [agent["name"] for agent in agents] == ["Dental clinic receptionist"]
        assert client.agents.get(101) == agents[0]


def test_the_vendors_package_recognizes_a_wrong_key(sandbox: Sandbox) -> None:
    with (
        cekura.Cekura(api_key="wrong", base_url=sandbox.url) as client,
        pytest.raises(cekura.AuthenticationError),
    ):
        client.metrics.list(agent_id=101)


def test_no_other_host_can_be_called(sandbox: Sandbox) -> None:
    with cekura.Cekura(api_key=sandbox.api_key) as client, pytest.raises(AssertionError, match="refused"):
        client.metrics.list()
    assert sandbox.requests == []
