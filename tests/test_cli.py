"""The installed command as a plain process, as in a CI job: its output and its exit codes."""

from __future__ import annotations

import json
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cekura_facade import Cekura, __version__
from cekura_facade.cli import _files
from cekura_facade.sandbox import BEHAVIORS, Sandbox
from tests.support import Received, closed_port, finish_jobs, reply, scripted, slow_down
from tests.terminal import COMMAND, JSON, Shell, environment, until

PROGRESS_ID = "3f2b8c1e-5d4a-4f6b-9a7c-0e1d2c3b4a5f"
STARTED = reply(200, {"progress_id": PROGRESS_ID})
KEY = "a-key-that-nobody-may-see"


@pytest.fixture
def shell(sandbox: Sandbox, home: Path, tmp_path: Path) -> Shell:
    return Shell(tmp_path, environment(home, sandbox.url, sandbox.api_key))


def at(url: str, home: Path, folder: Path) -> Shell:
    return Shell(folder, environment(home, url, KEY))


def completed(*metrics: dict[str, Any]) -> bytes:
    return reply(200, {"status": "completed", "current_step": "Done", "metrics": list(metrics), "error": None})


def job(sandbox: Sandbox, number: int = 2) -> tuple[str, list[dict[str, Any]]]:
    """An existing job and its suggestions, which a test may change."""
    with Cekura(sandbox.api_key, base_url=sandbox.url) as cekura:
        progress_id = cekura.metrics.generate(agent_id=101, num_metrics=number).progress_id
    return progress_id, sandbox.jobs[progress_id].suggestions


def test_the_version(shell: Shell) -> None:
    assert shell.run("--version").stdout == f"cekura-facade {__version__}\n"
    module = subprocess.run(
        [sys.executable, "-m", "cekura_facade", "--version"], env=shell.env, capture_output=True, text=True, check=True
    )
    assert module.stdout == f"cekura-facade {__version__}\n"


def test_completion_is_available(shell: Shell) -> None:
    result = shell.run(_CEKURA_FACADE_COMPLETE="complete_bash", COMP_WORDS="cekura-facade ge", COMP_CWORD="1")
    assert result.stdout.strip() == "generate"


@pytest.mark.parametrize(
    ("missing", "extra"), [("typer", "cli"), ("rich", "cli"), ("yaml", "cli"), ("uvicorn", "sandbox")]
)
def test_an_extra_that_is_not_installed_is_named(shell: Shell, missing: str, extra: str) -> None:
    code = f"import sys; sys.modules[{missing!r}] = None; from cekura_facade.cli import main; main()"
    result = subprocess.run(
        [sys.executable, "-c", code, "sandbox"], env=shell.env, capture_output=True, text=True, check=False
    )
    assert result.returncode == 1
    assert missing in result.stderr
    assert f'pip install "cekura-facade[{extra}]"' in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert result.stdout == ""


# generate and resume


def test_generate_saves_and_reports_it(shell: Shell, sandbox: Sandbox) -> None:
    result = shell.run("generate", "--agent-id", "101", "-n", "3", "--yes")
    assert result.returncode == 0
    assert len(sandbox.metrics) == 3
    for metric in sandbox.metrics:
        assert str(metric["id"]) in result.stdout
    lines = result.stderr.splitlines()
    [progress_id] = sandbox.jobs
    assert lines[0] == f"agent 101: started, progress id {progress_id}"
    assert re.fullmatch(r"agent 101: 3 suggestions after \d+:\d\d.*", lines[-2])
    assert len(lines) == len(set(lines))  # one line per change
    assert "\x1b" not in result.stdout + result.stderr


def test_there_is_one_line_for_each_change_of_step(home: Path, tmp_path: Path) -> None:
    def progress(status: str, step: str | None) -> bytes:
        return reply(200, {"status": status, "current_step": step, "metrics": [], "error": None})

    steps = [progress("queued", None), progress("in_progress", "Thinking"), progress("a new one", "Thinking")]
    with scripted(STARTED, *steps, progress("failed", "Thinking")) as server:
        result = at(server.url, home, tmp_path).run("generate", "--agent-id", "1", "--yes")
    assert result.stderr.splitlines()[1:-2] == ["agent 1: queued", "agent 1: Thinking"]


