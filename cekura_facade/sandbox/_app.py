"""The routes, and how each is answered."""

from __future__ import annotations

import hmac
import re
import uuid
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode

from attrs import frozen
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cekura_facade.sandbox._answers import json_response
from cekura_facade.sandbox._authoring import Authoring
from cekura_facade.sandbox._rules import (
    Refused,
    cleaned,
    generation_problems,
    metric_filter,
    metric_problems,
    parse_json,
    query_integer,
)
from cekura_facade.sandbox._state import Job, RecordedRequest, State
from cekura_facade.sandbox._suggestions import suggest

_PREFIX = "/test_framework/v1"
_SHORTEST_DESCRIPTION = 100
_PAGE_SIZE = 20
_LARGEST_PAGE = 100
_UUID = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_DEFAULTS: Mapping[str, Any] = {
    "description": "",
    "prompt": "",
    "type": "llm_judge",
    "enum_values": [],
    "display_order": 0,
    "configuration": {},
    "audio_enabled": False,
    "simulation_enabled": True,
    "observability_enabled": True,
    "sampling_enabled": False,
    "add_to_new_agents": False,
    "evaluation_trigger": "always",
    "trigger_type": "llm_judge",
    "function_name": None,
}

Handler = Callable[[Request, Any], Response]


def _positive(text: str | None) -> int | None:
    return int(text) if text and re.fullmatch("0*[1-9][0-9]{0,8}", text) else None


def _without(metric: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in metric.items() if name not in names}


def _edited(metric: Mapping[str, Any]) -> dict[str, Any]:
    """A metric as the answer to a change: there, unlike elsewhere, a project is never null."""
    return _without(metric, "scenarios", *(["project"] if metric.get("project") is None else []))


