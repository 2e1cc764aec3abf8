"""The requests of each workflow, in order, and the faults that are planned for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, get_args

import attrs

Workflow = Literal["generate", "apply"]
# Suggestions are requested and saved. The existing metrics are listed before anything is saved.
GenerateStep = Literal["generate", "poll", "list", "save"]
# A plan is computed and applied, which computes it again. The client lists what it created or copied, and reads each
# metric before it updates or deletes it.
ApplyStep = Literal[
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
]
Step = GenerateStep | ApplyStep
STEPS: dict[Workflow, tuple[Step, ...]] = {"generate": get_args(GenerateStep), "apply": get_args(ApplyStep)}
UPDATES = 2  # how many metrics `apply` updates
WRITES: frozenset[Step] = frozenset({"save", "copy", "update", "delete"})

# When the service processes a request that meets a fault: never, before the fault, before the fault but only the first
# metric, a moment after the client lost the connection, or only after the client's last list.
Phase = Literal["before", "after", "first", "late", "too late"]
LATE = 0.3  # seconds, less than the client's settle_timeout
LATER_THAN_THE_TIMEOUT = 0.75  # the same for a client that waits until it times out, from the start of the request
TOO_LATE = 2.2  # seconds, more than a timeout and a settle_timeout together


@attrs.frozen
class PlannedFault:
    """The name of a fault in the catalogue, and whether the service processes the request."""

    fault: str
    phase: Phase


@attrs.frozen
class Script:
    """The faults of the requests of each step, in order. None, and the end of a list, mean no fault.

    Attributes:
        persistent: The last fault of each step is repeated until the faults are removed.
        lists_first: Whether the client lists the metrics between the last poll and the first save.
        large: The saved metrics do not fit into the buffers of a socket.
        workflow: The workflow.
    """

    steps: Mapping[Step, tuple[PlannedFault | None, ...]]
    persistent: bool = False
    lists_first: bool = True
    large: bool = False
    workflow: Workflow = "generate"


def step_of(workflow: Workflow, method: str, target: str, earlier: Sequence[Step] = ()) -> Step | None:
    """Which step of a workflow a request is, or None.

    Args:
        workflow: The workflow.
        method: The method of the request.
        target: Its path and query.
        earlier: The steps of the requests before it, in order, without failed attempts.
    """
    path = target.partition("?")[0].rstrip("/")
    if path.endswith("/bulk_create") and method == "POST":
        return "save"
    return (_generating if workflow == "generate" else _applying)(method, path, earlier)


def _generating(method: str, path: str, earlier: Sequence[Step]) -> Step | None:
    if path.endswith("/generate_metrics") and method == "POST":
        return "generate"
    if path.endswith("/generate_metrics_progress"):
        return "poll"
    return "list" if path.endswith("/metrics") and method == "GET" else None


def _applying(method: str, path: str, earlier: Sequence[Step]) -> Step | None:
    """The same request occurs at several steps. The earlier steps tell which one it is."""
    if method != "GET":
        writes: dict[str, Step] = {"POST": "copy", "PATCH": "update", "DELETE": "delete"}
        return writes.get(method)
    follows: dict[Step, Step]
    if "/aiagents/" in path:
        follows = {"agent": "agent again", "plan: agent": "agent"}
        return _following(earlier, follows, "plan: agent")
    if path.endswith("/metrics"):
        follows = {"delete": "list deleted", "copy": "list copied", "save": "list created"}
        follows |= {"agent again": "list again", "agent": "list"}
        return _following(earlier, follows, "plan: list")
    if earlier.count("update") == UPDATES:
        return "check before delete"
    return _following(earlier, {"copy": "check before update", "agent": "read"}, "plan: read")


def _following(earlier: Sequence[Step], follows: Mapping[Step, Step], otherwise: Step) -> Step:
    return next((step for before, step in follows.items() if before in earlier), otherwise)
