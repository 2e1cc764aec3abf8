"""Polls the jobs that the service runs in the background, and waits for them."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

from cekura_api.api.metrics import generate_metrics_progress
from cekura_api.models import GeneratedMetric
from cekura_api.transport import Endpoint

from . import _errors as errors
from ._failures import unexpected
from ._http import HTTP, checked
from ._retry import MAX_PAUSE, growing

if TYPE_CHECKING:  # A client that is generated from an older specification may lack some of these.
    from cekura_api.models import GenerateMetricsProgress, PreviewMetricProgress, SimplifyPromptProgress

# The first poll comes after 0.25 s, and each pause is a fifth of the time so far. So a result is received at most 20 %
# later than the job took.
_FIRST_POLL = 0.25
_GROWTH = 1.2
_UNKNOWN_FOR = 10.0  # seconds for which the service may not find a new or known job


Progress = TypeVar("Progress", bound=errors.JobState)
Result = TypeVar("Result")


class Kind(NamedTuple, Generic[Progress, Result]):
    """What distinguishes jobs of one kind.

    Attributes:
        name: Its name, for the beginning of a sentence.
        start: The method that starts one.
        resume: The method that resumes one.
        endpoint: Returns its state.
        result: Returns what `wait` returns for a completed job. Raises ValueError, with the reason, if it is missing.
    """

    name: str
    start: str
    resume: str
    endpoint: Endpoint[..., Progress]
    result: Callable[[Progress], Result]


def _suggestions(progress: GenerateMetricsProgress) -> list[GeneratedMetric]:
    metrics = progress.metrics if isinstance(progress.metrics, list) else [None]
    if not all(isinstance(each, GeneratedMetric) for each in metrics) or GeneratedMetric() in metrics:
        raise ValueError("the completed job has no list of metrics")
    return [each for each in metrics if each is not None]


def _simplified(progress: SimplifyPromptProgress) -> SimplifyPromptProgress:
    if not isinstance(progress.simplified_prompt, str):
        raise ValueError("the completed job has no simplified_prompt")  # noqa: TRY004 - The data is wrong, not the code.
    return progress


GENERATION = Kind("Generation job", "metrics.generate", "metrics.job", generate_metrics_progress, _suggestions)


def preview() -> Kind[PreviewMetricProgress, PreviewMetricProgress]:
    """Previews of metrics."""
    from cekura_api.api.metrics import preview_metric_progress as endpoint

    return Kind("Preview", "metrics.preview", "metrics.preview_job", endpoint, lambda progress: progress)


def simplification() -> Kind[SimplifyPromptProgress, SimplifyPromptProgress]:
    """Simplifications of prompts."""
    from cekura_api.api.metrics import simplify_prompt_progress as endpoint

    return Kind("Simplification", "metrics.simplify_prompt", "metrics.simplification_job", endpoint, _simplified)


class Handle(NamedTuple, Generic[Progress, Result]):
    """A job of the service.

    Attributes:
        progress_id: Id of the job. Empty if the service returned the result at once.
        ids: The known ids of the agent or project that the job is for, by argument name.
        is_new: Whether this client has just started the job.
        done: State of the job, if the service returned the result at once.
    """

    kind: Kind[Progress, Result]
    progress_id: str
    ids: Mapping[str, object] = MappingProxyType({})
    is_new: bool = False
    done: Progress | None = None

    @property
    def scope(self) -> dict[str, object]:
        """The ids that this version of the API has a parameter for. With an OAuth token, v2 requires one."""
        wanted = self.kind.endpoint.build_request.__annotations__.keys() - {"progress_id", "return"}
        return {name: value for name, value in self.ids.items() if value and name in wanted}

    @property
    def hint(self) -> str:
        """The call that resumes the job."""
        given = "".join(f", {name}={value!r}" for name, value in self.scope.items())
        return f"{self.kind.resume}({self.progress_id!r}{given})"

    @contextmanager
    def about(self, metrics: Sequence[GeneratedMetric] = ()) -> Iterator[None]:
        """Add the progress id and the suggestions to every error, so that a job is never lost."""
        try:
            yield
        except BaseException as error:
            if isinstance(error, errors.CekuraError):
                error.progress_id = error.progress_id or self.progress_id
                error.metrics = error.metrics or list(metrics)
            said = [str(error), *getattr(error, "__notes__", ())]
            if not isinstance(error, errors.GenerationFailedError) and not any(self.hint in each for each in said):
                error.add_note(f"{self.kind.name} {self.progress_id}: resume it with {self.hint}.wait().")
            raise


async def poll(http: HTTP, job: Handle[Progress, Result], deadline: float = math.inf) -> Progress:
    """Request the state of a job once."""
    if job.done is not None:
        return job.done
    endpoint = job.kind.endpoint
    with job.about():
        request = checked(endpoint.build_request, progress_id=job.progress_id, **job.scope)
        response = await http.send(request, deadline=deadline)
        progress = endpoint.parse_response(response)
        try:
            if progress.status == "completed":
                job.kind.result(progress)
        except ValueError as error:
            raise unexpected(http.settings.credential, response, str(error)) from None
        return progress


async def wait(
    http: HTTP, job: Handle[Progress, Result], timeout: float, on_progress: Callable[[Progress], object] | None = None
) -> Result:
    """Poll a job until it is finished. A failed poll does not end the wait."""
    known_at = http.clock.now() if job.is_new else -math.inf
    deadline = http.clock.now() + timeout
    last: Progress | None = None
    failure: errors.APIError | None = None
    pauses = growing(_FIRST_POLL * (_GROWTH - 1), MAX_PAUSE, _GROWTH)
    pause = _FIRST_POLL if job.is_new else 0.0  # An older job may be finished.
    with job.about():
        while True:
            await http.sleep(max(0.0, min(pause, deadline - http.clock.now())))
            pause = next(pauses) if pause else _FIRST_POLL
            is_final = http.clock.now() >= deadline
            try:
                # The last poll starts at the deadline, and has one more second.
                progress = await poll(http, job, max(deadline, http.clock.now() + 1.0))
            except (errors.BadRequestError, errors.AuthenticationError, errors.PermissionDeniedError):
                raise
            except errors.APIError as error:
                failure = error
                if isinstance(error, errors.NotFoundError) and (is_final or http.clock.now() - known_at > _UNKNOWN_FOR):
                    raise
                if isinstance(error, errors.APIStatusError):
                    pause = max(pause, min(error.retry_after or 0.0, MAX_PAUSE))
            else:
                failure = None
                known_at = http.clock.now()
                # The result is read before the callback, which may change the state.
                results = [job.kind.result(progress)] if progress.status == "completed" else []
                if on_progress is not None and progress != last:
                    await http.call(on_progress, progress)
                last = progress
                if results:
                    return results[0]
                _raise_if_failed(http, job, progress)
            if is_final:
                state = f"its status was {last.status!r}" if last else "no poll succeeded, see the cause"
                raise errors.GenerationTimeoutError(
                    f"{job.kind.name} {job.progress_id} was not finished after {timeout:g} seconds ({state}). "
                    f"It continues. Resume it with {job.hint}.wait().",
                    progress_id=job.progress_id,
                    last_progress=last,
                ) from failure


def _raise_if_failed(http: HTTP, job: Handle[Progress, Result], progress: Progress) -> None:
    if progress.status == "failed":
        said: object = http.settings.credential.redact(progress.error or None)
        reason = said if said is None or isinstance(said, str) else json.dumps(said, ensure_ascii=False)
        raise errors.GenerationFailedError(
            f"{job.kind.name} {job.progress_id} failed: {reason or 'the service gives no reason'}. "
            f"Nothing was saved. Start a new one with {job.kind.start}(...).",
            progress_id=job.progress_id,
            reason=reason,
        )