def test_by_the_id_at_the_voice_provider(shell: Shell, sandbox: Sandbox) -> None:
    result = shell.run("generate", "--assistant-id", "asst_sandbox_102", "--yes")
    assert result.returncode == 0
    assert sandbox.metrics[0]["agents"] == [102]


def test_several_agents_concurrently(shell: Shell, sandbox: Sandbox) -> None:
    arguments = [word for agent in ("101", "102", "103") for word in ("--agent-id", agent)]
    result = shell.run("generate", *arguments, "--agent-id", "101", "-n", "2", "--yes")
    assert result.returncode == 0
    assert sorted(metric["agents"] for metric in sandbox.metrics) == [[101]] * 2 + [[102]] * 2 + [[103]] * 2
    posts = [request.path for request in sandbox.requests if request.method == "POST"]
    assert posts[:3] == ["/test_framework/v1/metrics/generate_metrics/"] * 3  # all are started before any is saved
    assert len(sandbox.jobs) == 3
    for agent in ("101", "102", "103"):
        assert f"agent {agent}: 2 suggestions" in result.stderr


def test_one_of_several_agents_fails(shell: Shell, sandbox: Sandbox) -> None:
    arguments = ["generate", "--agent-id", "101", "--agent-id", "999", "--yes"]
    result = shell.run(*arguments)
    assert result.returncode == 4
    assert len(sandbox.metrics) == 1
    assert "Agent 999 was not found. Check the id and the base URL." in result.stderr
    document = json.loads(shell.run(*arguments, "--json").stdout)
    assert document["exit_code"] == 4
    assert [metric["id"] for metric in document["existing"]] == [1001]
    assert [(error["about"], error["status_code"]) for error in document["errors"]] == [("agent 999", 404)]


def test_json_is_one_document(shell: Shell) -> None:
    line = f"{shlex.quote(COMMAND)} generate --agent-id 101 -n 2 --yes --json | {sys.executable} -m json.tool"
    result = subprocess.run(
        line, shell=True, cwd=shell.folder, env=shell.env, capture_output=True, text=True, check=True
    )
    assert [metric["id"] for metric in json.loads(result.stdout)["created"]] == [1001, 1002]


def test_a_dry_run_saves_nothing_and_its_json_can_be_created(shell: Shell, sandbox: Sandbox) -> None:
    result = shell.run("generate", "--agent-id", "101", "-n", "2", "--dry-run", "--json")
    assert result.returncode == 0
    assert sandbox.metrics == []
    [suggested] = (job.suggestions for job in sandbox.jobs.values())
    assert json.loads(result.stdout)["suggested"] == suggested
    assert shell.run("create", "-", input=result.stdout).returncode == 0
    assert [metric["name"] for metric in sandbox.metrics] == [metric["name"] for metric in suggested]


def test_a_dry_run_that_fails_in_part_has_the_other_suggestions(shell: Shell, sandbox: Sandbox) -> None:
    arguments = ["generate", "--agent-id", "101", "--agent-id", "999", "--dry-run"]
    result = shell.run(*arguments, "--json")
    assert result.returncode == 1
    document = json.loads(result.stdout)
    assert document["unfinished"] == [metric for job in sandbox.jobs.values() for metric in job.suggestions]
    assert document["suggested"] == document["unfinished"]
    assert (document["created"], document["existing"], len(document["errors"])) == ([], [], 1)
    assert "1 suggestion for agent 101" in shell.run(*arguments).stdout


@pytest.mark.parametrize("closed", ["1>&-", "2>&-", "0<&-"])
def test_a_closed_stream_is_not_an_error(shell: Shell, sandbox: Sandbox, closed: str) -> None:
    line = f"{shlex.quote(COMMAND)} generate --agent-id 101 --yes {closed}"
    result = subprocess.run(line, shell=True, cwd=shell.folder, env=shell.env, capture_output=True, check=False)
    assert result.returncode == 0
    assert b"Traceback" not in result.stderr
    assert len(sandbox.metrics) == 1


def test_a_dry_run_shows_a_table_and_how_to_continue(shell: Shell, sandbox: Sandbox) -> None:
    result = shell.run("generate", "--agent-id", "101", "--dry-run")
    [progress_id] = sandbox.jobs
    assert "1 suggestion for agent 101" in result.stdout
    assert f"cekura-facade resume {progress_id}" in result.stderr


