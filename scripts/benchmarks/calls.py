"""One call after the other: `job.poll()`, and saving 100 metrics, beside the same requests without the facade."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, ExitStack
from functools import partial
from typing import Any

import cekura as vendor  # type: ignore[import-untyped]
import httpx
from cekura_api import AuthenticatedClient
from cekura_api.api.metrics import create_metrics_in_bulk, generate_metrics_progress, list_metrics
from cekura_api.models import MetricCreate

from cekura_facade import AsyncCekura, Cekura

from .report import FACADE, GENERATED, HTTPX, VENDOR, Row, Times
from .server import AGENT, MANY, progress_id, suggested

_PATH = "/test_framework/v1/metrics/"
_PROGRESS = _PATH + "generate_metrics_progress/"
_HEADERS = {"X-CEKURA-API-KEY": "key"}
_SAVED = 100
_POLL_GOALS = {10: 1.10, 100: 1.20}  # by the number of metrics
_LIST_GOAL = 1.50
_SAVE_GOAL = 1.30
_PARSED = "response.json()"
_UNCHECKED = "one list and the save"


def measure(url: str, *, quick: bool) -> list[Row]:
    """Measure a call of each contender."""
    rounds, repeats = (1, 1) if quick else (60, 20)
    rows = []
    with ExitStack() as stack:
        ours = stack.enter_context(Cekura("key", base_url=url))
        bare = stack.enter_context(httpx.Client(base_url=url, headers=_HEADERS))
        theirs = stack.enter_context(vendor.Cekura(api_key="key", base_url=url))
        generated = stack.enter_context(AuthenticatedClient(base_url=url, token="key"))
        for number, goal in _POLL_GOALS.items():
            job = progress_id(metrics=number)
            polls: dict[str, Callable[[], Any]] = {
                FACADE: ours.metrics.job(job).poll,
                HTTPX: lambda job=job: bare.get(_PROGRESS, params={"progress_id": job}).json(),  # type: ignore[misc]
                GENERATED: partial(generate_metrics_progress.sync, client=generated, progress_id=job),
                VENDOR: partial(theirs.metrics.generate_progress, progress_id=job),
            }
            times = Times({name: _timed(poll, repeats) for name, poll in polls.items()}, rounds)
            rows.append(times.row(f"job.poll() with {number} metrics, typed", goal))
        rows += _awaited(url, rounds, repeats)
        suggestions = ours.metrics.job(progress_id(metrics=_SAVED)).wait()
        metrics = [suggested(number) for number in range(_SAVED)]
        models = [MetricCreate.from_dict(metric) for metric in metrics]

        requests = _requests_of_saving(url, metrics)

        def save_bare() -> Any:
            for method, path, params in requests:
                bare.request(method, path, params=params, json=metrics if method == "POST" else None).json()

        def save_bare_unchecked() -> Any:
            bare.get(_PATH, params={"agent_id": AGENT}).json()
            return bare.post(_PATH + "bulk_create/", json=metrics).json()

        def save_generated() -> Any:
            list_metrics.sync(client=generated, agent_id=AGENT)
            return create_metrics_in_bulk.sync(client=generated, body=models)

        def save_theirs() -> Any:
            theirs.metrics.list(agent_id=AGENT)
            return theirs.metrics.bulk_create(metrics)

        saves: dict[str, Callable[[], Any]] = {
            FACADE: partial(ours.metrics.create_in_bulk, suggestions),
            HTTPX: save_bare,
            f"{HTTPX}, {_UNCHECKED}": save_bare_unchecked,
            f"{GENERATED}, {_UNCHECKED}": save_generated,
            f"{VENDOR}, {_UNCHECKED}": save_theirs,
        }
        times = Times({name: _timed(save, max(repeats // 4, 2)) for name, save in saves.items()}, rounds)
        rows += _listed(ours, bare, generated, theirs, rounds)
        rows.append(times.row(f"saving {_SAVED} metrics, with the same {len(requests)} requests", _SAVE_GOAL))
    return rows


def _requests_of_saving(url: str, metrics: list[dict[str, object]]) -> list[tuple[str, str, dict[str, str]]]:
    """The method, path and parameters of each request that saving sends."""
    sent: list[tuple[str, str, dict[str, str]]] = []

    def note(request: httpx.Request) -> None:
        sent.append((request.method, request.url.path, dict(request.url.params)))

    with (
        httpx.Client(event_hooks={"request": [note]}) as client,
        Cekura("key", base_url=url, http_client=client) as ours,
    ):
        ours.metrics.create_in_bulk(metrics)
    return sent


def _listed(ours: Cekura, bare: httpx.Client, generated: AuthenticatedClient, theirs: Any, rounds: int) -> list[Row]:
    """List 1,000 metrics, and read the response alone."""
    lists: dict[str, Callable[[], Any]] = {
        FACADE: lambda: ours.metrics.list(project_id=MANY),
        HTTPX: lambda: bare.get(_PATH, params={"project_id": MANY}).json(),
        GENERATED: lambda: list_metrics.sync(client=generated, project_id=MANY),
        VENDOR: lambda: theirs.metrics.list(project_id=MANY),
    }
    times = Times({name: _timed(each, 2) for name, each in lists.items()}, rounds)
    response = bare.get(_PATH, params={"project_id": MANY})
    reads = {FACADE: lambda: list_metrics.parse_response(response), _PARSED: response.json}
    read = Times({name: _timed(each, 2) for name, each in reads.items()}, rounds)
    return [
        times.row(f"listing {MANY:,} metrics, typed", _LIST_GOAL),
        read.row("the same, without the request: reading the response", _LIST_GOAL, _PARSED),
    ]


def _awaited(url: str, rounds: int, repeats: int) -> list[Row]:
    rows = []
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()

        def opened(client: AbstractAsyncContextManager[Any]) -> Any:
            return runner.run(stack.enter_async_context(client))

        ours = opened(AsyncCekura("key", base_url=url))
        bare = opened(httpx.AsyncClient(base_url=url, headers=_HEADERS))
        theirs = opened(vendor.AsyncCekura(api_key="key", base_url=url))
        generated = opened(AuthenticatedClient(base_url=url, token="key"))
        for number, goal in _POLL_GOALS.items():
            job = progress_id(metrics=number)

            async def get(job: str = job) -> Any:
                return (await bare.get(_PROGRESS, params={"progress_id": job})).json()

            polls: dict[str, Callable[[], Awaitable[Any]]] = {
                FACADE: ours.metrics.job(job).poll,
                HTTPX: get,
                GENERATED: partial(generate_metrics_progress.asyncio, client=generated, progress_id=job),
                VENDOR: partial(theirs.metrics.generate_progress, progress_id=job),
            }
            contenders = {name: _timed_awaited(runner, poll, repeats) for name, poll in polls.items()}
            rows.append(Times(contenders, rounds).row(f"job.poll() awaited, with {number} metrics, typed", goal))
        runner.run(stack.aclose())
    return rows


def _timed(function: Callable[[], Any], repeats: int) -> Callable[[], float]:
    """How long one call takes, on average of a few."""

    def run() -> float:
        started = time.perf_counter()
        for _ in range(repeats):
            function()
        return (time.perf_counter() - started) / repeats

    run()
    return run


def _timed_awaited(runner: asyncio.Runner, function: Callable[[], Awaitable[Any]], repeats: int) -> Callable[[], float]:
    async def repeated() -> float:
        started = time.perf_counter()
        for _ in range(repeats):
            await function()
        return (time.perf_counter() - started) / repeats

    def run() -> float:
        return runner.run(repeated())

    run()
    return run
