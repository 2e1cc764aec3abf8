"""No fault while a plan is computed and applied leads to loss, or to a change that is not shown or not named.

A part of the cells of `scripts/fault_matrix.py` runs. The judge is judged as well: clients that do wrong are caught.
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
from tests.faults.clients import Ending
from tests.faults.metrics_file import CHANGED, NEW, existing, wanted
from tests.faults.run import run_all
from tests.faults.stage import Place, Stage, staged
from tests.faults.steps import STEPS, WRITES, Phase, Planned, Script, Step, step_of
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
    past: list[Step] = []

    def note(request: httpx.Request, respond: Callable[[httpx.Request], httpx.Response]) -> httpx.Response:
        step = step_of("apply", request.method, request.url.path, past)
        assert step is not None
        past.append(step)
        return respond(request)

    service.interfere = note
    with service.client("sync") as metrics:
        done = metrics.apply(metrics.plan(wanted(), agent_id=AGENT), prune=True)
    assert [len(each) for each in (done.created, done.updated, done.deleted, done.unchanged)] == [5, 2, 2, 1]
    assert tuple(dict.fromkeys(past)) == STEPS["apply"]


# The judge.


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with staged() as running:
        yield running


class Sloppy(ApplyingSync):
    """Applies a plan, and then does something more."""

    name = "sloppy"

    def __init__(self, more: Callable[[Cekura, int, Ending], object] = lambda client, agent, ending: None) -> None:
        self._more = more

    def workflow(self, place: Place, ending: Ending) -> list[Any]:
        error = None
        try:
            super().workflow(place, ending)
        except CekuraError as raised:
            error = ending.error = raised
        with self._client(place) as client:
            self._more(client, place.agent_id, ending)
        if error is not None:
            raise error
        return []


def cell(step: Step = "update", fault: str = "reset after the request is read", phase: Phase = "after") -> Cell:
    return Cell("test", fault, step, WHEN[phase], Script({step: (Planned(fault, phase),)}, flow="apply"))


def found(client: Sloppy, stage: Stage, where: Cell | None = None) -> set[str]:
    return {str(violation) for violation in run_cell(where or cell(), client, stage).violations}


def test_a_client_that_does_right_is_not_accused(stage: Stage) -> None:
    assert found(Sloppy(), stage) == set()
    assert found(Sloppy(), stage, cell("copy", "401", "before")) == set()


def _named(client: Cekura, name: str, agents: list[int]) -> int:
    return next(each.id for each in client.metrics.list() if (each.name, each.agents) == (name, agents))


def deletes_what_others_have(client: Cekura, agent: int, ending: Ending) -> None:
    client.metrics.delete(_named(client, "Shared", [agent, agent + 1]))


def changes_what_others_have(client: Cekura, agent: int, ending: Ending) -> None:
    client.metrics.update(_named(client, CHANGED[0], [agent + 1]), description="after")


def changes_another_field(client: Cekura, agent: int, ending: Ending) -> None:
    client.metrics.update(_named(client, CHANGED[0], [agent]), eval_type="numeric")


def creates_something_else(client: Cekura, agent: int, ending: Ending) -> None:
    client.metrics.create_in_bulk([{"name": "Surprise", "eval_type": "binary", "agents": [agent]}])


@pytest.mark.parametrize(
    "more", [deletes_what_others_have, changes_what_others_have, changes_another_field, creates_something_else]
)
def test_a_change_that_no_plan_shows_is_caught(stage: Stage, more: Callable[[Cekura, int, Ending], None]) -> None:
    assert any(each.startswith("not shown: metric ") for each in found(Sloppy(more), stage))


def test_a_change_without_a_plan_is_caught(stage: Stage) -> None:
    def change(client: Cekura, agent: int, ending: Ending) -> None:
        client.metrics.update(_named(client, CHANGED[0], [agent]), description="after")

    assert "not shown: something was changed without a plan" in found(Sloppy(change), stage, cell("plan: list", "401"))


def test_a_metric_that_is_created_twice_is_caught(stage: Stage) -> None:
    def create(client: Cekura, agent: int, ending: Ending) -> None:
        client.api.get_httpx_client().post(
            "/test_framework/v1/metrics/bulk_create/",
            json=[{"name": NEW[0], "eval_type": "binary", "description": f"Is it {NEW[0]}?", "agents": [agent]}],
        )

    assert "saved twice: 1 more than the 5 wanted are created" in found(Sloppy(create), stage)


def test_a_metric_that_comes_back_is_caught(stage: Stage) -> None:
    def change(client: Cekura, agent: int, ending: Ending) -> None:
        client.metrics.update(_named(client, CHANGED[0], [agent]), description="before")

    assert "lost: 1 of 2 are not updated" in found(Sloppy(change), stage)


def test_an_error_without_what_was_done_is_caught(stage: Stage) -> None:
    def forget(client: Cekura, agent: int, ending: Ending) -> None:
        vars(ending.error)["applied"] = None

    assert found(Sloppy(forget), stage, cell("copy", "401", "before")) == {
        "not named: what was done is not on the error"
    }


def test_what_an_error_leaves_out_is_caught(stage: Stage) -> None:
    def forget(client: Cekura, agent: int, ending: Ending) -> None:
        vars(ending.error)["applied"].created.pop()
        vars(ending.error)["applied"].updated.pop()

    violations = found(Sloppy(forget), stage, cell("delete", "401", "before"))
    assert len(violations) == 1
    assert "were changed, and are not on the error" in violations.pop()


def test_an_error_that_names_too_much_is_caught(stage: Stage) -> None:
    def pretend(client: Cekura, agent: int, ending: Ending) -> None:
        applied = vars(ending.error)["applied"]
        applied.deleted.extend(applied.unchanged)

    violations = found(Sloppy(pretend), stage, cell("copy", "401", "before"))
    assert len(violations) == 1
    assert "to which nothing was done" in violations.pop()
