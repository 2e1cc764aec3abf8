"""Programs that run in forks of a process that has imported the libraries: see virtual_time/forking.py."""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Self

SECONDS = 600  # seconds, which only a test that hangs reaches
VIRTUAL_TIME = str(Path(__file__).with_name("virtual_time"))
# The libraries of the command, and the client. Each run imports the modules of the command itself.
LIBRARIES = (
    "encodings.idna",
    "importlib.readers",
    "anyio._backends._asyncio",
    "backoff",
    "httpx",
    "rich.live",
    "rich.markup",
    "rich.progress",
    "rich.syntax",
    "rich.table",
    "typer.main",
    "yaml",
    "cekura_facade:AsyncCekura",
    "cekura_facade:Cekura",
)


class Fork:
    """A program that runs in a fork. Use it as a context manager, which kills it at the end."""

    def __init__(self, caller: socket.socket) -> None:
        self._lines = caller.makefile("r")
        self.pid = int(self._lines.readline())
        self.returncode: int | None = None
        self._hangs = threading.Timer(SECONDS, self.kill)
        self._hangs.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.kill()
        self.wait()

    def send_signal(self, number: int) -> None:
        """Send a signal, unless the program has ended."""
        if self.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        """Kill the program."""
        self.send_signal(signal.SIGKILL)

    def wait(self) -> int:
        """Wait for the end. Returns the exit code, or the number of a signal with a minus."""
        if self.returncode is None:
            with self._lines:
                code = self._lines.readline()
            self._hangs.cancel()
            assert code, "The process that forks has ended."
            self.returncode = int(code)
        return self.returncode


class PipedFork(Fork):
    """A program whose streams are pipes, as of a `subprocess.Popen`."""

    def __init__(self, caller: socket.socket, streams: list[int]) -> None:
        self.stdin = os.fdopen(streams[0], "w", encoding="utf-8")
        self.stdout, self.stderr = (os.fdopen(stream, encoding="utf-8") for stream in streams[1:])
        super().__init__(caller)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        super().__exit__(*error)
        for stream in (self.stdin, self.stdout, self.stderr):
            stream.close()

    def communicate(self) -> tuple[str, str]:
        """Close the input, and wait for the end. Returns the rest of both outputs."""
        self.stdin.close()
        with ThreadPoolExecutor(2) as pool:
            out, err = pool.map(lambda stream: stream.read(), (self.stdout, self.stderr))
        self.wait()
        return out, err


class Forks:
    """A process that has imported modules or objects, and runs programs in forks of itself."""

    # Variables that no library reads at import.
    READ_LATER = re.compile("CEKURA_.*|COLUMNS|HOME|TMPDIR")

    def __init__(self, names: tuple[str, ...], env: dict[str, str]) -> None:
        self._env = env
        self._folder = TemporaryDirectory(prefix="forks-")
        self._requests, requests = socket.socketpair()
        with requests:
            self._process = subprocess.Popen(
                [sys.executable, str(Path(VIRTUAL_TIME, "forking.py")), *names],
                env=env,
                stdin=requests.fileno(),
                stdout=subprocess.DEVNULL,
                start_new_session=True,
            )
        atexit.register(self.close)

    def can_run(self, env: dict[str, str]) -> bool:
        """Whether a process with these variables would import the libraries in the same way."""
        names = [name for name in self._env.keys() | env.keys() if not self.READ_LATER.fullmatch(name)]
        return all(self._env.get(name) == env.get(name) for name in names)

    def _request(
        self, command: list[str], folder: Path, env: dict[str, str], streams: list[int], *, terminal: bool = False
    ) -> socket.socket:
        caller, theirs = socket.socketpair()
        with theirs:
            socket.send_fds(self._requests, [b"-"], [theirs.fileno(), *streams])
        run = {"command": command, "folder": str(folder), "env": env, "terminal": terminal}
        caller.sendall(json.dumps(run).encode() + b"\n")
        return caller

    def run(
        self, command: list[str], folder: Path, env: dict[str, str], given: str | None = None, device: str = ""
    ) -> subprocess.CompletedProcess[str]:
        """Run a program until it ends. If its standard output is a device, the output is not returned."""
        source, out, err = (Path(self._folder.name, name) for name in ("in", "out", "err"))
        source.write_text(given or "", "utf-8")
        source = Path(os.devnull) if given is None else source
        with source.open() as read, (Path(device) if device else out).open("w") as written, err.open("w") as more:
            streams = [stream.fileno() for stream in (read, written, more)]
            with self._request(command, folder, env, streams) as caller, Fork(caller) as fork:
                code = fork.wait()
        stdout = "" if device else out.read_text("utf-8")
        return subprocess.CompletedProcess(command, code, stdout, err.read_text("utf-8"))

    @contextmanager
    def start(self, command: list[str], folder: Path, env: dict[str, str]) -> Iterator[PipedFork]:
        """Start a program in the background. It is killed at the end."""
        (source, given), (read, out), (more, err) = (os.pipe() for _ in range(3))
        with self._request(command, folder, env, [source, out, err]) as caller:
            for stream in (source, out, err):
                os.close(stream)
            with PipedFork(caller, [given, read, more]) as fork:
                yield fork

    @contextmanager
    def start_in_terminal(self, command: list[str], folder: Path, env: dict[str, str], terminal: int) -> Iterator[Fork]:
        """Start a program in a terminal, whose descriptor this method closes. The program is killed at the end."""
        with self._request(command, folder, env, [terminal] * 3, terminal=True) as caller:
            os.close(terminal)
            with Fork(caller) as fork:
                yield fork

    def close(self) -> None:
        """End the process that forks."""
        self._requests.close()
        self._process.wait()
        self._folder.cleanup()
