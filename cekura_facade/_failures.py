"""Turns the outcome of a request into an error that says what happened and what to do."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import TypeVar

import httpx

from . import _errors as errors
from ._config import Credential
from ._retry import NEVER_SENT, READS, Outcome, retry_after

Subjects = Sequence[tuple[int, str]]
"""Position and name of each metric in the body of a request."""

E = TypeVar("E", errors.APIStatusError, errors.UnexpectedResponseError)
_SHOWN = 300  # maximum number of characters of a body in a message
_KINDS: dict[int, tuple[type[errors.APIStatusError], str]] = {
    400: (errors.BadRequestError, "Fix the request. Retrying it unchanged will fail again."),
    401: (errors.AuthenticationError, "The credential ({source}) is not accepted. Check it, or create a new one."),
    403: (errors.PermissionDeniedError, "The credential ({source}) is valid, but does not permit this."),
    404: (errors.NotFoundError, "Check the id and the base URL. This account may not have access to it."),
    429: (errors.RateLimitError, "Too many requests. Wait{wait}, then try again."),
}


def error_for(
    request: httpx.Request, outcome: Outcome, credential: Credential, subjects: Subjects
) -> errors.APIStatusError | errors.APIConnectionError:
    """The error for a request that did not end with a success."""
    if not isinstance(outcome, httpx.Response):
        return _no_response(request, outcome, credential)
    response, status, request = outcome, outcome.status_code, outcome.request
    kind, advice = _KINDS.get(status, (errors.APIStatusError, "The API does not document this status."))
    wait = retry_after(response)
    advice = advice.format(source=credential.source, wait=f" {wait:g} seconds" if wait is not None else "")
    if status >= 500:
        kind, advice = errors.InternalServerError, f"The service or a proxy failed. {_what_next(request)}"
    elif response.has_redirect_location:
        advice = f"It redirects to {_location(response)}, which is not followed. Check the base URL."
    body = json_of(response, credential)
    problems = tuple(_problems(body, subjects)) if status == 400 else ()
    said = "; ".join(map(str, problems)).rstrip(".") + "." if problems else _described(body)
    message = f"{request.method} {request.url.path} failed with status {status}: {said} {advice}"
    error = _response_error(kind, message, response, credential, retry_after=wait)
    if isinstance(error, errors.BadRequestError):
        error.problems = problems
    return error


def unexpected(credential: Credential, response: httpx.Response, why: str) -> errors.UnexpectedResponseError:
    """The error for a success that is not as the API specifies it."""
    request, body = response.request, json_of(response, credential)
    message = (
        f"{request.method} {request.url.path} returned status {response.status_code}, but {why}: {_described(body)} "
        "Check the base URL, and whether a proxy or login page responds in place of the service. "
        f"{_what_next(request)}"
    )
    return _response_error(errors.UnexpectedResponseError, message, response, credential)


def _response_error(
    kind: type[E], message: str, response: httpx.Response, credential: Credential, retry_after: float | None = None
) -> E:
    return kind(
        credential.redact(message),
        method=response.request.method,
        url=credential.redact(str(response.request.url)),
        status_code=response.status_code,
        body=json_of(response, credential),
        request_id=credential.redact(response.headers.get("x-request-id")),
        retry_after=retry_after,
    )


def _no_response(
    request: httpx.Request, why: httpx.TransportError, credential: Credential
) -> errors.APIConnectionError:
    """The error for a request without a response."""
    kind = errors.APITimeoutError if isinstance(why, httpx.TimeoutException) else errors.APIConnectionError
    reason = f"{type(why).__name__}: {why}" if str(why) else type(why).__name__
    advice = "Check the base URL and the network."
    if not isinstance(why, NEVER_SENT) and request.method not in READS:
        advice = f"{_what_next(request)} {advice}"
    message = f"{request.method} {request.url.path}: no response from {request.url.host} ({reason}). {advice}"
    error = kind(
        credential.redact(message),
        method=request.method,
        url=credential.redact(str(request.url)),
    )
    error.__cause__ = type(why)(credential.redact(str(why)))
    return error


def is_redirect(error: errors.CekuraError) -> bool:
    """Whether the response was a redirect, which is not followed."""
    return isinstance(error, errors.APIStatusError) and 300 <= error.status_code < 400


def may_be_processed(error: errors.CekuraError) -> bool:
    """Whether the service may have processed, or may still process, the write that ended with this error."""
    if isinstance(error, errors.APIConnectionError):
        return not isinstance(error.__cause__, NEVER_SENT)
    if isinstance(error, errors.UnexpectedResponseError | errors.InternalServerError):
        return True
    return isinstance(error, errors.APIStatusError) and (is_redirect(error) or error.status_code == 408)


def _what_next(request: httpx.Request) -> str:
    if request.method in READS:
        return "Try again later."
    return "It is not known whether the service processed the request. Check before you send it again."


def _location(response: httpx.Response) -> str:
    target = response.next_request
    if target is None:
        return "nowhere"
    return f"{target.url.scheme}://{target.url.netloc.decode('ascii')}{target.url.path}"


def json_of(response: httpx.Response, credential: Credential) -> object:
    """The body without the credential: parsed if it is JSON, otherwise as a string."""
    text = response.content.decode("utf-8", errors="replace")
    try:
        return credential.redact(json.loads(text))
    except (ValueError, RecursionError):
        return credential.redact(text)


def _described(body: object) -> str:
    """A body in one short sentence."""
    said = body.get("detail") or body.get("error") if isinstance(body, dict) else body
    if isinstance(said, str) and said.lstrip().startswith("<"):
        return "an HTML page."
    text = said if isinstance(said, str) else json.dumps(body, ensure_ascii=False)
    text = " ".join(text.split()) or "an empty body"
    if len(text) > _SHOWN:
        text = text[:_SHOWN] + "…"
    return text.rstrip(".") + "."


def _problems(body: object, subjects: Subjects) -> Iterator[errors.Problem]:
    """The reasons in the body of a 400, in any of the shapes that such services use."""
    if not isinstance(body, list) or not any(isinstance(item, dict) for item in body):
        for field, message in _messages(body):
            yield errors.Problem(message, field)
        return
    for index, item in enumerate(body):
        position, name = subjects[index] if index < len(subjects) else (index, None)
        for field, message in _messages(item):
            yield errors.Problem(message, field, position, name)


def _messages(node: object, field: str | None = None) -> Iterator[tuple[str | None, str]]:
    """Each message in a body, with the path of its field."""
    if isinstance(node, dict):
        for key, value in node.items():
            inner = None if key in ("detail", "error", "non_field_errors") else key
            yield from _messages(value, ".".join(filter(None, (field, inner))) or None)
    elif isinstance(node, list):
        for value in node:
            yield from _messages(value, field)
    elif node not in ("", None):
        text = " ".join(str(node).split())
        yield field, "an HTML page" if text.startswith("<") else text[:_SHOWN]
