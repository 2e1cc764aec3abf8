"""The fault layer: a server in front of the service that applies planned faults to requests."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Callable
from functools import partial

import attrs
import h11
import httpx

from .catalogue import ALL_FAULTS
from .connection import Connection, Response
from .listener import Listener
from .metrics_file import PADDING
from .steps import LATE, LATER_THAN_THE_TIMEOUT, STEPS, TOO_LATE, Phase, PlannedFault, Script, Step, step_of
from .timing import TIMEOUT, RealTime, VirtualTime

_CLOSED_FOR = 0.3  # seconds for which the port is closed
_FULL_FOR = 0.7  # seconds for which the queue of the port is full, more than a timeout
_SHORT = 0.1  # real seconds
_REQUEST_HEADERS_TO_DROP = {"host", "connection", "accept-encoding", "content-length", "transfer-encoding"}
_RESPONSE_HEADERS_TO_DROP = {"connection", "content-length", "transfer-encoding", "keep-alive"}


@attrs.frozen
class Request:
    """A request of the client."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes = b""


class FaultLayer:
    """Runs from construction until `close`.

    Attributes:
        url: Its URL for the client.
        requested: The steps for which the client has sent a request.
        faults_met: Number of faults that requests have met.
        fault_met: Set when a request has met a fault, before or after the service processes it, depending on the phase.
    """

    def __init__(
        self,
        service: Callable[[httpx.Request], httpx.Response],
        script: Script,
        other_origin: str,
        time: RealTime | None = None,
    ) -> None:
        self._service, self._other_origin = service, other_origin
        self._time = time or RealTime()
        self._attempt = 0
        self._stalled_in = -1
        self._full = False
        self._is_down = False
        self._script = script
        self._queues = {step: list(planned) for step, planned in script.steps.items()}
        self._listener_faults = any(
            ALL_FAULTS[each.fault].listener for queue in self._queues.values() for each in queue if each
        )
        self._next: Step = STEPS[script.workflow][0]
        self._earlier: list[Step] = []
        self._lock = threading.Lock()
        self._one_request = threading.Lock()
        self._ended = threading.Event()
        self._closed = False
        self._connections: list[Connection] = []
        self._reopening: Callable[[], object] | None = None
        self.requested: set[Step] = set()
        self.faults_met = 0
        self.fault_met = threading.Event()
        self._listener = Listener(self._serve, receive=65_536 if script.large else 0)
        self.url = "http://{}:{}".format(*self._listener.address)
        if not self._time.virtual:
            self._prepare_listener(self._next)

    def remove_faults(self) -> None:
        """Remove all faults."""
        if self._reopening is not None:
            self._reopening()
        with self._lock:
            self._full = False
            self._queues.clear()
            self._listener_faults = False
            self._ended.set()
            connections, self._connections, self._ended = self._connections, [], threading.Event()
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.sock.shutdown(socket.SHUT_RDWR)
        self._listener.open()

    def finish_late_requests(self) -> None:
        """Wait until the service has processed all late requests."""
        self._time.finish()

    def close(self) -> None:
        """Stop."""
        self._closed = True
        self.remove_faults()
        self.finish_late_requests()
        self._listener.close()

    def begin_attempt(self, method: str, target: str) -> dict[str, float]:
        """Note that the client begins an attempt. Returns its timeouts in real time.

        They are short only if connecting or sending must fail, so that the service is not involved.
        """
        self._attempt += 1
        step = self._step_of(method, target)
        if step:
            self._prepare_listener(step)
        if self._full:
            self._advance(TIMEOUT)
            if self._reopening is None and not self._script.persistent:
                self._reopening = self._time.after(_FULL_FOR - TIMEOUT, self._reopen)
            return {"connect": _SHORT}
        planned = self._peek(step) if step else None
        return {"write": _SHORT} if planned and ALL_FAULTS[planned.fault].unread else {}

    @property
    def stalled(self) -> bool:
        """Whether the current attempt gets no more bytes."""
        return self._stalled_in == self._attempt

    def _stall(self, attempt: int, seconds: float) -> None:
        self._advance(seconds)
        self._stalled_in = attempt

    def _advance(self, seconds: float) -> None:
        if isinstance(self._time, VirtualTime):
            self._time.advance(seconds)

    def _reopen(self) -> None:
        self._full = False
        self._listener.open()

    def _serve(self, sock: socket.socket) -> None:
        with contextlib.suppress(OSError), sock:
            with self._lock:
                if self._closed:
                    return
                connection = Connection(sock, self._ended, self._time, other_origin=self._other_origin)
                self._connections.append(connection)
            planned = self._peek(self._next)
            if planned and ALL_FAULTS[planned.fault].listener == "resets":
                sock.recv(1, socket.MSG_PEEK)  # Until then, a client may assume that it was never connected.
                self._take_fault(self._next)
                self._count_fault()
                connection.reset()
                return
            connection.keep_alive = True
            while connection.keep_alive and not connection.ended.is_set():
                connection.keep_alive = False
                self._respond(connection, h11.Connection(h11.SERVER))

    def _respond(self, connection: Connection, parser: h11.Connection) -> None:
        request = _read_head(connection.sock, parser)
        if request is None:
            return
        step = self._step_of(request.method, request.target)
        planned = self._take_fault(step) if step else None
        connection.on_stall = partial(self._stall, self._attempt)
        if planned and ALL_FAULTS[planned.fault].unread:
            self._count_fault()
            ALL_FAULTS[planned.fault].apply(connection, Response())
            return
        request = _read_body(connection.sock, parser, request)
        if request is None:
            return
        if step:
            self.requested.add(step)
        if planned is not None:
            if step in ("save", "copy"):
                self._earlier.append(step)  # The next lists check what was created.
            self._apply_fault(connection, request, planned)
            return
        if self._script.large and step == "save":
            request = _unpadded(request)
        response = self._forward(request)
        if self._script.large and step == "poll":
            response = _padded(response)
        self._note_success(step, response)
        connection.send(response.encode(*([("Connection", "close")] if self._listener_faults else [])))
        connection.keep_alive = not self._listener_faults

    def _apply_fault(self, connection: Connection, request: Request, planned: PlannedFault) -> None:
        fault = ALL_FAULTS[planned.fault]
        connection.target, connection.key = request.target, dict(request.headers).get("x-cekura-api-key", "")
        response = Response(body=b"{}")
        if planned.phase == "after":
            response = self._forward(request)
        elif planned.phase == "first":
            response = self._forward(attrs.evolve(request, body=_with_first_only(request.body)))
        elif planned.phase in ("late", "too late"):
            delay = _delay(planned.phase, until_timeout=fault.group == "time")
            self._time.after(delay, lambda: self._forward(request))
        self._count_fault()
        fault.apply(connection, response)

    def _count_fault(self) -> None:
        self.faults_met += 1
        self.fault_met.set()

    def _forward(self, request: Request) -> Response:
        headers = [(name, value) for name, value in request.headers if name not in _REQUEST_HEADERS_TO_DROP]
        url = "http://sandbox" + request.target
        with self._one_request:
            response = self._service(httpx.Request(request.method, url, headers=headers, content=request.body))
        kept = [(name, value) for name, value in response.headers.items() if name not in _RESPONSE_HEADERS_TO_DROP]
        return Response(response.status_code, response.content, tuple(kept))

    def _peek(self, step: Step) -> PlannedFault | None:
        queue = self._queues.get(step)
        return queue[0] if queue else None

    def _take_fault(self, step: Step) -> PlannedFault | None:
        """The next fault for a request of a step. Faults of the connection were applied earlier."""
        with self._lock:
            planned = self._peek(step)
            if planned and ALL_FAULTS[planned.fault].listener in ("closed", "full"):
                return None
            queue = self._queues.get(step, [])
            if queue and not (self._script.persistent and len(queue) == 1):
                queue.pop(0)
            return planned

    def _step_of(self, method: str, target: str) -> Step | None:
        return step_of(self._script.workflow, method, target, self._earlier)

    def _note_success(self, step: Step | None, response: Response) -> None:
        """Note a step of the client, and the next one before it can start, unless the client announces it."""
        if step:
            self._earlier.append(step)
        if self._time.virtual or self._script.workflow != "generate":
            return
        steps = STEPS["generate"]
        if step == "poll":
            if response.status == 200 and json.loads(response.body)["status"] == "completed":
                self._prepare_listener("list" if self._script.lists_first else "save")
        elif step in ("generate", "list"):
            self._prepare_listener(steps[steps.index(step) + 1])

    def _prepare_listener(self, step: Step) -> None:
        self._next = step
        planned = self._peek(step)
        listener = ALL_FAULTS[planned.fault].listener if planned else None
        if listener not in ("closed", "full") or self._is_down:
            return
        self._count_fault()
        self._is_down = self._script.persistent
        if not self._script.persistent:
            self._queues[step].pop(0)
            if listener == "closed" or not self._time.virtual:
                self._reopening = self._time.after(_CLOSED_FOR if listener == "closed" else _FULL_FOR, self._reopen)
        self._full = listener == "full"
        (self._listener.shut if listener == "closed" else self._listener.fill)()


