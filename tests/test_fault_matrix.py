"""No fault on the way leads to loss, to anything saved twice, to a foreign exception, a leak or a call without end.

The cells are those of `scripts/fault_matrix.py`. The judge is tested as well, with clients that make mistakes.
"""

from __future__ import annotations

import logging
import re
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from cekura_facade import Cekura, CekuraError
from tests.faults.applying import CLIENTS
from tests.faults.catalogue import FAULTS
from tests.faults.cells import ENDS, WHEN, Cell, all_cells
from tests.faults.clients import Client, Ending, OursSync, Vendor, key_of
from tests.faults.pace import HUNG
from tests.faults.report import TEMPLATE, document
from tests.faults.run import run_all
from tests.faults.stage import KEY, Place, Stage, staged
from tests.faults.steps import Phase, Planned, Script, Step
from tests.faults.trial import Verdict, run_cell
from tests.faults.violation import Kind

ROOT = Path(__file__).parent.parent
OURS = all_cells("ours")


def violations(cells: list[Cell]) -> list[str]:
    """Everything that went wrong in these cells, with the name of the cell."""
    assert cells
    return [f"{verdict.cell.name}: {each}" for verdict in run_all(cells, jobs=2) for each in verdict.violations]


def test_no_fault_while_starting_a_job_does_harm() -> None:
    assert violations([cell for cell in OURS if cell.where == "generate" and not cell.ended_by]) == []


def test_no_fault_while_waiting_loses_the_job() -> None:
    assert violations([cell for cell in OURS if cell.where == "poll" and not cell.ended_by]) == []


def test_no_fault_while_looking_does_harm() -> None:
    assert violations([cell for cell in OURS if cell.where == "look" and not cell.ended_by]) == []


@pytest.mark.parametrize("when", [text for phase, text in WHEN.items() if phase != "too late"])
def test_no_fault_while_saving_loses_a_metric_or_saves_it_twice(when: str) -> None:
    assert violations([c for c in OURS if c.where == "save" and c.when == when and not c.ended_by]) == []


def test_no_sequence_of_faults_does() -> None:
    assert violations([cell for cell in OURS if cell.where == "sequence"]) == []


@pytest.mark.parametrize("ended_by", ENDS)
def test_a_process_that_is_ended_loses_nothing(ended_by: str) -> None:
    assert violations([cell for cell in OURS if cell.ended_by and cell.fault == ended_by]) == []


def test_beyond_the_limit_what_is_named_is_true_all_the_same() -> None:
    assert violations([cell for cell in OURS if cell.limit]) == []


def test_every_fault_is_met_by_both_clients_while_saving() -> None:
    for name in ("ours-sync", "ours-async"):
        met = {cell.fault for cell in OURS if cell.client == name and cell.where == "save" and not cell.limit}
        assert met >= set(FAULTS)
    assert len({cell.name for cell in OURS}) == len(OURS) >= 150


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with staged() as running:
        yield running


def cell(step: Step = "save", fault: str = "reset after the request is read", phase: Phase = "after") -> Cell:
    return Cell("test", fault, step, WHEN[phase], Script({step: (Planned(fault, phase),)}))


class Sloppy(OursSync):
    """Does everything right, except for what a test takes from it."""

    name = "sloppy"
    errors = (CekuraError, OSError)

    def __init__(self, workflow: Callable[[Place, Ending], list[Any]] | None = None) -> None:
        self._workflow = workflow

    def workflow(self, place: Place, ending: Ending) -> list[Any]:
        return self._workflow(place, ending) if self._workflow else super().workflow(place, ending)


def found(client: Client, stage: Stage, where: Cell | None = None) -> set[Kind]:
    return {violation.kind for violation in run_cell(where or cell(), client, stage).violations}


def test_a_client_that_does_right_is_not_accused(stage: Stage) -> None:
    assert found(Sloppy(), stage) == set()


