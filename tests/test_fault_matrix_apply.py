"""No fault while a plan is computed and applied leads to loss, or to a change that is not shown or not named.

It runs a part of the cells of `scripts/fault_matrix.py`. Clients that make mistakes test the judge.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from cekura_facade import Cekura, CekuraError
from tests.as_code import AGENT, NEIGHBOR, OTHER_PROJECT, PROJECT, Service
from tests.faults.applying import ApplyingSync
from tests.faults.catalogue import FAULTS
from tests.faults.cells import WHEN, Cell, all_cells
from tests.faults.clients import Outcome
from tests.faults.harness import Harness, ServiceInfo, start_harness
from tests.faults.metrics_file import CHANGED, NEW, existing, wanted
from tests.faults.run import run_all
from tests.faults.steps import STEPS, WRITES, Phase, PlannedFault, Script, Step, step_of
from tests.faults.trial import run_cell

CELLS = all_cells("apply")


def some_cells() -> list[Cell]:
    """For one client or both: a fault at every step, another one after every write was processed, and sequences."""
    chance = random.Random(0)
    judged = [cell for cell in CELLS if not (cell.limit or cell.ended_by)]
    cells: list[Cell] = []
    for step, client in zip(STEPS["apply"], itertools.cycle(("ours-sync", "ours-async")), strict=False):
        at_step = [cell for cell in judged if cell.where == step]
        cells.append(chance.choice([cell for cell in at_step if cell.client == client]))
        if step in WRITES:
            cells.append(chance.choice([c for c in at_step if c.client != client and c.when == WHEN["after"]]))
    return cells + chance.sample([cell for cell in judged if cell.where == "sequence"], 3)


def test_no_fault_while_a_plan_is_applied_does_harm() -> None:
    verdicts = run_all(some_cells(), jobs=2)
    assert [f"{verdict.cell.name}: {each}" for verdict in verdicts for each in verdict.violations] == []


def test_every_fault_is_met_at_every_step_by_both_clients() -> None:
    for client in ("ours-sync", "ours-async"):
        for step in STEPS["apply"]:
            met = {cell.fault for cell in CELLS if (cell.client, cell.where) == (client, step)}
            assert met >= {fault.name for fault in FAULTS.values() if step in (fault.steps or STEPS["apply"])}
    assert len({cell.name for cell in CELLS}) == len(CELLS) >= 2500


def test_the_steps_are_the_requests_of_a_plan_that_is_applied() -> None:
    service = Service()
    for each in existing(AGENT, NEIGHBOR, PROJECT, OTHER_PROJECT):
        service.save(**each)
    earlier: list[Step] = []

    def note(request: httpx.Request, respond: Callable[[httpx.Request], httpx.Response]) -> httpx.Response:
        step = step_of("apply", request.method, request.url.path, earlier)
        assert step is not None
        earlier.append(step)
        return respond(request)

    service.interfere = note
    with service.client("sync") as metrics:
        done = metrics.apply(metrics.plan(wanted(), agent_id=AGENT), prune=True)
    assert [len(each) for each in (done.created, done.updated, done.deleted, done.unchanged)] == [5, 2, 2, 1]
    assert tuple(dict.fromkeys(earlier)) == STEPS["apply"]


@pytest.fixture(scope="module")
def harness() -> Iterator[Harness]:
    with start_harness() as harness:
        yield harness


class Sloppy(ApplyingSync):
    """Applies a plan, and then does something else."""

    name = "sloppy"

    def __init__(self, more: Callable[[Cekura, int, Outcome], object] = lambda client, agent, outcome: None) -> None:
        self._more = more

    def run_workflow(self, service: ServiceInfo, outcome: Outcome) -> list[Any]:
        error = None
        try:
            super().run_workflow(service, outcome)
        except CekuraError as raised:
            error = outcome.error = raised
        with self._client(service) as client:
            self._more(client, service.agent_id, outcome)
        if error is not None:
            raise error
        return []


def cell(step: Step = "update", fault: str = "reset after the request is read", phase: Phase = "after") -> Cell:
    return Cell("test", fault, step, WHEN[phase], Script({step: (PlannedFault(fault, phase),)}, workflow="apply"))


def found(client: Sloppy, harness: Harness, where: Cell | None = None) -> set[str]:
    return {str(violation) for violation in run_cell(where or cell(), client, harness).violations}


def test_a_correct_client_has_no_violations(harness: Harness) -> None:
    assert found(Sloppy(), harness) == set()
    assert found(Sloppy(), harness, cell("copy", "401", "before")) == set()


def _named(client: Cekura, name: str, agents: list[int]) -> int:
    return next(each.id for each in client.metrics.list() if (each.name, each.agents) == (name, agents))


def deletes_a_metric_of_another_agent(client: Cekura, agent: int, outcome: Outcome) -> None:
    client.metrics.delete(_named(client, "Shared", [agent, agent + 1]))


def changes_a_metric_of_another_agent(client: Cekura, agent: int, outcome: Outcome) -> None:
    client.metrics.update(_named(client, CHANGED[0], [agent + 1]), description="after")


def changes_another_field(client: Cekura, agent: int, outcome: Outcome) -> None:
    client.metrics.update(_named(client, CHANGED[0], [agent]), eval_type="numeric")


def creates_another_metric(client: Cekura, agent: int, outcome: Outcome) -> None:
    client.metrics.create_in_bulk([{"name": "Surprise", "eval_type": "binary", "agents": [agent]}])


@pytest.mark.parametrize(
    "more",
    [
        deletes_a_metric_of_another_agent,
        changes_a_metric_of_another_agent,
        changes_another_field,
        creates_another_metric,
    ],
)
def test_a_change_that_no_plan_shows_is_caught(harness: Harness, more: Callable[[Cekura, int, Outcome], None]) -> None:
    assert any(each.startswith("not shown: metric ") for each in found(Sloppy(more), harness))


def test_a_change_without_a_plan_is_caught(harness: Harness) -> None:
    def change(client: Cekura, agent: int, outcome: Outcome) -> None:
        client.metrics.update(_named(client, CHANGED[0], [agent]), description="after")

    assert "not shown: something was changed without a plan" in found(
        Sloppy(change), harness, cell("plan: list", "401")
    )


def test_a_metric_that_is_created_twice_is_caught(harness: Harness) -> None:
    def create(client: Cekura, agent: int, outcome: Outcome) -> None:
        client.api.get_httpx_client().post(
            "/test_framework/v1/metrics/bulk_create/",
            json=[{"name": NEW[0], "eval_type": "binary", "description": f"Is it {NEW[0]}?", "agents": [agent]}],
        )

    assert "saved twice: 1 more than the 5 wanted are created" in found(Sloppy(create), harness)


def test_an_update_that_is_undone_is_caught(harness: Harness) -> None:
    def change(client: Cekura, agent: int, outcome: Outcome) -> None:
        client.metrics.update(_named(client, CHANGED[0], [agent]), description="before")

    assert "lost: 1 of 2 are not updated" in found(Sloppy(change), harness)


def test_an_error_without_the_changes_is_caught(harness: Harness) -> None:
    def forget(client: Cekura, agent: int, outcome: Outcome) -> None:
        vars(outcome.error)["applied"] = None

    assert found(Sloppy(forget), harness, cell("copy", "401", "before")) == {
        "not named: the changes are not on the error"
    }


def test_an_error_with_too_few_changes_is_caught(harness: Harness) -> None:
    def forget(client: Cekura, agent: int, outcome: Outcome) -> None:
        vars(outcome.error)["applied"].created.pop()
        vars(outcome.error)["applied"].updated.pop()

    violations = found(Sloppy(forget), harness, cell("delete", "401", "before"))
    assert len(violations) == 1
    assert "were changed, but are not on the error" in violations.pop()


def test_an_error_with_too_many_changes_is_caught(harness: Harness) -> None:
    def pretend(client: Cekura, agent: int, outcome: Outcome) -> None:
        applied = vars(outcome.error)["applied"]
        applied.deleted.extend(applied.unchanged)

    violations = found(Sloppy(pretend), harness, cell("copy", "401", "before"))
    assert len(violations) == 1
    assert "which are unchanged" in violations.pop()
