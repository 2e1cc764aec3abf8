"""How an answer is written."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from starlette.responses import Response


def json_response(body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A body as JSON, in ASCII: an agent that a user made up may hold what UTF-8 cannot express."""
    return Response(json.dumps(body, allow_nan=False), status, headers, media_type="application/json")
