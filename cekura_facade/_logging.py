"""Writes one log record for each attempt of a request."""

from __future__ import annotations

import logging
from urllib.parse import quote

import httpx

from ._config import Credential

BEGUN = "cekura_facade.begun"  # extension of a request: when sending started, or None
_LOG = logging.getLogger("cekura_facade")
_WIRE = [logging.getLogger(f"httpcore.{protocol}") for protocol in ("http11", "http2")]  # both log response headers


def log(request: httpx.Request, outcome: object, attempt: int, now: float, credential: Credential) -> None:
    """Log how an attempt ended, without the credential. An attempt that sent nothing is not logged."""
    begun = request.extensions[BEGUN]
    if begun is None or not _LOG.isEnabledFor(logging.INFO):
        return
    status = getattr(outcome, "status_code", None)
    failure = type(outcome).__name__ if status is None else None
    path = quote(credential.redact(request.url.path), safe="/[]!$&'()*+,;=:@")
    milliseconds = (now - begun) * 1000
    values = {
        "cekura_method": request.method,
        "cekura_path": path,
        "cekura_status": status,
        "cekura_failure": failure,
        "cekura_milliseconds": milliseconds,
        "cekura_attempt": attempt,
    }
    text = "%s %s: %s in %.0f ms (attempt %d)"
    _LOG.info(text, request.method, path, failure or status, milliseconds, attempt, extra=values)


def wire_is_logged() -> bool:
    """Whether httpcore logs what it receives."""
    return any(logger.isEnabledFor(logging.DEBUG) for logger in _WIRE)


def redact_trace(credential: Credential, event: str, info: dict[str, object]) -> None:
    """Remove the credential from what httpcore is about to log, if the service has echoed it."""
    if event.endswith(".started"):
        return  # Here, `info` contains the arguments of a call.
    for name, value in info.items():
        info[name] = credential.redact(repr(value) if isinstance(value, Exception) else value)
