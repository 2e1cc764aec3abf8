"""The workflow, written once: generators that yield calls and pauses, and return the result.

`_drivers` runs them, blocking or awaited. A step that fails is raised inside of the generator, at its `yield`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import attrs
import backoff

from generated_client.api.metrics import (
    create_metrics_in_bulk,
    generate_metrics,
    generate_metrics_progress,
    list_metrics,
)
from generated_client.models import GeneratedMetric, GenerateMetricsProgress, GenerateMetricsRequest, Metric
from generated_client.types import UNSET

from . import _checks as checks
from ._errors import (
    APIConnectionError,
    CekuraError,
    GenerationFailedError,
    GenerationTimeoutError,
    InternalServerError,
    InvalidRequestError,
    NotFoundError,
    RateLimitError,
    UnexpectedResponseError,
)
from ._steps import Call, Invoke, Pause, Steps

OnProgress = Callable[[GenerateMetricsProgress], object]
Review = Callable[[list[GeneratedMetric]], Any]

# The first look comes after 0.25 s, and each later one a fifth later than the one before: what is waited too long
# is at most a fifth of what the job took, whether that is a second or five minutes.
_FIRST_LOOK = 0.25
_GROWTH = 1.2
# For this long, in seconds, a job may be unknown (it may just have been started), or something else may answer in the
# service's place.
_PATIENCE = 10.0


@attrs.frozen
class _Body:
    """Fields that are sent as they are."""

    fields: dict[str, Any]

    def to_dict(self) -> dict[str, Any]:
        return self.fields


def generate(request: GenerateMetricsRequest) -> Steps[str]:
    """Step 1: start a job. Returns its progress id."""
    response = yield Call(
        generate_metrics,
        {"body": request},
        lambda result: checks.is_progress_id(getattr(result, "progress_id", None)),
        "an object with a progress_id that is a UUID",
    )
    return str(response.progress_id)


def poll(progress_id: str, deadline: float | None = None) -> Steps[GenerateMetricsProgress]:
    """Step 2: ask once how far a job has come."""
    with about_job(progress_id):
        progress: GenerateMetricsProgress = yield Call(
            generate_metrics_progress,
            {"progress_id": progress_id},
            _is_progress,
            "an object with a status, and a list of metrics once that is 'completed'",
            deadline,
        )
        return progress


def wait(
    progress_id: str, timeout: float, on_progress: OnProgress | None, *, fresh: bool = False
) -> Steps[list[GeneratedMetric]]:
    """Step 2, until the job is finished. A poll that fails is no reason to give up a job that goes on."""
    started = good = time.monotonic()
    deadline = started + timeout
    last: GenerateMetricsProgress | None = None
    failure: CekuraError | None = None
    pauses = _pauses(fresh)
    with about_job(progress_id):
        while True:
            yield Pause(max(0.0, min(next(pauses), deadline - time.monotonic())))
            # The last look is at the deadline, and has a moment of its own.
            final = time.monotonic() >= deadline
            try:
                progress = yield from poll(progress_id, max(deadline, time.monotonic() + 1.0))
            except (NotFoundError, UnexpectedResponseError):
                if final or time.monotonic() - good > _PATIENCE:
                    raise
            except (APIConnectionError, InternalServerError, RateLimitError) as error:
                failure = error
                wanted = getattr(error, "retry_after", None) or 0.0
                yield Pause(max(0.0, min(wanted, deadline - time.monotonic())))
            else:
                failure = None
                if on_progress is not None and progress != last:
                    yield Invoke(on_progress, progress)
                last, good = progress, time.monotonic()
                if progress.status == "completed":
                    return list(progress.metrics or [])
                if progress.status == "failed":
                    raise GenerationFailedError(progress_id, progress.error or None)
            if final:
                raise GenerationTimeoutError(progress_id, last, timeout) from failure


def create_in_bulk(fields: Sequence[dict[str, Any]]) -> Steps[list[Metric]]:
    """Step 3: save metrics. Returns them as saved, in the order given."""
    saved: list[Metric] = yield Call(
        create_metrics_in_bulk,
        {"body": [_Body(each) for each in fields]},
        lambda result: _are_metrics(result) and len(result) == len(fields),
        f"an array of {len(fields)} saved metrics, each with an id",
    )
    return saved


def generate_and_create(
    request: GenerateMetricsRequest, review: Review | None, timeout: float, on_progress: OnProgress | None
) -> Steps[list[Metric]]:
    """All three steps."""
    progress_id = yield from generate(request)
    suggested = yield from wait(progress_id, timeout, on_progress, fresh=True)
    with about_job(progress_id, suggested):
        chosen: Any = suggested
        if review is not None:
            chosen = yield Invoke(review, list(suggested))
            if chosen is None:
                raise InvalidRequestError("review returned None: return the metrics to save, an empty list for none.")
            if isinstance(chosen, Iterable) and not isinstance(chosen, str | Mapping | GeneratedMetric):
                chosen = list(chosen)
        if chosen == []:
            return []
        return (yield from create_in_bulk(checks.metrics_to_create(chosen)))


def list_all(agent_id: int | None, project_id: int | None, assistant_id: str | None) -> Steps[list[Metric]]:
    """The metrics of a scope."""
    arguments = {"agent_id": agent_id, "project_id": project_id, "assistant_id": assistant_id}
    metrics: list[Metric] = yield Call(
        list_metrics,
        {name: UNSET if value is None else value for name, value in arguments.items()},
        _are_metrics,
        "an array of metrics, each with an id",
    )
    return metrics


@contextmanager
def about_job(progress_id: str, metrics: Sequence[GeneratedMetric] = ()) -> Iterator[None]:
    """Put the progress id, and the suggestions, on whatever goes wrong inside: a job that was paid for is not lost."""
    try:
        yield
    except BaseException as error:
        if isinstance(error, CekuraError):
            error.progress_id = error.progress_id or progress_id
            error.metrics = error.metrics or list(metrics)
        if not any(progress_id in note for note in (str(error), *getattr(error, "__notes__", ()))):
            error.add_note(f"Generation job {progress_id}: pick it up with metrics.job({progress_id!r}).wait().")
        raise


def _pauses(fresh: bool) -> Iterator[float]:
    """The pauses before each look: none before the first one at a job that may be finished."""
    growing = backoff.expo(base=_GROWTH, factor=_FIRST_LOOK * (_GROWTH - 1))
    next(growing)  # The first value of a backoff generator is there to be thrown away.
    yield _FIRST_LOOK if fresh else 0.0
    if not fresh:
        yield _FIRST_LOOK
    yield from growing


def _is_progress(result: object) -> bool:
    if not isinstance(result, GenerateMetricsProgress) or not isinstance(result.status, str):
        return False
    if not isinstance(result.error, str | None) and result.error is not UNSET:
        return False
    if result.status != "completed":
        return True
    return isinstance(result.metrics, list) and all(
        isinstance(metric, GeneratedMetric) and metric.to_dict() for metric in result.metrics
    )


def _are_metrics(result: object) -> bool:
    return isinstance(result, list) and all(
        isinstance(metric, Metric) and isinstance(metric.id, int) and not isinstance(metric.id, bool)
        for metric in result
    )
