"""A page's programs do in forks what they do as new processes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from cekura_facade.sandbox import Sandbox
from tests.page_programs import page_environment, page_programs

PROGRAM = """\
import os, signal, sys, warnings
print(sys.argv, sys.path[0], __name__, os.getcwd(), sys.stdin.read(), os.environ.get("CEKURA_MORE"))
print("an error", file=sys.stderr)
"""
SHELLS = [
    "echo given | CEKURA_MORE='é=\n1' python a/program.py one 'two three'",
    'python -W error a/warns.py || echo "exit code $?"',
    "python a/warns.py",
    'python a/ends.py 3 || echo "exit code $?"',
    "python -c 'import sys; sys.exit(4)' || echo \"exit code $?\"",
    'NO_COLOR=1 python a/ends.py 5 || echo "exit code $?"',
    "cekura-facade agents list",
    'cekura-facade agents get 999 || echo "exit code $?"',
    "python a/waits.py & until [ -e begun ]; do sleep 0.01; done; { kill $!; wait $!; } 2>/dev/null || echo $?",
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with programs in `a`."""
    (tmp_path / "a").mkdir()
    (tmp_path / "programs").mkdir()
    (tmp_path / "a" / "program.py").write_text(PROGRAM)
    (tmp_path / "a" / "warns.py").write_text("import warnings\nwarnings.warn('be careful')\nprint('end')\n")
    (tmp_path / "a" / "ends.py").write_text("import sys\nprint('text')\nsys.exit(int(sys.argv[1]))\n")
    (tmp_path / "a" / "waits.py").write_text("import pathlib, time\npathlib.Path('begun').touch()\ntime.sleep(600)\n")
    return tmp_path


def run(shell: str, folder: Path, environment: dict[str, str], programs: Path) -> tuple[str, list[str]]:
    (folder / "begun").unlink(missing_ok=True)
    path = f"{programs}:{environment['PATH']}"
    done = subprocess.run(
        ["sh", "-ec", shell],
        cwd=folder,
        env=environment | {"PATH": path},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout, done.stderr.splitlines()[-1:]


@pytest.mark.parametrize("shell", SHELLS)
def test_a_program_in_a_fork_is_like_a_new_process(shell: str, folder: Path, sandbox: Sandbox) -> None:
    environment = page_environment() | {"CEKURA_API_KEY": sandbox.api_key, "CEKURA_API_URL": sandbox.url}
    with page_programs(folder / "programs", environment):
        found = run(shell, folder, environment, folder / "programs")
    assert found == run(shell, folder, environment, Path(sys.executable).parent)


@pytest.mark.parametrize(("before", "forked"), [("", True), ("NO_COLOR=1 ", False)])
def test_a_program_runs_in_a_fork_unless_a_library_may_read_its_variables(
    before: str, forked: bool, folder: Path
) -> None:
    (folder / "a" / "program.py").write_text("import sys\nprint('httpx' in sys.modules)\n")
    environment = page_environment()
    with page_programs(folder / "programs", environment):
        found = run(f"{before}python a/program.py", folder, environment, folder / "programs")
    assert found == (f"{forked}\n", [])
