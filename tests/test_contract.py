"""The contract checks with every behavior of the sandbox, in virtual time, and interrupted at every step."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import httpx
import pytest

from cekura_facade import AuthenticationError, Cekura, CekuraError, NotFoundError, __version__
from cekura_facade.contract import Contract, Result, Value
from cekura_facade.sandbox import BEHAVIORS, Behavior
from tests.faults.virtual import KEY, Respond, VirtualClock, VirtualService, virtual_service

Change = Callable[[httpx.Request, Respond], httpx.Response]
BULK, METRICS, AGENTS = "/metrics/bulk_create/", "/v1/metrics/", "/v1/aiagents/"


@contextmanager
def contract(
    service: VirtualService, change: Change | None = None, agent_id: int = 101, **options: Any
) -> Iterator[Contract]:
    """A contract with a service in process. `change` may respond in place of the service."""
    respond = service.handle if change is None else lambda request: change(request, service.handle)
    with httpx.Client(transport=httpx.MockTransport(respond)) as http_client:
        client = Cekura(KEY, base_url="http://sandbox", http_client=http_client, **options)
        client.transport.clock = service.clock
        yield Contract(client, agent_id)


def results(behavior: Behavior, change: Change | None = None) -> dict[str, Result]:
    """The results by id. Fails if a metric is left on the service."""
    service = virtual_service(behavior)
    with contract(service, change) as checked:
        checked.run()
    assert service.sandbox.metrics == []
    assert checked.remaining == ()
    return {result.id: result for result in checked.results}


def different(some: dict[str, Result]) -> dict[str, Value]:
    """The values of the checks that failed."""
    return {result.id: result.value for result in some.values() if result.passed is False}


# Behaviors

SEEN: dict[str, dict[str, Value]] = {
    "default": {},
    "list-scope-agent": {"list-scope-agent-id": "agent"},
    "placement-project": {"placement": "project", "deprecation-warning": True},
    "specification": {"list-scope-agent-id": "agent", "placement": "project", "deprecation-warning": True},
    "text-trim": {"text-changes": ["name: trim", "description: trim"]},
    "text-nfd": {"text-changes": ["name: nfd", "description: nfd"]},
    "text-nfc": {"text-changes": ["name: nfc", "description: nfc"]},
    "text-collapse-whitespace": {"text-changes": ["name: collapse_whitespace", "description: collapse_whitespace"]},
    "text-crlf": {"text-changes": ["description: crlf"]},
    "text-html-escape": {"text-changes": ["name: html_escape", "description: html_escape"]},
    "text-cut-name": {"long-name": "cut"},
    "text-eval-type": {},
    "list-lag": {},
    "list-omits-description": {"list-fields": ["description"]},
    "list-limit": {"list-complete": False},
}
# The sandbox replaces an older eval_type with any behavior.
ALWAYS: dict[str, Value] = {"older-eval-type": "binary"}


@pytest.mark.parametrize("name", BEHAVIORS)
def test_each_behavior_is_reported_and_the_client_handles_it(name: str) -> None:
    service = virtual_service(BEHAVIORS[name])
    with contract(service) as checked:
        found = {result.id: result for result in checked.run()}
    assert different(found) == ALWAYS | SEEN[name]
    assert found["list-lag"].value == BEHAVIORS[name].list_lag
    assert [each.id for each in found.values() if each.passed is None] == ["retry-after"]
    assert checked.passed
    assert service.sandbox.metrics == []


def test_the_behaviors_differ_in_more_than_their_names() -> None:
    assert SEEN.keys() == BEHAVIORS.keys()


def test_few_metrics_are_created_and_no_agent_uses_them() -> None:
    service = virtual_service(Behavior(text_change="cut_name"))
    with contract(service) as checked:
        checked.run()
    written = [request for request in service.requests if request.method == "POST"]
    sent = [json.loads(request.content) for request in written]
    metrics = [metric for body in sent for metric in (body if isinstance(body, list) else [body])]
    assert sum(request.method == "DELETE" for request in service.requests) == 4
    assert len(metrics) == 7  # Three of these are refused.
    for metric in metrics:
        flags = (metric["add_to_new_agents"], metric["simulation_enabled"], metric["observability_enabled"])
        assert flags == (False, False, False)
        assert metric["name"].strip().startswith("cekura-facade check ")
    assert len(service.requests) < 50


def test_existing_metrics_are_not_changed_or_deleted() -> None:
    for behavior in BEHAVIORS.values():
        service = virtual_service(behavior)
        service.save_for_others([{"name": "Tone", "eval_type": "binary", "agent": 101}])
        before = [dict(metric) for metric in service.sandbox.metrics]
        with contract(service) as checked:
            checked.run()
        assert checked.passed
        assert service.sandbox.metrics == before


# Other services


def on(method: str, end: str, answer: Callable[[httpx.Request, Respond], httpx.Response]) -> Change:
    """A change of the responses to some requests."""

    def change(request: httpx.Request, respond: Respond) -> httpx.Response:
        return (answer if request.method == method and request.url.path.endswith(end) else _true)(request, respond)

    return change


def _true(request: httpx.Request, respond: Respond) -> httpx.Response:
    return respond(request)


def body(edit: Callable[[Any], Any]) -> Callable[[httpx.Request, Respond], httpx.Response]:
    """The true response with another body."""

    def answer(request: httpx.Request, respond: Respond) -> httpx.Response:
        response = respond(request)
        return httpx.Response(response.status_code, json=edit(response.json()))

    return answer


def instead(status: int, content: object) -> Callable[[httpx.Request, Respond], httpx.Response]:
    """Another response, without the request being processed."""
    return lambda request, respond: httpx.Response(status, json=content)


def without(*parameters: str) -> Callable[[httpx.Request, Respond], httpx.Response]:
    """The response to the request without some of its parameters."""

    def answer(request: httpx.Request, respond: Respond) -> httpx.Response:
        url = request.url.copy_with(params={k: v for k, v in request.url.params.items() if k not in parameters})
        return respond(httpx.Request(request.method, url, headers=request.headers))

    return answer


def refusing_filters(request: httpx.Request, respond: Respond) -> httpx.Response:
    if "filters" in request.url.params:
        return httpx.Response(400, json={"filters": ["Unknown parameter."]})
    return respond(request)


def missing_agents(request: httpx.Request, respond: Respond) -> httpx.Response:
    return httpx.Response(200, json=[]) if "agents" in request.url.params else respond(request)


def project_only(request: httpx.Request, respond: Respond) -> httpx.Response:
    """With a project id alone, only the metrics that no agent has."""
    response = respond(request)
    if "project_id" not in request.url.params or "agent_id" in request.url.params:
        return response
    return httpx.Response(200, json=[metric for metric in response.json() if not metric["agents"]])


def agent_only(request: httpx.Request, respond: Respond) -> httpx.Response:
    """With both ids, only the metrics of the agent, by the filters that the client uses."""
    response = respond(request)
    if "agent_id" not in request.url.params or '"in"' not in request.url.params.get("filters", ""):
        return response
    return httpx.Response(200, json=[metric for metric in response.json() if 101 in metric["agents"]])


def saving_what_is_fine(request: httpx.Request, respond: Respond) -> httpx.Response:
    response = respond(request)
    if response.status_code == 400:
        content = json.dumps(json.loads(request.content)[:1])
        headers = {name: value for name, value in request.headers.items() if name != "content-length"}
        respond(httpx.Request(request.method, request.url, headers=headers, content=content))
    return response


def never_found(request: httpx.Request, respond: Respond) -> httpx.Response:
    return httpx.Response(404, json={"detail": "Not found."})


def undeletable(request: httpx.Request, respond: Respond) -> httpx.Response:
    response = respond(request)
    return httpx.Response(200, json={"id": 1002}) if response.status_code == 404 else response


def is_refused_array(request: httpx.Request) -> bool:
    return b"no-such-type" in request.content


def shortened(response: Any) -> Any:
    return response[:-1] if "id" in response[0] else response


def metric(edit: Callable[[dict[str, Any]], dict[str, Any]]) -> Change:
    """A change of single metrics."""

    def change(request: httpx.Request, respond: Respond) -> httpx.Response:
        response = respond(request)
        is_metric = request.method == "GET" and METRICS in request.url.path and request.url.path[-2].isdigit()
        return httpx.Response(200, json=edit(response.json())) if is_metric and response.is_success else response

    return change


OTHERS: list[tuple[str, Change, Value, bool]] = [
    ("agent-project", on("GET", "/101/", body(lambda agent: {**agent, "project": None})), False, False),
    ("agent-pages", on("GET", AGENTS, body(lambda page: page["results"])), None, False),
    ("agent-pages", on("GET", AGENTS, body(lambda page: {"results": [], "next": None})), ["next", "results"], True),
    ("agent-pages", on("GET", AGENTS, body(lambda page: {"results": page["results"]})), ["results"], False),
    ("unknown-progress-id", on("GET", "progress/", instead(200, {"status": "queued"})), "200", False),
    ("unknown-progress-id", on("GET", "progress/", instead(400, {"id": ["Unknown."]})), "400 fields", False),
    ("refused-metric", on("POST", METRICS, instead(400, {"detail": "No."})), "400 detail", False),
    ("refused-metric", on("POST", METRICS, instead(422, {"eval_type": ["No."]})), "422 fields", False),
    ("refused-array", on("POST", BULK, instead(400, {"non_field_errors": ["No."]})), "400 fields", False),
    ("refused-array", on("POST", BULK, instead(400, [{"eval_type": ["No."]}])), "400 array", False),
    ("refused-array", on("POST", BULK, instead(400, "No.")), "400 other", False),
    ("bulk-create", on("POST", BULK, body(shortened)), False, False),
    ("bulk-create", on("POST", BULK, body(lambda saved: {"results": saved})), None, False),
    ("bulk-create", on("POST", BULK, body(lambda saved: [{**each, "id": 1001} for each in saved])), False, False),
    ("bulk-create-order", on("POST", BULK, body(lambda saved: saved[::-1])), False, False),
    (
        "bulk-create-order",
        on("POST", BULK, body(lambda saved: sorted(saved, key=lambda each: str(each.get("name")).strip()))),
        True,
        True,
    ),
    ("get-new-metric", on("GET", "1001/", never_found), False, False),
    ("long-name", metric(lambda saved: {**saved, "name": saved["name"] + "x" * 300}), "refused", True),
    ("placement", metric(lambda saved: {**saved, "agent": 102, "agents": [102], "project": 12}), "elsewhere", False),
    ("older-eval-type", metric(lambda saved: {**saved, "eval_type": "a secret"}), "another type", False),
    ("older-eval-type", metric(lambda saved: {**saved, "eval_type": "binary_qualitative"}), "binary_qualitative", True),
    ("text-changes", metric(lambda saved: {**saved, "description": "Other."}), None, False),
    ("identity", metric(lambda saved: {**saved, "description": "Other."}), 0, False),
    ("identity", metric(lambda saved: {**saved, "name": "Other."}), 0, False),
    ("identity", metric(lambda saved: {**saved, "eval_type": "enum"}), 0, False),
    ("identity", metric(lambda saved: {**saved, "project": 12}), 0, False),
    ("list-scope-both", on("GET", METRICS, agent_only), ["agent"], False),
    ("list-scope-project-id", on("GET", METRICS, project_only), ["project"], False),
    ("list-scope-project-id", on("GET", METRICS, agent_only), ["agent", "project"], True),
    ("list-filters", on("GET", METRICS, without("filters")), "ignored", False),
    ("list-filters", on("GET", METRICS, refusing_filters), "refused", False),
    ("list-scope-both", on("GET", METRICS, refusing_filters), ["agent", "project"], True),
    ("list-agents", on("GET", METRICS, without("agents")), "ignored", False),
    (
        "list-agents",
        on("GET", METRICS, body(lambda found: [{**each, "id": each["id"]} for each in found])),
        "narrowed",
        True,
    ),
    ("refused-array-saves-nothing", on("POST", BULK, saving_what_is_fine), 1, False),
    ("deleted-metric", metric(lambda saved: saved), "404 detail", True),
    ("deleted-metric", on("GET", "1002/", undeletable), "200", False),
]


@pytest.mark.parametrize(("check", "change", "value", "passed"), OTHERS)
def test_another_service_is_reported(check: str, change: Change, value: Value, passed: bool) -> None:
    result = results(Behavior(), change)[check]
    assert result.passed is passed
    if value is not None:
        assert result.value == value


@pytest.mark.parametrize(("lag", "value", "passed"), [(4.9, 5.0, True), (10.0, 11.0, False), (29.0, 29.0, False)])
def test_a_list_that_lags_is_reported_with_its_seconds(lag: float, value: float, passed: bool) -> None:
    result = results(Behavior(list_lag=lag))["list-lag"]
    assert (result.value, result.passed) == (value, passed)


def test_a_list_that_lags_too_long_leaves_nothing_behind() -> None:
    found = results(Behavior(list_lag=1000))
    assert (found["list-lag"].value, found["list-lag"].passed) == (None, False)
    assert found["list-scope-both"].passed is None


def test_only_required_checks_decide() -> None:
    service = virtual_service(Behavior(list_lag=10))
    with contract(service) as checked:
        assert not checked.passed  # Nothing was checked yet.
        checked.run()
    assert not checked.passed


@pytest.mark.parametrize(("headers", "passed"), [({"Retry-After": "1"}, True), ({}, False)])
def test_too_many_requests_are_observed(headers: dict[str, str], passed: bool) -> None:
    limits = [httpx.Response(429, headers=headers, json={"detail": "Slow down."})]

    def change(request: httpx.Request, respond: Respond) -> httpx.Response:
        return limits.pop() if limits and request.url.path.endswith(METRICS) else respond(request)

    result = results(Behavior(), change)["retry-after"]
    assert (result.passed, result.value) == (passed, int(passed))


def test_an_agent_that_cannot_be_read_ends_the_run_before_anything_is_created() -> None:
    service = virtual_service(Behavior())
    with contract(service, agent_id=999) as checked, pytest.raises(NotFoundError):
        checked.run()
    unauthorized = on("GET", "/101/", instead(401, {"detail": "No."}))
    with contract(service, unauthorized) as checked, pytest.raises(AuthenticationError):
        checked.run()
    assert [request.method for request in service.requests] == ["GET"]
    assert (checked.results, checked.remaining) == ((), ())


def test_the_results_are_reported_one_by_one() -> None:
    seen: list[Result] = []
    with contract(virtual_service(Behavior())) as checked:
        assert checked.run(seen.append) == tuple(seen) == checked.results


def test_an_error_in_the_callback_leaves_nothing_behind() -> None:
    service = virtual_service(Behavior())

    def fail(result: Result) -> None:
        if result.id == "placement":
            raise ZeroDivisionError

    with contract(service) as checked, pytest.raises(ZeroDivisionError):
        checked.run(fail)
    assert service.sandbox.metrics == []


# Interruptions


def at_request(number: int, fault: Callable[[], httpx.Response], created: list[str], *, processed: bool) -> Change:
    """A fault at one request, before or after the service has processed it. Collects the names that are created."""
    count = iter(range(1, 10_000))

    def change(request: httpx.Request, respond: Respond) -> httpx.Response:
        is_hit = next(count) == number
        if is_hit and not processed:
            return fault()
        response = respond(request)
        if response.status_code == 201:
            saved = response.json()
            created.extend(each["name"] for each in (saved if isinstance(saved, list) else [saved]))
        return fault() if is_hit else response

    return change


def interrupt() -> httpx.Response:
    raise KeyboardInterrupt


def lose() -> httpx.Response:
    raise httpx.ReadError("reset")


def fail() -> httpx.Response:
    return httpx.Response(500, json={"detail": "Oops."})


def run(checked: Contract) -> None:
    with suppress(KeyboardInterrupt, CekuraError):
        checked.run()


def requests_of_a_run(behavior: Behavior) -> int:
    service = virtual_service(behavior)
    with contract(service) as checked:
        checked.run()
    return len(service.requests)


@pytest.mark.parametrize("processed", [True, False])
@pytest.mark.parametrize("fault", [interrupt, lose, fail])
def test_one_fault_at_any_request_leaves_nothing_behind(fault: Callable[[], httpx.Response], processed: bool) -> None:
    behavior = Behavior(text_change="cut_name", list_lag=2.0)
    for number in range(1, requests_of_a_run(behavior) + 1):
        service, created = virtual_service(behavior), list[str]()
        with contract(service, at_request(number, fault, created, processed=processed)) as checked:
            run(checked)
        assert service.sandbox.metrics == [], number
        # Only metrics that were never created may be named, because no list can show that they never will be.
        assert not {metric.name[:60] for metric in checked.remaining} & {name[:60] for name in created}, number
        assert all(metric.id is None for metric in checked.remaining), number


@pytest.mark.parametrize("name", BEHAVIORS)
@pytest.mark.parametrize("fault", [interrupt, lose])
def test_a_lost_response_to_a_creation_leaves_nothing_behind(name: str, fault: Callable[[], httpx.Response]) -> None:
    def change(request: httpx.Request, respond: Respond) -> httpx.Response:
        response = respond(request)
        return fault() if response.status_code == 201 else response

    service = virtual_service(BEHAVIORS[name])
    service.save_for_others([{"name": "Tone", "eval_type": "binary", "agent": 101}])
    with contract(service, change) as checked:
        run(checked)
    assert [metric["name"] for metric in service.sandbox.metrics] == ["Tone"]
    assert checked.remaining == ()
    assert not checked.passed


def test_a_creation_that_is_processed_late_leaves_nothing_behind() -> None:
    service = virtual_service(Behavior())
    late: list[tuple[float, httpx.Request]] = []

    def change(request: httpx.Request, respond: Respond) -> httpx.Response:
        while late and late[0][0] <= service.clock.seconds:
            respond(late.pop(0)[1])
        if request.url.path.endswith(BULK) and not is_refused_array(request):
            # This is a copy, because the client removes the credential from its request.
            copy = httpx.Request("POST", request.url, headers=request.headers.copy(), content=request.content)
            late.append((service.clock.seconds + 20, copy))
            lose()
        return respond(request)

    with contract(service, change) as checked:
        checked.run()
    assert late == []
    assert service.sandbox.metrics == []
    assert checked.remaining == ()


def test_metrics_that_cannot_be_deleted_are_named() -> None:
    left_behind = 0
    for number in range(1, requests_of_a_run(Behavior(text_change="cut_name")) + 1):
        # From the nth request on, creations are processed, and no response arrives.
        change = from_request(number)
        service = virtual_service(Behavior(text_change="cut_name"))
        with contract(service, change) as checked:
            run(checked)
        named = {metric.name[:60] for metric in checked.remaining}
        left_behind += len(service.sandbox.metrics)
        assert {metric["name"][:60] for metric in service.sandbox.metrics} <= named, number
        assert not (service.sandbox.metrics and checked.passed), number
    assert left_behind > 50


def from_request(number: int) -> Change:
    """From a request on, creations are processed, nothing else is, and every response is lost."""
    count = iter(range(1, 10_000))

    def change(request: httpx.Request, respond: Respond) -> httpx.Response:
        is_lost = next(count) >= number
        response = respond(request) if not is_lost or request.method == "POST" else None
        return lose() if is_lost or response is None else response

    return change


def test_a_failed_deletion_is_tried_again() -> None:
    service = virtual_service(Behavior())
    refusals = [fail] * 12

    def change(request: httpx.Request, respond: Respond) -> httpx.Response:
        return refusals.pop()() if request.method == "DELETE" and refusals else respond(request)

    with contract(service, change, max_retries=0) as checked:
        checked.run()
    assert refusals == []
    assert service.sandbox.metrics == []
    assert checked.remaining == ()


def test_a_404_of_a_proxy_does_not_count_as_a_deletion() -> None:
    service = virtual_service(Behavior())
    refusals = [httpx.Response(404, text="<html>Not found</html>") for _ in range(5)]

    def change(request: httpx.Request, respond: Respond) -> httpx.Response:
        return refusals.pop() if request.method == "DELETE" and refusals else respond(request)

    with contract(service, change) as checked:
        checked.run()
    assert service.sandbox.metrics == []
    assert checked.remaining == ()


def test_two_interruptions_while_deleting_name_what_is_left() -> None:
    service = virtual_service(Behavior())

    def change(request: httpx.Request, respond: Respond) -> httpx.Response:
        return interrupt() if request.method == "DELETE" else respond(request)

    with contract(service, change) as checked, pytest.raises(KeyboardInterrupt):
        checked.run()
    assert [metric.id for metric in checked.remaining] == [metric["id"] for metric in service.sandbox.metrics]
    assert len(checked.remaining) == 3


def test_an_interruption_while_waiting_leaves_nothing_behind() -> None:
    class Interrupting(VirtualClock):
        def __init__(self, nth: int) -> None:
            super().__init__()
            self.nth = nth

        def sleep(self, seconds: float) -> None:
            super().sleep(seconds)
            if len(self.pauses) == self.nth:
                raise KeyboardInterrupt

    interrupted = 0
    for nth in range(1, 8):
        service = virtual_service(Behavior(list_lag=2.0))
        clock = Interrupting(nth)
        service.sandbox._state.clock = clock  # noqa: SLF001 - One clock for the sandbox and the client.
        service.clock = clock
        with contract(service) as checked:
            try:
                checked.run()
            except KeyboardInterrupt:
                interrupted += 1
        assert service.sandbox.metrics == []
        assert checked.remaining == ()
    assert interrupted >= 4


def test_a_metric_of_others_in_a_response_is_not_deleted() -> None:
    service = virtual_service(Behavior())
    service.save_for_others([{"name": "Tone", "eval_type": "binary", "agent": 101}])

    def change(request: httpx.Request, respond: Respond) -> httpx.Response:
        response = respond(request)
        if response.status_code == 201:
            return httpx.Response(201, json=[{"id": 1001, "name": "Tone"}] * 3)
        return response

    with contract(service, change) as checked:
        checked.run()
    assert [metric["name"] for metric in service.sandbox.metrics] == ["Tone"]
    assert not checked.passed


# The record


def test_the_record_has_no_secret_and_no_text_of_the_customer() -> None:
    for name in ("default", "text-eval-type", "list-limit"):
        service = virtual_service(BEHAVIORS[name])
        service.sandbox.agents[101] |= {"agent_name": "telltale", "description": "telltale " * 20}
        others = [
            {"name": f"telltale {n}", "description": "telltale", "eval_type": "binary", "agent": 101} for n in range(3)
        ]
        service.save_for_others(others)
        for metric in service.sandbox.metrics:
            metric["id"] += 987_654_000

        def change(request: httpx.Request, respond: Respond) -> httpx.Response:
            response = respond(request)
            if response.status_code == 404 or (request.url.path[-2].isdigit() and METRICS in request.url.path):
                return httpx.Response(500, json={"detail": f"telltale {KEY}"})
            return response

        for each in (None, change):
            with contract(service, each) as checked:
                checked.run()
            text = json.dumps(checked.to_dict())
            assert len(checked.results) == 25
            for secret in ("telltale", KEY, "987655", "101"):
                assert secret not in text


def test_the_record_contains_all_results() -> None:
    service = virtual_service(Behavior())
    with contract(service) as checked:
        checked.run()
        record: dict[str, Any] = json.loads(json.dumps(checked.to_dict()))
    assert (record["package"], record["version"], record["host"]) == ("cekura-facade", __version__, "sandbox")
    assert record["passed"] is True
    assert record["remaining"] == []
    assert record["results"][9] == {
        "id": "placement",
        "assumption": "A metric that is sent with agent belongs to that agent.",
        "level": "optional",
        "observed": "The service stored the metric with the agent.",
        "value": "as_sent",
        "passed": True,
    }
    assert len({result["id"] for result in record["results"]}) == len(record["results"])
