"""The workflow with the asynchronous client."""

import asyncio

from cekura_facade import AsyncCekura, GeneratedMetric, GenerateMetricsProgress, Metric


async def show(progress: GenerateMetricsProgress) -> None:
    await asyncio.sleep(0)
    print(progress.status.upper(), progress.current_step)


def show_at_once(progress: GenerateMetricsProgress) -> None:
    print(progress.status)


async def choose(suggested: list[GeneratedMetric]) -> list[GeneratedMetric]:
    await asyncio.sleep(0)
    return [metric for metric in suggested if metric.eval_type == "binary"]


async def step_by_step(cekura: AsyncCekura) -> list[Metric]:
    job = await cekura.metrics.generate(agent_id=101, num_metrics=3)
    print(job.progress_id.upper(), (await job.poll()).status)
    suggested = await job.wait(timeout=60, on_progress=show)
    return await cekura.metrics.create_in_bulk(await choose(suggested))


async def at_once(cekura: AsyncCekura) -> list[Metric]:
    return await cekura.metrics.generate_and_create(agent_id=101, review=choose, on_progress=show_at_once)


async def what_was_created(cekura: AsyncCekura) -> None:
    created = await cekura.metrics.create_in_bulk([{"name": "Tone", "eval_type": "binary", "agents": [101]}])
    new: list[Metric] = created.created
    old: list[Metric] = created.existing
    print(f"{len(new)} of {len(created)} metrics are new, {len(old)} existed.")


async def side_by_side(cekura: AsyncCekura) -> int:
    saved = await asyncio.gather(*(cekura.metrics.generate_and_create(agent_id=number) for number in (101, 102)))
    return sum(len(metrics) for metrics in saved)


async def main() -> None:
    async with AsyncCekura() as cekura:
        print(len(await step_by_step(cekura)), len(await at_once(cekura)), await side_by_side(cekura))
        await what_was_created(cekura)
        agents = [agent.id async for agent in cekura.agents.list()]
        print(max(agents) + 1)
        async for agent in cekura.agents.list(q="support"):
            print(agent.id + 1)


if __name__ == "__main__":
    asyncio.run(main())
