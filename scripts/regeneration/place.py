"""Where a run makes its result, and how the result is moved to where it belongs."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

_PREFIX = ".regenerate-"


@contextmanager
def scratch(near: Path) -> Iterator[Path]:
    """A temporary folder on the file system of `near`, so that what is made in it can be moved without being copied."""
    near.mkdir(parents=True, exist_ok=True)
    for left_over in near.glob(f"{_PREFIX}*"):
        owner = left_over.name.removeprefix(_PREFIX).partition("-")[0]
        if not (owner.isdigit() and _is_running(int(owner))):
            shutil.rmtree(left_over, ignore_errors=True)
    prefix = f"{_PREFIX}{os.getpid()}-"
    with TemporaryDirectory(prefix=prefix, dir=near, ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def put_in_place(moves: list[tuple[Path, Path]], aside: Path) -> None:
    """Move each new file or folder to its place, in this order.

    A file is replaced in one step. A folder cannot be replaced while there is something in it, so the old one is moved
    to `aside` first. If a move fails, the earlier ones stay: git can undo them.
    """
    aside.mkdir(exist_ok=True)
    for number, (new, place) in enumerate(moves):
        place.parent.mkdir(parents=True, exist_ok=True)
        if place.is_dir():
            place.replace(aside / str(number))
        new.replace(place)


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