def test_create_accepts_the_file_of_output(shell: Shell, sandbox: Sandbox) -> None:
    result = shell.run("generate", "--agent-id", "101", "-n", "2", "--dry-run", "--output", "my file.yaml")
    assert result.returncode == 0
    assert "cekura-facade create 'my file.yaml'" in result.stderr
    text = (shell.folder / "my file.yaml").read_text("utf-8")
    assert re.search(r"^- name: .*\n  description: ", text, re.MULTILINE)
    [suggested] = (job.suggestions for job in sandbox.jobs.values())
    assert _files.parse(text) == suggested
    (shell.folder / "my file.yaml").write_text(text.replace("Did the", "Has the", 1), "utf-8")
    first, second = (shell.run("create", "my file.yaml") for _ in range(2))
    assert (first.returncode, second.returncode) == (0, 0)
    assert first.stdout.startswith("2 metrics created.\n")
    assert second.stdout.startswith("2 metrics already existed. Nothing was created.\n")
    assert ["Has the" in metric["description"] for metric in sandbox.metrics] == [True, False]


def test_without_a_terminal_it_refuses_before_it_starts(shell: Shell, sandbox: Sandbox) -> None:
    for arguments in (["generate", "--agent-id", "101"], ["resume", PROGRESS_ID]):
        result = shell.run(*arguments)
        assert result.returncode == 2
        assert "--yes" in result.stderr
        assert "--dry-run" in result.stderr
    assert sandbox.requests == []


def test_resume(shell: Shell, sandbox: Sandbox) -> None:
    progress_id, suggested = job(sandbox)
    result = shell.run("resume", progress_id, "--yes", "--json")
    assert result.returncode == 0
    created = json.loads(result.stdout)["created"]
    assert [metric["name"] for metric in created] == [metric["name"] for metric in suggested]


def test_a_job_that_times_out_can_be_resumed(shell: Shell, sandbox: Sandbox, tmp_path: Path) -> None:
    key = tmp_path / "my key"
    key.write_text(sandbox.api_key + "\n")
    arguments = ["--base-url", sandbox.url, "--api-key-file", str(key)]
    slow_down(sandbox)
    result = shell.run("generate", "--agent-id", "101", "--yes", "--timeout", "0", *arguments, CEKURA_API_KEY="wrong")
    assert result.returncode == 3
    [command] = (line for line in result.stderr.splitlines() if line.startswith("  cekura-facade resume"))
    assert sandbox.metrics == []
    finish_jobs(sandbox)
    assert shell.run(*shlex.split(command)[1:], "--yes", CEKURA_API_KEY="wrong").returncode == 0
    assert len(sandbox.metrics) == 1


def test_a_job_that_fails(shell: Shell, sandbox: Sandbox) -> None:
    sandbox.fail_next_job("out of \x1b[31mideas")
    result = shell.run("generate", "--agent-id", "101", "--yes", "--json")
    assert result.returncode == 1
    [progress_id] = sandbox.jobs
    [error] = json.loads(result.stdout)["errors"]
    assert (error["type"], error["progress_id"]) == ("GenerationFailedError", progress_id)
    assert r"out of \x1b[31mideas" in result.stderr
    assert "resume" not in result.stderr


def test_a_refusal_of_the_service_is_printed(shell: Shell, sandbox: Sandbox) -> None:
    result = shell.run("generate", "--agent-id", "104", "--yes")
    assert result.returncode == 1
    assert "description must have 100 characters" in result.stderr
    assert "Traceback" not in result.stderr
    assert "Traceback" in shell.run("generate", "--agent-id", "104", "--yes", "--verbose").stderr


def test_a_job_without_suggestions(home: Path, tmp_path: Path) -> None:
    with scripted(STARTED, completed()) as server:
        result = at(server.url, home, tmp_path).run("generate", "--agent-id", "1", "--yes")
    assert result.returncode == 1
    assert "suggested no metrics" in result.stderr


