"""The workflow for many agents, with both clients."""

import asyncio

from cekura_facade import AsyncCekura, Cekura, GenerateMetricsRequest


def blocking() -> dict[int, list[int]]:
    saved: dict[int, list[int]] = {}
    with Cekura() as cekura, cekura.metrics.generate_and_create_many([101, 102], concurrency=2) as outcomes:
        for outcome in outcomes:
            if outcome.error is None:
                saved[outcome.index] = [metric.id for metric in outcome.metrics]
            else:
                print(outcome.request, outcome.error)
                outcomes.stop()
    return saved


async def asynchronous() -> None:
    requests: list[int | GenerateMetricsRequest] = [GenerateMetricsRequest(agent_id=101, num_metrics=2), 102]
    async with AsyncCekura() as cekura, cekura.metrics.generate_and_create_many(requests) as outcomes:
        async for outcome in outcomes:
            print(outcome.index + 1, [metric.name.title() for metric in outcome.metrics])
            if outcome.error is not None:
                outcomes.stop()


if __name__ == "__main__":
    print(blocking())
    asyncio.run(asynchronous())
