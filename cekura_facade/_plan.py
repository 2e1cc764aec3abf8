"""Compares a list of metrics with those of an agent or project: what has to change so that they are equal.

A metric is identified by its name. Only the fields that the list sets are compared. Nothing is written here.
"""

from __future__ import annotations

import functools
import itertools
import json
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal, get_args, get_origin

from attrs import field, frozen
from cekura_api import models
from cekura_api.api.agents import get_agent
from cekura_api.api.metrics import list_metrics
from cekura_api.model import Field, Model, check, fields_of as fields_of_model, shown
from cekura_api.models import Metric, MetricCreate

from ._errors import (
    BadRequestError,
    InvalidRequestError,
    NotFoundError,
    PermissionDeniedError,
    Problem,
    UnexpectedResponseError,
)
from ._http import HTTP, ask, checked
from ._matching import (
    CODE,
    NOTHING,
    SCOPE,
    Fields,
    agents_of,
    assistant_of,
    comparable,
    fields_of,
    id_of,
    is_cut,
    is_int,
    is_saved_as,
    is_too_long,
    may_be_in_scope,
    score_type,
    spellings,
)
from ._save_state import Query, in_urls
from ._saving import list_once, read

_LONGEST_NAME = 255  # characters
_UPDATE: type[Model] = getattr(models, "MetricUpdate", MetricCreate)  # An older specification may lack it.
_LOG = logging.getLogger("cekura_facade")


@frozen
class MetricChange:
    """A metric, and what changes in it.

    Attributes:
        metric: The metric as it is in the service.
        before: The fields that change, as they are in the service. One that is missing is None.
        after: These fields as the list wants them, which is the body of the update.
    """

    metric: Metric
    before: dict[str, object]
    after: dict[str, object]


@frozen
class Plan:
    """What makes the metrics of an agent or project equal to a list.

    Attributes:
        agent_id: Id of the agent, or None.
        project_id: Id of the project, or None.
        create: Metrics to create, as they are sent, in the order given.
        attach: Codes of predefined metrics to copy into the project, in the order given.
        update: Metrics to update, in the order given.
        unchanged: Metrics that are as the list wants them, in the order given.
        only_in_service: Metrics that the list does not contain, by id.
        deletable: Those of `only_in_service` that `apply(plan, prune=True)` deletes.
        wanted: The list that was passed.
    """

    agent_id: int | None
    project_id: int | None
    create: tuple[dict[str, object], ...] = ()
    attach: tuple[str, ...] = ()
    update: tuple[MetricChange, ...] = ()
    unchanged: tuple[Metric, ...] = ()
    only_in_service: tuple[Metric, ...] = ()
    deletable: tuple[Metric, ...] = ()
    wanted: tuple[dict[str, object], ...] = field(default=(), repr=False)

    @property
    def has_changes(self) -> bool:
        """Whether a metric is to be created, attached or updated."""
        return bool(self.create or self.attach or self.update)


@frozen
class Applied:
    """What `apply` did.

    Attributes:
        created: Metrics that were created, and predefined ones that were copied into the project.
        updated: Metrics that were updated.
        deleted: Metrics that were deleted.
        unchanged: Metrics that were as the list wants them.
    """

    created: list[Metric] = field(factory=list)
    updated: list[Metric] = field(factory=list)
    deleted: list[Metric] = field(factory=list)
    unchanged: list[Metric] = field(factory=list)


