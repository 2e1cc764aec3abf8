"""Runs programs in forks of a process that has imported the libraries, because importing is slower than most runs.

`forking.py NAME...` imports these modules and objects. Standard input is a socket. Each byte on it starts a run, and
carries four descriptors: another socket, and the standard streams of the run. That socket receives a line of JSON with
the command, its folder and environment, and whether the streams are a terminal. It sends back two lines: the process
id, and at the end the exit code. Each run imports the modules of the program itself, as a new process does.
"""

from __future__ import annotations

import atexit
import fcntl
import gc
import io
import json
import os
import pkgutil
import runpy
import signal
import socket
import sys
import termios
import threading
from typing import Any


def next_run() -> dict[str, Any] | None:
    """Return the next run in a process of its own. In the process that forks, return None when there are no more."""
    with socket.socket(fileno=os.dup(0)) as requests:
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # So no process that has ended is left behind.
        while True:
            request, descriptors, *_ = socket.recv_fds(requests, 1, 4)
            if not request:
                return None
            if not os.fork():
                break
            for descriptor in descriptors:
                os.close(descriptor)
    # This process waits for the one that runs the program.
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    with socket.socket(fileno=descriptors[0]) as caller:
        with caller.makefile("rb") as lines:
            run = dict(json.loads(lines.readline()), streams=descriptors[1:])
        child = os.fork()
        if not child:
            return run
        for descriptor in descriptors[1:]:
            os.close(descriptor)
        caller.sendall(b"%d\n" % child)
        caller.sendall(b"%d\n" % os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    os._exit(0)


def replace_stream(name: str, number: int, descriptor: int) -> None:
    """Make a standard stream of a descriptor, as Python does it when it starts: a terminal gets each line at once."""
    before = getattr(sys, name)
    os.dup2(descriptor, number)
    os.close(descriptor)
    binary = os.fdopen(number, "rb" if name == "stdin" else "wb", closefd=False)
    lines = name == "stderr" or binary.isatty()
    stream = io.TextIOWrapper(binary, before.encoding, before.errors, newline="\n", line_buffering=lines)
    setattr(sys, name, stream)
    setattr(sys, f"__{name}__", stream)


def end_at_once(code: str | int | None) -> None:
    """End as Python does, but without deleting each object, which takes longer than most runs."""
    threading._shutdown()  # type: ignore[attr-defined]  # noqa: SLF001 - Python calls it at the end.
    atexit._run_exitfuncs()  # noqa: SLF001 - And this one.
    gc.collect()
    if code is not None and not isinstance(code, int):
        print(code, file=sys.stderr)
    for stream in (sys.stdout, sys.stderr):
        if not stream.closed:
            stream.flush()
    os._exit(code & 0xFF if isinstance(code, int) else int(code is not None))


for name in sys.argv[1:]:
    pkgutil.resolve_name(name)
# The collector would write to the pages that the forks share, and each page would be copied.
gc.collect()
gc.freeze()
if run := next_run():
    os.setsid()
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        replace_stream(name, number, run["streams"][number])
    if run["terminal"]:
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    os.chdir(run["folder"])
    os.environ.clear()
    os.environ.update(run["env"])
    sys.argv = run["command"]
    sys.path[0] = os.path.dirname(os.path.abspath(sys.argv[0]))  # noqa: PTH100, PTH120 - As Python does it.
    code: str | int | None = None
    try:
        runpy.run_path(sys.argv[0], run_name="__main__")
    except SystemExit as end:
        code = end.code
    try:
        end_at_once(code)
    except OSError:
        sys.exit(code)  # Python reports a stream that cannot be flushed.
