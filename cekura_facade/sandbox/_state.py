"""The data of a sandbox: agents, metrics, jobs and recorded requests.

The server's thread handles one request at a time, so there are no locks. A test may edit the agents and metrics on
another thread, so they are copied before they are iterated over, and each change is a single operation.
"""

from __future__ import annotations

import itertools
import json
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

from attrs import define, field, frozen

from cekura_facade.sandbox._behavior import Behavior
from cekura_facade.sandbox._clock import ManualClock

_STEPS = (
    (0.9, "Checking the suggested metrics"),
    (0.65, "Writing metrics"),
    (0.4, "Looking for what callers ask for"),
    (0.2, "Reading the agent's description"),
    (0.0, "Waiting for a worker"),
)


@frozen
class RecordedRequest:
    """A request, and the status of its response. Header names are in lower case."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes
    status: int

    @property
    def json(self) -> Any:
        """The body, parsed as JSON.

        Raises:
            ValueError: The body is not JSON.
        """
        return json.loads(self.body)


@frozen
class Job:
    """A generation job.

    Attributes:
        progress_id: Id of the job, a UUID.
        agent_id: Id of the agent that the metrics are for.
        suggestions: The metrics that the job suggests once it is completed.
        seconds: How long the job takes, in seconds.
        failure: The error that the job ends with, or `None` if it succeeds.
        started_at: When the job was started, in seconds of the sandbox's clock.
    """

    progress_id: str
    agent_id: int
    suggestions: list[dict[str, Any]]
    seconds: float
    failure: str | None
    started_at: float
    _now: Callable[[], float] = field(eq=False, repr=False)

    @property
    def status(self) -> str:
        """The current state: `queued`, `in_progress`, `completed` or `failed`."""
        return str(self.progress()["status"])

    def progress(self) -> dict[str, Any]:
        """Return the body that a progress call receives now."""
        elapsed = self._now() - self.started_at
        done = elapsed / self.seconds if self.seconds > 0 else 1.0
        if done < 1:
            status = "queued" if done < 0.2 else "in_progress"
            step = next(text for since, text in _STEPS if done >= since)
        else:
            status, step = ("completed", "Done") if self.failure is None else ("failed", "Failed")
        return {
            "agent_id": self.agent_id,
            "status": status,
            "current_step": step,
            "metrics": self.suggestions if status == "completed" else [],
            "error": self.failure if status == "failed" else None,
        }


@frozen
class Task:
    """A background task other than a generation job. `result` is its result, available after `seconds`."""

    result: dict[str, Any]
    seconds: float
    failure: str | None
    started_at: float
    _now: Callable[[], float] = field(eq=False, repr=False)

    def progress(self) -> dict[str, Any]:
        """Return the body that a progress call receives now."""
        elapsed = self._now() - self.started_at
        if elapsed < self.seconds:
            return {"status": "queued" if elapsed < 0.2 * self.seconds else "processing"}
        if self.failure is not None:
            return {"status": "failed", "error": self.failure}
        return {"status": "completed", **self.result}


@define
class State:
    """The data of a sandbox."""

    api_key: str
    agents: dict[int, dict[str, Any]]
    job_seconds: float
    clock: Callable[[], float] = time.monotonic
    behavior: Behavior = field(factory=Behavior)
    advanced: ManualClock = field(factory=ManualClock)
    metrics: list[dict[str, Any]] = field(factory=list)
    created_at: dict[int, float] = field(factory=dict)  # By metric id, in seconds.
    requests: list[RecordedRequest] = field(factory=list)
    jobs: dict[str, Job] = field(factory=dict)
    tasks: dict[str, Task] = field(factory=dict)
    failures: deque[str] = field(factory=deque)
    metric_ids: Iterator[int] = field(factory=lambda: itertools.count(1001))
    slugs: set[str] = field(factory=set)

    def now(self) -> float:
        """Return the sandbox's time in seconds."""
        return self.clock() + self.advanced()

    def agent_of_assistant(self, assistant_id: str) -> int | None:
        """Return the id of the agent with this assistant id, or None."""
        agents = list(self.agents.items())
        return next((key for key, agent in agents if agent.get("assistant_id") == assistant_id), None)
