"""The public class `Sandbox`."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self

from starlette.types import ASGIApp

from cekura_facade.sandbox._agents import default_agents
from cekura_facade.sandbox._app import build_app
from cekura_facade.sandbox._behavior import BEHAVIORS, Behavior
from cekura_facade.sandbox._clock import ManualClock
from cekura_facade.sandbox._server import ServerThread
from cekura_facade.sandbox._state import Job, RecordedRequest, State

__all__ = ["BEHAVIORS", "Behavior", "Job", "ManualClock", "RecordedRequest", "Sandbox"]


class Sandbox:
    """A local stand-in for the Cekura API. It listens on 127.0.0.1 while it runs, and keeps its data in memory.

    Use it as a context manager, or call `start` and `stop`. It keeps its data when you stop and start it again.

    Args:
        api_key: The only credential that the sandbox accepts, as `X-CEKURA-API-KEY` or as a bearer token.
        agents: The agents by id. Default: four invented agents. The description of the last one is too short
            to generate metrics from.
        job_seconds: How long a job takes, in seconds, 0 or more (default 1). With 0, a job is done at the first poll.
        port: TCP port to listen on, 0 to 65535. With 0 (the default), each start uses a free port.
        clock: Function that returns the time in seconds (default `time.monotonic`). With a `ManualClock`, time
            moves only when you call `advance`.
        behavior: How the sandbox stores and lists metrics. Default: `Behavior()`.
    """

    def __init__(
        self,
        *,
        api_key: str = "sandbox-api-key",
        agents: Mapping[int, dict[str, Any]] | None = None,
        job_seconds: float = 1.0,
        port: int = 0,
        clock: Callable[[], float] = time.monotonic,
        behavior: Behavior | None = None,
    ) -> None:
        self._state = State(
            api_key=api_key,
            agents=default_agents() if agents is None else dict(agents),
            job_seconds=job_seconds,
            clock=clock,
            behavior=behavior or Behavior(),
        )
        self._port = port
        self._server: ServerThread | None = None
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        """The base URL, such as `http://127.0.0.1:43121`.

        Raises:
            RuntimeError: The sandbox is not running.
        """
        server = self._server
        if server is None:
            raise RuntimeError("The sandbox is not running: call start(), or use it in a with statement.")
        return server.url

    @property
    def app(self) -> ASGIApp:
        """The sandbox as an ASGI application, for tests without a socket, such as `httpx.ASGITransport(sandbox.app)`.

        It works whether the sandbox is started or not.
        """
        return build_app(self._state)

    @property
    def api_key(self) -> str:
        """The credential that the sandbox accepts."""
        return self._state.api_key

    @property
    def agents(self) -> dict[int, dict[str, Any]]:
        """The agents by id. You can edit them at any time."""
        return self._state.agents

    @property
    def metrics(self) -> list[dict[str, Any]]:
        """The saved metrics, oldest first, with ids from 1001. You can edit them at any time."""
        return self._state.metrics

    @property
    def requests(self) -> list[RecordedRequest]:
        """The requests that the sandbox has responded to, oldest first."""
        return self._state.requests

    @property
    def jobs(self) -> dict[str, Job]:
        """The generation jobs by `progress_id`, oldest first."""
        return self._state.jobs

    @property
    def behavior(self) -> Behavior:
        """How the sandbox stores and lists metrics. You can set it at any time."""
        return self._state.behavior

    @behavior.setter
    def behavior(self, behavior: Behavior) -> None:
        self._state.behavior = behavior

    def advance(self, seconds: float) -> None:
        """Move the sandbox's time forward at once, with any clock. Jobs and lists change as if it had passed.

        Args:
            seconds: Number of seconds, 0 or more.

        Raises:
            ValueError: `seconds` is negative, infinite or not a number.
        """
        self._state.advanced.advance(seconds)

    def fail_next_job(self, error: str) -> None:
        """Make the next job of any kind end as `failed`. Call it several times to make as many jobs fail.

        Args:
            error: The error message of the failed job.
        """
        self._state.failures.append(error)

    def start(self) -> Self:
        """Start listening in a background thread. Returns once the sandbox accepts requests.

        Returns:
            The sandbox itself.

        Raises:
            RuntimeError: The sandbox is already running.
            OSError: The port is in use.
        """
        with self._lock:
            if self._server is not None:
                raise RuntimeError("The sandbox is already running.")
            self._server = ServerThread(build_app(self._state), self._port)
        return self

    def stop(self) -> None:
        """Close every connection and end the thread. Does nothing if the sandbox is not running."""
        with self._lock:
            server, self._server = self._server, None
            if server is not None:
                server.stop()

    def __enter__(self) -> Self:
        """Start the sandbox."""
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop the sandbox."""
        self.stop()
