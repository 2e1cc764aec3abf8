"""What differs on Windows, as far as it can be tested elsewhere."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from regeneration import place

from cekura_facade.cli import _files, _review


@pytest.mark.parametrize(
    ("chosen", "command"),
    [
        (r"C:\Tools\edit.exe", [r"C:\Tools\edit.exe"]),
        (r'"C:\Program Files\edit.exe" --wait', [r"C:\Program Files\edit.exe", "--wait"]),
    ],
)
def test_the_path_of_an_editor_keeps_its_backslashes(
    monkeypatch: pytest.MonkeyPatch, chosen: str, command: list[str]
) -> None:
    monkeypatch.setattr(_review, "_IS_WINDOWS", True)
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setenv("EDITOR", chosen)
    assert _review.chosen_editor() == command


def test_a_file_is_closed_before_it_is_moved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    moved = []

    def replace(self: Path, target: Path) -> Path:
        opened = {os.path.realpath(each) for each in Path("/proc/self/fd").iterdir()}
        assert str(self) not in opened
        moved.append(target)
        return target

    if not Path("/proc/self/fd").is_dir():
        pytest.skip("the open files of this process are not listed here")
    monkeypatch.setattr(Path, "replace", replace)
    _files.write(tmp_path / "a.yaml", [{"name": "A"}], "# A\n")
    assert moved == [tmp_path / "a.yaml"]


def test_a_process_is_not_signaled_to_find_out_whether_it_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def kill(process: int, number: int) -> None:
        raise AssertionError((process, number))

    monkeypatch.setattr(os, "kill", kill)
    monkeypatch.setattr(place, "_IS_WINDOWS", True)
    other = tmp_path / ".regenerate-1-other"
    other.mkdir()
    with place.scratch(tmp_path):
        assert other.is_dir()
