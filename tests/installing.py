"""Builds packages, and creates environments without the checkout, for the tests of packages."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
from pathlib import Path

import attrs
import pytest

from tests.once import once

ROOT = Path(__file__).resolve().parent.parent
UV = [sys.executable, "-m", "uv"]


def build(project: Path, to: Path) -> list[Path]:
    """Build the sdist and the wheel of a project, with this environment's hatchling. Returns them, the sdist last."""
    run("-m", "hatchling", "build", "--directory", to, cwd=project)
    return [next(to.glob("*.whl")), next(to.glob("*.tar.gz"))]


def run(*arguments: object, cwd: Path, python: Path | str = sys.executable) -> subprocess.CompletedProcess[str]:
    """Run Python in a folder, without access to the checkout. It must not fail."""
    return succeed([str(python), *map(str, arguments)], cwd)


def succeed(command: list[str], cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command. It must not fail. The timeout only ends a command that hangs."""
    variables = clean_variables() | environment
    result = subprocess.run(command, cwd=cwd, env=variables, capture_output=True, text=True, check=False, timeout=1800)
    assert result.returncode == 0, f"{' '.join(command)}\n{result.stdout}\n{result.stderr}"
    return result


def clean_variables() -> dict[str, str]:
    """Return the variables of this process, without those that lead to the packages of the checkout."""
    return {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}


@attrs.frozen
class Environment:
    """A virtual environment with only the packages that were installed into it."""

    folder: Path

    @property
    def programs(self) -> Path:
        return self.folder / ("Scripts" if sys.platform == "win32" else "bin")

    @property
    def python(self) -> Path:
        return self.programs / "python"

    def install(self, *what: object) -> None:
        """Install files, and their dependencies from the registry that this machine uses."""
        succeed([*UV, "pip", "install", "--quiet", "--python", str(self.python), *map(str, what)], self.folder.parent)

    def run(self, *arguments: object) -> str:
        """Run its Python in an empty folder, isolated from the user's packages. Returns the output."""
        return run("-I", *arguments, cwd=self.folder.parent, python=self.python).stdout


def distributions(factory: pytest.TempPathFactory) -> Path:
    """Return a folder with our sdist and wheel from `./scripts/build`. They are built once per run."""
    return once(factory, "dist", run_build_script)


def run_build_script(folder: Path) -> str:
    """Run `./scripts/build` in this environment, whose packages must not change during the tests."""
    return succeed([str(ROOT / "scripts" / "build"), "--no-audit", str(folder)], folder, VENV=sys.prefix).stdout


def our_wheel(factory: pytest.TempPathFactory) -> Path:
    return next(distributions(factory).glob("*.whl"))


def environment_with(factory: pytest.TempPathFactory, name: str, *what: object) -> Environment:
    """Return an environment with these packages. It is created once per run."""

    def make(folder: Path) -> None:
        fresh_environment(folder / "environment").install(*what)

    require_registry()
    return Environment(once(factory, name, make) / "environment")


def fresh_environment(folder: Path) -> Environment:
    """Make an empty environment."""
    require_registry()
    succeed([*UV, "venv", "--quiet", "--python", sys.executable, str(folder)], folder.parent)
    return Environment(folder)


def require_registry() -> None:
    """Skip the test if no package registry responds. In CI, this never skips."""
    code, said = _registry()
    if code and not os.environ.get("CI"):
        pytest.skip(f"no package registry: {(said.strip().splitlines() or ['no word'])[-1]}")
    assert code == 0, said


@functools.cache
def _registry() -> tuple[int, str]:
    asked = subprocess.run(
        [*UV, "pip", "compile", "--quiet", "-"], input="attrs", capture_output=True, text=True, check=False
    )
    return asked.returncode, asked.stderr
