"""The command that updates the client: its output, files and exit codes, and its state after failures."""

from __future__ import annotations

import copy
import errno
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import regenerate as command
import yaml
from regeneration.documents import load
from regeneration.errors import RegenerationError

from tests.pages import blocks
from tests.regenerating import Result, copied_checkout, run as regenerate

ROOT = Path(__file__).parent.parent
SPEC = ROOT / "spec"
PUBLISHED = load(SPEC / "upstream.yaml")
HOSTILE = "\x1b[31m<!-- @team\n\u202e"


@pytest.fixture
def checkout(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copied_checkout(tmp_path_factory, tmp_path / "checkout")


@pytest.fixture
def changed(tmp_path: Path) -> Path:
    """A publication with an addition and a removal."""
    document = copy.deepcopy(PUBLISHED)
    properties = document["components"]["schemas"]["AIAgent"]["properties"]
    properties["brand_new"] = {"type": "boolean", "description": "In other words."}
    properties["inbound"]["description"] = "In other words."
    del properties["email_id"]
    file = tmp_path / "published.yaml"
    file.write_text(yaml.safe_dump(document))
    return file


def status(checkout: Path) -> str:
    """The differences from the commit, with ignored files, so that scratch folders are noticed."""
    listing = ["git", "status", "--porcelain", "--ignored"]
    lines = subprocess.run(listing, cwd=checkout, capture_output=True, text=True, check=True).stdout.splitlines()
    return "\n".join(line for line in lines if "__pycache__" not in line)


def refused(result: Result, *words: str) -> None:
    """Check that this is a refusal on one line, without control characters."""
    assert result.returncode == 2
    assert result.stderr.startswith("regenerate: ")
    assert result.stderr.count("\n") == 1
    assert result.stderr.removesuffix("\n").isprintable()
    for word in words:
        assert word in result.stderr


def test_a_dry_run_writes_nothing_but_the_report(checkout: Path, changed: Path, tmp_path: Path) -> None:
    report = tmp_path / "report.md"
    result = regenerate(checkout, changed, "--dry-run", "--report", report)
    assert result.returncode == 0, result.stderr
    assert report.read_text() in result.stdout
    assert "`Agent.email_id` is gone" in result.stdout
    assert result.stdout.endswith("Dry run: nothing was changed.\n")
    assert status(checkout) == ""
    assert regenerate(checkout, changed, "--dry-run", "--fail-on", "breaking").returncode == 1
    assert status(checkout) == ""


def test_a_dry_run_creates_no_folder_for_its_output(checkout: Path, changed: Path, tmp_path: Path) -> None:
    folder = tmp_path / "new" / "folder"
    result = regenerate(checkout, changed, "--dry-run", "--output", folder)
    assert (result.returncode, result.stderr) == (0, "")
    result = regenerate(checkout, changed, "--dry-run", "--output", folder, "--select", "all")
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.endswith("Dry run: nothing was changed.\n")
    assert not folder.parent.exists()
    assert status(checkout) == ""


def test_a_dry_run_works_in_a_folder_that_cannot_be_written(
    checkout: Path, changed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: Any, **kwargs: Any) -> Any:
        if Path(kwargs["dir"]).is_relative_to(checkout):
            raise PermissionError(errno.EACCES, "Permission denied", str(kwargs["dir"]))
        return TemporaryDirectory(*args, **kwargs)

    monkeypatch.setattr("regeneration.place.TemporaryDirectory", refuse)
    assert regenerate(checkout, changed, "--dry-run").returncode == 0
    refused(regenerate(checkout, changed), f"{checkout}: Permission denied. Nothing was changed.")


def test_wording_is_listed_with_verbose(checkout: Path, changed: Path) -> None:
    assert "has a new description" not in regenerate(checkout, changed, "--dry-run").stdout
    listed = regenerate(checkout, changed, "--dry-run", "--verbose").stdout
    assert "- `Agent.inbound` has a new description" in listed


def test_the_preview_on_the_page_changes_nothing(checkout: Path) -> None:
    page = ROOT / "docs" / "internals" / "keeping-up.md"
    steps = [block.text.replace(".venv/bin/python", sys.executable) for block in blocks(page) if block.is_run]
    prepare = next(step for step in steps if "cp spec" in step)
    preview = next(step for step in steps if "regenerate.py new.yaml" in step)  # the first one on the page
    subprocess.run(["sh", "-ec", prepare], cwd=checkout, check=True)
    before = status(checkout)
    done = subprocess.run(["sh", "-ec", preview], cwd=checkout, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "`Agent.contact_number` is gone" in done.stdout
    assert status(checkout) == before


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--check", "--output", "o"], "--check"),
        (["--check", "--dry-run"], "--dry-run"),
        (["--check", "--report", "r"], "--report"),
        (["--check", "--fail-on", "breaking"], "--fail-on"),
        ([f"--unknown{HOSTILE}"], r"\x1b[31m"),
        (["--fail-on", HOSTILE], "breaking"),
        (["--output", "o", "--package", HOSTILE], r"\x1b[31m"),
        (["a", HOSTILE], r"\x1b[31m"),
        ([f"missing{HOSTILE}.json"], r"missing\x1b[31m"),
        ([f"http://127.0.0.1:1/{HOSTILE}"], r"team\n\u202e is not a valid URL"),
        (["--output", "o", "--select", f"missing{HOSTILE}"], r"\x1b[31m"),
    ],
)
def test_wrong_usage_is_reported_on_one_line(checkout: Path, arguments: list[str], word: str) -> None:
    refused(regenerate(checkout, *arguments, cwd=checkout), word)
    assert status(checkout) == ""


