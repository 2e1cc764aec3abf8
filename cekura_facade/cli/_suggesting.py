"""Implements `generate` and `resume`: waits for jobs, has their suggestions reviewed, and saves them."""

from __future__ import annotations

import asyncio
import math
import uuid
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
from ._report import Report, Saving
from ._review import Reviewed, review
from ._saving import keep, save
from ._text import plural, visible

_AGENT = {"agent_id", "assistant_id"}
_AT_ONCE = 50  # maximum number of jobs at a time


@dataclass
class Job:
    """A job, to be started or resumed.

    Attributes:
        line: Its progress.
        request: The arguments that start it, or None for a job that exists.
        agent: The agent that it is for, if known, as arguments of `metrics.job`.
        suggestions: Its suggestions, once it has some.
        is_over: Whether it cannot be resumed, because it failed or does not exist.
    """

    line: Line
    request: dict[str, Any] | None = None
    agent: dict[str, Any] = field(default_factory=dict)
    suggestions: list[dict[str, Any]] | None = None
    is_over: bool = False


@dataclass
class Draft(Reviewed):
    """Suggestions until they are saved.

    Attributes:
        settled: Whether nothing needs to be kept, because all are saved or the user declined to save them.
        saved: Whether all are saved.
    """

    settled: bool = False
    saved: bool = False

    def take(self, jobs: list[Job]) -> None:
        """Collect the suggestions of the jobs."""
        self.metrics = [metric for job in jobs for metric in job.suggestions or ()]
        self.about = ", ".join(_name(job) for job in jobs if job.suggestions)


@dataclass(frozen=True)
class Handling:
    """What to do with the suggestions."""

    yes: bool
    dry_run: bool
    output: Path | None
    timeout: float


def started(agent_ids: Sequence[int], assistant_ids: Sequence[str], num_metrics: int) -> list[Job]:
    """Jobs to be started: one for each agent."""
    jobs = [Job(Line(f"agent {one}"), {"agent_id": one}) for one in dict.fromkeys(agent_ids)]
    jobs += [Job(Line(f"assistant {visible(one)}"), {"assistant_id": one}) for one in dict.fromkeys(assistant_ids)]
    for job in jobs:
        job.agent = job.request or {}
        job.request = {**job.agent, "num_metrics": num_metrics}
    return jobs


def resumed(progress_ids: Sequence[str], agent_id: int | None, assistant_id: str | None) -> list[Job]:
    """Jobs that exist, by their progress ids."""
    ids = list(dict.fromkeys(progress_ids))
    agent = {"agent_id": agent_id, "assistant_id": assistant_id}
    labels = ["job" if len(ids) == 1 else f"job {visible(one)[:8]}" for one in ids]
    return [Job(Line(label, progress_id=one), agent=agent) for label, one in zip(labels, ids, strict=True)]


def resume_arguments(jobs: Sequence[Job]) -> list[list[str]]:
    """The arguments of the `resume` commands. One command resumes all jobs, or those of one agent if needed."""
    commands: dict[tuple[str, ...], list[str]] = {}
    for job in jobs:
        if progress_id := job.line.progress_id:
            scope = Handle(GENERATION, progress_id, job.agent).scope
            options = tuple(f"--{name.replace('_', '-')}={value}" for name, value in scope.items())
            commands.setdefault(options, []).append(progress_id)
    return [[*ids, *options] for options, ids in commands.items()]


def suggest_and_save(report: Report, jobs: list[Job], handling: Handling) -> None:
    """Wait for the suggestions of jobs, have them reviewed, and save them."""
    saving = report.saving = Saving()
    _check(report, jobs, handling)
    draft = Draft([], "")
    report.at_end.append(lambda: _conclude(report, saving, draft, handling, jobs))
    with Progress(report.output, [job.line for job in jobs]) as progress:
        report.run(_collect(report, jobs, handling.timeout, progress))
    draft.take(jobs)
    if not draft.metrics:
        return
    if handling.output is not None:
        _write(report, draft, handling.output)
    if handling.dry_run:
        saving.suggested = draft.metrics
        saving.unfinished = draft.metrics if report.failures else []
        draft.settled = True
        report.show(draft.metrics, f"{plural(len(draft.metrics), 'suggestion')} for {draft.about}", saved=False)
        report.notes.append("Nothing was saved because of --dry-run.")
        return
    before = draft.metrics
    if not handling.yes and not review(report.output, draft):
        draft.settled = True
        report.notes.append("Nothing was saved.")
        return
    if handling.output is not None and draft.metrics != before:
        _write(report, draft, handling.output)
    draft.saved = draft.settled = save(report, saving, draft.metrics)


