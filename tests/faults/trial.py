"""Runs one cell: the call, then, without faults, what the caller does next."""

from __future__ import annotations

import attrs

from .catalogue import ALL_FAULTS, Fault
from .cells import Cell
from .clients import JOB_TIMEOUT, MAX_RETRIES, SETTLE_TIMEOUT, Client
from .connection import TRICKLE
from .harness import Harness
from .judge import judge_end, judge_recovery
from .steps import Step
from .timing import HANG_LIMIT, TIMEOUT
from .violation import Violation

_GRACE = 4.0  # seconds for a busy machine, in real time


@attrs.frozen
class Verdict:
    """The result of a cell."""

    cell: Cell
    summary: str
    seconds: float
    violations: tuple[Violation, ...]
    beyond: tuple[Violation, ...] = ()


def run_cell(cell: Cell, client: Client, harness: Harness) -> Verdict:
    """Run a cell and judge it: the call, then, without faults, what the caller does next."""
    planned = [ALL_FAULTS[each.fault] for queue in cell.script.steps.values() for each in queue if each]
    virtual = client.kind == "ours"
    longest = bound(cell, planned) + (0.0 if virtual else _GRACE)
    service = harness.open(cell.script, time_limit=HANG_LIMIT if virtual else longest + 1, virtual=virtual)
    if virtual:
        service = attrs.evolve(service, harness=harness)
    outcome = client.run(service, clock_jump=sum(fault.clock_jump for fault in planned))
    state = harness.state()
    violations = list(judge_end(client, outcome, state, longest))
    if client.kind == "ours" and not state.faults_met:
        violations.append(Violation("not met", "no request met the fault"))
    harness.remove_faults()
    problem = None
    if outcome.error is not None:
        try:
            client.recover(service, outcome)
        except Exception as error:  # noqa: BLE001 - The judge decides which errors are allowed.
            problem = error
    harness.finish_late_requests()
    afterwards = list(judge_recovery(client.workflow, outcome, harness.state(), problem))
    harness.close()
    summary = "result" if outcome.error is None else type(outcome.error).__name__
    if cell.limit:
        return Verdict(cell, summary, outcome.elapsed, tuple(violations), tuple(afterwards))
    return Verdict(cell, summary, outcome.elapsed, (*violations, *afterwards))


def bound(cell: Cell, planned: list[Fault]) -> float:
    """The longest duration of a call in seconds, if every wait is as long as the settings allow.

    one request    (retries + 1) attempts, each longer by up to two trickled bytes, the random pauses between them
                   (at most 0.5 + 1 s), and the pauses that the service asks for in Retry-After
    polling        JOB_TIMEOUT, one request at the deadline, and another second for it
    saving         a list; then (retries + 1) times: an attempt, lists until SETTLE_TIMEOUT, a last list
    copying        as saving
    deleting       one request, SETTLE_TIMEOUT, and a list
    listing what was created    SETTLE_TIMEOUT, a list, and another one before predefined metrics are copied
    always         0.25 s before the first poll

    Steps without a fault take almost no time.
    """
    retry_after = max((fault.retry_after for fault in planned), default=0.0)
    request = (MAX_RETRIES + 1) * (TIMEOUT + 2 * TRICKLE) + 1.5 + MAX_RETRIES * retry_after
    limits: dict[Step, float] = {
        "poll": JOB_TIMEOUT + request + 1.0,
        "save": request + (MAX_RETRIES + 1) * (TIMEOUT + SETTLE_TIMEOUT + request),
        "copy": request + (MAX_RETRIES + 1) * (TIMEOUT + SETTLE_TIMEOUT + request),
        "delete": request + SETTLE_TIMEOUT + request,
        "list created": SETTLE_TIMEOUT + 2 * request,
        "list copied": SETTLE_TIMEOUT + request,
    }
    return 0.25 + sum(limits.get(step, request) for step in cell.script.steps)
