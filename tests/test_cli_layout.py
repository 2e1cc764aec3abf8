"""The results of every command fit the terminal: no line is too wide, no word is divided, nothing is cut silently."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cekura_facade import Cekura
from cekura_facade.sandbox import Sandbox
from tests.commands import leaves, plain, run_each, run_each_in_terminal
from tests.support import renew
from tests.terminal import Shell, environment

# A run of each command. The sandbox has the metrics 1001 and 1002, and the progress id of a job.
RUNS: dict[str, list[str]] = {
    "generate": ["generate", "--agent-id", "101", "--agent-id", "102", "-n", "3", "--dry-run", "-q"],
    "resume": ["resume", "PROGRESS_ID", "--dry-run", "-q"],
    "create": ["create", "metrics.yaml", "--dry-run"],
    "export": ["export", "--agent-id", "101", "--output", "export.yaml"],
    "plan": ["plan", "metrics.yaml", "--agent-id", "101", "--prune"],
    "apply": ["apply", "metrics.yaml", "--agent-id", "101", "--yes"],
    "metrics list": ["metrics", "list", "--agent-id", "101"],
    "metrics get": ["metrics", "get", "1001"],
    "metrics update": ["metrics", "update", "1001", "--description", "Was the caller greeted by name, and politely?"],
    "metrics preview": ["metrics", "preview", "1001", "--call-log-id", "7001", "--call-log-id", "7002", "-q"],
    "metrics simplify": ["metrics", "simplify", "1001", "-q"],
    "metrics delete": ["metrics", "delete", "1002", "--yes"],
    "agents list": ["agents", "list"],
    "agents get": ["agents", "get", "101"],
    "api": ["api", "--list"],
    "doctor": ["doctor"],
    "check": ["check", "--agent-id", "101", "--yes", "-q"],
}
ERRORS = [
    ["generate", "--agent-id", "999", "--yes", "-q"],
    ["generate", "--agent-id", "104", "--yes", "-q"],
    ["resume", "abc", "--yes", "-q"],
    ["create", "nothing.yaml"],
    ["plan", "mistakes.yaml", "--agent-id", "101"],
    ["metrics", "get", "9999"],
    ["metrics", "update", "1001", "--eval-type", "binry"],
    ["metrics", "preview", "1001"],
    ["api", "get_metric"],
    ["doctor", "--base-url", "http://127.0.0.1:1"],
]
# Lines that are not wrapped, because people copy them or programs read them.
WHOLE = re.compile(r"^  cekura-facade |^[{}\[\]]|^ +\"")
BORDER = re.compile("[│╭╮╰╯─├┤┬┴┼]")


def prepare(sandbox: Sandbox, folder: Path) -> str:
    """Two metrics, a file of metrics, and the progress id of a job."""
    renew(sandbox, job_seconds=0)
    with Cekura(sandbox.api_key, base_url=sandbox.url) as cekura:
        for name in ("Greeting", "Closing"):
            description = f"{name}: " + "Was the caller treated politely, patiently and professionally throughout? " * 3
            cekura.metrics.create(name=name, eval_type="continuous_qualitative", agents=[101], description=description)
        progress_id = cekura.metrics.generate(agent_id=101, num_metrics=2).progress_id
    file = "- name: Appointment confirmed\n  eval_type: binary\n  description: Was the appointment repeated?\n"
    changed = "- name: Closing\n  description: >-\n    Was the caller thanked? Was the caller treated politely?\n"
    (folder / "metrics.yaml").write_text(file + changed, "utf-8")
    (folder / "mistakes.yaml").write_text("- name: Closing\n  descripton: Was the caller thanked?\n", "utf-8")
    return progress_id


def tokens(text: str) -> set[str]:
    return {
        word for line in plain(text).splitlines() if not WHOLE.match(line) for word in BORDER.sub(" ", line).split()
    }


def test_every_command_has_a_run() -> None:
    assert RUNS.keys() == {words for words in leaves() if not words.startswith("api ")} - {"sandbox"} | {"api"}


@pytest.mark.parametrize("columns", [100, 60, 40])
def test_results_fit_the_terminal(home: Path, tmp_path: Path, sandbox: Sandbox, columns: int) -> None:
    shell = Shell(tmp_path, environment(home, sandbox.url, sandbox.api_key))

    def runs() -> list[list[str]]:
        progress_id = prepare(sandbox, tmp_path)
        return [[progress_id if word == "PROGRESS_ID" else word for word in run] for run in [*RUNS.values(), *ERRORS]]

    wide = run_each(shell, runs(), COLUMNS="400")
    shown = run_each_in_terminal(shell, runs(), columns)
    for run, text in zip(wide, shown, strict=True):
        lines = plain(text).splitlines()
        for line in lines:
            assert len(line.rstrip()) <= columns or WHOLE.match(line), (run.arguments, line)
        known = tokens(run.out + run.err)
        for word in tokens(text) - known:
            # A word that is longer than a cell may be divided, and a value that is cut ends with an ellipsis.
            is_part = any(word in whole and len(whole) > columns // 3 for whole in known)
            has_number = re.search(r"\d", word)  # such as the port, a time or an id of another run
            is_known = word.strip(",()") in {each.strip(",()") for each in known} or is_part
            assert is_known or word.endswith("…") or has_number, (run.arguments, word)
