"""All or nothing: what a run made comes into its place in one go, or not at all."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
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
    """Move each new file or folder to its place, and what stood there to `aside`. If one fails, all are moved back.

    The moves are made by a process of their own, which neither Ctrl-C nor the end of this one reaches: a run that is
    killed has moved nothing, or everything.
    """
    if sys.platform == "win32":
        _move(moves, aside)
    else:
        _in_a_process_of_its_own(lambda: _move(moves, aside))


def _move(moves: list[tuple[Path, Path]], aside: Path) -> None:
    aside.mkdir(exist_ok=True)
    done: list[tuple[Path, Path | None]] = []
    try:
        for number, (new, place) in enumerate(moves):
            old = aside / str(number) if place.exists() else None
            if old is not None:
                os.replace(place, old)
            done.append((place, old))
            os.replace(new, place)
    except OSError:
        for (place, old), (new, _) in reversed(list(zip(done, moves, strict=False))):
            if place.exists():
                os.replace(place, new)
            if old is not None:
                os.replace(old, place)
        raise


def _in_a_process_of_its_own(work: Callable[[], None]) -> None:
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.setsid()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        try:
            work()
        except BaseException as error:
            os.write(writing, (str(error) or type(error).__name__).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        failure = pipe.read()
    _, status = os.waitpid(child, 0)
    if failure or status:
        raise OSError(0, failure or "the result could not be put in place")


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
