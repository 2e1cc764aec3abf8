"""`plan` and `apply`: the changes in three formats, and reports of the finished steps."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from markdown_it import MarkdownIt

from cekura_facade import Cekura, Metric, MetricChange, Plan
from cekura_facade.cli import _plan_text
from cekura_facade.cli._plan_markdown import markdown
from cekura_facade.sandbox import Sandbox
from tests.commands import run_each
from tests.forks import PipedFork
from tests.support import Received, reply, scripted
from tests.terminal import COMMAND, Shell, environment

PLAN = ["plan", "m.yaml", "--agent-id", "101"]
APPLY = ["apply", "m.yaml", "--agent-id", "101", "--yes"]
FILE = """\
- name: Tone
  eval_type: binary
  description: Was it polite?
- name: Closing
  eval_type: numeric
  description: Did it say goodbye?
- name: New
  eval_type: binary
  description: Is it new?
"""
OTHER = "expected agent 101 of --agent-id, not 7. Change the field, or the option."
HOSTILE = "`@joe` | <img src=x> [l](http://h) #1 ``` \x1b[31m\u202e*b*\n## head"


@pytest.fixture
def shell(sandbox: Sandbox, home: Path, tmp_path: Path) -> Shell:
    (tmp_path / "m.yaml").write_text(FILE, "utf-8")
    return Shell(tmp_path, environment(home, sandbox.url, sandbox.api_key))


@pytest.fixture
def saved(sandbox: Sandbox) -> Sandbox:
    """A sandbox with metrics of an agent: one that matches the file, one that differs, and several that it lacks."""
    with Cekura(sandbox.api_key, base_url=sandbox.url) as cekura:
        for name, agents in (
            ("Tone", [101]),
            ("Closing", [101, 102]),
            ("Old", [101]),
            ("Shared", [101, 102]),
            ("Everyone", []),
            ("Theirs", [101]),
        ):
            described = {"Tone": "Was it polite?", "Closing": "Did it say goodbye?"}.get(name, "")
            cekura.metrics.create(name=name, eval_type="binary", agents=agents, project=11, description=described)
    sandbox.metrics[-1]["vocera_defined_metric_code"] = "latency"
    sandbox.requests.clear()
    return sandbox


def write(shell: Shell, metrics: object, name: str = "m.yaml") -> None:
    (shell.folder / name).write_text(json.dumps(metrics), "utf-8")


def writes(sandbox: Sandbox) -> list[str]:
    return [request.method for request in sandbox.requests if request.method != "GET"]


@contextmanager
def relay(sandbox: Sandbox, fault: Callable[[Received], bytes | None]) -> Iterator[str]:
    """A server in front of the sandbox. The fault may respond in place of the sandbox."""

    def answer(request: Received) -> bytes:
        if (response := fault(request)) is not None:
            return response
        headers = {"X-CEKURA-API-KEY": sandbox.api_key, "Content-Type": "application/json"}
        got = httpx.request(request.method, sandbox.url + request.path, headers=headers, content=request.body)
        return reply(got.status_code, got.content)

    with scripted(answer) as server:
        yield server.url


# The plan


def test_the_plan_in_words(shell: Shell, saved: Sandbox) -> None:
    run, pruned = run_each(shell, [PLAN, [*PLAN, "--prune"]])
    assert (run.code, run.err) == (5, "")
    assert run.out == (
        "+ New\n"
        '    + eval_type: "binary"\n'
        '    + description: "Is it new?"\n'
        "    + agents: [101]\n"
        "\n"
        "~ Closing  (1002, also assigned to agent 102)\n"
        '    ~ eval_type: "binary" → "numeric"\n'
        "\n"
        "- Old  (1003, only in the service)\n"
        "- Shared  (1004, only in the service)\n"
        "- Everyone  (1005, only in the service)\n"
        "- Theirs  (1006, only in the service)\n"
        "\n"
        "1 to create, 1 to update, 1 unchanged; 4 only in the service.\n"
    )
    assert pruned.code == 5
    assert pruned.out.partition("- ")[2] == (
        "Old  (1003, to be deleted)\n"
        "- Shared  (1004, is kept: also assigned to agent 102)\n"
        "- Everyone  (1005, is kept: only a plan with --project-id deletes a metric of the project)\n"
        "- Theirs  (1006, is kept: it is a predefined metric)\n"
        "\n"
        "1 to create, 1 to update, 1 to delete, 1 unchanged; 3 only in the service.\n"
    )
    assert writes(saved) == []


def test_the_plan_of_a_project(shell: Shell, saved: Sandbox) -> None:
    [run] = run_each(shell, [["plan", "m.yaml", "--project-id", "11", "--prune"]])
    assert "1 to delete" not in run.out
    assert "3 to delete" in run.out
    assert "also assigned" not in run.out


def test_the_exit_code_says_whether_there_is_something_to_do(shell: Shell, saved: Sandbox) -> None:
    write(shell, [{"name": "Tone", "description": "  Was it polite?"}])
    plain, pruned, as_json, as_markdown = run_each(
        shell, [PLAN, [*PLAN, "--prune"], [*PLAN, "--json"], [*PLAN, "--markdown"]]
    )
    assert [plain.code, pruned.code, as_json.code, as_markdown.code] == [0, 5, 0, 0]
    assert plain.out.endswith("\nNothing to do: 1 unchanged; 5 only in the service.\n")
    assert as_json.document["exit_code"] == 0


def test_the_plan_as_json(shell: Shell, saved: Sandbox) -> None:
    [run] = run_each(shell, [[*PLAN, "--json"]])
    document = run.document
    assert document["exit_code"] == run.code == 5
    assert [each["name"] for each in document["create"]] == ["New"]
    assert document["update"] == [
        {"id": 1002, "name": "Closing", "fields": [{"name": "eval_type", "before": "binary", "after": "numeric"}]}
    ]
    assert document["unchanged"] == [{"id": 1001, "name": "Tone"}]
    assert [each["id"] for each in document["only_in_service"]] == [1003, 1004, 1005, 1006]
    assert document["deletable"] == [{"id": 1003, "name": "Old"}]


def test_quiet_leaves_the_plan(shell: Shell, saved: Sandbox) -> None:
    write(shell, [{"name": "Tone", "owner": "me", "id": 7}])
    loud, quiet = run_each(shell, [PLAN, [*PLAN, "--quiet"]])
    assert "Warning: m.yaml has fields that the API does not list as writable: owner (line 1). They" in loud.err
    assert "Warning: m.yaml has fields that are ignored, because they are read-only or " in loud.err
    assert "of predefined metrics: id (line 1)." in loud.err
    assert quiet.err == ""
    assert quiet.out == loud.out


def plan_of(before: object, after: object, name: str = "Tone", key: str = "prompt") -> Plan:
    metric = Metric.from_dict({"id": 7, "name": name, key: before, "agents": [101]})
    change = MetricChange(metric, {key: before}, {key: after})
    return Plan(agent_id=101, project_id=None, update=(change,))


SENTENCES = [f"Sentence {number} asks whether the agent did what it was told." for number in range(40)]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("\n".join(SENTENCES), "\n".join(SENTENCES).replace("Sentence 20", "Number 20")),
        (" ".join(SENTENCES), " ".join(SENTENCES).replace("Sentence 20", "Number 20")),
        ("word " * 500 + "end" + " word" * 500, "word " * 500 + "stop" + " word" * 500),
        ("日本語の文です。" * 50, "日本語の文です。" * 25 + "新しい文です。" + "日本語の文です。" * 25),
        ({str(n): n for n in range(60)}, {str(n): n for n in range(60)} | {"30": 31}),
    ],
)
def test_only_the_differences_of_a_long_text_are_shown(before: object, after: object) -> None:
    [block] = _plan_text.blocks(plan_of(before, after), prune=False)
    shown = "\n".join(line.sign + line.text for line in block.lines)
    assert [line.sign for line in block.lines].count("+") == 1
    assert [line.sign for line in block.lines].count("-") <= 1
    assert len(shown) < len(str(before)) / 2
    assert len(block.lines) <= 12


def test_two_changes_of_a_long_paragraph_are_shown_apart() -> None:
    before = " ".join(SENTENCES)
    after = before.replace("Sentence 5 ", "Number 5 ").replace("Sentence 35 ", "Number 35 ")
    [block] = _plan_text.blocks(plan_of(before, after), prune=False)
    assert [line.text.split()[:2] for line in block.lines if line.sign == "+"] == [["Number", "5"], ["Number", "35"]]
    assert len(block.lines) <= 16


@pytest.mark.parametrize(
    ("before", "after", "lines"),
    [
        ("a", "b", ['~"a" prompt "b"']),
        (None, "b", ['~not set prompt "b"']),
        (None, "a\nb", ["~prompt:", "-  not set", "+  a", "+  b"]),
        ("a\nb\nc", "a\nB\nc", ["~prompt:", "   a", "-  b", "+  B", "   c"]),
        ("a\nb", "a\n\tb", ["~prompt:", "   a", "-  b", "+  \tb"]),
        ("x. " * 60, "x.  " * 60, None),
    ],
)
def test_the_difference_of_a_field(before: object, after: object, lines: list[str] | None) -> None:
    [block] = _plan_text.blocks(plan_of(before, after), prune=False)
    shown = [line.sign + " ".join(filter(None, (line.text, line.field, line.becomes))) for line in block.lines]
    assert {"-", "+"} <= {line[0] for line in shown} if lines is None else shown == lines


def test_foreign_text_is_code_in_markdown() -> None:
    plan = Plan(
        agent_id=101,
        project_id=None,
        create=({"name": HOSTILE, HOSTILE: HOSTILE, "description": f"```\n~~~\n{HOSTILE}\n````"},),
        copy=(HOSTILE,),
        update=plan_of("a\n```\nb\n" + HOSTILE, "a\n```\nc\n" + HOSTILE, name=HOSTILE, key=HOSTILE).update,
        only_in_service=(Metric.from_dict({"id": 8, "name": HOSTILE}), Metric.from_dict({"id": 9, "name": "`"})),
    )
    text = markdown(plan, prune=True)
    assert not set(text) & set("\x1b\u202e")
    outside = []
    for token in MarkdownIt("commonmark", {"html": True}).parse(text):
        assert token.type not in ("html_block", "code_block"), token
        for child in token.children or ():
            assert child.type in ("text", "code_inline", "strong_open", "strong_close"), child
            outside += [child.content] if child.type == "text" else []
    said = " ".join(outside)
    for part in ("joe", "img", "http", "#1", "head", "@", "|", "`", "<"):
        assert part not in said
    assert text.count("joe") >= 6


def test_a_name_that_is_empty_is_not_an_open_code_span() -> None:
    plan = Plan(agent_id=1, project_id=None, only_in_service=(Metric.from_dict({"id": 8, "name": "\u2028"}),))
    assert "**Only in the service** `(no name)` (8)" in markdown(plan, prune=False)


def test_markdown_fits_a_comment() -> None:
    def metric(number: int, prompt: str) -> dict[str, object]:
        return {"name": f"Metric {number}", "prompt": prompt}

    texts = {30: "日本語\n" * 1500, 300: "a" * 60 + "\n" + "`日" * 10**5}
    long, longer = (tuple(metric(n, text) for n in range(number)) for number, text in texts.items())
    for metrics, left in ((long, 30), (longer, 300), (longer[:1], 0)):
        text = markdown(Plan(agent_id=1, project_id=None, create=metrics), prune=False)
        assert len(text.encode()) <= 65_000
        found = re.search(r"(\d+) more metrics are not shown, because a comment", text)
        assert bool(found) == bool(left)
        if found:
            assert int(found[1]) + text.count("**Create**") == left
        assert ("The rest is not shown here." in text) == (metrics is not long)
        assert MarkdownIt().parse(text)[-1].type == ("paragraph_close" if left else "fence")


def test_the_plan_as_markdown(shell: Shell, saved: Sandbox) -> None:
    [run] = run_each(shell, [[*PLAN, "--markdown"]])
    assert run.out == (
        "### Metrics of agent 101\n\n"
        "1 to create, 1 to update, 1 unchanged; 4 only in the service.\n\n"
        "**Create** `New`\n\n"
        '```diff\n+ eval_type: "binary"\n+ description: "Is it new?"\n+ agents: [101]\n```\n\n'
        "**Update** `Closing` (1002, also assigned to agent 102)\n\n"
        '```diff\n- eval_type: "binary"\n+ eval_type: "numeric"\n```\n\n'
        "**Only in the service** `Old` (1003)\n\n"
        "**Only in the service** `Shared` (1004)\n\n"
        "**Only in the service** `Everyone` (1005)\n\n"
        "**Only in the service** `Theirs` (1006)\n"
    )


def test_the_plan_has_colors_on_a_terminal_only(shell: Shell, saved: Sandbox) -> None:
    for no_color in ("", "1"):
        with shell.terminal(*PLAN, NO_COLOR=no_color) as terminal:
            assert terminal.end() == 5
        assert ("\x1b[" in terminal.raw) == (not no_color)
        assert "1 to create, 1 to update" in terminal.flat


# Bad input


def test_the_mistakes_of_a_file_are_printed_with_their_places(shell: Shell, sandbox: Sandbox) -> None:
    (shell.folder / "m.yaml").write_text("- name: a\n  eval_typ: x\n- name: a\n  agent: 7\n")
    runs = [PLAN, APPLY, [*PLAN, "--json"], [*APPLY, "--json"]]
    for run in run_each(shell, runs):
        assert run.code == 2
        assert run.err.splitlines() == [
            "Error: m.yaml, line 2, column 3: there is no field 'eval_typ'. Did you mean 'eval_type'?",
            "Error: m.yaml, line 3, column 9: name: another metric in line 1 has the name 'a', too. Change one.",
            f"Error: m.yaml, line 4, column 10: agent: {OTHER}",
            "Nothing was sent.",
        ]
        if "--json" in run.arguments:
            assert len(run.document["errors"]) == 3
    assert sandbox.requests == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["plan", "m.yaml"], "Pass one of --agent-id and --project-id."),
        (["apply", "m.yaml", "--agent-id", "1", "--project-id", "1"], "Pass one of --agent-id and --project-id."),
        ([*PLAN, "--json", "--markdown"], "Pass either --markdown or --json."),
        (APPLY[:-1], "No terminal to ask on. Pass --yes to apply the plan without asking."),
        (["plan", "none.yaml", "--agent-id", "1"], "none.yaml: No such file or directory."),
        ([*APPLY, "--prune", "-q"], "m.yaml: it has no metrics, so --prune does not delete anything."),
    ],
)
def test_invalid_usage_is_refused_before_sending(
    shell: Shell, sandbox: Sandbox, arguments: list[str], said: str
) -> None:
    (shell.folder / "m.yaml").write_text("[]\n")
    [run] = run_each(shell, [arguments])
    assert run.code == 2
    assert said in run.err
    assert sandbox.requests == []


def test_a_truncated_file_deletes_nothing(shell: Shell, saved: Sandbox) -> None:
    [export] = run_each(shell, [["export", "--agent-id", "101"]])
    saved.requests.clear()
    cut = {
        "a.yaml": FILE.rstrip("\n"),
        "b.yaml": export.out.removesuffix("...\n"),
        "c.yaml": export.out.partition("- name: Old")[0],
        "d.yaml": export.out.partition("- name: Tone")[0],
        "e.yaml": "",
    }
    for name, text in cut.items():
        (shell.folder / name).write_text(text)
    for run in run_each(shell, [["apply", name, "--agent-id", "101", "--prune", "--yes"] for name in cut]):
        assert run.code == 2, run
    assert saved.requests == []
    assert len(saved.metrics) == 6


def test_two_existing_metrics_of_one_name_are_named_with_the_place(shell: Shell, saved: Sandbox) -> None:
    saved.metrics[2]["name"] = "Tone"
    for run in run_each(shell, [PLAN, APPLY]):
        assert run.code == 2
        assert re.match("Error: m.yaml, line 1, column 9: name: several .*1001, 1003.*\\.\n", run.err)
        assert run.err.endswith("Nothing was changed.\n")
    assert writes(saved) == []


# Applying


def test_apply_changes_what_the_plan_shows_and_can_be_repeated(shell: Shell, saved: Sandbox) -> None:
    first, second, plan = run_each(shell, [APPLY, [*APPLY, "--json"], PLAN])
    assert (first.code, second.code, plan.code) == (0, 0, 0)
    assert first.out == "1007  created  New\n1002  updated  Closing\n"
    assert first.err.endswith("; 4 only in the service.\nMetrics: 1 created, 1 updated.\n")
    assert second.document["unchanged"][0]["name"] == "Tone"
    assert second.document | {"unchanged": []} == {
        "exit_code": 0,
        "created": [],
        "updated": [],
        "deleted": [],
        "unchanged": [],
        "unconfirmed": [],
        "errors": [],
        "next": [],
    }
    assert [metric["name"] for metric in saved.metrics][-1] == "New"


def test_prune_deletes_only_the_metrics_in_the_plan(shell: Shell, saved: Sandbox) -> None:
    [run] = run_each(shell, [[*APPLY, "--prune", "--json"]])
    assert [each["id"] for each in run.document["deleted"]] == [1003]
    assert [metric["id"] for metric in saved.metrics] == [1001, 1002, 1004, 1005, 1006, 1007]
    assert "1 to delete" in run.err


@pytest.mark.parametrize(
    ("answers", "created", "deleted"), [("n", 0, 0), ("yn", 1, 0), ("yy", 1, 1)], ids=["no", "not delete", "all"]
)
def test_apply_asks_and_then_asks_again_before_it_deletes(
    shell: Shell, saved: Sandbox, answers: str, created: int, deleted: int
) -> None:
    with shell.terminal(*APPLY[:-1], "--prune", columns=200) as terminal:
        terminal.expect(re.escape("Apply this plan to agent 101?"))
        assert writes(saved) == []
        terminal.answer_now(answers[0])
        if len(answers) > 1:
            terminal.expect(re.escape("Delete 1 metric for good: Old (1003)?"))
            assert writes(saved) == []
            terminal.answer_now(answers[1])
        assert terminal.end() == 0
    assert ("Nothing was changed." in terminal.flat) == (answers == "n")
    names = {metric["name"] for metric in saved.metrics}
    assert ("New" in names, "Old" not in names) == (bool(created), bool(deleted))


def test_a_plan_with_deletions_only_asks_once(shell: Shell, saved: Sandbox) -> None:
    write(shell, [{"name": "Tone"}])
    with shell.terminal(*APPLY[:-1], "--prune", columns=200) as terminal:
        terminal.expect(re.escape("Delete 1 metric for good: Old (1003)?"))
        terminal.answer_now("n")
        assert terminal.end() == 0
    assert "Apply this plan" not in terminal.flat
    assert len(saved.metrics) == 6


def test_a_file_of_suggestions_can_be_applied(shell: Shell, sandbox: Sandbox) -> None:
    generate = ["generate", "--agent-id", "101", "-n", "2", "--dry-run", "--output", "s.yaml", "-q"]
    apply = ["apply", "s.yaml", "--agent-id", "101", "--yes"]
    _, first, second, other = run_each(shell, [generate, apply, ["plan", *apply[1:4]], ["plan", *apply[1:3], "102"]])
    assert first.code == 0, first
    assert len(sandbox.metrics) == 2
    assert (second.code, other.code) == (0, 2)
    assert "agent: expected agent 102 of --agent-id, not 101." in other.err


def test_standard_input_can_be_applied(shell: Shell, sandbox: Sandbox) -> None:
    run = shell.run("apply", "-", "--agent-id", "101", "--yes", input=FILE)
    assert run.returncode == 0
    assert len(sandbox.metrics) == 3
    with relay(sandbox, lambda request: reply(500) if request.method == "PATCH" else None) as url:
        changed = FILE.replace("polite", "kind")
        failed = shell.run("apply", "-", "--agent-id", "101", "--yes", "--base-url", url, input=changed)
    assert "To continue, run this with the same metrics on standard input:" in failed.stderr


def test_a_refused_metric_is_named_with_its_place(shell: Shell, saved: Sandbox) -> None:
    (shell.folder / "m.yaml").write_text(FILE + "- name: Marks\n  eval_type: enum\n- name: Old\n  type: basic\n")
    [created] = run_each(shell, [APPLY])
    assert created.code == 1
    assert "Nothing was changed." in created.err
    assert "m.yaml, line 10, column 9: The service refused 1 metric: metric 4 (Marks): enum_values: " in created.err
    assert "After you fix the metric in the file, run:\n  cekura-facade apply m.yaml" in created.err
    (shell.folder / "m.yaml").write_text(FILE + "- name: Old\n  type: basic\n")
    [updated] = run_each(shell, [[*APPLY, "--json"]])
    assert updated.code == 4
    [error] = updated.document["errors"]
    assert error["about"] == "m.yaml, line 10, column 9"
    assert error["problems"][0] | {"message": ""} == {"metric": 3, "name": "Old", "field": "type", "message": ""}
    assert updated.document["next"] == []


def test_a_predefined_metric_that_is_refused_is_named_with_its_place(shell: Shell, sandbox: Sandbox) -> None:
    (shell.folder / "m.yaml").write_text("- name: a\n  eval_type: binary\n- name: b\n  vocera_defined_metric_code: x\n")
    [run] = run_each(shell, [APPLY])
    assert run.code == 4
    assert "m.yaml, line 3, column 9: The service refused the request: metric_codes: " in run.err


@pytest.mark.parametrize("fault", ["500", "cut", "401", "done and 500"])
@pytest.mark.parametrize("method", ["POST", "PATCH", "DELETE"])
def test_after_a_failure_the_same_command_continues(shell: Shell, saved: Sandbox, method: str, fault: str) -> None:
    def fail(request: Received) -> bytes | None:
        if request.method != method:
            return None
        if fault == "done and 500":
            headers = {"X-CEKURA-API-KEY": saved.api_key, "Content-Type": "application/json"}
            httpx.request(method, saved.url + request.path, headers=headers, content=request.body)
        return b"" if fault == "cut" else reply(401 if fault == "401" else 500, {"detail": "No."})

    command = [*APPLY, "--prune", "--json"]
    with relay(saved, fail) as url:
        [run] = run_each(shell, [[*command, "--base-url", url]])
    document = run.document
    if method == "POST" and fault == "done and 500":
        assert run.code == 0  # The list shows the metric.
    else:
        assert run.code in (1, 4)
        assert document["exit_code"] == run.code
        assert len(document["errors"]) == 1
        [words] = re.findall(r"^  cekura-facade (.*)$", run.err, re.MULTILINE)
        assert words == f"apply m.yaml --agent-id 101 --prune --yes --base-url {url}"
        assert document["next"] == ([] if fault == "401" else [f"cekura-facade {words}"])
        steps = ("POST", "PATCH", "DELETE").index(method)
        assert [bool(document[name]) for name in ("created", "updated", "deleted")] == [n < steps for n in range(3)]
        assert (run.code == 4) == (steps > 0 or bool(document["unconfirmed"]))
    again, last = run_each(shell, [command, [*PLAN, "--prune"]])
    assert (again.code, last.code) == (0, 0), again
    names = [metric["name"] for metric in saved.metrics]
    assert sorted(names) == ["Closing", "Everyone", "New", "Shared", "Theirs", "Tone"]


def test_a_metric_that_may_have_been_created_is_named(shell: Shell, saved: Sandbox) -> None:
    is_sent = []

    def fail(request: Received) -> bytes | None:
        if request.method == "POST":
            is_sent.append(request)
            return b""
        return reply(500) if is_sent else None

    with relay(saved, fail) as url:
        [plain] = run_each(shell, [[*APPLY, "--base-url", url]])
        is_sent.clear()
        [as_json] = run_each(shell, [[*APPLY, "--json", "--base-url", url]])
    assert plain.code == as_json.code == 4
    assert "No change was confirmed." in plain.err
    assert "It is not known whether these metrics were created: New.\n" in plain.err
    assert [each["name"] for each in as_json.document["unconfirmed"]] == ["New"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_apply_reports_the_finished_steps(shell: Shell, saved: Sandbox, number: signal.Signals) -> None:
    running: list[subprocess.Popen[str] | PipedFork] = []

    def interrupt(request: Received) -> bytes | None:
        if request.method != "PATCH":
            return None
        os.kill(running[0].pid, number)
        return b""

    with relay(saved, interrupt) as url, shell.start(COMMAND, *APPLY, "--json", "--base-url", url) as process:
        running.append(process)
        out, err = process.communicate()
    document = json.loads(out)
    assert process.returncode == document["exit_code"] == 128 + number
    assert [each["name"] for each in document["created"]] == ["New"]
    assert document["updated"] == []
    assert err.partition("Interrupted.\n")[2] == (
        "Metrics: 1 created. Not done: 1 updated.\n"
        "It is not known whether the service processed the interrupted step.\n"
        "To continue without repeating finished steps:\n"
        f"  cekura-facade apply m.yaml --agent-id 101 --yes --base-url {url}\n"
    )


def test_ctrl_c_at_the_question_changes_nothing(shell: Shell, saved: Sandbox) -> None:
    with shell.terminal(*APPLY[:-1]) as terminal:
        terminal.expect(re.escape("[?]"))
        terminal.press("c")
        assert terminal.end() == 130
    assert "Interrupted. Nothing was changed." in terminal.flat
    assert writes(saved) == []


def test_apply_changes_nothing_if_the_service_changed_after_the_plan(shell: Shell, saved: Sandbox) -> None:
    with shell.terminal(*APPLY[:-1], columns=200) as terminal:
        terminal.expect(re.escape("[?]"))
        saved.metrics[0]["description"] = "Something else."
        terminal.answer_now("y")
        assert terminal.end() == 1
    assert "The service does not match the plan, so the rest of the plan was not applied." in terminal.flat
    assert "The new plan also shows: update Tone (1001)." in terminal.flat
    assert "The new plan: 1 to create, 2 to update; 4 only in the service. Nothing was changed." in terminal.flat
    assert "To apply the new plan: cekura-facade apply m.yaml --agent-id 101" in terminal.flat
    assert writes(saved) == []


def test_hostile_names_are_escaped(shell: Shell, saved: Sandbox) -> None:
    saved.metrics[2]["name"] = HOSTILE
    write(shell, [{"name": HOSTILE, "eval_type": "numeric", "x\x1b[2Jy": "\x1b]0;t\x07"}, {"name": "N\x9b\u202e"}])
    for run in run_each(shell, [PLAN, [*PLAN, "--markdown"], APPLY]):
        assert "\\x1b[31m\\u202e" in run.out + run.err
        assert not set("\x1b\x07\x9b\u202e") & set(run.out + run.err)
