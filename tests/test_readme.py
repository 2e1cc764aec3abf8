"""The documentation is executed: every Python block of the README and of docs/ runs, against the sandbox."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from cekura_facade.sandbox import Sandbox
from cekura_facade.sandbox._agents import default_agents

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCKS = {
    f"{page.relative_to(ROOT)} {number}": block
    for page in PAGES
    for number, block in enumerate(re.findall(r"^```python\n(.*?)^```$", page.read_text(), re.DOTALL | re.MULTILINE))
}


@pytest.mark.parametrize("block", BLOCKS.values(), ids=BLOCKS)
def test_a_block_of_the_documentation_runs(block: str, home: Path, tmp_path: Path) -> None:
    agent = next(iter(default_agents().values()))
    agents = {number: agent | {"id": number} for number in (123, 124)}
    # What another library warns of is not ours to mend.
    strict = [] if "dask" in block else ["-W", "error"]
    (tmp_path / "block.py").write_text(block)
    with Sandbox(job_seconds=0.3, agents=agents) as sandbox:
        (home / ".cekura").mkdir()
        (home / ".cekura" / "config.toml").write_text(f'api_key = "{sandbox.api_key}"\napi_url = "{sandbox.url}"\n')
        result = subprocess.run(
            [sys.executable, *strict, "block.py"], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        if "dask" in block:
            assert len(sandbox.metrics) == 4
    assert result.returncode == 0, result.stderr


def test_there_are_blocks_to_run() -> None:
    assert len(BLOCKS) >= 9


def test_the_demo_saves_metrics(tmp_path: Path) -> None:
    result = subprocess.run([sys.executable, ROOT / "scripts" / "demo.py"], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert "agent 101: Done" in result.stderr
    assert "1005" in result.stdout
    assert "The sandbox holds 5 metrics" in result.stdout  # though they were saved, and saved again from a file


def test_the_pictures_show_what_the_command_prints(tmp_path: Path) -> None:
    subprocess.run([sys.executable, ROOT / "scripts" / "pictures.py", "--output", tmp_path], check=True)
    committed = {path.name: path.read_text("utf-8") for path in (ROOT / "docs" / "pictures").iterdir()}
    assert {path.name: path.read_text("utf-8") for path in tmp_path.iterdir()} == committed, "run scripts/pictures.py"
    shown = set(re.findall(r"\(docs/pictures/([^)]+)\)", (ROOT / "README.md").read_text("utf-8")))
    assert shown == committed.keys()
