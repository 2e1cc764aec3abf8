"""One interface for both clients, and a server on 127.0.0.1 with scripted responses, for the tests."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import json
import os
import socket
import socketserver
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal

import attrs
import h11
import httpcore
import httpx

from cekura_facade import AsyncCekura, Cekura
from cekura_facade._clock import Clock
from cekura_facade._sync_http import SyncHTTP
from cekura_facade.sandbox import Sandbox
from tests.faults import virtual

Kind = Literal["sync", "async"]
HANG_LIMIT = 600.0  # seconds, which only a test that hangs reaches
NEVER = 1e9  # job_seconds of a sandbox in which only finish_jobs finishes jobs
_POLL_SECONDS = 0.05  # seconds that a read waits before it checks whether any bytes will arrive


class VirtualClock(virtual.VirtualClock):
    """A virtual clock that also ends the requests of a client whose `timeout` is 5 seconds or more.

    A shorter timeout is real. Use it only if the test does not depend on the speed of the machine.

    Attributes:
        silent: Whether the server sends nothing more. A read then times out, and advances the clock. Connecting does
            the same if this was set before.
        timed_out: Set when a read has timed out.
    """

    def __init__(self) -> None:
        super().__init__()
        self.silent = threading.Event()
        self.timed_out = threading.Event()

    @property
    def connect_timeout(self) -> float:
        """How long to wait for a connection, in real seconds."""
        return _POLL_SECONDS if self.silent.is_set() else HANG_LIMIT

    def time_out(self, seconds: float | None) -> None:
        """Make the current read time out after this many seconds."""
        self.seconds += seconds or 0.0
        self.silent.clear()
        self.timed_out.set()


class Either:
    """A Cekura, or an AsyncCekura with blocking methods, so that one test can check both."""

    def __init__(self, kind: Kind, *args: Any, clock: Clock | None = None, **settings: Any) -> None:
        self.kind = kind
        self.runner = asyncio.Runner() if kind == "async" else None
        self.given = settings.get("http_client")
        try:
            self.client: Any = self.run(self._make(args, settings)) if self.runner else Cekura(*args, **settings)
        except BaseException:
            if self.runner is not None:
                self.runner.close()
            raise
        if clock is not None:
            self.client.transport.clock = clock
            if isinstance(clock, VirtualClock) and self.client.transport.settings.timeout >= 5:
                _read_by(clock, self.client.transport)

    @staticmethod
    async def _make(args: Any, settings: Any) -> AsyncCekura:
        return AsyncCekura(*args, **settings)

    def run(self, awaitable: Any) -> Any:
        """Run a coroutine of the asynchronous client to its end."""
        assert self.runner is not None
        return self.runner.run(awaitable)

    def wrapped(self, client: Any) -> Any:
        """Another client of the same kind, with the same interface."""
        return _Client(self, client)

    @property
    def metrics(self) -> Any:
        return _Blocking(self, self.client.metrics)

    @property
    def agents(self) -> Any:
        return _Blocking(self, self.client.agents)

    def take(self, iterator: Any) -> Any:
        """The next item of either kind of iterator. Raises StopIteration at its end."""
        if self.runner is None:
            return next(iterator)
        try:
            return self.run(anext(iterator))
        except StopAsyncIteration:
            raise StopIteration from None

    def endpoint(self, module: Any, *args: Any, **arguments: Any) -> Any:
        """Call a module of the generated client, through `.api`."""
        if self.kind == "async":
            return self.run(module.asyncio_detailed(*args, client=self.client.api, **arguments))
        return module.sync_detailed(*args, client=self.client.api, **arguments)

    def close_client(self) -> None:
        self.client.close() if self.runner is None else self.run(self.client.aclose())

    def close(self) -> None:
        self.close_client()
        if self.given is not None:
            self.given.close() if self.runner is None else self.run(self.given.aclose())
        if self.runner is not None:
            self.runner.close()


def _read_by(clock: VirtualClock, http: Any) -> None:
    """End the attempts of a client by the virtual clock, so that the speed of the machine does not matter."""
    limits = http.limits

    def limit_patiently(request: httpx.Request, deadline: float) -> tuple[float, float]:
        _, until = limits(request, deadline)
        phases = request.extensions["timeout"]
        request.extensions["timeout"] = dict.fromkeys(phases, HANG_LIMIT) | {"read": phases["read"]}
        return HANG_LIMIT, until

    http.limits = limit_patiently
    if http._given is None:  # noqa: SLF001 - A client that a caller passes has a backend of its own.
        virtual.connect_by(http, _Backend(clock) if isinstance(http, SyncHTTP) else _AsyncBackend(clock))


class _Backend(httpcore.SyncBackend):
    """Connections that time out when the server reports that it sends nothing more."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock

    def connect_tcp(self, *args: Any, **options: Any) -> httpcore.NetworkStream:
        stream = super().connect_tcp(*args, **options | {"timeout": self._clock.connect_timeout})
        read = stream.read

        def read_patiently(max_bytes: int, timeout: float | None = None) -> bytes:
            while True:
                silent = self._clock.silent.is_set()  # Before the read: what was sent earlier is still read.
                try:
                    return read(max_bytes, _POLL_SECONDS)
                except httpcore.ReadTimeout:
                    if silent:
                        self._clock.time_out(timeout)
                        raise

        stream.read = read_patiently  # type: ignore[method-assign]
        return stream


