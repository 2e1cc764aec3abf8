"""The clients in the matrix: the workflow that each runs, and what its user does after an error."""

from __future__ import annotations

import asyncio
import os
import time
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal
from unittest import mock

import attrs
import cekura  # type: ignore[import-untyped]
import httpx
from cekura_api import AuthenticatedClient
from cekura_api.api.metrics import create_metrics_in_bulk, generate_metrics, generate_metrics_progress
from cekura_api.models import GenerateMetricsRequest, MetricCreate

from cekura_facade import AsyncCekura, Cekura, CekuraError

from .harness import NUM_METRICS, ServiceInfo
from .steps import Workflow
from .timing import HANG_LIMIT, TIMEOUT, HarnessClock, use_virtual_time
from .traces import OpenResources, logged, opened_since

SETTLE_TIMEOUT = 1.0  # seconds
JOB_TIMEOUT = 2.0  # seconds
MAX_RETRIES = 2
MAX_RESPONSE_BYTES = 24 * 1024 * 1024
SETTINGS: dict[str, Any] = {
    "timeout": TIMEOUT,
    "settle_timeout": SETTLE_TIMEOUT,
    "max_retries": MAX_RETRIES,
    "max_response_bytes": MAX_RESPONSE_BYTES,
}
Key = tuple[Any, Any, Any]


def key_of(metric: Any) -> Key:
    """Name, description and eval_type of a metric, which distinguish the metrics of a cell."""
    fields = metric if isinstance(metric, dict) else metric.to_dict()
    return fields.get("name"), fields.get("description"), fields.get("eval_type")


@attrs.frozen
class Changes:
    """The changes that `apply` reports.

    Attributes:
        created: The id and name of each metric that it created or copied.
        updated: The ids of the updated metrics.
        deleted: The ids of the deleted metrics.
        unchanged: The names of the unchanged metrics.
    """

    created: list[tuple[int, str]]
    updated: list[int]
    deleted: list[int]
    unchanged: list[str]


@attrs.define
class Outcome:
    """How a call ended.

    Attributes:
        result: The ids of the returned metrics, or None if the call raised an error.
        error: The error that it raised, or None.
        progress_id: The progress id that the user knows.
        suggestions: The suggestions that the user has.
        created: The ids and keys of the metrics that exist, according to the error.
        unconfirmed: The keys of the metrics that may exist, according to the error.
        planned: Whether `plan` returned.
        changes: The changes that `apply` reports, in its result or on its error.
        request: The method and path of the request that the error is about.
        elapsed: The duration in seconds.
        leftovers: The sockets, threads and tasks that still exist after the client was closed.
        log: The log.
    """

    result: list[Any] | None = None
    error: BaseException | None = None
    progress_id: str | None = None
    suggestions: list[Any] = attrs.field(factory=list)
    created: list[tuple[Any, Key]] = attrs.field(factory=list)
    unconfirmed: list[Key] = attrs.field(factory=list)
    planned: bool = False
    changes: Changes | None = None
    request: str = ""
    elapsed: float = 0.0
    leftovers: list[str] = attrs.field(factory=list)
    log: list[str] = attrs.field(factory=list)


class Client:
    """A client under test.

    Attributes:
        name: Its name in reports.
        kind: The package that it belongs to.
        workflow: The workflow that it runs.
        lists_first: Whether it lists the metrics before it saves.
        packages: The packages whose frames in a traceback are searched for the key.
        errors: The errors that it may raise.
    """

    name: str
    kind: Literal["ours", "vendor", "raw"]
    workflow: Workflow = "generate"
    lists_first = False
    packages: Sequence[str]
    errors: tuple[type[BaseException], ...]

    def run(self, service: ServiceInfo, clock_jump: int = 0, catching: type[BaseException] = Exception) -> Outcome:
        """Run the workflow, close the client, and find leftovers."""
        outcome = Outcome()
        with logged() as outcome.log, jumping_clock(clock_jump):
            now = HarnessClock(service.harness).now if service.harness else time.monotonic
            started, before = now(), OpenResources.now()
            try:
                outcome.result = self.run_workflow(service, outcome)
            except catching as error:
                outcome.error = error
            outcome.elapsed = now() - started
            outcome.leftovers += OpenResources.now() - before
        self.read_error(outcome)
        return outcome

    @abstractmethod
    def run_workflow(self, service: ServiceInfo, outcome: Outcome) -> list[Any]:
        """Run the workflow, and always close the client. Returns the ids of the saved metrics."""

    @abstractmethod
    def recover(self, service: ServiceInfo, outcome: Outcome) -> None:
        """Do what the error says, with a new client, after the faults were removed."""

    def read_error(self, outcome: Outcome) -> None:
        """Copy the information of the error to the outcome."""


