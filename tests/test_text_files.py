"""The files of the repository are as .editorconfig asks for, so that an editor changes no line that nobody edits."""

from __future__ import annotations

import configparser
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("this is not a git checkout")
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


def test_every_file_is_as_the_settings_of_editors_say(tracked: list[Path]) -> None:
    parser = configparser.ConfigParser()
    parser.read_string("[DEFAULT]\n" + (ROOT / ".editorconfig").read_text("utf-8"))
    assert dict(parser["*"]) == {
        "root": "true",
        "charset": "utf-8",
        "end_of_line": "lf",
        "insert_final_newline": "true",
        "trim_trailing_whitespace": "true",
        "indent_style": "space",
        "indent_size": "4",
    }
    wrong = []
    for file in tracked:
        content = file.read_bytes()
        lines = content.decode("utf-8").split("\n")
        is_output = file.suffix == ".svg" or "snapshots" in file.parts
        if (
            b"\r" in content
            or b"\n\t" in content
            or (not is_output and content and (lines[-1] or any(line != line.rstrip() for line in lines)))
        ):
            wrong.append(file)
    assert wrong == []
