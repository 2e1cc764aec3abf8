"""Planning: matching metrics, differences, refusals, and exports."""

from __future__ import annotations

import html
import pickle
import re
import sys
import unicodedata
from typing import Any

import pytest

import cekura_facade as facade
from cekura_facade._matching import is_saved_as
from cekura_facade.sandbox import Behavior
from tests.as_code import AGENT, NEIGHBOR, OTHER_PROJECT, PROJECT, STRANGER, Service
from tests.support import Kind

PREDEFINED = {"name": "Latency", "vocera_defined_metric_code": "latency"}


def plan_of(service: Service, *wanted: Any, **scope: int) -> facade.Plan:
    with service.client("sync") as metrics:
        plan = metrics.plan(list(wanted), **(scope or {"agent_id": AGENT}))
    assert service.writes() == []
    assert isinstance(plan, facade.Plan)
    return plan


def metric(name: str = "a", **fields: Any) -> dict[str, Any]:
    return {"name": name, "eval_type": "binary", **fields}


def changes(service: Service, *wanted: Any, **scope: int) -> list[tuple[dict[str, object], dict[str, object]]]:
    plan = plan_of(service, *wanted, **scope)
    assert (plan.create, plan.copy) == ((), ())
    return [(change.before, change.after) for change in plan.update]


def problems(service: Service, *wanted: Any, **scope: int) -> list[tuple[int | None, str | None, str]]:
    with service.client("sync") as metrics, pytest.raises(facade.InvalidRequestError) as caught:
        metrics.plan(list(wanted), **(scope or {"agent_id": AGENT}))
    assert service.writes() == []
    assert "Nothing was changed" in str(caught.value)
    return [(problem.index, problem.field, problem.message) for problem in caught.value.problems]


# Changes of text that a service makes.


TEXT = " Über “it” & <b>more</b>:\n  a\tb  'c' \n"


@pytest.mark.parametrize(
    "changed",
    [
        TEXT.strip(),
        re.sub(r"\s+", " ", TEXT),
        " ".join(TEXT.split()),
        TEXT.replace("\n", "\r\n"),
        unicodedata.normalize("NFD", TEXT),
        html.escape(TEXT),
        html.escape(html.escape(TEXT)),
        unicodedata.normalize("NFD", html.escape(TEXT.replace("\n", "\r\n").strip())),
    ],
)
def test_changes_that_a_service_makes_to_a_text_are_not_differences(changed: str) -> None:
    assert is_saved_as(changed, TEXT)
    assert not is_saved_as(TEXT, changed.replace("more", "less"))


@pytest.mark.parametrize(
    ("saved", "wanted"),
    [
        ("if a:\n    b", "if a:\n  b"),
        ("a b", " a  c"),
        ("a b", "ab"),
        ("a  b", "a b"),
        ("a &amp; b < c", "a & b < c"),
        ("a & b", "a &amp; b"),
        (" a", "a"),
        ("a\n", "a"),
        ("x" * 255, "x" * 256),
    ],
)
def test_a_change_by_a_person_is_a_difference(saved: str, wanted: str) -> None:
    assert not is_saved_as(saved, wanted)
    service = Service()
    service.save(name="a", agents=[AGENT], prompt=saved)
    assert changes(service, metric(prompt=wanted)) == [({"prompt": saved}, {"prompt": wanted})]


@pytest.mark.parametrize(
    ("saved", "wanted", "is_same"),
    [
        (None, "", True),
        ("", None, True),
        (None, [], True),
        ([], {}, True),
        (1, 1.0, True),
        (1, True, False),
        (False, 0, False),
        (False, "", False),
        (0, None, False),
        ({"a": [1, "x & y"]}, {"a": [1, "x & y"]}, True),
        ({"a": ["x &amp; y"]}, {"a": ["x & y"]}, True),
        ({"a": 1}, {"a": 1, "b": None}, False),
        ({"a": 1}, {"a": True}, False),
        ([1, 2], [2, 1], False),
        ([1], [1, 1], False),
        ("1", 1, False),
        (1, "1", False),
        ({}, "x", False),
    ],
)
def test_values_are_compared_as_json(saved: object, wanted: object, is_same: bool) -> None:
    assert is_saved_as(saved, wanted) == is_same


# Compared fields.


