"""Runs the installed command as a plain process and in a pseudo-terminal."""

from __future__ import annotations

import atexit
import functools
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pexpect
import pyte

COMMAND = str(Path(sys.executable).with_name("cekura-facade"))
NEXT_PICTURE = "\r\x1b[2K"  # the start of each picture of a live display
JSON = ("--json",)
SECONDS = 600  # seconds, which only a test that hangs reaches
VIRTUAL_TIME = str(Path(__file__).with_name("virtual_time"))


def environment(home: Path, url: str = "", key: str = "", **more: str) -> dict[str, str]:
    """The minimal environment of a shell, with this home, URL and key."""
    base = {"PATH": os.environ["PATH"], "HOME": str(home), "LANG": "C.UTF-8", "TERM": "xterm-256color"}
    given = {"CEKURA_API_URL": url, "CEKURA_API_KEY": key, "TMPDIR": str(home), **more}
    return base | {name: value for name, value in given.items() if value}


class Forks:
    """Runs the command in forks of a process that has imported the libraries: see virtual_time/forking.py."""

    # Variables that no library reads at import.
    READ_LATER = re.compile("CEKURA_.*|COLUMNS|HOME|TMPDIR")

    def __init__(self) -> None:
        self._env = environment(Path(os.devnull), PYTHONPATH=VIRTUAL_TIME)
        self._folder = TemporaryDirectory(prefix="forks-")
        pipe = subprocess.PIPE
        program = [sys.executable, str(Path(VIRTUAL_TIME, "forking.py"))]
        self._process = subprocess.Popen(
            program, env=self._env, stdin=pipe, stdout=pipe, stderr=pipe, text=True, bufsize=1, start_new_session=True
        )
        atexit.register(self.close)

    def can_run(self, env: dict[str, str]) -> bool:
        """Whether a process with these variables would import the libraries in the same way."""
        names = [name for name in self._env.keys() | env.keys() if not self.READ_LATER.fullmatch(name)]
        return all(self._env.get(name) == env.get(name) for name in names)

    def run(
        self, command: list[str], folder: Path, env: dict[str, str], given: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command until it ends."""
        assert self._process.stdin
        assert self._process.stdout
        source, out, err = (Path(self._folder.name, name) for name in ("in", "out", "err"))
        source.write_text(given or "", "utf-8")
        written = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        streams = [
            (os.devnull if given is None else str(source), os.O_RDONLY),
            (str(out), written),
            (str(err), written),
        ]
        run = {"command": command, "folder": str(folder), "env": env, "streams": streams}
        hangs = threading.Timer(SECONDS, os.killpg, (self._process.pid, signal.SIGKILL))
        hangs.start()
        self._process.stdin.write(json.dumps(run) + "\n")
        code = self._process.stdout.readline()
        hangs.cancel()
        assert code, "The process that forks has ended."
        return subprocess.CompletedProcess(command, int(code), out.read_text("utf-8"), err.read_text("utf-8"))

    def close(self) -> None:
        """End the process that forks."""
        self._process.communicate()
        self._folder.cleanup()


forks = functools.cache(Forks)


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
    def start(self, *command: str) -> Iterator[subprocess.Popen[str]]:
        """Start another command as a plain process in the background, which is killed at the end."""
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
        with warnings.catch_warnings():
            # This forks while the sandbox runs in a thread, but the child only calls exec.
            warnings.simplefilter("ignore", DeprecationWarning)
            child = pexpect.spawn(
                command[0],
                list(command[1:]),
                cwd=str(self.folder),
                env=self.env | env,
                dimensions=(80, columns),
                encoding="utf-8",
                timeout=SECONDS,
            )
        terminal = Terminal(child, columns)
        try:
            yield terminal
        finally:
            # The close() of pexpect gives up on a command that takes more than an instant to end.
            if child.isalive():
                child.kill(signal.SIGKILL)
                child.wait()
            child.close()


class Terminal:
    """A command in a pseudo-terminal, and its screen."""

    def __init__(self, child: Any, columns: int) -> None:
        self._child = child
        self._columns = columns
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
        self._child.sendcontrol(control)

    def close(self) -> None:
        """Close the terminal, like closing its window. The system signals this to the command."""
        # The close() of pexpect also sends signals, and fails if the command ends slowly.
        self._child.ptyproc.fileobj.close()

    def end(self) -> int:
        """Wait for the end. Returns the exit code."""
        self._child.expect(pexpect.EOF)
        self._child.close()
        assert self._child.signalstatus is None
        return int(self._child.exitstatus)

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
