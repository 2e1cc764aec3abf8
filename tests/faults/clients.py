"""The clients that the matrix drives: what each does in a cell, and what its user does after an error."""

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

from .pace import ATTEMPT, HUNG, StageClock, keep_pace
from .stage import WANTED, Place
from .steps import Flow
from .traces import Held, held_since, logged

SETTLE = 1.0  # seconds: `settle_timeout`
WAIT = 2.0  # seconds: how long a job is waited for
RETRIES = 2
LARGEST = 24 * 1024 * 1024
SETTINGS: dict[str, Any] = {
    "timeout": ATTEMPT,
    "settle_timeout": SETTLE,
    "max_retries": RETRIES,
    "max_response_bytes": LARGEST,
}
Key = tuple[Any, Any, Any]


def key_of(metric: Any) -> Key:
    """What tells metrics apart: name, description and eval_type of a mapping or an object."""
    fields = metric if isinstance(metric, dict) else metric.to_dict()
    return fields.get("name"), fields.get("description"), fields.get("eval_type")


@attrs.frozen
class Done:
    """What `apply` says that it did.

    Attributes:
        created: Id and name of each metric that was created or copied.
        updated: Ids.
        deleted: Ids.
        unchanged: Names.
    """

    created: list[tuple[int, str]]
    updated: list[int]
    deleted: list[int]
    unchanged: list[str]


@attrs.define
class Ending:
    """How a call ended.

    Attributes:
        result: The ids of the metrics that it returned; None if it did not return.
        error: What it raised.
        progress_id: The job that its user knows of now.
        suggested: The suggestions that its user has now.
        created: Ids and keys of the metrics that the error says are saved.
        unconfirmed: Keys of those that the error says may be saved.
        planned: A plan was returned.
        done: What `apply` says that it did, in its result or on its error.
        request: Method and path of the request that the error is about.
        elapsed: How long it took, in seconds.
        left: Sockets, threads and tasks that are still there after the client was closed.
        log: All that was logged.
    """

    result: list[Any] | None = None
    error: BaseException | None = None
    progress_id: str | None = None
    suggested: list[Any] = attrs.field(factory=list)
    created: list[tuple[Any, Key]] = attrs.field(factory=list)
    unconfirmed: list[Key] = attrs.field(factory=list)
    planned: bool = False
    done: Done | None = None
    request: str = ""
    elapsed: float = 0.0
    left: list[str] = attrs.field(factory=list)
    log: list[str] = attrs.field(factory=list)


class Client:
    """A client under test.

    Attributes:
        name: What reports call it.
        kind: Whose it is.
        flow: The workflow that it runs.
        looks: Whether it lists the metrics before it saves.
        packages: The packages whose frames in a traceback are its own.
        errors: The errors that are its own.
    """

    name: str
    kind: Literal["ours", "vendor", "raw"]
    flow: Flow = "generate"
    looks = False
    packages: Sequence[str]
    errors: tuple[type[BaseException], ...]

    def run(self, place: Place, clock: int = 0, catching: type[BaseException] = Exception) -> Ending:
        """Run the workflow, close the client, and see what is left."""
        ending = Ending()
        with logged() as ending.log, jumping(clock):
            now = StageClock(place.stage).now if place.stage else time.monotonic
            started, before = now(), Held.now()
            try:
                ending.result = self.workflow(place, ending)
            except catching as error:
                ending.error = error
            ending.elapsed = now() - started
            ending.left += Held.now() - before
        self.told(ending)
        return ending

    @abstractmethod
    def workflow(self, place: Place, ending: Ending) -> list[Any]:
        """Run the workflow, and close the client, whatever happens. Returns the ids of what was saved."""

    @abstractmethod
    def recover(self, place: Place, ending: Ending) -> None:
        """Do what the error says, with a new client: the fault is gone."""

    def told(self, ending: Ending) -> None:
        """Take over what the error tells its user."""


class Ours(Client):
    """The facade."""

    kind = "ours"
    looks = True
    packages = ("cekura_facade",)
    errors: tuple[type[BaseException], ...] = (CekuraError,)

    @staticmethod
    def _wait(place: Place) -> float:
        """How long to wait for the job, in seconds."""
        return WAIT if place.stage else HUNG

    def told(self, ending: Ending) -> None:
        error = ending.error
        if not isinstance(error, CekuraError):
            return
        ending.progress_id, ending.suggested = error.progress_id, list(error.metrics)
        ending.created = [(metric.id, key_of(metric)) for metric in getattr(error, "created", ())]
        ending.unconfirmed = [key_of(fields) for fields in getattr(error, "unconfirmed", ())]


class OursSync(Ours):
    """Cekura."""

    name = "ours-sync"

    def workflow(self, place: Place, ending: Ending) -> list[Any]:
        with self._client(place, **SETTINGS) as client:
            saved = client.metrics.generate_and_create(
                agent_id=place.agent_id, num_metrics=WANTED, timeout=self._wait(place)
            )
            return [metric.id for metric in saved]

    def recover(self, place: Place, ending: Ending) -> None:
        if ending.progress_id is not None:
            with self._client(place) as client:
                client.metrics.create_in_bulk(client.metrics.job(ending.progress_id).wait(timeout=HUNG))

    @staticmethod
    def _client(place: Place, **settings: Any) -> Cekura:
        client = Cekura(place.key, base_url=place.url, **settings)
        if place.stage:
            keep_pace(client.transport, place.stage)
        return client


