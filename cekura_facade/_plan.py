"""Compares a list of metrics with those of an agent or project, and finds the changes that make them equal.

Metrics are matched by name. Only the fields that the list sets are compared. This module only reads.
"""

from __future__ import annotations

import importlib.util
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal, get_args, get_origin

from attrs import field, frozen
from cekura_api import models
from cekura_api.api.agents import get_agent
from cekura_api.api.metrics import list_metrics
from cekura_api.model import Field, Model, check, fields_of as fields_of_model, shown
from cekura_api.models import Metric, MetricCreate

from . import _matching as matching
from ._errors import InvalidRequestError, Problem
from ._http import HTTP, ask, checked
from ._matching import CODE, Fields, agents_of, comparable, fields_of, id_of, is_cut, scope_of, score_type
from ._save_state import EVERYTHING, Wanted
from ._saving import claim_unlisted, find, read, settled_at

_Found = dict[int, Metric]  # by the position of the wanted metric
_UPDATE: type[Model] = getattr(models, "MetricUpdate", MetricCreate)  # An older specification may lack it.


@frozen
class MetricChange:
    """A metric, and the changes to its fields.

    Attributes:
        metric: The metric as it is in the service.
        before: The current values of the fields that change. A missing field is None.
        after: The new values of these fields. This is the body of the update.
    """

    metric: Metric
    before: dict[str, object]
    after: dict[str, object]


@frozen
class Plan:
    """The changes that make the metrics of an agent or project match a list.

    Attributes:
        agent_id: Id of the agent, or None.
        project_id: Id of the project, or None.
        create: Fields of the metrics to create, in the order given.
        copy: Codes of predefined metrics to copy into the project, in the order given.
        update: Metrics to update, in the order given.
        unchanged: Metrics that already match the list, in the order given.
        only_in_service: Metrics that the list does not contain, by id.
        deletable: The metrics of `only_in_service` that `apply(plan, prune=True)` deletes.
        wanted: The list that was passed.
    """

    agent_id: int | None
    project_id: int | None
    create: tuple[dict[str, object], ...] = ()
    copy: tuple[str, ...] = ()
    update: tuple[MetricChange, ...] = ()
    unchanged: tuple[Metric, ...] = ()
    only_in_service: tuple[Metric, ...] = ()
    deletable: tuple[Metric, ...] = ()
    wanted: tuple[dict[str, object], ...] = field(default=(), repr=False)

    @property
    def has_changes(self) -> bool:
        """Whether the plan creates, copies or updates a metric."""
        return bool(self.create or self.copy or self.update)


@frozen
class Applied:
    """What `apply` did.

    Attributes:
        created: Metrics that were created, and predefined ones that were copied into the project.
        updated: Metrics that were updated.
        deleted: Metrics that were deleted.
        unchanged: Metrics that already matched the list.
    """

    created: list[Metric] = field(factory=list)
    updated: list[Metric] = field(factory=list)
    deleted: list[Metric] = field(factory=list)
    unchanged: list[Metric] = field(factory=list)


@frozen
class Scope:
    """The agent or project that the compared metrics belong to.

    The metrics of an agent include those of its project that are not assigned to any agent, because the published
    sources do not agree on where the service stores a metric that is created for an agent.
    """

    agent: int | None
    project: int | None
    assistant_id: object = None

    @property
    def fields(self) -> dict[str, object]:
        """The fields that assign a new metric to the scope."""
        return {"agents": [self.agent]} if self.agent else {"project": self.project}

    def owns(self, metric: Metric) -> bool:
        """Whether a metric belongs to the scope alone, and is not predefined. Only such a metric may be deleted."""
        saved = fields_of(metric)
        is_own = agents_of(saved) == {self.agent} if self.agent else id_of(saved.get("project")) == self.project
        return is_own and not saved.get(CODE)

    def placed(self, wanted: Fields) -> dict[str, object]:
        """The fields that are sent to create a metric."""
        replaced = ("agent", "agents", "assistant_id") if self.agent else ()
        return {name: value for name, value in wanted.items() if name not in replaced} | self.fields


async def find_scope(http: HTTP, agent_id: int | None, project_id: int | None) -> Scope:
    """Read the agent, if there is one, to find its project."""
    if (agent_id is None) == (project_id is None):
        raise InvalidRequestError("Pass either agent_id or project_id.")
    if agent_id is None:
        checked(list_metrics.build_request, project_id=project_id or 0)
        return Scope(None, project_id)
    agent = await ask(http, get_agent, agent_id)
    return Scope(agent_id, id_of(agent.project), matching.assistant_of(agent))


