"""The sandbox as its users see it."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from cekura_facade.sandbox._agents import default_agents
from cekura_facade.sandbox._app import build_app
from cekura_facade.sandbox._server import ServerThread
from cekura_facade.sandbox._state import Job, RecordedRequest, State


class Sandbox:
    """A fake Cekura API that listens on 127.0.0.1 while it is started, and keeps what it is sent in memory.

    Use it as a context manager, or call `start` and `stop`. What it holds survives a stop and a new start.

    Args:
        api_key: The only key that is accepted, as `X-CEKURA-API-KEY` or as a bearer token.
        agents: The agents there are, by id. By default a few made-up ones, of which the last has a
            description too short to generate metrics from.
        job_seconds: How long a generation job takes, in seconds. With 0 it is done at the first poll.
        port: The TCP port to listen on; 0 takes a free one at each start.
    """

    def __init__(
        self,
        *,
        api_key: str = "sandbox-api-key",
        agents: Mapping[int, dict[str, Any]] | None = None,
        job_seconds: float = 1.0,
        port: int = 0,
    ) -> None:
        self._state = State(
            api_key=api_key,
            agents=default_agents() if agents is None else dict(agents),
            job_seconds=job_seconds,
        )
        self._port = port
        self._server: ServerThread | None = None
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        """The base address, such as `http://127.0.0.1:43121`.

        Raises:
            RuntimeError: The sandbox is not running.
        """
        server = self._server
        if server is None:
            raise RuntimeError("The sandbox is not running: start it, or use it in a with statement.")
        return server.url

    @property
    def api_key(self) -> str:
        """The key that requests must carry."""
        return self._state.api_key

    @property
    def agents(self) -> dict[int, dict[str, Any]]:
        """The agents by id; may be edited at any time."""
        return self._state.agents

    @property
    def metrics(self) -> list[dict[str, Any]]:
        """The saved metrics in the order they were saved, with ids from 1001; may be edited at any time."""
        return self._state.metrics

    @property
    def requests(self) -> list[RecordedRequest]:
        """The requests answered so far, in the order they were answered."""
        return self._state.requests

    @property
    def jobs(self) -> dict[str, Job]:
        """The generation jobs by `progress_id`, in the order they were started."""
        return self._state.jobs

    def fail_next_job(self, error: str) -> None:
        """Let a job fail: the next one of any kind to be started ends as `failed`, once its time is over.

        Called several times before a job is started, it lets as many jobs fail.

        Args:
            error: What the failed job gives as its `error`.
        """
        self._state.failures.append(error)

    def start(self) -> Self:
        """Start to listen, in a thread of its own, and return once requests are accepted.

        Returns:
            The sandbox itself.

        Raises:
            RuntimeError: It is running already.
            OSError: The port is taken.
        """
        with self._lock:
            if self._server is not None:
                raise RuntimeError("The sandbox is running already.")
            self._server = ServerThread(build_app(self._state), self._port)
        return self

    def stop(self) -> None:
        """Stop listening, close every connection and end the thread. Does nothing if it isn't running."""
        with self._lock:
            server, self._server = self._server, None
            if server is not None:
                server.stop()

    def __enter__(self) -> Self:
        """Start it."""
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop it."""
        self.stop()
