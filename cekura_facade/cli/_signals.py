"""Handles signals. The first one interrupts the work of a command, which then reports its outcome."""

from __future__ import annotations

import itertools
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


def interrupt_on_signals(interrupt: Callable[[int], object]) -> None:
    """Call a function with the number of the first signal. Later ones are dropped, and the third ends the process.

    A request to end and a closed terminal interrupt the work as Ctrl-C does.
    """
    count = itertools.count(1)
    first: list[int] = []

    def handle(number: int, _frame: object) -> None:
        first.append(number)
        nth = next(count)
        if nth > 2:
            os._exit(128 + first[0])
        if nth == 1:
            interrupt(number)

    # The caller may have set some to be ignored, such as nohup, or a shell for background processes.
    for number in _SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, handle)


def ignore_signals() -> None:
    """Ignore signals from now on."""
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Drop signals while another program gets them as well."""
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:
            # Unlike this handler, SIG_IGN would be inherited by programs that the command starts.
            signal.signal(number, lambda *_: None)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
