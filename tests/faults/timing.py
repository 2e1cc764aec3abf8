"""The time of a cell, which is real or virtual, so that no cell depends on the speed of the machine."""

from __future__ import annotations

import asyncio
import mmap
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpcore
import httpx

from cekura_facade._clock import Clock
from cekura_facade._sync_http import SyncHTTP

from .virtual import connect_by

TIMEOUT = 0.5  # `timeout` of the clients, in seconds
HANG_LIMIT = 600.0  # seconds, reached only by a client that hangs
_POLL_SECONDS = 0.05  # real seconds after which a read checks whether more bytes will arrive


class RealTime:
    """Real time."""

    virtual = False

    def __init__(self) -> None:
        self._timers: list[threading.Timer] = []

    def after(self, seconds: float, act: Callable[[], object]) -> Callable[[], object]:
        """Do something later. Returns a function that cancels it."""
        timer = threading.Timer(seconds, act)
        timer.daemon = True
        timer.start()
        self._timers.append(timer)
        return timer.cancel

    def finish(self) -> None:
        """Wait until everything that was scheduled is done."""
        for timer in self._timers:
            timer.join()

    def trickle(self, seconds: float, over: threading.Event) -> bool:
        """Wait between two bytes. Returns whether the connection is over."""
        return over.wait(seconds)


class VirtualTime(RealTime):
    """Time that advances with the client's pauses, and with attempts that time out."""

    virtual = True

    def __init__(self, shared: memoryview[float]) -> None:
        self._shared = shared
        self._seconds = 0.0
        self._due: list[tuple[float, Callable[[], object]]] = []
        self._lock = threading.RLock()

    @property
    def _seconds(self) -> float:
        return float(self._shared[0])

    @_seconds.setter
    def _seconds(self, seconds: float) -> None:
        self._shared[0] = seconds

    def advance(self, seconds: float) -> None:
        """Advance the time, and do everything that is due."""
        with self._lock:
            self._seconds += seconds
            self._do(self._seconds)

    def after(self, seconds: float, act: Callable[[], object]) -> Callable[[], object]:
        entry = (self._seconds + seconds, act)
        with self._lock:
            self._due.append(entry)
        return lambda: self._cancel(entry)

    def finish(self) -> None:
        with self._lock:
            self._do(float("inf"))

    def trickle(self, seconds: float, over: threading.Event) -> bool:
        self.advance(seconds)
        return over.is_set()

    def _do(self, until: float) -> None:
        for entry in sorted((each for each in self._due if each[0] <= until), key=lambda each: each[0]):
            self._due.remove(entry)
            entry[1]()

    def _cancel(self, entry: tuple[float, Callable[[], object]]) -> None:
        with self._lock:
            if entry in self._due:
                self._due.remove(entry)


def shared_number(file: Path) -> memoryview[float]:
    """A number in a file of eight bytes, which processes share: asking another process a thousand times is slow."""
    with file.open("r+b") as opened:
        return memoryview(mmap.mmap(opened.fileno(), 8)).cast("d")


class HarnessClock(Clock):
    """The virtual time of a harness in another process."""

    def __init__(self, harness: Any) -> None:
        self._harness = harness

    def now(self) -> float:
        return float(self._harness.now())

    def sleep(self, seconds: float) -> None:
        self._harness.advance(seconds)

    async def asleep(self, seconds: float) -> None:
        self._harness.advance(seconds)
        await asyncio.sleep(0)


def use_virtual_time(http: Any, harness: Any) -> None:
    """Make a client of this package use the virtual time of a harness.

    An attempt times out when the harness reports that no more bytes will arrive, and never before.
    """
    http.clock = HarnessClock(harness)
    limits = http.limits

    def limits_in_virtual_time(request: httpx.Request, deadline: float) -> tuple[float, float]:
        _, until = limits(request, deadline)
        phases = {
            **dict.fromkeys(request.extensions["timeout"], HANG_LIMIT),
            "read": request.extensions["timeout"]["read"],
        }
        request.extensions["timeout"] = phases | harness.begin_attempt(request.method, request.url.raw_path.decode())
        return HANG_LIMIT, until

    http.limits = limits_in_virtual_time
    connect_by(http, (_Backend if isinstance(http, SyncHTTP) else _AsyncBackend)(harness))


class _Backend(httpcore.SyncBackend):
    def __init__(self, harness: Any) -> None:
        self._harness = harness

    def connect_tcp(self, *args: Any, **options: Any) -> httpcore.NetworkStream:
        stream = super().connect_tcp(*args, **options)
        read = stream.read

        def read_until_stalled(max_bytes: int, timeout: float | None = None) -> bytes:
            stalled = False
            while True:
                try:
                    return read(max_bytes, _POLL_SECONDS)
                except httpcore.ReadTimeout:
                    if stalled:
                        raise
                    stalled = self._harness.stalled()  # Read the bytes that were already sent first.

        stream.read = read_until_stalled  # type: ignore[method-assign]
        return stream


class _AsyncBackend(httpcore.AnyIOBackend):
    def __init__(self, harness: Any) -> None:
        self._harness = harness

    async def connect_tcp(self, *args: Any, **options: Any) -> httpcore.AsyncNetworkStream:
        stream = await super().connect_tcp(*args, **options)
        read = stream.read

        async def read_until_stalled(max_bytes: int, timeout: float | None = None) -> bytes:
            stalled = False
            while True:
                try:
                    return await read(max_bytes, _POLL_SECONDS)
                except httpcore.ReadTimeout:
                    if stalled:
                        raise
                    stalled = self._harness.stalled()

        stream.read = read_until_stalled  # type: ignore[method-assign]
        return stream
