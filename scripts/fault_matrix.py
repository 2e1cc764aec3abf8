"""Run the clients with every fault, on real sockets, and count lost metrics, duplicates and leaked credentials.

python scripts/fault_matrix.py                    all clients; writes docs/internals/reliability.md
python scripts/fault_matrix.py --client ours      only this package; writes nothing
python scripts/fault_matrix.py --only "save / 500"
python scripts/fault_matrix.py --only apply       only this package, plan and apply

It also runs every behavior of the sandbox with the faults of requests that save metrics, in virtual time.
Exit code 0 if this package has no violations, otherwise 1.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

# By default, Python finds only modules in the folder of this file.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.faults import behaviors
from tests.faults.applying import ClientKind
from tests.faults.cells import Cell, all_cells
from tests.faults.run import JOBS, run_all

ROOT = Path(__file__).resolve().parent.parent
CLIENTS: dict[str, tuple[ClientKind, ...]] = {"ours": ("ours", "apply"), "vendor": ("vendor",), "raw": ("raw",)}


def main() -> int:
    """Run the selected cells. Returns the exit code."""
    arguments = _arguments()
    chosen = [name for each in arguments.client or [] for name in each.split(",")]
    if unknown := set(chosen) - set(CLIENTS):
        print(
            f"fault_matrix: unknown client {', '.join(unknown)}. Choose from {', '.join(CLIENTS)}.",
            file=sys.stderr,
        )
        return 2
    writes = not (arguments.no_write or arguments.only or chosen)
    chosen = chosen or (list(CLIENTS) if writes else ["ours"])
    kinds = [kind for name, kinds in CLIENTS.items() if name in chosen for kind in kinds]
    cells = {kind: [cell for cell in all_cells(kind) if arguments.only in cell.name] for kind in kinds}
    if not any(cells.values()) and not any(arguments.only in cell.name for cell in behaviors.all_cells()):
        print(f"fault_matrix: no cell has {arguments.only!r} in its name.", file=sys.stderr)
        return 2
    in_virtual_time = [cell for cell in behaviors.all_cells() if "ours" in kinds and arguments.only in cell.name]
    return _report(cells, in_virtual_time, arguments.jobs, arguments.output if writes else None)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument(
        "--client",
        action="append",
        metavar="NAME",
        help=f"client to run: {', '.join(CLIENTS)}; may be repeated (default: all, or ours with --only or --no-write)",
    )
    parser.add_argument("--only", default="", metavar="TEXT", help="run only cells with this text in their names")
    parser.add_argument(
        "--jobs", type=int, default=JOBS, metavar="N", help="number of processes (default: %(default)s)"
    )
    parser.add_argument(
        "--output",
        type=Path,
        default=ROOT / "docs" / "internals" / "reliability.md",
        metavar="FILE",
        help="page to write",
    )
    parser.add_argument("--no-write", action="store_true", help="write no file")
    return parser.parse_args()


def _report(
    cells: dict[ClientKind, list[Cell]], in_virtual_time: list[behaviors.Cell], jobs: int, output: Path | None
) -> int:
    # The processes that run cells also import this file, and do not need this module.
    from rich.console import Console
    from rich.progress import Progress

    from tests.faults import report

    console = Console(width=None if sys.stdout.isatty() else 180)
    every = [cell for each in cells.values() for cell in each]
    with Progress(console=console) as progress:
        task = progress.add_task("Running the cells", total=len(every))
        ran = {verdict.cell.name: verdict for verdict in run_all(every, jobs, lambda: progress.advance(task))}
    verdicts = {kind: [ran[cell.name] for cell in each] for kind, each in cells.items()}
    console.print(report.table(verdicts))
    ours = [verdict for kind in CLIENTS["ours"] for verdict in verdicts.get(kind, [])]
    for verdict in ours:
        for violation in (*verdict.violations, *verdict.beyond):
            beyond = "" if violation in verdict.violations else " (beyond the guarantee)"
            console.print(f"{verdict.cell.name}: {violation}{beyond}", markup=False, highlight=False, soft_wrap=True)
    for kind, each in verdicts.items():
        console.print(report.totals_line(kind, each), highlight=False, soft_wrap=True)
    results = behaviors.run_all(in_virtual_time)
    for cell, problems in results.items():
        for problem in +problems:
            console.print(f"{cell.name}: {problem}", markup=False, highlight=False, soft_wrap=True)
    console.print(behaviors.totals_line(results), highlight=False, soft_wrap=True)
    if output is not None:
        output.parent.mkdir(exist_ok=True)
        output.write_text(report.document(verdicts, behaviors.rows(results)), encoding="utf-8")
        console.print(f"Written: {output}", highlight=False)
    wrong = [verdict for verdict in ours if verdict.violations]
    return 1 if wrong or any(+problems for problems in results.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
