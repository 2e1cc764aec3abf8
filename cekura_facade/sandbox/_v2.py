"""The differences between v2 and v1 of the API."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from cekura_facade.sandbox._api import Api, without
from cekura_facade.sandbox._rules import ErrorResponse, query_integer

Handler = Callable[[Request, Any], Response]
_SCOPES = ("agent_id", "project_id", "assistant_id")
_WRITABLE = ("window_size", "std_multiplier", "ewma_alpha")  # These are read-only in v1.
_WRITE_ONLY = ("scenarios", "assistant_id", "llm_provider", "relevance_llm_provider", "apply_to_all_agents")
_VOICE_PROVIDERS = (
    *("vapi", "retell", "elevenlabs", "cisco", "bland", "livekit", "pipecat", "synthflow", "agora"),
    *("koreai", "genesys", "amazon_connect", "telnyx"),
)


def require_scope(handler: Handler) -> Handler:
    """Return a handler of a progress call that requires a scope if the credential is an access token."""

    def call(request: Request, body: Any) -> Response:
        query = request.query_params
        for name in ("agent_id", "project_id"):
            if name in query:
                query_integer(name, query[name])
        if "x-cekura-api-key" not in request.headers and not any(query.get(name) for name in _SCOPES):
            why = f"With an access token, one of {', '.join(_SCOPES)} is required."
            raise ErrorResponse(400, {"non_field_errors": [why]})
        return handler(request, body)

    return call


class ApiV2(Api):
    """The handlers of v2 that differ from those of v1."""

    prefix = "/test_framework/v2"

    def _cleaned(self, body: Any) -> Any:
        sent = super()._cleaned(body)
        if not isinstance(sent, dict):
            return sent
        nulls = [name for name in ("agent", "project") if sent.get(name, 0) is None]
        return {**without(sent, *nulls), **{name: body[name] for name in _WRITABLE if name in body}}

    def _cleaned_new(self, body: Any) -> Any:
        sent = self._cleaned(body)
        # The specification requires only a name. The default type is not published, so this is an assumption.
        return {"eval_type": "binary", **sent} if isinstance(sent, dict) else sent

    def _edited(self, metric: Mapping[str, Any]) -> dict[str, Any]:
        return self._detail(metric)

    def _detail(self, metric: Mapping[str, Any]) -> dict[str, Any]:
        return without(metric, *_WRITE_ONLY, "add_to_rubric", "agent")

    def _agent(self, agent: dict[str, Any]) -> dict[str, Any]:
        provider = agent.get("assistant_provider")
        return {
            "id": agent["id"],
            "name": agent.get("agent_name", ""),
            "description": agent.get("description", ""),
            **({"project": agent["project"]} if agent.get("project") is not None else {}),
            "language": agent.get("language", "en"),
            "telephony": {
                "phone_number": agent.get("contact_number", ""),
                "inbound": agent.get("inbound", False),
                "sip_uri": agent.get("sip_endpoint"),
                "websocket_url": agent.get("websocket_voice_url"),
                "outbound_numbers": agent.get("outbound_numbers", []),
            },
            "provider": {
                "type": provider if provider in _VOICE_PROVIDERS else "custom",
                "agent_id": agent.get("assistant_id"),
                "credentials": None,
                "chat_agent_details": None,
                "auto_dial_outbound": agent.get("outbound_auto_call"),
            },
            "agent_speaks_first": agent.get("agent_gives_first_message"),
        }
