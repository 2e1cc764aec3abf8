"""How fast the facade is, beside bare httpx, the vendor's package and the generated client alone, in one run.

python scripts/bench.py [--quick]
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from benchmarks import calls, cold_start, many, report, waiting
from benchmarks.server import serving

PAGE = Path(__file__).resolve().parent.parent / "docs" / "internals" / "performance.md"


def main() -> int:
    """Measure, print the table, and write docs/internals/performance.md."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--quick", action="store_true", help="measure less, and write nothing: does it run at all?")
    arguments = parser.parse_args()
    rows: list[report.Row] = []
    try:
        with serving() as url:
            for part in (cold_start, calls, waiting, many):
                print(f"{part.__name__.rpartition('.')[2].replace('_', ' ')}…", file=sys.stderr, flush=True)
                rows += part.measure(url, quick=arguments.quick)
    except KeyboardInterrupt:
        print("bench: stopped, nothing was written.", file=sys.stderr)
        return 130
    report.show(rows)
    if not arguments.quick:
        report.write(rows, PAGE, "python scripts/bench.py")
        print(f"Written to {PAGE.relative_to(PAGE.parent.parent)}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
