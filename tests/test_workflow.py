"""The workflow, on both clients: generate, wait, save, list."""

from __future__ import annotations

import copy
import itertools
import json
import pickle
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from cekura_api.api.agents import get_agent
from cekura_api.api.metrics import delete_metric, get_metric

import cekura_facade as facade
from cekura_facade._jobs import GENERATION, Handle, wait
from cekura_facade._workflow import GenerateAndCreate, generation_request
from cekura_facade.sandbox import Sandbox
from tests.fake_http import FakeHTTP, run
from tests.support import Either, Received, VirtualClock, closed_port, finish_jobs, reply, scripted, slow_down

JOB = "0f8fad5b-d9cb-469f-a165-70867728950e"
SUGGESTED = {"name": "Politeness", "description": "Is it polite?", "agent": 1, "eval_type": "binary", "scenarios": [3]}


STARTED = httpx.Response(200, json={"progress_id": JOB})
NO_RESPONSE = httpx.RemoteProtocolError("Server disconnected without sending a response.")


def state(status: str = "completed", **fields: Any) -> dict[str, Any]:
    return {"agent_id": 1, "status": status, "current_step": "step", "metrics": [], "error": None, **fields}


def progress(status: str = "completed", **fields: Any) -> httpx.Response:
    return httpx.Response(200, content=json.dumps(state(status, **fields)))


def wait_for(
    http: FakeHTTP, timeout: float = 600.0, on_progress: Any = None, *, is_new: bool = False
) -> list[facade.GeneratedMetric]:
    return run(wait(http, Handle(GENERATION, JOB, is_new=is_new), timeout, on_progress))


def generate_and_create(http: FakeHTTP, review: Any = None) -> list[facade.Metric]:
    return run(GenerateAndCreate(http, review, 600.0, None).run(generation_request(1, None, 1)))


def first(sandbox: Sandbox) -> int:
    return int(next(iter(sandbox.agents)))


def test_suggestions_are_saved_unchanged_and_progress_is_reported(cekura: Either, sandbox: Sandbox) -> None:
    seen: list[facade.GenerateMetricsProgress] = []
    saved = cekura.metrics.generate_and_create(agent_id=first(sandbox), num_metrics=7, on_progress=seen.append)

    suggested = [metric.to_dict() for metric in seen[-1].metrics or []]
    sent = next(request.json for request in sandbox.requests if request.path.rstrip("/").endswith("bulk_create"))
    assert len(suggested) == 7
    assert sent == suggested
    assert set(SUGGESTED) < set(suggested[0])
    assert [metric.id for metric in saved] == [metric["id"] for metric in sandbox.metrics]
    assert [metric.name for metric in saved] == [metric["name"] for metric in suggested]
    assert seen[-1].status == "completed"
    assert all(before != after for before, after in itertools.pairwise(seen))


def test_the_steps_one_by_one_and_a_job_resumed_by_its_id(cekura: Either, sandbox: Sandbox) -> None:
    slow_down(sandbox)
    job = cekura.metrics.generate(agent_id=first(sandbox), num_metrics=2)
    assert job.poll().status == "queued"
    finish_jobs(sandbox)
    suggested = cekura.metrics.job(job.progress_id).wait(timeout=30)
    assert [type(metric) for metric in suggested] == [facade.GeneratedMetric] * 2
    assert sandbox.metrics == []
    saved = cekura.metrics.create_in_bulk(suggested)
    assert {metric.id for metric in saved} <= {metric.id for metric in cekura.metrics.list(agent_id=first(sandbox))}


def test_an_agent_can_be_named_by_its_assistant_id(cekura: Either, sandbox: Sandbox) -> None:
    assistant_id = next(agent["assistant_id"] for agent in sandbox.agents.values() if agent.get("assistant_id"))
    assert len(cekura.metrics.generate_and_create(assistant_id=assistant_id)) == 1


