"""The JSON of request and response bodies."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

_MAX_DEPTH = 64


def parse_json(raw: bytes) -> Any:
    """Parse a body.

    Raises:
        ValueError: The body is not JSON, is nested too deeply, or contains NaN or infinity, which a response cannot
            contain.
    """

    def refuse(constant: str) -> Any:
        raise ValueError(f"Out of range float values are not JSON compliant: {constant}")

    def check(value: Any, depth: int) -> None:
        if depth > _MAX_DEPTH:
            raise ValueError("Nested too deeply")
        if isinstance(value, float) and not math.isfinite(value):
            refuse("too large")
        if isinstance(value, dict | list):
            for item in value.values() if isinstance(value, dict) else value:
                check(item, depth + 1)

    try:
        value = json.loads(raw.decode("utf-8"), parse_constant=refuse)
    except RecursionError:
        raise ValueError("Nested too deeply") from None
    check(value, 1)
    return value


def json_response(body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return a response in ASCII, because an agent that a test defines may contain what UTF-8 cannot encode."""
    return Response(json.dumps(body, allow_nan=False), status, headers, media_type="application/json")
