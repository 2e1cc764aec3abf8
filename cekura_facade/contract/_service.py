"""The requests of the checks: raw JSON from the generated endpoints."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import httpx
from attrs import define, field
from cekura_api.api.agents import list_agents
from cekura_api.api.metrics import (
    create_metric,
    create_metrics_in_bulk,
    generate_metrics_progress,
    get_metric,
    list_metrics,
)
from cekura_api.models import MetricCreate
from cekura_api.types import UNSET, Response

from cekura_facade import Cekura, CekuraError
from cekura_facade._checks import is_int
from cekura_facade._http import HTTP

Fields = Mapping[str, Any]
# What the generated client raises for a response of another shape.
_WRONG_SHAPE = (TypeError, ValueError, KeyError, AttributeError, IndexError, RecursionError)


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
    def http(self) -> HTTP:
        """The client's transport: its clock, its settings, and the httpx client that sends."""
        http: HTTP = self.client._http
        return http

    def agents(self) -> object:
        """Read a page of agents."""
        return self._json(lambda: list_agents.sync_detailed(client=self.client.api, page_size=1))

    def progress(self, progress_id: str) -> object:
        """Read the progress of a job."""
        send = generate_metrics_progress.sync_detailed
        return self._json(lambda: send(client=self.client.api, progress_id=progress_id))

    def create(self, fields: Fields) -> Fields:
        """Create a metric."""
        body = MetricCreate.from_dict(fields)
        return _fields(self._written(lambda: create_metric.sync_detailed(client=self.client.api, body=body)))

    def create_in_bulk(self, metrics: Sequence[Fields]) -> object:
        """Create metrics in one request."""
        body = [MetricCreate.from_dict(fields) for fields in metrics]
        return self._written(lambda: create_metrics_in_bulk.sync_detailed(client=self.client.api, body=body))

    def metric(self, metric_id: int) -> Fields:
        """Read a metric."""
        return _fields(self._json(lambda: get_metric.sync_detailed(str(metric_id), client=self.client.api)))

    def metrics(
        self,
        agent_id: int | None = None,
        project_id: int | None = None,
        agents: str | None = None,
        filters: str | None = None,
    ) -> list[Fields]:
        """List metrics."""
        listed = self._json(
            lambda: list_metrics.sync_detailed(
                client=self.client.api,
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
        """Record responses with status 429, which the client retries, meanwhile."""

        def record(response: httpx.Response) -> None:
            if response.status_code == 429:
                self.rate_limits.append("retry-after" in response.headers)

        hooks = self.http.sender.event_hooks["response"]
        hooks.append(record)
        try:
            yield
        finally:
            hooks.remove(record)

    def _written(self, send: Callable[[], Response[Any]]) -> object:
        """The JSON of a response to a write."""
        headers: list[str] = []

        def send_and_keep_headers() -> Response[Any]:
            response = send()
            headers.extend(response.headers)
            return response

        written = self._json(send_and_keep_headers)
        some = written if isinstance(written, list) else [written]
        in_body = any(isinstance(each, dict) and "deprecation_warning" in each for each in some)
        self.deprecated |= in_body or bool({"warning", "deprecation", "sunset"} & set(headers))
        return written

    def _json(self, send: Callable[[], Response[Any]]) -> object:
        try:
            return json.loads(send().content)
        except CekuraError:
            raise
        except _WRONG_SHAPE:
            raise WrongShape("The service sent a response of another shape.") from None


def has_id(metric: object) -> bool:
    """Whether it is a JSON object with an integer id."""
    return isinstance(metric, dict) and is_int(metric.get("id"))


def _fields(body: object) -> Fields:
    if not isinstance(body, dict) or not has_id(body):
        raise WrongShape("The response is not an object with an id.")
    return body