def test_suggestions_that_cannot_be_saved_are_kept(shell: Shell, sandbox: Sandbox) -> None:
    progress_id, suggested = job(sandbox)
    suggested[1]["eval_type"] = "nonsense"
    for name in ("cekura-suggestions.yaml", "cekura-suggestions-2.yaml"):
        result = shell.run("resume", progress_id, "--yes")
        assert result.returncode == 1
        assert "metric 2" in result.stderr
        assert "eval_type" in result.stderr
        assert f"cekura-facade create {name}" in result.stderr
        assert _files.parse((shell.folder / name).read_text("utf-8")) == suggested
    result = shell.run("resume", progress_id, "--yes", "--output", "out.yaml", "--json")
    assert json.loads(result.stdout)["file"] == "out.yaml"
    assert json.loads(result.stdout)["unfinished"] == suggested
    assert not (shell.folder / "cekura-suggestions-3.yaml").exists()


def test_suggestions_are_kept_elsewhere_if_the_folder_is_not_writable(shell: Shell, sandbox: Sandbox) -> None:
    progress_id, suggested = job(sandbox)
    suggested[1]["eval_type"] = "nonsense"
    gone = shell.folder / "gone"
    gone.mkdir()
    remove = f"import os, sys; os.rmdir({str(gone)!r}); os.execv(sys.argv[1], sys.argv[1:])"
    result = subprocess.run(
        [sys.executable, "-c", remove, COMMAND, "resume", progress_id, "--yes", "--json"],
        cwd=gone,
        env=shell.env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 1
    assert _files.parse(Path(json.loads(result.stdout)["file"]).read_text("utf-8")) == suggested


def test_unconfirmed_metrics_are_reported(home: Path, tmp_path: Path) -> None:
    metrics = [{"name": "a", "eval_type": "binary", "agent": 1}, {"name": "b", "eval_type": "binary", "agent": 1}]

    def answer(request: Received) -> bytes:
        # The first list is empty. The request that saves has no response, nor do the lists after it.
        before = not any("bulk_create" in each.path for each in server.received)
        return reply(200, []) if before else b""

    with scripted(STARTED, completed(*metrics), answer) as server:
        result = at(server.url, home, tmp_path).run("generate", "--agent-id", "1", "--yes", "--json")
    assert result.returncode == 4
    document = json.loads(result.stdout)
    assert document["unconfirmed"] == metrics
    assert (document["created"], document["existing"]) == ([], [])
    assert _files.parse((tmp_path / document["file"]).read_text()) == metrics
    assert "may or may not be saved" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["generate", "--yes"], "--agent-id"),
        (["generate", "--agent-id", "x", "--yes"], "--agent-id"),
        (["generate", "--agent-id", "0", "--yes"], "--agent-id"),
        (["generate", "--agent-id", "101", "-n", "0", "--yes"], "-n"),
        (["generate", "--agent-id", "101", "-n", "101", "--yes"], "-n"),
        (["generate", "--agent-id", str(2**63), "--yes"], "--agent-id"),
        (["generate", "--assistant-id", "", "--yes"], "--assistant-id"),
        (["generate", "--agent-id", "101", "--yes", "--timeout", "-1"], "--timeout"),
        (["generate", "--agent-id", "101", "--yes", "--timeout", "nan"], "timeout"),
        (["generate", "--agent-id", "101", "--yes", "--output", "."], "folder"),
        (["generate", "--agent-id", "101", "--yes", "--output", "no/such/folder"], "cannot be written"),
        (["generate", "--agent-id", "101", "--yes", "--output", "-"], "--output"),
        (["generate", "--agent-id", "101", "--yes", "--base-url", "nowhere"], "--base-url"),
        (["generate", "--agent-id", "101", "--yes", "--api-key-file", "missing"], "missing"),
        (["generate", "--agent-id", "101", "--yes", "--api-key-file", "empty"], "empty"),
        (["generate", "--nonsense"], "--nonsense"),
        (["resume", "not-an-id", "--yes"], "not-an-id"),
        (["resume", PROGRESS_ID, "not-an-id", "--yes"], "not-an-id"),
        (["resume"], "PROGRESS_ID"),
        (["create", "missing"], "missing: No such file"),
        (["create", "empty"], "no metrics"),
        (["create", "broken"], "broken, line 2: this metric has no name"),
        (["create", "latin"], "latin, line 2"),
        (["create", "."], "directory"),
        (["list"], "--agent-id"),
        (["list", "--agent-id", "1", "--project-id", "2"], "--agent-id"),
        (["nonsense"], "nonsense"),
    ],
    ids=" ".join,
)
def test_wrong_usage(shell: Shell, sandbox: Sandbox, arguments: list[str], said: str) -> None:
    (shell.folder / "empty").write_text("")
    (shell.folder / "broken").write_text("- name: a\n- description: b\n")
    (shell.folder / "latin").write_bytes(b"- name: a\n- name: \xe9\n")
    result = shell.run(*arguments)
    assert result.returncode == 2, result.stderr
    assert said in result.stderr
    assert "Traceback" not in result.stderr
    assert result.stdout == ""
    assert sandbox.requests == []


