"""One request and what it takes to get its answer: retries, redirects, deadline. Written once for sync and async.

`exchange` is a generator, in the way of httpx's auth flows: it yields a request to send or a pause to make, and is sent
what came of it. It decides; it does no input or output itself.
"""

from __future__ import annotations

import time

import backoff
import httpx

from ._config import Settings
from ._errors import APIConnectionError, APITimeoutError
from ._responses import READS, retry_after, status_error
from ._steps import DEADLINE, Pause, Steps

MAX_PAUSE = 60.0  # seconds: what the service asks for beyond this is left to the caller
_MAX_REDIRECTS = 5
_TRANSIENT = frozenset({408, 429, 500, 502, 503, 504})
_NEVER_CONNECTED = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)


def exchange(request: httpx.Request, settings: Settings) -> Steps[httpx.Response]:
    """Get the answer to a request. Returns a success; raises an APIError for anything else."""
    deadline: float | None = request.extensions.get(DEADLINE)
    delays = backoff.expo(base=2, factor=0.5, max_value=8)
    next(delays)  # The first value of a backoff generator is there to be thrown away.
    retries = redirects = 0
    while True:
        _limit(request, settings.timeout, deadline)
        outcome: httpx.Response | httpx.TransportError = yield request
        if isinstance(outcome, httpx.Response):
            if outcome.is_success:
                return outcome
            if redirects < _MAX_REDIRECTS and (target := _followable(outcome)) is not None:
                redirects += 1
                request = target
                continue
        pause = _pause_before_retry(request, outcome, backoff.full_jitter(next(delays)))
        if pause is None or retries >= settings.max_retries or pause > _remaining(deadline):
            if isinstance(outcome, httpx.Response):
                raise status_error(outcome, settings.credential)
            raise connection_error(request, outcome, settings, retries)
        retries += 1
        yield Pause(pause)


def connection_error(
    request: httpx.Request, outcome: httpx.TransportError, settings: Settings, retries: int
) -> APIConnectionError:
    """The error for a request without an answer."""
    kind = APITimeoutError if isinstance(outcome, httpx.TimeoutException) else APIConnectionError
    sent = (
        ""
        if isinstance(outcome, _NEVER_CONNECTED) or request.method in READS
        else (" Whether the service carried it out is not known: look before you send it again.")
    )
    tries = f" after {retries + 1} tries" if retries else ""
    what = f"{type(outcome).__name__}: {outcome}" if str(outcome) else type(outcome).__name__
    redact = settings.credential.redact
    error = kind(
        redact(
            f"{request.method} {request.url.path}: no answer from {request.url.host}{tries} ({what}).{sent} "
            "Check the base URL and the network."
        ),
        method=request.method,
        url=redact(str(request.url)),
    )
    error.__cause__ = type(outcome)(redact(str(outcome)))
    return error


def _pause_before_retry(
    request: httpx.Request, outcome: httpx.Response | httpx.TransportError, delay: float
) -> float | None:
    """How long to wait before the request may be sent again; None when it must not be.

    A read may always be sent again. Anything else only if it cannot have been carried out.
    """
    if isinstance(outcome, httpx.TransportError):
        if isinstance(outcome, httpx.UnsupportedProtocol | httpx.LocalProtocolError):
            return None
        return delay if request.method in READS or isinstance(outcome, _NEVER_CONNECTED) else None
    asked = retry_after(outcome)
    status = outcome.status_code
    if status not in _TRANSIENT:
        return None
    if request.method not in READS and not (status == 429 or (status == 503 and asked is not None)):
        return None
    if asked is None:
        return delay
    return asked if asked <= MAX_PAUSE else None


def _followable(response: httpx.Response) -> httpx.Request | None:
    """The request that a redirect asks for, if it is the same request to the same origin."""
    target = response.next_request
    if target is None or target.method != response.request.method or target.url.userinfo:
        return None
    if origin(target.url) != origin(response.request.url):
        return None
    target.extensions = response.request.extensions
    return target


def origin(url: httpx.URL) -> tuple[str, str, int | None]:
    """Scheme, host and port: what must be equal for a credential to be sent."""
    return url.scheme, url.host, url.port or {"http": 80, "https": 443}.get(url.scheme)


def _remaining(deadline: float | None) -> float:
    return float("inf") if deadline is None else deadline - time.monotonic()


def _limit(request: httpx.Request, timeout: float, deadline: float | None) -> None:
    """No phase of a request takes longer than what is left until the deadline."""
    left = max(min(timeout, _remaining(deadline)), 0.001)
    request.extensions = {**request.extensions, "timeout": httpx.Timeout(left).as_dict()}
