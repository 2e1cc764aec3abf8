"""Exactly once: create_in_bulk with lost requests and responses."""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import socket
import threading
import unicodedata
import urllib.parse
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import attrs
import httpx
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

import cekura_facade as facade
from cekura_facade._retry import Outcome
from cekura_facade._saving import SavedMetrics, create_in_bulk
from cekura_facade._workflow import GenerateAndCreate, fields_of_each, generation_request
from tests.fake_http import FakeHTTP, run
from tests.support import Either, Received, closed_port, reply, scripted

JOB = "0f8fad5b-d9cb-469f-a165-70867728950e"
HTML = "<!doctype html><title>Bad gateway</title>"
SOON = {"Retry-After": "0"}
NO_RESPONSE = httpx.RemoteProtocolError("Server disconnected without sending a response.")
HALF = b"HTTP/1.1 201 Created\r\nContent-Length: 500\r\n\r\n["  # Nothing more is sent, and the connection stays open.
Act = Callable[["Service", list[dict[str, Any]]], Outcome]


def metrics(number: int, **fields: Any) -> list[dict[str, Any]]:
    given = {"agent": 1, "eval_type": "binary", **fields}
    return [{"name": f"m{i}", "description": f"is it {i}?", **given} for i in range(number)]


@attrs.define
class Service:
    """A service that saves the metrics that it receives.

    Attributes:
        acts: The outcome of each request that saves metrics. The last one repeats.
    """

    acts: list[Act]
    saved: list[dict[str, Any]] = attrs.field(factory=list)
    late: list[tuple[int, list[dict[str, Any]]]] = attrs.field(factory=list)  # saved after so many lists
    posts: list[list[dict[str, Any]]] = attrs.field(factory=list)
    lists: list[dict[str, str]] = attrs.field(factory=list)  # the queries
    first_lists: list[Outcome] = attrs.field(factory=list)  # responses to lists before anything was posted
    later_lists: list[Outcome] = attrs.field(factory=list)  # responses to lists afterwards
    projects: dict[int, int] = attrs.field(factory=dict)  # of agents, by their ids
    assistants: dict[str, int] = attrs.field(factory=dict)  # the agents that have them
    numbers: Iterator[int] = attrs.field(factory=lambda: itertools.count(1001))
    posted: threading.Event = attrs.field(factory=threading.Event)

    def save(self, sent: list[dict[str, Any]]) -> list[dict[str, Any]]:
        new = [{**each, "id": next(self.numbers)} for each in sent]
        self.saved += new
        return new

    def http(self, **settings: Any) -> FakeHTTP:
        """The HTTP of another client."""
        return FakeHTTP(self.respond, **{"settle_timeout": 0.2, **settings})

    def respond(self, request: Received) -> Outcome:
        path = request.path.partition("?")[0]
        if "/aiagents/" in path:
            return self.agent(path)
        if request.method == "GET" and path.rstrip("/").rpartition("/")[2].isdigit():
            return self.one(path)
        if request.method == "GET":
            for sent in [sent for due, sent in self.late if due <= len(self.lists)]:
                self.save(sent)
            self.late = [each for each in self.late if each[0] > len(self.lists)]
            self.lists.append(dict(urllib.parse.parse_qsl(request.path.partition("?")[2])))
            if planned := self.later_lists if self.posts else self.first_lists:
                return planned.pop(0)
            return httpx.Response(200, json=self.saved[::-1])
        self.posts.append(request.json)
        self.posted.set()
        return (self.acts.pop(0) if len(self.acts) > 1 else self.acts[0])(self, request.json)

    def agent(self, path: str) -> httpx.Response:
        number = path.rstrip("/").rpartition("/")[2]
        if number.isdigit():
            return httpx.Response(200, json={"id": int(number), "project": self.projects.get(int(number))})
        agents = [{"id": agent, "assistant_id": assistant} for assistant, agent in self.assistants.items()]
        return httpx.Response(200, json={"count": len(agents), "next": None, "results": agents})

    def one(self, path: str) -> httpx.Response:
        found = [each for each in self.saved if str(each["id"]) == path.rstrip("/").rpartition("/")[2]]
        return httpx.Response(200, json=found[0]) if found else httpx.Response(404, json={"detail": "Not found."})

    def names(self) -> Counter[str]:
        return Counter(each["name"] for each in self.saved)


