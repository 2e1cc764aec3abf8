"""Faults while the service is saving, and sequences of faults, as data."""

from __future__ import annotations

from .catalogue import TRUE_ANSWER
from .steps import STEPS, WRITES, Flow, Phase, Planned, Step

_RESET = "reset after the request is read"
_LATE = (_RESET, "hung up without an answer", "read timeout", "HTML with 504", "500")
_SAVING: dict[Phase, tuple[str, ...]] = {
    "some": (TRUE_ANSWER.name, _RESET, "read timeout", "truncated body", "HTML with 502", "500"),
    "late": _LATE,
    "too late": (_RESET, "read timeout", "HTML with 504"),
}
# Faults of a write in which the service processes only the first metric of a request, or processes it late.
DURING: dict[Step, dict[Phase, tuple[str, ...]]] = {
    "save": _SAVING,
    "copy": _SAVING,
    "update": {"late": _LATE},
    "delete": {"late": _LATE},
}
_Sequence = dict[Step, tuple[Planned | None, ...]]


def _plan(*parts: tuple[str, Phase] | None) -> tuple[Planned | None, ...]:
    return tuple(None if part is None else Planned(*part) for part in parts)


_FINE = None

# Consecutive faults of the requests of each step. Later requests succeed.
_GENERATING: dict[str, _Sequence] = {
    "saved and 500, then 502 in HTML": {"save": _plan(("500", "after"), ("HTML with 502", "before"))},
    "saved and 500, saved and 502 in HTML": {"save": _plan(("500", "after"), ("HTML with 502", "after"))},
    "429, then saved and reset": {"save": _plan(("429", "before"), (_RESET, "after"))},
    "503 that says when, then saved and no answer": {
        "save": _plan(("503, Retry-After: 1", "before"), ("read timeout", "after"))
    },
    "saved and reset, then looking fails twice": {
        "look": _plan(_FINE, ("500", "before"), ("HTML with 502", "before")),
        "save": _plan((_RESET, "after")),
    },
    "saved and no answer, then looking trickles": {
        "look": _plan(_FINE, ("trickled body", "after")),
        "save": _plan(("read timeout", "after")),
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
_GENERATING_LASTING: dict[str, _Sequence] = {
    "saved and reset, then looking fails for ever": {
        "look": _plan(_FINE, ("500", "before")),
        "save": _plan((_RESET, "after")),
    },
    "not saved and reset, then looking fails for ever": {
        "look": _plan(_FINE, ("500", "before")),
        "save": _plan((_RESET, "before")),
    },
    "some saved and reset, then looking times out for ever": {
        "look": _plan(_FINE, ("read timeout", "before")),
        "save": _plan((_RESET, "some")),
    },
}
_APPLYING: dict[str, _Sequence] = {
    "saved and 500, then 502 in HTML": {"save": _plan(("500", "after"), ("HTML with 502", "before"))},
    "one saved and 500, one more saved and reset": {"save": _plan(("500", "some"), (_RESET, "some"))},
    "saved and reset, then listing fails twice": {
        "save": _plan((_RESET, "after")),
        "list created": _plan(("500", "before"), ("HTML with 502", "before")),
    },
    "copied and reset, then listing fails twice": {
        "copy": _plan((_RESET, "after")),
        "list copied": _plan(("500", "before"), ("HTML with 502", "before")),
    },
    "429, then one copied and no answer": {"copy": _plan(("429", "before"), ("read timeout", "some"))},
    "updated and reset, then 502 in HTML, then updated": {
        "update": _plan((_RESET, "after"), ("HTML with 502", "before"))
    },
    "the second update is reset": {"update": _plan(_FINE, (_RESET, "after"))},
    "the second update is refused": {"update": _plan(_FINE, ("403", "before"))},
    "the second delete is refused": {"delete": _plan(_FINE, ("403", "before"))},
    "deleted and reset, then 404 in the second one": {"delete": _plan((_RESET, "after"), _FINE, ("404", "before"))},
    "reading before the second delete is refused": {"check before delete": _plan(_FINE, ("401", "before"))},
    "one fault at every step": {step: _plan(("HTML with 504", "after")) for step in STEPS["apply"]},
    "two faults at every write": {
        step: _plan(("429", "before"), (_RESET, "after")) for step in STEPS["apply"] if step in WRITES
    },
}
_APPLYING_LASTING: dict[str, _Sequence] = {
    "saved and reset, then listing fails for ever": {
        "save": _plan((_RESET, "after")),
        "list created": _plan(("500", "before")),
    },
    "copied and reset, then listing fails for ever": {
        "copy": _plan((_RESET, "after")),
        "list copied": _plan(("500", "before")),
    },
    "one copied and 500, then listing times out for ever": {
        "copy": _plan(("500", "some")),
        "list copied": _plan(("read timeout", "before")),
    },
    "the second update is reset for ever": {"update": _plan(_FINE, (_RESET, "after"))},
    "the second delete is reset for ever": {"delete": _plan(_FINE, (_RESET, "after"))},
    "the second delete is answered 500 for ever": {"delete": _plan(_FINE, ("500", "after"))},
}
# Of each workflow: the sequences that end, and those whose last fault stays.
SEQUENCES: dict[Flow, dict[bool, dict[str, _Sequence]]] = {
    "generate": {False: _GENERATING, True: _GENERATING_LASTING},
    "apply": {False: _APPLYING, True: _APPLYING_LASTING},
}
