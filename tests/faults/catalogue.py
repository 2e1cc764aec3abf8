"""The faults, as data: a name, what is done to the connection, and when the service may have acted."""

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

from .steps import Phase, Step
from .wire import Answer, Wire

Act = Callable[[Wire, Answer], None]
Group = Literal["connection", "time", "bytes", "body", "encoding", "redirect", "status", "clock"]
DAY = 86_400
_OK = b"HTTP/1.1 200 X\r\n"
# Answers that need a true one to start from come after the service acted.
AFTER: tuple[Phase, ...] = ("after",)
BOTH: tuple[Phase, ...] = ("before", "after")


@attrs.frozen
class Fault:
    """One thing that can go wrong.

    Attributes:
        act: What is done to the connection; it is given the true answer, or an empty one if the service did not act.
        line: What is done to the listening socket instead, before the connection is made.
        steps: The steps that can meet it; empty means every step.
        lasting: Whether it is also tried as a fault that stays.
        unread: The body of the request is not read.
        clock: By how many seconds the client's clock jumps meanwhile.
        retry_after: How many seconds the service asks the client to wait.
        devours: A client without limits would take all memory: only ours is tried.
    """

    name: str
    group: Group
    act: Act
    phases: tuple[Phase, ...] = BOTH
    line: Literal["closed", "full", "resets"] | None = None
    steps: tuple[Step, ...] = ()
    lasting: bool = False
    unread: bool = False
    clock: int = 0
    retry_after: float = 0.0
    devours: bool = False


def nothing(wire: Wire, answer: Answer) -> None:
    """No fault at all: the true answer."""
    wire.reply(answer)


def says(
    wire: Wire, answer: Answer, *, status: int, body: bytes = b"", headers: tuple[tuple[str, str], ...] = ()
) -> None:
    """A complete answer of its own."""
    wire.reply(Answer(status, body, (("Content-Type", "application/json"), *headers)))


def html(wire: Wire, answer: Answer, *, status: int) -> None:
    page = b"<!DOCTYPE html><html><body><h1>Log in, or try again later</h1></body></html>"
    wire.reply(Answer(status, page, (("Content-Type", "text/html; charset=utf-8"),)))


def sends(wire: Wire, answer: Answer, *, data: bytes) -> None:
    """Bytes that are not a response, then the end of the connection."""
    wire.send(data)


def resets(wire: Wire, answer: Answer) -> None:
    wire.reset()