@frozen
class Scope:
    """Whose metrics are compared: those of an agent, or those of a project.

    The metrics of an agent are those that are assigned to it, and those of its project that are assigned to no agent:
    where the service stores a metric that is created for an agent, the published sources do not agree on.
    """

    agent_id: int | None
    project_id: int | None
    assistant_id: object = None

    def includes(self, metric: Metric) -> bool:
        """Whether a metric that was listed belongs to the scope."""
        wanted: Fields = {"project": self.project_id} if self.agent_id is None else {"agents": [self.agent_id]}
        return may_be_in_scope(fields_of(metric), wanted, self.project_id)

    def owns(self, metric: Metric) -> bool:
        """Whether a metric belongs to the scope alone, and is not predefined. Only then it may be deleted."""
        saved = fields_of(metric)
        if self.agent_id is None:
            return id_of(saved.get("project")) == self.project_id and not saved.get(CODE)
        return agents_of(saved) == {self.agent_id} and not saved.get(CODE)

    @property
    def ids(self) -> dict[str, int | None]:
        """The id of the agent, or else of the project."""
        return {"agent_id": self.agent_id} if self.agent_id else {"project_id": self.project_id}

    def queries(self) -> list[Query]:
        """What to list to see the metrics, whatever the service takes an agent_id to mean."""
        both = {**self.ids, "project_id": self.project_id}
        scope: Query = {name: number for name, number in both.items() if number is not None}
        return [scope, {"agents": str(self.agent_id)}] if self.agent_id else [scope]

    def problem(self, fields: Fields) -> tuple[str, str] | None:
        """The field by which a metric is for another agent or project, and why that is wrong."""
        agents, project = agents_of(fields), id_of(fields.get("project"))
        if self.agent_id and agents and self.agent_id not in agents:
            return "agents", f"it is for agent {min(agents)}, and not for agent {self.agent_id}"
        if self.project_id and project and project != self.project_id:
            return "project", f"it is for project {project}, and not for project {self.project_id}"
        assistant_id = fields.get("assistant_id")
        if assistant_id and self.assistant_id and assistant_id != self.assistant_id:
            return "assistant_id", f"it is for {shown(assistant_id)}, and not for agent {self.agent_id}"
        return None

    def placed(self, fields: Fields) -> dict[str, object]:
        """The fields of a metric as it is created in the scope."""
        named = {name: fields[name] for name in ("project", "assistant_id") if fields.get(name)}
        kept = {name: value for name, value in fields.items() if name not in SCOPE}
        if self.agent_id is not None:
            named.pop("assistant_id", None)
            return {**kept, "agents": [self.agent_id], **named}
        agents: dict[str, object] = {"agents": sorted(agents_of(fields))} if agents_of(fields) else {}
        return {**kept, **agents, **named, "project": self.project_id}


async def find_scope(http: HTTP, agent_id: int | None, project_id: int | None) -> Scope:
    """Find out what there is to know of an agent or project."""
    if (agent_id is None) == (project_id is None):
        raise InvalidRequestError("Pass either agent_id or project_id.")
    if agent_id is None:
        checked(list_metrics, project_id=project_id or 0)
        return Scope(None, project_id)
    try:
        agent = await ask(http, get_agent, agent_id)
    except (PermissionDeniedError, UnexpectedResponseError) as error:
        _LOG.warning("Agent %d cannot be read, so metrics are listed by agent_id alone. %s", agent_id, error)
        return Scope(agent_id, None)
    return Scope(agent_id, id_of(agent.project), assistant_of(agent))


async def compare(
    http: HTTP, agent_id: int | None, project_id: int | None, fields: Sequence[dict[str, object]]
) -> Plan:
    """The plan for a list of metrics."""
    return await find_plan(http, await find_scope(http, agent_id, project_id), fields)


async def find_plan(http: HTTP, scope: Scope, fields: Sequence[dict[str, object]]) -> Plan:
    """Compare a list of metrics with those of the service."""
    wanted = [_settable(each) for each in fields]
    _raise_if_any([*_repeated(wanted), *_invalid(wanted, scope)])
    existing = await find_existing(http, scope, [str(each["name"]) for each in wanted if not each.get(CODE)])
    candidates = [_candidates(each, existing, scope) for each in wanted]
    _raise_if_any([*_ambiguous(wanted, candidates), *_unlisted(wanted, existing), *_unattachable(wanted, candidates)])
    create: list[dict[str, object]] = []
    attach: list[str] = []
    changes: list[MetricChange] = []
    for each, found in zip(wanted, candidates, strict=True):
        if found:
            changes.append(await _compare(http, found[0], _compared(each, scope)))
        elif each.get(CODE):
            attach.append(str(each[CODE]))
        else:
            create.append(scope.placed(each))
    matched = {change.metric.id for change in changes}
    others = tuple(metric for metric in existing if metric.id not in matched)
    return Plan(
        agent_id=scope.ids.get("agent_id"),
        project_id=scope.ids.get("project_id"),
        create=tuple(create),
        attach=tuple(attach),
        update=tuple(change for change in changes if change.after),
        unchanged=tuple(change.metric for change in changes if not change.after),
        only_in_service=others,
        deletable=tuple(filter(scope.owns, others)) if wanted else (),
        wanted=tuple(fields),
    )


async def export(
    http: HTTP, agent_id: int | None, project_id: int | None, *, with_agents: bool
) -> list[dict[str, object]]:
    """The metrics of a scope, as a list that `find_plan` takes."""
    scope = await find_scope(http, agent_id, project_id)
    left_out = {*SCOPE, "configuration"} - ({"agents", "configuration"} if with_agents else set())
    names = [each.key for each in fields_of_model[_UPDATE] if each.key not in left_out]
    exported: list[dict[str, object]] = []
    for metric in await find_existing(http, scope):
        saved = metric.to_dict()
        if saved.get(CODE):
            exported.append({"name": metric.name, CODE: saved[CODE]})
            continue
        if not saved.keys() >= set(names):
            saved = (await read(http, metric.id)).to_dict()
        exported.append({name: saved[name] for name in names if saved.get(name) not in NOTHING})
    return exported


