"""Exactly once: what create_in_bulk saves, claims and says when requests and answers are lost on the way."""

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
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

import cekura_facade as facade
from tests.support import Either, Received, Reply, Scripted, closed_port, reply, scripted

JOB = "0f8fad5b-d9cb-469f-a165-70867728950e"
HTML = b"<!doctype html><title>Bad gateway</title>"
SOON = {"Retry-After": "0"}
Act = Callable[["Service", list[dict[str, Any]]], bytes]


def metrics(number: int, **fields: Any) -> list[dict[str, Any]]:
    given = {"agent": 1, "eval_type": "binary", **fields}
    return [{"name": f"m{i}", "description": f"is it {i}?", **given} for i in range(number)]


@attrs.define
class Service:
    """A service that saves what it is sent; `acts` say what becomes of each request that saves, the last for good."""

    acts: list[Act]
    saved: list[dict[str, Any]] = attrs.field(factory=list)
    late: list[list[dict[str, Any]]] = attrs.field(factory=list)  # saved at the second look from when they came
    posts: list[list[dict[str, Any]]] = attrs.field(factory=list)
    looks: list[dict[str, str]] = attrs.field(factory=list)
    first_lists: list[bytes] = attrs.field(factory=list)  # responses to lists before anything was posted
    later_lists: list[bytes] = attrs.field(factory=list)  # responses to lists afterwards
    projects: dict[int, int] = attrs.field(factory=dict)  # of agents, by their ids
    assistants: dict[str, int] = attrs.field(factory=dict)  # the agents that have them
    numbers: Iterator[int] = attrs.field(factory=lambda: itertools.count(1001))
    posted: threading.Event = attrs.field(factory=threading.Event)

    def save(self, sent: list[dict[str, Any]]) -> list[dict[str, Any]]:
        new = [{**each, "id": next(self.numbers)} for each in sent]
        self.saved += new
        return new

    def answer(self, request: Received) -> bytes:
        path = request.path.partition("?")[0]
        if "/aiagents/" in path:
            return self.agent(path)
        if request.method == "GET" and path.rstrip("/").rpartition("/")[2].isdigit():
            return self.one(path)
        if request.method == "GET":
            self.looks.append(dict(urllib.parse.parse_qsl(request.path.partition("?")[2])))
            if lists := self.later_lists if self.posts else self.first_lists:
                return lists.pop(0)
            found = reply(200, self.saved[::-1])
            for sent in self.late:
                self.save(sent)
            self.late.clear()
            return found
        self.posts.append(request.json)
        self.posted.set()
        return (self.acts.pop(0) if len(self.acts) > 1 else self.acts[0])(self, request.json)

    def agent(self, path: str) -> bytes:
        number = path.rstrip("/").rpartition("/")[2]
        if number.isdigit():
            return reply(200, {"id": int(number), "project": self.projects.get(int(number))})
        agents = [{"id": agent, "assistant_id": assistant} for assistant, agent in self.assistants.items()]
        return reply(200, {"count": len(agents), "next": None, "results": agents})

    def one(self, path: str) -> bytes:
        found = [each for each in self.saved if str(each["id"]) == path.rstrip("/").rpartition("/")[2]]
        return reply(200, found[0]) if found else reply(404, {"detail": "Not found."})

    def names(self) -> Counter[str]:
        return Counter(each["name"] for each in self.saved)


def fine(service: Service, sent: list[dict[str, Any]]) -> bytes:
    return reply(201, service.save(sent))


def shuffled(service: Service, sent: list[dict[str, Any]]) -> bytes:
    return reply(201, service.save(sent)[::-1])


def after(answer: bytes, number: int | None = None) -> Act:
    """Save all or the first few, then answer like this."""

    def act(service: Service, sent: list[dict[str, Any]]) -> bytes:
        service.save(sent[:number])
        return answer

    return act


def before(answer: bytes) -> Act:
    return after(answer, 0)