class _Api:
    """The handlers. Each takes a request and its parsed body, and returns the answer or raises `Refused`."""

    def __init__(self, state: State) -> None:
        self._state = state

    def generate(self, request: Request, body: Any) -> Response:
        if problems := generation_problems(body):
            raise Refused(400, problems)
        given = "agent_id" if "agent_id" in body else "assistant_id"
        number = body[given] if given == "agent_id" else self._state.agent_of_assistant(body[given])
        agent = None if number is None else self._state.agents.get(number)
        if number is None or agent is None:
            raise Refused(404, {"detail": "No AIAgent matches the given query."})
        description = str(agent.get("description") or "").strip()
        if len(description) < _SHORTEST_DESCRIPTION:
            why = f"The agent's description must have {_SHORTEST_DESCRIPTION} characters or more."
            raise Refused(400, {given: [why]})
        job = Job(
            progress_id=str(uuid.uuid4()),
            agent_id=number,
            suggestions=suggest(number, description, body.get("num_metrics", 1)),
            seconds=self._state.job_seconds,
            failure=self._state.failures.popleft() if self._state.failures else None,
            started_at=self._state.now(),
            now=self._state.now,
        )
        self._state.jobs[job.progress_id] = job
        return json_response({"progress_id": job.progress_id})

    def progress(self, request: Request, body: Any) -> Response:
        progress_id = request.query_params.get("progress_id")
        if progress_id is None:
            raise Refused(400, {"progress_id": ["This field is required."]})
        if not _UUID.fullmatch(progress_id):
            raise Refused(400, {"progress_id": ["Must be a valid UUID."]})
        job = self._state.jobs.get(progress_id.lower())
        if job is None:
            raise Refused(404, {"detail": "Not found."})
        return json_response(job.progress())

    def create_in_bulk(self, request: Request, body: Any) -> Response:
        if not isinstance(body, list):
            why = f'Expected a list of items but got type "{type(body).__name__}".'
            raise Refused(400, {"non_field_errors": [why]})
        if not body:
            raise Refused(400, {"non_field_errors": ["This list may not be empty."]})
        metrics = [cleaned(item) for item in body]
        problems = [metric_problems(self._state, metric) for metric in metrics]
        if any(problems):
            raise Refused(400, problems)
        return json_response([_edited(self._save(metric)) for metric in metrics], 201)

    def create(self, request: Request, body: Any) -> Response:
        sent = cleaned(body)
        if problems := metric_problems(self._state, sent):
            raise Refused(400, problems)
        return json_response(_edited(self._save(sent)), 201)

    def list(self, request: Request, body: Any) -> Response:
        query = request.query_params
        metrics = list(self._state.metrics)
        scopes: list[Callable[[dict[str, Any]], bool]] = []
        if "agent_id" in query:
            scopes.append(self._of_agent(query_integer("agent_id", query["agent_id"])))
        if "assistant_id" in query:
            scopes.append(self._of_agent(self._state.agent_of_assistant(query["assistant_id"])))
        if "project_id" in query:
            project = query_integer("project_id", query["project_id"])
            scopes.append(lambda metric: metric.get("project") == project)
        if scopes:
            metrics = [metric for metric in metrics if any(scope(metric) for scope in scopes)]
        if "agents" in query:
            agents = {query_integer("agents", number.strip()) for number in query["agents"].split(",")}
            metrics = [metric for metric in metrics if agents.intersection(metric.get("agents", []))]
        if "slug" in query:
            metrics = [metric for metric in metrics if metric.get("slug") == query["slug"]]
        if "filters" in query:
            metrics = list(filter(metric_filter(query["filters"]), metrics))
        return json_response([_without(metric, "scenarios", "custom_code") for metric in metrics])

    def retrieve(self, request: Request, body: Any) -> Response:
        return json_response(_without(self._metric(request, by_slug=True), "scenarios"))

    def update(self, request: Request, body: Any) -> Response:
        metric, sent = self._metric(request), cleaned(body)
        kept = metric if request.method == "PATCH" else _without(metric, "name", "eval_type")
        if problems := metric_problems(self._state, sent, kept):
            raise Refused(400, problems)
        metric.update(self._scoped({**metric, **sent}, sent))
        return json_response(_edited(metric))

    def delete(self, request: Request, body: Any) -> Response:
        self._state.metrics.remove(self._metric(request))
        return Response(status_code=204)

    def retrieve_agent(self, request: Request, body: Any) -> Response:
        number = request.path_params["id"]
        agent = self._state.agents.get(int(number)) if re.fullmatch("[0-9]{1,19}", number) else None
        if agent is None:
            raise Refused(404, {"detail": "No AIAgent matches the given query."})
        return json_response({"id": int(number), **agent})

    def list_agents(self, request: Request, body: Any) -> Response:
        query = request.query_params
        agents = [{"id": number, **agent} for number, agent in list(self._state.agents.items())]
        if "project_id" in query:
            project = query_integer("project_id", query["project_id"])
            agents = [agent for agent in agents if agent.get("project") == project]
        if "q" in query:
            wanted = query["q"].lower()
            agents = [agent for agent in agents if wanted in str(agent.get("agent_name", "")).lower()]
        size = min(_positive(query.get("page_size")) or _PAGE_SIZE, _LARGEST_PAGE)
        page = _positive(query.get("page", "1"))
        last = max(1, -(-len(agents) // size))
        if page is None or page > last:
            raise Refused(404, {"detail": "Invalid page."})

        def link(number: int) -> str | None:
            host, port = request.scope["server"]
            parameters = urlencode({**query, "page": number})
            return f"http://{host}:{port}{_PREFIX}/aiagents/?{parameters}" if 1 <= number <= last else None

        results = agents[(page - 1) * size : page * size]
        links = {"next": link(page + 1), "previous": link(page - 1)}
        return json_response({"count": len(agents), **links, "results": results})

    def _metric(self, request: Request, *, by_slug: bool = False) -> dict[str, Any]:
        key = request.path_params["id"]
        for metric in list(self._state.metrics):
            if str(metric.get("id")) == key or (by_slug and metric.get("slug") == key):
                return metric
        raise Refused(404, {"detail": "No Metric matches the given query."})

    def _of_agent(self, number: int | None) -> Callable[[dict[str, Any]], bool]:
        """Whether a metric is the agent's own, or its project's."""
        agent = self._state.agents.get(number) if number is not None else None
        if agent is None:
            return lambda metric: False
        project = agent.get("project")
        return lambda metric: (
            number in metric.get("agents", []) or (project is not None and metric.get("project") == project)
        )

    def _save(self, sent: dict[str, Any]) -> dict[str, Any]:
        number = next(self._state.metric_ids)
        metric = {"id": number, **_DEFAULTS, "project": None, "agents": [], **sent}
        if not metric.get("slug"):
            metric["slug"] = self._slug(str(metric["name"]), number)
        metric = self._scoped(metric, sent)
        self._state.metrics.append(metric)
        return metric

    def _scoped(self, metric: dict[str, Any], sent: Mapping[str, Any]) -> dict[str, Any]:
        """The metric, with what follows from the agents it was sent for."""
        agents = dict.fromkeys(metric.get("agents", []))
        if "agent" in sent:
            agents[sent["agent"]] = None
        if "assistant_id" in sent:
            agents[self._state.agent_of_assistant(sent["assistant_id"])] = None
        known = list(filter(None, map(self._state.agents.get, agents)))
        if metric.get("project") is None:
            metric["project"] = next((agent.get("project") for agent in known), None)
        names = ", ".join(str(agent.get("agent_name", "")) for agent in known)
        return {**metric, "agents": list(agents), "agent_names": names}

    def _slug(self, name: str, number: int) -> str:
        slug = re.sub("[^a-z0-9]+", "_", name.lower()).strip("_")[:200]
        if slug in self._state.slugs or not slug or slug.isdigit():
            slug = f"{slug or 'metric'}_{number}"
        self._state.slugs.add(slug)
        return slug


@frozen
class _Endpoint:
    """Answers all methods of one path; checks the key and reads the body before it hands over."""

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
        given = request.headers.getlist("x-cekura-api-key")
        for value in request.headers.getlist("authorization"):
            scheme, _, token = value.partition(" ")
            given.append(token if scheme.lower() == "bearer" else "")
        key = self.state.api_key.encode()
        fits = [hmac.compare_digest(candidate.encode("latin-1"), key) for candidate in given]
        if not fits or not all(fits):  # a wrong credential is refused even beside a right one
            raise HTTPException(401, "Invalid API key.", {"WWW-Authenticate": "Bearer"})

    def _parsed(self, request: Request, raw: bytes) -> Any:
        media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if media_type != "application/json":
            raise Refused(400, {"detail": f'Unsupported media type "{media_type}" in request.'})
        try:
            return parse_json(raw)
        except ValueError as error:
            raise Refused(400, {"detail": f"JSON parse error - {error}"}) from None


@frozen
class _Recorder:
    """Keeps every request that is answered, along with the status of the answer."""

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


async def _refused(request: Request, error: Exception) -> Response:
    if isinstance(error, Refused):
        return json_response(error.body, error.status)
    if isinstance(error, HTTPException):
        return json_response({"detail": error.detail}, error.status_code, error.headers)
    return json_response({"detail": f"The sandbox failed: {error!r}"}, 500)


def build_app(state: State) -> ASGIApp:
    """The application that serves a state."""
    api, authoring = _Api(state), Authoring(state)
    paths: dict[str, dict[str, Handler]] = {
        "/metrics": {"GET": api.list, "POST": api.create},
        "/aiagents": {"GET": api.list_agents},
        "/aiagents/{id}": {"GET": api.retrieve_agent},
    }
    for base in ("/metrics", "/metrics-external"):
        paths[f"{base}/generate_metrics"] = {"POST": api.generate}
        paths[f"{base}/generate_metrics_progress"] = {"GET": api.progress}
        paths[f"{base}/bulk_create"] = {"POST": api.create_in_bulk}
        paths[f"{base}/preview"] = {"POST": authoring.preview}
        paths[f"{base}/simplify_prompt"] = {"POST": authoring.simplify}
        for progress in ("preview-progress", "simplify_prompt_progress"):
            paths[f"{base}/{progress}"] = {"GET": authoring.progress}
        paths[f"{base}/generate_evaluation_trigger"] = {"POST": authoring.trigger}
    paths["/metrics/{id}"] = {
        "GET": api.retrieve,
        "PUT": api.update,
        "PATCH": api.update,
        "DELETE": api.delete,
    }
    routes = [
        Route(_PREFIX + path + slash, _Endpoint(state, handlers))
        for path, handlers in paths.items()
        for slash in ("/", "")
    ]
    app = Starlette(routes=routes, exception_handlers=dict.fromkeys((Refused, HTTPException, Exception), _refused))
    app.router.redirect_slashes = False
    return _Recorder(app, state)
