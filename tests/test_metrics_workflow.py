"""The workflow of docs/guides/examples: the permissions of its jobs, and its shell code.

The steps run here as a runner runs them, against the sandbox, with programs in place of gh and pip.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest
import yaml

from cekura_facade.sandbox import Sandbox
from tests.page_programs import page_programs
from tests.workflow_runner import FOLDER, WORKFLOWS, outside_of_fences

ROOT = Path(__file__).resolve().parent.parent
EXAMPLE = ROOT / "docs" / "guides" / "examples" / "metrics.yml"
WORKFLOW: dict[str, Any] = yaml.load(EXAMPLE.read_text("utf-8"), yaml.BaseLoader)  # This reads only strings.
JOBS: dict[str, dict[str, Any]] = WORKFLOW["jobs"]
SECRET = "${{ secrets.CEKURA_API_KEY }}"
BOT = "github-actions[bot]"
MARKER = "<!-- metrics-plan -->\n"
WHEEL = "wheels/cekura_facade-1.0-py3-none-any.whl"
METRICS = """\
- name: Kindness
  description: Was the agent kind?
  eval_type: binary
- name: Waiting time
  eval_type: numeric
"""
# A fake `gh` with the comments of an issue in a file, three per page. It knows the two calls of the workflow.
GH = f"""\
#!{sys.executable} -IS
import json, os, re, sys
from pathlib import Path
file = Path(os.environ["COMMENTS"])
comments = json.loads(file.read_text())
_, *arguments = sys.argv[1:]
options = {{}}
path = None
while arguments:
    argument = arguments.pop(0)
    if argument in ("--paginate", "--silent"):
        options[argument] = True
    elif argument.startswith("--"):
        options[argument] = arguments.pop(0)
    else:
        assert path is None
        path = argument
assert sys.argv[1] == "api" and os.environ["GH_TOKEN"] and os.environ["GH_REPO"] == "o/r", sys.argv
if "--field" not in options:
    assert path == "repos/{{owner}}/{{repo}}/issues/7/comments", path
    shape = r'\\.\\[\\] \\| select\\(\\.user\\.login == "(.*)" and \\(\\.body \\| startswith\\("(.*)"'
    login, start = re.fullmatch(shape + r"\\)\\)\\) \\| \\.id", options["--jq"]).groups()
    shown = comments if "--paginate" in options else comments[:3]
    for comment in shown:
        if comment["user"]["login"] == login and comment["body"].startswith(start):
            print(comment["id"])
    sys.exit()
name, _, value = options["--field"].partition("=")
assert name == "body" and value.startswith("@"), options
body = Path(value[1:]).read_text("utf-8")
if options["--method"] == "POST":
    assert path == "repos/{{owner}}/{{repo}}/issues/7/comments", path
    comments.append({{"id": 100 + len(comments), "user": {{"login": "{BOT}"}}, "body": body}})
else:
    number = int(re.fullmatch(r"repos/{{owner}}/{{repo}}/issues/comments/([0-9]+)", path)[1])
    [comment] = [each for each in comments if each["id"] == number]
    comment["body"] = body