def fine(service: Service, sent: list[dict[str, Any]]) -> Outcome:
    return httpx.Response(201, json=service.save(sent))


def shuffled(service: Service, sent: list[dict[str, Any]]) -> Outcome:
    return httpx.Response(201, json=service.save(sent)[::-1])


def after(outcome: Outcome, number: int | None = None) -> Act:
    """Save all or the first few, then respond like this."""

    def act(service: Service, sent: list[dict[str, Any]]) -> Outcome:
        service.save(sent[:number])
        return outcome

    return act


def before(outcome: Outcome) -> Act:
    return after(outcome, 0)


def late(outcome: Outcome) -> Act:
    """Save all after the fourth list. Listing once takes three requests: by name, by agent, and by agents."""

    def act(service: Service, sent: list[dict[str, Any]]) -> Outcome:
        service.late.append((len(service.lists) + 4, sent))
        return outcome

    return act


def service(*acts: Act) -> Service:
    return Service(list(acts) or [fine])


@contextmanager
def served(service: Service, broken: bytes = b"") -> Iterator[str]:
    """Serve it on a socket, with these bytes in place of a lost response. Yields the base URL."""

    def respond(request: Received) -> bytes:
        outcome = service.respond(request)
        return reply(outcome.status_code, outcome.content) if isinstance(outcome, httpx.Response) else broken

    with scripted(respond) as server:
        yield server.url


def save(http: FakeHTTP, wanted: list[dict[str, Any]]) -> SavedMetrics:
    return run(create_in_bulk(http, fields_of_each(wanted)))


UNCLEAR: dict[str, Outcome] = {
    "500": httpx.Response(500, json={"detail": "oops"}),
    "502 in HTML": httpx.Response(502, html=HTML),
    "504": httpx.Response(504),
    "503 that says when": httpx.Response(503, headers=SOON),
    "408": httpx.Response(408),
    "no response": NO_RESPONSE,
    "a reset": httpx.ReadError("[Errno 104] Connection reset by peer"),
    "a timeout": httpx.ReadTimeout("timed out"),
    "a timeout while sending": httpx.WriteTimeout("timed out"),
    "a login page": httpx.Response(200, html=HTML),
    "an empty success": httpx.Response(200),
    "null": httpx.Response(201, content=b"null"),
    "too few": httpx.Response(201, json=[]),
    "without ids": httpx.Response(201, json=[{"name": "m0"}, {"name": "m1"}]),
    "one id twice": httpx.Response(201, json=[{"id": 5}, {"id": 5}]),
}
BROKEN = {
    "no response": b"",
    "not HTTP": b"garbage\r\n\r\n",
    "cut off": b"HTTP/1.1 201 Created\r\nContent-Length: 500\r\nConnection: close\r\n\r\n[{",
    "not gzip": reply(201, b"[]", {"Content-Encoding": "gzip"}),
}
REFUSED = {str(status): httpx.Response(status, json={"detail": "no"}) for status in (400, 401, 403, 404, 409, 422)}


@pytest.mark.parametrize("outcome", UNCLEAR.values(), ids=UNCLEAR)
def test_a_lost_response_is_not_a_lost_request(outcome: Outcome) -> None:
    there = service(after(outcome))
    saved = save(there.http(), metrics(2))
    assert [metric.id for metric in saved] == [each["id"] for each in there.saved]
    assert [metric.name for metric in saved] == ["m0", "m1"]
    assert len(there.posts) == 1