def _check(report: Report, jobs: list[Job], handling: Handling) -> None:
    """Raise WrongUsage if the command cannot succeed, before anything is sent."""
    if not jobs:
        raise WrongUsage("Missing agent id. Pass --agent-id or --assistant-id.")
    if invalid := [job.line.progress_id or "" for job in jobs if job.request is None and not _is_uuid(job)]:
        which = ", ".join(repr(one) for one in invalid)
        what = "is not a valid progress id" if len(invalid) == 1 else "are not valid progress ids"
        raise WrongUsage(f"{which} {what}. Pass a UUID such as 3f2b8c1e-5d4a-4f6b-9a7c-0e1d2c3b4a5f from `generate`.")
    if not (handling.yes or handling.dry_run or report.output.asks):
        raise WrongUsage("No terminal to ask on. Pass --yes to save all suggestions or --dry-run to only show them.")
    if math.isnan(handling.timeout):
        raise WrongUsage("--timeout nan is not a number of seconds. Pass 0 or more.")
    if handling.output is not None:
        _files.check_output(handling.output)


def _is_uuid(job: Job) -> bool:
    text = job.line.progress_id or ""
    try:
        return str(uuid.UUID(text)) == text.lower()
    except ValueError:
        return False


def _conclude(report: Report, saving: Saving, draft: Draft, handling: Handling, jobs: list[Job]) -> None:
    """Keep suggestions that are neither saved nor declined, and name the commands that continue."""
    if not draft.about:
        draft.take(jobs)
    if draft.metrics and not draft.settled:
        keep(report, saving, draft.metrics, draft.about, handling.output)
    if report.has_sent_nothing and not draft.metrics:
        return
    declined = draft.settled and not draft.saved
    if declined and handling.output is not None:
        report.continue_with("To save them:", "create", str(handling.output))
    if declined and handling.output is None:
        _resume(report, "To save them:", [job for job in jobs if job.suggestions])
    waiting = [job for job in jobs if job.suggestions is None]
    if report.has_failed_with(facade.AuthenticationError, facade.PermissionDeniedError):
        _resume(report, "After you fix the API key, run:", waiting, works_as_is=False)
    else:
        _resume(report, "To resume:", waiting)
    unknown = [job.request or {} for job in jobs if job.line.progress_id is None]
    if report.signal is not None and unknown:
        report.notes.append("A job may have been started, but the service had not returned its progress id yet.")
        options = [
            f"--{name.replace('_', '-')}={request[name]}" for request in unknown for name in _AGENT & request.keys()
        ]
        report.continue_with("To start again:", "generate", *options, f"--num-metrics={unknown[0]['num_metrics']}")


def _resume(report: Report, heading: str, jobs: list[Job], *, works_as_is: bool = True) -> None:
    for arguments in resume_arguments([job for job in jobs if not job.is_over]):
        report.continue_with(heading, "resume", *arguments, works_as_is=works_as_is)


def _write(report: Report, draft: Draft, path: Path) -> None:
    before = _files.write(path, draft.metrics, _files.header(draft.metrics, draft.about))
    moved = f" The previous file is now {visible(before)}." if before else ""
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
            job.is_over = isinstance(
                error, facade.GenerationFailedError | facade.NotFoundError | facade.BadRequestError
            )
            report.fail(error, _name(job))
            progress.finish(line, "timed out" if isinstance(error, facade.GenerationTimeoutError) else "failed")
        except asyncio.CancelledError:
            progress.finish(line, f"interrupted at {visible(line.step)!r}")
            raise
        else:
            job.suggestions = [metric.to_dict() for metric in found]
            progress.finish(line, plural(len(found), "suggestion"))
            if not found:
                why = "The service suggested no metrics. Check the agent's description, then start another job."
                report.fail(Failed(why), _name(job))

    async with AsyncCekura(**report.options.client()) as cekura:
        redact = cekura.transport.settings.credential.redact
        # All ids are checked before the first request.
        handles = [None if job.request else cekura.metrics.job(job.line.progress_id or "", **job.agent) for job in jobs]
        await asyncio.gather(*map(collect, jobs, handles))


def _name(job: Job) -> str:
    return job.line.label if job.request else f"job {job.line.progress_id}"
