"""Hostile input and responses: the command reports the problem, and ends with the right exit code."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]
from rich.cells import cell_len

from cekura_facade import Cekura
from cekura_facade.sandbox import Sandbox
from tests.commands import leaves, plain, run_each, run_each_in_terminal
from tests.support import reply, scripted
from tests.terminal import COMMAND, Shell, environment
from tests.test_cli_json import schema

PROGRESS_ID = "3f2b8c1e-5d4a-4f6b-9a7c-0e1d2c3b4a5f"
HOSTILE = "\x1b]0;title\x07\x1b[31mred\nError: not ours\r\u202e"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(job_seconds=0) as sandbox:
        yield sandbox


@pytest.fixture
def shell(sandbox: Sandbox, tmp_path: Path) -> Shell:
    (tmp_path / "home").mkdir()
    return Shell(tmp_path, environment(tmp_path / "home", sandbox.url, sandbox.api_key))


@pytest.fixture
def metric_id(sandbox: Sandbox) -> str:
    with Cekura(sandbox.api_key, base_url=sandbox.url) as cekura:
        metric = cekura.metrics.create(
            name="Greeting", eval_type="binary", agents=[101], description="Was the caller greeted?"
        )
    return str(metric.id)


def test_a_data_file_that_cannot_be_used_is_refused_with_a_reason(shell: Shell) -> None:
    files = {
        '{"name": "a", "name": "b"}': "the field 'name' appears twice",
        '{"name": "\\ud800"}': "half of a surrogate pair",
        '{"name": ' + "1" * 10_000 + "}": "too many digits",
        "[" * 100_000: "nested more than 100 levels deep",
        "[" * 200 + "]" * 200: "nested more than 100 levels deep",
        "[1, 2]": "expected a JSON object",
        '{"name": 1e999}': "a number that is not finite",
    }
    runs = []
    for number, text in enumerate(files):
        (shell.folder / f"{number}.json").write_text(text, "utf-8")
        runs.append(["metrics", "update", "1001", "--data", f"{number}.json"])
    (shell.folder / "latin.json").write_bytes(b'{"name": "caf\xe9"}')
    runs.append(["metrics", "update", "1001", "--data", "latin.json"])

    for run, reason in zip(run_each(shell, runs), [*files.values(), "is not UTF-8 text"], strict=True):
        assert run.code == 2, run
        assert reason in run.err
        assert run.err.endswith(" Nothing was sent.\n")
        assert "recursion" not in run.err
        assert "set_int_max_str_digits" not in run.err


@pytest.mark.parametrize(
    "arguments",
    [
        ["metrics", "update", "1001", "--data", "/dev/zero"],
        ["metrics", "update", "1001", "--prompt", "@/dev/zero"],
        ["metrics", "list", "--agent-id", "101", "--api-key-file", "/dev/zero"],
    ],
)
def test_a_file_without_an_end_is_refused(shell: Shell, arguments: list[str]) -> None:
    limited = f"ulimit -v 4000000; exec {COMMAND} " + " ".join(arguments)

    run = subprocess.run(["bash", "-c", limited], env=shell.env, capture_output=True, text=True, check=False)

    assert run.returncode == 2
    assert "/dev/zero is larger than 16 MB" in run.stderr


@pytest.mark.parametrize(
    "arguments",
    ["metrics update 1001 --data -", "metrics update 1001 --prompt @-", "metrics simplify --prompt @-"],
)
def test_closed_standard_input_is_named(shell: Shell, arguments: str) -> None:
    run = subprocess.run(
        ["bash", "-c", f"{COMMAND} {arguments} <&-"], env=shell.env, capture_output=True, text=True, check=False
    )

    assert run.returncode == 2
    assert "Standard input is closed. Pass a file" in run.stderr


@pytest.mark.parametrize("arguments", ["--help", "metrics get --help", "api", "-V", "metrics gett", "generate --x"])
def test_closed_streams_end_without_an_error(shell: Shell, arguments: str) -> None:
    run = subprocess.run(
        ["bash", "-c", f"{COMMAND} {arguments} >&-; echo $? >&2; {COMMAND} {arguments} >&- 2>&-"],
        env=shell.env,
        capture_output=True,
        text=True,
        check=False,
    )

    expected = 2 if arguments in ("metrics gett", "generate --x") else 0
    assert run.stderr.splitlines()[-1] == str(expected)
    assert run.returncode == expected
    assert "Traceback" not in run.stderr


def test_a_wrong_number_is_explained_without_mathematics(shell: Shell) -> None:
    runs = {
        ("metrics", "get", "abc"): "'abc' is not an integer.",
        ("metrics", "get", "0"): "0 is not a number from 1.",
        ("generate", "--agent-id", "101", "-n", "101"): "101 is not a number from 1 to 100.",
        ("generate", "--agent-id", "101", "--timeout", "x"): "'x' is not a number.",
        ("generate", "--agent-id"): "`cekura-facade generate --help` shows how it is used.",
        ("api", "nope"): "`cekura-facade api --list` lists the operations.",
        ("metrics", "list", "--assistant-id", ""): "--assistant-id '': expected a string",
    }
    for run, message in zip(run_each(shell, [list(each) for each in runs]), runs.values(), strict=True):
        assert run.code == 2
        assert message in run.err
        assert "range" not in run.err


def test_json_is_a_document_also_for_a_mistake_in_the_options(shell: Shell) -> None:
    commands = [words for words in leaves() if not words.startswith("api ")]
    runs = run_each(shell, [[*words.split(), "--no-such-option", "--json"] for words in commands])
    for words, run in zip(commands, runs, strict=True):
        assert run.code == 2
        document = run.document
        Draft202012Validator(schema(words)).validate(document)
        assert document["exit_code"] == 2
        assert "--no-such-option" in document["errors"][0]["message"]
    [api, text] = run_each(shell, [["api", "get_agent", "--no", "--json"], ["agents", "get", "x"]])
    assert api.document["exit_code"] == 2
    assert text.out == ""


def test_an_empty_value_is_sent(shell: Shell, sandbox: Sandbox, metric_id: str) -> None:
    runs = [
        ["metrics", "update", metric_id, "--description", "", "--add-to-new-agents", "null"],
        ["api", "update_metric", "--metric-id", metric_id, "--prompt", ""],
        ["api", "update_metric", "--metric-id", metric_id],
    ]
    [update, api, nothing] = run_each(shell, runs)

    assert update.code == api.code == 0
    assert 'description        ""\n' in update.out
    assert "add_to_new_agents  null\n" in update.out
    bodies = [json.loads(request.body) for request in sandbox.requests if request.method == "PATCH"]
    assert {"description": "", "add_to_new_agents": None} in bodies
    assert {"prompt": ""} in bodies
    assert nothing.code == 2
    assert "Nothing to send. Pass at least one option" in nothing.err


def test_a_job_that_is_resumed_is_not_called_started(shell: Shell) -> None:
    runs = [
        ["metrics", "preview", "--progress-id", PROGRESS_ID],
        ["metrics", "preview", "--progress-id", PROGRESS_ID, "--call-log-id", "7001"],
        ["metrics", "simplify", "--prompt", " "],
    ]
    [unknown, both, empty] = run_each(shell, runs)

    assert unknown.code == 1
    assert "started" not in unknown.err
    assert both.code == 2
    assert "Pass --progress-id alone" in both.err
    assert empty.code == 2
    assert "--prompt is empty" in empty.err


def test_a_warning_of_the_client_has_no_control_characters(shell: Shell) -> None:
    (shell.folder / "metrics.json").write_text('[{"name": "One", "eval_type": "binary", "agents": [101]}]', "utf-8")
    with scripted(reply(200, HOSTILE)) as service:
        run = shell.run("create", "metrics.json", "--base-url", service.url)
        quiet = shell.run("create", "metrics.json", "--base-url", service.url, "--quiet")

    assert run.returncode == quiet.returncode == 1
    assert "Agent 101 cannot be read" in run.stderr
    assert "Agent 101 cannot be read" not in quiet.stderr
    assert not set("\x1b\x07\r\u202e") & set(run.stderr + run.stdout + quiet.stderr)
    assert "\nError: not ours" not in run.stderr


@pytest.mark.parametrize("columns", [40, 60, 100])
def test_names_of_wide_and_escaped_characters_fit_the_terminal(shell: Shell, columns: int) -> None:
    names = ("予約の受付" * (columns // 12), HOSTILE * 2, "Reception")
    agents: list[dict[str, Any]] = [
        {"id": number, "agent_name": name, "project": 11} for number, name in enumerate(names, 101)
    ]
    with scripted(reply(200, {"count": 3, "next": None, "previous": None, "results": agents})) as service:
        [shown] = run_each_in_terminal(shell, [["agents", "list", "--base-url", service.url]], columns)

    assert "予約" in shown
    assert max(map(cell_len, plain(shown).splitlines())) <= columns


def test_a_progress_id_is_on_a_separate_line_on_a_narrow_terminal(shell: Shell) -> None:
    arguments = ["metrics", "preview", "--progress-id", PROGRESS_ID]

    [shown] = run_each_in_terminal(shell, [arguments], 40, TERM="dumb")

    assert f"    {PROGRESS_ID}" in shown.splitlines()
