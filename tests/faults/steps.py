"""The requests of each workflow, in order, and what is planned for them in a cell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import attrs

Flow = Literal["generate", "apply"]
Step = Literal[
    "generate",
    "poll",
    "look",
    "save",
    "plan: agent",
    "plan: list",
    "plan: read",
    "agent",
    "list",
    "read",
    "agent again",
    "list again",
    "list created",
    "copy",
    "list copied",
    "check before update",
    "update",
    "check before delete",
    "delete",
    "list deleted",
]
STEPS: dict[Flow, tuple[Step, ...]] = {
    # Suggestions are requested and saved. Listing what exists, and saving, are the last steps.
    "generate": ("generate", "poll", "look", "save"),
    # A plan is computed and applied, which computes it again. What is written is listed, or was read just before.
    "apply": (
        "plan: agent",
        "plan: list",
        "plan: read",
        "agent",
        "list",
        "read",
        "agent again",
        "list again",
        "save",
        "list created",
        "copy",
        "list copied",
        "check before update",
        "update",
        "check before delete",
        "delete",
        "list deleted",
    ),
}
UPDATES = 2  # how many metrics `apply` updates
WRITES: frozenset[Step] = frozenset({"save", "copy", "update", "delete"})

# When the service acts on a request that meets a fault: never, in full before the fault, on the first metric alone,
# a moment after the client was let go, or only once the client has looked for the last time.
Phase = Literal["before", "after", "some", "late", "too late"]
LATE = 0.3  # seconds, less than the client's settle_timeout
LATER_THAN_THE_TIMEOUT = 0.75  # the same for a client that was left to wait, counted from when the request came in
TOO_LATE = 2.2  # seconds, more than a timeout and a settle_timeout together


@attrs.frozen
class Planned:
    """A fault that one request will meet, by its name in the catalogue."""

    fault: str
    phase: Phase


@attrs.frozen
class Script:
    """What the requests of each step will meet, one after the other; None lets one pass, as does the end of a list.

    Attributes:
        lasting: The last fault of each list stays until it is taken away.
        looks: The client lists the metrics between the last poll and the first save.
        large: What is saved is so large that it cannot fit into the buffers of a socket.
        flow: The workflow.
    """

    steps: Mapping[Step, tuple[Planned | None, ...]]
    lasting: bool = False
    looks: bool = True
    large: bool = False
    flow: Flow = "generate"


def step_of(flow: Flow, method: str, target: str, past: Sequence[Step] = ()) -> Step | None:
    """Which step of a workflow a request is, or None.

    Args:
        flow: The workflow.
        method: The method of the request.
        target: Its path and query.
        past: The steps of the requests before it, in order. One that failed and is sent again is not among them.
    """
    path = target.partition("?")[0].rstrip("/")
    if path.endswith("/bulk_create") and method == "POST":
        return "save"
    return (_generating if flow == "generate" else _applying)(method, path, past)


def _generating(method: str, path: str, past: Sequence[Step]) -> Step | None:
    if path.endswith("/generate_metrics") and method == "POST":
        return "generate"
    if path.endswith("/generate_metrics_progress"):
        return "poll"
    return "look" if path.endswith("/metrics") and method == "GET" else None


def _applying(method: str, path: str, past: Sequence[Step]) -> Step | None:
    """The same reads occur several times. What came before tells which one it is."""
    if method != "GET":
        writes: dict[str, Step] = {"POST": "copy", "PATCH": "update", "DELETE": "delete"}
        return writes.get(method)
    follows: dict[Step, Step]
    if "/aiagents/" in path:
        follows = {"agent": "agent again", "plan: agent": "agent"}
        return _following(past, follows, "plan: agent")
    if path.endswith("/metrics"):
        follows = {"delete": "list deleted", "copy": "list copied", "save": "list created"}
        follows |= {"agent again": "list again", "agent": "list"}
        return _following(past, follows, "plan: list")
    if past.count("update") == UPDATES:
        return "check before delete"
    return _following(past, {"copy": "check before update", "agent": "read"}, "plan: read")


def _following(past: Sequence[Step], follows: Mapping[Step, Step], otherwise: Step) -> Step:
    return next((step for earlier, step in follows.items() if earlier in past), otherwise)