class Ours(Client):
    """The facade."""

    kind = "ours"
    lists_first = True
    packages = ("cekura_facade",)
    errors: tuple[type[BaseException], ...] = (CekuraError,)

    @staticmethod
    def _wait(service: ServiceInfo) -> float:
        """How long to wait for the job, in seconds."""
        return JOB_TIMEOUT if service.harness else HANG_LIMIT

    def read_error(self, outcome: Outcome) -> None:
        error = outcome.error
        if not isinstance(error, CekuraError):
            return
        outcome.progress_id, outcome.suggestions = error.progress_id, list(error.metrics)
        outcome.created = [(metric.id, key_of(metric)) for metric in getattr(error, "created", ())]
        outcome.unconfirmed = [key_of(fields) for fields in getattr(error, "unconfirmed", ())]


class OursSync(Ours):
    """Cekura."""

    name = "ours-sync"

    def run_workflow(self, service: ServiceInfo, outcome: Outcome) -> list[Any]:
        with self._client(service, **SETTINGS) as client:
            saved = client.metrics.generate_and_create(
                agent_id=service.agent_id, num_metrics=NUM_METRICS, timeout=self._wait(service)
            )
            return [metric.id for metric in saved]

    def recover(self, service: ServiceInfo, outcome: Outcome) -> None:
        if outcome.progress_id is not None:
            with self._client(service) as client:
                client.metrics.create_in_bulk(client.metrics.job(outcome.progress_id).wait(timeout=HANG_LIMIT))

    @staticmethod
    def _client(service: ServiceInfo, **settings: Any) -> Cekura:
        client = Cekura(service.key, base_url=service.url, **settings)
        if service.harness:
            use_virtual_time(client.transport, service.harness)
        return client


class OursAsync(Ours):
    """AsyncCekura."""

    name = "ours-async"

    def run_workflow(self, service: ServiceInfo, outcome: Outcome) -> list[Any]:
        return asyncio.run(self._workflow(service, outcome))

    async def _workflow(self, service: ServiceInfo, outcome: Outcome) -> list[Any]:
        before = OpenResources.now()
        try:
            async with self._client(service, **SETTINGS) as client:
                saved = await client.metrics.generate_and_create(
                    agent_id=service.agent_id, num_metrics=NUM_METRICS, timeout=self._wait(service)
                )
                return [metric.id for metric in saved]
        finally:
            # The loop closes everything when it ends, so leftovers must be found before.
            outcome.leftovers += await opened_since(before)

    def recover(self, service: ServiceInfo, outcome: Outcome) -> None:
        if outcome.progress_id is not None:
            asyncio.run(self._recover(service, outcome.progress_id))

    async def _recover(self, service: ServiceInfo, progress_id: str) -> None:
        async with self._client(service) as client:
            await client.metrics.create_in_bulk(await client.metrics.job(progress_id).wait(timeout=HANG_LIMIT))

    @staticmethod
    def _client(service: ServiceInfo, **settings: Any) -> AsyncCekura:
        client = AsyncCekura(service.key, base_url=service.url, **settings)
        if service.harness:
            use_virtual_time(client.transport, service.harness)
        return client