@pytest.mark.parametrize("outcome", UNCLEAR.values(), ids=UNCLEAR)
def test_a_lost_request_is_sent_again(outcome: Outcome) -> None:
    there = service(before(outcome), fine)
    saved = save(there.http(), metrics(2))
    assert [metric.id for metric in saved] == [each["id"] for each in there.saved]
    assert there.posts == [metrics(2)] * 2


@pytest.mark.parametrize("outcome", UNCLEAR.values(), ids=UNCLEAR)
def test_after_a_partial_save_only_the_rest_is_sent_again(outcome: Outcome) -> None:
    there = service(after(outcome, 1), fine)
    saved = save(there.http(), metrics(3))
    assert [metric.name for metric in saved] == ["m0", "m1", "m2"]
    assert there.names() == {"m0": 1, "m1": 1, "m2": 1}
    assert there.posts == [metrics(3), metrics(3)[1:]]


def make(client: Callable[..., Either], url: str, **settings: Any) -> Either:
    return client("key", base_url=url, **{"settle_timeout": 0.2, "timeout": 5, **settings})


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN)
@pytest.mark.parametrize("number", [0, 1, 3])
def test_both_clients_send_only_what_a_broken_response_left_out(
    client: Callable[..., Either], number: int, broken: bytes
) -> None:
    there = service(after(NO_RESPONSE, number), fine)
    with served(there, broken) as url:
        saved = make(client, url).metrics.create_in_bulk(metrics(3))
    assert [metric.id for metric in saved] == [each["id"] for each in there.saved]
    assert [metric.name for metric in saved] == ["m0", "m1", "m2"]
    assert there.posts == [each for each in (metrics(3), metrics(3)[number:]) if each]


def test_both_clients_save_many_and_recognize_them(client: Callable[..., Either]) -> None:
    there = service(after(NO_RESPONSE, 30), fine)
    with served(there) as url:
        saved = make(client, url).metrics.create_in_bulk(metrics(250))
        assert make(client, url).metrics.create_in_bulk(metrics(250)) == saved
    assert [metric.name for metric in saved] == [each["name"] for each in metrics(250)]
    assert set(there.names().values()) == {1}


def test_both_clients_name_unconfirmed_metrics(client: Callable[..., Either]) -> None:
    there = service(after(NO_RESPONSE, 1), before(NO_RESPONSE))
    with served(there) as url, pytest.raises(facade.BulkCreateUncertainError, match="2 of 3 metrics") as caught:
        make(client, url, max_retries=0).metrics.create_in_bulk(metrics(3))
    assert [metric.name for metric in caught.value.created] == ["m0"]
    assert caught.value.unconfirmed == metrics(3)[1:]
    assert len(there.posts) == 1


def test_a_request_that_is_still_processed_is_waited_for() -> None:
    there = service(late(httpx.Response(504)))
    http = there.http(settle_timeout=60)
    saved = save(http, metrics(2))
    assert [metric.id for metric in saved] == [each["id"] for each in there.saved]
    assert len(there.posts) == 1
    assert http.clock.pauses[0] == 0.25


def test_the_list_is_checked_until_the_service_must_be_done() -> None:
    there = service(before(httpx.Response(504)))
    http = there.http(settle_timeout=10, max_retries=0)
    with pytest.raises(facade.BulkCreateUncertainError):
        save(http, metrics(1))
    assert http.clock.pauses == [0.25, 0.5, 1, 2, 2, 2, 2, 0.25]
    assert http.clock.now() == 10


@pytest.mark.parametrize("act", [fine, after(NO_RESPONSE)], ids=["created", "lost"])
def test_there_is_no_pause_once_everything_is_listed(act: Act) -> None:
    http = service(act).http()
    save(http, metrics(2))
    assert http.clock.pauses == []


