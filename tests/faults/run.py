"""Runs many cells at once, because most of their time is waiting. Each process runs its cells one by one."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing.util import Finalize

from .applying import client_of
from .cells import Cell
from .clients import alone
from .ended import run_ended
from .processes import processes
from .stage import Stage, staged
from .trial import Verdict, run_cell

JOBS = 10
# In real time, a request may time out before it meets the fault. Such a cell has no result and runs again.
_TRIES = 4
_stage: Stage


def run_all(cells: Sequence[Cell], jobs: int = JOBS, on_verdict: Callable[[], object] = lambda: None) -> list[Verdict]:
    """Run cells, and return their verdicts in the same order. `on_verdict` is called after each."""
    with ProcessPoolExecutor(jobs, mp_context=processes(), initializer=_set_up) as pool:
        # The longest cells run first, so that none is left alone at the end.
        futures = {cell.name: pool.submit(_run, cell) for cell in sorted(cells, key=lambda cell: not cell.lasting)}
        try:
            for future in as_completed(futures.values()):
                future.result()
                on_verdict()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
        return [futures[cell.name].result() for cell in cells]


def _set_up() -> None:
    global _stage  # noqa: PLW0603 - The initializer of a pool can leave something for its tasks only here.
    alone()
    stack = contextlib.ExitStack()
    _stage = stack.enter_context(staged())
    Finalize(None, stack.close, exitpriority=100)  # atexit does not run in the processes of a pool.


def _run(cell: Cell) -> Verdict:
    client = client_of(cell.script.flow, cell.client)
    for _ in range(_TRIES):
        verdict = (run_ended if cell.ended_by else run_cell)(cell, client, _stage)
        if client.kind == "ours" or not any(each.kind == "not met" for each in verdict.violations):
            break
    return verdict
