"""The command in a fork behaves exactly like the command in a new Python process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from cekura_facade.sandbox import Sandbox
from tests.forks import VIRTUAL_TIME, PipedFork
from tests.terminal import COMMAND, Shell, environment, forkable, forks

# A script that prints the state of its process. A fork must not have state of the command or of other runs.
PROGRAM = """
import os, pathlib, signal, sys, tempfile
print([name for name in sys.modules if name.startswith("cekura_facade.cli")])
print(sys.argv, sys.path, sys.flags, os.getcwd(), sorted(os.environ.items()), tempfile.gettempdir(), __name__)
print([(stream.encoding, stream.isatty(), stream.line_buffering) for stream in (sys.stdin, sys.stdout, sys.stderr)])
print([signal.getsignal(number) for number in signal.valid_signals()], sorted(os.listdir("/proc/self/fd")))
print(sys.stdin.read(), "é", file=sys.stderr)
if sys.argv[1:] == ["end"]: os.kill(os.getpid(), signal.SIGTERM)
import cekura_facade.cli.app
sys.exit(7)
"""


@pytest.fixture
def env(home: Path, sandbox: Sandbox) -> dict[str, str]:
    return environment(home, sandbox.url, sandbox.api_key, PYTHONPATH=VIRTUAL_TIME, COLUMNS="60")


def process(command: list[str], folder: Path, env: dict[str, str], given: Path) -> subprocess.CompletedProcess[str]:
    with given.open() as source:
        return subprocess.run(
            command, cwd=folder, env=env, stdin=source, capture_output=True, text=True, check=False, timeout=600
        )


@pytest.mark.parametrize("end", ["", "end"])
def test_a_fork_is_like_a_new_process(env: dict[str, str], tmp_path: Path, end: str) -> None:
    (tmp_path / "given").write_text("some text")
    script = tmp_path / "script"
    script.write_text(f"#!{Path(COMMAND).with_name('python')}\n{PROGRAM}")
    script.chmod(0o755)
    command = [str(script), *end.split()]
    del env["HOME"]
    wanted = process(command, tmp_path, env, tmp_path / "given")
    for _ in range(2):
        found = forks().run(command, tmp_path, env, "some text")
        assert (found.stdout, found.stderr, found.returncode) == (wanted.stdout, wanted.stderr, wanted.returncode)
    assert wanted.returncode == (-15 if end else 7)


@pytest.mark.parametrize(
    "arguments", ["metrics list --agent-id 101 --verbose", "create - --json", "--help", "nonsense"]
)
def test_the_command_does_the_same_in_a_fork(env: dict[str, str], tmp_path: Path, arguments: str) -> None:
    (tmp_path / "given").write_text("")
    command = [COMMAND, *arguments.split()]
    wanted = process(command, tmp_path, env, tmp_path / "given")
    found = forks().run(command, tmp_path, env, "")
    assert (found.stdout, found.stderr, found.returncode) == (wanted.stdout, wanted.stderr, wanted.returncode)


ENDS = [
    "sys.exit('a message')",
    "sys.exit(519)",
    "atexit.register(print, 'at exit')",
    "threading.Timer(0.01, print, ['in a thread']).start()",
    "kept = ThreadPoolExecutor(); kept.submit(print, 'in a pool')",
    "sys.stdout.close(); sys.exit(3)",
    "raise KeyError('missing')",
    "raise KeyboardInterrupt",
    "cycle = Printing(); cycle.cycle = cycle; del cycle",
]
PRINTING = """
import atexit, sys, threading
from concurrent.futures import ThreadPoolExecutor
class Printing:
    def __del__(self): print('deleted')
"""


@pytest.mark.parametrize("device", ["", "/dev/full"])
@pytest.mark.parametrize("end", ENDS)
def test_a_fork_ends_as_a_new_process_does(env: dict[str, str], tmp_path: Path, end: str, device: str) -> None:
    script = tmp_path / "script.py"
    script.write_text(f"{PRINTING}print('begun')\n{end}\n")
    found = forks().run([str(script)], tmp_path, env, device=device)
    with Path(device or os.devnull).open("w") as full:
        wanted = subprocess.run(
            [sys.executable, str(script)],
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=full if device else subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert (found.stdout, found.returncode) == (wanted.stdout or "", wanted.returncode)
    # The traceback of a fork starts with the frames that run the script.
    assert found.stderr.splitlines()[-1:] == wanted.stderr.splitlines()[-1:]


def test_variables_that_libraries_read_at_import_are_not_left_to_a_fork(env: dict[str, str]) -> None:
    assert forks().can_run(env)
    assert not any(forks().can_run(env | {name: "1"}) for name in ("TERMINAL_WIDTH", "NO_COLOR", "HTTP_PROXY", "LANG"))
    in_real_time = {name: value for name, value in env.items() if name != "PYTHONPATH"}
    assert not forks().can_run(in_real_time)
    assert forks(virtual_time=False).can_run(in_real_time)


IN_A_TERMINAL = """
import os, sys
streams = (sys.stdin, sys.stdout, sys.stderr)
print([(each.encoding, each.errors, each.isatty(), each.line_buffering) for each in streams])
print(os.get_terminal_size(), os.getsid(0) == os.getpid(), os.tcgetpgrp(0) == os.getpgrp())
print(input("Name: "), sys.argv[1:])
try:
    input("[?]")
except KeyboardInterrupt:
    sys.exit(7)
"""


def test_a_terminal_of_a_fork_is_like_that_of_a_new_process(home: Path, tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(IN_A_TERMINAL)
    shell = Shell(tmp_path, environment(home))
    program = (sys.executable, str(tmp_path / "script.py"), "an argument")
    shown = []
    for more in ({}, {"NO_COLOR": "1"}):  # A library may read this one, so there is no fork.
        assert (forkable(program, shell.env | more) is None) == bool(more)
        with shell.program(*program, columns=70, **more) as terminal:
            terminal.expect("Name: ")
            terminal.answer_now("é")
            terminal.expect(r"\[\?\]")
            terminal.press("c")
            assert terminal.end() == 7
            shown.append(terminal.screen)
    assert shown[0] == shown[1]
    assert "columns=70, lines=80) True True" in shown[0]


def test_a_fork_is_used_as_a_process_is(home: Path, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text("import sys\nprint('begun', flush=True)\nprint(sys.stdin.read(), file=sys.stderr)\nsys.exit(3)\n")
    shell = Shell(tmp_path, environment(home))
    for more in ({}, {"NO_COLOR": "1"}):
        other = Shell(tmp_path, shell.env | more)
        with other.start(sys.executable, str(script)) as process:
            assert isinstance(process, PipedFork) is not bool(more)
            assert process.stdout is not None
            assert process.stdout.readline() == "begun\n"
            assert process.communicate() == ("", "\n")
            assert process.returncode == 3
        with other.start(sys.executable, str(script)) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "begun\n"
            process.send_signal(signal.SIGTERM)
            assert process.wait() == -signal.SIGTERM
        with other.start(sys.executable, str(script)) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "begun\n"
        assert process.wait() == -signal.SIGKILL
