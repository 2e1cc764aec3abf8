"""Run every step of the facade on the generated client that is imported first, and print the paths of the requests.

python tests/moved_workflow.py CLIENT CREDENTIAL     Cekura or AsyncCekura; key or token
"""

from __future__ import annotations

import asyncio
import inspect
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from cekura_api.api.metrics import copy_predefined_metrics

import cekura_facade as facade
from cekura_facade.sandbox import Sandbox

CLINIC, BANK, OTHER = 101, 102, 103
ASSISTANT = f"asst_sandbox_{BANK}"
LONG = "Was the agent kind? " * 20


async def got(value: Any) -> Any:
    """The result of a call of either client."""
    return await value if inspect.isawaitable(value) else value


async def all_of(items: Any) -> list[Any]:
    """The items of a list with pages, from either client."""
    return [item async for item in items] if isinstance(items, AsyncIterator) else list(items)


async def run(client: Any, sandbox: Sandbox) -> None:
    """Generate, resume, save, list, plan, apply, preview, simplify, update and delete."""
    metrics = client.metrics
    saved = await got(metrics.generate_and_create(agent_id=CLINIC, num_metrics=3))
    assert (len(saved), len(saved.created), saved[0].agents) == (3, 3, [CLINIC])

    for agent, again in (({"agent_id": BANK}, "agent_id"), ({"assistant_id": ASSISTANT}, "assistant_id")):
        job = await got(metrics.generate(**agent, num_metrics=2))
        assert (await got(job.poll())).status == "completed"
        suggestions = await got(metrics.job(job.progress_id, **agent).wait())
        assert len(suggestions) == 2
        first, second = [await got(metrics.create_in_bulk(suggestions)) for _ in range(2)]
        assert len(first.created) == (2 if again == "agent_id" else 0), first
        assert [metric.id for metric in second] == [metric.id for metric in first]
        assert second.created == []

    for_assistant = [{"name": "Tone", "eval_type": "binary", "assistant_id": ASSISTANT}]
    before = len(sandbox.requests)
    first, second = [await got(metrics.create_in_bulk(for_assistant)) for _ in range(2)]
    assert (len(first.created), len(second.created), second[0].id) == (1, 0, first[0].id)
    # The agent of the assistant and its project were found.
    assert any({"agent_id", "project_id"} <= request.query.keys() for request in sandbox.requests[before:])

    outcomes = await all_of(metrics.generate_and_create_many([CLINIC, BANK], num_metrics=2))
    assert [outcome.error for outcome in outcomes] == [None, None]

    listed = await got(metrics.list(agent_id=CLINIC))
    assert {metric.id for metric in saved} <= {metric.id for metric in listed}
    agents = await all_of(client.agents.list(page_size=2))
    assert [agent.id for agent in agents] == list(sandbox.agents)
    agent = await got(client.agents.get(CLINIC))
    known = sandbox.agents[CLINIC]
    assert known["agent_name"] in (agent.to_dict().get("name"), agent.to_dict().get("agent_name"))
    assert agent.project == known["project"]

    metric = await got(metrics.get(saved[0].id))
    assert (metric.id, metric.name, metric.project) == (saved[0].id, saved[0].name, known["project"])
    assert (await got(metrics.update(metric.id, name="Warmth"))).name == "Warmth"
    created = await got(metrics.create(name="Calm", eval_type="binary", agents=[CLINIC]))
    await got(metrics.delete(created.id))
    assert created.id not in [each["id"] for each in sandbox.metrics]
    await got(metrics.generate_evaluation_trigger(name="Calm", eval_type="binary"))

    # The facade has no method for this one.
    call = copy_predefined_metrics.sync if isinstance(client, facade.Cekura) else copy_predefined_metrics.asyncio
    [copied] = await got(call(client=client.api, body={"metric_codes": ["latency"], "agent_id": CLINIC}))
    assert (copied.vocera_defined_metric_code, copied.agents) == ("latency", [CLINIC])

    exported = await got(metrics.export(agent_id=CLINIC))
    for has_changes in (True, False):
        plan = await got(metrics.plan(exported, agent_id=OTHER))
        assert plan.has_changes is has_changes, plan
        await got(metrics.apply(plan))
    assert await got(metrics.export(agent_id=OTHER)) == exported

    # The agent of a preview is the one that is passed, or that of the metric.
    for scope in ({"agent_id": CLINIC}, {"project_id": known["project"]}, {}):
        preview = await got(metrics.preview(metric, run_ids=[1], **scope))
        assert (await got(preview.wait())).results
        resumed = metrics.preview_job(preview.progress_id, **(scope or {"agent_id": CLINIC}))
        assert (await got(resumed.wait())).results
    shorter = await got(metrics.simplify_prompt(LONG, agent_id=CLINIC))
    assert (await got(shorter.wait())).simplified_prompt
    resumed = metrics.simplification_job(shorter.progress_id, agent_id=CLINIC)
    assert (await got(resumed.wait())).simplified_prompt


async def hints(client: Any, sandbox: Sandbox) -> None:
    """A message about resuming a job has its agent if the API has a parameter for it."""
    job = await got(client.metrics.generate(agent_id=BANK))
    with pytest.raises(facade.GenerationTimeoutError) as caught:
        await got(job.wait(timeout=0))
    moved = sandbox.requests[-1].path.startswith("/test_framework/v2/")
    scope = f", agent_id={BANK}" if moved else ""
    assert f"metrics.job('{job.progress_id}'{scope}).wait()" in str(caught.value)
    assert not getattr(caught.value, "__notes__", None)


def main() -> None:
    """Run it, and print a line for each request: method, path, whether it says which agent or project, and status."""
    kind, credential = sys.argv[1:]
    requests = []
    for step, seconds in ((run, 0), (hints, 1e6)):
        with Sandbox(job_seconds=seconds) as sandbox:
            asyncio.run(use(step, sandbox, kind, "bearer_token" if credential == "token" else "api_key"))
            requests += [[one.method, one.path, one.query, one.status] for one in sandbox.requests]
    print(json.dumps(requests))


async def use(step: Callable[[Any, Sandbox], Awaitable[None]], sandbox: Sandbox, kind: str, credential: str) -> None:
    """Run a step with a separate client."""
    client = getattr(facade, kind)(**{credential: sandbox.api_key}, base_url=sandbox.url)
    await step(client, sandbox)
    await got(client.aclose() if kind == "AsyncCekura" else client.close())


if __name__ == "__main__":
    main()
