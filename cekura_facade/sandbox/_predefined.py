"""The predefined metrics, and the handlers that list them and copy them into a project."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from cekura_facade.sandbox._api import Api
from cekura_facade.sandbox._json import json_response
from cekura_facade.sandbox._rules import ErrorResponse, copy_problems

_TEXTS = (
    ("latency", "Latency", "numeric", "Median time in seconds from the end of a caller's sentence to the response."),
    ("csat", "CSAT", "continuous_qualitative", "How satisfied the caller was, judged from the transcript."),
    ("interruptions", "Interruptions", "numeric", "How many times the agent spoke before the caller had finished."),
    ("talk_ratio", "Talk ratio", "numeric", "The agent's share of the time in which somebody speaks."),
    ("voice_tone", "Voice tone and clarity", "binary", "Whether the voice was friendly and easy to understand."),
)
PREDEFINED: tuple[Mapping[str, Any], ...] = tuple(
    {
        "id": number,
        "name": name,
        "description": description,
        "code": code,
        "type": "basic",
        "eval_type": eval_type,
        "audio_enabled": code == "voice_tone",
        "function_name": f"get_{code}",
        "configuration": {},
        "organization": None,
    }
    for number, (code, name, eval_type, description) in enumerate(_TEXTS, 1)
)
_NOT_COPIED = ("id", "code", "organization")


class Predefined:
    """The handlers. Each returns a response to a request and its parsed body, or raises `ErrorResponse`."""

    def __init__(self, api: Api) -> None:
        self._api = api

    def list(self, request: Request, body: Any) -> Response:
        return json_response(PREDEFINED)

    def copy(self, request: Request, body: Any) -> Response:
        """Create a metric for each predefined one. The same request again creates them again.

        Whether the service does so is not published, so this is an assumption. It is the worse case for a client.
        """
        if problems := copy_problems(self._api.agents, PREDEFINED, body):
            raise ErrorResponse(400, problems)
        key, wanted = "code", body.get("metric_codes")
        if wanted is None:
            key, wanted = "id", body["predefined_metric_ids"]
        found = {metric[key]: metric for metric in PREDEFINED}
        scope: dict[str, Any] = {"project": body.get("project_id"), "agents": []}
        if "agent_id" in body:
            agent = self._api.agents[body["agent_id"]]
            scope = {"project": agent.get("project"), "agents": [body["agent_id"]]}
        if "scenarios" in body:
            scope["scenarios"] = body["scenarios"]
        copies = [self._api.save({**_copied(found[each]), **scope}) for each in dict.fromkeys(wanted)]
        return json_response([self._api.listed(metric) for metric in copies])


def _copied(predefined: Mapping[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in predefined.items() if name not in _NOT_COPIED}
    return {**kept, "vocera_defined_metric_code": predefined["code"]}
