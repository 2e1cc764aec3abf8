"""No fault leads to lost or duplicate metrics, foreign exceptions, leaks or calls that never end.

The cells are those of `scripts/fault_matrix.py`. Clients that make mistakes test the judge.
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
from tests.faults.clients import Client, OursSync, Outcome, Vendor, key_of
from tests.faults.harness import KEY, Harness, ServiceInfo, start_harness
from tests.faults.report import TEMPLATE, document
from tests.faults.run import run_all
from tests.faults.steps import Phase, PlannedFault, Script, Step
from tests.faults.timing import HANG_LIMIT
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


def test_no_fault_while_listing_does_harm() -> None:
    assert violations([cell for cell in OURS if cell.where == "list" and not cell.ended_by]) == []


@pytest.mark.parametrize("when", [text for phase, text in WHEN.items() if phase != "too late"])
def test_no_fault_while_saving_loses_a_metric_or_saves_it_twice(when: str) -> None:
    assert violations([c for c in OURS if c.where == "save" and c.when == when and not c.ended_by]) == []


def test_no_sequence_of_faults_does_harm() -> None:
    assert violations([cell for cell in OURS if cell.where == "sequence"]) == []


@pytest.mark.parametrize("ended_by", ENDS)
def test_a_process_that_is_ended_loses_nothing(ended_by: str) -> None:
    assert violations([cell for cell in OURS if cell.ended_by and cell.fault == ended_by]) == []


def test_results_are_correct_beyond_the_guarantee() -> None:
    assert violations([cell for cell in OURS if cell.limit]) == []


def test_every_fault_is_met_by_both_clients_while_saving() -> None:
    for name in ("ours-sync", "ours-async"):
        met = {cell.fault for cell in OURS if cell.client == name and cell.where == "save" and not cell.limit}
        assert met >= set(FAULTS)
    assert len({cell.name for cell in OURS}) == len(OURS) >= 150


@pytest.fixture(scope="module")
def harness() -> Iterator[Harness]:
    with start_harness() as harness:
        yield harness


def cell(step: Step = "save", fault: str = "reset after the request is read", phase: Phase = "after") -> Cell:
    return Cell("test", fault, step, WHEN[phase], Script({step: (PlannedFault(fault, phase),)}))


class Sloppy(OursSync):
    """A correct client, unless a test replaces its workflow."""

    name = "sloppy"
    errors = (CekuraError, OSError)

    def __init__(self, workflow: Callable[[ServiceInfo, Outcome], list[Any]] | None = None) -> None:
        self._workflow = workflow

    def run_workflow(self, service: ServiceInfo, outcome: Outcome) -> list[Any]:
        return self._workflow(service, outcome) if self._workflow else super().run_workflow(service, outcome)


def found(client: Client, harness: Harness, where: Cell | None = None) -> set[Kind]:
    return {violation.kind for violation in run_cell(where or cell(), client, harness).violations}


def test_a_correct_client_has_no_violations(harness: Harness) -> None:
    assert found(Sloppy(), harness) == set()


def test_a_client_that_saves_again_without_listing_is_caught(harness: Harness) -> None:
    where = cell(fault="500")
    verdict = run_cell(
        Cell("test", "500", "save", "", Script(where.script.steps, lists_first=False)), Vendor(), harness
    )
    assert {(each.kind, each.count) for each in verdict.violations} >= {("saved twice", 3)}


def test_a_client_that_ignores_a_fault_is_caught(harness: Harness) -> None:
    def ignore(service: ServiceInfo, outcome: Outcome) -> list[Any]:
        with Cekura(service.key, base_url=service.url) as client:
            client.metrics.generate(agent_id=service.agent_id, num_metrics=3).wait()
        with httpx.Client() as http:
            http.get(f"{service.url}/test_framework/v1/metrics/", headers={"X-CEKURA-API-KEY": service.key})
        return [1, 2, 3]

    assert found(Sloppy(ignore), harness, cell("list", "500")) == {"lost", "not named"}


def test_a_client_that_forgets_the_job_and_the_suggestions_is_caught(harness: Harness) -> None:
    def forget(service: ServiceInfo, outcome: Outcome) -> list[Any]:
        try:
            return OursSync().run_workflow(service, outcome)
        except CekuraError as error:
            error.progress_id, error.metrics = None, ()
            raise

    kinds = [each.what for each in run_cell(cell("list", "401"), Sloppy(forget), harness).violations]
    assert kinds == ["the progress id is not on the error", "the suggestions are not on the error"]


def test_a_client_that_reports_metrics_that_do_not_exist_is_caught(harness: Harness) -> None:
    def pretend(service: ServiceInfo, outcome: Outcome) -> list[Any]:
        try:
            return OursSync().run_workflow(service, outcome)
        except CekuraError as error:
            error.created = [_NotSaved(key_of(metric)) for metric in error.metrics]  # type: ignore[misc]
            raise

    where = cell("save", "401", "before")
    assert found(Sloppy(pretend), harness, where) == {"not named"}


class _NotSaved:
    id = 5

    def __init__(self, key: tuple[Any, Any, Any]) -> None:
        self.key = key

    def to_dict(self) -> dict[str, Any]:
        return dict(zip(("name", "description", "eval_type"), self.key, strict=True))


def test_a_foreign_exception_is_caught(harness: Harness) -> None:
    def fail(service: ServiceInfo, outcome: Outcome) -> list[Any]:
        raise ZeroDivisionError

    assert found(Sloppy(fail), harness) == {"foreign", "not met"}


def shows(service: ServiceInfo, outcome: Outcome) -> list[Any]:
    raise OSError(f"{service.key} is not accepted")


def hides(service: ServiceInfo, outcome: Outcome) -> list[Any]:
    try:
        raise ValueError(service.key)
    except ValueError:
        raise OSError("something is wrong") from None


def logs(service: ServiceInfo, outcome: Outcome) -> list[Any]:
    logging.getLogger("sloppy").debug("using %s", service.key)
    raise OSError


def leaves_a_socket(service: ServiceInfo, outcome: Outcome) -> list[Any]:
    KEPT.append(socket.socket())
    raise OSError


KEPT: list[socket.socket] = []


@pytest.mark.parametrize("workflow", [shows, hides, logs, leaves_a_socket])
def test_a_leak_is_caught(harness: Harness, workflow: Callable[[ServiceInfo, Outcome], list[Any]]) -> None:
    assert found(Sloppy(workflow), harness) == {"leak", "not met"}
    while KEPT:
        KEPT.pop().close()


def test_a_key_that_is_sent_to_another_origin_is_caught(harness: Harness) -> None:
    verdict = run_cell(cell("save", "307 to another origin", "before"), Vendor(), harness)
    assert "leak: the key was sent to another origin" in map(str, verdict.violations)


def test_a_call_that_takes_too_long_is_caught(harness: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.faults.trial.bound", lambda cell, planned: 0.0)
    assert found(Sloppy(), harness) == {"deadline"}


def test_a_fault_that_no_request_meets_is_reported(harness: Harness) -> None:
    without_fault = Cell("test", "500", "save", "", Script({"save": ()}))
    assert found(Sloppy(), harness, without_fault) == {"not met"}


def send(service: ServiceInfo, body: str = "{}", timeout: float = HANG_LIMIT) -> httpx.Response:
    path = "/test_framework/v1/metrics/generate_metrics/"
    headers = {"X-CEKURA-API-KEY": KEY, "Content-Type": "application/json"}
    return httpx.post(service.url + path, headers=headers, content=body, timeout=timeout, trust_env=False)


def test_the_layer_applies_planned_faults_and_forwards_other_requests(harness: Harness) -> None:
    planned = (PlannedFault("HTML with 502", "before"), None, PlannedFault("500", "after"))
    service = harness.open(Script({"generate": planned}), time_limit=HANG_LIMIT)
    body = f'{{"agent_id": {service.agent_id}, "num_metrics": 1}}'
    assert [send(service, body).status_code for _ in range(4)] == [502, 200, 500, 200]
    assert harness.state().faults_met == 2


def test_a_persistent_fault_is_repeated_until_it_is_removed(harness: Harness) -> None:
    service = harness.open(
        Script({"generate": (PlannedFault("500", "before"),)}, persistent=True), time_limit=HANG_LIMIT
    )
    body = f'{{"agent_id": {service.agent_id}, "num_metrics": 1}}'
    assert [send(service, body).status_code for _ in range(3)] == [500] * 3
    harness.remove_faults()
    assert send(service, body).status_code == 200


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("connection refused", httpx.ConnectError),
        ("connect timeout", httpx.ConnectTimeout),
        ("reset before the request is read", httpx.TransportError),
        ("reset after the request is read", httpx.ReadError),
        ("closed without a response", httpx.RemoteProtocolError),
        ("read timeout", httpx.ReadTimeout),
        ("truncated body", httpx.RemoteProtocolError),
        ("garbage instead of HTTP", httpx.RemoteProtocolError),
        ("truncated gzip", None),
    ],
)
def test_each_fault_causes_the_error_in_its_name(harness: Harness, fault: str, error: type[Exception] | None) -> None:
    service = harness.open(
        Script({"generate": (PlannedFault(fault, FAULTS[fault].phases[-1]),)}, persistent=True), time_limit=HANG_LIMIT
    )
    if error is not None:
        with pytest.raises(error):
            send(service, timeout=0.1 if issubclass(error, httpx.TimeoutException) else HANG_LIMIT)
    harness.remove_faults()
    assert send(service).status_code == 400  # the response of the service


def test_a_request_is_processed_late_after_the_client_has_disconnected(harness: Harness) -> None:
    service = harness.open(
        Script({"generate": (PlannedFault("closed without a response", "late"),)}), time_limit=HANG_LIMIT
    )
    with pytest.raises(httpx.RemoteProtocolError):
        send(service, f'{{"agent_id": {service.agent_id}, "num_metrics": 2}}')
    harness.finish_late_requests()
    assert len(harness.state().wanted) == 2


def test_the_page_shows_the_results_and_names_existing_tests() -> None:
    verdicts = {kind: [Verdict(each, "result", 1.0, ()) for each in all_cells(kind)] for kind in CLIENTS}
    text = document(verdicts, [["behavior", "cells"], ["`default`", 7]])
    assert "| `default` | 7 |" in text
    assert f"| this package | {len(OURS)} | 0 | 0 | 0 | 0 | 0 | 0 | 0 | 0 |" in text
    named = re.findall(r"`(tests/\w+\.py)::(\w+)`", text)
    assert len(named) >= 10
    for file, test in named:
        assert f"def {test}(" in (ROOT / file).read_text()


def test_the_committed_page_shows_no_violations() -> None:
    text = (ROOT / "docs" / "internals" / "reliability.md").read_text()
    assert text.startswith(TEMPLATE.read_text().partition("$totals")[0])
    assert f"| this package | {len(OURS)} | 0 | 0 | 0 | 0 | 0 | 0 | 0 | 0 |" in text
