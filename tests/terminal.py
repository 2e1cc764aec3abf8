"""Runs the installed command as a plain process and in a pseudo-terminal."""

from __future__ import annotations

import functools
import json
import os
import pty
import re
import signal
import subprocess
import sys
import termios
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pexpect
import pyte
from pexpect.fdpexpect import fdspawn

from tests.forks import LIBRARIES, SECONDS, VIRTUAL_TIME, Forks, PipedFork

COMMAND = str(Path(sys.executable).with_name("cekura-facade"))
NEXT_PICTURE = "\r\x1b[2K"  # the start of each picture of a live display
JSON = ("--json",)


def environment(home: Path, url: str = "", key: str = "", **more: str) -> dict[str, str]:
    """The minimal environment of a shell, with this home, URL and key."""
    base = {"PATH": os.environ["PATH"], "HOME": str(home), "LANG": "C.UTF-8", "TERM": "xterm-256color"}
    given = {"CEKURA_API_URL": url, "CEKURA_API_KEY": key, "TMPDIR": str(home), **more}
    return base | {name: value for name, value in given.items() if value}


@functools.cache
def forks(*, virtual_time: bool = True) -> Forks:
    """The process that runs the command in forks. In virtual time, the client's pauses take no time."""
    more = {"PYTHONPATH": VIRTUAL_TIME} if virtual_time else {}
    return Forks(LIBRARIES, environment(Path(os.devnull), **more))


def forkable(command: tuple[str, ...], env: dict[str, str]) -> tuple[list[str], Forks] | None:
    """The script of a program, and the process that can run it in a fork. None if the program needs its own process."""
    script = command[1:] if command[0] == sys.executable else command
    if script[0] == COMMAND or script[0].endswith(".py"):
        fork = forks(virtual_time="PYTHONPATH" in env)
        return (list(script), fork) if fork.can_run(env) else None
    return None


class Shell:
    """Runs the command in a separate folder and environment."""

    def __init__(self, folder: Path, env: dict[str, str]) -> None:
        self.folder = folder
        self.env = env

    def run(self, *arguments: str, input: str | None = None, **env: str) -> subprocess.CompletedProcess[str]:
        """Run it as a plain process, without any terminal. The client's pauses take no time."""
        env = self.env | {"PYTHONPATH": VIRTUAL_TIME} | env
        if forks().can_run(env):
            return forks().run([COMMAND, *arguments], self.folder, env, input)
        given: dict[str, Any] = {"stdin": subprocess.DEVNULL} if input is None else {"input": input}
        return subprocess.run(
            [COMMAND, *arguments],
            cwd=self.folder,
            env=env,
            capture_output=True,
            text=True,
            check=False,
            timeout=SECONDS,
            **given,
        )

    def run_in_turn(self, runs: list[list[str]], **env: str) -> subprocess.CompletedProcess[str]:
        """Run the command several times in one process, which prints the exit code of each on standard error."""
        program = (
            "import json, sys\n"
            "from cekura_facade.cli import main\n"
            "for arguments in json.loads(sys.argv[1]):\n"
            "    sys.argv[1:] = arguments\n"
            "    try:\n"
            "        main()\n"
            "    except SystemExit as end:\n"
            "        print(f'\\nexit code {end.code}', file=sys.stderr)\n"
        )
        return subprocess.run(
            [sys.executable, "-c", program, json.dumps(runs)],
            cwd=self.folder,
            env=self.env | {"PYTHONPATH": VIRTUAL_TIME} | env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=SECONDS,
        )

    @contextmanager
    def start(self, *command: str) -> Iterator[subprocess.Popen[str] | PipedFork]:
        """Start another command without a terminal in the background. It is killed at the end."""
        if found := forkable(command, self.env):
            script, fork = found
            with fork.start(script, self.folder, self.env) as run:
                yield run
            return
        pipe = subprocess.PIPE
        with subprocess.Popen(
            command, cwd=self.folder, env=self.env, stdin=pipe, stdout=pipe, stderr=pipe, text=True
        ) as process:
            try:
                yield process
            finally:
                process.kill()

    @contextmanager
    def terminal(self, *arguments: str, columns: int = 100, **env: str) -> Iterator[Terminal]:
        """Run it in a pseudo-terminal."""
        with self.program(COMMAND, *arguments, columns=columns, **env) as terminal:
            yield terminal

    @contextmanager
    def program(self, *command: str, columns: int = 100, **env: str) -> Iterator[Terminal]:
        """Run another program in a pseudo-terminal, such as a shell that runs the command."""
        if found := forkable(command, self.env | env):
            script, fork = found
            ours, theirs = pty.openpty()
            termios.tcsetwinsize(theirs, (80, columns))
            with fork.start_in_terminal(script, self.folder, self.env | env, theirs) as run:
                child = fdspawn(ours, encoding="utf-8", timeout=SECONDS)
                try:
                    yield Terminal(child, columns, run.wait)
                finally:
                    child.close()
            return
        with warnings.catch_warnings():
            # This forks while the sandbox runs in a thread, but the child only calls exec.
            warnings.simplefilter("ignore", DeprecationWarning)
            spawned = pexpect.spawn(
                command[0],
                list(command[1:]),
                cwd=str(self.folder),
                env=self.env | env,
                dimensions=(80, columns),
                encoding="utf-8",
                timeout=SECONDS,
            )

        def wait() -> int:
            spawned.close()
            return int(spawned.exitstatus or 0) if spawned.signalstatus is None else -spawned.signalstatus

        try:
            yield Terminal(spawned, columns, wait)
        finally:
            # The close() of pexpect gives up on a command that takes more than an instant to end.
            if spawned.isalive():
                spawned.kill(signal.SIGKILL)
                spawned.wait()
            spawned.close()


