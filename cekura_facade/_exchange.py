"""One request and what it takes to get its answer: retries, redirects, deadlines. Written once for sync and async."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import backoff
import httpx

from ._config import Settings
from ._errors import (
    APIConnectionError,
    APITimeoutError,
    CekuraError,
    InternalServerError,
    UnexpectedResponseError,
)
from ._responses import READS, SUBJECTS, retry_after, status_error, unexpected
from ._steps import Outcome, Pause, Steps

if TYPE_CHECKING:
    from ._http import HTTP

DEADLINE = "cekura_facade.deadline"  # extension of a request: the time.monotonic() at which an attempt ends
MAX_PAUSE = 60.0  # seconds: what the service asks for beyond this is left to the caller
_MAX_REDIRECTS = 5
_TRANSIENT = frozenset({408, 429, 500, 502, 503, 504})
_NEVER_SENT = (
    *(httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout),
    *(httpx.UnsupportedProtocol, httpx.LocalProtocolError),
)
# What a generated parser raises when the JSON is not of the shape that it expects.
_WRONG_SHAPE = (TypeError, ValueError, KeyError, AttributeError, IndexError, RecursionError)


class Endpoint(Protocol):
    """A module of the generated client: how its request is put together, and its answer taken apart."""

    @property
    def _get_kwargs(self) -> Callable[..., dict[str, Any]]: ...
    @property
    def _parse_response(self) -> Callable[..., Any]: ...


class Budget:
    """How often a client may still send something again, whatever it is.

    Ten times what one request may; every ten answers allow for one more. So a service that is down is not
    asked several times over by each of a thousand calls.
    """

    def __init__(self, max_retries: int) -> None:
        self.most = self.left = 10.0 * max_retries

    def take(self) -> bool:
        allowed = self.left >= 1
        self.left -= allowed
        return allowed

    def give(self) -> None:
        self.left = min(self.left + 0.1, self.most)


def call(
    http: HTTP,
    endpoint: Endpoint,
    arguments: dict[str, Any],
    accept: Callable[[Any], bool],
    promise: str,
    *,
    deadline: float = math.inf,
    retries: int | None = None,
    subjects: Sequence[tuple[int, str]] = (),
) -> Steps[Any]:
    """Call an endpoint, and return its result. One that is not accepted raises UnexpectedResponseError."""
    request = http.prepare(**endpoint._get_kwargs(**arguments))
    request.extensions = {**request.extensions, SUBJECTS: subjects}
    response = yield from exchange(http, request, deadline, retries)
    parsed = None
    try:
        parsed = endpoint._parse_response(client=None, response=response)
    except CekuraError:
        raise
    except _WRONG_SHAPE:
        pass
    if accept(parsed):
        return parsed
    raise unexpected(response, http.settings.credential, f"not with {promise}")


def exchange(
    http: HTTP, request: httpx.Request, deadline: float = math.inf, max_retries: int | None = None
) -> Steps[httpx.Response]:
    """Get the answer to a request. Returns a success; raises an APIError for anything else."""
    settings = http.settings
    most = settings.max_retries if max_retries is None else max_retries
    delays = growing(0.5, 8.0)
    retries = redirects = 0
    while True:
        _limit(request, min(time.monotonic() + settings.timeout, deadline))
        outcome: Outcome = yield request
        if isinstance(outcome, httpx.Response):
            if outcome.is_success:
                http.budget.give()
                return outcome
            if redirects < _MAX_REDIRECTS and (target := _followable(outcome)) is not None:
                redirects += 1
                request = target
                continue
        pause = _pause_before_retry(request, outcome, backoff.full_jitter(next(delays)))
        late = pause is None or retries >= most or time.monotonic() + pause > deadline
        if pause is None or late or not http.budget.take():
            if isinstance(outcome, httpx.Response):
                raise status_error(outcome, settings.credential)
            raise _connection_error(request, outcome, settings, retries)
        retries += 1
        yield Pause(pause)


def may_be_carried_out(error: CekuraError) -> bool:
    """Whether the service may have carried out, or may still carry out, the write that ended with this error."""
    if isinstance(error, APIConnectionError):
        return not isinstance(error.__cause__, _NEVER_SENT)
    return isinstance(error, UnexpectedResponseError | InternalServerError) or getattr(error, "status_code", 0) == 408


def growing(first: float, most: float, base: float = 2.0) -> Any:
    """Pauses that grow from `first` to `most`, in seconds."""
    pauses = backoff.expo(base=base, factor=first, max_value=most)
    next(pauses)  # The first value of a backoff generator is there to be thrown away.
    return pauses


def origin(url: httpx.URL) -> tuple[str, str, int | None]:
    """Scheme, host and port: what must be equal for a credential to be sent."""
    return url.scheme, url.host, url.port or {"http": 80, "https": 443}.get(url.scheme)


def _connection_error(
    request: httpx.Request, outcome: httpx.TransportError, settings: Settings, retries: int
) -> APIConnectionError:
    kind = APITimeoutError if isinstance(outcome, httpx.TimeoutException) else APIConnectionError
    tries = f" after {retries + 1} tries" if retries else ""
    what = f"{type(outcome).__name__}: {outcome}" if str(outcome) else type(outcome).__name__
    unknown = " Whether the service carried it out is not known: look before you send it again."
    if isinstance(outcome, _NEVER_SENT) or request.method in READS:
        unknown = ""
    redact = settings.credential.redact
    error = kind(
        redact(
            f"{request.method} {request.url.path}: no answer from {request.url.host}{tries} ({what}).{unknown} "
            "Check the base URL and the network."
        ),
        method=request.method,
        url=redact(str(request.url)),
    )
    error.__cause__ = type(outcome)(redact(str(outcome)))
    return error


def _pause_before_retry(request: httpx.Request, outcome: Outcome, delay: float) -> float | None:
    """How long to wait before the request may be sent again; None when it must not be.

    A read may always be sent again. Anything else only if it cannot have been carried out.
    """
    read = request.method in READS
    if isinstance(outcome, httpx.TransportError):
        if isinstance(outcome, httpx.UnsupportedProtocol | httpx.LocalProtocolError):
            return None
        return delay if read or isinstance(outcome, _NEVER_SENT) else None
    asked, status = retry_after(outcome), outcome.status_code
    if status not in _TRANSIENT or not (read or status == 429 or (status == 503 and asked is not None)):
        return None
    return delay if asked is None else asked if asked <= MAX_PAUSE else None


def _followable(response: httpx.Response) -> httpx.Request | None:
    """The request that a redirect asks for, if it is the same request to the same origin."""
    target = response.next_request
    if target is None or target.method != response.request.method or target.url.userinfo:
        return None
    if origin(target.url) != origin(response.request.url):
        return None
    target.extensions = response.request.extensions
    return target


def _limit(request: httpx.Request, deadline: float) -> None:
    """Let an attempt end at the deadline, and none of its phases after it."""
    left = max(deadline - time.monotonic(), 0.001)
    request.extensions = {**request.extensions, "timeout": httpx.Timeout(left).as_dict(), DEADLINE: deadline}
