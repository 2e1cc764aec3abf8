"""Suggest metrics for an agent of the sandbox, and save them twice. The second time, nothing is created."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import cekura_api

from cekura_facade.sandbox import Sandbox

COMMAND = Path(sys.executable).with_name("cekura-facade")


def main() -> int:
    """Run the demo. Returns the exit code."""
    with TemporaryDirectory() as folder, Sandbox(job_seconds=1) as sandbox:
        # A proxy of the environment cannot reach the sandbox on this machine.
        settings = {"CEKURA_API_KEY": sandbox.api_key, "CEKURA_API_URL": sandbox.url, "NO_PROXY": "127.0.0.1"}
        environment = os.environ | settings | {"no_proxy": "127.0.0.1"}

        def run(*arguments: str) -> int:
            print(f"\n$ {shlex.join(['cekura-facade', *arguments])}", flush=True)
            return subprocess.run([COMMAND, *arguments], cwd=folder, env=environment, check=False).returncode

        agent_id, agent = next(iter(sandbox.agents.items()))
        print(f"Sandbox at {sandbox.url}, generated client in {cekura_api.__path__[0]}")
        print(f"Agent {agent_id}: {agent['agent_name']}\n{agent['description']}")
        codes = [
            run("doctor"),
            run("generate", "--agent-id", str(agent_id), "-n", "5", "--yes", "--output", "metrics.yaml"),
        ]
        number = len(sandbox.metrics)
        codes.append(run("create", "metrics.yaml"))
        twice = len(sandbox.metrics) - number
        print(f"\nThe second save created {twice} metrics, because the client first lists the existing ones.")
        print(f"The sandbox has {len(sandbox.metrics)} metrics after {len(sandbox.requests)} requests.")
    return max(codes, default=0) or int(twice > 0)


if __name__ == "__main__":
    sys.exit(main())
