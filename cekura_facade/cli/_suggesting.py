"""`generate` and `resume`: jobs side by side, the review of what they suggest, and saving it."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cekura_facade as facade
from cekura_facade import AsyncCekura, CekuraError, GenerateMetricsProgress
from cekura_facade._jobs import GENERATION, Handle

from . import _files
from ._errors import Failed, WrongUsage
from ._progress import Line, Progress
from ._report import Report
from ._review import Reviewed, review
from ._saving import keep, save
from ._text import plural, visible

_AGENT = {"agent_id", "assistant_id"}
_AT_ONCE = 50  # jobs; connections are shared among those


@dataclass
class Job:
    """A job, to be started or picked up.

    Attributes:
        line: What is shown of it.
        request: The arguments that start it; None for one that exists.
        agent: The agent that it is for, as far as that is known: arguments of `metrics.job`.
        suggestions: What it suggested, once it has.
    """

    line: Line
    request: dict[str, Any] | None = None
    agent: dict[str, Any] = field(default_factory=dict)
    suggestions: list[dict[str, Any]] | None = None
    failed: bool = False


@dataclass
class Draft(Reviewed):
    """Suggestions on their way to being saved.

    Attributes:
        settled: Whether nothing is to be kept, because all are saved, or none is to be.
        saved: Whether all are saved.
    """

    settled: bool = False
    saved: bool = False

    def take(self, jobs: list[Job]) -> None:
        """Take what the jobs suggested."""
        self.metrics = [metric for job in jobs for metric in job.suggestions or ()]
        self.about = ", ".join(_name(job) for job in jobs if job.suggestions)


@dataclass(frozen=True)
class Handling:
    """What is to be done with the suggestions."""

    yes: bool
    dry_run: bool
    output: Path | None
    timeout: float


def started(agent_ids: Sequence[int], assistant_ids: Sequence[str], num_metrics: int) -> list[Job]:
    """Jobs to be started: one for each agent."""
    if not agent_ids and not assistant_ids:
        raise WrongUsage("For which agent? Give --agent-id or --assistant-id.")
    jobs = [Job(Line(f"agent {one}"), {"agent_id": one}) for one in dict.fromkeys(agent_ids)]
    jobs += [Job(Line(f"assistant {visible(one)}"), {"assistant_id": one}) for one in dict.fromkeys(assistant_ids)]
    for job in jobs:
        job.agent = job.request or {}
        job.request = {**job.agent, "num_metrics": num_metrics}
    return jobs


def picked_up(progress_ids: Sequence[str], agent_id: int | None, assistant_id: str | None) -> list[Job]:
    """Jobs that exist, by their progress ids."""
    ids = list(dict.fromkeys(progress_ids))
    agent = {"agent_id": agent_id, "assistant_id": assistant_id}
    labels = ["job" if len(ids) == 1 else f"job {visible(one)[:8]}" for one in ids]
    return [Job(Line(label, progress_id=one), agent=agent) for label, one in zip(labels, ids, strict=True)]


def resume_arguments(jobs: Sequence[Job]) -> list[list[str]]:
    """The arguments of the `resume` commands: one command for all jobs, or one per agent if the API asks for it."""
    commands: dict[tuple[str, ...], list[str]] = {}
    for job in jobs:
        if progress_id := job.line.progress_id:
            scope = Handle(GENERATION, progress_id, job.agent).scope
            options = tuple(f"--{name.replace('_', '-')}={value}" for name, value in scope.items())
            commands.setdefault(options, []).append(progress_id)
    return [[*ids, *options] for options, ids in commands.items()]


def suggest_and_save(report: Report, jobs: list[Job], handling: Handling) -> None:
    """Wait for the suggestions of jobs, have them reviewed, and save them."""
    if not (handling.yes or handling.dry_run or report.output.asks):
        raise WrongUsage("There is no terminal to ask at: give --yes to save, or --dry-run to save nothing.")
    if math.isnan(handling.timeout):
        raise WrongUsage("--timeout nan: give seconds, 0 or more.")
    if handling.output is not None:
        _files.check_output(handling.output)
    draft = Draft([], "")
    report.at_end.append(lambda: _conclude(report, draft, handling, jobs))
    with Progress(report.output, [job.line for job in jobs]) as progress:
        report.run(_collect(report, jobs, handling.timeout, progress))
    draft.take(jobs)
    if not draft.metrics:
        return
    if handling.output is not None:
        _write(report, draft, handling.output)
    if handling.dry_run:
        report.metrics = report.unfinished = draft.metrics
        draft.settled = True
        report.show(draft.metrics, f"{plural(len(draft.metrics), 'suggestion')} for {draft.about}", saved=False)
        report.notes.append("Nothing is saved, as --dry-run says.")
        return
    before = draft.metrics
    if not handling.yes and not review(report.output, draft):
        draft.settled = True
        report.notes.append("Nothing is saved.")
        return
    if handling.output is not None and draft.metrics != before:
        _write(report, draft, handling.output)
    draft.saved = draft.settled = save(report, draft.metrics)


def _conclude(report: Report, draft: Draft, handling: Handling, jobs: list[Job]) -> None:
    """Keep what is neither saved nor declined, and say how to go on."""
    if not draft.about:
        draft.take(jobs)
    if draft.metrics and not draft.settled:
        keep(report, draft.metrics, draft.about, handling.output)
    declined = draft.settled and not draft.saved
    if declined and handling.output is not None:
        report.go_on("create", str(handling.output))
    again = [job for job in jobs if job.suggestions is None or (declined and handling.output is None)]
    for arguments in resume_arguments([job for job in again if not job.failed]):
        report.go_on("resume", *arguments)
    unknown = [job.request or {} for job in jobs if job.line.progress_id is None]
    if report.signal is not None and unknown:
        report.notes.append("A job may have been started, but its progress id had not come. Nothing is saved of it.")
        options = [
            f"--{name.replace('_', '-')}={request[name]}" for request in unknown for name in _AGENT & request.keys()
        ]
        report.go_on("generate", *options, f"--num-metrics={unknown[0]['num_metrics']}")


def _write(report: Report, draft: Draft, path: Path) -> None:
    before = _files.write(path, draft.metrics, _files.header(draft.metrics, draft.about))
    moved = f" What was there is now {visible(before)}." if before else ""
    report.output.say(f"Suggestions written to {visible(path)}.{moved}")


async def _collect(report: Report, jobs: list[Job], timeout: float, progress: Progress) -> None:
    gate = asyncio.Semaphore(_AT_ONCE)

    async def collect(job: Job, handle: facade.AsyncGenerationJob | None) -> None:
        line = job.line

        def show(state: GenerateMetricsProgress) -> None:
            step = state.current_step if isinstance(state.current_step, str) and state.current_step else state.status
            progress.step(line, redact(str(step)))

        try:
            async with gate:
                if handle is None:
                    handle = await cekura.metrics.generate(**(job.request or {}))
                    progress.start(line, handle.progress_id)
                found = await handle.wait(timeout=timeout, on_progress=show)
        except CekuraError as error:
            job.failed = isinstance(error, facade.GenerationFailedError | facade.NotFoundError)
            report.fail(error, _name(job))
            progress.finish(line, "timed out" if isinstance(error, facade.GenerationTimeoutError) else "failed")
        except asyncio.CancelledError:
            progress.finish(line, f"interrupted at {visible(line.step)!r}")
            raise
        else:
            job.suggestions = [metric.to_dict() for metric in found]
            progress.finish(line, plural(len(found), "suggestion"))
            if not found:
                report.fail(Failed("The service suggested no metrics."), _name(job))

    async with AsyncCekura(**report.options.client()) as cekura:
        redact = cekura.transport.settings.credential.redact
        # All ids are looked at before the first request.
        handles = [None if job.request else cekura.metrics.job(job.line.progress_id or "", **job.agent) for job in jobs]
        await asyncio.gather(*map(collect, jobs, handles))


def _name(job: Job) -> str:
    return job.line.label if job.request else f"job {job.line.progress_id}"