def test_without_a_key(shell: Shell) -> None:
    result = shell.run("list", "--agent-id", "101", CEKURA_API_KEY="")
    assert result.returncode == 2
    assert "--api-key-file FILE" in result.stderr
    assert "api_key=" not in result.stderr


# create and list


@pytest.mark.parametrize("written", [json.dumps, lambda metrics: _files.as_text(metrics, "# mine\n")])
def test_create_accepts_json_and_yaml(shell: Shell, sandbox: Sandbox, written: Callable[[Any], str]) -> None:
    metrics = [{"name": "Tone 😀", "eval_type": "binary", "agent": 101, "description": "a\nb"}]
    result = shell.run("create", "-", "--json", input=written(metrics))
    assert result.returncode == 0
    assert sandbox.metrics[0]["name"] == "Tone 😀"
    assert sandbox.metrics[0]["description"] == "a\nb"


def test_create_shows_what_it_would_save(shell: Shell, sandbox: Sandbox) -> None:
    result = shell.run("create", "-", "--dry-run", input="- {name: Tone, eval_type: binary, agent: 101}")
    assert result.returncode == 0
    assert "Tone" in result.stdout
    assert sandbox.requests == []


def test_create_saves_the_metrics_of_one_agent_if_those_of_another_are_refused(shell: Shell, sandbox: Sandbox) -> None:
    text = "- {name: a, eval_type: binary, agent: 101}\n- {name: b, eval_type: binary, agent: 999}\n"
    (shell.folder / "f.yaml").write_text(text)
    result = shell.run("create", "f.yaml")
    assert result.returncode == 4
    assert [metric["name"] for metric in sandbox.metrics] == ["a"]
    assert "1001" in result.stdout
    assert "agent 999: The service refused 1 metric: metric 2 (b): agent: " in result.stderr
    assert "cekura-facade create" not in result.stderr


def test_create_keeps_metrics_from_a_pipe(shell: Shell) -> None:
    text = "- {name: a, eval_type: nonsense, agent: 101}\n"
    result = shell.run("create", "-", input=text)
    assert result.returncode == 1
    assert _files.parse((shell.folder / "cekura-suggestions.yaml").read_text()) == _files.parse(text)


def test_list(shell: Shell, sandbox: Sandbox) -> None:
    assert "no metrics" in shell.run("list", "--agent-id", "101").stderr
    assert shell.run("list", "--agent-id", "101", "--json").stdout == "[]\n"
    shell.run("generate", "--agent-id", "101", "-n", "2", "--yes")
    for scope in (["--agent-id", "101"], ["--project-id", "11"], ["--assistant-id", "asst_sandbox_101"]):
        result = shell.run("list", *scope)
        assert result.returncode == 0
        assert "1001" in result.stdout
        assert "1002" in result.stdout
        assert [each["id"] for each in json.loads(shell.run("list", *scope, "--json").stdout)] == [1001, 1002]


def test_a_closed_pipe_is_not_an_error(shell: Shell, sandbox: Sandbox) -> None:
    shell.run("create", "-", input="- {name: Tone, eval_type: binary, agent: 101}")
    for command in (["list", "--agent-id", "101"], ["list", "--agent-id", "101", "--json"], ["doctor"]):
        with shell.start(COMMAND, *command) as process:
            assert process.stdout is not None
            process.stdout.close()
            assert process.wait() == 0
            assert process.stderr is not None
            assert process.stderr.read() == ""


# Text of the service


HOSTILE = "a\x1b]0;owned\x07\x1b[2J\x9b31m\u202ez\x00\nb\ud800"


