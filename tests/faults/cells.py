"""The cells of the matrix: a client, a fault, a step, and whether the service processes the request."""

from __future__ import annotations

import itertools
import signal
from collections.abc import Iterator

import attrs

from .applying import CLIENTS, ClientKind
from .catalogue import ALL_FAULTS, DELAYED, FAULTS, Fault
from .clients import Client
from .sequences import PARTIAL_OR_LATE, SEQUENCES
from .steps import STEPS, WRITES, Phase, PlannedFault, Script, Step, Workflow

WHEN: dict[Phase, str] = {
    "before": "not processed",
    "after": "processed",
    "first": "only the first metric processed",
    "late": "processed a moment later",
    "too late": "processed after the last list",
}
ENDS = {"kill -9": signal.SIGKILL, "Ctrl-C": signal.SIGINT}
# When a process is ended: the request of this step was received or processed, and the response is delayed.
MOMENTS: dict[Workflow, tuple[tuple[Step, Phase], ...]] = {
    "generate": (
        ("generate", "before"),
        ("generate", "after"),
        ("poll", "before"),
        ("list", "before"),
        ("save", "before"),
        ("save", "first"),
        ("save", "after"),
    ),
    "apply": (
        ("plan: list", "before"),
        ("list", "before"),
        ("save", "before"),
        ("save", "first"),
        ("save", "after"),
        ("copy", "before"),
        ("copy", "first"),
        ("copy", "after"),
        ("check before update", "before"),
        ("update", "before"),
        ("update", "after"),
        ("check before delete", "before"),
        ("delete", "before"),
        ("delete", "after"),
    ),
}


@attrs.frozen
class Cell:
    """One client and its faults.

    Attributes:
        client: Its name.
        fault: The name of the fault, or of the sequence of faults.
        where: The step with the fault, or "sequence".
        when: Whether the service processes the request, and when. Empty for a sequence.
        script: The faults, for the fault layer.
        persistent: The fault is repeated until the call ends.
        limit: Beyond the guarantee: lost and duplicate metrics are shown, and not counted.
        ended_by: The signal that ends the client's process while the response is delayed.
    """

    client: str
    fault: str
    where: str
    when: str
    script: Script
    persistent: bool = False
    limit: bool = False
    ended_by: signal.Signals | None = None

    @property
    def name(self) -> str:
        workflow = "apply" if self.script.workflow == "apply" else ""
        parts = (self.client, workflow, self.where, self.fault, self.when, "persistent" if self.persistent else "")
        return " / ".join(part for part in parts if part)


def all_cells(kind: ClientKind) -> list[Cell]:
    """All cells of the clients of one kind."""
    clients = CLIENTS[kind]
    workflow = clients[0].workflow
    rows = list(_rows(workflow, exhausting=clients[0].kind == "ours"))
    cells = [_one(client, *row) for row in rows for client in clients if client.lists_first or row[1] != "list"]
    for (persistent, sequences), client in itertools.product(SEQUENCES[workflow].items(), clients):
        for name, steps in sequences.items():
            if client.lists_first or "list" not in steps:
                script = Script(steps, persistent, client.lists_first, workflow=workflow)
                cells.append(Cell(client.name, name, "sequence", "", script, persistent))
    if clients[0].kind == "ours":
        for client, (name, ended_by), (step, phase) in itertools.product(clients, ENDS.items(), MOMENTS[workflow]):
            script = Script({step: (PlannedFault(DELAYED.name, phase),)}, workflow=workflow)
            cells.append(Cell(client.name, name, step, WHEN[phase], script, ended_by=ended_by))
    return cells


def _rows(workflow: Workflow, *, exhausting: bool) -> Iterator[tuple[Fault, Step, Phase, bool]]:
    for fault in FAULTS.values():
        if fault.exhausts_memory and not exhausting:
            continue
        steps = [step for step in STEPS[workflow] if not fault.steps or step in fault.steps]
        for persistent, step in itertools.product((False, True) if fault.persistent else (False,), steps):
            for phase in fault.phases if step in WRITES else fault.phases[-1:]:
                yield fault, step, phase, persistent
    for step, phases in PARTIAL_OR_LATE.items():
        for during, names in phases.items() if step in STEPS[workflow] else ():
            for name in names:
                yield ALL_FAULTS[name], step, during, False


def _one(client: Client, fault: Fault, step: Step, phase: Phase, persistent: bool) -> Cell:
    script = Script(
        {step: (PlannedFault(fault.name, phase),)},
        persistent,
        client.lists_first,
        large=fault.unread,
        workflow=client.workflow,
    )
    when = WHEN[phase] if step in WRITES else ""
    return Cell(client.name, fault.name, step, when, script, persistent, limit=phase == "too late")
