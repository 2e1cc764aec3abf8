"""The command `cekura-facade`: suggest, review and save metrics at the terminal. Needs the extra `cli`.

Nothing is imported here that a command may not need: `--help` answers before httpx is loaded.
"""

from __future__ import annotations

import importlib.util
import os
import signal
import sys
from typing import NoReturn


def main() -> NoReturn:
    """Run the command with the arguments of this process, and end it with the exit code."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _interrupted_at_once)
    if missing := [name for name in ("typer", "rich", "yaml") if importlib.util.find_spec(name) is None]:
        sys.exit(f"cekura-facade: {', '.join(missing)} not found: pip install 'cekura-facade[cli]'")
    from .app import app

    app(prog_name="cekura-facade")
    sys.exit(0)


def _interrupted_at_once(*_: object) -> NoReturn:
    os.write(2, b"\nInterrupted: nothing was sent yet.\n")
    os._exit(130)