def _delay(phase: Phase, *, until_timeout: bool) -> float:
    if phase == "too late":
        return TOO_LATE
    return LATER_THAN_THE_TIMEOUT if until_timeout else LATE


def _read_head(sock: socket.socket, parser: h11.Connection) -> Request | None:
    event = _event(sock, parser)
    if not isinstance(event, h11.Request):
        return None
    headers = tuple((name.decode().lower(), value.decode("latin-1")) for name, value in event.headers)
    return Request(event.method.decode(), event.target.decode(), headers)


def _read_body(sock: socket.socket, parser: h11.Connection, request: Request) -> Request | None:
    body = bytearray()
    while isinstance(event := _event(sock, parser), h11.Data):
        body += event.data
    return attrs.evolve(request, body=bytes(body)) if isinstance(event, h11.EndOfMessage) else None


def _event(sock: socket.socket, parser: h11.Connection) -> object:
    while (event := parser.next_event()) is h11.NEED_DATA:
        parser.receive_data(sock.recv(65_536))
    return event


def _with_first_only(body: bytes) -> bytes:
    """The body of a request that creates or copies metrics, with only the first one."""
    sent = json.loads(body)
    first = {**sent, "metric_codes": sent["metric_codes"][:1]} if isinstance(sent, dict) else sent[:1]
    return json.dumps(first).encode()


def _padded(response: Response) -> Response:
    progress = json.loads(response.body)
    for suggestion in progress["metrics"][:1]:
        suggestion["padding"] = PADDING
    return attrs.evolve(response, body=json.dumps(progress).encode())


def _unpadded(request: Request) -> Request:
    """The request without the padding, which would only make the service slow."""
    metrics = [
        {name: value for name, value in metric.items() if name != "padding"} for metric in json.loads(request.body)
    ]
    return attrs.evolve(request, body=json.dumps(metrics).encode())
