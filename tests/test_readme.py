"""The documentation is executed: every Python block of the README runs, against the sandbox."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from cekura_facade.sandbox import Sandbox
from cekura_facade.sandbox._agents import default_agents

ROOT = Path(__file__).parent.parent
BLOCKS = re.findall(r"^```python\n(.*?)^```$", (ROOT / "README.md").read_text(), re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("block", BLOCKS, ids=range(len(BLOCKS)))
def test_a_block_of_the_readme_runs(block: str, home: Path, tmp_path: Path) -> None:
    agent = next(iter(default_agents().values())) | {"id": 123}
    with Sandbox(job_seconds=0.3, agents={123: agent}) as sandbox:
        (home / ".cekura").mkdir()
        (home / ".cekura" / "config.toml").write_text(f'api_key = "{sandbox.api_key}"\napi_url = "{sandbox.url}"\n')
        result = subprocess.run(
            [sys.executable, "-W", "error", "-c", block], cwd=tmp_path, capture_output=True, text=True, check=False
        )
    assert result.returncode == 0, result.stderr


def test_the_readme_has_blocks_to_run() -> None:
    assert len(BLOCKS) >= 6


def test_the_demo_saves_metrics(tmp_path: Path) -> None:
    result = subprocess.run([sys.executable, ROOT / "scripts" / "demo.py"], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert "completed: Done" in result.stdout
    assert "The sandbox holds 5 metrics" in result.stdout
