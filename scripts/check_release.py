"""Check that a tag is the version of the package, and that CHANGELOG.md has a dated section for it.

python scripts/check_release.py v1.2.3    exit 1 if not

It needs nothing that is not in Python's standard library, because it runs before anything is installed.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def main(arguments: list[str], root: Path = ROOT) -> int:
    """Check. Returns the exit code."""
    if len(arguments) != 1:
        print("usage: check_release.py TAG", file=sys.stderr)
        return 2
    version = re.search(r'__version__ = "(.+)"', (root / "cekura_facade" / "_version.py").read_text("utf-8"))
    found = version[1] if version else "none"
    problem = ""
    if arguments[0] != f"v{found}":
        problem = f"the tag is {arguments[0]}, and the version in cekura_facade/_version.py is {found}"
    elif not re.search(
        rf"^## {re.escape(found)}\W+\d{{4}}-\d\d-\d\d$", (root / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE
    ):
        problem = f"CHANGELOG.md has no heading with {found} and a date, such as `## {found} - 2026-01-31`"
    if problem:
        print(f"check_release: {problem}. Correct it, commit it, and push a new tag.", file=sys.stderr)
        return 1
    print(f"{arguments[0]} is the version of the package, and CHANGELOG.md describes it.")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