def test_names_of_a_document_control_no_terminal(checkout: Path, tmp_path: Path) -> None:
    document = copy.deepcopy(PUBLISHED)
    document["components"]["schemas"]["AIAgent"]["properties"]["inbound"]["enum"] = [HOSTILE]
    document["paths"][f"/{HOSTILE}/"] = {"get": {"responses": {"200": {"description": HOSTILE}}}}
    (tmp_path / "published.json").write_text(json.dumps(document))
    result = regenerate(checkout, tmp_path / "published.json", "--dry-run", "--verbose")
    assert result.returncode == 0, result.stderr
    printed = result.stdout + result.stderr
    assert r"`GET /\x1b[31m<!-- @team\n\u202e/`" in printed
    assert all(line.isprintable() for line in printed.split("\n"))
    assert regenerate(checkout, tmp_path / "published.json").returncode == 0
    lines = (checkout / "spec" / "uncovered.txt").read_text().split("\n")
    assert r"GET /\x1b[31m<!-- @team\n\u202e/" in lines
    assert all(line.isprintable() for line in lines)
    assert "<!-- @team" not in regenerate(checkout, tmp_path / "published.json", "--dry-run").stdout


def test_the_name_of_a_folder_controls_no_terminal(checkout: Path, tmp_path: Path) -> None:
    folder = tmp_path / HOSTILE.replace("/", "")
    result = regenerate(checkout, "--output", folder)
    assert result.returncode == 0, result.stderr
    assert r"\x1b[31m<!-- @team\n\u202e/cekura_api: " in result.stdout
    assert all(line.isprintable() for line in result.stdout.split("\n"))
    assert (folder / "cekura_api" / "__init__.py").is_file()


@pytest.mark.parametrize("error", [RegenerationError(f"a {HOSTILE}"), OSError(5, HOSTILE, HOSTILE), KeyError(HOSTILE)])
def test_messages_of_errors_are_one_line(checkout: Path, error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: Any) -> Any:
        raise error

    monkeypatch.setattr(command, "load_specification", fail)
    refused(regenerate(checkout), r"\x1b[31m<!-- @team")


@pytest.mark.parametrize(
    "error", [KeyError("schema"), RecursionError("maximum recursion depth exceeded"), ValueError()]
)
def test_an_internal_error_is_one_line_that_says_where(
    checkout: Path, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: Any, fresh: bool) -> Any:
        raise error

    monkeypatch.setattr(command, "report_on", fail)
    result = regenerate(checkout)
    refused(result, "internal error at test_update_command.py:", type(error).__name__, "Nothing was changed.")
    assert "Traceback" in regenerate(checkout, "--verbose").stderr
    assert status(checkout) == ""