async def find_existing(http: HTTP, scope: Scope, names: Sequence[str] = ()) -> list[Metric]:
    """List the metrics of a scope, by id. A list may be cut short, so metrics of these names are listed by name, too."""
    listed: dict[int, Metric] = {}

    async def add(query: Query) -> None:
        try:
            found = await list_once(http, query)
        except BadRequestError:
            if not query.keys() & {"filters", "agents"}:
                raise
            return
        for metric in found:
            needed = "project" if scope.agent_id is None else "agents"
            listed[metric.id] = metric if needed in fields_of(metric) else await read(http, metric.id)

    for query in scope.queries():
        await add(query)
    left, before = _unseen(names, filter(scope.includes, listed.values())), None
    while left and left != before:  # A list by name that was cut short now shows the others.
        for some in in_urls(itertools.chain.from_iterable(map(spellings, left))):
            conditions = [{"field": "name", "op": "in", "value": some}]
            await add({**scope.queries()[0], "filters": json.dumps({"operator": "and", "conditions": conditions})})
        left, before = _unseen(left, filter(scope.includes, listed.values())), left
    for number in list(http.state.hidden):  # What this client has created, and no list has shown so far.
        try:
            if number not in listed:
                listed[number] = await read(http, number)
                continue
        except NotFoundError:
            pass
        http.state.hidden.pop(number, None)
    return [metric for _, metric in sorted(listed.items()) if scope.includes(metric)]


def _unseen(names: Iterable[str], metrics: Iterable[Metric]) -> list[str]:
    """The names that none of the metrics has."""
    saved = {comparable(metric.name): metric.name for metric in metrics}
    unseen = [name for name in names if comparable(name) not in saved]
    return [name for name in unseen if not is_too_long(name) or not any(is_cut(each, name) for each in saved.values())]


def _candidates(wanted: Fields, existing: Iterable[Metric], scope: Scope) -> list[Metric]:
    """The metrics that a wanted one may be: the best matches, which are as good as each other."""
    code, name = wanted.get(CODE), str(wanted["name"])
    if code:
        return [metric for metric in existing if fields_of(metric).get(CODE) == code][:1]
    agents = {scope.agent_id} if scope.agent_id else agents_of(wanted)
    ranked: dict[tuple[bool, bool], list[Metric]] = {}
    for metric in existing:
        saved = fields_of(metric)
        if not saved.get(CODE) and (comparable(metric.name) == comparable(name) or is_cut(metric.name, name)):
            # In the order of PASSES: the exact or a comparable name, the same or a possible scope.
            ranked.setdefault((metric.name != name, agents_of(saved) != agents), []).append(metric)
    return ranked[min(ranked)] if ranked else []


async def _compare(http: HTTP, metric: Metric, wanted: Fields) -> MetricChange:
    after = _changes(metric.to_dict(), wanted)
    if after or not wanted.keys() <= metric.to_dict().keys():  # The list may leave out fields, or show old values.
        metric = await read(http, metric.id)
        after = _changes(metric.to_dict(), wanted)
    return MetricChange(metric, {name: metric.to_dict().get(name) for name in after}, after)


def _changes(saved: Fields, wanted: Fields) -> dict[str, object]:
    """The fields of a wanted metric that are not saved."""
    updatable = _known(_UPDATE)
    after: dict[str, object] = {}
    for name, value in wanted.items():
        found = saved.get(name)
        if name == "configuration" and isinstance(value, Mapping) and isinstance(found, Mapping):
            value = {**found, **value}  # noqa: PLW2901 - The service may replace all of it.
        # What this specification does not have is compared if the service returns it.
        if (name in saved or name in updatable) and not _is_same(name, saved, value):
            after[name] = value
    return after


def _is_same(name: str, saved: Fields, wanted: object) -> bool:
    found = saved.get(name)
    if name == "agents":
        return agents_of(saved) == agents_of({name: wanted})
    if isinstance(found, list) and isinstance(wanted, list | tuple) and all(map(is_int, [*found, *wanted])):
        return set(found) == set(wanted)  # ids
    if name == "name" and is_cut(str(found), str(wanted)):
        return True
    return is_saved_as(*map(score_type, (found, wanted))) if name == "eval_type" else is_saved_as(found, wanted)