def test_control_characters_are_escaped(home: Path, tmp_path: Path) -> None:
    metric = {"id": 7, "name": HOSTILE, "description": HOSTILE, "eval_type": HOSTILE, "agents": [HOSTILE]}
    step = reply(200, {"status": "in_progress", "current_step": HOSTILE, "metrics": [], "error": None})
    failed = reply(200, {"status": "failed", "current_step": "x", "metrics": [], "error": HOSTILE})
    refused = reply(400, [{"name": [HOSTILE], HOSTILE: [HOSTILE]}])
    outputs = []
    with scripted(reply(200, [metric])) as server:
        listing = at(server.url, home, tmp_path)
        outputs += [listing.run("list", "--agent-id", "1", *more) for more in ((), JSON)]
    assert json.loads(outputs[1].stdout)[0]["name"] == HOSTILE
    with scripted(STARTED, step, failed) as server:
        outputs.append(at(server.url, home, tmp_path).run("generate", "--agent-id", "1", "--yes", "--verbose"))
    with scripted(STARTED, completed({**metric, "agent": HOSTILE}), reply(200, []), refused) as server:
        outputs.append(at(server.url, home, tmp_path).run("generate", "--agent-id", "1", "--yes", "--verbose"))
    assert [each.returncode for each in outputs] == [0, 0, 1, 1]
    for each in outputs:
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e\ud800]", each.stdout + each.stderr)
    assert r"a\x1b]0;owned\x07\x1b[2J" in outputs[0].stdout
    assert r"a\x1b]0;owned\x07\x1b[2J\x9b31m\u202ez\x00\nb\ud800" in outputs[2].stderr


def test_the_key_is_never_shown(home: Path, tmp_path: Path) -> None:
    shell = at("", home, tmp_path)
    (tmp_path / "key").write_text(KEY)
    echo = {"detail": f"you sent {KEY}"}
    with scripted(reply(500, echo)) as server, closed_port() as nowhere:
        for url in (server.url, nowhere, f"http://{KEY}@127.0.0.1", KEY):
            runs = [
                [*command, *more, "--verbose", "--json"]
                for command in (["list", "--agent-id", "1"], ["doctor"], ["generate", "--agent-id", "1", "--yes"])
                for more in ([], ["--api-key-file", "key"])
            ]
            result = shell.run_in_turn(runs, CEKURA_API_URL=url)
            assert KEY not in result.stdout + result.stderr
            codes = re.findall(r"^exit code (\d+)$", result.stderr, re.MULTILINE)
            assert len(codes) == len(runs)
            assert "0" not in codes


def test_verbose_shows_requests(home: Path, tmp_path: Path) -> None:
    with scripted(reply(503, b"", {"Retry-After": "0"}), reply(200, [])) as server:
        shell = at(server.url, home, tmp_path)
        shown = shell.run("list", "--agent-id", "1", "--verbose").stderr.splitlines()
        assert [re.sub(r"\d+ ms", "…", line) for line in shown if "attempt" in line] == [
            "GET /test_framework/v1/metrics/: 503 in … (attempt 1)",
            "GET /test_framework/v1/metrics/: 200 in … (attempt 2)",
        ]
        assert not any("HTTP" in line for line in shown)
        assert "/test_framework/" not in shell.run("list", "--agent-id", "1").stderr


def test_a_stream_with_a_limited_encoding(home: Path, tmp_path: Path) -> None:
    metric = {"id": 7, "name": "Tone 😀 日", "eval_type": "binary"}
    with scripted(reply(200, [metric])) as server:
        shell = at(server.url, home, tmp_path)
        for command in (["list", "--agent-id", "1"], ["doctor"]):
            table = shell.run(*command, PYTHONIOENCODING="ascii")
            assert (table.returncode, table.stderr, table.stdout.isascii()) == (0, "", True)
        document = shell.run("list", "--agent-id", "1", "--json", PYTHONIOENCODING="ascii")
    assert json.loads(document.stdout) == [metric]


def test_a_key_in_a_step_is_not_shown(home: Path, tmp_path: Path) -> None:
    step = reply(200, {"status": "in_progress", "current_step": f"with {KEY}", "metrics": [], "error": None})
    with scripted(STARTED, step) as server:
        result = at(server.url, home, tmp_path).run("generate", "--agent-id", "1", "--yes", "--timeout", "100")
    assert result.returncode == 3
    assert "agent 1: with [redacted]" in result.stderr


def test_an_unreachable_service(home: Path, tmp_path: Path) -> None:
    with closed_port() as url:
        result = at(url, home, tmp_path).run("list", "--agent-id", "1")
    assert result.returncode == 1
    assert len(result.stderr.splitlines()) == 1


