"""Plans with unusual services, lists or timing. Each of these cases failed once."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

import cekura_facade as facade
from cekura_facade import _matching as matching, _plan as plans
from cekura_facade.sandbox import Behavior
from tests.as_code import AGENT, NEIGHBOR, PROJECT, Service
from tests.faults.virtual import Respond
from tests.support import Kind

CODE = "vocera_defined_metric_code"
PREDEFINED = {"name": "Latency", CODE: "latency"}


def metric(name: str = "a", **fields: Any) -> dict[str, Any]:
    return {"name": name, "eval_type": "binary", **fields}


def plan_of(service: Service, *wanted: Any, **scope: int) -> facade.Plan:
    with service.client("sync") as metrics:
        plan = metrics.plan(list(wanted), **(scope or {"agent_id": AGENT}))
    assert isinstance(plan, facade.Plan)
    return plan


# Lists that leave out fields.


@pytest.mark.parametrize("omitted", [("agents",), ("agents", "project", "description")])
def test_a_metric_of_another_agent_is_left_alone_although_the_list_has_no_agents(
    kind: Kind, omitted: tuple[str, ...]
) -> None:
    service = Service(Behavior(list_omits=omitted))
    service.save(name="a", agents=[NEIGHBOR], description="of the neighbor")
    own = service.save(name="Old", agents=[AGENT])
    before = service.snapshot()
    with service.client(kind) as metrics:
        assert [each["name"] for each in metrics.export(agent_id=AGENT)] == ["Old"]
        done = metrics.apply(metrics.plan([metric(description="mine")], agent_id=AGENT), prune=True)
        assert not metrics.plan([metric(description="mine")], agent_id=AGENT).has_changes
    assert (len(done.created), [each.id for each in done.deleted]) == (1, [own])
    assert {number: service.snapshot().get(number) for number in before} == {**before, own: None}


def test_a_predefined_metric_is_recognized_although_the_list_has_no_codes(kind: Kind) -> None:
    service = Service(Behavior(list_omits=(CODE,)))
    with service.client(kind) as metrics:
        metrics.apply(metrics.plan([PREDEFINED], agent_id=AGENT))
        assert not metrics.plan([PREDEFINED], agent_id=AGENT).has_changes
        plan = metrics.plan([metric()], agent_id=AGENT)
        with pytest.raises(facade.PlanChangedError):
            metrics.apply(plan, prune=True)
    assert [each["name"] for each in service.sandbox.metrics] == ["Latency", "a"]


def test_metrics_without_a_name_do_not_hide_others(kind: Kind) -> None:
    service = Service()
    numbers = [service.save(name=name, agents=[AGENT]) for name in ("", " ", "b")]
    with service.client(kind) as metrics:
        assert [each.id for each in metrics.plan([metric()], agent_id=AGENT).only_in_service] == numbers


# Values.


@pytest.mark.parametrize("code", [["latency"], {"a": 1}, 5, True])
def test_a_code_that_is_not_a_string_is_refused(code: object) -> None:
    with pytest.raises(facade.InvalidRequestError) as caught:
        plan_of(Service(), metric("b"), {"name": "a", CODE: code})
    assert [(each.index, each.field) for each in caught.value.problems] == [(1, CODE)]


def test_an_existing_code_that_is_not_a_string_is_ignored() -> None:
    service = Service()
    service.save(name="a", agents=[AGENT], **{CODE: ["x"]})
    assert [each.name for each in plan_of(service, metric(), PREDEFINED).only_in_service] == ["a"]


@pytest.mark.parametrize("saved", [[str(AGENT), NEIGHBOR], [NEIGHBOR, None, AGENT, AGENT]])
def test_ids_are_compared_as_numbers(saved: list[object]) -> None:
    service = Service()
    service.save(name="a", agents=saved)
    assert not plan_of(service, metric(agents=[AGENT, NEIGHBOR]), project_id=PROJECT).has_changes


def test_the_order_of_integers_in_an_unknown_field_is_a_difference() -> None:
    service = Service()
    service.save(name="a", agents=[AGENT], limits=[1, 2, 2])
    [change] = plan_of(service, metric(limits=[2, 1])).update
    assert change.after == {"limits": [2, 1]}


def test_settings_of_an_agent_are_added_to_those_of_others(kind: Kind) -> None:
    service = Service()
    number = service.save(name="a", agents=[AGENT], configuration={"limit": {"102": 5, "103": 7}, "other": [1]})
    wanted = metric(configuration={"limit": {"102": 6}})
    with service.client(kind) as metrics:
        metrics.apply(metrics.plan([wanted], agent_id=AGENT))
        assert not metrics.plan([wanted], agent_id=AGENT).has_changes
    assert service.saved(number)["configuration"] == {"limit": {"102": 6, "103": 7}, "other": [1]}


@pytest.mark.parametrize(("saved", "wanted"), [("return 'a b'", "return 'a  b'"), ("# Add. x = 1", "# Add.\nx = 1")])
@pytest.mark.parametrize("field", ["custom_code", "evaluation_trigger_custom_code"])
def test_white_space_within_code_is_a_difference(field: str, saved: str, wanted: str) -> None:
    service = Service()
    service.save(name="a", agents=[AGENT], **{field: saved})
    [change] = plan_of(service, metric(**{field: wanted})).update
    assert change.after == {field: wanted}
    service.saved(change.metric.id)[field] = f"{wanted}\n".replace("\n", "\r\n")
    assert not plan_of(service, metric(**{field: f"{wanted}\n"})).has_changes


def test_a_value_of_another_type_is_one_problem() -> None:
    with pytest.raises(facade.InvalidRequestError) as caught:
        plan_of(Service(), {"name": "a", "eval_type": 5})
    assert [each.message for each in caught.value.problems] == ["5: expected a string, not an integer"]


# Speed.


def test_equal_texts_are_compared_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matching, "comparable", None)
    monkeypatch.setattr(matching, "_CHANGES", None)
    assert matching.is_saved_as("a  b\n", "a  b\n")


def test_a_plan_compares_each_name_a_few_times(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def counted(name: object) -> str:
        calls.append(name)
        return matching.comparable(name)

    monkeypatch.setattr(plans, "comparable", counted)
    service = Service()
    wanted = [metric(f"Metric {i}") for i in range(30)]
    for each in wanted:
        service.save(**each, agents=[AGENT])
    assert len(plan_of(service, *wanted).unchanged) == 30
    assert len(calls) <= 4 * 30


# Changes of the service after the plan.


def test_a_metric_with_another_name_than_shown_is_not_deleted(kind: Kind) -> None:
    service, other = Service(), Service()
    number = service.save(name="Old", agents=[AGENT])
    other.save(name="Important", agents=[AGENT])
    with service.client(kind) as metrics, other.client(kind) as others:
        plan = metrics.plan([metric()], agent_id=AGENT)
        service.saved(number)["name"] = "Important"
        for each in (metrics, others):
            with pytest.raises(facade.PlanChangedError, match="delete 1001"):
                each.apply(plan, prune=True)
    assert (service.writes(), other.writes()) == ([], [])


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_a_404_of_a_proxy_does_not_count_as_deleted(kind: Kind, method: str) -> None:
    service = Service()
    number = service.save(name="Old", agents=[AGENT])
    with service.client(kind) as metrics:
        plan = metrics.plan([metric()], agent_id=AGENT)

        def interfere(request: httpx.Request, respond: Respond) -> httpx.Response:
            is_old = request.url.path.endswith(f"/{number}/") and request.method == method
            return httpx.Response(404, html="<h1>Not found</h1>") if is_old else respond(request)

        service.interfere = interfere
        with pytest.raises(facade.PlanChangedError, match="it still lists metric 1001") as caught:
            metrics.apply(plan, prune=True)
    assert caught.value.applied is not None
    assert caught.value.applied.deleted == []
    assert number in service.snapshot()


# Copies of predefined metrics.


def test_a_copy_that_is_missing_in_the_response_is_found_or_named(kind: Kind) -> None:
    for processed in (True, False):
        service = Service(Behavior(list_lag=2.0))

        def interfere(request: httpx.Request, respond: Respond, processed: bool = processed) -> httpx.Response:
            if request.method != "POST":
                return respond(request)
            if processed:
                respond(request)
            return httpx.Response(200, json=[])

        service.interfere = interfere
        with service.client(kind) as metrics:
            plan = metrics.plan([PREDEFINED], agent_id=AGENT)
            if processed:
                assert [each.name for each in metrics.apply(plan).created] == ["Latency"]
            else:
                with pytest.raises(facade.BulkCreateUncertainError, match="Latency"):
                    metrics.apply(plan)


@pytest.mark.parametrize("moment", ["the request", "the list after it"])
def test_an_interrupted_copy_is_not_copied_again(kind: Kind, moment: str) -> None:
    class Interrupted(BaseException):
        pass

    service = Service(Behavior(list_lag=2.0))
    copied = []

    def interfere(request: httpx.Request, respond: Respond) -> httpx.Response:
        response = respond(request)
        if request.method == "POST":
            copied.append(request)
        if copied and (moment == "the request" or request.method == "GET"):
            raise Interrupted
        return response

    with service.client(kind) as metrics:
        plan = metrics.plan([PREDEFINED], agent_id=AGENT)
        service.interfere = interfere
        with pytest.raises(Interrupted):
            metrics.apply(plan)
        service.interfere = lambda request, respond: respond(request)
        assert [each.name for each in metrics.apply(plan).unchanged] == ["Latency"]
    assert len(service.sandbox.metrics) == 1
