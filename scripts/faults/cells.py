"""The cells of the matrix: which there are, and how one is run."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import attrs

from faults.catalogue import EVERY, FAULTS, Fault
from faults.clients import ATTEMPT, CLIENTS, RETRIES, SETTLE, WAIT, Client
from faults.judge import Violation, judge_end, judge_recovery
from faults.sequences import DURING, LASTING_SEQUENCES, SEQUENCES
from faults.stage import Stage
from faults.steps import STEPS, Phase, Planned, Script, Step

WHEN: dict[Phase, str] = {
    "before": "the service did not act",
    "after": "the service had acted",
    "some": "the service took one of three",
    "late": "the service acts a moment later",
    "too late": "the service acts after the last look",
}


@attrs.frozen
class Cell:
    """One client, and what it meets.

    Attributes:
        client: Its name.
        fault: The name of the fault, or of the sequence of faults.
        where: The step that meets it, or "sequence".
        when: Whether the service acts, and when; empty for a sequence.
        script: The faults, as the layer takes them.
        lasting: The fault stays until the call has ended.
        limit: Beyond the guarantee: what is lost or saved twice is shown, and not counted.
    """

    client: str
    fault: str
    where: str
    when: str
    script: Script
    lasting: bool = False
    limit: bool = False

    @property
    def name(self) -> str:
        parts = (self.client, self.where, self.fault, self.when, "for ever" if self.lasting else "")
        return " / ".join(part for part in parts if part)


@attrs.frozen
class Verdict:
    """What came of a cell."""

    cell: Cell
    outcome: str
    seconds: float
    violations: tuple[Violation, ...]
    beyond: tuple[Violation, ...] = ()


def all_cells(kind: str) -> list[Cell]:
    """Every cell of the clients of one kind.

    While saving, each of them meets every fault; at the other steps, where both take the same way, they take turns.
    """
    clients = [client for client in CLIENTS.values() if client.kind == kind]
    cells = [_one(client, *row) for number, row in enumerate(_rows(kind)) for client in _turn(clients, number, row[1])]
    for sequences, lasting in ((SEQUENCES, False), (LASTING_SEQUENCES, True)):
        for (name, steps), client in itertools.product(sequences.items(), clients):
            if client.looks or "look" not in steps:
                cells.append(Cell(client.name, name, "sequence", "", Script(steps, lasting, client.looks), lasting))
    return cells


def _rows(kind: str) -> Iterator[tuple[Fault, Step, Phase, bool]]:
    for fault in FAULTS.values():
        if fault.devours and kind != "ours":
            continue
        for lasting, step in itertools.product((False, True) if fault.lasting else (False,), fault.steps):
            for phase in fault.phases if step == "save" else fault.phases[-1:]:
                yield fault, step, phase, lasting
    for during, names in DURING.items():
        for name in names:
            yield EVERY[name], "save", during, False


def _turn(clients: list[Client], number: int, step: Step) -> list[Client]:
    able = [client for client in clients if client.looks or step != "look"]
    return able if step == "save" or not able else [able[number % len(able)]]


def _one(client: Client, fault: Fault, step: Step, phase: Phase, lasting: bool) -> Cell:
    script = Script({step: (Planned(fault.name, phase),)}, lasting, client.looks, large=fault.unread)
    when = WHEN[phase] if step == "save" else ""
    return Cell(client.name, fault.name, step, when, script, lasting, limit=phase == "too late")


def run_cell(cell: Cell, client: Client, stage: Stage) -> Verdict:
    """Run a cell and judge it: the call, then the fault is taken away, then what the caller does next."""
    planned = [EVERY[each.fault] for queue in cell.script.steps.values() for each in queue if each]
    longest = bound(cell, planned)
    place = stage.open(cell.script, patience=longest + 1)
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
        except Exception as error:
            problem = error
    stage.settle()
    afterwards = list(judge_recovery(ending, stage.sight(), problem))
    stage.close()
    outcome = "result" if ending.error is None else type(ending.error).__name__
    if cell.limit:
        return Verdict(cell, outcome, ending.elapsed, tuple(violations), tuple(afterwards))
    return Verdict(cell, outcome, ending.elapsed, (*violations, *afterwards))


def bound(cell: Cell, planned: list[Fault]) -> float:
    """How long a call may take, in seconds, if every wait is as long as the settings allow.

    one request    (retries + 1) attempts, the pauses of full jitter between them (at most 0.5 + 1 s), what the service
                   asks to wait in Retry-After, and a look at the last moment
    waiting        WAIT, one request at the deadline, and a moment of grace for it
    saving         a look; then (retries + 1) times: an attempt, looking until SETTLE is over, a last look
    everywhere     4 s for a machine that does other things as well

    A step that meets no fault takes no time to speak of.
    """
    asked = max((fault.retry_after for fault in planned), default=0.0)
    request = (RETRIES + 1) * ATTEMPT + 1.5 + RETRIES * asked
    limits = {
        "generate": request,
        "poll": WAIT + request + 1.0,
        "look": request,
        "save": request + (RETRIES + 1) * (ATTEMPT + SETTLE + request),
    }
    return 4.0 + sum(limits[step] for step in STEPS if step in cell.script.steps)