class Vendor(Client):
    """The vendor's package, used as its documentation shows."""

    name = "vendor"
    kind = "vendor"
    packages = ("cekura",)
    errors = (cekura.CekuraError,)

    def run_workflow(self, service: ServiceInfo, outcome: Outcome) -> list[Any]:
        with self._client(service, TIMEOUT) as client:
            started = client.metrics.generate(agent_id=service.agent_id, num_metrics=NUM_METRICS)
            outcome.progress_id = started["progress_id"]
            outcome.suggestions = self._suggestions(client, outcome.progress_id)
            return [metric["id"] for metric in client.metrics.bulk_create(outcome.suggestions)]

    def recover(self, service: ServiceInfo, outcome: Outcome) -> None:
        if outcome.progress_id is None:
            return
        with self._client(service, 10) as client:
            client.metrics.bulk_create(outcome.suggestions or self._suggestions(client, outcome.progress_id))

    @staticmethod
    def _client(service: ServiceInfo, timeout: float) -> Any:
        return cekura.Cekura(api_key=service.key, base_url=service.url, timeout=timeout)

    @staticmethod
    def _suggestions(client: Any, progress_id: Any) -> list[Any]:
        deadline = time.monotonic() + JOB_TIMEOUT
        while time.monotonic() < deadline:
            progress = client.metrics.generate_progress(progress_id=progress_id)
            if progress["status"] == "completed":
                return list(progress["metrics"])
            time.sleep(0.05)
        raise cekura.CekuraError("the job was not finished in time")


class Raw(Client):
    """The generated client alone. It has no error classes, so all of its errors are foreign."""

    name = "raw"
    kind = "raw"
    packages = ("cekura_api",)
    errors = ()

    def run_workflow(self, service: ServiceInfo, outcome: Outcome) -> list[Any]:
        with self._client(service, TIMEOUT) as client:
            body = GenerateMetricsRequest(agent_id=service.agent_id, num_metrics=NUM_METRICS)
            started: Any = generate_metrics.sync(client=client, body=body)
            outcome.progress_id = str(started.progress_id)
            outcome.suggestions = self._suggestions(client, outcome.progress_id)
            return self._save(client, outcome.suggestions)

    def recover(self, service: ServiceInfo, outcome: Outcome) -> None:
        if outcome.progress_id is None:
            return
        with self._client(service, 10) as client:
            self._save(client, outcome.suggestions or self._suggestions(client, outcome.progress_id))

    @staticmethod
    def _client(service: ServiceInfo, timeout: float) -> Any:
        return AuthenticatedClient(
            base_url=service.url,
            token=service.key,
            prefix="",
            auth_header_name="X-CEKURA-API-KEY",
            timeout=httpx.Timeout(timeout),
        )

    @staticmethod
    def _suggestions(client: Any, progress_id: str) -> list[Any]:
        deadline = time.monotonic() + JOB_TIMEOUT
        while time.monotonic() < deadline:
            progress: Any = generate_metrics_progress.sync(client=client, progress_id=progress_id)
            if progress.status == "completed":
                return list(progress.metrics)
            time.sleep(0.05)
        raise TimeoutError("the job was not finished in time")

    @staticmethod
    def _save(client: Any, suggestions: list[Any]) -> list[Any]:
        body = [MetricCreate.from_dict(metric.to_dict()) for metric in suggestions]
        saved: Any = create_metrics_in_bulk.sync(client=client, body=body)
        return [metric.id for metric in saved]


GENERATING: tuple[Client, ...] = (OursSync(), OursAsync(), Vendor(), Raw())


@contextmanager
def jumping_clock(seconds: int) -> Iterator[None]:
    """Make the wall clock jump by this many seconds after its first reading. The monotonic clock does not change."""
    if not seconds:
        yield
        return
    original, readings = time.time, 0

    def jumped() -> float:
        nonlocal readings
        readings += 1
        return original() + (seconds if readings > 1 else 0)

    with mock.patch("time.time", jumped):
        yield


def clear_environment() -> None:
    """Remove keys, base URLs and proxies from the environment of this process."""
    for name in list(os.environ):
        if name.lower().endswith("_proxy") or name.startswith("CEKURA_"):
            del os.environ[name]
