"""Metrics and agents, one request at a time."""

from cekura_api.api.agents import get_agent

from cekura_facade import AsyncCekura, Cekura


def names(cekura: Cekura) -> dict[int, str]:
    return {metric.id: metric.name for metric in cekura.metrics.list(agent_id=1)}


def change(cekura: Cekura) -> int:
    created = cekura.metrics.create(name="x", eval_type="binary")
    metric = cekura.metrics.update(1001, name="Tone")
    number: int = metric.id
    text: str = metric.name
    print(number, text, cekura.metrics.get(created.id).name.title())
    cekura.metrics.delete(created.id)
    return created.id + metric.id


def agents(cekura: Cekura) -> None:
    for agent in cekura.agents.list():
        print(agent.id + 1)
    print(cekura.agents.get(101).id + 1)


def impatient(cekura: Cekura) -> list[str]:
    metrics = cekura.with_options(timeout=5.0, max_retries=0).metrics
    return [metric.name for metric in metrics.list(project_id=11)]


def generated(cekura: Cekura) -> int:
    return get_agent.sync(101, client=cekura.api).id


async def the_same(cekura: AsyncCekura) -> None:
    metric = await cekura.metrics.update(1001, name="Tone")
    number: int = metric.id
    text: str = metric.name
    print(number, text, [each.id + 1 for each in await cekura.metrics.list(agent_id=1)])
    created = await cekura.metrics.create(name="x", eval_type="binary")
    await cekura.metrics.delete(created.id)
    quick = cekura.with_options(timeout=5.0, max_retries=0)
    print((await quick.agents.get(101)).id + 1, await get_agent.asyncio(101, client=cekura.api))