def test_only_fields_that_the_list_sets_are_compared() -> None:
    service = Service()
    service.save(
        name="a", agents=[AGENT], description="text", prompt="p", simulation_enabled=False, eval_type="numeric"
    )
    assert changes(service, {"name": "a"}) == []
    assert changes(service, {"name": "a", "simulation_enabled": True}) == [
        ({"simulation_enabled": False}, {"simulation_enabled": True})
    ]
    assert changes(service, {"name": "a", "prompt": ""}) == [({"prompt": "p"}, {"prompt": ""})]
    assert changes(service, {"name": "a", "prompt": None, "description": None}) == []
    assert changes(service, metric()) == [({"eval_type": "numeric"}, {"eval_type": "binary"})]


def test_a_field_that_is_missing_in_the_service_is_a_difference() -> None:
    service = Service()
    service.save(name="a", agents=[AGENT])
    assert changes(service, metric(evaluation_trigger_prompt="When?")) == [
        ({"evaluation_trigger_prompt": None}, {"evaluation_trigger_prompt": "When?"})
    ]
    assert changes(service, metric(evaluation_trigger_prompt="")) == []


def test_an_older_eval_type_equals_the_current_one() -> None:
    service = Service()
    service.save(name="a", agents=[AGENT], eval_type="binary")
    assert changes(service, {"name": "a", "eval_type": "binary_workflow_adherence"}) == []


def test_only_the_keys_of_the_configuration_in_the_list_are_compared() -> None:
    service = Service()
    service.save(name="a", agents=[AGENT], configuration={"k": 1, "other": {"x": True}})
    assert changes(service, metric(configuration={"k": 1.0})) == []
    assert changes(service, metric(configuration={})) == []
    assert changes(service, metric(configuration={"k": 2})) == [
        ({"configuration": {"k": 1, "other": {"x": True}}}, {"configuration": {"k": 2, "other": {"x": True}}})
    ]


def test_fields_that_only_the_service_sets_are_ignored() -> None:
    service = Service()
    service.save(name="a", agents=[AGENT], slug="a", agent_names="x", description="d", metric_cost=1)
    with service.client("sync") as metrics:
        saved = [each.to_dict() for each in metrics.list(agent_id=AGENT)]
    assert changes(service, *saved) == []
    assert changes(service, {**saved[0], "id": 5, "slug": "b", "metric_cost": 2, "agent_names": "y"}) == []
    plan = plan_of(service, {**saved[0], "name": "b"})
    assert {"id", "slug", "metric_cost", "agent_names"}.isdisjoint(plan.create[0])


def test_unknown_fields_are_sent_and_compared_if_the_service_returns_them() -> None:
    service = Service()
    assert plan_of(service, metric(new_field=1)).create == (metric(new_field=1, agents=[AGENT]),)
    service.save(name="a", agents=[AGENT], new_field=1)
    assert changes(service, metric(new_field=1, another=5)) == []
    assert changes(service, metric(new_field=2)) == [({"new_field": 1}, {"new_field": 2})]


def test_scenarios_count_when_a_metric_is_created_only() -> None:
    service = Service()
    assert plan_of(service, metric(scenarios=[1])).create == (metric(scenarios=[1], agents=[AGENT]),)
    service.save(name="a", agents=[AGENT], scenarios=[2])
    assert changes(service, metric(scenarios=[1])) == []


def test_fields_that_the_list_leaves_out_are_read() -> None:
    service = Service(Behavior(list_omits=("description", "prompt", "eval_type", "enum_values")))
    service.save(name="a", agents=[AGENT], description="d", custom_code="c", type="custom_code", prompt="old")
    wanted = metric(description="d", custom_code="c", type="custom_code", prompt="new")
    assert changes(service, wanted) == [({"prompt": "old"}, {"prompt": "new"})]
    with service.client("sync") as metrics:
        assert metrics.export(agent_id=AGENT)[0].items() >= {"description": "d", "custom_code": "c"}.items()


def test_a_metric_that_matches_is_not_read_one_by_one() -> None:
    service = Service()
    service.save(name="a", agents=[AGENT], description="d")
    plan_of(service, metric(description="d"))
    assert not any(re.search(r"metrics/\d", request) for request in service.requests)


# Matching.


def test_an_exact_name_and_scope_win() -> None:
    service = Service()
    loose = service.save(name="a  b")
    exact = service.save(name="a b", agents=[AGENT])
    plan = plan_of(service, metric("a b"))
    assert [each.id for each in plan.unchanged] == [exact]
    assert [each.id for each in plan.only_in_service] == [loose]


def test_a_comparable_name_is_the_same_and_is_corrected() -> None:
    service = Service()
    service.save(name="a  b", agents=[AGENT])
    assert changes(service, metric("a b")) == [({"name": "a  b"}, {"name": "a b"})]
    assert changes(service, metric("a  b ")) == []


