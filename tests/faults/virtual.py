"""The service in virtual time: a sandbox without a socket, with faults of its requests."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any, Literal

import attrs
import httpcore
import httpx

from cekura_facade import AsyncCekura, Cekura
from cekura_facade._clock import Clock
from cekura_facade._sync_http import SyncHTTP
from cekura_facade.sandbox import Behavior, Sandbox

Kind = Literal["sync", "async"]
Respond = Callable[[httpx.Request], httpx.Response]
KEY = "sandbox-api-key"


class VirtualClock(Clock):
    """A clock whose pauses take no real time. Calling it returns the time, as a Sandbox requires.

    Attributes:
        seconds: The time. A test may set it.
        pauses: Every pause of the clients, in seconds.
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        self.pauses: list[float] = []

    def __call__(self) -> float:
        return self.seconds

    def now(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.seconds += seconds

    async def asleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        until = self.seconds + seconds
        await asyncio.sleep(0)
        self.seconds = max(self.seconds, until)


def connect_by(http: Any, backend: httpcore.NetworkBackend | httpcore.AsyncNetworkBackend) -> None:
    """Make a client of either kind use a network backend of httpcore."""
    if isinstance(http, SyncHTTP):
        http.sender._transport._pool._network_backend.backend = backend  # type: ignore[attr-defined]
        return
    new_clients = http._new_clients

    def new_clients_by_backend() -> Any:
        clients = new_clients()
        for client in clients:
            client._transport._pool._network_backend = backend
        return clients

    http._new_clients = new_clients_by_backend
    http._unused = [new_clients_by_backend()]


def in_process(app: Any) -> Respond:
    """Respond to requests with an ASGI application that never waits, without a socket or an event loop."""

    def respond(request: httpx.Request) -> httpx.Response:
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": request.content, "more_body": False}

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": request.method,
            "scheme": request.url.scheme,
            "path": request.url.path,
            "raw_path": request.url.raw_path.partition(b"?")[0],
            "query_string": request.url.query,
            "root_path": "",
            "headers": [(name.lower(), value) for name, value in request.headers.raw],
            "server": (request.url.host, request.url.port or 80),
            "client": ("127.0.0.1", 1),
        }
        _finish(app(scope, receive, send))
        body = b"".join(message.get("body", b"") for message in sent if message["type"] == "http.response.body")
        return httpx.Response(sent[0]["status"], headers=sent[0]["headers"], content=body)

    return respond


def _finish(steps: Coroutine[Any, Any, None]) -> None:
    try:
        steps.send(None)
    except StopIteration:
        return
    raise AssertionError("The application waits for something.")


@attrs.frozen
class Fault:
    """The fault of a request that saves metrics.

    Attributes:
        name: Its name in reports.
        respond: The response that the client gets, or the error that is raised in place of one.
        processed: The metrics that the service saves: all, only the first one, or none.
        late: Seconds from the response until it saves them.
    """

    name: str
    respond: Callable[[], httpx.Response]
    processed: Literal["all", "first", "none"] = "all"
    late: float = 0.0


@attrs.define
class VirtualService:
    """A service with planned faults, one for each request that saves, in order. Later requests have no fault."""

    sandbox: Sandbox
    clock: VirtualClock
    faults: list[Fault] = attrs.field(factory=list)
    meanwhile: list[dict[str, Any]] = attrs.field(factory=list)  # metrics that others save just before the client
    saved: Counter[str] = attrs.field(factory=Counter)  # the number of times that each metric was saved, by its JSON
    requests: list[httpx.Request] = attrs.field(factory=list)
    _late: list[tuple[float, httpx.Request, list[Any]]] = attrs.field(factory=list)
    _respond: Respond = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._respond = in_process(self.sandbox.app)

    def handle(self, request: httpx.Request) -> httpx.Response:
        """Respond to a request as planned."""
        self.requests.append(request)
        due = [each for each in self._late if each[0] <= self.clock.seconds]
        self._late = [each for each in self._late if each not in due]
        for _, late, items in due:
            self.save(late, items)
        if not request.url.path.endswith("/bulk_create/"):
            return self._respond(request)
        items = json.loads(request.content)
        if self.meanwhile:
            self.save_for_others(self.meanwhile)
            self.meanwhile = []
        if not self.faults:
            return self.save(request, items)
        fault = self.faults.pop(0)
        some = {"all": items, "first": items[:1], "none": []}[fault.processed]
        if fault.late:
            # This is a copy, because the client removes the credential from its request.
            self._late.append((self.clock.seconds + fault.late, self._rebuilt(request, some), some))
        elif some:
            self.save(request, some)
        return fault.respond()

    def save_for_others(self, items: list[dict[str, Any]]) -> None:
        """Save metrics as another client."""
        url, headers = "http://sandbox/test_framework/v1/metrics/bulk_create/", {"X-CEKURA-API-KEY": KEY}
        request = httpx.Request("POST", url, headers={**headers, "Content-Type": "application/json"})
        assert self._respond(self._rebuilt(request, items)).is_success

    def remove_faults(self) -> None:
        """Remove the faults, and save the metrics that are still late."""
        self.faults.clear()
        self.clock.seconds += 1000
        for _, late, items in self._late:
            self.save(late, items)
        self._late = []

    def save(self, request: httpx.Request, items: list[Any]) -> httpx.Response:
        """Save metrics with a copy of a request, and count them."""
        response = self._respond(self._rebuilt(request, items))
        assert response.status_code != 401
        if response.is_success:
            self.saved.update(map(key, items))
        return response

    @staticmethod
    def _rebuilt(request: httpx.Request, items: list[Any]) -> httpx.Request:
        headers = {name: value for name, value in request.headers.items() if name != "content-length"}
        return httpx.Request(request.method, request.url, headers=headers, content=json.dumps(items).encode())


def key(fields: Any) -> str:
    """The JSON of a metric as it was sent."""
    return json.dumps(fields, sort_keys=True)


def virtual_service(behavior: Behavior, *faults: Fault) -> VirtualService:
    """A service with a behavior and the default agents of a sandbox."""
    clock = VirtualClock()
    sandbox = Sandbox(api_key=KEY, job_seconds=0, behavior=behavior, clock=clock)
    return VirtualService(sandbox, clock, list(faults))


class VirtualClient:
    """A client of either kind whose `create_in_bulk` blocks. One runner serves all of the asynchronous ones."""

    def __init__(self, kind: Kind, service: VirtualService, runner: asyncio.Runner, **settings: Any) -> None:
        self._runner = runner
        transport = httpx.MockTransport(service.handle)
        self.client: Cekura | AsyncCekura
        if kind == "sync":
            self.client = Cekura(
                KEY, base_url="http://sandbox", http_client=httpx.Client(transport=transport), **settings
            )
        else:
            http_client = httpx.AsyncClient(transport=transport)
            self.client = AsyncCekura(KEY, base_url="http://sandbox", http_client=http_client, **settings)
        self.client.transport.clock = service.clock

    def create_in_bulk(self, metrics: list[dict[str, Any]]) -> list[Any]:
        """The method `metrics.create_in_bulk`."""
        if isinstance(self.client, Cekura):
            return self.client.metrics.create_in_bulk(metrics)
        return self._runner.run(self.client.metrics.create_in_bulk(metrics))
