"""Runs cells in several processes, because they mostly wait. Each process runs one cell at a time."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing.util import Finalize

from .applying import client_of
from .cells import Cell
from .clients import clear_environment
from .ended import run_ended
from .harness import Harness, start_harness
from .processes import processes
from .trial import Verdict, run_cell

JOBS = 10
# In real time, a request may time out before it meets the fault. Such a cell runs again.
_TRIES = 4
_harness: Harness


def run_all(cells: Sequence[Cell], jobs: int = JOBS, on_verdict: Callable[[], object] = lambda: None) -> list[Verdict]:
    """Run cells, and return their verdicts in the same order. `on_verdict` is called after each."""
    with ProcessPoolExecutor(jobs, mp_context=processes(), initializer=_set_up) as pool:
        # The longest cells run first, so that all processes finish at about the same time.
        futures = {cell.name: pool.submit(_run, cell) for cell in sorted(cells, key=lambda cell: not cell.persistent)}
        try:
            for future in as_completed(futures.values()):
                future.result()
                on_verdict()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
        return [futures[cell.name].result() for cell in cells]


def _set_up() -> None:
    global _harness  # noqa: PLW0603 - The initializer of a pool can pass objects to its tasks only in this way.
    clear_environment()
    stack = contextlib.ExitStack()
    _harness = stack.enter_context(start_harness())
    Finalize(None, stack.close, exitpriority=100)  # atexit does not run in the processes of a pool.


def _run(cell: Cell) -> Verdict:
    client = client_of(cell.script.workflow, cell.client)
    for _ in range(_TRIES):
        verdict = (run_ended if cell.ended_by else run_cell)(cell, client, _harness)
        if client.kind == "ours" or not any(each.kind == "not met" for each in verdict.violations):
            break
    return verdict
