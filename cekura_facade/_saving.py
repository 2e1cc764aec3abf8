"""Saving each metric exactly once: list what exists before anything is sent, and again after whatever failed.

The service has no idempotency key, and to a caller a lost response looks like a lost request. The published sources
disagree on where a metric ends up and on what the list shows, so nothing here relies on one of them.
"""

from __future__ import annotations

import itertools
import json
import logging
from collections.abc import Iterable, Iterator, Sequence
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import httpx
from cekura_api.models import Metric

from ._agents import Pages, is_agent
from ._checks import MAX_METRICS, is_int
from ._errors import (
    APIConnectionError,
    APIError,
    BadRequestError,
    BulkCreateUncertainError,
    CekuraError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    UnexpectedResponseError,
)
from ._exchange import MAX_PAUSE, call, growing
from ._identity import (
    Fields,
    agents_of,
    comparable,
    fields_of,
    id_of,
    is_cut,
    is_same_scope,
    is_same_text,
    is_too_long,
    leaves_out,
    may_be_in_scope,
    score_type,
    spellings,
)
from ._responses import is_redirect, may_be_carried_out
from ._steps import Steps

if TYPE_CHECKING:
    from ._http import HTTP

LIST = "metrics.list_metrics"
METRICS = "an array of metrics, each with an id"
METRIC = "a metric with an id"
_NAMES_LENGTH = 1500  # of the names in one URL, in characters
_LOG = logging.getLogger("cekura_facade")
Query = dict[str, Any]  # arguments of list_metrics


