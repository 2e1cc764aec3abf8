"""The scratch folder of a run, and moving its result into place."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from .errors import RegenerationError

_PREFIX = ".regenerate-"


@contextmanager
def scratch(near: Path) -> Iterator[Path]:
    """A temporary folder on the file system of `near`, so that its files can be moved without being copied."""
    near.mkdir(parents=True, exist_ok=True)
    for left_over in near.glob(f"{_PREFIX}*"):
        owner = left_over.name.removeprefix(_PREFIX).partition("-")[0]
        if not (owner.isdigit() and _is_running(int(owner))):
            shutil.rmtree(left_over, ignore_errors=True)
    prefix = f"{_PREFIX}{os.getpid()}-"
    with TemporaryDirectory(prefix=prefix, dir=near, ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def put_in_place(moves: list[tuple[Path, Path]], aside: Path) -> None:
    """Move each new file or folder to its place, in this order. If a move fails, undo all of them.

    A file is replaced in one step. A folder cannot be replaced unless it is empty, so the old one is moved away first.
    The old files and folders are kept in `aside`.
    """
    aside.mkdir(exist_ok=True)
    try:
        for number, (new, place) in enumerate(moves):
            place.parent.mkdir(parents=True, exist_ok=True)
            if place.is_dir():
                place.replace(aside / str(number))
            elif place.exists():
                shutil.copy2(place, aside / str(number))
            new.replace(place)
    except BaseException:
        _undo(moves, aside)
        raise


def _undo(moves: list[tuple[Path, Path]], aside: Path) -> None:
    """Move everything back. Raises RegenerationError if that fails."""
    for number, (new, place) in reversed(list(enumerate(moves))):
        old, is_moved = aside / str(number), not new.exists()
        try:
            if is_moved and place.exists() and (old.is_dir() or not old.exists()):
                place.replace(new)
            if old.is_dir() or (is_moved and old.exists()):
                old.replace(place)
        except OSError as error:
            raise RegenerationError(
                f"{error.filename2 or error.filename}: {error.strerror}. The result was moved only in part. "
                "Undo that with git, fix the cause and run the command again."
            ) from None


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
