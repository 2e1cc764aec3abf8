"""The example of an SDK that is built on ours. It is built, installed next to ours, and checked by type checkers."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from cekura_facade import __version__
from cekura_facade.sandbox import Sandbox
from tests.installing import (
    ROOT,
    UV,
    Environment,
    build,
    environment_with,
    fresh_environment,
    our_wheel,
    require_registry,
    run,
    succeed,
)
from tests.once import once

SDK = ROOT / "tests" / "downstream" / "acme_voice_sdk"
GENERATED = "acme_cekura"
CHECKED = ("acme_voice", "use_it.py")
WRONG = """\
from cekura_facade import AsyncCekura, Cekura
from acme_voice import AcmeVoice


def sync(acme: AcmeVoice, cekura: Cekura) -> None:
    acme.ensure_metrics("support", at_least="six")
    acme.ensure_metrics("support", at_least=6)[0].nmae
    cekura.metrics.generate_and_create(agent_id="123")
    cekura.metrics.job("…").wait()[0].nmae


async def awaited(cekura: AsyncCekura) -> None:
    for metric in cekura.metrics.list():
        print(metric)
"""
WRONG_LINES = {6, 7, 8, 9, 13}


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """An environment with wheels of our package and of the SDK, which has a newly generated client."""
    ours = our_wheel(tmp_path_factory)

    def make(folder: Path) -> None:
        made = fresh_environment(folder / "environment")
        project = folder / "project"
        shutil.copytree(SDK, project, ignore=shutil.ignore_patterns("__pycache__", ".*"))
        options = ("--output", project, "--package", GENERATED, "--select", project / "operations.yaml")
        run(ROOT / "scripts" / "regenerate.py", *options, cwd=folder)
        made.install(f"{ours}[cli,sandbox]", build(project, folder / "theirs")[0])

    require_registry()
    return Environment(once(tmp_path_factory, "downstream", make) / "environment")


@pytest.fixture(scope="session")
def mypy_cache(environment: Environment, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cache of mypy for the installed packages, which two tests share."""

    def make(folder: Path) -> None:
        (folder / "imports.py").write_text("import acme_voice, cekura_facade, cekura_facade.sandbox\n")
        assert mypy(environment, folder, "imports.py").returncode == 0

    return once(tmp_path_factory, "mypy", make) / ".mypy"


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    """The sources of the SDK in a separate folder, so that its imports are those of the environment."""
    for name in CHECKED:
        copy = shutil.copytree if (SDK / name).is_dir() else shutil.copy
        copy(SDK / name, tmp_path / name)
    (tmp_path / "pyrightconfig.json").write_text('{"typeCheckingMode": "strict"}')
    return tmp_path


def mypy(environment: Environment, folder: Path, *what: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(folder / ".mypy"), "--no-error-summary"]
    options = ["--python-executable", str(environment.python), "--config-file", ""]
    return subprocess.run([*command, *options, *what], cwd=folder, capture_output=True, text=True, check=False)


