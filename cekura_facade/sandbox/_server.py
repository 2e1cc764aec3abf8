"""A uvicorn server in a background thread."""

from __future__ import annotations

import asyncio
import os
import socket
import threading

import uvicorn
from starlette.types import ASGIApp

HOST = "127.0.0.1"


class _Server(uvicorn.Server):
    """A uvicorn server that signals when it is ready, and closes every connection when it stops."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.started_or_failed = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.started_or_failed.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await super().shutdown(sockets)
        # uvicorn does not close connections on which a request is still arriving.
        for connection in list(self.server_state.connections):
            if connection.transport is not None:
                connection.transport.abort()
        await asyncio.sleep(0)


def _listen(port: int) -> socket.socket:
    # Nagle's algorithm costs 40 ms per request. asyncio turns it off only if the protocol is named, as here.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if os.name == "posix":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((HOST, port))
        listener.listen()
    except OSError:
        listener.close()
        raise
    return listener


class ServerThread:
    """Serves an application on 127.0.0.1 from construction until `stop`."""

    def __init__(self, app: ASGIApp, port: int) -> None:
        self._socket = _listen(port)
        self.url = f"http://{HOST}:{self._socket.getsockname()[1]}"
        self._server = _Server(
            uvicorn.Config(
                app,
                http="h11",
                ws="none",
                loop="asyncio",
                lifespan="off",
                log_config=None,
                log_level="critical",
                access_log=False,
                server_header=False,
                # This is longer than a test, so that a pooled connection of the client stays open.
                timeout_keep_alive=60,
                timeout_graceful_shutdown=1,
            )
        )
        self._thread = threading.Thread(target=self._run, name="cekura-sandbox", daemon=True)
        self._thread.start()
        self._server.started_or_failed.wait()
        if not self._server.started:
            self.stop()
            raise RuntimeError("The sandbox could not be started.")

    def _run(self) -> None:
        try:
            self._server.run(sockets=[self._socket])
        finally:
            self._socket.close()
            self._server.started_or_failed.set()

    def stop(self) -> None:
        """Stop the server and wait until its thread has ended."""
        self._server.should_exit = True
        self._thread.join()
