"""Errors of a save distinguish the metrics that it created from those that existed before."""

from __future__ import annotations

import copy
import pickle

import pytest

from cekura_facade import BadRequestError, Cekura, CekuraError, SavedMetrics
from cekura_facade.sandbox import Sandbox
from tests.support import Received, reply, scripted

A = {"name": "a", "eval_type": "binary", "agent": 101}
B = {"name": "b", "eval_type": "binary", "agent": 101}
BAD = {"name": "bad", "eval_type": "nonsense", "agent": 101}


def names(metrics: object) -> list[object]:
    assert isinstance(metrics, list)
    return [metric.name for metric in metrics]


def test_an_error_of_a_refused_save_has_the_existing_metrics(sandbox: Sandbox) -> None:
    with Cekura(sandbox.api_key, base_url=sandbox.url) as cekura:
        cekura.metrics.create_in_bulk([A])
        with pytest.raises(BadRequestError) as caught:
            cekura.metrics.create_in_bulk([A, B, BAD])
    for error in (caught.value, copy.copy(caught.value), pickle.loads(pickle.dumps(caught.value))):
        created = error.created
        assert isinstance(created, SavedMetrics)
        assert (names(created), names(created.created), names(created.existing)) == (["a"], [], ["a"])


def test_an_error_of_a_partly_refused_save_has_the_new_metrics(sandbox: Sandbox) -> None:
    many = [{**A, "name": f"metric {number}"} for number in range(100)]
    with Cekura(sandbox.api_key, base_url=sandbox.url) as cekura:
        cekura.metrics.create_in_bulk([A])
        with pytest.raises(BadRequestError) as caught:
            cekura.metrics.create_in_bulk([A, *many, BAD])
    created = caught.value.created
    assert isinstance(created, SavedMetrics)
    assert names(created.existing) == ["a"]
    assert names(created.created) == [metric["name"] for metric in many]


def test_metrics_that_were_saved_before_sending_count_as_existing() -> None:
    saved = {**A, "id": 7, "agents": [101], "project": 11, "description": None}

    def respond(request: Received) -> bytes:
        if "aiagents" in request.path:
            return reply(200, {"id": 101, "project": 11})
        lists = [each for each in server.received if "aiagents" not in each.path]
        return reply(200, [saved]) if len(lists) <= 1 else reply(403, {"detail": "no"})

    with (
        scripted(respond) as server,
        Cekura("key", base_url=server.url, max_retries=0) as cekura,
        pytest.raises(CekuraError) as caught,
    ):
        cekura.metrics.create_in_bulk([A, B])
    created = caught.value.created
    assert not any("bulk_create" in request.path for request in server.received)
    assert isinstance(created, SavedMetrics)
    assert (names(created.created), names(created.existing)) == ([], ["a"])
