"""One line in the log for each time that a request is sent."""

from __future__ import annotations

import logging
import time
from urllib.parse import quote

import httpx

from ._config import Credential

BEGUN = "cekura_facade.begun"  # extension of a request: the time.monotonic() at which its attempt began, None before
_LOG = logging.getLogger("cekura_facade")


def log(request: httpx.Request, outcome: object, attempt: int, credential: Credential) -> None:
    """Log what became of an attempt, in one line and without the credential, wherever a redirect has led."""
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
