"""The installed command in a pseudo-terminal: the dialog, the editor, Ctrl-C, and the layout."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len

from cekura_facade import Cekura
from cekura_facade.cli import _files
from cekura_facade.sandbox import Sandbox
from tests.forks import SECONDS
from tests.support import NEVER, Received, reply, scripted
from tests.terminal import COMMAND, NEXT_PICTURE, Shell, editor, environment, until

PROGRESS_ID = "3f2b8c1e-5d4a-4f6b-9a7c-0e1d2c3b4a5f"
STARTED = reply(200, {"progress_id": PROGRESS_ID})
METRIC = {"name": "Tone", "description": "How did it sound?", "eval_type": "binary", "agent": 101}
COMPLETED = reply(200, {"status": "completed", "current_step": "Done", "metrics": [METRIC], "error": None})
QUESTION = re.escape("[e]dit ")
KEPT = "cekura-suggestions.yaml"


@pytest.fixture
def shell(sandbox: Sandbox, home: Path, tmp_path: Path) -> Shell:
    return Shell(tmp_path, environment(home, sandbox.url, sandbox.api_key))


def kept(shell: Shell) -> list[dict[str, Any]]:
    return _files.parse((shell.folder / KEPT).read_text("utf-8"))


def suggested(sandbox: Sandbox) -> list[dict[str, Any]]:
    return [metric for job in sandbox.jobs.values() for metric in job.suggestions]


# The dialogue


def test_yes_saves(shell: Shell, sandbox: Sandbox) -> None:
    with shell.terminal("generate", "--agent-id", "101", "-n", "3") as terminal:
        terminal.expect(re.escape("Save 3 metrics? [y]es / [n]o / [e]dit / [?] help "))
        assert sandbox.metrics == []
        for metric in suggested(sandbox):
            assert metric["name"].split()[0] in terminal.screen
        terminal.answer_now("y")
        assert terminal.end() == 0
    assert [metric["id"] for metric in sandbox.metrics] == [1001, 1002, 1003]
    assert "1001" in terminal.screen
    assert "3 metrics created." in terminal.screen
    assert list(shell.folder.iterdir()) == []


def test_no_saves_nothing_and_shows_how_to_continue(shell: Shell, sandbox: Sandbox) -> None:
    with shell.terminal("generate", "--agent-id", "101") as terminal:
        terminal.answer("what?")
        terminal.expect("y  Save the metric.")
        terminal.expect("n  Save nothing.")
        terminal.expect("e  Open the suggestions in an editor")
        terminal.answer("")
        terminal.answer("NO")
        assert terminal.end() == 0
    [progress_id] = sandbox.jobs
    assert sandbox.metrics == []
    assert f"cekura-facade resume {progress_id}" in terminal.screen


def test_resume_asks_as_well(shell: Shell, sandbox: Sandbox) -> None:
    with Cekura(sandbox.api_key, base_url=sandbox.url) as cekura:
        job = cekura.metrics.generate(agent_id=101, num_metrics=2)
    with shell.terminal("resume", job.progress_id) as terminal:
        terminal.answer("yes")
        assert terminal.end() == 0
    assert len(sandbox.metrics) == 2


def test_results_can_be_redirected_to_a_file(shell: Shell, sandbox: Sandbox) -> None:
    # Standard output is a file, but there is still somebody to ask.
    line = f"{COMMAND} generate --agent-id 101 --json > out.json"
    with shell.program("sh", "-c", line) as terminal:
        terminal.answer("y")
        assert terminal.end() == 0
    assert [metric["id"] for metric in json.loads((shell.folder / "out.json").read_text())["created"]] == [1001]


def test_ctrl_d_is_not_an_answer(shell: Shell, sandbox: Sandbox) -> None:
    with shell.terminal("generate", "--agent-id", "101") as terminal:
        terminal.expect(QUESTION)
        terminal.press("d")
        assert terminal.end() == 130
    assert sandbox.metrics == []
    assert kept(shell) == suggested(sandbox)


# Layout


@pytest.mark.parametrize("columns", [40, 100])
def test_the_live_line(shell: Shell, columns: int, home: Path) -> None:
    with Sandbox(job_seconds=NEVER) as slow:
        shell.env["CEKURA_API_URL"] = slow.url
        arguments = ["generate", "--agent-id", "101", "--agent-id", "102"]
        with shell.terminal(*arguments, columns=columns) as terminal:
            until(lambda: len(slow.jobs) == 2)
            for progress_id in slow.jobs:
                terminal.expect(progress_id)
            terminal.expect("Waiting for")
            terminal.expect(r"(?!0:00)\d+:\d\d")
            terminal.expect(re.escape(NEXT_PICTURE))
            live = terminal.shows(terminal.drawn).splitlines()
            terminal.press("c")
            assert terminal.end() == 130
    assert len(live) == (4 if columns == 40 else 2)  # one line each; where it is narrow, the id has its own
    assert "agent 101 Waiting" in live[0]
    assert max(map(len, live)) <= columns
    assert terminal.raw.count("\x1b[?25l") == terminal.raw.count("\x1b[?25h") == 1  # the cursor is there again


@pytest.mark.parametrize("columns", [40, 60, 100])
def test_long_and_wide_text_fits(shell: Shell, sandbox: Sandbox, columns: int) -> None:
    wide = "通話の品質と顧客満足度を測定する指標 👍 " * 40
    with Cekura(sandbox.api_key, base_url=sandbox.url) as cekura:
        job = cekura.metrics.generate(agent_id=101, num_metrics=3)
    suggestions = sandbox.jobs[job.progress_id].suggestions
    suggestions[0].update(name=wide[:60], description=wide)
    suggestions[1].update(name="x" * 250, description="y" * 3000)
    with shell.terminal("resume", job.progress_id, columns=columns, COLUMNS=str(columns)) as terminal:
        terminal.answer("y")
        assert terminal.end() == 0
    assert len(sandbox.metrics) == 3
    plain = re.sub("\x1b\\[[0-9;?]*[A-Za-z]", "", terminal.raw)
    lines = [line for part in plain.split("\n") for line in part.split("\r")]
    assert max(map(cell_len, lines)) <= columns
    assert "x" * 30 in terminal.screen.replace("\n", "") or columns > 60
    for line in terminal.screen.splitlines():
        if line.startswith("│"):
            assert line.endswith("│")  # the frame is straight


@pytest.mark.parametrize("env", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_without_colour_and_animation(shell: Shell, env: dict[str, Any]) -> None:
    with shell.terminal("generate", "--agent-id", "101", **env) as terminal:
        terminal.answer("y")
        assert terminal.end() == 0
    assert "\x1b" not in terminal.raw
    lines = terminal.raw.splitlines()
    assert lines[0].startswith("agent 101: started, progress id ")
    assert "agent 101: Writing metrics" in lines or "agent 101: Done" in lines


def test_with_colour(shell: Shell) -> None:
    with shell.terminal("generate", "--agent-id", "101") as terminal:
        terminal.answer("n")
        terminal.end()
    assert "\x1b[1m" in terminal.raw
    assert terminal.raw.count("\x1b[?25l") == terminal.raw.count("\x1b[?25h")  # the cursor is there again


# Ctrl-C


def hold(release: threading.Event, then: bytes) -> Callable[[Received], bytes]:
    """A reply that waits until it is released."""

    def answer(request: Received) -> bytes:
        release.wait(SECONDS)
        return then

    return answer


def test_ctrl_c_while_starting(shell: Shell) -> None:
    release = threading.Event()
    with scripted(hold(release, STARTED)) as server:
        with shell.terminal("generate", "--agent-id", "101", "-n", "4", CEKURA_API_URL=server.url) as terminal:
            until(lambda: server.received)
            terminal.press("c")
            assert terminal.end() == 130
        release.set()
    assert "may have been started" in terminal.flat
    assert "cekura-facade generate --agent-id=101 --num-metrics=4" in terminal.flat


def test_ctrl_c_while_waiting(shell: Shell) -> None:
    with Sandbox(job_seconds=NEVER) as slow:
        arguments = ["generate", "--agent-id", "101", "--base-url", slow.url]
        with shell.terminal(*arguments) as terminal:
            terminal.expect("Waiting for")
            terminal.press("c")
            assert terminal.end() == 130
        command = f"cekura-facade resume {next(iter(slow.jobs))} --base-url {slow.url}"
    assert command in terminal.screen.replace("\n", "")


def test_ctrl_c_while_one_waits_and_another_is_done(shell: Shell, sandbox: Sandbox) -> None:
    with Cekura(sandbox.api_key, base_url=sandbox.url) as cekura:
        done, slow = (cekura.metrics.generate(agent_id=agent).progress_id for agent in (101, 102))
    object.__setattr__(sandbox.jobs[slow], "seconds", NEVER)
    with shell.terminal("resume", done, slow) as terminal:
        terminal.expect("1 suggestion ")
        terminal.press("c")
        assert terminal.end() == 130
    assert kept(shell) == sandbox.jobs[done].suggestions
    assert f"cekura-facade create {KEPT}" in terminal.flat
    assert f"cekura-facade resume {slow}" in terminal.flat


def test_ctrl_c_at_the_question(shell: Shell, sandbox: Sandbox) -> None:
    with shell.terminal("generate", "--agent-id", "101", "-n", "2") as terminal:
        terminal.expect(QUESTION)
        terminal.press("c")
        assert terminal.end() == 130
    assert sandbox.metrics == []
    assert kept(shell) == suggested(sandbox)
    assert f"cekura-facade create {KEPT}" in terminal.flat
    assert shell.run("create", KEPT).returncode == 0
    assert len(sandbox.metrics) == 2


def test_ctrl_c_at_the_question_after_an_edit(shell: Shell, sandbox: Sandbox) -> None:
    edit = editor(shell.folder, "path.write_text(text.replace('Did the', 'Has the'))")
    with shell.terminal("generate", "--agent-id", "101", "--output", "out.yaml", EDITOR=edit) as terminal:
        terminal.answer("e")
        terminal.expect(QUESTION)
        terminal.press("c")
        assert terminal.end() == 130
    assert not (shell.folder / KEPT).exists()
    [metric] = _files.parse((shell.folder / "out.yaml").read_text("utf-8"))
    assert "Has the" in metric["description"]


def test_a_terminal_that_is_closed_at_the_question(shell: Shell, sandbox: Sandbox) -> None:
    with shell.terminal("generate", "--agent-id", "101", "-n", "2") as terminal:
        terminal.expect(QUESTION)
        terminal.close()
        until(lambda: (shell.folder / KEPT).exists() and (shell.folder / KEPT).read_text().endswith("\n"))
    assert kept(shell) == suggested(sandbox)


def test_ctrl_c_in_the_editor(shell: Shell, sandbox: Sandbox) -> None:
    edit = editor(shell.folder, "path.write_text('- name: half'); print('READY', flush=True); time.sleep(600)")
    with shell.terminal("generate", "--agent-id", "101", EDITOR=edit) as terminal:
        terminal.answer("e")
        terminal.expect("READY")
        terminal.press("c")
        assert terminal.end() == 130
    assert sandbox.metrics == []
    assert kept(shell) == suggested(sandbox)
    [text] = re.findall(r"Your changes are kept in\s+(\S+\.yaml)\.", terminal.screen.replace("\n", ""))
    assert Path(text).read_text() == "- name: half"


def test_ctrl_c_that_the_editor_handles(shell: Shell, sandbox: Sandbox) -> None:
    body = (
        "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT]); print('READY', flush=True)\n"
        "signal.sigwait([signal.SIGINT]); print('TAKEN', flush=True)\n"
        "path.write_text(text.replace('Did the', 'Has the'))"
    )
    with shell.terminal("generate", "--agent-id", "101", EDITOR=editor(shell.folder, body)) as terminal:
        terminal.answer("e")
        terminal.expect("READY")
        terminal.press("c")
        terminal.expect("TAKEN")
        terminal.answer("y")
        assert terminal.end() == 0
    assert "Has the" in sandbox.metrics[0]["description"]


def test_ctrl_c_while_saving(shell: Shell) -> None:
    release = threading.Event()
    saved = reply(201, [{**METRIC, "id": 7}])

    def answer(request: Received) -> bytes:
        return hold(release, saved)(request) if "bulk_create" in request.path else reply(200, [])

    with scripted(STARTED, COMPLETED, answer) as server:
        with shell.terminal("generate", "--agent-id", "101", CEKURA_API_URL=server.url) as terminal:
            terminal.answer("y")
            until(lambda: any("bulk_create" in each.path for each in list(server.received)))
            terminal.press("c")
            assert terminal.end() == 130
        release.set()
    assert "Saving was interrupted." in terminal.flat
    assert kept(shell) == [METRIC]
    assert f"cekura-facade create {KEPT}" in terminal.flat


def test_ctrl_c_while_create_saves(shell: Shell) -> None:
    (shell.folder / "f.yaml").write_text(_files.as_text([METRIC], ""))
    release = threading.Event()
    with scripted(hold(release, reply(200, []))) as server:
        with shell.terminal("create", "f.yaml", CEKURA_API_URL=server.url) as terminal:
            until(lambda: server.received)
            terminal.press("c")
            assert terminal.end() == 130
        release.set()
    assert "cekura-facade create f.yaml" in terminal.flat


# The editor


def test_deleted_metrics_are_not_saved_and_edits_are(shell: Shell, sandbox: Sandbox) -> None:
    edit = editor(
        shell.folder,
        "head, *items = text.split('- name: ')\n"
        "path.write_text(head + '- name: Mine\\n' + items[2].split('\\n', 1)[1], 'utf-8')",
    )
    with shell.terminal("generate", "--agent-id", "101", "-n", "3", EDITOR="false", VISUAL=edit) as terminal:
        terminal.answer("e")
        terminal.expect(re.escape("Save 1 metric? "))
        terminal.answer_now("y")
        assert terminal.end() == 0
    [metric] = sandbox.metrics
    assert metric["name"] == "Mine"
    assert metric["description"] == suggested(sandbox)[2]["description"]
    assert list(shell.folder.glob("cekura*")) == []


def test_a_broken_edit_is_explained_with_its_line_and_opened_again(shell: Shell, sandbox: Sandbox) -> None:
    edit = editor(
        shell.folder,
        "lines = text.split('\\n')\n"
        "if times == 0:\n"
        "    lines[5] = '  description: [broken'\n"
        "elif times == 1:\n"
        "    pathlib.Path('seen').write_text(text)\n"
        "    lines[5] = '  description: fixed'\n"
        "    while lines[6].startswith('    '): del lines[6]\n"
        "path.write_text('\\n'.join(lines))",
    )
    with shell.terminal("generate", "--agent-id", "101", EDITOR=edit) as terminal:
        terminal.answer("e")
        terminal.expect(r"cannot be used: line \d+, column \d+: ")
        terminal.answer("y")
        assert terminal.end() == 0
    assert "cannot be used: line 6, column 16: while parsing a flow sequence" in terminal.flat
    seen = (shell.folder / "seen").read_text().split("\n")
    assert seen[2].startswith("# Cannot be used: line 6, column 16: ")
    assert seen[5] == "  description: [broken"  # The typed text is still on the same line.
    assert sandbox.metrics[0]["description"] == "fixed"


def test_an_edit_that_stays_broken_ends(shell: Shell, sandbox: Sandbox) -> None:
    edit = editor(shell.folder, "path.write_text(text if times else '- broken')")
    with shell.terminal("generate", "--agent-id", "101", EDITOR=edit) as terminal:
        terminal.answer("e")
        terminal.expect("line 1: expected a metric")
        terminal.expect(r"Your changes are kept in")
        terminal.answer("y")
        assert terminal.end() == 0
    assert sandbox.metrics[0]["name"] == suggested(sandbox)[0]["name"]


@pytest.mark.parametrize(
    ("chosen", "said"),
    [
        ("no-such-editor --wait", "no-such-editor: No such file"),
        ("sh -c 'exit 3'", "ended with exit code 3"),
        ("true", "Nothing was changed"),
        ("rm", "No such file"),
        ("'unclosed", "No such file"),
    ],
)
def test_an_editor_that_does_not_edit(shell: Shell, sandbox: Sandbox, chosen: str, said: str) -> None:
    with shell.terminal("generate", "--agent-id", "101", EDITOR=chosen) as terminal:
        terminal.answer("e")
        terminal.expect(re.escape(said))
        terminal.answer("y")
        assert terminal.end() == 0
    assert len(sandbox.metrics) == 1


def test_without_any_editor(shell: Shell, sandbox: Sandbox) -> None:
    with shell.terminal("generate", "--agent-id", "101", PATH="/nowhere") as terminal:
        terminal.answer("e")
        terminal.expect("Set VISUAL or EDITOR")
        terminal.answer("n")
        assert terminal.end() == 0


@pytest.mark.parametrize("left", ["", "[]", "# all gone\n"])
def test_if_all_suggestions_are_deleted_nothing_is_saved(shell: Shell, sandbox: Sandbox, left: str) -> None:
    edit = editor(shell.folder, f"path.write_text({left!r})")
    with shell.terminal("generate", "--agent-id", "101", EDITOR=edit) as terminal:
        terminal.answer("e")
        terminal.expect("No metrics are left")
        assert terminal.end() == 0
    assert sandbox.metrics == []
    assert "cekura-facade resume" in terminal.flat


def test_an_edit_that_the_service_refuses_is_kept(shell: Shell, sandbox: Sandbox) -> None:
    edit = editor(shell.folder, "path.write_text(text.replace('eval_type: binary', 'eval_type: no'))")
    with shell.terminal("generate", "--agent-id", "101", EDITOR=edit) as terminal:
        terminal.answer("e")
        terminal.answer("y")
        assert terminal.end() == 1
    assert kept(shell)[0]["eval_type"] == "no"
    assert f"cekura-facade create {KEPT}" in terminal.flat


def test_control_characters_in_the_dialogue(shell: Shell) -> None:
    hostile = {**METRIC, "name": "a\x1b]0;owned\x07b", "description": "\x1b[2J\x9b1m"}
    completed = reply(200, {"status": "completed", "current_step": "\x1b[2J", "metrics": [hostile], "error": None})
    step = reply(200, {"status": "in_progress", "current_step": "\x1b]0;step\x07", "metrics": [], "error": None})
    refused = reply(400, [{"name": ["\x1b]0;why\x07"]}])
    with (
        scripted(STARTED, step, step, completed, reply(200, []), refused) as server,
        shell.terminal("generate", "--agent-id", "101", CEKURA_API_URL=server.url) as terminal,
    ):
        terminal.expect(re.escape(r"\x1b]0;step\x07"))
        terminal.answer("y")
        assert terminal.end() == 1
    assert r"a\x1b]0;owned\x07b" in terminal.screen
    assert r"\x1b]0;why\x07" in terminal.screen
    for sent in ("\x1b]0;", "\x07", "\x1b[2J", "\x9b"):
        assert sent not in terminal.raw
    assert kept(shell) == [hostile]
