"""The second matrix: every behavior of the sandbox, with faults of requests that save, in virtual time."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any, Literal

import attrs
import httpx

from cekura_facade import BulkCreateUncertainError, CekuraError
from cekura_facade.sandbox import BEHAVIORS, Behavior

from .virtual import Fault, Kind, VirtualClient, VirtualService, key, virtual_service

HTML = b"<!doctype html><title>Sign in</title>"
AGENT, NEIGHBOR, STRANGER = 102, 103, 101  # the second one is in the project of the first
SETTLE = 3.0  # seconds, more than the lag of a list plus that of a late request
Problem = Literal["lost", "saved twice", "foreign exceptions", "false alarms", "wrong result"]
PROBLEMS: tuple[Problem, ...] = ("lost", "saved twice", "foreign exceptions", "false alarms", "wrong result")


def _raising(error: httpx.TransportError) -> Callable[[], httpx.Response]:
    def respond() -> httpx.Response:
        raise error

    return respond


def _responding(status: int, content: bytes = b"", **headers: str) -> Callable[[], httpx.Response]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda: httpx.Response(status, content=content, headers=named)


RESPONSES: dict[str, Callable[[], httpx.Response]] = {
    "timeout": _raising(httpx.ReadTimeout("too late")),
    "connection lost": _raising(httpx.RemoteProtocolError("gone")),
    "500": _responding(500, b'{"detail": "oops"}'),
    "502 in HTML": _responding(502, HTML, content_type="text/html"),
    "503, Retry-After: 1": _responding(503, b"", retry_after="1"),
    "504": _responding(504),
    "408": _responding(408),
    "429": _responding(429, b"", retry_after="1"),
    "400": _responding(400, b'{"detail": "no"}'),
    "403": _responding(403, b'{"detail": "no"}'),
    "307 to the same origin": _responding(307, location="/test_framework/v1/metrics/bulk_create/"),
    "308 to the same origin": _responding(308, location="/test_framework/v1/metrics/bulk_create/"),
    "302 to a login page": _responding(302, location="/login/"),
    "a login page": _responding(200, HTML, content_type="text/html"),
    "an empty success": _responding(201),
    "null": _responding(201, b"null"),
    "an object": _responding(201, b"{}"),
    "an empty array": _responding(201, b"[]"),
    "without ids": _responding(201, b'[{"name": "a"}, {"name": "b"}, {"name": "c"}]'),
}
REFUSALS = ("429", "400", "403")  # responses of a service that did not process the request
_PROCESSED: tuple[tuple[str, Literal["all", "first", "none"], float], ...] = (
    ("not processed", "none", 0.0),
    ("processed", "all", 0.0),
    ("processed in part", "first", 0.0),
    ("processed late", "all", 0.5),
)
FAULTS = [
    Fault(f"{name}; {when}", respond, processed, late)
    for name, respond in RESPONSES.items()
    for when, processed, late in _PROCESSED
    if processed == "none" or name not in REFUSALS
]
_IMPORTANT = (
    *("timeout; not processed", "timeout; processed", "timeout; processed in part", "timeout; processed late"),
    *("500; not processed", "500; processed", "307 to the same origin; processed", "a login page; processed"),
)
IMPORTANT = [fault for fault in FAULTS if fault.name in _IMPORTANT]

Repeat = Literal["the same client", "another client"]
REPEATS: tuple[Repeat, ...] = ("the same client", "another client")
KINDS: tuple[Kind, ...] = ("sync", "async")


@attrs.frozen
class Cell:
    """One behavior, the faults of the requests that save, who repeats the call, and which of the clients.

    Attributes:
        behavior: Its name.
        faults: One for each request that saves, in order.
        repeated_by: The client that repeats the call: the same one, or another one.
        crowded: Whether other clients have saved metrics before, and save more during the call.
        kind: The kind of client.
    """

    behavior: str
    faults: tuple[Fault, ...]
    repeated_by: Repeat
    crowded: bool
    kind: Kind

    @property
    def name(self) -> str:
        faults = ", then ".join(fault.name for fault in self.faults) or "no fault"
        return f"{self.kind} / {self.behavior} / {faults} / {self.repeated_by}{' / crowded' if self.crowded else ''}"


def all_cells(sample: int | None = None) -> list[Cell]:
    """Every fault with the default behavior, and every behavior with none, with an important one, and with two.

    Args:
        sample: Number of pairs of faults for each behavior. Default: one for each fault.
    """
    behaviors = list(BEHAVIORS)
    rows: list[tuple[str, tuple[Fault, ...]]] = [(name, ()) for name in behaviors]
    rows += [("default", (fault,)) for fault in FAULTS]
    rows += [(name, (fault,)) for name in behaviors[1:] for fault in IMPORTANT]
    cells = [
        Cell(name, faults, repeated_by, crowded, kind)
        for (name, faults), repeated_by, crowded, kind in itertools.product(rows, REPEATS, (False, True), KINDS)
    ]
    chance = random.Random(0)
    for name in behaviors:
        for fault in FAULTS if sample is None else chance.sample(FAULTS, sample):
            faults, repeated_by, crowded = (chance.choice(FAULTS), fault), chance.choice(REPEATS), chance.random() < 0.5
            cells += [Cell(name, faults, repeated_by, crowded, kind) for kind in KINDS]
    return cells


def wanted_metrics(behavior: Behavior) -> list[dict[str, Any]]:
    """Three metrics that contain everything that a service may change."""
    long = "Does the agent repeat the caller's name, the date and the time, and does it wait for a confirmation? "
    names = ["Café: was “it” good?", "Tone & <manner>  of the agent", "Handover\nto a person"]
    if behavior.text_change == "cut_name":
        names[0] = (names[0] + " " + long * 3)[:300]
    return [
        {
            "name": name,
            "description": f" Über <b>{i}</b>:  was it\nwhat the caller wanted & needed? ",
            "agent": AGENT,
            "eval_type": eval_type,
            "scenarios": [1, i],
        }
        for i, (name, eval_type) in enumerate(zip(names, ("binary", "binary_qualitative", "numeric"), strict=True))
    ]


def run_cell(cell: Cell, runner: asyncio.Runner) -> Counter[Problem]:
    """Make the call, repeat it without faults, and count the problems."""
    behavior = BEHAVIORS[cell.behavior]
    service = virtual_service(behavior, *cell.faults)
    wanted = wanted_metrics(behavior)
    if cell.crowded:
        service.save_for_others([_of_neighbor(i) for i in range(3)] + [{**each, "agent": STRANGER} for each in wanted])
        service.meanwhile = [_of_neighbor(3), {**wanted[0], "agent": STRANGER}]
    problems: Counter[Problem] = Counter()
    named: Counter[str] = Counter()
    client = VirtualClient(cell.kind, service, runner, settle_timeout=SETTLE)
    _call(client, service, wanted, problems, named, faulty=bool(cell.faults))
    service.remove_faults()
    if cell.repeated_by == "another client":
        client = VirtualClient(cell.kind, service, runner, settle_timeout=SETTLE)
    _call(client, service, wanted, problems, named, faulty=False)
    for each in map(key, wanted):
        if not service.saved[each] and not named[each]:
            problems["lost"] += 1
        if service.saved[each] > 1 and not named[each]:
            problems["saved twice"] += service.saved[each] - 1
    return problems


def _of_neighbor(number: int) -> dict[str, Any]:
    return {"name": f"Of the neighbor {number}", "description": "", "agent": NEIGHBOR, "eval_type": "binary"}


def _call(
    client: VirtualClient,
    service: VirtualService,
    wanted: list[dict[str, Any]],
    problems: Counter[Problem],
    named: Counter[str],
    *,
    faulty: bool,
) -> None:
    try:
        saved = client.create_in_bulk(wanted)
    except CekuraError as error:
        problems["false alarms"] += not faulty
        if isinstance(error, BulkCreateUncertainError):
            named.update(map(key, error.unconfirmed))
        return
    except Exception:  # noqa: BLE001 - The client must not raise any other error, so each is counted.
        problems["foreign exceptions"] += 1
        return
    ids = [metric.id for metric in saved]
    saved_ids = {metric["id"] for metric in service.sandbox.metrics}
    problems["wrong result"] += len(set(ids)) != len(wanted) or not saved_ids.issuperset(ids)


def run_all(cells: Iterable[Cell]) -> dict[Cell, Counter[Problem]]:
    """Run cells one after the other. Returns the problems of each."""
    with asyncio.Runner() as runner:
        return {cell: run_cell(cell, runner) for cell in cells}


def totals_line(results: dict[Cell, Counter[Problem]]) -> str:
    """One line: `behaviors: 1200 cells, 0 lost, …`."""
    counts = sum(results.values(), Counter[Problem]())
    return f"behaviors: {len(results)} cells, " + ", ".join(f"{counts[each]} {each}" for each in PROBLEMS)


def rows(results: dict[Cell, Counter[Problem]]) -> list[list[object]]:
    """A table with the numbers of cells and problems of each behavior."""
    table: list[list[object]] = [["behavior", "cells", *PROBLEMS]]
    for behavior in BEHAVIORS:
        of_behavior = [problems for cell, problems in results.items() if cell.behavior == behavior]
        counts = sum(of_behavior, Counter[Problem]())
        table.append([f"`{behavior}`", len(of_behavior), *(counts[each] for each in PROBLEMS)])
    return table
