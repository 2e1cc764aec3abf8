"""Metrics as code with a sandbox in virtual time, whose requests and responses a test can change."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import attrs
import httpx

from cekura_facade.sandbox import Behavior, Sandbox
from tests.faults.virtual import KEY, Respond, VirtualClock, in_process
from tests.support import Either, Kind

AGENT, NEIGHBOR, STRANGER = 102, 103, 101  # the first two are in PROJECT
PROJECT, OTHER_PROJECT = 12, 11
Interfere = Callable[[httpx.Request, Respond], httpx.Response]


@attrs.define
class Service:
    """A sandbox without a socket.

    Attributes:
        requests: Method and path of each request.
        interfere: Responds in place of the sandbox, which it may call.
    """

    behavior: Behavior = attrs.field(factory=Behavior)
    clock: VirtualClock = attrs.field(factory=VirtualClock)
    requests: list[str] = attrs.field(factory=list)
    interfere: Interfere = lambda request, respond: respond(request)
    sandbox: Sandbox = attrs.field(init=False)
    _respond: Respond = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.sandbox = Sandbox(api_key=KEY, job_seconds=0, behavior=self.behavior, clock=self.clock)
        self._respond = in_process(self.sandbox.app)

    def handle(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(f"{request.method} {request.url.path.removeprefix('/test_framework/v1/')}")
        return self.interfere(request, self._respond)

    def writes(self) -> list[str]:
        """The requests that were not reads."""
        return [each for each in self.requests if not each.startswith("GET")]

    @contextmanager
    def client(self, kind: Kind, **settings: Any) -> Iterator[Any]:
        """The metrics of a new client of the kind, whose methods block."""
        transport = httpx.MockTransport(self.handle)
        given = httpx.Client(transport=transport) if kind == "sync" else httpx.AsyncClient(transport=transport)
        made = Either(kind, KEY, base_url="http://sandbox", http_client=given, clock=self.clock, **settings)
        try:
            yield made.metrics
        finally:
            made.close()

    def save(self, **fields: Any) -> int:
        """Save a metric as somebody else, independently of the behavior. Returns its id."""
        number = next(self.sandbox._state.metric_ids)  # noqa: SLF001 - Users have no need for this.
        defaults = {"description": "", "eval_type": "binary", "type": "llm_judge", "agents": [], "project": PROJECT}
        self.sandbox.metrics.append({"id": number, **defaults, **fields})
        return number

    def saved(self, number: int) -> dict[str, Any]:
        """A metric of the sandbox."""
        return next(metric for metric in self.sandbox.metrics if metric["id"] == number)

    def by_name(self) -> dict[str, dict[str, Any]]:
        """All metrics of the sandbox."""
        assert len({metric["name"] for metric in self.sandbox.metrics}) == len(self.sandbox.metrics)
        return {metric["name"]: metric for metric in self.sandbox.metrics}

    def snapshot(self) -> dict[int, str]:
        """All saved metrics, by id."""
        return {metric["id"]: json.dumps(metric, sort_keys=True) for metric in self.sandbox.metrics}
