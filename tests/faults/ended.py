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
from .clients import SETTINGS, Changes, Client, Outcome, clear_environment
from .harness import NUM_METRICS, Harness, ServiceInfo
from .judge import judge_ended, judge_recovery, leaks
from .processes import processes
from .timing import HANG_LIMIT
from .traces import readable_texts
from .trial import Verdict
from .violation import Violation


@attrs.frozen
class _LastMessage:
    """The last message of an interrupted process."""

    progress_id: str | None
    changes: Changes | None
    violations: list[Violation]


def run_ended(cell: Cell, client: Client, harness: Harness) -> Verdict:
    """Run a cell: start a process, end it during the delayed request, and continue in another one."""
    assert cell.ended_by is not None
    service = harness.open(cell.script, time_limit=HANG_LIMIT)
    killed = cell.ended_by == signal.SIGKILL
    receiver, sender = processes().Pipe(duplex=False)
    process = processes().Process(target=_begin if killed else _interrupted, args=(client, service, sender))
    process.start()
    sender.close()
    violations = []
    if not harness.wait_for_fault(HANG_LIMIT):
        violations.append(Violation("not met", "the process never sent this request"))
    assert process.pid is not None
    os.kill(process.pid, cell.ended_by)
    outcome = Outcome(error=KeyboardInterrupt())
    started = time.monotonic()
    message = _last_message(receiver)
    outcome.elapsed = time.monotonic() - started
    process.join(HANG_LIMIT)
    if process.is_alive():
        process.kill()
        process.join()
    if isinstance(message, _LastMessage):
        violations += message.violations
        outcome.progress_id, outcome.changes = message.progress_id, message.changes
    elif killed:
        outcome.progress_id = message
    else:
        violations.append(Violation("foreign", f"the process ended with {process.exitcode} and sent no message"))
    # The response is delayed longer, so a client that waits for it is too late.
    if not killed and outcome.elapsed >= HANG_LIMIT:
        violations.append(Violation("deadline", f"it took {outcome.elapsed:.1f} s to end"))
    violations += judge_ended(client.workflow, cell.where, outcome, harness.state(), killed=killed)
    harness.remove_faults()
    problem = _in_another_process(_resume, client, service, outcome.progress_id)
    harness.finish_late_requests()
    violations += judge_recovery(client.workflow, outcome, harness.state(), problem)
    harness.close()
    return Verdict(cell, "killed" if killed else "interrupted", outcome.elapsed, tuple(violations))


def _last_message(receiver: Connection) -> Any:
    """The last message of a process before it closed the pipe."""
    message = None
    with receiver:
        while receiver.poll(HANG_LIMIT):
            try:
                message = receiver.recv()
            except EOFError:
                break
    return message


def _in_another_process(target: Callable[..., None], *args: object) -> Exception | None:
    process = processes().Process(target=target, args=args)
    process.start()
    process.join(HANG_LIMIT)
    if process.is_alive():
        process.kill()
        process.join()
    return None if process.exitcode == 0 else CekuraError(f"the second process ended with {process.exitcode}")


def _begin(client: Client, service: ServiceInfo, sender: Connection) -> None:
    """Run the workflow step by step, and send the progress id as soon as it is known."""
    clear_environment()
    # The request is delayed until this process is killed.
    SETTINGS["timeout"] = HANG_LIMIT
    if client.workflow == "apply":
        client.run_workflow(service, Outcome())
    else:
        _generate(client.name, service, sender)


def _generate(name: str, service: ServiceInfo, sender: Connection) -> None:
    if name == "ours-sync":
        with Cekura(service.key, base_url=service.url, **SETTINGS) as client:
            job = client.metrics.generate(agent_id=service.agent_id, num_metrics=NUM_METRICS)
            sender.send(job.progress_id)
            client.metrics.create_in_bulk(job.wait(timeout=HANG_LIMIT))
        return

    async def awaited() -> None:
        async with AsyncCekura(service.key, base_url=service.url, **SETTINGS) as client:
            job = await client.metrics.generate(agent_id=service.agent_id, num_metrics=NUM_METRICS)
            sender.send(job.progress_id)
            await client.metrics.create_in_bulk(await job.wait(timeout=HANG_LIMIT))

    asyncio.run(awaited())


def _interrupted(client: Client, service: ServiceInfo, sender: Connection) -> None:
    """Run the workflow in one call until Ctrl-C. Then send the information of the exception."""
    clear_environment()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    SETTINGS["timeout"] = HANG_LIMIT
    outcome = client.run(service, catching=BaseException)
    violations = list(leaks(client, outcome))
    if not isinstance(outcome.error, KeyboardInterrupt):
        violations.append(Violation("foreign", f"Ctrl-C raised {outcome.error!r}"))
    texts = [text for where, text in readable_texts(outcome.error, ()) if where.endswith("as text")]
    found = re.search("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "\n".join(texts))
    sender.send(_LastMessage(found.group() if found else None, outcome.changes, violations))


def _resume(client: Client, service: ServiceInfo, progress_id: str | None) -> None:
    """Resume the job by its id, or apply the list again, in another process."""
    clear_environment()
    client.recover(service, Outcome(progress_id=progress_id))