def test_a_metric_of_the_project_is_the_agents_and_one_of_another_agent_is_not() -> None:
    service = Service()
    of_project = service.save(name="a")
    service.save(name="b", agents=[NEIGHBOR])
    service.save(name="c", agents=[NEIGHBOR, AGENT])
    service.save(name="d", project=OTHER_PROJECT)
    plan = plan_of(service, metric("a"), metric("b"), metric("c"), metric("d"))
    assert [each.name for each in plan.unchanged] == ["a", "c"]
    assert plan.unchanged[0].id == of_project
    assert [each["name"] for each in plan.create] == ["b", "d"]
    assert plan.only_in_service == ()


def test_predefined_metrics_are_compared_by_their_code_alone() -> None:
    service = Service()
    number = service.save(name="Renamed", agents=[AGENT], vocera_defined_metric_code="latency", description="x")
    plan = plan_of(service, PREDEFINED, metric("Renamed", description="x"))
    assert [each.id for each in plan.unchanged] == [number]
    assert [each["name"] for each in plan.create] == ["Renamed"]
    with service.client("sync") as metrics:
        metrics.apply(plan)
        assert not metrics.plan([PREDEFINED, metric("Renamed", description="x")], agent_id=AGENT).has_changes
    assert len(service.sandbox.metrics) == 2
    assert plan_of(Service(), PREDEFINED, metric("Latency")).copy == ("latency",)


def test_without_the_operation_a_missing_predefined_metric_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cekura_api.api.metrics.copy_predefined_metrics", None)
    found = problems(Service(), PREDEFINED)
    assert [(index, field) for index, field, _ in found] == [(0, "vocera_defined_metric_code")]
    assert "cannot copy predefined metrics" in found[0][2]


# The scope.


def test_metrics_of_an_agent_are_created_for_it() -> None:
    wanted = [metric("a", agent=AGENT), metric("b", agents=[AGENT, NEIGHBOR]), metric("c", project=PROJECT)]
    plan = plan_of(Service(), *wanted)
    assert (plan.agent_id, plan.project_id) == (AGENT, None)
    assert [each["agents"] for each in plan.create] == [[AGENT]] * 3
    assert not any("agent" in each for each in plan.create)


def test_the_agents_of_a_metric_of_a_project_are_compared() -> None:
    service = Service()
    number = service.save(name="a", agents=[AGENT])
    assert changes(service, metric(agents=[NEIGHBOR, AGENT]), project_id=PROJECT) == [
        ({"agents": [AGENT]}, {"agents": [AGENT, NEIGHBOR]})
    ]
    assert changes(service, metric(), project_id=PROJECT) == []
    assert changes(service, metric(agent=AGENT), project_id=PROJECT) == []
    with service.client("sync") as metrics:
        metrics.apply(metrics.plan([metric(agents=[NEIGHBOR, AGENT])], project_id=PROJECT))
        assert not metrics.plan([metric(agents=[AGENT, NEIGHBOR])], project_id=PROJECT).has_changes
    assert service.saved(number)["agents"] == [AGENT, NEIGHBOR]
    plan = plan_of(Service(), metric("b", agents=[AGENT]), metric("c"), project_id=PROJECT)
    assert plan.create == (metric("b", agents=[AGENT], project=PROJECT), metric("c", project=PROJECT))


@pytest.mark.parametrize(
    ("scope", "fields", "field"),
    [
        ({"agent_id": AGENT}, {"agents": [NEIGHBOR]}, "agents"),
        ({"agent_id": AGENT}, {"agent": STRANGER}, "agents"),
        ({"agent_id": AGENT}, {"project": OTHER_PROJECT}, "project"),
        ({"agent_id": AGENT}, {"assistant_id": "somebody"}, "assistant_id"),
        ({"project_id": PROJECT}, {"project": OTHER_PROJECT}, "project"),
    ],
)
def test_a_metric_for_another_scope_is_refused(scope: dict[str, int], fields: dict[str, Any], field: str) -> None:
    found = problems(Service(), metric("fine"), metric(**fields), **scope)
    assert [(index, name) for index, name, _ in found] == [(1, field)]
    assert re.match("it belongs to .*, not .*Remove the field", found[0][2])


def test_exactly_one_scope(kind: Kind) -> None:
    service = Service()
    with service.client(kind) as metrics:
        for call in (lambda **scope: metrics.plan([], **scope), metrics.export):
            for scope in ({}, {"agent_id": AGENT, "project_id": PROJECT}, {"project_id": 0}, {"project_id": "x"}):
                with pytest.raises(facade.InvalidRequestError):
                    call(**scope)
    assert service.requests == []