class _Wanted:
    """The metrics to save, and what is known of each so far, by its position in the order given."""

    def __init__(self, fields: Sequence[dict[str, Any]]) -> None:
        self.fields = fields
        # As they are compared: a metric for an assistant_id is one for the agent that has it, once that is known.
        self.compared: list[Fields] = list(fields)
        self.projects: dict[int, int | None] = {}  # by agent id
        self.names = [comparable(each.get("name")) for each in fields]
        self.descriptions = [comparable(each.get("description")) for each in fields]
        self.too_long = [i for i, each in enumerate(fields) if is_too_long(each["name"])]
        self.saved: dict[int, Metric] = {}
        self.failed: dict[int, APIError] = {}  # why it is not saved yet
        self.refused: set[int] = set()
        self.listed: dict[int, Metric] = {}  # all that the lists have shown so far, by id
        self.existing: set[int] = set()  # ids of what they had shown before anything was sent
        self.details: dict[int, Metric] = {}  # what was read one by one, by id
        self.filters_work = True
        self.settled_at = 0.0  # when what was sent last is no longer expected to show up

    def key(self, position: int) -> tuple[object, ...]:
        """What must be equal for a metric of another call to be this one."""
        fields = self.fields[position]
        scope = (frozenset(agents_of(fields)), str(fields.get("project")), str(fields.get("assistant_id")))
        return self.names[position], self.descriptions[position], str(score_type(fields.get("eval_type"))), scope

    def project(self, position: int) -> int | None:
        """Id of the project that a metric belongs to, if it is known."""
        fields = self.compared[position]
        projects = [id_of(fields.get("project")), *map(self.projects.get, sorted(agents_of(fields)))]
        return next(filter(is_int, projects), None)

    def created(self) -> list[Metric]:
        return [self.saved[i] for i in sorted(self.saved)]

    def missing(self) -> list[int]:
        return [i for i in range(len(self.fields)) if i not in self.saved and i not in self.refused]

    def unclear(self) -> list[int]:
        return [i for i in self.missing() if i in self.failed and may_be_carried_out(self.failed[i])]

    def unseen(self, positions: Iterable[int]) -> list[int]:
        """Those of the positions whose metric no list has shown so far."""
        return [i for i in positions if i not in self.saved or self.saved[i].id not in self.listed]

    def claim(self, found: Iterable[Metric], positions: Iterable[int]) -> list[Metric]:
        """Assign each metric that is found to one that is wanted. Returns those that are none of them.

        One with exactly the same text and agents comes first, then one that may stand for them.
        """
        taken = {metric.id for metric in self.saved.values()}
        left = {metric.id: self.details.get(metric.id or 0, metric) for metric in found if metric.id not in taken}
        for is_text, in_scope in itertools.product((is_same_text, None), (is_same_scope, may_be_in_scope)):
            by_name = self._by_name(positions)
            for number, metric in list(left.items()):
                saved = fields_of(metric)
                for i in self._named(saved, by_name):
                    wanted = self.compared[i]
                    is_same = self._is_same(i, saved) and (is_text is None or is_text(saved, wanted))
                    if is_same and in_scope(saved, wanted, self.project(i)):
                        self.saved[i] = left.pop(number)
                        break
        return list(left.values())

    def left_out(self, found: Iterable[Metric]) -> list[int]:
        """Ids of the metrics that have to be read one by one before they can be compared."""
        by_name = self._by_name(self.missing())
        every = [i for positions in by_name.values() for i in positions]
        numbers = []
        for metric in found:
            saved = fields_of(metric)
            candidates = self._named(saved, by_name) if saved.get("name") else every
            if metric.id not in self.details and any(leaves_out(saved, self.compared[i]) for i in candidates):
                numbers.append(metric.id or 0)
        return numbers

    def strangers(self, own: set[int]) -> list[int]:
        """Ids of what has appeared since, is not ours, and may be what is missing although it looks different."""
        known = own | self.existing | {metric.id for metric in self.saved.values()}
        wanted = [agents_of(self.compared[i]) for i in self.unclear()]
        strangers = []
        for number in self.listed.keys() - known:
            agents = agents_of(fields_of(self.listed[number]))
            # What is for other agents is not missing. Where a metric is not for an agent, that cannot be told.
            if not agents or any(not each or each & agents for each in wanted):
                strangers.append(number)
        return sorted(strangers) if wanted else []

    def is_blind(self) -> bool:
        """Whether the lists may be pages that do not change: something is listed, but not what was asked for."""
        return not self.filters_work and self.listed.keys() <= self.existing

    def queries(self, positions: Sequence[int]) -> Iterator[Query]:
        """What to list to see these metrics, as arguments of list_metrics.

        Both an agent and its project are listed, whatever the service takes an agent_id to mean; by name first, which
        is short and shows what a list without a name may be too long for; and the agent in a second way.
        """
        scopes: dict[tuple[tuple[str, Any], ...], list[int]] = {}
        for i in positions:
            scopes.setdefault(tuple(self._scope(i).items()), []).append(i)
        for scope, some in scopes.items():
            for names in _in_urls(itertools.chain.from_iterable(spellings(self.fields[i]["name"]) for i in some)):
                conditions = [{"field": "name", "op": "in", "value": names}]
                yield {**dict(scope), "filters": json.dumps({"operator": "and", "conditions": conditions})}
            if scope:
                yield dict(scope)
        for agents in dict.fromkeys(dict(scope).get("agent_id") for scope in scopes):
            if agents is not None:
                yield {"agents": str(agents)}

    def uncertain(self, why: APIError, strangers: Sequence[int] = ()) -> BulkCreateUncertainError:
        unconfirmed = [self.fields[i] for i in self.unclear()]
        names = ", ".join(repr(fields["name"]) for fields in unconfirmed[:5]) + ("…" if len(unconfirmed) > 5 else "")
        advice = "Save all of them again later: what exists by then is not saved twice."
        if strangers:
            ids = ", ".join(map(str, strangers[:5])) + ("…" if len(strangers) > 5 else "")
            advice = (
                f"New metrics appeared meanwhile that look different (id {ids}). Check whether they are the missing "
                "ones, and if they are not, save all of them again."
            )
        return BulkCreateUncertainError(
            f"{len(unconfirmed)} of {len(self.fields)} metrics may or may not be saved ({names}): {why} Nothing "
            f"more was sent. {advice}",
            created=self.created(),
            unconfirmed=unconfirmed,
        )

    def _scope(self, position: int) -> Query:
        fields, project = self.compared[position], self.project(position)
        agents, assistant_id = agents_of(fields), fields.get("assistant_id")
        scope: Query = {"agent_id": min(agents)} if agents else {}
        if _is_for_assistant(fields):
            scope["assistant_id"] = assistant_id
        if project is not None:
            scope["project_id"] = project
        return scope

    def _by_name(self, positions: Iterable[int]) -> dict[str, list[int]]:
        by_name: dict[str, list[int]] = {}
        for i in positions:
            if i not in self.saved:
                by_name.setdefault(self.names[i], []).append(i)
        return by_name

    def _named(self, saved: Fields, by_name: dict[str, list[int]]) -> list[int]:
        """The positions, of those that are not saved, whose name a saved metric has."""
        name = saved.get("name")
        positions = by_name.get(comparable(name), [])
        if not positions and self.too_long and isinstance(name, str):
            every = [i for some in by_name.values() for i in some]
            positions = [i for i in every if i in self.too_long and is_cut(name, self.fields[i]["name"])]
        return [i for i in positions if i not in self.saved]

    def _is_same(self, position: int, saved: Fields) -> bool:
        """Whether a saved metric of the same name is this one, wherever it is. What it leaves out cannot differ."""
        wanted, found = self.compared[position].get("eval_type"), saved.get("eval_type")
        if wanted and found and isinstance(found, str) and score_type(wanted) != score_type(found):
            return False
        description = saved.get("description")
        return not isinstance(description, str) or comparable(description) == self.descriptions[position]


