"""The command that updates the client. It pauses before or after a stage until its input is closed.

paused_update.py CHECKOUT STAGE before|after SPECIFICATION
"""

from __future__ import annotations

import signal
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent

signal.signal(signal.SIGINT, signal.default_int_handler)  # A shell ignores it in background jobs.
checkout, place, when, specification = sys.argv[1:]
sys.path.insert(0, str(ROOT / "scripts"))
module_name, _, name = place.partition(".")
module = import_module(f"regeneration.{module_name}")
stage = getattr(module, name)


def paused(*args: Any, **settings: Any) -> Any:
    """Run the stage, and pause before or after it."""
    if when == "before":
        wait_for_input_to_close()
        return stage(*args, **settings)
    result = stage(*args, **settings)
    wait_for_input_to_close()
    return result


def wait_for_input_to_close() -> None:
    """Print that the command is paused, and wait until its input is closed."""
    print("paused", flush=True)
    sys.stdin.read()


setattr(module, name, paused)
regenerate: Any = import_module("regenerate")
regenerate.ROOT = Path(checkout)
regenerate.SPEC = regenerate.ROOT / "spec"
sys.argv = ["regenerate.py", specification]
sys.exit(regenerate.main())