def test_a_timeout_while_saving(client: Callable[..., Either]) -> None:
    there = service(after(NO_RESPONSE))
    with served(there, HALF) as url:
        saved = make(client, url, timeout=0.3).metrics.create_in_bulk(metrics(1))
    assert [metric.id for metric in saved] == [1001]
    assert len(there.posts) == 1


@pytest.mark.parametrize("max_retries", [0, 2])
def test_unconfirmed_metrics_are_named(max_retries: int) -> None:
    there = service(after(httpx.Response(500), 1), before(httpx.Response(502, html=HTML)))
    with pytest.raises(facade.BulkCreateUncertainError, match=r"2 of 3 metrics .*'m1', 'm2'") as caught:
        save(there.http(max_retries=max_retries), metrics(3))
    assert [metric.name for metric in caught.value.created] == ["m0"]
    assert caught.value.unconfirmed == metrics(3)[1:]
    assert isinstance(caught.value.__cause__, facade.InternalServerError)
    assert len(there.posts) == max_retries + 1


@pytest.mark.parametrize("max_retries", [0, 2])
def test_nothing_more_is_sent_if_the_list_fails_after_saving(max_retries: int) -> None:
    there = service(after(httpx.Response(500)))
    there.later_lists = [httpx.Response(500, headers=SOON)] * 50
    http = there.http(max_retries=max_retries)
    with pytest.raises(facade.BulkCreateUncertainError) as caught:
        save(http, metrics(2))
    assert caught.value.created == []
    assert caught.value.unconfirmed == metrics(2)
    assert len(there.posts) == 1
    there.later_lists.clear()
    saved = save(http, metrics(2))
    assert [metric.id for metric in saved] == [1001, 1002]
    assert len(there.posts) == 1


def test_nothing_is_sent_if_the_list_fails_before_saving() -> None:
    there = service()
    there.first_lists = [httpx.Response(500)] * 50
    with pytest.raises(facade.InternalServerError):
        save(there.http(max_retries=0), metrics(2))
    assert there.posts == []


def test_a_list_that_fails_is_requested_again() -> None:
    there = service(after(httpx.Response(500)))
    there.later_lists = [httpx.Response(500), httpx.Response(200, html=HTML), NO_RESPONSE]
    saved = save(there.http(max_retries=0, settle_timeout=5), metrics(2))
    assert [metric.id for metric in saved] == [1001, 1002]
    assert len(there.posts) == 1


def test_existing_metrics_are_not_saved_again() -> None:
    there = service()
    first = save(there.http(), metrics(3))
    again = save(there.http(), metrics(4)[::-1])
    assert [metric.id for metric in again] == [1004, *(metric.id for metric in first[::-1])]
    assert again.created == again[:1]
    assert again.existing == again[1:]
    assert there.posts == [metrics(3), metrics(4)[3:]]


def test_two_equal_metrics_are_two() -> None:
    twice = metrics(1) * 2
    there = service(after(httpx.Response(500), 1), fine)
    saved = save(there.http(), twice)
    assert sorted(metric.id for metric in saved) == [1001, 1002]
    assert save(there.http(), twice) == saved[::-1]
    assert len({metric.id for metric in save(there.http(), twice + twice[:1])}) == 3
    assert there.names() == {"m0": 3}


@pytest.mark.parametrize(
    "other",
    [
        {"description": "another"},
        {"eval_type": "numeric"},
        {"agent": 2},
        {"agent": 2, "agents": [2]},
        {"agent": None, "agents": [2, 3]},
        {"name": "M0"},
        {"project": 7},
    ],
)
def test_different_metrics_do_not_match(other: dict[str, Any]) -> None:
    there = service()
    there.save([metrics(1, project=6)[0] | other])
    assert [metric.id for metric in save(there.http(), metrics(1, project=6))] == [1002]