def late(answer: bytes) -> Act:
    def act(service: Service, sent: list[dict[str, Any]]) -> bytes:
        service.late.append(sent)
        return answer

    return act


@contextmanager
def service(*acts: Act) -> Iterator[tuple[Service, Scripted]]:
    made = Service(list(acts) or [fine])
    with scripted(made.answer) as server:
        yield made, server


UNCLEAR = {
    "500": reply(500, {"detail": "oops"}),
    "502 in HTML": reply(502, HTML, type="text/html"),
    "504": reply(504),
    "503 that says when": reply(503, b"", SOON),
    "408": reply(408),
    "no answer": b"",
    "no HTTP": b"garbage\r\n\r\n",
    "a login page": reply(200, HTML, type="text/html"),
    "an empty success": reply(200),
    "null": reply(201, None),
    "too few": reply(201, []),
    "without ids": reply(201, [{"name": "m0"}, {"name": "m1"}]),
    "one id twice": reply(201, [{"id": 5}, {"id": 5}]),
    "cut off": b"HTTP/1.1 201 Created\r\nContent-Length: 500\r\nConnection: close\r\n\r\n[{",
    "not gzip": reply(201, b"[]", {"Content-Encoding": "gzip"}),
}
REFUSED = {str(status): reply(status, {"detail": "no"}) for status in (400, 401, 403, 404, 409, 422)}


def make(client: Callable[..., Either], server: Scripted, **settings: Any) -> Either:
    return client("key", base_url=server.url, **{"settle_timeout": 0.2, "timeout": 5, **settings})


@pytest.mark.parametrize("answer", UNCLEAR.values(), ids=UNCLEAR)
def test_a_lost_answer_is_not_a_lost_request(client: Callable[..., Either], answer: bytes) -> None:
    with service(after(answer)) as (there, server):
        saved = make(client, server).metrics.create_in_bulk(metrics(2))
    assert [metric.id for metric in saved] == [each["id"] for each in there.saved]
    assert [metric.name for metric in saved] == ["m0", "m1"]
    assert len(there.posts) == 1


@pytest.mark.parametrize("answer", UNCLEAR.values(), ids=UNCLEAR)
def test_a_lost_request_is_sent_again(client: Callable[..., Either], answer: bytes) -> None:
    with service(before(answer), fine) as (there, server):
        saved = make(client, server).metrics.create_in_bulk(metrics(2))
    assert [metric.id for metric in saved] == [each["id"] for each in there.saved]
    assert there.posts == [metrics(2)] * 2


@pytest.mark.parametrize("answer", UNCLEAR.values(), ids=UNCLEAR)
def test_of_a_partial_save_only_the_rest_is_sent_again(client: Callable[..., Either], answer: bytes) -> None:
    with service(after(answer, 1), fine) as (there, server):
        saved = make(client, server).metrics.create_in_bulk(metrics(3))
    assert [metric.name for metric in saved] == ["m0", "m1", "m2"]
    assert there.names() == {"m0": 1, "m1": 1, "m2": 1}
    assert there.posts == [metrics(3), metrics(3)[1:]]


def test_a_request_that_is_worked_on_still_is_waited_for(client: Callable[..., Either]) -> None:
    with service(late(reply(504))) as (there, server):
        saved = make(client, server, settle_timeout=60).metrics.create_in_bulk(metrics(2))
    assert [metric.id for metric in saved] == [each["id"] for each in there.saved]
    assert len(there.posts) == 1


def test_a_time_out_while_saving(client: Callable[..., Either]) -> None:
    with service(after(b"HTTP/1.1 201 Created\r\nContent-Length: 500\r\n\r\n[")) as (there, server):
        saved = make(client, server, timeout=0.3).metrics.create_in_bulk(metrics(1))
    assert [metric.id for metric in saved] == [1001]
    assert len(there.posts) == 1


