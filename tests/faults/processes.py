"""Starts processes cheaply, with everything imported, and never by forking a process that has threads."""

from __future__ import annotations

import multiprocessing
from multiprocessing.context import ForkContext, ForkServerContext

_IMPORTED = [
    "anyio._backends._asyncio",
    "backoff",
    "cekura",
    "cekura_facade.sandbox",
    "concurrent.futures.process",
    "encodings.idna",
    "h11",
    "tests.faults.run",
    "unittest.mock",
]


def processes() -> ForkContext | ForkServerContext:
    """The method to start processes: a fork server or, in its single-threaded processes, a fork."""
    if multiprocessing.parent_process() is not None:
        return multiprocessing.get_context("fork")
    server = multiprocessing.get_context("forkserver")
    server.set_forkserver_preload(_IMPORTED)
    return server
