"""Compare the time of the help with that of importing typer and rich.

python scripts/bench_cli.py [--runs N]
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from pathlib import Path

BASE = "import typer, rich.console"
COMMAND = str(Path(sys.executable).with_name("cekura-facade"))
COMMANDS = {
    BASE: [sys.executable, "-c", BASE],
    **{
        " ".join(["cekura-facade", *words, "--help"]): [COMMAND, *words, "--help"]
        for words in ([], ["generate"], ["metrics", "update"], ["api", "list_metrics"])
    },
}
GOAL = 1.0


def main() -> int:
    """Print medians of interleaved runs, and their ratio."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--runs", type=int, default=30, metavar="N", help="runs of each, 1 or more")
    runs = max(parser.parse_args().runs, 1)
    times: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for run in range(runs + 1):
        for name, command in COMMANDS.items():
            started = time.perf_counter()
            subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
            if run:  # The first run is slower, because it reads from the disk.
                times[name].append(time.perf_counter() - started)
    base = statistics.median(times[BASE])
    print(f"{'what':38} {'median ms':>9} {'min-max ms':>13} {'ratio':>6}  goal")
    for name in COMMANDS:
        goal = "" if name == BASE else f"<= {GOAL}"
        spread = f"{min(times[name]) * 1000:.0f}-{max(times[name]) * 1000:.0f}"
        median = statistics.median(times[name])
        print(f"{name:38} {median * 1000:9.0f} {spread:>13} {median / base:6.2f}  {goal}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
