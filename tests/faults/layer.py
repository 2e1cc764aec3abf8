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

from .catalogue import EVERY
from .listener import Listener
from .metrics_file import PADDING
from .pace import ATTEMPT, RealTime, VirtualTime
from .steps import LATE, LATER_THAN_THE_TIMEOUT, STEPS, TOO_LATE, Phase, Planned, Script, Step, step_of
from .wire import Answer, Wire

_CLOSED_FOR = 0.3  # seconds that a refusing port stays closed
_FULL_FOR = 0.7  # seconds that a full port stays full, more than a timeout
_SHORT = 0.1  # real seconds
_NOT_PASSED_ON = {"host", "connection", "accept-encoding", "content-length", "transfer-encoding"}
_NOT_PASSED_BACK = {"connection", "content-length", "transfer-encoding", "keep-alive"}


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
        asked: The steps for which the client has sent a request.
        applied: Number of faults that requests have met.
        met: Set when a request has met a fault, before or after the service processes it, depending on the phase.
    """

    def __init__(
        self,
        service: Callable[[httpx.Request], httpx.Response],
        script: Script,
        elsewhere: str,
        time: RealTime | None = None,
    ) -> None:
        self._service, self._elsewhere = service, elsewhere
        self._time = time or RealTime()
        self._attempt = 0
        self._stalled_in = -1
        self._full = False
        self._is_down = False
        self._script = script
        self._queues = {step: list(planned) for step, planned in script.steps.items()}
        self._lines = any(EVERY[each.fault].line for queue in self._queues.values() for each in queue if each)
        self._next: Step = STEPS[script.flow][0]
        self._past: list[Step] = []
        self._lock = threading.Lock()
        self._one_request = threading.Lock()
        self._over = threading.Event()
        self._closed = False
        self._wires: list[Wire] = []
        self._reopening: Callable[[], object] | None = None
        self.asked: set[Step] = set()
        self.applied = 0
        self.met = threading.Event()
        self._listener = Listener(self._serve, receive=65_536 if script.large else 0)
        self.url = "http://{}:{}".format(*self._listener.address)
        if not self._time.virtual:
            self._stand_before(self._next)

    def heal(self) -> None:
        """Remove all faults."""
        if self._reopening is not None:
            self._reopening()
        with self._lock:
            self._full = False
            self._queues.clear()
            self._lines = False
            self._over.set()
            wires, self._wires, self._over = self._wires, [], threading.Event()
        for wire in wires:
            with contextlib.suppress(OSError):
                wire.connection.shutdown(socket.SHUT_RDWR)
        self._listener.open()

    def settle(self) -> None:
        """Wait until the service has processed all late requests."""
        self._time.finish()

    def close(self) -> None:
        """Stop."""
        self._closed = True
        self.heal()
        self.settle()
        self._listener.close()

    def attempt(self, method: str, target: str) -> dict[str, float]:
        """Note that the client begins an attempt. Returns the timeouts that it has in real time.

        They are short only if connecting or sending must fail, so that the service is not involved.
        """
        self._attempt += 1
        step = self._step_of(method, target)
        if step:
            self._stand_before(step)
        if self._full:
            self._pass(ATTEMPT)
            if self._reopening is None and not self._script.lasting:
                self._reopening = self._time.after(_FULL_FOR - ATTEMPT, self._reopen)
            return {"connect": _SHORT}
        planned = self._peek(step) if step else None
        return {"write": _SHORT} if planned and EVERY[planned.fault].unread else {}

    @property
    def stalled(self) -> bool:
        """Whether the current attempt gets no more bytes."""
        return self._stalled_in == self._attempt

    def _stall(self, attempt: int, seconds: float) -> None:
        self._pass(seconds)
        self._stalled_in = attempt

    def _pass(self, seconds: float) -> None:
        if isinstance(self._time, VirtualTime):
            self._time.advance(seconds)

    def _reopen(self) -> None:
        self._full = False
        self._listener.open()

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection:
            with self._lock:
                if self._closed:
                    return
                wire = Wire(connection, self._over, self._time, elsewhere=self._elsewhere)
                self._wires.append(wire)
            planned = self._peek(self._next)
            if planned and EVERY[planned.fault].line == "resets":
                connection.recv(1, socket.MSG_PEEK)  # Until then, a client may assume that it was never connected.
                self._take(self._next)
                self._note()
                wire.reset()
                return
            wire.alive = True
            while wire.alive and not wire.over.is_set():
                wire.alive = False
                self._answer(wire, h11.Connection(h11.SERVER))

    def _answer(self, wire: Wire, parser: h11.Connection) -> None:
        request = _read_head(wire.connection, parser)
        if request is None:
            return
        step = self._step_of(request.method, request.target)
        planned = self._take(step) if step else None
        wire.stall = partial(self._stall, self._attempt)
        if planned and EVERY[planned.fault].unread:
            self._note()
            EVERY[planned.fault].act(wire, Answer())
            return
        request = _read_body(wire.connection, parser, request)
        if request is None:
            return
        if step:
            self.asked.add(step)
        if planned is not None:
            if step in ("save", "copy"):
                self._past.append(step)  # What follows looks for what was created.
            self._fail(wire, request, planned)
            return
        if self._script.large and step == "save":
            request = _unpadded(request)
        answer = self._forward(request)
        if self._script.large and step == "poll":
            answer = _padded(answer)
        self._went_well(step, answer)
        wire.send(answer.encode(*([("Connection", "close")] if self._lines else [])))
        wire.alive = not self._lines

    def _fail(self, wire: Wire, request: Request, planned: Planned) -> None:
        fault = EVERY[planned.fault]
        wire.target, wire.key = request.target, dict(request.headers).get("x-cekura-api-key", "")
        answer = Answer(body=b"{}")
        if planned.phase == "after":
            answer = self._forward(request)
        elif planned.phase == "some":
            answer = self._forward(attrs.evolve(request, body=_first_alone(request.body)))
        elif planned.phase in ("late", "too late"):
            delay = _delay(planned.phase, left_waiting=fault.group == "time")
            self._time.after(delay, lambda: self._forward(request))
        self._note()
        fault.act(wire, answer)

    def _note(self) -> None:
        self.applied += 1
        self.met.set()

    def _forward(self, request: Request) -> Answer:
        headers = [(name, value) for name, value in request.headers if name not in _NOT_PASSED_ON]
        url = "http://sandbox" + request.target
        with self._one_request:
            response = self._service(httpx.Request(request.method, url, headers=headers, content=request.body))
        kept = [(name, value) for name, value in response.headers.items() if name not in _NOT_PASSED_BACK]
        return Answer(response.status_code, response.content, tuple(kept))

    def _peek(self, step: Step) -> Planned | None:
        queue = self._queues.get(step)
        return queue[0] if queue else None

    def _take(self, step: Step) -> Planned | None:
        """The next fault for a request of a step. Faults of the connection were applied earlier."""
        with self._lock:
            planned = self._peek(step)
            if planned and EVERY[planned.fault].line in ("closed", "full"):
                return None
            queue = self._queues.get(step, [])
            if queue and not (self._script.lasting and len(queue) == 1):
                queue.pop(0)
            return planned

    def _step_of(self, method: str, target: str) -> Step | None:
        return step_of(self._script.flow, method, target, self._past)

    def _went_well(self, step: Step | None, answer: Answer) -> None:
        """Note a step of the client, and the next one before it can start, unless the client announces it."""
        if step:
            self._past.append(step)
        if self._time.virtual or self._script.flow != "generate":
            return
        steps = STEPS["generate"]
        if step == "poll":
            if answer.status == 200 and json.loads(answer.body)["status"] == "completed":
                self._stand_before("look" if self._script.looks else "save")
        elif step in ("generate", "look"):
            self._stand_before(steps[steps.index(step) + 1])

    def _stand_before(self, step: Step) -> None:
        self._next = step
        planned = self._peek(step)
        line = EVERY[planned.fault].line if planned else None
        if line not in ("closed", "full") or self._is_down:
            return
        self._note()
        self._is_down = self._script.lasting
        if not self._script.lasting:
            self._queues[step].pop(0)
            if line == "closed" or not self._time.virtual:
                self._reopening = self._time.after(_CLOSED_FOR if line == "closed" else _FULL_FOR, self._reopen)
        self._full = line == "full"
        (self._listener.shut if line == "closed" else self._listener.fill)()


def _delay(phase: Phase, *, left_waiting: bool) -> float:
    if phase == "too late":
        return TOO_LATE
    return LATER_THAN_THE_TIMEOUT if left_waiting else LATE


def _read_head(connection: socket.socket, parser: h11.Connection) -> Request | None:
    event = _event(connection, parser)
    if not isinstance(event, h11.Request):
        return None
    headers = tuple((name.decode().lower(), value.decode("latin-1")) for name, value in event.headers)
    return Request(event.method.decode(), event.target.decode(), headers)


def _read_body(connection: socket.socket, parser: h11.Connection, request: Request) -> Request | None:
    body = bytearray()
    while isinstance(event := _event(connection, parser), h11.Data):
        body += event.data
    return attrs.evolve(request, body=bytes(body)) if isinstance(event, h11.EndOfMessage) else None


def _event(connection: socket.socket, parser: h11.Connection) -> object:
    while (event := parser.next_event()) is h11.NEED_DATA:
        parser.receive_data(connection.recv(65_536))
    return event


def _first_alone(body: bytes) -> bytes:
    """The body of a request that saves metrics or copies predefined ones, with only the first of them."""
    sent = json.loads(body)
    first = {**sent, "metric_codes": sent["metric_codes"][:1]} if isinstance(sent, dict) else sent[:1]
    return json.dumps(first).encode()


def _padded(answer: Answer) -> Answer:
    progress = json.loads(answer.body)
    for suggestion in progress["metrics"][:1]:
        suggestion["padding"] = PADDING
    return attrs.evolve(answer, body=json.dumps(progress).encode())


def _unpadded(request: Request) -> Request:
    """The request without the padding, which would only make the service slow."""
    metrics = [
        {name: value for name, value in metric.items() if name != "padding"} for metric in json.loads(request.body)
    ]
    return attrs.evolve(request, body=json.dumps(metrics).encode())
