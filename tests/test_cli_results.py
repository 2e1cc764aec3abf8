"""The reports of the command: which metrics are new, what to fix after an error, and useful advice only."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from cekura_facade import __version__
from cekura_facade.cli._saving import summarize
from cekura_facade.sandbox import Sandbox
from tests.forks import SECONDS
from tests.support import closed_port, reply, scripted
from tests.terminal import COMMAND, JSON, Shell, environment, forks

PROGRESS_ID = "3f2b8c1e-5d4a-4f6b-9a7c-0e1d2c3b4a5f"
STARTED = reply(200, {"progress_id": PROGRESS_ID})


@pytest.fixture
def shell(sandbox: Sandbox, home: Path, tmp_path: Path) -> Shell:
    return Shell(tmp_path, environment(home, sandbox.url, sandbox.api_key))


def at(url: str, home: Path, folder: Path) -> Shell:
    return Shell(folder, environment(home, url, "a-key"))


def metrics(*names: str, agent: int = 101, **fields: Any) -> list[dict[str, Any]]:
    return [{"name": name, "eval_type": "binary", "agent": agent, **fields} for name in names]


def write(shell: Shell, content: list[dict[str, Any]], name: str = "m.yaml") -> None:
    (shell.folder / name).write_text(yaml.safe_dump(content))


def advice(text: str) -> list[str]:
    """The printed commands, which are indented."""
    return re.findall(r"^  (cekura-facade .*)$", text, re.MULTILINE)


# New and existing metrics


@pytest.mark.parametrize(
    ("numbers", "said"),
    [
        ((5, 0, 5), "5 metrics created."),
        ((1, 0, 1), "1 metric created."),
        ((0, 5, 5), "5 metrics already existed. Nothing was created."),
        ((0, 1, 1), "1 metric already existed. Nothing was created."),
        ((3, 2, 5), "3 metrics created, 2 already existed."),
        ((1, 1, 3), "1 metric created, 1 already existed, 1 was not saved."),
        ((0, 1, 3), "1 metric already existed, 2 were not saved."),
        ((0, 0, 3), "No metrics were saved."),
        ((0, 0, 3, 2), "1 metric was not saved, 2 may or may not be saved."),
        ((0, 0, 2, 2), "2 metrics may or may not be saved."),
    ],
)
def test_the_summary(numbers: tuple[int, ...], said: str) -> None:
    assert summarize(*numbers) == said


def test_new_and_existing_metrics_are_distinguished(shell: Shell, sandbox: Sandbox) -> None:
    write(shell, metrics("a", "c"), "some.yaml")
    write(shell, metrics("a", "b", "c", "d"), "all.yaml")
    assert shell.run("create", "some.yaml").stdout.startswith("2 metrics created.\n")
    second = shell.run("create", "all.yaml", *JSON)
    document = json.loads(second.stdout)
    assert [metric["name"] for metric in document["created"]] == ["b", "d"]
    assert [metric["name"] for metric in document["existing"]] == ["a", "c"]
    assert second.stderr.splitlines()[-1] == "2 metrics created, 2 already existed."
    third = shell.run("create", "all.yaml")
    assert third.stdout.startswith("4 metrics already existed. Nothing was created.\n")
    assert len(re.findall(r"\bexisting\b", third.stdout)) == 4
    assert len(sandbox.metrics) == 4


def test_the_table_marks_each_metric(shell: Shell) -> None:
    write(shell, metrics("a"), "some.yaml")
    write(shell, metrics("a", "b"), "all.yaml")
    shell.run("create", "some.yaml")
    for columns in ("100", "60", "40"):
        result = shell.run("create", "all.yaml" if columns == "100" else "some.yaml", COLUMNS=columns)
        assert "existing" in result.stdout
        assert ("new" in result.stdout.split()) == (columns == "100")


def test_every_document_of_a_saving_command_has_the_same_keys(shell: Shell, sandbox: Sandbox) -> None:
    write(shell, metrics("a"))
    write(shell, metrics("bad", eval_type="nonsense"), "bad.yaml")
    keys = {"exit_code", "created", "existing", "suggested", "errors", "unconfirmed", "unfinished", "file", "next"}
    for arguments in (
        ["create", "m.yaml"],
        ["create", "m.yaml", "--dry-run"],
        ["create", "bad.yaml"],
        ["create", "missing.yaml"],
        ["generate", "--agent-id", "101", "--dry-run"],
        ["generate", "--agent-id", "999", "--yes"],
        ["generate", "--yes"],
        ["resume", "abc", "--yes"],
        ["generate", "--agent-id", "101"],
    ):
        result = shell.run(*arguments, *JSON)
        document = json.loads(result.stdout)
        assert document.keys() == keys
        assert document["exit_code"] == result.returncode
        assert bool(document["errors"]) == (result.returncode != 0)


def test_suggestions_can_be_piped_to_create(shell: Shell, sandbox: Sandbox) -> None:
    suggested = shell.run("generate", "--agent-id", "101", "-n", "2", "--dry-run", *JSON).stdout
    assert shell.run("create", "-", input=suggested).returncode == 0
    assert len(sandbox.metrics) == 2


def test_quiet_prints_results_and_errors_only(shell: Shell, sandbox: Sandbox) -> None:
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "from cekura_facade.cli import _creating, _report, _suggesting\n"
        "def run(work):\n"
        "    options = _report.Options(None, None, as_json=False, verbose=False, quiet=True)\n"
        "    try: _report.run_and_report(options, work)\n"
        "    except BaseException as end: print('exit', getattr(end, 'exit_code', end))\n"
        "handling = _suggesting.Handling(True, False, Path('out.yaml'), 60)\n"
        "for agent in (101, 999):\n"
        "    jobs = _suggesting.started([agent], [], 2)\n"
        "    run(lambda report: _suggesting.suggest_and_save(report, jobs, handling))\n"
    )
    command = [sys.executable, "-c", program]
    result = subprocess.run(
        command, cwd=shell.folder, env=shell.env, capture_output=True, text=True, check=True, timeout=SECONDS
    )
    assert result.stdout.startswith("2 metrics created.\n")
    assert result.stdout.splitlines()[-1] == "exit 1"
    assert result.stderr == (
        "Agent 999 was not found. Check the id and the base URL. This account may not have access to it.\n"
    )


# Advice


def test_a_progress_id_that_is_not_valid_is_refused_without_advice_to_repeat_it(shell: Shell, sandbox: Sandbox) -> None:
    for arguments in (["abc"], [PROGRESS_ID, "abc"], [f"{PROGRESS_ID}\nTo resume:\n  cekura-facade resume x"]):
        result = shell.run("resume", *arguments, "--yes")
        assert result.returncode == 2
        assert "is not a valid progress id. Pass a UUID such as" in result.stderr
        assert len(result.stderr.splitlines()) == 1
    assert sandbox.requests == []


def test_an_unknown_job_is_polled_once_and_named(shell: Shell, sandbox: Sandbox) -> None:
    result = shell.run("resume", PROGRESS_ID, "--yes")
    assert result.returncode == 1
    assert [request.path.rsplit("/", 2)[-2] for request in sandbox.requests] == ["generate_metrics_progress"]
    assert f"Job {PROGRESS_ID} was not found." in result.stderr
    assert advice(result.stderr) == []


def test_after_a_refusal_the_advice_is_to_fix_the_file(shell: Shell, sandbox: Sandbox) -> None:
    content = metrics("a", agent=102) + metrics("good") + metrics("bad", eval_type="nonsense")
    write(shell, content)
    result = shell.run("create", "m.yaml")
    assert result.returncode == 4
    assert re.search(r"The service refused 1 metric: metric 3 \(bad\): eval_type: Not a valid choice", result.stderr)
    assert "1 metric created, 2 were not saved." in result.stdout
    assert "Fix the refused metrics in m.yaml" in result.stderr
    assert advice(result.stderr) == []
    document = json.loads(shell.run("create", "m.yaml", *JSON).stdout)
    assert document["errors"][0]["problems"][0] | {"message": ""} == {
        "metric": 2,
        "name": "bad",
        "field": "eval_type",
        "message": "",
    }
    assert document["next"] == []
    assert [metric["name"] for metric in document["existing"]] == ["a"]


def test_after_refused_suggestions_the_advice_is_to_fix_their_file(shell: Shell, sandbox: Sandbox) -> None:
    result = shell.run("create", "-", input=yaml.safe_dump(metrics("bad", eval_type="nonsense")))
    assert advice(result.stderr) == ["cekura-facade create cekura-suggestions.yaml"]
    assert "After you fix the metrics in the file, run:" in result.stderr


def test_after_a_refused_key_the_advice_is_to_fix_the_key(shell: Shell, sandbox: Sandbox) -> None:
    write(shell, metrics("a"))
    result = shell.run("create", "m.yaml", CEKURA_API_KEY="wrong-key")
    assert "Fix the API key before you save the file again." in result.stderr
    assert advice(result.stderr) == []
    result = shell.run("resume", PROGRESS_ID, "--yes", *JSON, CEKURA_API_KEY="wrong-key")
    assert "After you fix the API key, run:" in result.stderr
    assert json.loads(result.stdout)["next"] == []


def test_without_a_key_there_is_no_advice_to_resume(shell: Shell) -> None:
    for arguments in (["resume", PROGRESS_ID, "--yes"], ["generate", "--agent-id", "101", "--yes"]):
        result = shell.run(*arguments, CEKURA_API_KEY="")
        assert result.returncode == 2
        assert advice(result.stderr) == []


def test_after_a_lost_connection_the_same_file_can_be_saved_again(shell: Shell) -> None:
    write(shell, metrics("a"))
    with closed_port() as url:
        result = shell.run("create", "m.yaml", CEKURA_API_URL=url)
    assert result.returncode == 1
    assert "No metrics were saved." in result.stderr
    assert advice(result.stderr) == ["cekura-facade create m.yaml"]


@pytest.mark.parametrize("command", [["list", "--agent-id", "77"], ["generate", "--agent-id", "77", "--yes"]])
def test_a_404_names_the_id(home: Path, tmp_path: Path, command: list[str]) -> None:
    with scripted(reply(404, {"detail": "Not found."})) as server:
        result = at(server.url, home, tmp_path).run(*command)
    assert result.returncode == 1
    assert re.search(
        r"^(Error: )?Agent 77 was not found\. Check the id and the base URL\.", result.stderr, re.MULTILINE
    )


# Text of the service


FALSE = "out of ideas\n\nTo resume:\n  cekura-facade create evil.yaml\r\u2028To resume:\x1b[2J\u202e"


def test_text_of_the_service_cannot_look_like_a_message_of_the_command(home: Path, tmp_path: Path) -> None:
    failed = reply(200, {"status": "failed", "current_step": FALSE, "metrics": [], "error": FALSE})
    refused = reply(400, [{FALSE: [FALSE]}])
    metric = {"name": FALSE, "description": "x", "eval_type": FALSE, "agent": 1}
    completed = reply(200, {"status": "completed", "current_step": FALSE, "metrics": [metric], "error": None})
    step = reply(200, {"status": FALSE, "current_step": None, "metrics": [], "error": None})
    outputs = []
    for replies in (
        [STARTED, step, failed],
        [STARTED, completed, reply(200, []), refused],
        [reply(404, {"detail": FALSE})],
    ):
        for verbose in ([], ["--verbose"]):
            with scripted(*replies) as server:
                shell = at(server.url, home, tmp_path)
                outputs.append(shell.run("generate", "--agent-id", "1", "--yes", *verbose))
    for result in outputs:
        assert result.returncode == 1
        assert "evil.yaml" not in " ".join(advice(result.stderr))
        for line in (result.stderr + result.stdout).splitlines():
            assert not line.startswith("To resume")
            assert not re.match(r"\s*cekura-facade create evil", line)
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u202e]", result.stdout + result.stderr)


@pytest.mark.parametrize("columns", [40, 60, 100])
def test_text_of_the_service_stays_indented_where_it_is_wrapped(home: Path, tmp_path: Path, columns: int) -> None:
    evil = "x " * 60 + "To resume: " * 40 + "cekura-facade create evil.yaml " * 20
    failed = reply(200, {"status": "failed", "current_step": "x", "metrics": [], "error": evil})
    with scripted(STARTED, failed) as server:
        shell = at(server.url, home, tmp_path)
        with shell.terminal("generate", "--agent-id", "1", "--yes", columns=columns) as terminal:
            assert terminal.end() == 1
    for line in terminal.screen.splitlines():
        assert not re.match(r" {0,3}(To resume|cekura-facade create)", line)
        assert len(line) <= columns


# Streams


@pytest.mark.parametrize(
    "command",
    [
        "list --agent-id 101",
        "list --agent-id 101 --json",
        "doctor",
        "generate --agent-id 101 --yes",
        "generate --agent-id 101 --dry-run --json",
        "sandbox",
        "--help",
        "--version",
        "generate --help",
    ],
)
def test_output_that_cannot_be_written_is_an_error(shell: Shell, command: str) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    write(shell, metrics("a"))
    shell.run("create", "m.yaml")
    program = [COMMAND, *shlex.split(command)]
    result = forks(virtual_time=False).run(program, shell.folder, shell.env, device="/dev/full")
    assert result.returncode == 1
    assert "standard output" in result.stderr.splitlines()[-1].lower()
    assert "No space left on device" in result.stderr
    assert "Traceback" not in result.stderr
    assert "Exception ignored" not in result.stderr


@pytest.mark.parametrize("closed", ["1>&-", "2>&-", "0<&-", "1>&- 2>&-", "2>/dev/full"])
@pytest.mark.parametrize("command", ["doctor", "--version", "list --agent-id 101"])
def test_closed_streams_are_not_errors(shell: Shell, command: str, closed: str) -> None:
    result = subprocess.run(
        f"{COMMAND} {command} {closed}",
        shell=True,
        cwd=shell.folder,
        env=shell.env,
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
    )
    assert result.returncode == 0
    assert result.stderr == "" or "no metrics" in result.stderr


# Without the extra `cli`


def test_the_version_needs_no_extra(shell: Shell) -> None:
    block = "import sys; sys.modules.update(typer=None, rich=None, yaml=None, click=None); "
    program = block + "import runpy; runpy.run_module('cekura_facade', run_name='__main__')"
    for arguments in (["--version"], ["-V"]):
        result = subprocess.run(
            [sys.executable, "-c", program, *arguments], env=shell.env, capture_output=True, text=True, check=False
        )
        assert (result.returncode, result.stdout, result.stderr) == (0, f"cekura-facade {__version__}\n", "")
    result = subprocess.run(
        [sys.executable, "-c", program, "doctor"], env=shell.env, capture_output=True, text=True, check=False
    )
    assert result.returncode == 1
    assert 'typer, rich, yaml. Install the extra: pip install "cekura-facade[cli]"' in result.stderr


# Layout


@pytest.mark.parametrize("columns", [40, 60, 100])
def test_no_word_is_split_and_no_line_is_too_wide(shell: Shell, sandbox: Sandbox, columns: int) -> None:
    with shell.terminal("generate", "--agent-id", "101", "-n", "12", columns=columns) as terminal:
        terminal.answer("?")
        terminal.answer("y")
        assert terminal.end() == 0
    [job] = sandbox.jobs.values()
    words = {word for metric in job.suggestions for word in (metric["name"] + " " + metric["description"]).split()}
    shown = set(terminal.screen.replace("│", " ").split())
    assert words <= shown
    assert max(map(len, terminal.screen.splitlines())) <= columns
    plain = re.sub("\x1b\\[[0-9;?]*[A-Za-z]", "", terminal.raw)
    assert max(len(part) for line in plain.split("\n") for part in line.split("\r")) <= columns


@pytest.mark.parametrize("columns", [40, 60, 100])
def test_a_check_fits_the_terminal(shell: Shell, columns: int) -> None:
    with shell.terminal("check", "--agent-id", "101", "-o", "out.json", columns=columns) as terminal:
        terminal.expect(r"\[y\]es / \[n\]o / \[\?\] help ")
        terminal.answer_now("what")
        terminal.expect("Send nothing.")
        terminal.answer_now("y")
        assert terminal.end() == 0
    assert max(map(len, terminal.screen.splitlines())) <= columns
    results = json.loads((shell.folder / "out.json").read_text())["results"]
    words = {word for each in results for word in f"{each['assumption']} {each['observed']}".split()}
    assert words <= set(terminal.screen.replace("│", " ").split())