def test_review_chooses_and_changes_what_is_saved(cekura: Either, sandbox: Sandbox) -> None:
    def review(suggested: list[facade.GeneratedMetric]) -> list[facade.GeneratedMetric]:
        suggested[1].name = "Renamed"
        return suggested[1:]

    saved = cekura.metrics.generate_and_create(agent_id=first(sandbox), num_metrics=3, review=review)
    assert saved[0].name == "Renamed"
    assert len(sandbox.metrics) == 2


def test_review_may_choose_nothing(cekura: Either, sandbox: Sandbox) -> None:
    assert cekura.metrics.generate_and_create(agent_id=first(sandbox), review=lambda suggested: []) == []
    assert sandbox.metrics == []


def test_a_review_that_forgets_to_return_loses_nothing(cekura: Either, sandbox: Sandbox) -> None:
    with pytest.raises(facade.InvalidRequestError, match="review returned None") as caught:
        cekura.metrics.generate_and_create(agent_id=first(sandbox), num_metrics=2, review=lambda suggested: None)
    assert len(caught.value.metrics) == 2
    assert caught.value.progress_id in sandbox.jobs


def test_an_error_of_review_is_raised_with_a_note_of_the_job(cekura: Either, sandbox: Sandbox) -> None:
    def review(suggested: Any) -> Any:
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine") as caught:
        cekura.metrics.generate_and_create(agent_id=first(sandbox), review=review)
    assert any(job in note for job in sandbox.jobs for note in caught.value.__notes__)


def test_asynchronous_callbacks_are_awaited(sandbox: Sandbox, client: Callable[..., Either], kind: str) -> None:
    if kind == "sync":
        pytest.skip("only the asynchronous client awaits its callbacks")
    seen = []

    async def on_progress(state: facade.GenerateMetricsProgress) -> None:
        seen.append(state.status)

    async def review(suggested: list[facade.GeneratedMetric]) -> list[facade.GeneratedMetric]:
        return suggested[:1]

    cekura = client(sandbox.api_key, base_url=sandbox.url)
    saved = cekura.metrics.generate_and_create(
        agent_id=first(sandbox), num_metrics=2, review=review, on_progress=on_progress
    )
    assert len(saved) == 1
    assert seen[-1] == "completed"


def test_every_kind_of_metric_can_be_passed(cekura: Either, sandbox: Sandbox) -> None:
    given = [
        {"name": "mapping", "eval_type": "binary", "agent": first(sandbox), "new": {"nested": [1, None]}},
        facade.MetricCreate(name="model", eval_type="numeric", configuration={"a": 1}),
        facade.GeneratedMetric.from_dict(SUGGESTED | {"agent": first(sandbox)}),
    ]
    saved = cekura.metrics.create_in_bulk(metric for metric in given)
    assert [metric.name for metric in saved] == ["mapping", "model", "Politeness"]
    assert sandbox.metrics[0]["new"] == {"nested": [1, None]}
    assert sandbox.metrics[1]["configuration"] == {"a": 1}


def test_metrics_are_returned_in_the_order_of_the_argument(cekura: Either, sandbox: Sandbox) -> None:
    names = [f"metric {number}" for number in range(20)]
    saved = cekura.metrics.create_in_bulk({"name": name, "eval_type": "binary"} for name in names)
    assert [metric.name for metric in saved] == names


def test_a_failed_generation_has_the_reason_and_the_id(cekura: Either, sandbox: Sandbox) -> None:
    sandbox.fail_next_job("the model is on strike")
    with pytest.raises(facade.GenerationFailedError, match="the model is on strike") as caught:
        cekura.metrics.generate_and_create(agent_id=first(sandbox))
    assert caught.value.reason == "the model is on strike"
    assert caught.value.progress_id in str(caught.value)
    assert caught.value.progress_id in sandbox.jobs


def test_a_timeout_says_how_to_resume(client: Callable[..., Either], clock: VirtualClock) -> None:
    replies = [reply(200, {"progress_id": JOB}), reply(200, state("queued"))]
    with scripted(*replies) as server:
        job = client("key", base_url=server.url).metrics.generate(agent_id=1)
        with pytest.raises(facade.GenerationTimeoutError) as caught:
            job.wait(timeout=100)
    assert clock.seconds == 100
    assert caught.value.progress_id == job.progress_id
    assert f"metrics.job({job.progress_id!r}).wait()" in str(caught.value)
    assert caught.value.last_progress is not None
    assert caught.value.last_progress.status == "queued"