async def _find(http: HTTP, scope: Scope, wanted: Sequence[Fields]) -> tuple[list[Metric], _Found, _Found]:
    """List the metrics of a scope, by id.

    Returns all of them, the best match for each position of `wanted`, and the second best match for each position.
    """
    # The last metric does not exist, so the search lists everything.
    search = Wanted([*map(scope.placed, wanted), {"name": "", **scope.fields}])
    search.compared = [{"name": each["name"], CODE: each.get(CODE), **scope.fields} for each in search.fields]
    search.names[-1] = EVERYTHING
    search.scopes = [scope_of(scope.fields).in_project(scope.project)] * len(search.fields)
    await find(http, search, search.missing, settled_at(http, search))
    await claim_unlisted(http, search)
    every = search.kept | search.details | {metric.id: metric for metric in search.saved.values()}
    metrics = (metric for _, metric in sorted(every.items()))
    existing = [each for each in metrics if matching.may_be_in_scope(scope_of(fields_of(each)), search.scopes[-1])]
    found, search.saved = search.saved, {}
    search.claim(_without(existing, found.values()), range(len(wanted)))
    return existing, found, search.saved


def _without(metrics: Iterable[Metric], others: Iterable[Metric]) -> list[Metric]:
    ids = {metric.id for metric in others}
    return [metric for metric in metrics if metric.id not in ids]


async def compare(
    http: HTTP, agent_id: int | None, project_id: int | None, fields: Sequence[dict[str, object]]
) -> Plan:
    """Compare a list of metrics with those of an agent or project."""
    scope = await find_scope(http, agent_id, project_id)
    wanted = [_settable(each) for each in fields]
    # Predefined metrics come last, because their names only help to list them.
    order = sorted(range(len(wanted)), key=lambda i: CODE in wanted[i])
    existing, *matches = await _find(http, scope, [wanted[i] for i in order])
    found, rivals = ({order[i]: each for i, each in some.items() if CODE not in wanted[order[i]]} for some in matches)
    copies = {str(code): metric for metric in reversed(existing) if (code := fields_of(metric).get(CODE))}
    found |= {i: copies[str(each[CODE])] for i, each in enumerate(wanted) if str(each.get(CODE)) in copies}
    _raise_if_invalid(scope, wanted, existing, found, rivals)
    changes = [await _compare(http, scope, found[i], wanted[i]) for i in sorted(found)]
    missing = [each for i, each in enumerate(wanted) if i not in found]
    others = tuple(_without(existing, found.values()))
    return Plan(
        agent_id=agent_id,
        project_id=project_id,
        create=tuple(scope.placed(each) for each in missing if CODE not in each),
        copy=tuple(str(each[CODE]) for each in missing if CODE in each),
        update=tuple(change for change in changes if change.after),
        unchanged=tuple(change.metric for change in changes if not change.after),
        only_in_service=others,
        deletable=tuple(filter(scope.owns, others)) if wanted else (),
        wanted=tuple(fields),
    )


async def export(
    http: HTTP, agent_id: int | None, project_id: int | None, *, with_agents: bool
) -> list[dict[str, object]]:
    """The metrics of an agent or project, as a list that `compare` takes."""
    left_out = {*matching.SCOPE, "configuration"} - ({"agents", "configuration"} if with_agents else set())
    names = [name for name in _known(_UPDATE) if name not in left_out]
    exported: list[dict[str, object]] = []
    for metric in (await compare(http, agent_id, project_id, [])).only_in_service:
        saved = metric.to_dict()
        if not saved.get(CODE) and not saved.keys() >= set(names):
            saved = (await read(http, metric.id)).to_dict()
        kept = ["name", CODE] if saved.get(CODE) else names
        exported.append({name: saved[name] for name in kept if saved.get(name) not in matching.NOTHING})
    return exported


async def _compare(http: HTTP, scope: Scope, metric: Metric, wanted: Fields) -> MetricChange:
    """Compare the fields that a wanted metric sets with those of the metric that it matches."""
    left_out = {*matching.SCOPE, *(_known(MetricCreate).keys() - _known(_UPDATE).keys())}
    compared = {name: value for name, value in wanted.items() if name not in left_out and CODE not in wanted}
    if not scope.agent and {"agent", "agents"} & wanted.keys() and CODE not in wanted:
        compared["agents"] = sorted(agents_of(wanted))
    after = _changes(metric.to_dict(), compared)
    if after or not compared.keys() <= metric.to_dict().keys():  # The list may lack fields or be outdated.
        metric = await read(http, metric.id)
        after = _changes(metric.to_dict(), compared)
    return MetricChange(metric, {name: metric.to_dict().get(name) for name in after}, after)


