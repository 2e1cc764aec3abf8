"""Jobs that the service does in the background: one class for all kinds. They live at the service, and outlive us."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Generic, TypeVar, cast

import attrs
from cekura_api.models import GeneratedMetric, GenerateMetricsProgress

from . import _checks as checks, _errors as errors
from ._exchange import MAX_PAUSE, call, growing
from ._steps import Awaited, Blocking, Steps, call_back, workflow

Progress = TypeVar("Progress")
Result = TypeVar("Result")

# The first look comes after 0.25 s, and each later one a fifth later than the one before: what is waited too long
# is at most a fifth of what the job took, whether that is a second or five minutes.
_FIRST_LOOK = 0.25
_GROWTH = 1.2
_PATIENCE = 10.0  # seconds that a job may be unknown for: it may just have been started


@attrs.frozen
class Kind:
    """What distinguishes jobs of one kind: what people call them, and how the service tells of them.

    Attributes:
        name: For the beginning of a sentence.
        start, pick_up: The methods that do that.
        endpoint: The endpoint that tells how far it is.
        accept: Whether that is an answer that the API promises, which is: `promise`.
        result: What `wait` returns of the last answer.
    """

    name: str
    start: str
    pick_up: str
    endpoint: str
    accept: Callable[[Any], bool]
    promise: str
    result: Callable[[Any], Any]

    @contextmanager
    def about(self, progress_id: str, metrics: Sequence[GeneratedMetric] = ()) -> Iterator[None]:
        """Put the progress id, and the suggestions, on whatever goes wrong inside: a job paid for is not lost."""
        try:
            yield
        except BaseException as error:
            if isinstance(error, errors.CekuraError):
                error.progress_id = error.progress_id or progress_id
                error.metrics = error.metrics or list(metrics)
            hint = f"{self.pick_up}({progress_id!r})"
            known = isinstance(error, errors.GenerationFailedError) or hint in str(error)
            if not known and not any(hint in note for note in getattr(error, "__notes__", ())):
                error.add_note(f"{self.name} {progress_id}: pick it up with {hint}.wait().")
            raise


def _has_status(progress: Any) -> bool:
    return isinstance(getattr(progress, "status", None), str) and (
        not progress.error or isinstance(progress.error, str)
    )


def _has_suggestions(progress: Any) -> bool:
    metrics = progress.metrics if isinstance(progress.metrics, list) else [None]
    return progress.status != "completed" or all(
        isinstance(each, GeneratedMetric) and (each.name or each.to_dict()) for each in metrics
    )


def _has_prompt(progress: Any) -> bool:
    return progress.status != "completed" or isinstance(progress.simplified_prompt, str)


GENERATION = Kind(
    name="Generation job",
    start="metrics.generate",
    pick_up="metrics.job",
    endpoint="metrics.generate_metrics_progress",
    accept=lambda progress: _has_status(progress) and _has_suggestions(progress),
    promise="an object with a status, and a list of metrics once that is 'completed'",
    result=lambda progress: list(progress.metrics or []),
)
PREVIEW = Kind(
    name="Preview",
    start="metrics.preview",
    pick_up="metrics.preview_job",
    endpoint="metrics.preview_metric_progress",
    accept=_has_status,
    promise="an object with a status",
    result=lambda progress: progress,
)
SIMPLIFICATION = Kind(
    name="Simplification",
    start="metrics.simplify_prompt",
    pick_up="metrics.simplification_job",
    endpoint="metrics.simplify_prompt_progress",
    accept=lambda progress: _has_status(progress) and _has_prompt(progress),
    promise="an object with a status, and a simplified_prompt once that is 'completed'",
    result=lambda progress: progress,
)


class _Job(Generic[Progress, Result]):
    """A job of the service. It lives there: `progress_id` is all it takes to pick it up again.

    Attributes:
        progress_id: Its id. Empty if the service did at once what it was asked for: then there is nothing to pick up,
            and `poll` and `wait` send nothing.
    """

    def __init__(
        self,
        http: Any,
        progress_id: str,
        kind: Kind = GENERATION,
        *,
        fresh: bool = False,
        done: Progress | None = None,
    ) -> None:
        self._http, self._kind, self._fresh, self._done = http, kind, fresh, done
        self.progress_id = progress_id

    @workflow
    def poll(self) -> Steps[Progress]:
        """Ask once how far the job has come.

        It asks the progress operation of its kind, for a GenerationJob GET
        /test_framework/v1/metrics/generate_metrics_progress/.

        Returns:
            The state: `status` (completed, failed, or another one as long as it is not finished, such as queued), and
            what there is once it is completed: for a GenerationJob `metrics`, and `current_step` until then. A job that
            failed is a state as well, not an error.

        Raises:
            APIError: The service could not be asked, or did not answer as promised. `progress_id` is on the error.
        """
        return (yield from self._look(math.inf))

    @workflow
    def wait(self, *, timeout: float = 600.0, on_progress: Callable[[Progress], object] | None = None) -> Steps[Result]:
        """Poll on a growing schedule until the job is finished. A poll that fails does not end the wait.

        Args:
            timeout: How long to wait, in seconds, 0 or more; 0 looks once.
            on_progress: Called with every state, as `poll` returns it, that differs from the one before. With
                AsyncCekura it may be a coroutine function.

        Returns:
            For a GenerationJob the suggested metrics, in the order of the service: as many as it made, which may be
            none. For any other job the state in which it is completed.

        Raises:
            InvalidRequestError: The time-out is none.
            GenerationFailedError: The service gave up on the job.
            GenerationTimeoutError: It was not finished in time. It goes on.
            APIError: The service refuses to tell: the key is not accepted, or the job stays unknown. Every error has
                `progress_id`.
        """
        checks.callback("on_progress", on_progress)
        good = self._http.clock.now()
        deadline = good + checks.timeout(timeout)
        last: Progress | None = None
        failure: errors.APIError | None = None
        pauses = growing(_FIRST_LOOK * (_GROWTH - 1), MAX_PAUSE, _GROWTH)
        pause = _FIRST_LOOK if self._fresh else 0.0  # It may be finished already.
        with self._kind.about(self.progress_id):
            while True:
                yield max(0.0, min(pause, deadline - self._http.clock.now()))
                pause = next(pauses) if pause else _FIRST_LOOK
                # The last look is at the deadline, and has a moment of its own.
                final = self._http.clock.now() >= deadline
                try:
                    progress: Any = yield from self._look(max(deadline, self._http.clock.now() + 1.0))
                except (errors.BadRequestError, errors.AuthenticationError, errors.PermissionDeniedError):
                    raise
                except errors.APIError as error:
                    failure = error
                    if isinstance(error, errors.NotFoundError) and (final or self._http.clock.now() - good > _PATIENCE):
                        raise
                    pause = max(pause, min(getattr(error, "retry_after", None) or 0.0, MAX_PAUSE))
                else:
                    failure, good = None, self._http.clock.now()
                    if on_progress is not None and progress != last:
                        yield from call_back(on_progress, progress)
                    last = progress
                    if progress.status == "completed":
                        return cast(Result, self._kind.result(progress))
                    if progress.status == "failed":
                        reason = self._http.settings.credential.redact(progress.error or None)
                        raise errors.GenerationFailedError(
                            self.progress_id, reason, job=self._kind.name, start=self._kind.start
                        )
                if final:
                    raise errors.GenerationTimeoutError(
                        self.progress_id, cast(Any, last), timeout, job=self._kind.name, pick_up=self._kind.pick_up
                    ) from failure

    def _look(self, deadline: float) -> Steps[Progress]:
        if self._done is not None:
            return self._done
        kind, arguments = self._kind, {"progress_id": self.progress_id}
        with kind.about(self.progress_id):
            answer = yield from call(self._http, kind.endpoint, arguments, kind.accept, kind.promise, deadline)
            return cast(Progress, answer)

    def __repr__(self) -> str:
        kind = "" if self._kind is GENERATION else f", {self._kind.name.lower()}"
        return f"{type(self).__name__}({self.progress_id!r}{kind})"


class Job(_Job[Progress, Result], Blocking):
    __doc__ = _Job.__doc__


class AsyncJob(_Job[Progress, Result], Awaited):
    """As Job, awaited."""


class GenerationJob(Job[GenerateMetricsProgress, list[GeneratedMetric]]):
    """A job that suggests metrics. It lives at the service: `progress_id` is all it takes to pick it up again.

    Attributes:
        progress_id: Its id, a UUID as text.
    """


class AsyncGenerationJob(AsyncJob[GenerateMetricsProgress, list[GeneratedMetric]]):
    """As GenerationJob, awaited."""
