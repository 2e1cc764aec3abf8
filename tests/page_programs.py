"""Lets the shell of a page or workflow run `cekura-facade` and Python files in forks, which saves the imports.

The programs in the folder pass their arguments, folder, environment and streams to a thread of the test, and wait. What
a fork cannot run, they run themselves: other arguments of Python, a terminal, and unusual environments.
"""

from __future__ import annotations

import contextlib
import functools
import os
import re
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from cekura_facade import cli
from tests.forks import LIBRARIES, Fork, Forks

# The standard modules would take longer to import than the rest of the program takes.
PROGRAM = """\
#!{python} -IS
import _socket, posix, sys
environment = posix.environ
name, arguments = {name!r}, sys.argv[1:]
rest = arguments[2:] if arguments[:2] == ["-W", "error"] else arguments
if name == "cekura-facade" or rest and rest[0].endswith((".py", ".python")) and not rest[0].startswith("scripts/"):
    if not posix.isatty(0):
        caller = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
        caller.connect({address!r})
        lists = ([name, *arguments], [posix.getcwd()], [b"=".join(each) for each in environment.items()])
        fields = [[x if isinstance(x, bytes) else x.encode("utf-8", "surrogateescape") for x in each] for each in lists]
        message = b"\\1".join(b"\\0".join(each) for each in fields) + b"\\2"
        rights = b"".join(number.to_bytes(4, sys.byteorder) for number in (0, 1, 2))
        sent = caller.sendmsg([message], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, rights)])
        while sent < len(message):
            sent += caller.send(message[sent:])
        if code := caller.recv(4):
            posix._exit(int(code))
posix.execv({real!r}, [{real!r}, *arguments])
"""
# Runs a file with warnings as errors.
STRICT = """\
import os.path, runpy, sys, warnings
warnings.simplefilter("error")
del sys.argv[0]
sys.path[0] = os.path.dirname(os.path.abspath(sys.argv[0]))
runpy.run_path(sys.argv[0], run_name="__main__")
"""


class _PageForks(Forks):
    """Runs the programs of pages, which differ in variables that matter only to shells and to requests."""

    # Python sets LC_CTYPE at its start if there is no language, so that the program has it in addition.
    READ_LATER = re.compile(
        "CEKURA_.*|COLUMNS|HOME|TMPDIR|PATH|PWD|OLDPWD|SHLVL|_|NO_PROXY|VENV|UV_OFFLINE|PYTEST_.*"
        "|AGENT_ID|COMMENTS|GH_.*|GITHUB_.*|NUMBER|OURS|RUNNER_TEMP|LC_CTYPE"
    )

    def serve(self, listening: socket.socket, strict: Path) -> None:
        """Run programs until the socket is shut down, and until all of them have ended."""
        threads: list[threading.Thread] = []
        with contextlib.suppress(OSError):
            while True:
                caller, _ = listening.accept()
                threads.append(_thread(self._run_for, caller, strict))
        for thread in threads:
            thread.join()

    def _run_for(self, caller: socket.socket, strict: Path) -> None:
        """Run what a program asks for in a fork, and send the exit code. Without one, the program runs it itself."""
        with caller:
            message, streams, *_ = socket.recv_fds(caller, 65_536, 3)
            while message and not message.endswith(b"\2"):
                message += caller.recv(65_536)
            command, folder, variables = (part.split("\0") for part in os.fsdecode(message[:-1]).split("\1"))
            env = dict(each.split("=", 1) for each in variables)
            if not self.can_run(env):
                for stream in streams:
                    os.close(stream)
                return
            with self._request(_script(command, strict), Path(folder[0]), env, streams) as connection:
                for stream in streams:
                    os.close(stream)
                with Fork(connection) as fork:
                    watching = _thread(_end_with, caller, fork)
                    code = fork.wait()
            with contextlib.suppress(OSError):
                caller.sendall(str(code if code >= 0 else 128 - code).encode())
                caller.shutdown(socket.SHUT_RDWR)
            watching.join()


def page_environment() -> dict[str, str]:
    """The variables of this process, without those of the tests."""
    ours = ("PYTHONPATH", "PYTHONUNBUFFERED", "VIRTUAL_ENV", "CI")
    return {name: value for name, value in os.environ.items() if name not in ours}


@functools.cache
def _forks(variables: frozenset[tuple[str, str]]) -> _PageForks:
    """The process that runs programs with these variables in forks. It has imported the command as well."""
    command = [f"cekura_facade.cli.{file.stem}" for file in Path(cli.__file__).parent.glob("*.py")]
    command.remove("cekura_facade.cli.__init__")
    return _PageForks((*LIBRARIES, *command, "cekura_facade.sandbox"), dict(variables))


@contextmanager
def page_programs(folder: Path, environment: dict[str, str]) -> Iterator[None]:
    """Write the programs into a folder. They work until the end of the context, for a shell with this environment."""
    at_import = {name: environment[name] for name in environment if not _PageForks.READ_LATER.fullmatch(name)}
    forks = _forks(frozenset(at_import.items()))
    strict = folder / "strict.py"
    strict.write_text(STRICT)
    # A path of a test may be too long for a socket.
    with TemporaryDirectory(prefix="page-") as short, socket.socket(socket.AF_UNIX) as listening:
        address = f"{short}/socket"
        for name in ("cekura-facade", "python"):
            real = str(Path(sys.executable).with_name(name))
            program = folder / name
            program.write_text(PROGRAM.format(python=sys.executable, name=name, address=address, real=real))
            program.chmod(0o755)
        listening.bind(address)
        listening.listen()
        thread = _thread(forks.serve, listening, strict)
        try:
            yield
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            thread.join()


def _thread(target: Callable[..., None], *arguments: object) -> threading.Thread:
    thread = threading.Thread(target=target, args=arguments, daemon=True)
    thread.start()
    return thread


def _script(command: list[str], strict: Path) -> list[str]:
    name, *arguments = command
    if name == "cekura-facade":
        return [str(Path(sys.executable).with_name(name)), *arguments]
    return [str(strict), *arguments[2:]] if arguments[:2] == ["-W", "error"] else arguments


def _end_with(caller: socket.socket, fork: Fork) -> None:
    """End the fork as soon as the program that waits for it has ended."""
    with contextlib.suppress(OSError):
        caller.recv(1)
    fork.send_signal(signal.SIGTERM)
