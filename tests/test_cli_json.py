"""`--json`: every command always prints one document, which its JSON Schema describes."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from cekura_facade import Cekura
from cekura_facade.sandbox import Sandbox
from tests.commands import Run, leaves, run_each
from tests.pages import ROOT
from tests.support import closed_port, finish_jobs, reply, scripted, slow_down
from tests.terminal import COMMAND, Shell, environment, until

SCHEMAS = ROOT / "cekura_facade" / "cli" / "schemas"
PROGRESS_ID = "3f2b8c1e-5d4a-4f6b-9a7c-0e1d2c3b4a5f"
METRICS = [{"name": name, "eval_type": "binary", "agents": [101], "type": "llm_judge"} for name in ("One", "Two")]
# A run of each command, by its words. PROGRESS_ID and METRIC_ID are replaced with existing ids.
RUNS: dict[str, list[str]] = {
    "generate": ["generate", "--agent-id", "101", "-n", "2", "--yes"],
    "resume": ["resume", PROGRESS_ID, "--yes"],
    "create": ["create", "metrics.json"],
    "export": ["export", "--agent-id", "101"],
    "plan": ["plan", "metrics.json", "--agent-id", "101"],
    "apply": ["apply", "metrics.json", "--agent-id", "101", "--yes"],
    "metrics list": ["metrics", "list", "--agent-id", "101"],
    "metrics get": ["metrics", "get", "METRIC_ID"],
    "metrics update": ["metrics", "update", "METRIC_ID", "--name", "Other"],
    "metrics preview": ["metrics", "preview", "METRIC_ID", "--call-log-id", "7001"],
    "metrics simplify": ["metrics", "simplify", "--prompt", "Was the caller greeted? Was it short?"],
    "metrics delete": ["metrics", "delete", "METRIC_ID", "--yes"],
    "agents list": ["agents", "list"],
    "agents get": ["agents", "get", "101"],
    "api": ["api", "get_agent", "--agent-id", "101"],
    "api --list": ["api", "--list"],
    "doctor": ["doctor"],
    "check": ["check", "--agent-id", "101", "--yes"],
}
NO_REQUEST = {"api --list", "sandbox"}
Names = list[tuple[str, Run]]


def schema(command: str) -> Any:
    name = command.replace(" --", "-").replace(" ", "-")
    return json.loads((SCHEMAS / f"{name}.json").read_text("utf-8"))


def check(command: str, run: Run) -> Any:
    """The document of a run, after checking its schema and its exit code."""
    assert run.out.count("\n}\n") + run.out.count("\n]\n") <= 1 or run.out.startswith(("{", "["))
    document = json.loads(run.out)
    Draft202012Validator(schema(command)).validate(document)
    if run.code and isinstance(document, dict) and "package" not in document:
        assert document["exit_code"] == run.code, run
        assert document.get("errors") or "checks" in document, run
    assert "Traceback" not in run.err
    return document


def run_all(shell: Shell, metric_id: str = "1001", progress_id: str = PROGRESS_ID, **env: str) -> dict[str, Run]:
    (shell.folder / "metrics.json").write_text(json.dumps(METRICS), "utf-8")
    known = {"METRIC_ID": metric_id, PROGRESS_ID: progress_id}
    runs = [[known.get(word, word) for word in arguments] + ["--json"] for arguments in RUNS.values()]
    return dict(zip(RUNS, run_each(shell, runs, **env), strict=True))


@contextmanager
def failing(kind: str) -> Iterator[tuple[str, str]]:
    """A service that fails in one way, and the key to use."""
    answers = {
        "a server error": reply(500, {"detail": "Try again."}),
        "a page in HTML": reply(200, b"<html>It works!</html>", type="text/html"),
        "JSON that is something else": reply(200, {"unexpected": [[]]}),
        "JSON that is a list": reply(200, [[]]),
        "a refusal": reply(400, {"name": ["Too long."], "agent_id": ["Invalid."]}),
        "a wrong key": reply(401, {"detail": "Invalid key."}),
        "no permission": reply(403, {"detail": "No."}),
        "nothing found": reply(404, {"detail": "Not found."}),
        "too many requests": reply(429, {"detail": "Slow down."}),
    }
    if kind == "no service":
        with closed_port() as url:
            yield url, "key"
    else:
        with scripted(answers[kind]) as server:
            yield server.url, "key"


FAILURES = [
    "a server error",
    "a page in HTML",
    "JSON that is something else",
    "JSON that is a list",
    "a refusal",
    "a wrong key",
    "no permission",
    "nothing found",
    "too many requests",
    "no service",
]


def test_every_command_has_a_schema_and_a_run() -> None:
    meant = {words for words in leaves() if not words.startswith("api ")} | {"api", "api --list"}
    assert {path.stem for path in SCHEMAS.iterdir()} == {words.replace(" --", "-").replace(" ", "-") for words in meant}
    assert RUNS.keys() | {"sandbox"} == meant
    for words in meant:
        Draft202012Validator.check_schema(schema(words))


def test_the_schemas_and_their_page_are_up_to_date() -> None:
    result = subprocess.run(
        [sys.executable, ROOT / "scripts" / "schemas.py", "--check"], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr


def test_the_wheel_has_the_schemas(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = {name for name in zipfile.ZipFile(wheel).namelist() if "/schemas/" in name}
    assert names == {f"cekura_facade/cli/schemas/{path.name}" for path in SCHEMAS.iterdir()}


def test_a_schema_refuses_other_documents() -> None:
    for words in RUNS.keys() - {"api"}:
        others: list[object] = [1, None, {"exit_code": "0", "errors": []}, {"errors": []}, [1]]
        for wrong in others:
            assert not Draft202012Validator(schema(words)).is_valid(wrong), (words, wrong)


def test_the_document_of_a_success(home: Path, tmp_path: Path, sandbox: Sandbox) -> None:
    with Cekura(sandbox.api_key, base_url=sandbox.url) as cekura:
        metric = cekura.metrics.create(name="Tone", eval_type="binary", agents=[101])
        job = cekura.metrics.generate(agent_id=102)
    shell = Shell(tmp_path, environment(home, sandbox.url, sandbox.api_key))
    runs = run_all(shell, str(metric.id), job.progress_id)
    documents = {command: check(command, run) for command, run in runs.items()}
    assert {run.code for run in runs.values()} == {0}, [run for run in runs.values() if run.code]
    assert [each["name"] for each in documents["create"]["created"]] == ["One", "Two"]
    assert documents["metrics get"]["name"] == "Tone"
    assert documents["metrics delete"]["deleted"] == [metric.id]
    assert documents["agents get"] == documents["api"]


@pytest.mark.parametrize("kind", FAILURES)
def test_the_document_of_a_failure(home: Path, tmp_path: Path, kind: str) -> None:
    with failing(kind) as (url, key):
        shell = Shell(tmp_path, environment(home, url, key))
        for command, run in run_all(shell).items():
            check(command, run)
            # An existing job is polled again until the timeout.
            expected = {0} if command in NO_REQUEST else {1, 3} if command == "resume" else {1, 4}
            if command == "metrics delete" and kind.startswith("JSON"):
                expected = {0}  # The body of its response is not used.
            assert run.code in expected, (command, run)


def test_the_document_without_a_key(home: Path, tmp_path: Path) -> None:
    for command, run in run_all(Shell(tmp_path, environment(home))).items():
        document = check(command, run)
        expected = {"api --list": 0, "doctor": 1}.get(command, 2)
        assert run.code == expected, run
        if expected == 2:
            assert document["errors"][0]["type"] == "ConfigurationError"


def test_the_document_of_wrong_usage(home: Path, tmp_path: Path, sandbox: Sandbox) -> None:
    wrong = {
        "generate": ["generate", "--yes"],
        "resume": ["resume", "abc", "--yes"],
        "create": ["create", "nothing.yaml"],
        "export": ["export"],
        "plan": ["plan", "metrics.json"],
        "apply": ["apply", "metrics.json", "--agent-id", "101"],
        "metrics list": ["metrics", "list"],
        "metrics update": ["metrics", "update", "7"],
        "metrics delete": ["metrics", "delete", "7"],
        "metrics preview": ["metrics", "preview", "7"],
        "metrics simplify": ["metrics", "simplify"],
        "api": ["api", "get_agent"],
        "check": ["check", "--agent-id", "101"],
        "sandbox": ["sandbox", "--behavior", "nothing"],
    }
    shell = Shell(tmp_path, environment(home, sandbox.url, sandbox.api_key))
    for command, run in zip(wrong, run_each(shell, [[*each, "--json"] for each in wrong.values()]), strict=True):
        assert check(command, run)["exit_code"] == 2, run
    assert sandbox.requests == []


def test_the_document_of_a_partial_failure(home: Path, tmp_path: Path, sandbox: Sandbox) -> None:
    shell = Shell(tmp_path, environment(home, sandbox.url, sandbox.api_key))
    (tmp_path / "bad.json").write_text(json.dumps([*METRICS, {"name": "Bad", "eval_type": "nothing"}]), "utf-8")
    dry, again, part, existing, refused, deleted = run_each(
        shell,
        [
            ["generate", "--agent-id", "101", "--dry-run", "--json"],
            ["generate", "--agent-id", "101", "--yes", "--json"],
            ["generate", "--agent-id", "101", "--agent-id", "999", "--yes", "--json"],
            ["generate", "--agent-id", "101", "--yes", "--json"],
            ["create", "bad.json", "--json"],
            ["metrics", "delete", "1001", "9999", "--yes", "--json"],
        ],
    )
    assert len(check("generate", dry)["suggested"]) == 1
    assert len(check("generate", again)["created"]) == 1
    assert (part.code, len(check("generate", part)["errors"])) == (4, 1)
    assert (existing.code, check("generate", existing)["created"]) == (0, [])
    refusal = check("create", refused)
    assert (refused.code, len(refusal["created"]), len(refusal["errors"][0]["problems"])) == (4, 2, 1)
    assert (deleted.code, check("metrics delete", deleted)["deleted"]) == (4, [1001])


def test_the_document_of_a_timeout(home: Path, tmp_path: Path, sandbox: Sandbox) -> None:
    slow_down(sandbox)
    shell = Shell(tmp_path, environment(home, sandbox.url, sandbox.api_key))
    with Cekura(sandbox.api_key, base_url=sandbox.url) as cekura:
        job = cekura.metrics.generate(agent_id=102)
    long = "Was the caller greeted? " * 20
    late = {
        "generate": ["generate", "--agent-id", "101", "--yes"],
        "resume": ["resume", job.progress_id, "--yes"],
        "metrics simplify": ["metrics", "simplify", "--prompt", long],
    }
    runs = [[*each, "--timeout", "0", "--json"] for each in late.values()]
    for command, run in zip(late, run_each(shell, runs), strict=True):
        assert check(command, run)["errors"][0]["progress_id"], run
        assert run.code == 3
    finish_jobs(sandbox)


@pytest.mark.parametrize("command", ["generate", "metrics simplify"])
def test_the_document_of_an_interrupted_command(home: Path, tmp_path: Path, sandbox: Sandbox, command: str) -> None:
    slow_down(sandbox)
    shell = Shell(tmp_path, environment(home, sandbox.url, sandbox.api_key))
    more = [] if command == "generate" else ["--prompt", "Was the caller greeted? " * 20]
    arguments = RUNS["generate"] if command == "generate" else ["metrics", "simplify", *more]
    with shell.start(COMMAND, *arguments, "--json") as process:
        until(lambda: any("progress" in request.path for request in list(sandbox.requests)))
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate()
    assert process.returncode == 130
    document = json.loads(out)
    Draft202012Validator(schema(command)).validate(document)
    assert document["exit_code"] == 130
    finish_jobs(sandbox)


def test_the_document_of_the_sandbox(home: Path, tmp_path: Path) -> None:
    shell = Shell(tmp_path, environment(home))
    with shell.start(COMMAND, "sandbox", "--json") as process:
        assert process.stdout is not None
        text = ""
        while not text.endswith("\n}\n"):
            text += process.stdout.readline()
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate()
    assert rest == ""
    document = json.loads(text)
    Draft202012Validator(schema("sandbox")).validate(document)
    assert {"id": 101, "name": "Dental clinic receptionist"} in document["agents"]
