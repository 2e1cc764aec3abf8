"""The command line as a process: from its start to its end, with one request to the sandbox in between."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from cekura_facade.sandbox import Sandbox

from .chart import Felt
from .report import FACADE, HTTPX, Row, Times, duration

_COMMAND = str(Path(sys.executable).with_name("cekura-facade"))
_BASE = "import typer, rich.console"
_LIBRARIES = f"""
import sys
sys.modules["httpx._main"] = None  # as the command does it
{_BASE}, httpx
httpx.get(sys.argv[1], headers={{"X-CEKURA-API-KEY": sys.argv[2]}}).raise_for_status()
"""
_WITH_REQUEST = f"with one request in {HTTPX}"
_HELP = "metrics", "update", "--help"


def measure(_url: str, *, quick: bool) -> list[Row]:
    """Measure a command that lists agents, and the help of one."""
    rounds = 1 if quick else 40
    with Sandbox() as sandbox:
        environment = {**os.environ, "CEKURA_API_URL": sandbox.url, "CEKURA_API_KEY": sandbox.api_key}

        def runs(*command: str) -> Callable[[], float]:
            def run() -> float:
                started = time.perf_counter()
                subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL)
                return time.perf_counter() - started

            run()  # compiles what was never compiled
            return run

        def times(words: Sequence[str], **others: Callable[[], float]) -> Times:
            contenders = {FACADE: runs(_COMMAND, *words), f"`{_BASE}`": runs(sys.executable, "-c", _BASE)}
            return Times({**contenders, **others}, rounds)

        agents = f"{sandbox.url}/test_framework/v1/aiagents/"
        with_request = {_WITH_REQUEST: runs(sys.executable, "-c", _LIBRARIES, agents, sandbox.api_key)}
        listed = times(["agents", "list", "--json"], **with_request)
        helped = times(_HELP)
    names = {
        FACADE: FACADE,
        f"`{_BASE}`": "importing typer and rich",
        _WITH_REQUEST: f"the same with {HTTPX}, one request",
    }
    values = {label: listed.median(name) for name, label in names.items()}
    felt = Felt("`cekura-facade agents list --json`, from start to end", values, duration)
    row = listed.row("cekura-facade agents list --json, as a process", 1.50, f"`{_BASE}`")
    return [
        replace(row, felt=felt),
        helped.row(f"cekura-facade {' '.join(_HELP)}, as a process", 1.00, f"`{_BASE}`"),
    ]