def _changes(saved: Fields, wanted: Fields) -> dict[str, object]:
    """The wanted fields that are not saved. A field that this specification lacks counts if the service returns it."""
    compared = {name: wanted[name] for name in wanted if name in {*saved, *_known(_UPDATE)}}
    if "configuration" in compared:  # The service may replace it, or merge it with the old one.
        compared["configuration"] = _merged(saved.get("configuration"), compared["configuration"])
    return {name: value for name, value in compared.items() if not _is_same(name, saved.get(name), value)}


def _merged(saved: object, wanted: object) -> object:
    if not isinstance(saved, Mapping) or not isinstance(wanted, Mapping):
        return wanted
    return {**saved, **{name: _merged(saved.get(name), value) for name, value in wanted.items()}}


def _is_same(name: str, saved: object, wanted: object) -> bool:
    if name == "agents":
        return agents_of({name: saved}) == agents_of({name: wanted})
    if name.endswith("custom_code") and matching.gaps(saved) != matching.gaps(wanted):
        return False
    if name == "eval_type":
        return score_type(saved) == score_type(wanted)
    return matching.is_saved_as(saved, wanted) or (name == "name" and is_cut(str(saved), str(wanted)))


def _known(*kinds: type[Model]) -> dict[str, Field]:
    return {each.key: each for kind in kinds for each in fields_of_model[kind]}


def _settable(fields: Fields) -> dict[str, object]:
    """The fields that are compared. Nulls, and fields that only the service sets, are left out."""
    ignored = _known(Metric).keys() - _known(MetricCreate, _UPDATE).keys() - ({CODE} if fields.get(CODE) else set())
    return {name: value for name, value in fields.items() if name not in ignored and value is not None}


def _raise_if_invalid(
    scope: Scope, wanted: Sequence[Fields], existing: Sequence[Metric], found: _Found, rivals: _Found
) -> None:
    """Raise InvalidRequestError if a list of metrics is not valid, with all of its problems."""
    problems = []
    first: dict[object, int] = {}
    for i, each in enumerate(wanted):
        code, name = each.get(CODE), str(each["name"])
        before = first.setdefault((str(code), code is None and comparable(name[: matching.LONGEST_NAME])), i)
        messages = [] if code else [*_invalid(scope, each, existing)]
        if code and not isinstance(code, str):
            messages.append((CODE, f"{shown(code)}: expected a string"))
        if before != i:
            messages.append(("name", f"metric {before} has the same one. Remove or rename one of them"))
        if i in rivals and _rank(scope, name, rivals[i]) == _rank(scope, name, found[i]):
            ids = f"{found[i].id}, {rivals[i].id}"
            messages.append(("name", f"several saved metrics have it (id {ids}). Rename or delete all but one"))
        if code and i not in found and not importlib.util.find_spec("cekura_api.api.metrics.copy_predefined_metrics"):
            messages.append((CODE, "no saved metric has it, and this client cannot copy predefined metrics"))
        problems += [Problem(message, field_name, i, name) for field_name, message in messages]
    if problems:
        error = InvalidRequestError(
            f"The list of metrics is not valid: {'; '.join(map(str, problems[:5]))}. Nothing was changed."
        )
        error.problems = tuple(problems)
        raise error


def _rank(scope: Scope, name: str, metric: Metric) -> tuple[bool, bool]:
    """How well a metric with a comparable name matches: whether its name and its agents match exactly."""
    return metric.name == name, agents_of(fields_of(metric)) == agents_of(scope.fields)


def _invalid(scope: Scope, wanted: Fields, existing: Sequence[Metric]) -> Iterator[tuple[str, str]]:
    """The fields of a metric that name another scope, or that the specification does not allow, with the reason."""
    project = id_of(wanted.get("project"))
    named = (("agents", scope.agent, agents_of(wanted)), ("project", scope.project, {project} if project else set()))
    for name, own, others in named:
        if own and others and own not in others:
            yield name, f"it belongs to {', '.join(map(str, sorted(others)))}, not {own}. Remove the field"
    if scope.assistant_id and wanted.get("assistant_id") not in (None, scope.assistant_id):
        yield "assistant_id", f"it belongs to {wanted['assistant_id']!r}, not {scope.assistant_id!r}. Remove the field"
    known = _known(MetricCreate, _UPDATE)
    for name in filter(known.__contains__, wanted):
        kind, value = known[name].kind, score_type(wanted[name])
        listed = [value for each in get_args(kind) if get_origin(each) is Literal for value in get_args(each)]
        try:
            check(name, wanted[name], kind)
        except ValueError as error:
            yield name, str(error).removeprefix(f"{name}=").rstrip(".")
        # A value that the service returns is valid, although this specification may lack it.
        accepted = itertools.chain(map(score_type, listed), (metric.to_dict().get(name) for metric in existing))
        if listed and value and isinstance(value, str) and value not in accepted:
            yield name, f"{shown(value)}: expected one of {', '.join(listed)}"
