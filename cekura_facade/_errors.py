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
└─ PlanChangedError              the service does not match a plan
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
        created: Saved metrics of this call, in the order given. If you repeat the call, they are not saved twice. After
            `create_in_bulk`, a SavedMetrics, which distinguishes new metrics from existing ones.
        applied: The steps that `metrics.apply` finished before it failed. None for other calls.
    """

    progress_id: str | None = None
    metrics: Sequence[GeneratedMetric] = ()
    created: Sequence[Metric] = ()
    applied: Applied | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        # The default calls the class with `args`, which fails for errors that need more than a message.
        return type(self).__new__, (type(self), *self.args), self.__dict__


class ConfigurationError(CekuraError):
    """The API key, the configuration file or a setting is missing or not valid, or the client is closed."""


class InvalidRequestError(CekuraError, ValueError):
    """An argument, or what `review` returned, is not valid. The request was not sent.

    Attributes:
        problems: What is wrong with the metrics that were passed to `metrics.plan`. Empty for other calls.
    """

    problems: Sequence[Problem] = ()


@attrs.define(slots=False, eq=False, repr=False, auto_exc=False)
class APIError(CekuraError):
    """A request did not end with a result.

    Attributes:
        message: What happened, and what to do.
        method: HTTP method of the request.
        url: URL of the request, without credentials.
    """

    message: str
    method: str = attrs.field(kw_only=True)
    url: str = attrs.field(kw_only=True)


class APIConnectionError(APIError):
    """The service could not be reached, or the connection was lost before the response was complete."""


class APITimeoutError(APIConnectionError):
    """The service did not respond in time."""


@attrs.define(slots=False, eq=False, repr=False, auto_exc=False)
class _ResponseError(APIError):
    status_code: int = attrs.field(kw_only=True)
    body: Any = attrs.field(default=None, kw_only=True)  # JSON of any shape
    request_id: str | None = attrs.field(default=None, kw_only=True)
    retry_after: float | None = attrs.field(default=None, kw_only=True)


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
        field: Name of the field, or None if the problem is not in one field.
        index: Position of the metric in the request, from 0, or None if the request is not an array.
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
        problems: The reasons, in the order of the response.
    """

    problems: Sequence[Problem] = ()


class AuthenticationError(APIStatusError):
    """401: the API key or token is not accepted."""


class PermissionDeniedError(APIStatusError):
    """403: the API key or token is valid, but does not permit this."""


class NotFoundError(APIStatusError):
    """404: the requested object does not exist, or this account has no access to it."""


class RateLimitError(APIStatusError):
    """429: too many requests. `retry_after` is the time to wait, if the service states it."""


class InternalServerError(APIStatusError):
    """5xx: the service or a proxy failed. A write may have been processed, except after a 503 with `Retry-After`."""


@attrs.define(slots=False, eq=False, repr=False, auto_exc=False)
class GenerationFailedError(CekuraError):
    """The job `progress_id` failed. Start a new one.

    Attributes:
        message: What happened, and what to do.
        reason: The reason that the service gives, or None.
    """

    message: str
    progress_id: str = attrs.field(kw_only=True)
    reason: str | None = attrs.field(kw_only=True)


@attrs.define(slots=False, eq=False, repr=False, auto_exc=False)
class GenerationTimeoutError(CekuraError):
    """The job `progress_id` was not finished in time. It continues, and can be resumed.

    Attributes:
        message: What happened, and what to do.
        last_progress: The last state that `poll` returned: a GenerateMetricsProgress, or the state of another kind of
            job. None if no poll succeeded.
    """

    message: str
    progress_id: str = attrs.field(kw_only=True)
    last_progress: JobState | None = attrs.field(kw_only=True)


class BulkCreateUncertainError(CekuraError):
    """It is not known whether some metrics are saved. No further requests were sent. `__cause__` is the last error.

    Attributes:
        created: The metrics that are saved, in the order given.
        unconfirmed: The fields of each metric that may or may not be saved, in the order given.
    """

    def __init__(self, message: str, *, created: Sequence[Metric], unconfirmed: Sequence[dict[str, Any]]) -> None:
        super().__init__(message)
        self.created: list[Metric] = list(created)
        self.unconfirmed: list[dict[str, Any]] = list(unconfirmed)


class PlanChangedError(CekuraError):
    """The service does not match the plan: it has changed, or a metric is still listed after it was deleted.

    Attributes:
        plan: The new plan.
    """

    def __init__(self, what: str, plan: Plan) -> None:
        super().__init__(f"The service does not match the plan: {what}. Review the new plan, and apply it.")
        self.plan = plan


for _error in list(vars().values()):
    if isinstance(_error, type) and issubclass(_error, CekuraError):
        _error.__module__ = "cekura_facade"  # Tracebacks then show the public name.
