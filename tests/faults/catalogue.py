"""The faults, as data: a name, what is done to the connection, and whether the service processes the request."""

from __future__ import annotations

import gzip
import itertools
import json
import time
import zlib
from collections.abc import Callable, Iterator
from email.utils import formatdate
from functools import partial
from typing import Literal

import attrs

from .connection import Connection, Response
from .steps import Phase, Step

Apply = Callable[[Connection, Response], None]
Group = Literal["connection", "time", "bytes", "body", "encoding", "redirect", "status", "clock"]
DAY = 86_400
_OK = b"HTTP/1.1 200 X\r\n"
# Faults that modify the response of the service can only occur after it processed the request.
AFTER: tuple[Phase, ...] = ("after",)
BOTH: tuple[Phase, ...] = ("before", "after")


@attrs.frozen
class Fault:
    """One thing that can go wrong.

    Attributes:
        name: Its name, which reports show.
        group: The section of the report.
        apply: Called with the connection and the response of the service, or an empty one if it processed nothing.
        phases: Whether the service processes the request before the fault, or not at all.
        listener: The state of the listening socket instead: the client cannot connect, or is disconnected at once.
        steps: The steps that it applies to. Default: all.
        persistent: Whether to try it also as a persistent fault.
        unread: The service does not read the body of the request.
        clock_jump: Seconds by which the client's clock jumps during the request.
        retry_after: Seconds that the service asks the client to wait.
        exhausts_memory: A client without limits would use all memory, so only this package is tried.
    """

    name: str
    group: Group
    apply: Apply
    phases: tuple[Phase, ...] = BOTH
    listener: Literal["closed", "full", "resets"] | None = None
    steps: tuple[Step, ...] = ()
    persistent: bool = False
    unread: bool = False
    clock_jump: int = 0
    retry_after: float = 0.0
    exhausts_memory: bool = False


def no_fault(connection: Connection, response: Response) -> None:
    """Send the response of the service."""
    connection.reply(response)


def respond(
    connection: Connection,
    response: Response,
    *,
    status: int,
    body: bytes = b"",
    headers: tuple[tuple[str, str], ...] = (),
) -> None:
    """Send another complete response."""
    connection.reply(Response(status, body, (("Content-Type", "application/json"), *headers)))


def respond_with_html(connection: Connection, response: Response, *, status: int) -> None:
    page = b"<!DOCTYPE html><html><body><h1>Log in, or try again later</h1></body></html>"
    connection.reply(Response(status, page, (("Content-Type", "text/html; charset=utf-8"),)))


def send_bytes(connection: Connection, response: Response, *, data: bytes) -> None:
    """Send bytes that are not a valid response, and close the connection."""
    connection.send(data)


def reset(connection: Connection, response: Response) -> None:
    connection.reset()


