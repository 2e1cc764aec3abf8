"""Compare the speed of the facade with bare httpx, the vendor's package and the generated client alone.

python scripts/bench.py [--quick]
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from benchmarks import calls, cold_start, command, many, report, waiting
from benchmarks.server import serving

DOCS = Path(__file__).resolve().parent.parent / "docs"
PAGE = DOCS / "internals" / "performance.md"
PICTURE = DOCS / "pictures" / "performance.svg"


def main() -> int:
    """Measure, print the table, and write docs/internals/performance.md with its chart."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--quick", action="store_true", help="a short run that writes nothing, to test this script")
    arguments = parser.parse_args()
    rows: list[report.Row] = []
    try:
        with serving() as url:
            for part in (cold_start, command, calls, waiting, many):
                print(f"{part.__name__.rpartition('.')[2].replace('_', ' ')}…", file=sys.stderr, flush=True)
                rows += part.measure(url, quick=arguments.quick)
    except KeyboardInterrupt:
        print("bench: stopped, nothing was written.", file=sys.stderr)
        return 130
    rows.append(report.SUITE)
    report.show(rows)
    if not arguments.quick:
        report.write(rows, PAGE, PICTURE, "python scripts/bench.py")
        print(f"Written to {PAGE.relative_to(DOCS.parent)}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
