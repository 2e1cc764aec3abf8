"""From what became of a request to the error that it means, with what the service says and what to do."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

import httpx

from . import _errors as errors
from ._config import Credential

SUBJECTS = "cekura_facade.subjects"  # extension of a request: position and name of each metric in its body
READS = frozenset({"GET", "HEAD", "OPTIONS"})
NEVER_SENT = (
    *(httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout),
    *(httpx.UnsupportedProtocol, httpx.LocalProtocolError),
)
_SHOWN = 300  # characters of a body in a message
_KINDS: dict[int, tuple[type[errors.APIStatusError], str]] = {
    400: (errors.BadRequestError, "Mend the request; sending it again as it is will not help."),
    401: (errors.AuthenticationError, "The credential ({source}) is not accepted: check it, or make a new one."),
    403: (errors.PermissionDeniedError, "The credential ({source}) is valid, but may not do this."),
    404: (errors.NotFoundError, "Check the id and the address: it does not exist, or not for this account."),
    429: (errors.RateLimitError, "Too many requests: wait{wait}, then try again."),
}
Error = TypeVar("Error", bound=errors.APIError)


def status_error(response: httpx.Response, credential: Credential) -> errors.APIStatusError:
    """The error for a response that is no success."""
    status, request = response.status_code, response.request
    kind, advice = _KINDS.get(status, (errors.APIStatusError, "This is not an answer the API documents."))
    wait = retry_after(response)
    advice = advice.format(source=credential.source, wait=f" {wait:g} seconds" if wait is not None else "")
    if status >= 500:
        kind, advice = errors.InternalServerError, f"The service or a proxy before it failed. {_what_next(request)}"
    elif response.has_redirect_location:
        target = response.next_request
        address = f"{target.url.scheme}://{target.url.netloc.decode('ascii')}{target.url.path}" if target else "nowhere"
        advice = f"It redirects to {address}, which is not followed: check the base URL."
    body = _body(response, credential)
    problems = tuple(_problems(body, request)) if status == 400 else ()
    said = "; ".join(map(str, problems)) if problems else _described(body)
    error = _error(kind, response, credential, f"answered {status}: {said} {advice}", body)
    error.retry_after = wait
    if isinstance(error, errors.BadRequestError):
        error.problems = problems
    return error


def unexpected(response: httpx.Response, credential: Credential, why: str) -> errors.UnexpectedResponseError:
    """The error for a success that is not what the API promises."""
    body = _body(response, credential)
    text = (
        f"answered {response.status_code}, but {why}: {_described(body)} Check the base URL, and whether a proxy or "
        f"login page answers in place of the service. {_what_next(response.request)}"
    )
    return _error(errors.UnexpectedResponseError, response, credential, text, body)


def no_answer(request: httpx.Request, why: httpx.TransportError, credential: Credential) -> errors.APIConnectionError:
    """The error for a request without an answer."""
    timed_out = isinstance(why, httpx.TimeoutException)
    what = f"{type(why).__name__}: {why}" if str(why) else type(why).__name__
    advice = "Check the base URL and the network."
    if not isinstance(why, NEVER_SENT) and request.method not in READS:
        advice = f"{_what_next(request)} {advice}"
    error = (errors.APITimeoutError if timed_out else errors.APIConnectionError)(
        credential.redact(f"{request.method} {request.url.path}: no answer from {request.url.host} ({what}). {advice}"),
        method=request.method,
        url=credential.redact(str(request.url)),
    )
    error.__cause__ = type(why)(credential.redact(str(why)))
    return error


def is_redirect(error: errors.CekuraError) -> bool:
    """Whether the response was a redirect, which is not followed."""
    return isinstance(error, errors.APIStatusError) and 300 <= error.status_code < 400


def may_be_carried_out(error: errors.CekuraError) -> bool:
    """Whether the service may have carried out, or may still carry out, the write that ended with this error."""
    if isinstance(error, errors.APIConnectionError):
        return not isinstance(error.__cause__, NEVER_SENT)
    if is_redirect(error):
        return True
    unclear = isinstance(error, errors.UnexpectedResponseError | errors.InternalServerError)
    return unclear or getattr(error, "status_code", None) == 408


def retry_after(response: httpx.Response) -> float | None:
    """How many seconds the service asks to wait, whether it says so in seconds or as a date."""
    value = response.headers.get("retry-after", "").strip()
    try:
        seconds = float(value)
    except ValueError:
        # By its own clock if it shows it, for ours may be wrong.
        seconds = _timestamp(value, math.nan) - _timestamp(response.headers.get("date", ""), time.time())
    return max(seconds, 0.0) if math.isfinite(seconds) else None


def _timestamp(date: str, default: float) -> float:
    try:
        return parsedate_to_datetime(date).timestamp()
    except (ValueError, TypeError, OverflowError):
        return default


def _error(kind: type[Error], response: httpx.Response, credential: Credential, text: str, body: Any) -> Error:
    request, answer = response.request, {"status_code": response.status_code, "body": body}
    answer["request_id"] = credential.redact(response.headers.get("x-request-id"))
    message, url = f"{request.method} {request.url.path} {text}", str(request.url)
    return kind(credential.redact(message), method=request.method, url=credential.redact(url), **answer)


def _what_next(request: httpx.Request) -> str:
    unknown = "Whether the service carried it out is not known: look before you send it again."
    return "Try again later." if request.method in READS else unknown


def _body(response: httpx.Response, credential: Credential) -> Any:
    """The body, parsed if it is JSON, otherwise its text; without the credential, should it be echoed."""
    text = response.content.decode("utf-8", errors="replace")
    try:
        return credential.redact(json.loads(text))
    except (ValueError, RecursionError):
        return credential.redact(text)


def _described(body: Any) -> str:
    """A body in one short sentence."""
    said = body.get("detail") or body.get("error") if isinstance(body, dict) else body
    if isinstance(said, str) and said.lstrip()[:1] == "<":
        return "an HTML page."
    text = said if isinstance(said, str) else json.dumps(body, ensure_ascii=False)
    text = " ".join(text.split()) or "an empty body"
    return (text if len(text) <= _SHOWN else text[:_SHOWN] + "…").rstrip(".") + "."


def _problems(body: Any, request: httpx.Request) -> Iterator[errors.Problem]:
    """What a 400 complains about, in the shapes that such services use."""
    if not isinstance(body, list) or not any(isinstance(item, dict) for item in body):
        yield from (errors.Problem(message, field) for field, message in _messages(body))
        return
    subjects = request.extensions.get(SUBJECTS, ())
    for index, item in enumerate(body):
        position, name = subjects[index] if index < len(subjects) else (index, None)
        yield from (errors.Problem(message, field, position, name) for field, message in _messages(item))


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
