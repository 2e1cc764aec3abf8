"""A sandbox and the fault layer in front of it, in another process than the client."""

from __future__ import annotations

import copy
import multiprocessing
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.managers import BaseManager
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any, cast

import attrs

from cekura_facade.sandbox import Sandbox

from . import metrics_file
from .layer import FaultLayer
from .processes import processes
from .steps import Script, Step, Workflow
from .timing import RealTime, VirtualTime, shared_number
from .virtual import in_process

KEY = "sk-matrix-5f2b8c1e9d74"
NUM_METRICS = 3  # number of metrics in each cell
_DESCRIPTION = (
    "Answers calls for a bicycle workshop. Books repairs, says what they cost and when they will be done, and "
    "asks for the frame number. Never promises a day that the calendar does not have."
)


@attrs.frozen
class ServiceInfo:
    """The service of one cell, as a client needs it.

    Attributes:
        padding: Text that makes the saved metrics too large for the buffers of a socket, or empty.
        harness: The harness whose virtual time the client uses, or None for real time.
    """

    url: str
    agent_id: int
    key: str = KEY
    padding: str = ""
    harness: Any = None


@attrs.frozen
class ServiceState:
    """The data of the service, and the requests that it received.

    Attributes:
        agent: The id of the agent.
        before: The metrics that existed before the client started.
        metrics: The metrics of the agent or, if a plan is applied, of all agents.
        wanted: The metrics that were suggested for the agent.
        requested: The steps for which the client sent a request.
        faults_met: Number of faults that requests have met.
        sent_to_other_origin: The requests that a server at another origin received, in full.
    """

    agent: int
    before: list[dict[str, Any]]
    metrics: list[dict[str, Any]]
    wanted: list[dict[str, Any]]
    requested: frozenset[Step]
    faults_met: int
    sent_to_other_origin: tuple[str, ...]


class Harness:
    """One sandbox for many cells. Each cell has its own agent and fault layer, so cells do not affect each other."""

    def __init__(self, seconds: Path) -> None:
        self._seconds = shared_number(seconds)
        self._sandbox = Sandbox(api_key=KEY, job_seconds=0, agents={})
        self._other_url, self._sent_to_other_origin = _other_origin()
        self._agent = 1000
        self._workflow: Workflow = "generate"
        self._before: list[dict[str, Any]] = []
        self._layer: FaultLayer | None = None
        self._time: RealTime = RealTime()

    def open(self, script: Script, time_limit: float, *, virtual: bool = False) -> ServiceInfo:
        """Set up a cell.

        Args:
            script: The faults.
            time_limit: Seconds after which the faults are removed, so that a client that hangs can finish.
            virtual: Whether the client uses virtual time.
        """
        self._time = VirtualTime(self._seconds) if virtual else RealTime()
        self.close()
        self._sent_to_other_origin.clear()
        self._agent += 2
        self._workflow = script.workflow
        for agent in (self._agent, self._agent + 1):
            self._sandbox.agents[agent] = {
                "agent_name": "Workshop",
                "description": _DESCRIPTION,
                "project": self._agent,
                "assistant_id": f"asst_{agent}",
            }
        self._sandbox.metrics.clear()
        if self._workflow == "apply":
            found = metrics_file.existing(self._agent, self._agent + 1, self._agent, self._agent + 1)
            self._sandbox.metrics.extend({"id": self._agent * 100 + i, **each} for i, each in enumerate(found))
        self._before = copy.deepcopy(self._sandbox.metrics)
        self._layer = FaultLayer(in_process(self._sandbox.app), script, self._other_url, self._time)
        self._time_limit = threading.Timer(time_limit, self._layer.remove_faults)
        self._time_limit.daemon = True
        self._time_limit.start()
        return ServiceInfo(self._layer.url, self._agent, padding=metrics_file.PADDING if script.large else "")

    def state(self) -> ServiceState:
        """The current state of the service."""
        jobs = [job for job in self._sandbox.jobs.values() if job.agent_id == self._agent]
        return ServiceState(
            agent=self._agent,
            before=self._before,
            metrics=[
                each for each in self._sandbox.metrics if self._workflow == "apply" or self._agent in each["agents"]
            ],
            wanted=jobs[-1].suggestions if jobs else [],
            requested=frozenset(self._current_layer().requested),
            faults_met=self._current_layer().faults_met,
            sent_to_other_origin=tuple(self._sent_to_other_origin),
        )

    def remove_faults(self) -> None:
        """Remove all faults."""
        self._time_limit.cancel()
        self._current_layer().remove_faults()

    def finish_late_requests(self) -> None:
        """Wait until the service has processed all late requests."""
        self._current_layer().finish_late_requests()

    def advance(self, seconds: float) -> None:
        """Advance the virtual time."""
        assert isinstance(self._time, VirtualTime)
        self._time.advance(seconds)

    def begin_attempt(self, method: str, target: str) -> dict[str, float]:
        """Note that the client begins an attempt. Returns its timeouts in real time."""
        return self._current_layer().begin_attempt(method, target)

    def stalled(self) -> bool:
        """Whether the current attempt gets no more bytes."""
        return self._current_layer().stalled

    def wait_for_fault(self, seconds: float) -> bool:
        """Wait until a request has met a fault. Returns False after so many seconds."""
        return self._current_layer().fault_met.wait(seconds)

    def close(self) -> None:
        """End a cell."""
        layer, self._layer = self._layer, None
        if layer is not None:
            self._time_limit.cancel()
            layer.close()

    def _current_layer(self) -> FaultLayer:
        assert self._layer is not None
        return self._layer


class _Manager(BaseManager):
    """Runs a harness in another process."""


_Manager.register("Harness", Harness)


class _Remote:
    """A harness in another process. Clients read its virtual time a hundred times in a cell, so they share it."""

    def __init__(self, harness: Any, seconds: Path) -> None:
        self._harness = harness
        self._seconds = shared_number(seconds)

    def now(self) -> float:
        """The virtual time."""
        return float(self._seconds[0])

    def __getattr__(self, name: str) -> Any:
        return getattr(self._harness, name)


@contextmanager
def start_harness() -> Iterator[Harness]:
    """A harness in another process."""
    manager = _Manager(ctx=processes())
    manager.start(_end_with_parent)
    try:
        with NamedTemporaryFile() as file:
            file.write(bytes(8))
            file.flush()
            seconds = Path(file.name)
            harness = cast(Harness, _Remote(manager.Harness(seconds), seconds))  # type: ignore[attr-defined]
        yield harness
        harness.close()
    finally:
        manager.shutdown()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()

    def watch() -> None:
        if parent is not None:
            parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _other_origin() -> tuple[str, list[str]]:
    """A server at another origin, which records the requests that it receives."""
    sent: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            sent.append(f"{self.requestline}\n{self.headers}\n{body!r}")
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_POST = do_GET  # noqa: N815 - http.server calls it by this name.

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_address[1]}", sent
