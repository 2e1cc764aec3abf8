"""Run the facade's workflow, sync and async, against the sandbox, on the generated client that is imported first.

PYTHONPATH=DIR python scripts/workflow_check.py     checks the client in DIR/cekura_api
"""

from __future__ import annotations

import asyncio
import importlib.util
import sys
from collections.abc import Callable
from typing import Any

import cekura_api
from cekura_api.api.agents import get_agent
from cekura_api.api.metrics import delete_metric, get_metric

from cekura_facade import AsyncCekura, Cekura, Metric
from cekura_facade.sandbox import Sandbox


def main() -> int:
    """Run both, and print the folder of the client. Returns 0. If something is wrong, an exception ends the process."""
    with Sandbox(job_seconds=0.05) as sandbox:
        one = blocking(sandbox)
        sandbox.metrics.clear()
        other = asyncio.run(awaited(sandbox))
    assert one == other, "sync and async differ"
    print(cekura_api.__path__[0])
    return 0


def blocking(sandbox: Sandbox) -> list[Any]:
    """The whole workflow with Cekura. Returns the metrics that were sent."""
    agent_id = next(iter(sandbox.agents))
    with Cekura(sandbox.api_key, base_url=sandbox.url) as cekura:
        saved = cekura.metrics.generate_and_create(agent_id=agent_id, num_metrics=5)
        assert [metric.id for metric in saved] == [metric["id"] for metric in sandbox.metrics]
        assert [metric.id for metric in cekura.metrics.list(agent_id=agent_id)] == [metric.id for metric in saved]
        agent = get_agent.sync(agent_id, client=cekura.api)
        metric = get_metric.sync(saved[0].id, client=cekura.api)
        around(cekura, saved[1])
        assert cekura.metrics.update(saved[1].id, display_order=7).to_dict()["display_order"] == 7
        delete_metric.sync_detailed(saved[0].id, client=cekura.api)
    return checked(sandbox, agent, metric, saved)


def around(cekura: Cekura, metric: Metric) -> None:
    """The steps around the workflow, except for those with an optional operation that the client does not have."""
    prompt = "Was it kind? " * 30
    steps: dict[str, Callable[[], Any]] = {
        "agents.list_agents": lambda: list(cekura.agents.list(page_size=2))[2],
        "metrics.preview_metric": lambda: cekura.metrics.preview(metric, run_ids=[1]).wait().results,
        "metrics.simplify_prompt_progress": lambda: cekura.metrics.simplify_prompt(prompt).wait().simplified_prompt,
    }
    for needed, step in steps.items():
        if importlib.util.find_spec(f"cekura_api.api.{needed}"):
            assert step()


async def awaited(sandbox: Sandbox) -> list[Any]:
    """The same with AsyncCekura."""
    agent_id = next(iter(sandbox.agents))
    async with AsyncCekura(sandbox.api_key, base_url=sandbox.url) as cekura:
        saved = await cekura.metrics.generate_and_create(agent_id=agent_id, num_metrics=5)
        assert [metric.id for metric in saved] == [metric["id"] for metric in sandbox.metrics]
        listed = await cekura.metrics.list(agent_id=agent_id)
        assert [metric.id for metric in listed] == [metric.id for metric in saved]
        agent = await get_agent.asyncio(agent_id, client=cekura.api)
        metric = await get_metric.asyncio(saved[0].id, client=cekura.api)
        changed = await cekura.metrics.update(saved[1].id, display_order=7)
        assert changed.to_dict()["display_order"] == 7
        await delete_metric.asyncio_detailed(saved[0].id, client=cekura.api)
    return checked(sandbox, agent, metric, saved)


def checked(sandbox: Sandbox, agent: Any, metric: Any, saved: list[Any]) -> list[Any]:
    """Check the results, and return the body of the last bulk_create."""
    shown = agent.to_dict()  # In v2 of the API, an agent has a `name`.
    assert shown.get("agent_name", shown.get("name")) == next(iter(sandbox.agents.values()))["agent_name"]
    assert metric.name == saved[0].name
    assert len(sandbox.metrics) == len(saved) - 1
    sent = [request for request in sandbox.requests if request.path.rstrip("/").endswith("bulk_create")][-1].json
    job = list(sandbox.jobs.values())[-1]
    assert sent == job.suggestions, "a suggestion was changed before it was sent"
    return list(sent)


if __name__ == "__main__":
    sys.exit(main())
