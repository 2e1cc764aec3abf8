"""The cells of the matrix: which there are."""

from __future__ import annotations

import itertools
import signal
from collections.abc import Iterator

import attrs

from .applying import CLIENTS, ClientKind
from .catalogue import EVERY, FAULTS, HELD, Fault
from .clients import Client
from .sequences import DURING, SEQUENCES
from .steps import STEPS, WRITES, Flow, Phase, Planned, Script, Step

WHEN: dict[Phase, str] = {
    "before": "the service did not act",
    "after": "the service had acted",
    "some": "the service took only the first one",
    "late": "the service acts a moment later",
    "too late": "the service acts after the last list",
}
ENDS = {"kill -9": signal.SIGKILL, "Ctrl-C": signal.SIGINT}
# When a process is ended: as soon as a request of this step was received, or was carried out and not yet answered.
MOMENTS: dict[Flow, tuple[tuple[Step, Phase], ...]] = {
    "generate": (
        ("generate", "before"),
        ("generate", "after"),
        ("poll", "before"),
        ("look", "before"),
        ("save", "before"),
        ("save", "some"),
        ("save", "after"),
    ),
    "apply": (
        ("plan: list", "before"),
        ("list", "before"),
        ("save", "before"),
        ("save", "some"),
        ("save", "after"),
        ("copy", "before"),
        ("copy", "some"),
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
    """One client, and what it meets.

    Attributes:
        client: Its name.
        fault: The name of the fault, or of the sequence of faults.
        where: The step that meets it, or "sequence".
        when: Whether the service acts, and when; empty for a sequence.
        script: The faults, as the layer takes them.
        lasting: The fault stays until the call has ended.
        limit: Beyond the guarantee: what is lost or saved twice is shown, and not counted.
        ended_by: The signal that ends the client's process while its request is held up.
    """

    client: str
    fault: str
    where: str
    when: str
    script: Script
    lasting: bool = False
    limit: bool = False
    ended_by: signal.Signals | None = None

    @property
    def name(self) -> str:
        flow = "apply" if self.script.flow == "apply" else ""
        parts = (self.client, flow, self.where, self.fault, self.when, "for ever" if self.lasting else "")
        return " / ".join(part for part in parts if part)


def all_cells(kind: ClientKind) -> list[Cell]:
    """Every cell of the clients of one kind: each client meets every fault."""
    clients = CLIENTS[kind]
    flow = clients[0].flow
    rows = list(_rows(flow, devouring=clients[0].kind == "ours"))
    cells = [_one(client, *row) for row in rows for client in clients if client.looks or row[1] != "look"]
    for (lasting, sequences), client in itertools.product(SEQUENCES[flow].items(), clients):
        for name, steps in sequences.items():
            if client.looks or "look" not in steps:
                script = Script(steps, lasting, client.looks, flow=flow)
                cells.append(Cell(client.name, name, "sequence", "", script, lasting))
    if clients[0].kind == "ours":
        for client, (name, ended_by), (step, phase) in itertools.product(clients, ENDS.items(), MOMENTS[flow]):
            script = Script({step: (Planned(HELD.name, phase),)}, flow=flow)
            cells.append(Cell(client.name, name, step, WHEN[phase], script, ended_by=ended_by))
    return cells


def _rows(flow: Flow, *, devouring: bool) -> Iterator[tuple[Fault, Step, Phase, bool]]:
    for fault in FAULTS.values():
        if fault.devours and not devouring:
            continue
        steps = [step for step in STEPS[flow] if not fault.steps or step in fault.steps]
        for lasting, step in itertools.product((False, True) if fault.lasting else (False,), steps):
            for phase in fault.phases if step in WRITES else fault.phases[-1:]:
                yield fault, step, phase, lasting
    for step, phases in DURING.items():
        for during, names in phases.items() if step in STEPS[flow] else ():
            for name in names:
                yield EVERY[name], step, during, False


def _one(client: Client, fault: Fault, step: Step, phase: Phase, lasting: bool) -> Cell:
    script = Script({step: (Planned(fault.name, phase),)}, lasting, client.looks, large=fault.unread, flow=client.flow)
    when = WHEN[phase] if step in WRITES else ""
    return Cell(client.name, fault.name, step, when, script, lasting, limit=phase == "too late")
