"""What a fault can do to one connection of a client."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Iterable

import attrs

from .pace import ATTEMPT, RealTime

TRICKLE = 0.06  # seconds between two bytes: no single read ever times out


@attrs.frozen
class Answer:
    """An HTTP answer, which can be written out truly or otherwise."""

    status: int = 200
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = (("Content-Type", "application/json"),)

    def head(self, *headers: tuple[str, object]) -> bytes:
        """Status line and headers, without a length of the body."""
        lines = [f"HTTP/1.1 {self.status} X", *(f"{name}: {value}" for name, value in (*self.headers, *headers))]
        return "\r\n".join([*lines, "", ""]).encode("latin-1")

    def encode(self, *headers: tuple[str, object]) -> bytes:
        """All of it, as it should be."""
        length = () if self.status == 204 else (("Content-Length", len(self.body)),)
        return self.head(*length, *headers) + self.body


@attrs.define
class Wire:
    """The connection that a request came in on. Whatever is done to it ends when `over` is set.

    Attributes:
        target: The target of the request: path and query.
        elsewhere: The URL of a server with another origin.
        key: The credential of the request.
        time: The pause between two slow bytes.
        stall: Called when no more bytes are sent, with the seconds after which the client times out.
        alive: Whether the connection may be used for another request.
    """

    connection: socket.socket
    over: threading.Event
    time: RealTime = attrs.field(factory=RealTime)
    stall: Callable[[float], object] = lambda seconds: None
    target: str = "/"
    elsewhere: str = ""
    key: str = ""
    alive: bool = False

    def send(self, data: bytes) -> None:
        """Send, unless the client has gone."""
        with contextlib.suppress(OSError):
            self.connection.sendall(data)

    def reply(self, answer: Answer) -> None:
        """Send a complete answer, and keep the connection."""
        self.send(answer.encode())
        self.alive = True

    def trickle(self, data: bytes) -> None:
        """Send a byte at a time, each in good time, until the client goes."""
        trickled = 0.0
        with contextlib.suppress(OSError):
            for byte in data:
                self.connection.sendall(bytes([byte]))
                trickled += TRICKLE
                if self.time.virtual and trickled > ATTEMPT + TRICKLE:
                    self.hold(0.0)  # The client is late already. A slow one must not become later.
                if self.time.trickle(TRICKLE, self.over):
                    return

    def pour(self, pieces: Iterable[bytes], pause: float) -> None:
        """Send piece after piece until the client goes."""
        with contextlib.suppress(OSError):
            for piece in pieces:
                self.connection.sendall(piece)
                if self.over.wait(pause):
                    return

    def hold(self, seconds: float = ATTEMPT) -> None:
        """Leave the client waiting, for so many seconds of virtual time."""
        self.stall(seconds)
        self.over.wait()

    def reset(self) -> None:
        """Close with RST."""
        with contextlib.suppress(OSError):
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

    def half_close(self) -> None:
        """End our half of the connection, and leave the other one open."""
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_WR)
        self.over.wait()
