"""A sandbox and the fault layer in front of it, in a process of their own, apart from the client's."""

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
from .pace import RealTime, VirtualTime, shared_number
from .processes import processes
from .steps import Flow, Script, Step
from .virtual import in_process

KEY = "sk-matrix-5f2b8c1e9d74"
WANTED = 3  # metrics in every cell
_DESCRIPTION = (
    "Answers calls for a bicycle workshop. Books repairs, says what they cost and when they will be done, and "
    "asks for the frame number. Never promises a day that the calendar does not have."
)


@attrs.frozen
class Place:
    """Where a client finds the service of one cell.

    Attributes:
        padding: Makes what the client saves too large for the buffers of a socket.
        stage: The client lives in its virtual time.
    """

    url: str
    agent_id: int
    key: str = KEY
    padding: str = ""
    stage: Any = None


@attrs.frozen
class Sight:
    """What can be seen at the service.

    Attributes:
        agent: Its id.
        before: What was saved before the client began.
        metrics: What is saved: for the agent, or, if a plan is applied, for everybody.
        wanted: What was suggested for the agent.
        asked: The steps that the client sent a request for.
        applied: How many faults the client met.
        elsewhere: Requests that came in at another origin: everything that was sent.
    """

    agent: int
    before: list[dict[str, Any]]
    metrics: list[dict[str, Any]]
    wanted: list[dict[str, Any]]
    asked: frozenset[Step]
    applied: int
    elsewhere: tuple[str, ...]


class Stage:
    """One sandbox for many cells. Each cell has an agent and a layer of its own, so that none sees another's traces."""

    def __init__(self, seconds: Path) -> None:
        self._seconds = shared_number(seconds)
        self._sandbox = Sandbox(api_key=KEY, job_seconds=0, agents={})
        self._elsewhere, self._sent_elsewhere = _other_origin()
        self._agent = 1000
        self._flow: Flow = "generate"
        self._before: list[dict[str, Any]] = []
        self._layer: FaultLayer | None = None
        self._time: RealTime = RealTime()

    def open(self, script: Script, patience: float, *, virtual: bool = False) -> Place:
        """Set up a cell. After so many seconds its faults go away by themselves: a client that hangs gets free."""
        self._time = VirtualTime(self._seconds) if virtual else RealTime()
        self.close()
        self._sent_elsewhere.clear()
        self._agent += 2
        self._flow = script.flow
        for agent in (self._agent, self._agent + 1):
            self._sandbox.agents[agent] = {
                "agent_name": "Workshop",
                "description": _DESCRIPTION,
                "project": self._agent,
                "assistant_id": f"asst_{agent}",
            }
        self._sandbox.metrics.clear()
        if self._flow == "apply":
            found = metrics_file.existing(self._agent, self._agent + 1, self._agent, self._agent + 1)
            self._sandbox.metrics.extend({"id": self._agent * 100 + i, **each} for i, each in enumerate(found))
        self._before = copy.deepcopy(self._sandbox.metrics)
        self._layer = FaultLayer(in_process(self._sandbox.app), script, self._elsewhere, self._time)
        self._patience = threading.Timer(patience, self._layer.heal)
        self._patience.daemon = True
        self._patience.start()
        return Place(self._layer.url, self._agent, padding=metrics_file.PADDING if script.large else "")

    def sight(self) -> Sight:
        """What there is to see, now."""
        jobs = [job for job in self._sandbox.jobs.values() if job.agent_id == self._agent]
        return Sight(
            agent=self._agent,
            before=self._before,
            metrics=[each for each in self._sandbox.metrics if self._flow == "apply" or self._agent in each["agents"]],
            wanted=jobs[-1].suggestions if jobs else [],
            asked=frozenset(self._running().asked),
            applied=self._running().applied,
            elsewhere=tuple(self._sent_elsewhere),
        )

    def heal(self) -> None:
        """Take the faults away."""
        self._patience.cancel()
        self._running().heal()

    def settle(self) -> None:
        """Wait until the service has done all that it was late with."""
        self._running().settle()

    def advance(self, seconds: float) -> None:
        """Let virtual time pass."""
        assert isinstance(self._time, VirtualTime)
        self._time.advance(seconds)

    def attempt(self, method: str, target: str) -> dict[str, float]:
        """Note that the client begins an attempt. Returns the timeouts that it has in real time."""
        return self._running().attempt(method, target)

    def stalled(self) -> bool:
        """Whether nothing more comes in the present attempt."""
        return self._running().stalled

    def wait_met(self, seconds: float) -> bool:
        """Wait until the client has met a fault. Returns whether it has."""
        return self._running().met.wait(seconds)

    def close(self) -> None:
        """End a cell."""
        layer, self._layer = self._layer, None
        if layer is not None:
            self._patience.cancel()
            layer.close()

    def _running(self) -> FaultLayer:
        assert self._layer is not None
        return self._layer


class _Manager(BaseManager):
    """Runs a stage in another process."""


_Manager.register("Stage", Stage)


class _Remote:
    """A stage in another process. Clients read its virtual time a hundred times in a cell, so they share it."""

    def __init__(self, stage: Any, seconds: Path) -> None:
        self._stage = stage
        self._seconds = shared_number(seconds)

    def now(self) -> float:
        """The virtual time."""
        return float(self._seconds[0])

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stage, name)


@contextmanager
def staged() -> Iterator[Stage]:
    """A stage in a process of its own."""
    manager = _Manager(ctx=processes())
    manager.start(_end_with_parent)
    with NamedTemporaryFile() as file:
        file.write(bytes(8))
        file.flush()
        seconds = Path(file.name)
        try:
            stage = cast(Stage, _Remote(manager.Stage(seconds), seconds))  # type: ignore[attr-defined]
            yield stage
            stage.close()
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
    """A server at another origin, which keeps all that is sent to it."""
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
