"""Many workflows in one process, by one contender; prints what they took. Run as a file, once per measurement.

python workload.py CONTENDER ADDRESS COUNT
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
import time
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any

PREFIX = "/test_framework/v1/metrics"
AGENT = 101
METRICS = 10  # of each workflow
WORKERS = 10

Outcomes = list[Any]
Request = tuple[str, str, dict[str, str]]  # method, path and parameters
_JOB = "JOB"  # placeholder for the beginning of the job's id, which the names of its metrics contain
_ONE_LIST: list[Request] = [
    ("GET", PREFIX + "/", {"agent_id": str(AGENT)}),
    ("POST", PREFIX + "/bulk_create/", {}),
]


async def facade(address: str, number: int) -> Outcomes:
    """All at once: what this project offers."""
    from cekura_facade import AsyncCekura

    async with AsyncCekura("key", base_url=address) as cekura:
        outcomes: Outcomes = await asyncio.gather(
            *(cekura.metrics.generate_and_create(agent_id=AGENT, num_metrics=METRICS) for _ in range(number)),
            return_exceptions=True,
        )
    return outcomes


async def httpx_workers(address: str, number: int) -> Outcomes:
    """Ten workers that take one workflow after the other, with the requests that this project sends."""
    sent = await _requests_of_saving(address)
    return await _workers(address, number, lambda client: _bare(client, sent))


async def httpx_workers_with_one_list(address: str, number: int) -> Outcomes:
    """Ten workers that list the metrics of the agent once before they save: what a careful user of httpx writes."""
    return await _workers(address, number, lambda client: _bare(client, _ONE_LIST))


async def httpx_workers_without_list(address: str, number: int) -> Outcomes:
    """Ten workers that save without listing first."""
    return await _workers(address, number, lambda client: _bare(client, _ONE_LIST[1:]))


async def _workers(address: str, number: int, workflow: Callable[[Any], Coroutine[Any, Any, Any]]) -> Outcomes:
    import httpx

    left, outcomes = iter(range(number)), Outcomes()
    async with httpx.AsyncClient(base_url=address, headers={"X-CEKURA-API-KEY": "key"}) as client:

        async def work() -> None:
            for _ in left:
                try:
                    outcomes.append(await workflow(client))
                except httpx.HTTPError as error:
                    outcomes.append(error)

        await asyncio.gather(*(work() for _ in range(WORKERS)))
    return outcomes


async def _requests_of_saving(address: str) -> list[Request]:
    """The requests by which this project saves the metrics of a job, with its id replaced."""
    import httpx

    from cekura_facade import AsyncCekura

    sent: list[Request] = []

    async def note(request: httpx.Request) -> None:
        sent.append((request.method, request.url.path, dict(request.url.params)))

    async with (
        httpx.AsyncClient(event_hooks={"request": [note]}) as client,
        AsyncCekura("key", base_url=address, http_client=client) as cekura,
    ):
        job = await cekura.metrics.generate(agent_id=AGENT, num_metrics=METRICS)
        await cekura.metrics.create_in_bulk(await job.wait())
    saving = [each for each in sent if "generate_metrics" not in each[1]]
    written = json.dumps(saving).replace(job.progress_id[:8], _JOB)
    return [(method, path, params) for method, path, params in json.loads(written)]


async def httpx_gather(address: str, number: int) -> Outcomes:
    """All at once: what one writes first."""
    import httpx

    async with httpx.AsyncClient(base_url=address, headers={"X-CEKURA-API-KEY": "key"}) as client:
        return await asyncio.gather(*(_bare(client, _ONE_LIST) for _ in range(number)), return_exceptions=True)


async def vendor_gather(address: str, number: int) -> Outcomes:
    """All at once, with the vendor's package."""
    import cekura  # type: ignore[import-untyped]

    async with cekura.AsyncCekura(api_key="key", base_url=address) as client:

        async def workflow() -> Any:
            started = await client.metrics.generate(agent_id=AGENT, num_metrics=METRICS)
            while (progress := await client.metrics.generate_progress(**started))["status"] != "completed":
                await asyncio.sleep(0.25)
            await client.metrics.list(agent_id=AGENT)
            return await client.metrics.bulk_create(progress["metrics"])

        return await asyncio.gather(*(workflow() for _ in range(number)), return_exceptions=True)


async def _bare(client: Any, saving: list[Request]) -> Any:
    """The requests of one workflow, without a check of anything but the status."""

    async def ask(method: str, path: str, **kwargs: Any) -> Any:
        response = await client.request(method, path, **kwargs)
        return response.raise_for_status().json()

    started = await ask("POST", PREFIX + "/generate_metrics/", json={"agent_id": AGENT, "num_metrics": METRICS})
    while True:
        progress = await ask("GET", PREFIX + "/generate_metrics_progress/", params=started)
        if progress["status"] == "completed":
            break
        await asyncio.sleep(0.25)
    saved = None
    for method, path, params in saving:
        if method == "POST":
            saved = await ask(method, path, json=progress["metrics"])
        else:
            job = started["progress_id"][:8]
            await ask(method, path, params={name: value.replace(_JOB, job) for name, value in params.items()})
    return saved


CONTENDERS: dict[str, Callable[[str, int], Coroutine[Any, Any, Outcomes]]] = {
    each.__name__: each
    for each in (
        facade,
        httpx_workers,
        httpx_workers_with_one_list,
        httpx_workers_without_list,
        httpx_gather,
        vendor_gather,
    )
}


def main() -> None:
    """Measure one contender: seconds, failures, and the peak of resident memory."""
    sys.modules["click"] = None  # type: ignore[assignment]  # as in cold_start
    contender, address, number = CONTENDERS[sys.argv[1]], sys.argv[2], int(sys.argv[3])
    asyncio.run(contender(address, 1))  # what is imported and compiled once is not of interest here
    started, used = time.perf_counter(), time.process_time()
    outcomes = asyncio.run(contender(address, number))
    seconds, cpu = time.perf_counter() - started, time.process_time() - used
    errors = Counter(type(each).__name__ for each in outcomes if isinstance(each, BaseException))
    assert all(len(each) == METRICS for each in outcomes if not isinstance(each, BaseException))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    print(json.dumps({"seconds": seconds, "cpu_seconds": cpu, "errors": errors, "peak_bytes": peak}))


if __name__ == "__main__":
    main()