@pytest.mark.parametrize("max_retries", [0, 2])
def test_what_cannot_be_confirmed_is_named(client: Callable[..., Either], max_retries: int) -> None:
    with service(after(reply(500), 1), before(reply(502, HTML))) as (there, server):
        cekura = make(client, server, max_retries=max_retries)
        with pytest.raises(facade.BulkCreateUncertainError, match=r"2 of 3 metrics .*'m1', 'm2'") as caught:
            cekura.metrics.create_in_bulk(metrics(3))
    assert [metric.name for metric in caught.value.created] == ["m0"]
    assert caught.value.unconfirmed == metrics(3)[1:]
    assert isinstance(caught.value.__cause__, facade.InternalServerError)
    assert len(there.posts) == max_retries + 1


@pytest.mark.parametrize("max_retries", [0, 2])
def test_where_nobody_can_look_nothing_more_is_sent(client: Callable[..., Either], max_retries: int) -> None:
    with service(after(reply(500))) as (there, server):
        there.later_lists = [reply(500, b"", SOON)] * 50
        cekura = make(client, server, max_retries=max_retries)
        with pytest.raises(facade.BulkCreateUncertainError) as caught:
            cekura.metrics.create_in_bulk(metrics(2))
        assert caught.value.created == []
        assert caught.value.unconfirmed == metrics(2)
        assert len(there.posts) == 1
        there.later_lists.clear()
        saved = cekura.metrics.create_in_bulk(metrics(2))
    assert [metric.id for metric in saved] == [1001, 1002]
    assert len(there.posts) == 1


def test_where_nobody_could_look_before_nothing_is_sent(client: Callable[..., Either]) -> None:
    with service() as (there, server):
        there.first_lists = [reply(500)] * 50
        with pytest.raises(facade.InternalServerError):
            make(client, server, max_retries=0).metrics.create_in_bulk(metrics(2))
    assert there.posts == []


def test_a_look_that_fails_is_made_again(client: Callable[..., Either]) -> None:
    with service(after(reply(500))) as (there, server):
        there.later_lists = [reply(500), reply(200, HTML), b""]
        saved = make(client, server, max_retries=0, settle_timeout=5).metrics.create_in_bulk(metrics(2))
    assert [metric.id for metric in saved] == [1001, 1002]
    assert len(there.posts) == 1


def test_what_stands_there_is_not_saved_again(client: Callable[..., Either]) -> None:
    with service() as (there, server):
        first = make(client, server).metrics.create_in_bulk(metrics(3))
        again = make(client, server).metrics.create_in_bulk(metrics(4)[::-1])
    assert [metric.id for metric in again] == [1004, *(metric.id for metric in first[::-1])]
    assert there.posts == [metrics(3), metrics(4)[3:]]


def test_two_equal_metrics_are_two(client: Callable[..., Either]) -> None:
    twice = metrics(1) * 2
    with service(after(reply(500), 1), fine) as (there, server):
        saved = make(client, server).metrics.create_in_bulk(twice)
        assert sorted(metric.id for metric in saved) == [1001, 1002]
        assert make(client, server).metrics.create_in_bulk(twice) == saved[::-1]
        assert len({metric.id for metric in make(client, server).metrics.create_in_bulk(twice + twice[:1])}) == 3
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
def test_another_metric_is_not_taken_for_it(client: Callable[..., Either], other: dict[str, Any]) -> None:
    with service() as (there, server):
        there.save([metrics(1, project=6)[0] | other])
        saved = make(client, server).metrics.create_in_bulk(metrics(1, project=6))
    assert [metric.id for metric in saved] == [1002]


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
def test_what_the_service_makes_of_a_metric_is_recognized(
    client: Callable[..., Either], sent: dict[str, Any], stored: dict[str, Any]
) -> None:
    def act(service: Service, given: list[dict[str, Any]]) -> bytes:
        service.save([each | stored for each in given])
        return reply(500)

    with service(act) as (there, server):
        saved = make(client, server).metrics.create_in_bulk(metrics(1, **sent))
    assert [metric.id for metric in saved] == [1001]
    assert len(there.posts) == 1


