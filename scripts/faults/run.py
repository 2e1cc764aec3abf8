"""Running many cells at once: nearly all of their time is waiting. Each process runs its cells one after the other."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing.util import Finalize

from faults.cells import Cell
from faults.clients import CLIENTS, alone
from faults.ended import run_ended
from faults.processes import processes
from faults.stage import Stage, staged
from faults.trial import Verdict, run_cell

JOBS = 10
_stage: Stage


def run_all(cells: Iterable[Cell], jobs: int = JOBS) -> Iterator[Verdict]:
    """Run cells, and give each verdict as it comes."""
    with ProcessPoolExecutor(jobs, mp_context=processes(), initializer=_set_up) as pool:
        for future in as_completed([pool.submit(_run, cell) for cell in cells]):
            yield future.result()


def _set_up() -> None:
    global _stage
    alone()
    stack = contextlib.ExitStack()
    _stage = stack.enter_context(staged())
    Finalize(None, stack.close, exitpriority=100)  # atexit is not run in processes of a pool


def _run(cell: Cell) -> Verdict:
    return (run_ended if cell.ended_by else run_cell)(cell, CLIENTS[cell.client], _stage)
