"""`export`: metrics as a readable file that can be applied to any agent."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from cekura_facade import Cekura
from cekura_facade.cli._yaml import Loader, compose, value_of
from cekura_facade.sandbox import BEHAVIORS, Sandbox
from tests.commands import run_each
from tests.terminal import COMMAND, Shell, environment

EXPORT = ["export", "--agent-id", "101"]
METRICS: list[dict[str, Any]] = [
    {
        "name": "Tone",
        "type": "llm_judge",
        "description": "Was the agent polite?\n\n  - to the caller\n  - to others\n",
        "eval_type": "enum",
        "enum_values": ["yes", "no"],
        "add_to_new_agents": False,
    },
    {"name": "  Name: with #signs & <tags> é ", "eval_type": "numeric", "description": "é\t- x: 1 \r\n\r\n"},
    {"name": "x" * 255, "eval_type": "binary", "prompt": "Was it good? " * 30},
]


@pytest.fixture
def shell(sandbox: Sandbox, home: Path, tmp_path: Path) -> Shell:
    return Shell(tmp_path, environment(home, sandbox.url, sandbox.api_key))


def create(sandbox: Sandbox, *metrics: dict[str, Any], agents: list[int] | None = None) -> None:
    with Cekura(sandbox.api_key, base_url=sandbox.url) as cekura:
        for metric in metrics:
            cekura.metrics.create({"agents": agents or [101], **metric})
    sandbox.requests.clear()


def test_an_export_is_readable(shell: Shell, sandbox: Sandbox) -> None:
    create(sandbox, METRICS[0], {"name": "Ours", "eval_type": "binary"}, {"name": "Accent", "eval_type": "binary"})
    sandbox.metrics[1] |= {"vocera_defined_metric_code": "latency", "description": "A text of the service."}
    [run] = run_each(shell, [EXPORT])
    assert (run.code, run.err) == (0, "3 metrics of agent 101.\n")
    header, first, second, third = run.out.split("\n\n- ", 1)[0], *run.out.split("\n\n- ")[1:]
    assert all(line.startswith("# ") for line in header.splitlines())
    assert header.startswith("# 3 metrics, exported by cekura-facade.")
    assert [line.partition(":")[0].strip() for line in first.splitlines() if line[2:3] not in " -\n"][:6] == [
        "name",
        "type",
        "description",
        "eval_type",
        "enum_values",
        "add_to_new_agents",
    ]
    assert "  description: |\n    Was the agent polite?\n\n      - to the caller\n" in first
    assert second == "name: Ours\n  vocera_defined_metric_code: latency"
    names = [line.partition(":")[0].strip() for line in third.splitlines()]
    assert names[3:-1] == sorted(names[3:-1])
    assert not {"id", "slug", "agents", "project", "description", "configuration"} & {*names}
    assert run.out.endswith("\n...\n")


@pytest.mark.parametrize("behavior", BEHAVIORS)
def test_an_export_makes_another_agent_equal(shell: Shell, sandbox: Sandbox, behavior: str) -> None:
    # Agent 103 is in another project.
    create(sandbox, *METRICS)
    sandbox.behavior = BEHAVIORS[behavior]
    first, applied = run_each(
        shell, [[*EXPORT, "--output", "one.yaml"], ["apply", "one.yaml", "--agent-id", "103", "--yes"]]
    )
    sandbox.advance(10)
    again, second = run_each(
        shell,
        [["plan", "one.yaml", "--agent-id", "103"], ["export", "--agent-id", "103", "--output", "two.yaml"]],
    )
    assert [first.code, applied.code, again.code, second.code] == [0, 0, 0, 0], (applied, again)
    one, two = ((shell.folder / name).read_text("utf-8") for name in ("one.yaml", "two.yaml"))
    if "text" in behavior:
        one, two = ("".join(text.split()).replace("&amp;", "&") for text in (one, two))
        assert len(one.splitlines()) == len(two.splitlines())
    else:
        assert one == two


def test_an_agent_without_metrics(shell: Shell, sandbox: Sandbox) -> None:
    run, as_json, written, plan = run_each(
        shell,
        [
            EXPORT,
            [*EXPORT, "--json"],
            [*EXPORT, "-o", "empty.yaml", "-q"],
            ["plan", "empty.yaml", "--agent-id", "101"],
        ],
    )
    assert (run.code, run.err) == (0, "No metrics of agent 101.\n")
    assert run.out.endswith("\n[]\n...\n")
    assert as_json.document == []
    assert (written.code, written.err, written.out) == (0, "", "")
    assert (plan.code, plan.out) == (0, "Nothing to do: there are no metrics.\n")


def test_metrics_of_one_name_are_named(shell: Shell, sandbox: Sandbox) -> None:
    create(sandbox, {"name": "One", "eval_type": "binary"}, {"name": " One", "eval_type": "numeric"})
    [run] = run_each(shell, [EXPORT])
    assert run.code == 0
    assert run.err.startswith("Warning: several metrics have the name 'One'. Rename all but one to apply them.\n")


def test_the_scope_is_needed(shell: Shell, sandbox: Sandbox) -> None:
    for arguments in ([], ["--agent-id", "101", "--project-id", "11"]):
        [run] = run_each(shell, [["export", *arguments]])
        assert (run.code, run.out) == (2, "")
        assert run.err == "Error: Pass one of --agent-id and --project-id. Nothing was sent.\n"
    assert sandbox.requests == []


def test_the_metrics_of_a_project(shell: Shell, sandbox: Sandbox) -> None:
    create(sandbox, {"name": "Of the project", "eval_type": "binary", "agents": [], "project": 11})
    create(sandbox, {"name": "Of the agent", "eval_type": "binary"})
    [run] = run_each(shell, [["export", "--project-id", "11", "--json"]])
    assert [each["name"] for each in run.document] == ["Of the project", "Of the agent"]
    assert "project" not in run.document[0]


def test_agents_are_exported_on_request(shell: Shell, sandbox: Sandbox) -> None:
    create(sandbox, {"name": "Ours", "eval_type": "binary", "configuration": {"101": {"x": 1}}})
    with_agents, plan = run_each(
        shell,
        [[*EXPORT, "--with-agents", "-o", "m.json", "--json"], ["plan", "m.json", "--agent-id", "101"]],
    )
    assert with_agents.document[0]["agents"] == [101]
    assert json.loads((shell.folder / "m.json").read_text()) == with_agents.document
    assert plan.code == 0


def test_the_previous_file_is_kept(shell: Shell, sandbox: Sandbox) -> None:
    (shell.folder / "m.yaml").write_text("mine")
    [run] = run_each(shell, [[*EXPORT, "--output", "m.yaml"]])
    assert "Written to m.yaml. The previous file is now m.yaml.bak." in run.err
    assert (shell.folder / "m.yaml.bak").read_text() == "mine"


def test_control_characters_of_the_service_are_escaped_in_the_file(shell: Shell, sandbox: Sandbox) -> None:
    hostile = "\x1b]0;title\x07 \u202e\u2066red\ufeff\x85\u2028\x9b31m"
    create(sandbox, {"name": "One", "eval_type": "binary", "description": hostile})
    [run] = run_each(shell, [EXPORT])
    assert not set(hostile.replace(" ", "")) & set(run.out) - set("0title;red31m]")
    node = compose(run.out, Loader)
    assert node is not None
    assert value_of(node)[0]["description"] == hostile


def test_an_export_is_utf_8_in_every_locale(shell: Shell, sandbox: Sandbox) -> None:
    create(sandbox, {"name": "Fähig 日本", "eval_type": "binary"})
    run = subprocess.run(
        [COMMAND, *EXPORT], env=shell.env | {"PYTHONIOENCODING": "latin-1"}, capture_output=True, check=True
    )
    assert "- name: Fähig 日本\n".encode() in run.stdout


def test_an_export_that_cannot_be_written_is_a_failure(shell: Shell, sandbox: Sandbox) -> None:
    run = subprocess.run(
        f"{COMMAND} export --agent-id 101 > /dev/full",
        shell=True,
        env=shell.env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 1
    assert "could not be written to standard output" in run.stderr
