"""What a sandbox holds: agents, metrics, jobs, and the requests that came in.

Requests are handled one at a time, on the server's thread, so nothing here is locked. What a user may edit
meanwhile on another thread is copied before it is looked through, and only ever changed in one step.
"""

from __future__ import annotations

import itertools
import json
import time
from collections import deque
from collections.abc import Iterator
from typing import Any

from attrs import define, field, frozen

_STEPS = (
    (0.9, "Checking the suggested metrics"),
    (0.65, "Writing metrics"),
    (0.4, "Looking for what callers ask for"),
    (0.2, "Reading the agent's description"),
    (0.0, "Waiting for a worker"),
)


@frozen
class RecordedRequest:
    """A request that came in, and the status it was answered with. Header names are in lower case."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes
    status: int

    @property
    def json(self) -> Any:
        """The body, read as JSON.

        Raises:
            ValueError: It isn't JSON.
        """
        return json.loads(self.body)


@frozen
class Job:
    """A generation job. `seconds` is how long it takes, `failure` what it will fail with, if it will."""

    progress_id: str
    agent_id: int
    suggestions: list[dict[str, Any]]
    seconds: float
    failure: str | None = None
    started_at: float = field(factory=time.monotonic)

    @property
    def status(self) -> str:
        """`queued`, `in_progress`, `completed` or `failed`, as of now."""
        return str(self.progress()["status"])

    def progress(self) -> dict[str, Any]:
        """What a poll is answered with, as of now."""
        elapsed = time.monotonic() - self.started_at
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
    """What is done in the background, other than a generation job: `result` is what it gives, after `seconds`."""

    result: dict[str, Any]
    seconds: float
    failure: str | None = None
    started_at: float = field(factory=time.monotonic)

    def progress(self) -> dict[str, Any]:
        """What a poll is answered with, as of now."""
        elapsed = time.monotonic() - self.started_at
        if elapsed < self.seconds:
            return {"status": "queued" if elapsed < 0.2 * self.seconds else "processing"}
        if self.failure is not None:
            return {"status": "failed", "error": self.failure}
        return {"status": "completed", **self.result}


@define
class State:
    """All that a sandbox holds."""

    api_key: str
    agents: dict[int, dict[str, Any]]
    job_seconds: float
    metrics: list[dict[str, Any]] = field(factory=list)
    requests: list[RecordedRequest] = field(factory=list)
    jobs: dict[str, Job] = field(factory=dict)
    tasks: dict[str, Task] = field(factory=dict)
    failures: deque[str] = field(factory=deque)
    metric_ids: Iterator[int] = field(factory=lambda: itertools.count(1001))
    slugs: set[str] = field(factory=set)

    def agent_of_assistant(self, assistant_id: str) -> int | None:
        """The id of the agent with this assistant id, if there is one."""
        agents = list(self.agents.items())
        return next((key for key, agent in agents if agent.get("assistant_id") == assistant_id), None)
