"""Implements `metrics preview` and `metrics simplify`: starts or resumes a job, and waits for its result."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from cekura_api.model import Model

from cekura_facade import (
    Cekura,
    GenerationFailedError,
    GenerationTimeoutError,
    Job,
    NotFoundError,
    PreviewMetricProgress,
    SimplifyPromptProgress,
)
from cekura_facade._errors import JobState

from . import _files, _records
from ._errors import Failed, WrongUsage
from ._managing import require
from ._progress import Line, Progress
from ._report import Report
from ._text import visible
from ._values import read_text


def preview_metric(
    report: Report, metric: str | None, scope: dict[str, Any], progress_id: str | None, timeout: float
) -> None:
    """Evaluate a metric on calls or runs."""
    require("preview_metric")
    _check_either(metric is not None, progress_id, "a metric")
    if progress_id is None and not scope.keys() & {"call_log_ids", "run_ids"}:
        raise WrongUsage("Pass --call-log-id or --run-id: the calls or runs to evaluate. Nothing was sent.")
    if progress_id is not None and scope:
        raise WrongUsage("Pass --progress-id alone, because the job has its calls and runs already. Nothing was sent.")
    given = None if metric is None or metric.isdigit() else _only_metric(Path(metric))
    with Cekura(**report.options.client()) as cekura:

        def start() -> Job[PreviewMetricProgress, PreviewMetricProgress]:
            if progress_id is not None:
                return cekura.metrics.preview_job(progress_id)
            return cekura.metrics.preview(cekura.metrics.get(int(metric or 0)) if given is None else given, **scope)

        state = _wait(report, start, "preview", progress_id, timeout)
    results = state.get("results")
    for number, each in enumerate(results if isinstance(results, list) else [state]):
        if number and not report.options.as_json:
            report.output.out.print()
        _records.show_fields(report, each if isinstance(each, dict) else {"result": each})


def simplify_prompt(
    report: Report, metric_id: int | None, prompt: str | None, progress_id: str | None, timeout: float
) -> None:
    """Shorten a prompt."""
    require("simplify_prompt")
    _check_either(metric_id is not None or prompt is not None, progress_id, "a metric or --prompt")
    text = None if prompt is None else read_text(prompt)
    if text is not None and not text.strip():
        raise WrongUsage("--prompt is empty. Pass the prompt to shorten. Nothing was sent.")
    with Cekura(**report.options.client()) as cekura:

        def start() -> Job[SimplifyPromptProgress, SimplifyPromptProgress]:
            if progress_id is not None:
                return cekura.metrics.simplification_job(progress_id)
            original = saved_prompt(metric_id or 0) if text is None else text
            return cekura.metrics.simplify_prompt(original, metric_id=metric_id)

        def saved_prompt(number: int) -> str:
            found = cekura.metrics.get(number).to_dict()
            if not (saved := found.get("prompt") or found.get("description")):
                raise Failed(f"Metric {number} has no prompt and no description. Pass --prompt.")
            return str(saved)

        state = _wait(report, start, "simplify", progress_id, timeout)
    if not report.options.as_json:
        console = report.output.out
        console.print(visible(state["simplified_prompt"], lines=True), soft_wrap=not console.is_terminal)


def _wait(
    report: Report, start: Callable[[], Job[Any, Any]], command: str, progress_id: str | None, timeout: float
) -> dict[str, Any]:
    """Start or resume a job, and wait for its result. If that fails, report how to resume the job."""
    line = Line(command.capitalize(), progress_id=progress_id)
    resumable: list[str] = []

    def conclude() -> None:
        for each in resumable:
            report.continue_with("To resume the job:", "metrics", command, "--progress-id", each)

    def show(state: JobState) -> None:
        if state.status != "completed":  # The end is shown separately.
            progress.step(line, str(state.status))

    report.at_end.append(conclude)
    with Progress(report.output, [line]) as progress:
        end = "interrupted"
        try:
            job = start()
            if job.progress_id:
                resumable.append(job.progress_id)
            if job.progress_id and job.progress_id != progress_id:
                progress.start(line, job.progress_id)
            state: Model = job.wait(timeout=timeout, on_progress=show)
            resumable.clear()
            end = "completed"
        except (GenerationFailedError, NotFoundError):
            resumable.clear()
            end = "failed"
            raise
        except GenerationTimeoutError:
            end = "timed out"
            raise
        except Exception:
            end = "failed"
            raise
        finally:
            progress.finish(line, end)
    report.document = state.to_dict()
    return state.to_dict()


def _check_either(is_given: bool, progress_id: str | None, what: str) -> None:  # noqa: FBT001 - Internal.
    if is_given == (progress_id is not None):
        raise WrongUsage(f"Pass either {what}, or --progress-id to resume a job. Nothing was sent.")


def _only_metric(path: Path) -> dict[str, Any]:
    metrics = _files.read_metrics(path)
    if len(metrics) != 1:
        raise WrongUsage(f"{visible(path)} has {len(metrics)} metrics. Pass a file with one metric. Nothing was sent.")
    return metrics[0]