@pytest.mark.parametrize(
    ("sent", "stored"),
    [
        ({"name": " m0 "}, {"name": "m0"}),
        ({"description": None}, {"description": ""}),
        ({"description": "x\n"}, {"description": "x"}),
        ({"eval_type": "binary_qualitative"}, {"eval_type": "binary"}),
        ({"eval_type": None}, {"eval_type": "binary"}),
        ({"agent": 1}, {"agent": None, "agents": [1], "project": 9}),
        ({"agent": 1}, {"agent": None, "agents": [5, 1]}),
        ({"agent": 1}, {"agent": None}),
        ({"agent": None, "assistant_id": "asst"}, {"agent": None, "agents": [1]}),
        ({"agent": None, "project": 3}, {"agent": None, "project": 3, "agents": []}),
        ({"agent": None}, {"agent": None, "agents": [], "project": 8}),
    ],
)
def test_a_metric_that_the_service_changed_is_recognized(sent: dict[str, Any], stored: dict[str, Any]) -> None:
    def act(service: Service, given: list[dict[str, Any]]) -> Outcome:
        service.save([each | stored for each in given])
        return httpx.Response(500)

    there = service(act)
    assert [metric.id for metric in save(there.http(), metrics(1, **sent))] == [1001]
    assert len(there.posts) == 1


def test_the_metric_of_the_same_scope_comes_first() -> None:
    both = [*metrics(1), *metrics(1, agent=None, agents=[1, 2])]
    there = service()
    first = save(there.http(), both)
    assert save(there.http(), both) == first
    assert len(there.saved) == 2


def test_each_scope_is_listed() -> None:
    given = [
        *metrics(2, agent=1),
        *metrics(1, agent=None, agents=[3, 2]),
        *metrics(1, agent=None, project=4),
        *metrics(1, agent=None, assistant_id="asst"),
        *metrics(1, agent=None),
    ]
    before: list[dict[str, str]] = []

    def act(service: Service, sent: list[dict[str, Any]]) -> Outcome:
        before.extend(service.lists)
        return fine(service, sent)

    there = service(act)
    there.projects = {1: 11, 5: 12}
    there.assistants = {"asst": 5}
    save(there.http(), given)
    scopes: list[dict[str, str]] = [
        {"agent_id": "1", "project_id": "11"},
        {"agent_id": "2"},
        {"project_id": "4"},
        {"agent_id": "5"},
        {},
    ]
    whole = [query for query in before if "filters" not in query and "agents" not in query]
    assert whole == [scope for scope in scopes if scope]
    filtered = [query for query in before if "filters" in query]
    assert [{key: value for key, value in query.items() if key != "filters"} for query in filtered] == scopes
    assert [query for query in before if "agents" in query] == [{"agents": "1"}, {"agents": "2"}, {"agents": "5"}]
    conditions = [json.loads(query["filters"])["conditions"][0] for query in filtered]
    assert conditions[1:] == [{"field": "name", "op": "in", "value": ["m0"]}] * 4


def test_many_names_are_listed_a_few_at_a_time() -> None:
    given = [{"name": f"{i} " + "é" * 250, "eval_type": "binary"} for i in range(20)]
    there = service(after(httpx.Response(500)))
    http = there.http()
    assert len(save(http, given)) == 20
    names = [json.loads(query["filters"])["conditions"][0]["value"] for query in there.lists]
    asked = set(itertools.chain(*names))
    assert asked >= {each["name"] for each in given}
    assert {unicodedata.normalize("NFC", name) for name in asked} == {each["name"] for each in given}
    assert max(len(request.path) for request in http.requests) < 8000


def test_more_than_a_hundred_metrics_are_sent_in_chunks() -> None:
    there = service()
    saved = save(there.http(), metrics(250))
    assert [len(post) for post in there.posts] == [100, 100, 50]
    assert [metric.name for metric in saved] == [each["name"] for each in metrics(250)]


