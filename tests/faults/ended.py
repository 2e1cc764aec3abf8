"""Cells in which the client's process ends in the middle of a request, and a second process continues."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

import attrs

from cekura_facade import AsyncCekura, Cekura, CekuraError

from .cells import Cell
from .clients import SETTINGS, Client, Done, Ending, alone
from .judge import judge_ended, judge_recovery, leaks
from .pace import HUNG
from .processes import processes
from .stage import WANTED, Place, Stage
from .traces import everything_of
from .trial import Verdict
from .violation import Violation

_PATIENCE = HUNG  # seconds, which only a process that hangs reaches


@attrs.frozen
class _LastMessage:
    """The last message of an interrupted process."""

    progress_id: str | None
    done: Done | None
    violations: list[Violation]


def run_ended(cell: Cell, client: Client, stage: Stage) -> Verdict:
    """Run a cell: start a process, end it during the delayed request, and continue in another one."""
    assert cell.ended_by is not None
    place = stage.open(cell.script, patience=_PATIENCE)
    killed = cell.ended_by == signal.SIGKILL
    receiver, sender = processes().Pipe(duplex=False)
    process = processes().Process(target=_begin if killed else _interrupted, args=(client, place, sender))
    process.start()
    sender.close()
    violations = []
    if not stage.wait_met(_PATIENCE):
        violations.append(Violation("not met", "the process never came to this request"))
    assert process.pid is not None
    os.kill(process.pid, cell.ended_by)
    ending = Ending(error=KeyboardInterrupt())
    started = time.monotonic()
    said = _last_message(receiver)
    ending.elapsed = time.monotonic() - started
    process.join(_PATIENCE)
    if process.is_alive():
        process.kill()
        process.join()
    if isinstance(said, _LastMessage):
        violations += said.violations
        ending.progress_id, ending.done = said.progress_id, said.done
    elif killed:
        ending.progress_id = said
    else:
        violations.append(Violation("foreign", f"the process ended with {process.exitcode} and said nothing"))
    # The request is delayed for this time, so that the client cannot wait for its response.
    if not killed and ending.elapsed >= _PATIENCE:
        violations.append(Violation("deadline", f"it took {ending.elapsed:.1f} s to end"))
    violations += judge_ended(client.flow, cell.where, ending, stage.sight(), killed=killed)
    stage.heal()
    problem = _in_another_process(_resume, client, place, ending.progress_id)
    stage.settle()
    violations += judge_recovery(client.flow, ending, stage.sight(), problem)
    stage.close()
    return Verdict(cell, "killed" if killed else "interrupted", ending.elapsed, tuple(violations))


def _last_message(receiver: Connection) -> Any:
    """The last message of a process before its end of the pipe was closed."""
    said = None
    with receiver:
        while receiver.poll(_PATIENCE):
            try:
                said = receiver.recv()
            except EOFError:
                break
    return said


def _in_another_process(target: Callable[..., None], *args: object) -> Exception | None:
    process = processes().Process(target=target, args=args)
    process.start()
    process.join(_PATIENCE)
    if process.is_alive():
        process.kill()
        process.join()
    return None if process.exitcode == 0 else CekuraError(f"the second process ended with {process.exitcode}")


def _begin(client: Client, place: Place, sender: Connection) -> None:
    """Run the workflow step by step, and send the progress id as soon as it is known."""
    alone()
    # The request is delayed until this process is killed.
    SETTINGS["timeout"] = _PATIENCE
    if client.flow == "apply":
        client.workflow(place, Ending())
    else:
        _generate(client.name, place, sender)


def _generate(name: str, place: Place, sender: Connection) -> None:
    if name == "ours-sync":
        with Cekura(place.key, base_url=place.url, **SETTINGS) as client:
            job = client.metrics.generate(agent_id=place.agent_id, num_metrics=WANTED)
            sender.send(job.progress_id)
            client.metrics.create_in_bulk(job.wait(timeout=_PATIENCE))
        return

    async def awaited() -> None:
        async with AsyncCekura(place.key, base_url=place.url, **SETTINGS) as client:
            job = await client.metrics.generate(agent_id=place.agent_id, num_metrics=WANTED)
            sender.send(job.progress_id)
            await client.metrics.create_in_bulk(await job.wait(timeout=_PATIENCE))

    asyncio.run(awaited())


def _interrupted(client: Client, place: Place, sender: Connection) -> None:
    """Run the workflow in one call until Ctrl-C. Then send the information of the exception."""
    alone()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    SETTINGS["timeout"] = _PATIENCE
    ending = client.run(place, catching=BaseException)
    violations = list(leaks(client, ending))
    if not isinstance(ending.error, KeyboardInterrupt):
        violations.append(Violation("foreign", f"Ctrl-C became {ending.error!r}"))
    texts = [text for where, text in everything_of(ending.error, ()) if where.endswith("as text")]
    found = re.search("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "\n".join(texts))
    sender.send(_LastMessage(found.group() if found else None, ending.done, violations))


def _resume(client: Client, place: Place, progress_id: str | None) -> None:
    """Resume the job by its id, or apply the list again, in another process."""
    alone()
    client.recover(place, Ending(progress_id=progress_id))
