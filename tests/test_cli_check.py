"""`cekura-facade check` as a process, against a sandbox."""

from __future__ import annotations

import json
import re
import signal
from pathlib import Path
from typing import Any

import pytest

from cekura_facade.sandbox import Behavior, Sandbox
from tests.support import Received, closed_port, reply, scripted
from tests.terminal import COMMAND, JSON, Shell, environment, until

KEY = "a-key-that-nobody-may-see"
QUESTION = re.escape("Create and delete these metrics? [y]es / [n]o ")


@pytest.fixture
def shell(sandbox: Sandbox, home: Path, tmp_path: Path) -> Shell:
    return Shell(tmp_path, environment(home, sandbox.url, sandbox.api_key))


def writes(sandbox: Sandbox) -> list[str]:
    return [request.method for request in sandbox.requests if request.method != "GET"]


def test_a_table_and_a_file_with_the_results(shell: Shell, sandbox: Sandbox) -> None:
    sandbox.behavior = Behavior(placement="project")
    sandbox.agents[101]["agent_name"] = sandbox.agents[101]["description"] = "telltale"
    result = shell.run("check", "--agent-id", "101", "--yes", "--output", "results.json")
    assert result.returncode == 0, result.stderr
    assert sandbox.metrics == []
    assert "DELETE" in writes(sandbox)
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in result.stdout.splitlines()]
    # The length of the first line of a sentence depends on the widths of the other columns.
    found = [row[2:] for row in rows if row and row[0].startswith("A metric that is sent")]
    assert found == [["failed", "optional"]]
    assert "creates up to 4 metrics" in result.stderr
    assert "All required checks passed." in result.stderr
    text = (shell.folder / "results.json").read_text("utf-8")
    record = json.loads(text)
    assert record["passed"] is True
    assert record["host"] == "127.0.0.1"
    assert {each["id"]: each["value"] for each in record["results"]}["placement"] == "project"
    assert not any(secret in text + result.stdout for secret in (sandbox.api_key, "telltale", sandbox.url))


def test_a_failed_required_check_fails_the_command(shell: Shell, sandbox: Sandbox) -> None:
    sandbox.agents[101]["project"] = None
    result = shell.run("check", "--agent-id", "101", "--yes", "--json")
    assert result.returncode == 1
    record: dict[str, Any] = json.loads(result.stdout)
    assert record["passed"] is False
    assert {each["id"]: each["passed"] for each in record["results"]}["agent-project"] is False
    assert sandbox.metrics == []
    table = shell.run("check", "--agent-id", "101", "--yes")
    assert table.returncode == 1
    assert "These required checks failed or could not be observed: agent-project, list-scope-both." in table.stderr


def test_without_a_terminal_nothing_is_sent_unless_yes_is_passed(shell: Shell, sandbox: Sandbox) -> None:
    why = "No terminal to ask on. Pass --yes to create and delete metrics."
    result = shell.run("check", "--agent-id", "101")
    assert (result.returncode, result.stdout, result.stderr) == (2, "", f"Error: {why}\n")
    result = shell.run("check", "--agent-id", "101", "--json")
    assert (result.returncode, result.stderr) == (2, f"Error: {why}\n")
    assert json.loads(result.stdout) == {"exit_code": 2, "errors": [{"type": "WrongUsage", "message": why}]}
    assert sandbox.requests == []


def test_a_file_that_cannot_be_written_is_reported_first(shell: Shell, sandbox: Sandbox) -> None:
    result = shell.run("check", "--agent-id", "101", "--yes", "--output", "missing/results.json")
    assert result.returncode == 2
    assert "missing/results.json cannot be written to" in result.stderr
    assert sandbox.requests == []


def test_a_file_that_can_no_longer_be_written_is_reported(shell: Shell, sandbox: Sandbox) -> None:
    result = shell.run("check", "--agent-id", "101", "--yes", "--output", "/dev/full")
    assert result.returncode == 1
    assert "Error: The results could not be written to /dev/full: No space left on device." in result.stderr
    assert "Traceback" not in result.stderr
    assert sandbox.metrics == []


def test_yes_at_the_question(shell: Shell, sandbox: Sandbox) -> None:
    with shell.terminal("check", "--agent-id", "101") as terminal:
        terminal.expect(QUESTION)
        assert sandbox.requests == []
        assert "creates up to 4 metrics for agent 101" in terminal.flat
        assert sandbox.url in terminal.flat
        terminal.answer_now("what?")
        terminal.expect(QUESTION)
        terminal.answer_now("y")
        assert terminal.end() == 0
    assert "DELETE" in writes(sandbox)
    assert sandbox.metrics == []


@pytest.mark.parametrize(("answer", "code"), [("n", 0), ("c", 130), ("d", 130)])
def test_another_answer_sends_nothing(shell: Shell, sandbox: Sandbox, answer: str, code: int) -> None:
    with shell.terminal("check", "--agent-id", "101") as terminal:
        terminal.expect(QUESTION)
        terminal.answer_now("n") if answer == "n" else terminal.press(answer)
        assert terminal.end() == code
    assert "Traceback" not in terminal.raw
    assert sandbox.requests == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_deletes_the_created_metrics(shell: Shell, sandbox: Sandbox, number: signal.Signals) -> None:
    sandbox.behavior = Behavior(list_lag=3600)
    with shell.start(COMMAND, "check", "--agent-id", "101", "--yes", "--json") as process:
        until(lambda: any("filters" in request.query for request in list(sandbox.requests)))
        assert len(sandbox.metrics) == 3
        process.send_signal(number)
        out, err = process.communicate()
    assert process.returncode == 128 + number
    assert sandbox.metrics == []
    assert json.loads(out)["remaining"] == []
    assert "Interrupted." in err
    assert "Traceback" not in err


def test_a_service_that_refuses_everything_or_is_unreachable(home: Path, tmp_path: Path) -> None:
    agent, unknown = reply(200, {"id": 101, "project": 11}), reply(404, {"detail": KEY})
    with scripted(reply(401, {"detail": KEY})) as refusing, scripted(agent, unknown) as other, closed_port() as nowhere:
        for url, more in ((refusing.url, ()), (other.url, JSON), (nowhere, JSON)):
            shell = Shell(tmp_path, environment(home, url, KEY))
            result = shell.run("check", "--agent-id", "101", "--yes", *more)
            assert result.returncode == 1
            assert "Traceback" not in result.stderr
            assert KEY not in result.stdout + result.stderr


def test_a_metric_that_cannot_be_deleted_is_named(home: Path, tmp_path: Path) -> None:
    def respond(request: Received) -> bytes:
        if request.path.endswith("/aiagents/101/"):
            return reply(200, {"id": 101, "project": 11})
        if request.method == "POST" and isinstance(request.json, list):
            return reply(201, [{"id": 7001 + n, **fields} for n, fields in enumerate(request.json)])
        return reply(403, {"detail": KEY})

    with scripted(respond) as server:
        shell = Shell(tmp_path, environment(home, server.url, KEY))
        table = shell.run("check", "--agent-id", "101", "--yes")
        document = shell.run("check", "--agent-id", "101", "--yes", "--json")
    assert table.returncode == document.returncode == 1
    for number in (7001, 7002, 7003):
        line = rf"^Metric {number} \(.*cekura-facade check .*\) could not be deleted. Delete it.$"
        assert re.search(line, table.stderr, re.MULTILINE)
    assert [metric["id"] for metric in json.loads(document.stdout)["remaining"]] == [7001, 7002, 7003]
    assert "Traceback" not in table.stderr + document.stderr
