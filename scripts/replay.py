"""Generate a client from each published specification, in scratch folders, and run the workflow with each client.

python scripts/replay.py ../shared/specs                     every .json, .yaml, .yml and .xz in a folder, by name
python scripts/replay.py old.json new.json --jobs 2          files, in the order given
python scripts/replay.py ../shared/specs --chart FILE.svg    draw the versions over time
"""

from __future__ import annotations

import argparse
import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import attrs
from regeneration.documents import Document, load_specification, operations as each_operation
from regeneration.errors import MissingOperationError, RegenerationError
from regeneration.escaping import as_line
from regeneration.pipeline import build
from regeneration.report import Report, compare

ROOT = Path(__file__).resolve().parent.parent
ENDINGS = (".json", ".yaml", ".yml", ".xz")


@attrs.frozen
class Outcome:
    """The result of one version."""

    version: str
    result: str  # "ok", "refused" or "FAILED"
    reason: str = ""
    operations: int = 0
    schemas: int = 0
    seconds: float = 0.0
    effective: Document | None = None
    left_out: tuple[str, ...] = ()


def main() -> int:
    """Replay every version. Returns 0 if each was updated to or refused, 1 if one failed, 2 for wrong arguments."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("source", nargs="+", type=Path, help="files, or folders of files: .json, .yaml, .yml or .xz")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, metavar="N", help="versions at once")
    parser.add_argument("--chart", type=Path, metavar="FILE.svg", help="draw the versions over time")
    arguments = parser.parse_args()
    files = [file for source in arguments.source for file in files_in(source)]
    if not files or arguments.jobs < 1:
        print("replay: no specifications were found. Pass files, or folders that contain some.", file=sys.stderr)
        return 2
    if arguments.chart and (problem := chart_problem(arguments.chart, files)):
        print(f"replay: {problem}", file=sys.stderr)
        return 2
    print(f"{'version':34} {'operations':>10} {'schemas':>7}  {'changes':44} {'seconds':>7}  result", flush=True)
    before: Document | None = None
    outcomes: list[Outcome] = []
    reports: list[Report | None] = []
    with ProcessPoolExecutor(arguments.jobs) as pool:
        for outcome in pool.map(replay, files):
            report = None
            if before is not None and outcome.effective is not None:
                report = Report(compare(before, outcome.effective))
            before = outcome.effective or before
            outcomes.append(outcome)
            reports.append(report)
            print(
                f"{outcome.version:34} {outcome.operations:10} {outcome.schemas:7}  "
                f"{report.counts() if report else '-':44} {outcome.seconds:7.1f}  {outcome.result}",
                flush=True,
            )
    code = summarize(outcomes)
    if arguments.chart:
        try:
            draw_chart(arguments.chart, files, outcomes, reports)
        except OSError as error:
            print(f"replay: the chart was not written. {arguments.chart}: {error.strerror}.", file=sys.stderr)
            return 2
    return code


def summarize(outcomes: Sequence[Outcome]) -> int:
    """Print omissions, refusals and failures, and how many versions give a client. Returns the exit code."""
    for outcome in outcomes:
        if outcome.left_out:
            print(f"without optional operations: {outcome.version}: {', '.join(outcome.left_out)}")
        if outcome.result != "ok":
            print(as_line(f"{outcome.result}: {outcome.version}: {outcome.reason}"))
    counted = [outcome for outcome in outcomes if outcome.result != "refused"]
    generated = [outcome for outcome in counted if outcome.result == "ok"]
    print(f"{len(generated)}/{len(counted)} versions give a client without manual edits")
    return 0 if len(generated) == len(counted) else 1


def chart_problem(chart: Path, files: Sequence[Path]) -> str | None:
    """Why a chart of these files cannot be drawn or written, or None. A replay takes minutes, so this comes first."""
    for file in files:
        if published_on(file) is None:
            return f"{file.name}: the chart needs a date at the start of each name, such as 2026-01-31.yaml."
    if not chart.parent.is_dir():
        return f"{chart.parent} is not a folder. Create it, or pass another file to --chart."
    if chart.is_dir() or not os.access(chart if chart.exists() else chart.parent, os.W_OK):
        return f"{chart} cannot be written. Pass another file to --chart."
    return None


def published_on(file: Path) -> date | None:
    """The date at the start of a file's name, or None."""
    with contextlib.suppress(ValueError):
        return date.fromisoformat(file.name[:10])
    return None


def draw_chart(
    chart: Path, files: Sequence[Path], outcomes: Sequence[Outcome], reports: Sequence[Report | None]
) -> None:
    """Write the chart of a replay. Raises OSError if that is not possible."""
    from replay_chart import Version, draw  # The import of matplotlib takes a second.

    versions = []
    for file, outcome, report in zip(files, outcomes, reports, strict=True):
        published = published_on(file)
        assert published is not None
        changes = (len(report.of("breaking")), len(report.of("added"))) if report else (None, None)
        versions.append(Version(published, outcome.operations, outcome.result, *changes))
    draw(versions, chart)


def files_in(source: Path) -> list[Path]:
    """The specifications in a folder, sorted by name, or a single file."""
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
    except Exception as error:  # noqa: BLE001 - An error in one version must not end the run.
        result, reason = "FAILED", f"{type(error).__name__}: {error}"
    return Outcome(version, result, reason, seconds=time.monotonic() - started, **facts)


def run_workflow(client: Path) -> tuple[str, str]:
    """Run the workflow with the client in a folder, in another process. Returns the result, and why it failed."""
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


if __name__ == "__main__":
    sys.exit(main())
