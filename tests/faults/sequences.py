"""Faults while the service is saving, and sequences of faults, as data."""

from __future__ import annotations

from .catalogue import UNMODIFIED
from .steps import STEPS, WRITES, Phase, PlannedFault, Step, Workflow

_RESET = "reset after the request is read"
_LATE = (_RESET, "closed without a response", "read timeout", "HTML with 504", "500")
_SAVING: dict[Phase, tuple[str, ...]] = {
    "first": (UNMODIFIED.name, _RESET, "read timeout", "truncated body", "HTML with 502", "500"),
    "late": _LATE,
    "too late": (_RESET, "read timeout", "HTML with 504"),
}
# Faults of writes that the service processes late, or of which it processes only the first metric.
PARTIAL_OR_LATE: dict[Step, dict[Phase, tuple[str, ...]]] = {
    "save": _SAVING,
    "copy": _SAVING,
    "update": {"late": _LATE},
    "delete": {"late": _LATE},
}
_Sequence = dict[Step, tuple[PlannedFault | None, ...]]


def _plan(*parts: tuple[str, Phase] | None) -> tuple[PlannedFault | None, ...]:
    return tuple(None if part is None else PlannedFault(*part) for part in parts)


_NO_FAULT = None

# Consecutive faults of the requests of each step. Later requests succeed.
_GENERATING: dict[str, _Sequence] = {
    "saved and 500, then 502 in HTML": {"save": _plan(("500", "after"), ("HTML with 502", "before"))},
    "saved and 500, saved and 502 in HTML": {"save": _plan(("500", "after"), ("HTML with 502", "after"))},
    "429, then saved and reset": {"save": _plan(("429", "before"), (_RESET, "after"))},
    "503, Retry-After: 1, then saved and no response": {
        "save": _plan(("503, Retry-After: 1", "before"), ("read timeout", "after"))
    },
    "saved and reset, then listing fails twice": {
        "list": _plan(_NO_FAULT, ("500", "before"), ("HTML with 502", "before")),
        "save": _plan((_RESET, "after")),
    },
    "saved and no response, then a trickled list": {
        "list": _plan(_NO_FAULT, ("trickled body", "after")),
        "save": _plan(("read timeout", "after")),
    },
    "one saved and 500, one more saved and reset": {"save": _plan(("500", "first"), (_RESET, "first"))},
    "saved late after a reset, then a reset": {"save": _plan((_RESET, "late"), (_RESET, "before"))},
    "three polls fail": {"poll": _plan((_RESET, "before"), ("HTML with 502", "before"), ("404", "before"))},
    "one fault at every step": {
        "generate": _plan(("429", "before")),
        "poll": _plan((_RESET, "before")),
        "list": _plan(("500", "before")),
        "save": _plan(("HTML with 504", "after")),
    },
    "two faults at every step": {
        "generate": _plan(("429", "before"), ("429", "before")),
        "poll": _plan(("HTML with 200", "before"), ("trickled headers", "after")),
        "list": _plan(("truncated body", "after"), ("JSON null", "before")),
        "save": _plan(("HTML with 502", "before"), ("empty 200", "after")),
    },
}
# In these sequences, the last fault of each step is repeated until the call ends.
_GENERATING_PERSISTENT: dict[str, _Sequence] = {
    "saved and reset, then listing keeps failing": {
        "list": _plan(_NO_FAULT, ("500", "before")),
        "save": _plan((_RESET, "after")),
    },
    "not saved and reset, then listing keeps failing": {
        "list": _plan(_NO_FAULT, ("500", "before")),
        "save": _plan((_RESET, "before")),
    },
    "one saved and reset, then listing keeps timing out": {
        "list": _plan(_NO_FAULT, ("read timeout", "before")),
        "save": _plan((_RESET, "first")),
    },
}
_APPLYING: dict[str, _Sequence] = {
    "saved and 500, then 502 in HTML": {"save": _plan(("500", "after"), ("HTML with 502", "before"))},
    "one saved and 500, one more saved and reset": {"save": _plan(("500", "first"), (_RESET, "first"))},
    "saved and reset, then listing fails twice": {
        "save": _plan((_RESET, "after")),
        "list created": _plan(("500", "before"), ("HTML with 502", "before")),
    },
    "copied and reset, then listing fails twice": {
        "copy": _plan((_RESET, "after")),
        "list copied": _plan(("500", "before"), ("HTML with 502", "before")),
    },
    "429, then one copied and no response": {"copy": _plan(("429", "before"), ("read timeout", "first"))},
    "updated and reset, then 502 in HTML, then updated": {
        "update": _plan((_RESET, "after"), ("HTML with 502", "before"))
    },
    "the second update is reset": {"update": _plan(_NO_FAULT, (_RESET, "after"))},
    "the second update is refused": {"update": _plan(_NO_FAULT, ("403", "before"))},
    "the second delete is refused": {"delete": _plan(_NO_FAULT, ("403", "before"))},
    "deleted and reset, then 404 in the second one": {"delete": _plan((_RESET, "after"), _NO_FAULT, ("404", "before"))},
    "reading before the second delete is refused": {"check before delete": _plan(_NO_FAULT, ("401", "before"))},
    "one fault at every step": {step: _plan(("HTML with 504", "after")) for step in STEPS["apply"]},
    "two faults at every write": {
        step: _plan(("429", "before"), (_RESET, "after")) for step in STEPS["apply"] if step in WRITES
    },
}
_APPLYING_PERSISTENT: dict[str, _Sequence] = {
    "saved and reset, then listing keeps failing": {
        "save": _plan((_RESET, "after")),
        "list created": _plan(("500", "before")),
    },
    "copied and reset, then listing keeps failing": {
        "copy": _plan((_RESET, "after")),
        "list copied": _plan(("500", "before")),
    },
    "one copied and 500, then listing keeps timing out": {
        "copy": _plan(("500", "first")),
        "list copied": _plan(("read timeout", "before")),
    },
    "the second update is always reset": {"update": _plan(_NO_FAULT, (_RESET, "after"))},
    "the second delete is always reset": {"delete": _plan(_NO_FAULT, (_RESET, "after"))},
    "the second delete always gets a 500": {"delete": _plan(_NO_FAULT, ("500", "after"))},
}
# The sequences of each workflow, by whether their last fault is repeated.
SEQUENCES: dict[Workflow, dict[bool, dict[str, _Sequence]]] = {
    "generate": {False: _GENERATING, True: _GENERATING_PERSISTENT},
    "apply": {False: _APPLYING, True: _APPLYING_PERSISTENT},
}
