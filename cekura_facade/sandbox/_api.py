"""The handlers of metrics and agents."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from cekura_facade.sandbox._behavior import received, stored, suggested
from cekura_facade.sandbox._json import json_response
from cekura_facade.sandbox._rules import (
    ErrorResponse,
    cleaned,
    generation_problems,
    metric_filter,
    metric_problems,
    query_integer,
)
from cekura_facade.sandbox._state import Job, State
from cekura_facade.sandbox._suggestions import suggest

_MIN_DESCRIPTION_LENGTH = 100
_PAGE_SIZE = 20
_MAX_PAGE_SIZE = 100
_DEPRECATION = "Metrics of agents are deprecated. This metric was created in the agent's project."
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


def _positive(text: str | None) -> int | None:
    return int(text) if text and re.fullmatch("0*[1-9][0-9]{0,8}", text) else None


def without(metric: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """Return a metric without some of its fields."""
    return {name: value for name, value in metric.items() if name not in names}


def _changeable(metric: Mapping[str, Any], sent: Any) -> Any:
    """Return what an update may change. The project and the agent of a metric are read-only once they are set."""
    if not isinstance(sent, dict):
        return sent
    is_set = {"project": metric.get("project") is not None}
    is_set |= dict.fromkeys(("agent", "assistant_id"), bool(metric.get("agents")))
    kept = without(sent, *(name for name, read_only in is_set.items() if read_only))
    if isinstance(kept.get("configuration"), dict):
        kept["configuration"] = _configured(metric.get("configuration") or {}, kept["configuration"])
    return kept


def _configured(before: Mapping[str, Any], sent: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings after an update. Of those by agent id, an update changes only the agents that it names."""

    def is_by_agent(setting: Any) -> bool:
        return isinstance(setting, dict) and bool(setting) and all(map(str.isdecimal, setting))

    return {
        name: {**before[name], **setting} if is_by_agent(setting) and is_by_agent(before.get(name)) else setting
        for name, setting in sent.items()
    }


def _warning(*saved: Mapping[str, Any]) -> dict[str, str]:
    """Return the `Warning` header if a metric was moved to its agent's project."""
    return {"Warning": f'299 - "{_DEPRECATION}"'} if any("deprecation_warning" in metric for metric in saved) else {}


