"""The workflow, written once: generators that yield requests and pauses, and return the result."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from generated_client.api.metrics import generate_metrics, generate_metrics_progress, list_metrics
from generated_client.models import GeneratedMetric, GenerateMetricsProgress, GenerateMetricsRequest, Metric
from generated_client.types import UNSET

from . import _checks as checks
from ._errors import (
    APIError,
    AuthenticationError,
    BadRequestError,
    CekuraError,
    GenerationFailedError,
    GenerationTimeoutError,
    InvalidRequestError,
    NotFoundError,
    PermissionDeniedError,
)
from ._exchange import MAX_PAUSE, call, growing
from ._saving import METRICS, are_metrics, create_in_bulk
from ._steps import Invoke, Pause, Steps

if TYPE_CHECKING:
    from ._http import HTTP

OnProgress = Callable[[GenerateMetricsProgress], object]
Review = Callable[[list[GeneratedMetric]], Any]

# The first look comes after 0.25 s, and each later one a fifth later than the one before: what is waited too long
# is at most a fifth of what the job took, whether that is a second or five minutes.
_FIRST_LOOK = 0.25
_GROWTH = 1.2
_PATIENCE = 10.0  # seconds that a job may be unknown for: it may just have been started


def generate(http: HTTP, request: GenerateMetricsRequest) -> Steps[str]:
    """Step 1: start a job. Returns its progress id."""
    response = yield from call(
        http,
        generate_metrics,
        {"body": request},
        lambda result: checks.is_progress_id(getattr(result, "progress_id", None)),
        "an object with a progress_id that is a UUID",
    )
    return str(response.progress_id)


def poll(http: HTTP, progress_id: str, deadline: float = math.inf) -> Steps[GenerateMetricsProgress]:
    """Step 2: ask once how far a job has come."""
    with about_job(progress_id):
        progress: GenerateMetricsProgress = yield from call(
            http,
            generate_metrics_progress,
            {"progress_id": progress_id},
            _is_progress,
            "an object with a status, and a list of metrics once that is 'completed'",
            deadline=deadline,
        )
        return progress


def wait(
    http: HTTP, progress_id: str, timeout: float, on_progress: OnProgress | None, *, fresh: bool
) -> Steps[list[GeneratedMetric]]:
    """Step 2, until the job is finished. A poll that fails is no reason to give up a job that goes on."""
    started = good = time.monotonic()
    deadline = started + timeout
    last: GenerateMetricsProgress | None = None
    failure: CekuraError | None = None
    # There is no pause before the first look at a job that may be finished.
    pauses = itertools.chain([_FIRST_LOOK] if fresh else [0.0, _FIRST_LOOK])
    pauses = itertools.chain(pauses, growing(_FIRST_LOOK * (_GROWTH - 1), MAX_PAUSE, _GROWTH))
    with about_job(progress_id):
        while True:
            yield Pause(max(0.0, min(next(pauses), deadline - time.monotonic())))
            # The last look is at the deadline, and has a moment of its own.
            final = time.monotonic() >= deadline
            try:
                progress = yield from poll(http, progress_id, max(deadline, time.monotonic() + 1.0))
            except (BadRequestError, AuthenticationError, PermissionDeniedError):
                raise
            except APIError as error:
                if isinstance(error, NotFoundError) and (final or time.monotonic() - good > _PATIENCE):
                    raise
                failure = error
                asked = min(getattr(error, "retry_after", None) or 0.0, MAX_PAUSE)
                yield Pause(max(0.0, min(asked, deadline - time.monotonic())))
            else:
                failure = None
                if on_progress is not None and progress != last:
                    yield Invoke(on_progress, progress)
                last, good = progress, time.monotonic()
                if progress.status == "completed":
                    return list(progress.metrics or [])
                if progress.status == "failed":
                    reason = http.settings.credential.redact(progress.error or None)
                    raise GenerationFailedError(progress_id, reason)
            if final:
                raise GenerationTimeoutError(progress_id, last, timeout) from failure


def generate_and_create(
    http: HTTP, request: GenerateMetricsRequest, review: Review | None, timeout: float, on_progress: OnProgress | None
) -> Steps[list[Metric]]:
    """All three steps."""
    progress_id = yield from generate(http, request)
    suggested = yield from wait(http, progress_id, timeout, on_progress, fresh=True)
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
        return (yield from create_in_bulk(http, checks.metrics_to_create(chosen)))


def list_all(http: HTTP, agent_id: int | None, project_id: int | None, assistant_id: str | None) -> Steps[list[Metric]]:
    """The metrics of a scope."""
    scope = {
        "agent_id": None if agent_id is None else checks.positive_id("agent_id", agent_id),
        "project_id": None if project_id is None else checks.positive_id("project_id", project_id),
        "assistant_id": None if assistant_id is None else checks.text_id("assistant_id", assistant_id),
    }
    given = {name: value for name, value in scope.items() if value is not None}
    metrics: list[Metric] = yield from call(http, list_metrics, given, are_metrics, METRICS)
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
