"""The sdist and the wheel: their contents, and their installation without the repository."""

from __future__ import annotations

import hashlib
import json
import subprocess
import tarfile
import zipfile
from email.parser import Parser
from pathlib import Path

import audit
import pytest

from cekura_facade import __version__
from tests.installing import ROOT, build, distributions, environment_with, run_build_script

FOLDERS = ("cekura_facade", "generated_client")
PACKAGES = ("cekura_facade", "cekura_api")
INFO = f"cekura_facade-{__version__}.dist-info"


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist and the wheel of `./scripts/build`."""
    return distributions(tmp_path_factory)


@pytest.fixture
def wheel(built: Path) -> Path:
    return built / f"cekura_facade-{__version__}-py3-none-any.whl"


@pytest.fixture
def sdist(built: Path) -> Path:
    return built / f"cekura_facade-{__version__}.tar.gz"


@pytest.fixture(scope="module")
def tracked() -> set[str]:
    """The files of the packages that git tracks."""
    listed = subprocess.run(["git", "ls-files", *FOLDERS], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("this is not a git checkout")
    return set(listed.stdout.split())


def digests(folder: Path) -> dict[str, str]:
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in folder.iterdir()}


def test_the_same_sources_give_the_same_bytes(built: Path, sdist: Path, tmp_path: Path) -> None:
    """Building from the sdist in another folder, with other times and modes, gives the same files."""
    with tarfile.open(sdist) as packed:
        packed.extractall(tmp_path, filter="data")
    project = tmp_path / sdist.name.removesuffix(".tar.gz")
    for file in (each for each in project.rglob("*") if each.is_file()):
        file.chmod(0o600)
        file.touch()
    build(project, tmp_path / "again")
    assert digests(tmp_path / "again") == digests(built)
    assert len(digests(built)) == 2


def test_the_script_gives_the_same_bytes_twice(built: Path, tmp_path: Path) -> None:
    assert run_build_script(tmp_path).count("PASSED") == 2
    assert digests(tmp_path) == digests(built)


def test_the_wheel_contains_only_the_packages(wheel: Path, tracked: set[str]) -> None:
    about = {"METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE"}
    with zipfile.ZipFile(wheel) as packed:
        packages = {name.removeprefix("generated_client/") for name in tracked}
        assert set(packed.namelist()) == packages | {f"{INFO}/{name}" for name in about}
    assert {f"{package}/py.typed" for package in PACKAGES} <= packages


def test_the_sdist_contains_only_the_sources_of_the_wheel(sdist: Path, tracked: set[str]) -> None:
    # hatchling always packs .gitignore, for builds from the sdist.
    about = {"CHANGELOG.md", "LICENSE", "PKG-INFO", "README.md", "pyproject.toml", ".gitignore"}
    with tarfile.open(sdist) as packed:
        names = {name.partition("/")[2] for name in packed.getnames()}
    assert names == tracked | about


def test_the_version_is_that_of_version_py(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as packed:
        metadata = Parser().parsestr(packed.read(f"{INFO}/METADATA").decode())
    assert metadata["Version"] == __version__
    assert {"cli", "regenerate", "sandbox"} <= set(metadata.get_all("Provides-Extra", []))


CHECK = """
import importlib.metadata, pkgutil, cekura_facade, cekura_api
assert "site-packages" in cekura_facade.__file__ and "site-packages" in cekura_api.__file__
assert importlib.metadata.version("cekura-facade") == cekura_facade.__version__
for name in cekura_facade.__all__:
    getattr(cekura_facade, name)
for module in pkgutil.walk_packages(cekura_api.__path__, "cekura_api."):
    __import__(module.name)
print(cekura_facade.__version__)
"""


@pytest.mark.parametrize("kind", ["wheel", "sdist"])
def test_it_installs_and_imports_without_the_repository(
    kind: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> None:
    environment = environment_with(tmp_path_factory, f"from-{kind}", request.getfixturevalue(kind))
    assert environment.run("-c", CHECK).strip() == __version__
    listed = environment.run("-c", "import importlib.metadata as m; print(*(d.name for d in m.distributions()))")
    # Extras are not installed by default.
    assert not {"typer", "starlette", "uvicorn", "openapi-python-client"} & set(listed.split())


def test_the_extras_install_and_work_together(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    environment = environment_with(tmp_path_factory, "with-extras", f"{wheel}[cli,sandbox,regenerate]")
    assert __version__ in environment.run("-m", "cekura_facade", "--version")
    made = environment.run("-c", "from cekura_facade.sandbox import Sandbox\nwith Sandbox() as s: print(s.url)")
    assert made.startswith("http://127.0.0.1:")
    environment.run("-c", "import jsonpath, openapi_python_client, openapi_spec_validator, yaml")


PACKAGE = {"name": "httpx", "version": "0.28.1", "vulns": []}
FLAW = {"id": "PYSEC-1", "fix_versions": ["0.29"], "aliases": [], "description": "…"}


@pytest.mark.parametrize(
    ("report", "code", "said"),
    [
        ({"dependencies": [PACKAGE]}, 0, "no known vulnerability in 1 packages"),
        ({"dependencies": [PACKAGE | {"vulns": [FLAW]}]}, 1, "httpx 0.28.1: PYSEC-1, fixed in 0.29"),
        ({"dependencies": [{"name": "httpx", "skip_reason": "not found"}]}, 0, "SKIPPED"),
        ({"dependencies": [PACKAGE, {"name": "attrs", "skip_reason": "…"}]}, 0, "not audited: attrs"),
        (None, 0, "SKIPPED, pip-audit could not run: no way out"),
    ],
)
def test_the_audit_reports_vulnerabilities_and_unknown_packages(report: object, code: int, said: str) -> None:
    verdict = audit.verdict("" if report is None else json.dumps(report), "once\nno way out\n")
    assert verdict[0] == code
    assert said in verdict[1]
