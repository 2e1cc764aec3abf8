"""The scheduled workflow: the permissions of its jobs, and its shell code with good and hostile files.

The steps run here as a runner runs them, with a local remote, and with programs in place of gh and regenerate.py.
"""

from __future__ import annotations

import ast
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import propose_update
import pytest

from tests.once import once
from tests.workflow_runner import (
    FOLDER,
    METRIC,
    REMOVED,
    RUN,
    UPDATE,
    WORKFLOWS,
    Runner,
    added,
    changed,
    git,
    make,
    outside_of_fences,
)

ROOT = Path(__file__).resolve().parent.parent
JOBS = [(name, job) for name, workflow in WORKFLOWS.items() for job in workflow["jobs"]]
PUBLISHER = re.compile(r'python3 -I scripts/propose_update\.py (pull-request|issue) "\$RUNNER_TEMP/(update|log)"')


GOOD = changed("spec/openapi.yaml", "openapi: old", "openapi: new")


@pytest.fixture
def runner(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Runner:
    return Runner(shutil.copytree(once(tmp_path_factory, "runner", make), tmp_path / "runner"))


@pytest.mark.parametrize(("workflow", "name"), JOBS)
def test_a_job_that_can_write_runs_only_the_script_that_publishes(workflow: str, name: str) -> None:
    job = WORKFLOWS[workflow]["jobs"][name]
    granted = job.get("permissions", WORKFLOWS[workflow]["permissions"])
    runs = [step["run"] for step in job["steps"] if "run" in step]
    if set(granted.values()) <= {"read"}:
        # This job may run anything, so it must not have any secrets.
        assert granted.keys() <= {"contents"}
        assert not re.search(r"GH_TOKEN|GITHUB_TOKEN|secrets\.|github\.token", json.dumps(job))
    else:
        assert all(PUBLISHER.fullmatch(code) for code in runs)
        assert {step["uses"].partition("@")[0] for step in job["steps"] if "uses" in step} == {
            "actions/checkout",
            "actions/download-artifact",
        }
        assert all(
            step["with"]["path"].startswith("${{ runner.temp }}/")
            for step in job["steps"]
            if "name" in step.get("with", {})
        )
    assert not any("${{" in code for code in runs)
    assert int(job["timeout-minutes"]) <= 60


def test_each_job_has_the_permissions_that_it_needs() -> None:
    assert WORKFLOWS[UPDATE]["permissions"] == {}
    assert {name: job["permissions"] for name, job in WORKFLOWS[UPDATE]["jobs"].items()} == {
        "update": {"contents": "read"},
        "pull-request": {"contents": "write", "pull-requests": "write"},
        "issue": {"contents": "read", "issues": "write"},
    }
    assert WORKFLOWS["test.yml"]["permissions"] == {"contents": "read"}
    # Outputs of the first job are only compared. They are not in shell code or the environment.
    assert WORKFLOWS[UPDATE]["jobs"]["pull-request"]["if"] == "needs.update.outputs.changed == 'yes'"
    assert "outputs" not in json.dumps([WORKFLOWS[UPDATE]["jobs"][name]["steps"] for name in ("pull-request", "issue")])


@pytest.mark.parametrize(("workflow", "name"), JOBS)
def test_actions_are_pinned_and_leave_no_credentials_and_no_cache(workflow: str, name: str) -> None:
    steps = WORKFLOWS[workflow]["jobs"][name]["steps"]
    for step in (step for step in steps if "uses" in step):
        action, _, commit = step["uses"].partition("@")
        assert re.fullmatch("[0-9a-f]{40}", commit)
        version = r"v[0-9]+\.[0-9]+\.[0-9]+"
        assert re.search(
            rf"{re.escape(step['uses'])} # {version}$", (FOLDER / workflow).read_text("utf-8"), re.MULTILINE
        )
        if action == "actions/checkout":
            assert step["with"]["persist-credentials"] == "false"
            assert step["with"].keys() == {"persist-credentials"}
        assert "cache" not in action
        assert "cache" not in step.get("with", {})


def test_zizmor_finds_nothing() -> None:
    zizmor = str(Path(sys.executable).with_name("zizmor"))
    command = [zizmor, "--offline", "--persona", "auditor", "--strict-collection"]
    done = subprocess.run([*command, "--no-ignores", FOLDER], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert all(name in done.stderr for name in WORKFLOWS)
    assert "zizmor --offline" in (ROOT / "scripts" / "lint").read_text("utf-8")


def test_the_script_that_publishes_needs_only_the_standard_library() -> None:
    tree = ast.parse((ROOT / "scripts" / "propose_update.py").read_text("utf-8"))
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.partition(".")[0] for name in names} <= sys.stdlib_module_names


def test_an_update_becomes_a_pull_request(runner: Runner) -> None:
    made = runner.step("update", "Regenerate")
    assert made.returncode == 0, made.stderr
    url = WORKFLOWS[UPDATE]["jobs"]["update"]["env"]["SPECIFICATION"]
    assert f"scripts/regenerate.py {url} --report" in (runner.folder / "temp" / "log" / "log.txt").read_text()
    assert runner.step("update", "Collect the changes").returncode == 0
    assert (runner.folder / "output").read_text() == "changed=yes\n"
    assert "Suggested version bump" in (runner.folder / "summary.md").read_text()
    # The other job has a separate checkout.
    git(runner.checkout, "reset", "-q", "--hard")
    (runner.checkout / "regenerate.log").unlink()
    proposed = runner.step("pull-request", "Push the branch and open the pull request")
    assert proposed.returncode == 0, proposed.stderr
    listed = git(runner.folder / "remote", "diff", "--name-status", "main", "update-specification").splitlines()
    assert listed == [
        "M\tCHANGELOG.md",
        "A\tgenerated_client/cekura_api/models/new_one.py",
        "M\tspec/openapi.yaml",
        "D\tspec/uncovered.txt",
    ]
    author = git(runner.folder / "remote", "log", "-1", "--format=%an %s", "update-specification").strip()
    assert author == "github-actions[bot] Update to the published specification"
    assert git(runner.checkout, "status", "--porcelain") == ""
    [call] = runner.calls()
    assert call["arguments"][:2] == ["pr", "create"]
    assert call["arguments"][2:6] == ["--head", "update-specification", "--base", "main"]
    assert call["body"].startswith(RUN)
    assert "```markdown\n# What this specification changes\n\nSuggested version bump: **minor**\n```\n" in call["body"]


def test_an_open_pull_request_is_updated_unless_it_comes_from_a_fork(runner: Runner) -> None:
    fork, ours = {"number": 4, "isCrossRepository": True}, {"number": 5, "isCrossRepository": False}
    assert runner.propose(GOOD, opened=[fork, ours]).returncode == 0
    first = runner.pushed()
    assert runner.calls()[0]["arguments"] == ["pr", "edit", "5", "--body-file", "-"]
    assert runner.propose(changed(METRIC, "OLD = 1"), opened=[fork]).returncode == 0
    assert runner.calls()[0]["arguments"][:2] == ["pr", "create"]
    assert runner.pushed() not in {"", first}


def test_without_a_change_no_files_are_passed_on(runner: Runner) -> None:
    (runner.artifact).mkdir()
    (runner.checkout / "spec" / "uncovered.txt").write_text("GET /y/\n")
    assert runner.step("update", "Collect the changes").returncode == 0
    assert (runner.folder / "output").read_text() == "changed=no\n"
    assert not (runner.artifact / "changes.patch").exists()


def test_a_failed_regeneration_fails_the_step_and_keeps_the_log(runner: Runner) -> None:
    (runner.checkout / ".venv" / "bin" / "python").write_text("#!/bin/sh\necho 'regenerate: no' >&2\nexit 2\n")
    assert runner.step("update", "Regenerate").returncode == 2
    assert (runner.folder / "temp" / "log" / "log.txt").read_text() == "regenerate: no\n"


HOSTILE_PATCHES = {
    "another file": (changed("README.md", "Hello."), "README.md"),
    "a file beside": (GOOD + changed("README.md", "Hello."), "README.md"),
    "a folder above": (added("../outside.txt"), "invalid path"),
    "an absolute path": (added("/tmp/outside.txt"), "outside.txt"),
    "a workflow": (added(".github/workflows/new.yml"), ".github/workflows/new.yml"),
    "this workflow": (changed(".github/workflows/test.yml", "name: test"), ".github/workflows/test.yml"),
    "the script that publishes": (added("scripts/json.py"), "scripts/json.py"),
    "commands of the generator": (changed("spec/generator.yaml", "post_hooks: []"), "spec/generator.yaml"),
    "hidden attributes": (added("spec/.gitattributes"), "spec/.gitattributes"),
    "the folder of git": (added("spec/.git/config"), "invalid path"),
    "hooks": (added(".git/hooks/pre-push", "100755"), "invalid path"),
    "modules": (added(".gitmodules"), ".gitmodules"),
    "a startup file": (added("generated_client/x.pth"), "x.pth"),
    "another package": (added("generated_client/httpx/__init__.py"), "httpx"),
    "a line break": (added('"spec/a\\nb"').replace('a/"', '"a/').replace('b/"', '"b/'), "spec/a"),
    "a symlink": (added("generated_client/cekura_api/link.py", "120000", "../../README.md"), "120000"),
    "a symlink, as a folder": (
        added("generated_client/cekura_api/out", "120000", "../..")
        + added("generated_client/cekura_api/out/README.py"),
        "",
    ),
    "a file that becomes a symlink": (
        REMOVED + added(METRIC, "120000", "/etc/passwd"),
        "120000",
    ),
    "an executable": (added("generated_client/cekura_api/run.py", "100755"), "100755"),
    "a file that becomes executable": (
        f"diff --git a/{METRIC} b/{METRIC}\nold mode 100644\nnew mode 100755\n",
        "100755",
    ),
    "a submodule": (
        added("generated_client/cekura_api/sub.py", "160000", f"Subproject commit {'1' * 40}"),
        "160000",
    ),
    "a file that is moved out": (
        f"diff --git a/{METRIC} b/setup.py\nsimilarity index 100%\nrename from {METRIC}\nrename to setup.py\n",
        "setup.py",
    ),
    "other lines than there are": (changed("spec/openapi.yaml", "openapi: other"), "does not apply"),
    "no patch": ("$(touch pwned); `touch pwned`\n", "git apply"),
    "nothing": ("", "git apply"),
    "no change": (GOOD + changed("spec/openapi.yaml", "openapi: new", "openapi: old"), "changes nothing"),
}


@pytest.mark.parametrize(("patch", "word"), HOSTILE_PATCHES.values(), ids=HOSTILE_PATCHES)
def test_a_hostile_patch_is_refused(runner: Runner, patch: str, word: str) -> None:
    refused = runner.propose(patch)
    assert refused.returncode == 1
    assert refused.stderr.startswith("propose_update: ")
    assert refused.stderr.count("\n") == 1
    assert word in refused.stderr
    assert runner.calls() == []
    assert runner.pushed() == ""
    assert git(runner.checkout, "status", "--porcelain") == ""
    assert not list(runner.folder.rglob("outside.txt"))


def test_hostile_names_in_the_messages_of_git_are_shown_without_escape_sequences(runner: Runner) -> None:
    refused = runner.propose(changed("spec/\x1b[2J\u202egone.yaml", "x"))
    assert refused.returncode == 1
    assert "gone.yaml" in refused.stderr
    assert not re.search("[\x00-\x09\x0b-\x1f\u202e]", refused.stderr)


HOSTILE = """\
@everyone $(touch pwned) `touch pwned` "; touch pwned; ' ${{ github.token }} %0A::set-output name=x::y
<!-- ![x](https://example.test/x.png) Fixes #1
```
````markdown
@someone \x1b[31mred\x1b[0m \x07 \u202e reversed \x9b2J \x00 zero\u200bwidth
::add-mask::x
"""


def test_a_hostile_report_is_text(runner: Runner) -> None:
    assert runner.propose(GOOD, HOSTILE).returncode == 0
    [call] = runner.calls()
    assert "$(touch pwned) `touch pwned`" in call["body"]
    assert "${{ github.token }}" in call["body"]
    assert not re.search("[\x00-\x09\x0b-\x1f\x80-\x9f\u200b\u202e]", call["body"])
    assert "@someone red" in call["body"]
    for word in ("@", "<!--", "Fixes", "touch", "::"):
        assert word not in outside_of_fences(call["body"])
    assert not list(runner.folder.rglob("pwned"))


def test_a_long_report_is_cut_to_what_github_accepts(runner: Runner) -> None:
    assert runner.propose(GOOD, "`" * 100_000).returncode == 0
    [call] = runner.calls()
    assert len(call["body"]) < 65_536
    assert "in the artifact `update` of the run: 100,000 characters" in outside_of_fences(call["body"])


def report_failure(runner: Runner, **settings: Any) -> subprocess.CompletedProcess[str]:
    results = {"UPDATE_RESULT": "failure", "PULL_REQUEST_RESULT": "skipped"}
    return runner.step("issue", "Open or comment on the issue", **results, **settings)


def test_a_failure_becomes_an_issue_with_the_end_of_the_log_as_text(runner: Runner) -> None:
    (runner.folder / "temp" / "log").mkdir()
    lines = "".join(f"line {number}\n" for number in range(100))
    (runner.folder / "temp" / "log" / "log.txt").write_bytes((lines + HOSTILE).encode() + b"\xff last")
    assert report_failure(runner).returncode == 0
    [call] = runner.calls()
    assert call["arguments"] == ["issue", "create", "--title", propose_update.FAILED, "--body-file", "-"]
    shown = [line for line in outside_of_fences(call["body"]).splitlines() if line]
    assert shown == [RUN, "Update: failure. Pull request: skipped."]
    assert "line 99\n@everyone $(touch pwned)" in call["body"]
    assert "${{ github.token }}" in call["body"]
    assert "line 9\n" not in call["body"]
    assert not re.search("[\x00-\x09\x0b-\x1f\x80-\x9f\u202e]", call["body"])
    assert not list(runner.folder.rglob("pwned"))


def test_a_second_failure_is_a_comment_on_the_issue_of_that_name(runner: Runner) -> None:
    opened = [{"number": 3, "title": f"Re: {propose_update.FAILED}"}, {"number": 8, "title": propose_update.FAILED}]
    assert report_failure(runner, opened=opened).returncode == 0
    [call] = runner.calls()
    assert call["arguments"] == ["issue", "comment", "8", "--body-file", "-"]
    # There is no log, because the installation failed.
    assert "The update job did not write log.txt." in call["body"]


def test_files_of_the_update_job_that_are_links_or_too_large_are_refused(
    runner: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner.artifact.mkdir()
    (runner.artifact / "report.md").write_text("A report.")
    (tmp_path / "secret").write_text(GOOD)
    (runner.artifact / "changes.patch").symlink_to(tmp_path / "secret")
    refused = runner.step("pull-request", "Push the branch and open the pull request")
    assert (refused.returncode, refused.stderr) == (1, "propose_update: The update job did not write changes.patch.\n")
    monkeypatch.setattr(propose_update, "LARGEST", 8)
    with pytest.raises(propose_update.RefusedError, match=r"report\.md has more than 8 bytes"):
        propose_update.read(runner.artifact / "report.md")


def test_a_command_that_does_not_exist_is_refused(runner: Runner) -> None:
    assert propose_update.main(["publish"]) == 2
    assert shutil.which("gh", path=str(runner.folder / "programs"))


def test_the_files_that_regenerate_writes_are_those_that_the_patch_may_change() -> None:
    tracked = git(ROOT, "ls-files", "generated_client", "spec", "CHANGELOG.md").splitlines()
    by_hand = {"spec/generator.yaml", "spec/operations.yaml", "spec/overlay.yaml"}
    assert {path for path in tracked if not propose_update.ALLOWED.fullmatch(path)} == by_hand
