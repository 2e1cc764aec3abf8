"""Random lists and services: after apply, the next plan is empty, and nothing else has changed."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import Any

from hypothesis import HealthCheck, assume, given, settings, strategies as st

import cekura_facade as facade
from cekura_facade._matching import comparable, is_cut
from cekura_facade.sandbox import BEHAVIORS
from tests.as_code import AGENT, NEIGHBOR, OTHER_PROJECT, PROJECT, STRANGER, Service
from tests.support import Kind

# With few letters, names are often similar: white space, a composed and a decomposed letter, and escapes.
NAMES = st.one_of(
    st.text(alphabet="ab \t\n\u00e9e\u0301&<\u0085", min_size=1, max_size=5),
    st.sampled_from(["a", "a ", "A", "é", "e\u0301", "a & b", "a &amp; b", "a" * 255, "a" * 256, "é&" * 127]),
).filter(lambda name: name.strip() != "")
TEXTS = st.one_of(st.text(alphabet="ab \n\té&<'", max_size=6), st.just("if a:\n    b\n"))
# A service has no null characters and no surrogates, because it would refuse them.
FIELDS = st.fixed_dictionaries(
    {"eval_type": st.sampled_from(["binary", "numeric", "binary_qualitative"])},
    optional={
        "description": TEXTS,
        "prompt": st.one_of(st.none(), TEXTS),
        "simulation_enabled": st.one_of(st.none(), st.booleans()),
        "display_order": st.integers(-3, 3),
        "custom_code": TEXTS,
        "enum_values": st.lists(st.sampled_from(["yes", "no", "a & b"]), max_size=2),
        "configuration": st.dictionaries(st.sampled_from(["x", "y"]), st.one_of(st.integers(0, 1), st.booleans())),
        "unknown": st.integers(0, 1),
        "id": st.integers(1, 5000),
        "slug": st.none(),
    },
)
# This excludes the behavior with a list of one metric, in which nothing else can be found.
CODES = {"latency": "Latency", "csat": "CSAT", "interruptions": "Interruptions"}
PREDEFINED = st.sampled_from(sorted(CODES)).map(lambda code: {"name": CODES[code], "vocera_defined_metric_code": code})
WANTED = st.lists(
    st.one_of(st.builds(lambda name, fields: {"name": name, **fields}, NAMES, FIELDS), PREDEFINED), max_size=6
)
EXISTING = st.lists(
    st.builds(
        lambda name, fields, agents, project, code: {
            **{key: value for key, value in fields.items() if key not in ("id", "slug") and value is not None},
            "name": CODES.get(code, name),
            "eval_type": "binary" if fields["eval_type"] == "binary_qualitative" else fields["eval_type"],
            "agents": agents,
            "project": project,
            **({"vocera_defined_metric_code": code} if code else {}),
        },
        NAMES,
        FIELDS,
        st.sampled_from([[], [AGENT], [NEIGHBOR], [AGENT, NEIGHBOR], [STRANGER]]),
        st.sampled_from([PROJECT, PROJECT, OTHER_PROJECT]),
        st.sampled_from([None, None, None, *CODES]),
    ),
    max_size=6,
)
SCOPES = st.sampled_from([{"agent_id": AGENT}, {"project_id": PROJECT}])
SETTINGS = settings(
    max_examples=int(os.environ.get("PLAN_EXAMPLES", "60")), deadline=None, suppress_health_check=list(HealthCheck)
)


@SETTINGS
@given(
    behavior=st.sampled_from(sorted(BEHAVIORS)),
    existing=EXISTING,
    wanted=WANTED,
    scope=SCOPES,
    prune=st.booleans(),
    kind=st.sampled_from(["sync", "async"]),
)
def test_after_apply_the_next_plan_is_empty(
    behavior: str, existing: list[Any], wanted: list[Any], scope: Any, prune: bool, kind: Kind
) -> None:
    # In a list of one metric, others of its name cannot be found.
    assume(behavior != "list-limit" or not are_hidden(existing, wanted))
    service = Service(BEHAVIORS[behavior])
    if service.behavior.text_change != "cut_name":  # Otherwise, the sandbox refuses a longer name.
        wanted = [{**each, "name": each["name"][:255]} for each in wanted]
    for each in existing:
        service.save(**each)
    before = service.snapshot()
    with service.client(kind) as metrics:
        plan = None
        with suppress(facade.InvalidRequestError):
            plan = metrics.plan(wanted, **scope)
        if plan is None:
            assert may_be_refused(service, wanted)
            assert service.snapshot() == before
            return
        assert service.snapshot() == before
        done = metrics.apply(plan, prune=prune)
        after = service.snapshot()
        again = metrics.plan(wanted, **scope)
        assert not again.has_changes
        assert len(again.unchanged) == len(wanted)
    deleted = {metric.id for metric in plan.deletable} if prune and wanted else set()
    changed = {change.metric.id for change in plan.update}
    created = {metric.id for metric in done.created}
    assert before.keys() - after.keys() == deleted == {metric.id for metric in done.deleted}
    assert after.keys() - before.keys() == created
    assert {number for number in before.keys() & after.keys() if before[number] != after[number]} <= changed
    assert len(created) == len(plan.create) + len(plan.copy)
    service.clock.seconds += 60
    with service.client(kind) as metrics:
        assert not metrics.plan(wanted, **scope).has_changes


def are_hidden(existing: list[Any], wanted: list[Any]) -> bool:
    """Whether existing metrics share a name, or one outside of the scopes has a wanted name."""
    names = {comparable(each["name"]) for each in wanted}
    others = [
        each["name"]
        for each in existing
        if comparable(each["name"]) in names and (each["project"] != PROJECT or each["agents"] not in ([], [AGENT]))
    ]
    return bool(others) or _repeats([each["name"] for each in existing])


def may_be_refused(service: Service, wanted: list[Any]) -> bool:
    """Whether two wanted or two existing metrics may have one name."""
    named = [each["name"] for each in wanted if "vocera_defined_metric_code" not in each]
    codes = [each["name"] for each in wanted if "vocera_defined_metric_code" in each]
    saved = [each["name"] for each in service.sandbox.metrics]
    return len(set(codes)) < len(codes) or any(map(_repeats, (named, saved)))


def _repeats(names: list[str]) -> bool:
    pairs = [(one, other) for i, one in enumerate(names) for other in names[:i]]
    return any(
        comparable(one[:255]) == comparable(other[:255]) or is_cut(one, other) or is_cut(other, one)
        for one, other in pairs
    )