def test_a_chunk_that_is_refused_does_not_affect_the_others() -> None:
    refusal = httpx.Response(400, json=[{}, {"name": ["no"]}, *[{}] * 98])
    there = service(fine, before(refusal), fine)
    with pytest.raises(facade.BadRequestError) as caught:
        save(there.http(), metrics(250))
    assert [(p.index, p.name, p.field) for p in caught.value.problems] == [(101, "m101", "name")]
    assert [metric.name for metric in caught.value.created] == [f"m{i}" for i in (*range(100), *range(200, 250))]
    assert len(there.posts) == 3


@pytest.mark.parametrize("outcome", [httpx.Response(500), NO_RESPONSE], ids=["500", "no response"])
def test_a_chunk_whose_response_is_lost_does_not_affect_the_others(outcome: Outcome) -> None:
    there = service(after(outcome, 30), fine)
    saved = save(there.http(), metrics(250))
    assert [metric.name for metric in saved] == [each["name"] for each in metrics(250)]
    assert set(there.names().values()) == {1}


def test_problems_have_the_index_of_the_argument() -> None:
    there = service(before(httpx.Response(400, json=[{"name": ["no"]}])))
    there.save(metrics(1))
    with pytest.raises(facade.BadRequestError, match=r"metric 1 \('m1'\): name: no") as caught:
        save(there.http(), metrics(2))
    assert [metric.name for metric in caught.value.created] == ["m0"]


@pytest.mark.parametrize("outcome", REFUSED.values(), ids=REFUSED)
def test_a_refusal_is_raised_unless_the_metric_was_saved(outcome: Outcome) -> None:
    there = service(before(outcome))
    with pytest.raises(facade.APIStatusError, match="failed with status 4"):
        save(there.http(), metrics(2))
    assert len(there.posts) == 1
    there = service(after(outcome))
    assert len(save(there.http(), metrics(2))) == 2
    assert len(there.posts) == 1


@pytest.mark.parametrize("act", [before, after])
@pytest.mark.parametrize("seconds", [0, 7, 60])
def test_a_save_waits_after_a_429(act: Callable[[Outcome], Act], seconds: int) -> None:
    there = service(act(httpx.Response(429, headers={"Retry-After": str(seconds)})), fine)
    http = there.http()
    assert len(save(http, metrics(2))) == 2
    assert len(there.posts) == (2 if act is before else 1)
    assert there.names() == {"m0": 1, "m1": 1}
    assert http.clock.now() >= seconds


def test_a_wait_beyond_the_cap_is_left_to_the_caller() -> None:
    there = service(before(httpx.Response(429, headers={"Retry-After": "61"})))
    with pytest.raises(facade.RateLimitError) as caught:
        save(there.http(), metrics(2))
    assert caught.value.retry_after == 61
    assert len(there.posts) == 1


def test_a_request_that_is_too_large_is_split() -> None:
    def act(service: Service, sent: list[dict[str, Any]]) -> Outcome:
        return fine(service, sent) if len(sent) <= 2 else httpx.Response(413, html=HTML)

    there = service(act)
    saved = save(there.http(), metrics(6))
    assert [metric.name for metric in saved] == [each["name"] for each in metrics(6)]
    assert [len(post) for post in there.posts] == [6, 3, 3, 1, 1, 1, 1, 1, 1]
    there = service(before(httpx.Response(413, html=HTML)))
    with pytest.raises(facade.APIStatusError, match="413"):
        save(there.http(), metrics(1))
    assert len(there.posts) == 1


def test_a_response_in_another_order_is_put_in_order() -> None:
    saved = save(service(shuffled).http(), metrics(5))
    assert [metric.name for metric in saved] == [each["name"] for each in metrics(5)]


def test_an_unreachable_service(client: Callable[..., Either]) -> None:
    with closed_port() as url, pytest.raises(facade.APIConnectionError):
        client("key", base_url=url, max_retries=0).metrics.create_in_bulk(metrics(2))