def half(answer: Answer) -> bytes:
    """The answer up to the middle of its body."""
    return answer.encode()[: -max(len(answer.body) // 2, 1)]


def resets_in_the_middle(wire: Wire, answer: Answer) -> None:
    wire.send(half(answer))
    wire.over.wait(0.05)  # RST discards what the client has not read yet
    wire.reset()


def truncates(wire: Wire, answer: Answer) -> None:
    wire.send(half(answer))


def truncates_chunks(wire: Wire, answer: Answer) -> None:
    middle = len(answer.body) // 2
    wire.send(answer.head(("Transfer-Encoding", "chunked")) + b"%x\r\n%b\r\n" % (middle, answer.body[:middle]))


def stops(wire: Wire, answer: Answer) -> None:
    wire.send(half(answer))
    wire.hold()


def half_closes_in_the_middle(wire: Wire, answer: Answer) -> None:
    wire.send(half(answer))
    wire.half_close()


def trickles_headers(wire: Wire, answer: Answer) -> None:
    start, _, rest = answer.encode().partition(b"\r\n")
    wire.trickle(start + b"\r\nX-Padding: " + b"x" * 2000 + b"\r\n" + rest)


def trickles_body(wire: Wire, answer: Answer) -> None:
    padded = attrs.evolve(answer, body=answer.body + b" " * 2000)
    head = padded.encode()[: -len(padded.body)]
    wire.send(head)
    wire.trickle(padded.body)


def wrong_length(wire: Wire, answer: Answer, *, by: int) -> None:
    wire.send(answer.head(("Content-Length", len(answer.body) + by)) + answer.body)
    # The connection is kept: nothing but the length tells the client where the answer ends.
    if by > 0:
        wire.hold()
    wire.alive = True


def large(wire: Wire, answer: Answer, *, size: int) -> None:
    wire.reply(attrs.evolve(answer, body=b" " * size + answer.body))


def endless(wire: Wire, answer: Answer) -> None:
    wire.send(answer.head(("Connection", "close")))
    wire.pour(itertools.repeat(b" " * 65_536), 0.002)


def truncates_gzip(wire: Wire, answer: Answer) -> None:
    packed = gzip.compress(answer.body)
    wire.reply(attrs.evolve(answer, body=packed[: len(packed) // 2], headers=(("Content-Encoding", "gzip"),)))


def bomb(wire: Wire, answer: Answer) -> None:
    wire.send(answer.head(("Content-Encoding", "gzip"), ("Connection", "close")))
    wire.pour(inflating(1024), 0.0)


def inflating(megabytes: int) -> Iterator[bytes]:
    """The gzip of as many megabytes of spaces, a thousandth of that size."""
    packer = zlib.compressobj(9, wbits=31)
    block = b" " * 1024 * 1024
    first = packer.compress(block) + packer.flush(zlib.Z_FULL_FLUSH)
    yield first
    again = packer.compress(block) + packer.flush(zlib.Z_FULL_FLUSH)  # after a full flush every block packs alike
    yield from itertools.repeat(again, megabytes - 1)


def redirects(wire: Wire, answer: Answer, *, status: int, away: bool) -> None:
    location = (wire.elsewhere if away else "") + wire.target
    wire.reply(Answer(status, b"", (("Location", location),)))


def asks_until_a_date(wire: Wire, answer: Answer) -> None:
    date = formatdate(time.time() + 1, usegmt=True)
    wire.reply(Answer(429, b'{"detail": "slow down"}', (("Retry-After", date),)))


def echoes_the_key(wire: Wire, answer: Answer) -> None:
    body = json.dumps({"detail": f"{wire.key} is not a key"}).encode()
    wire.reply(Answer(401, body))


def reorders(wire: Wire, answer: Answer) -> None:
    wire.reply(attrs.evolve(answer, body=json.dumps(json.loads(answer.body)[::-1]).encode()))


def status(code: int, name: str = "", *, body: object = None, lasting: bool = False, **headers: str) -> Fault:
    said = {"detail": "no"} if body is None else body
    fields = tuple((field.replace("_", "-"), value) for field, value in headers.items())
    act = partial(says, status=code, body=json.dumps(said).encode(), headers=fields)
    return Fault(name or str(code), "status", act, lasting=lasting)


def _body(name: str, body: bytes, code: int = 200, **headers: str) -> Fault:
    fields = tuple((field.replace("_", "-"), value) for field, value in headers.items())
    return Fault(name, "encoding" if headers else "body", partial(says, status=code, body=body, headers=fields))


FAULTS: dict[str, Fault] = {
    fault.name: fault
    for fault in (
        Fault("connection refused", "connection", nothing, ("before",), line="closed", lasting=True),
        Fault("connect timeout", "connection", nothing, ("before",), line="full", lasting=True),
        Fault("reset before the request is read", "connection", nothing, ("before",), line="resets", lasting=True),
        Fault("reset after the request is read", "connection", resets, lasting=True),
        Fault("reset in the middle of the answer", "connection", resets_in_the_middle, AFTER),
        Fault("hung up without an answer", "connection", partial(sends, data=b"")),
        Fault("half-closed without an answer", "connection", lambda wire, answer: wire.half_close()),
        Fault("half-closed in the middle of the answer", "connection", half_closes_in_the_middle, AFTER),
        Fault("read timeout", "time", lambda wire, answer: wire.hold(), lasting=True),
        Fault(
            "write timeout",
            "time",
            lambda wire, answer: wire.hold(),
            ("before",),
            unread=True,
            steps=("save", "update"),
        ),
        Fault("answer stops in the middle", "time", stops, AFTER, lasting=True),
        Fault("trickled headers", "time", trickles_headers, AFTER, lasting=True),
        Fault("trickled body", "time", trickles_body, AFTER, lasting=True),
        Fault("truncated body", "bytes", truncates, AFTER, lasting=True),
        Fault("truncated chunked body", "bytes", truncates_chunks, AFTER),
        Fault("Content-Length too long", "bytes", partial(wrong_length, by=10), AFTER),
        Fault("Content-Length too short", "bytes", partial(wrong_length, by=-10), AFTER),
        Fault(
            "Content-Length that is not a number",
            "bytes",
            partial(sends, data=_OK + b"Content-Length: x\r\n\r\n"),
        ),
        Fault("garbage instead of HTTP", "bytes", partial(sends, data=b"\x16\x03\x01\x00\xff" * 20), lasting=True),
        Fault("headers of a megabyte", "bytes", partial(sends, data=_OK + b"X: " + b"x" * 1_000_000)),
        Fault("HTML with 200", "body", partial(html, status=200), lasting=True),
        Fault("HTML with 502", "body", partial(html, status=502), lasting=True),
        Fault("HTML with 503", "body", partial(html, status=503)),
        Fault("HTML with 504", "body", partial(html, status=504)),
        _body("empty 200", b""),
        _body("204", b"", 204),
        _body("invalid UTF-8", b'{"progress_id": "\xff\xfe", "status": "\x80"}'),
        _body("JSON null", b"null"),
        _body("JSON object of another shape", b'{"result": {"ok": true}}'),
        _body("JSON array of another shape", b'[1, null, {"id": "x"}]'),
        _body("JSON nested 100,000 deep", b"[" * 100_000),
        Fault("10 MB", "body", partial(large, size=10_000_000), AFTER),
        Fault("endless body", "body", endless, AFTER, devours=True),
        _body("not gzip", b'{"plain": true}', Content_Encoding="gzip"),
        Fault("truncated gzip", "encoding", truncates_gzip, AFTER),
        Fault("gzip that inflates to 1 GB", "encoding", bomb, AFTER, devours=True),
        _body("unknown Content-Encoding", b'{"plain": true}', Content_Encoding="zstd-9"),
        *(
            Fault(f"{code} to the same origin", "redirect", partial(redirects, status=code, away=False))
            for code in (301, 302, 307, 308)
        ),
        *(
            Fault(
                f"{code} to another origin", "redirect", partial(redirects, status=code, away=True), lasting=code == 307
            )
            for code in (301, 302, 307, 308)
        ),
        status(401),
        Fault("401 that echoes the key", "status", echoes_the_key),
        status(403),
        status(404, lasting=True),
        status(409),
        status(413),
        status(429, lasting=True),
        attrs.evolve(status(429, "429, Retry-After: 1", Retry_After="1"), retry_after=1),
        Fault("429, Retry-After: a date", "status", asks_until_a_date, retry_after=1),
        status(429, "429, Retry-After: a million", Retry_After="1000000"),
        status(500, lasting=True),
        attrs.evolve(status(503, "503, Retry-After: 1", Retry_After="1"), retry_after=1),
        Fault("clock jumps a day ahead", "clock", nothing, AFTER, clock=DAY),
        Fault("clock jumps a day back", "clock", nothing, AFTER, clock=-DAY),
        Fault("429 until a date, the clock jumps back", "clock", asks_until_a_date, ("before",), clock=-DAY),
        Fault("saved in full, answered in another order", "body", reorders, AFTER, steps=("save", "copy")),
    )
}
# Not rows of their own: the true answer, for what the service alone does wrong; and what holds a request up while its
# client is killed.
TRUE_ANSWER = Fault("the true answer", "body", nothing)
HELD = Fault("held", "time", lambda wire, answer: wire.hold())
EVERY: dict[str, Fault] = {**FAULTS, TRUE_ANSWER.name: TRUE_ANSWER, HELD.name: HELD}
