"""The command that updates the client, holding still before or after a stage until its input is closed.

held_update.py CHECKOUT STAGE before|after SPECIFICATION
"""

from __future__ import annotations

import signal
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent

signal.signal(signal.SIGINT, signal.default_int_handler)  # A shell's background job has it ignored.
checkout, place, when, specification = sys.argv[1:]
sys.path.insert(0, str(ROOT / "scripts"))
module_name, _, name = place.partition(".")
module = import_module(f"regeneration.{module_name}")
stage = getattr(module, name)


def held(*args: Any, **settings: Any) -> Any:
    """Do what the stage does, and hold still before or after it."""
    if when == "before":
        hold()
        return stage(*args, **settings)
    result = stage(*args, **settings)
    hold()
    return result


def hold() -> None:
    """Say so, and wait until the input is closed."""
    print("held", flush=True)
    sys.stdin.read()


setattr(module, name, held)
regenerate: Any = import_module("regenerate")
regenerate.ROOT = Path(checkout)
regenerate.SPEC = regenerate.ROOT / "spec"
sys.argv = ["regenerate.py", specification]
sys.exit(regenerate.main())