def test_the_metric_of_the_same_scope_comes_first(client: Callable[..., Either]) -> None:
    both = [*metrics(1), *metrics(1, agent=None, agents=[1, 2])]
    with service() as (there, server):
        first = make(client, server).metrics.create_in_bulk(both)
        assert make(client, server).metrics.create_in_bulk(both) == first
    assert len(there.saved) == 2


def test_each_scope_is_looked_at(client: Callable[..., Either]) -> None:
    given = [
        *metrics(2, agent=1),
        *metrics(1, agent=None, agents=[3, 2]),
        *metrics(1, agent=None, project=4),
        *metrics(1, agent=None, assistant_id="asst"),
        *metrics(1, agent=None),
    ]
    before: list[dict[str, str]] = []

    def act(service: Service, sent: list[dict[str, Any]]) -> bytes:
        before.extend(service.looks)
        return fine(service, sent)

    with service(act) as (there, server):
        there.projects = {1: 11, 5: 12}
        there.assistants = {"asst": 5}
        make(client, server).metrics.create_in_bulk(given)
    scopes: list[dict[str, str]] = [
        {"agent_id": "1", "project_id": "11"},
        {"agent_id": "2"},
        {"project_id": "4"},
        {"agent_id": "5"},
        {},
    ]
    whole = [look for look in before if "filters" not in look and "agents" not in look]
    assert whole == [scope for scope in scopes if scope]
    by_name = [{key: value for key, value in look.items() if key != "filters"} for look in before if "filters" in look]
    assert by_name == scopes
    assert [look for look in before if "agents" in look] == [{"agents": "1"}, {"agents": "2"}, {"agents": "5"}]
    conditions = [json.loads(look["filters"])["conditions"][0] for look in before if "filters" in look]
    assert conditions[1:] == [{"field": "name", "op": "in", "value": ["m0"]}] * 4


def test_many_names_are_looked_for_a_few_at_a_time(client: Callable[..., Either]) -> None:
    given = [{"name": f"{i} " + "é" * 250, "eval_type": "binary"} for i in range(20)]
    with service(after(reply(500))) as (there, server):
        assert len(make(client, server).metrics.create_in_bulk(given)) == 20
    names = [json.loads(look["filters"])["conditions"][0]["value"] for look in there.looks]
    asked = set(itertools.chain(*names))
    assert asked >= {each["name"] for each in given}
    assert {unicodedata.normalize("NFC", name) for name in asked} == {each["name"] for each in given}
    assert max(len(request.path) for request in server.received) < 8000


def test_more_than_a_hundred_go_in_chunks(client: Callable[..., Either]) -> None:
    with service() as (there, server):
        saved = make(client, server).metrics.create_in_bulk(metrics(250))
    assert [len(post) for post in there.posts] == [100, 100, 50]
    assert [metric.name for metric in saved] == [each["name"] for each in metrics(250)]


def test_a_chunk_that_is_refused_loses_none_of_the_others(client: Callable[..., Either]) -> None:
    refusal = reply(400, [{}, {"name": ["no"]}, *[{}] * 98])
    with service(fine, before(refusal), fine) as (there, server), pytest.raises(facade.BadRequestError) as caught:
        make(client, server).metrics.create_in_bulk(metrics(250))
    assert [(p.index, p.name, p.field) for p in caught.value.problems] == [(101, "m101", "name")]
    assert [metric.name for metric in caught.value.created] == [f"m{i}" for i in (*range(100), *range(200, 250))]
    assert len(there.posts) == 3