class Api:
    """The handlers of v1. Each returns a response to a request and its parsed body, or raises `ErrorResponse`."""

    prefix = "/test_framework/v1"

    def __init__(self, state: State) -> None:
        self._state = state

    def generate(self, request: Request, body: Any) -> Response:
        if problems := generation_problems(body):
            raise ErrorResponse(400, problems)
        id_field = "agent_id" if "agent_id" in body else "assistant_id"
        number = body[id_field] if id_field == "agent_id" else self._state.agent_of_assistant(body[id_field])
        agent = None if number is None else self._state.agents.get(number)
        if number is None or agent is None:
            raise ErrorResponse(404, {"detail": "No AIAgent matches the given query."})
        description = str(agent.get("description") or "").strip()
        if len(description) < _MIN_DESCRIPTION_LENGTH:
            why = f"The agent's description must have {_MIN_DESCRIPTION_LENGTH} characters or more."
            raise ErrorResponse(400, {id_field: [why]})
        suggestions = suggest(number, description, body.get("num_metrics", 1))
        job = Job(
            progress_id=str(uuid.uuid4()),
            agent_id=number,
            suggestions=[suggested(self._state.behavior, suggestion) for suggestion in suggestions],
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
            raise ErrorResponse(400, {"progress_id": ["This field is required."]})
        if not _UUID.fullmatch(progress_id):
            raise ErrorResponse(400, {"progress_id": ["Must be a valid UUID."]})
        job = self._state.jobs.get(progress_id.lower())
        if job is None:
            raise ErrorResponse(404, {"detail": "Not found."})
        return json_response(job.progress())

    def create_in_bulk(self, request: Request, body: Any) -> Response:
        if not isinstance(body, list):
            why = f'Expected a list of items but got type "{type(body).__name__}".'
            raise ErrorResponse(400, {"non_field_errors": [why]})
        if not body:
            raise ErrorResponse(400, {"non_field_errors": ["This list may not be empty."]})
        metrics = [received(self._state.behavior, cleaned(item)) for item in body]
        problems = [metric_problems(self._state, metric) for metric in metrics]
        if any(problems):
            raise ErrorResponse(400, problems)
        saved = [self._edited(self.save(metric)) for metric in metrics]
        return json_response(saved, 201, _warning(*saved))

    def create(self, request: Request, body: Any) -> Response:
        sent = received(self._state.behavior, self._cleaned_new(body))
        if problems := metric_problems(self._state, sent):
            raise ErrorResponse(400, problems)
        saved = self._edited(self.save(sent))
        return json_response(saved, 201, _warning(saved))

    def list(self, request: Request, body: Any) -> Response:
        query, behavior = request.query_params, self._state.behavior
        metrics = list(filter(self._is_listed, self._state.metrics.copy()))
        scopes: list[Callable[[dict[str, Any]], bool]] = []
        if "agent_id" in query:
            scopes.append(self._listed_for_agent(query_integer("agent_id", query["agent_id"])))
        if "assistant_id" in query:
            scopes.append(self._listed_for_agent(self._state.agent_of_assistant(query["assistant_id"])))
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
        return json_response([self.listed(metric) for metric in metrics[: behavior.list_limit]])

    def retrieve(self, request: Request, body: Any) -> Response:
        return json_response(self._detail(self._metric(request, by_slug=True)))

    def update(self, request: Request, body: Any) -> Response:
        metric = self._metric(request)
        sent = _changeable(metric, received(self._state.behavior, self._cleaned(body)))
        kept = metric if request.method == "PATCH" else without(metric, "name", "eval_type")
        if problems := metric_problems(self._state, sent, kept):
            raise ErrorResponse(400, problems)
        metric.update(self._with_agents({**metric, **stored(self._state.behavior, sent)}, sent))
        return json_response(self._edited(metric))

    def delete(self, request: Request, body: Any) -> Response:
        self._state.metrics.remove(self._metric(request))
        return Response(status_code=204)

    def retrieve_agent(self, request: Request, body: Any) -> Response:
        number = request.path_params["id"]
        agent = self._state.agents.get(int(number)) if re.fullmatch("[0-9]{1,19}", number) else None
        if agent is None:
            raise ErrorResponse(404, {"detail": "No AIAgent matches the given query."})
        return json_response(self._agent({"id": int(number), **agent}))

    def list_agents(self, request: Request, body: Any) -> Response:
        query = request.query_params
        agents = [{"id": number, **agent} for number, agent in list(self._state.agents.items())]
        if "project_id" in query:
            project = query_integer("project_id", query["project_id"])
            agents = [agent for agent in agents if agent.get("project") == project]
        if "q" in query:
            q = query["q"].lower()
            agents = [
                agent for agent in agents if q in str(agent.get("agent_name", "")).lower() or q == str(agent["id"])
            ]
        size = min(_positive(query.get("page_size")) or _PAGE_SIZE, _MAX_PAGE_SIZE)
        page = _positive(query.get("page", "1"))
        last = max(1, -(-len(agents) // size))
        if page is None or page > last:
            raise ErrorResponse(404, {"detail": "Invalid page."})

        def link(number: int) -> str | None:
            host, port = request.scope["server"]
            parameters = urlencode({**query, "page": number})
            return f"http://{host}:{port}{self.prefix}/aiagents/?{parameters}" if 1 <= number <= last else None

        results = [self._agent(agent) for agent in agents[(page - 1) * size : page * size]]
        links = {"next": link(page + 1), "previous": link(page - 1)}
        return json_response({"count": len(agents), **links, "results": results})

    @property
    def agents(self) -> dict[int, dict[str, Any]]:
        """The agents by id."""
        return self._state.agents

    def listed(self, metric: Mapping[str, Any]) -> dict[str, Any]:
        """Return a metric as a list shows it."""
        return without(metric, "scenarios", "custom_code", *self._state.behavior.list_omits)

    def _cleaned(self, body: Any) -> Any:
        """Return the metric in the body of an update."""
        return cleaned(body)

    def _cleaned_new(self, body: Any) -> Any:
        """Return the metric in the body of a create call."""
        return self._cleaned(body)

    def _edited(self, metric: Mapping[str, Any]) -> dict[str, Any]:
        """Return a metric as a create or update call shows it. Unlike elsewhere, `project` is never null."""
        return without(metric, "scenarios", *(["project"] if metric.get("project") is None else []))

    def _detail(self, metric: Mapping[str, Any]) -> dict[str, Any]:
        """Return a metric as `GET metrics/{id}/` shows it."""
        return without(metric, "scenarios")

    def _agent(self, agent: dict[str, Any]) -> dict[str, Any]:
        """Return an agent as a response shows it."""
        return agent

    def _metric(self, request: Request, *, by_slug: bool = False) -> dict[str, Any]:
        key = request.path_params["id"]
        for metric in list(self._state.metrics):
            if str(metric.get("id")) == key or (by_slug and metric.get("slug") == key):
                return metric
        raise ErrorResponse(404, {"detail": "No Metric matches the given query."})

    def _listed_for_agent(self, number: int | None) -> Callable[[dict[str, Any]], bool]:
        """Return the test of whether a list by this agent contains a metric."""
        agent = self._state.agents.get(number) if number is not None else None
        if agent is None:
            return lambda _: False
        project = agent.get("project") if self._state.behavior.list_scope == "agent_and_project" else None
        return lambda metric: (
            number in metric.get("agents", []) or (project is not None and metric.get("project") == project)
        )

    def save(self, sent: dict[str, Any]) -> dict[str, Any]:
        """Save a valid metric, and return it as it is stored, with the warning if it was moved to a project."""
        number = next(self._state.metric_ids)
        metric = {"id": number, **_DEFAULTS, "project": None, "agents": [], **stored(self._state.behavior, sent)}
        if not metric.get("slug"):
            metric["slug"] = self._slug(str(metric["name"]), number)
        metric = self._with_agents(metric, sent)
        moved = self._is_moved(metric, sent)
        if moved:
            metric = {**without(metric, "agent", "assistant_id"), "agents": [], "agent_names": ""}
        self._state.created_at[number] = self._state.now()
        self._state.metrics.append(metric)
        return {**metric, "deprecation_warning": _DEPRECATION} if moved else metric

    def _is_moved(self, metric: Mapping[str, Any], sent: Mapping[str, Any]) -> bool:
        """Return whether a new metric is stored in its agent's project instead of with the agent."""
        names_only_agents = sent.get("project") is None and any(map(sent.get, ("agent", "agents", "assistant_id")))
        return self._state.behavior.placement == "project" and names_only_agents and metric["project"] is not None

    def _is_listed(self, metric: Mapping[str, Any]) -> bool:
        """Return whether a metric is old enough to appear in lists."""
        created_at = self._state.created_at.get(metric.get("id", 0))
        return created_at is None or self._state.now() - created_at >= self._state.behavior.list_lag

    def _with_agents(self, metric: dict[str, Any], sent: Mapping[str, Any]) -> dict[str, Any]:
        """Return a metric with its agents, their names and their project, all from the ids that were sent."""
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