def test_a_client_that_saves_again_without_looking_is_caught(stage: Stage) -> None:
    where = cell(fault="500")
    verdict = run_cell(Cell("test", "500", "save", "", Script(where.script.steps, looks=False)), Vendor(), stage)
    assert {(each.kind, each.count) for each in verdict.violations} >= {("saved twice", 3)}


def test_a_client_that_takes_a_fault_for_a_result_is_caught(stage: Stage) -> None:
    def ignore(place: Place, ending: Ending) -> list[Any]:
        with Cekura(place.key, base_url=place.url) as client:
            client.metrics.generate(agent_id=place.agent_id, num_metrics=3).wait()
        with httpx.Client() as http:
            http.get(f"{place.url}/test_framework/v1/metrics/", headers={"X-CEKURA-API-KEY": place.key})
        return [1, 2, 3]

    assert found(Sloppy(ignore), stage, cell("look", "500")) == {"lost", "not named"}


def test_a_client_that_forgets_the_job_and_the_suggestions_is_caught(stage: Stage) -> None:
    def forget(place: Place, ending: Ending) -> list[Any]:
        try:
            return OursSync().workflow(place, ending)
        except CekuraError as error:
            error.progress_id, error.metrics = None, ()
            raise

    kinds = [each.what for each in run_cell(cell("look", "401"), Sloppy(forget), stage).violations]
    assert kinds == ["the progress id is not on the error", "the suggestions are not on the error"]


def test_a_client_that_names_what_is_not_saved_is_caught(stage: Stage) -> None:
    def pretend(place: Place, ending: Ending) -> list[Any]:
        try:
            return OursSync().workflow(place, ending)
        except CekuraError as error:
            error.created = [_Made(key_of(metric)) for metric in error.metrics]  # type: ignore[misc]
            raise

    where = cell("save", "401", "before")
    assert found(Sloppy(pretend), stage, where) == {"not named"}


class _Made:
    id = 5

    def __init__(self, key: tuple[Any, Any, Any]) -> None:
        self.key = key

    def to_dict(self) -> dict[str, Any]:
        return dict(zip(("name", "description", "eval_type"), self.key, strict=True))


def test_a_foreign_exception_is_caught(stage: Stage) -> None:
    def fail(place: Place, ending: Ending) -> list[Any]:
        raise ZeroDivisionError

    assert found(Sloppy(fail), stage) == {"foreign", "not met"}


def shows(place: Place, ending: Ending) -> list[Any]:
    raise OSError(f"{place.key} is not accepted")


def hides(place: Place, ending: Ending) -> list[Any]:
    try:
        raise ValueError(place.key)
    except ValueError:
        raise OSError("something is wrong") from None


def logs(place: Place, ending: Ending) -> list[Any]:
    logging.getLogger("sloppy").debug("using %s", place.key)
    raise OSError


def leaves_a_socket(place: Place, ending: Ending) -> list[Any]:
    KEPT.append(socket.socket())
    raise OSError


KEPT: list[socket.socket] = []


@pytest.mark.parametrize("workflow", [shows, hides, logs, leaves_a_socket])
def test_a_leak_is_caught(stage: Stage, workflow: Callable[[Place, Ending], list[Any]]) -> None:
    assert found(Sloppy(workflow), stage) == {"leak", "not met"}
    while KEPT:
        KEPT.pop().close()


def test_a_key_that_follows_a_redirect_is_caught(stage: Stage) -> None:
    verdict = run_cell(cell("save", "307 to another origin", "before"), Vendor(), stage)
    assert "leak: the key was sent to another origin" in map(str, verdict.violations)


