"""The help pages and the main results match the reviewed snapshots."""

from __future__ import annotations

import difflib
import os
import subprocess
import sys
from pathlib import Path

from tests.pages import ROOT

SNAPSHOTS = ROOT / "tests" / "snapshots"


def test_the_snapshots_are_up_to_date(tmp_path: Path) -> None:
    program = [sys.executable, str(ROOT / "scripts" / "snapshots.py"), "--output", str(tmp_path)]
    path = os.pathsep.join(map(str, (ROOT, ROOT / "generated_client")))
    subprocess.run(program, check=True, env=os.environ | {"PYTHONPATH": path})
    before, now = (
        {file.relative_to(folder).as_posix(): file.read_text("utf-8") for file in folder.rglob("*.txt")}
        for folder in (SNAPSHOTS, tmp_path)
    )
    assert before
    changes = [
        line
        for name in sorted(before.keys() | now.keys())
        for line in difflib.unified_diff(
            before.get(name, "").splitlines(), now.get(name, "").splitlines(), f"{name} (committed)", name, lineterm=""
        )
    ]
    assert not changes, "\n".join(["Run `python scripts/snapshots.py`, and read the changes:", *changes])