def test_a_save_that_was_never_sent_is_not_unconfirmed(client: Callable[..., Either]) -> None:
    """The list has a response, and then the server stops, so that nothing can have been processed."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"

        def respond_once() -> None:
            connection, _ = listener.accept()
            listener.close()
            with connection:
                connection.recv(65536)
                connection.sendall(reply(200, [], {"Connection": "close"}))

        thread = threading.Thread(target=respond_once)
        thread.start()
        with pytest.raises(facade.APIConnectionError, match="ConnectError"):
            client("key", base_url=url, max_retries=0, settle_timeout=0).metrics.create_in_bulk(metrics(2))
        thread.join()


def test_saves_count_towards_the_total_number_of_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(random, "uniform", lambda low, high: 0.0)
    there = service(before(httpx.Response(429, headers=SOON)))
    http = there.http(max_retries=3)
    for _ in range(30):
        with pytest.raises(facade.RateLimitError):
            save(http, metrics(1))
    assert 60 < len(there.posts) < 120


def test_an_uncertain_error_has_the_suggestions() -> None:
    there = service(before(httpx.Response(500)))
    done = {"agent_id": 1, "status": "completed", "current_step": "", "metrics": metrics(2), "error": None}
    started = httpx.Response(200, json={"progress_id": JOB})
    http = FakeHTTP(started, httpx.Response(200, json=done), there.respond, max_retries=0)
    with pytest.raises(facade.BulkCreateUncertainError) as caught:
        run(GenerateAndCreate(http, None, 600.0, None).run(generation_request(1, None, 2)))
    assert caught.value.progress_id == JOB
    assert [metric.to_dict() for metric in caught.value.metrics] == caught.value.unconfirmed == metrics(2)


def test_a_cancelled_save_is_found_when_it_is_repeated() -> None:
    """The service saves it late, so that listing once would miss it."""

    async def main(url: str, there: Service) -> None:
        async with facade.AsyncCekura("key", base_url=url, settle_timeout=60) as cekura:
            task = asyncio.create_task(cekura.metrics.create_in_bulk(metrics(2)))
            await asyncio.to_thread(there.posted.wait)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            saved = await cekura.metrics.create_in_bulk(metrics(2))
        assert [metric.id for metric in saved] == [1001, 1002]

    there = service(late(NO_RESPONSE))
    with served(there, HALF) as url:
        asyncio.run(main(url, there))
    assert len(there.posts) == 1


OUTCOMES = [*UNCLEAR.values(), httpx.Response(429, headers=SOON), httpx.Response(413), *REFUSED.values()]


@settings(deadline=None, suppress_health_check=list(HealthCheck), max_examples=200)
@given(
    faults=st.lists(st.tuples(st.sampled_from(OUTCOMES), st.integers(0, 5)), max_size=4),
    copies=st.lists(st.integers(0, 3), min_size=1, max_size=5),
    existing=st.integers(0, 2),
)
def test_each_metric_is_saved_once_or_named(
    faults: list[tuple[Outcome, int]], copies: list[int], existing: int
) -> None:
    """Some metrics are equal, and some already exist. Requests are processed in part, and their responses are lost."""
    wanted = [metrics(4)[i] for i in copies]
    there = service(*(after(outcome, number) for outcome, number in faults), fine)
    there.save(wanted[:existing])
    http = there.http(settle_timeout=0, max_retries=2)
    try:
        saved = save(http, wanted)
    except facade.CekuraError as error:
        created = Counter(str(each.name) for each in error.created)
        unconfirmed = Counter(each["name"] for each in getattr(error, "unconfirmed", []))
        exist = there.names()
        there.acts[:] = [fine]
        saved = save(http, wanted)
        assert not exist - (created + unconfirmed)
        assert not created - exist
    assert [metric.name for metric in saved] == [each["name"] for each in wanted]
    assert sorted(metric.id for metric in saved) == [each["id"] for each in there.saved]