def test_a_call_that_takes_too_long_is_caught(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.faults.trial.bound", lambda cell, planned: 0.0)
    assert found(Sloppy(), stage) == {"deadline"}


def test_a_fault_that_was_never_met_is_no_success(stage: Stage) -> None:
    nothing = Cell("test", "500", "save", "", Script({"save": ()}))
    assert found(Sloppy(), stage, nothing) == {"not met"}


def ask(place: Place, body: str = "{}", timeout: float = HUNG) -> httpx.Response:
    path = "/test_framework/v1/metrics/generate_metrics/"
    headers = {"X-CEKURA-API-KEY": KEY, "Content-Type": "application/json"}
    return httpx.post(place.url + path, headers=headers, content=body, timeout=timeout, trust_env=False)


def test_the_layer_lets_requests_meet_what_is_planned_and_then_passes_them_on(stage: Stage) -> None:
    planned = (Planned("HTML with 502", "before"), None, Planned("500", "after"))
    place = stage.open(Script({"generate": planned}), patience=HUNG)
    body = f'{{"agent_id": {place.agent_id}, "num_metrics": 1}}'
    assert [ask(place, body).status_code for _ in range(4)] == [502, 200, 500, 200]
    assert stage.sight().applied == 2


def test_a_lasting_fault_stays_until_it_is_taken_away(stage: Stage) -> None:
    place = stage.open(Script({"generate": (Planned("500", "before"),)}, lasting=True), patience=HUNG)
    body = f'{{"agent_id": {place.agent_id}, "num_metrics": 1}}'
    assert [ask(place, body).status_code for _ in range(3)] == [500] * 3
    stage.heal()
    assert ask(place, body).status_code == 200


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("connection refused", httpx.ConnectError),
        ("connect timeout", httpx.ConnectTimeout),
        ("reset before the request is read", httpx.TransportError),
        ("reset after the request is read", httpx.ReadError),
        ("hung up without an answer", httpx.RemoteProtocolError),
        ("read timeout", httpx.ReadTimeout),
        ("truncated body", httpx.RemoteProtocolError),
        ("garbage instead of HTTP", httpx.RemoteProtocolError),
        ("truncated gzip", None),
    ],
)
def test_a_fault_is_what_its_name_says(stage: Stage, fault: str, error: type[Exception] | None) -> None:
    place = stage.open(Script({"generate": (Planned(fault, FAULTS[fault].phases[-1]),)}, lasting=True), patience=HUNG)
    if error is not None:
        with pytest.raises(error):
            ask(place, timeout=0.1 if issubclass(error, httpx.TimeoutException) else HUNG)
    stage.heal()
    assert ask(place).status_code == 400  # the service's own answer


def test_the_service_acts_late_on_a_request_whose_client_is_gone(stage: Stage) -> None:
    place = stage.open(Script({"generate": (Planned("hung up without an answer", "late"),)}), patience=HUNG)
    with pytest.raises(httpx.RemoteProtocolError):
        ask(place, f'{{"agent_id": {place.agent_id}, "num_metrics": 2}}')
    stage.settle()
    assert len(stage.sight().wanted) == 2


def test_the_document_is_what_a_run_came_to_and_names_tests_that_exist() -> None:
    verdicts = {kind: [Verdict(each, "result", 1.0, ()) for each in all_cells(kind)] for kind in CLIENTS}
    text = document(verdicts, [["behavior", "cells"], ["`default`", 7]])
    assert "| `default` | 7 |" in text
    assert f"| this package | {len(OURS)} | 0 | 0 | 0 | 0 | 0 | 0 | 0 | 0 |" in text
    named = re.findall(r"`(tests/\w+\.py)::(\w+)`", text)
    assert len(named) >= 10
    for file, test in named:
        assert f"def {test}(" in (ROOT / file).read_text()


def test_the_committed_document_says_that_nothing_went_wrong() -> None:
    text = (ROOT / "docs" / "internals" / "reliability.md").read_text()
    assert text.startswith(TEMPLATE.read_text().partition("$totals")[0])
    assert f"| this package | {len(OURS)} | 0 | 0 | 0 | 0 | 0 | 0 | 0 | 0 |" in text
