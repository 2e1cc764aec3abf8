"""Applying a plan: the service matches the list, each step is done once, and nothing else changes."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import attrs
import httpx
import pytest

import cekura_facade as facade
from cekura_facade.sandbox import BEHAVIORS, Behavior
from tests.as_code import AGENT, NEIGHBOR, OTHER_PROJECT, PROJECT, STRANGER, Service
from tests.faults.behaviors import HTML
from tests.faults.virtual import Respond
from tests.support import Kind

LONG = "Does the agent repeat the caller's name, the date and the time, and does it wait for a confirmation? "
CODE = "def evaluate(data):\n    if data:\n        return 'a < b & c'\n"
WANTED: list[dict[str, Any]] = [
    {"name": "Café: was “it” good?", "eval_type": "binary", "description": " Über <b>it</b>:  was\nit good? "},
    {"name": "Tone & <manner>  of the agent", "eval_type": "binary_qualitative", "prompt": "a\n\tb  & c\n"},
    {"name": "Handover\nto a person", "eval_type": "enum", "enum_values": ["no", "yes", "a & b"]},
    {"name": "Computed", "eval_type": "numeric", "type": "custom_code", "custom_code": CODE, "display_order": 3},
    {"name": "Not everywhere", "eval_type": "binary", "add_to_new_agents": False, "simulation_enabled": False},
]
PREDEFINED = {"name": "Latency", "vocera_defined_metric_code": "latency"}


def wanted_for(behavior: Behavior) -> list[dict[str, Any]]:
    long = [{"name": LONG * 3, "eval_type": "binary"}] if behavior.text_change == "cut_name" else []
    return [*WANTED, *long]


# Round trips.


@pytest.mark.parametrize("scope", [{"agent_id": AGENT}, {"project_id": OTHER_PROJECT}], ids=["agent", "project"])
@pytest.mark.parametrize("name", BEHAVIORS)
def test_the_plan_after_apply_is_empty(kind: Kind, name: str, scope: dict[str, int]) -> None:
    service = Service(BEHAVIORS[name])
    predefined = [PREDEFINED, {"name": "CSAT", "vocera_defined_metric_code": "csat"}]
    wanted = [*wanted_for(service.behavior), *predefined]
    with service.client(kind) as metrics:
        plan = metrics.plan(wanted, **scope)
        assert (len(plan.create), plan.copy, plan.has_changes) == (len(wanted) - 2, ("latency", "csat"), True)
        assert service.writes() == []
        done = metrics.apply(plan)
        assert len(done.created) == len(service.sandbox.metrics) == len(wanted)
        again = metrics.plan(wanted, **scope)
        assert (again.create, again.copy, again.update) == ((), (), ())
        assert len(again.unchanged) == len(wanted)
        assert metrics.apply(again).created == []
    service.clock.seconds += service.behavior.list_lag
    with service.client(kind) as metrics:
        assert not metrics.plan(wanted, **scope).has_changes
    assert len(service.sandbox.metrics) == len(wanted)


@pytest.mark.parametrize("name", [name for name, behavior in BEHAVIORS.items() if behavior.list_limit is None])
def test_an_export_applied_elsewhere_is_exported_again(kind: Kind, name: str) -> None:
    source, target = Service(), Service(BEHAVIORS[name])
    with source.client(kind) as metrics:
        metrics.apply(metrics.plan([*WANTED, PREDEFINED], agent_id=STRANGER))
        exported = metrics.export(agent_id=STRANGER)
    assert [each["name"] for each in exported] == [each["name"] for each in [*WANTED, PREDEFINED]]
    with target.client(kind) as metrics:
        metrics.apply(metrics.plan(exported, agent_id=AGENT))
        again = metrics.export(agent_id=AGENT)
        assert not metrics.plan(again, agent_id=AGENT).has_changes
        assert not metrics.plan(exported, agent_id=AGENT).has_changes
    texts = ("name", "description", "prompt") if target.behavior.text_change else ()
    assert [_without(each, texts) for each in again] == [_without(each, texts) for each in exported]


def _without(fields: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if name not in names}


def test_an_update_sends_only_the_differences(kind: Kind) -> None:
    service = Service()
    with service.client(kind) as metrics:
        metrics.apply(metrics.plan(WANTED, agent_id=AGENT))
        changed = [{**WANTED[0], "description": "Another."}, {**WANTED[3], "custom_code": CODE.replace("    ", "  ")}]
        before = service.snapshot()
        plan = metrics.plan([*changed, *WANTED[1:3], WANTED[4]], agent_id=AGENT)
        assert [change.after for change in plan.update] == [
            {"description": "Another."},
            {"custom_code": changed[1]["custom_code"]},
        ]
        assert [change.before for change in plan.update] == [
            {"description": WANTED[0]["description"]},
            {"custom_code": CODE},
        ]
        done = metrics.apply(plan)
    assert [metric.name for metric in done.updated] == [each["name"] for each in changed]
    ids = [change.metric.id for change in plan.update]
    assert service.writes()[1:] == [f"PATCH metrics/{number}/" for number in ids]
    after = service.snapshot()
    assert {number for number in after if after[number] != before[number]} == set(ids)


# Deletion.


def test_only_metrics_of_the_agent_alone_are_deleted(kind: Kind) -> None:
    service = Service()
    own = service.save(name="Own", agents=[AGENT])
    shared = service.save(name="Shared", agents=[AGENT, NEIGHBOR])
    of_project = service.save(name="Of the project")
    predefined = service.save(name="Latency", agents=[AGENT], vocera_defined_metric_code="latency")
    others = [service.save(name="Of the neighbor", agents=[NEIGHBOR]), service.save(name="Elsewhere", project=99)]
    with service.client(kind) as metrics:
        plan = metrics.plan(WANTED, agent_id=AGENT)
        assert [metric.id for metric in plan.only_in_service] == [own, shared, of_project, predefined]
        assert [metric.id for metric in plan.deletable] == [own]
        assert not any(request.startswith("DELETE") for request in service.requests)
        assert metrics.apply(plan).deleted == []
        assert [metric.id for metric in metrics.apply(plan, prune=True).deleted] == [own]
    left = set(service.snapshot())
    assert own not in left
    assert left >= {shared, of_project, predefined, *others}


def test_the_metrics_of_a_project_are_deleted_for_the_project(kind: Kind) -> None:
    service = Service()
    own = [service.save(name="Own"), service.save(name="Of its agent", agents=[AGENT])]
    kept = [
        service.save(name="Latency", vocera_defined_metric_code="latency"),
        service.save(name="Elsewhere", project=OTHER_PROJECT),
    ]
    with service.client(kind) as metrics:
        done = metrics.apply(metrics.plan(WANTED[:1], project_id=PROJECT), prune=True)
    assert [metric.id for metric in done.deleted] == own
    assert set(service.snapshot()) == {*kept, done.created[0].id}


@pytest.mark.parametrize("scope", [{"agent_id": AGENT}, {"project_id": PROJECT}], ids=["agent", "project"])
def test_an_empty_list_deletes_nothing(kind: Kind, scope: dict[str, int]) -> None:
    service = Service()
    service.save(name="Own", agents=[AGENT])
    with service.client(kind) as metrics:
        plan = metrics.plan([], **scope)
        assert (plan.deletable, len(plan.only_in_service)) == ((), 1)
        assert metrics.apply(plan, prune=True).deleted == []
    assert service.writes() == []


# The service changes after the plan.


def changed_meanwhile(kind: Kind, change: Callable[[Service, int], object], *, prune: bool = True) -> Any:
    service = Service()
    number = service.save(name="Old", agents=[AGENT])
    known = service.save(name="Known", description="before", agents=[AGENT])
    with service.client(kind) as metrics:
        plan = metrics.plan([{**WANTED[0], "name": "Known", "description": "after"}], agent_id=AGENT)
        assert (len(plan.update), [metric.id for metric in plan.deletable]) == (1, [number])
        change(service, known)
        before = service.snapshot()
        with pytest.raises(
            facade.PlanChangedError, match=r"does not match the plan: it also needs (update|delete|create) "
        ) as caught:
            metrics.apply(plan, prune=prune)
    assert service.writes() == []
    assert service.snapshot() == before
    assert caught.value.applied == facade.Applied()
    return caught.value.plan


def test_a_step_that_is_not_in_the_plan_is_not_run(kind: Kind) -> None:
    def edit(service: Service, number: int) -> None:
        service.saved(number)["description"] = "by somebody else"

    new = changed_meanwhile(kind, edit)
    assert [change.before for change in new.update] == [{"description": "by somebody else"}]


def test_a_metric_that_was_deleted_meanwhile_is_not_created(kind: Kind) -> None:
    new = changed_meanwhile(kind, lambda service, number: service.sandbox.metrics.remove(service.saved(number)))
    assert [each["name"] for each in new.create] == ["Known"]


def test_a_new_metric_is_not_deleted(kind: Kind) -> None:
    new = changed_meanwhile(kind, lambda service, _: service.save(name="New", agents=[AGENT]))
    assert [metric.name for metric in new.deletable] == ["Old", "New"]


def test_without_prune_a_new_metric_of_somebody_else_does_not_matter(kind: Kind) -> None:
    service = Service()
    with service.client(kind) as metrics:
        plan = metrics.plan(WANTED, agent_id=AGENT)
        service.save(name="New", agents=[AGENT])
        assert len(metrics.apply(plan).created) == len(WANTED)


def test_finished_steps_are_skipped(kind: Kind) -> None:
    service = Service()
    old = service.save(name="Old", agents=[AGENT])
    with service.client(kind) as metrics:
        plan = metrics.plan([*WANTED, PREDEFINED], agent_id=AGENT)
        first = metrics.apply(plan, prune=True)
        writes = service.writes()
        again = metrics.apply(plan, prune=True)
    assert [metric.id for metric in first.deleted] == [old]
    assert (again.created, again.updated, again.deleted) == ([], [], [])
    assert len(again.unchanged) == len(WANTED) + 1
    assert service.writes() == writes


def test_a_metric_that_changes_just_before_its_update_is_not_updated(kind: Kind) -> None:
    service = Service()
    number = service.save(name="Known", description="before", agents=[AGENT])
    with service.client(kind) as metrics:
        plan = metrics.plan([{**WANTED[0], "name": "Known", "description": "after"}], agent_id=AGENT)
        reads = len([each for each in service.requests if each == f"GET metrics/{number}/"])
        left = [reads]

        def interfere(request: httpx.Request, respond: Respond) -> httpx.Response:
            if request.method == "GET" and request.url.path.endswith(f"/metrics/{number}/"):
                if not left[0]:
                    service.saved(number)["description"] = "by somebody else"
                left[0] -= 1
            return respond(request)

        service.interfere = interfere
        with pytest.raises(facade.PlanChangedError, match=rf"metric {number} \('Known'\)"):
            metrics.apply(plan)
    assert service.saved(number)["description"] == "by somebody else"
    assert service.writes() == []


def test_a_metric_that_is_assigned_to_another_agent_just_before_is_not_deleted(kind: Kind) -> None:
    service = Service()
    number = service.save(name="Old", agents=[AGENT])
    with service.client(kind) as metrics:
        plan = metrics.plan(WANTED[:1], agent_id=AGENT)

        def interfere(request: httpx.Request, respond: Respond) -> httpx.Response:
            if request.method == "GET" and request.url.path.endswith(f"/metrics/{number}/"):
                service.saved(number)["agents"] = [AGENT, NEIGHBOR]
            return respond(request)

        service.interfere = interfere
        with pytest.raises(facade.PlanChangedError) as caught:
            metrics.apply(plan, prune=True)
    assert number in service.snapshot()
    assert caught.value.applied is not None
    assert [metric.name for metric in caught.value.applied.created] == [WANTED[0]["name"]]


def test_a_metric_that_somebody_deletes_just_before_counts_as_deleted(kind: Kind) -> None:
    service = Service()
    number = service.save(name="Old", agents=[AGENT])
    with service.client(kind) as metrics:
        plan = metrics.plan(WANTED[:1], agent_id=AGENT)

        def interfere(request: httpx.Request, respond: Respond) -> httpx.Response:
            if request.method == "DELETE":
                respond(request)
            return respond(request)

        service.interfere = interfere
        assert [metric.id for metric in metrics.apply(plan, prune=True).deleted] == [number]


def test_a_metric_that_is_still_listed_is_not_reported_as_deleted(kind: Kind) -> None:
    service = Service()
    old = [service.save(name=f"Old {i}", agents=[AGENT]) for i in range(2)]
    with service.client(kind) as metrics:
        plan = metrics.plan(WANTED[:1], agent_id=AGENT)

        def interfere(request: httpx.Request, respond: Respond) -> httpx.Response:
            is_first = request.method == "DELETE" and request.url.path.endswith(f"/{old[0]}/")
            return httpx.Response(204) if is_first else respond(request)

        service.interfere = interfere
        with pytest.raises(
            facade.PlanChangedError, match=rf"it still lists metric {old[0]} \('Old 0'\), although"
        ) as caught:
            metrics.apply(plan, prune=True)
        assert caught.value.applied is not None
        assert [metric.id for metric in caught.value.applied.deleted] == [old[1]]
        assert [metric.id for metric in caught.value.plan.deletable] == [old[0]]
        service.interfere = lambda request, respond: respond(request)
        done = metrics.apply(caught.value.plan, prune=True)
    assert [metric.id for metric in done.deleted] == old[:1]


def test_a_list_that_shows_deleted_metrics_for_a_while_is_listed_again(kind: Kind) -> None:
    service = Service()
    old = service.save(name="Old", agents=[AGENT])
    shown = list(service.sandbox.metrics)
    with service.client(kind) as metrics:
        plan = metrics.plan(WANTED[:1], agent_id=AGENT)

        def interfere(request: httpx.Request, respond: Respond) -> httpx.Response:
            lags = request.url.path.endswith("/metrics/") and service.clock.seconds < 1
            missing = [each for each in shown if each not in service.sandbox.metrics] if lags else []
            service.sandbox.metrics[:0] = missing
            try:
                return respond(request)
            finally:
                for each in missing:
                    service.sandbox.metrics.remove(each)

        service.interfere = interfere
        assert [metric.id for metric in metrics.apply(plan, prune=True).deleted] == [old]
    assert old not in service.snapshot()


# Faults.


@attrs.frozen
class Fault:
    """The outcome of one request: a response or an error, before or after the service has processed it."""

    name: str
    respond: Callable[[], httpx.Response]
    processed: bool


def _fault(name: str, processed: bool, status: int = 0, content: bytes = b"", **headers: str) -> Fault:
    def respond() -> httpx.Response:
        if not status:
            raise httpx.ReadTimeout("too late")
        return httpx.Response(status, content=content, headers={k.replace("_", "-"): v for k, v in headers.items()})

    return Fault(f"{name}, {'processed' if processed else 'not processed'}", respond, processed)


def _refused() -> httpx.Response:
    raise httpx.ConnectError("refused")


def _cut() -> httpx.Response:
    raise httpx.RemoteProtocolError("gone")


FAULTS = [
    *(_fault("timeout", processed) for processed in (True, False)),
    *(
        _fault(str(status), processed, status, b'{"detail": "no"}')
        for status in (500, 408)
        for processed in (True, False)
    ),
    *(_fault("502 in HTML", processed, 502, HTML, content_type="text/html") for processed in (True, False)),
    *(_fault("login page", processed, 200, HTML, content_type="text/html") for processed in (True, False)),
    *(_fault("empty 200", processed, 200) for processed in (True, False)),
    *(_fault("null", processed, 200, b"null") for processed in (True, False)),
    *(_fault("another shape", processed, 200, b'[1, null, {"id": "x"}]') for processed in (True, False)),
    *(_fault("redirect", processed, 307, location="/login/") for processed in (True, False)),
    *(_fault("303", processed, 303, location="/login/") for processed in (True, False)),
    *(Fault(f"cut connection, {when}", _cut, when == "processed") for when in ("processed", "not processed")),
    Fault("connection refused", _refused, processed=False),
    *(_fault(str(status), False, status, b'{"detail": "no"}') for status in (400, 401, 403, 404, 409, 413)),
    _fault("404 of a proxy", False, 404, HTML, content_type="text/html"),
    _fault("429", False, 429, retry_after="1"),
    _fault("429 for long", False, 429, retry_after="1000000"),
    _fault("503", False, 503, retry_after="1"),
]
STEPS = ("GET aiagents", "GET metrics/", "GET metrics/1", "POST metrics", "POST predefined", "PATCH", "DELETE")


class Faulty:
    """Makes one request of a step fail, once or each time that it is sent."""

    def __init__(self, step: str, fault: Fault, number: int, *, lasting: bool) -> None:
        self.step, self.fault, self.left, self.lasting = step, fault, number, lasting

    def __call__(self, request: httpx.Request, respond: Respond) -> httpx.Response:
        path = request.url.path.removeprefix("/test_framework/v1/")
        what = f"{request.method} {path}"
        is_step = what == self.step if self.step.endswith("/") else what.startswith(self.step)
        if is_step:
            self.left -= 1
        if not is_step or self.left > 0 or (self.left < 0 and not self.lasting):
            return respond(request)
        if self.fault.processed:
            respond(request)
        return self.fault.respond()


def cells(step: str) -> Iterator[tuple[Kind, Fault, int, bool]]:
    """Every fault at a step. Writes fail at the first request, and at all requests after it."""
    kinds: Iterator[Kind] = itertools.cycle(("sync", "async", "async"))
    for i, fault in enumerate(FAULTS):
        variants = [(1, i % 2 == 0)] if step.startswith("GET") else [(1, False), (2, True)]
        yield from ((next(kinds), fault, number, lasting) for number, lasting in variants)


@pytest.mark.parametrize("step", STEPS)
def test_one_repetition_after_a_fault_completes_the_plan(step: str) -> None:
    failed: dict[str, str] = {}
    for kind, fault, number, lasting in cells(step):
        name = f"{kind}, {fault.name}, request {number}{' and all after it' if lasting else ''}"
        try:
            run_cell(kind, step, fault, number, lasting=lasting)
        except (AssertionError, facade.CekuraError) as error:
            failed[name] = str(error)
    assert failed == {}


def run_cell(kind: Kind, step: str, fault: Fault, number: int, *, lasting: bool) -> None:
    service = Service()
    changed = [service.save(name=name, description="before", agents=[AGENT]) for name in ("Known", "Also known")]
    old = [service.save(name=f"Old {i}", agents=[AGENT]) for i in range(2)]
    kept = {service.save(name="Shared", agents=[AGENT, NEIGHBOR]), service.save(name="Of the project")}
    kept_as = {each: service.snapshot()[each] for each in kept}
    updated = [{"name": name, "eval_type": "binary", "description": "after"} for name in ("Known", "Also known")]
    wanted = [*WANTED[:2], PREDEFINED, {"name": "CSAT", "vocera_defined_metric_code": "csat"}, *updated]
    with service.client(kind) as metrics:
        plan = metrics.plan(wanted, agent_id=AGENT)
        service.interfere = Faulty(step, fault, number, lasting=lasting)
        failure = None
        try:
            metrics.apply(plan, prune=True)
        except facade.CekuraError as error:
            failure = error
        assert failure is None or (failure.applied and "are not repeated" in failure.__notes__[-1])
        assert set(service.snapshot()) >= kept
        service.interfere = lambda request, respond: respond(request)
        service.clock.seconds += 60
    with service.client(kind) as metrics:
        plan = metrics.plan(wanted, agent_id=AGENT)
        assert {metric.id for metric in plan.deletable} <= set(old)
        metrics.apply(plan, prune=True)
        assert not metrics.plan(wanted, agent_id=AGENT).has_changes
    names = sorted(metric["name"] for metric in service.sandbox.metrics)
    assert names == sorted([*(each["name"] for each in wanted), "Shared", "Of the project"])
    assert {each: service.snapshot()[each] for each in kept} == kept_as
    assert {service.saved(each)["description"] for each in changed} == {"after"}


def test_a_lost_response_of_a_copy_is_found_in_the_list(kind: Kind) -> None:
    service = Service(Behavior(list_lag=2.0))
    service.interfere = Faulty("POST predefined", FAULTS[0], 1, lasting=False)
    with service.client(kind) as metrics:
        done = metrics.apply(metrics.plan([PREDEFINED], agent_id=AGENT))
    assert [metric.name for metric in done.created] == ["Latency"]
    assert len(service.sandbox.metrics) == 1


def test_a_copy_that_is_missing_in_the_list_is_reported(kind: Kind) -> None:
    service = Service()
    service.interfere = Faulty("POST predefined", FAULTS[1], 1, lasting=True)
    with service.client(kind, max_retries=1) as metrics:
        plan = metrics.plan([WANTED[0], PREDEFINED], agent_id=AGENT)
        with pytest.raises(facade.BulkCreateUncertainError, match=r"may or may not be saved \('Latency'\)") as caught:
            metrics.apply(plan)
        assert [each["vocera_defined_metric_code"] for each in caught.value.unconfirmed] == ["latency"]
        assert caught.value.applied is not None
        assert [metric.name for metric in caught.value.applied.created] == [WANTED[0]["name"]]
        assert service.writes().count("POST predefined-metrics/copy/") == 2


def test_a_refused_metric_stops_the_later_steps(kind: Kind) -> None:
    service = Service()
    old = service.save(name="Old", agents=[AGENT])
    with service.client(kind) as metrics:
        plan = metrics.plan([{"name": "Bad", "eval_type": "enum"}], agent_id=AGENT)
        with pytest.raises(facade.BadRequestError, match="enum_values") as caught:
            metrics.apply(plan, prune=True)
    assert [str(each.name) for each in caught.value.problems] == ["Bad"]
    assert set(service.snapshot()) == {old}


@pytest.mark.parametrize("step", ["POST metrics/bulk", "PATCH", "DELETE"])
def test_an_interruption_reports_the_finished_steps(kind: Kind, step: str) -> None:
    service = Service()
    service.save(name="Known", description="before", agents=[AGENT])
    service.save(name="Old", agents=[AGENT])
    wanted = [*WANTED[:2], {"name": "Known", "eval_type": "binary", "description": "after"}]

    class Interrupted(BaseException):
        pass

    def interrupt() -> httpx.Response:
        raise Interrupted

    with service.client(kind) as metrics:
        plan = metrics.plan(wanted, agent_id=AGENT)
        service.interfere = Faulty(step, Fault("interrupted", interrupt, processed=True), 1, lasting=False)
        with pytest.raises(Interrupted) as caught:
            metrics.apply(plan, prune=True)
        said = {
            "POST metrics/bulk": "0 created, 0 updated",
            "PATCH": "2 created, 0 updated",
            "DELETE": "2 created, 1 up",
        }
        assert said[step] in caught.value.__notes__[-1]
        assert vars(caught.value)["applied"].deleted == []
        service.clock.seconds += 60
        metrics.apply(plan, prune=True)
        assert not metrics.plan(wanted, agent_id=AGENT).has_changes
    assert len(service.sandbox.metrics) == 3