class OursAsync(Ours):
    """AsyncCekura."""

    name = "ours-async"

    def workflow(self, place: Place, ending: Ending) -> list[Any]:
        return asyncio.run(self._workflow(place, ending))

    async def _workflow(self, place: Place, ending: Ending) -> list[Any]:
        before = Held.now()
        try:
            async with self._client(place, **SETTINGS) as client:
                saved = await client.metrics.generate_and_create(
                    agent_id=place.agent_id, num_metrics=WANTED, timeout=self._wait(place)
                )
                return [metric.id for metric in saved]
        finally:
            # Here, because the loop ends with all that was forgotten.
            ending.left += await held_since(before)

    def recover(self, place: Place, ending: Ending) -> None:
        if ending.progress_id is not None:
            asyncio.run(self._recover(place, ending.progress_id))

    async def _recover(self, place: Place, progress_id: str) -> None:
        async with self._client(place) as client:
            await client.metrics.create_in_bulk(await client.metrics.job(progress_id).wait(timeout=HUNG))

    @staticmethod
    def _client(place: Place, **settings: Any) -> AsyncCekura:
        client = AsyncCekura(place.key, base_url=place.url, **settings)
        if place.stage:
            keep_pace(client.transport, place.stage)
        return client


class Vendor(Client):
    """The vendor's package, used as its documentation shows."""

    name = "vendor"
    kind = "vendor"
    packages = ("cekura",)
    errors = (cekura.CekuraError,)

    def workflow(self, place: Place, ending: Ending) -> list[Any]:
        with self._client(place, ATTEMPT) as client:
            started = client.metrics.generate(agent_id=place.agent_id, num_metrics=WANTED)
            ending.progress_id = started["progress_id"]
            ending.suggested = self._suggestions(client, ending.progress_id)
            return [metric["id"] for metric in client.metrics.bulk_create(ending.suggested)]

    def recover(self, place: Place, ending: Ending) -> None:
        if ending.progress_id is None:
            return
        with self._client(place, 10) as client:
            client.metrics.bulk_create(ending.suggested or self._suggestions(client, ending.progress_id))

    @staticmethod
    def _client(place: Place, timeout: float) -> Any:
        return cekura.Cekura(api_key=place.key, base_url=place.url, timeout=timeout)

    @staticmethod
    def _suggestions(client: Any, progress_id: Any) -> list[Any]:
        deadline = time.monotonic() + WAIT
        while time.monotonic() < deadline:
            progress = client.metrics.generate_progress(progress_id=progress_id)
            if progress["status"] == "completed":
                return list(progress["metrics"])
            time.sleep(0.05)
        raise cekura.CekuraError("the job was not finished in time")


class Raw(Client):
    """The generated client alone. It has no errors of its own: all that it raises is foreign."""

    name = "raw"
    kind = "raw"
    packages = ("cekura_api",)
    errors = ()

    def workflow(self, place: Place, ending: Ending) -> list[Any]:
        with self._client(place, ATTEMPT) as client:
            body = GenerateMetricsRequest(agent_id=place.agent_id, num_metrics=WANTED)
            started: Any = generate_metrics.sync(client=client, body=body)
            ending.progress_id = str(started.progress_id)
            ending.suggested = self._suggestions(client, ending.progress_id)
            return self._save(client, ending.suggested)

    def recover(self, place: Place, ending: Ending) -> None:
        if ending.progress_id is None:
            return
        with self._client(place, 10) as client:
            self._save(client, ending.suggested or self._suggestions(client, ending.progress_id))

    @staticmethod
    def _client(place: Place, timeout: float) -> Any:
        return AuthenticatedClient(
            base_url=place.url,
            token=place.key,
            prefix="",
            auth_header_name="X-CEKURA-API-KEY",
            timeout=httpx.Timeout(timeout),
        )

    @staticmethod
    def _suggestions(client: Any, progress_id: str) -> list[Any]:
        deadline = time.monotonic() + WAIT
        while time.monotonic() < deadline:
            progress: Any = generate_metrics_progress.sync(client=client, progress_id=progress_id)
            if progress.status == "completed":
                return list(progress.metrics)
            time.sleep(0.05)
        raise TimeoutError("the job was not finished in time")

    @staticmethod
    def _save(client: Any, suggested: list[Any]) -> list[Any]:
        body = [MetricCreate.from_dict(metric.to_dict()) for metric in suggested]
        saved: Any = create_metrics_in_bulk.sync(client=client, body=body)
        return [metric.id for metric in saved]


GENERATING: tuple[Client, ...] = (OursSync(), OursAsync(), Vendor(), Raw())


@contextmanager
def jumping(seconds: int) -> Iterator[None]:
    """Let the wall clock jump by so many seconds, from its second reading on; the monotonic clock goes its way."""
    if not seconds:
        yield
        return
    true, readings = time.time, 0

    def jumped() -> float:
        nonlocal readings
        readings += 1
        return true() + (seconds if readings > 1 else 0)

    with mock.patch("time.time", jumped):
        yield


def alone() -> None:
    """Keep what the user's environment says about keys, addresses and proxies out of this process."""
    for name in list(os.environ):
        if name.lower().endswith("_proxy") or name.startswith("CEKURA_"):
            del os.environ[name]
