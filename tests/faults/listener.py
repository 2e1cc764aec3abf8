"""A listening socket that can be closed, filled and opened again, always on the same port."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable

HOST = "127.0.0.1"


class Listener:
    """Passes each connection to `serve`, in a separate thread.

    Args:
        serve: Called with the connection, which it must close.
        receive: Size of the receive buffers, in bytes. With 0, the system chooses.
    """

    def __init__(self, serve: Callable[[socket.socket], None], receive: int = 0) -> None:
        self._serve = serve
        self._receive = receive
        # This socket never listens. It reserves the port while nothing listens.
        self._guard = self._bound(0)
        self.address: tuple[str, int] = self._guard.getsockname()
        self._listening: socket.socket | None = None
        self._fillers: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._lock = threading.RLock()
        self._closed = False
        self.open()

    def open(self) -> None:
        """Accept connections."""
        with self._lock:
            self.shut()
            if self._closed:
                return
            listening = self._bound(self.address[1])
            listening.listen(64)
            self._listening = listening
            self._thread(self._accept, listening)

    def shut(self) -> None:
        """Refuse connections."""
        with self._lock:
            listening, self._listening = self._listening, None
            if listening is not None:
                with contextlib.suppress(OSError):
                    listening.shutdown(socket.SHUT_RDWR)
                if self._fillers:
                    listening.close()  # This wakes the thread that accepts.
            for filler in self._fillers:
                filler.close()
            self._fillers.clear()

    def fill(self) -> None:
        """Make connections hang, with a full queue of connections to accept."""
        with self._lock:
            self.shut()
            if self._closed:
                return
            self._listening = self._bound(self.address[1])
            self._listening.listen(0)
            for _ in range(4):
                filler = socket.socket()
                filler.setblocking(False)
                filler.connect_ex(self.address)
                self._fillers.append(filler)

    def close(self) -> None:
        """Stop, and wait for the threads. Their connections must have ended."""
        with self._lock:
            self._closed = True
            self.shut()
            self._guard.close()
        for thread in self._threads:
            thread.join()

    def _bound(self, port: int) -> socket.socket:
        bound = socket.socket()
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if self._receive:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self._receive)
        bound.bind((HOST, port))
        return bound

    def _accept(self, listening: socket.socket) -> None:
        with listening, contextlib.suppress(OSError):
            while True:
                connection, _ = listening.accept()
                # Nagle's algorithm would delay small pieces.
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._thread(self._serve, connection)

    def _thread(self, target: Callable[[socket.socket], None], argument: socket.socket) -> None:
        thread = threading.Thread(target=target, args=(argument,), daemon=True)
        self._threads.append(thread)
        thread.start()
