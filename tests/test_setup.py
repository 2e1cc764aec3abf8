"""`./scripts/setup` installs each package once, and shows its progress."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
LISTS = ("constraints.txt", "constraints-demo.txt")
# A fake Python, which lists its calls, and prints the output of pip.
PYTHON = """\
#!/bin/sh
case "$1 ${2:-}" in
    "-V ") echo "Python 3.13.0"; exit ;;
    "-c "*) exit ;;
    "-m venv")
        mkdir -p .venv/bin .venv/lib/python3.13/site-packages
        cp "$0" .venv/bin/python ;;
esac
echo "$*" >>calls
[ ! -e "fails" ] || { echo "ERROR: hashes do not match" >&2; exit 1; }
case "$*" in *" -r "*)
    echo "Collecting httpx==0.28.1 (from -r constraints.txt (line 1))"
    n=0
    while [ -e waits ] && [ $n -lt 2000 ]; do n=$((n + 1)); sleep; done ;;
esac
"""
# The test does not need the real pause.
SLEEP = f"#!/bin/sh\nexec {shutil.which('sleep')} 0.01\n"
INSTALL = "-m pip install --disable-pip-version-check --no-deps --require-hashes -r"
VENV = "-m venv .venv"
DEMO, ALL = (f"{INSTALL} {name}" for name in reversed(LISTS))
PACKAGE = "-m pip install -qq --disable-pip-version-check --no-deps --no-build-isolation -e ."


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    (tmp_path / "scripts").mkdir()
    shutil.copy(ROOT / "scripts" / "setup", tmp_path / "scripts")
    for name in (*LISTS, "pyproject.toml"):
        (tmp_path / name).write_text("httpx==0.28.1\n")
    (tmp_path / "programs").mkdir()
    for name, text in {"python": PYTHON, "programs/sleep": SLEEP}.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    return tmp_path


def start(checkout: Path, *arguments: str) -> subprocess.Popen[str]:
    path = f"{checkout / 'programs'}:{os.environ['PATH']}"
    return subprocess.Popen(
        [str(checkout / "scripts" / "setup"), *arguments],
        env=os.environ | {"PYTHON": str(checkout / "python"), "PATH": path},
        stderr=subprocess.PIPE,
        text=True,
    )


def setup(checkout: Path, *arguments: str) -> tuple[int, str]:
    """Run it. Returns its exit code and its standard error."""
    with start(checkout, *arguments) as running:
        _, shown = running.communicate()
    return running.returncode, shown


def calls(checkout: Path) -> list[str]:
    """The calls of Python since the last time."""
    file = checkout / "calls"
    listed = file.read_text().splitlines() if file.exists() else []
    file.unlink(missing_ok=True)
    return listed


def test_the_demo_comes_first_and_the_tests_add_to_it(checkout: Path) -> None:
    assert setup(checkout, "demo")[0] == 0
    assert calls(checkout) == [VENV, DEMO, PACKAGE]
    assert setup(checkout, "demo")[0] == 0
    assert calls(checkout) == []
    assert setup(checkout)[0] == 0
    assert calls(checkout) == [ALL]
    for arguments in ([], ["demo"]):
        assert setup(checkout, *arguments)[0] == 0
        assert calls(checkout) == []


def test_the_tests_come_first_and_the_demo_adds_nothing(checkout: Path) -> None:
    assert setup(checkout)[0] == 0
    assert calls(checkout) == [VENV, ALL, PACKAGE]
    assert setup(checkout, "demo")[0] == 0
    assert calls(checkout) == []


@pytest.mark.parametrize("name", [*LISTS, "pyproject.toml"])
def test_a_change_of_a_listed_file_creates_the_environment_again(checkout: Path, name: str) -> None:
    setup(checkout)
    calls(checkout)
    (checkout / name).write_text("httpx==0.28.2\n")
    assert setup(checkout, "demo")[0] == 0
    assert calls(checkout) == [VENV, DEMO, PACKAGE]


@pytest.mark.parametrize("first", [[], ["demo"]])
def test_a_failed_installation_shows_why_and_starts_again(checkout: Path, first: list[str]) -> None:
    setup(checkout, *first)
    if first:
        (checkout / "fails").touch()
        code, shown = setup(checkout)
        assert code == 1
        assert "ERROR: hashes do not match" in shown
        (checkout / "fails").unlink()
    else:
        (checkout / ".venv" / "bin" / "python").unlink()
    calls(checkout)
    assert setup(checkout)[0] == 0
    assert calls(checkout) == [VENV, ALL, PACKAGE]


def test_it_shows_what_is_being_fetched(checkout: Path) -> None:
    (checkout / "waits").touch()
    with start(checkout, "demo") as running:
        assert running.stderr is not None
        shown = [running.stderr.readline() for _ in range(3)]
        (checkout / "waits").unlink()
        running.stderr.read()
    assert shown == [
        "Creating .venv with Python 3.13.0…\n",
        "Installing 1 packages from constraints-demo.txt into .venv…\n",
        "    fetching 1: httpx\n",
    ]
    assert running.returncode == 0


def test_an_unknown_argument_is_refused(checkout: Path) -> None:
    assert setup(checkout, "tests")[0] == 2
    assert calls(checkout) == []


def listed(name: str) -> dict[str, set[str]]:
    """The packages of a list with their versions, and the hashes of each."""
    lines = (ROOT / name).read_text("utf-8").replace("\\\n", "").splitlines()
    return {line.split()[0]: set(re.findall(r"--hash=sha256:[0-9a-f]{64}(?= |$)", line)) for line in lines}


def test_the_demo_installs_a_part_of_the_test_packages_with_hashes() -> None:
    demo, everything = (listed(name) for name in reversed(LISTS))
    assert 20 < len(demo) < 40
    assert demo.items() <= everything.items()
    assert all(everything.values())
    assert {name.partition("==")[0] for name in demo} >= {"httpx", "attrs", "backoff", "typer", "uvicorn", "hatchling"}
