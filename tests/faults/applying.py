"""Our clients, which compute a plan and apply it. After an error, they do so once more, as the guide says."""

from __future__ import annotations

import asyncio
from typing import Any, Literal
from urllib.parse import urlsplit

from cekura_facade import APIError, Applied, BulkCreateUncertainError, PlanChangedError

from .clients import GENERATING, SETTINGS, Changes, Client, OursAsync, OursSync, Outcome, key_of
from .harness import ServiceInfo
from .metrics_file import wanted
from .steps import Workflow
from .traces import OpenResources, opened_since


def read_apply_error(outcome: Outcome) -> None:
    """Copy the information of an error of `apply` to the outcome."""
    error = cause = outcome.error
    while cause is not None and not hasattr(cause, "applied"):
        cause = cause.__context__  # After Ctrl-C, asyncio raises another exception.
    applied = getattr(cause, "applied", None)
    if isinstance(applied, Applied):
        outcome.changes = _changes(applied)
    if isinstance(error, BulkCreateUncertainError):
        outcome.unconfirmed = [key_of(fields) for fields in error.unconfirmed]
    if isinstance(error, APIError):
        outcome.request = f"{error.method} {urlsplit(error.url or '').path}"


def _changes(applied: Applied) -> Changes:
    return Changes(
        [(metric.id, metric.name) for metric in applied.created],
        [metric.id for metric in applied.updated],
        [metric.id for metric in applied.deleted],
        [metric.name for metric in applied.unchanged],
    )


class ApplyingSync(OursSync):
    """Cekura."""

    workflow: Workflow = "apply"

    def run_workflow(self, service: ServiceInfo, outcome: Outcome) -> list[Any]:
        with self._client(service, **SETTINGS) as client:
            plan = client.metrics.plan(wanted(service.padding), agent_id=service.agent_id)
            outcome.planned = True
            outcome.changes = _changes(client.metrics.apply(plan, prune=True))
        return []

    def recover(self, service: ServiceInfo, outcome: Outcome) -> None:
        with self._client(service) as client:
            plan = client.metrics.plan(wanted(service.padding), agent_id=service.agent_id)
            try:
                client.metrics.apply(plan, prune=True)
            except PlanChangedError as error:
                client.metrics.apply(error.plan, prune=True)

    def read_error(self, outcome: Outcome) -> None:
        read_apply_error(outcome)


class ApplyingAsync(OursAsync):
    """AsyncCekura."""

    workflow: Workflow = "apply"

    async def _workflow(self, service: ServiceInfo, outcome: Outcome) -> list[Any]:
        before = OpenResources.now()
        try:
            async with self._client(service, **SETTINGS) as client:
                plan = await client.metrics.plan(wanted(service.padding), agent_id=service.agent_id)
                outcome.planned = True
                outcome.changes = _changes(await client.metrics.apply(plan, prune=True))
        finally:
            outcome.leftovers += await opened_since(before)
        return []

    def recover(self, service: ServiceInfo, outcome: Outcome) -> None:
        asyncio.run(self._apply_again(service))

    async def _apply_again(self, service: ServiceInfo) -> None:
        async with self._client(service) as client:
            plan = await client.metrics.plan(wanted(service.padding), agent_id=service.agent_id)
            try:
                await client.metrics.apply(plan, prune=True)
            except PlanChangedError as error:
                await client.metrics.apply(error.plan, prune=True)

    def read_error(self, outcome: Outcome) -> None:
        read_apply_error(outcome)


ClientKind = Literal["ours", "apply", "vendor", "raw"]
CLIENTS: dict[ClientKind, tuple[Client, ...]] = {
    "ours": GENERATING[:2],
    "apply": (ApplyingSync(), ApplyingAsync()),
    "vendor": GENERATING[2:3],
    "raw": GENERATING[3:],
}


def client_of(workflow: Workflow, name: str) -> Client:
    """The client with this name that runs this workflow."""
    return next(each for some in CLIENTS.values() for each in some if (each.workflow, each.name) == (workflow, name))
