"""The routes of the sandbox."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from typing import Any

from attrs import frozen
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cekura_facade.sandbox._api import Api
from cekura_facade.sandbox._authoring import Authoring
from cekura_facade.sandbox._json import json_response, parse_json
from cekura_facade.sandbox._predefined import Predefined
from cekura_facade.sandbox._rules import ErrorResponse
from cekura_facade.sandbox._state import RecordedRequest, State
from cekura_facade.sandbox._v2 import ApiV2, Handler, require_scope

_Paths = dict[str, dict[str, Handler]]


@frozen
class _Endpoint:
    """Handles all methods of one path. It checks the credential and parses the body, then calls the handler."""

    state: State
    handlers: Mapping[str, Handler]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        handler = self.handlers.get(request.method)
        if handler is None:
            why = f'Method "{request.method}" not allowed.'
            raise HTTPException(405, why, {"Allow": ", ".join(self.handlers)})
        self._authenticate(request)
        body = None
        if request.method in ("POST", "PUT", "PATCH"):
            body = self._parsed(request, await request.body())
        await handler(request, body)(scope, receive, send)

    def _authenticate(self, request: Request) -> None:
        credentials = request.headers.getlist("x-cekura-api-key")
        for value in request.headers.getlist("authorization"):
            scheme, _, token = value.partition(" ")
            credentials.append(token if scheme.lower() == "bearer" else "")
        key = self.state.api_key.encode()
        matches = [hmac.compare_digest(candidate.encode("latin-1"), key) for candidate in credentials]
        # A request with a valid and an invalid credential is refused, too.
        if not matches or not all(matches):
            raise HTTPException(401, "Invalid API key.", {"WWW-Authenticate": "Bearer"})

    def _parsed(self, request: Request, raw: bytes) -> Any:
        media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if media_type != "application/json":
            raise ErrorResponse(400, {"detail": f'Unsupported media type "{media_type}" in request.'})
        try:
            return parse_json(raw)
        except ValueError as error:
            raise ErrorResponse(400, {"detail": f"JSON parse error - {error}"}) from None


@frozen
class _Recorder:
    """Records every request that gets a response, with the status of the response."""

    app: ASGIApp
    state: State

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        try:
            body = await request.body()
        except ClientDisconnect:
            return

        async def replay() -> Message:
            return {"type": "http.request", "body": body, "more_body": False}

        async def record(message: Message) -> None:
            if message["type"] == "http.response.start":
                query, headers = dict(request.query_params), dict(request.headers)
                self.state.requests.append(
                    RecordedRequest(request.method, scope["path"], query, headers, body, message["status"])
                )
            await send(message)

        await self.app(scope, replay, record)


async def _error_response(_request: Request, error: Exception) -> Response:
    if isinstance(error, ErrorResponse):
        return json_response(error.body, error.status)
    if isinstance(error, HTTPException):
        return json_response({"detail": error.detail}, error.status_code, error.headers)
    return json_response({"detail": f"The sandbox failed: {error!r}"}, 500)


def _paths(v1: Api, api: Api, authoring: Authoring, progress: Callable[[Handler], Handler]) -> _Paths:
    """Return the handlers by path and method. The calls that v2 did not change use the handlers of `v1`."""
    predefined = Predefined(api)
    metrics: _Paths = {
        "generate_metrics": {"POST": v1.generate},
        "generate_metrics_progress": {"GET": progress(v1.progress)},
        "bulk_create": {"POST": v1.create_in_bulk},
        "preview": {"POST": authoring.preview},
        "preview-progress": {"GET": progress(authoring.progress)},
        "simplify_prompt": {"POST": authoring.simplify},
        "simplify_prompt_progress": {"GET": progress(authoring.progress)},
        "generate_evaluation_trigger": {"POST": authoring.trigger},
    }
    return {
        "/metrics": {"GET": api.list, "POST": api.create},
        **{f"/metrics/{name}": handlers for name, handlers in metrics.items()},
        **({f"/metrics-external/{name}": handlers for name, handlers in metrics.items()} if api is v1 else {}),
        "/metrics/{id}": {"GET": api.retrieve, "PUT": v1.update, "PATCH": api.update, "DELETE": v1.delete},
        "/predefined-metrics": {"GET": predefined.list},
        "/predefined-metrics/copy": {"POST": predefined.copy},
        "/aiagents": {"GET": api.list_agents},
        "/aiagents/{id}": {"GET": api.retrieve_agent},
    }


def build_app(state: State) -> ASGIApp:
    """Return the application that serves a state."""
    v1, v2, authoring = Api(state), ApiV2(state), Authoring(state)
    routes = [
        Route(api.prefix + path + slash, _Endpoint(state, handlers))
        for api, progress in ((v1, lambda handler: handler), (v2, require_scope))
        for path, handlers in _paths(v1, api, authoring, progress).items()
        for slash in ("/", "")
    ]
    app = Starlette(
        routes=routes, exception_handlers=dict.fromkeys((ErrorResponse, HTTPException, Exception), _error_response)
    )
    app.router.redirect_slashes = False
    return _Recorder(app, state)
