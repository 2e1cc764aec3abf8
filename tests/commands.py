"""Lists all commands of the command line, and runs many of them in one process."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import attrs
from typer.core import TyperGroup
from typer.main import get_command

from cekura_facade.cli.app import app
from tests.forks import SECONDS, VIRTUAL_TIME
from tests.terminal import Shell, forks

STYLE = re.compile(r"\x1b\[[0-9;]*m")
_START, _END = "\x02", "\x03"
RUNS = str(Path(VIRTUAL_TIME, "runs.py"))


@attrs.frozen
class Run:
    """The output and the exit code of a run of the command."""

    arguments: tuple[str, ...]
    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        return json.loads(self.out)


def every_command() -> dict[str, Any]:
    """Each command and group, by its words. The command itself is ""."""
    found: dict[str, Any] = {}

    def add(words: list[str], command: Any) -> None:
        found[" ".join(words)] = command
        if isinstance(command, TyperGroup):
            context: Any = command.make_context("", ["x"], resilient_parsing=True)
            for name in command.list_commands(context):
                add([*words, name], command.get_command(context, name))

    add([], get_command(app))
    return {words: command for words, command in found.items() if not command.hidden}


def leaves() -> dict[str, Any]:
    """Each command that is not a group."""
    return {words: command for words, command in every_command().items() if not isinstance(command, TyperGroup)}


def options_of(command: Any) -> set[str]:
    """The options of a command."""
    return {option for parameter in command.params for option in parameter.opts if option.startswith("-")}


def run_each(shell: Shell, runs: list[list[str]], **env: str) -> list[Run]:
    """Run the command with each of these arguments, as a plain process."""
    folder = shell.folder / f"runs-{sum(1 for _ in shell.folder.glob('runs-*'))}"
    folder.mkdir()
    env = shell.env | {"PYTHONPATH": VIRTUAL_TIME} | env
    program = [RUNS, str(folder), json.dumps(runs)]
    if forks().can_run(env):
        done = forks().run(program, shell.folder, env)
    else:
        done = subprocess.run(
            [sys.executable, *program],
            cwd=shell.folder,
            env=env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=SECONDS,
        )
    assert done.returncode == 0, done.stderr
    return [_run(folder, number, arguments) for number, arguments in enumerate(runs)]


def _run(folder: Path, number: int, arguments: list[str]) -> Run:
    code, out, err = ((folder / f"{number}.{end}").read_text("utf-8") for end in ("code", "out", "err"))
    return Run(tuple(arguments), int(code), out, err)


def run_each_in_terminal(shell: Shell, runs: list[list[str]], columns: int, **env: str) -> list[str]:
    """The output of the command with each of these arguments, in a terminal of this width, without styles."""
    program = [sys.executable, RUNS, "", json.dumps(runs)]
    with shell.program(*program, columns=columns, PYTHONPATH=VIRTUAL_TIME, **env) as terminal:
        assert terminal.end() == 0
        parts = re.findall(f"{_START}([^{_END}]*){_END}", terminal.raw)
    assert len(parts) == len(runs)
    return [part.replace("\r\n", "\n") for part in parts]


def plain(text: str) -> str:
    """A text without styles."""
    return STYLE.sub("", text)
