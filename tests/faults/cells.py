"""The cells of the matrix: which there are."""

from __future__ import annotations

import itertools
import signal
from collections.abc import Iterator

import attrs

from .catalogue import EVERY, FAULTS, HELD, Fault
from .clients import CLIENTS, Client
from .sequences import DURING, LASTING_SEQUENCES, SEQUENCES
from .steps import Phase, Planned, Script, Step

WHEN: dict[Phase, str] = {
    "before": "the service did not act",
    "after": "the service had acted",
    "some": "the service took one of three",
    "late": "the service acts a moment later",
    "too late": "the service acts after the last look",
}
ENDS = {"kill -9": signal.SIGKILL, "Ctrl-C": signal.SIGINT}
# When a process is ended: as soon as a request of this step was received, or was carried out and not yet answered.
MOMENTS: tuple[tuple[Step, Phase], ...] = (
    ("generate", "before"),
    ("generate", "after"),
    ("poll", "before"),
    ("look", "before"),
    ("save", "before"),
    ("save", "some"),
    ("save", "after"),
)


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
        parts = (self.client, self.where, self.fault, self.when, "for ever" if self.lasting else "")
        return " / ".join(part for part in parts if part)


def all_cells(kind: str) -> list[Cell]:
    """Every cell of the clients of one kind: each client meets every fault."""
    clients = [client for client in CLIENTS.values() if client.kind == kind]
    cells = [_one(client, *row) for row in _rows(kind) for client in clients if client.looks or row[1] != "look"]
    for sequences, lasting in ((SEQUENCES, False), (LASTING_SEQUENCES, True)):
        for (name, steps), client in itertools.product(sequences.items(), clients):
            if client.looks or "look" not in steps:
                cells.append(Cell(client.name, name, "sequence", "", Script(steps, lasting, client.looks), lasting))
    if kind == "ours":
        for client, (name, ended_by), (step, phase) in itertools.product(clients, ENDS.items(), MOMENTS):
            script = Script({step: (Planned(HELD.name, phase),)})
            cells.append(Cell(client.name, name, step, WHEN[phase], script, ended_by=ended_by))
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


def _one(client: Client, fault: Fault, step: Step, phase: Phase, lasting: bool) -> Cell:
    script = Script({step: (Planned(fault.name, phase),)}, lasting, client.looks, large=fault.unread)
    when = WHEN[phase] if step == "save" else ""
    return Cell(client.name, fault.name, step, when, script, lasting, limit=phase == "too late")
