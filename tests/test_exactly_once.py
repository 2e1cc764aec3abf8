"""Exactly once with every behavior of the service: storage of metrics, lists, and changes of text."""

from __future__ import annotations

import asyncio
import html
import json
import logging
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, example, given, settings, strategies as st

import cekura_facade as facade
from cekura_facade import _save_state, _saving
from cekura_facade._matching import is_cut
from cekura_facade.sandbox import BEHAVIORS, Behavior
from tests.faults import behaviors
from tests.faults.behaviors import FAULTS, SETTLE, Cell, Problem, all_cells, run_all, run_cell
from tests.faults.virtual import KEY, Fault, Kind, VirtualClient, VirtualService, key, virtual_service
from tests.support import Either

AGENT, NEIGHBOR, STRANGER = behaviors.AGENT, behaviors.NEIGHBOR, behaviors.STRANGER
BY_NAME = {fault.name: fault for fault in FAULTS}
LOST_RESPONSE, LOST_REQUEST = BY_NAME["timeout; processed"], BY_NAME["timeout; not processed"]
Make = Callable[..., VirtualClient]


def metrics(number: int = 3, **fields: Any) -> list[dict[str, Any]]:
    given = {"agent": AGENT, "eval_type": "binary", **fields}
    return [{"name": f"Metric {i}", "description": f"Is it {i}?", **given} for i in range(number)]


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as running:
        yield running


@pytest.fixture
def make(kind: Kind, runner: asyncio.Runner) -> Make:
    """Make a client of the kind for a service: `make(service)`."""
    return lambda service, **options: VirtualClient(kind, service, runner, **{"settle_timeout": SETTLE, **options})


# The matrix.


def half_of_the_cells() -> list[Cell]:
    """Half of the cells, with every pair of values of the client, the repeating client and the crowd.

    `scripts/fault_matrix.py` runs the other half as well.
    """
    return [
        cell
        for cell in all_cells(sample=20)
        if (cell.kind == "sync") ^ (cell.repeated_by == "the same client") ^ cell.crowded
    ]


@pytest.mark.parametrize("behavior", BEHAVIORS)
def test_no_fault_does_harm_with_any_behavior(behavior: str) -> None:
    results = run_all([cell for cell in half_of_the_cells() if cell.behavior == behavior])
    assert len(results) >= 50
    assert {cell.name: dict(problems) for cell, problems in results.items() if +problems} == {}


def test_both_clients_meet_every_fault_with_the_default_behavior() -> None:
    met = {(cell.kind, cell.faults) for cell in half_of_the_cells() if cell.behavior == "default"}
    assert met >= {(kind, (fault,)) for kind in behaviors.KINDS for fault in FAULTS}


def _cell(behavior: str, *faults: Fault, crowded: bool = False) -> Cell:
    return Cell(behavior, faults, "another client", crowded, "sync")


def problems(runner: asyncio.Runner, cell: Cell) -> Counter[Problem]:
    return run_cell(cell, runner)


def test_a_client_that_recognizes_nothing_is_caught(runner: asyncio.Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_save_state.Wanted, "_is_same", lambda *arguments: False)
    assert problems(runner, _cell("default"))["saved twice"] == 3


