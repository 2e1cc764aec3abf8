"""Faults while the service is saving, and sequences of faults, as data."""

from __future__ import annotations

from .catalogue import TRUE_ANSWER
from .steps import Phase, Planned, Step

# Faults of a save in which the service processes only the first metric of a request, or processes it late.
DURING: dict[Phase, tuple[str, ...]] = {
    "some": (
        TRUE_ANSWER.name,
        "reset after the request is read",
        "read time-out",
        "truncated body",
        "HTML with 502",
        "500",
    ),
    "late": (
        "reset after the request is read",
        "hung up without an answer",
        "read time-out",
        "HTML with 504",
        "500",
    ),
    "too late": ("reset after the request is read", "read time-out", "HTML with 504"),
}


def _plan(*parts: tuple[str, Phase] | None) -> tuple[Planned | None, ...]:
    return tuple(None if part is None else Planned(*part) for part in parts)


_RESET = "reset after the request is read"
_FINE = None

# Consecutive faults of the requests of each step. Later requests succeed.
SEQUENCES: dict[str, dict[Step, tuple[Planned | None, ...]]] = {
    "saved and 500, then 502 in HTML": {"save": _plan(("500", "after"), ("HTML with 502", "before"))},
    "saved and 500, saved and 502 in HTML": {"save": _plan(("500", "after"), ("HTML with 502", "after"))},
    "429, then saved and reset": {"save": _plan(("429", "before"), (_RESET, "after"))},
    "503 that says when, then saved and no answer": {
        "save": _plan(("503, Retry-After: 1", "before"), ("read time-out", "after"))
    },
    "saved and reset, then looking fails twice": {
        "look": _plan(_FINE, ("500", "before"), ("HTML with 502", "before")),
        "save": _plan((_RESET, "after")),
    },
    "saved and no answer, then looking trickles": {
        "look": _plan(_FINE, ("trickled body", "after")),
        "save": _plan(("read time-out", "after")),
    },
    "one saved and 500, one more saved and reset": {"save": _plan(("500", "some"), (_RESET, "some"))},
    "saved late after a reset, then a reset": {"save": _plan((_RESET, "late"), (_RESET, "before"))},
    "the job cannot be seen three times": {
        "poll": _plan((_RESET, "before"), ("HTML with 502", "before"), ("404", "before"))
    },
    "one fault at every step": {
        "generate": _plan(("429", "before")),
        "poll": _plan((_RESET, "before")),
        "look": _plan(("500", "before")),
        "save": _plan(("HTML with 504", "after")),
    },
    "two faults at every step": {
        "generate": _plan(("429", "before"), ("429", "before")),
        "poll": _plan(("HTML with 200", "before"), ("trickled headers", "after")),
        "look": _plan(("truncated body", "after"), ("JSON null", "before")),
        "save": _plan(("HTML with 502", "before"), ("empty 200", "after")),
    },
}
# The same sequences, but the last fault of each step stays.
LASTING_SEQUENCES: dict[str, dict[Step, tuple[Planned | None, ...]]] = {
    "saved and reset, then looking fails for ever": {
        "look": _plan(_FINE, ("500", "before")),
        "save": _plan((_RESET, "after")),
    },
    "not saved and reset, then looking fails for ever": {
        "look": _plan(_FINE, ("500", "before")),
        "save": _plan((_RESET, "before")),
    },
    "some saved and reset, then looking times out for ever": {
        "look": _plan(_FINE, ("read time-out", "before")),
        "save": _plan((_RESET, "some")),
    },
}
