"""The commands for agents and metrics, as a plain process and at the terminal."""

from __future__ import annotations

import json
import re
import shlex
import signal
from pathlib import Path

import pytest

from cekura_facade import Cekura
from cekura_facade.sandbox import Sandbox
from tests.commands import run_each
from tests.support import finish_jobs, reply, scripted, slow_down
from tests.terminal import COMMAND, Shell, environment, until


@pytest.fixture
def shell(sandbox: Sandbox, home: Path, tmp_path: Path) -> Shell:
    return Shell(tmp_path, environment(home, sandbox.url, sandbox.api_key))


@pytest.fixture
def saved(sandbox: Sandbox) -> list[int]:
    """The ids of two saved metrics."""
    with Cekura(sandbox.api_key, base_url=sandbox.url) as cekura:
        made = [cekura.metrics.create(name=name, eval_type="binary", agents=[101]) for name in ("Tone", "Closing")]
    sandbox.requests.clear()
    return [metric.id for metric in made]


def test_agents(shell: Shell, sandbox: Sandbox) -> None:
    everything, some, none, one, missing = run_each(
        shell,
        [
            ["agents", "list"],
            ["agents", "list", "--search", "dental", "--project-id", "11"],
            ["agents", "list", "--search", "nobody"],
            ["agents", "get", "101"],
            ["agents", "get", "999"],
        ],
    )
    for number in sandbox.agents:
        assert re.search(rf"^{number} ", everything.out, re.MULTILINE)
    assert re.findall(r"^\d+", some.out, re.MULTILINE) == ["101"]
    assert (none.code, none.out) == (0, "")
    assert "no agents" in none.err
    assert re.search(r"^agent_name +Dental clinic receptionist$", one.out, re.MULTILINE)
    assert missing.code == 1
    assert "Agent 999 was not found" in missing.err


def test_metrics_get_update_and_list(shell: Shell, sandbox: Sandbox, saved: list[int]) -> None:
    got, changed, listed, alias, missing = run_each(
        shell,
        [
            ["metrics", "get", str(saved[0])],
            ["metrics", "update", str(saved[0]), "--name", "Manner", "--description", "Was it friendly?"],
            ["metrics", "list", "--agent-id", "101"],
            ["list", "--agent-id", "101"],
            ["metrics", "get", "9999"],
        ],
    )
    assert re.search(r"^name +Tone$", got.out, re.MULTILINE)
    assert re.search(r"^name +Manner$", changed.out, re.MULTILINE)
    assert f"Metric {saved[0]} updated." in changed.err
    assert {metric["name"] for metric in sandbox.metrics} == {"Manner", "Closing"}
    assert "Manner" in listed.out
    assert alias.out == listed.out
    assert missing.code == 1
    assert "Metric 9999 was not found" in missing.err


def test_metrics_delete_needs_a_yes(shell: Shell, sandbox: Sandbox, saved: list[int]) -> None:
    [refused] = run_each(shell, [["metrics", "delete", str(saved[0])]])
    assert refused.code == 2
    assert "--yes" in refused.err
    assert sandbox.requests == []
    for answer, left in (("n", 2), ("y", 1)):
        with shell.terminal("metrics", "delete", str(saved[0])) as terminal:
            terminal.expect(re.escape("[n]o"))
            terminal.answer_now("perhaps")
            terminal.expect("cannot be undone")
            terminal.answer_now(answer)
            assert terminal.end() == 0
        assert len(sandbox.metrics) == left


def test_deleting_several_metrics_if_one_does_not_exist(shell: Shell, sandbox: Sandbox, saved: list[int]) -> None:
    ids = [str(saved[0]), "9999", str(saved[1]), str(saved[1])]
    [run] = run_each(shell, [["metrics", "delete", *ids, "--yes", "--json"]])
    assert run.code == 4
    assert run.document["deleted"] == saved
    assert [error["about"] for error in run.document["errors"]] == ["metric 9999"]
    assert "9999" in run.err
    assert sandbox.metrics == []


def test_deleting_stops_when_the_service_refuses_the_key(shell: Shell, sandbox: Sandbox, saved: list[int]) -> None:
    [run] = run_each(shell, [["metrics", "delete", *map(str, saved), "--yes", "--json"]], CEKURA_API_KEY="wrong")
    assert run.code == 1
    assert run.document["deleted"] == []
    assert len(run.document["errors"]) == 1
    assert len(sandbox.requests) == 1


def test_metrics_preview(shell: Shell, sandbox: Sandbox, saved: list[int]) -> None:
    (shell.folder / "metric.yaml").write_text("- name: Tone\n  eval_type: numeric\n", "utf-8")
    by_id, by_file = run_each(
        shell,
        [
            ["metrics", "preview", str(saved[0]), "--call-log-id", "7001", "--call-log-id", "7002"],
            ["metrics", "preview", "metric.yaml", "--run-id", "8001", "--json"],
        ],
    )
    assert re.findall(r"^call_log_id +(\d+)$", by_id.out, re.MULTILINE) == ["7001", "7002"]
    assert "progress id" in by_id.err
    assert by_file.document["status"] == "completed"
    assert [each["score"] for each in by_file.document["results"]] == [3]