def create_in_bulk(http: HTTP, fields: Sequence[dict[str, Any]]) -> Steps[list[Metric]]:
    """Step 3: save metrics. Returns them as saved, in the order given."""
    wanted = _Wanted(fields)
    try:
        yield from _locate(http, wanted)
        yield from _look(http, wanted, max(http.unsettled.get(wanted.key(i), 0.0) for i in wanted.missing()))
        yield from _claim_hidden(http, wanted)
        wanted.existing = set(wanted.listed)
        try:
            yield from _send(http, wanted)
        except BaseException as error:
            if isinstance(error, Exception):
                yield from _confirm(http, wanted)
            else:
                _remember_unsettled(http, wanted)
            raise
        yield from _confirm(http, wanted)
    except CekuraError as error:
        error.created = error.created or wanted.created()
        raise
    finally:
        wanted.failed.clear()  # Their tracebacks hold this frame.
    return wanted.created()


def _locate(http: HTTP, wanted: _Wanted) -> Steps[None]:
    """Find out which agents and projects the metrics are for."""
    unreadable = (NotFoundError, PermissionDeniedError, UnexpectedResponseError)
    by_assistant = {i: each["assistant_id"] for i, each in enumerate(wanted.fields) if _is_for_assistant(each)}
    try:
        pages = Pages(http, None, None, None)
        while by_assistant.keys() and pages.more:
            for agent in (yield from pages.next()):
                for i in [i for i, assistant_id in by_assistant.items() if assistant_id == agent.assistant_id]:
                    del by_assistant[i]
                    wanted.compared[i] = {**wanted.fields[i], "agents": [agent.id]}
                    wanted.projects[agent.id or 0] = agent.project or None
    except unreadable as error:
        _LOG.warning("The agents cannot be listed, so metrics are listed by assistant_id alone. %s", error)
    for agent_id in sorted({min(agents) for each in wanted.fields if (agents := agents_of(each))}):
        try:
            agent = yield from call(http, "agents.get_agent", {"id": agent_id}, is_agent, "an agent with an id")
            wanted.projects[agent_id] = agent.project or None
        except unreadable as error:
            _LOG.warning("Agent %d cannot be read, so metrics are listed by agent_id alone. %s", agent_id, error)


def _in_urls(names: Iterable[str]) -> Iterator[list[str]]:
    """Names without repetition, as many at a time as fit into a URL."""
    some: dict[str, None] = {}
    length = 0
    for name in names:
        if name not in some:
            if some and length + len(json.dumps(name)) > _NAMES_LENGTH:
                yield list(some)
                some, length = {}, 0
            some[name] = None
            length += len(json.dumps(name))
    if some:
        yield list(some)


