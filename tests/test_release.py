"""How a release and the documentation are published, and that what the workflows and hooks run exists."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import check_release
import pytest
import yaml

from tests.workflow_runner import ROOT, WORKFLOWS

RELEASE, DOCUMENTATION = WORKFLOWS["release.yml"], WORKFLOWS["documentation.yml"]
HOOKS: list[dict[str, Any]] = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text("utf-8"))["repos"][0]["hooks"]
LINT = (ROOT / "scripts" / "lint").read_text("utf-8")
RUNS = [
    (f"{name}: {job}", step["run"])
    for name, workflow in WORKFLOWS.items()
    for job, content in workflow["jobs"].items()
    for step in content["steps"]
    if "run" in step
]


def write(root: Path, changelog: str) -> None:
    (root / "cekura_facade").mkdir()
    (root / "cekura_facade" / "_version.py").write_text('"""The version."""\n\n__version__ = "1.2.3"\n')
    (root / "CHANGELOG.md").write_text(f"# Changelog\n\n## Unreleased\n\n{changelog}")


@pytest.mark.parametrize("heading", ["## 1.2.3 - 2026-01-31", "## 1.2.3, 2026-01-31"])
def test_a_release_that_fits_its_tag_passes(tmp_path: Path, capsys: pytest.CaptureFixture[str], heading: str) -> None:
    write(tmp_path, f"{heading}\n\n- New.\n")
    assert check_release.main(["v1.2.3"], tmp_path) == 0
    assert "v1.2.3 is the version" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("tag", "changelog", "said"),
    [
        (
            "v1.2.4",
            "## 1.2.3 - 2026-01-31\n",
            "the tag is v1.2.4, and the version in cekura_facade/_version.py is 1.2.3",
        ),
        ("1.2.3", "## 1.2.3 - 2026-01-31\n", "the tag is 1.2.3, and"),
        ("v1.2.3", "", "CHANGELOG.md has no heading with 1.2.3 and a date"),
        ("v1.2.3", "## 1.2.3\n", "CHANGELOG.md has no heading"),
        ("v1.2.3", "## 11.2.3 - 2026-01-31\n", "CHANGELOG.md has no heading"),
        ("v1.2.3", "## 1.2.30 - 2026-01-31\n", "CHANGELOG.md has no heading"),
        ("v1.2.3", "## 1x2x3 - 2026-01-31\n", "CHANGELOG.md has no heading"),
    ],
)
def test_a_release_that_does_not_fit_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], tag: str, changelog: str, said: str
) -> None:
    write(tmp_path, changelog)
    assert check_release.main([tag], tmp_path) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"check_release: {said}")
    assert "push a new tag" in error


def test_the_check_needs_nothing_that_is_installed() -> None:
    command = [sys.executable, "-I", "-S", str(ROOT / "scripts" / "check_release.py"), "v0"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("check_release: the tag is v0")
    assert check_release.main([]) == 2


def test_only_the_job_that_publishes_can_authenticate() -> None:
    assert RELEASE["permissions"] == DOCUMENTATION["permissions"] == {}
    assert {name: job["permissions"] for name, job in RELEASE["jobs"].items()} == {
        "test": {"contents": "read"},
        "build": {"contents": "read"},
        "publish": {"id-token": "write"},
    }
    assert {name: job["permissions"] for name, job in DOCUMENTATION["jobs"].items()} == {
        "build": {"contents": "read"},
        "deploy": {"pages": "write", "id-token": "write"},
    }
    assert [name for name, job in RELEASE["jobs"].items() if "environment" in job] == ["publish"]
    assert RELEASE["jobs"]["publish"]["environment"] == "pypi"
    assert DOCUMENTATION["jobs"]["deploy"]["environment"]["name"] == "github-pages"
    for name in ("release.yml", "documentation.yml"):
        text = (ROOT / ".github" / "workflows" / name).read_text("utf-8")
        assert not re.search(r"secrets\.|github\.token|GITHUB_TOKEN|password|repository-url", text)


def test_a_release_is_tested_and_checked_before_it_is_published_with_attestations() -> None:
    assert RELEASE["on"] == {"push": {"tags": ["v[0-9]+.[0-9]+.[0-9]+*"]}}
    assert RELEASE["jobs"]["publish"]["needs"] == ["test", "build"]
    assert [step["run"] for step in RELEASE["jobs"]["test"]["steps"] if "run" in step] == ["./scripts/test"]
    assert [step["run"] for step in RELEASE["jobs"]["build"]["steps"] if "run" in step] == [
        'python scripts/check_release.py "$GITHUB_REF_NAME"',
        "./scripts/build",
    ]
    given, taken = RELEASE["jobs"]["build"]["steps"][-1]["with"], RELEASE["jobs"]["publish"]["steps"][0]["with"]
    assert (taken["name"], taken["path"]) == (given["name"], given["path"]) == ("dist", "dist")
    assert RELEASE["jobs"]["publish"]["steps"][-1]["with"] == {"attestations": "true"}


def test_the_site_that_is_built_is_the_one_that_is_deployed() -> None:
    assert DOCUMENTATION["on"] == {"push": {"branches": ["main"]}, "workflow_dispatch": ""}
    build = DOCUMENTATION["jobs"]["build"]["steps"]
    assert [step["run"] for step in build if "run" in step] == ["./scripts/docs site"]
    assert build[-1]["with"] == {"path": "site"}
    assert DOCUMENTATION["jobs"]["deploy"]["needs"] == "build"


@pytest.mark.parametrize(("where", "code"), RUNS, ids=[where for where, _ in RUNS])
def test_the_scripts_that_the_workflows_run_exist(where: str, code: str) -> None:
    for dot, name in re.findall(r"(\./)?(scripts/[\w.-]+)", code):
        assert (ROOT / name).is_file(), where
        assert not dot or os.access(ROOT / name, os.X_OK), where


def test_the_hooks_run_the_tools_of_the_linters_at_our_versions() -> None:
    groups: dict[str, list[object]] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["dependency-groups"]
    names = {re.match(r"[\w-]+", each)[0] for group in groups.values() for each in group if isinstance(each, str)}  # type: ignore[index]
    programs = []
    for hook in HOOKS:
        program, *arguments = hook["entry"].split()
        folder, name = program.rsplit("/", 1)
        assert (folder, hook["language"]) == (".venv/bin", "system")
        assert name in names
        options = {argument for argument in arguments if argument not in ("--fix", "--force-exclude")}
        assert any(line.startswith(f"{name} ") and options <= set(line.split()) for line in LINT.splitlines())
        programs.append(name)
    assert programs == ["ruff", "ruff", "mypy", "typos", "zizmor"]


def test_dependabot_updates_actions_and_packages_after_a_cooldown() -> None:
    content = yaml.safe_load((ROOT / ".github" / "dependabot.yml").read_text("utf-8"))
    assert {each["package-ecosystem"] for each in content["updates"]} == {"github-actions", "pip"}
    assert all(each["cooldown"]["default-days"] >= 7 for each in content["updates"])
