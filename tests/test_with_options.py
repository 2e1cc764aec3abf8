"""`with_options`, the results of a save, and names in tracebacks."""

from __future__ import annotations

import subprocess
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

import cekura_facade as facade
from cekura_facade._clock import Clock
from cekura_facade.sandbox import Sandbox
from tests.support import Either, reply, scripted

SOON = {"Retry-After": "0"}


def derived(cekura: Either, **options: Any) -> Any:
    """The client with other options, with the interface of the tests."""
    return cekura.wrapped(cekura.client.with_options(**options))


def test_options_apply_only_to_the_new_client(client: Callable[..., Either]) -> None:
    with scripted(reply(503, b"", SOON)) as server:
        cekura = client("key", base_url=server.url, max_retries=0)
        with pytest.raises(facade.InternalServerError):
            derived(cekura, max_retries=2).metrics.list(agent_id=1)
        assert len(server.received) == 3
        with pytest.raises(facade.InternalServerError):
            cekura.metrics.list(agent_id=1)
        assert len(server.received) == 4


def test_a_shorter_timeout(client: Callable[..., Either], kind: str) -> None:
    seen: list[float] = []

    def respond(request: httpx.Request) -> httpx.Response:
        seen.append(round(request.extensions["timeout"]["read"], 3))
        return httpx.Response(200, json=[])

    http: Any = (httpx.Client if kind == "sync" else httpx.AsyncClient)(transport=httpx.MockTransport(respond))
    cekura = client("key", base_url="http://127.0.0.1", http_client=http, clock=Clock())
    derived(cekura, timeout=7).metrics.list(agent_id=1)
    cekura.metrics.list(agent_id=1)
    assert seen == [7, 30]


def test_the_connections_and_the_memory_are_shared(client: Callable[..., Either]) -> None:
    with scripted(reply(429, b"", {"Retry-After": "5"}), reply(200, [])) as server:
        cekura = client("key", base_url=server.url, max_retries=0)
        other = derived(cekura, timeout=9)
        assert other.transport.state is cekura.client.transport.state
        with pytest.raises(facade.RateLimitError):
            cekura.metrics.list(agent_id=1)
        other.metrics.list(agent_id=1)
        assert other.transport.clock.pauses == [5]
        cekura.close_client()
        with pytest.raises(facade.ConfigurationError, match="closed"):
            other.metrics.list(agent_id=1)


@pytest.mark.parametrize("options", [{"timeout": 0}, {"timeout": "5"}, {"max_retries": -1}, {"max_retries": 1.5}])
def test_an_invalid_option_is_refused(client: Callable[..., Either], options: dict[str, Any]) -> None:
    cekura = client("key", base_url="http://127.0.0.1:1")
    with pytest.raises(facade.ConfigurationError, match=next(iter(options))):
        cekura.client.with_options(**options)


def test_a_save_says_which_metrics_are_new(cekura: Either, sandbox: Sandbox) -> None:
    wanted = [{"name": name, "eval_type": "binary", "agent": 101} for name in ("a", "b", "c")]
    first = cekura.metrics.create_in_bulk(wanted[1:2])
    assert [metric.name for metric in first.created] == ["b"]
    assert first.existing == []
    again = cekura.metrics.create_in_bulk(wanted)
    assert [metric.name for metric in again] == ["a", "b", "c"]
    assert [metric.name for metric in again.created] == ["a", "c"]
    assert [metric.id for metric in again.existing] == [first[0].id]
    saved = cekura.metrics.generate_and_create(agent_id=101, num_metrics=2)
    assert (len(saved), len(saved.created), saved.existing) == (2, 2, [])
    assert cekura.metrics.generate_and_create(agent_id=101, num_metrics=2, review=lambda _: []).created == []


def test_a_metric_with_a_lost_response_counts_as_new(client: Callable[..., Either]) -> None:
    saved = [{"id": 7, "name": "a", "eval_type": "binary"}]
    with scripted(reply(200, []), b"", reply(200, saved)) as server:
        result = client("key", base_url=server.url, settle_timeout=0).metrics.create_in_bulk(
            [{"name": "a", "eval_type": "binary"}]
        )
    assert [metric.id for metric in result.created] == [7]
    assert result.existing == []


def test_tracebacks_name_the_errors_as_people_import_them(client: Callable[..., Either]) -> None:
    with scripted(reply(400, {"name": ["no"]})) as server, pytest.raises(facade.BadRequestError) as caught:
        client("key", base_url=server.url).metrics.generate(agent_id=1)
    shown = "".join(traceback.format_exception(caught.value))
    assert "\ncekura_facade.BadRequestError: POST" in shown
    assert "in generate" in shown
    errors = [value for value in vars(facade).values() if isinstance(value, type) and issubclass(value, Exception)]
    assert {error.__module__ for error in errors} == {"cekura_facade"}


def test_a_folder_called_generated_client_changes_nothing(tmp_path: Path) -> None:
    for name in ("generated_client", "models", "api"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise RuntimeError")
    code = "import cekura_facade; print(cekura_facade.Metric(id=1, name='Tone'))"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stdout == "Metric(id=1, name='Tone')\n", done.stderr
