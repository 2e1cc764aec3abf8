"""Compare the time of the pipeline with that of openapi-python-client alone, for the same document.

python scripts/bench_regenerate.py openapi.json [--runs N]
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from regeneration.documents import dump, load_specification
from regeneration.errors import RegenerationError

ROOT = Path(__file__).resolve().parent.parent
CONFIGURATION = ROOT / "spec" / "generator.yaml"


def main() -> int:
    """Print medians of interleaved runs, and their ratios to the generator alone with the goals."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("specification", type=Path, help="path of a published document: JSON, YAML or .xz")
    parser.add_argument("--runs", type=int, default=3, metavar="N", help="runs of each, 1 or more")
    arguments = parser.parse_args()
    try:
        document = load_specification(arguments.specification)
    except RegenerationError as error:
        print(f"bench_regenerate: {error}", file=sys.stderr)
        return 2
    with TemporaryDirectory() as folder:
        scratch = Path(folder)
        # The generator detects the format by the name.
        source = scratch / "published.yaml"
        source.write_text(dump(document), encoding="utf-8")
        if arguments.specification.suffix == ".json":
            source = source.with_suffix(".json")
            source.write_bytes(arguments.specification.read_bytes())
        commands: dict[str, list[str | Path]] = {
            "generator alone, whole": [*generator(), "--config", CONFIGURATION, "--path", source],
            "covered operations": [sys.executable, ROOT / "scripts" / "regenerate.py", source],
            "--select all": [sys.executable, ROOT / "scripts" / "regenerate.py", source, "--select", "all"],
        }
        environment = os.environ | {"PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])}
        times: dict[str, list[float]] = {name: [] for name in commands}
        for run in range(max(arguments.runs, 1)):
            for name, command in commands.items():
                place = scratch / f"{name.split()[0]}-{run}"
                option = "--output-path" if name.startswith("generator") else "--output"
                started = time.perf_counter()
                subprocess.run([*command, option, place], capture_output=True, check=True, env=environment)
                times[name].append(time.perf_counter() - started)
    alone = statistics.median(times["generator alone, whole"])
    print(f"{'what':24} {'median s':>9} {'min-max s':>13} {'x alone':>8}  goal")
    for name, goal in (("generator alone, whole", ""), ("covered operations", "<= 0.33"), ("--select all", "<= 1.30")):
        spread = f"{min(times[name]):.1f}-{max(times[name]):.1f}"
        median = statistics.median(times[name])
        print(f"{name:24} {median:9.2f} {spread:>13} {median / alone:8.2f}  {goal}")
    return 0


def generator() -> list[str | Path]:
    """The generator's own command, of this environment."""
    return [Path(sys.executable).with_name("openapi-python-client"), "generate", "--meta", "none"]


if __name__ == "__main__":
    sys.exit(main())