def pyright(environment: Environment, folder: Path, *what: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pyright", "--pythonpath", str(environment.python), "--outputjson", *what]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_it_works_against_the_sandbox(environment: Environment, tmp_path: Path) -> None:
    script = shutil.copy(SDK / "use_it.py", tmp_path)
    assert environment.run("-W", "error", script).splitlines() == [
        "saved 5 of 5",
        "listed True",
        "again []",
        "agent True acme_cekura",
        "NotFoundError False",
        "UnknownLineError Unknown line 'nowhere': expected one of ['gone', 'support'].",
        "key shown False",
        f"sent by {{'acme-voice-sdk/1.0.0 cekura-facade/{__version__}'}}",
        "ours True",
    ]


def test_requests_of_its_endpoints_are_retried_by_our_transport(environment: Environment) -> None:
    """Two answers of 503, then one that is good: the generated client of the SDK knows nothing about retries."""
    code = """
import http.server, threading
from acme_voice import AcmeVoice

seen = []

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        seen.append(self.headers["X-CEKURA-API-KEY"])
        body = b'{"id": 7}'
        self.send_response(503 if len(seen) < 3 else 200)
        self.send_header("Retry-After", "0")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass

with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    with AcmeVoice({"support": 7}, "key", base_url=f"http://127.0.0.1:{server.server_port}") as acme:
        print(acme.agent("support").id, seen)
    server.shutdown()
"""
    assert environment.run("-c", code).strip() == "7 ['key', 'key', 'key']"


def test_mypy_finds_nothing_in_strict_mode(environment: Environment, sources: Path, mypy_cache: Path) -> None:
    shutil.copytree(mypy_cache, sources / ".mypy")
    result = mypy(environment, sources, *CHECKED)
    assert (result.returncode, result.stdout) == (0, ""), result.stderr


def test_pyright_finds_nothing_in_strict_mode(environment: Environment, sources: Path) -> None:
    result = pyright(environment, sources, *CHECKED)
    found = json.loads(result.stdout)
    assert (result.returncode, found["generalDiagnostics"]) == (0, [])
    assert found["summary"]["filesAnalyzed"] == 3


def test_both_type_checkers_find_errors(environment: Environment, sources: Path, mypy_cache: Path) -> None:
    """This shows that they read the types of the installed packages for both clients, and not Any."""
    shutil.copytree(mypy_cache, sources / ".mypy")
    (sources / "wrong.py").write_text(WRONG)
    reported = mypy(environment, sources, "wrong.py").stdout.splitlines()
    assert {int(line.split(":")[1]) for line in reported if ": error:" in line} == WRONG_LINES
    diagnostics = json.loads(pyright(environment, sources, "wrong.py").stdout)["generalDiagnostics"]
    assert {each["range"]["start"]["line"] + 1 for each in diagnostics if each["severity"] == "error"} >= WRONG_LINES


@pytest.mark.parametrize("package", ["cekura_facade", "cekura_api"])
def test_the_whole_public_interface_has_known_types(environment: Environment, package: str, tmp_path: Path) -> None:
    # --verifytypes always uses the first Python in PATH.
    path = f"{environment.programs}:{Path(sys.executable).parent}"
    command = [sys.executable, "-m", "pyright", "--verifytypes", package, "--ignoreexternal", "--outputjson"]
    result = subprocess.run(
        command, cwd=tmp_path, env={"PATH": path, "HOME": str(tmp_path)}, capture_output=True, text=True, check=False
    )
    completeness = json.loads(result.stdout)["typeCompleteness"]
    assert Path(completeness["packageRootDirectory"]).is_relative_to(environment.folder)
    unknown = [each["name"] for each in completeness["symbols"] if each["isExported"] and not each["isTypeKnown"]]
    assert unknown == []
    assert completeness["completenessScore"] == 1
    assert completeness["exportedSymbolCounts"]["withKnownType"] > 30


PAGE = (ROOT / "docs" / "guides" / "your-own-sdk.md").read_text(encoding="utf-8")


def test_the_page_shows_the_code_of_the_sdk() -> None:
    excerpts = re.findall(r'^```\w+ title="(.+?)"\n(.*?)^```$', PAGE, re.DOTALL | re.MULTILINE)
    assert len(excerpts) == 3
    for file, excerpt in excerpts:
        assert excerpt in (SDK / file).read_text(encoding="utf-8"), file


@pytest.mark.skipif(shutil.which("perl") is None, reason="perl is not installed")
def test_a_vendored_copy_works_by_itself(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """This follows the page, except for the source of the wheel."""
    (command,) = re.findall(r"^find .*perl .*$", PAGE, re.MULTILINE)
    environment = environment_with(tmp_path_factory, "vendored", "attrs", "backoff", "httpcore", "httpx")
    (tmp_path / "acme_voice").mkdir()
    wheel = str(our_wheel(tmp_path_factory))
    succeed([*UV, "pip", "install", "--no-deps", "--target", "acme_voice/_vendor", wheel], tmp_path)
    succeed(["sh", "-c", command], tmp_path)
    code = """
import sys
sys.path.insert(0, ".")
from acme_voice._vendor.cekura_facade import Cekura, CekuraError, Metric
with Cekura("key", base_url=sys.argv[1]) as cekura:
    saved = cekura.metrics.generate_and_create(agent_id=int(sys.argv[2]), num_metrics=2)
print(len(saved), {type(each) is Metric for each in saved})
print([name for name in sys.modules if name.startswith(("cekura_facade", "cekura_api"))])
"""
    with Sandbox(job_seconds=0, api_key="key") as sandbox:
        printed = run(
            "-I", "-c", code, sandbox.url, next(iter(sandbox.agents)), cwd=tmp_path, python=environment.python
        )
    assert printed.stdout.splitlines() == ["2 {True}", "[]"]
