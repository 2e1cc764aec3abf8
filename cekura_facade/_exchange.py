"""One request and what it takes to get its answer: retries, redirects, deadlines. Written once for sync and async."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

import httpx

from ._config import Credential
from ._errors import CekuraError
from ._responses import NEVER_SENT, READS, SUBJECTS, no_answer, retry_after, status_error, unexpected
from ._steps import Outcome, Steps

if TYPE_CHECKING:
    from ._http import HTTP

DEADLINE = "cekura_facade.deadline"  # extension of a request: the time.monotonic() at which its attempt ends
BEGUN = "cekura_facade.begun"  # extension of a request: the time.monotonic() at which its attempt began, None before
MAX_PAUSE = 60.0  # seconds: what the service asks for beyond this is left to the caller
_LOG = logging.getLogger("cekura_facade")
_MAX_REDIRECTS = 5
_TRANSIENT = frozenset({408, 429, 500, 502, 503, 504})
# What a generated parser raises when the JSON is not of the shape that it expects.
_WRONG_SHAPE = (TypeError, ValueError, KeyError, AttributeError, IndexError, RecursionError)


class Budget:
    """How often a client may still send something again, whatever it is: ten times what one request may.

    Every ten answers allow for one more. So a service that is down is not asked several times by each of many calls.
    """

    def __init__(self, max_retries: int) -> None:
        self.most = self.tenths = 100 * max_retries

    def take(self) -> bool:
        allowed = self.tenths >= 10
        self.tenths -= 10 * allowed
        return allowed

    def give(self) -> None:
        self.tenths = min(self.tenths + 1, self.most)


def call(
    http: HTTP,
    endpoint: Any,
    arguments: dict[str, Any],
    accept: Callable[[Any], bool],
    promise: str,
    deadline: float = math.inf,
    *,
    retries: int | None = None,
    subjects: Sequence[tuple[int, str]] = (),
) -> Steps[Any]:
    """Call an endpoint, a module of the generated client, which puts the request together and takes its answer apart.

    Returns the result. One that is not accepted raises UnexpectedResponseError.
    """
    request = http.prepare(**endpoint._get_kwargs(**arguments))
    del arguments  # The request has it all, and may wait for its turn for long.
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
    retries_left = http.settings.max_retries if max_retries is None else max_retries
    delays, redirects_left, attempt = growing(0.5, 8.0, jitter=True), _MAX_REDIRECTS, 0
    while True:
        now = time.monotonic()
        if now < http.not_before < deadline:
            yield http.not_before - now
        request.extensions = {**request.extensions, DEADLINE: deadline, BEGUN: None}
        attempt += 1
        try:
            outcome: Outcome = yield request
        except BaseException as error:  # An answer that is not read to its end, or an interruption.
            _log(request, error, attempt, http.settings.credential)
            raise
        _log(request, outcome, attempt, http.settings.credential)
        if isinstance(outcome, httpx.Response):
            if outcome.is_success:
                http.budget.give()
                return outcome
            if redirects_left and (target := _followable(outcome, http.settings.credential)) is not None:
                redirects_left -= 1
                request, attempt = target, 0
                continue
            if outcome.status_code == 429 and (asked := retry_after(outcome) or 0.0) <= MAX_PAUSE:
                http.not_before = max(http.not_before, time.monotonic() + asked)  # for every request of this client
        pause = _pause_before_retry(request, outcome, next(delays))
        if not retries_left or time.monotonic() + pause > deadline or pause > MAX_PAUSE or not http.budget.take():
            if isinstance(outcome, httpx.Response):
                raise status_error(outcome, http.settings.credential)
            raise no_answer(request, outcome, http.settings.credential)
        retries_left -= 1
        yield pause


def growing(first: float, most: float, base: float = 2.0, *, jitter: bool = False) -> Iterator[float]:
    """Pauses that grow from `first` to `most`, in seconds; with jitter, each is drawn from 0 to that."""
    import backoff  # Only where something has to be waited for.

    pauses = backoff.expo(base=base, factor=first, max_value=most)
    next(pauses)  # The first value of a backoff generator is there to be thrown away.
    yield from map(backoff.full_jitter, pauses) if jitter else pauses


def origin(url: httpx.URL) -> tuple[str, str, int | None]:
    """Scheme, host and port: what must be equal for a credential to be sent."""
    return url.scheme, url.host, url.port or {"http": 80, "https": 443}.get(url.scheme)


def _log(request: httpx.Request, outcome: object, attempt: int, credential: Credential) -> None:
    """One line for each time that a request is sent, with nothing in it that a server could have chosen."""
    if not _LOG.isEnabledFor(logging.INFO) or (begun := request.extensions[BEGUN]) is None:
        return
    status = getattr(outcome, "status_code", None)
    values = {
        "cekura_method": request.method,
        "cekura_path": quote(credential.redact(request.url.path), safe="/[]!$&'()*+,;=:@"),
        "cekura_status": status,
        "cekura_failure": type(outcome).__name__ if status is None else None,
        "cekura_milliseconds": (time.monotonic() - begun) * 1000,
        "cekura_attempt": attempt,
    }
    method, path, _, failure, milliseconds, _ = values.values()
    _LOG.info("%s %s: %s in %.0f ms (attempt %d)", method, path, failure or status, milliseconds, attempt, extra=values)


def _pause_before_retry(request: httpx.Request, outcome: Outcome, delay: float) -> float:
    """How long to wait before the request may be sent again, for ever if it must not be.

    A read may always be sent again. Anything else only if it cannot have been carried out.
    """
    read = request.method in READS
    if isinstance(outcome, httpx.TransportError):
        never = isinstance(outcome, httpx.UnsupportedProtocol | httpx.LocalProtocolError)
        return delay if not never and (read or isinstance(outcome, NEVER_SENT)) else math.inf
    asked, status = retry_after(outcome), outcome.status_code
    if status in _TRANSIENT and (read or status == 429 or (status == 503 and asked is not None)):
        return delay if asked is None else asked
    return math.inf


def _followable(response: httpx.Response, credential: Credential) -> httpx.Request | None:
    """The request that a redirect asks for, if it is the same request to the same origin.

    Not to an address that holds the credential: httpx logs addresses, and so do servers.
    """
    target, request = response.next_request, response.request
    if target is None or target.method != request.method or target.url.userinfo:
        return None
    target.extensions = request.extensions
    address = unquote(str(target.url))
    return target if origin(target.url) == origin(request.url) and credential.redact(address) == address else None
