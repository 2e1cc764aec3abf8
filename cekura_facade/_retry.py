"""Decides whether to retry a request, and how long to wait before that."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from email.utils import parsedate_to_datetime

import httpx

Outcome = httpx.Response | httpx.TransportError
"""The response to a request, or the error that prevented one."""

MAX_PAUSE = 60.0  # seconds, because the caller decides about a longer Retry-After
READS = frozenset({"GET", "HEAD", "OPTIONS"})
NEVER_SENT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.UnsupportedProtocol,
    httpx.LocalProtocolError,
)
_TRANSIENT = frozenset({408, 429, 500, 502, 503, 504})


class RetryBudget:
    """Limits the retries of a client to ten times `max_retries`, plus one for every ten successful responses.

    Without a limit, each of many calls would retry several times while the service is down.
    """

    def __init__(self, max_retries: int) -> None:
        self._most = self._tenths = 100 * max_retries

    def take(self) -> bool:
        """Use one retry. Returns False if none is left."""
        if self._tenths < 10:
            return False
        self._tenths -= 10
        return True

    def refill(self) -> None:
        """Count a successful response."""
        self._tenths = min(self._tenths + 1, self._most)


def growing(first: float, most: float, base: float = 2.0, *, jitter: bool = False) -> Iterator[float]:
    """Pauses that grow from `first` to `most`, in seconds. With jitter, each is a random part of that."""
    import backoff  # Most programs never need it.

    pauses = backoff.expo(base=base, factor=first, max_value=most)
    next(pauses)  # A backoff generator yields None first.
    yield from map(backoff.full_jitter, pauses) if jitter else pauses


def pause_before_retry(request: httpx.Request, outcome: Outcome, delay: float) -> float:
    """Seconds to wait before the request is sent again. Infinite if it must not be sent again.

    Reads and idempotent writes are always retried, other writes only if the service cannot have processed them.
    """
    is_repeatable = request.method in READS or "idempotent" in request.extensions
    if not is_repeatable and not is_unprocessed(outcome):
        return math.inf
    if isinstance(outcome, httpx.UnsupportedProtocol | httpx.LocalProtocolError):
        return math.inf
    if isinstance(outcome, httpx.TransportError):
        return delay
    if outcome.status_code not in _TRANSIENT:
        return math.inf
    requested = retry_after(outcome)
    return delay if requested is None else requested


def is_unprocessed(outcome: Outcome) -> bool:
    """Whether the service cannot have processed the request."""
    if isinstance(outcome, httpx.TransportError):
        return isinstance(outcome, NEVER_SENT)
    return outcome.status_code == 429 or (outcome.status_code == 503 and retry_after(outcome) is not None)


def retry_after(response: httpx.Response) -> float | None:
    """The Retry-After header, which may be a number or a date, in seconds."""
    value = response.headers.get("retry-after", "").strip()
    try:
        seconds = float(value)
    except ValueError:
        # The Date header is the time of the service. Our own clock may be wrong.
        seconds = _timestamp(value, math.nan) - _timestamp(response.headers.get("date", ""), time.time())
    return max(seconds, 0.0) if math.isfinite(seconds) else None


def _timestamp(date: str, default: float) -> float:
    try:
        return parsedate_to_datetime(date).timestamp()
    except (ValueError, TypeError, OverflowError):
        return default