@pytest.mark.parametrize("answer", [reply(500), b""], ids=["500", "no answer"])
def test_a_chunk_whose_answer_is_lost_loses_none_of_the_others(client: Callable[..., Either], answer: bytes) -> None:
    with service(after(answer, 30), fine) as (there, server):
        saved = make(client, server).metrics.create_in_bulk(metrics(250))
    assert [metric.name for metric in saved] == [each["name"] for each in metrics(250)]
    assert set(there.names().values()) == {1}


def test_problems_name_the_metrics_as_they_were_given(client: Callable[..., Either]) -> None:
    with service(before(reply(400, [{"name": ["no"]}]))) as (there, server):
        there.save(metrics(1))
        with pytest.raises(facade.BadRequestError, match=r"metric 1 \('m1'\): name: no") as caught:
            make(client, server).metrics.create_in_bulk(metrics(2))
    assert [metric.name for metric in caught.value.created] == ["m0"]


@pytest.mark.parametrize("answer", REFUSED.values(), ids=REFUSED)
def test_a_refusal_is_raised_unless_it_was_saved_all_the_same(client: Callable[..., Either], answer: bytes) -> None:
    with service(before(answer)) as (there, server), pytest.raises(facade.APIStatusError, match="failed with status 4"):
        make(client, server).metrics.create_in_bulk(metrics(2))
    assert len(there.posts) == 1
    with service(after(answer)) as (there, server):
        assert len(make(client, server).metrics.create_in_bulk(metrics(2))) == 2
    assert len(there.posts) == 1


@pytest.mark.parametrize("act", [before, after])
def test_too_many_requests_are_waited_out(client: Callable[..., Either], act: Callable[[bytes], Act]) -> None:
    with service(act(reply(429, b"", SOON)), fine) as (there, server):
        assert len(make(client, server).metrics.create_in_bulk(metrics(2))) == 2
    assert len(there.posts) == (2 if act is before else 1)
    assert there.names() == {"m0": 1, "m1": 1}


def test_a_wait_beyond_the_cap_is_left_to_the_caller(client: Callable[..., Either]) -> None:
    later = reply(429, b"", {"Retry-After": "61"})
    with service(before(later)) as (there, server), pytest.raises(facade.RateLimitError) as caught:
        make(client, server).metrics.create_in_bulk(metrics(2))
    assert caught.value.retry_after == 61
    assert len(there.posts) == 1


def test_what_is_too_large_goes_in_smaller_pieces(client: Callable[..., Either]) -> None:
    def act(service: Service, sent: list[dict[str, Any]]) -> bytes:
        return fine(service, sent) if len(sent) <= 2 else reply(413, HTML)

    with service(act) as (there, server):
        saved = make(client, server).metrics.create_in_bulk(metrics(6))
    assert [metric.name for metric in saved] == [each["name"] for each in metrics(6)]
    assert [len(post) for post in there.posts] == [6, 3, 3, 1, 1, 1, 1, 1, 1]
    with service(before(reply(413, HTML))) as (there, server), pytest.raises(facade.APIStatusError, match="413"):
        make(client, server).metrics.create_in_bulk(metrics(1))
    assert len(there.posts) == 1


def test_an_answer_in_another_order_is_put_in_order(client: Callable[..., Either]) -> None:
    with service(shuffled) as (_, server):
        saved = make(client, server).metrics.create_in_bulk(metrics(5))
    assert [metric.name for metric in saved] == [each["name"] for each in metrics(5)]


def test_a_service_that_is_not_there(client: Callable[..., Either]) -> None:
    with closed_port() as url, pytest.raises(facade.APIConnectionError):
        client("key", base_url=url, max_retries=0).metrics.create_in_bulk(metrics(2))


