"""The errors that this package raises.

CekuraError
├─ ConfigurationError            no usable credential, address or setting
├─ InvalidRequestError           (also a ValueError) refused before anything was sent
├─ APIError                      something went wrong between here and the service
│  ├─ APIConnectionError         no answer
│  │  └─ APITimeoutError         no answer in time
│  ├─ APIStatusError             an answer that is no success
│  │  ├─ BadRequestError         400
│  │  ├─ AuthenticationError     401
│  │  ├─ PermissionDeniedError   403
│  │  ├─ NotFoundError           404
│  │  ├─ RateLimitError          429
│  │  └─ InternalServerError     5xx
│  └─ UnexpectedResponseError    a success that is not what the API promises
├─ GenerationFailedError         the service gave up on a job
├─ GenerationTimeoutError        a job was not finished in time
└─ BulkCreateUncertainError      it cannot be told which metrics are saved
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    from cekura_api.models import GeneratedMetric, Metric


class CekuraError(Exception):
    """Base of all errors of this package.

    Attributes:
        progress_id: Id of the job that the call was about, once the service gave it; otherwise None.
            `metrics.job(progress_id)`, for a preview `metrics.preview_job` and for a simplification
            `metrics.simplification_job`, picks the job up again, in any process.
        metrics: Suggestions that had come back before the call failed, so that none is lost. Empty otherwise.
        created: Metrics of a call to save some that are known to be saved, in the order given. Saving all of them again
            does not save these twice.
    """

    progress_id: str | None = None
    metrics: Sequence[GeneratedMetric] = ()
    created: Sequence[Metric] = ()

    def __reduce__(self) -> tuple[Any, ...]:
        # The default calls the class with `args`, which fails for every error that takes more than a message.
        return type(self).__new__, (type(self), *self.args), self.__dict__


class ConfigurationError(CekuraError):
    """No usable API key, an unreadable configuration file, or a setting that cannot work. Nothing was sent."""


class InvalidRequestError(CekuraError, ValueError):
    """The arguments cannot be right. Nothing was sent."""


class APIError(CekuraError):
    """A request did not end with a result.

    Attributes:
        message: What happened, and what to do.
        method: The HTTP method of the request.
        url: The address of the request, without credentials.
    """

    message: str
    method: str
    url: str
    _unclear_before = False

    def __init__(self, message: str, *, method: str, url: str) -> None:
        super().__init__(message)
        self.message, self.method, self.url = message, method, url


class APIConnectionError(APIError):
    """The service could not be reached, or the connection was lost before its answer was complete."""


class APITimeoutError(APIConnectionError):
    """The service did not answer in time."""


class _AnsweredError(APIError):
    status_code: int
    body: Any = None
    request_id: str | None = None
    retry_after: float | None = None

    def __init__(self, message: str, *, method: str, url: str, **answer: Any) -> None:
        super().__init__(message, method=method, url=url)
        self.__dict__.update(answer)


class APIStatusError(_AnsweredError):
    """The service, or a proxy before it, answered with a status that is no success.

    Attributes:
        status_code: The HTTP status.
        body: The body: parsed if it is JSON, otherwise its text.
        request_id: What the service calls this request, if it says so: quote it when you ask for help.
        retry_after: How long the service asks to wait, in seconds; None when it does not say.
    """


class UnexpectedResponseError(_AnsweredError):
    """A success that is not what the API promises: HTML, an empty body, JSON of another shape.

    Attributes:
        status_code, body: As for an APIStatusError.
    """


@attrs.frozen
class Problem:
    """One thing that the service refuses in a request.

    Attributes:
        message: Why.
        field: The field it is about, None when it is about the whole.
        index: The position of the metric among those given, from 0; None when the request is not an array.
        name: The name of that metric, if it has one.
    """

    message: str
    field: str | None = None
    index: int | None = None
    name: str | None = None

    def __str__(self) -> str:
        metric = "" if self.index is None else f"metric {self.index}" + (f" ({self.name!r})" if self.name else "")
        return ": ".join(part for part in (metric, self.field, self.message) if part)


class BadRequestError(APIStatusError):
    """400: the service refuses the request.

    Attributes:
        problems: What it refuses, one by one, in the order of the answer.
    """

    problems: Sequence[Problem] = ()


class AuthenticationError(APIStatusError):
    """401: the API key or token is not accepted."""


class PermissionDeniedError(APIStatusError):
    """403: the API key or token is valid, but not for this."""


class NotFoundError(APIStatusError):
    """404: what the request names does not exist, or not for this account."""


class RateLimitError(APIStatusError):
    """429: too many requests. `retry_after` says how long to wait, if the service does."""


class InternalServerError(APIStatusError):
    """5xx: the service or a proxy failed. Whether the request was carried out is not known."""


class GenerationFailedError(CekuraError):
    """The service gave up on the job `progress_id`. Start another one.

    Attributes:
        reason: What the service says about it, None when it says nothing.
    """

    progress_id: str
    reason: str | None

    def __init__(
        self, progress_id: str, reason: str | None, *, job: str = "Generation job", start: str = "metrics.generate"
    ) -> None:
        super().__init__(
            f"{job} {progress_id} failed: {reason or 'the service gives no reason'}. "
            f"Nothing was saved; start another one with {start}(...)."
        )
        self.progress_id, self.reason = progress_id, reason


class GenerationTimeoutError(CekuraError):
    """The job `progress_id` was not finished in time. It goes on, and can be picked up again.

    Attributes:
        last_progress: What the service said last, as `poll` returns it: a GenerateMetricsProgress, or the state of
            another job. None when no poll succeeded.
    """

    progress_id: str
    last_progress: Any

    def __init__(
        self,
        progress_id: str,
        last_progress: Any,
        waited: float,
        *,
        job: str = "Generation job",
        pick_up: str = "metrics.job",
    ) -> None:
        state = f"its status was {last_progress.status!r}" if last_progress else "no poll succeeded, see the cause"
        super().__init__(
            f"{job} {progress_id} was not finished after {waited:g} seconds ({state}). "
            f"It goes on: pick it up with {pick_up}({progress_id!r}).wait()."
        )
        self.progress_id, self.last_progress = progress_id, last_progress


class BulkCreateUncertainError(CekuraError):
    """It cannot be told which metrics are saved. Nothing more was sent. Its cause is what went wrong last.

    Attributes:
        created: The metrics that are known to be saved, in the order given.
        unconfirmed: The fields of those that may or may not be saved, in the order given.
    """

    created: list[Metric]
    unconfirmed: list[dict[str, Any]]

    def __init__(self, message: str, *, created: Sequence[Metric], unconfirmed: Sequence[dict[str, Any]]) -> None:
        super().__init__(message)
        self.created, self.unconfirmed = list(created), list(unconfirmed)
