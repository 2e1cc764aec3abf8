"""The command in a fork behaves exactly like the command in a new Python process."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from cekura_facade.sandbox import Sandbox
from tests.terminal import COMMAND, VIRTUAL_TIME, Forks, environment, forks

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


def test_variables_that_libraries_read_at_import_are_not_left_to_a_fork(env: dict[str, str]) -> None:
    assert forks().can_run(env)
    assert not any(forks().can_run(env | {name: "1"}) for name in ("TERMINAL_WIDTH", "NO_COLOR", "HTTP_PROXY", "LANG"))
    assert not Forks().can_run({name: value for name, value in env.items() if name != "PYTHONPATH"})
