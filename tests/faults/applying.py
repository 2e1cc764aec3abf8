"""Our clients, which compute a plan and apply it. After an error, they do so once more, as the guide says."""

from __future__ import annotations

import asyncio
from typing import Any, Literal
from urllib.parse import urlsplit

from cekura_facade import APIError, Applied, BulkCreateUncertainError, PlanChangedError

from .clients import GENERATING, SETTINGS, Client, Done, Ending, OursAsync, OursSync, key_of
from .metrics_file import wanted
from .stage import Place
from .steps import Flow
from .traces import Held, held_since


def tell(ending: Ending) -> None:
    """Take over what the error of `apply` tells its user."""
    error = cause = ending.error
    while cause is not None and not hasattr(cause, "applied"):
        cause = cause.__context__  # After Ctrl-C, asyncio raises an exception of its own.
    applied = getattr(cause, "applied", None)
    if isinstance(applied, Applied):
        ending.done = _done(applied)
    if isinstance(error, BulkCreateUncertainError):
        ending.unconfirmed = [key_of(fields) for fields in error.unconfirmed]
    if isinstance(error, APIError):
        ending.request = f"{error.method} {urlsplit(error.url or '').path}"


def _done(applied: Applied) -> Done:
    return Done(
        [(metric.id, metric.name) for metric in applied.created],
        [metric.id for metric in applied.updated],
        [metric.id for metric in applied.deleted],
        [metric.name for metric in applied.unchanged],
    )


class ApplyingSync(OursSync):
    """Cekura."""

    flow: Flow = "apply"

    def workflow(self, place: Place, ending: Ending) -> list[Any]:
        with self._client(place, **SETTINGS) as client:
            plan = client.metrics.plan(wanted(place.padding), agent_id=place.agent_id)
            ending.planned = True
            ending.done = _done(client.metrics.apply(plan, prune=True))
        return []

    def recover(self, place: Place, ending: Ending) -> None:
        with self._client(place) as client:
            plan = client.metrics.plan(wanted(place.padding), agent_id=place.agent_id)
            try:
                client.metrics.apply(plan, prune=True)
            except PlanChangedError as error:
                client.metrics.apply(error.plan, prune=True)

    def told(self, ending: Ending) -> None:
        tell(ending)


class ApplyingAsync(OursAsync):
    """AsyncCekura."""

    flow: Flow = "apply"

    async def _workflow(self, place: Place, ending: Ending) -> list[Any]:
        before = Held.now()
        try:
            async with self._client(place, **SETTINGS) as client:
                plan = await client.metrics.plan(wanted(place.padding), agent_id=place.agent_id)
                ending.planned = True
                ending.done = _done(await client.metrics.apply(plan, prune=True))
        finally:
            ending.left += await held_since(before)
        return []

    def recover(self, place: Place, ending: Ending) -> None:
        asyncio.run(self._apply_again(place))

    async def _apply_again(self, place: Place) -> None:
        async with self._client(place) as client:
            plan = await client.metrics.plan(wanted(place.padding), agent_id=place.agent_id)
            try:
                await client.metrics.apply(plan, prune=True)
            except PlanChangedError as error:
                await client.metrics.apply(error.plan, prune=True)

    def told(self, ending: Ending) -> None:
        tell(ending)


ClientKind = Literal["ours", "apply", "vendor", "raw"]
CLIENTS: dict[ClientKind, tuple[Client, ...]] = {
    "ours": GENERATING[:2],
    "apply": (ApplyingSync(), ApplyingAsync()),
    "vendor": GENERATING[2:3],
    "raw": GENERATING[3:],
}


def client_of(flow: Flow, name: str) -> Client:
    """The client of a name that runs a workflow."""
    return next(each for some in CLIENTS.values() for each in some if (each.flow, each.name) == (flow, name))
