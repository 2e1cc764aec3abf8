"""A machine that runs the steps of the scheduled workflow, and patches for it.

It has a checkout with a local remote. Small programs replace gh and the Python that runs regenerate.py.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import attrs
import yaml

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / ".github" / "workflows"
WORKFLOWS: dict[str, dict[str, Any]] = {
    path.name: yaml.load(path.read_text("utf-8"), yaml.BaseLoader)  # This reads only strings.
    for path in sorted(FOLDER.glob("*.yml"))
}
UPDATE = "update-specification.yml"
METRIC = "generated_client/cekura_api/models/metric.py"
RUN = "Run: https://github.test/o/r/actions/runs/7"
GH = f"""\
#!{sys.executable} -IS
import json, os, sys
from pathlib import Path
call = {{"arguments": sys.argv[1:], "body": sys.stdin.read() if "-" in sys.argv else None}}
with Path(os.environ["CALLS"]).open("a") as calls:
    print(json.dumps(call), file=calls)
if sys.argv[2] == "list":
    print(os.environ["OPEN"])
"""
REGENERATE = f"""\
#!{sys.executable} -IS
import sys
from pathlib import Path
Path("spec/openapi.yaml").write_text("openapi: new\\n")
Path("spec/uncovered.txt").unlink()
Path("generated_client/cekura_api/models/new_one.py").write_text("NEW = 1\\n")
Path("CHANGELOG.md").write_text("# Changelog\\n- New.\\n")
Path("regenerate.log").write_text("not for the pull request")
Path(sys.argv[4]).write_text("# What this specification changes\\n\\nSuggested version bump: **minor**\\n")
print("regenerate:", *sys.argv[1:])
"""


def git(folder: Path, *arguments: str, stdin: str = "") -> str:
    identity = ("-c", "user.name=t", "-c", "user.email=t@t", "-c", "core.symlinks=true")
    command = ["git", *identity, *arguments]
    return subprocess.run(command, cwd=folder, input=stdin, capture_output=True, text=True, check=True).stdout


@attrs.frozen
class Runner:
    """A machine for the workflow, with a checkout of a repository that has a local remote."""

    folder: Path

    @property
    def checkout(self) -> Path:
        return self.folder / "checkout"

    @property
    def artifact(self) -> Path:
        return self.folder / "temp" / "update"

    def step(self, job: str, name: str, opened: object = (), **expressions: str) -> subprocess.CompletedProcess[str]:
        """Run the shell code of a step. gh lists `opened`. `expressions` are values of the step's own env."""
        workflow = WORKFLOWS[UPDATE]
        [step] = [step for step in workflow["jobs"][job]["steps"] if step.get("name") == name]
        environment = {
            "PATH": f"{self.folder / 'programs'}:{os.environ['PATH']}",
            "HOME": str(self.folder / "home"),
            "RUNNER_TEMP": str(self.folder / "temp"),
            "GITHUB_OUTPUT": str(self.folder / "output"),
            "GITHUB_STEP_SUMMARY": str(self.folder / "summary.md"),
            "GITHUB_SERVER_URL": "https://github.test",
            "GITHUB_REPOSITORY": "o/r",
            "GITHUB_RUN_ID": "7",
            "GITHUB_REF_NAME": "main",
            "CALLS": str(self.folder / "calls"),
            "OPEN": json.dumps(opened),
            **workflow["jobs"][job].get("env", {}),
            **step.get("env", {}),
            **expressions,
        }
        assert workflow["defaults"]["run"]["shell"] == "bash"
        command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]
        return subprocess.run(command, cwd=self.checkout, env=environment, capture_output=True, text=True, check=False)

    def calls(self) -> list[dict[str, Any]]:
        """The calls of gh, except for lists."""
        file = self.folder / "calls"
        calls = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
        file.unlink(missing_ok=True)
        return [call for call in calls if call["arguments"][1] != "list"]

    def pushed(self) -> str:
        """The commit of the branch on the remote, or an empty string."""
        return git(self.folder / "remote", "for-each-ref", "--format=%(objectname)", "refs/heads/update-specification")

    def propose(self, patch: str, report: str = "A report.", **settings: Any) -> subprocess.CompletedProcess[str]:
        """Run the job that opens the pull request on these files."""
        self.artifact.mkdir(exist_ok=True)
        (self.artifact / "changes.patch").write_text(patch)
        (self.artifact / "report.md").write_text(report)
        return self.step("pull-request", "Push the branch and open the pull request", **settings)


def make(folder: Path) -> None:
    remote, checkout = folder / "remote", folder / "checkout"
    for path, text in {
        "README.md": "Hello.\n",
        "CHANGELOG.md": "# Changelog\n",
        ".gitignore": ".venv/\n",
        ".github/workflows/test.yml": "name: test\n",
        "spec/openapi.yaml": "openapi: old\n",
        "spec/uncovered.txt": "GET /x/\n",
        "spec/generator.yaml": "post_hooks: []\n",
        METRIC: "OLD = 1\n",
        "scripts/propose_update.py": (ROOT / "scripts" / "propose_update.py").read_text("utf-8"),
    }.items():
        (remote / path).parent.mkdir(parents=True, exist_ok=True)
        (remote / path).write_text(text)
    for command in (["init", "-q", "-b", "main"], ["add", "-A"], ["commit", "-qm", "x"]):
        git(remote, *command)
    git(folder, "clone", "-q", "remote", "checkout")
    git(checkout, "remote", "set-url", "origin", "../remote")
    for name in ("temp", "home", "programs"):
        (folder / name).mkdir()
    for path, text in {"programs/gh": GH, "checkout/.venv/bin/python": REGENERATE}.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
        (folder / path).chmod(0o755)


def added(path: str, mode: str = "100644", line: str = "x") -> str:
    """A patch that adds a file."""
    return f"diff --git a/{path} b/{path}\nnew file mode {mode}\n--- /dev/null\n+++ b/{path}\n@@ -0,0 +1 @@\n+{line}\n"


def changed(path: str, before: str, after: str = "x") -> str:
    """A patch that changes the only line of a file."""
    return f"diff --git a/{path} b/{path}\n--- a/{path}\n+++ b/{path}\n@@ -1 +1 @@\n-{before}\n+{after}\n"


REMOVED = (
    f"diff --git a/{METRIC} b/{METRIC}\ndeleted file mode 100644\n"
    f"--- a/{METRIC}\n+++ /dev/null\n@@ -1 +0,0 @@\n-OLD = 1\n"
)


def outside_of_fences(body: str) -> str:
    """The text that GitHub renders, by the rules of CommonMark."""
    kept, fence = [], ""
    for line in body.splitlines():
        found = re.match("`{3,}", line)
        if fence:
            if re.fullmatch(f"{fence}`* *", line):
                fence = ""
        elif found:
            fence = found[0]
        else:
            kept.append(line)
    assert not fence
    return "\n".join(kept)
