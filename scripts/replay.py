"""Take published specifications one after the other, in scratch folders, and run the facade on each client.

python scripts/replay.py ../shared/specs             every .json, .yaml, .yml and .xz in a folder, in order of name
python scripts/replay.py old.json new.json --jobs 2  files, in the order given
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import attrs
from regeneration.documents import Document, load_specification, operations as each_operation
from regeneration.errors import MissingOperationError, RegenerationError
from regeneration.pipeline import build
from regeneration.report import Report, compare

ROOT = Path(__file__).resolve().parent.parent
ENDINGS = (".json", ".yaml", ".yml", ".xz")


@attrs.frozen
class Outcome:
    """What came of one version."""

    version: str
    result: str  # "ok", "refused" or "FAILED"
    reason: str = ""
    operations: int = 0
    schemas: int = 0
    seconds: float = 0.0
    effective: Document | None = None
    left_out: tuple[str, ...] = ()


def main() -> int:
    """Replay every version. Returns 0 if each that can flow in did, 1 if one did not, 2 if there is none."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("source", nargs="+", type=Path, help="files, or folders of files: .json, .yaml, .yml or .xz")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, metavar="N", help="versions at once")
    arguments = parser.parse_args()
    files = [file for source in arguments.source for file in files_in(source)]
    if not files or arguments.jobs < 1:
        print("replay: there is nothing to replay: give files, or folders that hold some.", file=sys.stderr)
        return 2
    print(f"{'version':34} {'operations':>10} {'schemas':>7}  {'changes':44} {'seconds':>7}  result", flush=True)
    before: Document | None = None
    outcomes = []
    with ProcessPoolExecutor(arguments.jobs) as pool:
        for outcome in pool.map(replay, files):
            outcomes.append(outcome)
            changes = "-" if before is None or outcome.effective is None else changed(before, outcome.effective)
            before = outcome.effective or before
            print(
                f"{outcome.version:34} {outcome.operations:10} {outcome.schemas:7}  {changes:44} "
                f"{outcome.seconds:7.1f}  {outcome.result}",
                flush=True,
            )
    for outcome in outcomes:
        if outcome.left_out:
            print(f"without optional operations: {outcome.version}: {', '.join(outcome.left_out)}")
        if outcome.result != "ok":
            print(f"{outcome.result}: {outcome.version}: {outcome.reason}")
    counted = [outcome for outcome in outcomes if outcome.result != "refused"]
    flowed = [outcome for outcome in counted if outcome.result == "ok"]
    print(f"{len(flowed)}/{len(counted)} versions flow in with no hand edit")
    return 0 if len(flowed) == len(counted) else 1


def files_in(source: Path) -> list[Path]:
    """The specifications of a folder, in order of name; or the one file."""
    if source.is_dir():
        return sorted(file for file in source.iterdir() if file.suffix in ENDINGS)
    return [source]


def replay(file: Path) -> Outcome:
    """Build a client from one version, and run the workflow on it."""
    version, started = file.name.partition(".")[0], time.monotonic()
    facts: dict[str, Any] = {}
    try:
        published = load_specification(file)
        facts["operations"] = sum(1 for _ in each_operation(published))
        facts["schemas"] = len(published.get("components", {}).get("schemas", {}))
        with TemporaryDirectory() as folder:
            derivation = build(published, ROOT / "spec", Path(folder))
            facts["effective"] = derivation.effective
            facts["left_out"] = tuple(why.operation.name for why in derivation.left_out)
            result, reason = run_workflow(Path(folder))
    except MissingOperationError as error:
        result, reason = "refused", str(error)
    except RegenerationError as error:
        result, reason = "FAILED", str(error)
    except Exception as error:  # noqa: BLE001 - One version that ends the run would hide all the others.
        result, reason = "FAILED", f"{type(error).__name__}: {error}"
    return Outcome(version, result, reason, seconds=time.monotonic() - started, **facts)


def run_workflow(client: Path) -> tuple[str, str]:
    """The facade's workflow on the client in a folder, in its own process. Returns the result, and why it failed."""
    check = subprocess.run(
        [sys.executable, ROOT / "scripts" / "workflow_check.py"],
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(client), str(ROOT)])},
        capture_output=True,
        text=True,
        check=False,
    )
    if check.returncode != 0:
        return "FAILED", check.stderr.strip().rpartition("\n")[2]
    if not Path(check.stdout.strip()).is_relative_to(client):
        return "FAILED", f"the workflow ran on another client, {check.stdout.strip()}"
    return "ok", ""


def changed(old: Document, new: Document) -> str:
    """How many changes there are, by kind."""
    return Report(compare(old, new)).counts()


if __name__ == "__main__":
    sys.exit(main())
