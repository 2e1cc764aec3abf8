"""One line in the log for each time that a request is sent."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING
from urllib.parse import quote

import httpx

if TYPE_CHECKING:
    from ._http import HTTP

BEGUN = "cekura_facade.begun"  # extension of a request: when its attempt began, by the clock of its client, None before
_LOG = logging.getLogger("cekura_facade")


def log(request: httpx.Request, outcome: object, attempt: int, http: HTTP) -> None:
    """Log what became of an attempt, in one line and without the credential, wherever a redirect has led."""
    if not _LOG.isEnabledFor(logging.INFO) or (begun := request.extensions[BEGUN]) is None:
        return
    status = getattr(outcome, "status_code", None)
    values = {
        "cekura_method": request.method,
        "cekura_path": quote(http.settings.credential.redact(request.url.path), safe="/[]!$&'()*+,;=:@"),
        "cekura_status": status,
        "cekura_failure": type(outcome).__name__ if status is None else None,
        "cekura_milliseconds": (http.clock.now() - begun) * 1000,
        "cekura_attempt": attempt,
    }
    method, path, _, failure, milliseconds, _ = values.values()
    _LOG.info("%s %s: %s in %.0f ms (attempt %d)", method, path, failure or status, milliseconds, attempt, extra=values)