def test_a_save_that_was_never_sent_is_not_unconfirmed(client: Callable[..., Either]) -> None:
    """The look is answered, and then nobody listens any more: nothing can have been carried out."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"

        def answer_once() -> None:
            connection, _ = listener.accept()
            listener.close()
            with connection:
                connection.recv(65536)
                connection.sendall(reply(200, [], {"Connection": "close"}))

        thread = threading.Thread(target=answer_once)
        thread.start()
        with pytest.raises(facade.APIConnectionError, match="ConnectError"):
            client("key", base_url=url, max_retries=0, settle_timeout=0).metrics.create_in_bulk(metrics(2))
        thread.join()


def test_saves_draw_on_the_limit_of_retries_in_all(
    client: Callable[..., Either], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(random, "uniform", lambda low, high: 0.0)
    with service(before(reply(429, b"", SOON))) as (there, server):
        cekura = make(client, server, max_retries=3)
        for _ in range(30):
            with pytest.raises(facade.RateLimitError):
                cekura.metrics.create_in_bulk(metrics(1))
    assert 60 < len(there.posts) < 120


def test_suggestions_that_cannot_be_confirmed_are_on_the_error(client: Callable[..., Either]) -> None:
    there = Service([before(reply(500))])
    done = {"agent_id": 1, "status": "completed", "current_step": "", "metrics": metrics(2), "error": None}
    replies: list[Reply] = [reply(200, {"progress_id": JOB}), reply(200, done), there.answer]
    with scripted(*replies) as server, pytest.raises(facade.BulkCreateUncertainError) as caught:
        make(client, server, max_retries=0).metrics.generate_and_create(agent_id=1, num_metrics=2)
    assert caught.value.progress_id == JOB
    assert [metric.to_dict() for metric in caught.value.metrics] == caught.value.unconfirmed == metrics(2)


def test_a_save_that_was_cancelled_is_looked_for_when_it_is_made_again() -> None:
    """The service saves it at the second look from then on: one look would miss it."""

    async def main(server: Scripted, there: Service) -> None:
        async with facade.AsyncCekura("key", base_url=server.url, settle_timeout=60) as cekura:
            task = asyncio.create_task(cekura.metrics.create_in_bulk(metrics(2)))
            await asyncio.to_thread(there.posted.wait)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            saved = await cekura.metrics.create_in_bulk(metrics(2))
        assert [metric.id for metric in saved] == [1001, 1002]

    with service(late(b"HTTP/1.1 201 Created\r\nContent-Length: 500\r\n\r\n[")) as (there, server):
        asyncio.run(main(server, there))
    assert len(there.posts) == 1


ANSWERS = [*UNCLEAR.values(), reply(429, b"", SOON), reply(413), *REFUSED.values()]


@settings(deadline=None, suppress_health_check=list(HealthCheck), max_examples=60)
@given(
    faults=st.lists(st.tuples(st.sampled_from(ANSWERS), st.integers(0, 5)), max_size=4),
    copies=st.lists(st.integers(0, 3), min_size=1, max_size=5),
    standing=st.integers(0, 2),
)
def test_whatever_happens_each_is_saved_once_or_named(
    kind: Any, faults: list[tuple[bytes, int]], copies: list[int], standing: int
) -> None:
    """Some metrics are equal, some stand there before; requests are carried out in part, and their answers lost."""
    wanted = [metrics(4)[i] for i in copies]
    acts = [after(answer, number) for answer, number in faults]
    with service(*acts, fine) as (there, server):
        there.save(wanted[:standing])
        cekura = Either(kind, "key", base_url=server.url, settle_timeout=0, max_retries=2)
        try:
            try:
                saved = cekura.metrics.create_in_bulk(wanted)
            except facade.CekuraError as error:
                created = Counter(str(each.name) for each in error.created)
                unconfirmed = Counter(each["name"] for each in getattr(error, "unconfirmed", []))
                stands = there.names()
                there.acts[:] = [fine]
                saved = cekura.metrics.create_in_bulk(wanted)
                assert not stands - (created + unconfirmed)
                assert not created - stands
        finally:
            cekura.close()
    assert [metric.name for metric in saved] == [each["name"] for each in wanted]
    assert sorted(metric.id for metric in saved) == [each["id"] for each in there.saved]
