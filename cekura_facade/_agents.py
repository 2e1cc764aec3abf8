"""What `Cekura(...).agents` offers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
from cekura_api.models import Agent

from . import _checks as checks
from ._exchange import call
from ._steps import Awaited, Blocking, Steps, arun, run, workflow

_LONGEST = 4000  # characters of an address


class _Agents:
    def __init__(self, http: Any) -> None:
        self._http = http

    @workflow
    def get(self, agent_id: int) -> Steps[Agent]:
        """One agent (GET /test_framework/v1/aiagents/{id}/).

        Args:
            agent_id: Its id.

        Returns:
            The agent.

        Raises:
            InvalidRequestError: The id cannot be right. Nothing was sent.
            NotFoundError: There is no such agent, or not for this account.
            APIError: The service refused, or could not be reached.
        """
        arguments = {"id": checks.positive_id("agent_id", agent_id)}
        agent: Agent = yield from call(self._http, "agents.get_agent", arguments, is_agent, "an agent with an id")
        return agent


class Agents(_Agents, Blocking):
    """Looking at agents."""

    def list(
        self, *, project_id: int | None = None, q: str | None = None, page_size: int | None = None
    ) -> Iterator[Agent]:
        """The agents that the credential may see, page by page (GET /test_framework/v1/aiagents/).

        Args:
            project_id: Only those of this project.
            q: Only those whose name holds this text, or whose id is this number.
            page_size: How many to ask for at once, 1 or more; without it the service decides.

        Returns:
            An iterator over the agents (with AsyncCekura an asynchronous one), in the order of the service, each once.
            The next page is asked for when it is needed. After an error the iterator is at its end: list again.

        Raises:
            InvalidRequestError: An argument cannot be right. Nothing was sent.
            APIError: While iterating: the service refused, could not be reached, or did not answer as promised.
        """
        return self._each(Pages(self._http, project_id, q, page_size))

    def _each(self, pages: Pages) -> Iterator[Agent]:
        while pages.more:
            yield from run(pages.next(), self._http)


class AsyncAgents(_Agents, Awaited):
    """As Agents, awaited; `list` is for `async for`."""

    def list(
        self, *, project_id: int | None = None, q: str | None = None, page_size: int | None = None
    ) -> AsyncIterator[Agent]:
        return self._each(Pages(self._http, project_id, q, page_size))

    async def _each(self, pages: Pages) -> AsyncIterator[Agent]:
        while pages.more:
            for agent in await arun(pages.next(), self._http):
                yield agent

    list.__doc__ = Agents.list.__doc__


class Pages:
    """The pages of a list: each says what to ask for to get the next one, and the last one nothing.

    Of the address in `next` only the query is taken: a page is asked for where the first one was.
    """

    def __init__(self, http: Any, project_id: int | None, q: str | None, page_size: int | None) -> None:
        self._arguments: dict[str, Any] = {}
        if project_id is not None:
            self._arguments["project_id"] = checks.positive_id("project_id", project_id)
        if q is not None:
            self._arguments["q"] = checks.short_text("q", q)
        if page_size is not None:
            self._arguments["page_size"] = checks.positive("page_size", page_size)
        self._http = http
        self._query: httpx.QueryParams | None = None
        self._known: set[int] = set()  # ids of the agents so far
        self.more = True

    def next(self) -> Steps[list[Agent]]:
        """Ask for the next page. Returns the agents that it adds."""
        promise = "a page of agents, each with an id, and no `next` that leads nowhere"
        page = yield from call(
            self._http, "agents.list_agents", self._arguments, self._is_page, promise, query=self._query
        )
        agents = list({agent.id: agent for agent in page.results if agent.id not in self._known}.values())
        self._known.update(agent.id for agent in agents)
        self.more = bool(page.next_)
        self._query = httpx.URL(page.next_).params if self.more else None
        return agents

    def _is_page(self, page: Any) -> bool:
        if not isinstance(page.results, list) or not all(map(is_agent, page.results)):
            return False
        if not page.next_:
            return True
        # One that brings nothing new would go on like that.
        leads_on = bool(httpx.URL(page.next_).params) and len(page.next_) <= _LONGEST
        is_new = not self._known.issuperset(agent.id for agent in page.results)
        return leads_on and is_new and not self._http.settings.credential.is_in(page.next_)


def is_agent(result: object) -> bool:
    """Whether it is an agent."""
    return isinstance(result, Agent) and checks.is_int(result.id)