file.write_text(json.dumps(comments))
"""
PIP = f"""\
#!/bin/sh
[ "$#" = 2 ] && [ "$1" = install ] && [ "$2" = "{WHEEL}[cli]" ]
"""


@attrs.frozen
class Machine:
    """A machine that runs the steps, with a repository that has the file, and with the sandbox as the service."""

    folder: Path
    sandbox: Sandbox

    @property
    def file(self) -> Path:
        return self.folder / "checkout" / "metrics.yaml"

    def step(self, job: str, name: str, **settings: str) -> subprocess.CompletedProcess[str]:
        """Run the shell code of a step. `settings` replace values of its environment, such as the key."""
        [step] = [step for step in JOBS[job]["steps"] if step.get("name") == name]
        inherited = {name: value for name, value in os.environ.items() if name in ("PYTHONPATH", "NO_PROXY")}
        environment = {
            **inherited,
            "PATH": os.pathsep.join(map(str, (self.folder / "programs", Path(sys.executable).parent, "/usr/bin:/bin"))),
            "HOME": str(self.folder),
            "RUNNER_TEMP": str(self.folder / "temp"),
            "GITHUB_OUTPUT": str(self.folder / "output"),
            "GITHUB_STEP_SUMMARY": str(self.folder / "summary.md"),
            "COMMENTS": str(self.folder / "comments.json"),
            "CEKURA_API_URL": self.sandbox.url,
            **WORKFLOW["env"],
            **{
                name: value.replace(SECRET, self.sandbox.api_key)
                .replace("${{ github.token }}", "token")
                .replace("${{ github.repository }}", "o/r")
                .replace("${{ github.event.pull_request.number }}", "7")
                for name, value in step.get("env", {}).items()
            },
            **settings,
        }
        assert not any("${{" in value for value in environment.values())
        command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]
        with page_programs(self.folder / "programs", environment):
            return subprocess.run(
                command, cwd=self.folder / "checkout", env=environment, capture_output=True, text=True, check=False
            )

    def outputs(self) -> str:
        return self._taken("output")

    def summary(self) -> str:
        return self._taken("summary.md")

    def _taken(self, name: str) -> str:
        file = self.folder / name
        text = file.read_text("utf-8") if file.exists() else ""
        file.unlink(missing_ok=True)
        return text

    @property
    def comments(self) -> list[dict[str, Any]]:
        comments: list[dict[str, Any]] = json.loads((self.folder / "comments.json").read_text("utf-8"))
        return comments

    def add_comments(self, *comments: dict[str, Any]) -> None:
        (self.folder / "comments.json").write_text(json.dumps([*comments, *self.comments]), encoding="utf-8")


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    for path, text in {
        "programs/gh": GH,
        "programs/pip": PIP,
        "comments.json": "[]",
        "checkout/metrics.yaml": METRICS,
        f"checkout/{WHEEL}": "",
        "temp/.keep": "",
    }.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text, encoding="utf-8")
        (tmp_path / path).chmod(0o755)
    with Sandbox(job_seconds=0) as sandbox:
        yield Machine(tmp_path, sandbox)


def saved(machine: Machine) -> dict[str, str]:
    return {metric["name"]: metric["description"] for metric in machine.sandbox.metrics}


def writes(machine: Machine) -> list[str]:
    return [request.method for request in machine.sandbox.requests if request.method != "GET"]


def planned(machine: Machine) -> str:
    """Run both jobs of a pull request, and return the comment."""
    shutil.rmtree(machine.folder / "temp" / "plan", ignore_errors=True)  # Each run has a new machine.
    done = machine.step("plan", "Plan")
    assert done.returncode == 0, done.stderr
    assert machine.outputs() == "planned=yes\n"
    done = machine.step("comment", "Create or update the comment")
    assert done.returncode == 0, done.stderr
    *_, comment = machine.comments
    assert comment["user"]["login"] == BOT
    assert comment["body"].startswith(MARKER)
    return str(comment["body"]).removeprefix(MARKER)


def test_a_pull_request_gets_the_plan_as_a_comment_that_the_next_run_updates(machine: Machine) -> None:
    machine.add_comments(*({"id": number, "user": {"login": BOT}, "body": "Other."} for number in (2, 3, 4)))
    first = planned(machine)
    assert "2 to create" in first
    assert "`Kindness`" in first
    assert writes(machine) == []
    # Somebody else may copy the comment. Ours is on the second page of the list.
    machine.add_comments({"id": 1, "user": {"login": "someone"}, "body": MARKER + first})
    *others, _ = machine.comments
    machine.file.write_text(METRICS.replace("Waiting time", "Longest pause"))
    second = planned(machine)
    assert "`Longest pause`" in second
    assert "Waiting time" not in second
    assert machine.comments[:-1] == others
    assert len(others) == 4


def test_the_plan_is_in_the_summary_of_the_run(machine: Machine) -> None:
    assert machine.step("plan", "Plan").returncode == 0
    assert machine.summary() == (machine.folder / "temp" / "plan" / "plan.md").read_text("utf-8") != ""


def test_a_plan_without_changes_is_a_comment_as_well(machine: Machine) -> None:
    assert machine.step("apply", "Apply").returncode == 0
    assert "2 unchanged" in planned(machine)


def test_a_pull_request_without_the_key_gets_a_notice_instead_of_a_plan(machine: Machine) -> None:
    done = machine.step("plan", "Plan", CEKURA_API_KEY="")
    assert (done.returncode, done.stderr) == (0, "")
    assert re.fullmatch("::notice title=No plan::.*API key.*\n", done.stdout)
    assert machine.outputs() == machine.summary() == ""
    assert machine.sandbox.requests == []
    # The other steps and the other job are skipped.
    assert JOBS["comment"]["if"] == "needs.plan.outputs.planned == 'yes'"
    assert JOBS["plan"]["outputs"] == {"planned": "${{ steps.plan.outputs.planned }}"}
    [upload] = [step for step in JOBS["plan"]["steps"] if "upload-artifact" in step.get("uses", "")]
    assert upload["if"] == "steps.plan.outputs.planned == 'yes'"


@pytest.mark.parametrize("job", ["plan", "drift", "apply"])
@pytest.mark.parametrize(
    ("text", "settings", "why"),
    [
        ("- name: [", {}, "metrics.yaml"),
        ("- {name: A, eval_typ: binary}\n", {}, "eval_type"),
        (METRICS, {"CEKURA_API_KEY": "wrong"}, "key"),
    ],
)
def test_a_failure_is_not_reported_as_drift_or_as_a_plan(
    machine: Machine, job: str, text: str, settings: dict[str, str], why: str
) -> None:
    machine.file.write_text(text)
    names = {"plan": "Plan", "drift": "Compare", "apply": "Apply"}
    done = machine.step(job, names[job], **settings)
    assert done.returncode in (1, 2), done.stdout
    assert why in done.stderr
    assert machine.outputs() == machine.summary() == ""
    assert "::error" not in done.stdout
    assert writes(machine) == []


def test_a_merge_applies_the_file(machine: Machine) -> None:
    for text in (METRICS, METRICS.replace("Was the agent kind?", "Was the agent friendly?")):
        machine.file.write_text(text)
        done = machine.step("apply", "Apply")
        assert done.returncode == 0, done.stderr
    assert saved(machine) == {"Kindness": "Was the agent friendly?", "Waiting time": ""}
    before = len(writes(machine))
    assert machine.step("apply", "Apply").returncode == 0
    assert len(writes(machine)) == before


def test_the_check_at_night_fails_if_the_metrics_were_changed(machine: Machine) -> None:
    assert machine.step("apply", "Apply").returncode == 0
    same = machine.step("drift", "Compare")
    assert (same.returncode, "::error" in same.stdout) == (0, False)
    machine.summary()
    machine.sandbox.metrics[0]["description"] = "Was the agent | <b>rude</b> @someone?"
    before = len(writes(machine))
    drift = machine.step("drift", "Compare")
    assert drift.returncode == 5
    assert drift.stdout.startswith("::error title=Drift::")
    summary = machine.summary()
    assert "1 to update" in summary
    assert "@someone" in summary
    assert "@someone" not in outside_of_fences(summary)
    assert len(writes(machine)) == before


@pytest.mark.parametrize("job", ["plan", "apply", "drift"])
def test_the_wheel_in_the_repository_is_installed(machine: Machine, job: str) -> None:
    assert machine.step(job, "Install").returncode == 0
    (machine.folder / "checkout" / WHEEL).unlink()
    assert machine.step(job, "Install").returncode != 0


def test_each_event_starts_its_jobs() -> None:
    assert set(WORKFLOW["on"]) == {"pull_request", "push", "schedule", "workflow_dispatch"}
    assert WORKFLOW["on"]["push"] == {"branches": ["main"], "paths": ["metrics.yaml"]}
    assert JOBS["plan"]["if"] == "github.event_name == 'pull_request'"
    assert JOBS["comment"]["needs"] == "plan"
    assert JOBS["apply"]["if"] == "github.event_name == 'push'"
    assert JOBS["drift"]["if"] == "github.event_name == 'schedule' || github.event_name == 'workflow_dispatch'"
    # A run that waits is replaced by a newer one of its group, so a check at night must not replace a merge.
    assert WORKFLOW["concurrency"] == {
        "group": "metrics-${{ github.event_name }}-${{ github.ref }}",
        "cancel-in-progress": "false",
    }


def test_the_key_and_the_permission_to_write_are_never_in_one_job() -> None:
    assert WORKFLOW["permissions"] == {}
    assert {name: job["permissions"] for name, job in JOBS.items()} == {
        "plan": {"contents": "read"},
        "comment": {"pull-requests": "write"},
        "apply": {"contents": "read"},
        "drift": {"contents": "read"},
    }
    with_key = [
        (name, step.get("name"))
        for name, job in JOBS.items()
        for step in job["steps"]
        if SECRET in step.get("env", {}).values()
    ]
    assert with_key == [("plan", "Plan"), ("apply", "Apply"), ("drift", "Compare")]
    text = EXAMPLE.read_text("utf-8")
    assert text.count("secrets.") == len(with_key)
    assert text.count("github.token") == 1
    # The job that can write runs nothing of the repository.
    assert not any("checkout" in step.get("uses", "") for step in JOBS["comment"]["steps"])
    for job in JOBS.values():
        assert not any("${{" in step.get("run", "") for step in job["steps"])
        assert int(job["timeout-minutes"]) <= 30


def test_actions_are_those_of_our_own_workflows() -> None:
    ours = "".join((FOLDER / name).read_text("utf-8") for name in WORKFLOWS)
    used = re.findall(r"uses: (.+)", EXAMPLE.read_text("utf-8"))
    assert len(used) == sum("uses" in step for job in JOBS.values() for step in job["steps"])
    for action in used:
        assert re.fullmatch(r"[\w/-]+@[0-9a-f]{40} # v[0-9]+\.[0-9]+\.[0-9]+", action)
        assert f"uses: {action}\n" in ours
    for job in JOBS.values():
        for step in job["steps"]:
            assert "checkout" not in step.get("uses", "") or step["with"] == {"persist-credentials": "false"}


def test_zizmor_finds_nothing() -> None:
    zizmor = str(Path(sys.executable).with_name("zizmor"))
    command = [zizmor, "--offline", "--persona", "auditor", "--strict-collection", "--no-ignores", str(EXAMPLE)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert EXAMPLE.name in done.stderr
    assert "docs/guides/examples/*.yml" in (ROOT / "scripts" / "lint").read_text("utf-8")
