"""From an HTTP response to the error that it means, with what the service says and what to do."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator, Sequence
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from ._config import Credential
from ._errors import (
    APIStatusError,
    AuthenticationError,
    BadRequestError,
    InternalServerError,
    NotFoundError,
    PermissionDeniedError,
    Problem,
    RateLimitError,
    UnexpectedResponseError,
)

SUBJECTS = "cekura_facade.subjects"  # extension of a request: position and name of each metric in its body
READS = frozenset({"GET", "HEAD", "OPTIONS"})
_SHOWN = 300  # characters of a body in a message

_KINDS: dict[int, tuple[type[APIStatusError], str]] = {
    400: (BadRequestError, "Mend the request; sending it again as it is will not help."),
    401: (AuthenticationError, "The credential ({source}) is not accepted: check it, or make a new one."),
    403: (PermissionDeniedError, "The credential ({source}) is valid, but may not do this."),
    404: (NotFoundError, "Check the id and the address: it does not exist, or not for this account."),
    429: (RateLimitError, "Too many requests: wait{wait}, then try again."),
}


def status_error(response: httpx.Response, credential: Credential) -> APIStatusError:
    """The error for a response that is no success."""
    status, request = response.status_code, response.request
    kind, advice = _KINDS.get(status, (APIStatusError, "This is not an answer the API documents."))
    wait = retry_after(response)
    advice = advice.format(source=credential.source, wait=f" {wait:g} seconds" if wait is not None else "")
    if status >= 500:
        kind, advice = InternalServerError, "The service or a proxy before it failed. " + _what_next(request)
    elif response.has_redirect_location:
        target = response.next_request
        address = f"{target.url.scheme}://{target.url.netloc.decode('ascii')}{target.url.path}" if target else "nowhere"
        advice = f"It redirects to {address}, which is not followed: check the base URL."
    body = _body(response, credential)
    problems = tuple(_problems(body, request.extensions.get(SUBJECTS, ()))) if status == 400 else ()
    said = "; ".join(map(str, problems)) if problems else _described(body)
    error = kind(
        credential.redact(f"{request.method} {request.url.path} answered {status}: {said} {advice}"),
        method=request.method,
        url=credential.redact(str(request.url)),
        status_code=status,
        body=body,
        request_id=credential.redact(response.headers.get("x-request-id")),
    )
    if isinstance(error, BadRequestError):
        error.problems = problems
    error.retry_after = wait
    return error


def unexpected(response: httpx.Response, credential: Credential, why: str) -> UnexpectedResponseError:
    """The error for a success that is not what the API promises."""
    request, body = response.request, _body(response, credential)
    text = (
        f"{request.method} {request.url.path} answered {response.status_code}, but {why}: {_described(body)} "
        f"Check the base URL, and whether a proxy or login page answers in place of the service. {_what_next(request)}"
    )
    return UnexpectedResponseError(
        credential.redact(text),
        method=request.method,
        url=credential.redact(str(request.url)),
        status_code=response.status_code,
        body=body,
        request_id=credential.redact(response.headers.get("x-request-id")),
    )


def retry_after(response: httpx.Response) -> float | None:
    """How many seconds the service asks to wait, whether it says so in seconds or as a date."""
    value = response.headers.get("retry-after", "").strip()
    try:
        seconds = float(value)
    except ValueError:
        now = _timestamp(response.headers.get("date", ""))  # Its own clock, for ours may be wrong.
        seconds = (_timestamp(value) or math.nan) - (time.time() if now is None else now)
    return max(seconds, 0.0) if math.isfinite(seconds) else None


def _timestamp(date: str) -> float | None:
    try:
        return parsedate_to_datetime(date).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None


def _what_next(request: httpx.Request) -> str:
    if request.method in READS:
        return "Try again later."
    return "Whether the request was carried out is not known: look before you send it again."


def _body(response: httpx.Response, credential: Credential) -> Any:
    """The body, parsed if it is JSON, otherwise its text; without the credential, should it be echoed."""
    text = response.content.decode("utf-8", errors="replace")
    try:
        return credential.redact(json.loads(text))
    except (ValueError, RecursionError):
        return credential.redact(text)


def _described(body: Any) -> str:
    """A body in one short sentence."""
    if isinstance(body, dict) and isinstance(body.get("detail") or body.get("error"), str):
        text = str(body.get("detail") or body.get("error"))
    else:
        text = body.strip() if isinstance(body, str) else json.dumps(body, ensure_ascii=False)
    if isinstance(body, str) and text[:1] == "<":
        return "an HTML page."
    text = " ".join(text.split()) or "an empty body"
    return (text if len(text) <= _SHOWN else text[:_SHOWN] + "…").rstrip(".") + "."


def _problems(body: Any, subjects: Sequence[tuple[int, str]]) -> Iterator[Problem]:
    """What a 400 complains about, in the shapes that such services use."""
    if isinstance(body, list) and any(isinstance(item, dict) for item in body):
        for index, item in enumerate(body):
            position, name = subjects[index] if index < len(subjects) else (index, None)
            for field, message in _messages(item):
                yield Problem(message, field, position, name)
    else:
        for field, message in _messages(body):
            yield Problem(message, field)


def _messages(node: Any, field: str | None = None) -> Iterator[tuple[str | None, str]]:
    if isinstance(node, dict):
        for key, value in node.items():
            inner = None if key in ("detail", "error", "non_field_errors") else key
            yield from _messages(value, ".".join(part for part in (field, inner) if part) or None)
    elif isinstance(node, list):
        for value in node:
            yield from _messages(value, field)
    elif node not in ("", None):
        yield field, " ".join(str(node).split())[:_SHOWN] if str(node).lstrip()[:1] != "<" else "an HTML page"
