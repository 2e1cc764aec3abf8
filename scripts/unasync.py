"""Derive the blocking client from the asynchronous one, so that both are written once.

python scripts/unasync.py            write cekura_facade/_sync_*.py from cekura_facade/_async_*.py
python scripts/unasync.py --check    change nothing; exit 1 if a file is not up to date
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent.parent / "cekura_facade"
NAMES = ("client", "jobs", "metrics")
HEADER = "# Derived by `python scripts/unasync.py` from {name}. Do not edit.\n"
# Patterns and their replacements, in order.
RULES = (
    (r"\n*\s+It\s+may\s+be\s+a\s+coroutine\s+function\.", ""),  # Only AsyncCekura awaits callbacks.
    (r"An asynchronous client for the Cekura API\.", "A client for the Cekura API. Threads can share it."),
    (r"the client for asyncio", "the blocking client"),
    (r"An asynchronous iterator", "An iterator"),
    (r"await get_agent\.asyncio\(", "get_agent.sync("),
    (r"\basync (def|with|for) ", r"\1 "),
    (r"`async with`", "`with`"),
    (r"\bawait ", ""),
    (r"\bAsyncHTTP\b", "SyncHTTP"),
    (r"\bAsync(?=[A-Z])", ""),
    (r"_async_", "_sync_"),
    (r"\baclose\b", "close"),
    (r"\b__a(enter|exit)__\b", r"__\1__"),
)


def main() -> int:
    """Write or check the files. Returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--check", action="store_true", help="change nothing, and exit 1 if a file would change")
    is_check = parser.parse_args().check
    differing = []
    for name in NAMES:
        source, target = PACKAGE / f"_async_{name}.py", PACKAGE / f"_sync_{name}.py"
        text = derived(source)
        if not target.is_file() or target.read_text("utf-8") != text:
            differing.append(target.name)
            if not is_check:
                target.write_text(text, encoding="utf-8")
    if is_check and differing:
        print(*differing, "are not up to date. Run `python scripts/unasync.py`.", file=sys.stderr)
        return 1
    return 0


def derived(source: Path) -> str:
    """The blocking version of a module."""
    text = source.read_text("utf-8")
    for pattern, replacement in RULES:
        text = re.sub(pattern, replacement, text)
    text = HEADER.format(name=source.name) + text
    command = [sys.executable, "-m", "ruff", "format", "--stdin-filename", str(source.with_name("_sync.py")), "-"]
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=True)
    command = [sys.executable, "-m", "ruff", "check", "--fix-only", "--select", "I", "--quiet", "--stdin-filename"]
    done = subprocess.run(
        [*command, str(source.with_name("_sync.py")), "-"],
        input=done.stdout,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