def test_a_preview_that_takes_too_long_can_be_resumed(shell: Shell, sandbox: Sandbox, saved: list[int]) -> None:
    slow_down(sandbox)
    [late] = run_each(shell, [["metrics", "preview", str(saved[0]), "--run-id", "1", "--timeout", "0", "--json"]])
    assert late.code == 3
    [command] = re.findall(r"^  cekura-facade (metrics preview .*)$", late.err, re.MULTILINE)
    assert late.document["errors"][0]["progress_id"] in command
    finish_jobs(sandbox)
    [resumed] = run_each(shell, [[*shlex.split(command), "--json"]])
    assert resumed.code == 0
    assert resumed.document["status"] == "completed"


def test_an_interrupted_preview_can_be_resumed(shell: Shell, sandbox: Sandbox, saved: list[int]) -> None:
    slow_down(sandbox)
    with shell.start(COMMAND, "metrics", "preview", str(saved[0]), "--run-id", "1") as process:
        until(lambda: any("preview-progress" in request.path for request in list(sandbox.requests)))
        process.send_signal(signal.SIGINT)
        out, err = process.communicate()
    assert process.returncode == 130
    assert out == ""
    assert re.search(r"^  cekura-facade metrics preview --progress-id [\w-]+$", err, re.MULTILINE)


def test_a_failed_job_is_not_offered_for_resuming(shell: Shell, sandbox: Sandbox, saved: list[int]) -> None:
    sandbox.fail_next_job("No such call.")
    [run] = run_each(shell, [["metrics", "preview", str(saved[0]), "--run-id", "1"]])
    assert run.code == 1
    assert "No such call." in run.err
    assert "--progress-id" not in run.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["preview"], "Pass either a metric"),
        (["preview", "1001", "--progress-id", "x"], "Pass either a metric"),
        (["preview", "1001"], "--call-log-id or --run-id"),
        (["preview", "two.yaml", "--run-id", "1"], "has 2 metrics"),
        (["preview", "nothing.yaml", "--run-id", "1"], "nothing.yaml"),
        (["simplify"], "Pass either a metric or --prompt"),
        (["simplify", "--prompt", ""], "--prompt is empty"),
        (["simplify", "--prompt", "@nothing.txt"], "nothing.txt cannot be read"),
        (["list"], "--agent-id"),
        (["list", "--agent-id", "101", "--project-id", "11"], "--agent-id"),
    ],
)
def test_wrong_usage(shell: Shell, sandbox: Sandbox, arguments: list[str], said: str) -> None:
    (shell.folder / "two.yaml").write_text("- {name: A, eval_type: binary}\n- {name: B, eval_type: binary}\n", "utf-8")
    [run] = run_each(shell, [["metrics", *arguments]])
    assert (run.code, run.out) == (2, "")
    assert said in run.err
    assert sandbox.requests == []


def test_metrics_simplify(shell: Shell, sandbox: Sandbox, saved: list[int]) -> None:
    long = "Was the caller greeted? Was the caller thanked? " * 8
    (shell.folder / "prompt.txt").write_text(long, "utf-8")
    short, from_file, none, from_metric = run_each(
        shell,
        [
            ["metrics", "simplify", "--prompt", "One. Two. Three."],
            ["metrics", "simplify", "--prompt", "@prompt.txt"],
            ["metrics", "simplify", str(saved[0])],
            ["metrics", "update", str(saved[0]), "--prompt", "One. Two. Three.", "--quiet"],
        ],
    )
    assert short.out == "One. Two.\n"
    assert from_file.out == "Was the caller greeted? Was the caller thanked?\n"
    assert "progress id" in from_file.err
    assert none.code == 1
    assert f"Metric {saved[0]} has no prompt" in none.err
    assert from_metric.err == ""
    [again] = run_each(shell, [["metrics", "simplify", str(saved[0]), "--json"]])
    assert again.document["simplified_prompt"] == "One. Two."


def test_quiet_leaves_only_the_result(shell: Shell, sandbox: Sandbox, saved: list[int]) -> None:
    runs = run_each(
        shell,
        [
            ["metrics", "preview", str(saved[0]), "--run-id", "1", "-q"],
            ["metrics", "update", str(saved[0]), "--name", "x", "-q"],
            ["agents", "list", "-q"],
            ["generate", "--agent-id", "101", "--yes", "-q"],
            ["metrics", "delete", str(saved[0]), "--yes", "-q"],
        ],
    )
    for run in runs:
        assert (run.code, run.err) == (0, ""), run


def test_control_characters_of_the_service_are_escaped(home: Path, tmp_path: Path) -> None:
    hostile = "a\x1b[31mb\u202ec\nd"
    agent = {"id": 1, "agent_name": hostile, hostile: hostile}
    with scripted(reply(200, {"results": [agent], "next": None}), reply(200, agent)) as server:
        shell = Shell(tmp_path, environment(home, server.url, "key"))
        for run in run_each(shell, [["agents", "list"], ["agents", "get", "1"]]):
            assert run.code == 0
            assert "\\x1b[31m" in run.out
            assert "\x1b" not in run.out
            assert "\u202e" not in run.out


def test_an_alias_takes_the_same_options(shell: Shell, saved: list[int]) -> None:
    [run] = run_each(shell, [["list", "--project-id", "11", "--json"]])
    assert json.loads(run.out) == run.document
    assert run.code == 0
