"""The metrics that a call saves, and what is known about each of them."""

from __future__ import annotations

import functools
import itertools
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from cekura_api.api.metrics import create_metrics_in_bulk
from cekura_api.models import Metric

from . import _matching as matching
from ._errors import APIError, BulkCreateUncertainError, CekuraError
from ._failures import may_be_processed

EVERYTHING = "\0"  # a name that no metric has, which selects all metrics
_NAMES_LENGTH = 1500  # maximum length of all names in one URL, in characters
Query = dict[str, str | int]
"""Query parameters of the list of metrics."""


# The ways to match metrics, the closest one first: exact or comparable text, and the same or a possible scope.
_TEXTS: tuple[Callable[[matching.Fields, matching.Fields], bool], ...] = (matching.is_same_text, lambda *_: True)
PASSES = tuple(itertools.product(_TEXTS, (matching.is_same_scope, matching.may_be_in_scope)))


class Wanted:
    """The metrics to save, and what is known about each of them, by its position in the order given."""

    def __init__(self, fields: Sequence[dict[str, object]]) -> None:
        self.fields = fields
        # The fields to compare. An assistant_id is replaced with the agent that has it, once that is known.
        self.compared: list[matching.Fields] = [{"description": "", **each} for each in fields]
        self.scopes = [matching.scope_of(each) for each in fields]
        self.sent_names = [str(each["name"]) for each in fields]
        self.spellings = [matching.spellings(name) for name in self.sent_names]
        self.names = [matching.comparable(name) for name in self.sent_names]
        self.descriptions = [matching.comparable(each.get("description")) for each in fields]
        score_types = [str(matching.score_type(each.get("eval_type"))) for each in fields]
        # The values that identify a metric in other calls.
        self.keys = list(zip(self.names, self.descriptions, score_types, self.scopes, strict=True))
        self.too_long = [i for i, name in enumerate(self.sent_names) if matching.is_too_long(name)]
        self.saved: dict[int, Metric] = {}
        self.failed: dict[int, APIError] = {}  # why it is not yet saved
        self.refused: set[int] = set()
        self.listed: set[int] = set()  # ids of all metrics that lists have shown
        self.kept: dict[int, Metric] = {}  # the listed metrics that are needed later, by id
        self.listed_before: set[int] = set()  # ids of metrics that existed before
        self.details: dict[int, Metric] = {}  # metrics that were read one by one, by id
        self.filters_work = True
        self.settled_at = 0.0  # when lists should show the metrics sent last

    def request(self, positions: Sequence[int]) -> dict[str, Any]:
        """The request that creates these metrics."""
        request = create_metrics_in_bulk.build_request(body=[])
        request["json"] = [self.fields[i] for i in positions]  # Sent exactly as given.
        return request

    def in_order(self) -> list[Metric]:
        """The metrics that are saved, in the order given."""
        return [self.saved[i] for i in sorted(self.saved)]

    def missing(self) -> list[int]:
        """Positions that are neither saved nor refused."""
        return sorted({*range(len(self.fields))} - self.saved.keys() - self.refused)

    def unclear(self) -> list[int]:
        """Positions whose metric may be saved, although no list has shown it."""
        return [i for i in self.missing() if i in self.failed and may_be_processed(self.failed[i])]

    def add_listed(self, found: Sequence[Metric]) -> None:
        """Add metrics that a list has shown. Those from before a save are not kept, because they may be many."""
        self.listed.update(metric.id for metric in found)
        if self.settled_at or EVERYTHING in self.names:
            self.kept.update((metric.id, metric) for metric in found)

    def unseen(self, positions: Iterable[int]) -> list[int]:
        """The positions whose metrics have not appeared in a list."""
        return [i for i in positions if i not in self.saved or self.saved[i].id not in self.listed]

    def claim(self, found: Iterable[Metric], positions: Iterable[int]) -> list[Metric]:
        """Match found metrics with wanted ones, which are then saved. Returns the found metrics that do not match."""
        taken = {metric.id for metric in self.saved.values()}
        left = {metric.id: self.details.get(metric.id, metric) for metric in found if metric.id not in taken}
        among, candidates = set(positions), []
        for metric in left.values() if among else ():
            if named := self._named(metric, among):
                saved = matching.fields_of(metric)
                candidates.append((metric, saved, matching.scope_of(saved), named))
        for is_text, in_scope in PASSES:
            for metric, saved, scope, named in candidates:
                for i in named if metric.id in left else ():
                    is_free = i not in self.saved and self._is_same(i, saved)
                    if is_free and is_text(saved, self.compared[i]) and in_scope(scope, self.scopes[i]):
                        self.saved[i] = left.pop(metric.id)
                        break
        return list(left.values())

    def left_out(self, found: Iterable[Metric]) -> list[int]:
        """Ids of the metrics that have to be read one by one before they can be compared."""
        missing = set(self.missing())
        everything = missing.intersection(self._by_name.get(EVERYTHING, ()))
        numbers = []
        for metric in found if missing else ():
            candidates = [*self._named(metric, missing), *everything] if metric.name else missing
            if candidates and metric.id not in self.details:
                saved = matching.fields_of(metric)
                if any(matching.leaves_out(saved, self.compared[i]) for i in candidates):
                    numbers.append(metric.id)
        return numbers

    def lookalikes(self, own: set[int]) -> list[int]:
        """Ids of new metrics that are not ours, but may be missing ones that look different."""
        wanted = [self.scopes[i].agents for i in self.unclear()]
        known = own | self.listed_before | {metric.id for metric in self.saved.values()}
        lookalikes = []
        for number in self.kept.keys() - known:
            agents = matching.agents_of(matching.fields_of(self.kept[number]))
            # Metrics of other agents are excluded. If a metric does not name an agent, any new one may be it.
            if not agents or any(not each or each & agents for each in wanted):
                lookalikes.append(number)
        return sorted(lookalikes)

    def is_list_unreliable(self) -> bool:
        """Whether lists may be a fixed page: they show metrics, but filters do not work and nothing new appears."""
        return not self.filters_work and self.listed <= self.listed_before

    def queries(self, positions: Sequence[int]) -> Iterator[Query]:
        """The arguments of the list_metrics calls that find these metrics.

        They include an agent and its project, because sources disagree on what agent_id selects. Lists by name come
        first. They are short, and find metrics that a longer list may cut off. The agent is also listed by `agents`.
        """
        queries: dict[tuple[tuple[str, str | int], ...], list[int]] = {}
        for i in positions:
            queries.setdefault(_query(self.scopes[i]), []).append(i)
        for query, some in queries.items():
            for names in _in_urls(itertools.chain.from_iterable(self.spellings[i] for i in some)):
                conditions = [{"field": "name", "op": "in", "value": names}]
                yield {**dict(query), "filters": json.dumps({"operator": "and", "conditions": conditions})}
            if query:
                yield dict(query)
        for agents in dict.fromkeys(dict(query).get("agent_id") for query in queries):
            if agents is not None:
                yield {"agents": str(agents)}

    def uncertain(self, why: CekuraError, lookalikes: Sequence[int] = ()) -> BulkCreateUncertainError:
        unconfirmed = [self.fields[i] for i in self.unclear()]
        names = _some(repr(fields["name"]) for fields in unconfirmed)
        advice = "Save all of them again later. Metrics that exist by then are not saved twice."
        if lookalikes:
            advice = (
                f"Meanwhile, new metrics appeared that look different (id {_some(map(str, lookalikes))}). Check "
                "whether they are the missing ones. If they are not, save all of them again."
            )
        return BulkCreateUncertainError(
            f"{len(unconfirmed)} of {len(self.fields)} metrics may or may not be saved ({names}): {why} Nothing "
            f"more was sent. {advice}",
            created=self.in_order(),
            unconfirmed=unconfirmed,
        )

    @functools.cached_property
    def _by_name(self) -> dict[str, list[int]]:
        by_name: dict[str, list[int]] = {}
        for i, name in enumerate(self.names):
            by_name.setdefault(name, []).append(i)
        return by_name

    def _named(self, saved: Metric, among: set[int]) -> list[int]:
        """Those of some positions that have the name of a saved metric."""
        named = self._by_name.get(matching.comparable(saved.name), [])
        cut = [i for i in self.too_long if matching.is_cut(saved.name, self.sent_names[i])]
        return [i for i in (*named, *cut) if i in among]

    def _is_same(self, position: int, saved: matching.Fields) -> bool:
        """Whether a saved metric of the same name is this one, in any scope. Missing fields are not differences."""
        wanted, found = self.compared[position].get("eval_type"), saved.get("eval_type")
        if wanted and found and isinstance(found, str) and matching.score_type(wanted) != matching.score_type(found):
            return False
        if saved.get(matching.CODE) and saved[matching.CODE] != self.compared[position].get(matching.CODE):
            return False
        description = saved.get("description")
        if not isinstance(description, str) or self.compared[position].get("description", description) == description:
            return True
        return matching.comparable(description) == self.descriptions[position]


def _in_urls(names: Iterable[str]) -> Iterator[list[str]]:
    """The distinct names, in groups that fit in a URL."""
    some: list[str] = []
    length = 0
    for name in dict.fromkeys(names):
        size = len(json.dumps(name))
        if some and length + size > _NAMES_LENGTH:
            yield some
            some, length = [], 0
        some.append(name)
        length += size
    if some:
        yield some


def _query(scope: matching.MetricScope) -> tuple[tuple[str, str | int], ...]:
    """The items of the Query that lists the metrics of a scope."""
    agent, assistant_id = min(scope.agents, default=0), "" if scope.agents else scope.assistant_id
    query: Query = {"agent_id": agent, "assistant_id": assistant_id, "project_id": scope.project or 0}
    return tuple((name, value) for name, value in query.items() if value)


def _some(names: Iterable[str]) -> str:
    """The first five names, for a message."""
    first = list(itertools.islice(names, 6))
    return ", ".join(first[:5]) + ("…" if len(first) > 5 else "")
