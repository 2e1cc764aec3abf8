"""One request and what it takes to get its answer: retries, redirects, deadlines. Written once for sync and async."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

import httpx

from ._config import Credential
from ._errors import APIError, CekuraError, ConfigurationError
from ._logging import BEGUN, log
from ._responses import NEVER_SENT, READS, SUBJECTS, no_answer, retry_after, status_error, unexpected
from ._steps import Outcome, Steps

if TYPE_CHECKING:
    from ._http import HTTP

DEADLINE = "cekura_facade.deadline"  # extension of a request: when its attempt ends, by the clock of its client
MAX_PAUSE = 60.0  # seconds: what the service asks for beyond this is left to the caller
_MAX_REDIRECTS = 5
_TRANSIENT = frozenset({408, 429, 500, 502, 503, 504})
# What is raised by who takes an answer apart that is not of the shape that they expect.
_WRONG_SHAPE = (TypeError, ValueError, KeyError, AttributeError, IndexError, RecursionError, httpx.InvalidURL)


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
    name: str,
    arguments: dict[str, Any],
    accept: Callable[[Any], object] | None,
    promise: str,
    deadline: float = math.inf,
    *,
    retries: int | None = None,
    subjects: Sequence[tuple[int, str]] = (),
    query: httpx.QueryParams | None = None,
    repeatable: bool = False,
) -> Steps[Any]:
    """Call an endpoint of the generated client, which puts the request together and takes its answer apart.

    `query` stands in place of that of the arguments, if it is given. Returns the result. One that is not accepted
    raises UnexpectedResponseError. Where no body is promised there is nothing to accept: it may be any JSON, or none.
    """
    module = endpoint(name)
    parts = module._get_kwargs(**arguments) | ({} if query is None else {"params": query})
    request = http.prepare(**parts)
    del arguments, parts  # The request has it all, and may wait for its turn for long.
    request.extensions = {**request.extensions, SUBJECTS: subjects}
    response = yield from exchange(http, request, deadline, retries, repeatable=repeatable)
    if accept is None:
        return response.json() if response.content.strip() else None
    try:
        parsed = module._parse_response(client=None, response=response)
        # An empty object or string is read as an empty list.
        if accept(parsed) and (parsed != [] or isinstance(response.json(), list)):
            return parsed
    except CekuraError:
        raise
    except _WRONG_SHAPE:
        pass
    raise unexpected(response, http.settings.credential, f"not with {promise}")


@functools.cache
def endpoint(name: str) -> Any:
    """A module of the generated client by its name; imported when it is used, for most programs use few of them."""
    try:
        return import_module(f"cekura_api.api.{name}")
    except ModuleNotFoundError as error:
        tag, _, operation = name.partition(".")
        if not (error.name or "").endswith((f".{tag}", f".{name}")):
            raise
        raise ConfigurationError(
            f"The generated client was generated from a specification without {operation}."
        ) from None


def exchange(
    http: HTTP,
    request: httpx.Request,
    deadline: float = math.inf,
    max_retries: int | None = None,
    *,
    repeatable: bool = False,
) -> Steps[httpx.Response]:
    """Get the answer to a request. Returns a success; raises an APIError for anything else.

    What is repeatable is sent again though it may have been carried out. Whether it may have been, by an attempt before
    the last one, is then on the error.
    """
    unclear = False
    retries_left = http.settings.max_retries if max_retries is None else max_retries
    delays, redirects_left, attempt = growing(0.5, 8.0, jitter=True), _MAX_REDIRECTS, 0
    while True:
        now = http.clock.now()
        if now < http.not_before < deadline:
            yield http.not_before - now
        request.extensions = {**request.extensions, DEADLINE: deadline, BEGUN: None}
        attempt += 1
        try:
            outcome: Outcome = yield request
        except BaseException as error:  # An answer that is not read to its end, or an interruption.
            log(request, error, attempt, http)
            raise
        log(request, outcome, attempt, http)
        if isinstance(outcome, httpx.Response):
            if outcome.is_success:
                http.budget.give()
                return outcome
            if redirects_left and (target := _followable(outcome, http.settings.credential)) is not None:
                redirects_left -= 1
                request, attempt = target, 0
                continue
            if outcome.status_code == 429 and (asked := retry_after(outcome) or 0.0) <= MAX_PAUSE:
                http.not_before = max(http.not_before, http.clock.now() + asked)  # for every request of this client
        pause = _pause_before_retry(request, outcome, next(delays), repeatable)
        if not retries_left or http.clock.now() + pause > deadline or pause > MAX_PAUSE or not http.budget.take():
            if isinstance(outcome, httpx.Response):
                failure: APIError = status_error(outcome, http.settings.credential)
            else:
                failure = no_answer(request, outcome, http.settings.credential)
            failure._unclear_before = unclear
            raise failure
        retries_left -= 1
        unclear = unclear or not _is_refused(outcome)
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


def _pause_before_retry(request: httpx.Request, outcome: Outcome, delay: float, repeatable: bool) -> float:
    """How long to wait before the request may be sent again, for ever if it must not be.

    What is repeatable may always be sent again, and so may a read. Anything else only if it was not carried out.
    """
    if not (repeatable or request.method in READS or _is_refused(outcome)):
        return math.inf
    if isinstance(outcome, httpx.TransportError):
        return math.inf if isinstance(outcome, httpx.UnsupportedProtocol | httpx.LocalProtocolError) else delay
    asked = retry_after(outcome)
    return math.inf if outcome.status_code not in _TRANSIENT else delay if asked is None else asked


def _is_refused(outcome: Outcome) -> bool:
    """Whether the request cannot have been carried out."""
    if isinstance(outcome, httpx.TransportError):
        return isinstance(outcome, NEVER_SENT)
    return outcome.status_code == 429 or (outcome.status_code == 503 and retry_after(outcome) is not None)


def _followable(response: httpx.Response, credential: Credential) -> httpx.Request | None:
    """The request that a redirect asks for, if it is the same read from the same origin.

    A write may have been carried out before it was redirected. A URL that holds the credential is not followed: httpx
    logs URLs, and so do servers.
    """
    target, request = response.next_request, response.request
    if target is None or target.method != request.method or request.method not in READS or target.url.userinfo:
        return None
    target.extensions = request.extensions
    return target if origin(target.url) == origin(request.url) and not credential.is_in(str(target.url)) else None
