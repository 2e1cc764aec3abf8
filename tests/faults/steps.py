"""The four requests of a workflow, and what is planned for each of them in a cell."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import attrs

Step = Literal["generate", "poll", "look", "save"]
STEPS: tuple[Step, ...] = ("generate", "poll", "look", "save")

# When the service acts on a request that meets a fault: never, in full before the fault, on the first metric alone,
# a moment after the client was let go, or only once the client has looked for the last time.
Phase = Literal["before", "after", "some", "late", "too late"]
LATE = 0.3  # seconds, less than the client's settle_timeout
LATER_THAN_THE_TIMEOUT = 0.75  # the same for a client that was left to wait, counted from when the request came in
TOO_LATE = 2.2  # seconds, more than a time-out and a settle_timeout together


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
        large: Suggestions are made so large that saving them cannot fit into the buffers of a socket.
    """

    steps: Mapping[Step, tuple[Planned | None, ...]]
    lasting: bool = False
    looks: bool = True
    large: bool = False


def step_of(method: str, target: str) -> Step | None:
    """Which step a request is, None if it belongs to no workflow."""
    path = target.partition("?")[0].rstrip("/")
    if path.endswith("/generate_metrics") and method == "POST":
        return "generate"
    if path.endswith("/generate_metrics_progress"):
        return "poll"
    if path.endswith("/bulk_create") and method == "POST":
        return "save"
    return "look" if path.endswith("/metrics") and method == "GET" else None
