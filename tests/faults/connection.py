"""A connection of a client, and what a fault can do to it."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Iterable

import attrs

from .timing import TIMEOUT, RealTime

TRICKLE = 0.06  # seconds between two bytes, less than any read timeout


@attrs.frozen
class Response:
    """An HTTP response, which a fault may send incorrectly."""

    status: int = 200
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = (("Content-Type", "application/json"),)

    def head(self, *headers: tuple[str, object]) -> bytes:
        """Status line and headers, without a length of the body."""
        lines = [f"HTTP/1.1 {self.status} X", *(f"{name}: {value}" for name, value in (*self.headers, *headers))]
        return "\r\n".join([*lines, "", ""]).encode("latin-1")

    def encode(self, *headers: tuple[str, object]) -> bytes:
        """The complete, correct response."""
        length = () if self.status == 204 else (("Content-Length", len(self.body)),)
        return self.head(*length, *headers) + self.body


@attrs.define
class Connection:
    """The connection of a request. Every method returns when `ended` is set.

    Attributes:
        target: The target of the request: path and query.
        other_origin: The URL of a server at another origin.
        key: The credential of the request.
        time: Real or virtual time, for the pauses between bytes.
        on_stall: Called with the client's timeout, in seconds, when no more bytes will be sent.
        keep_alive: Whether the connection may be used for another request.
    """

    sock: socket.socket
    ended: threading.Event
    time: RealTime = attrs.field(factory=RealTime)
    on_stall: Callable[[float], object] = lambda seconds: None
    target: str = "/"
    other_origin: str = ""
    key: str = ""
    keep_alive: bool = False

    def send(self, data: bytes) -> None:
        """Send bytes. Do nothing if the client has disconnected."""
        with contextlib.suppress(OSError):
            self.sock.sendall(data)

    def reply(self, response: Response) -> None:
        """Send a complete response, and keep the connection open."""
        self.send(response.encode())
        self.keep_alive = True

    def trickle(self, data: bytes) -> None:
        """Send a byte at a time, each before the read timeout, until the client disconnects."""
        trickled = 0.0
        with contextlib.suppress(OSError):
            for byte in data:
                self.sock.sendall(bytes([byte]))
                trickled += TRICKLE
                if self.time.virtual and trickled > TIMEOUT + TRICKLE:
                    self.stall(0.0)  # The deadline has passed, and a slow client needs no more bytes.
                if self.time.trickle(TRICKLE, self.ended):
                    return

    def stream(self, pieces: Iterable[bytes], pause: float) -> None:
        """Send one piece after another until the client disconnects."""
        with contextlib.suppress(OSError):
            for piece in pieces:
                self.sock.sendall(piece)
                if self.ended.wait(pause):
                    return

    def stall(self, seconds: float = TIMEOUT) -> None:
        """Send nothing more. The client times out after this many seconds of virtual time."""
        self.on_stall(seconds)
        self.ended.wait()

    def reset(self) -> None:
        """Close with RST."""
        with contextlib.suppress(OSError):
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def half_close(self) -> None:
        """End our half of the connection, and leave the other one open."""
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_WR)
        self.ended.wait()