def test_the_pause_between_polls_is_a_fifth_of_the_time_so_far() -> None:
    http = FakeHTTP(progress("queued"))
    with pytest.raises(facade.GenerationTimeoutError):
        run(wait(http, Handle(GENERATION, JOB, is_new=True), 3600))
    *pauses, last = http.clock.pauses
    times = list(itertools.accumulate(pauses))
    assert pauses[0] == 0.25
    assert pauses[1:] == pytest.approx([min(time / 5, 60) for time in times[:-1]])
    assert pauses[-1] == 60
    assert last < 60
    assert http.clock.now() == 3600
    assert len(http.requests) == len(http.clock.pauses)


def test_a_job_that_is_not_new_is_polled_at_once() -> None:
    http = FakeHTTP(progress("queued"))
    with pytest.raises(facade.GenerationTimeoutError):
        wait_for(http, timeout=0.35)
    assert http.clock.pauses == pytest.approx([0, 0.25, 0.05, 0.05])


def test_a_poll_waits_as_long_as_the_service_asks() -> None:
    failures = [httpx.Response(429, headers={"Retry-After": seconds}) for seconds in ("7", "61")]
    http = FakeHTTP(*failures, progress(), max_retries=0)
    assert wait_for(http) == []
    assert http.clock.now() == 7 + 60


def test_a_timeout_of_zero_polls_once() -> None:
    http = FakeHTTP(progress("in_progress"))
    with pytest.raises(facade.GenerationTimeoutError):
        wait_for(http, timeout=0)
    assert len(http.requests) == 1


def test_an_unknown_status_is_not_finished_yet() -> None:
    states = ["queued", "paused", "in_progress", "queued", "completed"]
    seen: list[object] = []
    http = FakeHTTP(*map(progress, states))
    assert wait_for(http, 30, lambda state: seen.append(state.status)) == []
    assert seen == states


@pytest.mark.parametrize("number", [0, 2, 7])
def test_all_suggestions_are_saved_even_if_more_or_fewer_were_requested(number: int) -> None:
    suggested = [SUGGESTED | {"name": f"m{i}"} for i in range(number)]
    saved = [{"id": i, **each} for i, each in enumerate(suggested, 1)]
    listed, created = httpx.Response(200, json=[]), httpx.Response(201, json=saved)
    http = FakeHTTP(STARTED, progress(metrics=suggested), listed, created)
    request = generation_request(1, None, num_metrics=5)
    metrics = run(GenerateAndCreate(http, None, 600.0, None).run(request))
    assert [metric.id for metric in metrics] == list(range(1, number + 1))
    assert len(http.requests) == (4 if number else 2)


def test_on_progress_is_called_only_with_new_states() -> None:
    seen: list[object] = []
    http = FakeHTTP(progress("queued"), progress("queued"), progress("queued"), progress("completed"))
    wait_for(http, on_progress=lambda state: seen.append(state.status))
    assert len(http.requests) == 4
    assert seen == ["queued", "completed"]


def test_a_failed_poll_does_not_end_the_wait() -> None:
    failures: list[httpx.Response | httpx.TransportError] = [
        httpx.Response(500),
        httpx.Response(200, text="<html>login</html>"),
        NO_RESPONSE,
        httpx.Response(404, json={"detail": "?"}),
    ]
    http = FakeHTTP(*failures, progress("completed", metrics=[SUGGESTED]), max_retries=0)
    assert [metric.to_dict() for metric in wait_for(http, timeout=30, is_new=True)] == [SUGGESTED]