class _AsyncBackend(httpcore.AnyIOBackend):
    """The asynchronous _Backend."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock

    async def connect_tcp(self, *args: Any, **options: Any) -> httpcore.AsyncNetworkStream:
        stream = await super().connect_tcp(*args, **options | {"timeout": self._clock.connect_timeout})
        read = stream.read

        async def read_patiently(max_bytes: int, timeout: float | None = None) -> bytes:
            while True:
                silent = self._clock.silent.is_set()
                try:
                    return await read(max_bytes, _POLL_SECONDS)
                except httpcore.ReadTimeout:
                    if silent:
                        self._clock.time_out(timeout)
                        raise

        stream.read = read_patiently  # type: ignore[method-assign]
        return stream


class _Blocking:
    """Makes the coroutine functions of an object block, and wraps their results as well."""

    def __init__(self, either: Either, target: Any) -> None:
        self._either, self.target = either, target

    def __getattr__(self, name: str) -> Any:
        value = getattr(self.target, name)
        if not callable(value):
            return value

        def call(*args: Any, **arguments: Any) -> Any:
            result = value(*args, **arguments)
            if inspect.iscoroutine(result):
                result = self._either.run(result)
            return _Blocking(self._either, result) if hasattr(result, "progress_id") else result

        return call


class _Client:
    """A client whose resources block."""

    def __init__(self, either: Either, client: Any) -> None:
        self.metrics = _Blocking(either, client.metrics)
        self.agents = _Blocking(either, client.agents)
        self.transport = client.transport


def examples(usual: int) -> int:
    """How many examples a property is tried with. Each run tries others. EXAMPLES=10 tries ten times as many."""
    return usual * int(os.environ.get("EXAMPLES", "1"))


def renew(sandbox: Sandbox, **settings: Any) -> Sandbox:
    """Reset a running sandbox, because starting a new one takes longer than most tests."""
    new = Sandbox(**settings)._state  # noqa: SLF001 - Users have no need for this.
    for each in attrs.fields(type(new)):
        setattr(sandbox._state, each.name, getattr(new, each.name))  # noqa: SLF001
    return sandbox


def slow_down(sandbox: Sandbox) -> None:
    """Keep jobs that are started from now on queued until finish_jobs."""
    sandbox._state.job_seconds = NEVER  # noqa: SLF001 - As above.


def finish_jobs(sandbox: Sandbox) -> None:
    """Finish every job that was started."""
    sandbox.advance(2 * NEVER)


@attrs.frozen
class Received:
    """A received request."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


Answer = bytes | Iterator[bytes]  # An iterator is sent in pieces, until the client closes the connection.
Reply = Answer | Callable[[Received], Answer]


def reply(
    status: int = 200, body: object = b"", headers: dict[str, str] | None = None, *, type: str = "application/json"
) -> bytes:
    """A complete HTTP/1.1 response. A body that is not bytes is written as JSON."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status} X", f"Content-Type: {type}", f"Content-Length: {len(content)}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return "\r\n".join([*lines, "", ""]).encode() + content


def trickled(content: bytes, clock: VirtualClock, seconds: float = 1.0) -> Iterator[bytes]:
    """The content, one byte at a time. Each takes this many seconds on the clock of the client."""
    for i in range(len(content)):
        clock.seconds += seconds
        yield content[i : i + 1]


def silence(clock: VirtualClock, content: bytes = b"") -> Iterator[bytes]:
    """The beginning of a response that never continues."""
    clock.timed_out.clear()
    yield content
    clock.silent.set()
    clock.timed_out.wait(HANG_LIMIT)


@attrs.define
class Scripted:
    """A running server. It sends each reply once, and then repeats the last one. `b""` closes the connection."""

    url: str
    replies: list[Reply]
    received: list[Received] = attrs.field(factory=list)
    lock: threading.Lock = attrs.field(factory=threading.Lock)

    def answer(self, request: Received) -> Answer:
        with self.lock:
            self.received.append(request)
            reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        return reply(request) if callable(reply) else reply


@contextmanager
def scripted(*replies: Reply, tls: ssl.SSLContext | None = None) -> Iterator[Scripted]:
    """Serve scripted replies on 127.0.0.1. Bytes are sent unchanged, so that they need not be HTTP."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            if tls is not None:
                try:
                    self.request = tls.wrap_socket(self.request, server_side=True)
                except OSError:
                    return
            while (request := _read(self.request)) is not None:
                answer = server.answer(request)
                if not answer:
                    return
                if not isinstance(answer, bytes):
                    with contextlib.suppress(OSError):
                        for piece in answer:
                            self.request.sendall(piece)
                    return
                self.request.sendall(answer)
                if b"content-length" not in answer.lower() or b"connection: close" in answer.lower():
                    return

        def finish(self) -> None:
            self.request.close()

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        allow_reuse_address = True

    with Server(("127.0.0.1", 0), Handler) as listening:
        server = Scripted(f"http{'s' if tls else ''}://127.0.0.1:{listening.server_address[1]}", list(replies))
        thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            listening.shutdown()
            thread.join()


def _read(connection: socket.socket) -> Received | None:
    parser, body, request = h11.Connection(h11.SERVER), b"", None
    while True:
        event = parser.next_event()
        if event is h11.NEED_DATA:
            try:
                parser.receive_data(connection.recv(65536))
            except OSError:
                return None
        elif isinstance(event, h11.Request):
            request = event
        elif isinstance(event, h11.Data):
            body += event.data
        elif isinstance(event, h11.EndOfMessage):
            assert request is not None
            headers = {name.decode().lower(): value.decode() for name, value in request.headers}
            return Received(request.method.decode(), request.target.decode(), headers, body)
        else:
            return None


@contextmanager
def closed_port() -> Iterator[str]:
    """The URL of a port without a server, which no other process can get."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"