def test_a_client_that_claims_metrics_of_others_is_caught(
    runner: asyncio.Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    passes = tuple((is_text, lambda *arguments: True) for is_text, _ in _save_state.PASSES)
    monkeypatch.setattr(_save_state, "PASSES", passes)
    monkeypatch.setattr(_save_state.Wanted, "queries", lambda *arguments: iter([{"include_scores": False}]))
    assert problems(runner, _cell("default", crowded=True))["lost"] == 3


def test_a_client_that_raises_without_a_fault_is_caught(
    runner: asyncio.Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: object) -> None:
        raise facade.CekuraError("no")

    monkeypatch.setattr(_saving, "_send", refuse)
    assert problems(runner, _cell("default"))["false alarms"] == 2
    monkeypatch.setattr(_saving, "_send", None)
    assert problems(runner, _cell("default"))["foreign exceptions"] == 2


# Bugs of the first version. Each of them created a duplicate without an error.


@pytest.mark.parametrize("status", [307, 308])
def test_a_redirect_after_the_request_was_processed(make: Make, status: int) -> None:
    service = virtual_service(Behavior(), BY_NAME[f"{status} to the same origin; processed"])
    saved = make(service).create_in_bulk(metrics())
    assert [metric.id for metric in saved] == [each["id"] for each in service.sandbox.metrics]
    assert len(posts(service)) == 1


@pytest.mark.parametrize("status", [307, 308])
def test_a_redirect_of_a_request_that_was_not_processed_is_uncertain(make: Make, status: int) -> None:
    service = virtual_service(Behavior(), BY_NAME[f"{status} to the same origin; not processed"])
    with pytest.raises(facade.BulkCreateUncertainError, match=r"redirects to .*, which is not followed") as caught:
        make(service).create_in_bulk(metrics())
    assert caught.value.unconfirmed == metrics()
    assert len(posts(service)) == 1
    assert len(make(service).create_in_bulk(metrics())) == len(service.sandbox.metrics) == 3


CHANGES = [name for name, behavior in BEHAVIORS.items() if behavior.text_change]


@pytest.mark.parametrize("behavior", [*CHANGES, "list-omits-description"])
def test_a_lost_response_of_a_service_that_changes_text(make: Make, behavior: str) -> None:
    service = virtual_service(BEHAVIORS[behavior], LOST_RESPONSE)
    wanted = behaviors.wanted_metrics(BEHAVIORS[behavior])
    saved = make(service).create_in_bulk(wanted)
    assert [metric.id for metric in saved] == [each["id"] for each in service.sandbox.metrics]
    if behavior in ("text-nfd", "text-collapse-whitespace", "text-crlf", "text-html-escape", "text-cut-name"):
        assert [metric.name for metric in saved] != [each["name"] for each in wanted]
    assert len(posts(service)) == 1


@pytest.mark.parametrize("list_scope", ["agent", "agent_and_project"])
@pytest.mark.parametrize("placement", ["as_sent", "project"])
def test_a_repeated_call_finds_metrics_in_any_place(make: Make, list_scope: Any, placement: Any) -> None:
    service = virtual_service(Behavior(list_scope=list_scope, placement=placement))
    first = make(service).create_in_bulk(metrics())
    assert [metric.id for metric in make(service).create_in_bulk(metrics())] == [metric.id for metric in first]
    assert len(service.sandbox.metrics) == 3


def test_a_metric_for_an_assistant_id_is_found_in_its_project(make: Make) -> None:
    service = virtual_service(BEHAVIORS["specification"])
    wanted = metrics(agent=None, assistant_id=service.sandbox.agents[AGENT]["assistant_id"])
    wanted = [{name: value for name, value in each.items() if value is not None} for each in wanted]
    for _ in range(2):
        make(service).create_in_bulk(wanted)
    assert len(service.sandbox.metrics) == 3


@pytest.mark.parametrize("same_client", [False, True])
def test_a_call_that_is_repeated_while_the_list_lags(make: Make, same_client: bool) -> None:
    service = virtual_service(Behavior(list_lag=2.0))
    client = make(service)
    first = client.create_in_bulk(metrics())
    assert service.clock.seconds >= 2  # A later call finds the created metrics.
    again = (client if same_client else make(service)).create_in_bulk(metrics())
    assert [metric.id for metric in again] == [metric.id for metric in first]
    assert len(service.sandbox.metrics) == 3


def test_a_call_that_is_repeated_while_the_list_lags_longer_than_expected(
    make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    service = virtual_service(Behavior(list_lag=60.0))
    client = make(service)
    first = client.create_in_bulk(metrics())
    assert "3 metrics were created, but no list shows them after 3 s" in caplog.text
    assert [metric.id for metric in client.create_in_bulk(metrics())] == [metric.id for metric in first]
    del service.sandbox.metrics[0]  # After somebody deletes it, it is missing.
    assert [metric.name for metric in client.create_in_bulk(metrics())] == ["Metric 0", "Metric 1", "Metric 2"]
    assert len(service.sandbox.metrics) == 3


def test_nothing_is_sent_again_if_the_list_has_failed_before(make: Make) -> None:
    service = virtual_service(Behavior(list_lag=60.0))
    client = make(service)
    client.create_in_bulk(metrics(1))
    service.faults = [LOST_RESPONSE]
    with pytest.raises(facade.BulkCreateUncertainError):
        client.create_in_bulk(metrics(2))
    assert service.saved == {key(each): 1 for each in metrics(2)}


def test_a_list_that_shows_only_its_first_page(make: Make) -> None:
    service = virtual_service(Behavior(list_limit=1), LOST_RESPONSE)
    service.save_for_others([{**each, "agent": NEIGHBOR, "name": f"Of others, {each['name']}"} for each in metrics()])
    saved = make(service).create_in_bulk(metrics())
    assert [metric.id for metric in make(service).create_in_bulk(metrics())] == [metric.id for metric in saved]
    assert service.saved == {key(each): 1 for each in metrics()}


class PagesOnly:
    """A service whose list ignores every parameter, and shows the first two metrics of the account."""

    def __init__(self, service: VirtualService, monkeypatch: pytest.MonkeyPatch) -> None:
        self.answer = service.handle
        monkeypatch.setattr(VirtualService, "handle", lambda _, request: self.handle(request))

    def handle(self, request: httpx.Request) -> httpx.Response:
        if request.method == "GET" and request.url.path.endswith("/metrics/"):
            request.url = request.url.copy_with(query=b"")
            response = self.answer(request)
            return httpx.Response(200, json=response.json()[:2])
        return self.answer(request)


def test_a_list_that_ignores_its_parameters(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    service = virtual_service(Behavior(), LOST_RESPONSE)
    service.save_for_others([{**each, "name": "Other"} for each in metrics(5, agent=STRANGER)])
    PagesOnly(service, monkeypatch)
    client = make(service)
    with pytest.raises(facade.BulkCreateUncertainError) as caught:
        client.create_in_bulk(metrics(3))
    assert caught.value.unconfirmed == metrics(3)
    assert service.saved == {key(each): 1 for each in metrics(3)}


def test_a_list_of_other_agents_only_does_not_hide_what_this_client_created(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = virtual_service(Behavior())
    service.save_for_others([{**each, "name": "Other"} for each in metrics(5, agent=STRANGER)])
    PagesOnly(service, monkeypatch)
    client = make(service)
    first = client.create_in_bulk(metrics(3))
    assert [metric.id for metric in client.create_in_bulk(metrics(3))] == [metric.id for metric in first]
    assert service.saved == {key(each): 1 for each in metrics(3)}


@pytest.mark.parametrize("body", [b"{}", b'""', b'{"results": []}', b"null", b"0", b'"[]"'])
def test_a_list_of_the_wrong_shape_is_not_an_empty_one(kind: Kind, client: Callable[..., Either], body: bytes) -> None:
    def respond(request: httpx.Request) -> httpx.Response:
        received.append(request)
        agent = "/aiagents/" in request.url.path
        return httpx.Response(200, content=b'{"id": 102, "project": 12}' if agent else body)

    received: list[httpx.Request] = []
    transport = httpx.MockTransport(respond)
    http_client = (httpx.Client if kind == "sync" else httpx.AsyncClient)(transport=transport)
    cekura = client(KEY, base_url="http://sandbox", http_client=http_client)
    with pytest.raises(facade.UnexpectedResponseError, match="expected a list"):
        cekura.metrics.list(agent_id=1)
    with pytest.raises(facade.UnexpectedResponseError, match="expected a list"):
        cekura.metrics.create_in_bulk(metrics())
    assert {request.method for request in received} == {"GET"}


# Uncertain outcomes.


def test_a_new_metric_that_looks_different_makes_the_outcome_uncertain(make: Make) -> None:
    """As if the service had changed the text beyond recognition."""
    service = virtual_service(Behavior(), LOST_REQUEST)
    service.meanwhile = metrics(1, name="Something else")
    with pytest.raises(facade.BulkCreateUncertainError, match=r"look different \(id 1001\)\. Check whether") as caught:
        make(service).create_in_bulk(metrics())
    assert caught.value.unconfirmed == metrics()
    assert len(posts(service)) == 1
    make(service).create_in_bulk(metrics())
    assert service.saved == {key(each): 1 for each in metrics()}


def test_a_repeated_call_waits_for_an_interrupted_one(make: Make, kind: Kind) -> None:
    def interrupt() -> httpx.Response:
        raise KeyboardInterrupt if kind == "sync" else asyncio.CancelledError

    service = virtual_service(Behavior(), Fault("interrupted", interrupt, late=1.0))
    client = make(service)
    with pytest.raises((KeyboardInterrupt, asyncio.CancelledError)):
        client.create_in_bulk(metrics())
    assert len(client.create_in_bulk(metrics())) == 3
    service.remove_faults()
    assert service.saved == {key(each): 1 for each in metrics()}


def test_a_new_metric_of_another_agent_does_not(make: Make) -> None:
    service = virtual_service(Behavior(), LOST_REQUEST)
    service.meanwhile = metrics(1, agent=STRANGER) + metrics(1, agent=NEIGHBOR)
    make(service).create_in_bulk(metrics())
    assert service.saved == {key(each): 1 for each in metrics()}


def test_a_metric_that_this_client_saves_meanwhile_does_not(
    runner: asyncio.Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Like another workflow of generate_and_create_many, between the first list and the lost request."""
    service = virtual_service(BEHAVIORS["specification"], LOST_REQUEST)
    answer = service.handle

    def handle(request: httpx.Request) -> httpx.Response:
        if request.method == "POST" and service.faults == [LOST_REQUEST] and not service.saved:
            service.faults.clear()
            client.create_in_bulk(metrics(1, name="Of a sibling"))
            service.faults.append(LOST_REQUEST)
        return answer(request)

    monkeypatch.setattr(VirtualService, "handle", lambda _, request: handle(request))
    client = VirtualClient("sync", service, runner, settle_timeout=SETTLE)
    client.create_in_bulk(metrics())
    assert len(service.sandbox.metrics) == 4


@pytest.mark.parametrize("behavior", BEHAVIORS)
def test_metrics_that_others_save_do_not_make_the_outcome_uncertain(make: Make, behavior: str) -> None:
    service = virtual_service(BEHAVIORS[behavior])
    service.save_for_others(metrics(2, agent=STRANGER))
    service.meanwhile = metrics(2, name="Of somebody else") + metrics(1, agent=NEIGHBOR, name="Of a neighbor")
    assert len(make(service).create_in_bulk(metrics())) == 3
    assert service.saved == {key(each): 1 for each in metrics()}


@pytest.mark.parametrize(
    "near",
    [
        {"name": "metric 0"},
        {"name": "Metric 0."},
        {"name": "Metric ⁰"},
        {"name": "Metric 00"},
        {"name": "Metric\u200b 0"},
        {"description": "Is it 0"},
        {"description": "is it 0?"},
        {"description": ""},
        {"description": "Is it &0?"},
        {"eval_type": "numeric"},
        {"agent": NEIGHBOR},
        {"agent": STRANGER},
    ],
)
@pytest.mark.parametrize("behavior", ["default", "list-omits-description", "text-html-escape", "list-scope-agent"])
def test_metrics_that_differ_in_meaning_are_never_merged(make: Make, behavior: str, near: dict[str, Any]) -> None:
    service = virtual_service(BEHAVIORS[behavior])
    service.save_for_others([metrics(1)[0] | near])
    saved = make(service).create_in_bulk(metrics(1))
    assert service.saved == {key(metrics(1)[0]): 1}
    assert [metric.id for metric in saved] == [1002]


def test_long_names_are_distinguished_by_their_descriptions(make: Make) -> None:
    service = virtual_service(BEHAVIORS["text-cut-name"], LOST_RESPONSE)
    wanted = [{**each, "name": "N" * 260 + each["name"]} for each in metrics(2)]
    saved = make(service).create_in_bulk(wanted)
    assert [metric.description for metric in saved] == ["Is it 0?", "Is it 1?"]
    assert len(service.sandbox.metrics) == 2


@pytest.mark.parametrize(
    "left_out",
    [
        ("description",),
        ("eval_type",),
        ("agents", "project"),
        ("agents", "project", "agent_names"),
        ("description", "name"),
    ],
)
def test_fields_that_the_list_leaves_out_are_read_first(make: Make, left_out: tuple[str, ...]) -> None:
    service = virtual_service(Behavior(list_omits=left_out))
    near: dict[str, Any] = {"description": "other"} if "description" in left_out else {"eval_type": "numeric"}
    near = {"agent": NEIGHBOR} if "agents" in left_out else near
    service.save_for_others([metrics(1)[0] | near])
    make(service).create_in_bulk(metrics(1))
    make(service).create_in_bulk(metrics(1))
    assert service.saved == {key(metrics(1)[0]): 1}


def changed(
    service: VirtualService, monkeypatch: pytest.MonkeyPatch, respond: Callable[[httpx.Request], httpx.Response | None]
) -> VirtualService:
    """Make a service respond differently if the function returns a response."""
    answer = service.handle
    monkeypatch.setattr(VirtualService, "handle", lambda _, request: respond(request) or answer(request))
    return service


@pytest.mark.parametrize("name", ["filters", "agents"])
def test_a_service_that_refuses_a_parameter_of_the_list(make: Make, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    def refuse(request: httpx.Request) -> httpx.Response | None:
        return httpx.Response(400, json={name: ["Unknown."]}) if name in request.url.params else None

    service = changed(virtual_service(Behavior(), LOST_RESPONSE), monkeypatch, refuse)
    for _ in range(2):
        make(service).create_in_bulk(metrics())
    assert service.saved == {key(each): 1 for each in metrics()}


def test_a_refused_list_of_the_whole_scope_is_an_error(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(request: httpx.Request) -> httpx.Response | None:
        is_list = request.url.path.endswith("/metrics/") and not {"filters", "agents"} & request.url.params.keys()
        return httpx.Response(400, json={"detail": "No."}) if is_list else None

    service = changed(virtual_service(Behavior()), monkeypatch, refuse)
    with pytest.raises(facade.BadRequestError):
        make(service).create_in_bulk(metrics())
    assert posts(service) == []


def test_a_metric_that_is_deleted_while_it_is_read(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    def delete(request: httpx.Request) -> httpx.Response | None:
        if request.url.path.endswith("/metrics/1001/"):
            service.sandbox.metrics.clear()
        return None

    service = changed(virtual_service(BEHAVIORS["list-omits-description"]), monkeypatch, delete)
    service.save_for_others(metrics(1))
    assert [metric.id for metric in make(service).create_in_bulk(metrics(1))] == [1002]


@pytest.mark.parametrize("fault", [[], [LOST_RESPONSE]])
def test_a_metric_of_a_project_that_is_assigned_to_its_agents(
    make: Make, monkeypatch: pytest.MonkeyPatch, fault: list[Fault]
) -> None:
    def assign(request: httpx.Request) -> None:
        for metric in service.sandbox.metrics:
            metric["agents"] = [AGENT, NEIGHBOR]

    service = changed(virtual_service(Behavior(), *fault), monkeypatch, assign)
    wanted = [{**each, "project": 12} for each in metrics()]
    for each in wanted:
        del each["agent"]
    for _ in range(2):
        make(service).create_in_bulk(wanted)
    assert service.saved == {key(each): 1 for each in wanted}


@pytest.mark.parametrize("scope", [{"agents": (AGENT,)}, {"agents": [str(AGENT)]}, {"project": "12"}])
def test_ids_in_other_forms_are_the_same_ids(
    make: Make, monkeypatch: pytest.MonkeyPatch, scope: dict[str, Any]
) -> None:
    """Like a service that accepts numbers as strings."""

    def read(request: httpx.Request) -> httpx.Response | None:
        if request.method != "POST":
            return None
        sent = json.loads(request.content)
        numbers = {"agents": [AGENT]} if "agents" in scope else {"project": 12}
        return service.save(request, [{**each, **numbers} for each in sent])

    service = changed(virtual_service(Behavior()), monkeypatch, read)
    wanted = [{**each, **scope} for each in metrics()]
    for each in wanted:
        del each["agent"]
    for _ in range(2):
        make(service).create_in_bulk(wanted)
    assert len(service.sandbox.metrics) == 3


def test_the_metric_with_exactly_the_same_text_comes_first(make: Make) -> None:
    service = virtual_service(Behavior())
    service.save_for_others(metrics(1, name="A b"))
    wanted = [*metrics(1, name="A  b"), *metrics(1, name="A b")]
    saved = make(service).create_in_bulk(wanted)
    assert [(metric.id, metric.name) for metric in saved] == [(1002, "A  b"), (1001, "A b")]


@pytest.mark.parametrize(
    ("existing", "wanted"),
    [("y" * 254 + "a", "y" * 254 + "bcd"), ("y" * 251, "y" * 300), ("y" * 255 + "1", "y" * 255 + "2")],
)
def test_a_long_name_does_not_match_another_one(existing: str, wanted: str) -> None:
    assert not is_cut(existing, wanted)


@pytest.mark.parametrize(
    "cut",
    [
        lambda name: name[:255],
        lambda name: " ".join(name[:255].split()),
        lambda name: html.escape(name)[:255],
        lambda name: unicodedata.normalize("NFD", name)[:255],
        lambda name: unicodedata.normalize("NFD", html.escape(name))[:255],
    ],
)
@pytest.mark.parametrize("name", ["é&  " * 100, "x" * 252 + "é&" * 5, "&" * 300, " a" * 200])
def test_a_name_that_is_cut_is_recognized(name: str, cut: Callable[[str], str]) -> None:
    assert is_cut(cut(name), name)


@pytest.mark.parametrize("status", [403, 404])
def test_an_agent_that_cannot_be_read(
    make: Make, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, status: int
) -> None:
    service = virtual_service(Behavior())
    answer = service.handle

    def handle(request: httpx.Request) -> httpx.Response:
        hidden = "/aiagents/" in request.url.path
        return httpx.Response(status, json={"detail": "no"}) if hidden else answer(request)

    monkeypatch.setattr(VirtualService, "handle", lambda _, request: handle(request))
    for _ in range(2):
        with caplog.at_level(logging.WARNING):
            make(service).create_in_bulk(metrics())
    assert len(service.sandbox.metrics) == 3
    assert f"Agent {AGENT} cannot be read, so metrics are listed by agent_id alone" in caplog.text


def test_without_a_fault_a_save_is_six_requests(make: Make) -> None:
    service = virtual_service(Behavior())
    make(service).create_in_bulk(metrics())
    paths = [f"{request.method} {request.url.path.removeprefix('/test_framework/v1')}" for request in service.requests]
    assert paths == ["GET /aiagents/102/", *["GET /metrics/"] * 3, "POST /metrics/bulk_create/", "GET /metrics/"]


def posts(service: VirtualService) -> list[httpx.Request]:
    return [request for request in service.requests if request.method == "POST"]


# Any metrics, any service, any fault.

TEXTS = st.text(
    st.sampled_from("aé\u0301ﬁ²Å\u00a0\u2003 \t\n\r<&>\"';#x2amplgt39日\U0001f600"), min_size=0, max_size=12
)
NAMES = TEXTS.filter(lambda text: text.strip() and not any(letter in text for letter in "\x00"))


@st.composite
def services(draw: st.DrawFn) -> Behavior:
    changes = ["trim", "nfd", "nfc", "collapse_whitespace", "crlf", "html_escape", "cut_name", "eval_type", None]
    return Behavior(
        list_scope=draw(st.sampled_from(["agent", "agent_and_project"])),
        placement=draw(st.sampled_from(["as_sent", "project"])),
        text_change=draw(st.sampled_from(changes)),
        list_omits=draw(st.sampled_from([(), ("description",), ("eval_type",), ("description", "eval_type")])),
        list_lag=draw(st.sampled_from([0.0, 0.0, 2.0])),
    )


@st.composite
def some_metrics(draw: st.DrawFn) -> list[dict[str, Any]]:
    def one() -> dict[str, Any]:
        long = "L" * draw(st.sampled_from([0, 0, 0, 250, 300]))
        return {
            "name": long + draw(NAMES) if len(long) < 255 else long,
            "description": draw(TEXTS),
            "agent": draw(st.sampled_from([AGENT, STRANGER])),
            "eval_type": draw(st.sampled_from(["binary", "numeric", "binary_qualitative"])),
        }

    return [one() for _ in range(draw(st.integers(1, 4)))]


@settings(deadline=None, suppress_health_check=list(HealthCheck), max_examples=100)
@given(
    behavior=services(),
    wanted=some_metrics(),
    faults=st.lists(st.sampled_from(FAULTS), max_size=3),
    repeated=st.booleans(),
)
@example(behavior=Behavior(), wanted=metrics(2), faults=[LOST_REQUEST, LOST_RESPONSE], repeated=False)
def test_each_metric_exists_once_or_is_named(
    kind: Kind,
    runner: asyncio.Runner,
    behavior: Behavior,
    wanted: list[dict[str, Any]],
    faults: list[Fault],
    repeated: bool,
) -> None:
    if behavior.text_change != "cut_name":
        wanted = [{**each, "name": each["name"][:255]} for each in wanted]
    service = virtual_service(behavior, *faults)
    client = VirtualClient(kind, service, runner, settle_timeout=SETTLE, max_retries=2)
    named: Counter[str] = Counter()
    try:
        client.create_in_bulk(wanted)
    except facade.BulkCreateUncertainError as error:
        named.update(map(key, error.unconfirmed))
        assert faults
    except facade.CekuraError:
        assert faults
    service.remove_faults()
    if repeated:
        client = VirtualClient(kind, service, runner, settle_timeout=SETTLE)
    saved = client.create_in_bulk(wanted)
    assert len({metric.id for metric in saved}) == len(wanted)
    for each, number in Counter(map(key, wanted)).items():
        assert service.saved[each] == number or named[each]
