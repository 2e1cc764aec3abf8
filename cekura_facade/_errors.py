"""The errors that this package raises.

CekuraError
├─ ConfigurationError            no usable credential, base URL or setting
├─ InvalidRequestError           (also a ValueError) an argument is not valid; nothing was sent
├─ APIError                      a request did not end with a result
│  ├─ APIConnectionError         no response
│  │  └─ APITimeoutError         no response in time
│  ├─ APIStatusError             a response that is not a success
│  │  ├─ BadRequestError         400
│  │  ├─ AuthenticationError     401
│  │  ├─ PermissionDeniedError   403
│  │  ├─ NotFoundError           404
│  │  ├─ RateLimitError          429
│  │  └─ InternalServerError     5xx
│  └─ UnexpectedResponseError    a success that is not as specified
├─ GenerationFailedError         a job failed
├─ GenerationTimeoutError        a job was not finished in time
├─ BulkCreateUncertainError      some metrics may or may not be saved
└─ PlanChangedError              the service is no longer as a plan shows it
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

import attrs

if TYPE_CHECKING:
    from cekura_api.models import GeneratedMetric, Metric
    from cekura_api.types import Unset

    from ._plan import Applied, Plan


class JobState(Protocol):
    """The state of a job, of any kind."""

    @property
    def status(self) -> str:
        """`completed`, `failed`, or another value if the job is not finished."""

    @property
    def error(self) -> str | Unset | None:
        """Why the job failed."""


class CekuraError(Exception):
    """Base of all errors of this package.

    Attributes:
        progress_id: Id of the job that the call was about, or None before the service has returned one. Resume the job
            with `metrics.job(progress_id)`, a preview with `metrics.preview_job`, and a simplification with
            `metrics.simplification_job`, in any process.
        metrics: Suggestions that the service had returned before the call failed. Empty otherwise.
        created: Metrics of this call that are saved, in the order given. Saving all of them again does not save these
            twice. After `create_in_bulk`, a SavedMetrics, which tells new metrics from existing ones.
        applied: What `metrics.apply` had done before it failed. None for other calls.
    """

    progress_id: str | None = None
    metrics: Sequence[GeneratedMetric] = ()
    created: Sequence[Metric] = ()
    applied: Applied | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        # The default calls the class with `args`, which fails for errors that need more than a message.
        return type(self).__new__, (type(self), *self.args), self.__dict__


class ConfigurationError(CekuraError):
    """No usable API key, an unreadable configuration file, a setting that is not valid, or a client that is closed."""


class InvalidRequestError(CekuraError, ValueError):
    """An argument, or what `review` returned, is not valid. The request was not sent.

    Attributes:
        problems: What is wrong with the metrics that were passed to `metrics.plan`. Empty for other calls.
    """

    problems: Sequence[Problem] = ()


class APIError(CekuraError):
    """A request did not end with a result.

    Attributes:
        message: What happened, and what to do.
        method: HTTP method of the request.
        url: URL of the request, without credentials.
    """

    def __init__(self, message: str, *, method: str, url: str) -> None:
        super().__init__(message)
        self.message = message
        self.method = method
        self.url = url


class APIConnectionError(APIError):
    """The service could not be reached, or the connection was lost before the response was complete."""


class APITimeoutError(APIConnectionError):
    """The service did not respond in time."""


class _ResponseError(APIError):
    def __init__(
        self,
        message: str,
        *,
        method: str,
        url: str,
        status_code: int,
        body: object = None,
        request_id: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message, method=method, url=url)
        self.status_code = status_code
        self.body: Any = body  # JSON, whose type nobody knows
        self.request_id = request_id
        self.retry_after = retry_after


class APIStatusError(_ResponseError):
    """The service, or a proxy in front of it, returned a status that is not a success.

    Attributes:
        status_code: HTTP status.
        body: The body: parsed if it is JSON, otherwise a string.
        request_id: The service's id for this request, or None. Quote it when you ask for help.
        retry_after: How long the service asks to wait, in seconds, or None.
    """


class UnexpectedResponseError(_ResponseError):
    """A success that is not as the API specifies it: HTML, an empty body, or JSON of another shape.

    Attributes:
        status_code: HTTP status.
        body: The body: parsed if it is JSON, otherwise a string.
        request_id: The service's id for this request, or None. Quote it when you ask for help.
    """


@attrs.frozen
class Problem:
    """One thing that the service refuses in a request.

    Attributes:
        message: Why.
        field: The field that it is about, or None if it is about the whole.
        index: Position of the metric among those given, from 0, or None if the request is not an array.
        name: Name of that metric, if it has one.
    """

    message: str
    field: str | None = None
    index: int | None = None
    name: str | None = None

    def __str__(self) -> str:
        metric = ""
        if self.index is not None:
            metric = f"metric {self.index} ({self.name!r})" if self.name else f"metric {self.index}"
        return ": ".join(filter(None, (metric, self.field, self.message)))


class BadRequestError(APIStatusError):
    """400: the service refuses the request.

    Attributes:
        problems: What it refuses, in the order of the response.
    """

    problems: Sequence[Problem] = ()


class AuthenticationError(APIStatusError):
    """401: the API key or token is not accepted."""


class PermissionDeniedError(APIStatusError):
    """403: the API key or token is valid, but does not permit this."""


class NotFoundError(APIStatusError):
    """404: what the request names does not exist, or this account has no access to it."""


class RateLimitError(APIStatusError):
    """429: too many requests. `retry_after` says how long to wait, if the service does."""


class InternalServerError(APIStatusError):
    """5xx: the service or a proxy failed. A write may have been processed, unless it is a 503 with `Retry-After`."""


class GenerationFailedError(CekuraError):
    """The job `progress_id` failed. Start another one.

    Attributes:
        reason: The reason that the service gives, or None.
    """

    progress_id: str

    def __init__(
        self, progress_id: str, reason: str | None, *, job: str = "Generation job", start: str = "metrics.generate"
    ) -> None:
        super().__init__(
            f"{job} {progress_id} failed: {reason or 'the service gives no reason'}. "
            f"Nothing was saved. Start another one with {start}(...)."
        )
        self.progress_id = progress_id
        self.reason = reason


class GenerationTimeoutError(CekuraError):
    """The job `progress_id` was not finished in time. It continues, and can be resumed.

    Attributes:
        last_progress: The last state that `poll` returned: a GenerateMetricsProgress, or the state of another kind of
            job. None if no poll succeeded.
    """

    progress_id: str

    def __init__(
        self,
        progress_id: str,
        last_progress: JobState | None,
        waited: float,
        *,
        job: str = "Generation job",
        resume: str = "",
    ) -> None:
        state = f"its status was {last_progress.status!r}" if last_progress else "no poll succeeded, see the cause"
        super().__init__(
            f"{job} {progress_id} was not finished after {waited:g} seconds ({state}). "
            f"It continues. Resume it with {resume or f'metrics.job({progress_id!r})'}.wait()."
        )
        self.progress_id = progress_id
        self.last_progress = last_progress


class BulkCreateUncertainError(CekuraError):
    """Some metrics may or may not be saved. Nothing more was sent. The cause is the last error.

    Attributes:
        created: The metrics that are saved, in the order given.
        unconfirmed: The fields of the metrics that may or may not be saved, in the order given.
    """

    def __init__(self, message: str, *, created: Sequence[Metric], unconfirmed: Sequence[dict[str, Any]]) -> None:
        super().__init__(message)
        self.created: list[Metric] = list(created)
        self.unconfirmed: list[dict[str, Any]] = list(unconfirmed)


class PlanChangedError(CekuraError):
    """The service changed after the plan was computed. The plan does not show what is needed now.

    Attributes:
        plan: The new plan.
    """

    def __init__(self, what: str, plan: Plan) -> None:
        super().__init__(f"The service changed after the plan was computed: {what}. Review the new plan, and apply it.")
        self.plan = plan


for _error in list(vars().values()):
    if isinstance(_error, type) and issubclass(_error, CekuraError):
        _error.__module__ = "cekura_facade"  # Tracebacks show the name that people import.
