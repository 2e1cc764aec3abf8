"""The service, and the metrics that the checks create on it. All checks share these."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from attrs import define, field

from cekura_facade import BadRequestError
from cekura_facade._matching import is_int, spellings

from ._scratch import Scratch
from ._service import Fields, NotObserved, Service

LONGEST_NAME = 255
_OFTEN, _SELDOM = 0.5, 2.0  # seconds between two lists, before and after settle_timeout


@define
class Metric:
    """A metric that was created.

    Attributes:
        sent: Its fields as they were sent.
        saved: Its fields in the response.
    """

    sent: Fields
    saved: Fields

    @property
    def id(self) -> int:
        """Its id."""
        return int(self.saved["id"])


@define
class Subject:
    """The state that the checks share.

    Attributes:
        service: The service.
        scratch: The metrics that the checks create.
        agent: The agent that the metrics are created for.
        wait: How long to wait for new metrics to appear in a list, in seconds.
        bulk: The metrics of `create_in_bulk`, in the order sent: with texts that a service may change, plain, and of
            the agent's project. The last one is missing if the project is not known.
        created_at: Time of their creation, by the clock of the client.
        returned: Their ids, in the order of the response.
        long: The metric with a name that is too long. `None` if it was refused.
        refused: The metrics that were sent to be refused.
        lag: Seconds until a list contained all metrics of `bulk`. `None` if no list did in time.
    """

    service: Service
    scratch: Scratch
    agent: Fields
    wait: float
    bulk: list[Metric] = field(factory=list)
    created_at: float = 0.0
    returned: list[int] = field(factory=list)
    long: Metric | None = None
    refused: list[Fields] = field(factory=list)
    lag: float | None = None
    _details: dict[int, Fields] = field(factory=dict)

    @property
    def agent_id(self) -> int:
        """Id of the agent."""
        return int(self.agent["id"])

    @property
    def scope(self) -> dict[str, Any]:
        """The arguments for a list that the client uses: the agent, and its project if that is known."""
        return scope_of(self.agent)

    def probe(self) -> Metric:
        """The metric with texts that a service may change."""
        return self._created(0)

    def plain(self) -> Metric:
        """The metric that was sent with `agent` and has a plain text."""
        return self._created(1)

    def of_project(self) -> Metric:
        """The metric that was sent with `project`."""
        if "project_id" not in self.scope:
            raise NotObserved("The agent's project is not known.")
        return self._created(2)

    def detail(self, metric: Metric) -> Fields:
        """A metric as `GET metrics/{id}/` returns it."""
        if metric.id not in self._details:
            self._details[metric.id] = self.service.metric(metric.id)
        return self._details[metric.id]

    def every(self) -> list[Metric]:
        """All metrics that were created. Raises NotObserved if there are none."""
        self._created(0)
        return [*self.bulk, *([self.long] if self.long else [])]

    def shows(self, metric: Metric, **scope: Any) -> bool:
        """Whether a list that is filtered by name contains a metric. Such a list is not cut short."""
        self.require_listed()
        try:
            return metric.id in self.ids(filters=names_filter([metric]), **scope)
        except BadRequestError:
            return metric.id in self.ids(**scope)

    def ids(self, **query: Any) -> set[int]:
        """Ids of the metrics in a list."""
        return {metric["id"] for metric in self.service.metrics(**query)}

    def require_listed(self) -> None:
        """Raise NotObserved unless all metrics of `bulk` have appeared in a list."""
        self._created(0)
        if self.lag is None:
            raise NotObserved("Not all new metrics appeared in a list.")

    def wait_until_listed(self) -> None:
        """List as the client does until all metrics of `bulk` have appeared, and set `lag`."""
        clock = self.service.http.clock
        unseen, until = self.bulk, self.created_at + self.wait
        while True:
            last, before = clock.now() >= until, len(unseen)
            shown = self._ids_by_name(unseen)
            unseen = [metric for metric in unseen if metric.id not in shown]
            if unseen:
                shown = self.ids(**self.scope)
                unseen = [metric for metric in unseen if metric.id not in shown]
            elapsed = clock.now() - self.created_at
            if not unseen:
                self.lag = elapsed
                return
            if last:
                return
            if len(unseen) == before:  # If others were found, a list that was cut short may show more now.
                pause = _OFTEN if elapsed < self.service.http.settings.settle_timeout else _SELDOM
                clock.sleep(min(pause, max(0.0, until - clock.now())))

    def _ids_by_name(self, metrics: Sequence[Metric]) -> set[int]:
        try:
            return self.ids(filters=names_filter(metrics), **self.scope)
        except BadRequestError:
            return set()

    def _created(self, position: int) -> Metric:
        if position >= len(self.bulk):
            raise NotObserved("The metrics were not created.")
        return self.bulk[position]


def scope_of(agent: Fields) -> dict[str, int]:
    """The arguments for a list of the metrics of an agent and of its project, if that is known."""
    scope = {"agent_id": int(agent["id"])}
    return {**scope, "project_id": agent["project"]} if is_int(agent.get("project")) else scope


def names_filter(metrics: Sequence[Metric]) -> str:
    """The `filters` with which the client looks up metrics by name."""
    names = list(dict.fromkeys(name for metric in metrics for name in spellings(metric.sent["name"])))
    return json.dumps({"operator": "and", "conditions": [{"field": "name", "op": "in", "value": names}]})
