"""How one cell is run: the call, then the fault is taken away, then what the caller does next."""

from __future__ import annotations

import attrs

from .catalogue import EVERY, Fault
from .cells import Cell
from .clients import RETRIES, SETTLE, WAIT, Client
from .judge import judge_end, judge_recovery
from .pace import ATTEMPT, HUNG
from .stage import Stage
from .steps import Step
from .violation import Violation
from .wire import TRICKLE

_GRACE = 4.0  # seconds, for a machine that does other things as well, where time is real


@attrs.frozen
class Verdict:
    """What came of a cell."""

    cell: Cell
    outcome: str
    seconds: float
    violations: tuple[Violation, ...]
    beyond: tuple[Violation, ...] = ()


def run_cell(cell: Cell, client: Client, stage: Stage) -> Verdict:
    """Run a cell and judge it: the call, then the fault is taken away, then what the caller does next."""
    planned = [EVERY[each.fault] for queue in cell.script.steps.values() for each in queue if each]
    virtual = client.kind == "ours"
    longest = bound(cell, planned) + (0.0 if virtual else _GRACE)
    place = stage.open(cell.script, patience=HUNG if virtual else longest + 1, virtual=virtual)
    if virtual:
        place = attrs.evolve(place, stage=stage)
    ending = client.run(place, clock=sum(fault.clock for fault in planned))
    sight = stage.sight()
    violations = list(judge_end(client, ending, sight, longest))
    if client.kind == "ours" and not sight.applied:
        violations.append(Violation("not met", "no request met the fault"))
    stage.heal()
    problem = None
    if ending.error is not None:
        try:
            client.recover(place, ending)
        except Exception as error:  # noqa: BLE001 - The judge decides which errors are allowed.
            problem = error
    stage.settle()
    afterwards = list(judge_recovery(client.flow, ending, stage.sight(), problem))
    stage.close()
    outcome = "result" if ending.error is None else type(ending.error).__name__
    if cell.limit:
        return Verdict(cell, outcome, ending.elapsed, tuple(violations), tuple(afterwards))
    return Verdict(cell, outcome, ending.elapsed, (*violations, *afterwards))


def bound(cell: Cell, planned: list[Fault]) -> float:
    """How long a call may take, in seconds, if every wait is as long as the settings allow.

    one request    (retries + 1) attempts, each late by the next byte that is trickled, the pauses of full jitter
                   between them (at most 0.5 + 1 s), what the service asks to wait in Retry-After, and a look at
                   the last moment
    waiting        WAIT, one request at the deadline, and a moment of grace for it
    saving         a list; then (retries + 1) times: an attempt, listing until SETTLE is over, a last list
    copying        as saving
    deleting       one request, SETTLE, and a look
    confirming     SETTLE, and a look; and another one before predefined metrics are copied
    everywhere     0.25 s before the first poll

    A step that meets no fault takes no time to speak of.
    """
    asked = max((fault.retry_after for fault in planned), default=0.0)
    request = (RETRIES + 1) * (ATTEMPT + 2 * TRICKLE) + 1.5 + RETRIES * asked
    limits: dict[Step, float] = {
        "poll": WAIT + request + 1.0,
        "save": request + (RETRIES + 1) * (ATTEMPT + SETTLE + request),
        "copy": request + (RETRIES + 1) * (ATTEMPT + SETTLE + request),
        "delete": request + SETTLE + request,
        "list created": SETTLE + 2 * request,
        "list copied": SETTLE + request,
    }
    return 0.25 + sum(limits.get(step, request) for step in cell.script.steps)