def test_an_agent_that_does_not_exist(kind: Kind) -> None:
    with Service().client(kind) as metrics, pytest.raises(facade.NotFoundError):
        metrics.export(agent_id=999)


# Refusals.


def test_two_wanted_metrics_of_one_name_are_refused() -> None:
    found = problems(Service(), metric("a"), metric("b "), metric(" b"), PREDEFINED, {**PREDEFINED, "name": "x"})
    assert found == [
        (2, "name", "metric 1 has the same one. Remove or rename one of them"),
        (4, "name", "metric 3 has the same one. Remove or rename one of them"),
    ]


def test_a_name_that_two_existing_metrics_have_is_refused() -> None:
    service = Service()
    ids = [service.save(name="a", agents=[AGENT]) for _ in range(2)]
    found = problems(service, metric("b"), metric("a"))
    assert found == [
        (1, "name", f"several saved metrics have it (id {ids[0]}, {ids[1]}). Rename or delete all but one")
    ]


@pytest.mark.parametrize(
    ("fields", "field", "message"),
    [
        ({"eval_type": "binry"}, "eval_type", "'binry': expected one of binary, continuous_qualitative, enum, numeric"),
        ({"evaluation_trigger": "never"}, "evaluation_trigger", "'never': expected one of always, automatic, custom"),
        ({"simulation_enabled": "yes"}, "simulation_enabled", "'yes': expected a boolean, not a string"),
        ({"display_order": True}, "display_order", "True: expected an integer, not a boolean"),
        ({"enum_values": ["a", 1]}, "enum_values", "['a', 1]: item 2: expected a string, not an integer"),
    ],
)
def test_values_that_the_specification_does_not_allow_are_refused(
    fields: dict[str, Any], field: str, message: str
) -> None:
    assert problems(Service(), metric("fine"), metric(**fields)) == [(1, field, message)]


def test_a_value_that_the_service_itself_returns_is_allowed() -> None:
    service = Service()
    service.save(name="a", agents=[AGENT], eval_type="brand_new")
    assert changes(service, {"name": "a", "eval_type": "brand_new"}) == []
    assert problems(service, {"name": "a", "eval_type": "brand_old"})[0][1] == "eval_type"


def test_a_value_that_is_not_a_metric_is_refused(kind: Kind) -> None:
    service = Service()
    with service.client(kind) as metrics:
        for wanted in ([1], [{"eval_type": "binary"}], "abc", {"name": "a"}, [{"name": "a", "x": object()}]):
            with pytest.raises(facade.InvalidRequestError):
                metrics.plan(wanted, agent_id=AGENT)
    assert service.requests == []


def test_all_problems_are_listed_and_can_be_pickled() -> None:
    service = Service()
    with service.client("sync") as metrics, pytest.raises(facade.InvalidRequestError) as caught:
        metrics.plan([metric("a", eval_type="x"), metric("a"), metric("b", agent=STRANGER)], agent_id=AGENT)
    assert [problem.index for problem in caught.value.problems] == [0, 1, 2]
    assert "metric 2 ('b'): agents: it belongs to 101" in str(caught.value)
    assert pickle.loads(pickle.dumps(caught.value)).problems == caught.value.problems


# Exports.


def test_an_export_has_the_fields_that_can_be_set_and_are_not_empty(kind: Kind) -> None:
    service = Service()
    service.save(name="b", agents=[AGENT, NEIGHBOR], prompt=None, enum_values=[], slug="b", configuration={"x": 1})
    service.save(name="Latency", agents=[AGENT], vocera_defined_metric_code="latency", description="long")
    service.save(name="a", audio_enabled=False, display_order=0, unknown=1)
    service.save(name="Of the neighbor", agents=[NEIGHBOR])
    with service.client(kind) as metrics:
        exported = metrics.export(agent_id=AGENT)
        assert exported == [
            {"name": "b", "type": "llm_judge", "eval_type": "binary"},
            PREDEFINED,
            {"name": "a", "audio_enabled": False, "type": "llm_judge", "eval_type": "binary", "display_order": 0},
        ]
        with_agents = metrics.export(agent_id=AGENT, with_agents=True)
        assert with_agents[0] == {**exported[0], "agents": [AGENT, NEIGHBOR], "configuration": {"x": 1}}
        assert len(metrics.export(project_id=PROJECT)) == 4
        assert metrics.export(project_id=OTHER_PROJECT) == []
        assert not metrics.plan(exported, agent_id=AGENT).has_changes
    assert service.writes() == []
