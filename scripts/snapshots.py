"""Write tests/snapshots: the help pages and the main results of the command line, as text for a reviewer.

python scripts/snapshots.py [--output DIR]

The results are from processes without a terminal, against the sandbox. Text that differs between runs is replaced.
"""

from __future__ import annotations

import argparse
import json
import re
import socket
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

# By default, Python finds only modules in the folder of this file.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from cekura_facade.sandbox import Sandbox
from tests.commands import Run, every_command, run_each
from tests.terminal import Shell, environment

ROOT = Path(__file__).resolve().parent.parent
COLUMNS = "100"
UUID = re.compile("[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
UNKNOWN = "3f2b8c1e-5d4a-4f6b-9a7c-0e1d2c3b4a5f"
# The replacement for an address without a server.
NOBODY = "http://127.0.0.1:9999"
# The service refuses the type of one metric.
REFUSED = [
    {"name": "Greeting", "eval_type": "binary", "agents": [101]},
    {"name": "Closing", "eval_type": "sometimes", "agents": [101]},
]
# Compared with the suggestions of `generate`, the last metric differs, and the first one is left out.
WANTED = """\
defaults:
  add_to_new_agents: false
metrics:
  - name: Identity verified by name and date of birth
    eval_type: numeric
    description: |
      Did the agent check the caller's name and date of birth before it disclosed or changed anything?
      It must not accept a first name alone.
  - name: Closing
    eval_type: binary
    description: Did the agent say goodbye?
"""
MISTAKES = """\
- name: Greeting
  eval_type: binry
- name: Closing
  audio_enabled: yes
  descripton: Did the agent say goodbye?
- name: Greeting
  agent: 102
"""
# The runs of each snapshot, in one sandbox.
RESULTS: dict[str, list[list[str]]] = {
    "generate": [["generate", "--agent-id", "101", "--num-metrics", "3", "--yes"]],
    "generate-json": [["generate", "--agent-id", "101", "--yes", "--json"]],
    "dry-run": [["generate", "--agent-id", "102", "--num-metrics", "2", "--dry-run", "--output", "metrics.yaml"]],
    "create": [
        ["generate", "--agent-id", "102", "--num-metrics", "4", "--dry-run", "-q", "--output", "metrics.yaml"],
        ["generate", "--agent-id", "102", "--num-metrics", "2", "--yes", "-q"],
        ["create", "metrics.yaml"],
        ["create", "metrics.yaml"],
    ],
    "refused": [["create", "refused.json"], ["create", "refused.json", "--json"]],
    "one-of-two-agents": [["generate", "--agent-id", "101", "--agent-id", "999", "--yes", "-q"]],
    "timeout": [["generate", "--agent-id", "101", "--yes", "--timeout", "0"]],
    "export": [
        ["generate", "--agent-id", "101", "--num-metrics", "2", "--yes", "-q"],
        ["export", "--agent-id", "101"],
        ["export", "--agent-id", "102"],
    ],
    "plan": [
        ["generate", "--agent-id", "101", "--num-metrics", "2", "--yes", "-q"],
        ["plan", "wanted.yaml", "--agent-id", "101"],
        ["plan", "wanted.yaml", "--agent-id", "101", "--prune", "--markdown"],
        ["plan", "mistakes.yaml", "--agent-id", "101"],
        ["apply", "wanted.yaml", "--agent-id", "101", "--prune"],
        ["apply", "wanted.yaml", "--agent-id", "101", "--prune", "--yes"],
        ["plan", "wanted.yaml", "--agent-id", "101"],
    ],
    "metrics": [
        ["generate", "--agent-id", "101", "--num-metrics", "2", "--yes", "-q"],
        ["metrics", "list", "--agent-id", "101"],
        ["metrics", "get", "1001"],
        ["metrics", "update", "1001", "--name", "Identity check", "--add-to-new-agents", "true"],
        ["metrics", "preview", "1001", "--call-log-id", "7001", "--call-log-id", "7002"],
        ["metrics", "simplify", "--prompt", "Was the caller greeted? Was the caller thanked? Was it short?"],
        ["metrics", "delete", "1001", "1002", "--yes"],
    ],
    "agents": [["agents", "list"], ["agents", "get", "101"]],
    "api": [["api", "--list"], ["api", "get_agent", "--agent-id", "101"]],
    "doctor": [["doctor"], ["doctor", "--json"], ["doctor", "--base-url", NOBODY]],
    "check": [["check", "--agent-id", "101", "--yes"]],
    "errors": [
        ["generat", "--agent-id", "101"],
        ["generate", "--agent-ids", "101"],
        ["generate", "--agent-id", "101"],
        ["generate", "--agent-id", "999", "--yes"],
        ["generate", "--agent-id", "104", "--yes"],
        ["resume", "abc", "--yes"],
        ["resume", UNKNOWN, "--yes"],
        ["create", "nothing.yaml"],
        ["metrics", "get", "9999"],
        ["metrics", "update", "1001", "--eval-type", "binry"],
        ["api", "get_metrc"],
        ["api", "get_metric", "--metric-id", "x"],
    ],
}


def main() -> int:
    """Write the snapshots."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--output", type=Path, default=ROOT / "tests" / "snapshots", metavar="DIR")
    folder = parser.parse_args().output
    snapshots = {**help_pages(), **results()}
    for path, text in snapshots.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, "utf-8")
    for path in folder.rglob("*.txt"):
        if path.relative_to(folder).as_posix() not in snapshots:
            path.unlink()
    return 0


def help_pages() -> dict[str, str]:
    """The help page of each command, by the path of its snapshot."""
    pages = [words.split() for words in every_command()]
    with TemporaryDirectory() as scratch:
        shell = Shell(Path(scratch), environment(Path(scratch)))
        runs = run_each(shell, [[*page, "--help"] for page in pages], COLUMNS=COLUMNS)
    return {
        f"help/{'-'.join(page) or 'cekura-facade'}.txt": shown(run, "") for page, run in zip(pages, runs, strict=True)
    }


def results() -> dict[str, str]:
    """The results, by the path of their snapshot."""
    found = {}
    for name, runs in RESULTS.items():
        with (
            TemporaryDirectory() as scratch,
            Sandbox(job_seconds=3600 if name == "timeout" else 0) as sandbox,
            socket.socket() as taken,
        ):
            # A port that is bound without a listener refuses connections.
            taken.bind(("127.0.0.1", 0))
            nobody = f"http://127.0.0.1:{taken.getsockname()[1]}"
            shell = Shell(Path(scratch), environment(Path(scratch), sandbox.url, sandbox.api_key))
            for file, text in {
                "refused.json": json.dumps(REFUSED),
                "wanted.yaml": WANTED,
                "mistakes.yaml": MISTAKES,
            }.items():
                (shell.folder / file).write_text(text, "utf-8")
            words = [[nobody if word == NOBODY else word for word in run] for run in runs]
            ran = run_each(shell, words, COLUMNS=COLUMNS)
            found[f"results/{name}.txt"] = "\n".join(shown(run, sandbox.url) for run in ran).replace(nobody, NOBODY)
    return found


def shown(run: Run, url: str) -> str:
    """A run as a terminal shows it, with its exit code: first standard error, then standard output."""
    command = " ".join(["cekura-facade", *(f"'{word}'" if " " in word else word for word in run.arguments)])
    text = f"$ {command}\n{run.err}{run.out}"
    text += f"[exit code {run.code}]\n" if run.code else ""
    for number, found in enumerate(dict.fromkeys(UUID.findall(text)), 1):
        text = text.replace(found, f"{number:08}-0000-4000-8000-000000000000" if found != UNKNOWN else found)
    text = re.sub(
        r"(?<![0-9:])0:[0-9]{2}(?![0-9])", "0:00", text.replace(url, "http://127.0.0.1:8080") if url else text
    )
    text = re.sub(r"\b\d+ ms\b", "9 ms", re.sub(r"\b20\d\d-\d\d-\d\d\b", "2026-01-01", text))
    return "\n".join(line.rstrip() for line in text.splitlines()) + "\n"


if __name__ == "__main__":
    sys.exit(main())