@functools.cache
def _known(*kinds: type[Model]) -> dict[str, Field]:
    return {each.key: each for kind in kinds for each in fields_of_model[kind]}


def _settable(fields: Fields) -> dict[str, object]:
    """The fields that count: without those that only the service sets, and without those that are not set.

    A string that is null is empty. Other nulls, and an empty string that is one of several listed values, are not set.
    """
    known = _known(MetricCreate, _UPDATE)
    read_only = _known(Metric).keys() - known.keys() - {CODE}
    result: dict[str, object] = {}
    for name, value in fields.items():
        kind = get_args(known[name].kind) if name in known else ()
        is_text = str in kind and not _values(known[name])
        if name not in read_only and (value is not None or is_text) and (value != "" or is_text or name not in known):
            result[name] = "" if value is None else value
    return result


def _compared(wanted: Fields, scope: Scope) -> dict[str, object]:
    """The fields of a wanted metric that are compared with those of a saved one."""
    if wanted.get(CODE):
        return {}
    left_out = {*SCOPE, *(_known(MetricCreate).keys() - _known(_UPDATE).keys())}
    agents = (
        {"agents": sorted(agents_of(wanted))} if scope.agent_id is None and {"agent", "agents"} & wanted.keys() else {}
    )
    return {name: value for name, value in wanted.items() if name not in left_out} | agents


def _values(known: Field) -> list[str]:
    """The values that the specification lists for a field."""
    return [str(value) for kind in get_args(known.kind) if get_origin(kind) is Literal for value in get_args(kind)]


def _raise_if_any(problems: Sequence[Problem]) -> None:
    if problems:
        more = f"; and {len(problems) - 5} more" if len(problems) > 5 else ""
        said = "; ".join(map(str, problems[:5]))
        error = InvalidRequestError(f"The list of metrics is not valid: {said}{more}. Nothing was changed.")
        error.problems = tuple(problems)
        raise error


def _repeated(wanted: Sequence[Fields]) -> Iterator[Problem]:
    first: dict[tuple[str, str], int] = {}
    for i, each in enumerate(wanted):
        name = CODE if each.get(CODE) else "name"
        # A service may cut the name.
        before = first.setdefault((name, comparable(str(each[name])[:_LONGEST_NAME])), i)
        if before != i:
            yield _problem(i, each, name, f"metric {before} has it as well. Remove one, or change its {name}")


def _invalid(wanted: Sequence[Fields], scope: Scope) -> Iterator[Problem]:
    known = _known(MetricCreate, _UPDATE)
    for i, each in enumerate(wanted):
        if misplaced := scope.problem(each):
            yield _problem(i, each, *misplaced)
        for name in [name for name in each if name in known]:
            limits = MetricCreate._limits.get(name, {})
            try:
                check(name, each[name], known[name].kind, **limits)
            except ValueError as error:
                yield _problem(i, each, name, str(error).removeprefix(f"{name}=").rstrip("."))


def _unlisted(wanted: Sequence[Fields], existing: Iterable[Metric]) -> Iterator[Problem]:
    """Values that neither the specification lists nor a metric of the service has."""
    saved = [metric.to_dict() for metric in existing]
    for i, each in enumerate(wanted):
        for name, known in _known(MetricCreate, _UPDATE).items():
            value, values = each.get(name), _values(known)
            if name == "eval_type":
                value, values = score_type(value), [*values, str(score_type("binary_qualitative"))]
            if value and values and value not in [*values, *(other.get(name) for other in saved)]:
                yield _problem(i, each, name, f"{shown(value)}: expected one of {', '.join(_values(known))}")


def _ambiguous(wanted: Sequence[Fields], candidates: Sequence[Sequence[Metric]]) -> Iterator[Problem]:
    for i, found in enumerate(candidates):
        if len(found) > 1:
            ids = ", ".join(str(metric.id) for metric in found)
            yield _problem(i, wanted[i], "name", f"several metrics have it (id {ids}). Rename or delete all but one")


def _unattachable(wanted: Sequence[Fields], candidates: Sequence[Sequence[Metric]]) -> Iterator[Problem]:
    try:
        from cekura_api.api.metrics import copy_predefined_metrics as _  # An older specification may lack it.
    except ImportError:
        for i, each in enumerate(wanted):
            if each.get(CODE) and not candidates[i]:
                yield _problem(i, each, CODE, "this version of the client cannot copy predefined metrics")


def _problem(index: int, fields: Fields, name: str, message: str) -> Problem:
    return Problem(message, name, index, str(fields["name"]))