def test_both_clients_continue_to_wait_after_a_failed_poll(client: Callable[..., Either]) -> None:
    page = reply(200, b"<html>login</html>", type="text/html")
    started = reply(200, {"progress_id": JOB})
    polls = [reply(500), page, b"", reply(404, {"detail": "?"}), reply(200, state(metrics=[SUGGESTED]))]
    with scripted(started, *polls) as server:
        metrics = client("key", base_url=server.url, max_retries=0).metrics.generate(agent_id=1).wait(timeout=30)
    assert [metric.to_dict() for metric in metrics] == [SUGGESTED]


@pytest.mark.parametrize(
    ("status", "error"),
    [(400, facade.BadRequestError), (401, facade.AuthenticationError), (403, facade.PermissionDeniedError)],
    ids=str,
)
def test_a_refusal_ends_the_wait_with_the_job_named(status: int, error: type[facade.APIStatusError]) -> None:
    http = FakeHTTP(httpx.Response(status, json={"detail": "no"}))
    with pytest.raises(error) as caught:
        wait_for(http, timeout=30)
    assert caught.value.progress_id == JOB
    assert len(http.requests) == 1


@pytest.mark.parametrize(("timeout", "ends"), [(5, 5), (600, 13)])
def test_a_job_that_stays_unknown_is_an_error(timeout: float, ends: float) -> None:
    """The wait ends at its timeout, or at the first poll after ten seconds."""
    http = FakeHTTP(httpx.Response(404, json={"detail": "Not found."}))
    with pytest.raises(facade.NotFoundError) as caught:
        wait_for(http, timeout=timeout, is_new=True)
    assert caught.value.progress_id == JOB
    assert len(http.requests) > 1
    assert min(timeout, 10) <= http.clock.now() <= ends


def test_a_resumed_job_that_is_unknown_is_an_error_at_once() -> None:
    http = FakeHTTP(httpx.Response(404, json={"detail": "Not found."}))
    with pytest.raises(facade.NotFoundError):
        wait_for(http)
    assert (len(http.requests), http.clock.now()) == (1, 0.0)


def test_a_job_that_was_known_may_be_unknown_for_ten_seconds_again() -> None:
    """One of several servers of the service does not know the job yet."""
    times: list[float] = []

    def respond(request: Received) -> httpx.Response:
        times.append(http.clock.now())
        return progress("queued") if http.clock.now() < 20 else httpx.Response(404)

    http = FakeHTTP(respond)
    with pytest.raises(facade.NotFoundError):
        wait_for(http)
    known_at = max(time for time in times if time < 20)
    assert 20 < times[-2] <= known_at + 10 < times[-1]


def test_a_reason_that_echoes_the_key_does_not_show_it() -> None:
    http = FakeHTTP(progress("failed", error="sk-secret is out of credit"), api_key="sk-secret")
    with pytest.raises(facade.GenerationFailedError, match="out of credit") as caught:
        wait_for(http)
    assert "sk-secret" not in str(caught.value) + repr(vars(caught.value))


def test_a_wait_without_any_response_ends_with_the_reason(client: Callable[..., Either]) -> None:
    with closed_port() as url, pytest.raises(facade.GenerationTimeoutError, match="no poll succeeded") as caught:
        client("key", base_url=url, max_retries=0).metrics.job(JOB).wait(timeout=0.4)
    assert caught.value.progress_id == JOB
    assert caught.value.last_progress is None
    assert isinstance(caught.value.__cause__, facade.APIConnectionError)


@pytest.mark.parametrize("chosen", [5, True, "name", {"name": "x"}, facade.GeneratedMetric.from_dict(SUGGESTED), [5]])
def test_a_review_that_does_not_return_metrics_loses_nothing(chosen: Any) -> None:
    http = FakeHTTP(STARTED, progress(metrics=[SUGGESTED]))
    with pytest.raises(facade.InvalidRequestError) as caught:
        generate_and_create(http, review=lambda suggested: chosen)
    assert len(http.requests) == 2
    assert [metric.to_dict() for metric in caught.value.metrics] == [SUGGESTED]