class Terminal:
    """A command in a pseudo-terminal, and its screen."""

    def __init__(self, child: Any, columns: int, wait: Callable[[], int]) -> None:
        self._child = child
        self._columns = columns
        self._wait = wait
        self.raw = ""
        child.logfile_read = self

    def write(self, text: str) -> None:
        self.raw += text

    def flush(self) -> None:
        pass

    def expect(self, pattern: str) -> None:
        """Wait until the command prints this."""
        self._child.expect(pattern)

    def answer(self, line: str) -> None:
        """Wait for the question, and answer it."""
        self._child.expect(re.escape("[e]dit "))
        self._child.sendline(line)

    def answer_now(self, line: str) -> None:
        """Answer the question that was waited for."""
        self._child.sendline(line)

    def press(self, control: str) -> None:
        """Press a key together with Ctrl."""
        self._child.send(chr(ord(control) & 0x1F))

    def close(self) -> None:
        """Close the terminal, like closing its window. The system signals this to the command."""
        if isinstance(self._child, fdspawn):
            self._child.close()
            return
        # The close() of pexpect also sends signals, and fails if the command ends slowly.
        self._child.ptyproc.fileobj.close()

    def end(self) -> int:
        """Wait for the end. Returns the exit code."""
        self._child.expect(pexpect.EOF)
        code = self._wait()
        assert code >= 0
        return code

    @property
    def drawn(self) -> str:
        """The output up to the last complete picture of a live display."""
        return self.raw.rpartition(NEXT_PICTURE)[0]

    @property
    def screen(self) -> str:
        """The text on the screen."""
        return self.shows(self.raw)

    def shows(self, text: str) -> str:
        """The text on the screen after this was printed."""
        screen = pyte.Screen(self._columns, 400)
        pyte.Stream(screen).feed(text)
        return "\n".join(line.rstrip() for line in screen.display).rstrip()

    @property
    def flat(self) -> str:
        """The text on the screen, on one line."""
        return " ".join(self.screen.split())


def until(happened: Callable[[], object]) -> None:
    """Wait until another thread or process has done something."""
    deadline = time.monotonic() + SECONDS
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def editor(folder: Path, body: str) -> str:
    """A script for EDITOR. `path` is the file, `text` its content, and `times` the number of earlier runs."""
    script = folder / "editor.py"
    count = folder / "edited"
    script.write_text(
        "import pathlib, signal, sys, time\n"
        "path = pathlib.Path(sys.argv[1])\n"
        "text = path.read_text('utf-8')\n"
        f"count = pathlib.Path({str(count)!r})\n"
        "times = len(count.read_text()) if count.exists() else 0\n"
        "count.write_text('.' * (times + 1))\n" + body
    )
    return f"{sys.executable} {script}"
