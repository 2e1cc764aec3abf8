"""How processes are started: cheaply, with everything imported, and never by a fork of a process that has threads."""

from __future__ import annotations

import multiprocessing
from multiprocessing.context import ForkContext, ForkServerContext

_IMPORTED = ["cekura", "cekura_facade.sandbox", "concurrent.futures.process", "h11", "unittest.mock"]


def processes() -> ForkContext | ForkServerContext:
    """What to start processes with: a server that forks, or, in one of its processes, which has one thread, a fork."""
    if multiprocessing.parent_process() is not None:
        return multiprocessing.get_context("fork")
    server = multiprocessing.get_context("forkserver")
    server.set_forkserver_preload(_IMPORTED)
    return server