@pytest.mark.parametrize("argument", ["review", "on_progress"])
def test_callbacks_are_checked_before_anything_is_sent(cekura: Either, sandbox: Sandbox, argument: str) -> None:
    with pytest.raises(facade.InvalidRequestError, match=f"{argument} is a int"):
        cekura.metrics.generate_and_create(agent_id=1, **{argument: 5})
    assert sandbox.requests == []


def test_coroutine_functions_are_refused_where_nobody_awaits_them(
    sandbox: Sandbox, client: Callable[..., Either], kind: str
) -> None:
    if kind == "async":
        pytest.skip("the asynchronous client awaits them")

    async def on_progress(state: facade.GenerateMetricsProgress) -> None: ...

    with pytest.raises(facade.InvalidRequestError, match="AsyncCekura"):
        client(sandbox.api_key, base_url=sandbox.url).metrics.generate_and_create(
            agent_id=first(sandbox), on_progress=on_progress
        )


def test_suggestions_that_cannot_be_saved_are_on_the_error() -> None:
    refusal = httpx.Response(400, json=[{}, {"name": ["no"]}])
    http = FakeHTTP(STARTED, progress(metrics=[SUGGESTED, SUGGESTED]), refusal)
    with pytest.raises(facade.BadRequestError) as caught:
        generate_and_create(http)
    assert [metric.to_dict() for metric in caught.value.metrics] == [SUGGESTED, SUGGESTED]
    assert caught.value.progress_id == JOB


def test_suggestions_are_sent_back_with_every_field(client: Callable[..., Either]) -> None:
    strange = SUGGESTED | {
        "agent": None,
        "scenarios": "all",
        "eval_type": "brand-new",
        "deep": {"a": [1.5, "é", None]},
        "half": "\ud83d",
    }
    suggested = reply(200, state(metrics=[strange]))
    with scripted(reply(200, {"progress_id": JOB}), suggested, reply(201, [{"id": 5, "name": "x"}])) as server:
        saved = client("key", base_url=server.url).metrics.generate_and_create(agent_id=1)
    assert server.received[-1].json == [strange]
    assert saved[0].id == 5


def test_lists_are_filtered_by_their_arguments(client: Callable[..., Either]) -> None:
    with scripted(reply(200, [])) as server:
        metrics = client("key", base_url=server.url).metrics
        metrics.list(agent_id=1)
        metrics.list(project_id=2)
        metrics.list(assistant_id="a/b c")
        metrics.list()
    queries = [request.path.partition("?")[2] for request in server.received]
    assert queries == ["agent_id=1", "project_id=2", "assistant_id=a%2Fb+c", ""]


def test_the_generated_client_uses_the_same_transport(cekura: Either, sandbox: Sandbox) -> None:
    saved = cekura.metrics.create_in_bulk([{"name": "x", "eval_type": "binary"}])[0]
    assert (
        cekura.endpoint(get_agent, first(sandbox)).parsed.description == sandbox.agents[first(sandbox)]["description"]
    )
    assert cekura.endpoint(get_metric, saved.id).parsed.name == "x"
    assert cekura.endpoint(delete_metric, saved.id).status_code == 204
    with pytest.raises(facade.NotFoundError):
        cekura.endpoint(get_metric, saved.id)
    assert sandbox.api_key not in repr(cekura.client.api)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda metric: pickle.loads(pickle.dumps(metric))])
def test_a_copied_model_is_the_same(copied: Callable[[Any], Any]) -> None:
    metric = facade.MetricCreate(name="x", eval_type="binary")
    assert copied(metric) == metric
    assert copied(metric).to_dict() == {"name": "x", "eval_type": "binary"}
    assert repr(metric) == "MetricCreate(name='x', eval_type='binary')"


def test_json_of_the_generated_client_survives_a_round_trip() -> None:
    odd = {"id": 1, "name": "", "eval_type": "new", "reviews": None, "configuration": [1], "unheard_of": {"x": 1}}
    assert facade.Metric.from_dict(odd).to_dict() == odd
    assert json.loads(json.dumps(facade.MetricUpdate.from_dict({}).to_dict())) == {}