MOVED = ["spec/openapi.yaml", "generated_client/cekura_api", "spec/uncovered.txt", "spec/upstream.yaml", "CHANGELOG.md"]


@pytest.mark.parametrize("name", MOVED)
def test_a_move_that_fails_is_undone(checkout: Path, changed: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    replace = Path.replace
    stops: list[tuple[BaseException, bool]] = []

    def fail(source: Path, target: Path) -> Path:
        if not stops or target != checkout / name:
            return replace(source, target)
        error, is_late = stops.pop()
        if is_late:
            replace(source, target)
        raise error

    monkeypatch.setattr(Path, "replace", fail)
    refusal = PermissionError(errno.EACCES, "Permission denied", "a", None, "b")
    for error, code in ((refusal, 2), (KeyboardInterrupt(), 130)):
        for is_late in (False, True):
            stops.append((error, is_late))
            result = regenerate(checkout, changed)
            assert not stops
            assert result.returncode == code
            assert "Nothing was changed." in result.stderr
            assert status(checkout) == ""


def test_an_output_that_is_a_file_is_refused(checkout: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    for folder in (tmp_path / "file", tmp_path / "file" / "folder"):
        refused(regenerate(checkout, "--output", folder), f"{tmp_path / 'file'} is a file, not a folder.")
    assert (tmp_path / "file").read_text() == "mine"


def test_a_failure_creates_no_folder(checkout: Path, tmp_path: Path) -> None:
    (tmp_path / "broken.json").write_text("{")
    refused(regenerate(checkout, tmp_path / "broken.json", "--output", tmp_path / "new" / "folder"))
    document = copy.deepcopy(PUBLISHED)
    del document["components"]["schemas"]["TestSetInline"]
    (tmp_path / "broken.json").write_text(json.dumps(document))
    refused(regenerate(checkout, tmp_path / "broken.json", "--output", tmp_path / "new" / "folder"))
    assert not (tmp_path / "new").exists()


def test_a_file_that_was_not_generated_is_not_overwritten(checkout: Path, tmp_path: Path) -> None:
    (tmp_path / "cekura_api").mkdir()
    (tmp_path / "cekura_api" / "mine.py").write_text("mine")
    refused(regenerate(checkout, "--output", tmp_path), "mine.py was not generated by this command")
    assert [file.name for file in (tmp_path / "cekura_api").iterdir()] == ["mine.py"]


def test_a_report_that_cannot_be_written_changes_nothing(checkout: Path, changed: Path, tmp_path: Path) -> None:
    missing = tmp_path / "missing" / "report.md"
    refused(regenerate(checkout, changed, "--report", missing), f"{missing}: No such file or directory.")
    assert status(checkout) == ""


def process(checkout: Path, *arguments: str | Path, **settings: Any) -> subprocess.Popen[str]:
    script = [sys.executable, str(checkout / "scripts" / "regenerate.py"), *map(str, arguments)]
    return subprocess.Popen(script, stderr=subprocess.PIPE, text=True, **settings)


def test_a_reader_that_stops_reading_does_not_stop_the_update(checkout: Path, changed: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with process(checkout, changed, stdout=writer) as running:
        os.close(writer)
        _, stderr = running.communicate()
    assert (running.returncode, stderr) == (0, "")
    assert regenerate(checkout, "--check").returncode == 0
    assert "generated_client" in status(checkout)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_report_that_cannot_be_printed_changes_nothing(checkout: Path, changed: Path) -> None:
    with Path("/dev/full").open("w") as full, process(checkout, changed, stdout=full) as running:
        _, stderr = running.communicate()
    refused(Result(running.returncode, "", stderr), "standard output: No space left on device. Nothing was changed.")
    assert status(checkout) == ""


def test_a_missing_package_is_a_refusal(checkout: Path) -> None:
    script = [sys.executable, "-I", "-S", str(checkout / "scripts" / "regenerate.py")]
    done = subprocess.run(script, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert re.fullmatch(r"regenerate: \w+ is not installed\. Run: .+\n", done.stderr)