def first_half(response: Response) -> bytes:
    """The response up to the middle of its body."""
    return response.encode()[: -max(len(response.body) // 2, 1)]


def reset_midway(connection: Connection, response: Response) -> None:
    connection.send(first_half(response))
    connection.ended.wait(0.05)  # RST discards what the client has not read yet
    connection.reset()


def truncate(connection: Connection, response: Response) -> None:
    connection.send(first_half(response))


def truncate_chunks(connection: Connection, response: Response) -> None:
    middle = len(response.body) // 2
    connection.send(
        response.head(("Transfer-Encoding", "chunked")) + b"%x\r\n%b\r\n" % (middle, response.body[:middle])
    )


def stop_midway(connection: Connection, response: Response) -> None:
    connection.send(first_half(response))
    connection.stall()


def half_close_midway(connection: Connection, response: Response) -> None:
    connection.send(first_half(response))
    connection.half_close()


def trickle_headers(connection: Connection, response: Response) -> None:
    start, _, rest = response.encode().partition(b"\r\n")
    connection.trickle(start + b"\r\nX-Padding: " + b"x" * 2000 + b"\r\n" + rest)


def trickle_body(connection: Connection, response: Response) -> None:
    padded = attrs.evolve(response, body=response.body + b" " * 2000)
    head = padded.encode()[: -len(padded.body)]
    connection.send(head)
    connection.trickle(padded.body)


def send_wrong_length(connection: Connection, response: Response, *, by: int) -> None:
    connection.send(response.head(("Content-Length", len(response.body) + by)) + response.body)
    # The connection stays open, so only the length tells the client where the response ends.
    if by > 0:
        connection.stall()
    connection.keep_alive = True


def send_large_body(connection: Connection, response: Response, *, size: int) -> None:
    connection.reply(attrs.evolve(response, body=b" " * size + response.body))


def send_endless_body(connection: Connection, response: Response) -> None:
    connection.send(response.head(("Connection", "close")))
    connection.stream(itertools.repeat(b" " * 65_536), 0.002)


def truncate_gzip(connection: Connection, response: Response) -> None:
    compressed = gzip.compress(response.body)
    connection.reply(
        attrs.evolve(response, body=compressed[: len(compressed) // 2], headers=(("Content-Encoding", "gzip"),))
    )


def send_gzip_bomb(connection: Connection, response: Response) -> None:
    connection.send(response.head(("Content-Encoding", "gzip"), ("Connection", "close")))
    connection.stream(compressed_spaces(1024), 0.0)


def compressed_spaces(megabytes: int) -> Iterator[bytes]:
    """Spaces, compressed with gzip to a thousandth of their size."""
    compressor = zlib.compressobj(9, wbits=31)
    block = b" " * 1024 * 1024
    first = compressor.compress(block) + compressor.flush(zlib.Z_FULL_FLUSH)
    yield first
    again = compressor.compress(block) + compressor.flush(
        zlib.Z_FULL_FLUSH
    )  # after a full flush, equal blocks compress to equal bytes
    yield from itertools.repeat(again, megabytes - 1)


def redirect(connection: Connection, response: Response, *, status: int, to_other_origin: bool) -> None:
    location = (connection.other_origin if to_other_origin else "") + connection.target
    connection.reply(Response(status, b"", (("Location", location),)))


def retry_after_date(connection: Connection, response: Response) -> None:
    date = formatdate(time.time() + 1, usegmt=True)
    connection.reply(Response(429, b'{"detail": "slow down"}', (("Retry-After", date),)))


def echo_key(connection: Connection, response: Response) -> None:
    body = json.dumps({"detail": f"{connection.key} is not a key"}).encode()
    connection.reply(Response(401, body))


def reverse_items(connection: Connection, response: Response) -> None:
    connection.reply(attrs.evolve(response, body=json.dumps(json.loads(response.body)[::-1]).encode()))


def status(code: int, name: str = "", *, body: object = None, persistent: bool = False, **headers: str) -> Fault:
    content = {"detail": "no"} if body is None else body
    fields = tuple((field.replace("_", "-"), value) for field, value in headers.items())
    apply = partial(respond, status=code, body=json.dumps(content).encode(), headers=fields)
    return Fault(name or str(code), "status", apply, persistent=persistent)


def _body(name: str, body: bytes, code: int = 200, **headers: str) -> Fault:
    fields = tuple((field.replace("_", "-"), value) for field, value in headers.items())
    return Fault(name, "encoding" if headers else "body", partial(respond, status=code, body=body, headers=fields))


FAULTS: dict[str, Fault] = {
    fault.name: fault
    for fault in (
        Fault("connection refused", "connection", no_fault, ("before",), listener="closed", persistent=True),
        Fault("connect timeout", "connection", no_fault, ("before",), listener="full", persistent=True),
        Fault(
            "reset before the request is read", "connection", no_fault, ("before",), listener="resets", persistent=True
        ),
        Fault("reset after the request is read", "connection", reset, persistent=True),
        Fault("reset in the middle of the response", "connection", reset_midway, AFTER),
        Fault("closed without a response", "connection", partial(send_bytes, data=b"")),
        Fault("half-closed without a response", "connection", lambda connection, response: connection.half_close()),
        Fault("half-closed in the middle of the response", "connection", half_close_midway, AFTER),
        Fault("read timeout", "time", lambda connection, response: connection.stall(), persistent=True),
        Fault(
            "write timeout",
            "time",
            lambda connection, response: connection.stall(),
            ("before",),
            unread=True,
            steps=("save", "update"),
        ),
        Fault("response stops in the middle", "time", stop_midway, AFTER, persistent=True),
        Fault("trickled headers", "time", trickle_headers, AFTER, persistent=True),
        Fault("trickled body", "time", trickle_body, AFTER, persistent=True),
        Fault("truncated body", "bytes", truncate, AFTER, persistent=True),
        Fault("truncated chunked body", "bytes", truncate_chunks, AFTER),
        Fault("Content-Length too long", "bytes", partial(send_wrong_length, by=10), AFTER),
        Fault("Content-Length too short", "bytes", partial(send_wrong_length, by=-10), AFTER),
        Fault(
            "Content-Length that is not a number",
            "bytes",
            partial(send_bytes, data=_OK + b"Content-Length: x\r\n\r\n"),
        ),
        Fault(
            "garbage instead of HTTP", "bytes", partial(send_bytes, data=b"\x16\x03\x01\x00\xff" * 20), persistent=True
        ),
        Fault("headers of 1 MB", "bytes", partial(send_bytes, data=_OK + b"X: " + b"x" * 1_000_000)),
        Fault("HTML with 200", "body", partial(respond_with_html, status=200), persistent=True),
        Fault("HTML with 502", "body", partial(respond_with_html, status=502), persistent=True),
        Fault("HTML with 503", "body", partial(respond_with_html, status=503)),
        Fault("HTML with 504", "body", partial(respond_with_html, status=504)),
        _body("empty 200", b""),
        _body("204", b"", 204),
        _body("invalid UTF-8", b'{"progress_id": "\xff\xfe", "status": "\x80"}'),
        _body("JSON null", b"null"),
        _body("JSON object of another shape", b'{"result": {"ok": true}}'),
        _body("JSON array of another shape", b'[1, null, {"id": "x"}]'),
        _body("JSON nested 100,000 deep", b"[" * 100_000),
        Fault("10 MB", "body", partial(send_large_body, size=10_000_000), AFTER),
        Fault("endless body", "body", send_endless_body, AFTER, exhausts_memory=True),
        _body("not gzip", b'{"plain": true}', Content_Encoding="gzip"),
        Fault("truncated gzip", "encoding", truncate_gzip, AFTER),
        Fault("gzip that inflates to 1 GB", "encoding", send_gzip_bomb, AFTER, exhausts_memory=True),
        _body("unknown Content-Encoding", b'{"plain": true}', Content_Encoding="zstd-9"),
        *(
            Fault(f"{code} to the same origin", "redirect", partial(redirect, status=code, to_other_origin=False))
            for code in (301, 302, 307, 308)
        ),
        *(
            Fault(
                f"{code} to another origin",
                "redirect",
                partial(redirect, status=code, to_other_origin=True),
                persistent=code == 307,
            )
            for code in (301, 302, 307, 308)
        ),
        status(401),
        Fault("401 that echoes the key", "status", echo_key),
        status(403),
        status(404, persistent=True),
        status(409),
        status(413),
        status(429, persistent=True),
        attrs.evolve(status(429, "429, Retry-After: 1", Retry_After="1"), retry_after=1),
        Fault("429, Retry-After: a date", "status", retry_after_date, retry_after=1),
        status(429, "429, Retry-After: 1000000", Retry_After="1000000"),
        status(500, persistent=True),
        attrs.evolve(status(503, "503, Retry-After: 1", Retry_After="1"), retry_after=1),
        Fault("clock jumps a day ahead", "clock", no_fault, AFTER, clock_jump=DAY),
        Fault("clock jumps a day back", "clock", no_fault, AFTER, clock_jump=-DAY),
        Fault("429, Retry-After: a date, clock jumps back", "clock", retry_after_date, ("before",), clock_jump=-DAY),
        Fault("saved, returned in another order", "body", reverse_items, AFTER, steps=("save", "copy")),
    )
}
# These are not rows of the matrix. The first one is for a service that saves only a part. The second one delays the
# request of a client that is killed meanwhile.
UNMODIFIED = Fault("unmodified response", "body", no_fault)
DELAYED = Fault("delayed", "time", lambda connection, response: connection.stall())
ALL_FAULTS: dict[str, Fault] = {**FAULTS, UNMODIFIED.name: UNMODIFIED, DELAYED.name: DELAYED}
