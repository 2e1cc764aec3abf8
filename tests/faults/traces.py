"""Finds what a client leaves behind: readable credentials, sockets, threads and tasks."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import pickle
import stat
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import attrs
import httpx


@attrs.frozen
class OpenResources:
    """The open sockets, threads and tasks. Subtract an earlier object to get the new ones."""

    sockets: frozenset[int]
    threads: frozenset[str]
    tasks: frozenset[str]

    @classmethod
    def now(cls) -> OpenResources:
        try:
            tasks = asyncio.all_tasks() - {asyncio.current_task()}
        except RuntimeError:  # no loop is running
            tasks = set()
        threads = (f"{thread.name} ({thread.ident})" for thread in threading.enumerate())
        return cls(frozenset(_sockets()), frozenset(threads), frozenset(repr(task) for task in tasks))

    def __sub__(self, earlier: OpenResources) -> list[str]:
        return [
            *(f"socket {number}" for number in self.sockets - earlier.sockets),
            *(f"thread {name}" for name in self.threads - earlier.threads),
            *(f"task {name}" for name in self.tasks - earlier.tasks),
        ]


async def opened_since(earlier: OpenResources) -> list[str]:
    """The new objects in a running loop, after the loop has finished its pending work, such as closing sockets."""
    await _run_pending_tasks()
    left = OpenResources.now() - earlier
    if any(each.startswith("task ") for each in left):
        # An async generator that was not read to its end is closed in a task of the loop's own, once it is collected.
        gc.collect()
        await _run_pending_tasks()
        left = [each for each in left if not each.startswith("task ")]
        left += [each for each in OpenResources.now() - earlier if each.startswith("task ")]
    return left


async def _run_pending_tasks() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


def _sockets() -> Iterator[int]:
    for each in Path("/dev/fd").iterdir():
        try:
            found = os.fstat(int(each.name))
        except OSError:  # the folder itself, which is closed by now
            continue
        if stat.S_ISSOCK(found.st_mode):
            yield found.st_ino


@contextmanager
def logged() -> Iterator[list[str]]:
    """Everything that is logged in the block, at any level, with all attributes of the records."""
    lines: list[str] = []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(f"{record.levelname} {record.name} {self.format(record)} {record.args!r}")

    handler, root = Handler(), logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        yield lines
    finally:
        root.setLevel(level)
        root.removeHandler(handler)


def readable_texts(error: BaseException | None, packages: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Everything that a logger or an error reporter could show of an error: the place, and the text there.

    Args:
        error: The error. Its causes and contexts are searched as well.
        packages: Names of packages. In their frames, the variables and their attributes are searched.
    """
    todo, seen = [error], set()
    while todo:
        each = todo.pop()
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        name = type(each).__name__
        yield f"{name} as text", f"{each} {each!r} {getattr(each, '__notes__', '')}"
        yield f"vars of {name}", repr(vars(each))
        with suppress(Exception):  # many errors of other packages cannot be pickled
            yield f"pickle of {name}", pickle.dumps(each).decode("latin-1")
        traceback = each.__traceback__
        while traceback is not None:
            code = traceback.tb_frame.f_code
            if any(f"/{package}/" in code.co_filename for package in packages):
                for variable, value in traceback.tb_frame.f_locals.items():
                    yield f"variable {variable} of {code.co_name}", f"{value!r} {_attributes(value)!r}"
            traceback = traceback.tb_next
        todo += [each.__cause__, each.__context__]


def _attributes(value: object) -> dict[str, object]:
    names = [*getattr(value, "__dict__", {}), *getattr(type(value), "__slots__", ())]
    shown = {name: getattr(value, name, None) for name in names}
    return {name: list(each.items()) if isinstance(each, httpx.Headers) else each for name, each in shown.items()}
