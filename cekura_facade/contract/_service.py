"""The requests of the checks: raw JSON from the generated endpoints."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import httpx
from attrs import define, field
from cekura_api.api.agents import list_agents
from cekura_api.api.metrics import (
    create_metric,
    create_metrics_in_bulk,
    get_metric,
    list_metrics,
)
from cekura_api.models import MetricCreate
from cekura_api.types import UNSET

from cekura_facade import Cekura
from cekura_facade._http import checked
from cekura_facade._jobs import GENERATION, Handle
from cekura_facade._matching import is_int
from cekura_facade._sync_http import SyncHTTP

Fields = Mapping[str, Any]


class NotObserved(Exception):
    """A check has no result. The message says why, without text of the service."""


class WrongShape(NotObserved):
    """A successful response is not what the API documents."""


@define
class Service:
    """The service, as a client reaches it. Every method raises an APIError, or WrongShape.

    Attributes:
        client: The client that sends the requests.
        deprecated: Whether a response to a write had a deprecation warning.
        rate_limits: For each response with status 429, whether it had a `Retry-After` header.
    """

    client: Cekura
    deprecated: bool = False
    rate_limits: list[bool] = field(factory=list)

    @property
    def http(self) -> SyncHTTP:
        """The client's transport: its clock, its settings, and the httpx client that sends."""
        return self.client.transport

    def agents(self) -> object:
        """Read a page of agents."""
        return self._json(list_agents.build_request(page_size=1))

    def progress(self, progress_id: str, agent_id: int) -> object:
        """Read the progress of a job for an agent."""
        job = Handle(GENERATION, progress_id, {"agent_id": agent_id})
        return self._json(checked(job.kind.endpoint.build_request, progress_id=progress_id, **job.scope))

    def create(self, fields: Fields) -> Fields:
        """Create a metric."""
        request = create_metric.build_request(body=MetricCreate(name="", eval_type=""))
        return _fields(self._written({**request, "json": dict(fields)}))

    def create_in_bulk(self, metrics: Sequence[Fields]) -> object:
        """Create metrics in one request."""
        request = create_metrics_in_bulk.build_request(body=[])
        return self._written({**request, "json": list(map(dict, metrics))})

    def metric(self, metric_id: int) -> Fields:
        """Read a metric."""
        return _fields(self._json(get_metric.build_request(metric_id)))

    def metrics(
        self,
        agent_id: int | None = None,
        project_id: int | None = None,
        agents: str | None = None,
        filters: str | None = None,
    ) -> list[Fields]:
        """List metrics."""
        listed = self._json(
            list_metrics.build_request(
                agent_id=UNSET if agent_id is None else agent_id,
                project_id=UNSET if project_id is None else project_id,
                agents=UNSET if agents is None else agents,
                filters=UNSET if filters is None else filters,
            )
        )
        if not isinstance(listed, list) or not all(has_id(each) for each in listed):
            raise WrongShape("The list is not an array of metrics with ids.")
        return listed

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Record responses with status 429 inside the block. The client retries these requests."""

        def record(response: httpx.Response) -> None:
            if response.status_code == 429:
                self.rate_limits.append("retry-after" in response.headers)

        hooks = self.http.sender.event_hooks["response"]
        hooks.append(record)
        try:
            yield
        finally:
            hooks.remove(record)

    def _written(self, request: dict[str, Any]) -> object:
        """The JSON of a response to a write."""
        response = self._send(request)
        written = _parsed(response)
        some = written if isinstance(written, list) else [written]
        in_body = any(isinstance(each, dict) and "deprecation_warning" in each for each in some)
        self.deprecated |= in_body or bool({"warning", "deprecation", "sunset"} & set(response.headers))
        return written

    def _json(self, request: dict[str, Any]) -> object:
        return _parsed(self._send(request))

    def _send(self, request: dict[str, Any]) -> httpx.Response:
        return self.http.run(self.http.send(request))


def _parsed(response: httpx.Response) -> object:
    try:
        return json.loads(response.content)
    except (ValueError, RecursionError):
        raise WrongShape("The service sent a response that is not JSON.") from None


def has_id(metric: object) -> bool:
    """Whether it is a JSON object with an integer id."""
    return isinstance(metric, dict) and is_int(metric.get("id"))


def _fields(body: object) -> Fields:
    if not isinstance(body, dict) or not has_id(body):
        raise WrongShape("The response is not an object with an id.")
    return body
