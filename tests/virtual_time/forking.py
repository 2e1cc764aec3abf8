"""Runs the command in forks of a process that has imported the libraries, because importing is slower than most runs.

Each line of standard input describes a run, in JSON: the command, its folder and environment, and the files that are
its standard streams. For each, this process forks, and writes the exit code on a line of standard output. It has
imported libraries and the client, but nothing of the command itself: each run does that as in a process of its own.
"""

from __future__ import annotations

import encodings.idna
import importlib.readers
import json
import os
import runpy
import sys
from typing import Any

import anyio._backends._asyncio
import backoff
import httpx
import rich.live
import rich.markup
import rich.progress
import rich.syntax
import rich.table
import typer.main
import yaml

from cekura_facade import AsyncCekura, Cekura

IMPORTED = (encodings, importlib, anyio, backoff, httpx, rich, typer, yaml, AsyncCekura, Cekura)


def next_run() -> dict[str, Any] | None:
    """Return the next run, in a separate process. In the forking process, return None at the end."""
    requests, codes = os.fdopen(os.dup(0), "rb"), os.dup(1)
    for line in requests:
        child = os.fork()
        if not child:
            requests.close()
            os.close(codes)
            return dict(json.loads(line))
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        os.write(codes, b"%d\n" % code)
    return None


if run := next_run():
    for stream, (file, flags) in enumerate(run["streams"]):
        opened = os.open(file, flags)
        os.dup2(opened, stream)
        os.close(opened)
    os.chdir(run["folder"])
    os.environ.clear()
    os.environ.update(run["env"])
    sys.argv = run["command"]
    sys.path[0] = os.path.dirname(sys.argv[0])  # noqa: PTH120 - As Python does it.
    runpy.run_path(sys.argv[0], run_name="__main__")