def _is_for_assistant(fields: Fields) -> bool:
    assistant_id = fields.get("assistant_id")
    return isinstance(assistant_id, str) and assistant_id != "" and not agents_of(fields)


def _send(http: HTTP, wanted: _Wanted) -> Steps[None]:
    """Send what is missing, and after a look send again what is missing still and may be sent again."""
    size, delays = MAX_METRICS, growing(0.5, 8.0, jitter=True)
    for retries in itertools.count():
        sent = wanted.missing()
        for start in range(0, len(sent), size):
            yield from _send_chunk(http, wanted, sent[start : start + size])
        unclear = wanted.unclear()
        try:
            yield from _look(http, wanted, wanted.settled_at if unclear else 0.0)
        except APIError as error:
            if unclear:
                raise wanted.uncertain(error) from error
        unclear = wanted.unclear()
        strangers = wanted.strangers(http.created)
        redirected = any(is_redirect(wanted.failed[i]) for i in unclear)
        if strangers or redirected or http.list_is_partial or wanted.is_blind():
            for i in unclear:  # That it is not listed does not show that it is not saved.
                raise wanted.uncertain(wanted.failed[i], strangers) from wanted.failed[i]
        size = min(size, len(sent))
        errors = {i: wanted.failed[i] for i in wanted.missing()}
        wanted.refused |= {i for i, error in errors.items() if not _may_be_sent_again(error, size)}
        pauses = [next(delays), *(getattr(each, "retry_after", 0.0) for each in errors.values())]
        pause = max(each or 0.0 for each in pauses)
        over = retries >= http.settings.max_retries or pause > MAX_PAUSE
        if not wanted.missing() or over or not http.budget.take():
            break
        size = max(1, size // 2) if any(map(_is_too_large, errors.values())) else size
        yield pause
    for i in wanted.unclear():
        raise wanted.uncertain(wanted.failed[i]) from wanted.failed[i]
    for i in sorted(wanted.failed.keys() - wanted.saved.keys()):
        raise wanted.failed[i]


def _send_chunk(http: HTTP, wanted: _Wanted, positions: Sequence[int]) -> Steps[None]:
    """Send some of them once. If that fails, keep the reason, for the others can be saved all the same."""
    taken = {metric.id for metric in wanted.saved.values()}
    wanted.settled_at = http.clock.now() + http.settings.settle_timeout
    try:
        created: list[Metric] = yield from call(
            http,
            "metrics.create_metrics_in_bulk",
            {"body": [SimpleNamespace(to_dict=wanted.fields[i].copy) for i in positions]},  # sent as they are
            lambda result: are_metrics(result) and len({m.id for m in result} - taken) == len(result) == len(positions),
            f"an array of {len(positions)} saved metrics, each with an id of its own",
            retries=0,
            subjects=[(i, wanted.fields[i]["name"]) for i in positions],
        )
    except APIError as error:
        wanted.failed.update(dict.fromkeys(positions, error))
        wanted.settled_at = http.clock.now() + http.settings.settle_timeout
    else:
        # In the order sent, where it does not show by itself what is what.
        left = wanted.claim(created, positions)
        wanted.saved.update(zip((i for i in positions if i not in wanted.saved), left, strict=True))
        for i in positions:
            metric = wanted.saved[i]
            http.created.add(metric.id or 0)
            http.hidden.setdefault(wanted.key(i), {})[metric.id or 0] = metric


def _look(http: HTTP, wanted: _Wanted, until: float) -> Steps[None]:
    """List which of the missing exist, until all do, or a list at that time has shown that they do not."""
    pauses = growing(0.25, 2.0)
    while wanted.missing():
        last = http.clock.now() >= until
        try:
            yield from _list(http, wanted, wanted.missing())
        except APIError:
            if last:
                raise
        if last:
            return
        yield max(0.0, min(next(pauses), until - http.clock.now()))


def _list(http: HTTP, wanted: _Wanted, positions: Sequence[int], retries: int | None = None) -> Steps[None]:
    """List until these have been seen, and claim what is found."""
    asked = {comparable(each) for i in positions for each in spellings(wanted.fields[i]["name"])}
    queries = wanted.queries(positions)
    while positions and (query := next(queries, None)):
        try:
            # By name and not by argument: earlier specifications lack some of these parameters.
            parameters = httpx.QueryParams(query)
            found: list[Metric] = yield from call(
                http, LIST, {}, are_metrics, METRICS, retries=retries, query=parameters
            )
        except BadRequestError:
            if not query.keys() & {"filters", "agents"}:
                raise
            wanted.filters_work = wanted.filters_work and "filters" not in query
            continue
        if "filters" in query and any(comparable(fields_of(metric).get("name")) not in asked for metric in found):
            wanted.filters_work = False
        for number in wanted.left_out(found):
            try:
                wanted.details[number] = yield from call(
                    http, "metrics.get_metric", {"id": number}, is_metric, METRIC, retries=retries
                )
            except NotFoundError:  # It was deleted meanwhile.
                found = [metric for metric in found if metric.id != number]
        wanted.listed |= {metric.id or 0: metric for metric in found}
        wanted.claim(found, wanted.missing())
        unseen = wanted.unseen(positions)
        if len(unseen) < len(positions) and "filters" in query:
            queries = wanted.queries(unseen)  # A list that was cut short shows the others now.
        positions = unseen


def _claim_hidden(http: HTTP, wanted: _Wanted) -> Steps[None]:
    """Claim what this client has created and no list has shown so far, if it still exists."""
    for i in wanted.missing():
        for number, metric in list(http.hidden.get(wanted.key(i), {}).items()):
            if any(metric.id == each.id for each in wanted.saved.values()):
                continue
            try:
                yield from call(http, "metrics.get_metric", {"id": number}, is_metric, METRIC)
            except NotFoundError:
                _forget_hidden(http, wanted.key(i), number)
            else:
                wanted.saved[i] = metric
                break


def _confirm(http: HTTP, wanted: _Wanted) -> Steps[None]:
    """List until what was created shows, so that the next call sees it, in this process or another one."""
    until, pauses = http.clock.now() + http.settings.settle_timeout, growing(0.25, 2.0)
    created = [i for i in wanted.saved if wanted.saved[i].id in http.hidden.get(wanted.key(i), {})]
    while unseen := wanted.unseen(created):
        last = http.clock.now() >= until
        try:
            yield from _list(http, wanted, unseen, retries=0)
        except APIError as error:
            _LOG.debug("Metrics could not be listed: %s", error)
        if last:
            break
        yield max(0.0, min(next(pauses), until - http.clock.now()))
    for i in created:
        if i not in wanted.unseen(created):
            _forget_hidden(http, wanted.key(i), wanted.saved[i].id or 0)
    if unseen := wanted.unseen(created):
        http.list_is_partial = True
        _LOG.warning(
            "%d metrics were created, but the list of metrics does not show them after %g s. Until it does, another "
            "process that saves them creates them again.",
            len(unseen),
            http.settings.settle_timeout,
        )


def _forget_hidden(http: HTTP, key: object, number: int) -> None:
    hidden = http.hidden.get(key, {})
    hidden.pop(number, None)
    if not hidden:
        http.hidden.pop(key, None)


def _remember_unsettled(http: HTTP, wanted: _Wanted) -> None:
    """After an interruption, the service may still be processing what was sent when the call is repeated."""
    now = http.clock.now()
    later = {wanted.key(i): wanted.settled_at for i in wanted.missing()}
    http.unsettled = {key: until for key, until in (http.unsettled | later).items() if until > now}


def are_metrics(result: object) -> bool:
    """Whether it is a list of saved metrics."""
    return isinstance(result, list) and all(map(is_metric, result))


def is_metric(result: object) -> bool:
    """Whether it is a saved metric."""
    return isinstance(result, Metric) and is_int(result.id)


def _is_too_large(error: APIError) -> bool:
    return getattr(error, "status_code", None) == 413


def _may_be_sent_again(error: APIError, size: int) -> bool:
    again = isinstance(error, RateLimitError | APIConnectionError) or may_be_carried_out(error)
    return again or (_is_too_large(error) and size > 1)