# sandbox


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_sandbox_prints_two_exports_and_serves(shell: Shell, number: signal.Signals) -> None:
    with shell.start(COMMAND, "sandbox", "--job-seconds", "0") as process:
        assert process.stdout is not None
        exports = [process.stdout.readline(), process.stdout.readline()]
        words = [shlex.split(line) for line in exports]
        assert [word for word, _ in words] == ["export", "export"]
        settings = dict(pair.split("=", 1) for _, pair in words)
        assert settings.keys() == {"CEKURA_API_KEY", "CEKURA_API_URL"}
        other = Shell(shell.folder, shell.env | settings)
        assert other.run("generate", "--agent-id", "101", "--yes").returncode == 0
        process.send_signal(number)
        out, err = process.communicate()
    assert process.returncode == 128 + number
    assert out == ""
    assert "1 saved metric" in err


def test_sandbox_with_a_behavior(shell: Shell) -> None:
    with shell.start(COMMAND, "sandbox", "--job-seconds", "0", "--behavior", "list-limit") as process:
        assert process.stdout is not None
        exports = (shlex.split(process.stdout.readline())[1] for _ in range(2))
        other = Shell(shell.folder, shell.env | dict(pair.split("=", 1) for pair in exports))
        assert other.run("generate", "--agent-id", "101", "-n", "2", "--yes").returncode == 0
        assert len(json.loads(other.run("list", "--agent-id", "101", "--json").stdout)) == 1


def test_the_help_of_sandbox_names_the_behaviors(shell: Shell) -> None:
    text = "".join(shell.run("sandbox", "--help").stdout.split())
    assert f"Oneof{','.join(BEHAVIORS)}." in text


def test_sandbox_with_an_unknown_behavior(shell: Shell) -> None:
    result = shell.run("sandbox", "--behavior", "lists")
    assert result.returncode == 2
    assert "Unknown behavior 'lists'. Choose one of default, " in result.stderr


def test_sandbox_on_a_port_in_use(shell: Shell) -> None:
    with closed_port() as url:
        result = shell.run("sandbox", "--port", url.rsplit(":", 1)[1])
    assert result.returncode == 2
    assert "cannot be used: Address already in use" in result.stderr


# Signals


@pytest.mark.parametrize("module", ["typer.main", "cekura_facade.cli._report"])
def test_ctrl_c_while_it_is_loaded(shell: Shell, sandbox: Sandbox, module: str) -> None:
    code = (
        "import signal, sys\n"
        "class Interrupt:\n"
        "    def find_spec(name, *_):\n"
        f"        if name == {module!r}: signal.raise_signal(signal.SIGINT)\n"
        "sys.meta_path.insert(0, Interrupt)\n"
        "from cekura_facade.cli import main; main()"
    )
    command = [sys.executable, "-c", code, "generate", "--agent-id", "101", "--yes"]
    result = subprocess.run(command, env=shell.env, capture_output=True, text=True, check=False)
    assert result.returncode == 130
    assert result.stderr == "\nInterrupted. Nothing was sent.\n"
    assert sandbox.requests == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_while_it_waits(shell: Shell, sandbox: Sandbox, number: signal.Signals, home: Path) -> None:
    slow_down(sandbox)
    command = [COMMAND, "generate", "--agent-id", "101", "--agent-id", "102", "--yes", "--json"]
    with shell.start(*command) as process:
        until(lambda: {each.query.get("progress_id") for each in list(sandbox.requests)} >= {*sandbox.jobs} != set())
        process.send_signal(number)
        out, err = process.communicate()
    assert process.returncode == 128 + number
    document = json.loads(out)
    assert document["exit_code"] == 128 + number
    [line] = document["next"]
    assert set(line.split()) == {"cekura-facade", "resume", *sandbox.jobs}
    assert line in err
    assert "Traceback" not in err


def test_a_signal_that_is_ignored_by_the_caller_stays_ignored(shell: Shell) -> None:
    with shell.start("sh", "-c", f"trap '' INT; exec {shlex.quote(COMMAND)} sandbox") as process:
        assert process.stdout is not None
        assert process.stdout.readline()
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGTERM)
        process.communicate()
    assert process.returncode == 128 + signal.SIGTERM
