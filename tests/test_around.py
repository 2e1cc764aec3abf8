"""The steps around the workflow: reading, updating, deleting and previewing metrics, and listing agents."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

import cekura_facade as facade
from cekura_facade.sandbox import Sandbox
from tests.support import Either, Received, Reply, finish_jobs, reply, scripted, slow_down

JOB = "0f8fad5b-d9cb-469f-a165-70867728950e"
METRIC = {"id": 7, "name": "Tone", "eval_type": "binary", "new": 1}
SOON = {"Retry-After": "0"}
HTML = reply(200, b"<html>Log in</html>", type="text/html")
FAILURES = [reply(500, b"", SOON), reply(502, b"<html>", SOON), b"", b"garbage"]
KEY = "sk-very-secret"
GOOD = {"name": "x", "eval_type": "binary"}


@pytest.fixture
def saved(cekura: Either, sandbox: Sandbox) -> facade.Metric:
    agent_id = next(iter(sandbox.agents))
    metric: facade.Metric = cekura.metrics.create_in_bulk([{"name": "Tone", "eval_type": "binary", "agent": agent_id}])[
        0
    ]
    return metric


def test_a_metric_is_read_updated_and_deleted(cekura: Either, sandbox: Sandbox, saved: facade.Metric) -> None:
    assert cekura.metrics.get(saved.id).name == "Tone"
    assert cekura.metrics.update(saved.id, {"name": "Manner"}, description="How it speaks").name == "Manner"
    assert cekura.metrics.update(saved.id, facade.MetricUpdate(display_order=3), eval_type="numeric").id == saved.id
    assert [request.json for request in sandbox.requests if request.method == "PATCH"] == [
        {"name": "Manner", "description": "How it speaks"},
        {"display_order": 3, "eval_type": "numeric"},
    ]
    kept = sandbox.metrics[0]
    assert (kept["name"], kept["description"], kept["eval_type"], kept["display_order"]) == (
        *("Manner", "How it speaks", "numeric", 3),
    )
    assert cekura.metrics.delete(saved.id) is None
    assert sandbox.metrics == []
    for look in (cekura.metrics.get, cekura.metrics.delete, lambda number: cekura.metrics.update(number, name="x")):
        with pytest.raises(facade.NotFoundError):
            look(saved.id)


def test_null_and_unknown_fields_are_sent_unchanged(client: Callable[..., Either]) -> None:
    with scripted(reply(200, METRIC)) as server:
        metric = client("key", base_url=server.url).metrics.update(7, {"add_to_new_agents": None, "brand_new": [1]})
    assert server.received[0].json == {"add_to_new_agents": None, "brand_new": [1]}
    assert metric.additional_properties["new"] == 1


def test_keyword_arguments_override_the_body(client: Callable[..., Either]) -> None:
    with scripted(reply(200, METRIC)) as server:
        client("key", base_url=server.url).metrics.update(7, {"name": "A", "prompt": "x"}, name="B")
    assert server.received[0].json == {"name": "B", "prompt": "x"}


def test_a_refused_change_names_the_field(cekura: Either, saved: facade.Metric) -> None:
    with pytest.raises(facade.BadRequestError) as caught:
        cekura.metrics.update(saved.id, type_="basic")
    assert [problem.field for problem in caught.value.problems] == ["type"]


@pytest.mark.parametrize("failure", FAILURES, ids=lambda failure: str(failure[:14]))
@pytest.mark.parametrize(
    ("call", "done"),
    [
        (lambda cekura: cekura.metrics.update(7, name="Tone"), reply(200, METRIC)),
        (lambda cekura: cekura.metrics.delete(7), reply(204)),
    ],
    ids=["update", "delete"],
)
def test_idempotent_requests_are_retried(
    client: Callable[..., Either], call: Callable[[Either], Any], done: bytes, failure: bytes
) -> None:
    with scripted(failure, done) as server:
        call(client("key", base_url=server.url))
    first, second = server.received
    assert (first.method, first.path, first.body) == (second.method, second.path, second.body)
    with scripted(failure) as server:
        cekura = client("key", base_url=server.url, max_retries=0)
        with pytest.raises(facade.APIError):
            call(cekura)
    assert len(server.received) == 1


@pytest.mark.parametrize("failure", FAILURES, ids=lambda failure: str(failure[:14]))
def test_a_404_after_a_lost_response_means_deleted(client: Callable[..., Either], failure: bytes) -> None:
    with scripted(failure, reply(404, {"detail": "Not found."})) as server:
        assert client("key", base_url=server.url).metrics.delete(7) is None
    assert len(server.received) == 2


NOT_THE_SERVICE = [reply(404, b"default backend - 404", type="text/plain"), reply(404, b"<html>"), reply(404, ["x"])]


@pytest.mark.parametrize("answer", NOT_THE_SERVICE, ids=["text", "HTML", "other JSON"])
def test_a_404_of_a_proxy_does_not_mean_deleted(client: Callable[..., Either], answer: bytes) -> None:
    with scripted(reply(502, b"<html>", SOON), answer) as server, pytest.raises(facade.NotFoundError):
        client("key", base_url=server.url).metrics.delete(7)
    assert len(server.received) == 2


@pytest.mark.parametrize("refusal", [reply(429, b"", SOON), reply(503, b"", SOON)], ids=["429", "503"])
def test_deleting_an_unknown_metric_raises_not_found(client: Callable[..., Either], refusal: bytes) -> None:
    with scripted(refusal, reply(404, {"detail": "Not found."})) as server, pytest.raises(facade.NotFoundError):
        client("key", base_url=server.url).metrics.delete(7)
    assert len(server.received) == 2


@pytest.mark.parametrize(
    ("call", "answer"),
    [
        (lambda c: c.metrics.delete(7), HTML),
        (lambda c: c.metrics.update(7, name="x"), HTML),
        (lambda c: c.metrics.update(7, name="x"), reply(200, {"name": "x"})),
        (lambda c: c.metrics.update(7, name="x"), reply(204)),
        (lambda c: c.metrics.get(7), reply(200, {"id": "7"})),
        (lambda c: c.agents.get(7), reply(200, [])),
        (lambda c: c.agents.get(7), reply(200, {"agent_name": "x"})),
        (lambda c: c.metrics.preview(GOOD, run_ids=[1]), reply(200, {"progress_id": " "})),
        (lambda c: c.metrics.preview(GOOD, run_ids=[1]), reply(200)),
        *(
            (lambda c: c.metrics.preview(GOOD, run_ids=[1]), reply(200, {"progress_id": progress_id}))
            for progress_id in (KEY, "\ud800", "x" * 1001, 5, None, {"id": "x"})
        ),
        *(
            (lambda c: c.metrics.simplify_prompt("x"), reply(200, {"progress_id": progress_id}))
            for progress_id in (KEY, "\ud800", "x" * 1001, 5, None)
        ),
        (lambda c: c.metrics.simplify_prompt("x"), reply(200, {"simplified_prompt": ["x"]})),
        (lambda c: c.metrics.simplify_prompt("x"), reply(200, {"original_prompt": "x"})),
        (lambda c: c.metrics.simplify_prompt("x"), reply(200, ["x"])),
        (lambda c: c.metrics.simplify_prompt("x"), HTML),
        (lambda c: c.metrics.preview_job("a").poll(), reply(200, {"status": None})),
        (lambda c: c.metrics.simplification_job("a").poll(), reply(200, {"status": "completed"})),
    ],
)
def test_a_success_of_the_wrong_shape_is_not_a_result(
    client: Callable[..., Either], call: Callable[[Either], Any], answer: bytes
) -> None:
    with scripted(answer) as server:
        cekura = client(KEY, base_url=server.url)
        with pytest.raises(facade.UnexpectedResponseError) as caught:
            call(cekura)
    assert len(server.received) == 1
    assert KEY not in str(caught.value)


@pytest.mark.parametrize("number", [0, -1, True, "7", 7.0, None, 2**63])
def test_an_invalid_id_is_refused_before_sending(cekura: Either, sandbox: Sandbox, number: Any) -> None:
    calls: list[Callable[[], Any]] = [
        lambda: cekura.metrics.get(number),
        lambda: cekura.metrics.delete(number),
        lambda: cekura.metrics.update(number, name="x"),
        lambda: cekura.agents.get(number),
        lambda: cekura.metrics.preview(GOOD, call_log_ids=[number] if not isinstance(number, int) else True),
    ]
    if number is not None:
        calls += [
            lambda: cekura.agents.list(project_id=number),
            lambda: cekura.metrics.list(agent_id=number),
            lambda: cekura.metrics.simplify_prompt("x", metric_id=number),
            lambda: cekura.metrics.preview(GOOD, run_ids=[1], agent_id=number),
            lambda: cekura.metrics.generate(agent_id=number),
        ]
    for call in calls:
        with pytest.raises(facade.InvalidRequestError):
            call()
    assert sandbox.requests == []


@pytest.mark.parametrize(
    ("call", "word"),
    [
        (lambda c: c.metrics.update(7), "Nothing to send"),
        (lambda c: c.metrics.update(7, {}), "Nothing to send"),
        (lambda c: c.metrics.update(7, facade.MetricUpdate()), "Nothing to send"),
        (lambda c: c.metrics.update(7, "name"), "MetricUpdate or a mapping"),
        (lambda c: c.metrics.update(7, facade.MetricUpdate), "MetricUpdate or a mapping"),
        (lambda c: c.metrics.update(7, [("name", "x")]), "MetricUpdate or a mapping"),
        (lambda c: c.metrics.update(7, name=float("nan")), "name=nan: expected a string"),
        (lambda c: c.metrics.update(7, {"new": float("nan")}), "cannot be sent"),
        (lambda c: c.metrics.update(7, {"new": object()}), "cannot be sent"),
        (lambda c: c.metrics.preview(GOOD), "call_log_ids or run_ids"),
        (lambda c: c.metrics.preview(GOOD, run_ids=[]), r"run_ids=\[\]: expected a list with at least 1 items"),
        (lambda c: c.metrics.preview(GOOD, run_ids=range(1, 12)), "with at most 10 items"),
        (lambda c: c.metrics.preview(GOOD, run_ids="12"), "run_ids='12': expected a list"),
        (lambda c: c.metrics.preview({"name": " "}, run_ids=[1]), "name"),
        (lambda c: c.metrics.preview("x", run_ids=[1]), "mapping"),
        (lambda c: c.metrics.preview({"name": "x", 1: 2}, run_ids=[1]), "JSON"),
        (lambda c: c.metrics.preview({"name": "x"}, run_ids=[1]), "eval_type is missing"),
        (lambda c: c.metrics.preview({"name": "x", "prompt": object()}, run_ids=[1]), "JSON"),
        (lambda c: c.metrics.simplify_prompt(" "), "original_prompt=' ': expected a string that is not empty"),
        (lambda c: c.metrics.simplify_prompt(None), "original_prompt"),
        (lambda c: c.metrics.preview_job(""), "progress_id"),
        (lambda c: c.metrics.preview_job("x" * 1001), "progress_id"),
        (lambda c: c.metrics.preview_job("\ud800"), "progress_id"),
        (lambda c: c.agents.list(q="x" * 1001), "at most 1000"),
        (lambda c: c.agents.list(page_size="5"), "page_size='5': expected an integer"),
        (lambda c: c.metrics.simplification_job(5), "progress_id"),
    ],
)
def test_invalid_arguments_are_refused_before_sending(
    cekura: Either, sandbox: Sandbox, call: Callable[[Either], Any], word: str
) -> None:
    with pytest.raises(facade.InvalidRequestError, match=word):
        call(cekura)
    assert sandbox.requests == []


def test_a_metric_is_previewed_on_calls(cekura: Either, sandbox: Sandbox, saved: facade.Metric) -> None:
    suggested = cekura.metrics.generate(agent_id=next(iter(sandbox.agents))).wait()[0]
    for metric in (
        suggested,
        saved,
        {"name": "Mine", "eval_type": "numeric", "type": "custom_code", "custom_code": "1"},
    ):
        job = cekura.metrics.preview(metric, call_log_ids=[3, 4], run_ids=(5,), project_id=11)
        assert type(job.target) is (facade.Job if cekura.kind == "sync" else facade.AsyncJob)
        seen: list[Any] = []
        done = job.wait(on_progress=seen.append)
        assert [result["call_log_id"] for result in done.results[:2]] == [3, 4]
        assert done.results[2]["run_id"] == 5
        assert seen[-1] == done == cekura.metrics.preview_job(job.progress_id).wait()
        sent = next(r.json for r in reversed(sandbox.requests) if r.path.endswith("/preview/"))
        assert sent.keys() == {"metric_data", "call_log_ids", "run_ids", "project_id"}
    assert sent["metric_data"]["type"] == "custom_code"
    first = next(r.json for r in sandbox.requests if r.path.endswith("/preview/"))
    assert first["metric_data"] == {**suggested.to_dict(), "type": "llm_judge"}


def test_a_prompt_is_simplified_at_once_or_in_a_job(cekura: Either, sandbox: Sandbox) -> None:
    job = cekura.metrics.simplify_prompt("Was it kind? Was it clear? Was it short?")
    before = len(sandbox.requests)
    assert (job.progress_id, job.wait(timeout=0).simplified_prompt) == ("", "Was it kind? Was it clear?")
    assert (job.poll().status, len(sandbox.requests)) == ("completed", before)
    assert job.wait().original_prompt == "Was it kind? Was it clear? Was it short?"
    job = cekura.metrics.simplify_prompt("Was it kind? " * 30, metric_id=5)
    done = job.wait()
    assert (done.simplified_prompt, done.metric_id) == ("Was it kind? Was it kind?", 5)
    assert cekura.metrics.simplification_job(job.progress_id).wait() == done
    assert sandbox.requests[before].json == {"original_prompt": "Was it kind? " * 30, "metric_id": 5}


@pytest.mark.parametrize("kind_of_job", ["preview", "simplification"])
def test_a_failure_of_any_job_names_the_job_and_how_to_resume_it(
    cekura: Either, sandbox: Sandbox, kind_of_job: str
) -> None:
    def start() -> Any:
        if kind_of_job == "preview":
            return cekura.metrics.preview({"name": "x", "eval_type": "binary"}, run_ids=[1])
        return cekura.metrics.simplify_prompt("Was it kind? " * 30)

    sandbox.fail_next_job("out of ideas")
    job = start()
    with pytest.raises(
        facade.GenerationFailedError, match=f"(?i)^{kind_of_job} {job.progress_id} failed: out of ideas"
    ) as failed:
        job.wait()
    assert failed.value.progress_id == job.progress_id
    slow_down(sandbox)
    job = start()
    with pytest.raises(facade.GenerationTimeoutError) as late:
        job.wait(timeout=0)
    finish_jobs(sandbox)
    assert late.value.last_progress is not None
    assert f"metrics.{kind_of_job}_job({job.progress_id!r}).wait()" in str(late.value)
    pick_up = getattr(cekura.metrics, f"{kind_of_job}_job")
    assert pick_up(late.value.progress_id).wait().status == "completed"
    with pytest.raises(facade.NotFoundError) as unknown:
        pick_up("unknown").poll()
    assert unknown.value.progress_id == "unknown"
    assert f"metrics.{kind_of_job}_job('unknown')" in "".join(unknown.value.__notes__)
    with pytest.raises(facade.NotFoundError) as short:
        pick_up("a").wait(timeout=0)
    assert f"metrics.{kind_of_job}_job('a')" in "".join(short.value.__notes__)
    assert not hasattr(failed.value, "__notes__")
    assert repr(pick_up(uuid.UUID(JOB)).target).endswith(f"Job('{JOB}')")


def test_a_failed_poll_does_not_end_the_wait_for_any_job(client: Callable[..., Either]) -> None:
    replies = [
        reply(200, {"status": "warming up"}),
        reply(500, b""),
        b"",
        reply(200, {"status": "completed", "results": 1}),
    ]
    with scripted(*replies) as server:
        progress = client("key", base_url=server.url, max_retries=0).metrics.preview_job("any text").wait()
    assert (progress.status, progress.results) == ("completed", 1)
    assert len(server.received) == 4
    assert server.received[0].path.endswith("/preview-progress/?progress_id=any+text")


# The pages of a list.


def test_all_agents_are_listed_a_page_at_a_time(cekura: Either, sandbox: Sandbox) -> None:
    sandbox.agents.clear()
    sandbox.agents.update({number: {"agent_name": f"Agent {number}", "project": number % 2} for number in range(1, 26)})
    agents = cekura.agents.list(page_size=10)
    assert sandbox.requests == []
    assert cekura.take(agents).agent_name == "Agent 1"
    assert len(sandbox.requests) == 1
    assert [agent.id for agent in rest(cekura, agents)] == list(range(2, 26))
    assert [request.query for request in sandbox.requests] == [
        {"page_size": "10"},
        {"page_size": "10", "page": "2"},
        {"page_size": "10", "page": "3"},
    ]
    assert [agent.id for agent in rest(cekura, cekura.agents.list(project_id=1, q="agent 2"))] == [21, 23, 25]
    assert cekura.agents.get(7).agent_name == "Agent 7"


def rest(cekura: Either, agents: Any) -> Iterator[facade.Agent]:
    while True:
        try:
            yield cekura.take(agents)
        except StopIteration:
            return


def page(numbers: list[int], next: object = None, **others: object) -> bytes:
    return reply(200, {"count": 99, "next": next, "results": [{"id": number} for number in numbers], **others})


@pytest.mark.parametrize(
    "next",
    [
        "https://elsewhere.example/test_framework/v1/aiagents/?cursor=a%2Fb%3D&page_size=2",
        "/other/path/?cursor=a%2Fb%3D&page_size=2",
        "?cursor=a%2Fb%3D&page_size=2",
    ],
)
def test_the_next_page_is_requested_from_the_first_url(client: Callable[..., Either], next: str) -> None:
    with scripted(page([1, 2], next), page([3])) as server:
        cekura = client(KEY, base_url=f"{server.url}/prefix")
        assert [agent.id for agent in rest(cekura, cekura.agents.list(page_size=2))] == [1, 2, 3]
    first, second = (urlsplit(request.path) for request in server.received)
    assert first.path == second.path == "/prefix/test_framework/v1/aiagents/"
    assert (first.query, second.query) == ("page_size=2", "cursor=a%2Fb%3D&page_size=2")
    assert {request.headers["x-cekura-api-key"] for request in server.received} == {KEY}


@pytest.mark.parametrize("end", [None, "", {}], ids=repr)
def test_a_page_without_next_is_the_last_one(client: Callable[..., Either], end: object) -> None:
    with scripted(page([1], end)) as server:
        cekura = client(KEY, base_url=server.url)
        assert len(list(rest(cekura, cekura.agents.list()))) == 1


def test_an_agent_that_moves_to_the_next_page_is_returned_once(client: Callable[..., Either]) -> None:
    with scripted(page([1, 2], "?page=2"), page([2, 3], "?page=3"), page([])) as server:
        cekura = client(KEY, base_url=server.url)
        assert [agent.id for agent in rest(cekura, cekura.agents.list())] == [1, 2, 3]
    assert len(server.received) == 3


@pytest.mark.parametrize(
    "answers",
    [
        [page([1], "?page=1"), page([1], "?page=1")],
        [page([1], "?page=2"), page([2], "?page=3"), page([1, 2], "?page=2")],
        [page([], "?page=2")],
        [page([1], "?page=2"), page([], "?page=3")],
        [page([1], "?page=\ud800")],
        [page([1], "?page=" + "9" * 5000)],
        [page([1], f"?page=2&key={KEY}")],
        [page([1], f"?page=2&key=%73{KEY[1:]}")],
        [page([1], "https://elsewhere.example/")],
        [page([1], "http://[")],
        [page([1], 5)],
        [page([1], ["?page=2"])],
        [reply(200, {"results": None})],
        [reply(200, {"results": [{"agent_name": "x"}]})],
        [reply(200, {"results": ["x"]})],
        [reply(200, {"results": [{"id": "7"}]})],
        [reply(200, {"results": [{"id": True}]})],
        [reply(200, [])],
        [HTML],
    ],
)
def test_an_invalid_next_link_raises_an_error(client: Callable[..., Either], answers: list[Reply]) -> None:
    with scripted(*answers) as server:
        cekura = client(KEY, base_url=server.url)
        with pytest.raises(facade.UnexpectedResponseError, match="/aiagents/"):
            list(itertools.islice(rest(cekura, cekura.agents.list(page_size=5)), 9))
    assert len(server.received) == len(answers)


def test_a_failed_page_is_requested_again(client: Callable[..., Either]) -> None:
    def echo(request: Received) -> bytes:
        return reply(403, {"detail": request.headers["x-cekura-api-key"]})

    with scripted(page([1], "?page=2"), reply(502, b""), page([2], "?page=3"), echo) as server:
        cekura = client(KEY, base_url=server.url)
        agents = cekura.agents.list()
        assert [cekura.take(agents).id for _ in range(2)] == [1, 2]
        with pytest.raises(facade.PermissionDeniedError) as caught:
            cekura.take(agents)
    assert KEY not in str(caught.value)
