"""The benchmark runs and prints every row. These tests do not judge the numbers."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "internals" / "performance.md"
ROWS = (
    "cold start: import, construct, first request, process exit",
    "job.poll() with 10 metrics, typed",
    "job.poll() with 100 metrics, typed",
    "job.poll() awaited, with 10 metrics, typed",
    "job.poll() awaited, with 100 metrics, typed",
    "listing 1,000 metrics, typed <= 1.50 x bare httpx",
    "the same, without the request: reading the response <= 1.50 x response.json()",
    "cekura-facade agents list --json, as a process <= 1.50 x `import typer, rich.console`",
    "cekura-facade metrics update --help, as a process <= 1.00 x `import typer, rich.console`",
    "saving 100 metrics, with the same [0-9]+ requests <= 1.30 x bare httpx",
    "the whole of ./scripts/test, after set-up <= 4 min",
    "delay between a job's completion and wait returning",
    "the same: worst",
    "polls for a job of 300 s",
    "workflows at once none fails",
    "time of each at [0-9]+ workflows at once <= 1.20 x that at",
    "time of each at [0-9]+ workflows at once <= 1.20 x ten workers",
    "memory for [0-9]+ workflows at once <= 1.30 x ten workers",
)


def test_a_quick_run_prints_every_row_and_writes_nothing() -> None:
    before = PAGE.read_bytes() if PAGE.exists() else None
    command = [sys.executable, str(ROOT / "scripts" / "bench.py"), "--quick"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=1800)
    assert done.returncode == 0, done.stderr
    printed = re.sub("[ |]+", " ", done.stdout)
    for row in ROWS:
        pattern = row if "[" in row else re.escape(row)
        assert re.search(pattern, printed), f"{row} is not in {done.stdout}"
    assert (PAGE.read_bytes() if PAGE.exists() else None) == before
